//! The set of instants of a schedule within a window, less what a calendar excludes.

use std::iter::FusedIterator;

use jiff::Timestamp;

use crate::calendar::Calendar;
use crate::civil::LAST_SECOND;
use crate::cron::CronSchedule;
use crate::error::ScheduleError;
use crate::interval::{DailyTimeInterval, Series, Steps};
use crate::rrule::Recurrence;
use crate::schedule::Schedule;

/// A trigger's life.
///
/// Whether an instant at `end` belongs to it depends on the kind of schedule, as in Quartz: it does for cron, daily
/// time interval and recurrence rule schedules, it does not for once, simple, calendar interval and fixed delay
/// schedules (there only the very first firing, at `start`, may coincide with `end`). Cron and recurrence rule
/// schedules drop the milliseconds of `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The earliest instant.
    pub start: Timestamp,
    /// The end, if there is one.
    pub end: Option<Timestamp>,
}

impl Window {
    /// A window with an end that does not lie before its start.
    ///
    /// # Errors
    ///
    /// Refuses an end before the start. (A window built by hand with such an end holds no instant.)
    pub fn new(start: Timestamp, end: Option<Timestamp>) -> Result<Self, ScheduleError> {
        match end {
            Some(end) if end < start => {
                Err(ScheduleError::value("end", end, format!("lies before the start, {start}")))
            }
            _ => Ok(Self { start, end }),
        }
    }
}

/// The scheduled instants of a trigger: a set, asked without any state.
///
/// The set holds what would fire if every firing happened in time; instants are whole milliseconds.
#[derive(Clone, Debug)]
pub struct Occurrences<'a> {
    base: Base<'a>,
    /// Earliest and latest instant in milliseconds, both included; empty where `lower > upper`.
    lower: i64,
    upper: i64,
    /// The upper limit without one of repeats.
    end: i64,
    /// Firings that a daily schedule has in all.
    limit: Option<u64>,
    calendar: Option<&'a Calendar>,
}

/// Instants in a closed range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Option<Timestamp>,
    /// The last of them.
    pub last: Option<Timestamp>,
}

/// An unlimited schedule from a start.
#[derive(Clone, Debug)]
enum Base<'a> {
    Once(i64),
    Simple(Steps),
    Cron(&'a CronSchedule),
    Calendar(Series<'a>),
    Daily(&'a DailyTimeInterval),
    Rrule(Recurrence<'a>),
}

const LAST_MS: i64 = LAST_SECOND * 1000;

/// How often a search may step over excluded instants before it counts as endless. Every step passes over all
/// that the calendar excludes at once, so that real calendars need a handful.
const PATIENCE: u32 = 100_000;

impl<'a> Occurrences<'a> {
    /// The instants of `schedule` within `window`.
    pub fn new(schedule: &'a Schedule, window: Window) -> Self {
        let start = to_millis(window.start);
        let end = window.end.map(to_millis);
        if end.is_some_and(|end| end < start) {
            return Self { base: Base::Once(start), lower: 1, upper: 0, end: 0, limit: None, calendar: None };
        }
        let inclusive = end.unwrap_or(LAST_MS).min(LAST_MS);
        // An end at the start leaves the first firing.
        let exclusive = end.map_or(LAST_MS, |end| (end - 1).max(start).min(LAST_MS));
        let mut limit = None;
        let (base, lower, upper) = match schedule {
            Schedule::Once => (Base::Once(start), start, start),
            Schedule::Simple(simple) => {
                let last = simple.repeat().firings().map_or(LAST_MS, |firings| {
                    start.saturating_add(simple.step().saturating_mul(firings as i64 - 1))
                });
                (Base::Simple(Steps { start, step: simple.step() }), start, exclusive.min(last))
            }
            Schedule::Cron(cron) => (Base::Cron(cron), start.div_euclid(1000) * 1000, inclusive),
            Schedule::CalendarInterval(interval) => {
                (Base::Calendar(interval.series_from(start)), start, exclusive)
            }
            Schedule::DailyTimeInterval(daily) => {
                limit = daily.repeat().firings();
                (Base::Daily(daily), start, inclusive)
            }
            Schedule::Rrule(rule) => {
                let first = start.div_euclid(1000);
                let last = rule.last_from(first).map_or(LAST_MS, |last| last * 1000);
                (Base::Rrule(rule.starting_at(first)), first * 1000, inclusive.min(last))
            }
            // Each firing is known only when the one before it has ended; the window's start is the one that is.
            Schedule::FixedDelay(_) => (Base::Once(start), start, exclusive.min(start)),
            // None: it fires when it is told to.
            Schedule::Event(_) => (Base::Once(start), 1, 0),
        };
        Self { base, lower, upper, end: upper, limit, calendar: None }.limited()
    }

    /// The same instants without those that `calendar` excludes.
    ///
    /// An excluded instant uses up a repeat of a simple schedule, but not one of a daily schedule (as in Quartz).
    #[must_use]
    pub fn with_calendar(self, calendar: Option<&'a Calendar>) -> Self {
        Self { calendar, ..self }.limited()
    }

    /// Lowers the upper limit to the last firing that a limit of repeats allows.
    fn limited(mut self) -> Self {
        let (Some(limit), Base::Daily(daily)) = (self.limit, &self.base) else { return self };
        self.upper = self.end;
        let last = match self.calendar {
            None => daily.nth_from(ceil_second(self.lower), limit),
            Some(_) => self.nth_included(daily, limit),
        };
        self.upper = last.map_or(self.end, |last| self.end.min(last * 1000));
        self
    }

    /// The second of the n-th firing (from 1) that the calendar leaves.
    fn nth_included(&self, daily: &DailyTimeInterval, n: u64) -> Option<i64> {
        let mut left = n;
        for (from, _, count) in self.stretches(self.lower, self.end) {
            if count >= left {
                return daily.nth_from(ceil_second(from), left);
            }
            left -= count;
        }
        None
    }

    /// The first instant of all.
    pub fn first(&self) -> Option<Timestamp> {
        self.included_at_or_after(self.lower).and_then(to_timestamp)
    }

    /// The first instant strictly after `t`.
    pub fn next_after(&self, t: Timestamp) -> Option<Timestamp> {
        self.included_at_or_after(to_millis(t).checked_add(1)?).and_then(to_timestamp)
    }

    /// The first instant at or after `t`.
    pub fn at_or_after(&self, t: Timestamp) -> Option<Timestamp> {
        self.included_at_or_after(ceil_millis(t)).and_then(to_timestamp)
    }

    /// The last instant strictly before `t`.
    pub fn prev_before(&self, t: Timestamp) -> Option<Timestamp> {
        self.included_at_or_before(ceil_millis(t).checked_sub(1)?).and_then(to_timestamp)
    }

    /// The last instant of all; `None` where there is none or no end to them.
    ///
    /// A schedule without an end that stops at the year 9999 only counts as endless.
    pub fn last(&self) -> Option<Timestamp> {
        let endless = self.upper >= LAST_MS
            && match &self.base {
                Base::Cron(cron) => cron.expression().is_endless(),
                _ => true,
            };
        if endless { None } else { self.included_at_or_before(self.upper).and_then(to_timestamp) }
    }

    /// Whether `t` is one of the instants.
    pub fn contains(&self, t: Timestamp) -> bool {
        self.at_or_after(t) == Some(t)
    }

    /// The instants from `t` on, in order.
    pub fn upcoming(&self, t: Timestamp) -> Upcoming<'a> {
        Upcoming { occurrences: self.clone(), from: Some(ceil_millis(t)) }
    }

    /// The instants in `from..=to`.
    ///
    /// This is arithmetic, however many there are; with a calendar one step for each stretch of time without an
    /// exclusion.
    pub fn count(&self, from: Timestamp, to: Timestamp) -> Span {
        let (from, to) = (ceil_millis(from), to_millis(to));
        let first = self.included_at_or_after(from).filter(|first| *first <= to);
        let last = self.included_at_or_before(to).filter(|last| *last >= from);
        let (Some(first), Some(last)) = (first, last) else { return Span::default() };
        let count = self.stretches(first, last).map(|(.., count)| count).sum();
        Span { count, first: to_timestamp(first), last: to_timestamp(last) }
    }

    /// The parts of `from..=to` in which the calendar excludes nothing: their ends and the instants in them. Parts
    /// without an instant are passed over.
    fn stretches(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, i64, u64)> {
        let mut from = Some(from);
        std::iter::from_fn(move || {
            let first = self.included_at_or_after(from?).filter(|first| *first <= to)?;
            let excluded = self.calendar.and_then(|calendar| calendar.next_excluded_ms(first, to));
            let last = excluded.map_or(to, |excluded| excluded - 1);
            from = excluded;
            Some((first, last, self.base.count(first, last)))
        })
    }

    fn included_at_or_after(&self, t: i64) -> Option<i64> {
        let mut t = t;
        for _ in 0..PATIENCE {
            let found = self.base_at_or_after(t)?;
            let Some(calendar) = self.calendar else { return Some(found) };
            let included = calendar.next_included_ms(found)?;
            if included == found {
                return Some(found);
            }
            t = included;
        }
        None
    }

    fn included_at_or_before(&self, t: i64) -> Option<i64> {
        let mut t = t;
        for _ in 0..PATIENCE {
            let found = self.base_at_or_before(t)?;
            match self.calendar {
                Some(calendar) if !calendar.includes_ms(found) => {
                    t = calendar.last_included_ms(self.lower, found)?;
                }
                _ => return Some(found),
            }
        }
        None
    }

    fn base_at_or_after(&self, t: i64) -> Option<i64> {
        let t = t.max(self.lower);
        if t > self.upper {
            return None;
        }
        self.base.at_or_after(t).filter(|found| *found <= self.upper)
    }

    fn base_at_or_before(&self, t: i64) -> Option<i64> {
        let t = t.min(self.upper);
        if t < self.lower {
            return None;
        }
        self.base.at_or_before(t).filter(|found| *found >= self.lower)
    }
}

impl Base<'_> {
    fn at_or_after(&self, t: i64) -> Option<i64> {
        match self {
            Self::Once(start) => (*start >= t).then_some(*start),
            Self::Simple(steps) => steps.at_or_after(t),
            Self::Cron(cron) => cron.at_or_after(ceil_second(t)).map(|second| second * 1000),
            Self::Calendar(series) => series.at_or_after(t),
            Self::Daily(daily) => daily.at_or_after(ceil_second(t)).map(|second| second * 1000),
            Self::Rrule(rule) => rule.at_or_after(ceil_second(t)).map(|second| second * 1000),
        }
    }

    fn at_or_before(&self, t: i64) -> Option<i64> {
        match self {
            Self::Once(start) => (*start <= t).then_some(*start),
            Self::Simple(steps) => steps.at_or_before(t),
            Self::Cron(cron) => cron.at_or_before(t.div_euclid(1000)).map(|second| second * 1000),
            Self::Calendar(series) => series.at_or_before(t),
            Self::Daily(daily) => daily.at_or_before(t.div_euclid(1000)).map(|second| second * 1000),
            Self::Rrule(rule) => rule.at_or_before(t.div_euclid(1000)).map(|second| second * 1000),
        }
    }

    fn count(&self, from: i64, to: i64) -> u64 {
        match self {
            Self::Once(start) => u64::from((from..=to).contains(start)),
            Self::Simple(steps) => steps.count(from, to),
            Self::Cron(cron) => cron.count(ceil_second(from), to.div_euclid(1000)),
            Self::Calendar(series) => series.count(from, to),
            Self::Daily(daily) => daily.count(ceil_second(from), to.div_euclid(1000)),
            Self::Rrule(rule) => rule.count(ceil_second(from), to.div_euclid(1000)),
        }
    }
}

/// The instants of [`Occurrences`] in order; see [`Occurrences::upcoming`].
#[derive(Clone, Debug)]
pub struct Upcoming<'a> {
    occurrences: Occurrences<'a>,
    /// Where to go on, in milliseconds.
    from: Option<i64>,
}

impl Iterator for Upcoming<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let found = self.from.and_then(|from| self.occurrences.included_at_or_after(from));
        self.from = found.map(|found| found + 1);
        found.and_then(to_timestamp)
    }
}

impl FusedIterator for Upcoming<'_> {}

/// The millisecond that holds `t`. Without its nanoseconds as one number, which would need 128 bits.
pub(crate) fn to_millis(t: Timestamp) -> i64 {
    t.as_second() * 1000 + i64::from(t.subsec_nanosecond().div_euclid(1_000_000))
}

fn ceil_millis(t: Timestamp) -> i64 {
    t.as_second() * 1000 - i64::from((-t.subsec_nanosecond()).div_euclid(1_000_000))
}

fn ceil_second(t: i64) -> i64 {
    -(-t).div_euclid(1000)
}

pub(crate) fn to_timestamp(t: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(t).ok()
}
