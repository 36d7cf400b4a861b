//! `GET /api/v1/me/sessions`: where one is signed in.

use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::params::Params;
use crate::types::accounts::{All, OwnSession};
use crate::{ApiState, Identity};

/// One's own sessions
///
/// Those that have not ended, without what lets anybody in. It takes a session (not a token).
#[utoipa::path(
    get,
    path = "/api/v1/me/sessions",
    operation_id = "list_own_sessions",
    tag = "sign in",
    responses((status = 200, description = "Sessions", body = All<OwnSession>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    params: Params,
) -> Result<Json<All<OwnSession>>, ApiError> {
    let accounts = state.accounts()?;
    let (user, current) = identity.own_session("see sessions")?;
    params.finish()?;
    let (now, rules) = (accounts.now(), accounts.settings().sessions);
    let mut sessions = accounts.store().sessions(user).await?;
    sessions.retain(|session| rules.is_live(session, now));
    let shown = |session| OwnSession::new(session, rules, current);
    Ok(Json(All::of(sessions.into_iter().map(shown).collect())))
}
