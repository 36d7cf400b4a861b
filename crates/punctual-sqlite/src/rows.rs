//! Rows to values and back.

use jiff::Timestamp;
use punctual_core::time::{from_millis, to_millis};
use punctual_core::{
    Cause, Data, FireId, JobKey, JobKind, Lane, MisfirePolicy, Node, NodeState, Overlap, Pending, Schedule,
    Skip, SkipReason, SkippedRange, StoreError, StoredCalendar, StoredTrigger, TaskCounts, TaskHistory,
    TaskRun, TaskRunEntity, TaskRunId, TaskRunStatus, TaskStatus, Term, Trigger, TriggerKey, TriggerState,
};
use rusqlite::Row;

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

pub(crate) fn json<T: serde_like::Json>(value: &T) -> Result<String, StoreError> {
    value
        .text()
        .map_err(|error| StoreError::Other(format!("a definition cannot be written as JSON: {error}")))
}

/// The two types that are stored as JSON beside whole definitions.
mod serde_like {
    use punctual_core::{JobDetail, MisfirePolicy, Schedule};

    pub(crate) trait Json {
        fn text(&self) -> Result<String, serde_json::Error>;
    }

    macro_rules! json {
        ($($type:ty),*) => {
            $(impl Json for $type {
                fn text(&self) -> Result<String, serde_json::Error> {
                    serde_json::to_string(self)
                }
            })*
        };
    }

    json!(Schedule, MisfirePolicy, JobDetail, punctual_core::Calendar, Vec<punctual_core::JobKind>);
}

/// Reads a trigger whose columns are in the order of the `trigger_*.sql` files. One that cannot be understood comes
/// back in the error state, with the reason.
pub(crate) fn trigger(
    row: &Row<'_>,
    job: JobKey,
    mut parse: impl FnMut(&str) -> Result<Schedule, String>,
) -> rusqlite::Result<StoredTrigger> {
    let mut problems: Vec<String> = Vec::new();
    let mut schedule = |text: &str, problems: &mut Vec<String>| {
        parse(text).unwrap_or_else(|error| {
            problems.push(format!("its schedule {text} is unreadable: {error}"));
            Schedule::Once
        })
    };
    let plain = schedule(row.get_ref(5)?.as_str()?, &mut problems);
    let rebased = row.get_ref(15)?.as_str_or_null()?.map(|text| schedule(text, &mut problems));
    let misfire_text = row.get_ref(10)?.as_str()?;
    let misfire: MisfirePolicy = serde_json::from_str(misfire_text).unwrap_or_else(|error| {
        problems.push(format!("its misfire policy {misfire_text} is unreadable: {error}"));
        MisfirePolicy::Smart
    });
    let optional = |column: usize| row.get::<_, Option<i64>>(column).map(|millis| millis.map(instant));
    let definition = Trigger {
        key: TriggerKey::stored(row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?),
        job,
        description: row.get(4)?,
        schedule: plain,
        start: optional(6)?,
        end: optional(7)?,
        priority: i32::try_from(-row.get::<_, i64>(8)?).unwrap_or(punctual_core::trigger::DEFAULT_PRIORITY),
        calendar: row.get(9)?,
        misfire,
        misfire_threshold_ms: row.get::<_, Option<i64>>(11)?.map(count),
        data: Data::stored(row.get_ref(12)?.as_str()?),
    };
    let mut state = TriggerState::from_code(row.get(13)?);
    let mut error: Option<String> = row.get(28)?;
    let readable = problems.is_empty();
    if !problems.is_empty() {
        state = TriggerState::Error;
        error = Some(problems.join("; "));
    }
    Ok(StoredTrigger {
        id: row.get(0)?,
        job_id: row.get(3)?,
        definition,
        lane: lane(row)?,
        state,
        anchor: instant(row.get(14)?),
        rebased,
        next_fire_at: optional(16)?,
        previous_fire_at: optional(17)?,
        fired: count(row.get(18)?),
        skipped: count(row.get(19)?),
        accounted_from: instant(row.get(20)?),
        pending: pending(row)?,
        error,
        readable,
        created_at: instant(row.get(29)?),
        updated_at: instant(row.get(30)?),
    })
}

fn lane(row: &Row<'_>) -> rusqlite::Result<Option<Lane>> {
    let Some(id) = row.get(31)? else { return Ok(None) };
    let limit = u32::try_from(row.get::<_, i64>(32)?).unwrap_or(1);
    Ok(Some(Lane { id, limit, overlap: Overlap::from_code(row.get(33)?) }))
}

/// Reads a calendar; one that cannot be understood is an error that names it.
pub(crate) fn calendar(row: &Row<'_>) -> rusqlite::Result<Result<StoredCalendar, StoreError>> {
    let name: String = row.get(0)?;
    let definition = row.get_ref(1)?.as_str()?;
    let calendar = match serde_json::from_str(definition) {
        Ok(calendar) => calendar,
        Err(error) => {
            return Ok(Err(StoreError::Corrupt(format!("calendar {name:?}, {definition}: {error}"))));
        }
    };
    Ok(Ok(StoredCalendar { name, calendar, version: row.get(2)?, updated_at: instant(row.get(3)?) }))
}

fn pending(row: &Row<'_>) -> rusqlite::Result<Option<Pending>> {
    if !row.get::<_, bool>(22)? {
        return Ok(None);
    }
    let trigger = match (row.get_ref(26)?.as_str_or_null()?, row.get_ref(27)?.as_str_or_null()?) {
        (Some(group), Some(name)) => Some(TriggerKey::stored(group, name)),
        _ => None,
    };
    Ok(Some(Pending {
        cause: Cause::from_code(row.get(21)?),
        attempt: u32::try_from(row.get::<_, i64>(23)?).unwrap_or(u32::MAX),
        origin: row.get::<_, Option<i64>>(24)?.map(FireId),
        scheduled_at: instant(row.get::<_, Option<i64>>(25)?.unwrap_or_default()),
        trigger,
    }))
}

/// Reads a row of the history in the column order of `history_entry.sql`.
pub(crate) fn history(row: &Row<'_>) -> rusqlite::Result<TaskHistory> {
    let key = |group: usize, name: usize| -> rusqlite::Result<Option<(String, String)>> {
        Ok(row.get::<_, Option<String>>(group)?.zip(row.get::<_, Option<String>>(name)?))
    };
    let details: Option<String> = row.get(6)?;
    Ok(TaskHistory {
        id: FireId(row.get(0)?),
        task: row.get(1)?,
        status: TaskStatus::from_code(row.get(2)?),
        started_at: instant(row.get(3)?),
        ended_at: row.get::<_, Option<i64>>(4)?.map(instant),
        duration_ms: row.get::<_, Option<i64>>(5)?.map(count),
        // Unreadable details are shown as the text they are.
        details: details.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))),
        db_id: row.get(7)?,
        job: key(8, 9)?.map(|(group, name)| JobKey::stored(group, name)),
        trigger: key(10, 11)?.map(|(group, name)| TriggerKey::stored(group, name)),
        scheduled_at: row.get::<_, Option<i64>>(12)?.map(instant),
        node: row.get(13)?,
        // What was recorded outside of jobs has none, which is written as 0.
        term: Some(row.get(17)?).filter(|term| *term != 0).map(Term),
        attempt: u32::try_from(row.get::<_, i64>(14)?).unwrap_or(u32::MAX),
        origin: FireId(row.get(15)?),
        cause: Cause::from_code(row.get(16)?),
        parent: row.get::<_, Option<i64>>(18)?.map(FireId),
        run: row.get::<_, Option<i64>>(19)?.map(TaskRunId),
        // What cannot be read is not there.
        logs: row.get_ref(20)?.as_str_or_null()?.and_then(|text| serde_json::from_str(text).ok()),
        progress: row.get_ref(21)?.as_str_or_null()?.and_then(|text| serde_json::from_str(text).ok()),
    })
}

/// Reads a task run in the column order of `run_entry.sql`.
pub(crate) fn task_run(row: &Row<'_>) -> rusqlite::Result<TaskRun> {
    Ok(TaskRun {
        id: TaskRunId(row.get(0)?),
        run_type: row.get(1)?,
        entity: TaskRunEntity { entity_type: row.get(2)?, entity_id: row.get(3)?, name: row.get(4)? },
        started_at: instant(row.get(5)?),
        ended_at: row.get::<_, Option<i64>>(6)?.map(instant),
        status: TaskRunStatus::from_code(row.get(7)?),
        term: Some(row.get(8)?).filter(|term| *term != 0).map(Term),
        node: row.get(9)?,
        tasks: TaskCounts {
            all: count(row.get(10)?),
            success: count(row.get(11)?),
            failed: count(row.get(12)?),
        },
    })
}

/// Reads a skipped range: id, trigger, job, first, last, count, reason, recorded, fire.
pub(crate) fn skipped(row: &Row<'_>) -> rusqlite::Result<SkippedRange> {
    let text = |column: usize| row.get::<_, String>(column);
    Ok(SkippedRange {
        id: row.get(0)?,
        trigger: TriggerKey::stored(text(1)?, text(2)?),
        job: JobKey::stored(text(3)?, text(4)?),
        skip: Skip {
            first: instant(row.get(5)?),
            last: instant(row.get(6)?),
            count: count(row.get(7)?),
            reason: SkipReason::from_word(row.get_ref(8)?.as_str()?).unwrap_or(SkipReason::Misfire),
        },
        recorded_at: instant(row.get(9)?),
        fire: row.get::<_, Option<i64>>(10)?.map(FireId),
    })
}

/// Reads a node in the column order of the `nodes_*.sql` files.
pub(crate) fn node(row: &Row<'_>) -> rusqlite::Result<Node> {
    let kinds: String = row.get(4)?;
    Ok(Node {
        term: Term(row.get(0)?),
        name: row.get(1)?,
        version: row.get(2)?,
        state: NodeState::from_word(row.get_ref(3)?.as_str()?),
        kinds: serde_json::from_str::<Vec<JobKind>>(&kinds).unwrap_or_default(),
        started_at: instant(row.get(5)?),
        seen_at: instant(row.get(6)?),
        lease_until: instant(row.get(7)?),
        clock_offset_ms: row.get(8)?,
        clock_uncertainty_ms: count(row.get(9)?),
        slots: row.get::<_, Option<i64>>(10)?.map(count),
        draining: row.get(11)?,
    })
}
