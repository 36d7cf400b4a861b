//! `POST /api/v1/schedules/preview`, and what holds for all bodies.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use punctual_core::{JobDetail, Trigger};
use punctual_testkit::factory::cron;
use serde_json::{Value, json};

use crate::support::World;

const PATH: &str = "/api/v1/schedules/preview";

async fn preview(world: &World, body: Value) -> Value {
    let answer = world.call("POST", PATH, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_schedule_is_shown_before_it_is_stored() {
    let world = World::new().await;
    let schedule = json!({"type": "cron", "expr": "0 0 12 * * ?", "tz": "Europe/Berlin"});
    let shown = preview(&world, json!({"schedule": schedule, "count": 2})).await;
    let noon = |day: u8| json!({"at": format!("2026-01-0{day}T11:00:00.000Z"), "local": format!("2026-01-0{day}T12:00:00+01:00")});
    assert_eq!(shown["fires"], json!([noon(1), noon(2)]));
    assert_eq!((&shown["kind"], &shown["time_zone"]), (&json!("cron"), &json!("Europe/Berlin")));
    assert!(shown["text"].as_str().unwrap().contains("12:00"), "{shown}");
    assert_eq!((&shown["previous"], &shown["final"]), (&Value::Null, &Value::Null), "it starts now");
    let body = json!({
        "schedule": schedule,
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-04T00:00:00Z",
        "after": "2026-01-02T11:00:00Z",
    });
    let shown = preview(&world, body).await;
    assert_eq!(shown["fires"], json!([noon(3)]));
    assert_eq!((&shown["previous"], &shown["final"]), (&noon(2), &noon(3)));
}

#[tokio::test]
async fn without_a_start_a_schedule_begins_as_if_it_were_stored_now() {
    let world = World::new().await;
    let job = json!({"kind": "test", "durable": true});
    assert_eq!(world.call("PUT", "/api/v1/jobs/DEFAULT/job", &job).await.status, StatusCode::CREATED);
    for (number, (schedule, fires, last)) in [
        (json!({"type": "simple", "interval_ms": 60_000}), &["00:00", "01:00"][..], None),
        (json!({"type": "simple", "interval_ms": 60_000, "repeat_count": 0}), &["00:00"], Some("00:00")),
        (json!({"type": "fixed_delay", "delay_ms": 60_000}), &["00:00"], None),
        (json!({"type": "once"}), &["00:00"], Some("00:00")),
        (json!({"type": "cron", "expr": "0 * * * * ?"}), &["00:00", "01:00"], None),
        (json!({"type": "cron", "expr": "30 * * * * ?"}), &["00:30", "01:30"], None),
    ]
    .into_iter()
    .enumerate()
    {
        let at = |time: &str| format!("2026-01-01T00:{time}.000Z");
        let shown = preview(&world, json!({"schedule": schedule, "count": 2})).await;
        let found: Vec<&Value> = shown["fires"].as_array().unwrap().iter().map(|fire| &fire["at"]).collect();
        let fires: Vec<String> = fires.iter().map(|time| at(time)).collect();
        assert_eq!(json!(found[..fires.len()]), json!(fires), "{schedule}");
        assert_eq!(shown["previous"], Value::Null, "{schedule}");
        assert_eq!(shown["final"]["at"], json!(last.map(at)), "{schedule}");
        let trigger = json!({"job": {"name": "job"}, "schedule": schedule});
        let stored = world.call("PUT", &format!("/api/v1/triggers/DEFAULT/t{number}"), &trigger).await;
        assert_eq!(stored.status, StatusCode::CREATED, "{}", stored.text);
        assert_eq!(stored.json()["next_fire_at"], json!(fires[0]), "{schedule}");
        // What began at the instant that is asked about has fired then.
        let body = json!({"schedule": schedule, "start": at("00:00"), "after": at("00:00")});
        let started = preview(&world, body).await;
        assert_ne!(started["fires"][0]["at"], json!(at("00:00")), "{schedule}");
    }
}

#[tokio::test]
async fn a_new_schedule_is_compared_with_a_stored_trigger() {
    let world = World::new().await;
    let trigger = Trigger::new("t", "job", cron("0 0 6,12 * * ?"));
    world.schedule(JobDetail::new("job", "test"), trigger).await;
    let schedule = json!({"type": "cron", "expr": "0 0 12,18 * * ?"});
    let against = |against: Value| json!({"schedule": schedule, "against": against});
    let window = json!({"trigger": {"name": "t"}, "to": "2026-01-02T06:00:00Z"});
    let difference = preview(&world, against(window)).await["difference"].clone();
    assert_eq!(difference["added"], json!(["2026-01-01T18:00:00.000Z"]));
    assert_eq!(difference["removed"], json!(["2026-01-01T06:00:00.000Z", "2026-01-02T06:00:00.000Z"]));
    assert_eq!((&difference["kept"], &difference["truncated"]), (&json!(1), &json!(false)));
    let every_second = json!({"schedule": {"type": "cron", "expr": "* * * * * ?"}});
    let difference = preview(&world, against(every_second)).await["difference"].clone();
    assert_eq!(difference["truncated"], true);
    assert_eq!(difference["compared_until"], "2026-01-01T01:23:20.000Z", "after 5000 s");
    for (wrong, code) in [
        (json!({"trigger": {"name": "gone"}}), "no-such-trigger"),
        (json!({}), "invalid-parameters"),
        (json!({"trigger": {"name": ""}}), "invalid-parameters"),
        (json!({"trigger": {"name": "t"}, "to": "2020-01-01T00:00:00Z"}), "invalid-parameters"),
    ] {
        assert_eq!(world.call("POST", PATH, &against(wrong)).await.json()["code"], code);
    }
}

#[tokio::test]
async fn a_schedule_that_means_nothing_is_told_precisely() {
    let world = World::new().await;
    let refused = async |schedule: Value| {
        let answer = world.call("POST", PATH, &json!({"schedule": schedule})).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
        assert_eq!(answer.json()["code"], "invalid-schedule");
        answer.json()
    };
    let problem = refused(json!({"type": "cron", "expr": "0 61 * * * ?"})).await;
    assert_eq!((&problem["field"], &problem["span"]), (&json!("minute"), &json!([2, 4])));
    assert_eq!(problem["input"], "0 61 * * * ?");
    let problem = refused(json!({"type": "cron", "expr": "0 0 * * * ?", "tz": "Europe/Berlim"})).await;
    assert_eq!((&problem["field"], &problem["input"]), (&json!("tz"), &json!("Europe/Berlim")));
    let problem = refused(json!({"type": "rrule", "rrule": "FREQ=SOMETIMES"})).await;
    assert_eq!(problem["input"], "FREQ=SOMETIMES");
    for (schedule, right) in [
        (json!({"type": "cron", "expression": "0 0 12 * * ?"}), "`expr`"),
        (json!({"type": "cron"}), "schedule.expr is required"),
        (json!({"type": "rrule", "rule": "FREQ=DAILY"}), "`rrule`"),
        (json!({"type": "sundial"}), "`daily_time_interval`"),
        (json!({"cron": "0 0 12 * * ?"}), "calendar_interval"),
    ] {
        let problem = refused(schedule).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(right), "{detail}");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_problems() {
    let world = World::new().await;
    let send = async |content_type: Option<&str>, body: &str| {
        let mut request = Request::post(PATH).header(header::HOST, "localhost");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let answer = world.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(answer.content_type(), "application/problem+json");
        (answer.status.as_u16(), answer.json()["code"].as_str().unwrap().to_owned(), answer.json())
    };
    let json = Some("application/json; charset=utf-8");
    assert_eq!(send(None, "{}").await.1, "unsupported-media-type");
    assert_eq!(send(Some("text/plain"), "{}").await.0, 415);
    for text in ["", "{", r#"{"schedule": {}}x"#, "nul"] {
        let (status, code, _) = send(json, text).await;
        assert_eq!((status, code.as_str()), (400, "invalid-body"), "{text}");
    }
    let big = format!("{{\"schedule\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(send(json, &big).await.0, 413);
    for (text, member) in [
        ("[]", "body"),
        ("{}", "schedule"),
        (r#"{"schedule": 1}"#, "schedule"),
        (r#"{"schedule": {}, "count": "ten"}"#, "count"),
        (r#"{"schedule": {}, "start": "today"}"#, "start"),
        (r#"{"schedule": {}, "against": {"trigger": {"nome": "x"}}}"#, "against.trigger.nome"),
    ] {
        let (status, code, problem) = send(json, text).await;
        assert_eq!((status, code.as_str()), (400, "invalid-parameters"), "{text}");
        assert!(problem["errors"][member].is_string(), "{text}: {problem}");
    }
}

/// Those of docs/api.md.
#[tokio::test]
async fn the_documented_forms_of_schedules_are_understood() {
    let docs = include_str!("../../../../docs/api.md");
    let forms = docs.lines().filter_map(|line| line.strip_prefix("| `{\"type\"")?.split('`').next());
    let forms: Vec<Value> =
        forms.map(|rest| serde_json::from_str(&format!("{{\"type\"{rest}")).unwrap()).collect();
    assert_eq!(forms.len(), 8);
    let world = World::new().await;
    for schedule in forms {
        let answer = world.call("POST", PATH, &json!({"schedule": schedule})).await;
        assert_eq!(answer.status, StatusCode::OK, "{schedule}: {}", answer.text);
    }
}
