//! Pages and insights, each read from one state of the database.

use std::collections::HashMap;

use deadpool_postgres::Object;
use punctual_core::insights::{Collector, Insight, InsightsQuery, Rollup, Series};
use punctual_core::ranking::{
    self, Around, Fence, List, Lists, Looked, OfTrigger, Open, Place, Search, Stretch, Way,
};
use punctual_core::time::to_millis;
use punctual_core::{
    HistoryQuery, HistorySort, JobKey, Page, StoreError, TaskHistory, TaskStatus, Timestamp, TriggerKey,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{fences as remembered, read_noted};
use crate::error::Sql;
use crate::link::Statements;
use crate::rows::{self, count, integer};
use crate::shared::Shared;
use crate::sql;

pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The fences of lists, each list's in order.
pub(super) async fn fences(client: &Object, lists: &[List]) -> Result<Vec<(List, Fence)>, StoreError> {
    let sorts: Vec<i16> = lists.iter().map(|list| list.sort).collect();
    let statuses: Vec<i16> = lists.iter().map(|list| list.status).collect();
    let series: Vec<i64> = lists.iter().map(|list| list.series).collect();
    let rows = client.rows(sql::FENCES, &[&sorts, &statuses, &series]).await?;
    let read = |row: &Row| {
        let list = List { sort: row.get(0), status: row.get(1), series: row.get(2) };
        let first = Place { value: row.get(3), id: row.get(4) };
        (list, Fence { first, rows: count(row.get(5)) })
    };
    Ok(rows.iter().map(read).collect())
}

/// The places in stretches of lists that are all of series, or all of series 0.
pub(super) async fn places(client: &Object, stretches: &[Stretch]) -> Result<Vec<Place>, StoreError> {
    let rows = in_stretches(client, [sql::PLACES, sql::PLACES_OF_ALL], stretches).await?;
    Ok(rows.iter().map(|row| Place { value: row.get(0), id: row.get(1) }).collect())
}

/// How many places [`places`] finds.
async fn count_places(client: &Object, stretches: &[Stretch]) -> Result<u64, StoreError> {
    let rows = in_stretches(client, [sql::PLACES_COUNT, sql::PLACES_OF_ALL_COUNT], stretches).await?;
    Ok(rows.first().map_or(0, |row| count(row.get(0))))
}

async fn in_stretches(
    client: &Object,
    [of_series, of_all]: [&'static str; 2],
    stretches: &[Stretch],
) -> Result<Vec<Row>, StoreError> {
    let Some((first, _, _)) = stretches.first() else { return Ok(Vec::new()) };
    let sorts: Vec<i16> = stretches.iter().map(|(list, _, _)| list.sort).collect();
    let statuses: Vec<i16> = stretches.iter().map(|(list, _, _)| list.status).collect();
    let each = |of: fn(&Stretch) -> i64| stretches.iter().map(of).collect::<Vec<i64>>();
    let (from_values, from_ids) = (each(|(_, from, _)| from.value), each(|(_, from, _)| from.id));
    let end = |to: Option<Place>| to.unwrap_or(Place::END);
    let to_values: Vec<i64> = stretches.iter().map(|(_, _, to)| end(*to).value).collect();
    let to_ids: Vec<i64> = stretches.iter().map(|(_, _, to)| end(*to).id).collect();
    if first.series == 0 {
        return client.rows(of_all, &[&sorts, &statuses, &from_values, &from_ids, &to_values, &to_ids]).await;
    }
    let series = each(|(list, _, _)| list.series);
    client.rows(of_series, &[&sorts, &statuses, &series, &from_values, &from_ids, &to_values, &to_ids]).await
}

pub(super) fn rollup(row: &Row) -> Rollup {
    let mut rollup = Rollup::default();
    add_rollup(row, &mut rollup);
    rollup
}

fn add_rollup(row: &Row, to: &mut Rollup) {
    to.success += row.get::<_, i64>(0);
    to.failed += row.get::<_, i64>(1);
    to.unknown += row.get::<_, i64>(2);
    to.total_ms += row.get::<_, i64>(3);
    to.durations.add_text(row.get(4));
}

fn series(task: String, group: String) -> Series {
    let job = (!group.is_empty()).then(|| JobKey::stored(group, task.clone()));
    Series { task, job }
}

/// The series that are asked for, by their numbers.
pub(super) async fn series_where(
    client: &Object,
    task: Option<&str>,
    wants: impl Fn(&Series) -> bool,
) -> Result<HashMap<i64, Series>, StoreError> {
    let found = match task {
        Some(task) => client.rows(sql::SERIES_OF_TASK, &[&task]).await?,
        None => client.rows(sql::SERIES_ALL, &[]).await?,
    };
    let read = |row: &Row| (row.get(0), series(row.get(1), row.get(2)));
    Ok(found.iter().map(read).filter(|(_, series)| wants(series)).collect())
}

async fn series_of(client: &Object, query: &HistoryQuery) -> Result<HashMap<i64, Series>, StoreError> {
    if !query.needs_series() {
        return Ok(HashMap::new());
    }
    series_where(client, query.task_of_series(), |series| query.wants(series)).await
}

async fn open_rows(client: &Object, query: &HistoryQuery) -> Result<Vec<Open>, StoreError> {
    if !query.wants_open() {
        return Ok(Vec::new());
    }
    let open = |row: &Row| {
        let value = query.sort.value(row.get(1), row.get(2), row.get(3));
        let series = series(row.get(4), row.get(5));
        let place = Place { value, id: row.get(0) };
        query.wants(&series).then_some(Open { task: series.task, place, started_at: row.get(1) })
    };
    Ok(client.rows(sql::OPEN_PLACES, &[]).await?.iter().filter_map(open).collect())
}

/// A page of a list for which [`HistoryQuery::is_ranked`].
pub(crate) async fn history(
    client: &Object,
    shared: &Shared,
    query: &HistoryQuery,
) -> Result<Page<TaskHistory>, StoreError> {
    client.batch_execute(BEGIN).await.sql()?;
    let (version, series, noted, open) = futures_util::try_join!(
        remembered::version(client),
        series_of(client, query),
        client.rows(sql::NOTED_ALL, &[]),
        open_rows(client, query),
    )?;
    let mut around = Around { series, open, noted: Vec::new() };
    noted.iter().for_each(|row| read_noted(row, &mut around.noted));
    let page = ranking::page(&Snapshot { client, shared, version }, query, around).await?;
    client.batch_execute("COMMIT").await.sql()?;
    Ok(page)
}

/// A page of a query by a trigger of which this is known, where it is found by the lists; inside the caller's transaction.
pub(crate) async fn page_of_trigger(
    client: &Object,
    shared: &Shared,
    query: &HistoryQuery,
    known: &OfTrigger,
) -> Result<Option<Page<TaskHistory>>, StoreError> {
    if !ranking::may_be_walked(query) {
        return Ok(None);
    }
    let version = remembered::version(client).await?;
    ranking::page_of_trigger(&Snapshot { client, shared, version }, query, known).await
}

/// The lists as the open transaction sees them.
struct Snapshot<'a> {
    client: &'a Object,
    shared: &'a Shared,
    /// Of the fences.
    version: i64,
}

impl Lists for Snapshot<'_> {
    async fn fences(&self, lists: &[List]) -> Result<Vec<Vec<Fence>>, StoreError> {
        remembered::of(self.client, self.shared, self.version, lists).await
    }

    async fn counted(&self, lists: &[List]) -> Result<Vec<u64>, StoreError> {
        let fences = self.fences(lists).await?;
        Ok(fences.iter().map(|fences| fences.iter().map(|fence| fence.rows).sum()).collect())
    }

    async fn places(&self, stretches: &[Stretch]) -> Result<Vec<Place>, StoreError> {
        places(self.client, stretches).await
    }

    async fn count_places(&self, stretches: &[Stretch]) -> Result<u64, StoreError> {
        count_places(self.client, stretches).await
    }

    async fn search(&self, search: &Search) -> Result<Vec<Place>, StoreError> {
        let List { sort, status, series } = &search.list;
        let Search { started_from: from, started_to, above, below, descending, .. } = search;
        let (limit, most) = (integer(search.limit), integer(search.walks()));
        let files = match (search.way, descending) {
            (Way::Sort, _) => [sql::WINDOW_SORTED, sql::WINDOW_SORTED_OF_ALL],
            (Way::Walk(_), true) => [sql::WINDOW_WALK_DOWN, sql::WINDOW_WALK_DOWN_OF_ALL],
            (Way::Walk(_), false) => [sql::WINDOW_WALK_UP, sql::WINDOW_WALK_UP_OF_ALL],
        };
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![sort, status];
        if *series != 0 {
            params.push(series);
        }
        params.extend([from as &(dyn ToSql + Sync), &above.value, &above.id, &below.value, &below.id]);
        params.push(if search.way == Way::Sort { descending } else { &most });
        params.extend([&limit as &(dyn ToSql + Sync), started_to]);
        let rows = self.client.rows(files[usize::from(*series == 0)], &params).await?;
        Ok(rows.iter().map(|row| Place { value: row.get(0), id: row.get(1) }).collect())
    }

    async fn search_of_trigger(
        &self,
        search: &Search,
        trigger: &TriggerKey,
    ) -> Result<Vec<Place>, StoreError> {
        let List { sort, status, series } = &search.list;
        let Search { started_from: from, started_to, above, below, .. } = search;
        let most = integer(search.walks());
        let file = if search.descending { sql::TRIGGER_WALK_DOWN } else { sql::TRIGGER_WALK_UP };
        let (limit, group, name) = (integer(search.limit), trigger.group(), trigger.name());
        let params: [&(dyn ToSql + Sync); 13] = [
            sort,
            status,
            series,
            from,
            &above.value,
            &above.id,
            &below.value,
            &below.id,
            &most,
            &limit,
            &group,
            &name,
            started_to,
        ];
        let rows = self.client.rows(file, &params).await?;
        Ok(rows.iter().map(|row| Place { value: row.get(0), id: row.get(1) }).collect())
    }

    async fn of_trigger(&self, ids: &[i64], trigger: &TriggerKey) -> Result<Vec<i64>, StoreError> {
        super::triggers::has_rows(self.client, trigger, ids).await
    }

    async fn look(&self, sort: HistorySort, ids: &[i64]) -> Result<Vec<Looked>, StoreError> {
        let looked = |row: &Row| {
            let place = Place { value: sort.value(row.get(1), row.get(2), row.get(3)), id: row.get(0) };
            looked(row, place, 4)
        };
        Ok(self.client.rows(sql::TIMES_BY_IDS, &[&ids]).await?.iter().map(looked).collect())
    }

    async fn moved_clocks(&self, from: Timestamp) -> Result<Vec<Looked>, StoreError> {
        // Without statistics of so small a part the server would rather read the whole table.
        self.client.batch_execute("SET LOCAL enable_seqscan = off").await.sql()?;
        let rows = self.client.rows(sql::MOVED_CLOCK, &[&to_millis(from)]).await?;
        self.client.batch_execute("SET LOCAL enable_seqscan = on").await.sql()?;
        Ok(rows.iter().map(|row| looked(row, Place { value: row.get(2), id: row.get(0) }, 3)).collect())
    }

    async fn rows(&self, ids: &[i64]) -> Result<Vec<TaskHistory>, StoreError> {
        let rows = self.client.rows(sql::HISTORY_BY_IDS, &[&ids]).await?;
        Ok(rows.iter().map(rows::history).collect())
    }
}

/// A row whose task, group of the job and status stand in columns that follow one another.
fn looked(row: &Row, place: Place, task: usize) -> Looked {
    let status = TaskStatus::from_code(row.get::<_, i16>(task + 2).into());
    Looked { started_at: row.get(1), place, series: series(row.get(task), row.get(task + 1)), status }
}

pub(crate) async fn insights(client: &Object, query: &InsightsQuery) -> Result<Vec<Insight>, StoreError> {
    client.batch_execute(BEGIN).await.sql()?;
    let wanted =
        series_where(client, query.task.as_deref(), |series| Collector::wants(query, series)).await?;
    let numbers: Vec<i64> = wanted.keys().copied().collect();
    let mut collector = Collector::new(query);
    for (level, from, to) in query.parts() {
        for row in client.rows(sql::ROLLUPS, &[&level, &numbers, &from, &to]).await? {
            if let Some(series) = wanted.get(&row.get(6)) {
                add_rollup(&row, collector.at(series, row.get(5)));
            }
        }
    }
    let noted = client.rows(sql::NOTED_ALL, &[]).await?;
    client.batch_execute("COMMIT").await.sql()?;
    let mut rows = Vec::new();
    noted.iter().for_each(|row| read_noted(row, &mut rows));
    for row in &rows {
        if let Some(series) = wanted.get(&row.series) {
            collector.note(series, row);
        }
    }
    Ok(collector.finish())
}
