//! Rows that ended elsewhere or earlier, many at a time.

use deadpool_postgres::Object;
use punctual_core::ranking::Noted;
use punctual_core::time::to_millis;
use punctual_core::{JobKey, StoreError, TaskHistory, TaskStatus, TriggerKey};

use super::{note, series};
use crate::error::Sql;
use crate::link::Statements;
use crate::rows::{code, integer, millis};
use crate::shared::Shared;
use crate::sql;

/// Writes them in one transaction under new ids.
pub(crate) async fn rows(client: &Object, shared: &Shared, rows: &[TaskHistory]) -> Result<(), StoreError> {
    let rows: Vec<&TaskHistory> = rows.iter().filter(|row| row.status != TaskStatus::Started).collect();
    client.batch_execute("BEGIN").await.sql()?;
    let ids = shared.ids(client, rows.len()).await?;
    let names = shared.new_task_names(rows.iter().map(|row| row.task.as_str()));
    if !names.is_empty() {
        client.run(sql::TASK_NAMES_INSERT, &[&names]).await?;
    }
    let named: Vec<(&str, &str)> =
        rows.iter().map(|row| (row.task.as_str(), row.job.as_ref().map_or("", JobKey::group))).collect();
    let series = series(client, shared, &named).await?;
    insert(client, &rows, &ids).await?;
    let noted = rows.iter().zip(&ids).zip(series).map(|((row, id), series)| Noted {
        id: *id,
        series,
        status: row.status,
        started_at: to_millis(row.started_at),
        ended_at: millis(row.ended_at),
        duration_ms: row.duration_ms.map(integer),
        gone: false,
    });
    note(client, &noted.collect::<Vec<_>>()).await?;
    client.batch_execute("COMMIT").await.sql()?;
    shared.remember_task_names(&names);
    Ok(())
}

async fn insert(client: &Object, rows: &[&TaskHistory], ids: &[i64]) -> Result<(), StoreError> {
    let each = |of: fn(&TaskHistory) -> Option<i64>| rows.iter().map(|row| of(row)).collect::<Vec<_>>();
    let small = |of: fn(&TaskHistory) -> i64| rows.iter().map(|row| code(of(row))).collect::<Vec<i16>>();
    let job = |of: fn(&JobKey) -> &str| {
        rows.iter().map(|row| row.job.as_ref().map(|key| of(key).to_owned())).collect::<Vec<_>>()
    };
    let trigger = |of: fn(&TriggerKey) -> &str| {
        rows.iter().map(|row| row.trigger.as_ref().map(|key| of(key).to_owned())).collect::<Vec<_>>()
    };
    let details: Vec<Option<String>> =
        rows.iter().map(|row| row.details.as_ref().map(serde_json::Value::to_string)).collect();
    client
        .run(
            sql::HISTORY_PUT,
            &[
                &ids,
                &each(|row| Some(to_millis(row.started_at))),
                &each(|row| millis(row.ended_at)),
                &each(|row| row.duration_ms.map(integer)),
                &each(|row| millis(row.scheduled_at)),
                &each(|row| row.db_id),
                &each(|row| Some(row.attempt.into())),
                &small(|row| row.status.code()),
                &small(|row| row.cause.code()),
                &rows.iter().map(|row| row.task.as_str()).collect::<Vec<_>>(),
                &job(JobKey::group),
                &job(JobKey::name),
                &trigger(TriggerKey::group),
                &trigger(TriggerKey::name),
                &rows.iter().map(|row| row.node.as_str()).collect::<Vec<_>>(),
                &details,
            ],
        )
        .await
        .map(drop)
}
