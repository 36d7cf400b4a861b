//! Recorded work, task runs, and the clean-up of both.

use deadpool_postgres::Object;
use jiff::Timestamp;
use punctual_core::ranking::Noted;
use punctual_core::time::to_millis;
use punctual_core::{
    Completed, FireId, LogEntry, NewTaskRun, Progress, Retention, StoreError, TaskCounts, TaskEnd,
    TaskRecord, TaskRunId, TaskRunStatus, TaskStatus,
};
use tokio_postgres::types::ToSql;

use crate::edit::Edit;
use crate::error::Sql;
use crate::ranked;
use crate::rows::{code, count, integer, millis};
use crate::shared::Shared;
use crate::sql;

/// Messages as they are stored. Most runs log nothing.
pub(crate) fn logs_text(logs: &[LogEntry]) -> String {
    // Entries hold nothing that JSON could not write.
    if logs.is_empty() { "[]".to_owned() } else { serde_json::to_string(logs).unwrap_or_default() }
}

pub(crate) fn progress_text(progress: Option<&Progress>) -> Option<String> {
    progress.and_then(|progress| serde_json::to_string(progress).ok())
}

pub(crate) async fn record(
    client: &Object,
    shared: &Shared,
    rows: &[TaskRecord],
) -> Result<Vec<FireId>, StoreError> {
    let ids = shared.ids(client, rows.len()).await?;
    let names = shared.new_task_names(rows.iter().map(|row| row.task.as_str()));
    if !names.is_empty() {
        let statement = client.prepare_cached(sql::TASK_NAMES_INSERT).await.sql()?;
        client.execute(&statement, &[&names]).await.sql()?;
    }
    let statement = client.prepare_cached(sql::TASK_INSERT).await.sql()?;
    for (row, id) in rows.iter().zip(&ids) {
        client
            .execute(
                &statement,
                &[
                    id,
                    &row.task,
                    &code(row.status.code()),
                    &to_millis(row.started_at),
                    &millis(row.ended_at),
                    &row.duration_ms.map(integer),
                    &row.details.as_ref().map(serde_json::Value::to_string),
                    &row.db_id,
                    &row.node,
                    &row.term.map(|term| term.0),
                    &row.parent.map(|parent| parent.0),
                    &row.run.map(|run| run.0),
                    &row.logs.as_deref().map(logs_text),
                    &progress_text(row.progress.as_ref()),
                ],
            )
            .await
            .sql()?;
    }
    note_recorded(client, shared, rows, &ids).await?;
    client.batch_execute("COMMIT").await.sql()?;
    shared.remember_task_names(&names);
    Ok(ids.into_iter().map(FireId).collect())
}

/// Notes the rows that were recorded as ended.
async fn note_recorded(
    client: &Object,
    shared: &Shared,
    rows: &[TaskRecord],
    ids: &[i64],
) -> Result<(), StoreError> {
    let ended: Vec<(&TaskRecord, i64)> =
        rows.iter().zip(ids.iter().copied()).filter(|(row, _)| row.status != TaskStatus::Started).collect();
    let names: Vec<(&str, &str)> = ended.iter().map(|(row, _)| (row.task.as_str(), "")).collect();
    let series = ranked::series(client, shared, &names).await?;
    let noted = ended.into_iter().zip(series).map(|((row, id), series)| Noted {
        id,
        series,
        status: row.status,
        started_at: to_millis(row.started_at),
        ended_at: millis(row.ended_at),
        duration_ms: row.duration_ms.map(integer),
        gone: false,
    });
    ranked::note(client, &noted.collect::<Vec<_>>()).await
}

pub(crate) async fn end_tasks(
    client: &Object,
    shared: &Shared,
    ends: &[TaskEnd],
) -> Result<Vec<Completed>, StoreError> {
    client.batch_execute("BEGIN").await.sql()?;
    let statement = client.prepare_cached(sql::TASKS_END).await.sql()?;
    let rows = client
        .query(
            &statement,
            &[
                &ends.iter().map(|end| end.id.0).collect::<Vec<_>>(),
                &ends.iter().map(|end| end.term.0).collect::<Vec<_>>(),
                &ends.iter().map(|end| code(end.status.code())).collect::<Vec<_>>(),
                &ends.iter().map(|end| to_millis(end.ended_at)).collect::<Vec<_>>(),
                &ends.iter().map(|end| integer(end.duration_ms)).collect::<Vec<_>>(),
                &ends
                    .iter()
                    .map(|end| end.details.as_ref().map(serde_json::Value::to_string))
                    .collect::<Vec<_>>(),
                &ends.iter().map(|end| logs_text(&end.logs)).collect::<Vec<_>>(),
                &ends.iter().map(|end| progress_text(end.progress.as_ref())).collect::<Vec<_>>(),
            ],
        )
        .await
        .sql()?;
    ranked::note_rows(client, shared, &rows, false).await?;
    client.batch_execute("COMMIT").await.sql()?;
    let closed: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(7))).collect();
    let answer = |end: &TaskEnd| match closed.contains(&(end.id.0, end.term.0)) {
        true => Completed::Closed,
        false => Completed::Superseded,
    };
    Ok(ends.iter().map(answer).collect())
}

pub(crate) async fn open_run(
    client: &Object,
    shared: &Shared,
    run: &NewTaskRun,
) -> Result<TaskRunId, StoreError> {
    let id = shared.ids(client, 1).await?.into_iter().next().unwrap_or_default();
    let statement = client.prepare_cached(sql::RUN_INSERT).await.sql()?;
    client
        .execute(
            &statement,
            &[
                &id,
                &run.run_type,
                &run.entity.entity_type,
                &run.entity.entity_id,
                &run.entity.name,
                &to_millis(run.started_at),
                &run.term.map(|term| term.0),
                &run.node,
            ],
        )
        .await
        .sql()?;
    Ok(TaskRunId(id))
}

/// Closes a run, inside the caller's transaction.
pub(crate) async fn close_run(
    client: &Object,
    now: Timestamp,
    id: TaskRunId,
) -> Result<Option<TaskRunStatus>, StoreError> {
    let lock = client.prepare_cached(sql::RUN_LOCK).await.sql()?;
    let Some(row) = client.query_opt(&lock, &[&id.0]).await.sql()? else { return Ok(None) };
    let status = TaskRunStatus::from_code(row.get::<_, i16>(0).into());
    if status != TaskRunStatus::Started {
        return Ok(Some(status));
    }
    let tasks = client.prepare_cached(sql::RUN_TASKS).await.sql()?;
    let row = client.query_one(&tasks, &[&id.0]).await.sql()?;
    let status = TaskRunStatus::of_tasks(TaskCounts {
        all: count(row.get(0)),
        success: count(row.get(1)),
        failed: count(row.get(2)),
    });
    let close = client.prepare_cached(sql::RUN_CLOSE).await.sql()?;
    client.execute(&close, &[&id.0, &code(status.code()), &to_millis(now)]).await.sql()?;
    Ok(Some(status))
}

/// Closes recorded work and task runs whose node is gone.
pub(crate) fn close_lost(edit: &Edit, now: Timestamp, terms: &[i64]) -> Result<(), StoreError> {
    let lost = edit.query(sql::TASKS_LOST, &[&to_millis(now), &terms])?;
    edit.note_rows(&lost)?;
    edit.run_statement(sql::RUNS_LOST, &[&to_millis(now), &terms])?;
    Ok(())
}

/// Rows that were deleted.
#[derive(Default)]
struct Gone {
    ids: Vec<i64>,
    newest: Option<i64>,
}

impl Gone {
    async fn delete(
        &mut self,
        client: &Object,
        shared: &Shared,
        text: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<(), StoreError> {
        let statement = client.prepare_cached(text).await.sql()?;
        let rows = client.query(&statement, params).await.sql()?;
        for row in &rows {
            self.ids.push(row.get(0));
            self.newest = self.newest.max(Some(row.get(4)));
        }
        ranked::note_rows(client, shared, &rows, true).await?;
        Ok(())
    }
}

/// Deletes one chunk, inside the caller's transaction.
pub(crate) async fn prune(
    client: &Object,
    shared: &Shared,
    retention: &Retention,
) -> Result<u64, StoreError> {
    let chunk = integer(retention.chunk);
    let mut gone = Gone::default();
    if let Some(keep) = retention.max_rows.map(integer) {
        match &retention.job {
            None => gone.delete(client, shared, sql::PRUNE_SURPLUS, &[&keep, &chunk]).await?,
            Some(job) => {
                let params: [&(dyn ToSql + Sync); 4] = [&keep, &chunk, &job.group(), &job.name()];
                gone.delete(client, shared, sql::PRUNE_JOB_SURPLUS, &params).await?;
            }
        }
    }
    let left = chunk.saturating_sub(integer(gone.ids.len() as u64));
    if let Some(limit) = retention.ended_before.filter(|_| left > 0).map(to_millis) {
        match &retention.job {
            None => gone.delete(client, shared, sql::PRUNE_OLD, &[&limit, &left]).await?,
            Some(job) => {
                let params: [&(dyn ToSql + Sync); 4] = [&limit, &left, &job.group(), &job.name()];
                gone.delete(client, shared, sql::PRUNE_JOB_OLD, &params).await?;
            }
        }
    }
    let newest = gone.newest;
    let mut rows = 0;
    while !gone.ids.is_empty() {
        rows += gone.ids.len() as u64;
        let parents = std::mem::take(&mut gone.ids);
        gone.delete(client, shared, sql::PRUNE_CHILDREN, &[&parents]).await?;
    }
    if let Some(newest) = newest.filter(|_| retention.job.is_none()) {
        let statement = client.prepare_cached(sql::PRUNE_RUNS).await.sql()?;
        client.execute(&statement, &[&newest]).await.sql()?;
    }
    Ok(rows)
}
