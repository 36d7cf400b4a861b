//! `DELETE /api/session`: sign out.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::ApiState;
use crate::error::ApiError;
use crate::security::{Client, Credentials, no_cookie};

/// Sign out
///
/// Ends the session that the request brings along, if it lives.
#[utoipa::path(
    delete,
    path = "/api/session",
    operation_id = "sign_out",
    tag = "sign in",
    responses((status = 204, description = "Signed out"))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accounts = state.accounts()?;
    if let Credentials::Session(id) | Credentials::Cookie(id) = Credentials::of(&headers, client.is_https) {
        accounts.sign_out(&id).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, no_cookie(client.is_https))]).into_response())
}
