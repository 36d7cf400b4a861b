//! Reads what other schedulers hold and says it in Punctual's terms. Pure: text and rows come in, definitions and a list of
//! what could not be carried over come out. Nothing is dropped without being listed.
//!
//! * [`crontab`]: crontabs of Vixie cron and its descendants.
//! * [`quartz`]: the tables of Quartz.
//! * [`java`]: what Java serialised, as far as it is plain data.

pub mod crontab;
pub mod java;
pub mod quartz;

use std::fmt;

use serde::Serialize;

/// Something that is not carried over as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: `line 12`, `trigger GROUP.NAME`.
    pub place: String,
    /// What is wrong, or different from now on.
    pub text: String,
    /// Whether something is missing from the result. Otherwise it is there, and this says how it differs.
    pub lost: bool,
}

impl Finding {
    /// Something that is missing from the result.
    pub fn lost(place: impl fmt::Display, text: impl Into<String>) -> Self {
        Self { place: place.to_string(), text: text.into(), lost: true }
    }

    /// Something that is carried over and differs.
    pub fn differs(place: impl fmt::Display, text: impl Into<String>) -> Self {
        Self { place: place.to_string(), text: text.into(), lost: false }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.lost { "NOT carried over" } else { "note" };
        write!(f, "{}: {word}: {}", self.place, self.text)
    }
}
