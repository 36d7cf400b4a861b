//! A scheduler with a hand crank, and the API in front of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use punctual_api::{ApiOptions, ApiState, Live, LiveSettings};
use punctual_core::accounts::{AuditQuery, AuditRow};
use punctual_core::{AccountStore, JobDetail, Trigger};
use punctual_engine::{DataProblem, Job, JobContext, JobError, JobResult, ManualScheduler};
use punctual_memory::MemoryStore;
use punctual_metrics::Metrics;
use punctual_testkit::factory::{at, every};
use punctual_testkit::faulty::FaultyStore;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Fails when its job's name begins with `bad`.
struct ByName;

impl Job for ByName {
    const KIND: &'static str = "test";
    type Data = Value;

    async fn run(&self, ctx: JobContext<Value>) -> JobResult {
        ctx.detail("rows", 3);
        if ctx.job().name().starts_with("bad") {
            return Err(JobError::fatal("as its name says"));
        }
        Ok(())
    }
}

/// Takes arguments of a type, and looks at them.
struct Typed;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    url: String,
    #[serde(default)]
    times: Option<u32>,
}

impl Job for Typed {
    const KIND: &'static str = "typed";
    type Data = Target;

    fn check(data: &Target) -> Result<(), DataProblem> {
        if data.times == Some(0) {
            return Err(DataProblem::Missing("times is 0".to_owned()));
        }
        match data.url.starts_with("http://") {
            true => Ok(()),
            false => Err(DataProblem::Wrong(format!("url {:?} must begin with http://", data.url))),
        }
    }

    async fn run(&self, _: JobContext<Target>) -> JobResult {
        Ok(())
    }
}

fn options(allow_commands: bool) -> ApiOptions {
    ApiOptions {
        settings: json!({"scheduler": {"slots": 10}}),
        allow_commands,
        command_kinds: vec!["command".to_owned()],
        file_group: Some("config".to_owned()),
    }
}

pub(crate) struct World {
    pub(crate) manual: ManualScheduler,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) live: Arc<Live>,
    pub(crate) router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers[header::CONTENT_TYPE].to_str().unwrap()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(FaultyStore::new(Arc::new(MemoryStore::new()))).await
    }

    pub(crate) async fn over(store: FaultyStore) -> Self {
        Self::listened(store, LiveSettings::default()).await
    }

    /// One whose operator lets the API decide which commands run.
    pub(crate) async fn with_commands() -> Self {
        Self::with(FaultyStore::new(Arc::new(MemoryStore::new())), LiveSettings::default(), true).await
    }

    pub(crate) async fn listened(store: FaultyStore, settings: LiveSettings) -> Self {
        Self::with(store, settings, false).await
    }

    async fn with(store: FaultyStore, settings: LiveSettings, allow_commands: bool) -> Self {
        let metrics = Arc::new(Metrics::new());
        let live = Arc::new(Live::new(settings));
        let store = Arc::new(store);
        let (listener, told) = (Arc::clone(&metrics), Arc::clone(&live));
        let manual = ManualScheduler::new(store.clone(), at(0), |builder| {
            builder
                .job(ByName)
                .job(Typed)
                .listener(listener)
                .listener(told)
                .without_log()
                .node_name("north")
                .version("1.2.3")
        });
        let manual = manual.await.unwrap();
        let router = punctual_api::router(ApiState {
            scheduler: manual.scheduler().clone(),
            metrics,
            live: Arc::clone(&live),
            options: Arc::new(options(allow_commands)),
            security: Arc::default(),
        });
        Self { manual, store, live, router }
    }

    /// Stores a job with one trigger of the same name, every minute from the start on.
    pub(crate) async fn add(&self, name: &str) {
        self.schedule(JobDetail::new(name, "test"), Trigger::new(name, name, every(60))).await;
    }

    pub(crate) async fn schedule(&self, job: JobDetail, trigger: Trigger) {
        self.manual.scheduler().schedule(job, vec![trigger]).await.unwrap();
    }

    /// The log of changes, newest first.
    pub(crate) async fn audit(&self, query: AuditQuery) -> Vec<AuditRow> {
        self.store.audit_log(&query).await.unwrap()
    }

    pub(crate) async fn tick(&self, seconds: u64) {
        self.manual.tick(Duration::from_secs(seconds)).await.unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::HOST, "localhost:8080");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a JSON body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost:8080")
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// The JSON of a path that answers with 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        assert_eq!(answer.content_type(), "application/json");
        answer.json()
    }

    /// The messages of a path that answers with 400.
    pub(crate) async fn errors(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text);
        answer.json()["errors"].clone()
    }
}
