//! What the operator decided about who gets in.

mod client;
mod credentials;
mod hosts;

use std::sync::Arc;

use axum::http::StatusCode;
use punctual_accounts::Accounts;
use punctual_core::accounts::PasswordHash;

use crate::ApiState;
use crate::error::{ApiError, Problem};
use crate::types::accounts::Secret;

pub(crate) use client::Client;
pub use client::Network;
pub(crate) use credentials::{Credentials, cookie, is_foreign, no_cookie};

/// Who gets in, and by which names the server is called.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// The accounts. Without them whoever reaches the server may do everything: serve on loopback addresses only then.
    pub accounts: Option<Arc<Accounts>>,
    /// Names in `Host` beside the loopback ones; `*` allows every name. With accounts, IP addresses are allowed, too.
    pub hosts: Vec<String>,
    /// From where `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether the server itself speaks TLS.
    pub tls: bool,
    /// Who reads `/metrics`.
    pub metrics: MetricsAccess,
}

/// Who reads `/metrics` without signing in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Everybody.
    Public,
    /// Whoever calls from a loopback address, and not through a proxy.
    #[default]
    Local,
    /// Nobody: it takes a session or a token that may read.
    Token,
}

impl Security {
    /// Whether this caller reads `/metrics` without signing in.
    pub(crate) fn shows_metrics_to(&self, client: &Client) -> bool {
        match self.metrics {
            MetricsAccess::Public => true,
            MetricsAccess::Local => client.is_local,
            MetricsAccess::Token => false,
        }
    }
}

impl ApiState {
    /// The accounts; a problem where they are off.
    pub(crate) fn accounts(&self) -> Result<&Accounts, ApiError> {
        self.security.accounts.as_deref().ok_or_else(|| {
            let detail = "accounts are off ([auth] mode = \"off\"): there is nobody to sign in or to change";
            Problem::new(StatusCode::CONFLICT, "accounts-off", detail).into()
        })
    }

    /// Whether groups grant permissions.
    pub(crate) fn advanced_permissions(&self) -> bool {
        self.security.accounts.as_ref().is_none_or(|accounts| accounts.settings().advanced_permissions)
    }

    /// The hash of the password that was given for a user, or of a random one, which is returned, too.
    pub(crate) async fn chosen_or_made(
        &self,
        user: &str,
        given: Option<Secret>,
    ) -> Result<(PasswordHash, Option<String>), ApiError> {
        let accounts = self.accounts()?;
        let made = if given.is_none() { Some(accounts.one_time_password()?) } else { None };
        let password = given.map(|given| given.0).or_else(|| made.clone()).unwrap_or_default();
        Ok((accounts.hash(user, &password).await?, made))
    }
}
