//! `/api/v1/insights`: how runs went.

use punctual_core::{HistoryStore, TaskRecord, TaskStatus, Timestamp};
use serde_json::json;

use crate::support::World;

fn record(task: &str, started_at: &str, status: TaskStatus, took_ms: u64) -> TaskRecord {
    let started_at: Timestamp = started_at.parse().unwrap();
    let ended_at = punctual_core::time::plus_millis(started_at, i64::try_from(took_ms).unwrap());
    TaskRecord {
        task: task.to_owned(),
        status,
        started_at,
        ended_at: Some(ended_at),
        duration_ms: Some(took_ms),
        details: None,
        db_id: None,
        node: "n".to_owned(),
        term: None,
        parent: None,
        run: None,
        logs: None,
        progress: None,
    }
}

async fn world() -> World {
    let world = World::new().await;
    let rows = [
        record("sync", "2026-03-01T00:10:00Z", TaskStatus::Success, 10),
        record("sync", "2026-03-01T00:20:00Z", TaskStatus::Success, 12),
        record("sync", "2026-03-01T00:59:59Z", TaskStatus::Failed, 14),
        record("sync", "2026-03-01T01:00:00Z", TaskStatus::Success, 20),
        record("load", "2026-03-01T00:00:00Z", TaskStatus::Unknown, 1),
    ];
    world.store.record(&rows).await.unwrap();
    world
}

#[tokio::test]
async fn runs_are_counted_by_task_and_period() {
    let world = world().await;
    let span = "from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z";
    let answer = world.json(&format!("/api/v1/insights?{span}&task=sync&step=hour")).await;
    assert_eq!(answer["error"], json!(0.03125));
    let first = json!({
        "task": "sync",
        "job": null,
        "from": "2026-03-01T00:00:00.000Z",
        "to": "2026-03-01T01:00:00.000Z",
        "success": 2,
        "failed": 1,
        "unknown": 0,
        "failure_rate": 1.0 / 3.0,
        "duration_ms": { "mean": 12.0, "p50": 12, "p95": 14, "p99": 14, "max": 14 },
    });
    assert_eq!(answer["data"][0], first);
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    let whole = world.json(&format!("/api/v1/insights?{span}")).await;
    let tasks: Vec<_> = whole["data"].as_array().unwrap().iter().map(|one| one["task"].clone()).collect();
    assert_eq!(tasks, [json!("load"), json!("sync")]);
    assert_eq!(whole["data"][1]["to"], json!("2026-03-02T00:00:00.000Z"));
    assert_eq!(whole["data"][0]["failure_rate"], json!(1.0));
}

#[tokio::test]
async fn a_question_without_sense_is_told_what_is_wrong() {
    let world = world().await;
    let missing = world.errors("/api/v1/insights").await;
    assert_eq!((&missing["from"], &missing["to"]), (&json!("is required"), &json!("is required")));
    let span = "from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z";
    let reversed = world.errors(&format!("/api/v1/insights?{span}&step=year")).await;
    assert_eq!(reversed["to"], json!("must be after from"));
    assert!(reversed["step"].as_str().unwrap().contains("hour, day, week"));
    let long =
        world.errors("/api/v1/insights?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&step=hour").await;
    assert!(long["step"].as_str().unwrap().contains("9000 periods"), "{long}");
}
