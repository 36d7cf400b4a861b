//! The OpenAPI document, collected from the handlers' own descriptions.

use std::sync::LazyLock;

use axum::http::StatusCode;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder};

use crate::types::problem::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Punctual", description = "A persistent job scheduler. See docs/api.md for what holds for every path."),
    tags(
        (name = "task history", description = "The history in the form that task pages read"),
        (name = "account", description = "What became of every instant"),
        (name = "live", description = "What happens now"),
        (name = "runs", description = "What ran"),
        (name = "definitions", description = "Jobs, triggers, calendars"),
        (name = "operation", description = "Pause, resume, run, cancel"),
        (name = "cluster", description = "Nodes, and what they share"),
        (name = "sign in", description = "Sessions, and whoever calls"),
        (name = "accounts", description = "Users, groups, tokens, and the log of changes"),
        (name = "node", description = "The node that answers"),
    ),
    components(schemas(Problem))
)]
struct Head;

/// The document without any path.
pub(crate) fn head() -> OpenApi {
    <Head as utoipa::OpenApi>::openapi()
}

/// The document as JSON text.
pub(crate) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut document = crate::routes::all().into_openapi();
        for (path, item) in &mut document.paths.paths {
            let old_forms = path.starts_with("/api/task");
            operations(item).for_each(|operation| add_failures(operation, old_forms));
            if path.starts_with("/api/v1/") {
                edits(item).for_each(add_key);
            }
        }
        // It holds only what serialises.
        document.to_pretty_json().unwrap_or_default()
    });
    &TEXT
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn edits(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// The key that every request which may change something can carry.
fn add_key(operation: &mut Operation) {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(crate::idempotency::LONGEST_KEY))
        .pattern(Some("^[!-~]+$"));
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("The same key with the same request is carried out once, and answered alike"))
        .schema(Some(text));
    operation.parameters.get_or_insert_default().push(key.build().into());
}

/// What every operation may answer beside its own.
fn add_failures(operation: &mut Operation, old_forms: bool) {
    let mut add = |status: &str, response: Response| {
        operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
    };
    if old_forms {
        let errors = ResponseBuilder::new()
            .description("`{\"errors\": {parameter: message}}`")
            .content("application/json", Content::default());
        add(StatusCode::BAD_REQUEST.as_str(), errors.build());
        let not_found = ResponseBuilder::new()
            .description("Not found.")
            .content("text/plain", Content::default())
            .content("application/problem+json", Content::default());
        add(StatusCode::NOT_FOUND.as_str(), not_found.build());
    }
    let problem = ResponseBuilder::new()
        .description("A problem (RFC 9457); `code` tells which")
        .content("application/problem+json", Content::new(Some(Ref::from_schema_name("Problem"))));
    add("default", problem.build());
}
