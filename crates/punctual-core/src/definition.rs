//! The editing decision: what a [`Change`] does to stored definitions.
//!
//! [`apply`] holds all rules about jobs and triggers that come, change and go. A store lends it a
//! [`DefinitionTx`], a set of plain row operations inside one transaction, so that every store edits alike.

use jiff::Timestamp;
use punctual_schedule::{Calendar, Occurrences, Schedule, Window};

use crate::firing::{self, FiringPlan, SkipReason};
use crate::time::whole_millis;
use crate::{
    Applied, Cause, Change, ChangeError, Data, FireId, JobDetail, JobKey, Pending, Skip, StoredJob,
    StoredTrigger, Trigger, TriggerKey, TriggerState,
};

/// The trigger group of runs asked for by hand.
pub const MANUAL_GROUP: &str = "PUNCTUAL.MANUAL";
/// The trigger group of retries that wait for their time.
pub const RETRY_GROUP: &str = "PUNCTUAL.RETRY";
/// The trigger group of runs that recovery repeats.
pub const RECOVERY_GROUP: &str = "PUNCTUAL.RECOVERY";

/// The trigger group of fires that a node handed back without having started them.
pub const RELEASED_GROUP: &str = "PUNCTUAL.RELEASED";

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
    /// A number that no fire has had, to name a pending run.
    fn next_id(&mut self) -> Result<FireId, Self::Error>;
    /// Whether a trigger group is paused.
    fn group_paused(&mut self, group: &str) -> Result<bool, Self::Error>;
    /// Remembers whether a trigger group is paused.
    fn set_group_paused(&mut self, group: &str, paused: bool) -> Result<(), Self::Error>;
    /// Reads a calendar.
    fn calendar(&mut self, _name: &str) -> Result<Option<Calendar>, Self::Error> {
        Ok(None)
    }
}

/// Applies one change at `now`.
pub fn apply<T: DefinitionTx>(tx: &mut T, now: Timestamp, change: &Change) -> Result<Applied, T::Error> {
    let now = whole_millis(now);
    match change {
        Change::Schedule { job, triggers } => schedule(tx, now, job, triggers),
        Change::PutJob(job) => put_job(tx, now, job, false),
        Change::PutTrigger(trigger) => put_trigger(tx, now, trigger),
        Change::AddTrigger(trigger) => match tx.trigger(&trigger.key)? {
            Some(_) => Err(ChangeError::TriggerExists(trigger.key.clone()).into()),
            None => put_trigger(tx, now, trigger),
        },
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
        Change::TriggerNow { job, data } => trigger_now(tx, now, job, data),
        Change::ResetTrigger(key) => each(tx, now, one(key), reset),
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
    let mut applied = put_job(tx, now, job, !triggers.is_empty())?;
    let stored = tx.job(&job.key)?.map(|job| tx.triggers_of(job.id)).transpose()?.unwrap_or_default();
    for trigger in triggers {
        applied.merge(&put_trigger(tx, now, trigger)?);
    }
    for gone in stored.iter().filter(|old| old.pending.is_none()) {
        if !triggers.iter().any(|trigger| trigger.key == gone.definition.key) {
            applied.merge(&delete_trigger(tx, now, gone)?);
        }
    }
    Ok(applied)
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
            Ok(Applied { updated: 1, ..Applied::default() })
        }
    }
}

fn put_trigger<T: DefinitionTx>(tx: &mut T, now: Timestamp, trigger: &Trigger) -> Result<Applied, T::Error> {
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
            Some(calendar) => Some(calendar),
            None => return Err(invalid(format!("no calendar {name:?} is stored"))),
        },
    };
    let Some(job) = tx.job(&trigger.job)? else {
        return Err(ChangeError::NoSuchJob(trigger.job.clone()).into());
    };
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
    replace_trigger(tx, now, trigger, old, calendar.as_ref())
}

fn insert_trigger<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &Trigger,
    job: &StoredJob,
    calendar: Option<&Calendar>,
) -> Result<Applied, T::Error> {
    let anchor = whole_millis(trigger.start.unwrap_or(now));
    let window = Window { start: anchor, end: trigger.end };
    let Some(first) = Occurrences::new(&trigger.schedule, window).with_calendar(calendar).first() else {
        return Err(ChangeError::NeverFires(trigger.key.clone()).into());
    };
    let paused = tx.group_paused(trigger.key.group())?;
    tx.insert_trigger(&StoredTrigger {
        id: 0,
        job_id: job.id,
        definition: trigger.clone(),
        state: if paused { TriggerState::Paused } else { TriggerState::Waiting },
        anchor,
        rebased: None,
        next_fire_at: Some(first),
        previous_fire_at: None,
        fired: 0,
        skipped: 0,
        // A cron schedule drops the milliseconds of its start, so its first instant may lie before the anchor.
        accounted_from: first.min(anchor),
        pending: None,
        error: None,
        created_at: now,
        updated_at: now,
    })?;
    let next_due = (!paused).then_some(first);
    Ok(Applied { created: 1, next_due, ..Applied::default() })
}

/// Replaces a definition. One whose fire times are the same goes on where it is; otherwise the overdue instants
/// of the old schedule are given up and the new one starts from `now`.
fn replace_trigger<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &Trigger,
    old: StoredTrigger,
    calendar: Option<&Calendar>,
) -> Result<Applied, T::Error> {
    let same_instants = old.state != TriggerState::Error
        && old.definition.schedule == trigger.schedule
        && old.definition.start == trigger.start
        && old.definition.end == trigger.end
        && old.definition.calendar == trigger.calendar;
    let mut new = StoredTrigger { definition: trigger.clone(), updated_at: now, ..old.clone() };
    if !same_instants {
        write_skips(tx, &old, now, SkipReason::Replaced)?;
        new.anchor = whole_millis(trigger.start.unwrap_or(now));
        new.rebased = None;
        new.error = None;
        let window = Window { start: new.anchor, end: trigger.end };
        let occurrences = Occurrences::new(&trigger.schedule, window).with_calendar(calendar);
        // A single instant in the past means "as soon as possible"; of a series, only what is still to come.
        let first = match trigger.schedule {
            Schedule::Once => occurrences.first(),
            _ => occurrences.at_or_after(now.max(new.anchor)),
        };
        let Some(first) = first else { return Err(ChangeError::NeverFires(trigger.key.clone()).into()) };
        new.next_fire_at = Some(first);
        new.accounted_from = first;
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
        Some(name) => tx.calendar(name),
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
    if trigger.next_fire_at.is_none() {
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
    trigger.error = None;
    let calendar = calendar_of(tx, &trigger)?;
    let plan = firing::give_up(&trigger, calendar.as_ref(), now, SkipReason::Misfire);
    go_on(tx, now, &mut trigger, &plan)
}

fn trigger_now<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    key: &JobKey,
    data: &Data,
) -> Result<Applied, T::Error> {
    let Some(job) = tx.job(key)? else { return Err(ChangeError::NoSuchJob(key.clone()).into()) };
    let name = TriggerKey::stored(MANUAL_GROUP, tx.next_id()?.to_string());
    let pending =
        Pending { cause: Cause::Manual, attempt: 1, origin: None, scheduled_at: now, trigger: None };
    let definition = Trigger::once(name.clone(), key.clone(), now).data(data.clone());
    tx.insert_trigger(&pending_trigger(definition, &job, now, pending, now))?;
    Ok(Applied { created: 1, pending: Some(name), next_due: Some(now), ..Applied::default() })
}

/// What the pending run of a fire needs to know of the fire's row.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenFire {
    /// The fire.
    pub id: FireId,
    /// The trigger whose instant it is.
    pub trigger: TriggerKey,
    /// The instant.
    pub scheduled_at: Timestamp,
    /// Its attempt, counted from 1.
    pub attempt: u32,
    /// The first attempt of the same fire.
    pub origin: FireId,
    /// Why it ran.
    pub cause: Cause,
}

/// The pending run that tries a failed fire again at `at`.
pub fn retried(fire: &OpenFire, job: &StoredJob, data: Data, at: Timestamp, now: Timestamp) -> StoredTrigger {
    again(fire, job, data, (Cause::Retry, RETRY_GROUP), at, now)
}

/// The pending run that repeats, now, a fire whose node was lost.
pub fn recovered(fire: &OpenFire, job: &StoredJob, data: Data, now: Timestamp) -> StoredTrigger {
    again(fire, job, data, (Cause::Recovery, RECOVERY_GROUP), now, now)
}

fn again(
    fire: &OpenFire,
    job: &StoredJob,
    data: Data,
    (cause, group): (Cause, &str),
    at: Timestamp,
    now: Timestamp,
) -> StoredTrigger {
    let attempt = fire.attempt.saturating_add(1);
    let key = TriggerKey::stored(group, format!("{}.{attempt}", fire.origin));
    let pending = Pending {
        cause,
        attempt,
        origin: Some(fire.origin),
        scheduled_at: fire.scheduled_at,
        trigger: Some(fire.trigger.clone()),
    };
    pending_trigger(Trigger::once(key, job.detail.key.clone(), at).data(data), job, at, pending, now)
}

/// The pending run of a fire that was handed back: due again for the same instant, as the same attempt.
pub fn released(fire: &OpenFire, job: &StoredJob, data: Data, now: Timestamp) -> StoredTrigger {
    let key = TriggerKey::stored(RELEASED_GROUP, fire.id.to_string());
    let pending = Pending {
        cause: fire.cause,
        attempt: fire.attempt,
        origin: (fire.origin != fire.id).then_some(fire.origin),
        scheduled_at: fire.scheduled_at,
        trigger: Some(fire.trigger.clone()),
    };
    let trigger = Trigger::once(key, job.detail.key.clone(), fire.scheduled_at).data(data);
    pending_trigger(trigger, job, fire.scheduled_at, pending, now)
}

/// A stored trigger for a single pending run, due at `at`.
fn pending_trigger(
    definition: Trigger,
    job: &StoredJob,
    at: Timestamp,
    pending: Pending,
    now: Timestamp,
) -> StoredTrigger {
    StoredTrigger {
        id: 0,
        job_id: job.id,
        definition,
        state: TriggerState::Waiting,
        anchor: at,
        rebased: None,
        next_fire_at: Some(at),
        previous_fire_at: None,
        fired: 0,
        skipped: 0,
        accounted_from: at,
        pending: Some(pending),
        error: None,
        created_at: now,
        updated_at: now,
    }
}
