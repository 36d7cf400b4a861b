//! `GET /api/v1/events/stream`: live changes, as server-sent events.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::ApiState;
use crate::error::{ApiError, problem};
use crate::live::{Kinds, Refused, stream};
use crate::params::Params;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Live changes, as server-sent events
#[utoipa::path(
    get,
    path = "/api/v1/events/stream",
    operation_id = "stream_events",
    tag = "live",
    params(
        ("types" = Option<String>, Query, description = "Only these types of events, with commas between them"),
        ("Last-Event-ID" = Option<String>, Header, description = "Go on after this event"),
    ),
    responses(
        (status = 200, description = "Events until either side ends them; docs/api.md lists their types", body = String, content_type = "text/event-stream")
    )
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    let kinds = params.read("types", Kinds::parse).unwrap_or(Kinds::ALL);
    params.finish()?;
    // One that cannot be read is one that no event has.
    let after = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default());
    match stream(&state.live, &state.scheduler, after, kinds).await {
        Ok(body) => Ok(([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()),
        Err(Refused::Store(error)) => Err(error.into()),
        Err(Refused::Full) => {
            Ok(later("too-many-streams", "as many listen as may at a time: close another stream first"))
        }
        Err(Refused::Closed) => Ok(later("stopping", "the server stops: ask another node, or later")),
    }
}

fn later(code: &'static str, detail: &str) -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, code, detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
