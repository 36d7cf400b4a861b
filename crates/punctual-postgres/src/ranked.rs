//! The history in its orders, and its roll-ups: `punctual_core::ranking` says what they are.
//!
//! A transaction that ends or deletes rows notes them in one row of `history_noted`: rows that several nodes would have
//! to change are no part of the hot path. [`arrange`] brings what was noted into the tables that lists and insights are
//! read from, many rows at a time, and one node at a time.

pub(crate) mod fences;
pub(crate) mod put;
pub(crate) mod read;
pub(crate) mod triggers;

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::Object;
use punctual_core::insights::Rollup;
use punctual_core::ranking::{self, Fence, Folding, List, Noted, Place, RollupKey, Spacing};
use punctual_core::{StoreError, TaskStatus};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::error::Sql;
use crate::link::{Params, Statements};
use crate::rows::{code, count, integer};
use crate::shared::{Shared, lock};
use crate::sql;

/// The snapshot is taken after the lock has come, so that it shows all that was arranged before. The setting says that the
/// fences of triggers are kept, see the migration that made them.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL punctual.arranger = 'triggers'; \
     LOCK TABLE history_fences IN SHARE ROW EXCLUSIVE MODE";

#[derive(Default)]
pub(crate) struct KnownSeries {
    by_name: HashMap<(String, String), i64>,
    by_job: HashMap<i64, i64>,
}

/// The numbers of series, given the task and, for runs of jobs, the group of the job (otherwise empty).
pub(crate) async fn series(
    client: &impl Statements,
    shared: &Shared,
    names: &[(&str, &str)],
) -> Result<Vec<i64>, StoreError> {
    let key = |name: &(&str, &str)| (name.0.to_owned(), name.1.to_owned());
    let mut found: HashMap<(String, String), i64> = {
        let known = lock(&shared.series);
        names.iter().filter_map(|name| known.by_name.get(&key(name)).map(|id| (key(name), *id))).collect()
    };
    // In one order, so that transactions that make the same ones do not wait for each other in a circle.
    let missing: BTreeSet<(&str, &str)> =
        names.iter().filter(|name| !found.contains_key(&key(name))).copied().collect();
    if !missing.is_empty() {
        let (tasks, groups): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
        let made = client.run(sql::SERIES_INSERT, &[&tasks, &groups]).await?;
        let rows = client.rows(sql::SERIES_BY_NAMES, &[&tasks, &groups]).await?;
        let stored = rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2)));
        found.extend(stored);
        // What this transaction made may yet be rolled back.
        if made == 0 {
            lock(&shared.series).by_name.extend(found.clone());
        }
    }
    Ok(names.iter().map(|name| found.get(&key(name)).copied().unwrap_or_default()).collect())
}

/// The numbers of the series of open fires, given their jobs; 0 for a fire that is no longer open. Outside of a transaction.
pub(crate) async fn series_of_jobs(
    client: &Object,
    shared: &Shared,
    fires: &[i64],
    jobs: &[i64],
) -> Result<Vec<i64>, StoreError> {
    let unknown = {
        let known = lock(&shared.series);
        jobs.iter().any(|job| !known.by_job.contains_key(job))
    };
    if unknown {
        let rows = client.rows(sql::RUNNING_JOBS, &[&fires]).await?;
        let names: Vec<(&str, &str)> = rows.iter().map(|row| (row.get(1), row.get(2))).collect();
        let numbers = series(client, shared, &names).await?;
        lock(&shared.series).by_job.extend(rows.iter().map(|row| row.get::<_, i64>(0)).zip(numbers));
    }
    let known = lock(&shared.series);
    Ok(jobs.iter().map(|job| known.by_job.get(job).copied().unwrap_or_default()).collect())
}

/// Notes rows that a statement ended, or deleted, and returned: id, task, group of the job, status, start, end, duration, and
/// group and name of the trigger if they are deleted.
pub(crate) async fn note_rows(
    client: &impl Statements,
    shared: &Shared,
    rows: &[Row],
    gone: bool,
) -> Result<(), StoreError> {
    let names: Vec<(&str, &str)> = rows.iter().map(|row| (row.get(1), row.get(2))).collect();
    let series = series(client, shared, &names).await?;
    let noted = rows.iter().zip(series).map(|(row, series)| Noted {
        id: row.get(0),
        series,
        status: TaskStatus::from_code(row.get::<_, i16>(3).into()),
        started_at: row.get(4),
        ended_at: row.get(5),
        duration_ms: row.get(6),
        gone,
    });
    let text = |row: &Row, column| row.get::<_, Option<String>>(column).unwrap_or_default();
    let triggers: Option<(Vec<String>, Vec<String>)> =
        gone.then(|| rows.iter().map(|row| (text(row, 7), text(row, 8))).unzip());
    put_note(client, &noted.collect::<Vec<_>>(), triggers).await
}

/// Notes rows that have ended.
pub(crate) async fn note(client: &impl Statements, noted: &[Noted]) -> Result<(), StoreError> {
    put_note(client, noted, None).await
}

/// Notes rows, all of them ended, or all of them deleted and with the groups and names of their triggers.
async fn put_note(
    client: &impl Statements,
    noted: &[Noted],
    triggers: Option<(Vec<String>, Vec<String>)>,
) -> Result<(), StoreError> {
    let Some(first) = noted.first() else { return Ok(()) };
    let (groups, names) = triggers.unzip();
    let each = |of: fn(&Noted) -> i64| noted.iter().map(of).collect::<Vec<i64>>();
    let statuses: Vec<i16> = noted.iter().map(|row| code(row.status.code())).collect();
    client
        .run(
            sql::NOTED_INSERT,
            &[
                &first.gone,
                &each(|row| row.id),
                &each(|row| row.series),
                &statuses,
                &each(|row| row.started_at),
                &each(|row| row.ended_at.unwrap_or(i64::MAX)),
                &each(|row| row.duration_ms.unwrap_or(i64::MAX)),
                &groups,
                &names,
            ],
        )
        .await
        .map(drop)
}

/// Reads what one transaction noted.
fn read_noted(row: &Row, noted: &mut Vec<Noted>) {
    let gone: bool = row.get(0);
    let numbers = |column: usize| row.get::<_, Vec<i64>>(column);
    let (ids, series, started, ended, durations) =
        (numbers(1), numbers(2), numbers(4), numbers(5), numbers(6));
    let statuses: Vec<i16> = row.get(3);
    let maybe = |number: i64| Some(number).filter(|number| *number != i64::MAX);
    noted.extend((0..ids.len()).map(|at| Noted {
        id: ids[at],
        series: series[at],
        status: TaskStatus::from_code(statuses[at].into()),
        started_at: started[at],
        ended_at: maybe(ended[at]),
        duration_ms: maybe(durations[at]),
        gone,
    }));
}

/// Brings about so many of the noted rows into the tables, and builds a part of the fences of a trigger that lacks some; returns
/// how many rows are left, and at least so many while there is more to be built.
pub(crate) async fn arrange(client: &Object, at_most: u64, spacing: Spacing) -> Result<u64, StoreError> {
    client.batch_execute(BEGIN).await.sql()?;
    let left = arrange_noted(client, at_most, spacing).await?;
    let more = triggers::build(client, spacing).await?;
    client.batch_execute("COMMIT").await.sql()?;
    Ok(if more { left.max(at_most) } else { left })
}

async fn arrange_noted(client: &Object, at_most: u64, spacing: Spacing) -> Result<u64, StoreError> {
    let rows = client.rows(sql::NOTED_FIRST, &[&integer(at_most.max(1))]).await?;
    let Some(first) = rows.first() else { return Ok(0) };
    let all = count(first.get(8));
    let numbers: Vec<i64> = rows.iter().map(|row| row.get(7)).collect();
    let noted = triggers::AllNoted::read(&rows);
    let arranged = noted.rows.len() as u64;
    let mut folding = Folding::of(&noted.rows);
    move_places(client, &folding).await?;
    count_fences(client, &mut folding).await?;
    add_rollups(client, &folding).await?;
    client.run(sql::NOTED_DELETE, &[&numbers]).await?;
    triggers::count(client, noted, spacing).await?;
    Ok(all.saturating_sub(arranged))
}

async fn move_places(client: &Object, folding: &Folding) -> Result<(), StoreError> {
    let columns = |places: &[(List, Place)]| {
        let each = |of: fn(&(List, Place)) -> i64| places.iter().map(of).collect::<Vec<i64>>();
        let sorts: Vec<i16> = places.iter().map(|(list, _)| list.sort).collect();
        let statuses: Vec<i16> = places.iter().map(|(list, _)| list.status).collect();
        let (values, ids) = (each(|(_, place)| place.value), each(|(_, place)| place.id));
        (sorts, statuses, each(|(list, _)| list.series), values, ids)
    };
    if !folding.removed.is_empty() {
        let removed: Vec<_> = folding.removed.iter().copied().collect();
        let (sorts, statuses, series, values, ids) = columns(&removed);
        client.run(sql::PLACES_DELETE, &[&sorts, &statuses, &series, &values, &ids]).await?;
    }
    if !folding.added.is_empty() {
        let (added, others): (Vec<_>, Vec<i64>) = folding.added.iter().unzip();
        let (sorts, statuses, series, values, ids) = columns(&added);
        insert_places(client, &[&sorts, &statuses, &series, &values, &ids, &others]).await?;
    }
    Ok(())
}

/// To look for each place before it is inserted would take nearly as long again, and hardly ever is one there: a row was
/// noted twice, by an upgrade and by a node of an older version.
async fn insert_places(client: &Object, places: Params<'_>) -> Result<(), StoreError> {
    let insert = client.prepare_cached(sql::PLACES_INSERT).await.sql()?;
    client.batch_execute("SAVEPOINT places").await.sql()?;
    match client.execute(&insert, places).await {
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            client.batch_execute("ROLLBACK TO SAVEPOINT places").await.sql()?;
            client.run(sql::PLACES_INSERT_MISSING, places).await.map(drop)
        }
        inserted => inserted.sql().map(drop),
    }
}

async fn count_fences(client: &Object, folding: &mut Folding) -> Result<(), StoreError> {
    let lists: Vec<List> = folding.lists().into_iter().collect();
    let fences = read::fences(client, &lists).await?;
    let mut changed = folding.count(fences);
    let full: Vec<(List, Fence)> =
        changed.iter().filter(|(_, fence)| fence.rows > Spacing::CLOSE.full).copied().collect();
    if !full.is_empty() {
        for (list, fence) in full {
            let to = folding.next_fence(list, fence.first);
            let mut places = read::places(client, &[(list, fence.first, to)]).await?;
            changed.retain(|(other, known)| (*other, known.first) != (list, fence.first));
            changed.extend(
                ranking::cut(fence.first, &mut places, Spacing::CLOSE).into_iter().map(|fence| (list, fence)),
            );
        }
    }
    let each = |of: fn(&(List, Fence)) -> i64| changed.iter().map(of).collect::<Vec<i64>>();
    let sorts: Vec<i16> = changed.iter().map(|(list, _)| list.sort).collect();
    let statuses: Vec<i16> = changed.iter().map(|(list, _)| list.status).collect();
    let (series, values) = (each(|(list, _)| list.series), each(|(_, fence)| fence.first.value));
    let (ids, rows) = (each(|(_, fence)| fence.first.id), each(|(_, fence)| integer(fence.rows)));
    client.run(sql::FENCES_PUT, &[&sorts, &statuses, &series, &values, &ids, &rows]).await.map(drop)
}

async fn add_rollups(client: &Object, folding: &Folding) -> Result<(), StoreError> {
    let levels: Vec<i16> = folding.rollups.keys().map(|(level, _, _)| *level).collect();
    let series: Vec<i64> = folding.rollups.keys().map(|(_, series, _)| *series).collect();
    let buckets: Vec<i64> = folding.rollups.keys().map(|(_, _, bucket)| *bucket).collect();
    let rows = client.rows(sql::ROLLUPS_BY_KEYS, &[&levels, &series, &buckets]).await?;
    let mut sums = folding.rollups.clone();
    for row in &rows {
        let key: RollupKey = (row.get(7), row.get(6), row.get(5));
        sums.entry(key).or_default().add(&read::rollup(row));
    }
    let each = |of: fn(&Rollup) -> i64| sums.values().map(of).collect::<Vec<i64>>();
    let durations: Vec<String> = sums.values().map(|rollup| rollup.durations.to_text()).collect();
    client
        .run(
            sql::ROLLUPS_PUT,
            &[
                &levels,
                &series,
                &buckets,
                &each(|rollup| rollup.success),
                &each(|rollup| rollup.failed),
                &each(|rollup| rollup.unknown),
                &each(|rollup| rollup.total_ms),
                &durations,
            ],
        )
        .await?;
    client.run(sql::ROLLUPS_CLEAR, &[&levels, &series, &buckets]).await.map(drop)
}
