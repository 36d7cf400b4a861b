//! Pages of a window of starts in the orders by end and duration, whose lists do not tell the starts: either all rows of the
//! window are sorted, or the order is walked and what lies outside is left out.

use super::{Part, Place};
use crate::{HistoryQuery, HistorySort, Paging};

/// Fewest and most rows in a step of the walk.
const STEP: (u64, u64) = (256, 8_192);

/// How to find a page of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Sort all rows of the window.
    Sort,
    /// Walk the order, about so many rows at a time.
    Walk(u64),
}

/// The way that probably looks at fewer rows, given how many lie in the window and how many rows there are in all.
pub fn way(query: &HistoryQuery, within: u64, rows: u64) -> Way {
    let need = query.paging.offset.saturating_add(query.paging.limit.unwrap_or(within)).min(within);
    let outside = rows.saturating_sub(within);
    let looks = match (query.sort, query.descending) {
        // Runs end about in the order in which they start.
        (HistorySort::EndedAt, true) => need,
        (HistorySort::EndedAt, false) if query.after.is_none() => need.saturating_add(outside),
        (HistorySort::EndedAt, false) => need,
        _ => need.saturating_mul(rows / within.max(1) + 1),
    };
    if within <= looks { Way::Sort } else { Way::Walk((looks + looks / 4).clamp(STEP.0, STEP.1)) }
}

/// A page of a window as far as it is found.
#[derive(Debug)]
pub struct Window {
    from: i64,
    part: Part,
    found: Vec<Place>,
}

impl Window {
    /// Of a part of what started from an instant on, in milliseconds since 1970.
    pub fn new(from: i64, part: Part) -> Self {
        Self { from, part, found: Vec::new() }
    }

    /// Takes rows, each with its start and its place in the order.
    pub fn take(&mut self, rows: impl IntoIterator<Item = (i64, Place)>) {
        let Part { after, descending, .. } = self.part;
        let beyond =
            |place: Place| after.is_none_or(|after| if descending { place < after } else { place > after });
        let fits = |(start, place): (i64, Place)| (start >= self.from && beyond(place)).then_some(place);
        self.found.extend(rows.into_iter().filter_map(fits));
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
        page.map(|place| place.id).collect()
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
        let longest = query(HistorySort::Duration, true);
        assert_eq!(way(&longest, 1_000, 10_000_000), Way::Sort);
        assert_eq!(way(&longest, 5_000_000, 10_000_000), Way::Walk(256));
        assert_eq!(way(&longest, 100_000, 10_000_000), Way::Walk(6_312));
        assert_eq!(way(&query(HistorySort::EndedAt, true), 1_000, 10_000_000), Way::Walk(256));
        assert_eq!(way(&query(HistorySort::EndedAt, false), 1_000, 10_000_000), Way::Sort);
        assert_eq!(way(&longest, 0, 0), Way::Sort);
    }
}
