//! `punctual serve`: the server, from its start to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use punctual_api::{ApiOptions, ApiState, Live, router};
use punctual_core::schedule::{CronSchedule, Schedule};
use punctual_core::{Change, Clock, Declared, JobQuery};
use punctual_engine::{
    Entry, JobRegistry, Scheduler, SchedulerBuilder, Settings, SystemClock, disabled_by_env,
};
use punctual_jobs::COMMAND_KINDS;
use punctual_jobs::command::Command;
use punctual_jobs::history_cleanup::{HistoryCleanupData, SchedulerSlot};
use punctual_jobs::http::Http;
use punctual_jobs::keeper::{self, Keeper};
use punctual_jobs::session_cleanup::SessionCleanupData;
use punctual_metrics::Metrics;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, FILE_GROUP, LogFormat};
use crate::database::Place;
use crate::http;
use crate::tls::TlsListener;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file; without one the server runs its own maintenance jobs only.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// Where everything is kept.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where the API listens.
    #[arg(long)]
    listen: Option<String>,
    /// How log lines look.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// Which log lines there are: error, warn, info, debug, trace, or a filter.
    #[arg(long)]
    log_level: Option<String>,
    /// How many milliseconds the wall clock of this node is wrong by, for tests.
    #[arg(long, hide = true, default_value_t = 0, allow_hyphen_values = true)]
    clock_offset_ms: i64,
    /// Stop when standard input ends, as it does with the process that holds its other end.
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

/// How long the commands of a server that was killed have to end before another one starts over the same file.
const LAST_COMMANDS: Duration = Duration::from_secs(5);

/// How long the database has to be closed when the server stops. The most is the write-ahead log of a database file, some
/// 16 MiB.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// How long requests that are under way have to be answered when the server stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (mut config, entries) = Config::load_with_entries(args.config.as_deref())?;
    if let Some(directory) = &args.data_dir {
        config.server.data_dir.clone_from(directory);
    }
    if let Some(listen) = &args.listen {
        config.listen_at(listen);
    }
    config.check()?;
    let format = args.log_format.unwrap_or(config.log.format);
    start_log(format, config.log.filter(args.log_level.as_deref())?);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(serve(config, entries, args))
}

fn start_log(format: LogFormat, filter: tracing_subscriber::EnvFilter) {
    // The filter is the output's own: the task history keeps what runs log whatever is printed. A line that cannot be
    // written, since the terminal was closed, must not end the server.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(punctual_engine::capture_layer());
    match format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_filter(filter)).init(),
        LogFormat::Text => {
            let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(lines.with_ansi(terminal).with_target(false).with_filter(filter)).init();
        }
    }
}

async fn serve(config: Config, mut entries: Vec<Entry>, args: &Args) -> anyhow::Result<()> {
    // The port first: a second server by mistake should say so before it touches anything.
    let address = config.server.address()?;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: is another server running there? (server.listen or --listen)")
    })?;
    let place = place(&config)?;
    let store = place.open().await?;
    let start_tasks = config.start_tasks(&entries);
    entries.push(cleanup_entry(&config)?);
    entries.push(session_cleanup_entry(&config)?);
    let slot = SchedulerSlot::default();
    let mut registry = JobRegistry::new();
    let metrics = Arc::new(Metrics::new());
    let live = Arc::new(Live::default());
    let (listener_metrics, listener_live) = (Arc::clone(&metrics), Arc::clone(&live));
    let settings = config.scheduler.settings(place.is_clustered())?;
    let offset = jiff::SignedDuration::from_millis(args.clock_offset_ms);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::ahead_by(offset));
    punctual_jobs::register_all(
        &mut registry,
        &slot,
        commands(&place, &settings, &*clock).await?,
        Http::with_secrets(config.secrets()?),
    );
    let node_name = config.scheduler.node_name.clone().unwrap_or_else(host_name);
    let options = ApiOptions {
        settings: shown(&config, &place, &settings, &node_name),
        allow_commands: config.api.allow_commands,
        command_kinds: COMMAND_KINDS.map(str::to_owned).to_vec(),
        file_group: Some(FILE_GROUP.to_owned()),
    };
    let builder = Scheduler::builder(store)
        .clock(clock)
        .settings(settings)
        .node_name(&node_name)
        .registry(registry)
        .listener(listener_metrics)
        .listener(listener_live)
        .disabled(config.scheduler.disabled || disabled_by_env())
        .calendars(config.calendars().clone())
        .entries(entries.iter().cloned());
    let lists = &config.scheduler;
    let builder =
        lists.retired_kinds.iter().fold(builder, |builder, kind| builder.retired_kind(kind.as_str()));
    let builder = lists
        .renamed_kinds
        .iter()
        .fold(builder, |builder, (old, new)| builder.renamed_kind(old.as_str(), new.as_str()));
    let scheduler = start_tasks
        .into_iter()
        .fold(builder, SchedulerBuilder::on_start)
        .build()
        .context("[scheduler] of the configuration")?;
    slot.fill(scheduler.clone());
    // What may be wrong with it is said before anything runs.
    let security = crate::access::security(&config, &scheduler).await?;
    if let Some(files) = &config.server.tls {
        crate::tls::check(files)?;
    }
    let report = scheduler.start().await.context("cannot start the scheduler")?;
    // Before anything says that it runs: who reads that may send a signal at once.
    let mut signals = Signals::listen()?;
    if let Some((name, problem)) = report.failed.first() {
        warn!("job {name} is not scheduled: {problem}");
    }
    forget_removed(&scheduler, &entries, &node_name).await?;
    let tls = config.server.tls.as_ref();
    info!(%address, "listening on http{}://{address}", if tls.is_some() { "s" } else { "" });
    let stop = CancellationToken::new();
    let (api, options) = (scheduler.clone(), Arc::new(options));
    let app = router(ApiState {
        scheduler: api,
        metrics,
        live: Arc::clone(&live),
        options,
        security: Arc::new(security),
    });
    let (limits, clock) = (config.server.limits(), Arc::clone(scheduler.clock()));
    let server = match tls {
        Some(files) => {
            let listener = TlsListener::start(listener, files, limits.header, Arc::clone(&clock))?;
            tokio::spawn(http::serve(listener, app, limits, clock, stop.clone()))
        }
        None => tokio::spawn(http::serve(listener, app, limits, clock, stop.clone())),
    };
    let input_ended = if args.until_stdin_ends { end_of_input()? } else { CancellationToken::new() };
    tokio::select! {
        name = signals.next() => info!(signal = name, "{name}{}", about(name)),
        () = input_ended.cancelled() => info!("standard input has ended"),
    }
    let limit = config.server.shutdown_limit.duration();
    match scheduler.status().running {
        0 => info!("stopping: no run is under way; signal again to stop at once"),
        running => info!(
            running,
            "stopping: {running} run(s) under way have {} s to end; signal again to stop at once",
            limit.as_secs()
        ),
    }
    tokio::select! {
        _ = scheduler.shutdown(limit) => {}
        () = signals.again() => {
            bail!("stopped at once; what was running is recovered at the next start");
        }
    }
    // Until here those who listen have heard how the runs ended.
    live.close();
    stop.cancel();
    // A connection whose other end does not read must not hold the stop up.
    let abort = server.abort_handle();
    let ended = tokio::select! {
        ended = server => ended.context("the API ended badly"),
        () = scheduler.clock().sleep_for(LAST_ANSWERS) => {
            abort.abort();
            info!("some clients had not read their answers");
            Ok(())
        }
    };
    close(&scheduler).await;
    ended
}

/// Closes the store, so that the file of a database is complete. What fails here costs nothing but that.
async fn close(scheduler: &Scheduler) {
    let closed = tokio::select! {
        closed = scheduler.store().close() => closed.map_err(|error| error.to_string()),
        () = scheduler.clock().sleep_for(LAST_WRITES) => Err("it took too long".to_owned()),
    };
    if let Err(problem) = closed {
        warn!(
            "the database could not be closed: {problem}; copy it with its -wal file, or start the server again first"
        );
    }
}

/// The kind `command`: this program keeps each of them. A file has one server, which recovers at its start what the last
/// one ran, so the commands of that one must have ended first; with PostgreSQL, recovery waits for the lease.
async fn commands(place: &Place, settings: &Settings, clock: &dyn Clock) -> anyhow::Result<Command> {
    let earliest = Duration::from_millis(settings.lease_ms.saturating_sub(settings.heartbeat_ms));
    let keeper = Keeper::this_program()
        .context("cannot tell where this program is")?
        .with_grace(keeper::DEFAULT_GRACE.min(earliest / 4));
    let Place::Sqlite(file, _) = place else { return Ok(Command::kept_by(keeper)) };
    let mut lock = file.clone().into_os_string();
    lock.push("-commands");
    let lock = PathBuf::from(lock);
    let failed = || format!("cannot lock {}", lock.display());
    if !keeper::wait_for_last(&lock, clock, LAST_COMMANDS).await.with_context(failed)? {
        warn!(
            "commands of the last server over this database cannot be ended and go on ({})",
            lock.display()
        );
    }
    Ok(Command::kept_by(keeper.with_lock(&lock).with_context(failed)?))
}

/// Cancelled when standard input ends. A thread reads it, since a read that waits would hold the runtime up at its end.
pub(crate) fn end_of_input() -> anyhow::Result<CancellationToken> {
    let ended = CancellationToken::new();
    let told = ended.clone();
    std::thread::Builder::new()
        .name("punctual-stdin".to_owned())
        .spawn(move || {
            // An input that cannot be read counts as ended.
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            told.cancel();
        })
        .context("cannot start a thread")?;
    Ok(ended)
}

const HANGUP: &str = "SIGHUP";

/// What the log says of a signal beside its name.
fn about(signal: &str) -> &'static str {
    if signal == HANGUP {
        " is a stop like SIGTERM: there is no reload (apply a changed file, or restart the server)"
    } else {
        ""
    }
}

/// What asks a server to stop, from when this is made: none is missed between two waits.
///
/// SIGHUP is one of them: a terminal that is closed sends it, and there is nothing that could be loaded anew. It is left
/// alone where whoever started this process had it ignored, as `nohup` does.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |name: &str, kind| signal(kind).with_context(|| format!("cannot listen for {name}"));
        Ok(Self {
            terminate: listen("SIGTERM", SignalKind::terminate())?,
            interrupt: listen("SIGINT", SignalKind::interrupt())?,
            hangup: if hangup_is_ignored() { None } else { Some(listen(HANGUP, SignalKind::hangup())?) },
        })
    }

    /// Completes at the next one of those that are meant to hurry a stop. A closed terminal may send SIGHUP more than once.
    pub(crate) async fn again(&mut self) {
        while self.next().await == HANGUP {}
    }

    /// Completes at the next one, with its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hangup => HANGUP,
        }
    }
}

/// Whether SIGHUP does nothing to this process, as the system tells; false where it does not.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // One bit for each signal, from 1 on.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

/// The database that the configuration names, with its directory made.
pub(crate) fn place(config: &Config) -> anyhow::Result<Place> {
    if config.database.url.is_none() {
        make_private(&config.server.data_dir)?;
    }
    Place::configured(config)
}

pub(crate) fn make_private(directory: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot make the data directory {} (server.data_dir)", directory.display()))
}

fn session_cleanup_entry(config: &Config) -> anyhow::Result<Entry> {
    let data = SessionCleanupData {
        idle_ms: config.auth.session_idle.millis(),
        max_ms: config.auth.session_max.millis(),
        audit_keep_days: config.auth.audit_keep_days,
    };
    punctual_jobs::session_cleanup::entry(&data, &config.history.cleanup_tz)
        .map_err(|error| anyhow!("history.cleanup_tz: {error}"))
}

fn cleanup_entry(config: &Config) -> anyhow::Result<Entry> {
    let data =
        HistoryCleanupData { keep_rows: Some(config.history.keep_rows), keep_days: config.history.keep_days };
    let midnight = CronSchedule::parse("0 0 0 * * ? *", &config.history.cleanup_tz)
        .map_err(|error| anyhow!("history.cleanup_tz: {error}"))?;
    Ok(punctual_jobs::history_cleanup::entry(&data, Schedule::Cron(midnight))?)
}

/// The settings that the API shows: figures and names, nothing that opens a door.
fn shown(config: &Config, place: &Place, settings: &Settings, node_name: &str) -> serde_json::Value {
    json!({
        "server": {
            "listen": config.server.listen,
            "shutdown_limit_ms": config.server.shutdown_limit.millis(),
        },
        "api": { "allow_commands": config.api.allow_commands },
        "node": node_name,
        "database": place.shown(),
        "scheduler": {
            "slots": settings.slots,
            "heartbeat_ms": settings.heartbeat_ms,
            "lease_ms": settings.lease_ms,
            "poll_ms": settings.poll_ms,
            "cancel_grace_ms": settings.cancel_grace_ms,
            "max_clock_uncertainty_ms": settings.max_clock_uncertainty_ms,
            "disabled": config.scheduler.disabled,
        },
        "history": {
            "keep_rows": config.history.keep_rows,
            "keep_days": config.history.keep_days,
            "cleanup_tz": config.history.cleanup_tz,
        },
    })
}

/// Deletes jobs that an earlier version of the file declared and this one does not.
async fn forget_removed(scheduler: &Scheduler, entries: &[Entry], node: &str) -> anyhow::Result<()> {
    let query = JobQuery { group: Some(FILE_GROUP.to_owned()), ..JobQuery::default() };
    let stored = scheduler.store().jobs(&query).await?.rows;
    let gone: Vec<Change> = stored
        .iter()
        .filter(|job| !entries.iter().any(|entry| entry.job.key == job.detail.key))
        .map(|job| {
            let key = job.detail.key.clone();
            info!(job.key = %key, "job {key} is no longer in the configuration and is deleted");
            Declared::NoJob(key).by(node, Some("no longer in the configuration".to_owned()))
        })
        .collect();
    if !gone.is_empty() {
        scheduler.apply(&gone).await?;
    }
    Ok(())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "node".to_owned() } else { name.to_owned() }
}
