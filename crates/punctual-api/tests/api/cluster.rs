//! `/api/v1/nodes`, `/api/v1/locks`, `/api/v1/unassigned`, `/api/v1/settings`.

use std::time::Duration;

use punctual_core::{ClusterStore, JobDetail, LockHolder, LockMode, LockRequest, LockSet, Trigger};
use punctual_testkit::factory::{at, every};
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn nodes_are_listed_with_their_lease_and_clock() {
    let world = World::new().await;
    world.tick(5).await;
    let node = world.json("/api/v1/nodes").await["data"][0].clone();
    assert_eq!(
        (&node["name"], &node["live"], &node["state"]),
        (&json!("north"), &json!(true), &json!("running"))
    );
    assert_eq!(node["kinds"], json!(["test", "typed"]));
    assert_eq!((&node["clock_offset_ms"], &node["clock_uncertainty_ms"]), (&json!(0), &json!(0)));
    let slots = world.manual.scheduler().status().slots;
    assert_eq!((&node["slots"], &node["running"]), (&json!(slots), &json!(0)));
    world.manual.clock().advance(Duration::from_secs(3600));
    assert_eq!(world.json("/api/v1/nodes").await["data"][0]["live"], false);
}

#[tokio::test]
async fn held_locks_tell_by_whom_and_how_long() {
    let world = World::new().await;
    let locks = LockSet::try_new([("ledger", LockMode::Exclusive)]).unwrap();
    let holder = LockHolder { node: "north".to_owned(), term: None, purpose: "import".to_owned() };
    let request = LockRequest { locks, holder, now: at(0), lease_ms: 60_000 };
    world.store.lock(&request).await.unwrap();
    world.manual.clock().advance(Duration::from_secs(7));
    let lock = world.json("/api/v1/locks").await["data"][0].clone();
    assert_eq!((&lock["name"], &lock["mode"]), (&json!("ledger"), &json!("exclusive")));
    assert_eq!((&lock["node"], &lock["purpose"]), (&json!("north"), &json!("import")));
    assert_eq!(lock["held_for_ms"], 7_000);
    assert_eq!(lock["lease_until"], "2026-01-01T00:01:00.000Z");
}

#[tokio::test]
async fn work_that_no_node_can_do_is_listed_with_its_age() {
    let world = World::new().await;
    world.add("known").await;
    let job = JobDetail::new("strange", "unheard-of");
    let put =
        punctual_core::Change::Schedule { job, triggers: vec![Trigger::new("s", "strange", every(60))] };
    world.manual.scheduler().apply(&[put]).await.unwrap();
    world.tick(5).await;
    let list = world.json("/api/v1/unassigned").await;
    let expected =
        json!([{"kind": "unheard-of", "triggers": 1, "since": "2026-01-01T00:00:00.000Z", "age_ms": 5_000}]);
    assert_eq!(list["data"], expected);
}

#[tokio::test]
async fn settings_are_what_the_operator_shows() {
    let world = World::new().await;
    assert_eq!(world.json("/api/v1/settings").await, json!({"scheduler": {"slots": 10}}));
}
