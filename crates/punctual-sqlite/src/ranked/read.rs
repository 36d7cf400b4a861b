//! Pages and insights, each read from one state of the database.

use std::collections::HashMap;

use punctual_core::insights::{Collector, Insight, InsightsQuery, Rollup, Series};
use punctual_core::ranking::{
    self, Around, Deleted, Fence, List, Lists, Looked, Noted, OfTrigger, Open, Place, Search, Stretch, Way,
};
use punctual_core::time::to_millis;
use punctual_core::{
    HistoryQuery, HistorySort, JobKey, Page, StoreError, TaskHistory, TaskStatus, Timestamp, TriggerKey,
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use crate::error::Sql;
use crate::rows::{self, count, integer};
use crate::sql;

pub(super) fn many<T>(
    connection: &Connection,
    statement: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.query_map(params, read)?.collect())
        .sql()
}

pub(super) fn read_place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { value: row.get(0)?, id: row.get(1)? })
}

pub(super) fn fences(connection: &Connection, list: List) -> Result<Vec<Fence>, StoreError> {
    let read = |row: &Row<'_>| Ok(Fence { first: read_place(row)?, rows: count(row.get(2)?) });
    many(connection, sql::FENCES, (list.sort, list.status, list.series), read)
}

/// The places of a list from one place up to another.
pub(super) fn places(
    connection: &Connection,
    list: List,
    from: Place,
    to: Option<Place>,
) -> Result<Vec<Place>, StoreError> {
    let to = to.unwrap_or(Place::END);
    let List { sort, status, series } = list;
    if series == 0 {
        let params = (sort, status, from.value, from.id, to.value, to.id);
        return many(connection, sql::PLACES_OF_ALL, params, read_place);
    }
    many(connection, sql::PLACES, (sort, status, series, from.value, from.id, to.value, to.id), read_place)
}

/// How many places [`places`] finds.
fn count_places(connection: &Connection, (list, from, to): &Stretch) -> Result<u64, StoreError> {
    let List { sort, status, series } = list;
    let to = to.unwrap_or(Place::END);
    let read = |row: &Row<'_>| Ok(count(row.get(0)?));
    let found = if *series == 0 {
        let params = (sort, status, from.value, from.id, to.value, to.id);
        many(connection, sql::PLACES_OF_ALL_COUNT, params, read)
    } else {
        let params = (sort, status, series, from.value, from.id, to.value, to.id);
        many(connection, sql::PLACES_COUNT, params, read)
    };
    Ok(found?.into_iter().sum())
}

pub(super) fn rollup(row: &Row<'_>) -> rusqlite::Result<Rollup> {
    let mut rollup = Rollup::default();
    add_rollup(row, &mut rollup)?;
    Ok(rollup)
}

fn add_rollup(row: &Row<'_>, to: &mut Rollup) -> rusqlite::Result<()> {
    to.success += row.get::<_, i64>(0)?;
    to.failed += row.get::<_, i64>(1)?;
    to.unknown += row.get::<_, i64>(2)?;
    to.total_ms += row.get::<_, i64>(3)?;
    to.durations.add_text(row.get_ref(4)?.as_str()?);
    Ok(())
}

fn series(task: String, group: String) -> Series {
    let job = (!group.is_empty()).then(|| JobKey::stored(group, task.clone()));
    Series { task, job }
}

/// The series that are asked for, by their numbers.
pub(super) fn series_where(
    connection: &Connection,
    task: Option<&str>,
    wants: impl Fn(&Series) -> bool,
) -> Result<HashMap<i64, Series>, StoreError> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, series(row.get(1)?, row.get(2)?)));
    let found: Vec<(i64, Series)> = match task {
        Some(task) => many(connection, sql::SERIES_OF_TASK, [task], read)?,
        None => many(connection, sql::SERIES_ALL, [], read)?,
    };
    Ok(found.into_iter().filter(|(_, series)| wants(series)).collect())
}

/// What was noted and is not in the tables yet.
fn noted(connection: &Connection) -> Result<Vec<Noted>, StoreError> {
    let mut statement = connection.prepare_cached(sql::NOTED_ALL).sql()?;
    let mut rows = statement.query([]).sql()?;
    let mut noted = Vec::new();
    while let Some(row) = rows.next().sql()? {
        noted.extend(Noted::read_all(row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).sql()?));
    }
    Ok(noted)
}

/// The same, with the triggers of deleted rows.
pub(super) fn noted_with_triggers(connection: &Connection) -> Result<(Vec<Noted>, Deleted), StoreError> {
    let mut statement = connection.prepare_cached(sql::NOTED_ALL).sql()?;
    let mut rows = statement.query([]).sql()?;
    let (mut noted, mut deleted) = (Vec::new(), Deleted::new());
    while let Some(row) = rows.next().sql()? {
        super::read_noted(
            row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).sql()?,
            &mut noted,
            &mut deleted,
        );
    }
    Ok((noted, deleted))
}

fn open_rows(connection: &Connection, query: &HistoryQuery) -> Result<Vec<Open>, StoreError> {
    if !query.wants_open() {
        return Ok(Vec::new());
    }
    let read = |row: &Row<'_>| {
        let value = query.sort.value(row.get(1)?, row.get(2)?, row.get(3)?);
        let place = Place { value, id: row.get(0)? };
        let series = series(row.get(4)?, row.get(5)?);
        Ok(query.wants(&series).then_some(Open { task: series.task, place, started_at: row.get(1)? }))
    };
    let found = many(connection, sql::OPEN_PLACES, [], read)?;
    Ok(found.into_iter().flatten().collect())
}

/// A page of a list for which [`HistoryQuery::is_ranked`].
pub(crate) fn history(
    connection: &Connection,
    query: &HistoryQuery,
) -> Result<Page<TaskHistory>, StoreError> {
    let _one_state = connection.unchecked_transaction().sql()?;
    let series = match query.needs_series() {
        true => series_where(connection, query.task_of_series(), |series| query.wants(series))?,
        false => HashMap::new(),
    };
    let around = Around { series, open: open_rows(connection, query)?, noted: noted(connection)? };
    ranking::ready(ranking::page(&Snapshot(connection), query, around))
}

/// A page of a query by a trigger of which this is known, where it is found by the lists; inside the caller's transaction.
pub(crate) fn page_of_trigger(
    connection: &Connection,
    query: &HistoryQuery,
    known: &OfTrigger,
) -> Result<Option<Page<TaskHistory>>, StoreError> {
    if !ranking::may_be_walked(query) {
        return Ok(None);
    }
    ranking::ready(ranking::page_of_trigger(&Snapshot(connection), query, known))
}

/// The lists as the open transaction sees them.
struct Snapshot<'a>(&'a Connection);

impl Lists for Snapshot<'_> {
    async fn fences(&self, lists: &[List]) -> Result<Vec<Vec<Fence>>, StoreError> {
        lists.iter().map(|list| fences(self.0, *list)).collect()
    }

    async fn counted(&self, lists: &[List]) -> Result<Vec<u64>, StoreError> {
        let mut statement = self.0.prepare_cached(sql::FENCES_SUM).sql()?;
        let sum = |list: &List| {
            let params = (list.sort, list.status, list.series);
            statement.query_row(params, |row| Ok(count(row.get(0)?))).sql()
        };
        lists.iter().map(sum).collect()
    }

    async fn places(&self, stretches: &[Stretch]) -> Result<Vec<Place>, StoreError> {
        let mut found = Vec::new();
        for (list, from, to) in stretches {
            found.extend(places(self.0, *list, *from, *to)?);
        }
        Ok(found)
    }

    async fn count_places(&self, stretches: &[Stretch]) -> Result<u64, StoreError> {
        stretches.iter().map(|stretch| count_places(self.0, stretch)).sum()
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
        let mut params: Vec<&dyn ToSql> = vec![sort, status];
        if *series != 0 {
            params.push(series);
        }
        params.extend([from as &dyn ToSql, &above.value, &above.id, &below.value, &below.id]);
        params.push(if search.way == Way::Sort { descending } else { &most });
        params.extend([&limit as &dyn ToSql, started_to]);
        many(self.0, files[usize::from(*series == 0)], &*params, read_place)
    }

    async fn search_of_trigger(
        &self,
        search: &Search,
        trigger: &TriggerKey,
    ) -> Result<Vec<Place>, StoreError> {
        let List { sort, status, series } = &search.list;
        let Search { started_from: from, started_to, above, below, .. } = search;
        let (most, limit) = (integer(search.walks()), integer(search.limit));
        let file = if search.descending { sql::TRIGGER_WALK_DOWN } else { sql::TRIGGER_WALK_UP };
        let (group, name) = (trigger.group(), trigger.name());
        let params: [&dyn ToSql; 13] = [
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
        many(self.0, file, &params[..], read_place)
    }

    async fn of_trigger(&self, ids: &[i64], trigger: &TriggerKey) -> Result<Vec<i64>, StoreError> {
        super::triggers::has_rows(self.0, trigger, ids)
    }

    async fn look(&self, sort: HistorySort, ids: &[i64]) -> Result<Vec<Looked>, StoreError> {
        let mut statement = self.0.prepare_cached(sql::TIMES).sql()?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let read = |row: &Row<'_>| {
                let value = sort.value(row.get(0)?, row.get(1)?, row.get(2)?);
                looked(row, row.get(0)?, Place { value, id: *id })
            };
            found.extend(statement.query_row([id], read).optional().sql()?);
        }
        Ok(found)
    }

    async fn moved_clocks(&self, from: Timestamp) -> Result<Vec<Looked>, StoreError> {
        let read = |row: &Row<'_>| looked(row, row.get(1)?, Place { value: row.get(2)?, id: row.get(0)? });
        many(self.0, sql::MOVED_CLOCK, [to_millis(from)], read)
    }

    async fn rows(&self, ids: &[i64]) -> Result<Vec<TaskHistory>, StoreError> {
        let mut statement = self.0.prepare_cached(sql::HISTORY_ENTRY).sql()?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(statement.query_row([id], rows::history).optional().sql()?);
        }
        Ok(found)
    }
}

/// A row whose task, group of the job and status stand in the columns from the third on.
fn looked(row: &Row<'_>, started_at: i64, place: Place) -> rusqlite::Result<Looked> {
    let series = series(row.get(3)?, row.get(4)?);
    Ok(Looked { started_at, place, series, status: TaskStatus::from_code(row.get(5)?) })
}

pub(crate) fn insights(connection: &Connection, query: &InsightsQuery) -> Result<Vec<Insight>, StoreError> {
    let _one_state = connection.unchecked_transaction().sql()?;
    let wanted = series_where(connection, query.task.as_deref(), |series| Collector::wants(query, series))?;
    let mut collector = Collector::new(query);
    for (level, from, to) in query.parts() {
        for (number, series) in &wanted {
            let mut statement = connection.prepare_cached(sql::ROLLUPS).sql()?;
            let mut rows = statement.query((level, number, from, to)).sql()?;
            while let Some(row) = rows.next().sql()? {
                add_rollup(row, collector.at(series, row.get(5).sql()?)).sql()?;
            }
        }
    }
    for row in noted(connection)? {
        if let Some(series) = wanted.get(&row.series) {
            collector.note(series, &row);
        }
    }
    Ok(collector.finish())
}
