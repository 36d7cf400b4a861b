//! An order as pieces that follow one another: that by task is the rows of each task, and that by status the rows of
//! each status, both in the order of their start. The other orders are one piece.

use std::collections::{BTreeMap, HashMap};

use super::{Fence, List, Noted, Part, Place, Plan, plan, unfolded};
use crate::insights::Series;
use crate::{HistoryQuery, HistorySort, Paging, TaskStatus};

/// A row that has not ended.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its task.
    pub task: String,
    /// Its place in the lists of the order that is asked for ([`HistorySort::listed`]).
    pub place: Place,
}

/// Lists that are merged, with what their fences do not count.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    /// The lists.
    pub lists: Vec<List>,
    fresh: Vec<Place>,
    gone: Vec<(usize, Place)>,
}

impl Piece {
    /// How many rows it has, given how many its fences count.
    pub fn rows(&self, counted: u64) -> u64 {
        (counted + self.fresh.len() as u64).saturating_sub(self.gone.len() as u64)
    }

    /// Plans a page of it, given the fences of each of its lists.
    pub fn plan(self, fences: &[Vec<Fence>], part: &Part) -> Plan {
        plan(fences, self.fresh, &self.gone, part)
    }
}

/// The pieces of what a query asks for, in ascending order, given the series that it matches ([`HistoryQuery::wants`]) by
/// their numbers, the open rows that it matches, and all that is noted.
pub fn pieces(
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

/// Which pages of which pieces, one after the other, make up a page, given how many rows each piece has.
pub fn pages(rows: &[u64], descending: bool, paging: Paging) -> Vec<(usize, Paging)> {
    let (mut limit, mut offset) = (paging.limit.unwrap_or(u64::MAX), paging.offset);
    let mut pages = Vec::new();
    let mut take = |number: usize| {
        let left = rows[number].saturating_sub(offset);
        if left > 0 && limit > 0 {
            pages.push((number, Paging { limit: Some(limit.min(left)), offset }));
        }
        limit -= limit.min(left);
        offset = offset.saturating_sub(rows[number]);
    };
    if descending {
        (0..rows.len()).rev().for_each(&mut take)
    } else {
        (0..rows.len()).for_each(&mut take)
    }
    pages
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
            for (piece, page) in pages(&rows, descending, Paging { limit, offset }) {
                let mut of_piece: Vec<_> = (0..rows[piece]).map(|row| (piece, row)).collect();
                if descending { of_piece.reverse(); }
                let part = of_piece.into_iter().skip(page.offset as usize);
                found.extend(part.take(page.limit.unwrap_or(u64::MAX) as usize));
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
