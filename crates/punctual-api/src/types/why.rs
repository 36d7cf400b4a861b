//! What became of an instant.

use punctual_engine::{Fate, Why};
use serde::Serialize;
use utoipa::ToSchema;

use super::Instant;
use super::skipped::Skipped;
use super::task::Task;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Answer {
    trigger: String,
    at: Instant,
    /// One word for programs.
    fate: &'static str,
    /// One sentence for people.
    answer: String,
    #[serde(flatten)]
    evidence: Evidence,
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct Evidence {
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<Task>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Skipped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_from: Option<Instant>,
}

impl From<Why> for Answer {
    fn from(why: Why) -> Self {
        let (trigger, at, answer) = (why.trigger.to_string(), why.at.into(), why.to_string());
        let none = Evidence::default();
        let (fate, evidence) = match why.fate {
            Fate::Ran(runs) => {
                ("ran", Evidence { runs: Some(runs.into_iter().map(Task::from).collect()), ..none })
            }
            Fate::Skipped(range) => ("skipped", Evidence { skipped: Some(range.into()), ..none }),
            Fate::Waiting { paused, blocked } => {
                ("waiting", Evidence { paused: Some(paused), blocked: Some(blocked), ..none })
            }
            Fate::Ahead => ("ahead", none),
            Fate::Broken(error) => ("broken", Evidence { error: Some(error), ..none }),
            Fate::NotScheduled { before, after } | Fate::BetweenRuns { before, after } => {
                ("not_scheduled", Evidence { before: before.map(Instant), after: after.map(Instant), ..none })
            }
            Fate::BeforeAccount { from } => {
                ("before_account", Evidence { recorded_from: Some(from.into()), ..none })
            }
            Fate::NoTrigger => ("no_trigger", none),
            _ => ("other", none),
        };
        Self { trigger, at, fate, answer, evidence }
    }
}
