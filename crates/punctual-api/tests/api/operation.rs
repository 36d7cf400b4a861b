//! Pausing, running, cancelling, events, and running the past again.

use axum::http::StatusCode;
use punctual_core::{JobDetail, Trigger};
use punctual_testkit::factory::{cron, data};
use serde_json::{Value, json};

use crate::support::World;

async fn post(world: &World, path: &str, body: Value) -> Value {
    let answer = world.call("POST", path, &body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text);
    answer.json()
}

async fn refused(world: &World, path: &str, body: Value) -> (u16, String) {
    let answer = world.call("POST", path, &body).await;
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap().to_owned())
}

/// A job that runs at every full hour.
async fn world() -> World {
    let world = World::new().await;
    let trigger = Trigger::new("hourly", "job", cron("0 0 * * * ?")).data(data(json!({"a": 1})));
    world.schedule(JobDetail::new("job", "test"), trigger).await;
    world
}

#[tokio::test]
async fn triggers_are_paused_and_resumed_alone_by_job_and_by_group() {
    let world = world().await;
    let trigger = "/api/v1/triggers/DEFAULT/hourly";
    for path in [trigger, "/api/v1/jobs/DEFAULT/job", "/api/v1/trigger-groups/DEFAULT"] {
        assert_eq!(post(&world, &format!("{path}/pause"), json!({})).await["updated"], 1, "{path}");
        assert_eq!(world.json(trigger).await["state"], "paused");
        assert_eq!(post(&world, &format!("{path}/pause"), json!({})).await["unchanged"], 1);
        post(&world, &format!("{path}/resume"), json!({})).await;
        assert_eq!(world.json(trigger).await["state"], "waiting");
    }
    assert_eq!(post(&world, &format!("{trigger}/reset"), json!({})).await["unchanged"], 1);
    for (path, code) in [
        ("/api/v1/triggers/DEFAULT/x/pause", "no-such-trigger"),
        ("/api/v1/triggers/DEFAULT/x/reset", "no-such-trigger"),
        ("/api/v1/jobs/DEFAULT/x/resume", "no-such-job"),
        ("/api/v1/jobs/DEFAULT/x/run", "no-such-job"),
    ] {
        assert_eq!(refused(&world, path, json!({})).await, (404, code.to_owned()));
    }
    assert_eq!(refused(&world, "/api/v1/trigger-groups/%0a/pause", json!({})).await.0, 400);
}

#[tokio::test]
async fn a_job_is_run_now_and_again() {
    let world = world().await;
    let stored = post(&world, "/api/v1/jobs/DEFAULT/job/run", json!({"data": {"b": 2}})).await;
    assert!(stored["trigger"].as_str().unwrap().starts_with("PUNCTUAL.MANUAL."), "{stored}");
    let pending = world.json("/api/v1/triggers?cause=manual").await;
    assert_eq!(pending["data"][0]["data"], json!({"b": 2}));
    world.tick(1).await;
    // A run of its own is asked for by the key under which it is shown.
    let shown = stored["trigger"].as_str().unwrap();
    let runs = world.json(&format!("/api/v1/runs?trigger={shown}")).await;
    assert_eq!((&runs["total"], &runs["data"][0]["trigger"]), (&json!(1), &json!(shown)));
    let instant = runs["data"][0]["scheduled_at"].as_str().unwrap();
    let why = world.json(&format!("/api/v1/why?trigger={shown}&at={instant}")).await;
    assert_eq!((&why["fate"], &why["runs"][0]["id"]), (&json!("ran"), &runs["data"][0]["id"]));
    let rows = world.json("/api/task/?sort_direction=asc").await;
    let hourly = rows["data"].as_array().unwrap().iter().find(|row| row["cause"] == "schedule").unwrap();
    let id = hourly["id"].as_i64().unwrap();
    assert_eq!(world.json(&format!("/api/v1/runs/{id}")).await["id"], id);
    post(&world, &format!("/api/v1/runs/{id}/run-again"), json!({"data": {"c": 3}})).await;
    let pending = world.json("/api/v1/triggers?cause=manual").await["data"][0].clone();
    assert_eq!(pending["data"], json!({"a": 1, "c": 3}), "the trigger's data with what is laid over it");
    assert_eq!(pending["pending"]["trigger"], "DEFAULT.hourly");
    assert_eq!(pending["pending"]["scheduled_at"], hourly["scheduled_at"]);
    world.tick(1).await;
    let why = world.json("/api/v1/why?trigger=hourly&at=2026-01-01T00:00:00Z").await;
    assert_eq!(why["runs"].as_array().unwrap().len(), 2);
    assert_eq!(refused(&world, "/api/v1/runs/999999/run-again", json!({})).await.1, "no-such-run");
    assert_eq!(refused(&world, &format!("/api/v1/runs/{id}/cancel"), json!({})).await.1, "not-running");
    assert_eq!(refused(&world, "/api/v1/runs/x/cancel", json!({})).await.0, 400);
}

#[tokio::test]
async fn an_event_runs_what_waits_for_it() {
    let world = World::new().await;
    let waits = punctual_core::schedule::EventSchedule::new("arrived").unwrap();
    world.schedule(JobDetail::new("job", "test"), Trigger::new("t", "job", waits.into())).await;
    let emitted = post(&world, "/api/v1/events", json!({"event": "arrived", "payload": {"file": "a"}})).await;
    assert_eq!(emitted["created"], 1);
    assert_eq!(world.json("/api/v1/triggers?cause=event").await["data"][0]["data"], json!({"file": "a"}));
    assert_eq!(post(&world, "/api/v1/events", json!({"event": "other"})).await["created"], 0);
    assert_eq!(
        refused(&world, "/api/v1/events", json!({"event": ""})).await,
        (422, "invalid-event".to_owned())
    );
}

#[tokio::test]
async fn the_past_is_run_again_after_a_look_at_it() {
    let world = world().await;
    world.tick(0).await;
    for _ in 0..3 {
        world.tick(3_600).await;
    }
    let path = "/api/v1/triggers/DEFAULT/hourly/backfill";
    // Three hours before the trigger was stored, and two of those that ran.
    let window = |more: Value| {
        let mut body = json!({"from": "2025-12-31T21:00:00Z", "to": "2026-01-01T01:59:00Z"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let shown = post(&world, path, window(json!({"dry_run": true}))).await;
    assert_eq!((&shown["count"], &shown["stored"]), (&json!(3), &json!(0)));
    let instants = shown["instants"].as_array().unwrap();
    assert_eq!(instants.len(), 5);
    assert_eq!(instants[0], json!({"at": "2025-12-31T21:00:00.000Z", "status": null, "again": true}));
    assert_eq!(instants[4], json!({"at": "2026-01-01T01:00:00.000Z", "status": "success", "again": false}));
    assert_eq!(world.json("/api/v1/triggers?cause=manual").await["data"], json!([]), "a look stores nothing");
    let all = post(&world, path, window(json!({"dry_run": true, "all": true}))).await;
    assert_eq!(all["count"], 5);
    assert_eq!(refused(&world, path, window(json!({}))).await, (400, "invalid-parameters".to_owned()));
    let answer = world.call("POST", path, &window(json!({"note": "the disk was full"}))).await;
    assert_eq!((answer.status, &answer.json()["stored"]), (StatusCode::ACCEPTED, &json!(3)));
    world.tick(1).await;
    let done = post(&world, path, window(json!({"dry_run": true}))).await;
    assert_eq!(done["count"], 0, "{done}");
    for (body, code) in [
        (
            json!({"from": "2026-01-01T02:00:00Z", "to": "2026-01-01T01:00:00Z", "note": "x"}),
            "invalid-parameters",
        ),
        (
            json!({"from": "2026-01-01T02:00:00Z", "to": "2027-01-01T01:00:00Z", "note": "x"}),
            "invalid-parameters",
        ),
        (
            json!({"from": "2025-01-01T02:00:00Z", "to": "2026-01-01T01:00:00Z", "note": "x"}),
            "too-many-instants",
        ),
    ] {
        assert_eq!(refused(&world, path, body).await.1, code);
    }
}
