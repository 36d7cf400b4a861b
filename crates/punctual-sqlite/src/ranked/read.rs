//! Pages and insights, each read from one state of the database.

use std::collections::HashMap;

use punctual_core::insights::{Collector, Insight, InsightsQuery, Rollup, Series};
use punctual_core::ranking::{
    self, Cutter, Fence, List, Looked, Noted, Open, Part, Piece, Place, Way, Window,
};
use punctual_core::time::to_millis;
use punctual_core::{
    HistoryQuery, HistorySort, JobKey, Page, Paging, StoreError, TaskHistory, TaskStatus, Timestamp,
};
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
fn count_places(connection: &Connection, list: List, from: Place, to: Place) -> Result<u64, StoreError> {
    let List { sort, status, series } = list;
    let read = |row: &Row<'_>| Ok(count(row.get(0)?));
    let found = if series == 0 {
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
        let value = query.sort.value(row.get(1)?, row.get(2)?, row.get(3)?);
        let place = Place { value, id: row.get(0)? };
        let series = series(row.get(4)?, row.get(5)?);
        Ok(query.wants(&series).then_some(Open { task: series.task, place, started_at: row.get(1)? }))
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

/// A page of a list for which [`HistoryQuery::is_ranked`].
pub(crate) fn history(
    connection: &Connection,
    query: &HistoryQuery,
) -> Result<Page<TaskHistory>, StoreError> {
    let _one_state = connection.unchecked_transaction().sql()?;
    let wanted = series_where(connection, query.task.as_deref(), |series| query.wants(series))?;
    let open = open_rows(connection, query)?;
    let noted = noted(connection)?;
    let mut pieces = ranking::pieces(query, &wanted, open.clone(), &noted);
    let mut page = PlacesPage { connection, query, ids: Vec::new() };
    let by_start = |open: Vec<Open>| {
        let by_start = HistoryQuery { sort: HistorySort::StartedAt, ..query.clone() };
        let open = open.into_iter().map(Open::by_start).collect();
        ranking::pieces(&by_start, &wanted, open, &noted)
    };
    let total = match (&mut pieces[..], query.started_from) {
        ([piece], from) if from.is_none() || query.sort == HistorySort::StartedAt => {
            page.read(std::mem::take(piece))?
        }
        (pieces, None) => page.read_pieces(pieces)?,
        (pieces, Some(from)) => page.read_window(pieces, by_start(open), from)?,
    };
    let mut statement = connection.prepare_cached(sql::HISTORY_ENTRY).sql()?;
    let mut rows = Vec::new();
    for id in page.ids {
        rows.extend(statement.query_row([id], rows::history).optional().sql()?);
    }
    rows.retain(|row: &TaskHistory| query.started_from.is_none_or(|from| row.started_at >= from));
    Ok(Page { rows, total })
}

/// A page as far as it is found.
struct PlacesPage<'a> {
    connection: &'a Connection,
    query: &'a HistoryQuery,
    ids: Vec<i64>,
}

impl PlacesPage<'_> {
    /// The only piece; answers how many rows match.
    fn read(&mut self, piece: Piece) -> Result<u64, StoreError> {
        let fences = self.fences(&piece)?;
        let (before, rows) = self.count(&piece, &fences)?;
        self.add(piece, &fences, (before, rows), &self.query.part())?;
        Ok(rows)
    }

    /// A window of an order whose lists do not tell the starts; answers how many rows lie in it.
    fn read_window(
        &mut self,
        pieces: &mut [Piece],
        by_start: Vec<Piece>,
        from: Timestamp,
    ) -> Result<u64, StoreError> {
        // Counted in the lists of all tasks rather than in those of each.
        let Some(of_start) = by_start.into_iter().next() else { return Ok(0) };
        let starts = self.fences(&of_start)?;
        let (before, total) = self.count(&of_start, &starts)?;
        let way = ranking::way(self.query, total, before + total);
        let mut window = Window::new(self.query, from);
        if matches!(way, Way::Sort | Way::Known(_)) {
            let all = Part { descending: true, after: None, paging: Paging::first(total) };
            let rows = self.places(of_start, &starts, &all)?;
            if way == Way::Sort {
                window.take(self.look(&rows)?);
            } else {
                window.know(rows);
            }
        }
        match (way, pieces) {
            (Way::Known(step) | Way::Walk(step), [piece]) => {
                if window.wants_moved_clocks() {
                    window.take(self.moved_clocks(from)?);
                }
                self.walk(std::mem::take(piece), step, &mut window)?;
            }
            (Way::Pieces, pieces) => {
                self.read_windows(pieces)?;
                return Ok(total);
            }
            _ => {}
        }
        self.ids = window.ids();
        Ok(total)
    }

    /// Takes what a window needs of an order, so many rows at a time.
    fn walk(&self, piece: Piece, step: u64, window: &mut Window) -> Result<(), StoreError> {
        let fences = self.fences(&piece)?;
        let mut part = window.step(step);
        while !window.is_full() {
            let places = self.places(piece.clone(), &fences, &part)?;
            if window.is_known() {
                window.take_known(&places);
            } else {
                window.take(self.look(&places)?);
            }
            part.after = places.last().copied();
            if (places.len() as u64) < step {
                break;
            }
        }
        Ok(())
    }

    fn look(&self, rows: &[Place]) -> Result<Vec<Looked>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql::TIMES).sql()?;
        let mut looked = Vec::with_capacity(rows.len());
        for Place { id, .. } in rows {
            let read = |row: &Row<'_>| {
                let value = self.query.sort.value(row.get(0)?, row.get(1)?, row.get(2)?);
                let (place, status) = (Place { value, id: *id }, TaskStatus::from_code(row.get(4)?));
                Ok(Looked { started_at: row.get(0)?, place, task: row.get(3)?, status })
            };
            looked.extend(statement.query_row([id], read).optional().sql()?);
        }
        Ok(looked)
    }

    /// What started in the window and ended before it.
    fn moved_clocks(&self, from: Timestamp) -> Result<Vec<Looked>, StoreError> {
        let read = |row: &Row<'_>| {
            let place = Place { value: row.get(2)?, id: row.get(0)? };
            let status = TaskStatus::from_code(row.get(5)?);
            let series = series(row.get(3)?, row.get(4)?);
            let fits = self.query.wants(&series) && self.query.status.is_none_or(|wanted| wanted == status);
            Ok(fits.then_some(Looked { started_at: row.get(1)?, place, task: series.task, status }))
        };
        let found = many(self.connection, sql::MOVED_CLOCK, [to_millis(from)], read)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Pieces that follow one another; answers how many rows they have.
    fn read_pieces(&mut self, pieces: &mut [Piece]) -> Result<u64, StoreError> {
        let mut cutter = Cutter::new(self.query.paging);
        let mut total = 0;
        for number in self.order(pieces) {
            let piece = &mut pieces[number];
            let rows = piece.rows(counted(self.connection, &piece.lists)?);
            total += rows;
            if let Some(paging) = cutter.next(rows) {
                let fences = self.fences(piece)?;
                self.add(std::mem::take(piece), &fences, (0, rows), &Part { paging, ..self.query.part() })?;
            }
        }
        Ok(total)
    }

    /// As many as the page needs of pieces that follow one another, of each what lies in the window.
    fn read_windows(&mut self, pieces: &mut [Piece]) -> Result<(), StoreError> {
        let mut cutter = Cutter::new(self.query.paging);
        for number in self.order(pieces) {
            if cutter.is_done() {
                break;
            }
            let piece = std::mem::take(&mut pieces[number]);
            let fences = self.fences(&piece)?;
            let counts = self.count(&piece, &fences)?;
            if let Some(paging) = cutter.next(counts.1) {
                self.add(piece, &fences, counts, &Part { paging, ..self.query.part() })?;
            }
        }
        Ok(())
    }

    fn order(&self, pieces: &[Piece]) -> Vec<usize> {
        let numbers = 0..pieces.len();
        if self.query.descending { numbers.rev().collect() } else { numbers.collect() }
    }

    fn fences(&self, piece: &Piece) -> Result<Vec<Vec<Fence>>, StoreError> {
        piece.lists.iter().map(|list| fences(self.connection, *list)).collect()
    }

    /// How many rows of a piece lie before the window, and how many in it.
    fn count(&self, piece: &Piece, fences: &[Vec<Fence>]) -> Result<(u64, u64), StoreError> {
        let rows = piece.rows(fences.iter().flatten().map(|fence| fence.rows).sum());
        let Some(bound) = self.query.bound() else { return Ok((0, rows)) };
        let before = piece.before(fences, bound);
        let mut counted = 0;
        for span in &before.spans {
            counted += count_places(self.connection, piece.lists[span.list], span.from, bound)?;
        }
        let before = before.rows(counted);
        Ok((before, rows.saturating_sub(before)))
    }

    /// Adds a part of a piece, given how many of its rows lie before the window and in it.
    fn add(
        &mut self,
        piece: Piece,
        fences: &[Vec<Fence>],
        (before, rows): (u64, u64),
        part: &Part,
    ) -> Result<(), StoreError> {
        let part = self.query.bound().map_or(*part, |bound| ranking::part_from(part, bound, before, rows));
        let places = self.places(piece, fences, &part)?;
        self.ids.extend(places.iter().map(|place| place.id));
        Ok(())
    }

    fn places(&self, piece: Piece, fences: &[Vec<Fence>], part: &Part) -> Result<Vec<Place>, StoreError> {
        let lists = piece.lists.clone();
        let plan = piece.plan(fences, part);
        let mut read = Vec::new();
        for span in &plan.spans {
            read.extend(places(self.connection, lists[span.list], span.from, span.to)?);
        }
        Ok(plan.pick(read))
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
