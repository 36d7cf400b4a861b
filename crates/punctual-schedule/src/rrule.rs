//! Recurrence rules of iCalendar (RFC 5545, section 3.3.10).

mod days;
mod parse;
mod search;

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::error::ScheduleError;
use crate::zone::{ZoneTable, name_of, zone};

use parse::Rule;
pub(crate) use search::Recurrence;

/// A recurrence rule of iCalendar, such as `FREQ=MONTHLY;BYDAY=2TU;BYHOUR=9;BYMINUTE=0;BYSECOND=0`.
///
/// The window's start is the rule's DTSTART: what the rule leaves open (the time of day, the weekday, the day of the
/// month) is read off its local time, intervals count from it, and no instant lies before it. A start that the rule
/// itself does not match is no instant. Instants are whole seconds; the milliseconds of the start are dropped.
///
/// - All parts of RFC 5545 are read: `FREQ` (SECONDLY to YEARLY), `INTERVAL`, `COUNT`, `UNTIL`, `WKST`, `BYMONTH`,
///   `BYWEEKNO`, `BYYEARDAY`, `BYMONTHDAY`, `BYDAY`, `BYHOUR`, `BYMINUTE`, `BYSECOND`, `BYSETPOS`. Combinations that it
///   forbids are refused. A leading `RRULE:` is dropped. `EXDATE` is what calendars are for.
/// - `UNTIL` is included. It is a UTC time (`20261231T225959Z`), a local time, or a local date (all of that day).
/// - `COUNT` is at most 10,000; instants that a calendar excludes count.
/// - DAILY and longer rules go by local time: a time in a gap moves on by the length of the gap, one in an overlap is on
///   the first pass (section 3.3.10). HOURLY and shorter rules step in elapsed time, through both passes of an overlap,
///   and their `BY` parts are compared with the local time of each step.
/// - A rule that repeats more often than once a minute needs `COUNT` or `UNTIL`.
///
/// ```
/// use punctual_schedule::{Occurrences, RecurrenceRule, Schedule, Window};
///
/// let rule = RecurrenceRule::parse("FREQ=MONTHLY;BYDAY=-1FR", "Europe/Berlin")?;
/// let schedule = Schedule::Rrule(rule);
/// let window = Window { start: "2026-03-01T08:00:00Z".parse()?, end: None };
/// let fires: Vec<_> = Occurrences::new(&schedule, window).upcoming(window.start).take(2).collect();
/// // Nine o'clock in Berlin, in winter and in summer.
/// assert_eq!(fires, ["2026-03-27T08:00:00Z".parse()?, "2026-04-24T07:00:00Z".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct RecurrenceRule {
    text: Arc<str>,
    rule: Arc<Rule>,
    zone: TimeZone,
    table: Arc<ZoneTable>,
    /// The start for which the last instant of a `COUNT` was looked up, and that instant, in seconds: a trigger asks
    /// for the same one again and again.
    last: Arc<OnceLock<(i64, Option<i64>)>>,
}

impl RecurrenceRule {
    /// A rule read in a zone.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Rrule`] with the part, its place in the text and what would be right.
    pub fn new(rule: &str, zone: TimeZone) -> Result<Self, ScheduleError> {
        let (text, rule) = parse::parse(rule)?;
        let table = ZoneTable::of(&zone);
        Ok(Self { text: text.into(), rule: Arc::new(rule), zone, table, last: Arc::default() })
    }

    /// A rule read in the zone of that IANA name.
    ///
    /// # Errors
    ///
    /// As [`RecurrenceRule::new`] and [`zone`].
    pub fn parse(rule: &str, tz: &str) -> Result<Self, ScheduleError> {
        Self::new(rule, zone(tz)?)
    }

    /// The rule's text, in capitals.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The zone in which the rule is read.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Instants that the rule gives in all, if it has a `COUNT`.
    pub fn count(&self) -> Option<u64> {
        self.rule.count
    }

    /// The rule from a start, for any search; seconds.
    pub(crate) fn starting_at(&self, start: i64) -> Recurrence<'_> {
        Recurrence::new(&self.rule, &self.table, start)
    }

    /// The last instant that `COUNT` and `UNTIL` allow, in seconds; `None` where there is no such limit.
    pub(crate) fn last_from(&self, start: i64) -> Option<i64> {
        let until = self.rule.until.map(|until| until.instant(&self.table));
        let Some(count) = self.rule.count else { return until };
        let find = || self.starting_at(start).nth(count);
        let (asked, last) = self.last.get_or_init(|| (start, find()));
        let last = if *asked == start { *last } else { find() };
        [last, until].into_iter().flatten().min()
    }
}

impl PartialEq for RecurrenceRule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.zone == other.zone
    }
}

impl fmt::Display for RecurrenceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RecurrenceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecurrenceRule")
            .field("rrule", &self.text)
            .field("tz", &self.zone.iana_name())
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    rrule: String,
    #[serde(default = "crate::zone::utc")]
    tz: String,
}

impl TryFrom<Raw> for RecurrenceRule {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::new(&raw.rrule, zone(&raw.tz)?)
    }
}

impl From<RecurrenceRule> for Raw {
    fn from(rule: RecurrenceRule) -> Self {
        Self { rrule: rule.text.to_string(), tz: name_of(&rule.zone) }
    }
}

#[cfg(test)]
mod tests;
