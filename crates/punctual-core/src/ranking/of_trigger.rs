//! Pages of the rows of a trigger in the orders by end and duration, or of one status: the lists of its job are walked, and the
//! trigger of each row is looked at, where that takes less than to sort all rows of the trigger.

use std::collections::HashSet;

use super::page::{Lists, gave_up, in_order};
use super::pieces::{Counts, Piece};
use super::triggers::changes;
use super::window::Window;
use super::{List, Noted, Place};
use crate::{HistoryQuery, HistorySort, Page, StoreError, TaskHistory};

/// With more rows that are noted and not arranged than this, their triggers are not looked at.
const MOST_FRESH: usize = 4_096;

/// What is known of the rows of a trigger that has fences.
#[derive(Debug)]
pub struct OfTrigger {
    /// How many match the query.
    pub total: u64,
    /// How many there are, whether they match or not.
    pub rows: u64,
    /// See [`super::Spacing::look`].
    pub look: u64,
    /// The lists by start in which those that are arranged lie, see [`super::Fences::lists`].
    pub lists: Option<Vec<List>>,
    /// What is noted of the series and statuses that the query matches.
    pub noted: Vec<Noted>,
    /// The places by start of the open ones that match.
    pub open: Vec<Place>,
}

/// A page of a query by a trigger ([`HistoryQuery::counted_trigger`]); `None` where all rows of the trigger are better sorted.
///
/// # Errors
/// Those of the reads.
pub async fn page_of_trigger<L: Lists>(
    lists: &L,
    query: &HistoryQuery,
    known: &OfTrigger,
) -> Result<Option<Page<TaskHistory>>, StoreError> {
    let (Some(trigger), Some(of_trigger)) = (query.counted_trigger(), &known.lists) else { return Ok(None) };
    if !may_be_walked(query) {
        return Ok(None);
    }
    let fresh: Vec<&Noted> = changes(&known.noted)
        .map(|(row, _)| row)
        .filter(|row| !row.gone && query.starts_within(row.started_at))
        .collect();
    if fresh.len() > MOST_FRESH {
        return Ok(None);
    }
    let rows = lists.counted(of_trigger).await?;
    let all = rows.iter().sum();
    if !is_shorter(query, known, all) {
        return Ok(None);
    }
    let mut counted: Vec<(u64, List)> = rows.into_iter().zip(of_trigger.iter().copied()).collect();
    counted.retain(|(rows, _)| *rows > 0);
    counted.sort_unstable_by(|one, other| other.cmp(one));
    let ids: Vec<i64> = fresh.iter().map(|row| row.id).collect();
    let own: HashSet<i64> = lists.of_trigger(&ids, trigger).await?.into_iter().collect();
    let ended = fresh.iter().filter(|row| own.contains(&row.id)).map(|row| row.place(query.sort));
    let open = known.open.iter().filter(|place| query.starts_within(place.value));
    let value = |place: &Place| if query.sort == HistorySort::StartedAt { place.value } else { i64::MAX };
    let open = open.map(|place| Place { value: value(place), id: place.id });
    let piece = Piece { fresh: ended.chain(open).collect(), ..Piece::default() };
    let counts = Counts { within: known.total, before: all.saturating_sub(known.total), behind: 0 };
    let mut window = Window::new(query, piece, counts);
    for (_, list) in counted {
        // As many as may be looked at in the time in which all of the trigger are read.
        let most = known.rows / known.look.max(1);
        let search = window.walk(List { sort: query.sort.code(), ..list }, most);
        let found = lists.search_of_trigger(&search, trigger).await?;
        if (found.len() as u64) < search.limit && gave_up(lists, &search).await? {
            return Ok(None);
        }
        window.take(found);
    }
    let rows = in_order(lists, query, &window.ids()).await?;
    Ok(Some(Page { rows, total: known.total }))
}

/// Whether a page of a query by a trigger may be found in the lists: those of its order have it, or those of its status where the
/// order is that of the index of the trigger's rows; and it is so short that it is worth looking for its place.
pub fn may_be_walked(query: &HistoryQuery) -> bool {
    query.is_short()
        && match query.sort {
            HistorySort::EndedAt | HistorySort::Duration => true,
            HistorySort::StartedAt => query.status.is_some(),
            HistorySort::Task | HistorySort::Status => false,
        }
}

/// Whether a walk of lists with so many rows passes by fewer of them than are read otherwise: all rows of the trigger in another
/// order than that of its index, and in that order those up to the end of the page, which costs less for each.
fn is_shorter(query: &HistoryQuery, known: &OfTrigger, all: u64) -> bool {
    let need = query.paging.limit.unwrap_or(u64::MAX).saturating_add(query.paging.offset);
    let (need, total) = (u128::from(need.min(known.total)), u128::from(known.total));
    let (all, rows) = (u128::from(all) * u128::from(known.look), u128::from(known.rows));
    match query.sort {
        HistorySort::StartedAt => all < rows,
        _ => need * all < total * rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Paging, TaskStatus};

    #[test]
    fn a_walk_is_shorter_where_the_trigger_has_many_rows() {
        let by_end =
            HistoryQuery { sort: HistorySort::EndedAt, paging: Paging::first(50), ..HistoryQuery::default() };
        let known = |total, rows| {
            let (noted, open) = (Vec::new(), Vec::new());
            OfTrigger { total, rows, look: 2, lists: None, noted, open }
        };
        assert!(is_shorter(&by_end, &known(55_000, 55_000), 2_200_000));
        assert!(!is_shorter(&by_end, &known(10_000, 10_000), 2_200_000));
        let far = HistoryQuery { paging: Paging { limit: Some(50), offset: 40_000 }, ..by_end.clone() };
        assert!(!is_shorter(&far, &known(55_000, 55_000), 2_200_000));
        // Three failures of many rows.
        assert!(is_shorter(&by_end, &known(3, 55_000), 22_000));
        assert!(!is_shorter(&by_end, &known(3, 55_000), 30_000));
        let by_start = HistoryQuery { sort: HistorySort::StartedAt, ..by_end };
        assert!(is_shorter(&by_start, &known(3, 55_000), 100));
        assert!(!is_shorter(&by_start, &known(1_100, 55_000), 44_000));
    }

    #[test]
    fn the_index_of_a_trigger_has_the_order_of_start() {
        let first = HistoryQuery { paging: Paging::first(50), ..HistoryQuery::default() };
        assert!(!may_be_walked(&first));
        assert!(may_be_walked(&HistoryQuery { status: Some(TaskStatus::Failed), ..first.clone() }));
        assert!(may_be_walked(&HistoryQuery { sort: HistorySort::Duration, ..first }));
    }
}
