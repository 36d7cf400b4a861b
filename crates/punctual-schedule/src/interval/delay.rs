//! A time after the last run has ended.

use serde::{Deserialize, Serialize};

use super::Repeat;
use crate::error::ScheduleError;

/// Fires at the window's start, and then each time so long after the run before it has ended.
///
/// Runs of one trigger never overlap, then, and the instants cannot be known ahead: while a run is under way there is no
/// next fire time, and when it has ended (with success or not, its retries included; or its node was lost) the next
/// instant is that moment and the delay. [`crate::Occurrences`] hold the one instant that is known. No zone plays a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct FixedDelay {
    delay_ms: i64,
    repeat: Repeat,
}

impl FixedDelay {
    /// Fires `delay_ms` milliseconds after each end, at least 1.
    ///
    /// # Errors
    ///
    /// Refuses a delay of zero, or above `i64::MAX`.
    pub fn from_millis(delay_ms: u64, repeat: Repeat) -> Result<Self, ScheduleError> {
        if delay_ms == 0 {
            return Err(ScheduleError::value("delay_ms", 0, "is at least 1 (milliseconds)"));
        }
        let delay_ms = i64::try_from(delay_ms)
            .map_err(|_| ScheduleError::value("delay_ms", delay_ms, format!("is at most {}", i64::MAX)))?;
        Ok(Self { delay_ms, repeat })
    }

    /// The delay in milliseconds.
    pub fn delay_ms(&self) -> u64 {
        self.delay_ms.unsigned_abs()
    }

    /// Repeats after the first firing.
    pub fn repeat(&self) -> Repeat {
        self.repeat
    }

    /// The same delay with another number of repeats.
    #[must_use]
    pub fn with_repeat(&self, repeat: Repeat) -> Self {
        Self { repeat, ..*self }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    delay_ms: u64,
    #[serde(default)]
    repeat_count: Repeat,
}

impl TryFrom<Raw> for FixedDelay {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::from_millis(raw.delay_ms, raw.repeat_count)
    }
}

impl From<FixedDelay> for Raw {
    fn from(schedule: FixedDelay) -> Self {
        Self { delay_ms: schedule.delay_ms(), repeat_count: schedule.repeat }
    }
}
