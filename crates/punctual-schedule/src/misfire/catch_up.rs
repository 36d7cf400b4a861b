//! Bounded catch-up: how many of the missed instants are run after all.

use serde::{Deserialize, Serialize};

use crate::error::ScheduleError;

/// Which of the missed instants a single run stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The first one that was missed.
    Earliest,
    /// The last one before now.
    Latest,
}

/// Runs missed instants one by one, oldest first, within bounds. What lies beyond the bounds is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct CatchUp {
    window_ms: Option<u64>,
    max_count: u32,
    spacing_ms: u64,
}

/// Runs of a catch-up that names no number.
const DEFAULT_COUNT: u32 = 100;
/// Each run of a catch-up is a row that waits, written in the transaction that notices the misfire.
const MAX_COUNT: u32 = 1_000;
/// Ten years.
const MAX_MILLIS: u64 = 10 * 366 * 86_400_000;

impl Default for CatchUp {
    fn default() -> Self {
        Self { window_ms: None, max_count: DEFAULT_COUNT, spacing_ms: 0 }
    }
}

impl CatchUp {
    /// Bounds: nothing older than `window_ms` milliseconds (`None` for any age), at most `max_count` instants (the
    /// newest ones), and `spacing_ms` milliseconds from one start to the next (0: at once, as slots allow).
    ///
    /// # Errors
    ///
    /// Refuses a count of zero or above 1,000, a window of zero, and times above ten years.
    pub fn new(window_ms: Option<u64>, max_count: u32, spacing_ms: u64) -> Result<Self, ScheduleError> {
        if !(1..=MAX_COUNT).contains(&max_count) {
            return Err(ScheduleError::value("max_count", max_count, format!("is 1 to {MAX_COUNT}")));
        }
        let in_range = |millis: &u64| (1..=MAX_MILLIS).contains(millis);
        if let Some(window) = window_ms.filter(|window| !in_range(window)) {
            return Err(ScheduleError::value(
                "window_ms",
                window,
                format!("is 1 to {MAX_MILLIS} (milliseconds)"),
            ));
        }
        if spacing_ms > MAX_MILLIS {
            return Err(ScheduleError::value(
                "spacing_ms",
                spacing_ms,
                format!("is 0 to {MAX_MILLIS} (milliseconds)"),
            ));
        }
        Ok(Self { window_ms, max_count, spacing_ms })
    }

    /// How old an instant may be, in milliseconds.
    pub fn window_ms(&self) -> Option<u64> {
        self.window_ms
    }

    /// How many instants are run at most.
    pub fn max_count(&self) -> u32 {
        self.max_count
    }

    /// Milliseconds from the start of one run to the start of the next.
    pub fn spacing_ms(&self) -> u64 {
        self.spacing_ms
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window_ms: Option<u64>,
    #[serde(default = "default_count")]
    max_count: u32,
    #[serde(default)]
    spacing_ms: u64,
}

fn default_count() -> u32 {
    DEFAULT_COUNT
}

impl TryFrom<Raw> for CatchUp {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::new(raw.window_ms, raw.max_count, raw.spacing_ms)
    }
}

impl From<CatchUp> for Raw {
    fn from(catch_up: CatchUp) -> Self {
        let CatchUp { window_ms, max_count, spacing_ms } = catch_up;
        Self { window_ms, max_count, spacing_ms }
    }
}
