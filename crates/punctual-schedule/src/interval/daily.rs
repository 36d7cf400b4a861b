//! An interval within a part of the day.

use std::fmt;
use std::sync::Arc;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{IntervalUnit, Repeat, Steps, check_interval};
use crate::civil::{DAY, FIRST_SECOND, LAST_SECOND, LOCAL_LIMIT, weekday};
use crate::error::ScheduleError;
use crate::zone::{Resolved, ZoneTable, name_of, zone};

/// Fires every `interval` seconds, minutes or hours between two times of day (both included), on some days of the
/// week, at most `repeat + 1` times in all.
///
/// Each day begins anew at its start of day; within a day the interval is elapsed time. A start or end of day that
/// falls into a gap moves on by the length of the gap (02:30 becomes 03:30); one that occurs twice is the second
/// pass, as in Quartz. A day whose end moves past midnight ends where the next day's firings begin. A date that the
/// zone skips has no firings.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct DailyTimeInterval {
    interval: u32,
    unit: IntervalUnit,
    /// Seconds.
    step: i64,
    zone: TimeZone,
    /// Seconds since midnight, both included.
    start: i64,
    end: i64,
    /// Bit 0 = Sunday.
    days: u8,
    repeat: Repeat,
    table: Arc<ZoneTable>,
}

const ALL_DAYS: u8 = 0x7f;
const END_OF_DAY: i64 = DAY - 1;

impl DailyTimeInterval {
    /// Fires every `interval` units all day, every day, without limit; narrow it with the methods below.
    ///
    /// # Errors
    ///
    /// Refuses an interval of zero, units above an hour, and an interval longer than a day.
    pub fn new(interval: u32, unit: IntervalUnit, zone: TimeZone) -> Result<Self, ScheduleError> {
        check_interval(interval)?;
        let Some(seconds) = unit.seconds() else {
            return Err(ScheduleError::value(
                "unit",
                format!("{unit:?}").to_uppercase(),
                "is SECOND, MINUTE or HOUR",
            ));
        };
        let step = i64::from(interval) * seconds;
        if step > DAY {
            return Err(ScheduleError::value("interval", interval, "is at most 24 hours"));
        }
        let table = ZoneTable::of(&zone);
        Ok(Self {
            interval,
            unit,
            step,
            zone,
            start: 0,
            end: END_OF_DAY,
            days: ALL_DAYS,
            repeat: Repeat::Forever,
            table,
        })
    }

    /// Fires between two local times of day, both included, in whole seconds.
    ///
    /// # Errors
    ///
    /// Refuses an end before the start: a window cannot span midnight.
    pub fn between(self, start: Time, end: Time) -> Result<Self, ScheduleError> {
        for (field, time) in [("start_time_of_day", start), ("end_time_of_day", end)] {
            if time.subsec_nanosecond() != 0 {
                return Err(ScheduleError::value(field, time, "is a time of day in whole seconds"));
            }
        }
        if end < start {
            return Err(ScheduleError::value(
                "end_time_of_day",
                end,
                format!("lies before start_time_of_day {start}; a window ends on the day on which it begins"),
            ));
        }
        Ok(Self { start: seconds_of(start), end: seconds_of(end), ..self })
    }

    /// Fires on these days of the week only.
    ///
    /// # Errors
    ///
    /// Refuses an empty list.
    pub fn on_days(self, days: impl IntoIterator<Item = Weekday>) -> Result<Self, ScheduleError> {
        let days = days.into_iter().fold(0, |bits, day| bits | 1 << day.to_sunday_zero_offset());
        if days == 0 {
            return Err(ScheduleError::value("days_of_week", "[]", "holds at least one day"));
        }
        Ok(Self { days, ..self })
    }

    /// Fires at most `repeat + 1` times, counted from the window's start. Firings that a calendar excludes do not
    /// count.
    #[must_use]
    pub fn with_repeat(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }

    /// Units between two firings of a day.
    pub fn interval(&self) -> u32 {
        self.interval
    }

    /// The unit.
    pub fn unit(&self) -> IntervalUnit {
        self.unit
    }

    /// The zone of the times of day.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// First local time of day.
    pub fn start_time_of_day(&self) -> Time {
        time_of(self.start)
    }

    /// Last local time of day.
    pub fn end_time_of_day(&self) -> Time {
        time_of(self.end)
    }

    /// The days of the week, Sunday first.
    pub fn days_of_week(&self) -> impl Iterator<Item = Weekday> {
        let days = self.days;
        (0..7)
            .filter(move |day| days >> day & 1 == 1)
            .filter_map(|day| Weekday::from_sunday_zero_offset(day).ok())
    }

    /// Repeats after the first firing.
    pub fn repeat(&self) -> Repeat {
        self.repeat
    }

    /// The firings of a local day, in seconds: the first one, and the last instant that may fire.
    fn day(&self, days: i64) -> Option<(Steps, i64)> {
        let start = self.start_of(days)?;
        let end = match self.table.resolve(days * DAY + self.end) {
            Resolved::Unique(at) | Resolved::Overlap { second: at, .. } => at,
            // What has moved must not run into the next day, or the days would not be in order.
            Resolved::Gap { shifted, .. } => {
                self.start_of(days + 1).map_or(shifted, |next| shifted.min(next - 1))
            }
        };
        Some((Steps { start, step: self.step }, end))
    }

    /// The first firing of a local day; `None` where it has none.
    fn start_of(&self, days: i64) -> Option<i64> {
        let local = days * DAY;
        if self.days >> weekday(days) & 1 == 0 || local >= LOCAL_LIMIT || self.is_skipped(local) {
            return None;
        }
        Some(self.instant(local + self.start))
    }

    fn instant(&self, local: i64) -> i64 {
        match self.table.resolve(local) {
            Resolved::Unique(at) | Resolved::Overlap { second: at, .. } => at,
            Resolved::Gap { shifted, .. } => shifted,
        }
    }

    /// Whether the zone skips the whole date.
    fn is_skipped(&self, local: i64) -> bool {
        match (self.table.resolve(local), self.table.resolve(local + END_OF_DAY)) {
            (Resolved::Gap { after: first, .. }, Resolved::Gap { after: last, .. }) => first == last,
            _ => false,
        }
    }

    /// The first fire time from the second `at` on, without regard to a limit of repeats.
    pub(crate) fn at_or_after(&self, at: i64) -> Option<i64> {
        let at = at.max(FIRST_SECOND - DAY);
        // A moved start of day can reach into the day after, so the search begins a day early.
        let first = self.table.local(at).div_euclid(DAY) - 1;
        // Seven days hold a matching one. A gap may empty it, and the zone may have skipped it, but not twice.
        (first..first + 24).find_map(|days| {
            let (steps, end) = self.day(days)?;
            steps.at_or_after(at).filter(|found| *found <= end && *found <= LAST_SECOND)
        })
    }

    /// The last fire time up to the second `at`.
    pub(crate) fn at_or_before(&self, at: i64) -> Option<i64> {
        let at = at.min(LAST_SECOND);
        if at < FIRST_SECOND - DAY {
            return None;
        }
        let last = self.table.local(at).div_euclid(DAY) + 1;
        (last - 24..=last).rev().find_map(|days| {
            let (steps, end) = self.day(days)?;
            steps.at_or_before(at.min(end))
        })
    }

    /// Fire times in `from..=to`, in seconds. Whole days between two changes of the offset are counted at once.
    pub(crate) fn count(&self, from: i64, to: i64) -> u64 {
        let (from, to) = (from.max(FIRST_SECOND - DAY), to.min(LAST_SECOND));
        if from > to {
            return 0;
        }
        let per_day = ((self.end - self.start) / self.step + 1) as u64;
        let mut days = self.table.local(from).div_euclid(DAY) - 1;
        let last = self.table.local(to).div_euclid(DAY) + 1;
        let mut total = 0;
        while days <= last {
            let (plain_from, plain_to) = self.plain_days(days);
            // Days at the edges of the range are counted with its limits.
            let plain_to = plain_to.min(last - 2);
            if plain_from <= days && days >= self.table.local(from).div_euclid(DAY) + 2 && plain_to > days {
                total += self.weekdays(days, plain_to) * per_day;
                days = plain_to;
                continue;
            }
            if let Some((steps, end)) = self.day(days) {
                total += steps.count(from, end.min(to));
            }
            days += 1;
        }
        total
    }

    /// The local days around `days` that lie wholly within one segment of the zone, as a half-open range; empty
    /// where the day itself does not.
    fn plain_days(&self, days: i64) -> (i64, i64) {
        let segment = self.table.segment(self.instant(days * DAY));
        let begin = segment.start.saturating_add(segment.offset.max(segment.before));
        let end = segment.end.saturating_add(segment.offset.min(segment.after));
        ((begin.saturating_add(DAY - 1)).div_euclid(DAY), end.div_euclid(DAY))
    }

    /// Matching days in `from..to`.
    fn weekdays(&self, from: i64, to: i64) -> u64 {
        let weeks = (to - from) / 7;
        let rest = (from + weeks * 7..to).filter(|days| self.days >> weekday(*days) & 1 == 1).count();
        weeks as u64 * u64::from(self.days.count_ones()) + rest as u64
    }

    /// The instant of the n-th firing (from 1) at or after `from`.
    pub(crate) fn nth_from(&self, from: i64, n: u64) -> Option<i64> {
        if self.count(from, LAST_SECOND) < n {
            return None;
        }
        let mut reach = DAY;
        while self.count(from, from + reach) < n {
            reach *= 2;
        }
        let (mut low, mut high) = (from, from + reach);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.count(from, middle) < n { low = middle + 1 } else { high = middle }
        }
        Some(low)
    }
}

fn seconds_of(time: Time) -> i64 {
    i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}

fn time_of(seconds: i64) -> Time {
    let part = |value: i64| value as i8;
    Time::new(part(seconds / 3600), part(seconds / 60 % 60), part(seconds % 60), 0).unwrap_or(Time::MIN)
}

impl PartialEq for DailyTimeInterval {
    fn eq(&self, other: &Self) -> bool {
        Raw::from(self.clone()) == Raw::from(other.clone())
    }
}

impl fmt::Debug for DailyTimeInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DailyTimeInterval")
            .field("interval", &self.interval)
            .field("unit", &self.unit)
            .field("tz", &self.zone.iana_name())
            .field("start_time_of_day", &self.start_time_of_day())
            .field("end_time_of_day", &self.end_time_of_day())
            .field("days_of_week", &self.days_of_week().collect::<Vec<_>>())
            .field("repeat", &self.repeat)
            .finish()
    }
}

/// The JSON form. Days of the week are 1 = Sunday to 7 = Saturday; what is left out means all day, every day.
#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default = "crate::zone::utc")]
    tz: String,
    #[serde(default)]
    start_time_of_day: Option<String>,
    #[serde(default)]
    end_time_of_day: Option<String>,
    #[serde(default)]
    days_of_week: Option<Vec<u8>>,
    interval: u32,
    unit: IntervalUnit,
    #[serde(default)]
    repeat_count: Repeat,
}

impl TryFrom<Raw> for DailyTimeInterval {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let daily = Self::new(raw.interval, raw.unit, zone(&raw.tz)?)?.with_repeat(raw.repeat_count);
        let start = raw.start_time_of_day.map_or(Ok(time_of(0)), |text| time("start_time_of_day", &text))?;
        let end =
            raw.end_time_of_day.map_or(Ok(time_of(END_OF_DAY)), |text| time("end_time_of_day", &text))?;
        let daily = daily.between(start, end)?;
        match raw.days_of_week {
            None => Ok(daily),
            Some(days) => daily.on_days(days.into_iter().map(day_of_week).collect::<Result<Vec<_>, _>>()?),
        }
    }
}

fn time(field: &'static str, text: &str) -> Result<Time, ScheduleError> {
    text.parse().map_err(|_| {
        ScheduleError::value(field, format!("{text:?}"), "is a time of day such as \"08:30:00\"")
    })
}

fn day_of_week(day: u8) -> Result<Weekday, ScheduleError> {
    i8::try_from(day)
        .ok()
        .and_then(|day| Weekday::from_sunday_one_offset(day).ok())
        .ok_or_else(|| ScheduleError::value("days_of_week", day, "is 1 (Sunday) to 7 (Saturday)"))
}

impl From<DailyTimeInterval> for Raw {
    fn from(daily: DailyTimeInterval) -> Self {
        Self {
            tz: name_of(&daily.zone),
            start_time_of_day: Some(daily.start_time_of_day().to_string()),
            end_time_of_day: Some(daily.end_time_of_day().to_string()),
            days_of_week: Some(daily.days_of_week().map(|day| day.to_sunday_one_offset() as u8).collect()),
            interval: daily.interval,
            unit: daily.unit,
            repeat_count: daily.repeat,
        }
    }
}
