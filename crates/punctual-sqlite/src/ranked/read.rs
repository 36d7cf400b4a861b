//! Pages and insights, each read from one state of the database.

use std::collections::HashMap;

use punctual_core::insights::{Collector, Insight, InsightsQuery, Rollup, Series};
use punctual_core::ranking::{self, Fence, List, Noted, Open, Part, Piece, Place};
use punctual_core::{HistoryQuery, HistorySort, JobKey, Page, StoreError, TaskHistory};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Sql;
use crate::rows::{self, count};
use crate::sql;

fn many<T>(
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

fn read_place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { value: row.get(0)?, id: row.get(1)? })
}

pub(super) fn fences(connection: &Connection, list: List) -> Result<Vec<Fence>, StoreError> {
    let read = |row: &Row<'_>| Ok(Fence { first: read_place(row)?, rows: count(row.get(2)?) });
    many(connection, sql::FENCES, (list.sort, list.status, list.series), read)
}

pub(super) fn all_series(connection: &Connection) -> Result<Vec<i64>, StoreError> {
    many(connection, sql::SERIES_ALL, [], |row| row.get(0))
}

/// The places of a list from one place up to another; those of series 0 are the ones of all series.
pub(super) fn places(
    connection: &Connection,
    list: List,
    all: &[i64],
    from: Place,
    to: Option<Place>,
) -> Result<Vec<Place>, StoreError> {
    let to = to.unwrap_or(Place::END);
    let one = [list.series];
    let series = if list.series == 0 { all } else { &one };
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(sql::PLACES).sql()?;
    for series in series {
        let params = (list.sort, list.status, series, from.value, from.id, to.value, to.id);
        let rows = statement.query_map(params, read_place).sql()?;
        for place in rows {
            found.push(place.sql()?);
        }
    }
    Ok(found)
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
fn series_where(
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

fn open_rows(connection: &Connection, query: &HistoryQuery) -> Result<Vec<Open>, StoreError> {
    if !query.wants_open() {
        return Ok(Vec::new());
    }
    let read = |row: &Row<'_>| {
        let value = match query.sort {
            HistorySort::EndedAt => row.get::<_, Option<i64>>(2)?.unwrap_or(i64::MAX),
            HistorySort::Duration => row.get::<_, Option<i64>>(3)?.unwrap_or(i64::MAX),
            _ => row.get(1)?,
        };
        let place = Place { value, id: row.get(0)? };
        let series = series(row.get(4)?, row.get(5)?);
        Ok(query.wants(&series).then_some(Open { task: series.task, place }))
    };
    let found = many(connection, sql::OPEN_PLACES, [], read)?;
    Ok(found.into_iter().flatten().collect())
}

/// How many rows the fences of lists count.
fn counted(connection: &Connection, lists: &[List]) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(sql::FENCES_SUM).sql()?;
    let mut sum = 0;
    for list in lists {
        let params = (list.sort, list.status, list.series);
        sum += count(statement.query_row(params, |row| row.get(0)).sql()?);
    }
    Ok(sum)
}

/// A page of a list that filters by task, job and status only.
pub(crate) fn history(
    connection: &Connection,
    query: &HistoryQuery,
) -> Result<Page<TaskHistory>, StoreError> {
    let _one_state = connection.unchecked_transaction().sql()?;
    let wanted = series_where(connection, query.task.as_deref(), |series| query.wants(series))?;
    let all: Vec<i64> = wanted.keys().copied().collect();
    let open = open_rows(connection, query)?;
    let mut pieces = ranking::pieces(query, &wanted, open, &noted(connection)?);
    let mut page = PlacesPage { connection, all: &all, ids: Vec::new(), total: 0 };
    if let [piece] = &mut pieces[..] {
        page.total = page.read(std::mem::take(piece), &query.part())?;
    } else {
        let mut rows = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            rows.push(piece.rows(counted(connection, &piece.lists)?));
        }
        for (number, paging) in ranking::pages(&rows, query.descending, query.paging) {
            page.read(std::mem::take(&mut pieces[number]), &Part { paging, ..query.part() })?;
        }
        page.total = rows.into_iter().sum();
    }
    let mut statement = connection.prepare_cached(sql::HISTORY_ENTRY).sql()?;
    let mut rows = Vec::new();
    for id in page.ids {
        rows.extend(statement.query_row([id], rows::history).optional().sql()?);
    }
    Ok(Page { rows, total: page.total })
}

/// A page as far as it is found.
struct PlacesPage<'a> {
    connection: &'a Connection,
    all: &'a [i64],
    ids: Vec<i64>,
    total: u64,
}

impl PlacesPage<'_> {
    /// Adds a part of a piece; answers how many rows the piece has.
    fn read(&mut self, piece: Piece, part: &Part) -> Result<u64, StoreError> {
        let lists = piece.lists.clone();
        let mut fenced = Vec::with_capacity(lists.len());
        for list in &lists {
            fenced.push(fences(self.connection, *list)?);
        }
        let plan = piece.plan(&fenced, part);
        let mut read = Vec::new();
        for span in &plan.spans {
            read.extend(places(self.connection, lists[span.list], self.all, span.from, span.to)?);
        }
        let total = plan.total;
        self.ids.extend(plan.pick(read));
        Ok(total)
    }
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
