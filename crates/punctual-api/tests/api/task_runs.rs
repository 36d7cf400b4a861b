//! `/api/task/runs`, and what a row says about runs, children, logs and progress.

use axum::http::StatusCode;
use punctual_core::LogLevel;
use punctual_engine::{TaskRunSpec, current_task};
use serde_json::{Value, json};

use crate::support::World;

/// A sync of database 3 that succeeded, one of database 4 that failed, and an alert that is under way.
async fn world() -> World {
    let world = World::new().await;
    let scheduler = world.manual.scheduler();
    let sync = TaskRunSpec::new("sync", "database", 3).name("Sample");
    scheduler
        .with_run(sync, async {
            let child = scheduler.record("child", (), async { Ok::<(), String>(()) });
            let body = async {
                let task = current_task().unwrap();
                task.log(LogLevel::Warn, "slow");
                task.progress(3, Some(4), Some("tables"));
                child.await
            };
            scheduler.record("sync", json!({"full": true}), body).await.unwrap();
        })
        .await;
    world.tick(60).await;
    let failing = TaskRunSpec::new("sync", "database", 4).name("Broken");
    scheduler
        .with_run(failing, async {
            scheduler.record("sync", (), async { Err::<(), _>("no") }).await.unwrap_err();
        })
        .await;
    world.tick(86_400).await;
    scheduler.begin_run(TaskRunSpec::new("alert", "card", 5)).await.unwrap();
    world
}

fn entities(list: &Value) -> Vec<i64> {
    list["data"].as_array().unwrap().iter().map(|run| run["entity_id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn runs_are_listed_with_their_counts() {
    let world = world().await;
    let list = world.json("/api/task/runs").await;
    assert_eq!((&list["total"], &list["limit"], &list["offset"]), (&json!(3), &Value::Null, &Value::Null));
    assert_eq!(entities(&list), [5, 4, 3]);
    let sync = &list["data"][2];
    assert_eq!(
        (&sync["run_type"], &sync["entity_type"], &sync["entity_name"]),
        (&json!("sync"), &json!("database"), &json!("Sample"))
    );
    assert_eq!(
        (&sync["status"], &sync["task_count"], &sync["success_count"]),
        (&json!("success"), &json!(2), &json!(2))
    );
    assert_eq!(sync["started_at"], "2026-01-01T00:00:00.000Z");
    let failed = &list["data"][1];
    assert_eq!((&failed["status"], &failed["failed_count"]), (&json!("failed"), &json!(1)));
    let open = &list["data"][0];
    assert_eq!(
        (&open["status"], &open["ended_at"], &open["entity_name"]),
        (&json!("started"), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn runs_are_filtered_sorted_and_cut() {
    let world = world().await;
    for (query, expected) in [
        ("run-type=sync", vec![4, 3]),
        ("entity-type=card", vec![5]),
        ("entity-id=4", vec![4]),
        ("node=nobody", vec![]),
        ("status=failed", vec![4]),
        ("started-at=past1days", vec![4, 3]),
        ("started-at=past1days~", vec![5, 4, 3]),
        ("started-at=2026-01-02~", vec![5]),
        ("started-at=~2026-01-01", vec![4, 3]),
        ("sort_column=entity_name&sort_direction=asc", vec![5, 4, 3]),
        ("sort_column=task_count&sort_direction=desc", vec![3, 4, 5]),
        ("limit=1&offset=1", vec![4]),
    ] {
        let list = world.json(&format!("/api/task/runs?{query}")).await;
        assert_eq!(entities(&list), expected, "{query}");
    }
}

#[tokio::test]
async fn a_run_comes_with_its_tasks() {
    let world = world().await;
    let list = world.json("/api/task/runs?entity-id=3").await;
    let id = &list["data"][0]["id"];
    let run = world.json(&format!("/api/task/runs/{id}")).await;
    assert_eq!((&run["id"], &run["entity_name"]), (id, &json!("Sample")));
    let (parent, child) = (&run["tasks"][0], &run["tasks"][1]);
    assert_eq!(
        (&parent["task"], &parent["run_id"], &parent["parent_id"]),
        (&json!("sync"), id, &Value::Null)
    );
    assert_eq!((&child["task"], &child["run_id"], &child["parent_id"]), (&json!("child"), id, &parent["id"]));
    assert_eq!(child["logs"], json!([]));
    assert_eq!(parent["logs"][0]["msg"], "slow");
    assert_eq!(parent["logs"][0]["timestamp"], "2026-01-01T00:00:00.000Z");
    let progress = json!({"done": 3, "total": 4, "message": "tables", "at": "2026-01-01T00:00:00.000Z"});
    assert_eq!(parent["progress"], progress);
    let missing = world.get("/api/task/runs/999999").await;
    assert_eq!((missing.status, missing.text.as_str()), (StatusCode::NOT_FOUND, "Not found."));
}

#[tokio::test]
async fn entities_are_listed_once() {
    let world = world().await;
    let entities = world.json("/api/task/runs/entities?run-type=sync&started-at=past30days~").await;
    let entity =
        |id: i64, name: &str| json!({"entity_type": "database", "entity_id": id, "entity_name": name});
    assert_eq!(entities, json!([entity(3, "Sample"), entity(4, "Broken")]));
    let missing = world.get("/api/task/runs/entities").await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    assert_eq!(missing.json()["errors"]["run-type"], "is required");
    assert_eq!(missing.json()["errors"]["started-at"], "is required");
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let world = world().await;
    for (parameter, value) in [
        ("status", "unknown"),
        ("status", ""),
        ("entity-id", "0"),
        ("run-type", "%20"),
        ("started-at", "yesterday"),
        ("sort_column", "node"),
        ("run_type", "sync"),
    ] {
        let answer = world.get(&format!("/api/task/runs?{parameter}={value}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{parameter}={value}");
        assert!(answer.json()["errors"][parameter].is_string(), "{}", answer.text);
    }
    let answer = world.get("/api/task/runs?started-at=yesterday").await.json();
    let message = answer["errors"]["started-at"].as_str().unwrap();
    assert!(message.starts_with("Failed to parse datetime value: yesterday"), "{message}");
}

#[tokio::test]
async fn tasks_are_sorted_by_name_and_status() {
    let world = world().await;
    let tasks = world.json("/api/task?sort_column=task&sort_direction=asc").await;
    assert_eq!(tasks["data"][0]["task"], "child");
    let statuses = world.json("/api/task?sort_column=status&sort_direction=asc").await;
    assert_eq!(statuses["data"][0]["status"], "failed");
}
