//! Checks a store's promise beside whoever uses it; reads only. What is right and wrong is decided by
//! [`punctual_core::audit`].
//!
//! The store goes on working meanwhile, and its calls are transactions of their own. Triggers are therefore read before
//! their rows and judged up to the next fire time that they had; and what seems wrong is read again by itself before it is
//! called wrong.

mod notes;
mod read;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use punctual_core::audit::{Account, Accounted, First, Kept, Report};
use punctual_core::audit::{account, attempts, has_owner, lanes, orphan};
use punctual_core::{
    Calendar, Clock, FireId, HistoryQuery, JobKey, JobStore, Paging, StoreError, StoredJob, StoredTrigger,
    TaskStatus, Timestamp, TriggerKey, TriggerQuery, TriggerState, is_late_request,
};

use self::notes::Notes;
use self::rows::{Lanes, Rows};

/// About how many rows or triggers are held in memory at a time; with more, the history is read several times.
const HELD: u64 = 500_000;

/// How many suspicions of one kind are read again in each part; others are believed or left out.
const RECHECKS: usize = 1_000;

/// By how much runs of nodes that share a store may seem to overlap: nodes know its clock to within some milliseconds,
/// and tell a claim the time before it waits for the lane.
const SHARED_TOLERANCE_MS: u32 = 100;

/// What to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// Only this trigger.
    pub trigger: Option<TriggerKey>,
    /// Only runs that started, and instants, from here on.
    pub from: Option<Timestamp>,
    /// How many problems to keep of each kind.
    pub keep: usize,
    /// By how many milliseconds runs of a lane may overlap, because the clocks of nodes differ. `None` for 100 where the
    /// store has a clock of its own, of which its nodes know an estimate, and 0 elsewhere.
    pub tolerance_ms: Option<u32>,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { trigger: None, from: None, keep: 20, tolerance_ms: None }
    }
}

/// Checks a store; see [`Report`] for what comes back.
///
/// # Errors
/// When the store cannot be read.
pub async fn audit(
    store: &dyn JobStore,
    clock: &dyn Clock,
    options: &AuditOptions,
) -> Result<Report, StoreError> {
    let shared = store.store_now().await?.is_some();
    let tolerance_ms = options.tolerance_ms.unwrap_or(if shared { SHARED_TOLERANCE_MS } else { 0 });
    let mut audit = Audit {
        store,
        clock,
        options,
        jobs: read::jobs(store).await?,
        calendars: read::calendars(store).await?,
        kept: read::kept(store).await?,
        lanes: Lanes::new(tolerance_ms),
        notes: Notes::default(),
        report: Report::default(),
    };
    audit.lane_triggers().await?;
    let parts = audit.parts().await?;
    for number in 0..parts {
        audit.part(Part { number, of: parts }).await?;
    }
    audit.owners().await?;
    audit.requests().await?;
    Ok(audit.finish())
}

/// The triggers whose hash falls here, with their rows.
#[derive(Clone, Copy)]
struct Part {
    number: u64,
    of: u64,
}

impl Part {
    fn has(&self, key: Option<&TriggerKey>) -> bool {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish() % self.of == self.number
    }
}

/// The triggers of a part, and the instants for whose first attempt pending runs wait.
#[derive(Default)]
struct Subjects {
    triggers: BTreeMap<TriggerKey, StoredTrigger>,
    waiting: HashMap<TriggerKey, Vec<Timestamp>>,
}

struct Audit<'a> {
    store: &'a dyn JobStore,
    clock: &'a dyn Clock,
    options: &'a AuditOptions,
    jobs: HashMap<JobKey, StoredJob>,
    calendars: HashMap<String, Calendar>,
    kept: Kept,
    lanes: Lanes,
    notes: Notes,
    report: Report,
}

impl Audit<'_> {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.store.store_now().await?.unwrap_or_else(|| self.clock.now()))
    }

    fn query(&self) -> HistoryQuery {
        HistoryQuery {
            trigger: self.options.trigger.clone(),
            started_from: self.options.from,
            ..HistoryQuery::default()
        }
    }

    /// Triggers whose data say in which lane their runs stand.
    async fn lane_triggers(&mut self) -> Result<(), StoreError> {
        for job in self.jobs.values().filter(|job| lanes::depends_on_data(job)) {
            let known = &mut self.lanes.triggers;
            read::triggers(self.store, Some(&job.detail.key), |trigger| {
                known.insert(trigger.definition.key.clone(), trigger);
            })
            .await?;
        }
        Ok(())
    }

    async fn parts(&self) -> Result<u64, StoreError> {
        if self.options.trigger.is_some() {
            return Ok(1);
        }
        let paging = Paging::first(1);
        let rows = self.store.history(&HistoryQuery { paging, ..self.query() }).await?.total;
        let triggers = self.store.triggers(&TriggerQuery { paging, ..TriggerQuery::default() }).await?.total;
        Ok((rows + triggers) / HELD + 1)
    }

    async fn part(&mut self, part: Part) -> Result<(), StoreError> {
        let subjects = self.subjects(part).await?;
        let mut rows = self.rows(part).await?;
        let mut suspects = Vec::new();
        for (key, trigger) in subjects.triggers {
            let firsts = rows.firsts.remove(&key).unwrap_or_default();
            let waiting = subjects.waiting.get(&key).map_or(&[][..], Vec::as_slice);
            let found = self.account(&trigger, &firsts, waiting).await?;
            if found.is_clean() {
                self.add(&trigger, &found);
            } else {
                suspects.push((trigger, found));
            }
        }
        for (place, (trigger, found)) in suspects.into_iter().enumerate() {
            if place < RECHECKS {
                self.account_again(trigger, found).await?;
            } else {
                self.add(&trigger, &found);
            }
        }
        for (key, mut firsts) in rows.firsts.drain() {
            let (problems, again) = account::check_gone(&key, &mut firsts);
            self.notes.again += again;
            problems.iter().for_each(|problem| self.report.add(problem, self.options.keep));
        }
        let suspects = rows.suspects();
        self.notes.attempts_left_out += suspects.len().saturating_sub(RECHECKS) as u64;
        for origin in suspects.into_iter().take(RECHECKS) {
            self.attempts(origin).await?;
        }
        Ok(())
    }

    async fn subjects(&mut self, part: Part) -> Result<Subjects, StoreError> {
        let mut subjects = Subjects::default();
        let mut in_error = 0;
        let only = self.options.trigger.as_ref();
        let takes = |key: &TriggerKey| part.has(Some(key)) && only.is_none_or(|only| only == key);
        read::triggers(self.store, None, |trigger| {
            if let Some((key, at)) = Account::waits(&trigger).filter(|(key, _)| takes(key)) {
                subjects.waiting.entry(key.clone()).or_default().push(at);
            }
            if trigger.pending.is_some() || !takes(&trigger.definition.key) {
                return;
            }
            if trigger.state == TriggerState::Error {
                in_error += 1;
            } else {
                subjects.triggers.insert(trigger.definition.key.clone(), trigger);
            }
        })
        .await?;
        self.notes.in_error += in_error;
        Ok(subjects)
    }

    /// The rows of a part. Those that started after the triggers were read are left out: so a row that is open when it is
    /// read was open at every instant before, and an attempt that is followed by another was closed already.
    async fn rows(&mut self, part: Part) -> Result<Rows, StoreError> {
        let now = self.now().await?;
        let mut rows = Rows::default();
        let mut seen = 0;
        let query = self.query();
        let (jobs, lanes, keep) = (&self.jobs, &mut self.lanes, self.options.keep);
        read::history(self.store, &query, |row| {
            if row.started_at > now {
                return;
            }
            if part.has(row.trigger.as_ref()) {
                rows.take(&row);
            }
            if part.number == 0 {
                seen += 1;
                lanes.take(&row, jobs, keep);
            }
        })
        .await?;
        self.report.rows += seen;
        Ok(rows)
    }

    async fn account(
        &self,
        trigger: &StoredTrigger,
        firsts: &[First],
        waiting: &[Timestamp],
    ) -> Result<Accounted, StoreError> {
        let definition = &trigger.definition;
        let ranges = read::ranges(self.store, &definition.key).await?;
        let account = Account {
            trigger,
            calendar: definition.calendar.as_ref().and_then(|name| self.calendars.get(name)),
            firsts,
            waiting,
            ranges: &ranges,
            kept: self.kept_of(&definition.job),
            from: self.options.from,
        };
        Ok(account.check())
    }

    /// Which rows of a job must be there. It may have kept no history before its definition changed.
    fn kept_of(&self, job: &JobKey) -> Kept {
        match (self.jobs.get(job), self.kept) {
            (Some(job), Kept::From(kept)) if job.detail.history.is_whole() => {
                Kept::From(kept.max(job.updated_at))
            }
            (Some(job), Kept::All) if job.detail.history.is_whole() => Kept::All,
            _ => Kept::Nothing,
        }
    }

    /// Reads a trigger and all that belongs to it again, twice if need be, and counts what is wrong then.
    async fn account_again(&mut self, trigger: StoredTrigger, found: Accounted) -> Result<(), StoreError> {
        let key = trigger.definition.key.clone();
        let (mut trigger, mut found) = (trigger, found);
        for _ in 0..2 {
            match self.store.trigger(&key).await? {
                Some(again) if again.state != TriggerState::Error => trigger = again,
                // It was deleted meanwhile, or has nothing to say any more.
                _ => return Ok(()),
            }
            self.refresh(&trigger).await?;
            // A run that is claimed or handed back between two of these calls shows in one of them at least.
            let mut waiting = read::waiting(self.store, &trigger).await?;
            let mut rows = Rows::default();
            let query = HistoryQuery { trigger: Some(key.clone()), ..self.query() };
            read::history(self.store, &query, |row| rows.take(&row)).await?;
            waiting.extend(read::waiting(self.store, &trigger).await?);
            self.kept = read::kept(self.store).await?;
            let firsts = rows.firsts.remove(&key).unwrap_or_default();
            found = self.account(&trigger, &firsts, &waiting).await?;
            if found.is_clean() {
                break;
            }
        }
        self.add(&trigger, &found);
        Ok(())
    }

    /// Reads a trigger's job and calendar again.
    async fn refresh(&mut self, trigger: &StoredTrigger) -> Result<(), StoreError> {
        let job = &trigger.definition.job;
        if let Some(stored) = self.store.job(job).await? {
            self.jobs.insert(job.clone(), stored);
        }
        if let Some(name) = &trigger.definition.calendar
            && let Some(stored) = self.store.calendar(name).await?
        {
            self.calendars.insert(name.clone(), stored.calendar);
        }
        Ok(())
    }

    fn add(&mut self, trigger: &StoredTrigger, found: &Accounted) {
        self.report.add_account(found, self.options.keep);
        self.notes.account(trigger, found);
    }

    /// Reads all attempts of a fire and judges them.
    async fn attempts(&mut self, origin: FireId) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        let query = HistoryQuery { origin: Some(origin), ..HistoryQuery::default() };
        read::history(self.store, &query, |row| rows.push(row)).await?;
        self.kept = read::kept(self.store).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let kept = row.job.as_ref().map_or(Kept::Nothing, |job| self.kept_of(job));
        let complete = match kept {
            Kept::All => true,
            Kept::From(kept) => row.scheduled_at.is_some_and(|at| at >= kept),
            Kept::Nothing => false,
        };
        for problem in attempts::check(&rows, complete) {
            self.report.add(&problem, self.options.keep);
        }
        Ok(())
    }

    /// Open rows whose node is gone, and that are still open when they are looked at again.
    async fn owners(&mut self) -> Result<(), StoreError> {
        let trigger = self.options.trigger.clone();
        let query = HistoryQuery { status: Some(TaskStatus::Started), trigger, ..HistoryQuery::default() };
        let mut open = Vec::new();
        read::history(self.store, &query, |row| open.push(row)).await?;
        let now = self.now().await?;
        let nodes = self.store.nodes().await?;
        for row in open.iter().filter(|row| !has_owner(row, &nodes, now)) {
            let again = self.store.history_entry(row.id).await?;
            if again.is_some_and(|again| again.status == TaskStatus::Started && again.term == row.term) {
                self.report.add(&orphan(row, now), self.options.keep);
            }
        }
        Ok(())
    }

    /// What applications asked for and nobody has carried out yet.
    async fn requests(&mut self) -> Result<(), StoreError> {
        let now = self.now().await?;
        let counts = self.store.state_counts(now).await?;
        self.report.requests = counts.requests;
        self.report.requests_since = counts.requests_since;
        self.notes.late_request = counts.requests_since.filter(|since| is_late_request(*since, now));
        Ok(())
    }

    fn finish(mut self) -> Report {
        self.report.overlaps = self.lanes.count;
        self.report.problems.append(&mut self.lanes.problems);
        self.report.checked_from = self.notes.checked_from();
        self.report.notes = self.notes.texts(&self.lanes);
        self.report
    }
}
