//! Changes of definitions over the API.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use punctual_core::accounts::AuditQuery;
use punctual_core::{JobDetail, Trigger};
use punctual_testkit::factory::{data, every};
use serde_json::{Value, json};

use crate::support::{Answer, World};

const JOB: &str = "/api/v1/jobs/reports/daily";

async fn ok(world: &World, method: &str, path: &str, body: Value) -> Value {
    let answer = world.call(method, path, &body).await;
    assert!(answer.status.is_success(), "{method} {path}: {}", answer.text);
    answer.json()
}

async fn code(world: &World, method: &str, path: &str, body: Value) -> (u16, String) {
    let answer = world.call(method, path, &body).await;
    assert_eq!(answer.content_type(), "application/problem+json", "{}", answer.text);
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap().to_owned())
}

async fn with_version(
    world: &World,
    method: &str,
    path: &str,
    (name, value): (&str, &str),
    body: Value,
) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(name, value);
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

fn daily() -> Value {
    json!({
        "kind": "test",
        "description": "Sums up",
        "concurrent": false,
        "retry": {"policy": "immediate", "max_attempts": 3},
        "triggers": [{"group": "reports", "name": "noon", "schedule": {"type": "cron", "expr": "0 0 12 * * ?"}}],
    })
}

#[tokio::test]
async fn a_job_is_created_replaced_and_deleted_with_its_triggers() {
    let world = World::new().await;
    let answer = world.call("PUT", JOB, &daily()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let job = answer.json();
    assert_eq!((&job["key"], &job["concurrent"]), (&json!("reports.daily"), &json!(false)));
    assert_eq!(job["retry"], json!({"policy": "immediate", "max_attempts": 3}));
    assert_eq!(job["triggers"][0]["key"], "reports.noon");
    assert_eq!(answer.headers[header::ETAG], format!("\"{}\"", job["version"].as_str().unwrap()));
    // Without triggers, those that it has stay.
    let changed = ok(&world, "PUT", JOB, json!({"kind": "test", "description": "New"})).await;
    assert_eq!((&changed["description"], &changed["triggers"][0]["name"]), (&json!("New"), &json!("noon")));
    // With triggers, they are the whole set.
    let other = json!({"kind": "test", "triggers": [{"name": "other", "schedule": {"type": "simple", "interval_ms": 60000}}]});
    let changed = ok(&world, "PUT", JOB, other).await;
    assert_eq!(changed["triggers"].as_array().unwrap().len(), 1, "{changed}");
    assert_eq!(changed["triggers"][0]["key"], "DEFAULT.other");
    assert_eq!(ok(&world, "DELETE", JOB, json!(null)).await["deleted"], 2);
    assert_eq!(code(&world, "DELETE", JOB, json!(null)).await, (404, "no-such-job".to_owned()));
}

#[tokio::test]
async fn a_job_whose_kind_no_live_node_knows_is_stored_with_a_warning() {
    let world = World::new().await;
    assert_eq!(ok(&world, "PUT", JOB, daily()).await["warnings"], json!([]));
    let unknown = json!({"kind": "tset", "durable": true});
    let stored = ok(&world, "PUT", "/api/v1/jobs/reports/typo", unknown.clone()).await;
    let warning = stored["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("no live node knows the kind tset"), "{warning}");
    assert_eq!(world.json("/api/v1/jobs/reports/typo").await.get("warnings"), None);
    let other = format!("\"{}\"", stored["version"].as_str().unwrap());
    let stale = with_version(&world, "PUT", JOB, ("if-match", &other), unknown).await.json();
    assert_eq!((&stale["current"]["kind"], stale["current"].get("warnings")), (&json!("test"), None));
    // A node that knows it is lost.
    world.manual.clock().advance(Duration::from_secs(3600));
    assert_eq!(ok(&world, "PUT", JOB, daily()).await["warnings"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_overwrites_what_they_have_not_seen() {
    let world = World::new().await;
    let new = with_version(&world, "PUT", JOB, ("If-None-Match", "*"), daily()).await;
    assert_eq!(new.status, StatusCode::CREATED);
    let first = new.json()["version"].as_str().unwrap().to_owned();
    let again = with_version(&world, "PUT", JOB, ("If-None-Match", "*"), daily()).await;
    assert_eq!((again.status, &again.json()["code"]), (StatusCode::CONFLICT, &json!("version-conflict")));
    // One changes a trigger of the job; the other has seen the job before that.
    let noon = json!({"job": {"group": "reports", "name": "daily"}, "schedule": {"type": "cron", "expr": "0 0 13 * * ?"}});
    ok(&world, "PUT", "/api/v1/triggers/reports/noon", noon).await;
    let mine = json!({"kind": "test", "description": "mine", "version": first});
    let stale = world.call("PUT", JOB, &mine).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    let problem = stale.json();
    assert_eq!((&problem["code"], &problem["sent_version"]), (&json!("version-conflict"), &json!(first)));
    assert_eq!(problem["sent"]["description"], "mine");
    assert_eq!(problem["current"]["triggers"][0]["schedule"]["expr"], "0 0 13 * * ?");
    assert_eq!(problem["current_version"], problem["current"]["version"]);
    let current = problem["current_version"].as_str().unwrap();
    let tag = format!("\"{current}\"");
    let answer = with_version(&world, "PUT", JOB, ("If-Match", &tag), json!({"kind": "test"})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let gone = with_version(&world, "DELETE", JOB, ("If-Match", &tag), json!(null)).await;
    assert_eq!(gone.json()["code"], "version-conflict");
    let wrong = with_version(&world, "PUT", JOB, ("If-Match", "*"), json!({"kind": "test"})).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn definitions_that_mean_nothing_are_refused() {
    let world = World::new().await;
    ok(&world, "PUT", JOB, daily()).await;
    let trigger = "/api/v1/triggers/reports/t";
    let of_job = |mut more: Value| {
        more["job"] = json!({"group": "reports", "name": "daily"});
        more
    };
    let cron = json!({"type": "cron", "expr": "0 0 12 * * ?"});
    for (method, path, body, expected) in [
        ("PUT", "/api/v1/jobs/g/alone", json!({"kind": "test"}), (422, "invalid-job")),
        ("PUT", "/api/v1/jobs/g/x", json!({"kind": " "}), (400, "invalid-parameters")),
        (
            "PUT",
            "/api/v1/jobs/g/x",
            json!({"kind": "test", "retry": {"policy": "sometimes"}}),
            (400, "invalid-parameters"),
        ),
        ("PUT", "/api/v1/jobs/g/x", json!({"kind": "test", "colour": 1}), (400, "invalid-parameters")),
        (
            "PUT",
            "/api/v1/jobs/g/x",
            json!({"kind": "test", "durable": true, "timeout_ms": 0}),
            (422, "invalid-job"),
        ),
        (
            "PUT",
            "/api/v1/jobs/PUNCTUAL.X/x",
            json!({"kind": "test", "durable": true}),
            (400, "invalid-parameters"),
        ),
        ("PUT", trigger, json!({"schedule": cron}), (400, "invalid-parameters")),
        ("PUT", trigger, json!({"job": {"name": "gone"}, "schedule": cron}), (404, "no-such-job")),
        (
            "PUT",
            trigger,
            of_job(json!({"schedule": {"type": "cron", "expr": "x"}})),
            (422, "invalid-schedule"),
        ),
        (
            "PUT",
            trigger,
            of_job(json!({"schedule": {"type": "cron", "expr": "0 0 0 1 1 ? 2020"}})),
            (422, "never-fires"),
        ),
        ("PUT", trigger, of_job(json!({"schedule": cron, "calendar": "none"})), (422, "invalid-trigger")),
        ("PUT", "/api/v1/calendars/c", json!({"calendar": {"type": "moon"}}), (422, "invalid-calendar")),
        ("PUT", "/api/v1/calendars/c", json!({}), (400, "invalid-parameters")),
    ] {
        let (status, name) = code(&world, method, path, body.clone()).await;
        assert_eq!((status, name.as_str()), expected, "{path} {body}");
    }
}

#[tokio::test]
async fn calendars_are_stored_used_and_deleted() {
    let world = World::new().await;
    let path = "/api/v1/calendars/holidays";
    let body = json!({"calendar": {"type": "holiday", "days": ["2026-01-01"]}});
    assert_eq!(world.call("PUT", path, &body).await.status, StatusCode::CREATED);
    let mut job = daily();
    job["triggers"][0]["calendar"] = json!("holidays");
    let job = ok(&world, "PUT", JOB, job).await;
    assert_eq!(job["triggers"][0]["next_fire_at"], "2026-01-02T12:00:00.000Z");
    assert_eq!(code(&world, "DELETE", path, json!(null)).await, (409, "calendar-in-use".to_owned()));
    ok(&world, "DELETE", JOB, json!(null)).await;
    ok(&world, "DELETE", path, json!(null)).await;
    assert_eq!(world.get(path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn commands_cannot_be_made_over_the_api_unless_the_operator_allows_it() {
    let world = World::new().await;
    let refused = (403, "commands-not-allowed".to_owned());
    let evil = json!({"program": "/bin/sh"});
    let job = JobDetail::new("backup", "command").data(data(json!({"program": "/usr/bin/backup"}))).durable();
    world.schedule(job, Trigger::new("nightly", "backup", every(3_600))).await;
    let path = "/api/v1/jobs/DEFAULT/backup";
    for (method, path, body) in [
        ("PUT", "/api/v1/jobs/g/new", json!({"kind": "command", "durable": true, "data": evil})),
        ("PUT", path, json!({"kind": "command", "data": evil})),
        ("PUT", path, json!({"kind": "noop", "data": evil})),
        ("POST", &format!("{path}/run"), json!({"data": evil})),
        (
            "PUT",
            "/api/v1/triggers/DEFAULT/nightly",
            json!({"job": {"name": "backup"}, "schedule": {"type": "simple", "interval_ms": 60000}, "data": evil}),
        ),
        (
            "POST",
            "/api/v1/triggers/DEFAULT/nightly/backfill",
            json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z", "note": "x", "data": evil}),
        ),
    ] {
        assert_eq!(code(&world, method, path, body.clone()).await, refused, "{method} {path} {body}");
    }
    // A trigger that waits for an event takes its payload as data.
    let waits = json!({"job": {"name": "backup"}, "schedule": {"type": "event", "event": "full"}});
    ok(&world, "PUT", "/api/v1/triggers/DEFAULT/full", waits).await;
    let emit = json!({"event": "full", "payload": evil});
    assert_eq!(code(&world, "POST", "/api/v1/events", emit.clone()).await, refused);
    let said = world.call("POST", "/api/v1/events", &emit).await.json()["detail"].to_string();
    assert!(said.contains("the job DEFAULT.backup of kind command waits for this event"), "{said}");
    ok(&world, "POST", "/api/v1/events", json!({"event": "other", "payload": evil})).await;
    // With its own stored data it may be run by whoever may operate, and it may be deleted.
    ok(&world, "POST", &format!("{path}/run"), json!({})).await;
    ok(&world, "DELETE", path, json!(null)).await;
    assert_eq!(world.json("/api/v1/jobs?kind=command").await["data"], json!([]));
    // Where the operator allows it, all that is possible.
    let world = World::with_commands().await;
    ok(&world, "PUT", path, json!({"kind": "command", "durable": true, "data": evil})).await;
    ok(&world, "POST", &format!("{path}/run"), json!({"data": evil})).await;
}

#[tokio::test]
async fn every_change_leaves_an_entry_in_the_log() {
    let world = World::new().await;
    ok(&world, "PUT", JOB, daily()).await;
    let noted =
        with_version(&world, "POST", &format!("{JOB}/pause"), ("X-Punctual-Note", "month's end"), json!({}))
            .await;
    assert_eq!(noted.status, StatusCode::OK);
    let changed = json!({"kind": "test", "data": {"password": "secret", "rows": 3}, "note": "more rows"});
    ok(&world, "PUT", JOB, changed).await;
    // What is refused leaves none.
    code(&world, "PUT", JOB, json!({"kind": "test", "version": "0000000000000000"})).await;
    code(&world, "POST", "/api/v1/jobs/a/b/pause", json!({})).await;
    ok(&world, "DELETE", JOB, json!(null)).await;
    let rows = world.audit(AuditQuery { limit: 10, ..AuditQuery::default() }).await;
    let entries: Vec<_> = rows
        .iter()
        .map(|row| (row.entry.action(), row.entry.subject(), row.entry.note_text(), row.entry.actor()))
        .collect();
    let expected = [
        ("job.delete", "reports.daily", None, "local"),
        ("job.put", "reports.daily", Some("more rows"), "local"),
        ("job.pause", "reports.daily", Some("month's end"), "local"),
        ("job.put", "reports.daily", None, "local"),
    ];
    assert_eq!(entries, expected);
    let put = &rows[1].entry;
    assert_eq!(put.before_value().unwrap()["job"]["description"], "Sums up");
    assert_eq!(put.after_value().unwrap()["job"]["data"]["rows"], 3);
    assert!(!put.after_value().unwrap().to_string().contains("secret"), "{:?}", put.after_value());
    assert_eq!(rows[3].entry.before_value(), None);
}
