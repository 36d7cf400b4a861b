//! Reads a page from the lists of a store.

use std::collections::HashMap;

use super::pieces::{Counts, Cutter, Open, Piece, part_within, pieces};
use super::window::{Search, Way, Window};
use super::{Fence, List, Noted, Part, Place, most_between};
use crate::insights::Series;
use crate::time::to_millis;
use crate::{
    HistoryQuery, HistorySort, Page, Paging, StoreError, TaskHistory, TaskStatus, Timestamp, TriggerKey,
};

/// With so many rows in a window, those of each task are not looked for one after the other.
const FEW: u64 = 4_000;

type Result<T> = std::result::Result<T, StoreError>;

/// A part of a list: from one place up to, and without, another; `None` is the end.
pub type Stretch = (List, Place, Option<Place>);

/// A row that was looked at.
#[derive(Clone, Debug)]
pub struct Looked {
    /// When it started, in milliseconds since 1970.
    pub started_at: i64,
    /// Its place in the order that is asked for ([`HistorySort::listed`]).
    pub place: Place,
    /// What ran.
    pub series: Series,
    /// Its status.
    pub status: TaskStatus,
}

/// What is read of the lists of a store, all of it from one state of the database. A store that waits for nothing answers with
/// futures that are ready, see [`ready`].
pub trait Lists {
    /// The fences of each list, in their order.
    fn fences(&self, lists: &[List]) -> impl Future<Output = Result<Vec<Vec<Fence>>>>;

    /// How many rows the fences of each list count.
    fn counted(&self, lists: &[List]) -> impl Future<Output = Result<Vec<u64>>>;

    /// The places in stretches, in any order. Either all of the lists are of series 0 or none.
    fn places(&self, stretches: &[Stretch]) -> impl Future<Output = Result<Vec<Place>>>;

    /// How many places there are in stretches.
    fn count_places(&self, stretches: &[Stretch]) -> impl Future<Output = Result<u64>>;

    /// The places that a search finds.
    fn search(&self, search: &Search) -> impl Future<Output = Result<Vec<Place>>>;

    /// Of the places that a walk passes by, those of rows of a trigger.
    fn search_of_trigger(
        &self,
        search: &Search,
        trigger: &TriggerKey,
    ) -> impl Future<Output = Result<Vec<Place>>>;

    /// Those of some rows that are a trigger's.
    fn of_trigger(&self, ids: &[i64], trigger: &TriggerKey) -> impl Future<Output = Result<Vec<i64>>>;

    /// Looks at rows, also open ones, in any order.
    fn look(&self, sort: HistorySort, ids: &[i64]) -> impl Future<Output = Result<Vec<Looked>>>;

    /// All rows that started from an instant on and ended before it, as they stand in the order by end.
    fn moved_clocks(&self, from: Timestamp) -> impl Future<Output = Result<Vec<Looked>>>;

    /// Rows by their ids, also open ones, in any order.
    fn rows(&self, ids: &[i64]) -> impl Future<Output = Result<Vec<TaskHistory>>>;
}

/// What a future that waits for nothing has to say.
///
/// # Errors
/// [`StoreError::Other`] when it waits.
pub fn ready<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => {
            Err(StoreError::Other("a read that had to be done at once waits".to_owned()))
        }
    }
}

/// What a page is made of besides the lists.
#[derive(Debug, Default)]
pub struct Around {
    /// The series that the query wants ([`HistoryQuery::wants`]), by their numbers.
    pub series: HashMap<i64, Series>,
    /// The open rows that the query matches.
    pub open: Vec<Open>,
    /// All that is noted.
    pub noted: Vec<Noted>,
}

/// A page of a query for which [`HistoryQuery::is_ranked`].
///
/// # Errors
/// Those of the reads.
pub async fn page<L: Lists>(lists: &L, query: &HistoryQuery, around: Around) -> Result<Page<TaskHistory>> {
    let Around { series, open, noted } = around;
    let reader = Reader { lists, query };
    let by_start = HistoryQuery { sort: HistorySort::StartedAt, ..query.clone() };
    let of_start = |open: &[Open]| {
        let open = open.iter().cloned().map(Open::by_start).collect();
        pieces(&by_start, &series, open, &noted).into_iter().next().unwrap_or_default()
    };
    let (ids, total) = match (query.has_bounds(), query.sort) {
        (_, HistorySort::StartedAt) => reader.whole(of_start(&open)).await?,
        (true, HistorySort::EndedAt | HistorySort::Duration) => {
            let of_start = of_start(&open);
            let within: Vec<Noted> =
                noted.into_iter().filter(|row| query.starts_within(row.started_at)).collect();
            let open = open.into_iter().filter(|row| query.starts_within(row.started_at)).collect();
            let piece = pieces(query, &series, open, &within).into_iter().next().unwrap_or_default();
            reader.window(of_start, piece).await?
        }
        (true, HistorySort::Task | HistorySort::Status) => {
            let of_start = of_start(&open);
            reader.windows(of_start, pieces(query, &series, open, &noted)).await?
        }
        (false, HistorySort::EndedAt | HistorySort::Duration) => {
            reader.whole(pieces(query, &series, open, &noted).into_iter().next().unwrap_or_default()).await?
        }
        (false, HistorySort::Task | HistorySort::Status) => {
            reader.pieces(pieces(query, &series, open, &noted)).await?
        }
    };
    Ok(Page { rows: in_order(lists, query, &ids).await?, total })
}

/// Whether a walk that has found less than it should had more before it than it may pass by.
pub(super) async fn gave_up<L: Lists>(lists: &L, search: &Search) -> Result<bool> {
    let fences = lists.fences(&[search.list]).await?;
    let between = |fences: &Vec<Fence>| most_between(fences, search.above, search.below);
    Ok(fences.iter().map(between).sum::<u64>() > search.walks())
}

/// The rows of a page, given their ids in its order.
pub(super) async fn in_order<L: Lists>(
    lists: &L,
    query: &HistoryQuery,
    ids: &[i64],
) -> Result<Vec<TaskHistory>> {
    let found = lists.rows(ids).await?;
    let mut found: HashMap<i64, TaskHistory> = found.into_iter().map(|row| (row.id.0, row)).collect();
    let mut rows: Vec<TaskHistory> = ids.iter().filter_map(|id| found.remove(id)).collect();
    rows.retain(|row| query.starts_within(to_millis(row.started_at)));
    Ok(rows)
}

struct Reader<'a, L> {
    lists: &'a L,
    query: &'a HistoryQuery,
}

/// The rows of a page, and how many match in all.
type Found = (Vec<i64>, u64);

impl<L: Lists> Reader<'_, L> {
    /// An order that is one piece.
    async fn whole(&self, piece: Piece) -> Result<Found> {
        let fences = self.lists.fences(&piece.lists).await?;
        let counts = self.count(&piece, &fences).await?;
        let ids = self.cut(piece, &fences, counts, &self.query.part()).await?;
        Ok((ids, counts.within))
    }

    /// A window of an order whose lists do not tell the starts.
    async fn window(&self, of_start: Piece, piece: Piece) -> Result<Found> {
        let starts = self.lists.fences(&of_start.lists).await?;
        let counts = self.count(&of_start, &starts).await?;
        let mut window = Window::new(self.query, piece, counts);
        let rows = |fences: &Vec<Fence>| fences.iter().map(|fence| fence.rows).sum::<u64>();
        let mut lists: Vec<(u64, List)> = starts.iter().map(rows).zip(of_start.lists).collect();
        // What the long ones have on the page tells how far to go in the short ones.
        lists.sort_unstable_by(|one, other| other.cmp(one));
        for (rows, list) in lists.into_iter().filter(|(rows, _)| *rows > 0) {
            let search = window.search(list, rows);
            let mut places = self.find(&search).await?;
            if let Some(instead) = window.instead(&search, places.len(), list)
                && gave_up(self.lists, &search).await?
            {
                places = self.find(&instead).await?;
            }
            window.take(places);
        }
        if let Some(from) = self.query.started_from
            && window.wants_moved_clocks()
        {
            let moved = self.lists.moved_clocks(from).await?;
            let is_wanted = |row: &Looked| {
                self.query.wants_row(&row.series, row.status) && self.query.starts_within(row.started_at)
            };
            window.take(moved.into_iter().filter(is_wanted).map(|row| row.place));
        }
        Ok((window.ids(), counts.within))
    }

    /// The places that a search finds, or more.
    async fn find(&self, search: &Search) -> Result<Vec<Place>> {
        if self.query.sort != HistorySort::EndedAt || search.way != Way::Sort {
            return self.lists.search(search).await;
        }
        // No list in the order of starts says the ends.
        let (from, to) = self.query.bounds();
        let places = self.lists.places(&[(search.list, from, Some(to))]).await?;
        let ids: Vec<i64> = places.iter().map(|place| place.id).collect();
        Ok(self.lists.look(self.query.sort, &ids).await?.into_iter().map(|row| row.place).collect())
    }

    /// A window of pieces that follow one another, given also the one that has all of its rows by start.
    async fn windows(&self, of_start: Piece, pieces: Vec<Piece>) -> Result<Found> {
        let starts = self.lists.fences(&of_start.lists).await?;
        // Counted in the lists of all tasks rather than in those of each.
        let counts = self.count(&of_start, &starts).await?;
        let total = counts.within;
        if self.query.sort == HistorySort::Task && total <= FEW {
            return Ok((self.sorted_by_task(of_start, &starts, counts).await?, total));
        }
        let (mut ids, mut cutter) = (Vec::new(), Cutter::new(self.query.paging));
        for piece in self.in_order(pieces) {
            if cutter.is_done() {
                break;
            }
            let fences = self.lists.fences(&piece.lists).await?;
            let counts = self.count(&piece, &fences).await?;
            if let Some(paging) = cutter.next(counts.within) {
                let part = Part { paging, ..self.query.part() };
                ids.extend(self.cut(piece, &fences, counts, &part).await?);
            }
        }
        Ok((ids, total))
    }

    async fn sorted_by_task(
        &self,
        of_start: Piece,
        starts: &[Vec<Fence>],
        counts: Counts,
    ) -> Result<Vec<i64>> {
        let all = Part { descending: true, after: None, paging: Paging::ALL };
        let ids = self.cut(of_start, starts, counts, &all).await?;
        let mut found = self.lists.look(self.query.sort, &ids).await?;
        found.sort_unstable_by(|one, other| {
            (&one.series.task, one.place).cmp(&(&other.series.task, other.place))
        });
        if self.query.descending {
            found.reverse();
        }
        let Paging { limit, offset } = self.query.paging;
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let within = found.iter().filter(|row| self.query.starts_within(row.started_at));
        let page = within.skip(number(offset)).take(limit.map_or(usize::MAX, number));
        Ok(page.map(|row| row.place.id).collect())
    }

    /// Pieces that follow one another.
    async fn pieces(&self, pieces: Vec<Piece>) -> Result<Found> {
        let lists: Vec<List> = pieces.iter().flat_map(|piece| piece.lists.iter().copied()).collect();
        let mut counted = self.lists.counted(&lists).await?.into_iter();
        let rows_of = |piece: Piece| {
            let rows = piece.rows(counted.by_ref().take(piece.lists.len()).sum());
            (piece, rows)
        };
        let pieces: Vec<(Piece, u64)> = pieces.into_iter().map(rows_of).collect();
        let total = pieces.iter().map(|(_, rows)| rows).sum();
        let (mut ids, mut cutter) = (Vec::new(), Cutter::new(self.query.paging));
        for (piece, rows) in self.in_order(pieces) {
            if let Some(paging) = cutter.next(rows) {
                let fences = self.lists.fences(&piece.lists).await?;
                let part = Part { paging, ..self.query.part() };
                let counts = Counts { within: rows, ..Counts::default() };
                ids.extend(self.cut(piece, &fences, counts, &part).await?);
            }
        }
        Ok((ids, total))
    }

    fn in_order<T>(&self, mut pieces: Vec<T>) -> Vec<T> {
        if self.query.descending {
            pieces.reverse();
        }
        pieces
    }

    /// How many rows of a piece lie before the window, in it and behind it.
    async fn count(&self, piece: &Piece, fences: &[Vec<Fence>]) -> Result<Counts> {
        let rows = piece.rows(fences.iter().flatten().map(|fence| fence.rows).sum());
        let (from, to) = self.query.bounds();
        let before = if from == Place::FIRST { 0 } else { self.before(piece, fences, from).await? };
        let upto = if to == Place::END { rows } else { self.before(piece, fences, to).await? };
        Ok(Counts { before, within: upto.saturating_sub(before), behind: rows.saturating_sub(upto) })
    }

    /// How many rows of a piece lie before a place.
    async fn before(&self, piece: &Piece, fences: &[Vec<Fence>], bound: Place) -> Result<u64> {
        let before = piece.before(fences, bound);
        let stretch = |span: &super::Span| (piece.lists[span.list], span.from, span.to);
        let stretches: Vec<Stretch> = before.spans.iter().map(stretch).collect();
        Ok(before.rows(self.lists.count_places(&stretches).await?))
    }

    /// A part of what a piece has in the window, given how its rows lie to that.
    async fn cut(
        &self,
        piece: Piece,
        fences: &[Vec<Fence>],
        counts: Counts,
        part: &Part,
    ) -> Result<Vec<i64>> {
        let part =
            if self.query.has_bounds() { part_within(part, self.query.bounds(), counts) } else { *part };
        let places = self.places(piece, fences, &part).await?;
        Ok(places.iter().map(|place| place.id).collect())
    }

    async fn places(&self, piece: Piece, fences: &[Vec<Fence>], part: &Part) -> Result<Vec<Place>> {
        let lists = piece.lists.clone();
        let plan = piece.plan(fences, part);
        let stretches: Vec<Stretch> =
            plan.spans.iter().map(|span| (lists[span.list], span.from, span.to)).collect();
        let read = self.lists.places(&stretches).await?;
        Ok(plan.pick(read))
    }
}
