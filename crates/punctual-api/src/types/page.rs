//! A part of a list, written piece by piece: a list without a limit may be the whole history, and other requests
//! should not wait until it is written.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use punctual_core::Page;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// So many rows are written before others get their turn.
const PIECE: usize = 500;

/// `{"total", "limit", "offset", "data"}`.
pub(crate) async fn respond<R, T>(page: Page<R>, limit: Option<u32>, offset: Option<u32>) -> Response
where
    T: From<R> + Serialize,
{
    let (total, limit, offset) = (json!(page.total), json!(limit), json!(offset));
    let mut body = format!(r#"{{"total":{total},"limit":{limit},"offset":{offset},"data":["#).into_bytes();
    let mut separator = "";
    for (number, row) in page.rows.into_iter().enumerate() {
        if number % PIECE == PIECE - 1 {
            tokio::task::yield_now().await;
        }
        body.extend_from_slice(separator.as_bytes());
        let written = body.len();
        // Rows are plain values, which always serialise.
        if serde_json::to_writer(&mut body, &T::from(row)).is_err() {
            body.truncate(written);
            body.extend_from_slice(b"null");
        }
        separator = ",";
    }
    body.extend_from_slice(b"]}");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What [`respond`] writes, for the OpenAPI document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// How many rows the filters match in all.
    total: u64,
    /// As asked for.
    limit: Option<u32>,
    /// As asked for.
    offset: Option<u32>,
    data: Vec<T>,
}
