//! Any bytes as requests to the HTTP API, in front of a scheduler with a store in memory: no panic, no answer that
//! blames the server, no endless work.
//!
//! The first byte chooses the route, the rest of its line is the query, and what follows is the body.

#![no_main]

use std::cell::OnceCell;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use libfuzzer_sys::fuzz_target;
use punctual_api::{ApiOptions, ApiState, Live, router};
use punctual_core::{JobDetail, Schedule, Timestamp, Trigger};
use punctual_engine::{Job, JobContext, JobResult, ManualScheduler};
use punctual_memory::MemoryStore;
use punctual_metrics::Metrics;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt;

struct Nothing;

impl Job for Nothing {
    const KIND: &'static str = "nothing";
    type Data = Value;

    async fn run(&self, _: JobContext<Value>) -> JobResult {
        Ok(())
    }
}

/// What takes a body, then what takes a query.
const ROUTES: [(&str, &str); 20] = [
    ("PUT", "/api/v1/jobs/a/b"),
    ("PUT", "/api/v1/triggers/a/b"),
    ("PUT", "/api/v1/calendars/c"),
    ("POST", "/api/v1/schedules/preview"),
    ("POST", "/api/v1/jobs/DEFAULT/kept/run"),
    ("POST", "/api/v1/triggers/DEFAULT/kept/backfill"),
    ("POST", "/api/v1/events"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/api/v1/triggers"),
    ("GET", "/api/v1/runs"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/v1/occurrences"),
    ("GET", "/api/v1/why"),
    ("GET", "/api/v1/skipped"),
    ("GET", "/api/v1/locks"),
    ("GET", "/api/v1/calendars"),
    ("GET", "/api/task"),
    ("GET", "/api/task/runs"),
    ("GET", "/api/task/runs/entities"),
    ("GET", "/api/v1/triggers/DEFAULT/kept"),
];

struct World {
    runtime: Runtime,
    router: Router,
    _manual: ManualScheduler,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (router, manual) = runtime.block_on(api());
        Self { runtime, router, _manual: manual }
    }

    fn ask(&self, request: Request<Body>) -> (u16, String) {
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("a router always answers");
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a whole answer");
            (status, String::from_utf8(body.to_vec()).expect("answers are UTF-8"))
        })
    }
}

async fn api() -> (Router, ManualScheduler) {
    let start: Timestamp = "2026-11-21T05:00:00Z".parse().expect("an instant");
    let store = Arc::new(MemoryStore::new());
    let manual = ManualScheduler::new(store, start, |builder| builder.job(Nothing).without_log());
    let manual = manual.await.expect("a scheduler");
    let schedule: Schedule =
        serde_json::from_str(r#"{"type":"simple","interval_ms":60000}"#).expect("a schedule");
    let job = JobDetail::new("kept", "nothing");
    let trigger = Trigger::new("kept", "kept", schedule);
    manual.scheduler().schedule(job, vec![trigger]).await.expect("a job");
    let router = router(ApiState {
        scheduler: manual.scheduler().clone(),
        metrics: Arc::new(Metrics::new()),
        live: Arc::new(Live::default()),
        options: Arc::new(ApiOptions::default()),
        security: Arc::default(),
    });
    (router, manual)
}

thread_local! {
    // What is stored under the few names stays for the inputs that follow; a new one for each would take most of the time.
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let Some((route, rest)) = data.split_first() else { return };
    let (method, path) = ROUTES[usize::from(*route) % ROUTES.len()];
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (query, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let target = [path.as_bytes(), b"?", query].concat();
    let request = Request::builder()
        .method(method)
        .uri(if query.is_empty() { path.as_bytes() } else { &target })
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json");
    // Not every query can be part of a request.
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
    WORLD.with(|world| {
        let (status, text) = world.get_or_init(World::new).ask(request);
        assert!(status < 500, "{status}: {text}");
    });
});
