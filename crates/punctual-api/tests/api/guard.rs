//! What holds for every path: hosts, headers, methods, unknown paths.

use std::collections::BTreeSet;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};

use futures_util::future::ready;
use futures_util::stream::once;
use serde_json::json;

use crate::support::{Answer, World};

const METHODS: [&str; 5] = ["GET ", "PUT ", "POST ", "PATCH ", "DELETE "];

const PATHS: [&str; 5] =
    ["/api/task/", "/api/task/info", "/api/task/unique-tasks", "/api/v1/skipped", "/health"];

async fn with_host(world: &World, host: &str) -> Answer {
    world.send(Request::get("/health").header(header::HOST, host).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn only_loopback_names_are_answered() {
    let world = World::new().await;
    for host in ["localhost", "localhost:1234", "127.0.0.1:8080", "[::1]:8080"] {
        assert_eq!(with_host(&world, host).await.status, StatusCode::OK, "{host}");
    }
    for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1:8080"] {
        let answer = with_host(&world, host).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{host}");
        assert_eq!(answer.json()["code"], "foreign-host");
    }
}

#[tokio::test]
async fn a_foreign_name_anywhere_in_the_request_is_refused() {
    let world = World::new().await;
    let twice =
        Request::get("/health").header(header::HOST, "localhost").header(header::HOST, "evil.example");
    assert_eq!(world.send(twice.body(Body::empty()).unwrap()).await.status, StatusCode::FORBIDDEN);
    let absolute = Request::get("http://evil.example/health").header(header::HOST, "localhost");
    assert_eq!(world.send(absolute.body(Body::empty()).unwrap()).await.status, StatusCode::FORBIDDEN);
    let unknown = Request::get("/nothing").header(header::HOST, "evil.example");
    assert_eq!(world.send(unknown.body(Body::empty()).unwrap()).await.status, StatusCode::FORBIDDEN);
    let without = Request::get("/health").body(Body::empty()).unwrap();
    assert_eq!(world.send(without).await.status, StatusCode::OK, "HTTP/1.0 probes send none");
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let world = World::new().await;
    let mut answers = vec![with_host(&world, "evil.example").await, world.get("/nothing").await];
    for path in PATHS {
        answers.push(world.get(path).await);
    }
    for answer in answers {
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(answer.headers[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers[header::REFERRER_POLICY], "no-referrer");
        assert!(answer.headers.contains_key(header::CONTENT_SECURITY_POLICY));
        assert!(!answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let world = World::new().await;
    for path in PATHS {
        let request = Request::head(path).header(header::HOST, "localhost").body(Body::empty()).unwrap();
        let answer = world.send(request).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""), "{path}");
        assert_eq!(answer.content_type(), world.get(path).await.content_type());
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_work() {
    let world = World::new().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let request = Request::builder().method(&method).uri("/api/task/").header(header::HOST, "localhost");
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers[header::ALLOW], "GET,HEAD");
        assert_eq!(answer.json()["code"], "method-not-allowed");
    }
}

#[tokio::test]
async fn unknown_paths_answer_with_json() {
    let world = World::new().await;
    for path in ["/", "/api/", "/api/tasks", "/api/task/1/2", "/api/v1/", "/metrics/", "/%2e%2e/etc/passwd"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.content_type(), "application/problem+json");
        assert_eq!(answer.json()["code"], "no-such-route");
    }
    for path in ["/api/task/abc", "/api/task/1e3", "/api/task/runs/abc", "/api/task/999999"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, "Not found."), "{path}");
    }
}

#[test]
fn the_documentation_names_every_path() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md")).unwrap();
    let described: BTreeSet<String> = text
        .split('`')
        .filter(|code| code.split_once(" /").is_some_and(|(method, _)| method.parse::<Method>().is_ok()))
        .map(|code| code.split(['?', '\n']).next().unwrap().to_owned())
        .filter(|code| METHODS.iter().any(|method| code.starts_with(method)))
        .collect();
    let listed: BTreeSet<String> = punctual_api::ROUTES
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .filter(|route| !route.ends_with("/api/task/"))
        .collect();
    assert_eq!(described, listed, "left: docs/api.md, right: the table of routes");
}

#[tokio::test]
async fn nul_characters_are_refused_wherever_they_are() {
    // PostgreSQL keeps no text that holds one.
    let world = World::new().await;
    for path in
        ["/api/task?task=%00", "/api/v1/jobs?group=a%00", "/api/v1/calendars/%00", "/api/v1/jobs/a/%00"]
    {
        let answer = world.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text);
    }
    let calendar = |note: &str| json!({ "calendar": { "type": "weekly", "days": [1] }, "note": note });
    for note in ["\0", "a\\\0", "a\nb\0"] {
        let answer = world.call("PUT", "/api/v1/calendars/x", &calendar(note)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert!(answer.text.contains("NUL character (\\\\u0000)"), "{}", answer.text);
    }
    // These are letters after a backslash.
    let letters = world.call("PUT", "/api/v1/calendars/x", &calendar(r"\u0000")).await;
    assert_eq!(letters.status, StatusCode::CREATED, "{}", letters.text);
}

#[tokio::test]
async fn bodies_that_are_too_long_or_too_late_are_told_apart() {
    let world = World::new().await;
    let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no patience");
    let broken = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "gone");
    let failing = |error: std::io::Error| Body::from_stream(once(ready(Err::<Bytes, _>(error))));
    for (body, status, code) in [
        (failing(late), StatusCode::REQUEST_TIMEOUT, "body-timeout"),
        (failing(broken), StatusCode::BAD_REQUEST, "invalid-body"),
        (Body::from(vec![b' '; 1_048_577]), StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
    ] {
        let request = Request::put("/api/v1/calendars/x").header(header::HOST, "localhost");
        let answer = world.send(request.body(body).unwrap()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)));
    }
}
