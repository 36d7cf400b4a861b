//! The sections apart from jobs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::anyhow;
use punctual_api::Network;
use punctual_core::UnknownKind;
use punctual_engine::Settings;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::Fault;
use super::time::Span;
use crate::http::Limits;

/// `[server]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Where the API listens.
    pub(crate) listen: String,
    /// Where everything is kept; made with permissions for its owner alone.
    pub(crate) data_dir: PathBuf,
    /// How long a stopping server lets jobs go on.
    pub(crate) shutdown_limit: Span,
    /// How many connections there may be at a time; others wait until one ends.
    pub(crate) max_connections: usize,
    /// How long a TLS handshake and the headers of a request may take, and a connection may be idle.
    pub(crate) header_timeout: Span,
    /// How long the body of a request may take, and how long an answer may wait for its reader to go on.
    pub(crate) body_timeout: Span,
    /// Names in `Host` beside the loopback ones; `*` for every name.
    pub(crate) hosts: Vec<String>,
    /// From where `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses or networks.
    pub(crate) trusted_proxies: Vec<String>,
    /// Speak TLS.
    pub(crate) tls: Option<Tls>,
}

/// `[server.tls]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The certificate with its chain (PEM).
    pub(crate) cert: PathBuf,
    /// Its private key (PEM).
    pub(crate) key: PathBuf,
    /// How often the files are looked at for a newer certificate.
    #[serde(default = "every_minute")]
    pub(crate) reload: Span,
}

fn every_minute() -> Span {
    Span::seconds(60)
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            data_dir: PathBuf::from("punctual-data"),
            shutdown_limit: Span::seconds(30),
            max_connections: 1_024,
            header_timeout: Span::seconds(10),
            body_timeout: Span::seconds(30),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            tls: None,
        }
    }
}

impl Server {
    /// The networks from where forwarding headers are believed.
    pub(crate) fn trusted_proxies(&self) -> anyhow::Result<Vec<Network>> {
        let read = |text: &String| text.parse().map_err(|error| anyhow!("server.trusted_proxies: {error}"));
        self.trusted_proxies.iter().map(read).collect()
    }

    /// What is wrong with it, apart from the address.
    pub(super) fn faults(&self) -> Vec<Fault> {
        // A semaphore cannot count further.
        const MOST: usize = tokio::sync::Semaphore::MAX_PERMITS;
        let mut faults = Vec::new();
        for text in &self.trusted_proxies {
            let wrong = text.parse::<Network>().err();
            faults.extend(wrong.map(|error| {
                Fault::setting("server.trusted_proxies", format!("server.trusted_proxies: {error}"))
            }));
        }
        if !(1..=MOST).contains(&self.max_connections) {
            let problem = format!("server.max_connections is {}: give a number from 1", self.max_connections);
            faults.push(Fault::setting("server.max_connections", problem));
        }
        let reload = self.tls.as_ref().map(|tls| ("tls.reload", &tls.reload));
        let spans = [("header_timeout", &self.header_timeout), ("body_timeout", &self.body_timeout)];
        for (name, span) in spans.into_iter().chain(reload) {
            if !(100..=86_400_000).contains(&span.millis()) {
                let problem = format!("server.{name} is {} ms: give 100ms to 24h", span.millis());
                faults.push(Fault::setting(format!("server.{name}"), problem));
            }
        }
        faults
    }

    /// How much a client may take.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            header: self.header_timeout.duration(),
            body: self.body_timeout.duration(),
        }
    }

    /// The address to listen on.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        let text = self.listen.replace("localhost", "127.0.0.1");
        let address: SocketAddr = text.parse().map_err(|_| {
            anyhow!("server.listen is {:?}: give an address and a port such as 127.0.0.1:8080", self.listen)
        })?;
        Ok(address)
    }
}

/// `[api]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    /// Whether calls may decide which commands run: create and change jobs of kind `command`, and override their data.
    pub(crate) allow_commands: bool,
}

/// `[database]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Database {
    /// `sqlite://PATH` or `postgresql://USER:PASSWORD@HOST/DATABASE`; a file in the data directory unless set.
    pub(crate) url: Option<String>,
    /// PostgreSQL: a file with the password of the user that the URL names.
    pub(crate) password_file: Option<PathBuf>,
    /// `full` (a power cut loses nothing) or `normal`.
    pub(crate) synchronous: Synchronous,
    /// PostgreSQL: how many connections a node has at most, apart from the one that listens for changes.
    pub(crate) max_connections: Option<usize>,
    /// PostgreSQL: how long a call waits for a free connection.
    pub(crate) wait: Option<Span>,
}

impl Database {
    /// How a file is written.
    pub(crate) fn options(&self) -> punctual_sqlite::Options {
        punctual_sqlite::Options { synchronous: self.synchronous.into(), ..Default::default() }
    }
}

impl Database {
    /// Whether nodes share it.
    pub(super) fn is_clustered(&self) -> bool {
        self.url.as_ref().is_some_and(|url| crate::database::is_server(url))
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Synchronous {
    #[default]
    Full,
    Normal,
}

impl From<Synchronous> for punctual_sqlite::Synchronous {
    fn from(value: Synchronous) -> Self {
        match value {
            Synchronous::Full => Self::Full,
            Synchronous::Normal => Self::Normal,
        }
    }
}

/// `[scheduler]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SchedulerSection {
    /// The node's name; the host's unless set.
    pub(crate) node_name: Option<String>,
    /// How many jobs run at a time.
    pub(crate) slots: Option<usize>,
    /// Time between two signs of life.
    pub(crate) heartbeat: Option<Span>,
    /// After this long without one the node counts as lost.
    pub(crate) lease: Option<Span>,
    /// How often to look for work even when nothing says that there is some.
    pub(crate) poll: Option<Span>,
    /// How long a cancelled job may take to stop.
    pub(crate) cancel_grace: Option<Span>,
    /// How long to wait for an answer of the database; for PostgreSQL only.
    pub(crate) store_timeout: Option<Span>,
    /// The node claims only while it knows the database's time within this.
    pub(crate) max_clock_uncertainty: Option<Span>,
    /// What becomes of due instants whose kind no live node can run, unless the job says it: `wait` or `skip`.
    pub(crate) unknown_kind: Option<UnknownKind>,
    /// Kinds whose jobs are deleted at the start.
    pub(crate) retired_kinds: Vec<String>,
    /// Kinds that are called otherwise now: `{ old = "new" }`.
    pub(crate) renamed_kinds: BTreeMap<String, String>,
    /// Stores and answers, but fires nothing.
    pub(crate) disabled: bool,
}

impl SchedulerSection {
    /// What is wrong with it.
    pub(super) fn faults(&self, clustered: bool) -> Vec<Fault> {
        let wrong = |problem: String| {
            let figure = problem.split(' ').next().unwrap_or_default();
            let key = figure.strip_suffix("_ms").unwrap_or(figure);
            Fault::setting(format!("scheduler.{key}"), format!("[scheduler]: {problem}"))
        };
        let mut faults: Vec<Fault> = self.figures(clustered).problems().into_iter().map(wrong).collect();
        if !clustered && self.store_timeout.is_some() {
            let problem = "[scheduler]: store_timeout is for a postgresql:// url only: leave it out";
            faults.push(Fault::setting("scheduler.store_timeout", problem).lacking());
        }
        faults
    }

    /// The figures for the engine.
    pub(crate) fn settings(&self, clustered: bool) -> anyhow::Result<Settings> {
        let settings = self.figures(clustered);
        settings.check().map_err(|problem| anyhow!("[scheduler]: {problem}"))?;
        Ok(settings)
    }

    fn figures(&self, clustered: bool) -> Settings {
        let defaults = if clustered { Settings::clustered() } else { Settings::default() };
        let millis = |span: &Option<Span>, default: u64| span.as_ref().map_or(default, Span::millis);
        Settings {
            slots: self.slots.unwrap_or(defaults.slots),
            heartbeat_ms: millis(&self.heartbeat, defaults.heartbeat_ms),
            lease_ms: millis(&self.lease, defaults.lease_ms),
            poll_ms: millis(&self.poll, defaults.poll_ms),
            cancel_grace_ms: millis(&self.cancel_grace, defaults.cancel_grace_ms),
            max_clock_uncertainty_ms: millis(&self.max_clock_uncertainty, defaults.max_clock_uncertainty_ms),
            store_timeout_ms: millis(&self.store_timeout, defaults.store_timeout_ms),
            unknown_kind: self.unknown_kind.unwrap_or(defaults.unknown_kind),
            ..defaults
        }
    }
}

/// `[history]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct History {
    /// Keep this many rows.
    pub(crate) keep_rows: u64,
    /// Delete rows older than this.
    pub(crate) keep_days: Option<u32>,
    /// The zone of the midnight at which old rows are deleted.
    pub(crate) cleanup_tz: String,
}

impl Default for History {
    fn default() -> Self {
        Self { keep_rows: 100_000, keep_days: None, cleanup_tz: "UTC".to_owned() }
    }
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// `text` or `json`.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,punctual_engine=debug`.
    pub(crate) level: Option<String>,
}

impl Log {
    /// Which lines are printed: as the command line says, or the file, or from `info` on.
    ///
    /// A bare word that is no level would be the name of a module and print nothing else, so it is refused.
    pub(crate) fn filter(&self, given: Option<&str>) -> anyhow::Result<EnvFilter> {
        let text = given.or(self.level.as_deref()).unwrap_or("info");
        let wrong = |problem: &str| {
            anyhow!(
                "log level {text:?}: {problem}; give error, warn, info, debug or trace, or a filter such as \
                 info,punctual_engine=debug"
            )
        };
        let is_level = |word: &str| word.trim().parse::<LevelFilter>().is_ok();
        if let Some(word) = text.split(',').find(|word| !word.contains('=') && !is_level(word)) {
            return Err(wrong(&format!("{word:?} is no level")));
        }
        EnvFilter::try_new(text).map_err(|error| wrong(&error.to_string()))
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}
