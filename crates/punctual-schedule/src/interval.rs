//! Schedules that step: by elapsed time, by the local calendar, or within a part of the day.

mod calendar;
mod daily;
mod delay;
mod simple;

pub use calendar::CalendarInterval;
pub(crate) use calendar::Series;
pub use daily::DailyTimeInterval;
pub use delay::FixedDelay;
pub use simple::SimpleSchedule;

use serde::{Deserialize, Serialize};

use crate::error::ScheduleError;

/// How often a trigger repeats after its first firing. In JSON `repeat_count`, with -1 for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub enum Repeat {
    /// Without limit.
    #[default]
    Forever,
    /// This many times after the first firing: `Times(0)` fires once.
    Times(u32),
}

impl Repeat {
    /// The number of firings in all.
    pub(crate) fn firings(self) -> Option<u64> {
        match self {
            Self::Forever => None,
            Self::Times(times) => Some(u64::from(times) + 1),
        }
    }
}

impl TryFrom<i64> for Repeat {
    type Error = ScheduleError;

    fn try_from(count: i64) -> Result<Self, Self::Error> {
        match u32::try_from(count) {
            Ok(times) => Ok(Self::Times(times)),
            Err(_) if count == -1 => Ok(Self::Forever),
            Err(_) => Err(ScheduleError::value(
                "repeat_count",
                count,
                format!("is 0 to {} (repeats after the first firing), or -1 for ever", u32::MAX),
            )),
        }
    }
}

impl From<Repeat> for i64 {
    fn from(repeat: Repeat) -> Self {
        match repeat {
            Repeat::Forever => -1,
            Repeat::Times(times) => times.into(),
        }
    }
}

/// What an interval is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum IntervalUnit {
    #[serde(alias = "second")]
    Second,
    #[serde(alias = "minute")]
    Minute,
    #[serde(alias = "hour")]
    Hour,
    #[serde(alias = "day")]
    Day,
    #[serde(alias = "week")]
    Week,
    #[serde(alias = "month")]
    Month,
    #[serde(alias = "year")]
    Year,
}

impl IntervalUnit {
    /// Seconds of a unit that is elapsed time rather than a step of the calendar.
    pub(crate) const fn seconds(self) -> Option<i64> {
        match self {
            Self::Second => Some(1),
            Self::Minute => Some(60),
            Self::Hour => Some(3600),
            Self::Day | Self::Week | Self::Month | Self::Year => None,
        }
    }
}

pub(crate) fn check_interval(interval: u32) -> Result<(), ScheduleError> {
    // Quartz keeps intervals in an int; a larger one could not come from or go back to it.
    if interval == 0 || interval > i32::MAX as u32 {
        return Err(ScheduleError::value("interval", interval, format!("is 1 to {}", i32::MAX)));
    }
    Ok(())
}

/// Equal steps from a start: start + k * step for k = 0, 1, ... All values in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) start: i64,
    /// At least 1.
    pub(crate) step: i64,
}

impl Steps {
    pub(crate) fn at_or_after(self, t: i64) -> Option<i64> {
        if t <= self.start {
            return Some(self.start);
        }
        let ahead = (t - self.start).checked_add(self.step - 1)? / self.step;
        self.start.checked_add(ahead.checked_mul(self.step)?)
    }

    pub(crate) fn at_or_before(self, t: i64) -> Option<i64> {
        (t >= self.start).then(|| t - (t - self.start) % self.step)
    }

    pub(crate) fn count(self, from: i64, to: i64) -> u64 {
        let up_to = |t: i64| if t < self.start { 0 } else { ((t - self.start) / self.step + 1) as u64 };
        up_to(to).saturating_sub(up_to(from - 1))
    }
}
