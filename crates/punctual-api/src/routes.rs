//! All paths. One file holds one operation.

mod health;
mod metrics;
mod skipped;
mod task;
mod why;

use axum::Router;
use axum::routing::get;

use crate::ApiState;

pub(crate) fn all() -> Router<ApiState> {
    Router::new()
        .route("/api/task", get(task::list::handler))
        .route("/api/task/", get(task::list::handler))
        .route("/api/task/info", get(task::info::handler))
        .route("/api/task/unique-tasks", get(task::unique_tasks::handler))
        .route("/api/task/{id}", get(task::get::handler))
        .route("/api/v1/skipped", get(skipped::list::handler))
        .route("/api/v1/why", get(why::get::handler))
        .route("/health", get(health::get::handler))
        .route("/metrics", get(metrics::get::handler))
}
