//! Jobs that come, change and go, with the triggers they bring.

use jiff::Timestamp;
use punctual_schedule::{Occurrences, Schedule, Window};

use super::DefinitionTx;
use super::triggers::{delete_trigger, delete_triggers_of, lane_of, put_trigger};
use crate::time::whole_millis;
use crate::{
    Applied, Bounded, ChangeError, JobDetail, JobKey, StoredJob, StoredTrigger, Trigger, TriggerKey,
};

/// A job with its triggers, pending runs included, as it was before an edit.
pub(super) struct Before {
    pub(super) job: StoredJob,
    pub(super) triggers: Vec<StoredTrigger>,
}

/// Also returns what was there before.
pub(super) fn schedule<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    job: &JobDetail,
    triggers: &[Trigger],
) -> Result<(Applied, Option<Before>), T::Error> {
    if let Some(stray) = triggers.iter().find(|trigger| trigger.job != job.key) {
        return Err(ChangeError::InvalidTrigger(
            stray.key.clone(),
            format!("it names job {}, but is scheduled with job {}", stray.job, job.key),
        )
        .into());
    }
    let old = tx.job(&job.key)?;
    let detail = JobDetail { bounded: triggers.iter().filter_map(Bounded::of).collect(), ..job.clone() };
    let mut applied = put_job(tx, now, &detail, !triggers.is_empty())?;
    let stored = tx.job(&job.key)?.map(|job| tx.triggers_of(job.id)).transpose()?.unwrap_or_default();
    for trigger in triggers {
        let is_stored = stored.iter().any(|old| old.definition.key == trigger.key);
        if !is_stored && old.as_ref().is_some_and(|old| has_completed(&old.detail, trigger, now)) {
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
    Ok((applied, old.map(|job| Before { job, triggers: stored })))
}

/// Deletes a job with its triggers, if it is stored.
pub(super) fn delete<T: DefinitionTx>(tx: &mut T, now: Timestamp, key: &JobKey) -> Result<Applied, T::Error> {
    let Some(job) = tx.job(key)? else { return Ok(Applied::default()) };
    let mut applied = delete_triggers_of(tx, now, &job)?;
    tx.delete_job(job.id)?;
    applied.deleted += 1;
    Ok(applied)
}

/// Whether a trigger that is not stored was stored with its job and has completed, at `now`: [`crate::Change::Schedule`]
/// leaves it away. `old` is the job as it is stored.
pub fn has_completed(old: &JobDetail, trigger: &Trigger, now: Timestamp) -> bool {
    is_over(trigger, now) || Bounded::of(trigger).is_some_and(|bounded| old.bounded.contains(&bounded))
}

/// Whether all instants of a trigger have passed at `now`, whenever it is stored.
fn is_over(trigger: &Trigger, now: Timestamp) -> bool {
    let Some(start) = trigger.start else { return false };
    let window = Window { start: whole_millis(start), end: trigger.end };
    // A fixed delay goes on after the one instant that is known.
    let known = !matches!(trigger.schedule, Schedule::FixedDelay(_));
    known && Occurrences::new(&trigger.schedule, window).last().is_some_and(|last| last <= now)
}

/// The definition of a job alone, with what the stored job of its key remembers.
pub(super) fn remembering<T: DefinitionTx>(tx: &mut T, job: &JobDetail) -> Result<JobDetail, T::Error> {
    let bounded = tx.job(&job.key)?.map(|old| old.detail.bounded.clone()).unwrap_or_default();
    Ok(JobDetail { bounded, ..job.clone() })
}

/// Forgets triggers that somebody deletes, so that they come back when they are declared again.
pub(super) fn forget<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    job_id: i64,
    gone: impl Fn(&TriggerKey) -> bool,
) -> Result<(), T::Error> {
    let Some(job) = tx.job_by_id(job_id)? else { return Ok(()) };
    if !job.detail.bounded.iter().any(|bounded| gone(bounded.trigger())) {
        return Ok(());
    }
    let mut detail = (*job.detail).clone();
    detail.bounded.retain(|bounded| !gone(bounded.trigger()));
    tx.update_job(&job, &detail, now)
}

pub(super) fn put_job<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    job: &JobDetail,
    triggers_follow: bool,
) -> Result<Applied, T::Error> {
    job.check().map_err(|problem| ChangeError::InvalidJob(job.key.clone(), problem))?;
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
        Some(old) if old.detail.as_given() == job.as_given() => {
            // What is remembered beside the definition is no edit of it.
            tx.update_job(&old, job, old.updated_at)?;
            Ok(Applied { unchanged: 1, ..Applied::default() })
        }
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
