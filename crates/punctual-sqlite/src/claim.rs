//! The claim: due triggers in, fires out.

use jiff::Timestamp;
use punctual_core::definition::DefinitionTx;
use punctual_core::firing::{self, AtGate};
use punctual_core::time::{from_millis, to_millis, whole_millis};
use punctual_core::{
    CancelledFire, Claimed, Fire, FireId, KindSlots, StoreError, StoredJob, StoredTrigger, Term, TriggerKey,
    TriggerState, definition,
};

use crate::error::Sql;
use crate::rows::{self, integer, json, millis};
use crate::sql;
use crate::writer::{Owner, Writer};

/// A claim with everything owned, to travel to the writing thread.
pub(crate) struct Request {
    pub(crate) term: Term,
    pub(crate) now: Timestamp,
    pub(crate) limit: usize,
    pub(crate) kinds: Vec<KindSlots>,
}

/// Due work: its place in the order, and either the trigger or, for a gate, the number of the trigger behind it.
struct Due {
    at: i64,
    rank: i64,
    kind: usize,
    trigger: Candidate,
}

enum Candidate {
    Read(Box<StoredTrigger>),
    Gate(i64),
}

/// A row that could not be read at all names itself at least.
struct Unreadable {
    id: i64,
    key: TriggerKey,
    problem: String,
}

pub(crate) fn claim(writer: &mut Writer, request: &Request) -> Result<Claimed, StoreError> {
    let now = whole_millis(request.now);
    let node: Option<String> =
        writer.one(sql::NODE_BY_TERM, (request.term.0, to_millis(request.now)), |row| row.get(0))?;
    let Some(node) = node else { return Err(StoreError::StaleTerm) };
    let mut claimed = Claimed::default();
    let kinds: Vec<Option<i64>> =
        request.kinds.iter().map(|slots| writer.known_kind(&slots.kind)).collect::<Result<_, _>>()?;
    let mut free: Vec<usize> = request.kinds.iter().map(|slots| slots.free).collect();
    let mut taken = Taken { now, node: &node, term: request.term, rows: Vec::new() };
    // A plan that only skips takes no slot, and an exclusive job's next trigger shows only once its gate has moved:
    // look again until nothing more is found or the limit is reached.
    loop {
        let room = request.limit - claimed.fires.len();
        let due = look(writer, &kinds, &free, room, now, &mut claimed)?;
        if due.is_empty() {
            break;
        }
        let mut progress = false;
        for candidate in due {
            if claimed.fires.len() == request.limit || free[candidate.kind] == 0 {
                continue;
            }
            let kind = candidate.kind;
            let before = claimed.fires.len();
            progress |= take(writer, candidate, &mut taken, &mut claimed)?;
            free[kind] -= claimed.fires.len() - before;
        }
        // Before looking again, so that what was taken is not seen as due.
        taken.write(writer)?;
        if claimed.fires.len() == request.limit || !progress {
            break;
        }
    }
    let mut next_due: Option<i64> = None;
    for kind in kinds.into_iter().flatten() {
        let at: Option<i64> = writer.one(sql::NEXT_DUE, [kind], |row| row.get(0))?.flatten();
        next_due = [next_due, at].into_iter().flatten().min();
    }
    claimed.next_due = next_due.map(from_millis);
    Ok(claimed)
}

/// Reads what is due, in its order, at most `room`.
fn look(
    writer: &mut Writer,
    kinds: &[Option<i64>],
    free: &[usize],
    room: usize,
    now: Timestamp,
    claimed: &mut Claimed,
) -> Result<Vec<Due>, StoreError> {
    let mut due = Vec::new();
    for (kind, id) in kinds.iter().enumerate() {
        let (Some(id), limit @ 1..) = (id, free[kind].min(room)) else { continue };
        due_triggers(writer, kind, *id, limit, now, &mut due, claimed)?;
        let gates = writer.many(sql::DUE_GATES, (id, to_millis(now), integer(limit as u64)), |row| {
            Ok(Due { at: row.get(1)?, rank: row.get(2)?, kind, trigger: Candidate::Gate(row.get(0)?) })
        })?;
        due.extend(gates);
    }
    due.sort_by_key(|due| (due.at, due.rank));
    due.truncate(room);
    Ok(due)
}

fn due_triggers(
    writer: &mut Writer,
    kind: usize,
    kind_id: i64,
    limit: usize,
    now: Timestamp,
    due: &mut Vec<Due>,
    claimed: &mut Claimed,
) -> Result<(), StoreError> {
    let rows = writer.with_schedules(|connection, parse| {
        let mut prepared = connection.prepare_cached(sql::DUE_TRIGGERS)?;
        let mut rows = prepared.query((kind_id, to_millis(now), integer(limit as u64)))?;
        let mut found = Vec::with_capacity(limit.min(1_024));
        while let Some(row) = rows.next()? {
            found.push(rows::trigger(row, no_job(), &mut *parse)?);
        }
        Ok(found)
    })?;
    for trigger in rows {
        if trigger.state == TriggerState::Error {
            fail(writer, &unreadable(&trigger), claimed)?;
            continue;
        }
        due.push(Due {
            at: trigger.next_fire_at.map_or(0, to_millis),
            rank: -i64::from(trigger.definition.priority),
            kind,
            trigger: Candidate::Read(Box::new(trigger)),
        });
    }
    Ok(())
}

/// The job's key is filled in from the job itself when the trigger is taken.
fn no_job() -> punctual_core::JobKey {
    thread_local! {
        static NONE: punctual_core::JobKey = punctual_core::JobKey::stored("", "");
    }
    NONE.with(Clone::clone)
}

fn unreadable(trigger: &StoredTrigger) -> Unreadable {
    Unreadable {
        id: trigger.id,
        key: trigger.definition.key.clone(),
        problem: trigger.error.clone().unwrap_or_default(),
    }
}

fn fail(writer: &mut Writer, bad: &Unreadable, claimed: &mut Claimed) -> Result<(), StoreError> {
    writer.run(sql::TRIGGER_FAIL, (bad.id, &bad.problem))?;
    claimed.errors.push((bad.key.clone(), bad.problem.clone()));
    Ok(())
}

/// Lets a due trigger do what its plan says. Whether anything changed.
fn take(
    writer: &mut Writer,
    due: Due,
    taken: &mut Taken<'_>,
    claimed: &mut Claimed,
) -> Result<bool, StoreError> {
    let now = taken.now;
    let mut trigger = match due.trigger {
        Candidate::Read(trigger) => *trigger,
        Candidate::Gate(id) => match read_gated(writer, id)? {
            Some(trigger) => trigger,
            None => return Ok(false),
        },
    };
    let job = match writer.job_by_id(trigger.job_id) {
        Ok(Some(job)) => job,
        Ok(None) => {
            let bad = Unreadable { problem: "its job is missing".to_owned(), ..unreadable(&trigger) };
            fail(writer, &bad, claimed)?;
            return Ok(true);
        }
        Err(StoreError::Corrupt(problem)) => {
            fail(writer, &Unreadable { problem, ..unreadable(&trigger) }, claimed)?;
            writer.gates_follow(trigger.lane)?;
            return Ok(true);
        }
        Err(error) => return Err(error),
    };
    if trigger.state == TriggerState::Error {
        fail(writer, &unreadable(&trigger), claimed)?;
        writer.gates_follow(trigger.lane)?;
        return Ok(true);
    }
    trigger.definition.job = job.detail.key.clone();
    let calendar = match &trigger.definition.calendar {
        None => None,
        Some(name) => match writer.stored_calendar(name) {
            Ok(Some(calendar)) => Some(calendar),
            Ok(None) | Err(StoreError::Corrupt(_)) => {
                let problem = format!("its calendar {name:?} is missing or cannot be read");
                fail(writer, &Unreadable { problem, ..unreadable(&trigger) }, claimed)?;
                writer.gates_follow(trigger.lane)?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        },
    };
    let open = trigger.lane.map_or(Ok(0), |lane| writer.lane_open(lane.id).map(|(open, _)| open))?;
    let lane = trigger.lane;
    match firing::plan_in_lane(&trigger, calendar.as_ref().map(|stored| &stored.calendar), open, now) {
        // A trigger of another kind filled the lane since the gates were read.
        AtGate::Waits => return Ok(false),
        AtGate::Cancels => cancel_oldest(writer, &trigger, claimed)?,
        AtGate::Goes(plan) => {
            fire(writer, trigger, &job, &plan, taken, claimed)?;
            if lane.is_some() {
                taken.write(writer)?;
            }
        }
    }
    writer.gates_follow(lane)?;
    Ok(true)
}

/// Asks the oldest run of a full lane to stop.
fn cancel_oldest(writer: &Writer, trigger: &StoredTrigger, claimed: &mut Claimed) -> Result<(), StoreError> {
    let Some(lane) = trigger.lane else { return Ok(()) };
    let read = |row: &rusqlite::Row<'_>| Ok((FireId(row.get(0)?), Term(row.get(1)?)));
    let Some((id, term)) = writer.one(sql::LANE_OLDEST, [lane.id], read)? else { return Ok(()) };
    let reason = firing::cancel_reason(trigger);
    writer.run(sql::CANCEL_REQUEST, (id.0, &reason))?;
    claimed.cancelled.push(CancelledFire { id, term, reason });
    Ok(())
}

fn read_gated(writer: &mut Writer, id: i64) -> Result<Option<StoredTrigger>, StoreError> {
    writer.with_schedules(|connection, parse| {
        let mut prepared = connection.prepare_cached(sql::TRIGGER_BY_ID)?;
        let mut rows = prepared.query([id])?;
        rows.next()?.map(|row| rows::trigger(row, no_job(), parse)).transpose()
    })
}

/// By whom and when, and the rows that are still to be written: they are written together, so that the statements are
/// looked up once a batch.
struct Taken<'a> {
    now: Timestamp,
    node: &'a str,
    term: Term,
    rows: Vec<TakenRow>,
}

/// A trigger that has moved on, and the fire that it made.
struct TakenRow {
    trigger: StoredTrigger,
    rebased: bool,
    gone: bool,
    fire: Option<Fire>,
}

fn fire(
    writer: &mut Writer,
    mut trigger: StoredTrigger,
    job: &StoredJob,
    plan: &firing::FiringPlan,
    taken: &mut Taken<'_>,
    claimed: &mut Claimed,
) -> Result<(), StoreError> {
    let id = plan.fire.map(|_| writer.next_fire_id()).transpose()?;
    // A run of the lane may have ended while this claim was on its way.
    let fired_at = trigger.lane.map_or(taken.now, |_| taken.now.max(writer.last_end));
    let step = firing::step(&mut trigger, job, plan, id, (taken.now, fired_at));
    for (skip, into) in &step.skipped {
        writer.write_skip(&step.key, &job.detail.key, skip, taken.now, *into)?;
        claimed.skipped.push((step.key.clone(), *skip));
    }
    if job.detail.history.is_kept() && step.fire.is_some() {
        writer.note_task_name(job.detail.key.name())?;
    }
    claimed.fires.extend(step.fire.clone());
    let (rebased, gone, fire) = (plan.rebase.is_some(), step.gone, step.fire);
    taken.rows.push(TakenRow { trigger, rebased, gone, fire });
    for run in &step.later {
        writer.insert_trigger(run)?;
    }
    if step.over {
        taken.write(writer)?;
        definition::collect_job(writer, job.id)?;
    }
    Ok(())
}

impl Taken<'_> {
    /// Writes the rows that are still to be written.
    fn write(&mut self, writer: &mut Writer) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.rows);
        for row in rows.iter().filter(|row| row.rebased && !row.gone) {
            let trigger = &row.trigger;
            let rebased = trigger.rebased.as_ref().map(json).transpose()?;
            let (anchor, from) = (to_millis(trigger.anchor), to_millis(trigger.accounted_from));
            writer.run(sql::TRIGGER_REBASE, (trigger.id, anchor, rebased, from))?;
        }
        self.write_all(&writer.connection, &rows).sql()?;
        let opened = rows.iter().filter_map(|row| row.fire.as_ref().zip(Some(&row.trigger)));
        writer.open_fires.extend(opened.map(|(fire, trigger)| {
            let (job_id, trigger_id) = (trigger.job_id, trigger.id);
            (fire.id.0, {
                let lane = trigger.lane.map(|lane| lane.id);
                Owner { job_id, trigger_id, lane, started_at: to_millis(fire.fired_at) }
            })
        }));
        Ok(())
    }

    fn write_all(&self, connection: &rusqlite::Connection, rows: &[TakenRow]) -> rusqlite::Result<()> {
        let mut advance = connection.prepare_cached(sql::TRIGGER_ADVANCE)?;
        let mut delete = connection.prepare_cached(sql::TRIGGER_DELETE)?;
        let mut open = connection.prepare_cached(sql::FIRE_OPEN)?;
        for row in rows {
            let trigger = &row.trigger;
            if row.gone {
                delete.execute([trigger.id])?;
            } else {
                advance.execute((
                    trigger.id,
                    trigger.state.code(),
                    millis(trigger.next_fire_at),
                    millis(trigger.previous_fire_at),
                    integer(trigger.fired),
                    integer(trigger.skipped),
                ))?;
            }
            if let Some(fire) = &row.fire {
                self.write_fire(&mut open, fire, trigger)?;
            }
        }
        Ok(())
    }

    fn write_fire(
        &self,
        open: &mut rusqlite::Statement<'_>,
        fire: &Fire,
        trigger: &StoredTrigger,
    ) -> rusqlite::Result<()> {
        // Only recovery reads it back, and only for jobs that ask for recovery.
        let data =
            (fire.job.requests_recovery && !fire.trigger_data.is_empty()).then(|| fire.trigger_data.as_str());
        open.execute(rusqlite::params![
            fire.id.0,
            fire.job.key.name(),
            to_millis(fire.fired_at),
            trigger.job_id,
            fire.job.key.group(),
            fire.job.key.name(),
            trigger.id,
            fire.trigger.group(),
            fire.trigger.name(),
            to_millis(fire.scheduled_at),
            self.term.0,
            self.node,
            fire.attempt,
            fire.origin.0,
            fire.cause.code(),
            data,
            trigger.lane.map(|lane| lane.id),
        ])?;
        Ok(())
    }
}
