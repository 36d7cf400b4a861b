//! Pages and insights, each read from one state of the database.

use std::collections::HashMap;

use deadpool_postgres::Object;
use punctual_core::insights::{Collector, Insight, InsightsQuery, Rollup, Series};
use punctual_core::ranking::{self, Cutter, Fence, List, Looked, Open, Part, Piece, Place, Way, Window};
use punctual_core::time::to_millis;
use punctual_core::{
    HistoryQuery, HistorySort, JobKey, Page, Paging, StoreError, TaskHistory, TaskStatus, Timestamp,
};
use tokio_postgres::Row;

use super::{fences as remembered, read_noted};
use crate::error::Sql;
use crate::link::Statements;
use crate::rows::{self, count};
use crate::shared::Shared;
use crate::sql;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

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

/// A part of a list: from one place up to, and without, another.
type Stretch = (List, Place, Option<Place>);

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
async fn series_where(
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
    let (version, wanted, noted, open) = futures_util::try_join!(
        remembered::version(client),
        series_where(client, query.task.as_deref(), |series| query.wants(series)),
        client.rows(sql::NOTED_ALL, &[]),
        open_rows(client, query),
    )?;
    let mut rows = Vec::new();
    noted.iter().for_each(|row| read_noted(row, &mut rows));
    let mut pieces = ranking::pieces(query, &wanted, open.clone(), &rows);
    let mut page = PlacesPage { client, shared, version, query, ids: Vec::new() };
    let by_start = |open: Vec<Open>| {
        let by_start = HistoryQuery { sort: HistorySort::StartedAt, ..query.clone() };
        let open = open.into_iter().map(Open::by_start).collect();
        ranking::pieces(&by_start, &wanted, open, &rows)
    };
    let total = match (&mut pieces[..], query.started_from) {
        ([piece], from) if from.is_none() || query.sort == HistorySort::StartedAt => {
            page.read(std::mem::take(piece)).await?
        }
        (pieces, None) => page.read_pieces(pieces).await?,
        (pieces, Some(from)) => page.read_window(pieces, by_start(open), from).await?,
    };
    let found = client.rows(sql::HISTORY_BY_IDS, &[&page.ids]).await?;
    client.batch_execute("COMMIT").await.sql()?;
    let mut found: HashMap<i64, TaskHistory> =
        found.iter().map(|row| (row.get(0), rows::history(row))).collect();
    let mut rows: Vec<TaskHistory> = page.ids.iter().filter_map(|id| found.remove(id)).collect();
    rows.retain(|row| query.started_from.is_none_or(|from| row.started_at >= from));
    Ok(Page { rows, total })
}

/// A page as far as it is found.
struct PlacesPage<'a> {
    client: &'a Object,
    shared: &'a Shared,
    /// Of the fences.
    version: i64,
    query: &'a HistoryQuery,
    ids: Vec<i64>,
}

impl PlacesPage<'_> {
    /// The only piece; answers how many rows match.
    async fn read(&mut self, piece: Piece) -> Result<u64, StoreError> {
        let fences = self.fences(&piece).await?;
        let counts = self.count(&piece, &fences).await?;
        self.add(piece, &fences, counts, &self.query.part()).await?;
        Ok(counts.1)
    }

    /// A window of an order whose lists do not tell the starts; answers how many rows lie in it.
    async fn read_window(
        &mut self,
        pieces: &mut [Piece],
        by_start: Vec<Piece>,
        from: Timestamp,
    ) -> Result<u64, StoreError> {
        // Counted in the lists of all tasks rather than in those of each.
        let Some(of_start) = by_start.into_iter().next() else { return Ok(0) };
        let starts = self.fences(&of_start).await?;
        let (before, total) = self.count(&of_start, &starts).await?;
        let way = ranking::way(self.query, total, before + total);
        let mut window = Window::new(self.query, from);
        if matches!(way, Way::Sort | Way::Known(_)) {
            let all = Part { descending: true, after: None, paging: Paging::first(total) };
            let rows = self.places(of_start, &starts, &all).await?;
            if way == Way::Sort {
                window.take(self.look(&rows).await?);
            } else {
                window.know(rows);
            }
        }
        match (way, pieces) {
            (Way::Known(step) | Way::Walk(step), [piece]) => {
                if window.wants_moved_clocks() {
                    window.take(self.moved_clocks(from).await?);
                }
                self.walk(std::mem::take(piece), step, &mut window).await?;
            }
            (Way::Pieces, pieces) => {
                self.read_windows(pieces).await?;
                return Ok(total);
            }
            _ => {}
        }
        self.ids = window.ids();
        Ok(total)
    }

    /// Takes what a window needs of an order, so many rows at a time.
    async fn walk(&self, piece: Piece, step: u64, window: &mut Window) -> Result<(), StoreError> {
        let fences = self.fences(&piece).await?;
        let mut part = window.step(step);
        while !window.is_full() {
            let places = self.places(piece.clone(), &fences, &part).await?;
            if window.is_known() {
                window.take_known(&places);
            } else {
                window.take(self.look(&places).await?);
            }
            part.after = places.last().copied();
            if (places.len() as u64) < step {
                break;
            }
        }
        Ok(())
    }

    async fn look(&self, rows: &[Place]) -> Result<Vec<Looked>, StoreError> {
        let ids: Vec<i64> = rows.iter().map(|place| place.id).collect();
        let rows = self.client.rows(sql::TIMES_BY_IDS, &[&ids]).await?;
        let looked = |row: &Row| {
            let value = self.query.sort.value(row.get(1), row.get(2), row.get(3));
            let (place, status) =
                (Place { value, id: row.get(0) }, TaskStatus::from_code(row.get::<_, i16>(5).into()));
            Looked { started_at: row.get(1), place, task: row.get(4), status }
        };
        Ok(rows.iter().map(looked).collect())
    }

    /// What started in the window and ended before it.
    async fn moved_clocks(&self, from: Timestamp) -> Result<Vec<Looked>, StoreError> {
        // Without statistics of so small a part the server would rather read the whole table.
        self.client.batch_execute("SET LOCAL enable_seqscan = off").await.sql()?;
        let rows = self.client.rows(sql::MOVED_CLOCK, &[&to_millis(from)]).await?;
        self.client.batch_execute("SET LOCAL enable_seqscan = on").await.sql()?;
        let looked = |row: &Row| {
            let place = Place { value: row.get(2), id: row.get(0) };
            let status = TaskStatus::from_code(row.get::<_, i16>(5).into());
            let series = series(row.get(3), row.get(4));
            let fits = self.query.wants(&series) && self.query.status.is_none_or(|wanted| wanted == status);
            fits.then_some(Looked { started_at: row.get(1), place, task: series.task, status })
        };
        Ok(rows.iter().filter_map(looked).collect())
    }

    /// Pieces that follow one another; answers how many rows they have.
    async fn read_pieces(&mut self, pieces: &mut [Piece]) -> Result<u64, StoreError> {
        let counted = self.counted(pieces).await?;
        let mut cutter = Cutter::new(self.query.paging);
        let mut total = 0;
        for number in self.order(pieces) {
            let rows = pieces[number].rows(counted[number]);
            total += rows;
            if let Some(paging) = cutter.next(rows) {
                let piece = std::mem::take(&mut pieces[number]);
                let fences = self.fences(&piece).await?;
                self.add(piece, &fences, (0, rows), &Part { paging, ..self.query.part() }).await?;
            }
        }
        Ok(total)
    }

    /// As many as the page needs of pieces that follow one another, of each what lies in the window.
    async fn read_windows(&mut self, pieces: &mut [Piece]) -> Result<(), StoreError> {
        let mut cutter = Cutter::new(self.query.paging);
        for number in self.order(pieces) {
            if cutter.is_done() {
                break;
            }
            let piece = std::mem::take(&mut pieces[number]);
            let fences = self.fences(&piece).await?;
            let counts = self.count(&piece, &fences).await?;
            if let Some(paging) = cutter.next(counts.1) {
                self.add(piece, &fences, counts, &Part { paging, ..self.query.part() }).await?;
            }
        }
        Ok(())
    }

    fn order(&self, pieces: &[Piece]) -> Vec<usize> {
        let numbers = 0..pieces.len();
        if self.query.descending { numbers.rev().collect() } else { numbers.collect() }
    }

    /// How many rows the fences of the lists of each piece count.
    async fn counted(&self, pieces: &[Piece]) -> Result<Vec<u64>, StoreError> {
        let lists: Vec<List> = pieces.iter().flat_map(|piece| piece.lists.iter().copied()).collect();
        let fences = remembered::of(self.client, self.shared, self.version, &lists).await?;
        let mut rows = fences.iter().map(|fences| fences.iter().map(|fence| fence.rows).sum::<u64>());
        Ok(pieces.iter().map(|piece| rows.by_ref().take(piece.lists.len()).sum()).collect())
    }

    async fn fences(&self, piece: &Piece) -> Result<Vec<Vec<Fence>>, StoreError> {
        remembered::of(self.client, self.shared, self.version, &piece.lists).await
    }

    /// How many rows of a piece lie before the window, and how many in it.
    async fn count(&self, piece: &Piece, fences: &[Vec<Fence>]) -> Result<(u64, u64), StoreError> {
        let rows = piece.rows(fences.iter().flatten().map(|fence| fence.rows).sum());
        let Some(bound) = self.query.bound() else { return Ok((0, rows)) };
        let before = piece.before(fences, bound);
        let spans: Vec<_> =
            before.spans.iter().map(|span| (piece.lists[span.list], span.from, span.to)).collect();
        let before = before.rows(count_places(self.client, &spans).await?);
        Ok((before, rows.saturating_sub(before)))
    }

    /// Adds a part of a piece, given how many of its rows lie before the window and in it.
    async fn add(
        &mut self,
        piece: Piece,
        fences: &[Vec<Fence>],
        (before, rows): (u64, u64),
        part: &Part,
    ) -> Result<(), StoreError> {
        let part = self.query.bound().map_or(*part, |bound| ranking::part_from(part, bound, before, rows));
        let places = self.places(piece, fences, &part).await?;
        self.ids.extend(places.iter().map(|place| place.id));
        Ok(())
    }

    async fn places(
        &self,
        piece: Piece,
        fences: &[Vec<Fence>],
        part: &Part,
    ) -> Result<Vec<Place>, StoreError> {
        let lists = piece.lists.clone();
        let plan = piece.plan(fences, part);
        let spans: Vec<_> = plan.spans.iter().map(|span| (lists[span.list], span.from, span.to)).collect();
        let read = places(self.client, &spans).await?;
        Ok(plan.pick(read))
    }
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
