//! Runs that are asked for by hand, at once or as requests that are carried out later.

use jiff::Timestamp;

use super::triggers::lane_of;
use super::{DefinitionTx, events};
use crate::asked::{Request, Wanted};
use crate::time::whole_millis;
use crate::{Applied, Change, ChangeError, Data, FireId, JobKey, StoredTrigger, TriggerKey, pending};

/// What [`Change::TriggerNow`] and [`Change::RunFor`] have in common.
pub(super) struct Asked<'a> {
    pub(super) job: &'a JobKey,
    pub(super) trigger: Option<&'a TriggerKey>,
    pub(super) scheduled_at: Timestamp,
    pub(super) data: &'a Data,
}

/// Stores a pending run.
pub(super) fn trigger_now<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    asked: &Asked<'_>,
) -> Result<Applied, T::Error> {
    let id = tx.next_id()?;
    run(tx, now, id, asked)
}

/// Checks what a change asks for, as [`super::apply`] would, without changing anything; the request for it, and what can
/// be said of the outcome by now: the key of the pending run, but not how many triggers an event will find. `None` for
/// changes that cannot wait as a request.
pub fn request<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    change: &Change,
) -> Result<Option<(Request, Applied)>, T::Error> {
    let now = whole_millis(now);
    let (job, trigger, instant, data) = match change {
        Change::TriggerNow { job, data } => (job, None, None, data),
        Change::RunFor { job, trigger, scheduled_at, data } => {
            (job, trigger.as_ref(), Some(whole_millis(*scheduled_at)), data)
        }
        Change::Emit { event, payload } => {
            events::check_name(event)?;
            let wanted = Wanted::Event { name: event.clone() };
            return Ok(Some((Request { wanted, data: payload.clone() }, Applied::default())));
        }
        _ => return Ok(None),
    };
    let id = tx.next_id()?;
    let run = pending_run(tx, now, id, &Asked { job, trigger, scheduled_at: instant.unwrap_or(now), data })?;
    let wanted = Wanted::Run { id, job: job.clone(), trigger: trigger.cloned(), scheduled_at: instant };
    Ok(Some((Request { wanted, data: data.clone() }, stored(&run, now))))
}

/// Carries a request out. What it refuses it refuses before it writes anything.
pub fn carry_out<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    request: &Request,
) -> Result<Applied, T::Error> {
    let now = whole_millis(now);
    match &request.wanted {
        Wanted::Run { id, job, trigger, scheduled_at } => {
            let scheduled_at = scheduled_at.unwrap_or(now);
            run(tx, now, *id, &Asked { job, trigger: trigger.as_ref(), scheduled_at, data: &request.data })
        }
        Wanted::Event { name } => events::emit(tx, now, name, &request.data),
    }
}

fn run<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    id: FireId,
    asked: &Asked<'_>,
) -> Result<Applied, T::Error> {
    let run = pending_run(tx, now, id, asked)?;
    tx.insert_trigger(&run)?;
    Ok(stored(&run, now))
}

fn stored(run: &StoredTrigger, now: Timestamp) -> Applied {
    let pending = Some(run.definition.key.clone());
    Applied { created: 1, pending, next_due: Some(now), ..Applied::default() }
}

/// The run, unless there is no such job, or its data lacks what the job's concurrency key asks for.
fn pending_run<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    id: FireId,
    asked: &Asked<'_>,
) -> Result<StoredTrigger, T::Error> {
    let Some(job) = tx.job(asked.job)? else {
        return Err(ChangeError::NoSuchJob(asked.job.clone()).into());
    };
    let stored = match asked.trigger {
        None => None,
        Some(key) => tx.trigger(key)?.filter(|stored| stored.job_id == job.id && stored.readable),
    };
    let data = match stored {
        None => asked.data.clone(),
        Some(stored) => stored.definition.data.merged(asked.data).map_err(|error| {
            ChangeError::InvalidTrigger(stored.definition.key.clone(), format!("its data: {error}"))
        })?,
    };
    let run = pending::by_hand(id, &job, (asked.trigger, asked.scheduled_at), data, now);
    lane_of(job.id, &job.detail, &run.definition)?;
    Ok(run)
}
