//! Optimistic concurrency: which definition somebody has seen, so that nobody overwrites what they have not.

use std::fmt;
use std::str::FromStr;

use punctual_schedule::{Calendar, stable_hash};
use serde::Serialize;

use crate::{JobDetail, JobKey, Trigger, TriggerKey};

/// Stands for the content of a definition: equal ones have equal fingerprints. Stable for as long as the JSON form of
/// definitions is; written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of a job with all its triggers, in any order; pending runs do not belong to them.
    pub fn of_job<'a>(job: &JobDetail, triggers: impl IntoIterator<Item = &'a Trigger>) -> Self {
        let mut triggers: Vec<&Trigger> = triggers.into_iter().collect();
        triggers.sort_by(|one, two| one.key.cmp(&two.key));
        // What is remembered beside the definition is no edit of it.
        Self::of(&(job.as_given(), triggers))
    }

    /// Of a trigger.
    pub fn of_trigger(trigger: &Trigger) -> Self {
        Self::of(trigger)
    }

    /// Of a calendar.
    pub fn of_calendar(calendar: &Calendar) -> Self {
        Self::of(calendar)
    }

    /// The hash of the JSON form.
    fn of(value: &impl Serialize) -> Self {
        // Definitions are plain values, which always serialise.
        let text = serde_json::to_string(value).unwrap_or_default();
        Self(stable_hash(text.bytes()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| {
            format!("{text:?} is no version: give the 16 hexadecimal digits of an earlier answer")
        })
    }
}

/// What has to be stored for a change to go on ([`crate::Change::Expect`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This job with its triggers; `None`: no such job.
    Job(JobKey, Option<Fingerprint>),
    /// This trigger; `None`: no such trigger.
    Trigger(TriggerKey, Option<Fingerprint>),
    /// This calendar; `None`: no such calendar.
    Calendar(String, Option<Fingerprint>),
}

impl Expected {
    /// The fingerprint that is expected.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::Job(_, version) | Self::Trigger(_, version) | Self::Calendar(_, version) => *version,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(key, _) => write!(f, "job {key}"),
            Self::Trigger(key, _) => write!(f, "trigger {key}"),
            Self::Calendar(name, _) => write!(f, "calendar {name:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;

    #[test]
    fn fingerprints_tell_contents_apart_and_survive_their_text() {
        let job = JobDetail::new("a", "k");
        let (one, two) = (Trigger::new("one", "a", Schedule::Once), Trigger::new("two", "a", Schedule::Once));
        let both = Fingerprint::of_job(&job, [&one, &two]);
        assert_eq!(both, Fingerprint::of_job(&job, [&two, &one]), "the order does not matter");
        assert_ne!(both, Fingerprint::of_job(&job, [&one]));
        assert_ne!(both, Fingerprint::of_job(&job.description("x"), [&one, &two]));
        assert_eq!(both.to_string().parse(), Ok(both));
        for text in ["", "0", "zzzzzzzzzzzzzzzz", "ABCDEF0123456789", "+123456789abcdef"] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
