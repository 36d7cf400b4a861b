//! `GET /health`: 200 while this node can do its work, else 503.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::NodeState;
use serde_json::{Value, json};

use crate::ApiState;
use crate::types::instant;

pub(crate) async fn handler(State(state): State<ApiState>) -> (StatusCode, Json<Value>) {
    let status = state.scheduler.status();
    let live = status.lease_valid && status.last_store_error.is_none();
    let word = match (live, status.state) {
        (false, _) => "degraded",
        (true, NodeState::Draining) => "stopping",
        (true, _) => "ok",
    };
    let code = if word == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "status": word,
        "node": status.name,
        "version": status.version,
        "state": status.state.as_str(),
        "lease_valid": status.lease_valid,
        "running": status.running,
        "slots": status.slots,
        "executed": status.executed,
        "started_at": status.started_at.map(instant),
        "last_heartbeat_at": status.last_heartbeat.map(instant),
        "last_store_error": status.last_store_error,
    });
    (code, Json(body))
}
