//! Lists of any length, read from the store and written to the client page by page, so that memory stays small however long
//! they are and however slowly they are read.

use std::future::Future;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use punctual_core::StoreError;
use serde::Serialize;
use tracing::warn;

use crate::types::page::{self, write_rows};

/// The first page, and the shortest of those that follow.
pub(crate) const PAGE: u64 = 1_000;
/// The longest page.
pub(crate) const LONGEST: u64 = 5_000;

/// What is still to be read of a list.
pub(crate) trait Rows: Send + 'static {
    /// What the store answers.
    type Row: Send;
    /// What is written of it.
    type Shown: From<Self::Row> + Serialize;

    /// The rows of the next page; `None` at the end.
    fn next_page(&mut self) -> impl Future<Output = Result<Option<Vec<Self::Row>>, StoreError>> + Send;
}

/// An answer that goes on with these rows; `is_first` while the body has none.
pub(crate) fn respond<R: Rows>(rest: R, body: Vec<u8>, is_first: bool) -> Response {
    let state = State::Rows { rest, body, is_first };
    let body = Body::from_stream(stream::try_unfold(state, State::next));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// How far the answer has come.
enum State<R> {
    Rows { rest: R, body: Vec<u8>, is_first: bool },
    Ended,
}

impl<R: Rows> State<R> {
    /// The next part of the body.
    async fn next(self) -> Result<Option<(Bytes, Self)>, StoreError> {
        let Self::Rows { mut rest, mut body, is_first } = self else { return Ok(None) };
        let page = rest.next_page().await.inspect_err(|error| {
            // The client sees that the answer breaks off.
            warn!("a long list could not be read to its end: {error}");
        })?;
        let Some(rows) = page else {
            body.extend_from_slice(page::END);
            return Ok(Some((body.into(), Self::Ended)));
        };
        write_rows::<_, R::Shown>(&mut body, rows, is_first).await;
        Ok(Some((body.into(), Self::Rows { rest, body: Vec::new(), is_first: false })))
    }
}
