//! Events that are emitted, and the runs that they make.

use jiff::Timestamp;
use punctual_schedule::EventSchedule;

use super::DefinitionTx;
use super::triggers::calendar_of;
use crate::{Applied, ChangeError, Data, Skip, SkipReason, StoredTrigger, TriggerState, pending};

/// Stores one pending run for each trigger that waits for the event. The runs are stored when this is, so that a crash
/// right afterwards loses none.
pub(super) fn emit<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    event: &str,
    payload: &Data,
) -> Result<Applied, T::Error> {
    check_name(event)?;
    let mut applied = Applied::default();
    let mut runs = Vec::new();
    for mut trigger in tx.triggers_on_event(event)? {
        if !is_open(tx, &trigger, now)? {
            continue;
        }
        if let Some(reason) = refused(trigger.state) {
            tx.add_skip(&trigger, &Skip { first: now, last: now, count: 1, reason }, now)?;
            applied.unchanged += 1;
            continue;
        }
        let Some(job) = tx.job_by_id(trigger.job_id)? else { continue };
        let data = &trigger.definition.data;
        // Data that cannot be read lets its own run fail and say so, and the other triggers fire.
        let data = data.merged(payload).unwrap_or_else(|_| data.clone());
        runs.push(pending::by_event(tx.next_id()?, &trigger, &job, data, now));
        trigger.previous_fire_at = Some(now);
        tx.update_trigger(&trigger)?;
    }
    for run in &runs {
        tx.insert_trigger(run)?;
        applied.created += 1;
        applied.next_due = Some(now);
    }
    Ok(applied)
}

pub(super) fn check_name(event: &str) -> Result<(), ChangeError> {
    if EventSchedule::is_name(event) {
        return Ok(());
    }
    Err(ChangeError::InvalidEventName(event.chars().take(80).collect()))
}

/// Whether events of this moment concern the trigger: within its start (included) and end (excluded), and no time that
/// its calendar excludes.
fn is_open<T: DefinitionTx>(tx: &mut T, trigger: &StoredTrigger, now: Timestamp) -> Result<bool, T::Error> {
    let definition = &trigger.definition;
    if definition.start.is_some_and(|start| now < start) || definition.end.is_some_and(|end| end <= now) {
        return Ok(false);
    }
    let calendar = calendar_of(tx, trigger)?;
    Ok(calendar.is_none_or(|calendar| calendar.next_included(now) == Some(now)))
}

/// Why a trigger makes no run, if so; the event is then recorded as skipped.
fn refused(state: TriggerState) -> Option<SkipReason> {
    match state {
        TriggerState::Waiting | TriggerState::Complete => None,
        TriggerState::Paused => Some(SkipReason::Paused),
        TriggerState::Error => Some(SkipReason::Misfire),
    }
}
