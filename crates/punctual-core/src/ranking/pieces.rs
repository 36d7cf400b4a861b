//! An order as pieces that follow one another: that by task is the rows of each task, and that by status the rows of
//! each status, both in the order of their start. The other orders are one piece.

use std::collections::{BTreeMap, HashMap};

use super::{Fence, Fenced, List, Noted, Part, Place, Plan, Span, plan, unfolded};
use crate::insights::Series;
use crate::{HistoryQuery, HistorySort, Paging, TaskStatus};

/// A row that has not ended.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its task.
    pub task: String,
    /// Its place in the lists of the order that is asked for ([`HistorySort::listed`]).
    pub place: Place,
    /// When it started, in milliseconds since 1970.
    pub started_at: i64,
}

impl Open {
    /// With its place in the lists by start.
    pub fn by_start(self) -> Self {
        Self { place: Place { value: self.started_at, id: self.place.id }, ..self }
    }
}

/// Lists that are merged, with what their fences do not count.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    /// The lists.
    pub(super) lists: Vec<List>,
    pub(super) fresh: Vec<Place>,
    pub(super) gone: Vec<(usize, Place)>,
}

impl Piece {
    /// How many rows it has, given how many its fences count.
    pub(super) fn rows(&self, counted: u64) -> u64 {
        (counted + self.fresh.len() as u64).saturating_sub(self.gone.len() as u64)
    }

    /// What tells how many of its rows lie before a place, given the fences of each of its lists.
    pub(super) fn before(&self, fences: &[Vec<Fence>], bound: Place) -> Before {
        let mut before = Before { fenced: 0, fresh: 0, gone: 0, spans: Vec::new() };
        for (list, fences) in fences.iter().enumerate().filter(|(_, fences)| !fences.is_empty()) {
            let fenced = Fenced::new(fences);
            let at = fenced.at(bound);
            before.fenced += fenced.before[at];
            if fenced.firsts[at] < bound {
                before.spans.push(Span { list, from: fenced.firsts[at], to: Some(bound) });
            }
        }
        before.fresh = self.fresh.iter().filter(|place| **place < bound).count() as u64;
        before.gone = self.gone.iter().filter(|(_, place)| *place < bound).count() as u64;
        before
    }

    /// Plans a page of it, given the fences of each of its lists.
    pub(super) fn plan(self, fences: &[Vec<Fence>], part: &Part) -> Plan {
        plan(fences, self.fresh, &self.gone, part)
    }
}

/// What tells how many rows lie before a place.
#[derive(Debug)]
pub(super) struct Before {
    fenced: u64,
    fresh: u64,
    gone: u64,
    /// In which the places have to be counted.
    pub(super) spans: Vec<Span>,
}

impl Before {
    /// How many rows, given how many places there are in the spans.
    pub(super) fn rows(&self, counted: u64) -> u64 {
        (self.fenced + self.fresh + counted).saturating_sub(self.gone)
    }
}

/// How many rows of a piece lie before a window of starts, in it and behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) before: u64,
    pub(super) within: u64,
    pub(super) behind: u64,
}

impl Counts {
    pub(super) fn all(&self) -> u64 {
        self.before + self.within + self.behind
    }
}

/// The part of a whole piece that is a part of what lies between two places, given how its rows lie to these. What a page after
/// another place has too much, lies outside of them.
pub(super) fn part_within(part: &Part, (from, to): (Place, Place), counts: Counts) -> Part {
    let Paging { limit, offset } = part.paging;
    match (part.after, part.descending) {
        (Some(after), false) => Part { after: Some(after.max(from)), ..*part },
        (Some(after), true) => Part { after: Some(after.min(to)), ..*part },
        (None, descending) => {
            let left = counts.within.saturating_sub(offset);
            let limit = Some(limit.map_or(left, |limit| limit.min(left)));
            let beside = if descending { counts.behind } else { counts.before };
            Part { paging: Paging { limit, offset: offset.saturating_add(beside) }, ..*part }
        }
    }
}

/// The pieces of what a query asks for, in ascending order, given the series that it matches ([`HistoryQuery::wants`]) by
/// their numbers, the open rows that it matches, and all that is noted.
pub(super) fn pieces(
    query: &HistoryQuery,
    series: &HashMap<i64, Series>,
    open: Vec<Open>,
    noted: &[Noted],
) -> Vec<Piece> {
    let mut pieces = match query.sort {
        HistorySort::Task => by_task(query, series, open),
        HistorySort::Status => by_status(query, series, open),
        _ => {
            let lists = lists(query, series, query.ended_statuses());
            vec![Piece {
                lists,
                fresh: open.into_iter().map(|open| open.place).collect(),
                ..Piece::default()
            }]
        }
    };
    let of_piece = |(number, piece): (usize, &Piece)| vec![number; piece.lists.len()];
    let numbers: Vec<usize> = pieces.iter().enumerate().flat_map(of_piece).collect();
    let starts: Vec<usize> = pieces
        .iter()
        .scan(0, |sum, piece| {
            let start = *sum;
            *sum += piece.lists.len();
            Some(start)
        })
        .collect();
    let lists: Vec<List> = pieces.iter().flat_map(|piece| piece.lists.iter().copied()).collect();
    let (fresh, gone) = unfolded(noted, &lists, query.sort);
    for (list, place) in fresh {
        pieces[numbers[list]].fresh.push(place);
    }
    for (list, place) in gone {
        let piece = numbers[list];
        pieces[piece].gone.push((list - starts[piece], place));
    }
    pieces
}

fn lists(
    query: &HistoryQuery,
    series: &HashMap<i64, Series>,
    statuses: impl Iterator<Item = TaskStatus>,
) -> Vec<List> {
    let numbers: Vec<i64> = if query.is_of_all_series() { vec![0] } else { series.keys().copied().collect() };
    let sort = query.sort.listed().code();
    let of_status = |status: TaskStatus| {
        let status = i16::try_from(status.code()).unwrap_or(i16::MAX);
        numbers.iter().map(move |series| List { sort, status, series: *series }).collect::<Vec<_>>()
    };
    statuses.flat_map(of_status).collect()
}

fn by_task(query: &HistoryQuery, series: &HashMap<i64, Series>, open: Vec<Open>) -> Vec<Piece> {
    let sort = query.sort.listed().code();
    let mut pieces: BTreeMap<String, Piece> = BTreeMap::new();
    for (number, one) in series {
        let piece = pieces.entry(one.task.clone()).or_default();
        piece.lists.extend(query.ended_statuses().map(|status| List {
            sort,
            status: i16::try_from(status.code()).unwrap_or(i16::MAX),
            series: *number,
        }));
    }
    for open in open {
        pieces.entry(open.task).or_default().fresh.push(open.place);
    }
    pieces.into_values().collect()
}

fn by_status(query: &HistoryQuery, series: &HashMap<i64, Series>, open: Vec<Open>) -> Vec<Piece> {
    let mut open: Vec<Place> = open.into_iter().map(|open| open.place).collect();
    let mut statuses: Vec<TaskStatus> = TaskStatus::ALL
        .into_iter()
        .filter(|status| query.status.is_none_or(|wanted| wanted == *status))
        .collect();
    statuses.sort_by_key(|status| status.as_str());
    let piece = |status| match status {
        TaskStatus::Started => Piece { fresh: std::mem::take(&mut open), ..Piece::default() },
        ended => Piece { lists: lists(query, series, std::iter::once(ended)), ..Piece::default() },
    };
    statuses.into_iter().map(piece).collect()
}

/// Cuts a page of pieces that follow one another into pages of the pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cutter {
    limit: u64,
    offset: u64,
}

impl Cutter {
    /// For a page.
    pub(super) fn new(paging: Paging) -> Self {
        Self { limit: paging.limit.unwrap_or(u64::MAX), offset: paging.offset }
    }

    /// Whether no further piece is needed.
    pub(super) fn is_done(&self) -> bool {
        self.limit == 0
    }

    /// The page of the next piece, given how many rows it has; `None` if it has nothing to add.
    pub(super) fn next(&mut self, rows: u64) -> Option<Paging> {
        let left = rows.saturating_sub(self.offset);
        let page = Paging { limit: Some(self.limit.min(left)), offset: self.offset };
        self.limit -= self.limit.min(left);
        self.offset = self.offset.saturating_sub(rows);
        page.limit.is_some_and(|limit| limit > 0).then_some(page)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_of_pieces_are_the_page_of_all(
            rows in prop::collection::vec(0_u64..7, 0..6),
            limit in prop::option::of(0_u64..20), offset in 0_u64..30, descending: bool,
        ) {
            let mut all: Vec<(usize, u64)> = rows.iter().enumerate()
                .flat_map(|(piece, rows)| (0..*rows).map(move |row| (piece, row))).collect();
            if descending { all.reverse(); }
            let limited = limit.unwrap_or(u64::MAX) as usize;
            let wanted: Vec<_> = all.into_iter().skip(offset as usize).take(limited).collect();
            let mut found = Vec::new();
            let mut cutter = Cutter::new(Paging { limit, offset });
            let mut order: Vec<usize> = (0..rows.len()).collect();
            if descending { order.reverse(); }
            for piece in order {
                let Some(page) = cutter.next(rows[piece]) else { continue };
                let mut of_piece: Vec<_> = (0..rows[piece]).map(|row| (piece, row)).collect();
                if descending { of_piece.reverse(); }
                let part = of_piece.into_iter().skip(page.offset as usize);
                found.extend(part.take(page.limit.unwrap_or(u64::MAX) as usize));
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
