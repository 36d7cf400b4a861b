//! `GET /metrics`: for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::ApiState;

/// Metrics for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "node",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"))
)]
pub(crate) async fn handler(State(state): State<ApiState>) -> impl IntoResponse {
    let text = state.metrics.render(&state.scheduler).await;
    ([(header::CONTENT_TYPE, punctual_metrics::CONTENT_TYPE)], text)
}
