//! Rows to values and back.

use jiff::Timestamp;
use punctual_core::time::{from_millis, to_millis};
use punctual_core::{
    Cause, Data, FireId, JobDetail, JobKey, Lane, MisfirePolicy, Node, NodeState, Overlap, Pending, Schedule,
    Skip, SkipReason, SkippedRange, StoreError, StoredCalendar, StoredJob, StoredTrigger, TaskCounts,
    TaskHistory, TaskRun, TaskRunEntity, TaskRunId, TaskRunStatus, TaskStatus, Term, Trigger, TriggerKey,
    TriggerState,
};
use serde::Serialize;
use std::sync::Arc;
use tokio_postgres::Row;

pub(crate) fn instant(millis: i64) -> Timestamp {
    from_millis(millis)
}

pub(crate) fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(to_millis)
}

pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn code(value: i64) -> i16 {
    i16::try_from(value).unwrap_or(i16::MAX)
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Other(format!("a definition cannot be written as JSON: {error}")))
}

/// A row of `due`, without what it repeats of the definition.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) trigger_id: i64,
    pub(crate) kind_id: i64,
    pub(crate) next_fire_at: Option<i64>,
    pub(crate) priority_rank: i64,
    pub(crate) state: i16,
    pub(crate) lane: Option<Lane>,
    pub(crate) previous_fire_at: Option<i64>,
    pub(crate) fired: i64,
    pub(crate) skipped: i64,
    pub(crate) version: i64,
}

/// How many columns [`due`] reads.
pub(crate) const DUE_COLUMNS: usize = 12;
/// How many columns [`definition`] reads.
pub(crate) const DEFINITION_COLUMNS: usize = 25;

/// Reads the columns of `due_free.sql`, from `at` on.
pub(crate) fn due(row: &Row, at: usize) -> Due {
    let lane: Option<i64> = row.get(at + 5);
    let limit: i32 = row.get(at + 6);
    let overlap: i16 = row.get(at + 7);
    Due {
        trigger_id: row.get(at),
        kind_id: row.get(at + 1),
        next_fire_at: row.get(at + 2),
        priority_rank: row.get(at + 3),
        state: row.get(at + 4),
        lane: lane.map(|id| Lane {
            id,
            limit: u32::try_from(limit).unwrap_or(1),
            overlap: Overlap::from_code(overlap.into()),
        }),
        previous_fire_at: row.get(at + 8),
        fired: row.get(at + 9),
        skipped: row.get(at + 10),
        version: row.get(at + 11),
    }
}

/// Reads the columns of `due_free.sql`: a trigger that is waiting and has no lane.
pub(crate) fn due_free(row: &Row, kind_id: i64) -> Due {
    Due {
        trigger_id: row.get(0),
        kind_id,
        next_fire_at: row.get(1),
        priority_rank: row.get(2),
        state: 0,
        lane: None,
        previous_fire_at: row.get(3),
        fired: row.get(4),
        skipped: row.get(5),
        version: row.get(6),
    }
}

/// Reads the columns of `definitions.sql`: a trigger that stands nowhere yet. One that cannot be understood comes back in
/// the error state, with the reason.
pub(crate) fn definition(row: &Row, job: JobKey) -> StoredTrigger {
    let mut problems: Vec<String> = Vec::new();
    let schedule = |text: &str, problems: &mut Vec<String>| {
        serde_json::from_str(text).unwrap_or_else(|error| {
            problems.push(format!("its schedule {text} is unreadable: {error}"));
            Schedule::Once
        })
    };
    let plain = schedule(row.get(5), &mut problems);
    let rebased = row.get::<_, Option<&str>>(13).map(|text| schedule(text, &mut problems));
    let misfire_text: &str = row.get(9);
    let misfire: MisfirePolicy = serde_json::from_str(misfire_text).unwrap_or_else(|error| {
        problems.push(format!("its misfire policy {misfire_text} is unreadable: {error}"));
        MisfirePolicy::Smart
    });
    let optional = |column: usize| row.get::<_, Option<i64>>(column).map(instant);
    let definition = Trigger {
        key: TriggerKey::stored(row.get::<_, &str>(1), row.get::<_, &str>(2)),
        job,
        description: row.get(4),
        schedule: plain,
        start: optional(6),
        end: optional(7),
        priority: punctual_core::trigger::DEFAULT_PRIORITY,
        calendar: row.get(8),
        misfire,
        misfire_threshold_ms: row.get::<_, Option<i64>>(10).map(count),
        data: Data::stored(row.get::<_, &str>(11)),
    };
    let mut error: Option<String> = row.get(22);
    if !problems.is_empty() {
        error = Some(problems.join("; "));
    }
    StoredTrigger {
        id: row.get(0),
        job_id: row.get(3),
        definition,
        lane: None,
        state: if problems.is_empty() { TriggerState::Complete } else { TriggerState::Error },
        anchor: instant(row.get(12)),
        rebased,
        next_fire_at: None,
        previous_fire_at: None,
        fired: 0,
        skipped: 0,
        accounted_from: instant(row.get(14)),
        pending: pending(row),
        error,
        readable: problems.is_empty(),
        created_at: instant(row.get(23)),
        updated_at: instant(row.get(24)),
    }
}

fn pending(row: &Row) -> Option<Pending> {
    if !row.get::<_, bool>(16) {
        return None;
    }
    let group: Option<&str> = row.get(20);
    let trigger = group.zip(row.get::<_, Option<&str>>(21));
    Some(Pending {
        cause: Cause::from_code(row.get::<_, i16>(15).into()),
        attempt: u32::try_from(row.get::<_, i64>(17)).unwrap_or(u32::MAX),
        origin: row.get::<_, Option<i64>>(18).map(FireId),
        scheduled_at: instant(row.get::<_, Option<i64>>(19).unwrap_or_default()),
        trigger: trigger.map(|(group, name)| TriggerKey::stored(group, name)),
    })
}

/// Puts a definition where its row of `due` says it stands.
pub(crate) fn stand(trigger: &mut StoredTrigger, due: &Due) {
    trigger.definition.priority =
        i32::try_from(-due.priority_rank).unwrap_or(punctual_core::trigger::DEFAULT_PRIORITY);
    if trigger.state != TriggerState::Error {
        trigger.state = TriggerState::from_code(due.state.into());
    }
    trigger.lane = due.lane;
    trigger.next_fire_at = due.next_fire_at.map(instant);
    trigger.previous_fire_at = due.previous_fire_at.map(instant);
    trigger.fired = count(due.fired);
    trigger.skipped = count(due.skipped);
}

/// Reads a trigger in the column order of `triggers_by_key.sql`.
pub(crate) fn listed(row: &Row) -> StoredTrigger {
    let job = DEFINITION_COLUMNS + DUE_COLUMNS;
    let job = JobKey::stored(row.get::<_, &str>(job), row.get::<_, &str>(job + 1));
    let mut trigger = definition(row, job);
    if row.get::<_, Option<i64>>(DEFINITION_COLUMNS).is_some() {
        stand(&mut trigger, &due(row, DEFINITION_COLUMNS));
    } else {
        // Its single instant was claimed.
        trigger.fired = 1;
        trigger.previous_fire_at = Some(trigger.anchor);
    }
    trigger
}

/// Reads a job; the error is a definition that cannot be understood.
pub(crate) fn job(row: &Row) -> Result<StoredJob, StoreError> {
    let definition: &str = row.get(3);
    let detail: JobDetail = serde_json::from_str(definition).map_err(|error| {
        let (group, name): (&str, &str) = (row.get(1), row.get(2));
        StoreError::Corrupt(format!("the definition of job {group}.{name}: {error}"))
    })?;
    Ok(StoredJob {
        id: row.get(0),
        detail: Arc::new(detail),
        version: row.get(4),
        created_at: instant(row.get(5)),
        updated_at: instant(row.get(6)),
    })
}

/// Reads a calendar; one that cannot be understood is an error that names it.
pub(crate) fn calendar(row: &Row) -> Result<StoredCalendar, StoreError> {
    let (name, definition): (&str, &str) = (row.get(0), row.get(1));
    let calendar = serde_json::from_str(definition)
        .map_err(|error| StoreError::Corrupt(format!("calendar {name:?}, {definition}: {error}")))?;
    Ok(StoredCalendar {
        name: name.to_owned(),
        calendar,
        version: row.get(2),
        updated_at: instant(row.get(3)),
    })
}

/// Reads a row of the history in the column order of `history_entry.sql`.
pub(crate) fn history(row: &Row) -> TaskHistory {
    let key = |group: usize| row.get::<_, Option<&str>>(group).zip(row.get::<_, Option<&str>>(group + 1));
    let details: Option<String> = row.get(6);
    TaskHistory {
        id: FireId(row.get(0)),
        task: row.get(1),
        status: TaskStatus::from_code(row.get::<_, i16>(2).into()),
        started_at: instant(row.get(3)),
        ended_at: row.get::<_, Option<i64>>(4).map(instant),
        duration_ms: row.get::<_, Option<i64>>(5).map(count),
        // Unreadable details are shown as the text they are.
        details: details.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))),
        db_id: row.get(7),
        job: key(8).map(|(group, name)| JobKey::stored(group, name)),
        trigger: key(10).map(|(group, name)| TriggerKey::stored(group, name)),
        scheduled_at: row.get::<_, Option<i64>>(12).map(instant),
        node: row.get(13),
        attempt: u32::try_from(row.get::<_, i64>(14)).unwrap_or(u32::MAX),
        origin: FireId(row.get(15)),
        cause: Cause::from_code(row.get::<_, i16>(16).into()),
        term: row.get::<_, Option<i64>>(17).map(Term),
        parent: row.get::<_, Option<i64>>(18).map(FireId),
        run: row.get::<_, Option<i64>>(19).map(TaskRunId),
        // What cannot be read is not there.
        logs: row.get::<_, Option<&str>>(20).and_then(|text| serde_json::from_str(text).ok()),
        progress: row.get::<_, Option<&str>>(21).and_then(|text| serde_json::from_str(text).ok()),
    }
}

/// Reads a task run in the column order of `run_entry.sql`.
pub(crate) fn task_run(row: &Row) -> TaskRun {
    TaskRun {
        id: TaskRunId(row.get(0)),
        run_type: row.get(1),
        entity: TaskRunEntity { entity_type: row.get(2), entity_id: row.get(3), name: row.get(4) },
        started_at: instant(row.get(5)),
        ended_at: row.get::<_, Option<i64>>(6).map(instant),
        status: TaskRunStatus::from_code(row.get::<_, i16>(7).into()),
        term: row.get::<_, Option<i64>>(8).map(Term),
        node: row.get(9),
        tasks: TaskCounts {
            all: count(row.get(10)),
            success: count(row.get(11)),
            failed: count(row.get(12)),
        },
    }
}

/// Reads a skipped range: id, trigger, job, first, last, count, reason, recorded, fire.
pub(crate) fn skipped(row: &Row) -> SkippedRange {
    SkippedRange {
        id: row.get(0),
        trigger: TriggerKey::stored(row.get::<_, &str>(1), row.get::<_, &str>(2)),
        job: JobKey::stored(row.get::<_, &str>(3), row.get::<_, &str>(4)),
        skip: Skip {
            first: instant(row.get(5)),
            last: instant(row.get(6)),
            count: count(row.get(7)),
            reason: SkipReason::from_word(row.get(8)).unwrap_or(SkipReason::Misfire),
        },
        recorded_at: instant(row.get(9)),
        fire: row.get::<_, Option<i64>>(10).map(FireId),
    }
}

/// Reads a node in the column order of `nodes.sql`.
pub(crate) fn node(row: &Row) -> Node {
    Node {
        term: Term(row.get(0)),
        name: row.get(1),
        version: row.get(2),
        state: NodeState::from_word(row.get(3)),
        kinds: serde_json::from_str(row.get(4)).unwrap_or_default(),
        started_at: instant(row.get(5)),
        seen_at: instant(row.get(6)),
        lease_until: instant(row.get(7)),
        clock_offset_ms: row.get(8),
        clock_uncertainty_ms: count(row.get(9)),
        slots: row.get::<_, Option<i64>>(10).map(count),
        draining: row.get(11),
    }
}
