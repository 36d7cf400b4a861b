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
async fn a_node_is_drained_and_resumed() {
    let world = World::new().await;
    world.schedule(JobDetail::new("job", "test"), Trigger::new("t", "job", every(60))).await;
    world.tick(0).await;
    let post = async |path: &str| world.call("POST", path, &json!({"note": "upgrade"})).await;
    let runs = async || world.json("/api/v1/runs").await["total"].clone();
    let node = async || world.json("/api/v1/nodes").await["data"][0].clone();
    let before = runs().await;
    let asked = post("/api/v1/nodes/north/drain").await.json();
    let (name, term) = (json!("north"), node().await["term"].clone());
    assert_eq!(asked, json!({"name": name, "term": &term, "drained": true, "updated": 1, "running": 0}));
    assert_eq!((&node().await["state"], &node().await["drained"]), (&json!("draining"), &json!(true)));
    world.tick(1).await;
    // By then its lease has run out, and another node has taken it for lost: it goes on under a new term.
    world.store.recover(at(3_600)).await.unwrap();
    world.tick(3_600).await;
    assert_eq!(runs().await, before, "it claims nothing");
    assert_ne!(node().await["term"], term);
    assert_eq!(post("/api/v1/nodes/north/drain").await.json()["updated"], 0);
    let health = world.get("/health").await;
    assert_eq!(health.status, 200, "it is not broken");
    assert_eq!(health.json()["state"], "draining");
    assert_eq!(post("/api/v1/nodes/north/resume").await.json()["updated"], 1);
    world.tick(1).await;
    world.tick(60).await;
    assert!(runs().await.as_u64() > before.as_u64());
    assert_eq!(node().await["state"], "running");
    assert_eq!(post("/api/v1/nodes/north/resume").await.json()["updated"], 0);
    let unknown = post("/api/v1/nodes/south/drain").await;
    let problem = unknown.json();
    assert_eq!((unknown.status.as_u16(), &problem["code"]), (404, &json!("no-such-node")));
    assert_eq!(problem["detail"], "there is no live node south; live are north");
    let entries = world.json("/api/v1/audit?subject=north").await["data"].clone();
    let told = entries.as_array().unwrap().iter().map(|row| (row["action"].clone(), row["note"].clone()));
    let wanted = ["node.resume", "node.drain"].map(|action| (json!(action), json!("upgrade")));
    assert_eq!(told.collect::<Vec<_>>(), wanted);
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
