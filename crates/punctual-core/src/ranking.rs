//! Any page of a long history without counting through it.
//!
//! A store notes each row that ends or is deleted ([`Noted`]) in the transaction that ends or deletes it, and later
//! folds what was noted into three orders (by start, end and duration), each held as one list for each series and
//! status. A list is cut by *fences*: a place in the order, and how many rows lie from there up to the next fence. So
//! the sum of the fences says how long a list is, and where in it a page lies; only the rows between two fences are
//! looked at. What is noted and not yet folded, and the open rows, are added each time.
//!
//! Everything here is arithmetic on what a store has read.

mod bytes;
mod of_trigger;
mod page;
mod pieces;
mod triggers;
mod window;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

pub use of_trigger::{OfTrigger, may_be_walked, page_of_trigger};
pub use page::{Around, Lists, Looked, Stretch, page, ready};
pub use pieces::Open;
pub use triggers::{Counting, Deleted, Fences, Run, TriggerFence, arranged, changes, fences_of, fitting};
pub use window::{Search, Way};

use crate::insights::Rollup;
use crate::{HistorySort, Paging, TaskStatus};

/// How close fences stand: the closer, the fewer places a page reads, and the more fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    /// A fence with more rows than this is cut up.
    pub full: u64,
    /// How many rows lie between the fences of one that is cut up.
    pub cut: usize,
    /// What it costs to look at the row of a place, where reading an entry of the index of a trigger costs 1.
    pub look: u64,
}

impl Spacing {
    /// For stores that read the fences anew for each page.
    pub const WIDE: Self = Self { full: 4_096, cut: 2_048, look: 2 };
    /// For stores that remember them.
    pub const CLOSE: Self = Self { full: 1_024, cut: 512, look: 50 };
}

impl Default for Spacing {
    fn default() -> Self {
        Self::WIDE
    }
}

/// Where a row stands in an order: by its value in milliseconds, then by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The instant or the duration; `i64::MAX` where the row has none.
    pub value: i64,
    /// The row.
    pub id: i64,
}

impl Place {
    /// Before every row.
    pub const FIRST: Self = Self { value: i64::MIN, id: i64::MIN };
    /// After every row.
    pub const END: Self = Self { value: i64::MAX, id: i64::MAX };

    /// The place right after this one.
    pub fn next(self) -> Self {
        Self { id: self.id.saturating_add(1), ..self }
    }
}

/// The lists of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct List {
    /// The order, see [`HistorySort::code`].
    pub sort: i16,
    /// The status, see [`TaskStatus::code`].
    pub status: i16,
    /// The series; 0 for all of them.
    pub series: i64,
}

/// A row that has ended, as far as lists and roll-ups need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The row.
    pub id: i64,
    /// The number of its task and job.
    pub series: i64,
    /// How it ended.
    pub status: TaskStatus,
    /// When it started, in milliseconds since 1970.
    pub started_at: i64,
    /// When it ended, in milliseconds since 1970.
    pub ended_at: Option<i64>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Whether the row was deleted.
    pub gone: bool,
}

impl Noted {
    /// Its place in an order.
    pub fn place(&self, sort: HistorySort) -> Place {
        Place { value: sort.value(self.started_at, self.ended_at, self.duration_ms), id: self.id }
    }

    /// What its place in an order says besides: in the order by start the duration, in the others the start.
    pub fn other(&self, sort: HistorySort) -> i64 {
        match sort {
            HistorySort::StartedAt => self.duration_ms.unwrap_or(i64::MAX),
            _ => self.started_at,
        }
    }
}

/// A place in a list, and how many rows lie from it to the next fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The place.
    pub first: Place,
    /// How many rows.
    pub rows: u64,
}

/// A list as its fences show it, in their order, with the number of rows before each.
#[derive(Clone, Debug)]
struct Fenced {
    firsts: Vec<Place>,
    before: Vec<u64>,
}

impl Fenced {
    fn new(fences: &[Fence]) -> Self {
        let mut sum = 0;
        let mut before = Vec::with_capacity(fences.len() + 1);
        for fence in fences {
            before.push(sum);
            sum += fence.rows;
        }
        before.push(sum);
        Self { firsts: fences.iter().map(|fence| fence.first).collect(), before }
    }

    fn rows(&self) -> u64 {
        self.before.last().copied().unwrap_or_default()
    }

    /// The last fence at or before a place.
    fn at(&self, place: Place) -> usize {
        self.firsts.partition_point(|first| *first <= place).saturating_sub(1)
    }

    /// The first fence at or after a place.
    fn from(&self, place: Place) -> usize {
        self.firsts.partition_point(|first| *first < place)
    }

    /// At most so many rows stand before a place.
    fn most_before(&self, place: Place) -> u64 {
        self.before[self.from(place)]
    }

    /// At least so many rows stand before a place.
    fn least_before(&self, place: Place) -> u64 {
        if self.firsts.is_empty() { 0 } else { self.before[self.at(place)] }
    }
}

/// At most so many rows lie between two places, given the fences of a list.
fn most_between(fences: &[Fence], above: Place, below: Place) -> u64 {
    let fenced = Fenced::new(fences);
    fenced.most_before(below).saturating_sub(fenced.least_before(above))
}

/// A part of a list that has to be read: from one place up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which of the lists that were given.
    pub list: usize,
    /// From here.
    pub from: Place,
    /// Up to here; `None` for the end.
    pub to: Option<Place>,
}

/// What a page needs to be read.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many rows the lists have, what was noted since and the open rows included.
    pub total: u64,
    /// What to read.
    pub spans: Vec<Span>,
    fresh: Vec<Place>,
    gone: HashSet<Place>,
    base: u64,
    wanted: Wanted,
    descending: bool,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// Ranks in ascending order.
    Ranks(u64, u64),
    /// So many, after leaving some out, beyond a place.
    Beyond(Place, u64, u64),
}

/// Which part of an order is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Whether the largest comes first.
    pub descending: bool,
    /// Only what comes after this place.
    pub after: Option<Place>,
    /// How many, and how many to leave out.
    pub paging: Paging,
}

/// Plans a page over lists, given as their fences in order.
///
/// `fresh` are rows that no fence counts, `gone` those that one still counts though they are deleted, each with the
/// number of its list.
pub fn plan(lists: &[Vec<Fence>], fresh: Vec<Place>, gone: &[(usize, Place)], part: &Part) -> Plan {
    let fenced: Vec<Fenced> = lists.iter().map(|fences| Fenced::new(fences)).collect();
    let counted: u64 = fenced.iter().map(Fenced::rows).sum();
    let lost = gone.len() as u64;
    let total = (counted + fresh.len() as u64).saturating_sub(lost);
    let (limit, offset) = (part.paging.limit.unwrap_or(u64::MAX), part.paging.offset);
    let wanted = match part.after {
        Some(place) => Wanted::Beyond(place, offset, limit),
        None if part.descending => {
            let end = total.saturating_sub(offset);
            Wanted::Ranks(end.saturating_sub(limit), end)
        }
        None => Wanted::Ranks(offset.min(total), offset.saturating_add(limit).min(total)),
    };
    let mut bounds: Vec<Place> = fenced.iter().flat_map(|list| list.firsts.iter().copied()).collect();
    // Each list is in order already, which this sort makes use of.
    bounds.sort();
    let mut fresh = fresh;
    fresh.sort_unstable();
    let fresh_before = |place: Place| fresh.partition_point(|other| *other < place) as u64;
    let most =
        |place: Place| fenced.iter().map(|list| list.most_before(place)).sum::<u64>() + fresh_before(place);
    let least = |place: Place| {
        let sum: u64 = fenced.iter().map(|list| list.least_before(place)).sum();
        (sum + fresh_before(place)).saturating_sub(lost)
    };
    let (low, high) = match wanted {
        Wanted::Ranks(from, to) => (
            last_where(&bounds, |place| most(place) <= from),
            bounds.get(bounds.partition_point(|place| least(*place) < to)).copied(),
        ),
        Wanted::Beyond(place, offset, limit) => {
            let need = offset.saturating_add(limit);
            if part.descending {
                let end = least(place);
                (last_where(&bounds, |bound| most(bound).saturating_add(need) <= end), Some(place))
            } else {
                let from = most(place).saturating_add(1).saturating_add(need);
                (place, bounds.get(bounds.partition_point(|bound| least(*bound) < from)).copied())
            }
        }
    };
    let mut base = 0;
    let mut spans = Vec::new();
    for (number, list) in fenced.iter().enumerate().filter(|(_, list)| !list.firsts.is_empty()) {
        let from = list.at(low);
        let to = high.map_or(list.firsts.len(), |high| list.from(high));
        base += list.before[from];
        let start = list.firsts[from];
        let lost = gone.iter().filter(|(of, place)| *of == number && *place < start).count() as u64;
        base = base.saturating_sub(lost);
        if to > from {
            spans.push(Span { list: number, from: start, to: list.firsts.get(to).copied() });
        }
    }
    let gone = gone.iter().map(|(_, place)| *place).collect();
    Plan { total, spans, fresh, gone, base, wanted, descending: part.descending }
}

fn last_where(bounds: &[Place], holds: impl Fn(Place) -> bool) -> Place {
    let at = bounds.partition_point(|place| holds(*place));
    at.checked_sub(1).map_or(Place::FIRST, |at| bounds[at])
}

impl Plan {
    /// The rows of the page, in its order, given all that lies in the spans.
    pub fn pick(self, read: Vec<Place>) -> Vec<Place> {
        let mut places = read;
        if !self.gone.is_empty() {
            places.retain(|place| !self.gone.contains(place));
        }
        places.extend(self.fresh);
        places.sort_unstable();
        let length = places.len();
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).min(length);
        let (from, to) = match self.wanted {
            Wanted::Ranks(from, to) => {
                (index(from.saturating_sub(self.base)), index(to.saturating_sub(self.base)))
            }
            Wanted::Beyond(place, offset, limit) if self.descending => {
                let end = places.partition_point(|other| *other < place).saturating_sub(index(offset));
                (end.saturating_sub(index(limit)), end)
            }
            Wanted::Beyond(place, offset, limit) => {
                let from = places.partition_point(|other| *other <= place).saturating_add(index(offset));
                (from.min(length), from.saturating_add(index(limit)).min(length))
            }
        };
        let mut page = places[from.min(to)..to].to_vec();
        if self.descending {
            page.reverse();
        }
        page
    }
}

/// Places, each with the number of its list.
type InLists = Vec<(usize, Place)>;

/// Of the noted rows those that belong to some lists of one order: the places that no fence counts, and those that one
/// still counts. A list of series 0 stands for all series.
fn unfolded(noted: &[Noted], lists: &[List], sort: HistorySort) -> (InLists, InLists) {
    let numbers: HashMap<(i16, i64), usize> =
        lists.iter().enumerate().map(|(number, list)| ((list.status, list.series), number)).collect();
    let list_of = |row: &Noted| {
        let status = status(row);
        numbers.get(&(status, row.series)).or_else(|| numbers.get(&(status, 0))).copied()
    };
    let gone: HashSet<i64> = noted.iter().filter(|row| row.gone).map(|row| row.id).collect();
    let ended: HashSet<i64> = match gone.is_empty() {
        true => HashSet::new(),
        false => noted.iter().filter(|row| !row.gone).map(|row| row.id).collect(),
    };
    let (mut fresh, mut lost) = (Vec::new(), Vec::new());
    for row in noted {
        let Some(list) = list_of(row) else { continue };
        match row.gone {
            false if !gone.contains(&row.id) => fresh.push((list, row.place(sort))),
            true if !ended.contains(&row.id) => lost.push((list, row.place(sort))),
            _ => {}
        }
    }
    (fresh, lost)
}

/// What noted rows change in the lists and roll-ups.
#[derive(Debug, Default)]
pub struct Folding {
    /// Places to add to the lists of series, each with [`Noted::other`].
    pub added: BTreeMap<(List, Place), i64>,
    /// Places to take out of the lists of series.
    pub removed: BTreeSet<(List, Place)>,
    /// Changes of roll-ups, see [`Rollup::add`].
    pub rollups: BTreeMap<RollupKey, Rollup>,
    fences: BTreeMap<List, BTreeMap<Place, i64>>,
}

/// Which roll-up: its length of time, its series, and its beginning in milliseconds since 1970.
pub type RollupKey = (i16, i64, i64);

impl Folding {
    /// Of rows in the order in which they were noted.
    pub fn of(noted: &[Noted]) -> Self {
        let mut folding = Self::default();
        for (row, _) in changes(noted) {
            for sort in HistorySort::LISTED {
                let list = List { sort: sort.code(), status: status(row), series: row.series };
                if row.gone {
                    folding.removed.insert((list, row.place(sort)));
                } else {
                    folding.added.insert((list, row.place(sort)), row.other(sort));
                }
            }
            for (level, step) in crate::insights::LEVELS {
                let bucket = row.started_at.div_euclid(step) * step;
                folding.rollups.entry((level, row.series, bucket)).or_default().note(row);
            }
        }
        folding
    }

    /// The lists whose fences change.
    pub fn lists(&self) -> BTreeSet<List> {
        let of_series = self.added.keys().chain(&self.removed).map(|(list, _)| *list);
        of_series.flat_map(|list| [List { series: 0, ..list }, list]).collect()
    }

    /// Takes the fences of [`Folding::lists`]; returns those that change, each with its new number of rows. A fence that
    /// is returned may be new.
    pub fn count(&mut self, fences: impl IntoIterator<Item = (List, Fence)>) -> Vec<(List, Fence)> {
        for (list, fence) in fences {
            let rows = i64::try_from(fence.rows).unwrap_or(i64::MAX);
            self.fences.entry(list).or_default().insert(fence.first, rows);
        }
        let mut changed = BTreeSet::new();
        let changes = self.added.keys().map(|one| (one, 1)).chain(self.removed.iter().map(|one| (one, -1)));
        for ((list, place), change) in changes {
            for list in [List { series: 0, ..*list }, *list] {
                let fences = self.fences.entry(list).or_insert_with(|| BTreeMap::from([(Place::FIRST, 0)]));
                if let Some((first, rows)) = fences.range_mut(..=*place).next_back() {
                    *rows += change;
                    changed.insert((list, *first));
                }
            }
        }
        let fence = |(list, first): (List, Place)| {
            let rows = self.fences.get(&list).and_then(|fences| fences.get(&first)).copied();
            (list, Fence { first, rows: rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or_default() })
        };
        changed.into_iter().map(fence).collect()
    }

    /// Where the rows of a fence end.
    pub fn next_fence(&self, list: List, first: Place) -> Option<Place> {
        let after = (std::ops::Bound::Excluded(first), std::ops::Bound::Unbounded);
        self.fences.get(&list)?.range(after).next().map(|(place, _)| *place)
    }
}

fn status(row: &Noted) -> i16 {
    i16::try_from(row.status.code()).unwrap_or(i16::MAX)
}

/// Cuts a fence up, given all places in it.
pub fn cut(first: Place, places: &mut [Place], spacing: Spacing) -> Vec<Fence> {
    places.sort_unstable();
    let fence = |(number, places): (usize, &[Place])| Fence {
        first: if number == 0 { first } else { places[0] },
        rows: places.len() as u64,
    };
    places.chunks(spacing.cut).enumerate().map(fence).collect()
}

#[cfg(test)]
mod tests;
