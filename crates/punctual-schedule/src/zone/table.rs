//! The offsets of a zone, laid out so that a search finds the one in force in a few nanoseconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::civil::{CYCLE, DAY, days_from_civil};

/// Before this instant nothing is searched (cron begins in 1970); one day of slack covers every offset.
const TABLE_START: i64 = -DAY;
/// From here on a lookup is folded back by whole 400-year cycles. All explicit data of the tz database ends long
/// before 2100; what follows are yearly rules, and those repeat with the calendar.
const FOLD_START: i64 = days_from_civil(2500, 1, 1) * DAY;
/// The table reaches a little further, so that every folded segment has its true end.
const TABLE_END: i64 = days_from_civil(2502, 1, 1) * DAY;
/// Width of a lookup bucket as a power of two: about 97 days, so most hold at most one change.
const BUCKET_SHIFT: u32 = 23;

/// A stretch of time with one UTC offset. Local time is UTC + `offset`; all values are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First instant, or `i64::MIN`.
    pub(crate) start: i64,
    /// First instant after it, or `i64::MAX`.
    pub(crate) end: i64,
    pub(crate) offset: i64,
    /// The offset before `start`; equal to `offset` where nothing changes there.
    pub(crate) before: i64,
    /// The offset from `end` on.
    pub(crate) after: i64,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    at: i64,
    offset: i64,
}

#[derive(Debug)]
pub(crate) struct ZoneTable {
    /// Ordered by `at`; the first entry is at `i64::MIN`.
    changes: Box<[Change]>,
    /// For each bucket of time since `TABLE_START` the index of the change in force at its beginning.
    buckets: Box<[u16]>,
}

impl ZoneTable {
    /// The table of a zone. Tables of named zones are shared by the whole process.
    pub(crate) fn of(zone: &TimeZone) -> Arc<Self> {
        static TABLES: OnceLock<Mutex<HashMap<String, Arc<ZoneTable>>>> = OnceLock::new();
        let Some(name) = zone.iana_name() else {
            return Arc::new(Self::build(zone));
        };
        let tables = TABLES.get_or_init(Mutex::default);
        if let Some(table) = tables.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(table);
        }
        // Built outside of the lock: two threads may do the same work once, nobody waits for it.
        let table = Arc::new(Self::build(zone));
        let mut tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tables.entry(name.to_owned()).or_insert(table))
    }

    fn build(zone: &TimeZone) -> Self {
        let start = Timestamp::from_second(TABLE_START).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut changes = vec![Change { at: i64::MIN, offset: zone.to_offset(start).seconds().into() }];
        for change in zone.following(start) {
            let at = change.timestamp().as_second();
            let offset = i64::from(change.offset().seconds());
            if at >= TABLE_END {
                break;
            }
            if changes.last().is_some_and(|last| last.offset != offset) {
                changes.push(Change { at, offset });
            }
        }
        let buckets = if changes.len() == 1 { Box::default() } else { buckets(&changes) };
        Self { changes: changes.into(), buckets }
    }

    /// The segment that holds the instant `at`.
    #[inline]
    pub(crate) fn segment(&self, at: i64) -> Segment {
        if self.buckets.is_empty() {
            let offset = self.changes[0].offset;
            return Segment { start: i64::MIN, end: i64::MAX, offset, before: offset, after: offset };
        }
        if at < FOLD_START {
            return self.nth(self.index(at));
        }
        self.folded(at)
    }

    /// The segment of an instant in the repeating part, from what the table says a whole number of cycles before.
    #[cold]
    fn folded(&self, at: i64) -> Segment {
        let shift = ((at - FOLD_START) / CYCLE + 1) * CYCLE;
        let mut segment = self.nth(self.index(at - shift));
        if segment.end == i64::MAX {
            // Nothing changes any more: one segment, which is not to be cut in pieces.
            return segment;
        }
        if segment.start < FOLD_START - CYCLE {
            // It began before the repeating part: cut it there, so that no change is invented.
            segment.start = FOLD_START - CYCLE;
            segment.before = segment.offset;
        }
        segment.start += shift;
        segment.end += shift;
        segment
    }

    #[inline]
    fn index(&self, at: i64) -> usize {
        let Ok(since) = u64::try_from(at - TABLE_START) else { return 0 };
        let mut index = usize::from(self.buckets[(since >> BUCKET_SHIFT) as usize]);
        while self.changes.get(index + 1).is_some_and(|next| next.at <= at) {
            index += 1;
        }
        index
    }

    #[inline]
    fn nth(&self, index: usize) -> Segment {
        let Change { at, offset } = self.changes[index];
        let before = if index == 0 { offset } else { self.changes[index - 1].offset };
        let (end, after) =
            self.changes.get(index + 1).map_or((i64::MAX, offset), |next| (next.at, next.offset));
        Segment { start: at, end, offset, before, after }
    }

    /// Local time of an instant, as seconds of the local time line.
    pub(crate) fn local(&self, at: i64) -> i64 {
        at + self.segment(at).offset
    }

    /// What a local time means as an instant.
    pub(crate) fn resolve(&self, local: i64) -> Resolved {
        // Offsets lie within 26 hours of each other, so the segment a day earlier is at or before the right one.
        let mut segment = self.segment(local - DAY - DAY / 2);
        loop {
            if local < segment.end.saturating_add(segment.offset) {
                let at = local - segment.offset;
                if at < segment.start {
                    return Resolved::Gap { after: segment.start, shifted: local - segment.before };
                }
                let second = local - segment.after;
                if segment.after < segment.offset && second >= segment.end {
                    return Resolved::Overlap { first: at, second };
                }
                return Resolved::Unique(at);
            }
            segment = self.segment(segment.end);
        }
    }
}

/// The instants that a local time stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    Unique(i64),
    /// The local time is skipped. `after` is the first instant after the gap; `shifted` lies as long after it as
    /// the local time lies after the gap's beginning.
    Gap {
        after: i64,
        shifted: i64,
    },
    /// The local time occurs twice.
    Overlap {
        first: i64,
        second: i64,
    },
}

impl Resolved {
    /// The first instant that shows the local time or, where none does, the first one after the gap.
    pub(crate) fn first(self) -> i64 {
        match self {
            Self::Unique(at) | Self::Overlap { first: at, .. } | Self::Gap { after: at, .. } => at,
        }
    }
}

fn buckets(changes: &[Change]) -> Box<[u16]> {
    let count = ((TABLE_END - TABLE_START) >> BUCKET_SHIFT) + 1;
    let mut index = 0;
    (0..count)
        .map(|bucket| {
            let begin = TABLE_START + (bucket << BUCKET_SHIFT);
            while changes.get(index + 1).is_some_and(|next| next.at <= begin) {
                index += 1;
            }
            index as u16
        })
        .collect()
}

#[cfg(test)]
mod tests;
