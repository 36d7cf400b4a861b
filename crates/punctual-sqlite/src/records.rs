//! Recorded work, task runs, and the clean-up of both.

use jiff::Timestamp;
use punctual_core::ranking::Noted;
use punctual_core::time::to_millis;
use punctual_core::{
    Completed, FireId, LogEntry, NewTaskRun, Progress, Retention, StoreError, TaskCounts, TaskEnd,
    TaskRecord, TaskRunId, TaskRunStatus, TaskStatus, Term,
};
use rusqlite::Row;

use crate::error::Sql;
use crate::ranked;
use crate::rows::{count, integer};
use crate::sql;
use crate::writer::Writer;

/// How a row of the history ends.
pub(crate) struct RowEnd {
    pub(crate) id: i64,
    pub(crate) term: i64,
    pub(crate) status: i64,
    pub(crate) ended_at: i64,
    pub(crate) duration: Option<i64>,
    pub(crate) details: Option<String>,
    pub(crate) logs: Option<String>,
    pub(crate) progress: Option<String>,
}

impl RowEnd {
    /// Ends the row; how many there were to end.
    pub(crate) fn write(self, close: &mut rusqlite::CachedStatement<'_>) -> rusqlite::Result<usize> {
        close.execute((
            self.id,
            self.term,
            self.status,
            self.ended_at,
            self.duration,
            self.details,
            self.logs,
            self.progress,
        ))
    }
}

/// Messages as they are stored. Most runs log nothing.
pub(crate) fn logs_text(logs: &[LogEntry]) -> String {
    // Entries hold nothing that JSON could not write.
    if logs.is_empty() { "[]".to_owned() } else { serde_json::to_string(logs).unwrap_or_default() }
}

pub(crate) fn progress_text(progress: Option<&Progress>) -> Option<String> {
    progress.and_then(|progress| serde_json::to_string(progress).ok())
}

pub(crate) fn record(writer: &mut Writer, row: &TaskRecord) -> Result<FireId, StoreError> {
    let id = writer.next_id()?;
    writer.note_task_name(&row.task)?;
    writer.run(
        sql::TASK_INSERT,
        (
            id,
            &row.task,
            row.status.code(),
            to_millis(row.started_at),
            row.ended_at.map(to_millis),
            row.duration_ms.map(integer),
            row.details.as_ref().map(serde_json::Value::to_string),
            row.db_id,
            &row.node,
            row.term.map_or(0, |term| term.0),
            row.parent.map(|parent| parent.0),
            row.run.map(|run| run.0),
            row.logs.as_deref().map(logs_text),
            progress_text(row.progress.as_ref()),
        ),
    )?;
    if row.status != TaskStatus::Started {
        let series = ranked::series(writer, &row.task, "")?;
        writer.notes.rows.push(Noted {
            id,
            series,
            status: row.status,
            started_at: to_millis(row.started_at),
            ended_at: row.ended_at.map(to_millis),
            duration_ms: row.duration_ms.map(integer),
            gone: false,
        });
    }
    Ok(FireId(id))
}

pub(crate) fn end_task(writer: &mut Writer, end: &TaskEnd) -> Result<Completed, StoreError> {
    let row = RowEnd {
        id: end.id.0,
        term: end.term.0,
        status: end.status.code(),
        ended_at: to_millis(end.ended_at),
        duration: Some(integer(end.duration_ms)),
        details: end.details.as_ref().map(serde_json::Value::to_string),
        logs: Some(logs_text(&end.logs)),
        progress: progress_text(end.progress.as_ref()),
    };
    let closed = writer
        .connection
        .prepare_cached(sql::FIRE_CLOSE)
        .and_then(|mut close| row.write(&mut close))
        .sql()?;
    if closed > 0 {
        let names = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found: Option<(String, String, i64)> = writer.one(sql::SERIES_OF_ROW, [end.id.0], names)?;
        let (task, group, started_at) = found.unwrap_or_default();
        let series = ranked::series(writer, &task, &group)?;
        writer.notes.rows.push(Noted {
            id: end.id.0,
            series,
            status: end.status,
            started_at,
            ended_at: Some(to_millis(end.ended_at)),
            duration_ms: Some(integer(end.duration_ms)),
            gone: false,
        });
    }
    Ok(if closed > 0 { Completed::Closed } else { Completed::Superseded })
}

pub(crate) fn put_progress(
    writer: &Writer,
    term: Term,
    rows: &[(FireId, Progress)],
) -> Result<(), StoreError> {
    for (id, progress) in rows {
        writer.run(sql::PROGRESS_PUT, (id.0, term.0, progress_text(Some(progress))))?;
    }
    Ok(())
}

pub(crate) fn open_run(writer: &mut Writer, run: &NewTaskRun) -> Result<TaskRunId, StoreError> {
    let id = writer.next_id()?;
    writer.run(
        sql::RUN_INSERT,
        (
            id,
            &run.run_type,
            &run.entity.entity_type,
            run.entity.entity_id,
            &run.entity.name,
            to_millis(run.started_at),
            run.term.map_or(0, |term| term.0),
            &run.node,
        ),
    )?;
    Ok(TaskRunId(id))
}

pub(crate) fn close_run(
    writer: &Writer,
    now: Timestamp,
    id: TaskRunId,
) -> Result<Option<TaskRunStatus>, StoreError> {
    let read = |row: &Row<'_>| {
        let tasks =
            TaskCounts { all: count(row.get(1)?), success: count(row.get(2)?), failed: count(row.get(3)?) };
        Ok((TaskRunStatus::from_code(row.get(0)?), tasks))
    };
    let Some((status, tasks)) = writer.one(sql::RUN_STATE, [id.0], read)? else { return Ok(None) };
    if status != TaskRunStatus::Started {
        return Ok(Some(status));
    }
    let status = TaskRunStatus::of_tasks(tasks);
    writer.run(sql::RUN_CLOSE, (id.0, status.code(), to_millis(now)))?;
    Ok(Some(status))
}

/// Closes recorded work and task runs whose node is gone.
pub(crate) fn close_lost(writer: &mut Writer, now: Timestamp) -> Result<(), StoreError> {
    ranked::noting(writer, sql::TASKS_LOST, [to_millis(now)], false)?;
    writer.run(sql::RUNS_LOST, [to_millis(now)])?;
    Ok(())
}

/// Rows that were deleted.
#[derive(Default)]
struct Gone {
    ids: Vec<i64>,
    newest: Option<i64>,
}

impl Gone {
    fn delete(
        &mut self,
        writer: &mut Writer,
        statement: &str,
        params: impl rusqlite::Params,
    ) -> Result<(), StoreError> {
        for (id, started_at) in ranked::noting(writer, statement, params, true)? {
            self.ids.push(id);
            self.newest = self.newest.max(Some(started_at));
        }
        Ok(())
    }
}

pub(crate) fn prune(writer: &mut Writer, retention: &Retention) -> Result<u64, StoreError> {
    let chunk = integer(retention.chunk);
    let mut gone = Gone::default();
    if let Some(keep) = retention.max_rows.map(integer) {
        match &retention.job {
            None => gone.delete(writer, sql::PRUNE_SURPLUS, (keep, chunk))?,
            Some(job) => {
                gone.delete(writer, sql::PRUNE_JOB_SURPLUS, (keep, chunk, job.group(), job.name()))?
            }
        }
    }
    let left = chunk.saturating_sub(integer(gone.ids.len() as u64));
    if let Some(limit) = retention.ended_before.filter(|_| left > 0).map(to_millis) {
        match &retention.job {
            None => gone.delete(writer, sql::PRUNE_OLD, (limit, left))?,
            Some(job) => gone.delete(writer, sql::PRUNE_JOB_OLD, (limit, left, job.group(), job.name()))?,
        }
    }
    let newest = gone.newest;
    let mut rows = 0;
    while !gone.ids.is_empty() {
        rows += gone.ids.len() as u64;
        let parents = serde_json::Value::from(gone.ids).to_string();
        gone = Gone::default();
        gone.delete(writer, sql::PRUNE_CHILDREN, [parents])?;
    }
    if let Some(newest) = newest.filter(|_| retention.job.is_none()) {
        writer.run(sql::PRUNE_RUNS, [newest])?;
    }
    Ok(rows)
}
