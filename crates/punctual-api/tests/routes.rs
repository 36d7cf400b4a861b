//! Every route, in process, over a memory store and a manual clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use punctual_api::{ApiState, router};
use punctual_core::{JobDetail, JobStore, Timestamp, Trigger};
use punctual_engine::{Entry, Job, JobContext, JobError, JobResult, ManualScheduler};
use punctual_memory::MemoryStore;
use punctual_metrics::Metrics;
use punctual_testkit::factory::{at, cron, data, every};
use serde_json::{Value, json};
use tower::ServiceExt;

struct Flaky;

impl Job for Flaky {
    const KIND: &'static str = "flaky";
    type Data = Value;

    async fn run(&self, ctx: JobContext<Value>) -> JobResult {
        ctx.detail("n", 1);
        if ctx.trigger().name() == "bad" { Err(JobError::fatal("out of paper")) } else { Ok(()) }
    }
}

/// A scheduler that has run a good and a bad trigger at the start.
async fn app() -> (Router, ManualScheduler) {
    let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new());
    let metrics = Arc::new(Metrics::new());
    let daily = Trigger::new("daily", "alpha", cron("0 0 12 * * ?"))
        .description("at noon")
        .data(data(json!({"k": 1})));
    let alpha = JobDetail::new("alpha", "flaky").description("First").durable().non_concurrent();
    let beta = JobDetail::new("beta", "flaky");
    let now: Timestamp = at(0);
    let entries = [
        Entry::new(
            beta,
            vec![Trigger::once("bad", "beta", now), Trigger::new("soon", "beta", every(60)).start(at(60))],
        ),
        Entry::new(alpha, vec![daily, Trigger::once("good", "alpha", now)]),
    ];
    let listener = Arc::clone(&metrics);
    let manual = ManualScheduler::new(store, now, |builder| {
        builder.job(Flaky).entries(entries).listener(listener).without_log().node_name("n1")
    })
    .await
    .unwrap();
    manual.run_due().await.unwrap();
    (router(ApiState { scheduler: manual.scheduler().clone(), metrics }), manual)
}

async fn call(app: &Router, method: Method, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn get(app: &Router, path: &str) -> (StatusCode, Value) {
    let (status, body) = call(app, Method::GET, path).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

#[tokio::test]
async fn the_history_is_listed_with_its_compatible_shape() {
    let (app, _manual) = app().await;
    let (status, body) = get(&app, "/api/task?sort_column=duration&limit=1&status=failed").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&body["total"], &body["limit"], &body["offset"]), (&json!(1), &json!(1), &json!(0)));
    let task = &body["data"][0];
    assert_eq!(
        (&task["task"], &task["status"], &task["duration"]),
        (&json!("beta"), &json!("failed"), &json!(0))
    );
    assert_eq!(task["started_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(task["task_details"]["message"], "out of paper");
    assert_eq!(task["task_details"]["original-info"], json!({"n": 1}));
    assert_eq!((&task["db_id"], &task["trigger"]), (&Value::Null, &json!("DEFAULT.bad")));
    assert_eq!(
        (&task["lateness_ms"], &task["node"], &task["cause"]),
        (&json!(0), &json!("n1"), &json!("schedule"))
    );
}

#[tokio::test]
async fn paging_follows_what_is_given() {
    let (app, _manual) = app().await;
    for (query, limit, offset, rows) in [
        ("", Value::Null, Value::Null, 2),
        ("?limit=1", json!(1), json!(0), 1),
        ("?offset=1", json!(50), json!(1), 1),
        ("?limit=5&offset=2", json!(5), json!(2), 0),
    ] {
        for path in ["/api/task", "/api/task/"] {
            let (status, body) = get(&app, &format!("{path}{query}")).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!((&body["limit"], &body["offset"], &body["total"]), (&limit, &offset, &json!(2)));
            assert_eq!(body["data"].as_array().unwrap().len(), rows);
        }
    }
}

#[tokio::test]
async fn each_wrong_parameter_is_named() {
    let (app, _manual) = app().await;
    let (status, body) = get(
        &app,
        "/api/task?status=done&task=&limit=-1&offset=x&sort_column=name&sort_direction=up&color=red",
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let errors = body["errors"].as_object().unwrap();
    let names: Vec<_> = errors.keys().map(String::as_str).collect();
    assert_eq!(names, ["color", "limit", "offset", "sort_column", "sort_direction", "status", "task"]);
    assert!(errors["status"].as_str().unwrap().contains("started, success, failed, unknown"));
}

#[tokio::test]
async fn one_row_is_found_by_its_number() {
    let (app, _manual) = app().await;
    let (_, list) = get(&app, "/api/task").await;
    let id = &list["data"][0]["id"];
    let (status, body) = get(&app, &format!("/api/task/{id}")).await;
    assert_eq!((status, &body), (StatusCode::OK, &list["data"][0]));
    for missing in ["/api/task/999999", "/api/task/0", "/api/task/abc"] {
        assert_eq!(get(&app, missing).await, (StatusCode::NOT_FOUND, json!("Not found.")));
    }
    assert_eq!(get(&app, "/api/task/unique-tasks").await.1, json!(["alpha", "beta"]));
}

#[tokio::test]
async fn the_scheduler_describes_itself_and_its_jobs() {
    let (app, _manual) = app().await;
    let (status, body) = get(&app, "/api/task/info").await;
    assert_eq!(status, StatusCode::OK);
    assert!(body["scheduler"][0].as_str().unwrap().contains("node n1"));
    let alpha = &body["jobs"][0];
    assert_eq!(
        (&alpha["key"], &alpha["class"], &alpha["description"]),
        (&json!("alpha"), &json!("flaky"), &json!("First"))
    );
    assert_eq!(
        (&alpha["concurrent-execution-disallowed?"], &alpha["durable?"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(alpha["requests-recovery?"], false);
    assert_eq!(
        alpha["triggers"],
        json!([{
            "key": "daily", "description": "at noon", "state": "NORMAL", "priority": 5,
            "start-time": "2026-01-01T00:00:00.000Z", "end-time": null,
            "next-fire-time": "2026-01-01T12:00:00.000Z", "previous-fire-time": null, "final-fire-time": null,
            "may-fire-again?": true, "data": {"k": 1},
            "schedule": "0 0 12 * * ?", "timezone": "UTC", "misfire-instruction": "SMART_POLICY",
        }])
    );
    let soon = &body["jobs"][1]["triggers"][0];
    assert_eq!((&soon["key"], soon.get("schedule")), (&json!("soon"), None));
}

#[tokio::test]
async fn skipped_instants_and_their_reasons_are_told() {
    let (app, manual) = app().await;
    manual.tick(std::time::Duration::from_secs(3_600 * 30)).await.unwrap();
    let (status, body) = get(&app, "/api/v1/skipped?trigger=DEFAULT.daily&reason=coalesced").await;
    assert_eq!((status, &body["total"]), (StatusCode::OK, &json!(0)), "{body}");
    let (_, body) = get(&app, "/api/v1/skipped?trigger=soon&limit=5").await;
    assert!(body["data"][0]["count"].as_u64().unwrap() > 100, "{body}");
    let (status, body) = get(&app, "/api/v1/skipped?reason=bored").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["errors"]["reason"].as_str().unwrap().contains("misfire"));
    let (_, why) = get(&app, "/api/v1/why?trigger=soon&at=2026-01-01T00:05:00Z").await;
    assert_eq!(why["fate"], "skipped", "{why}");
    let (_, why) = get(&app, "/api/v1/why?trigger=daily&at=2026-01-01T12:00:00Z").await;
    assert_eq!(why["fate"], "ran", "{why}");
    let (_, why) = get(&app, "/api/v1/why?trigger=daily&at=2026-01-01T12:00:01Z").await;
    assert_eq!(why["fate"], "not_scheduled");
    assert!(why["answer"].as_str().unwrap().contains("2026-01-02T12:00:00Z"), "{why}");
    let (_, why) = get(&app, "/api/v1/why?trigger=daily&at=2026-02-01T12:00:00Z").await;
    assert_eq!(why["fate"], "ahead");
    let (_, why) = get(&app, "/api/v1/why?trigger=nobody&at=2026-02-01T12:00:00Z").await;
    assert_eq!(why["fate"], "no_trigger");
    let (status, body) = get(&app, "/api/v1/why?at=noon").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["errors"]["at"].as_str().unwrap().contains("instant"));
    assert_eq!(body["errors"]["trigger"], "is required");
}

#[tokio::test]
async fn health_and_metrics_answer() {
    let (app, manual) = app().await;
    let (status, body) = get(&app, "/health").await;
    assert_eq!((status, &body["status"], &body["state"]), (StatusCode::OK, &json!("ok"), &json!("running")));
    assert_eq!((&body["node"], &body["executed"]), (&json!("n1"), &json!(2)));
    manual.clock().advance(std::time::Duration::from_secs(3_600));
    let (status, body) = get(&app, "/health").await;
    assert_eq!((status, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("degraded")));
    let (status, page) = call(&app, Method::GET, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("punctual_tasks_quartz_tasks_executed_total"));
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let (app, _manual) = app().await;
    let (status, body) = get(&app, "/api/nothing").await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("no-such-route")));
    assert_eq!(call(&app, Method::POST, "/api/task").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(call(&app, Method::HEAD, "/api/task").await, (StatusCode::OK, String::new()));
    let request =
        Request::builder().uri("/api/task").header("host", "evil.example.org").body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
}
