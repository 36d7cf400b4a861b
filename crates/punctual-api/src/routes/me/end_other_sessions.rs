//! `DELETE /api/v1/me/sessions`: end all of one's own sessions but the one that asks.

use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::AccountChange;
use serde_json::json;

use crate::error::ApiError;
use crate::{ApiState, Identity};

/// End all other sessions of one's own
///
/// The session that asks goes on. It takes a session (not a token).
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions",
    operation_id = "end_other_own_sessions",
    tag = "sign in",
    responses((status = 204, description = "Ended"))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
) -> Result<StatusCode, ApiError> {
    let accounts = state.accounts()?;
    let (user, current) = identity.own_session("end sessions")?;
    let sessions = accounts.store().sessions(user).await?;
    let others: Vec<i64> = sessions.iter().map(|session| session.id).filter(|id| *id != current).collect();
    if !others.is_empty() {
        let entry = identity.audit("session.delete-others", &identity.name).before(json!({ "ids": others }));
        let changes =
            [AccountChange::EndSessionsOf { user, keep: Some(current) }, AccountChange::Audit(entry)];
        accounts.store().apply_accounts(accounts.now(), &changes).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
