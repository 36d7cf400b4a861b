//! The OpenAPI document, and whether the paths do what it says.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::World;

#[test]
fn the_document_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let now = format!("{}\n", punctual_api::openapi());
    if std::env::var_os("PUNCTUAL_UPDATE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == now,
        "{path} is not what the code says: read the difference that PUNCTUAL_UPDATE=1 cargo test -p punctual-api \
         makes, and commit it"
    );
}

#[tokio::test]
async fn the_document_is_served() {
    let document = World::new().await.json("/api/v1/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document, serde_json::from_str::<Value>(punctual_api::openapi()).unwrap());
}

/// Operations with their paths.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    all
}

/// A path whose placeholders hold something.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{id}" => "1",
        "{at}" => "2026-01-01T00:00:00Z",
        part if part.starts_with('{') => "some",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn the_parameters_that_are_read_are_those_of_the_document() {
    let world = World::new().await;
    let document = serde_json::from_str(punctual_api::openapi()).unwrap();
    let mut compared = 0;
    for (path, method, operation) in operations(&document) {
        let described = operation["parameters"].as_array().cloned().unwrap_or_default();
        let mut described: Vec<String> = described
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect();
        if method != "get" || described.is_empty() {
            continue;
        }
        // A value for each, so that none is said to be missing, and one parameter that no path has.
        let query: Vec<String> = described.iter().map(|name| format!("{name}=%20")).collect();
        let answer = world.get(&format!("{}?{}&zzz=1", filled(&path), query.join("&"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text);
        let errors = answer.json()["errors"].clone();
        let unknown = errors["zzz"].as_str().unwrap_or_else(|| panic!("{path}: {errors}"));
        let mut read: Vec<&str> = unknown.split(" use ").nth(1).unwrap().split(", ").collect();
        described.sort_unstable();
        read.sort_unstable();
        assert_eq!(described, read, "{path}");
        compared += 1;
    }
    assert!(compared >= 3, "only {compared} paths have parameters");
}

#[tokio::test]
async fn every_path_has_a_name_a_summary_and_a_tag() {
    let document: Value = serde_json::from_str(punctual_api::openapi()).unwrap();
    let known: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut names = Vec::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(!names.contains(&name), "{method} {path}: {name} names two operations");
        names.push(name);
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(known.contains(&&operation["tags"][0]), "{method} {path}: {}", operation["tags"]);
    }
}

#[tokio::test]
async fn wrong_parameters_are_a_problem_with_a_code() {
    let answer = World::new().await.get("/api/v1/skipped?limit=0&at=now&x=1").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.content_type(), "application/problem+json");
    let problem = answer.json();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("invalid-parameters"), &json!(400)));
    assert_eq!(problem["errors"].as_object().unwrap().len(), 3, "{problem}");
}
