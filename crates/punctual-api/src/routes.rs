//! All paths. One file holds one operation, with its description for the OpenAPI document.
//! [`crate::access::ROUTES`] says who may call them.

mod audit;
mod calendar;
mod events;
mod group;
mod health;
mod insights;
mod job;
mod lock;
mod me;
mod metrics;
mod node;
mod occurrence;
mod openapi;
mod run;
mod schedule;
mod session;
mod settings;
mod skipped;
mod task;
mod token;
mod trigger;
mod unassigned;
mod user;
mod user_group;
mod why;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use tracing::error;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::ApiState;
use crate::access::ROUTES;

pub(crate) fn all() -> Routes {
    Routes::new()
        .add(routes!(session::create::handler, session::delete::handler))
        .add(routes!(me::get::handler))
        .add(routes!(me::password::handler))
        .add(routes!(me::sessions::handler, me::end_other_sessions::handler))
        .add(routes!(me::end_session::handler))
        .add(routes!(user::list::handler, user::create::handler))
        .add(routes!(user::get::handler, user::edit::handler, user::delete::handler))
        .add(routes!(user::password::handler))
        .add(routes!(user_group::list::handler, user_group::create::handler))
        .add(routes!(user_group::edit::handler, user_group::delete::handler))
        .add(routes!(token::list::handler, token::create::handler))
        .add(routes!(token::delete::handler))
        .add(routes!(audit::list::handler))
        .add(routes!(task::list::handler))
        .undescribed(Method::GET, "/api/task/", task::list::handler)
        .add(routes!(task::info::handler))
        .add(routes!(task::unique_tasks::handler))
        .add(routes!(task::runs::handler))
        .add(routes!(task::run_entities::handler))
        .add(routes!(task::run::handler))
        .add(routes!(task::get::handler))
        .add(routes!(events::stream::handler))
        .add(routes!(run::list::handler))
        .add(routes!(run::get::handler))
        .add(routes!(run::again::handler))
        .add(routes!(run::cancel::handler))
        .add(routes!(events::emit::handler))
        .add(routes!(occurrence::list::handler))
        .add(routes!(insights::get::handler))
        .add(routes!(skipped::list::handler))
        .add(routes!(why::get::handler))
        .add(routes!(health::get::handler))
        .add(routes!(metrics::get::handler))
        .add(routes!(openapi::get::handler))
        .add(routes!(settings::get::handler))
        .add(routes!(job::list::handler))
        .add(routes!(job::get::handler, job::put::handler, job::delete::handler))
        .add(routes!(job::pause::handler))
        .add(routes!(job::resume::handler))
        .add(routes!(job::run::handler))
        .add(routes!(trigger::list::handler))
        .add(routes!(trigger::get::handler, trigger::put::handler, trigger::delete::handler))
        .add(routes!(trigger::backfill::handler))
        .add(routes!(trigger::pause::handler))
        .add(routes!(trigger::resume::handler))
        .add(routes!(trigger::reset::handler))
        .add(routes!(schedule::preview::handler))
        .add(routes!(calendar::list::handler))
        .add(routes!(calendar::get::handler, calendar::put::handler, calendar::delete::handler))
        .add(routes!(group::pause::handler))
        .add(routes!(group::resume::handler))
        .add(routes!(group::paused::handler))
        .add(routes!(node::list::handler))
        .add(routes!(node::drain::handler))
        .add(routes!(node::resume::handler))
        .add(routes!(lock::list::handler))
        .add(routes!(unassigned::list::handler))
}

/// A router that can be asked what it holds.
pub(crate) struct Routes {
    router: OpenApiRouter<ApiState>,
    undescribed: Vec<(Method, String)>,
}

impl Routes {
    fn new() -> Self {
        Self { router: OpenApiRouter::with_openapi(crate::openapi::head()), undescribed: Vec::new() }
    }

    fn add(self, routes: UtoipaMethodRouter<ApiState>) -> Self {
        Self { router: self.router.routes(routes), ..self }
    }

    /// A path that is not in the OpenAPI document, because it is another spelling of one that is.
    fn undescribed<H: Handler<T, ApiState>, T: 'static>(
        mut self,
        method: Method,
        path: &'static str,
        handler: H,
    ) -> Self {
        // Every method that a table of routes can sensibly name has a filter.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        self.undescribed.push((method, path.to_owned()));
        self.router = self.router.route(path, on(filter, handler));
        self
    }

    /// What it holds.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (Method, String)> {
        let described = self.router.get_openapi().paths.paths.iter().flat_map(|(path, item)| {
            [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ]
            .into_iter()
            .filter(|(_, operation)| operation.is_some())
            .map(|(method, _)| (method, path.clone()))
        });
        described.chain(self.undescribed.iter().cloned())
    }

    pub(crate) fn into_openapi(self) -> OpenApi {
        self.router.into_openapi()
    }

    pub(crate) fn into_router(self) -> Router<ApiState> {
        for (method, path) in self.listed() {
            if !ROUTES.iter().any(|(listed, pattern, _)| *listed == method && *pattern == path) {
                error!("{method} {path} is missing from the table of access and is refused to everybody");
            }
        }
        self.router.split_for_parts().0
    }
}
