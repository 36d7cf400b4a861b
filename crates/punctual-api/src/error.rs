//! How requests fail.
//!
//! | status | body |
//! | --- | --- |
//! | 400 | `{"errors": {parameter: message}}` |
//! | 404, no such record | `Not found.` as plain text |
//! | all others | RFC 9457 `application/problem+json` with `status`, `title`, `detail` and a stable `code` |

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use punctual_core::StoreError;
use serde_json::json;
use tracing::error;

/// Messages by parameter.
pub(crate) type Errors = BTreeMap<String, String>;

#[derive(Debug)]
pub(crate) enum ApiError {
    /// Parameters that cannot be used.
    Parameters(Errors),
    /// There is no such record.
    NotFound,
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Parameters(errors) => {
                (StatusCode::BAD_REQUEST, Json(json!({ "errors": errors }))).into_response()
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found.").into_response(),
            Self::Store(store_error) => {
                error!(error = %store_error, "a request could not be answered: {store_error}");
                let (status, code) = if store_error.is_transient() {
                    (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable")
                } else {
                    (StatusCode::INTERNAL_SERVER_ERROR, "store-failed")
                };
                problem(status, code, &store_error.to_string())
            }
        }
    }
}

/// A problem as RFC 9457 writes it.
pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "status": status.as_u16(), "title": title, "code": code, "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

pub(crate) async fn no_such_path(uri: Uri) -> Response {
    let detail = format!("there is nothing at {}: docs/api.md lists the paths", uri.path());
    problem(StatusCode::NOT_FOUND, "no-such-route", &detail)
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not answer to {method}", uri.path());
    problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", &detail)
}
