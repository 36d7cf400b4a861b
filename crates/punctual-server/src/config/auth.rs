//! `[auth]`: who gets in.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use punctual_accounts::Settings;
use punctual_api::MetricsAccess;
use punctual_core::accounts::rules::SessionRules;
use serde::Deserialize;

use super::time::Span;

/// `[auth]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    /// `accounts`, or `off`: whoever reaches the server may do everything.
    pub(crate) mode: Mode,
    /// Whether groups grant permissions; otherwise superusers may do everything, and all others nothing.
    pub(crate) advanced_permissions: bool,
    /// A session ends when it was not used for this long.
    pub(crate) session_idle: Span,
    /// A session ends after this long, used or not.
    pub(crate) session_max: Span,
    /// Who reads `/metrics` without signing in.
    pub(crate) metrics: Metrics,
    /// A file with the first password of the user `admin`.
    pub(crate) admin_password_file: Option<PathBuf>,
    /// Delete entries of the log of changes that are older; they are kept unless set.
    pub(crate) audit_keep_days: Option<u32>,
}

impl Default for Auth {
    fn default() -> Self {
        let rules = SessionRules::default();
        Self {
            mode: Mode::default(),
            advanced_permissions: true,
            session_idle: Span::seconds(rules.idle_ms / 1_000),
            session_max: Span::seconds(rules.max_ms / 1_000),
            metrics: Metrics::default(),
            admin_password_file: None,
            audit_keep_days: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    #[default]
    Accounts,
    Off,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metrics {
    /// Everybody.
    Public,
    /// Whoever calls from this machine, and not through a proxy.
    #[default]
    Local,
    /// Whoever has a session or a token that may read.
    Token,
}

impl From<Metrics> for MetricsAccess {
    fn from(metrics: Metrics) -> Self {
        match metrics {
            Metrics::Public => Self::Public,
            Metrics::Local => Self::Local,
            Metrics::Token => Self::Token,
        }
    }
}

impl Auth {
    /// For `punctual_accounts`.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let (idle_ms, max_ms) = (self.session_idle.millis(), self.session_max.millis());
        if idle_ms < 60_000 {
            bail!(
                "auth.session_idle is shorter than a minute: the last use of a session is noted to the minute"
            );
        }
        let sessions = SessionRules { idle_ms, max_ms };
        Ok(Settings { sessions, advanced_permissions: self.advanced_permissions, ..Settings::default() })
    }

    /// The first password of the user `admin`, if one is given: by `PUNCTUAL_ADMIN_PASSWORD`, or in a file.
    pub(crate) fn admin_password(&self) -> anyhow::Result<Option<String>> {
        if let Some(password) = std::env::var_os("PUNCTUAL_ADMIN_PASSWORD").filter(|text| !text.is_empty()) {
            let text = password.into_string();
            return text.map(Some).map_err(|_| anyhow!("PUNCTUAL_ADMIN_PASSWORD is no UTF-8 text"));
        }
        let Some(path) = &self.admin_password_file else { return Ok(None) };
        super::secrets::read("auth.admin_password_file", path).map(Some)
    }
}
