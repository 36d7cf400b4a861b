//! A part of a list, written piece by piece: it may be long, and other requests should not wait until it is written.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use punctual_core::Page;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// So many rows are written before others get their turn.
const PIECE: usize = 500;

/// What a body ends with.
pub(crate) const END: &[u8] = b"]}";

/// `{"total", "limit", "offset", "data"}`.
pub(crate) async fn respond<R, T>(page: Page<R>, limit: Option<u32>, offset: Option<u32>) -> Response
where
    T: From<R> + Serialize,
{
    let mut body = begin(page.total, limit, offset);
    write_rows::<R, T>(&mut body, page.rows, true).await;
    body.extend_from_slice(END);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A body up to its first row.
pub(crate) fn begin(total: u64, limit: Option<u32>, offset: Option<u32>) -> Vec<u8> {
    let (total, limit, offset) = (json!(total), json!(limit), json!(offset));
    format!(r#"{{"total":{total},"limit":{limit},"offset":{offset},"data":["#).into_bytes()
}

/// Writes rows; the first of all has no comma before it.
pub(crate) async fn write_rows<R, T>(body: &mut Vec<u8>, rows: Vec<R>, is_first: bool)
where
    T: From<R> + Serialize,
{
    let mut separator: &[u8] = if is_first { b"" } else { b"," };
    for (number, row) in rows.into_iter().enumerate() {
        if number % PIECE == PIECE - 1 {
            tokio::task::yield_now().await;
        }
        body.extend_from_slice(separator);
        let written = body.len();
        // Rows are plain values, which always serialise.
        if serde_json::to_writer(&mut *body, &T::from(row)).is_err() {
            body.truncate(written);
            body.extend_from_slice(b"null");
        }
        separator = b",";
    }
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
