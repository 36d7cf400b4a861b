//! What the measurements share: stores, jobs that count their runs, waiting.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{bail, ensure};
use punctual_core::{
    Change, Clock, ClusterStore as _, Data, JobDetail, JobKey, JobStore, StoreError, Timestamp, Trigger,
    TriggerKey,
};
use punctual_engine::{Job, JobContext, JobResult, Scheduler, Settings, SystemClock};
use punctual_memory::MemoryStore;
use punctual_postgres::PostgresStore;
use punctual_sqlite::{Options, SqliteStore, Synchronous};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::held::SCHEMA;
use super::{StoreArgs, Sync};
use crate::database;

/// How many edits go into one transaction while a bench prepares.
const CHUNK: usize = 2_000;

/// How long nodes are given to stop.
pub(super) const STOP: Duration = Duration::from_secs(5);

/// Where a bench keeps its data.
pub(super) enum Place {
    Memory,
    File { path: PathBuf, options: Options, _directory: Option<tempfile::TempDir> },
    Postgres { url: String, schema: String },
}

impl Place {
    pub(super) fn of(args: &StoreArgs) -> anyhow::Result<Self> {
        let synchronous = match args.synchronous {
            Sync::Full => Synchronous::Full,
            Sync::Normal => Synchronous::Normal,
        };
        let options = Options { synchronous, ..Options::default() };
        match args.database.as_deref() {
            None => {
                let directory = tempfile::tempdir()?;
                Ok(Self::File {
                    path: directory.path().join("bench.db"),
                    options,
                    _directory: Some(directory),
                })
            }
            Some("memory://") => Ok(Self::Memory),
            Some(url) => Ok(match database::Place::of(url, options)? {
                database::Place::Sqlite(path, options) => Self::File { path, options, _directory: None },
                database::Place::Postgres(url, _) => {
                    Self::Postgres { url, schema: postgres_options().schema }
                }
            }),
        }
    }

    /// A further one beside this one, of another name.
    pub(super) fn named(self, suffix: &str) -> Self {
        match self {
            Self::Memory => Self::Memory,
            Self::File { mut path, options, _directory } => {
                path.as_mut_os_string().push(suffix);
                Self::File { path, options, _directory }
            }
            Self::Postgres { url, schema } => Self::Postgres { url, schema: format!("{schema}{suffix}") },
        }
    }

    /// Opens the store; a server's is empty then.
    pub(super) async fn open(&self) -> Result<Opened, StoreError> {
        if let Self::Postgres { url, schema } = self {
            // A measurement has a schema of its own, empty at its beginning.
            PostgresStore::drop_schema(url, schema).await?;
        }
        self.open_again().await
    }

    /// Opens the store with what is in it.
    pub(super) async fn open_again(&self) -> Result<Opened, StoreError> {
        Ok(match self {
            Self::Memory => Opened::Memory(Arc::new(MemoryStore::new())),
            Self::File { path, options, .. } => Opened::Sqlite(Arc::new(SqliteStore::open(path, *options)?)),
            Self::Postgres { url, schema } => {
                let options = punctual_postgres::Options { schema: schema.clone(), ..postgres_options() };
                Opened::Postgres(Arc::new(PostgresStore::open(url, options).await?))
            }
        })
    }

    /// Opens a store whose history can be filled; one that was filled before stays as it is.
    pub(super) async fn open_filled(&self, keep: bool) -> Result<Opened, StoreError> {
        if keep { self.open_again().await } else { self.open().await }
    }

    /// How another process finds the store.
    pub(super) fn url(&self) -> anyhow::Result<String> {
        match self {
            Self::File { path, .. } => Ok(format!("sqlite://{}", path.display())),
            Self::Postgres { url, .. } => Ok(url.clone()),
            Self::Memory => {
                bail!("this measurement is made by two processes: give a database, or no --database")
            }
        }
    }
}

/// The schema of measurements.
pub(super) fn postgres_options() -> punctual_postgres::Options {
    let schema = SCHEMA.to_owned();
    punctual_postgres::Options { schema, ..punctual_postgres::Options::default() }
}

/// An open store.
pub(super) enum Opened {
    Memory(Arc<MemoryStore>),
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

/// What a store has done since it was made.
#[derive(Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) commits: u64,
    /// What was written to the log of a server.
    pub(super) wal_bytes: u64,
    /// Calls of the store, each of which is a transaction, where the database counts those of others, too.
    pub(super) calls: Option<u64>,
}

impl Opened {
    pub(super) async fn put_history(&self, rows: Vec<punctual_core::TaskHistory>) -> anyhow::Result<()> {
        match self {
            Self::Memory(_) => {
                bail!("this measurement needs a database: give sqlite://PATH or postgresql://...")
            }
            Self::Sqlite(store) => Ok(store.put_history(rows).await?),
            Self::Postgres(store) => Ok(store.put_history(rows).await?),
        }
    }

    /// Does at once what the database would do in time.
    pub(super) async fn settle(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) | Self::Sqlite(_) => Ok(()),
            Self::Postgres(store) => store.settle().await,
        }
    }

    pub(super) fn store(&self) -> Arc<dyn JobStore> {
        match self {
            Self::Memory(store) => Arc::clone(store) as Arc<dyn JobStore>,
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn JobStore>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn JobStore>,
        }
    }

    fn settings(&self) -> Settings {
        match self {
            Self::Postgres(_) => Settings::clustered(),
            Self::Memory(_) | Self::Sqlite(_) => Settings::default(),
        }
    }

    pub(super) async fn totals(&self) -> Result<Totals, StoreError> {
        Ok(match self {
            Self::Memory(_) => Totals::default(),
            Self::Sqlite(store) => Totals { commits: store.commits(), ..Totals::default() },
            Self::Postgres(store) => {
                let calls = store.pool_status().map(|pool| pool.acquired);
                let totals = store.server_totals().await?;
                Totals { commits: totals.commits, wal_bytes: totals.wal_bytes, calls }
            }
        })
    }
}

/// About a hundred bytes of arguments, which say which trigger of the measurement this is.
#[derive(Deserialize)]
pub(super) struct BenchData {
    n: usize,
    #[serde(rename = "pad")]
    _pad: serde::de::IgnoredAny,
}

/// The arguments of trigger `n`.
pub(super) fn data(n: usize) -> Data {
    Data::stored(format!(
        r#"{{"n":{n},"pad":"0123456789012345678901234567890123456789012345678901234567890123456789012345678"}}"#
    ))
}

/// Counts the runs of each trigger, and how late each was.
pub(super) struct Tally {
    runs: Vec<AtomicU8>,
    total: AtomicU64,
    late_micros: std::sync::Mutex<Vec<u32>>,
    record_lateness: bool,
}

impl Tally {
    pub(super) fn new(triggers: usize, record_lateness: bool) -> Arc<Self> {
        let runs = (0..triggers).map(|_| AtomicU8::new(0)).collect();
        Arc::new(Self {
            runs,
            total: AtomicU64::new(0),
            late_micros: std::sync::Mutex::default(),
            record_lateness,
        })
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Every trigger has run so many times, no more and no less.
    pub(super) fn verify(&self, times: u8) -> anyhow::Result<()> {
        let wrong = self.runs.iter().enumerate().find(|(_, runs)| runs.load(Ordering::Relaxed) != times);
        match wrong {
            None => Ok(()),
            Some((n, runs)) => {
                bail!("trigger {n} ran {} times instead of {times}: no figure", runs.load(Ordering::Relaxed))
            }
        }
    }

    pub(super) fn sorted_lateness(&self) -> Vec<u32> {
        let mut all = self.late_micros.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        all.sort_unstable();
        all
    }
}

/// The job that is measured.
pub(super) struct Counted(pub(super) Arc<Tally>);

impl Job for Counted {
    const KIND: &'static str = "bench";
    type Data = BenchData;

    async fn run(&self, ctx: JobContext<BenchData>) -> JobResult {
        if self.0.record_lateness {
            let late = ctx.now().duration_since(ctx.scheduled_at()).as_micros();
            let late = u32::try_from(late.max(0)).unwrap_or(u32::MAX);
            self.0.late_micros.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(late);
        }
        if let Some(runs) = self.0.runs.get(ctx.data().n) {
            runs.fetch_add(1, Ordering::Relaxed);
        }
        self.0.total.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A job that stays busy until it is let go.
pub(super) struct Busy(pub(super) CancellationToken);

impl Job for Busy {
    const KIND: &'static str = "bench-busy";
    type Data = serde_json::Value;

    async fn run(&self, _: JobContext<serde_json::Value>) -> JobResult {
        self.0.cancelled().await;
        Ok(())
    }
}

/// Stores a durable job.
pub(super) async fn put_job(store: &Arc<dyn JobStore>, now: Timestamp, job: JobDetail) -> anyhow::Result<()> {
    store.apply(now, &[Change::PutJob(job.durable())]).await?;
    Ok(())
}

/// Stores triggers in large transactions.
pub(super) async fn put_triggers(
    store: &Arc<dyn JobStore>,
    now: Timestamp,
    triggers: impl Iterator<Item = Trigger>,
) -> anyhow::Result<()> {
    let mut triggers = triggers.peekable();
    while triggers.peek().is_some() {
        let changes: Vec<Change> = triggers.by_ref().take(CHUNK).map(Change::PutTrigger).collect();
        store.apply(now, &changes).await?;
    }
    Ok(())
}

pub(super) fn key(name: String) -> TriggerKey {
    TriggerKey::stored("bench", name)
}

pub(super) fn job_key(name: &str) -> JobKey {
    JobKey::stored("bench", name)
}

/// A node over a store.
pub(super) fn node(
    opened: &Opened,
    name: String,
    slots: usize,
    tally: &Arc<Tally>,
    busy: &CancellationToken,
) -> anyhow::Result<Scheduler> {
    let settings = Settings { slots, ..opened.settings() };
    let builder = Scheduler::builder(opened.store())
        .disabled(false)
        .without_log()
        .settings(settings)
        .node_name(name)
        .job(Counted(Arc::clone(tally)))
        .job_limited(Busy(busy.clone()), 1);
    Ok(builder.build()?)
}

/// Waits until `done` holds; fails when nothing has moved for half a minute.
pub(super) async fn wait_until(
    clock: &SystemClock,
    mut done: impl FnMut() -> (bool, u64),
) -> anyhow::Result<()> {
    let step = Duration::from_millis(1);
    let mut last = (clock.monotonic(), 0);
    loop {
        let (finished, progress) = done();
        if finished {
            return Ok(());
        }
        if progress != last.1 {
            last = (clock.monotonic(), progress);
        }
        ensure!(
            clock.monotonic() - last.0 < Duration::from_secs(30),
            "nothing has moved for 30 s, at {progress}: no figure"
        );
        clock.sleep_until(clock.now() + step).await;
    }
}
