//! `DELETE /api/v1/me/sessions/{id}`: end one of one's own sessions.

use axum::extract::State;
use axum::http::StatusCode;
use punctual_accounts::session_ended;
use punctual_core::AccountChange;

use crate::error::ApiError;
use crate::extract::IdPath;
use crate::{ApiState, Identity};

/// End one of one's own sessions
///
/// Whoever had it is signed out at once. It takes a session (not a token), and may end that one, too.
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions/{id}",
    operation_id = "end_own_session",
    tag = "sign in",
    params(
        ("id" = i64, Path, description = "The number"),
    ),
    responses((status = 204, description = "Ended"))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    IdPath(id): IdPath,
) -> Result<StatusCode, ApiError> {
    let accounts = state.accounts()?;
    let (user, _) = identity.own_session("end sessions")?;
    let sessions = accounts.store().sessions(user).await?;
    // Whose it is otherwise, nobody is told.
    let session = sessions.into_iter().find(|session| session.id == id);
    let session = session.ok_or_else(|| ApiError::no_such("session", id))?;
    let entry = session_ended(&identity.name, &session);
    let changes = [AccountChange::EndSession(id), AccountChange::Audit(entry)];
    accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok(StatusCode::NO_CONTENT)
}
