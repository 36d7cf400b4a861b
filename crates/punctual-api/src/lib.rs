//! The JSON API: [`router`] makes an axum router that an application can mount as well as the server does.
//!
//! One file for each operation under `routes`; wire types under `types`, apart from the domain's, so that the domain
//! can change without the wire changing. To add a route: a file, a line in [`router`], a test.

mod problem;
mod query;
mod routes;
mod security;
mod types;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use punctual_engine::Scheduler;
use punctual_metrics::Metrics;

/// What the routes share.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The scheduler that is asked.
    pub scheduler: Scheduler,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
}

/// All routes. Requests must name a loopback host, since there are no accounts yet: see `security`.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/api/task", get(routes::task::list::handler))
        .route("/api/task/", get(routes::task::list::handler))
        .route("/api/task/info", get(routes::task::info::handler))
        .route("/api/task/unique-tasks", get(routes::task::unique_tasks::handler))
        .route("/api/task/{id}", get(routes::task::get::handler))
        .route("/api/v1/skipped", get(routes::skipped::handler))
        .route("/api/v1/why", get(routes::why::handler))
        .route("/health", get(routes::health::handler))
        .route("/metrics", get(routes::metrics::handler))
        .fallback(problem::no_such_route)
        .layer(from_fn(security::guard))
        .with_state(state)
}
