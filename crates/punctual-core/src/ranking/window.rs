//! Pages of a window of starts in orders whose lists do not tell the starts: those by end and duration, and that by task where
//! the window holds few rows of each.

use std::collections::HashSet;

use super::{Part, Place};
use crate::time::to_millis;
use crate::{HistoryQuery, HistorySort, Paging, TaskStatus, Timestamp};

/// Fewest and most rows in a step of the walk.
const STEP: (u64, u64) = (256, 8_192);
/// What it costs to look at a row, where reading a place of a list costs 1.
const LOOK: u64 = 8;
/// With so many rows in a window, those of each task are not looked for one after the other.
const FEW: u64 = 4_000;

/// How to find a page of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Look at all rows of the window and sort them.
    Sort,
    /// Walk the order, about so many rows at a time, knowing which rows the window has.
    Known(u64),
    /// Walk the order, about so many rows at a time, and look at each.
    Walk(u64),
    /// The pieces of the order tell the starts.
    Pieces,
}

/// The way that is probably the shortest, given how many rows lie in the window and how many rows there are in all.
pub fn way(query: &HistoryQuery, within: u64, rows: u64) -> Way {
    let need = query.paging.offset.saturating_add(query.paging.limit.unwrap_or(within)).min(within);
    let walked = match query.sort {
        HistorySort::Task if within <= FEW => return Way::Sort,
        HistorySort::StartedAt | HistorySort::Task | HistorySort::Status => return Way::Pieces,
        // Runs end about in the order in which they start.
        HistorySort::EndedAt => need,
        HistorySort::Duration => need.saturating_mul(rows / within.max(1) + 1).min(rows),
    };
    let step = (walked + walked / 4).clamp(STEP.0, STEP.1);
    let (sort, known, walk) =
        (within.saturating_mul(LOOK), within.saturating_add(walked), walked.saturating_mul(LOOK));
    if sort <= known.min(walk) {
        Way::Sort
    } else if known <= walk {
        Way::Known(step)
    } else {
        Way::Walk(step)
    }
}

/// A row of a window.
#[derive(Clone, Debug)]
pub struct Looked {
    /// When it started, in milliseconds since 1970.
    pub started_at: i64,
    /// Its place in the order that is asked for ([`HistorySort::listed`]).
    pub place: Place,
    /// Its task.
    pub task: String,
    /// Its status.
    pub status: TaskStatus,
}

/// A page of a window as far as it is found.
#[derive(Debug)]
pub struct Window {
    sort: HistorySort,
    from: i64,
    part: Part,
    /// The rows of the window, where they are known.
    known: Option<HashSet<i64>>,
    found: Vec<(String, Place)>,
}

impl Window {
    /// Of a query for what started from an instant on.
    pub fn new(query: &HistoryQuery, from: Timestamp) -> Self {
        let (sort, part) = (query.sort, query.part());
        Self { sort, from: to_millis(from), part, known: None, found: Vec::new() }
    }

    /// Says which rows the window has.
    pub fn know(&mut self, rows: impl IntoIterator<Item = Place>) {
        self.known = Some(rows.into_iter().map(|place| place.id).collect());
    }

    /// Whether rows need not be looked at any more.
    pub fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// Whether what ended before it started has to be looked at: a walk passes it by.
    pub fn wants_moved_clocks(&self) -> bool {
        self.sort == HistorySort::EndedAt && !self.part.descending
    }

    /// The first step of a walk.
    pub fn step(&self, length: u64) -> Part {
        let begin = Place { value: self.from, id: i64::MIN };
        let after = match self.part.after {
            after if !self.wants_moved_clocks() => after,
            after => after.max(Some(begin)),
        };
        Part { after, paging: Paging::first(length), ..self.part }
    }

    /// Takes rows that were looked at.
    pub fn take(&mut self, rows: impl IntoIterator<Item = Looked>) {
        for row in rows {
            let key = match self.sort {
                HistorySort::Task => row.task,
                HistorySort::Status => row.status.as_str().to_owned(),
                HistorySort::StartedAt | HistorySort::EndedAt | HistorySort::Duration => String::new(),
            };
            if row.started_at >= self.from && self.is_beyond(row.place) {
                self.found.push((key, row.place));
            }
        }
    }

    /// Takes those of a step of the walk that the window is known to have.
    pub fn take_known(&mut self, step: &[Place]) {
        let Some(known) = &self.known else { return };
        let fits = |place: &&Place| known.contains(&place.id) && self.is_beyond(**place);
        let fitting: Vec<_> = step.iter().filter(fits).map(|place| (String::new(), *place)).collect();
        self.found.extend(fitting);
    }

    fn is_beyond(&self, place: Place) -> bool {
        let after = self.part.after;
        after.is_none_or(|after| if self.part.descending { place < after } else { place > after })
    }

    /// Whether a walk that goes by the order may stop.
    pub fn is_full(&self) -> bool {
        let Paging { limit, offset } = self.part.paging;
        limit.is_some_and(|limit| self.found.len() as u64 >= limit.saturating_add(offset))
    }

    /// The rows of the page, in its order.
    pub fn ids(mut self) -> Vec<i64> {
        self.found.sort_unstable();
        if self.part.descending {
            self.found.reverse();
        }
        let Paging { limit, offset } = self.part.paging;
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let page = self.found.iter().skip(number(offset)).take(limit.map_or(usize::MAX, number));
        page.map(|(_, place)| place.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(sort: HistorySort, descending: bool) -> HistoryQuery {
        HistoryQuery { sort, descending, paging: Paging::first(50), ..HistoryQuery::default() }
    }

    #[test]
    fn the_way_is_the_one_that_looks_at_fewer_rows() {
        let way = |sort, descending, within| way(&query(sort, descending), within, 10_000_000);
        assert_eq!(way(HistorySort::Duration, true, 1_000), Way::Sort);
        assert_eq!(way(HistorySort::Duration, true, 20_000), Way::Known(8_192));
        assert_eq!(way(HistorySort::Duration, false, 500_000), Way::Walk(1_312));
        assert_eq!(way(HistorySort::EndedAt, true, 1_000), Way::Walk(256));
        assert_eq!(way(HistorySort::EndedAt, false, 9_000_000), Way::Walk(256));
        assert_eq!(way(HistorySort::EndedAt, true, 20), Way::Known(256));
        assert_eq!(way(HistorySort::Task, true, 1_000), Way::Sort);
        assert_eq!(way(HistorySort::Task, true, 5_000), Way::Pieces);
    }
}
