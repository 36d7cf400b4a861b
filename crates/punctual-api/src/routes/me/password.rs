//! `PUT /api/v1/me/password`: a new password of one's own.

use axum::extract::State;
use axum::http::StatusCode;
use punctual_accounts::AccountsError;
use punctual_core::AccountChange;

use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::types::accounts::OwnPassword;
use crate::{ApiState, Identity};

/// Change one's own password
///
/// It takes a session (not a token) and the current password. All other sessions of the user end.
#[utoipa::path(
    put,
    path = "/api/v1/me/password",
    operation_id = "change_password",
    tag = "sign in",
    request_body = OwnPassword,
    responses((status = 204, description = "Changed"))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    Body(body): Body<OwnPassword>,
) -> Result<StatusCode, ApiError> {
    let accounts = state.accounts()?;
    let (id, session) = identity.own_session("change a password")?;
    let (current, new) = (&body.current_password.0, &body.new_password.0);
    let Some(account) = accounts.store().account(id).await? else { return Err(ApiError::NotFound) };
    match accounts.confirm(&account, current).await {
        Err(AccountsError::Wrong) => {
            let detail = "the current password is another one";
            return Err(Problem::new(StatusCode::FORBIDDEN, "wrong-password", detail).into());
        }
        confirmed => confirmed?,
    }
    if new == current {
        let detail = "the new password is the current one";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "weak-password", detail).into());
    }
    let hash = accounts.hash(&account.user.name, new).await?;
    let changes = [
        AccountChange::SetPassword { user: id, hash, must_change: false, keep: Some(session) },
        AccountChange::Audit(identity.audit("user.change-password", &account.user.name)),
    ];
    accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok(StatusCode::NO_CONTENT)
}
