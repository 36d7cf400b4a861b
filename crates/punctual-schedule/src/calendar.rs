//! Calendars: times at which nothing fires.

mod rule;
mod wire;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::civil::{DAY, LAST_SECOND};
use crate::cron::CronExpression;
use crate::error::ScheduleError;
use crate::occurrences::{to_millis, to_timestamp};
use crate::zone::ZoneTable;

use rule::Rule;

/// Times that are excluded, read in a zone; with a base, a time must be included by both.
///
/// | kind | excludes |
/// | --- | --- |
/// | annual | days of the year, in every year |
/// | cron | every second that an expression matches |
/// | daily | a part of every day (or all but that part) |
/// | holiday | single dates |
/// | monthly | days of the month |
/// | weekly | days of the week |
///
/// A calendar that goes through a gap or an overlap of its zone goes by local time: a time is excluded whenever the
/// clock on the wall shows it, on both passes.
///
/// The JSON form is what stores keep:
///
/// ```
/// use punctual_schedule::Calendar;
///
/// let json = r#"{"type":"weekly","tz":"Europe/Berlin","days":[1,7],
///                "base":{"type":"holiday","tz":"Europe/Berlin","days":["2025-12-25"]}}"#;
/// let calendar: Calendar = serde_json::from_str(json)?;
/// assert!(!calendar.includes("2025-12-25T10:00:00Z".parse()?));
/// assert!(calendar.includes("2025-12-24T10:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "wire::Raw", into = "wire::Raw")]
pub struct Calendar {
    rule: Rule,
    zone: TimeZone,
    table: Arc<ZoneTable>,
    base: Option<Box<Calendar>>,
}

/// How often calendar and base may send a search on to each other before it counts as endless.
const PATIENCE: u32 = 100_000;
/// Calendars that rest on each other.
const MAX_DEPTH: usize = 16;

impl Calendar {
    fn new(rule: Rule, zone: TimeZone) -> Self {
        let table = ZoneTable::of(&zone);
        Self { rule, zone, table, base: None }
    }

    /// Excludes days of the year, given as month and day; February 29 where there is one.
    ///
    /// # Errors
    ///
    /// Refuses a day that no year has.
    pub fn annual(days: impl IntoIterator<Item = (u8, u8)>, zone: TimeZone) -> Result<Self, ScheduleError> {
        Ok(Self::new(Rule::annual(days)?, zone))
    }

    /// Excludes every second that `expression` matches.
    pub fn cron(expression: CronExpression, zone: TimeZone) -> Self {
        Self::new(Rule::Cron(expression), zone)
    }

    /// Excludes the times of day from `start` to `end`, both included, in milliseconds. As in Quartz, the first and
    /// the last millisecond of the day are excluded too.
    ///
    /// With `invert` exactly the times from `start` to `end` are included.
    ///
    /// # Errors
    ///
    /// Refuses an end that is not after the start, and parts of a millisecond.
    pub fn daily(start: Time, end: Time, invert: bool, zone: TimeZone) -> Result<Self, ScheduleError> {
        Ok(Self::new(Rule::daily(start, end, invert)?, zone))
    }

    /// Excludes single dates.
    pub fn holiday(days: impl IntoIterator<Item = Date>, zone: TimeZone) -> Self {
        Self::new(Rule::holiday(days), zone)
    }

    /// Excludes days of the month, 1 to 31.
    ///
    /// # Errors
    ///
    /// Refuses any other number.
    pub fn monthly(days: impl IntoIterator<Item = u8>, zone: TimeZone) -> Result<Self, ScheduleError> {
        Ok(Self::new(Rule::monthly(days)?, zone))
    }

    /// Excludes days of the week.
    pub fn weekly(days: impl IntoIterator<Item = Weekday>, zone: TimeZone) -> Self {
        Self::new(Rule::weekly(days), zone)
    }

    /// Rests this calendar on another: a time must be included by both.
    ///
    /// # Errors
    ///
    /// Refuses a chain of more than 16 calendars.
    pub fn with_base(self, base: Self) -> Result<Self, ScheduleError> {
        let depth = std::iter::successors(Some(&base), |calendar| calendar.base.as_deref()).count();
        if depth >= MAX_DEPTH {
            return Err(ScheduleError::value(
                "base",
                depth,
                format!("a chain holds at most {MAX_DEPTH} calendars"),
            ));
        }
        Ok(Self { base: Some(Box::new(base)), ..self })
    }

    /// The calendar below this one.
    pub fn base(&self) -> Option<&Self> {
        self.base.as_deref()
    }

    /// The kind, as in the JSON form.
    pub fn kind(&self) -> &'static str {
        self.rule.kind()
    }

    /// The zone in which days and times are read.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether `t` is not excluded.
    pub fn includes(&self, t: Timestamp) -> bool {
        self.includes_ms(to_millis(t))
    }

    /// The first included instant at or after `t`; `None` where everything from there on is excluded.
    ///
    /// Gives up (`None`) where a chain of calendars leaves nothing over a hundred thousand exclusions.
    pub fn next_included(&self, t: Timestamp) -> Option<Timestamp> {
        self.next_included_ms(to_millis(t)).and_then(to_timestamp)
    }

    /// What Quartz's `getNextIncludedTime` answers, for checks against it: cron and daily calendars look strictly
    /// after `t`, holiday calendars answer with the start of a day (possibly before `t`), annual ones with a base
    /// pass over every day whose start is excluded, and monthly and weekly ones do not ask their base again after
    /// moving on.
    pub fn quartz_next_included(&self, t: Timestamp) -> Option<Timestamp> {
        let from = match &self.base {
            Some(base) if !self.rule.is_time_of_day() => base.quartz_next_included(t)?.max(t),
            _ => t,
        };
        let from_ms = to_millis(from);
        let found = match &self.rule {
            rule if rule.is_time_of_day() => self.next_included_ms(from_ms + 1),
            Rule::Holiday(_) => self.next_day_start(from_ms),
            Rule::Annual(_) if self.base.is_some() => match self.next_day_start(from_ms) {
                Some(day) => Some(day.max(from_ms)),
                // A base that excludes every midnight: no day is left, but times are.
                None => self.next_included_ms(from_ms),
            },
            _ => self.own_next(from_ms),
        };
        found.and_then(to_timestamp)
    }

    pub(crate) fn includes_ms(&self, t: i64) -> bool {
        let offset = self.table.segment(t.div_euclid(1000)).offset;
        !self.rule.excludes(t + offset * 1000) && self.base.as_ref().is_none_or(|base| base.includes_ms(t))
    }

    pub(crate) fn next_included_ms(&self, t: i64) -> Option<i64> {
        let mut t = t;
        for _ in 0..PATIENCE {
            let own = self.own_next(t)?;
            let Some(base) = &self.base else { return Some(own) };
            let both = base.next_included_ms(own)?;
            if both == own {
                return Some(own);
            }
            t = both;
        }
        None
    }

    /// The last included instant from `lower` to `t`.
    ///
    /// Found by asking forwards from ever earlier instants, and then halving: that something is included from `s` to
    /// `t` is true for every `s` up to the answer and for none after it.
    pub(crate) fn last_included_ms(&self, lower: i64, t: i64) -> Option<i64> {
        let includes_from = |s: i64| self.next_included_ms(s).is_some_and(|found| found <= t);
        let mut reach = 1;
        let mut high = t.checked_add(1)?;
        let mut low = t;
        while !includes_from(low) {
            if low <= lower {
                return None;
            }
            high = low;
            low = t.saturating_sub(reach).max(lower);
            reach = reach.saturating_mul(2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if includes_from(middle) { low = middle } else { high = middle }
        }
        Some(low)
    }

    /// The first excluded instant from `t` to `upper`.
    pub(crate) fn next_excluded_ms(&self, t: i64, upper: i64) -> Option<i64> {
        let mut upper = upper;
        let mut first = None;
        for calendar in std::iter::successors(Some(self), |calendar| calendar.base()) {
            if let Some(found) = calendar.own_next_excluded(t, upper) {
                (first, upper) = (Some(found), found);
            }
        }
        first
    }

    fn own_next_excluded(&self, t: i64, upper: i64) -> Option<i64> {
        let mut t = t;
        while t <= upper {
            let segment = self.table.segment(t.div_euclid(1000));
            let (offset, end) = (segment.offset * 1000, segment.end.saturating_mul(1000));
            let whole = t == segment.start.saturating_mul(1000);
            t = match self.rule.next_excluded(t + offset) {
                Some(local) if local - offset < end => {
                    return Some(local - offset).filter(|found| *found <= upper);
                }
                // As in the search for a cron firing: no local time is further than two days from its instant.
                Some(local) if whole => end.max(local - 2 * DAY * 1000),
                // Nothing lies ahead, unless the segment after this one goes back to what was passed already.
                None if segment.after >= segment.offset => return None,
                _ => end,
            };
        }
        None
    }

    /// The first instant from `t` on that this calendar itself includes.
    fn own_next(&self, t: i64) -> Option<i64> {
        let mut t = t;
        loop {
            let segment = self.table.segment(t.div_euclid(1000));
            let offset = segment.offset * 1000;
            let found = self.rule.next_included(t + offset)? - offset;
            if segment.end > LAST_SECOND || found < segment.end * 1000 {
                return (found <= LAST_SECOND * 1000).then_some(found);
            }
            t = segment.end * 1000;
        }
    }

    /// The start of the first day, from the day of `t` on, that is included.
    fn next_day_start(&self, t: i64) -> Option<i64> {
        let start_of_day = |t: i64| {
            let local = self.table.local(t.div_euclid(1000));
            self.table.resolve(local - local.rem_euclid(DAY)).first() * 1000
        };
        let mut day = start_of_day(t);
        for _ in 0..PATIENCE {
            if self.includes_ms(day) {
                return Some(day);
            }
            // 25 hours on is the next day, whatever the zone does in between; only a 25-hour day needs more.
            let next = start_of_day(day + 25 * 3_600_000);
            day = if next > day { next } else { start_of_day(day + 26 * 3_600_000) };
        }
        None
    }
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.rule == other.rule && self.zone == other.zone && self.base == other.base
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calendar")
            .field("rule", &self.rule)
            .field("tz", &self.zone.iana_name())
            .field("base", &self.base)
            .finish()
    }
}
