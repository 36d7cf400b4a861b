//! One transaction of edits, or of recovery: plain synchronous code on a thread that may block, because the rules about
//! definitions (`punctual_core::definition`) are written so. New triggers are collected and written together.
//!
//! # Locks
//!
//! An edit first takes the schema's advisory edit lock alone; completions take it shared; claims do not take it. Only the
//! node that carries out requests of applications holds another lock then, one for which nobody waits (see `asked`). So an
//! edit and a completion never wait for each other's rows. An edit locks the rows of `due` of the triggers that it reads, and
//! waits for a claim that has them. Within its kind each takes rows in one order: completions
//! lock batches of fires in ascending order, delete rows of `running` that only they may delete, and lock lanes in ascending
//! order; edits exclude each other. A batch is unpacked by an edit, or by the completion that has it locked: what an unpacking
//! reads must not change while it waits for the row. A claim
//! never waits for a row: it passes over what is locked (`SKIP LOCKED`), and what it writes it has locked itself. No
//! cycle of waiting can come up.

mod definitions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::definition::DefinitionTx;
use punctual_core::time::to_millis;
use punctual_core::{Cause, FireId, JobKey, JobKind, Skip, StoreError, StoredJob, StoredTrigger, TriggerKey};
use tokio::runtime::Handle;
use tokio_postgres::Row;

use crate::batch;
use crate::insert;
use crate::link::{Asking, Caller, Link, Params, Statements};
use crate::pool::Loan;
use crate::ranked;
use crate::rows::{self, code};
use crate::shared::Shared;
use crate::sql;

type Result<T> = std::result::Result<T, StoreError>;

/// Whether a transaction excludes edits and completions, or edits only.
pub(crate) const EDIT_LOCK: &str = "SELECT pg_advisory_xact_lock(1886745185, hashtext(current_schema()))";
pub(crate) const EDIT_LOCK_SHARED: &str =
    "SELECT pg_advisory_xact_lock_shared(1886745185, hashtext(current_schema()))";

pub(crate) struct Edit {
    link: Link,
    runtime: Handle,
    pub(crate) shared: Arc<Shared>,
    known: HashMap<TriggerKey, Option<StoredTrigger>>,
    jobs: HashMap<JobKey, Option<StoredJob>>,
    paused: HashMap<String, bool>,
    kinds: HashMap<JobKind, i64>,
    fresh: Vec<(StoredTrigger, i64)>,
    skips: Vec<insert::SkipRow>,
    lanes: BTreeSet<i64>,
    /// The last end of a run in a lane.
    lane_ends: BTreeMap<i64, i64>,
    /// Whether what is read may be written back, so that others are kept away from it.
    locks: bool,
    /// Whether other nodes should look for due work.
    pub(crate) wake: bool,
}

impl Edit {
    /// Runs a closure in one transaction, which it has to commit: as [`Self::whole`] does.
    pub(crate) fn run<T>(
        client: Loan,
        caller: Caller,
        runtime: Handle,
        shared: Arc<Shared>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut edit = Self::new(Link::Own(client, caller), runtime, shared);
        edit.batch("BEGIN")?;
        let result = work(&mut edit);
        match edit {
            // The connection is closed with its transaction: it may be cut, and nobody waits for what it says.
            Self { link: Link::Own(_, caller), .. } if caller.is_gone() => result,
            Self { link: Link::Own(client, _), runtime, .. } => {
                runtime.block_on(client.after_transaction(result))
            }
            _ => result,
        }
    }

    /// Runs a closure within the transaction of a connection that was lent. What happens to that afterwards is the
    /// lender's business.
    pub(crate) fn run_lent<T>(
        asking: Asking,
        runtime: Handle,
        shared: Arc<Shared>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        Self::new(Link::Lent(asking), runtime, shared).whole(work, "")
    }

    /// Runs a closure that only reads and adds rows within such a transaction, and takes no locks.
    pub(crate) fn ask_lent<T>(
        asking: Asking,
        runtime: Handle,
        shared: Arc<Shared>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut edit = Self::new(Link::Lent(asking), runtime, shared);
        edit.locks = false;
        work(&mut edit)
    }

    fn new(link: Link, runtime: Handle, shared: Arc<Shared>) -> Self {
        Self {
            link,
            runtime,
            shared,
            known: HashMap::new(),
            jobs: HashMap::new(),
            paused: HashMap::new(),
            kinds: HashMap::new(),
            fresh: Vec::new(),
            skips: Vec::new(),
            lanes: BTreeSet::new(),
            lane_ends: BTreeMap::new(),
            locks: true,
            wake: true,
        }
    }

    /// All of an edit from its lock to its last statements, `end` among them.
    pub(crate) fn whole<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>, end: &str) -> Result<T> {
        self.batch(EDIT_LOCK)?;
        let value = work(self)?;
        self.flush()?;
        self.refresh_gates()?;
        // The nodes hear of it when the transaction is committed.
        let notify = if self.wake { "SELECT pg_notify('punctual', current_schema());" } else { "" };
        self.batch(&format!("{notify} {end}"))?;
        Ok(value)
    }

    pub(crate) fn batch(&self, text: &str) -> Result<()> {
        self.runtime.block_on(self.link.batch(text))
    }

    pub(crate) fn query(&self, text: &str, params: Params<'_>) -> Result<Vec<Row>> {
        self.runtime.block_on(self.link.rows(text, params))
    }

    pub(crate) fn run_statement(&self, text: &str, params: Params<'_>) -> Result<u64> {
        self.runtime.block_on(self.link.run(text, params))
    }

    pub(crate) fn first(&self, text: &str, params: Params<'_>) -> Result<Option<Row>> {
        Ok(self.query(text, params)?.into_iter().next())
    }

    pub(crate) fn exists(&self, text: &str, params: Params<'_>) -> Result<bool> {
        Ok(!self.query(text, params)?.is_empty())
    }

    pub(crate) fn next_number(&self) -> Result<i64> {
        let ids = self.runtime.block_on(self.shared.ids(&self.link, 1))?;
        ids.first().copied().ok_or_else(|| StoreError::Other("no id came".to_owned()))
    }

    /// Reads many triggers at once, before they are asked for one by one.
    pub(crate) fn prefetch(&mut self, keys: &[&TriggerKey]) -> Result<()> {
        let groups: Vec<&str> = keys.iter().map(|key| key.group()).collect();
        let names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
        let found = self.read_locked(sql::TRIGGERS_BY_KEYS, &[&groups, &names])?;
        self.known.extend(keys.iter().map(|key| ((*key).clone(), None)));
        self.known.extend(found.into_iter().map(|trigger| (trigger.definition.key.clone(), Some(trigger))));
        Ok(())
    }

    /// Writes what was collected.
    fn flush(&mut self) -> Result<()> {
        let fresh = std::mem::take(&mut self.fresh);
        let skips = std::mem::take(&mut self.skips);
        if !fresh.is_empty() {
            self.runtime.block_on(insert::triggers(&self.link, &fresh))?;
        }
        if !skips.is_empty() {
            self.runtime.block_on(insert::skips(&self.link, &skips))?;
        }
        Ok(())
    }

    pub(crate) fn touch_lane(&mut self, lane: Option<i64>) {
        self.lanes.extend(lane);
    }

    /// Notes that a run of a lane has ended.
    pub(crate) fn end_in_lane(&mut self, ended: Option<(i64, Timestamp)>) {
        if let Some((lane, at)) = ended {
            let end = self.lane_ends.entry(lane).or_default();
            *end = to_millis(at).max(*end);
        }
    }

    fn refresh_gates(&mut self) -> Result<()> {
        let lanes: Vec<i64> = std::mem::take(&mut self.lanes).into_iter().collect();
        if lanes.is_empty() {
            return Ok(());
        }
        self.run_statement(sql::LANES_INSERT, &[&lanes])?;
        self.query(sql::LANES_LOCK, &[&lanes])?;
        let (ended, ends): (Vec<i64>, Vec<i64>) = std::mem::take(&mut self.lane_ends).into_iter().unzip();
        if !ended.is_empty() {
            self.run_statement(sql::LANES_END, &[&ended, &ends])?;
        }
        self.run_statement(sql::GATES_CLOSE, &[&lanes])?;
        self.run_statement(sql::GATES_OPEN, &[&lanes]).map(drop)
    }

    fn listed(&mut self, text: &str, params: Params<'_>) -> Result<Vec<StoredTrigger>> {
        self.flush()?;
        self.read_locked(text, params)
    }

    /// Reads triggers and keeps claims away from them until the end of the transaction: what is written back must not
    /// undo what a claim did meanwhile. A claim that has them already is waited for, and they are read again.
    fn read_locked(&self, text: &str, params: Params<'_>) -> Result<Vec<StoredTrigger>> {
        let found = self.query(text, params)?;
        let ids: Vec<i64> = found.iter().map(|row| row.get(0)).collect();
        if ids.is_empty() || !self.locks {
            return Ok(found.iter().map(rows::listed).collect());
        }
        self.query(sql::DUE_LOCK, &[&ids])?;
        Ok(self.query(text, params)?.iter().map(rows::listed).collect())
    }

    /// The number of a kind. A new one is remembered for this transaction only: a roll-back would take it away.
    fn kind_id(&mut self, kind: &JobKind) -> Result<i64> {
        if let Some(id) = self.kinds.get(kind).copied().or_else(|| self.shared.known_kind(kind)) {
            return Ok(id);
        }
        let row = self.first(sql::KIND_INSERT, &[&kind.as_str()])?;
        let id = row.map(|row| row.get(0));
        let id = id.ok_or_else(|| StoreError::Other("no number of the kind came".to_owned()))?;
        self.kinds.insert(kind.clone(), id);
        Ok(id)
    }

    /// Notes rows that a statement ended.
    pub(crate) fn note_rows(&self, rows: &[Row]) -> Result<()> {
        self.runtime.block_on(ranked::note_rows(&self.link, &self.shared, rows, false))
    }

    /// Gives each open fire of these batches a row of its own.
    pub(crate) fn unpack(&self, batches: &[i64]) -> Result<()> {
        self.runtime.block_on(batch::unpack(&self.link, batches))
    }

    /// The numbers of the series of jobs.
    pub(crate) fn series(&self, jobs: &[&JobKey]) -> Result<Vec<i64>> {
        let names: Vec<(&str, &str)> = jobs.iter().map(|job| (job.name(), job.group())).collect();
        self.runtime.block_on(ranked::series(&self.link, &self.shared, &names))
    }

    /// The number of the kind of a trigger's job.
    fn kind_of(&mut self, trigger: &StoredTrigger) -> Result<i64> {
        let kind = match self.jobs.get(&trigger.definition.job) {
            Some(Some(job)) => Some(job.detail.kind.clone()),
            _ => self.job_by_id(trigger.job_id)?.map(|job| job.detail.kind.clone()),
        };
        let Some(kind) = kind else {
            return Err(StoreError::Corrupt(format!("trigger {} has no job", trigger.definition.key)));
        };
        self.kind_id(&kind)
    }

    pub(crate) fn write_skip(
        &mut self,
        trigger: &TriggerKey,
        job: &JobKey,
        skip: &Skip,
        now: Timestamp,
        fire: Option<FireId>,
    ) -> Result<()> {
        let id = self.next_number()?;
        self.skips.push(insert::SkipRow::new(id, trigger, job, skip, now, fire));
        Ok(())
    }
}

/// The cause in the form of the column.
pub(crate) fn cause(cause: Cause) -> i16 {
    code(cause.code())
}
