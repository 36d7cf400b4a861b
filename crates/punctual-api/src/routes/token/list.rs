//! `GET /api/v1/tokens`: tokens, without what lets anybody in.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::params::Params;
use crate::types::accounts::{All, Token, UserNames};
use crate::{Access, ApiState, Identity};

/// The caller's tokens, or all
///
/// Superusers may ask for those of all users.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    operation_id = "list_tokens",
    tag = "accounts",
    params(
        ("all" = Option<bool>, Query, description = "Those of all users; takes a superuser"),
    ),
    responses((status = 200, description = "Tokens", body = All<Token>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    mut params: Params,
) -> Result<Json<All<Token>>, ApiError> {
    let all = params.word("all", &[("true", true), ("false", false)]).unwrap_or(false);
    params.finish()?;
    let user = match identity.user() {
        Some(_) if all && !identity.may(Access::Superuser) => {
            return Err(ApiError::parameter("all", "takes a superuser"));
        }
        Some(user) if !all => Some(user),
        _ => None,
    };
    let store = state.scheduler.store();
    let tokens = store.tokens(user).await?;
    let mut users = Vec::new();
    for user in tokens.iter().map(|token| token.user).collect::<BTreeSet<_>>() {
        users.extend(store.account(user).await?.map(|account| account.user));
    }
    let users = UserNames::new(users);
    Ok(Json(All::of(tokens.into_iter().map(|token| Token::new(token, &users)).collect())))
}
