//! Who gets in: from the configuration to what the API asks.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use punctual_accounts::{Accounts, AccountsError};
use punctual_api::Security;
use punctual_engine::Scheduler;
use tracing::{info, warn};

use crate::config::{Config, Mode};
use crate::output::say;

/// Makes the accounts ready, with a first user where there is none.
pub(crate) async fn security(config: &Config, scheduler: &Scheduler) -> anyhow::Result<Security> {
    let mut security = Security {
        accounts: None,
        hosts: config.server.hosts.clone(),
        trusted_proxies: config.server.trusted_proxies()?,
        tls: config.server.tls.is_some(),
        metrics: config.auth.metrics.into(),
    };
    if config.auth.mode == Mode::Off {
        warn!("accounts are off: whoever reaches {} may do everything", config.server.listen);
        return Ok(security);
    }
    let accounts = accounts(config, scheduler)?;
    let given = config.auth.admin_password()?;
    let first = accounts.first_user(given.as_deref()).await.map_err(|error| match error {
        AccountsError::Weak(problem) => anyhow!("the given password of the user admin {problem}"),
        error => anyhow!(error).context("cannot make the first user"),
    })?;
    if let Some(first) = first {
        info!("there were no users: {} is the first one, and has to change the password", first.name);
        if let Some(password) = first.password {
            announce(first.name, &password);
        }
    }
    security.accounts = Some(accounts);
    Ok(security)
}

fn accounts(config: &Config, scheduler: &Scheduler) -> anyhow::Result<Arc<Accounts>> {
    let (store, clock) = (scheduler.store().clone(), scheduler.clock().clone());
    Accounts::new(store, clock, config.auth.settings()?).map(Arc::new).context("cannot start the accounts")
}

/// Shows a new password to whoever started the server, once. It goes to the standard output and not into the log, which
/// others keep.
fn announce(name: &str, password: &str) {
    if let Err(error) = say!("Sign in as {name} with the one-time password {password}") {
        warn!(
            "the one-time password of {name} cannot be shown ({error:#}): punctual admin reset-password makes another"
        );
    }
}
