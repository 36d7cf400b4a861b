//! Claim, complete, release, recover.

use jiff::Timestamp;
use punctual_core::definition;
use punctual_core::firing::{self, AtGate};
use punctual_core::pending::{self, OpenFire};
use punctual_core::recovery::{self, Orphan};
use punctual_core::time::{from_millis, to_millis, whole_millis};
use punctual_core::{
    CancelledFire, Claim, Claimed, Completed, Completion, Data, Fire, FireId, LostNode, Node, Outcome,
    Recovered, Recovery, SkippedRange, StoreError, StoredJob, StoredTrigger, TaskHistory, TaskStatus, Term,
    Then, TriggerState,
};

use crate::state::{Row, State};
use crate::tx::Tx;

pub(crate) fn claim(state: &mut State, node: &Node, claim: &Claim<'_>) -> Claimed {
    let mut claimed = Claimed::default();
    let now = whole_millis(claim.now);
    let mut free: Vec<usize> = claim.kinds.iter().map(|slots| slots.free).collect();
    while claimed.fires.len() < claim.limit {
        let heads = claim.kinds.iter().enumerate().filter(|(at, _)| free[*at] > 0);
        let next = heads
            .filter_map(|(at, slots)| state.head(&slots.kind).map(|head| (head, at)))
            .filter(|(head, _)| head.0 <= to_millis(now))
            .min();
        let Some(((_, _, trigger_id), at)) = next else { break };
        let Some(trigger) = state.triggers.get(&trigger_id).cloned() else { break };
        let Some(job) = state.jobs.get(&trigger.job_id).cloned() else { break };
        if take(state, node, now, trigger, &job, &mut claimed) {
            free[at] -= 1;
        }
    }
    let heads = claim.kinds.iter().filter_map(|slots| state.head(&slots.kind));
    claimed.next_due = heads.map(|head| from_millis(head.0)).min();
    claimed
}

/// Asks the oldest run of a full lane to stop.
fn cancel_oldest(state: &mut State, trigger: &StoredTrigger, claimed: &mut Claimed) {
    let Some(id) = trigger.lane.and_then(|lane| state.lanes.fires(lane.id).next()) else { return };
    let Some(term) = state.history.get(&id).map(|row| row.term) else { return };
    let reason = firing::cancel_reason(trigger);
    state.request_cancel(id, &reason);
    claimed.cancelled.push(CancelledFire { id, term, reason });
}

/// Lets a due trigger do what its plan says; whether it fired.
fn take(
    state: &mut State,
    node: &Node,
    now: Timestamp,
    mut trigger: StoredTrigger,
    job: &StoredJob,
    claimed: &mut Claimed,
) -> bool {
    let open = trigger.lane.map_or(0, |lane| state.lanes.open(lane.id));
    let calendar = trigger.definition.calendar.as_ref().and_then(|name| state.calendars.get(name));
    let plan = match firing::plan_in_lane(&trigger, calendar.map(|stored| &stored.calendar), open, now) {
        AtGate::Goes(plan) => plan,
        AtGate::Cancels => {
            cancel_oldest(state, &trigger, claimed);
            return false;
        }
        // A full lane shows only triggers whose overlap policy has something to do.
        AtGate::Waits => return false,
    };
    let fire_id = plan.fire.map(|_| FireId(state.next_id()));
    // A run of the lane may have ended while this claim was on its way.
    let fired_at = trigger.lane.map_or(now, |_| now.max(state.last_end));
    let step = firing::step(&mut trigger, job, &plan, fire_id, (now, fired_at));
    for run in step.later {
        insert_pending(state, run);
    }
    for (skip, fire) in step.skipped {
        let (trigger, job) = (step.key.clone(), job.detail.key.clone());
        let id = state.next_id();
        state.skipped.push(SkippedRange { id, trigger, job, skip, recorded_at: now, fire });
        claimed.skipped.push((step.key.clone(), skip));
    }
    let (id, lane) = (trigger.id, trigger.lane.map(|lane| lane.id));
    state.set_trigger(id, (!step.gone).then_some(trigger));
    let Some(fire) = step.fire else {
        if step.gone {
            collect(state, job.id);
        }
        return false;
    };
    state.open_fire(row_of(&fire, node, (job.id, id, lane)));
    claimed.fires.push(fire);
    true
}

fn row_of(fire: &Fire, node: &Node, (job_id, trigger_id, lane): (i64, i64, Option<i64>)) -> Row {
    let entry = TaskHistory {
        id: fire.id,
        task: fire.job.key.name().to_owned(),
        status: TaskStatus::Started,
        started_at: fire.fired_at,
        ended_at: None,
        duration_ms: None,
        details: None,
        db_id: None,
        job: Some(fire.job.key.clone()),
        trigger: Some(fire.trigger.clone()),
        scheduled_at: Some(fire.scheduled_at),
        node: node.name.clone(),
        term: Some(node.term),
        attempt: fire.attempt,
        origin: fire.origin,
        cause: fire.cause,
        parent: None,
        run: None,
        logs: None,
        progress: None,
    };
    Row { entry, term: node.term, job_id, trigger_id, lane, data: fire.trigger_data.clone() }
}

fn open_row(state: &State, id: FireId, term: Term) -> Option<Row> {
    let row = state.history.get(&id)?;
    (row.entry.status == TaskStatus::Started && row.term == term && row.job_id != 0).then(|| row.clone())
}

fn open_fire_of(row: &Row) -> Option<OpenFire> {
    Some(OpenFire {
        id: row.entry.id,
        trigger: row.entry.trigger.clone()?,
        scheduled_at: row.entry.scheduled_at?,
        attempt: row.entry.attempt,
        origin: row.entry.origin,
        cause: row.entry.cause,
    })
}

fn collect(state: &mut State, job_id: i64) {
    // Collecting only reads and deletes, and the memory transaction cannot fail at either.
    let _ = definition::collect_job(&mut Tx::new(state), job_id);
}

/// After a fire has ended: its finished trigger goes, and its job too when nothing is left of it.
fn settle(state: &mut State, row: &Row) {
    state.shut_fire(row.job_id, row.lane, row.entry.id);
    let finished = |trigger: &StoredTrigger| trigger.state == TriggerState::Complete;
    if state.triggers.get(&row.trigger_id).is_some_and(finished) {
        state.set_trigger(row.trigger_id, None);
    }
    collect(state, row.job_id);
}

fn insert_pending(state: &mut State, trigger: StoredTrigger) {
    let id = state.next_id();
    state.set_trigger(id, Some(StoredTrigger { id, ..trigger }));
}

pub(crate) fn complete(
    state: &mut State,
    now: Timestamp,
    done: &Completion,
) -> Result<Completed, StoreError> {
    let Some(row) = open_row(state, done.id, done.term) else { return Ok(Completed::Superseded) };
    if let (Some(retry), Some(job), Some(fire)) =
        (&done.retry, state.jobs.get(&row.job_id).cloned(), open_fire_of(&row))
    {
        insert_pending(state, pending::retried(&fire, &job, retry.data.clone(), retry.at, whole_millis(now)));
    }
    if done.keep {
        if let Some(stored) = state.history.get_mut(&done.id) {
            let (status, details) = match &done.outcome {
                Outcome::Success(details) => (TaskStatus::Success, details.clone()),
                Outcome::Failed(details) => (TaskStatus::Failed, Some(details.clone())),
            };
            stored.entry.status = status;
            stored.entry.details = details;
            stored.entry.ended_at = Some(whole_millis(done.ended_at));
            stored.entry.duration_ms = Some(done.duration_ms);
            stored.entry.logs = Some(done.logs.clone());
            if done.progress.is_some() {
                stored.entry.progress.clone_from(&done.progress);
            }
            stored.data = Data::empty();
        }
    } else {
        state.history.remove(&done.id);
    }
    if done.then == Then::MayAwait && done.retry.is_none() {
        let _ = row.entry.trigger.as_ref().map(|key| definition::ended(&mut Tx::new(state), now, key));
    }
    state.last_end = state.last_end.max(whole_millis(done.ended_at));
    settle(state, &row);
    Ok(Completed::Closed)
}

pub(crate) fn release(
    state: &mut State,
    now: Timestamp,
    term: Term,
    fire: &Fire,
) -> Result<bool, StoreError> {
    let Some(row) = open_row(state, fire.id, term) else { return Ok(false) };
    if let (Some(job), Some(open)) = (state.jobs.get(&row.job_id).cloned(), open_fire_of(&row)) {
        insert_pending(state, pending::released(&open, &job, fire.trigger_data.clone(), whole_millis(now)));
    }
    state.history.remove(&fire.id);
    settle(state, &row);
    Ok(true)
}

pub(crate) fn recover(state: &mut State, now: Timestamp) -> Result<Recovery, StoreError> {
    let now = whole_millis(now);
    let lost: Vec<FireId> = state
        .open
        .values()
        .flatten()
        .copied()
        .filter(|id| state.history.get(id).is_some_and(|row| state.live_node(row.term, now).is_none()))
        .collect();
    let mut runs = Vec::with_capacity(lost.len());
    for id in std::collections::BTreeSet::from_iter(lost) {
        let Some(row) = state.history.get(&id).cloned() else { continue };
        let (Some(job_key), Some(fire)) = (row.entry.job.clone(), open_fire_of(&row)) else { continue };
        let job = state.jobs.get(&row.job_id).cloned();
        let plan = recovery::plan(&Orphan::of(&fire, &job_key, &row.entry.node, job.as_ref()), now);
        if let (true, Some(job)) = (plan.refire, &job) {
            insert_pending(state, pending::recovered(&fire, job, row.data.clone(), now));
        }
        state.last_end = state.last_end.max(now);
        if let Some(stored) = state.history.get_mut(&id) {
            stored.entry.status = TaskStatus::Unknown;
            stored.entry.ended_at = Some(now);
            stored.entry.details = Some(plan.details);
            stored.data = Data::empty();
        }
        let refired = plan.refire && job.is_some();
        if !refired {
            definition::ended(&mut Tx::new(state), now, &fire.trigger)?;
        }
        settle(state, &row);
        runs.push(Recovered { id, job: job_key, trigger: fire.trigger, node: row.entry.node, refired });
    }
    state.close_lost_records(now);
    let mut nodes = Vec::new();
    state.nodes.retain(|term, node| {
        let live = node.lease_until > now;
        if !live {
            nodes.push(LostNode { name: node.name.clone(), term: *term, lease_until: node.lease_until });
        }
        live
    });
    Ok(Recovery { runs, nodes })
}
