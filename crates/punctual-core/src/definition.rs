//! The editing decision: what a [`Change`] does to stored definitions.
//!
//! [`apply`] holds all rules about jobs and triggers that come, change and go. A store lends it a
//! [`DefinitionTx`], a set of plain row operations inside one transaction, so that every store edits alike.

use jiff::Timestamp;
use punctual_schedule::{Calendar, Occurrences, Schedule, Window};

use crate::firing::{self, FiringPlan, SkipReason};
use crate::time::whole_millis;
use crate::{
    Applied, AuditEntry, Change, ChangeError, Data, FireId, JobDetail, JobKey, JobKind, Lane, Skip,
    StoredCalendar, StoredJob, StoredTrigger, Trigger, TriggerKey, TriggerState, pending,
};

mod calendars;
mod expect;
mod import;
mod repair;
mod unknown;

pub use repair::{Repair, repair};
pub use unknown::{Expired, Expiry, expire};
mod events;

/// Row operations inside one transaction.
pub trait DefinitionTx {
    /// What a failed operation returns.
    type Error: From<ChangeError>;

    /// Reads a job.
    fn job(&mut self, key: &JobKey) -> Result<Option<StoredJob>, Self::Error>;
    /// Reads a job by its number.
    fn job_by_id(&mut self, id: i64) -> Result<Option<StoredJob>, Self::Error>;
    /// Inserts a job; returns its number.
    fn insert_job(&mut self, detail: &JobDetail, now: Timestamp) -> Result<i64, Self::Error>;
    /// Replaces a job's definition, and whatever its triggers' rows repeat of it.
    fn update_job(&mut self, old: &StoredJob, detail: &JobDetail, now: Timestamp) -> Result<(), Self::Error>;
    /// Deletes a job, whose triggers are gone already.
    fn delete_job(&mut self, id: i64) -> Result<(), Self::Error>;
    /// Whether a fire of the job is open.
    fn has_open_fires(&mut self, job_id: i64) -> Result<bool, Self::Error>;
    /// Reads a trigger.
    fn trigger(&mut self, key: &TriggerKey) -> Result<Option<StoredTrigger>, Self::Error>;
    /// Reads all triggers of a job, pending runs included.
    fn triggers_of(&mut self, job_id: i64) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Whether a job has triggers, pending runs included.
    fn has_triggers(&mut self, job_id: i64) -> Result<bool, Self::Error>;
    /// Reads all triggers of a group.
    fn triggers_in(&mut self, group: &str) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Inserts a trigger, whose `id` is 0.
    fn insert_trigger(&mut self, trigger: &StoredTrigger) -> Result<(), Self::Error>;
    /// Writes all fields of a stored trigger.
    fn update_trigger(&mut self, trigger: &StoredTrigger) -> Result<(), Self::Error>;
    /// Deletes a trigger.
    fn delete_trigger(&mut self, trigger: &StoredTrigger) -> Result<(), Self::Error>;
    /// Records instants that were given up.
    fn add_skip(&mut self, trigger: &StoredTrigger, skip: &Skip, now: Timestamp) -> Result<(), Self::Error>;
    /// Writes an entry of the log of changes.
    fn add_audit(&mut self, entry: &AuditEntry, now: Timestamp) -> Result<(), Self::Error>;
    /// A number that no fire has had, to name a pending run.
    fn next_id(&mut self) -> Result<FireId, Self::Error>;
    /// Whether a trigger group is paused.
    fn group_paused(&mut self, group: &str) -> Result<bool, Self::Error>;
    /// Remembers whether a trigger group is paused.
    fn set_group_paused(&mut self, group: &str, paused: bool) -> Result<(), Self::Error>;
    /// Reads the triggers in the error state.
    fn triggers_in_error(&mut self) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Reads the waiting triggers of these kinds that are due at `now`, pending runs left out: those whose number is
    /// greater than `after`, ordered by it, `limit` at most.
    fn overdue(
        &mut self,
        kinds: &[JobKind],
        now: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Reads the triggers that wait or are paused and have no next fire time.
    fn triggers_without_next(&mut self) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Whether a fire of the trigger is open, or a pending run stands for one of its instants.
    fn is_under_way(&mut self, trigger: &StoredTrigger) -> Result<bool, Self::Error>;
    /// Makes waiting triggers claimable that are due at `now` and that the store's own index of due work does not show
    /// although their lane has room; returns their lanes.
    fn mend_index(&mut self, now: Timestamp) -> Result<Vec<i64>, Self::Error>;
    /// Reads a calendar.
    fn calendar(&mut self, name: &str) -> Result<Option<StoredCalendar>, Self::Error>;
    /// Inserts or replaces a calendar.
    fn put_calendar(&mut self, calendar: &StoredCalendar) -> Result<(), Self::Error>;
    /// Deletes a calendar.
    fn delete_calendar(&mut self, name: &str) -> Result<(), Self::Error>;
    /// Reads the triggers that use a calendar, ordered by group and name.
    fn triggers_with_calendar(&mut self, name: &str) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Reads the triggers whose definition's schedule waits for an event, ordered by group and name.
    fn triggers_on_event(&mut self, event: &str) -> Result<Vec<StoredTrigger>, Self::Error>;
}

/// Applies one change at `now`.
pub fn apply<T: DefinitionTx>(tx: &mut T, now: Timestamp, change: &Change) -> Result<Applied, T::Error> {
    let now = whole_millis(now);
    match change {
        Change::Expect(expected) => expect::expect(tx, expected),
        Change::Schedule { job, triggers } => schedule(tx, now, job, triggers),
        Change::PutJob(job) => put_job(tx, now, job, false),
        Change::ChangeKind { job, from, to } => match tx.job(job)? {
            Some(stored) if stored.detail.kind == *from => {
                let detail = JobDetail { kind: to.clone(), ..(*stored.detail).clone() };
                tx.update_job(&stored, &detail, now)?;
                Ok(Applied { updated: 1, next_due: Some(now), ..Applied::default() })
            }
            _ => Ok(Applied::default()),
        },
        Change::PutTrigger(trigger) => put_trigger(tx, now, trigger),
        Change::AddTrigger(trigger) => match tx.trigger(&trigger.key)? {
            Some(_) => Err(ChangeError::TriggerExists(trigger.key.clone()).into()),
            None => put_trigger(tx, now, trigger),
        },
        Change::Import { job, triggers } => import::import(tx, now, job, triggers),
        Change::DeleteTrigger(key) => match tx.trigger(key)? {
            None => Ok(Applied::default()),
            Some(trigger) => {
                let mut applied = delete_trigger(tx, now, &trigger)?;
                applied.merge(&collect_job(tx, trigger.job_id)?);
                Ok(applied)
            }
        },
        Change::DeleteTriggersOf(key) => match tx.job(key)? {
            None => Ok(Applied::default()),
            Some(job) => {
                let mut applied = delete_triggers_of(tx, now, &job)?;
                applied.merge(&collect_job(tx, job.id)?);
                Ok(applied)
            }
        },
        Change::DeleteJob(key) => match tx.job(key)? {
            None => Ok(Applied::default()),
            Some(job) => {
                let mut applied = delete_triggers_of(tx, now, &job)?;
                tx.delete_job(job.id)?;
                applied.deleted += 1;
                Ok(applied)
            }
        },
        Change::PauseTrigger(key) => each(tx, now, one(key), pause),
        Change::ResumeTrigger(key) => each(tx, now, one(key), resume),
        Change::PauseJob(key) => each(tx, now, of_job(key), pause),
        Change::ResumeJob(key) => each(tx, now, of_job(key), resume),
        Change::PauseGroup(group) => {
            tx.set_group_paused(group, true)?;
            each(tx, now, |tx: &mut T| tx.triggers_in(group), pause)
        }
        Change::ResumeGroup(group) => {
            tx.set_group_paused(group, false)?;
            each(tx, now, |tx: &mut T| tx.triggers_in(group), resume)
        }
        Change::TriggerNow { job, data } => trigger_now(tx, now, job, (None, now), data),
        Change::RunFor { job, trigger, scheduled_at, data } => {
            trigger_now(tx, now, job, (trigger.as_ref(), whole_millis(*scheduled_at)), data)
        }
        Change::Emit { event, payload } => events::emit(tx, now, event, payload),
        Change::ResetTrigger(key) => each(tx, now, one(key), reset),
        Change::PutCalendar { name, calendar } => calendars::put(tx, now, name, calendar),
        Change::DeleteCalendar(name) => calendars::delete(tx, name),
        Change::Audit(entry) => tx.add_audit(entry, now).map(|()| Applied::default()),
    }
}

fn one<T: DefinitionTx>(key: &TriggerKey) -> impl Fn(&mut T) -> Result<Vec<StoredTrigger>, T::Error> {
    move |tx| Ok(tx.trigger(key)?.into_iter().collect())
}

fn of_job<T: DefinitionTx>(key: &JobKey) -> impl Fn(&mut T) -> Result<Vec<StoredTrigger>, T::Error> {
    move |tx| match tx.job(key)? {
        Some(job) => tx.triggers_of(job.id),
        None => Ok(Vec::new()),
    }
}

fn each<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    find: impl Fn(&mut T) -> Result<Vec<StoredTrigger>, T::Error>,
    edit: impl Fn(&mut T, Timestamp, StoredTrigger) -> Result<Applied, T::Error>,
) -> Result<Applied, T::Error> {
    let mut applied = Applied::default();
    for trigger in find(tx)? {
        applied.merge(&edit(tx, now, trigger)?);
    }
    Ok(applied)
}

fn schedule<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    job: &JobDetail,
    triggers: &[Trigger],
) -> Result<Applied, T::Error> {
    if let Some(stray) = triggers.iter().find(|trigger| trigger.job != job.key) {
        return Err(ChangeError::InvalidTrigger(
            stray.key.clone(),
            format!("it names job {}, but is scheduled with job {}", stray.job, job.key),
        )
        .into());
    }
    let existed = tx.job(&job.key)?.is_some();
    let mut applied = put_job(tx, now, job, !triggers.is_empty())?;
    let stored = tx.job(&job.key)?.map(|job| tx.triggers_of(job.id)).transpose()?.unwrap_or_default();
    for trigger in triggers {
        let is_stored = stored.iter().any(|old| old.definition.key == trigger.key);
        if existed && !is_stored && is_over(trigger, now) {
            // It has completed and is gone; to store it again would be to run it again at every start.
            applied.merge(&Applied { unchanged: 1, ..Applied::default() });
            continue;
        }
        applied.merge(&put_trigger(tx, now, trigger)?);
    }
    for gone in stored.iter().filter(|old| old.pending.is_none()) {
        if !triggers.iter().any(|trigger| trigger.key == gone.definition.key) {
            applied.merge(&delete_trigger(tx, now, gone)?);
        }
    }
    Ok(applied)
}

/// Whether all instants of a trigger have passed at `now`, whenever it is stored: [`Change::Schedule`] leaves such a trigger
/// of a stored job away.
pub fn is_over(trigger: &Trigger, now: Timestamp) -> bool {
    let Some(start) = trigger.start else { return false };
    let window = Window { start: whole_millis(start), end: trigger.end };
    // A fixed delay goes on after the one instant that is known.
    let known = !matches!(trigger.schedule, Schedule::FixedDelay(_));
    known && Occurrences::new(&trigger.schedule, window).last().is_some_and(|last| last <= now)
}

fn put_job<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    job: &JobDetail,
    triggers_follow: bool,
) -> Result<Applied, T::Error> {
    if let Err(problem) = job.retry.check() {
        return Err(ChangeError::InvalidJob(job.key.clone(), format!("retry policy: {problem}")).into());
    }
    if job.timeout_ms == Some(0) {
        let problem = "timeout_ms is 0: give at least 1, or none for no limit".to_owned();
        return Err(ChangeError::InvalidJob(job.key.clone(), problem).into());
    }
    if let Some(Err(problem)) = job.concurrency.as_ref().map(|concurrency| concurrency.check(job.concurrent))
    {
        return Err(ChangeError::InvalidJob(job.key.clone(), problem).into());
    }
    let old = tx.job(&job.key)?;
    if !job.durable && !triggers_follow {
        let has_triggers = match &old {
            Some(old) => tx.has_triggers(old.id)?,
            None => false,
        };
        if !has_triggers {
            return Err(ChangeError::NeitherDurableNorTriggered(job.key.clone()).into());
        }
    }
    match old {
        None => {
            tx.insert_job(job, now)?;
            Ok(Applied { created: 1, ..Applied::default() })
        }
        Some(old) if *old.detail == *job => Ok(Applied { unchanged: 1, ..Applied::default() }),
        Some(old) => {
            tx.update_job(&old, job, now)?;
            change_lanes(tx, &old, job)?;
            Ok(Applied { updated: 1, ..Applied::default() })
        }
    }
}

/// Moves the triggers of a changed job to the lanes that it now has.
fn change_lanes<T: DefinitionTx>(tx: &mut T, old: &StoredJob, job: &JobDetail) -> Result<(), T::Error> {
    let limits = |job: &JobDetail| (job.concurrent, job.concurrency.clone(), job.overlap, job.data.clone());
    if !(old.detail.is_limited() || job.is_limited()) || limits(&old.detail) == limits(job) {
        return Ok(());
    }
    for mut trigger in tx.triggers_of(old.id)?.into_iter().filter(|trigger| trigger.readable) {
        let lane = lane_of(old.id, job, &trigger.definition)?;
        if lane != trigger.lane {
            trigger.lane = lane;
            tx.update_trigger(&trigger)?;
        }
    }
    Ok(())
}

fn lane_of(job_id: i64, job: &JobDetail, trigger: &Trigger) -> Result<Option<Lane>, ChangeError> {
    if trigger.schedule.event().is_some() {
        // The event brings the data that the key may ask for, and the lane of each run is found then.
        return Ok(pending::lane_of(job_id, job, &trigger.data));
    }
    Lane::of(job_id, job, &trigger.data)
        .map_err(|problem| ChangeError::InvalidTrigger(trigger.key.clone(), problem))
}

/// Checks a definition; its job and its calendar, which have to be stored.
fn checked<T: DefinitionTx>(
    tx: &mut T,
    trigger: &Trigger,
) -> Result<(StoredJob, Option<Calendar>), T::Error> {
    let invalid = |problem: String| T::Error::from(ChangeError::InvalidTrigger(trigger.key.clone(), problem));
    if let (Some(start), Some(end)) = (trigger.start, trigger.end)
        && end < start
    {
        return Err(invalid(format!("its end {end} is before its start {start}")));
    }
    trigger.misfire.check(&trigger.schedule).map_err(|error| invalid(error.to_string()))?;
    let calendar = match &trigger.calendar {
        None => None,
        Some(name) => match tx.calendar(name)? {
            Some(stored) => Some(stored.calendar),
            None => return Err(invalid(format!("no calendar {name:?} is stored"))),
        },
    };
    let Some(job) = tx.job(&trigger.job)? else {
        return Err(ChangeError::NoSuchJob(trigger.job.clone()).into());
    };
    Ok((job, calendar))
}

fn put_trigger<T: DefinitionTx>(tx: &mut T, now: Timestamp, trigger: &Trigger) -> Result<Applied, T::Error> {
    let (job, calendar) = checked(tx, trigger)?;
    let Some(old) = tx.trigger(&trigger.key)? else {
        return insert_trigger(tx, now, trigger, &job, calendar.as_ref());
    };
    if old.definition.job != trigger.job {
        return Err(ChangeError::TriggerOfAnotherJob {
            trigger: trigger.key.clone(),
            job: old.definition.job.clone(),
        }
        .into());
    }
    if old.definition == *trigger && old.state != TriggerState::Error {
        return Ok(Applied { unchanged: 1, ..Applied::default() });
    }
    replace_trigger(tx, now, trigger, old, &job, calendar.as_ref())
}

/// Whether a trigger without instants waits for an event that may still come.
fn may_wait(trigger: &Trigger, now: Timestamp) -> bool {
    trigger.schedule.event().is_some() && trigger.end.is_none_or(|end| now < end)
}

fn insert_trigger<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &Trigger,
    job: &StoredJob,
    calendar: Option<&Calendar>,
) -> Result<Applied, T::Error> {
    let new = new_trigger(tx, now, trigger, job, calendar)?;
    store_new(tx, &new)
}

fn store_new<T: DefinitionTx>(tx: &mut T, new: &StoredTrigger) -> Result<Applied, T::Error> {
    tx.insert_trigger(new)?;
    let next_due = new.next_fire_at.filter(|_| new.state == TriggerState::Waiting);
    Ok(Applied { created: 1, next_due, ..Applied::default() })
}

/// A trigger that begins.
fn new_trigger<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &Trigger,
    job: &StoredJob,
    calendar: Option<&Calendar>,
) -> Result<StoredTrigger, T::Error> {
    let anchor = whole_millis(trigger.start.unwrap_or(now));
    let window = Window { start: anchor, end: trigger.end };
    let first = Occurrences::new(&trigger.schedule, window).with_calendar(calendar).first();
    if first.is_none() && !may_wait(trigger, now) {
        return Err(ChangeError::NeverFires(trigger.key.clone()).into());
    }
    let paused = tx.group_paused(trigger.key.group())?;
    Ok(StoredTrigger {
        id: 0,
        job_id: job.id,
        definition: trigger.clone(),
        lane: lane_of(job.id, &job.detail, trigger)?,
        state: if paused { TriggerState::Paused } else { TriggerState::Waiting },
        anchor,
        rebased: None,
        next_fire_at: first,
        previous_fire_at: None,
        fired: 0,
        skipped: 0,
        // A cron schedule drops the milliseconds of its start, so its first instant may lie before the anchor.
        accounted_from: first.map_or(anchor, |first| first.min(anchor)),
        pending: None,
        error: None,
        readable: true,
        created_at: now,
        updated_at: now,
    })
}

/// Replaces a definition. One whose fire times are the same goes on where it is; otherwise the overdue instants
/// of the old schedule are given up and the new one starts from `now`.
fn replace_trigger<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &Trigger,
    old: StoredTrigger,
    job: &StoredJob,
    calendar: Option<&Calendar>,
) -> Result<Applied, T::Error> {
    let same_instants = old.state != TriggerState::Error
        && old.definition.schedule == trigger.schedule
        && old.definition.start == trigger.start
        && old.definition.end == trigger.end
        && old.definition.calendar == trigger.calendar;
    let lane = lane_of(job.id, &job.detail, trigger)?;
    let mut new = StoredTrigger { definition: trigger.clone(), lane, updated_at: now, ..old.clone() };
    let still_awaits = old.awaits_end() && matches!(trigger.schedule, Schedule::FixedDelay(_));
    if still_awaits {
        new.rebased = None;
    } else if !same_instants {
        write_skips(tx, &old, now, SkipReason::Replaced)?;
        new.anchor = whole_millis(trigger.start.unwrap_or(now));
        new.rebased = None;
        new.error = None;
        new.readable = true;
        let window = Window { start: new.anchor, end: trigger.end };
        let occurrences = Occurrences::new(&trigger.schedule, window).with_calendar(calendar);
        // A single instant in the past means "as soon as possible"; of a series, only what is still to come.
        let first = match trigger.schedule {
            Schedule::Once | Schedule::FixedDelay(_) => occurrences.first(),
            _ => occurrences.at_or_after(now.max(new.anchor)),
        };
        if first.is_none() && !may_wait(trigger, now) {
            return Err(ChangeError::NeverFires(trigger.key.clone()).into());
        }
        new.next_fire_at = first;
        new.accounted_from = first.unwrap_or(new.anchor);
        new.fired = 0;
        new.skipped = 0;
        if old.state != TriggerState::Paused {
            new.state = TriggerState::Waiting;
        }
    }
    tx.update_trigger(&new)?;
    let next_due = new.next_fire_at.filter(|_| new.state == TriggerState::Waiting);
    Ok(Applied { updated: 1, next_due, ..Applied::default() })
}

fn calendar_of<T: DefinitionTx>(tx: &mut T, trigger: &StoredTrigger) -> Result<Option<Calendar>, T::Error> {
    match &trigger.definition.calendar {
        Some(name) => Ok(tx.calendar(name)?.map(|stored| stored.calendar)),
        None => Ok(None),
    }
}

fn write_skips<T: DefinitionTx>(
    tx: &mut T,
    trigger: &StoredTrigger,
    now: Timestamp,
    reason: SkipReason,
) -> Result<(), T::Error> {
    if trigger.state == TriggerState::Error {
        // Its schedule may be unreadable; what can be said is said when it is reset.
        return Ok(());
    }
    let calendar = calendar_of(tx, trigger)?;
    // Instants that passed during a pause were lost to the pause, whatever ended it.
    let reason = if trigger.state == TriggerState::Paused { SkipReason::Paused } else { reason };
    for skip in firing::give_up(trigger, calendar.as_ref(), now, reason).skipped {
        tx.add_skip(trigger, &skip, now)?;
    }
    Ok(())
}

fn delete_trigger<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &StoredTrigger,
) -> Result<Applied, T::Error> {
    write_skips(tx, trigger, now, SkipReason::Ended)?;
    tx.delete_trigger(trigger)?;
    if let Some(key) = trigger.pending.as_ref().and_then(|run| run.trigger.as_ref()) {
        // A further attempt that does not happen ends the fire for good.
        ended(tx, now, key)?;
    }
    Ok(Applied { deleted: 1, ..Applied::default() })
}

fn delete_triggers_of<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    job: &StoredJob,
) -> Result<Applied, T::Error> {
    let mut applied = Applied::default();
    for trigger in tx.triggers_of(job.id)? {
        applied.merge(&delete_trigger(tx, now, &trigger)?);
    }
    Ok(applied)
}

/// Deletes a job that is not durable and has neither triggers nor open fires left. Stores call this for the
/// jobs of closed fires, too.
pub fn collect_job<T: DefinitionTx>(tx: &mut T, job_id: i64) -> Result<Applied, T::Error> {
    let Some(job) = tx.job_by_id(job_id)? else { return Ok(Applied::default()) };
    if job.detail.durable || tx.has_triggers(job_id)? || tx.has_open_fires(job_id)? {
        return Ok(Applied::default());
    }
    tx.delete_job(job_id)?;
    Ok(Applied { deleted: 1, ..Applied::default() })
}

fn pause<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    mut trigger: StoredTrigger,
) -> Result<Applied, T::Error> {
    if trigger.state != TriggerState::Waiting {
        return Ok(Applied { unchanged: 1, ..Applied::default() });
    }
    trigger.state = TriggerState::Paused;
    trigger.updated_at = now;
    tx.update_trigger(&trigger)?;
    Ok(Applied { updated: 1, ..Applied::default() })
}

fn go_on<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &mut StoredTrigger,
    plan: &FiringPlan,
) -> Result<Applied, T::Error> {
    for skip in &plan.skipped {
        tx.add_skip(trigger, skip, now)?;
    }
    firing::advance(trigger, plan);
    trigger.updated_at = now;
    if trigger.state == TriggerState::Complete {
        // Nothing is left to fire. Fires that are open know all they need of their trigger.
        tx.delete_trigger(trigger)?;
        let mut applied = Applied { deleted: 1, ..Applied::default() };
        applied.merge(&collect_job(tx, trigger.job_id)?);
        return Ok(applied);
    }
    tx.update_trigger(trigger)?;
    Ok(Applied { updated: 1, next_due: trigger.next_fire_at, ..Applied::default() })
}

fn resume<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    mut trigger: StoredTrigger,
) -> Result<Applied, T::Error> {
    if trigger.state != TriggerState::Paused {
        return Ok(Applied { unchanged: 1, ..Applied::default() });
    }
    let calendar = calendar_of(tx, &trigger)?;
    let plan = firing::plan_resume(&trigger, calendar.as_ref(), now);
    go_on(tx, now, &mut trigger, &plan)
}

fn reset<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    mut trigger: StoredTrigger,
) -> Result<Applied, T::Error> {
    if trigger.state != TriggerState::Error {
        return Ok(Applied { unchanged: 1, ..Applied::default() });
    }
    if !trigger.readable {
        let problem = trigger.error.unwrap_or_default();
        let right = "replace its definition, or let a version that understands it reset it";
        return Err(ChangeError::InvalidTrigger(trigger.definition.key, format!("{problem}; {right}")).into());
    }
    trigger.error = None;
    let calendar = calendar_of(tx, &trigger)?;
    let plan = firing::give_up(&trigger, calendar.as_ref(), now, SkipReason::Misfire);
    go_on(tx, now, &mut trigger, &plan)
}

fn trigger_now<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    key: &JobKey,
    (trigger, scheduled_at): (Option<&TriggerKey>, Timestamp),
    data: &Data,
) -> Result<Applied, T::Error> {
    let Some(job) = tx.job(key)? else { return Err(ChangeError::NoSuchJob(key.clone()).into()) };
    let stored = match trigger {
        None => None,
        Some(key) => tx.trigger(key)?.filter(|stored| stored.job_id == job.id && stored.readable),
    };
    let data = match stored {
        None => data.clone(),
        Some(stored) => stored.definition.data.merged(data).map_err(|error| {
            ChangeError::InvalidTrigger(stored.definition.key.clone(), format!("its data: {error}"))
        })?,
    };
    let run = pending::by_hand(tx.next_id()?, &job, (trigger, scheduled_at), data, now);
    lane_of(job.id, &job.detail, &run.definition)?;
    tx.insert_trigger(&run)?;
    let name = run.definition.key;
    Ok(Applied { created: 1, pending: Some(name), next_due: Some(now), ..Applied::default() })
}

/// A fire of a trigger has ended for good at `now`: if the trigger waited for that, its next fire time is set. Stores
/// call this for fires whose [`crate::Then`] says so, and for those that recovery closes.
pub fn ended<T: DefinitionTx>(tx: &mut T, now: Timestamp, key: &TriggerKey) -> Result<Applied, T::Error> {
    let now = whole_millis(now);
    let Some(mut trigger) = tx.trigger(key)?.filter(StoredTrigger::awaits_end) else {
        return Ok(Applied::default());
    };
    let calendar = calendar_of(tx, &trigger)?;
    let plan = firing::plan_ended(&trigger, calendar.as_ref(), now);
    let paused = trigger.state == TriggerState::Paused;
    firing::advance(&mut trigger, &plan);
    if trigger.state == TriggerState::Complete {
        tx.delete_trigger(&trigger)?;
        return Ok(Applied { deleted: 1, ..Applied::default() });
    }
    if paused {
        trigger.state = TriggerState::Paused;
    }
    tx.update_trigger(&trigger)?;
    let next_due = trigger.next_fire_at.filter(|_| !paused);
    Ok(Applied { updated: 1, next_due, ..Applied::default() })
}
