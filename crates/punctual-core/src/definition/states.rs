//! Triggers that pause, go on, and leave the error state.

use jiff::Timestamp;

use super::DefinitionTx;
use super::jobs::collect_job;
use super::triggers::calendar_of;
use crate::firing::{self, FiringPlan, SkipReason};
use crate::{Applied, ChangeError, StoredTrigger, TriggerState};

pub(super) fn pause<T: DefinitionTx>(
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

pub(super) fn go_on<T: DefinitionTx>(
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

pub(super) fn resume<T: DefinitionTx>(
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

pub(super) fn reset<T: DefinitionTx>(
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
