//! What is refused, and in which words.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use punctual_core::{JobDetail, Trigger};
use punctual_testkit::factory::every;
use serde_json::{Value, json};

use crate::support::{Answer, World};

const JOB: &str = "/api/v1/jobs/g/j";
const TRIGGER: &str = "/api/v1/triggers/g/t";
const PREVIEW: &str = "/api/v1/schedules/preview";

async fn code(world: &World, method: &str, path: &str, body: &Value) -> (u16, String, String) {
    let answer = world.call(method, path, body).await;
    let problem = answer.json();
    let word = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), word("code"), word("detail"))
}

/// A sentence for people: no type of the program, no word twice in a row.
fn assert_plain(text: &str, of: &str) {
    for word in ["struct ", "enum ", "variant", "u32", "u64", "i32", "at line"] {
        assert!(!text.contains(word), "{of}: {text}");
    }
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()))
        .collect();
    for pair in words.windows(2) {
        assert!(pair[0] != pair[1] || pair[0].is_empty(), "{of}: {text}");
    }
}

#[tokio::test]
async fn wrong_bodies_are_refused_in_words_that_name_the_member_once() {
    let world = World::new().await;
    world.schedule(JobDetail::new("job", "test"), Trigger::new("t", "job", every(60))).await;
    let run = "/api/v1/jobs/DEFAULT/job/run";
    let simple = json!({"type": "simple", "interval_ms": 1_000});
    for (method, path, body, member) in [
        ("PUT", JOB, json!({}), "kind"),
        ("PUT", JOB, json!([]), "body"),
        ("PUT", JOB, json!(["test"]), "body"),
        ("PUT", JOB, json!(7), "body"),
        ("PUT", JOB, json!({"kind": 7}), "kind"),
        ("PUT", JOB, json!({"kind": "test", "bogus": 1}), "bogus"),
        ("PUT", JOB, json!({"kind": "test", "durable": "yes"}), "durable"),
        ("PUT", JOB, json!({"kind": "test", "data": []}), "data"),
        ("PUT", JOB, json!({"kind": "test", "timeout_ms": -1}), "timeout_ms"),
        ("PUT", JOB, json!({"kind": "test", "overlap": "never"}), "overlap"),
        ("PUT", JOB, json!({"kind": "test", "unknown_kind": 3}), "unknown_kind"),
        ("PUT", JOB, json!({"kind": "test", "concurrency": {"limits": 3}}), "concurrency.limits"),
        ("PUT", JOB, json!({"kind": "test", "concurrency": 3}), "concurrency"),
        ("PUT", JOB, json!({"kind": "test", "retry": {}}), "retry.policy"),
        ("PUT", JOB, json!({"kind": "test", "retry": 3}), "retry"),
        ("PUT", JOB, json!({"kind": "test", "retry": {"policy": "immediate"}}), "retry.max_attempts"),
        ("PUT", JOB, json!({"kind": "test", "history": 3}), "history"),
        ("PUT", JOB, json!({"kind": "test", "triggers": {}}), "triggers"),
        ("PUT", JOB, json!({"kind": "test", "triggers": [7]}), "triggers[0]"),
        ("PUT", JOB, json!({"kind": "test", "triggers": [{"name": "x"}]}), "triggers[0].schedule"),
        ("PUT", JOB, json!({"kind": "test", "triggers": [{"name": 1, "schedule": {}}]}), "triggers[0].name"),
        ("PUT", "/api/v1/jobs/g/%0a", json!({"kind": "test"}), "job"),
        ("PUT", "/api/v1/triggers/%0a/t", json!({"schedule": simple}), "trigger"),
        ("PUT", TRIGGER, json!({"schedule": simple, "job": {}}), "job.name"),
        ("PUT", TRIGGER, json!({"schedule": simple, "job": "g.j"}), "job"),
        ("PUT", TRIGGER, json!({"schedule": simple, "job": {"group": "\n", "name": "x"}}), "job"),
        (
            "PUT",
            TRIGGER,
            json!({"schedule": simple, "job": {"name": "job"}, "priority": 5_000_000_000_i64}),
            "priority",
        ),
        ("PUT", TRIGGER, json!({"schedule": simple, "job": {"name": "job"}, "start": "soon"}), "start"),
        ("PUT", TRIGGER, json!({"schedule": simple, "job": {"name": "job"}, "misfire": "never"}), "misfire"),
        ("PUT", TRIGGER, json!({"schedule": 7, "job": {"name": "job"}}), "schedule"),
        ("PUT", "/api/v1/calendars/c", json!({}), "calendar"),
        ("PUT", "/api/v1/calendars/c", json!({"calendar": "x"}), "calendar"),
        ("POST", run, json!([]), "body"),
        ("POST", run, json!("x"), "body"),
        ("POST", run, json!({"data": 3}), "data"),
        ("POST", run, json!({"note": 3}), "note"),
        ("POST", "/api/v1/events", json!({"payload": {}}), "event"),
        ("POST", PREVIEW, json!(null), "body"),
        ("POST", PREVIEW, json!({"schedule": simple, "count": 0}), "count"),
        ("POST", PREVIEW, json!({"schedule": simple, "count": -1}), "count"),
        (
            "POST",
            PREVIEW,
            json!({"schedule": simple, "start": "2027-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}),
            "end",
        ),
        ("POST", PREVIEW, json!({"schedule": simple, "against": {"trigger": {}}}), "against.trigger.name"),
        ("POST", PREVIEW, json!({"schedule": simple, "against": 3}), "against"),
    ] {
        let answer = world.call(method, path, &body).await;
        let of = format!("{method} {path} {body}");
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{of}: {}", answer.text);
        let problem = answer.json();
        let errors = problem["errors"].as_object().unwrap();
        let named: Vec<&str> = errors.keys().map(String::as_str).collect();
        assert_eq!(named, [member], "{of}: {}", answer.text);
        assert_plain(problem["detail"].as_str().unwrap(), &of);
        assert_plain(errors[member].as_str().unwrap(), &of);
    }
    for schedule in [
        json!({}),
        json!({"type": "sometimes"}),
        json!({"type": 7}),
        json!({"type": "simple"}),
        json!({"type": "simple", "interval_ms": "x"}),
        json!({"type": "simple", "interval_ms": 1, "bogus": 1}),
        json!({"type": "cron"}),
        json!({"type": "cron", "expr": 7}),
        json!({"type": "cron", "expr": "x"}),
        json!({"type": "calendar_interval", "interval": 1, "unit": "EON"}),
    ] {
        let (status, code, detail) = code(&world, "POST", PREVIEW, &json!({"schedule": schedule})).await;
        assert_eq!((status, code.as_str()), (422, "invalid-schedule"), "{schedule}: {detail}");
        assert_plain(&detail, &schedule.to_string());
    }
    for calendar in
        [json!({}), json!({"type": "moon"}), json!({"type": "weekly", "days": 3}), json!({"type": "daily"})]
    {
        let body = json!({"calendar": calendar});
        let (status, code, detail) = code(&world, "PUT", "/api/v1/calendars/c", &body).await;
        assert_eq!((status, code.as_str()), (422, "invalid-calendar"), "{calendar}: {detail}");
        assert_plain(&detail, &calendar.to_string());
    }
}

async fn send(world: &World, path: &str, media: Option<&str>, body: &'static str) -> Answer {
    let mut request = Request::post(path).header(header::HOST, "localhost");
    if let Some(media) = media {
        request = request.header(header::CONTENT_TYPE, media);
    }
    world.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_body_that_may_be_left_out_may_be_empty() {
    let world = World::new().await;
    world.add("job").await;
    world.tick(60).await;
    let run = world.json("/api/v1/runs").await["data"][0]["id"].clone();
    let cancel = format!("/api/v1/runs/{run}/cancel");
    for media in [None, Some("application/json"), Some("application/x-www-form-urlencoded")] {
        for path in ["pause", "resume", "run"].map(|does| format!("/api/v1/jobs/DEFAULT/job/{does}")) {
            for body in ["", "\r\n"] {
                let answer = send(&world, &path, media, body).await;
                assert!(answer.status.is_success(), "{path} {media:?}: {}", answer.text);
            }
        }
        let answer = send(&world, &cancel, media, "").await;
        assert_eq!(answer.json()["code"], "not-running", "{}", answer.text);
    }
    let path = "/api/v1/jobs/DEFAULT/job/pause";
    let form = send(&world, path, Some("application/x-www-form-urlencoded"), "note=x").await;
    assert_eq!(form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(send(&world, path, Some("application/json"), "{").await.json()["code"], "invalid-body");
    // Where one is needed, an empty one is none.
    let missing = send(&world, "/api/v1/events", Some("application/json"), "").await;
    assert_eq!(missing.json()["code"], "invalid-body");
}

#[tokio::test]
async fn data_that_cannot_run_is_not_stored() {
    let world = World::new().await;
    let job = |data: Value| json!({"kind": "typed", "durable": true, "data": data});
    for (data, says) in [
        (json!({"url": 7}), "url: invalid type: integer `7`, expected a string"),
        (json!({"times": "x"}), "times: invalid type"),
        (json!({"url": "ftp://x"}), "must begin with http://"),
        (json!({"bogus": 1}), "unknown field `bogus`"),
    ] {
        let (status, code, detail) = code(&world, "PUT", JOB, &job(data.clone())).await;
        assert_eq!((status, code.as_str()), (422, "invalid-data"), "{data}: {detail}");
        assert!(detail.contains(says) && detail.contains("g.j"), "{data}: {detail}");
    }
    // A trigger may bring what is missing.
    for data in
        [json!({}), json!({"times": 3}), json!({"url": "http://x", "times": 0}), json!({"url": "http://x"})]
    {
        let answer = world.call("PUT", JOB, &job(data.clone())).await;
        assert!(answer.status.is_success(), "{data}: {}", answer.text);
    }
    world.call("PUT", JOB, &job(json!({"times": 3}))).await;
    let trigger = |data: Value| json!({"job": {"group": "g", "name": "j"}, "schedule": {"type": "simple", "interval_ms": 1_000}, "data": data});
    assert_eq!(code(&world, "PUT", TRIGGER, &trigger(json!({}))).await.0, 422);
    assert_eq!(code(&world, "PUT", TRIGGER, &trigger(json!({"url": "ftp://x"}))).await.0, 422);
    let answer = world.call("PUT", TRIGGER, &trigger(json!({"url": "http://x"}))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    // A single run has no trigger that anybody has named.
    let (status, code, detail) =
        code(&world, "POST", &format!("{JOB}/run"), &json!({"data": {"url": 7}})).await;
    assert_eq!((status, code.as_str()), (422, "invalid-data"), "{detail}");
    assert!(detail.contains("the data of the run") && !detail.contains("trigger"), "{detail}");
}

#[tokio::test]
async fn a_new_job_in_the_group_of_the_file_is_refused() {
    let world = World::new().await;
    let path = "/api/v1/jobs/config/mine";
    let body = json!({"kind": "test", "durable": true});
    let (status, code, detail) = code(&world, "PUT", path, &body).await;
    assert_eq!((status, code.as_str()), (409, "group-of-the-file"), "{detail}");
    assert!(detail.contains("config"), "{detail}");
    // One that the file has declared can be changed until the next start.
    let declared = JobDetail::new(punctual_core::JobKey::stored("config", "mine"), "test").durable();
    world.manual.scheduler().add_job(declared).await.unwrap();
    let warnings = world.call("PUT", path, &body).await.json()["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().contains("configuration file"), "{warnings}");
}

#[tokio::test]
async fn the_groups_of_the_scheduler_are_its_own_and_no_others() {
    let world = World::new().await;
    let body = json!({"kind": "test", "durable": true});
    for (group, status) in [("PUNCTUAL", 400), ("PUNCTUAL.X", 400), ("PUNCTUALX", 201), ("punctual", 201)] {
        let answer = world.call("PUT", &format!("/api/v1/jobs/{group}/j"), &body).await;
        assert_eq!(answer.status.as_u16(), status, "{group}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_change_of_somebody_else_is_not_taken_for_none() {
    let world = World::new().await;
    let body = json!({"kind": "test", "durable": true});
    world.call("PUT", JOB, &body).await;
    let entries = async || {
        world.audit(punctual_core::accounts::AuditQuery { limit: 9, ..Default::default() }).await.len()
    };
    assert_eq!(entries().await, 1);
    world.manual.clock().advance(Duration::from_secs(1));
    assert_eq!(world.call("PUT", JOB, &body).await.status, StatusCode::OK);
    assert_eq!(entries().await, 1, "nothing has changed");
    let stale = json!({"kind": "test", "durable": true, "version": "0000000000000000"});
    assert_eq!(code(&world, "PUT", JOB, &stale).await.1, "version-conflict");
    world.call("PUT", JOB, &json!({"kind": "test", "durable": true, "description": "x"})).await;
    assert_eq!(entries().await, 2);
}
