//! Pending runs: single runs that wait for their time, stored as triggers that fire once.

use jiff::Timestamp;

use crate::firing::Later;
use crate::{
    Cause, Data, FireId, JobDetail, Lane, Pending, StoredJob, StoredTrigger, Trigger, TriggerKey,
    TriggerState,
};

/// The trigger group of runs asked for by hand.
pub const MANUAL_GROUP: &str = "PUNCTUAL.MANUAL";
/// The trigger group of runs that an event made.
pub const EVENT_GROUP: &str = "PUNCTUAL.EVENT";
/// The trigger group of retries that wait for their time.
pub const RETRY_GROUP: &str = "PUNCTUAL.RETRY";
/// The trigger group of runs that recovery repeats.
pub const RECOVERY_GROUP: &str = "PUNCTUAL.RECOVERY";
/// The trigger group of fires that a node handed back without having started them.
pub const RELEASED_GROUP: &str = "PUNCTUAL.RELEASED";
/// The trigger group of missed instants that wait for their turn in a catch-up.
pub const CATCH_UP_GROUP: &str = "PUNCTUAL.CATCH_UP";
/// The trigger groups of single runs.
pub const GROUPS: [&str; 6] =
    [MANUAL_GROUP, EVENT_GROUP, RETRY_GROUP, RECOVERY_GROUP, RELEASED_GROUP, CATCH_UP_GROUP];

/// Whether a group is one of the scheduler's own, for jobs and triggers: `PUNCTUAL`, and all that begin with `PUNCTUAL.`.
pub fn is_own_group(group: &str) -> bool {
    group.strip_prefix("PUNCTUAL").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
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

/// A run asked for by hand, for an instant and the trigger that it belongs to, if to any; named by a number that no
/// fire has had.
pub fn by_hand(
    id: FireId,
    job: &StoredJob,
    (of, scheduled_at): (Option<&TriggerKey>, Timestamp),
    data: Data,
    now: Timestamp,
) -> StoredTrigger {
    let pending =
        Pending { cause: Cause::Manual, attempt: 1, origin: None, scheduled_at, trigger: of.cloned() };
    let name = TriggerKey::stored(MANUAL_GROUP, id.to_string());
    trigger(Trigger::once(name, job.detail.key.clone(), now).data(data), job, now, pending, now)
}

/// A run of a trigger that waits for events, named by a number that no fire has had.
pub fn by_event(
    id: FireId,
    of: &StoredTrigger,
    job: &StoredJob,
    data: Data,
    now: Timestamp,
) -> StoredTrigger {
    let key = of.definition.key.clone();
    let pending =
        Pending { cause: Cause::Event, attempt: 1, origin: None, scheduled_at: now, trigger: Some(key) };
    let name = TriggerKey::stored(EVENT_GROUP, id.to_string());
    let definition =
        Trigger::once(name, job.detail.key.clone(), now).data(data).priority(of.definition.priority);
    trigger(definition, job, now, pending, now)
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
    trigger(Trigger::once(key, job.detail.key.clone(), at).data(data), job, at, pending, now)
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
    let definition = Trigger::once(key, job.detail.key.clone(), fire.scheduled_at).data(data);
    trigger(definition, job, fire.scheduled_at, pending, now)
}

/// The pending runs of a catch-up whose first one is `first`.
pub fn caught_up(
    first: FireId,
    of: &StoredTrigger,
    job: &StoredJob,
    later: &[Later],
    now: Timestamp,
) -> Vec<StoredTrigger> {
    let run = |(place, later): (usize, &Later)| {
        let key = TriggerKey::stored(CATCH_UP_GROUP, format!("{first}.{}", place + 2));
        let pending = Pending {
            cause: Cause::Schedule,
            attempt: 1,
            origin: None,
            scheduled_at: later.scheduled_at,
            trigger: Some(of.definition.key.clone()),
        };
        let definition = Trigger::once(key, job.detail.key.clone(), later.due_at)
            .data(of.definition.data.clone())
            .priority(of.definition.priority);
        trigger(definition, job, later.due_at, pending, now)
    };
    later.iter().enumerate().map(run).collect()
}

/// The lane of a run that exists already and must not be lost: data that lacks what the job's concurrency key asks for is
/// counted with the job's own runs.
pub(crate) fn lane_of(job_id: i64, job: &JobDetail, data: &Data) -> Option<Lane> {
    Lane::of(job_id, job, data).unwrap_or(Some(Lane { id: job_id, limit: 1, overlap: job.overlap }))
}

/// A stored trigger for a single pending run, due at `at`.
fn trigger(
    definition: Trigger,
    job: &StoredJob,
    at: Timestamp,
    pending: Pending,
    now: Timestamp,
) -> StoredTrigger {
    let lane = lane_of(job.id, &job.detail, &definition.data);
    StoredTrigger {
        id: 0,
        job_id: job.id,
        definition,
        lane,
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
        readable: true,
        created_at: now,
        updated_at: now,
    }
}
