//! Answers that are no success.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use punctual_core::StoreError;
use serde_json::json;

/// Parameters that were refused, each with what would be right.
pub(crate) type Errors = BTreeMap<String, String>;

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Parameters are wrong: 400 with an `errors` object.
    Invalid(Errors),
    /// What was asked for does not exist: 404 with the text `Not found.`
    NotFound,
    /// The store failed: 503 while it may pass, else 500.
    Store(StoreError),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Invalid(errors) => {
                (StatusCode::BAD_REQUEST, Json(json!({ "errors": errors }))).into_response()
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found.").into_response(),
            Self::Store(error) => {
                let (status, code) = if error.is_transient() {
                    (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable")
                } else {
                    (StatusCode::INTERNAL_SERVER_ERROR, "store-failed")
                };
                problem(status, code, &error.to_string())
            }
        }
    }
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

pub(crate) async fn no_such_route(uri: Uri) -> Response {
    problem(StatusCode::NOT_FOUND, "no-such-route", &format!("there is nothing at {}", uri.path()))
}
