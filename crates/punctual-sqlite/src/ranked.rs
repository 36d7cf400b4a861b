//! The history in its orders, and its roll-ups: `punctual_core::ranking` says what they are.
//!
//! A transaction that ends or deletes rows notes them, all in one value; [`arrange`] brings what was noted into the
//! tables that lists and insights are read from, many rows at a time.

pub(crate) mod read;
pub(crate) mod triggers;

use std::collections::HashMap;

use punctual_core::insights::Rollup;
use punctual_core::ranking::{self, Deleted, Folding, List, Noted, Place, Spacing};
use punctual_core::time::to_millis;
use punctual_core::{JobKey, StoreError, TaskHistory, TaskStatus, TriggerKey};
use rusqlite::{Connection, Row};

use crate::error::Sql;
use crate::rows::{count, integer, millis};
use crate::sql;
use crate::writer::Writer;

/// With more than this noted, each transaction that notes something brings twice as much into the tables, so that what
/// a list has to add each time stays bounded.
const MOST_NOTED: u64 = 100_000;

/// What the transaction at work has to note, and what is known of the series.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) rows: Vec<Noted>,
    /// The triggers of those that are deleted.
    deleted: Deleted,
    by_name: HashMap<(String, String), i64>,
    by_job: HashMap<i64, i64>,
    /// How many are noted in the database; unknown at first.
    stored: Option<u64>,
}

/// The number of a task and, for runs of jobs, the group of the job (otherwise empty).
pub(crate) fn series(writer: &mut Writer, task: &str, group: &str) -> Result<i64, StoreError> {
    let key = (task.to_owned(), group.to_owned());
    if let Some(id) = writer.notes.by_name.get(&key) {
        return Ok(*id);
    }
    let id = match writer.one(sql::SERIES_ID, (task, group), |row| row.get(0))? {
        Some(id) => id,
        None => {
            writer.run(sql::SERIES_INSERT, (task, group))?;
            writer.connection.last_insert_rowid()
        }
    };
    writer.notes.by_name.insert(key, id);
    Ok(id)
}

/// The series of a row that is still there; its job, where it has one, spares looking at it.
pub(crate) fn series_of(writer: &mut Writer, job_id: Option<i64>, id: i64) -> Result<i64, StoreError> {
    if let Some(series) = job_id.and_then(|job| writer.notes.by_job.get(&job)) {
        return Ok(*series);
    }
    let names = writer.one(sql::SERIES_OF_ROW, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (task, group): (String, String) =
        names.ok_or_else(|| StoreError::Corrupt(format!("row {id} of the history is missing")))?;
    let series = series(writer, &task, &group)?;
    writer.notes.by_job.extend(job_id.map(|job| (job, series)));
    Ok(series)
}

/// Writes ended rows under new ids, each an origin of its own.
pub(crate) fn put(writer: &mut Writer, row: &TaskHistory) -> Result<(), StoreError> {
    let id = writer.next_id()?;
    writer.note_task_name(&row.task)?;
    let series = series(writer, &row.task, row.job.as_ref().map_or("", JobKey::group))?;
    let (started_at, ended_at) = (to_millis(row.started_at), millis(row.ended_at));
    let duration_ms = row.duration_ms.map(integer);
    let params = rusqlite::params![
        id,
        row.task,
        row.status.code(),
        started_at,
        ended_at,
        duration_ms,
        row.details.as_ref().map(serde_json::Value::to_string),
        row.db_id,
        row.job.as_ref().map(JobKey::group),
        row.job.as_ref().map(JobKey::name),
        row.trigger.as_ref().map(TriggerKey::group),
        row.trigger.as_ref().map(TriggerKey::name),
        millis(row.scheduled_at),
        row.node,
        row.attempt,
        row.cause.code(),
    ];
    writer.run(sql::HISTORY_PUT, params)?;
    let status = row.status;
    writer.notes.rows.push(Noted { id, series, status, started_at, ended_at, duration_ms, gone: false });
    Ok(())
}

/// Runs a statement that ends or deletes rows and returns them (deleted ones with their trigger), and notes them. Answers with
/// their ids and starts.
pub(crate) fn noting(
    writer: &mut Writer,
    statement: &str,
    params: impl rusqlite::Params,
    gone: bool,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let read = |row: &Row<'_>| {
        let names: (String, String) = (row.get(1)?, row.get(2)?);
        let noted = Noted {
            id: row.get(0)?,
            series: 0,
            status: TaskStatus::from_code(row.get(3)?),
            started_at: row.get(4)?,
            ended_at: row.get(5)?,
            duration_ms: row.get(6)?,
            gone,
        };
        let trigger = if gone { read_trigger(row)? } else { None };
        Ok((names, noted, trigger))
    };
    let found = writer.many(statement, params, read)?;
    let answer = found.iter().map(|(_, noted, _)| (noted.id, noted.started_at)).collect();
    for ((task, group), noted, trigger) in found {
        let series = series(writer, &task, &group)?;
        writer.notes.deleted.extend(trigger.map(|trigger| (noted.id, trigger)));
        writer.notes.rows.push(Noted { series, ..noted });
    }
    Ok(answer)
}

/// The trigger of a deleted row.
fn read_trigger(row: &Row<'_>) -> rusqlite::Result<Option<TriggerKey>> {
    let (group, name): (Option<String>, Option<String>) = (row.get(7)?, row.get(8)?);
    Ok(group.zip(name).map(|(group, name)| TriggerKey::stored(group, name)))
}

/// Writes what the transaction has to note, at its end.
pub(crate) fn write_notes(writer: &mut Writer) -> Result<(), StoreError> {
    let noted = std::mem::take(&mut writer.notes.rows);
    let deleted = std::mem::take(&mut writer.notes.deleted);
    if noted.is_empty() {
        return Ok(());
    }
    let before = stored(writer)?;
    let mut bytes = Vec::new();
    noted.iter().for_each(|row| row.write(deleted.get(&row.id), &mut bytes));
    writer.run(sql::NOTED_INSERT, (integer(noted.len() as u64), bytes))?;
    writer.notes.stored = Some(before + noted.len() as u64);
    if before > MOST_NOTED {
        arrange_noted(writer, 2 * noted.len() as u64)?;
    }
    Ok(())
}

fn stored(writer: &mut Writer) -> Result<u64, StoreError> {
    if let Some(stored) = writer.notes.stored {
        return Ok(stored);
    }
    let stored = count(writer.one(sql::NOTED_COUNT, [], |row| row.get(0))?.unwrap_or_default());
    writer.notes.stored = Some(stored);
    Ok(stored)
}

/// Brings about so many of the noted rows into the tables, and builds a part of the fences of a trigger that lacks some; returns
/// how many rows are left, and at least so many while there is more to be built.
pub(crate) fn arrange(writer: &mut Writer, at_most: u64) -> Result<u64, StoreError> {
    let left = arrange_noted(writer, at_most)?;
    let more = triggers::build(&writer.connection, writer.trigger_fences)?;
    Ok(if more { left.max(at_most) } else { left })
}

fn arrange_noted(writer: &mut Writer, at_most: u64) -> Result<u64, StoreError> {
    let before = stored(writer)?;
    if before == 0 {
        return Ok(0);
    }
    let (noted, deleted, (last, rows)) = first_noted(&writer.connection, at_most).sql()?;
    let mut folding = Folding::of(&noted);
    move_places(&writer.connection, &folding).sql()?;
    let mut fences = Vec::new();
    for list in folding.lists() {
        fences.extend(read::fences(&writer.connection, list)?.into_iter().map(|fence| (list, fence)));
    }
    for (list, fence) in folding.count(fences) {
        put_fence(writer, list, fence)?;
        if fence.rows > Spacing::WIDE.full {
            let to = folding.next_fence(list, fence.first);
            let mut places = read::places(&writer.connection, list, fence.first, to)?;
            for fence in ranking::cut(fence.first, &mut places, Spacing::WIDE) {
                put_fence(writer, list, fence)?;
            }
        }
    }
    for ((level, series, bucket), change) in &folding.rollups {
        let key = (*level, *series, *bucket);
        let mut rollup = writer.one(sql::ROLLUP, key, read::rollup)?.unwrap_or_default();
        rollup.add(change);
        put_rollup(writer, key, &rollup)?;
    }
    writer.run(sql::NOTED_DELETE, [last])?;
    let left = before.saturating_sub(rows);
    writer.notes.stored = Some(left);
    triggers::count(&writer.connection, &noted, deleted, writer.trigger_fences)?;
    Ok(left)
}

/// The oldest noted rows, the last number that they have, and how many there are.
fn first_noted(connection: &Connection, at_most: u64) -> rusqlite::Result<(Vec<Noted>, Deleted, (i64, u64))> {
    let mut statement = connection.prepare_cached(sql::NOTED_FIRST)?;
    let mut stored = statement.query([])?;
    let (mut noted, mut deleted) = (Vec::new(), Deleted::new());
    let (mut last, mut rows) = (0, 0);
    while rows < at_most.max(1)
        && let Some(row) = stored.next()?
    {
        last = row.get(0)?;
        rows += count(row.get(1)?);
        read_noted(row.get_ref(2)?.as_blob()?, &mut noted, &mut deleted);
    }
    Ok((noted, deleted, (last, rows)))
}

/// Reads what one transaction noted.
fn read_noted(bytes: &[u8], noted: &mut Vec<Noted>, deleted: &mut Deleted) {
    for (row, trigger) in Noted::read_each(bytes) {
        deleted.extend(trigger.map(|trigger| (row.id, trigger)));
        noted.push(row);
    }
}

fn move_places(connection: &Connection, folding: &Folding) -> rusqlite::Result<()> {
    let mut remove = connection.prepare_cached(sql::PLACE_DELETE)?;
    for (list, place) in &folding.removed {
        remove.execute((list.sort, list.status, list.series, place.value, place.id))?;
    }
    let mut add = connection.prepare_cached(sql::PLACE_INSERT)?;
    for ((list, place), other) in &folding.added {
        add.execute((list.sort, list.status, list.series, place.value, place.id, other))?;
    }
    Ok(())
}

fn put_fence(writer: &Writer, list: List, fence: ranking::Fence) -> Result<(), StoreError> {
    let Place { value, id } = fence.first;
    writer.run(sql::FENCE_PUT, (list.sort, list.status, list.series, value, id, integer(fence.rows)))?;
    Ok(())
}

fn put_rollup(writer: &Writer, key: ranking::RollupKey, rollup: &Rollup) -> Result<(), StoreError> {
    if rollup.is_empty() {
        writer.run(sql::ROLLUP_DELETE, key)?;
        return Ok(());
    }
    let (level, series, bucket) = key;
    let Rollup { success, failed, unknown, total_ms, durations } = rollup;
    let durations = durations.to_text();
    writer
        .run(sql::ROLLUP_PUT, (level, series, bucket, success, failed, unknown, total_ms, durations))
        .map(drop)
}
