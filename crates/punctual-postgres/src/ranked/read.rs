//! Pages and insights, each read from one state of the database.

use std::collections::HashMap;

use deadpool_postgres::Object;
use punctual_core::insights::{Collector, Insight, InsightsQuery, Rollup, Series};
use punctual_core::ranking::{self, Fence, List, Open, Part, Piece, Place};
use punctual_core::{HistoryQuery, HistorySort, JobKey, Page, StoreError, TaskHistory};
use tokio_postgres::Row;

use super::read_noted;
use crate::error::Sql;
use crate::link::Statements;
use crate::rows::{self, count};
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

/// The places of lists, each from one place up to another; those of series 0 are the ones of all series.
pub(super) async fn places(
    client: &Object,
    spans: &[(List, Place, Option<Place>)],
    all: &[i64],
) -> Result<Vec<Place>, StoreError> {
    let mut flat: Vec<(List, Place, Place)> = Vec::new();
    for (list, from, to) in spans {
        let to = to.unwrap_or(Place::END);
        let one = [list.series];
        let series = if list.series == 0 { all } else { &one };
        flat.extend(series.iter().map(|series| (List { series: *series, ..*list }, *from, to)));
    }
    if flat.is_empty() {
        return Ok(Vec::new());
    }
    let sorts: Vec<i16> = flat.iter().map(|(list, _, _)| list.sort).collect();
    let statuses: Vec<i16> = flat.iter().map(|(list, _, _)| list.status).collect();
    let each = |of: fn(&(List, Place, Place)) -> i64| flat.iter().map(of).collect::<Vec<i64>>();
    let params = (
        each(|(list, _, _)| list.series),
        each(|(_, from, _)| from.value),
        each(|(_, from, _)| from.id),
        each(|(_, _, to)| to.value),
        each(|(_, _, to)| to.id),
    );
    let rows = client
        .rows(sql::PLACES, &[&sorts, &statuses, &params.0, &params.1, &params.2, &params.3, &params.4])
        .await?;
    Ok(rows.iter().map(|row| Place { value: row.get(0), id: row.get(1) }).collect())
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
        let value = match query.sort {
            HistorySort::EndedAt => row.get::<_, Option<i64>>(2).unwrap_or(i64::MAX),
            HistorySort::Duration => row.get::<_, Option<i64>>(3).unwrap_or(i64::MAX),
            _ => row.get(1),
        };
        let series = series(row.get(4), row.get(5));
        let place = Place { value, id: row.get(0) };
        query.wants(&series).then_some(Open { task: series.task, place })
    };
    Ok(client.rows(sql::OPEN_PLACES, &[]).await?.iter().filter_map(open).collect())
}

/// How many rows the fences of the lists of each piece count.
async fn counted(client: &Object, pieces: &[Piece]) -> Result<Vec<u64>, StoreError> {
    let lists = || pieces.iter().flat_map(|piece| piece.lists.iter());
    let numbers: Vec<i64> =
        pieces.iter().zip(0..).flat_map(|(piece, number)| vec![number; piece.lists.len()]).collect();
    let sorts: Vec<i16> = lists().map(|list| list.sort).collect();
    let statuses: Vec<i16> = lists().map(|list| list.status).collect();
    let series: Vec<i64> = lists().map(|list| list.series).collect();
    let rows = client.rows(sql::FENCES_SUM, &[&numbers, &sorts, &statuses, &series]).await?;
    let sums: HashMap<i64, u64> = rows.iter().map(|row| (row.get(0), count(row.get(1)))).collect();
    Ok(pieces.iter().zip(0..).map(|(_, number)| sums.get(&number).copied().unwrap_or_default()).collect())
}

/// A page of a list that filters by task, job and status only.
pub(crate) async fn history(client: &Object, query: &HistoryQuery) -> Result<Page<TaskHistory>, StoreError> {
    client.batch_execute(BEGIN).await.sql()?;
    let (wanted, noted, open) = futures_util::try_join!(
        series_where(client, query.task.as_deref(), |series| query.wants(series)),
        client.rows(sql::NOTED_ALL, &[]),
        open_rows(client, query),
    )?;
    let all: Vec<i64> = wanted.keys().copied().collect();
    let mut rows = Vec::new();
    noted.iter().for_each(|row| read_noted(row, &mut rows));
    let mut pieces = ranking::pieces(query, &wanted, open, &rows);
    let mut page = PlacesPage { client, all: &all, ids: Vec::new(), total: 0 };
    if let [piece] = &mut pieces[..] {
        page.total = page.read(std::mem::take(piece), &query.part()).await?;
    } else {
        let counted = counted(client, &pieces).await?;
        let rows: Vec<u64> = pieces.iter().zip(counted).map(|(piece, counted)| piece.rows(counted)).collect();
        for (number, paging) in ranking::pages(&rows, query.descending, query.paging) {
            page.read(std::mem::take(&mut pieces[number]), &Part { paging, ..query.part() }).await?;
        }
        page.total = rows.into_iter().sum();
    }
    let found = client.rows(sql::HISTORY_BY_IDS, &[&page.ids]).await?;
    client.batch_execute("COMMIT").await.sql()?;
    let mut found: HashMap<i64, TaskHistory> =
        found.iter().map(|row| (row.get(0), rows::history(row))).collect();
    Ok(Page { rows: page.ids.iter().filter_map(|id| found.remove(id)).collect(), total: page.total })
}

/// A page as far as it is found.
struct PlacesPage<'a> {
    client: &'a Object,
    all: &'a [i64],
    ids: Vec<i64>,
    total: u64,
}

impl PlacesPage<'_> {
    /// Adds a part of a piece; answers how many rows the piece has.
    async fn read(&mut self, piece: Piece, part: &Part) -> Result<u64, StoreError> {
        let lists = piece.lists.clone();
        let at: HashMap<List, usize> = lists.iter().enumerate().map(|(at, list)| (*list, at)).collect();
        let mut fenced = vec![Vec::new(); lists.len()];
        for (list, fence) in fences(self.client, &lists).await? {
            if let Some(at) = at.get(&list) {
                fenced[*at].push(fence);
            }
        }
        let plan = piece.plan(&fenced, part);
        let spans: Vec<_> = plan.spans.iter().map(|span| (lists[span.list], span.from, span.to)).collect();
        let read = places(self.client, &spans, self.all).await?;
        let total = plan.total;
        self.ids.extend(plan.pick(read));
        Ok(total)
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
