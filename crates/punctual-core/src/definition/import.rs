//! Triggers that come from another scheduler, and go on where they stood there.

use jiff::Timestamp;
use punctual_schedule::{Calendar, Repeat, Schedule};

use super::DefinitionTx;
use super::jobs::put_job;
use super::triggers::{checked, new_trigger, store_new};
use crate::time::whole_millis;
use crate::{Applied, Arrival, ChangeError, JobDetail, StoredTrigger, TriggerState};

pub(super) fn import<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    job: &JobDetail,
    arrivals: &[Arrival],
) -> Result<Applied, T::Error> {
    if tx.job(&job.key)?.is_some() {
        let problem =
            "a job of this key is stored already: delete it first, or leave this one out".to_owned();
        return Err(ChangeError::InvalidJob(job.key.clone(), problem).into());
    }
    let mut applied = put_job(tx, now, job, !arrivals.is_empty())?;
    for arrival in arrivals {
        let trigger = &arrival.trigger;
        if trigger.job != job.key {
            let problem = format!("it names job {}, but comes with job {}", trigger.job, job.key);
            return Err(ChangeError::InvalidTrigger(trigger.key.clone(), problem).into());
        }
        if tx.trigger(&trigger.key)?.is_some() {
            return Err(ChangeError::TriggerExists(trigger.key.clone()).into());
        }
        let (job, calendar) = checked(tx, trigger)?;
        let mut new = new_trigger(tx, now, trigger, &job, calendar.as_ref())?;
        go_on(&mut new, arrival, calendar.as_ref())?;
        applied.merge(&store_new(tx, &new)?);
    }
    Ok(applied)
}

/// Puts a new trigger where it stood. Its account begins there: what was before is the other scheduler's.
fn go_on(new: &mut StoredTrigger, arrival: &Arrival, calendar: Option<&Calendar>) -> Result<(), ChangeError> {
    let key = &arrival.trigger.key;
    let from = whole_millis(arrival.next_fire_at);
    if let Some(left) = arrival.repeats_left {
        new.rebased = Some(match &arrival.trigger.schedule {
            Schedule::Simple(simple) => Schedule::Simple(simple.with_repeat(Repeat::Times(left))),
            Schedule::DailyTimeInterval(daily) => {
                Schedule::DailyTimeInterval(daily.clone().with_repeat(Repeat::Times(left)))
            }
            other => {
                let problem =
                    format!("repeats are left, but a schedule of type {} counts none", other.kind());
                return Err(ChangeError::InvalidTrigger(key.clone(), problem));
            }
        });
        new.anchor = from;
    }
    let next = new.occurrences(calendar).at_or_after(from);
    let Some(next) = next else { return Err(ChangeError::NeverFires(key.clone())) };
    new.next_fire_at = Some(next);
    new.accounted_from = next;
    new.previous_fire_at = arrival.previous_fire_at.map(whole_millis);
    if arrival.paused {
        new.state = TriggerState::Paused;
    }
    Ok(())
}
