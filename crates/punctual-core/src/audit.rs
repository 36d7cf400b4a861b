//! The promise, checked on what a store holds: every instant has exactly one fate, every attempt a reason, no lane more
//! runs than its limit, every open run an owner.
//!
//! Nothing here reads a store: [`account`] takes a trigger with its rows and ranges, [`attempts`] the rows of a fire,
//! [`lanes`] runs in the order of their start, [`has_owner`] an open row and the nodes. Whoever reads collects what they
//! find in a [`Report`].

pub mod account;
pub mod attempts;
pub mod lanes;

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::{FireId, Node, TaskHistory, TaskStatus};

pub use account::{Account, Accounted, First, Kept};
pub use lanes::{Run, Sweep};

/// Which promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// An instant is neither a fire nor skipped, or the counters of its trigger say otherwise.
    Unaccounted,
    /// An instant has two fates, or a run was repeated without a reason.
    Double,
    /// A run started while its lane was full.
    Overlaps,
    /// A run is open whose node is not live.
    OpenWithoutOwner,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unaccounted => "unaccounted",
            Self::Double => "double",
            Self::Overlaps => "overlaps",
            Self::OpenWithoutOwner => "open without owner",
        })
    }
}

/// Something that is wrong, with the evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Which promise is broken.
    pub fault: Fault,
    /// The trigger, or the job where there is no trigger.
    pub subject: String,
    /// How many instants or runs it concerns.
    pub count: u64,
    /// The first instant that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// The rows of the history that show it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<FireId>,
    /// What is wrong, in words.
    pub text: String,
}

impl Problem {
    pub(crate) fn new(fault: Fault, subject: impl fmt::Display, text: String) -> Self {
        Self {
            fault,
            subject: subject.to_string(),
            count: 1,
            first: None,
            last: None,
            rows: Vec::new(),
            text,
        }
    }

    pub(crate) fn between(self, first: Option<Timestamp>, last: Option<Timestamp>) -> Self {
        Self { first, last, ..self }
    }

    pub(crate) fn count(self, count: u64) -> Self {
        Self { count, ..self }
    }

    pub(crate) fn rows(self, rows: Vec<FireId>) -> Self {
        Self { rows, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Triggers with a schedule that were checked.
    pub triggers: u64,
    /// Their scheduled instants since their accounts began.
    pub instants: u64,
    /// How many of these were fires.
    pub fires: u64,
    /// How many were skipped, with a reason.
    pub skipped: u64,
    /// Instants that are neither.
    pub unaccounted: u64,
    /// Instants with two fates, and repeated runs without a reason.
    pub double: u64,
    /// Runs that started while their lane was full.
    pub overlaps: u64,
    /// Open runs whose node is not live.
    pub open_without_owner: u64,
    /// Rows of the history that were read.
    pub rows: u64,
    /// Runs and events that were asked for inside transactions of applications and are not carried out yet.
    pub requests: u64,
    /// When the first of those was asked for, UTC.
    pub requests_since: Option<Timestamp>,
    /// From here on each instant was looked for in the rows; before it, only the counters were compared, because the
    /// rows have been deleted. `None` when there was nothing to check.
    pub checked_from: Option<Timestamp>,
    /// What was not checked, and why.
    pub notes: Vec<String>,
    /// What is wrong, bounded for each kind of fault.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.unaccounted + self.double + self.overlaps + self.open_without_owner == 0
    }

    /// Adds a trigger's account; `keep` bounds the problems that are kept of each kind.
    pub fn add_account(&mut self, account: &Accounted, keep: usize) {
        self.triggers += 1;
        self.instants += account.instants;
        self.fires += account.fires;
        self.skipped += account.skipped;
        self.unaccounted += account.unaccounted;
        self.double += account.double;
        account.problems.iter().for_each(|problem| self.show(problem, keep));
    }

    /// Counts a problem, and keeps it as long as there are fewer than `keep` of its kind.
    pub fn add(&mut self, problem: &Problem, keep: usize) {
        *match problem.fault {
            Fault::Unaccounted => &mut self.unaccounted,
            Fault::Double => &mut self.double,
            Fault::Overlaps => &mut self.overlaps,
            Fault::OpenWithoutOwner => &mut self.open_without_owner,
        } += problem.count;
        self.show(problem, keep);
    }

    fn show(&mut self, problem: &Problem, keep: usize) {
        if self.problems.iter().filter(|other| other.fault == problem.fault).count() < keep {
            self.problems.push(problem.clone());
        }
    }
}

/// Whether the node that runs an open row is live at `now`. Rows that were recorded without a term are their
/// program's own affair.
pub fn has_owner(row: &TaskHistory, nodes: &[Node], now: Timestamp) -> bool {
    row.term.is_none()
        || row.status != TaskStatus::Started
        || nodes.iter().any(|node| Some(node.term) == row.term && node.lease_until > now)
}

/// The problem of an open row without an owner.
pub fn orphan(row: &TaskHistory, now: Timestamp) -> Problem {
    let subject = row.trigger.as_ref().map_or_else(|| row.task.clone(), ToString::to_string);
    let text = format!(
        "run {} on node {} is open since {}, and that node is not live at {now}: a live node would take it up",
        row.id, row.node, row.started_at
    );
    Problem::new(Fault::OpenWithoutOwner, subject, text)
        .between(row.scheduled_at, row.scheduled_at)
        .rows(vec![row.id])
}

#[cfg(test)]
mod tests;
