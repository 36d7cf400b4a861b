//! Steps of the local calendar.

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{IntervalUnit, Steps, check_interval};
use crate::civil::{
    DAY, FIRST_SECOND, LAST_SECOND, LOCAL_LIMIT, civil_from_days, days_from_civil, days_in_month,
};
use crate::error::ScheduleError;
use crate::zone::{Resolved, ZoneTable, name_of, zone};

/// Fires at the window's start and then every `interval` units.
///
/// Seconds, minutes and hours are elapsed time. Days, weeks, months and years are steps of the local calendar in
/// the schedule's zone: the k-th firing is at the start's local time of day, k * interval units after the start's
/// local date. A month too short for the day fires on its last day. Steps are always counted from the start, so
/// monthly from January 31 gives February 28 and March 31.
///
/// Where the local time does not exist (a gap), the firing is moved on by the length of the gap (02:30 becomes
/// 03:30), or left out if both `preserve_hour_of_day` and `skip_day_if_no_hour` are set. Where it occurs twice, the
/// firing is on the first pass.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct CalendarInterval {
    interval: i64,
    unit: IntervalUnit,
    zone: TimeZone,
    preserve_hour_of_day: bool,
    skip_day_if_no_hour: bool,
    table: Arc<ZoneTable>,
}

impl CalendarInterval {
    /// Fires every `interval` units.
    ///
    /// # Errors
    ///
    /// Refuses an interval of zero or above `i32::MAX`.
    pub fn new(interval: u32, unit: IntervalUnit, zone: TimeZone) -> Result<Self, ScheduleError> {
        check_interval(interval)?;
        let table = ZoneTable::of(&zone);
        Ok(Self {
            interval: interval.into(),
            unit,
            zone,
            preserve_hour_of_day: false,
            skip_day_if_no_hour: false,
            table,
        })
    }

    /// Quartz's `preserveHourOfDayAcrossDaylightSavings`. Calendar steps keep the local time of day with it and
    /// without it; it only enables [`CalendarInterval::with_skip_day_if_no_hour`].
    #[must_use]
    pub fn with_preserve_hour_of_day(self, preserve: bool) -> Self {
        Self { preserve_hour_of_day: preserve, ..self }
    }

    /// Quartz's `skipDayIfHourDoesNotExist`: a firing whose local time falls into a gap is left out.
    #[must_use]
    pub fn with_skip_day_if_no_hour(self, skip: bool) -> Self {
        Self { skip_day_if_no_hour: skip, ..self }
    }

    /// Units between two firings.
    pub fn interval(&self) -> u32 {
        self.interval as u32
    }

    /// The unit.
    pub fn unit(&self) -> IntervalUnit {
        self.unit
    }

    /// The zone whose calendar is followed.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// See [`CalendarInterval::with_preserve_hour_of_day`].
    pub fn preserve_hour_of_day(&self) -> bool {
        self.preserve_hour_of_day
    }

    /// See [`CalendarInterval::with_skip_day_if_no_hour`].
    pub fn skip_day_if_no_hour(&self) -> bool {
        self.skip_day_if_no_hour
    }

    /// The steps from a start, for any search; instants in milliseconds.
    pub(crate) fn series_from(&self, start: i64) -> Series<'_> {
        match self.unit.seconds() {
            Some(seconds) => Series::Elapsed(Steps { start, step: self.interval * seconds * 1000 }),
            None => Series::Local(LocalSteps::new(self, start)),
        }
    }
}

/// The firings from one start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Series<'a> {
    Elapsed(Steps),
    Local(LocalSteps<'a>),
}

impl Series<'_> {
    pub(crate) fn at_or_after(&self, t: i64) -> Option<i64> {
        match self {
            Self::Elapsed(steps) => steps.at_or_after(t),
            Self::Local(steps) => steps.at_or_after(t),
        }
    }

    pub(crate) fn at_or_before(&self, t: i64) -> Option<i64> {
        match self {
            Self::Elapsed(steps) => steps.at_or_before(t),
            Self::Local(steps) => steps.at_or_before(t),
        }
    }

    pub(crate) fn count(&self, from: i64, to: i64) -> u64 {
        match self {
            Self::Elapsed(steps) => steps.count(from, to),
            Self::Local(steps) => steps.count(from, to),
        }
    }
}

/// Steps along the local time line: step k has a local time, which the zone turns into an instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalSteps<'a> {
    schedule: &'a CalendarInterval,
    /// The start as an instant; in milliseconds.
    start: i64,
    /// The start's local time: days since 1970, second of the day, and milliseconds.
    days: i64,
    second: i64,
    millis: i64,
}

impl<'a> LocalSteps<'a> {
    fn new(schedule: &'a CalendarInterval, start: i64) -> Self {
        let local = schedule.table.local(start.div_euclid(1000));
        Self {
            schedule,
            start,
            days: local.div_euclid(DAY),
            second: local.rem_euclid(DAY),
            millis: start.rem_euclid(1000),
        }
    }

    /// The local second of step k. Strictly increasing in k.
    fn local(&self, k: i64) -> Option<i64> {
        let steps = k.checked_mul(self.schedule.interval)?;
        let days = match self.schedule.unit {
            IntervalUnit::Day => self.days.checked_add(steps)?,
            IntervalUnit::Week => self.days.checked_add(steps.checked_mul(7)?)?,
            IntervalUnit::Month => self.months_on(steps)?,
            _ => self.months_on(steps.checked_mul(12)?)?,
        };
        let local = days.checked_mul(DAY)? + self.second;
        (local < LOCAL_LIMIT).then_some(local)
    }

    fn months_on(&self, months: i64) -> Option<i64> {
        let date = civil_from_days(self.days);
        let month = i64::from(date.month) - 1 + months;
        let year =
            i32::try_from(i64::from(date.year) + month.div_euclid(12)).ok().filter(|year| *year <= 9999)?;
        let month = month.rem_euclid(12) as u8 + 1;
        Some(days_from_civil(year, month, date.day.min(days_in_month(year, month))))
    }

    /// The instant of step k in milliseconds; `None` where it is left out.
    fn instant(&self, k: i64, local: i64) -> Option<i64> {
        if k == 0 {
            // The start is an instant already; on a second pass it must stay there.
            return Some(self.start);
        }
        let second = match self.schedule.table.resolve(local) {
            Resolved::Unique(at) | Resolved::Overlap { first: at, .. } => at,
            Resolved::Gap { .. } if self.skips_gaps() => return None,
            Resolved::Gap { shifted, .. } => shifted,
        };
        Some(second * 1000 + self.millis)
    }

    fn skips_gaps(&self) -> bool {
        self.schedule.preserve_hour_of_day && self.schedule.skip_day_if_no_hour
    }

    /// The first step whose local time is not before `local`.
    fn step_at_or_after(&self, local: i64) -> i64 {
        let date = civil_from_days(self.days);
        let to = civil_from_days(local.div_euclid(DAY));
        let interval = self.schedule.interval;
        let months = i64::from(to.year - date.year) * 12 + i64::from(to.month) - i64::from(date.month);
        let days = local.div_euclid(DAY) - self.days;
        // One step less than the estimate is never too far.
        let mut k = match self.schedule.unit {
            IntervalUnit::Day => days.div_euclid(interval),
            IntervalUnit::Week => days.div_euclid(interval * 7),
            IntervalUnit::Month => months.div_euclid(interval),
            _ => months.div_euclid(interval * 12),
        } - 1;
        k = k.max(0);
        while self.local(k).is_some_and(|own| own < local) {
            k += 1;
        }
        k
    }

    fn at_or_after(&self, t: i64) -> Option<i64> {
        if t <= self.start {
            return Some(self.start);
        }
        // No local time lies two days from its instant; the few steps in between are tried.
        let mut k = self.step_at_or_after(t.div_euclid(1000) - 2 * DAY);
        loop {
            let local = self.local(k)?;
            if let Some(at) = self.instant(k, local).filter(|at| *at >= t) {
                return Some(at);
            }
            k += 1;
        }
    }

    fn at_or_before(&self, t: i64) -> Option<i64> {
        if t < self.start {
            return None;
        }
        let mut k = self.step_at_or_after((t.div_euclid(1000) + 2 * DAY).min(LOCAL_LIMIT - 1));
        loop {
            let at = self.local(k).and_then(|local| self.instant(k, local));
            if let Some(at) = at.filter(|at| *at <= t) {
                return Some(at);
            }
            k -= 1;
        }
    }

    /// The number of the first step at or after an instant, counting left-out ones.
    fn index(&self, t: i64) -> i64 {
        let mut k = self.step_at_or_after(t.div_euclid(1000) - 2 * DAY);
        while let Some(local) = self.local(k) {
            // A left-out step stands at the end of its gap here, so that the order is kept.
            let at = match self.schedule.table.resolve(local) {
                Resolved::Gap { after, .. } if self.skips_gaps() && k > 0 => after * 1000,
                _ => self.instant(k, local).unwrap_or(i64::MAX),
            };
            if at >= t {
                break;
            }
            k += 1;
        }
        k
    }

    fn count(&self, from: i64, to: i64) -> u64 {
        let from = from.max(self.start);
        let to = to.min(LAST_SECOND * 1000);
        if from > to {
            return 0;
        }
        let steps = (self.index(to + 1) - self.index(from)) as u64;
        steps - self.lost_in_gaps(from, to)
    }

    /// Steps in `from..=to` that are left out, or that a gap moves onto the instant of the next step.
    fn lost_in_gaps(&self, from: i64, to: i64) -> u64 {
        let mut lost = 0;
        let mut segment = self.schedule.table.segment(from.div_euclid(1000).max(FIRST_SECOND) - 2 * DAY);
        loop {
            if segment.before < segment.offset && segment.start > i64::MIN {
                let end = segment.start + segment.offset;
                let mut k = self.step_at_or_after(segment.start + segment.before).max(1);
                while let Some(local) = self.local(k).filter(|local| *local < end) {
                    lost += u64::from(self.is_lost(k, local, from, to));
                    k += 1;
                }
            }
            if segment.end > to.div_euclid(1000) {
                return lost;
            }
            segment = self.schedule.table.segment(segment.end);
        }
    }

    fn is_lost(&self, k: i64, local: i64, from: i64, to: i64) -> bool {
        match self.schedule.table.resolve(local) {
            Resolved::Gap { after, .. } if self.skips_gaps() => (from..=to).contains(&(after * 1000)),
            _ => {
                let next = self.local(k + 1).and_then(|next| self.instant(k + 1, next));
                self.instant(k, local).is_some_and(|at| (from..=to).contains(&at) && next == Some(at))
            }
        }
    }
}

impl PartialEq for CalendarInterval {
    fn eq(&self, other: &Self) -> bool {
        Raw::from(self.clone()) == Raw::from(other.clone())
    }
}

impl fmt::Debug for CalendarInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalendarInterval")
            .field("interval", &self.interval)
            .field("unit", &self.unit)
            .field("tz", &self.zone.iana_name())
            .field("preserve_hour_of_day", &self.preserve_hour_of_day)
            .field("skip_day_if_no_hour", &self.skip_day_if_no_hour)
            .finish()
    }
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default = "crate::zone::utc")]
    tz: String,
    interval: u32,
    unit: IntervalUnit,
    #[serde(default)]
    preserve_hour_of_day: bool,
    #[serde(default)]
    skip_day_if_no_hour: bool,
}

impl TryFrom<Raw> for CalendarInterval {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Ok(Self::new(raw.interval, raw.unit, zone(&raw.tz)?)?
            .with_preserve_hour_of_day(raw.preserve_hour_of_day)
            .with_skip_day_if_no_hour(raw.skip_day_if_no_hour))
    }
}

impl From<CalendarInterval> for Raw {
    fn from(schedule: CalendarInterval) -> Self {
        Self {
            tz: name_of(&schedule.zone),
            interval: schedule.interval(),
            unit: schedule.unit,
            preserve_hour_of_day: schedule.preserve_hour_of_day,
            skip_day_if_no_hour: schedule.skip_day_if_no_hour,
        }
    }
}
