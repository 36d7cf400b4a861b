//! The HTTP API of Punctual. `docs/api.md` describes it for those who call it.
//!
//! [`router`] can be served alone or nested into an application's own. One file holds one operation, under
//! `routes/<resource>/`; what goes over the wire has types of its own in `types`, so that the domain can change
//! without the API.
//!
//! [`Security`] says who gets in. Without accounts everybody does: serve it on a loopback address only then. Requests whose
//! `Host` is neither a loopback name nor one that was given are refused, so that no web page can reach it by pointing
//! its own name here.

mod access;
mod date_filter;
mod definition;
mod edit;
mod error;
mod extract;
mod guard;
mod idempotency;
mod live;
mod long_history;
mod long_list;
mod long_runs;
mod openapi;
mod params;
mod refusal;
mod routes;
mod security;
mod types;
mod wording;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use punctual_engine::Scheduler;
use punctual_metrics::Metrics;

pub use access::{Access, Identity, ROUTES, Who};
pub use live::{Live, LiveSettings};
pub use security::{MetricsAccess, Network, Security};

/// What the API answers about.
#[derive(Clone)]
pub struct ApiState {
    /// The scheduler of this node, and through it the store.
    pub scheduler: Scheduler,
    /// The metrics that listen to the scheduler.
    pub metrics: Arc<Metrics>,
    /// What those hear who read the stream of live changes; it listens to the scheduler, too.
    pub live: Arc<Live>,
    /// Who gets in.
    pub security: Arc<Security>,
    /// What the operator decided.
    pub options: Arc<ApiOptions>,
}

/// What the operator decided about the API.
#[derive(Clone, Debug, Default)]
pub struct ApiOptions {
    /// What `/api/v1/settings` shows, without secrets.
    pub settings: serde_json::Value,
    /// Whether the API may decide which commands run: create and change jobs of `command_kinds`, and override their data.
    pub allow_commands: bool,
    /// The kinds of jobs that run what their data says.
    pub command_kinds: Vec<String>,
    /// The key group of the jobs of a configuration file, which replaces and deletes what else is there at each start.
    pub file_group: Option<String>,
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiState").field("scheduler", &self.scheduler).finish_non_exhaustive()
    }
}

/// The OpenAPI document of all routes, as served at `/api/v1/openapi.json`.
pub fn openapi() -> &'static str {
    openapi::text()
}

/// All routes, with the check of the `Host` header and the security headers.
pub fn router(state: ApiState) -> Router {
    routes::all()
        .into_router()
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), idempotency::once))
        .layer(DefaultBodyLimit::max(extract::MAX_BODY))
        .layer(from_fn(guard::refuse_long_bodies))
        .layer(from_fn(error::keep_old_forms))
        .layer(from_fn_with_state(state.clone(), access::check))
        .layer(from_fn_with_state(state.clone(), guard::refuse_foreign_hosts))
        .layer(map_response(guard::add_security_headers))
        .with_state(state)
}
