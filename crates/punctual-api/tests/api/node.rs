//! `/health` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use punctual_memory::MemoryStore;
use punctual_testkit::factory::at;
use punctual_testkit::faulty::FaultyStore;
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_node_at_work_is_healthy() {
    let world = World::new().await;
    world.add("alpha").await;
    world.tick(1).await;
    let health = world.json("/health").await;
    assert_eq!(health["status"], "ok");
    assert_eq!(health["node"], "north");
    assert_eq!(health["version"], "1.2.3");
    assert_eq!(health["state"], "running");
    assert_eq!(health["lease_valid"], true);
    assert_eq!(health["last_heartbeat_at"], "2026-01-01T00:00:01.000Z");
    assert_eq!(health["executed"], 1);
    assert_eq!(health["problems"], json!([]));
}

#[tokio::test]
async fn a_node_whose_lease_has_run_out_is_degraded() {
    let world = World::new().await;
    world.manual.clock().advance(Duration::from_secs(3600));
    let answer = world.get("/health").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let health = answer.json();
    assert_eq!((&health["status"], &health["lease_valid"]), (&json!("degraded"), &json!(false)));
    assert!(health["problems"][0].as_str().unwrap().contains("lease has run out"), "{health}");
}

#[tokio::test]
async fn a_request_that_nobody_carries_out_is_a_warning_after_a_minute_and_no_fault_of_the_node() {
    let world = World::over(FaultyStore::new(Arc::new(MemoryStore::new())).with_request_since(at(0))).await;
    assert_eq!(world.json("/health").await["requests_since"], "2026-01-01T00:00:00.000Z");
    for second in 1..=60 {
        world.tick(1).await;
        assert_eq!(world.json("/health").await["warnings"], json!([]), "{second}");
    }
    world.tick(1).await;
    let answer = world.get("/health").await;
    assert_eq!(answer.status, StatusCode::OK, "every node would be taken out of service at once");
    let health = answer.json();
    assert_eq!((&health["status"], &health["problems"]), (&json!("ok"), &json!([])));
    let warning = health["warnings"][0].as_str().unwrap();
    assert!(warning.contains("since 2026-01-01T00:00:00Z, more than a minute"), "{warning}");
}

#[tokio::test]
async fn health_tells_how_well_the_node_knows_the_time() {
    let world = World::new().await;
    assert_eq!(world.json("/health").await["clock_offset_ms"], json!(null), "the store has no clock");
    let store = FaultyStore::new(Arc::new(MemoryStore::new())).with_clock(|| at(300));
    let world = World::over(store).await;
    let health = world.json("/health").await;
    assert_eq!((&health["clock_offset_ms"], &health["clock_uncertainty_ms"]), (&json!(300_000), &json!(0)));
    world.manual.clock().advance(Duration::from_secs(3600));
    let answer = world.get("/health").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let problem = answer.json()["problems"][1].as_str().unwrap().to_owned();
    assert!(problem.contains("off the store's time by 3600 ms"), "{problem}");
}

#[tokio::test]
async fn a_failing_store_degrades_the_node_until_it_works_again() {
    let world = World::new().await;
    world.store.set_broken(true);
    world.manual.tick(Duration::from_secs(1)).await.unwrap_err();
    let answer = world.get("/health").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let error = answer.json()["last_store_error"].as_str().unwrap().to_owned();
    assert!(error.contains("cannot be reached"), "{error}");
    world.store.set_broken(false);
    world.tick(1).await;
    assert_eq!(world.json("/health").await["status"], "ok");
}

#[tokio::test]
async fn metrics_come_in_the_format_of_prometheus() {
    let world = World::new().await;
    world.add("alpha").await;
    world.tick(1).await;
    let answer = world.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.content_type(), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let series =
        r#"punctual_tasks_quartz_tasks_executed_total{status="succeeded",job_name="DEFAULT.alpha"} 1"#;
    assert!(answer.text.lines().any(|line| line == series), "{}", answer.text);
}

#[tokio::test]
async fn metrics_come_even_when_the_store_fails() {
    let world = World::new().await;
    world.store.set_broken(true);
    let answer = world.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text.contains("punctual_slots 10"), "{}", answer.text);
}
