//! The written rules, applied by looking at every minute of a window: slow, and plain to see.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use punctual_schedule::DstPolicy;

use super::spec::Spec;

const DAY: i64 = 86_400;
/// No zone has turned its clocks back by more than this since 1970.
const LONGEST_OVERLAP: i64 = 4 * 3600;
/// 1970-01-01 and the last second that a timestamp holds.
const FIRST: i64 = 0;
pub(crate) const LAST: i64 = 253_402_207_200;

/// The firings in `from..to`, in seconds.
pub(crate) fn fires(spec: &Spec, zone: &TimeZone, dst: DstPolicy, from: i64, to: i64) -> Vec<i64> {
    let walk = Walk::new(spec, zone, from - LONGEST_OVERLAP, to + LONGEST_OVERLAP);
    let fires: BTreeSet<i64> = match dst {
        // Every instant whose local time matches.
        DstPolicy::Follow if spec.is_elapsed() => walk.matches.into_values().flatten().collect(),
        // The first instant that shows the local time; the first after a gap that holds one.
        DstPolicy::Follow => {
            let first = walk.matches.into_values().map(|instants| instants[0]);
            first.chain(walk.after_gaps).collect()
        }
        // The last instant that shows the local time.
        _ => walk.matches.into_values().map(|instants| instants[instants.len() - 1]).collect(),
    };
    fires.into_iter().filter(|at| (from.max(FIRST)..to.min(LAST + 1)).contains(at)).collect()
}

/// The first firing after `t`, found by looking at one day after the other; `Err` where there is none in `days` days.
pub(crate) fn first_after(
    spec: &Spec,
    zone: &TimeZone,
    dst: DstPolicy,
    t: i64,
    days: i64,
) -> Result<i64, ()> {
    for day in 0..days {
        let middle = t + day * DAY;
        // The dates of this day and those next to it, in case the zone skips one. Half days, so that a gap is not
        // stepped over together with the day after it.
        let dates = (-4..=4).map(|away| local(zone, middle + away * DAY / 2).date());
        if middle > LAST || !dates.into_iter().any(|date| spec.matches_date(date)) {
            continue;
        }
        if let Some(first) = fires(spec, zone, dst, t.max(middle - DAY) + 1, middle + DAY).first() {
            return Ok(*first);
        }
    }
    Err(())
}

pub(crate) fn offset(zone: &TimeZone, at: i64) -> Offset {
    zone.to_offset(Timestamp::from_second(at.clamp(-LAST, LAST)).unwrap())
}

fn local(zone: &TimeZone, at: i64) -> DateTime {
    offset(zone, at).to_datetime(Timestamp::from_second(at.clamp(-LAST, LAST)).unwrap())
}

/// What is seen on the way through a window.
struct Walk<'a> {
    spec: &'a Spec,
    zone: &'a TimeZone,
    /// For each matching local second the instants that show it, in order.
    matches: BTreeMap<i64, Vec<i64>>,
    /// First instants after a gap that holds a match.
    after_gaps: Vec<i64>,
}

impl<'a> Walk<'a> {
    fn new(spec: &'a Spec, zone: &'a TimeZone, from: i64, to: i64) -> Self {
        let mut walk = Self { spec, zone, matches: BTreeMap::new(), after_gaps: Vec::new() };
        let (from, to) = (from.max(-DAY).div_euclid(60) * 60, to.min(LAST + 1));
        for minute in (from..to).step_by(60) {
            walk.minute(minute);
        }
        walk
    }

    /// Sixty seconds; nearly always with one offset.
    fn minute(&mut self, at: i64) {
        let seconds = |offset: Offset| i64::from(offset.seconds());
        let (before, after) = (offset(self.zone, at - 1), offset(self.zone, at + 59));
        if before == after && seconds(after) % 60 == 0 {
            self.local_minute(at + seconds(after), at);
            return;
        }
        for at in at..at + 60 {
            let (before, own) = (seconds(offset(self.zone, at - 1)), seconds(offset(self.zone, at)));
            if self.is_match(at + own) {
                self.matches.entry(at + own).or_default().push(at);
            }
            if (at + before..at + own).any(|skipped| self.is_match(skipped)) {
                self.after_gaps.push(at);
            }
        }
    }

    /// A whole minute of the local time line.
    fn local_minute(&mut self, local: i64, at: i64) {
        let time = civil(local);
        if !self.spec.matches_date(time.date()) || !self.spec.matches_minute(time) {
            return;
        }
        for second in (0..60).filter(|second| self.spec.matches_second(*second)) {
            let second = i64::from(second);
            self.matches.entry(local + second).or_default().push(at + second);
        }
    }

    fn is_match(&self, local: i64) -> bool {
        let time = civil(local);
        self.spec.matches_second(time.second() as u32)
            && self.spec.matches_minute(time)
            && self.spec.matches_date(time.date())
    }
}

fn civil(local: i64) -> DateTime {
    Offset::UTC.to_datetime(Timestamp::from_second(local.min(LAST)).unwrap())
}
