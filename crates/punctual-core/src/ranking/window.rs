//! Pages of a window of starts in the orders by end and duration, whose lists are not in the order of the starts; each of their
//! places says the start besides ([`super::Noted::other`]), and each in the order by start the duration.

use std::collections::{BTreeSet, HashSet};

use super::pieces::{Counts, Piece};
use super::{List, Part, Place};
use crate::{HistoryQuery, HistorySort, Paging};

/// What it costs to sort a place of the window, where passing by one of an order costs 1.
const SORT: u64 = 2;

/// What it costs to look at the row of a place besides.
const LOOK: u64 = 20;

/// How to find the first rows of a window in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Sort all rows of the window in the list by start. Stores are asked for that in the order by duration alone.
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
    /// The last instant of the window, in milliseconds since 1970.
    pub started_to: i64,
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
    /// In the order by start.
    bounds: (Place, Place),
    /// The first and the last instant, in milliseconds since 1970.
    starts: (i64, i64),
    part: Part,
    gone: HashSet<Place>,
    found: BTreeSet<Place>,
    counts: Counts,
}

impl Window {
    /// Of a query for what started between instants, given what no list has of the window, and how all rows lie to it.
    pub(super) fn new(query: &HistoryQuery, piece: Piece, counts: Counts) -> Self {
        let gone = piece.gone.iter().map(|(_, place)| *place).collect();
        let (sort, part, bounds) = (query.sort, query.part(), query.bounds());
        let starts = (bounds.0.value, query.last_start().unwrap_or(i64::MAX));
        let mut window = Self { sort, bounds, starts, part, gone, found: BTreeSet::new(), counts };
        window.take(piece.fresh);
        window
    }

    /// How to search a list that has so many rows, given as that by start.
    pub(super) fn search(&self, of_start: List, rows: u64) -> Search {
        let way = self.way(rows);
        let list = if way == Way::Sort { of_start } else { List { sort: self.sort.code(), ..of_start } };
        // Apart from clocks that were set back, all of the window ends after its beginning.
        let begin = match self.sort {
            HistorySort::EndedAt => self.bounds.0,
            _ => Place::FIRST,
        };
        self.beyond((begin, Place::END), way, list)
    }

    /// The walk of a list in its order, which passes by so many places at most.
    pub(super) fn walk(&self, list: List, most: u64) -> Search {
        if self.sort == HistorySort::StartedAt {
            // The places say the starts themselves.
            let search = self.beyond(self.bounds, Way::Walk(most), list);
            return Search { started_from: i64::MIN, started_to: i64::MAX, ..search };
        }
        self.beyond((Place::FIRST, Place::END), Way::Walk(most), list)
    }

    /// What of a list may be on the page.
    fn beyond(&self, (begin, end): (Place, Place), way: Way, list: List) -> Search {
        let Part { descending, after, .. } = self.part;
        let (above, below) = if descending { (self.worst(), after) } else { (after, self.worst()) };
        let above = above.map_or(begin, |above| above.max(begin));
        let below = below.map_or(end, |below| below.min(end));
        let limit = self.need().saturating_add(self.gone.len() as u64);
        let (started_from, started_to) = self.starts;
        Search { way, list, started_from, started_to, above, below, descending, limit }
    }

    /// The search to do instead of a walk that found less than it should, if it gave up.
    pub(super) fn instead(&self, search: &Search, found: usize, of_start: List) -> Option<Search> {
        let too_few = (found as u64) < search.limit && search.way != Way::Sort;
        too_few.then_some(Search { way: Way::Sort, list: of_start, ..*search })
    }

    /// The way that is probably the shortest.
    fn way(&self, rows: u64) -> Way {
        if self.sort == HistorySort::EndedAt && self.bounds.1 == Place::END {
            // Runs end about in the order in which they start.
            return Way::Walk(u64::MAX);
        }
        let (within, all) = (self.counts.within.max(1), self.counts.all().max(1));
        let share = |of: u64, part: u64, whole: u64| {
            u64::try_from(u128::from(of) * u128::from(part) / u128::from(whole)).unwrap_or(u64::MAX)
        };
        let sort = share(rows, within, all);
        let (sort, walk) = if self.sort == HistorySort::EndedAt {
            (sort.saturating_mul(LOOK), share(self.passed_by_end(), rows, all))
        } else {
            let walk = share(self.need(), all, within);
            // As far as to the last place that is still of use.
            let walk = if self.is_full() { share(walk, rows, all) } else { walk }.min(rows);
            (sort.saturating_mul(SORT), walk)
        };
        // Half of what sorting costs, lest both together take too long.
        if walk < sort / 2 { Way::Walk(sort / 2) } else { Way::Sort }
    }

    /// How many rows are passed by in the order by end, in which they lie about as in that by start.
    fn passed_by_end(&self) -> u64 {
        let Counts { within, behind, .. } = self.counts;
        let is_begun = self.part.after.is_some();
        match self.part.descending {
            true if is_begun => self.need(),
            true => behind.saturating_add(self.need()),
            // The last rows of the window are found when all that comes behind them is seen.
            false if self.need() > within => within.saturating_add(behind),
            false => self.need(),
        }
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
        self.sort == HistorySort::EndedAt
            && if self.part.descending {
                !self.is_full()
            } else {
                self.part.after.is_none_or(|after| after < self.bounds.0)
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
        let started_from = Some(crate::Timestamp::UNIX_EPOCH);
        let query = HistoryQuery { sort, descending: false, started_from, paging, ..HistoryQuery::default() };
        let counts = Counts { before: ROWS - within, within, behind: 0 };
        Window::new(&query, Piece::default(), counts)
    }

    /// A window of the past in the order by end.
    fn past(descending: bool, within: u64, behind: u64) -> Window {
        let mut window = window(HistorySort::EndedAt, within);
        window.bounds.1 = place(1_000);
        window.part.descending = descending;
        window.counts = Counts { before: ROWS - within - behind, within, behind };
        window
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
    fn rows_of_a_past_window_are_looked_at_where_there_are_few() {
        // From the beginning of the window on, unless it has less than a page.
        assert_eq!(past(false, 1_000, 5_000_000).way(ROWS), Way::Walk(10_000));
        assert_eq!(past(false, 20, 5_000_000).way(ROWS), Way::Sort);
        // From the end on, all that lies behind the window comes first.
        assert_eq!(past(true, 1_000, 5_000_000).way(ROWS), Way::Sort);
        assert_eq!(past(true, 1_000_000, 5_000_000).way(ROWS), Way::Walk(10_000_000));
        let mut window = past(true, 1_000, 5_000_000);
        window.part.after = Some(place(900));
        assert_eq!(window.way(ROWS), Way::Walk(10_000));
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
