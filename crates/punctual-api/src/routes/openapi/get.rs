//! `GET /api/v1/openapi.json`: the API, described for programs.

use axum::http::header;
use axum::response::IntoResponse;

/// The OpenAPI document
///
/// Describes all paths of this server, this one included.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "openapi",
    tag = "node",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value))
)]
pub(crate) async fn handler() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], crate::openapi::text())
}
