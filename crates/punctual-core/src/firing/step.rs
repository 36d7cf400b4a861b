//! What a claim does with a due trigger, whatever the store.

use jiff::Timestamp;
use punctual_schedule::Calendar;

use super::{FiringPlan, Skip, SkipReason, advance, plan, plan_overlap};
use crate::{
    Cause, Fire, FireId, Overlap, Pending, StoredJob, StoredTrigger, Then, TriggerKey, TriggerState, pending,
};

/// What a due trigger does while a number of runs are open in its lane.
#[derive(Clone, Debug, PartialEq)]
pub enum AtGate {
    /// It does what the plan says.
    Goes(FiringPlan),
    /// The lane is full, and the oldest of its runs is asked to stop ([`cancel_reason`]).
    Cancels,
    /// The lane is full, and it waits.
    Waits,
}

/// Decides what a due trigger does while `open` runs are open in its lane; without a lane, as [`plan`] says.
pub fn plan_in_lane(
    trigger: &StoredTrigger,
    calendar: Option<&Calendar>,
    open: u64,
    now: Timestamp,
) -> AtGate {
    match trigger.lane.filter(|lane| !lane.has_room(open)).map(|lane| lane.overlap) {
        None => AtGate::Goes(plan(trigger, calendar, now)),
        Some(Overlap::Queue) => AtGate::Waits,
        Some(_) if trigger.pending.is_some() => AtGate::Waits,
        Some(Overlap::Skip) => AtGate::Goes(plan_overlap(trigger, calendar, now)),
        Some(Overlap::Cancel) => AtGate::Cancels,
    }
}

/// Why a run is asked to stop when `trigger` is due and its overlap policy is to cancel.
pub fn cancel_reason(trigger: &StoredTrigger) -> String {
    let key = &trigger.definition.key;
    match trigger.next_fire_at {
        Some(due) => format!("trigger {key} is due for {due}, and its job's overlap policy is to cancel"),
        None => format!("trigger {key} is due, and its job's overlap policy is to cancel"),
    }
}

/// What is to be written when a due trigger has done what its plan says.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The trigger whose instants these are: for a pending run, the one that it stands for.
    pub key: TriggerKey,
    /// The fire that it made.
    pub fire: Option<Fire>,
    /// The instants that it gave up, each with the fire into which they are coalesced.
    pub skipped: Vec<(Skip, Option<FireId>)>,
    /// The pending runs of a catch-up.
    pub later: Vec<StoredTrigger>,
    /// Whether its own row goes now; otherwise it is written as it stands.
    pub gone: bool,
    /// Whether its schedule ended without a fire, so that its job may have nothing left.
    pub over: bool,
}

/// Lets `trigger` do at `now` what `plan` says. `id` is the number of its fire, if it makes one, and `fired_at` when that
/// starts: not before the end of the runs whose room in a lane it takes.
pub fn step(
    trigger: &mut StoredTrigger,
    job: &StoredJob,
    plan: &FiringPlan,
    id: Option<FireId>,
    (now, fired_at): (Timestamp, Timestamp),
) -> Step {
    let id = id.filter(|_| plan.fire.is_some());
    let later = id.map(|first| pending::caught_up(first, trigger, job, &plan.later, now));
    let pending = trigger.pending.take();
    let run = pending.as_ref();
    let key = run.and_then(|run| run.trigger.clone()).unwrap_or_else(|| trigger.definition.key.clone());
    let into = |skip: &Skip| id.filter(|_| skip.reason == SkipReason::Coalesced);
    advance(trigger, plan);
    let then = then(trigger, run);
    let fire = id.zip(plan.fire).map(|(id, planned)| Fire {
        id,
        job: job.detail.clone(),
        trigger: key.clone(),
        trigger_data: trigger.definition.data.clone(),
        cause: run.map_or(Cause::Schedule, |run| run.cause),
        attempt: run.map_or(1, |run| run.attempt),
        origin: run.and_then(|run| run.origin).unwrap_or(id),
        scheduled_at: run.map_or(planned, |run| run.scheduled_at),
        fired_at,
        then,
    });
    let over = then == Then::Ends && fire.is_none();
    Step {
        key,
        skipped: plan.skipped.iter().map(|skip| (*skip, into(skip))).collect(),
        later: later.unwrap_or_default(),
        gone: run.is_some() || over,
        over,
        fire,
    }
}

/// What becomes of a trigger, which has moved on already, when the fire that a claim made of it has ended.
fn then(trigger: &StoredTrigger, pending: Option<&Pending>) -> Then {
    match pending {
        Some(run) if run.cause == Cause::Event => Then::GoesOn,
        // A retry, say, of a trigger that waits for the end of its run.
        Some(run) if run.trigger.is_some() => Then::MayAwait,
        Some(_) => Then::GoesOn,
        None if trigger.state == TriggerState::Complete => Then::Ends,
        None if trigger.awaits_end() => Then::MayAwait,
        None => Then::GoesOn,
    }
}
