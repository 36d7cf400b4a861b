//! Triggers that come, change and go.

use jiff::Timestamp;
use punctual_schedule::{Calendar, Occurrences, Schedule, Window};

use super::{DefinitionTx, runs};
use crate::firing::{self, SkipReason};
use crate::time::whole_millis;
use crate::{
    Applied, ChangeError, JobDetail, Lane, StoredJob, StoredTrigger, Trigger, TriggerState, pending,
};

pub(super) fn put_trigger<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &Trigger,
) -> Result<Applied, T::Error> {
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

/// Checks a definition; its job and its calendar, which have to be stored.
pub(super) fn checked<T: DefinitionTx>(
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

pub(super) fn lane_of(job_id: i64, job: &JobDetail, trigger: &Trigger) -> Result<Option<Lane>, ChangeError> {
    if trigger.schedule.event().is_some() {
        // The event brings the data that the key may ask for, and the lane of each run is found then.
        return Ok(pending::lane_of(job_id, job, &trigger.data));
    }
    Lane::of(job_id, job, &trigger.data)
        .map_err(|problem| ChangeError::InvalidTrigger(trigger.key.clone(), problem))
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

pub(super) fn store_new<T: DefinitionTx>(tx: &mut T, new: &StoredTrigger) -> Result<Applied, T::Error> {
    tx.insert_trigger(new)?;
    let next_due = new.next_fire_at.filter(|_| new.state == TriggerState::Waiting);
    Ok(Applied { created: 1, next_due, ..Applied::default() })
}

/// A trigger that begins.
pub(super) fn new_trigger<T: DefinitionTx>(
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

pub(super) fn calendar_of<T: DefinitionTx>(
    tx: &mut T,
    trigger: &StoredTrigger,
) -> Result<Option<Calendar>, T::Error> {
    match &trigger.definition.calendar {
        Some(name) => Ok(tx.calendar(name)?.map(|stored| stored.calendar)),
        None => Ok(None),
    }
}

pub(super) fn write_skips<T: DefinitionTx>(
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

pub(super) fn delete_trigger<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    trigger: &StoredTrigger,
) -> Result<Applied, T::Error> {
    write_skips(tx, trigger, now, SkipReason::Ended)?;
    tx.delete_trigger(trigger)?;
    if let Some(key) = trigger.pending.as_ref().and_then(|run| run.trigger.as_ref()) {
        // A further attempt that does not happen ends the fire for good.
        runs::ended(tx, now, key)?;
    }
    Ok(Applied { deleted: 1, ..Applied::default() })
}

pub(super) fn delete_triggers_of<T: DefinitionTx>(
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
