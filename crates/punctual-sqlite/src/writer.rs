//! What the writing thread owns: the connection, and what it remembers between transactions.
//!
//! The file is locked, so this is the only writer there is, and what is remembered here cannot be changed behind
//! its back. A transaction that fails forgets all of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use punctual_core::ranking::Spacing;
use punctual_core::{
    FireId, JobDetail, JobKey, JobKind, Overlap, Schedule, StoreError, StoredCalendar, StoredJob,
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Sql;
use crate::open::{Options, Synchronous};
use crate::ranked::{self, Notes};
use crate::rows::{count, instant, integer};
use crate::sql;

/// How many ids are reserved at a time.
const ID_BLOCK: i64 = 10_000;
/// How many schedules are kept parsed.
const SCHEDULES: usize = 4_096;

/// Whether a commit is waited for until it has reached the disk (where the store's options ask for that at all).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Definitions and claims: an acknowledged edit must not be lost, nor a fire that is about to start run again.
    Waited,
    /// Completions: one that a power cut takes back leaves its fire open, and recovery closes it as `unknown`.
    Ordered,
}

pub(crate) struct Writer {
    pub(crate) connection: Connection,
    synchronous: Synchronous,
    set: Synchronous,
    commits: Arc<AtomicU64>,
    ids: std::ops::Range<i64>,
    jobs: HashMap<i64, StoredJob>,
    kinds: HashMap<JobKind, i64>,
    schedules: HashMap<String, Schedule>,
    task_names: HashSet<Arc<str>>,
    calendars: HashMap<String, Arc<StoredCalendar>>,
    /// Whose fires this process opened, to spare a look at the row when they end.
    pub(crate) open_fires: HashMap<i64, Owner>,
    /// The last end of a run: none in a lane starts before it.
    pub(crate) last_end: Timestamp,
    /// What this transaction has to note, see `ranked`.
    pub(crate) notes: Notes,
    /// How close the fences of triggers stand.
    pub(crate) trigger_fences: Spacing,
}

/// What a fire belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) job_id: i64,
    pub(crate) trigger_id: i64,
    pub(crate) lane: Option<i64>,
    pub(crate) started_at: i64,
}

impl Writer {
    pub(crate) fn new(connection: Connection, options: Options, commits: Arc<AtomicU64>) -> Self {
        let Options { synchronous, trigger_fences, .. } = options;
        Self {
            connection,
            synchronous,
            set: synchronous,
            commits,
            ids: 0..0,
            jobs: HashMap::new(),
            kinds: HashMap::new(),
            schedules: HashMap::new(),
            task_names: HashSet::new(),
            calendars: HashMap::new(),
            open_fires: HashMap::new(),
            last_end: Timestamp::MIN,
            notes: Notes::default(),
            trigger_fences,
        }
    }

    /// Runs a closure in one transaction: all of it, or nothing.
    ///
    /// What is only [`Durability::Ordered`] is not waited for on its way to the disk; the next commit that is waited
    /// for takes it along.
    pub(crate) fn transaction<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let synchronous = match durability {
            Durability::Waited => self.synchronous,
            Durability::Ordered => Synchronous::Normal,
        };
        if synchronous != self.set {
            let word = crate::open::synchronous_word(synchronous);
            self.connection.pragma_update(None, "synchronous", word).sql()?;
            self.set = synchronous;
        }
        let before = self.connection.total_changes();
        self.connection.execute_batch("BEGIN IMMEDIATE").sql()?;
        let result = work(self).and_then(|value| {
            ranked::write_notes(self)?;
            self.connection.execute_batch("COMMIT").sql()?;
            Ok(value)
        });
        match result {
            Ok(value) => {
                if self.connection.total_changes() != before {
                    self.commits.fetch_add(1, Ordering::Relaxed);
                }
                Ok(value)
            }
            Err(error) => {
                // A failed commit may have rolled back already; then this says so, and there is nothing to do.
                let _ = self.connection.execute_batch("ROLLBACK");
                self.forget();
                Err(error)
            }
        }
    }

    fn forget(&mut self) {
        self.ids = 0..0;
        self.jobs.clear();
        self.kinds.clear();
        self.task_names.clear();
        self.calendars.clear();
        self.open_fires.clear();
        self.notes = Notes::default();
    }

    pub(crate) fn run(&self, statement: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.connection.prepare_cached(statement).and_then(|mut prepared| prepared.execute(params)).sql()
    }

    pub(crate) fn one<T>(
        &self,
        statement: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.connection
            .prepare_cached(statement)
            .and_then(|mut prepared| prepared.query_row(params, read).optional())
            .sql()
    }

    pub(crate) fn many<T>(
        &self,
        statement: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.connection
            .prepare_cached(statement)
            .and_then(|mut prepared| prepared.query_map(params, read)?.collect())
            .sql()
    }

    pub(crate) fn exists(&self, statement: &str, params: impl rusqlite::Params) -> Result<bool, StoreError> {
        Ok(self.one(statement, params, |_| Ok(()))?.is_some())
    }

    /// The next id. Blocks are reserved inside the transaction that uses the first of their ids; a roll-back
    /// forgets the block.
    pub(crate) fn next_id(&mut self) -> Result<i64, StoreError> {
        if let Some(id) = self.ids.next() {
            return Ok(id);
        }
        let first = self
            .one(sql::IDS_READ, [], |row| row.get::<_, i64>(0))?
            .ok_or_else(|| StoreError::Corrupt("the row of ids is missing".to_owned()))?;
        self.run(sql::IDS_RESERVE, [ID_BLOCK])?;
        self.ids = first + 1..first + ID_BLOCK;
        Ok(first)
    }

    pub(crate) fn next_fire_id(&mut self) -> Result<FireId, StoreError> {
        self.next_id().map(FireId)
    }

    /// The number of a kind that some job has had; `None` for one that no job has.
    pub(crate) fn known_kind(&mut self, kind: &JobKind) -> Result<Option<i64>, StoreError> {
        if let Some(id) = self.kinds.get(kind) {
            return Ok(Some(*id));
        }
        let id = self.one(sql::KIND_ID, [kind.as_str()], |row| row.get(0))?;
        if let Some(id) = id {
            self.kinds.insert(kind.clone(), id);
        }
        Ok(id)
    }

    pub(crate) fn kind_id(&mut self, kind: &JobKind) -> Result<i64, StoreError> {
        if let Some(id) = self.known_kind(kind)? {
            return Ok(id);
        }
        self.run(sql::KIND_INSERT, [kind.as_str()])?;
        let id = self.connection.last_insert_rowid();
        self.kinds.insert(kind.clone(), id);
        Ok(id)
    }

    pub(crate) fn job_by_id(&mut self, id: i64) -> Result<Option<StoredJob>, StoreError> {
        if let Some(job) = self.jobs.get(&id) {
            return Ok(Some(job.clone()));
        }
        let job = self.one(sql::JOB_BY_ID, [id], read_job)?.transpose()?;
        if let Some(job) = &job {
            self.jobs.insert(id, job.clone());
        }
        Ok(job)
    }

    pub(crate) fn job_by_key(&mut self, key: &JobKey) -> Result<Option<StoredJob>, StoreError> {
        let id: Option<i64> = self.one(sql::JOB_ID, [key.group(), key.name()], |row| row.get(0))?;
        id.map_or(Ok(None), |id| self.job_by_id(id))
    }

    pub(crate) fn forget_job(&mut self, id: i64) {
        self.jobs.remove(&id);
    }

    /// Lends a query the connection and a parser that remembers the schedules it has parsed.
    pub(crate) fn with_schedules<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut dyn FnMut(&str) -> Result<Schedule, String>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let schedules = &mut self.schedules;
        let mut parse = |text: &str| {
            if let Some(schedule) = schedules.get(text) {
                return Ok(schedule.clone());
            }
            let schedule: Schedule = serde_json::from_str(text).map_err(|error| error.to_string())?;
            if schedules.len() >= SCHEDULES {
                schedules.clear();
            }
            schedules.insert(text.to_owned(), schedule.clone());
            Ok(schedule)
        };
        work(&self.connection, &mut parse).sql()
    }

    pub(crate) fn note_task_name(&mut self, name: &str) -> Result<(), StoreError> {
        if !self.task_names.contains(name) {
            self.run(sql::TASK_NAME_INSERT, [name])?;
            self.task_names.insert(Arc::from(name));
        }
        Ok(())
    }

    pub(crate) fn has_open_fires(&self, job_id: i64) -> Result<bool, StoreError> {
        self.exists(sql::JOB_HAS_OPEN_FIRES, [job_id])
    }

    /// A stored calendar, from memory where it was asked for before.
    pub(crate) fn stored_calendar(&mut self, name: &str) -> Result<Option<Arc<StoredCalendar>>, StoreError> {
        if let Some(calendar) = self.calendars.get(name) {
            return Ok(Some(Arc::clone(calendar)));
        }
        let read = self.one(sql::CALENDAR_BY_NAME, [name], crate::rows::calendar)?;
        let Some(calendar) = read.transpose()?.map(Arc::new) else { return Ok(None) };
        self.calendars.insert(name.to_owned(), Arc::clone(&calendar));
        Ok(Some(calendar))
    }

    pub(crate) fn forget_calendar(&mut self, name: &str) {
        self.calendars.remove(name);
    }

    /// How many fires are open in a lane, and how many of them were asked to stop.
    pub(crate) fn lane_open(&self, lane: i64) -> Result<(u64, u64), StoreError> {
        let read = |row: &Row<'_>| Ok((count(row.get(0)?), count(row.get(1)?)));
        Ok(self.one(sql::LANE_OPEN, [lane], read)?.unwrap_or_default())
    }

    /// Recomputes the gates of a lane, in the transaction that touched its triggers or fires: for each kind the first
    /// trigger that may run, or that a full lane makes give up what is due or cancel what runs. While a cancelled run
    /// has not ended, nobody cancels another.
    pub(crate) fn refresh_gates(&mut self, lane: i64) -> Result<(), StoreError> {
        self.run(sql::GATE_CLOSE, [lane])?;
        let (open, cancelled) = self.lane_open(lane)?;
        let mut heads: BTreeMap<i64, Head> = BTreeMap::new();
        let mut at = (integer(open), i64::MAX);
        while let Some((limit, kind, head)) = self.lane_head(sql::LANE_NEXT, lane, at)? {
            note_head(&mut heads, kind, head);
            at = (limit, kind);
        }
        let mut at = (0, i64::MAX);
        while open > 0
            && let Some((overlap, kind, head)) = self.lane_head(sql::LANE_OVERLAP_NEXT, lane, at)?
        {
            if Overlap::from_code(overlap) == Overlap::Skip || cancelled == 0 {
                note_head(&mut heads, kind, head);
            }
            at = (overlap, kind);
        }
        for (kind, (next_fire_at, rank, trigger)) in heads {
            self.run(sql::GATE_OPEN, (lane, kind, next_fire_at, rank, trigger))?;
        }
        Ok(())
    }

    fn lane_head(
        &self,
        statement: &str,
        lane: i64,
        after: (i64, i64),
    ) -> Result<Option<(i64, i64, Head)>, StoreError> {
        self.one(statement, (lane, after.0, after.1), |row| {
            Ok((row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?, row.get(4)?)))
        })
    }
}

/// A fire time, a priority rank and a trigger.
type Head = (i64, i64, i64);

fn note_head(heads: &mut BTreeMap<i64, Head>, kind: i64, head: Head) {
    let first = heads.entry(kind).or_insert(head);
    *first = (*first).min(head);
}

/// Reads a job; the inner error is a definition that cannot be understood.
pub(crate) fn read_job(row: &Row<'_>) -> rusqlite::Result<Result<StoredJob, StoreError>> {
    let (id, group, name): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let definition: String = row.get(3)?;
    let detail: JobDetail = match serde_json::from_str(&definition) {
        Ok(detail) => detail,
        Err(error) => {
            let problem = format!("the definition of job {group}.{name}: {error}");
            return Ok(Err(StoreError::Corrupt(problem)));
        }
    };
    Ok(Ok(StoredJob {
        id,
        detail: Arc::new(detail),
        version: row.get(4)?,
        created_at: instant(row.get(5)?),
        updated_at: instant(row.get(6)?),
    }))
}
