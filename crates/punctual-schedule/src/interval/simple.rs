//! A fixed interval of elapsed time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Repeat;
use crate::error::ScheduleError;

/// Fires at the window's start and then every `interval` of elapsed time; no zone plays a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct SimpleSchedule {
    interval_ms: i64,
    repeat: Repeat,
}

impl SimpleSchedule {
    /// Fires every `interval`, a whole number of milliseconds, at least 1.
    ///
    /// With `Repeat::Times(0)` the interval says nothing and may be zero.
    ///
    /// # Errors
    ///
    /// Refuses a zero interval that would be used, and parts of a millisecond.
    pub fn new(interval: Duration, repeat: Repeat) -> Result<Self, ScheduleError> {
        let refuse = |what| ScheduleError::value("interval_ms", format!("{interval:?}"), what);
        if !interval.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(refuse("is a whole number of milliseconds"));
        }
        let interval_ms = u64::try_from(interval.as_millis()).map_err(|_| refuse("is too long"))?;
        Self::from_millis(interval_ms, repeat)
    }

    /// Fires every `interval_ms` milliseconds.
    ///
    /// # Errors
    ///
    /// As [`SimpleSchedule::new`].
    pub fn from_millis(interval_ms: u64, repeat: Repeat) -> Result<Self, ScheduleError> {
        if interval_ms == 0 && repeat != Repeat::Times(0) {
            return Err(ScheduleError::value("interval_ms", 0, "is at least 1 (milliseconds)"));
        }
        let interval_ms = i64::try_from(interval_ms).map_err(|_| {
            ScheduleError::value("interval_ms", interval_ms, format!("is at most {}", i64::MAX))
        })?;
        Ok(Self { interval_ms, repeat })
    }

    /// The interval in milliseconds.
    pub fn interval_ms(&self) -> u64 {
        self.interval_ms.unsigned_abs()
    }

    /// Repeats after the first firing.
    pub fn repeat(&self) -> Repeat {
        self.repeat
    }

    /// The same interval with another number of repeats. An interval of zero (see [`SimpleSchedule::new`])
    /// becomes one millisecond where it has to repeat.
    #[must_use]
    pub fn with_repeat(&self, repeat: Repeat) -> Self {
        let interval_ms = if repeat == Repeat::Times(0) { self.interval_ms } else { self.interval_ms.max(1) };
        Self { interval_ms, repeat }
    }

    pub(crate) fn step(&self) -> i64 {
        self.interval_ms.max(1)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    interval_ms: u64,
    #[serde(default)]
    repeat_count: Repeat,
}

impl TryFrom<Raw> for SimpleSchedule {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::from_millis(raw.interval_ms, raw.repeat_count)
    }
}

impl From<SimpleSchedule> for Raw {
    fn from(schedule: SimpleSchedule) -> Self {
        Self { interval_ms: schedule.interval_ms(), repeat_count: schedule.repeat }
    }
}
