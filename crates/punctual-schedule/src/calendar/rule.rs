//! What a calendar excludes, on the local time line in milliseconds since 1970-01-01T00:00:00.

use std::collections::BTreeSet;

use jiff::civil::{Date, Time, Weekday};

use crate::civil::{DAY, LOCAL_LIMIT, civil_from_days, days_from_civil, days_in_month, weekday};
use crate::cron::CronExpression;
use crate::error::ScheduleError;

const DAY_MS: i64 = DAY * 1000;
const LAST_MS_OF_DAY: i64 = DAY_MS - 1;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    /// For each month the excluded days as bits 1 to 31.
    Annual([u32; 12]),
    Cron(CronExpression),
    /// Milliseconds of the day, both ends within.
    Daily {
        start: i64,
        end: i64,
        invert: bool,
    },
    /// Days since 1970-01-01.
    Holiday(BTreeSet<i64>),
    /// Bits 1 to 31.
    Monthly(u32),
    /// Bit 0 = Sunday.
    Weekly(u8),
}

impl Rule {
    pub(super) fn annual(days: impl IntoIterator<Item = (u8, u8)>) -> Result<Self, ScheduleError> {
        let mut months = [0; 12];
        for (month, day) in days {
            // 2000 was a leap year.
            if !(1..=12).contains(&month) || !(1..=days_in_month(2000, month)).contains(&day) {
                return Err(ScheduleError::value(
                    "days",
                    format!("{month:02}-{day:02}"),
                    "is no day of any year",
                ));
            }
            months[usize::from(month) - 1] |= 1 << day;
        }
        Ok(Self::Annual(months))
    }

    pub(super) fn daily(start: Time, end: Time, invert: bool) -> Result<Self, ScheduleError> {
        let millis = |field, time: Time| {
            let nanos =
                time.since(Time::midnight()).ok().and_then(|span| span.total(jiff::Unit::Millisecond).ok());
            nanos
                .filter(|millis| millis.fract() == 0.0)
                .map(|millis| millis as i64)
                .ok_or_else(|| ScheduleError::value(field, time, "is a time of day in whole milliseconds"))
        };
        let (from, to) = (millis("range_start", start)?, millis("range_end", end)?);
        if to <= from {
            return Err(ScheduleError::value(
                "range_end",
                end,
                format!("lies not after range_start {start}; a range ends on the day on which it begins"),
            ));
        }
        Ok(Self::Daily { start: from, end: to, invert })
    }

    pub(super) fn holiday(days: impl IntoIterator<Item = Date>) -> Self {
        let number = |date: Date| days_from_civil(date.year().into(), date.month() as u8, date.day() as u8);
        Self::Holiday(days.into_iter().map(number).collect())
    }

    pub(super) fn monthly(days: impl IntoIterator<Item = u8>) -> Result<Self, ScheduleError> {
        let mut bits = 0;
        for day in days {
            if !(1..=31).contains(&day) {
                return Err(ScheduleError::value("days", day, "is a day of the month, 1 to 31"));
            }
            bits |= 1 << day;
        }
        Ok(Self::Monthly(bits))
    }

    pub(super) fn weekly(days: impl IntoIterator<Item = Weekday>) -> Self {
        Self::Weekly(days.into_iter().fold(0, |bits, day| bits | 1 << day.to_sunday_zero_offset()))
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Annual(_) => "annual",
            Self::Cron(_) => "cron",
            Self::Daily { .. } => "daily",
            Self::Holiday(_) => "holiday",
            Self::Monthly(_) => "monthly",
            Self::Weekly(_) => "weekly",
        }
    }

    /// Whether the rule looks at the time of day rather than at whole days.
    pub(super) fn is_time_of_day(&self) -> bool {
        matches!(self, Self::Cron(_) | Self::Daily { .. })
    }

    pub(super) fn excludes(&self, local: i64) -> bool {
        match self {
            Self::Cron(expression) => {
                let second = local.div_euclid(1000);
                expression.fields().at_or_after(second) == Some(second)
            }
            Self::Daily { start, end, invert } => {
                let time = local.rem_euclid(DAY_MS);
                let within = (*start..=*end).contains(&time);
                if *invert { !within } else { within || time == 0 || time == LAST_MS_OF_DAY }
            }
            _ => self.excludes_day(local.div_euclid(DAY_MS)),
        }
    }

    fn excludes_day(&self, days: i64) -> bool {
        let date = civil_from_days(days);
        match self {
            Self::Annual(months) => months[usize::from(date.month) - 1] >> date.day & 1 == 1,
            Self::Monthly(bits) => bits >> date.day & 1 == 1,
            Self::Weekly(bits) => bits >> weekday(days) & 1 == 1,
            Self::Holiday(dates) => dates.contains(&days),
            Self::Cron(_) | Self::Daily { .. } => false,
        }
    }

    /// The first included local time from `local` on.
    pub(super) fn next_included(&self, local: i64) -> Option<i64> {
        if !self.excludes(local) {
            return Some(local);
        }
        match self {
            Self::Cron(expression) => {
                expression.fields().unmatched_after(local.div_euclid(1000)).map(|s| s * 1000)
            }
            Self::Daily { start, end, invert } => next_in_day(local, *start, *end, *invert),
            _ => self.next_day(local.div_euclid(DAY_MS) + 1).map(|days| days * DAY_MS),
        }
    }

    /// The first excluded local time from `local` on.
    pub(super) fn next_excluded(&self, local: i64) -> Option<i64> {
        if self.excludes(local) {
            return Some(local);
        }
        match self {
            Self::Cron(expression) => {
                expression.fields().at_or_after(local.div_euclid(1000) + 1).map(|second| second * 1000)
            }
            Self::Daily { start, end, invert } => {
                let midnight = local - local.rem_euclid(DAY_MS);
                let begins = if *invert { [end + 1, DAY_MS] } else { [*start, LAST_MS_OF_DAY] };
                let begins = begins.into_iter().map(|time| midnight + time);
                begins.filter(|time| *time > local).find(|time| self.excludes(*time))
            }
            Self::Holiday(days) => days.range(local.div_euclid(DAY_MS)..).next().map(|day| day * DAY_MS),
            _ => {
                let days = local.div_euclid(DAY_MS) + 1;
                (days..days + 9 * 366).find(|day| self.excludes_day(*day)).map(|day| day * DAY_MS)
            }
        }
    }

    /// The first included day from `days` on. The rules repeat after eight years at most (February 29 around a
    /// year like 2100), save for holidays, of which there is a last one.
    fn next_day(&self, days: i64) -> Option<i64> {
        let reach = match self {
            Self::Holiday(dates) => dates.len() as i64,
            _ => 9 * 366,
        };
        (days..=days + reach)
            .take_while(|days| days * DAY < LOCAL_LIMIT)
            .find(|days| !self.excludes_day(*days))
    }
}

fn next_in_day(local: i64, start: i64, end: i64, invert: bool) -> Option<i64> {
    let midnight = local - local.rem_euclid(DAY_MS);
    // What a day includes first, and what it includes first after the range.
    let candidates = if invert { [start, start] } else { [1, end + 1] };
    let free =
        |time: &i64| *time < LAST_MS_OF_DAY && if invert { true } else { !(start..=end).contains(time) };
    let in_day = |midnight: i64| candidates.iter().filter(|time| free(time)).map(move |time| midnight + time);
    in_day(midnight).chain(in_day(midnight + DAY_MS)).find(|found| *found >= local)
}
