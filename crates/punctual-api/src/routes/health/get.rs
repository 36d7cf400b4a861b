//! `GET /health`: 200 while the node does its work (or waits in standby), 503 with the reasons otherwise. What is wrong
//! with the work of all nodes is a warning beside that.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::ApiState;
use crate::types::health::Health;

/// How the node is doing
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "node",
    responses((status = 200, description = "It does its work, or waits in standby", body = Health), (status = 503, description = "It does not", body = Health))
)]
pub(crate) async fn handler(State(state): State<ApiState>) -> (StatusCode, Json<Health>) {
    let health = Health::from(state.scheduler.status());
    let status = if health.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}
