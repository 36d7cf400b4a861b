//! The embedded store: one SQLite file, one process.
//!
//! One thread owns the connection that writes, another one that reads (lists, looks); see `actor`. Each call of
//! the store traits is one transaction. Statements are the files in `sql/`; the schema is `schema.sql`, built by
//! `migrations/`.
//!
//! # How a claim stays cheap
//!
//! * Due triggers are read through a partial index in the order in which they are taken, kind by kind; triggers
//!   that are not due, and those of kinds that the node does not know, are never stepped over.
//! * Triggers whose runs are limited stand in a lane (`punctual_core::Lane`) and not in that index. A lane has one row
//!   in `gates` for each kind, with the first trigger that may be taken. Every transaction that touches a lane's
//!   triggers or fires recomputes its gates, so they cannot go stale.

mod accounts;
mod actor;
mod claim;
mod error;
mod finish;
mod lists;
mod locks;
mod named;
mod open;
mod ranked;
mod records;
mod requests;
mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod tx;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use jiff::Timestamp;
use punctual_core::definition::{Expired, Expiry, Repair};
use punctual_core::ranking::Spacing;
use punctual_core::time::{plus_millis, to_millis, whole_millis};
use punctual_core::{
    Applied, CancelledFire, Change, Claim, Claimed, ClusterStore, ClusterView, Completed, Completion,
    DefinitionStore, DueKind, Fire, FireId, FiringStore, Heartbeat, HeldLock, HistoryQuery, HistoryStore,
    Insight, InsightsQuery, JobKey, JobKind, JobQuery, LockAnswer, LockRequest, NewTaskRun, Node, Page,
    Progress, Recovery, Retention, SkippedQuery, SkippedRange, StateCounts, StoreError, StoredCalendar,
    StoredJob, StoredTrigger, TaskEnd, TaskHistory, TaskRecord, TaskRun, TaskRunEntity, TaskRunId,
    TaskRunQuery, TaskRunStatus, TaskStatus, Term, TriggerKey, TriggerQuery, definition, lock,
};
use rusqlite::{Connection, OptionalExtension, ToSql};

use crate::actor::Actor;
use crate::error::Sql;
use crate::named::Named;
pub use crate::open::{Options, Synchronous};
use crate::rows::integer;
use crate::writer::{Durability, Writer};

/// A store in an SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    named: Arc<Named>,
    /// None where the store was opened for reading.
    writer: Option<Actor<Writer>>,
    reader: Actor<Connection>,
    commits: Arc<AtomicU64>,
    trigger_fences: Spacing,
    _lock: Option<File>,
}

impl SqliteStore {
    /// Whether another process uses a database now, which [`Self::open`] would refuse.
    ///
    /// # Errors
    /// Names the file beside the database that cannot be locked.
    pub fn is_in_use(path: impl AsRef<Path>) -> Result<bool, StoreError> {
        open::is_in_use(path.as_ref())
    }

    /// Opens a file, or creates it (readable by its owner alone), and brings its schema up to date.
    ///
    /// The file is locked for this process, by a lock on `<file>.lock` that ends with the process. Nodes that earlier
    /// processes registered are therefore gone: what they left open is recovered at once, and their locks are free.
    ///
    /// # Errors
    /// Names the file and what is wrong: in use, not a database, of a newer version, unreadable.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let lock = open::lock(&path)?;
        let connection = open::writer(&path, &options)?;
        connection.execute(sql::NODES_CLEAR, []).sql()?;
        connection.execute(sql::LOCKS_CLEAR, []).sql()?;
        let commits = Arc::new(AtomicU64::new(0));
        let writer = actor::writer(connection, options, Arc::clone(&commits))?;
        let reader = actor::reader(open::reader(&path)?)?;
        let named = if options.nameless { Named::nameless(&path) } else { Named::new(&path) };
        Ok(Self {
            path,
            named: Arc::new(named),
            writer: Some(writer),
            reader,
            commits,
            trigger_fences: options.trigger_fences,
            _lock: Some(lock),
        })
    }

    /// Writes rows that ended elsewhere or earlier, in one transaction: under new ids, and each as the first attempt of a
    /// fire of its own. Open ones are left out.
    pub async fn put_history(&self, rows: Vec<TaskHistory>) -> Result<(), StoreError> {
        self.write(move |writer| {
            let ended = rows.iter().filter(|row| row.status != TaskStatus::Started);
            ended.into_iter().try_for_each(|row| ranked::put(writer, row))
        })
        .await
    }

    /// Opens a file for reading only, also beside the process that uses it. Calls that would write are refused.
    ///
    /// # Errors
    /// Names the file and what is wrong: missing, not a database, of another version, unreadable.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let reader = actor::reader(open::looker(&path)?)?;
        Ok(Self {
            named: Arc::new(Named::nameless(&path)),
            path,
            writer: None,
            reader,
            commits: Arc::default(),
            trigger_fences: Spacing::default(),
            _lock: None,
        })
    }

    /// How many transactions that changed something were committed since the store was opened.
    pub fn commits(&self) -> u64 {
        actor::value(&self.commits)
    }

    fn writer(&self) -> Result<&Actor<Writer>, StoreError> {
        let refused = || StoreError::Other(format!("{} was opened for reading only", self.path.display()));
        self.named.check()?;
        self.writer.as_ref().ok_or_else(refused)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer()?.call(move |writer| writer.transaction(Durability::Waited, work)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.reader.read(work).await
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = if self.writer.is_some() { "persistent, one process" } else { "for reading only" };
        write!(f, "SqliteStore at {} ({how})", self.path.display())
    }
}

#[async_trait]
impl DefinitionStore for SqliteStore {
    async fn apply(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let changes = changes.to_vec();
        self.write(move |tx| changes.iter().map(|change| definition::apply(tx, now, change)).collect()).await
    }

    async fn job(&self, key: &JobKey) -> Result<Option<StoredJob>, StoreError> {
        let key = key.clone();
        self.read(move |connection| {
            connection
                .prepare_cached(sql::JOB_BY_KEY)
                .and_then(|mut statement| {
                    statement.query_row([key.group(), key.name()], writer::read_job).optional()
                })
                .sql()?
                .transpose()
        })
        .await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Page<StoredJob>, StoreError> {
        let query = query.clone();
        self.read(move |connection| lists::jobs(connection, &query)).await
    }

    async fn trigger(&self, key: &TriggerKey) -> Result<Option<StoredTrigger>, StoreError> {
        let key = key.clone();
        self.read(move |connection| {
            connection
                .prepare_cached(sql::TRIGGER_BY_KEY)
                .and_then(|mut statement| {
                    statement.query_row([key.group(), key.name()], tx::listed_trigger).optional()
                })
                .sql()
        })
        .await
    }

    async fn triggers(&self, query: &TriggerQuery) -> Result<Page<StoredTrigger>, StoreError> {
        let query = query.clone();
        self.read(move |connection| lists::triggers(connection, &query)).await
    }

    async fn open_in_lanes(&self, lanes: &[i64]) -> Result<Vec<(i64, u64)>, StoreError> {
        let lanes = lanes.to_vec();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql::LANE_OPEN).sql()?;
            let open = |lane| Ok((lane, rows::count(statement.query_row([lane], |row| row.get(0)).sql()?)));
            lanes.into_iter().map(open).collect()
        })
        .await
    }

    async fn calendars(&self) -> Result<Vec<StoredCalendar>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql::CALENDARS).sql()?;
            let calendars: Vec<_> =
                statement.query_map([], rows::calendar).and_then(Iterator::collect).sql()?;
            calendars.into_iter().collect()
        })
        .await
    }

    async fn calendar(&self, name: &str) -> Result<Option<StoredCalendar>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached(sql::CALENDAR_BY_NAME)
                .and_then(|mut statement| statement.query_row([name], rows::calendar).optional())
                .sql()?
                .transpose()
        })
        .await
    }

    async fn job_kinds(&self) -> Result<Vec<JobKind>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql::JOB_KINDS).sql()?;
            let kind = |row: &rusqlite::Row<'_>| Ok(JobKind::new(row.get_ref(0)?.as_str()?));
            statement.query_map([], kind).and_then(Iterator::collect).sql()
        })
        .await
    }

    async fn paused_groups(&self) -> Result<Vec<String>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql::GROUPS_PAUSED).sql()?;
            statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).sql()
        })
        .await
    }

    async fn state_counts(&self, now: Timestamp) -> Result<StateCounts, StoreError> {
        self.read(move |connection| lists::state_counts(connection, now)).await
    }
}

#[async_trait]
impl FiringStore for SqliteStore {
    async fn claim_due(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let request = claim::Request {
            term: claim.term,
            now: claim.now,
            limit: claim.limit,
            kinds: claim.kinds.to_vec(),
        };
        self.write(move |writer| claim::claim(writer, &request)).await
    }

    async fn complete(&self, now: Timestamp, done: &[Completion]) -> Result<Vec<Completed>, StoreError> {
        let done = done.to_vec();
        self.writer()?
            .call(move |writer| {
                writer.transaction(Durability::Ordered, |writer| finish::complete(writer, now, &done))
            })
            .await
    }

    async fn release(&self, now: Timestamp, term: Term, fires: &[Fire]) -> Result<u64, StoreError> {
        let fires = fires.to_vec();
        self.write(move |writer| finish::release(writer, now, term, &fires)).await
    }

    async fn expire(&self, now: Timestamp, expiry: &Expiry) -> Result<Expired, StoreError> {
        let expiry = expiry.clone();
        self.write(move |writer| definition::expire(writer, now, &expiry)).await
    }

    async fn repair(&self, now: Timestamp) -> Result<Vec<Repair>, StoreError> {
        self.write(move |writer| definition::repair(writer, now)).await
    }

    async fn due_by_kind(&self, now: Timestamp) -> Result<Vec<DueKind>, StoreError> {
        let now = to_millis(whole_millis(now));
        self.read(move |connection| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(DueKind {
                    kind: JobKind::new(row.get_ref(0)?.as_str()?),
                    triggers: rows::count(row.get(1)?),
                    since: rows::instant(row.get(2)?),
                })
            };
            connection
                .prepare_cached(sql::DUE_BY_KIND)
                .and_then(|mut statement| statement.query_map([now], read)?.collect())
                .sql()
        })
        .await
    }

    async fn request_cancel(&self, id: FireId, reason: &str) -> Result<bool, StoreError> {
        let reason = reason.to_owned();
        self.write(move |writer| {
            if writer.run(sql::CANCEL_REQUEST, (id.0, reason))? == 0 {
                return Ok(false);
            }
            let lane: Option<i64> = writer.one(sql::CANCEL_LANE, [id.0], |row| row.get(0))?.flatten();
            lane.map_or(Ok(()), |lane| writer.refresh_gates(lane))?;
            Ok(true)
        })
        .await
    }
}

#[async_trait]
impl HistoryStore for SqliteStore {
    async fn record(&self, rows: &[TaskRecord]) -> Result<Vec<FireId>, StoreError> {
        let rows = rows.to_vec();
        self.write(move |writer| rows.iter().map(|row| records::record(writer, row)).collect()).await
    }

    async fn end_tasks(&self, ends: &[TaskEnd]) -> Result<Vec<Completed>, StoreError> {
        let ends = ends.to_vec();
        self.write(move |writer| ends.iter().map(|end| records::end_task(writer, end)).collect()).await
    }

    async fn put_progress(&self, term: Term, rows: &[(FireId, Progress)]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |writer| records::put_progress(writer, term, &rows)).await
    }

    async fn open_run(&self, run: &NewTaskRun) -> Result<TaskRunId, StoreError> {
        let run = run.clone();
        self.write(move |writer| records::open_run(writer, &run)).await
    }

    async fn close_run(&self, now: Timestamp, id: TaskRunId) -> Result<Option<TaskRunStatus>, StoreError> {
        self.write(move |writer| records::close_run(writer, now, id)).await
    }

    async fn runs(&self, query: &TaskRunQuery) -> Result<Page<TaskRun>, StoreError> {
        let query = query.clone();
        self.read(move |connection| lists::runs(connection, &query)).await
    }

    async fn run_ids(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunId>, StoreError> {
        let query = query.clone();
        self.read(move |connection| lists::run_ids(connection, &query)).await
    }

    async fn run(&self, id: TaskRunId) -> Result<Option<TaskRun>, StoreError> {
        self.read(move |connection| {
            connection
                .prepare_cached(sql::RUN_ENTRY)
                .and_then(|mut statement| statement.query_row([id.0], rows::task_run).optional())
                .sql()
        })
        .await
    }

    async fn run_entities(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunEntity>, StoreError> {
        let query = query.clone();
        self.read(move |connection| lists::run_entities(connection, &query)).await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Page<TaskHistory>, StoreError> {
        let (query, triggers) = (query.clone(), self.trigger_fences);
        self.read(move |connection| lists::history(connection, &query, triggers)).await
    }

    async fn history_entry(&self, id: FireId) -> Result<Option<TaskHistory>, StoreError> {
        self.read(move |connection| {
            connection
                .prepare_cached(sql::HISTORY_ENTRY)
                .and_then(|mut statement| statement.query_row([id.0], rows::history).optional())
                .sql()
        })
        .await
    }

    async fn insights(&self, query: &InsightsQuery) -> Result<Vec<Insight>, StoreError> {
        let query = query.clone();
        self.read(move |connection| ranked::read::insights(connection, &query)).await
    }

    async fn arrange(&self, at_most: u64) -> Result<u64, StoreError> {
        self.writer()?
            .call(move |writer| {
                writer.transaction(Durability::Ordered, |writer| ranked::arrange(writer, at_most))
            })
            .await
    }

    async fn unique_tasks(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(sql::TASK_NAMES)
                .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
                .sql()
        })
        .await
    }

    async fn skipped(&self, query: &SkippedQuery) -> Result<Page<SkippedRange>, StoreError> {
        let query = query.clone();
        self.read(move |connection| lists::skipped(connection, &query)).await
    }

    async fn prune(&self, retention: &Retention) -> Result<u64, StoreError> {
        let retention = retention.clone();
        self.write(move |writer| records::prune(writer, &retention)).await
    }
}

#[async_trait]
impl ClusterStore for SqliteStore {
    async fn heartbeat(&self, beat: &Heartbeat) -> Result<ClusterView, StoreError> {
        let (beat, named) = (beat.clone(), Arc::clone(&self.named));
        self.writer()?
            .call(move |writer| {
                named.look()?;
                writer.transaction(Durability::Waited, |writer| heartbeat(writer, &beat))
            })
            .await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(sql::NODES_ALL)
                .and_then(|mut statement| statement.query_map([], rows::node)?.collect())
                .sql()
        })
        .await
    }

    async fn drain(&self, now: Timestamp, term: Term, draining: bool) -> Result<bool, StoreError> {
        let params = (term.0, draining, to_millis(now));
        self.write(move |writer| Ok(writer.run(sql::NODE_DRAIN, params)? > 0)).await
    }

    async fn open_by_term(&self) -> Result<Vec<(Term, u64)>, StoreError> {
        self.read(|connection| {
            let read = |row: &rusqlite::Row<'_>| Ok((Term(row.get(0)?), rows::count(row.get(1)?)));
            connection
                .prepare_cached(sql::OPEN_BY_TERM)
                .and_then(|mut statement| statement.query_map([], read)?.collect())
                .sql()
        })
        .await
    }

    async fn retire(&self, _now: Timestamp, term: Term) -> Result<(), StoreError> {
        self.write(move |writer| writer.run(sql::NODE_DELETE, [term.0]).map(drop)).await
    }

    async fn recover(&self, now: Timestamp) -> Result<Recovery, StoreError> {
        let now = whole_millis(now);
        let mut all = Recovery::default();
        loop {
            // Each call takes a bounded number, so that no transaction is long.
            let some = self.write(move |writer| finish::recover(writer, now)).await?;
            let done = some.runs.is_empty();
            all.extend(some);
            if done {
                return Ok(all);
            }
        }
    }

    async fn lock(&self, request: &LockRequest) -> Result<LockAnswer, StoreError> {
        let request = request.clone();
        self.write(move |writer| locks::take(writer, &request)).await
    }

    async fn renew_lock(&self, token: i64, now: Timestamp, lease_ms: u64) -> Result<bool, StoreError> {
        let params = (token, to_millis(now), to_millis(lock::lease_end(now, lease_ms)));
        self.write(move |writer| Ok(writer.run(sql::LOCK_RENEW, params)? > 0)).await
    }

    async fn unlock(&self, token: i64) -> Result<bool, StoreError> {
        self.write(move |writer| Ok(writer.run(sql::LOCK_DELETE, [token])? > 0)).await
    }

    async fn locks(&self, now: Timestamp) -> Result<Vec<HeldLock>, StoreError> {
        self.read(move |connection| locks::held(connection, now)).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        // What lies beside the file's name is another file's; that it is gone has been said.
        if self.named.check().is_err() {
            return Ok(());
        }
        // First, since a reader would keep the log from being emptied.
        self.reader.end().await;
        let Some(writer) = &self.writer else { return Ok(()) };
        let emptied = writer.call(|writer| open::empty_log(&writer.connection)).await;
        // The last connection that is closed removes the log.
        writer.end().await;
        emptied
    }
}

fn heartbeat(writer: &mut Writer, beat: &Heartbeat) -> Result<ClusterView, StoreError> {
    let now = to_millis(beat.now);
    let lease_until = to_millis(plus_millis(beat.now, integer(beat.lease_ms)));
    let kinds = rows::json(&beat.kinds)?;
    let own = beat.term.map_or(0, |term| term.0);
    if writer.exists(sql::NODE_NAME_TAKEN, (&beat.name, now, own))? {
        return Err(StoreError::NameTaken(beat.name.clone()));
    }
    let state = beat.state.as_str();
    let (offset, uncertainty) = (beat.clock_offset_ms, integer(beat.clock_uncertainty_ms));
    let slots = integer(beat.slots);
    // In the order in which both statements name them; the one that registers has one more.
    let mut columns: Vec<&dyn ToSql> = vec![
        &own,
        &beat.name,
        &beat.version,
        &state,
        &kinds,
        &now,
        &lease_until,
        &offset,
        &uncertainty,
        &slots,
    ];
    let renewed = beat.term.is_some() && writer.run(sql::NODE_RENEW, &*columns)? > 0;
    let term = if renewed { own } else { writer.next_id()? };
    if !renewed {
        columns[0] = &term;
        columns.push(&beat.draining);
        writer.run(sql::NODE_INSERT, &*columns)?;
    }
    let term = Term(term);
    let nodes = writer.many(sql::NODES_LIVE, [now], rows::node)?;
    let cancelled = writer.many(sql::CANCELLED_OF, [term.0], |row| {
        Ok(CancelledFire { id: FireId(row.get(0)?), term, reason: row.get(1)? })
    })?;
    let lost = writer.exists(sql::NODES_LOST, [now])?;
    Ok(ClusterView { term, nodes, cancelled, store_now: None, lost, requests_since: None })
}
