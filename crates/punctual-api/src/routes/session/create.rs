//! `POST /api/session`: sign in.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use crate::ApiState;
use crate::error::ApiError;
use crate::extract::Body;
use crate::security::{Client, Credentials, cookie};
use crate::types::accounts::{SignIn, SignedIn};

/// Sign in
///
/// Answers with the id of a session, and gives it to browsers as a cookie. A session that the request brought along ends.
#[utoipa::path(
    post,
    path = "/api/session",
    operation_id = "sign_in",
    tag = "sign in",
    request_body = SignIn,
    responses((status = 200, description = "A session", body = SignedIn))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Body(body): Body<SignIn>,
) -> Result<Response, ApiError> {
    let accounts = state.accounts()?;
    let signed_in = accounts.sign_in(&body.username, &body.password.0, client.address).await?;
    if let Credentials::Session(id) | Credentials::Cookie(id) = Credentials::of(&headers, client.is_https) {
        accounts.sign_out(&id).await?;
    }
    let cookie = cookie(&signed_in.id, client.is_https);
    let must_change_password = signed_in.account.user.must_change;
    let mut response = Json(SignedIn { id: signed_in.id, must_change_password }).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
