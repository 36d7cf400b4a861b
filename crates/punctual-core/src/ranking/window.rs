//! Pages of a window of starts in the orders by end and duration, whose lists are not in the order of the starts; each of their
//! places says the start besides ([`super::Noted::other`]), and each in the order by start the duration.

use std::collections::{BTreeSet, HashSet};

use super::pieces::Piece;
use super::{List, Part, Place};
use crate::time::to_millis;
use crate::{HistoryQuery, HistorySort, Paging, Timestamp};

/// What it costs to sort a place of the window, where passing by one of an order costs 1.
const SORT: u64 = 2;

/// How to find the first rows of a window in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Sort all rows of the window in the list by start.
    Sort,
    /// Walk the list in its order past what is not in the window, and give up after so many places.
    Walk(u64),
}

/// The first places of a window in a list.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// How to find them.
    pub way: Way,
    /// The list: that by start where its rows are sorted by their duration, and otherwise the one that is walked.
    pub list: List,
    /// The beginning of the window, in milliseconds since 1970.
    pub started_from: i64,
    /// Only what lies beyond this place.
    pub above: Place,
    /// Only what lies before this place.
    pub below: Place,
    /// Whether the largest comes first.
    pub descending: bool,
    /// At most so many.
    pub limit: u64,
}

impl Search {
    /// How many places it passes by at most, if it walks.
    pub fn walks(&self) -> u64 {
        match self.way {
            Way::Sort => 0,
            Way::Walk(most) => most,
        }
    }
}

/// A page of a window as far as it is found.
#[derive(Debug)]
pub(super) struct Window {
    sort: HistorySort,
    from: i64,
    part: Part,
    gone: HashSet<Place>,
    found: BTreeSet<Place>,
    /// How many rows lie in the window, and how many in all.
    rows: (u64, u64),
}

impl Window {
    /// Of a query for what started from an instant on, given what no list has of the window, and how many rows lie in it and in
    /// all.
    pub(super) fn new(query: &HistoryQuery, from: Timestamp, piece: Piece, rows: (u64, u64)) -> Self {
        let gone = piece.gone.iter().map(|(_, place)| *place).collect();
        let (sort, part, from) = (query.sort, query.part(), to_millis(from));
        let mut window = Self { sort, from, part, gone, found: BTreeSet::new(), rows };
        window.take(piece.fresh);
        window
    }

    /// How to search a list that has so many rows, given as that by start.
    pub(super) fn search(&self, of_start: List, rows: u64) -> Search {
        let way = self.way(rows);
        let list = if way == Way::Sort { of_start } else { List { sort: self.sort.code(), ..of_start } };
        // Apart from clocks that were set back, all of the window ends after its beginning.
        let begin = match self.sort {
            HistorySort::EndedAt => Place { value: self.from, id: i64::MIN },
            _ => Place::FIRST,
        };
        self.beyond(begin, way, list)
    }

    /// The walk of a list in its order, which passes by so many places at most.
    pub(super) fn walk(&self, list: List, most: u64) -> Search {
        if self.sort == HistorySort::StartedAt {
            // The places say the starts themselves.
            let begin = Place { value: self.from, id: i64::MIN };
            return Search { started_from: i64::MIN, ..self.beyond(begin, Way::Walk(most), list) };
        }
        self.beyond(Place::FIRST, Way::Walk(most), list)
    }

    /// What of a list may be on the page.
    fn beyond(&self, begin: Place, way: Way, list: List) -> Search {
        let Part { descending, after, .. } = self.part;
        let (above, below) = match (descending, self.worst()) {
            (false, worst) => (begin.max(after.unwrap_or(begin)), worst.unwrap_or(Place::END)),
            (true, worst) => (begin.max(worst.unwrap_or(begin)), after.unwrap_or(Place::END)),
        };
        let limit = self.need().saturating_add(self.gone.len() as u64);
        Search { way, list, started_from: self.from, above, below, descending, limit }
    }

    /// The search to do instead of a walk that found less than it should, if it gave up.
    pub(super) fn instead(&self, search: &Search, found: usize, of_start: List) -> Option<Search> {
        let too_few = (found as u64) < search.limit && search.way != Way::Sort;
        too_few.then_some(Search { way: Way::Sort, list: of_start, ..*search })
    }

    /// The way that is probably the shortest.
    fn way(&self, rows: u64) -> Way {
        if self.sort == HistorySort::EndedAt {
            // Runs end about in the order in which they start.
            return Way::Walk(u64::MAX);
        }
        let (within, all) = (self.rows.0.max(1), self.rows.1.max(1));
        let share = |of: u64, part: u64, whole: u64| {
            u64::try_from(u128::from(of) * u128::from(part) / u128::from(whole)).unwrap_or(u64::MAX)
        };
        let sort = share(rows, within, all).saturating_mul(SORT);
        let walk = share(self.need(), all, within);
        // As far as to the last place that is still of use.
        let walk = if self.is_full() { share(walk, rows, all) } else { walk }.min(rows);
        // Half of what sorting costs, lest both together take too long.
        if walk < sort / 2 { Way::Walk(sort / 2) } else { Way::Sort }
    }

    fn need(&self) -> u64 {
        let Paging { limit, offset } = self.part.paging;
        limit.map_or(u64::MAX, |limit| limit.saturating_add(offset))
    }

    /// The last place that belongs to the page, if there is no room for a worse one.
    fn worst(&self) -> Option<Place> {
        let last = usize::try_from(self.need()).ok()?.checked_sub(1)?;
        match self.part.descending {
            false => self.found.iter().nth(last).copied(),
            true => self.found.iter().rev().nth(last).copied(),
        }
    }

    /// Whether no more is needed than what is found, unless it comes before that.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() as u64 >= self.need()
    }

    /// Whether what ended before the window, by a clock that was set back, may be on the page: searches pass it by. To be
    /// asked when they are done.
    pub(super) fn wants_moved_clocks(&self) -> bool {
        let begin = Place { value: self.from, id: i64::MIN };
        self.sort == HistorySort::EndedAt
            && if self.part.descending {
                !self.is_full()
            } else {
                self.part.after.is_none_or(|after| after < begin)
            }
    }

    /// Takes what was found.
    pub(super) fn take(&mut self, places: impl IntoIterator<Item = Place>) {
        let Part { descending, after, .. } = self.part;
        let is_beyond = |place: &Place| {
            after.is_none_or(|after| if descending { *place < after } else { *place > after })
        };
        let fit = places.into_iter().filter(|place| is_beyond(place) && !self.gone.contains(place));
        self.found.extend(fit);
    }

    /// The rows of the page, in its order.
    pub(super) fn ids(self) -> Vec<i64> {
        let Paging { limit, offset } = self.part.paging;
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let mut found: Vec<i64> = self.found.into_iter().map(|place| place.id).collect();
        if self.part.descending {
            found.reverse();
        }
        found.into_iter().skip(number(offset)).take(limit.map_or(usize::MAX, number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: u64 = 10_000_000;

    fn window(sort: HistorySort, within: u64) -> Window {
        let paging = Paging::first(50);
        let query = HistoryQuery { sort, descending: false, paging, ..HistoryQuery::default() };
        Window::new(&query, Timestamp::UNIX_EPOCH, Piece::default(), (within, ROWS))
    }

    fn place(value: i64) -> Place {
        Place { value, id: value }
    }

    #[test]
    fn the_way_is_the_one_that_passes_fewer_places() {
        let way = |within, rows| window(HistorySort::Duration, within).way(rows);
        assert_eq!(way(1_000, ROWS), Way::Sort);
        assert_eq!(way(100_000, ROWS), Way::Walk(100_000));
        // A list with few rows of the window.
        assert_eq!(way(100_000, 200_000), Way::Sort);
        assert_eq!(window(HistorySort::EndedAt, 20).way(ROWS), Way::Walk(u64::MAX));
    }

    #[test]
    fn a_search_goes_no_farther_than_the_page() {
        let list = List { sort: 0, status: 1, series: 0 };
        let mut window = window(HistorySort::Duration, 1_000);
        assert_eq!(window.search(list, ROWS).below, Place::END);
        window.take((0..60).map(place));
        assert_eq!(window.search(list, ROWS).below, place(49));
        window.part.descending = true;
        assert_eq!(window.search(list, ROWS).above, place(10));
    }

    #[test]
    fn a_walk_that_gave_up_is_replaced() {
        let list = List { sort: 0, status: 1, series: 0 };
        let window = window(HistorySort::Duration, 100_000);
        let walk = window.search(list, ROWS);
        assert_eq!(walk.list.sort, HistorySort::Duration.code());
        assert!(window.instead(&walk, 50, list).is_none());
        assert_eq!(window.instead(&walk, 49, list).map(|search| search.list), Some(list));
    }
}
