//! What the API shows can be put back, and changes nothing then.

use std::time::Duration;

use axum::http::StatusCode;
use punctual_core::accounts::AuditQuery;
use punctual_core::{JobDetail, Trigger};
use punctual_testkit::factory::every;
use serde_json::{Map, Value, json};

use crate::support::World;

/// What of an answer is told rather than set.
const TOLD: [&str; 16] = [
    "key",
    "created_at",
    "updated_at",
    "warnings",
    "schedule_text",
    "time_zone",
    "anchor",
    "state",
    "error",
    "next_fire_at",
    "previous_fire_at",
    "final_fire_at",
    "accounted_from",
    "fired",
    "skipped",
    "pending",
];

fn settable(shown: &Value, further: &[&str]) -> Map<String, Value> {
    let members = shown.as_object().unwrap().iter();
    let kept =
        members.filter(|(name, _)| !TOLD.contains(&name.as_str()) && !further.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn trigger_body(shown: &Value) -> Value {
    let mut body = settable(shown, &["group", "name"]);
    body.insert("job".to_owned(), json!({"group": "g", "name": "job"}));
    Value::Object(body)
}

fn job_body(shown: &Value) -> Value {
    let mut body = settable(shown, &["group", "name"]);
    let triggers = shown["triggers"].as_array().unwrap().iter();
    let triggers = triggers.map(|shown| Value::Object(settable(shown, &["job", "version"])));
    body.insert("triggers".to_owned(), triggers.collect());
    Value::Object(body)
}

fn calendar_body(shown: &Value) -> Value {
    Value::Object(settable(shown, &["name"]))
}

async fn put(world: &World, path: &str, body: &Value) -> Value {
    let answer = world.call("PUT", path, body).await;
    assert!(answer.status.is_success(), "{path} {body}: {}", answer.text);
    answer.json()
}

async fn entries(world: &World) -> usize {
    world.audit(AuditQuery { limit: 1_000, ..AuditQuery::default() }).await.len()
}

/// Puts back what a path shows: nothing changes, and nothing is logged.
async fn round_trip(world: &World, path: &str, body_of: fn(&Value) -> Value) {
    world.manual.clock().advance(Duration::from_millis(1));
    let (shown, logged) = (world.json(path).await, entries(world).await);
    let answer = world.call("PUT", path, &body_of(&shown)).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    assert_eq!(world.json(path).await, shown, "{path}");
    // The same without the version that was seen.
    let mut body = body_of(&shown);
    body.as_object_mut().unwrap().remove("version");
    put(world, path, &body).await;
    assert_eq!(world.json(path).await, shown, "{path}");
    assert_eq!(entries(world).await, logged, "{path}: a change that is none was logged");
}

fn schedules() -> Vec<Value> {
    vec![
        json!({"type": "cron", "expr": "0 30 2 * * ?"}),
        json!({"type": "cron", "expr": "0 30 2 ? * MON#1", "tz": "Europe/Berlin", "dst": "quartz"}),
        json!({"type": "simple", "interval_ms": 60_000}),
        json!({"type": "simple", "interval_ms": 60_000, "repeat_count": 3}),
        json!({"type": "calendar_interval", "interval": 1, "unit": "MONTH"}),
        json!({
            "type": "calendar_interval", "interval": 2, "unit": "DAY", "tz": "Europe/Berlin",
            "preserve_hour_of_day": true, "skip_day_if_no_hour": true,
        }),
        json!({
            "type": "daily_time_interval", "interval": 20, "unit": "MINUTE",
            "start_time_of_day": "08:00:00", "end_time_of_day": "18:00:00", "days_of_week": [2, 3],
        }),
        json!({"type": "rrule", "rrule": "FREQ=WEEKLY;BYDAY=MO", "tz": "Europe/Berlin"}),
        json!({"type": "fixed_delay", "delay_ms": 60_000}),
        json!({"type": "event", "event": "orders.imported"}),
    ]
}

#[tokio::test]
async fn a_trigger_of_every_kind_is_put_back_as_it_is_shown() {
    let world = World::new().await;
    put(&world, "/api/v1/jobs/g/job", &json!({"kind": "test", "durable": true})).await;
    put(&world, "/api/v1/calendars/c", &json!({"calendar": {"type": "holiday", "days": ["2030-12-25"]}}))
        .await;
    let job = json!({"group": "g", "name": "job"});
    let members = [
        json!({}),
        json!({"misfire_threshold_ms": 60_000}),
        json!({"misfire_threshold_ms": 0, "priority": 5, "misfire": "smart", "data": {}, "calendar": null}),
        json!({
            "description": "d", "start": "2030-01-01T00:00:00.007Z", "end": "2039-01-01T00:00:00Z", "priority": -3,
            "misfire_threshold_ms": 900_000, "misfire": "skip", "data": {"n": 1.5, "big": 9_007_199_254_740_993_i64},
        }),
    ];
    for (kind, schedule) in schedules().into_iter().enumerate() {
        for (more, members) in members.iter().enumerate() {
            let mut body = members.clone();
            body["schedule"] = schedule.clone();
            body["job"] = job.clone();
            if more == 3 && schedule["type"] != "event" && schedule["type"] != "fixed_delay" {
                body["calendar"] = json!("c");
            }
            let path = format!("/api/v1/triggers/g/t{kind}-{more}");
            let answer = world.call("PUT", &path, &body).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{body}: {}", answer.text);
            round_trip(&world, &path, trigger_body).await;
        }
    }
    let once = json!({"job": job, "schedule": {"type": "once"}, "start": "2030-01-01T00:00:00Z"});
    put(&world, "/api/v1/triggers/g/once", &once).await;
    round_trip(&world, "/api/v1/triggers/g/once", trigger_body).await;
    // With all of them, the job is put back, too.
    round_trip(&world, "/api/v1/jobs/g/job", job_body).await;
}

#[tokio::test]
async fn a_job_of_every_kind_is_put_back_as_it_is_shown() {
    let world = World::new().await;
    let bodies = [
        json!({}),
        json!({"description": "d", "data": {"a": [1, {"b": null}]}, "requests_recovery": true, "timeout_ms": 5}),
        json!({"concurrent": false, "overlap": "skip", "retry": {"policy": "immediate", "max_attempts": 3}}),
        json!({
            "concurrency": {"limit": 2, "key": "db:{database}"}, "data": {"database": "x"}, "overlap": "cancel",
            "retry": {
                "policy": "exponential", "max_attempts": 3, "initial_ms": 1, "multiplier": 1.1, "max_ms": 7,
                "jitter": 0.3,
            },
        }),
        json!({"history": false, "unknown_kind": "skip"}),
        json!({"history": "failures", "unknown_kind": "wait"}),
        json!({"history": {"keep": "all", "rows": 3, "days": 2}, "unknown_kind": null}),
    ];
    for (number, mut body) in bodies.into_iter().enumerate() {
        body["kind"] = json!("test");
        body["durable"] = json!(true);
        let path = format!("/api/v1/jobs/g/j{number}");
        put(&world, &path, &body).await;
        round_trip(&world, &path, job_body).await;
        body["triggers"] = json!([
            {"name": format!("{number}a"), "schedule": {"type": "simple", "interval_ms": 1_000}},
            {"name": format!("{number}b"), "schedule": {"type": "once"}, "start": "2030-01-01T00:00:00Z"},
        ]);
        put(&world, &path, &body).await;
        round_trip(&world, &path, job_body).await;
    }
}

#[tokio::test]
async fn what_a_job_says_about_unknown_kinds_is_shown_and_set() {
    let world = World::new().await;
    let path = "/api/v1/jobs/g/j";
    let body = json!({"kind": "test", "durable": true, "unknown_kind": "skip"});
    assert_eq!(put(&world, path, &body).await["unknown_kind"], "skip");
    let body = json!({"kind": "test", "durable": true});
    assert_eq!(put(&world, path, &body).await["unknown_kind"], Value::Null);
    let wrong =
        world.call("PUT", path, &json!({"kind": "test", "durable": true, "unknown_kind": "drop"})).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.json()["errors"]["unknown_kind"].is_string(), "{}", wrong.text);
}

#[tokio::test]
async fn a_calendar_of_every_kind_is_put_back_as_it_is_shown() {
    let world = World::new().await;
    let calendars = [
        json!({"type": "cron", "expr": "* * 0-7 ? * *", "tz": "Europe/Berlin"}),
        json!({"type": "daily", "range_start": "22:00", "range_end": "23:30"}),
        json!({"type": "daily", "range_start": "08:00", "range_end": "17:00", "invert": true}),
        json!({"type": "weekly", "days": [7, 1]}),
        json!({"type": "monthly", "days": [31, 1]}),
        json!({"type": "annual", "days": ["12-25"]}),
        json!({
            "type": "holiday", "days": ["2030-12-25", "2030-01-01"],
            "base": {"type": "weekly", "days": [1], "tz": "America/New_York"},
        }),
    ];
    for (number, calendar) in calendars.iter().enumerate() {
        let path = format!("/api/v1/calendars/c{number}");
        put(&world, &path, &json!({"calendar": calendar})).await;
        round_trip(&world, &path, calendar_body).await;
    }
}

#[tokio::test]
async fn what_programs_stored_is_put_back_as_it_is_shown() {
    let world = World::new().await;
    let explicit = Trigger::new("explicit", "job", every(60)).misfire_threshold_ms(60_000);
    let plain = Trigger::new("plain", "job", every(60));
    let job = JobDetail::new("job", "test").non_concurrent();
    world.manual.scheduler().schedule(job, vec![explicit, plain]).await.unwrap();
    round_trip(&world, "/api/v1/jobs/DEFAULT/job", job_body).await;
    for name in ["explicit", "plain"] {
        let path = format!("/api/v1/triggers/DEFAULT/{name}");
        let of_default = |shown: &Value| {
            let mut body = trigger_body(shown);
            body["job"] = json!({"name": "job"});
            body
        };
        round_trip(&world, &path, of_default).await;
    }
}
