//! All paths. One file holds one operation. [`crate::access::ROUTES`] says who may call them.

mod health;
mod metrics;
mod skipped;
mod task;
mod why;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use tracing::error;

use crate::ApiState;
use crate::access::ROUTES;

pub(crate) fn all() -> Routes {
    Routes::default()
        .get("/api/task", task::list::handler)
        .get("/api/task/", task::list::handler)
        .get("/api/task/info", task::info::handler)
        .get("/api/task/unique-tasks", task::unique_tasks::handler)
        .get("/api/task/{id}", task::get::handler)
        .get("/api/v1/skipped", skipped::list::handler)
        .get("/api/v1/why", why::get::handler)
        .get("/health", health::get::handler)
        .get("/metrics", metrics::get::handler)
}

/// A router that can be asked what it holds.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<ApiState>,
    listed: Vec<(Method, &'static str)>,
}

impl Routes {
    fn get<H: Handler<T, ApiState>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route(Method::GET, path, handler)
    }

    fn route<H: Handler<T, ApiState>, T: 'static>(
        mut self,
        method: Method,
        path: &'static str,
        handler: H,
    ) -> Self {
        // Every method that a table of routes can sensibly name has a filter.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        self.listed.push((method, path));
        self.router = self.router.route(path, on(filter, handler));
        self
    }

    /// What it holds.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&Method, &'static str)> {
        self.listed.iter().map(|(method, path)| (method, *path))
    }

    pub(crate) fn into_router(self) -> Router<ApiState> {
        for (method, path) in self.listed() {
            if !ROUTES.iter().any(|(listed, pattern, _)| listed == method && *pattern == path) {
                error!("{method} {path} is missing from the table of access and is refused to everybody");
            }
        }
        self.router
    }
}
