//! The recovery decision: what becomes of a run whose node is gone.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::pending::OpenFire;
use crate::{FireId, JobKey, StoredJob, Term, TriggerKey};

/// An open fire whose owner is no longer live.
#[derive(Clone, Debug, PartialEq)]
pub struct Orphan {
    /// The fire.
    pub id: FireId,
    /// Its job.
    pub job: JobKey,
    /// The trigger whose instant it was.
    pub trigger: TriggerKey,
    /// The name of the node that held it.
    pub node: String,
    /// Its attempt, counted from 1.
    pub attempt: u32,
    /// Whether the job asks for such runs to be repeated.
    pub requests_recovery: bool,
}

impl Orphan {
    /// A fire of `job`, which may be gone by now, that `node` held.
    pub fn of(fire: &OpenFire, key: &JobKey, node: &str, job: Option<&StoredJob>) -> Self {
        Self {
            id: fire.id,
            job: key.clone(),
            trigger: fire.trigger.clone(),
            node: node.to_owned(),
            attempt: fire.attempt,
            requests_recovery: job.is_some_and(|job| job.detail.requests_recovery),
        }
    }
}

/// What recovery does with an [`Orphan`]. Its history row always ends as `unknown`: nobody knows how far the
/// run came.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryPlan {
    /// Whether the fire runs again, at once, as the next attempt.
    pub refire: bool,
    /// What the history row says.
    pub details: Value,
}

/// After this many attempts a run that keeps taking its node down is not repeated any more.
pub const MAX_RECOVERY_ATTEMPTS: u32 = 10;

/// Decides what becomes of `orphan` at `now`.
pub fn plan(orphan: &Orphan, now: Timestamp) -> RecoveryPlan {
    let refire = orphan.requests_recovery && orphan.attempt < MAX_RECOVERY_ATTEMPTS;
    let outcome = match (orphan.requests_recovery, refire) {
        (_, true) => "the job requests recovery, so it runs again",
        (true, false) => "the job requests recovery, but its attempts are used up",
        (false, _) => "the job does not request recovery",
    };
    RecoveryPlan {
        refire,
        details: json!({
            "status": "unknown",
            "message": format!("node {} was lost while this ran; {outcome}", orphan.node),
            "recovered_at": now.to_string(),
        }),
    }
}

/// What a recovery did ([`crate::ClusterStore::recover`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// The fires that it closed.
    pub runs: Vec<Recovered>,
    /// The nodes that it removed: of several nodes that look, one alone is told of a lost one.
    pub nodes: Vec<LostNode>,
}

impl Recovery {
    /// Adds what another transaction did.
    pub fn extend(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.nodes.extend(other.nodes);
    }
}

/// A node whose lease ran out, and which did not give it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostNode {
    /// Its name.
    pub name: String,
    /// The term that ended.
    pub term: Term,
    /// When its lease ended, UTC.
    pub lease_until: Timestamp,
}

/// What recovery did with one fire.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// The fire, now closed as `unknown`.
    pub id: FireId,
    /// Its job.
    pub job: JobKey,
    /// The trigger whose instant it was.
    pub trigger: TriggerKey,
    /// The node that was lost.
    pub node: String,
    /// Whether it runs again.
    pub refired: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orphan(attempt: u32, requests_recovery: bool) -> Orphan {
        Orphan {
            id: FireId(7),
            job: JobKey::new("job"),
            trigger: TriggerKey::new("trigger"),
            node: "n1".to_owned(),
            attempt,
            requests_recovery,
        }
    }

    #[test]
    fn only_jobs_that_ask_for_it_run_again_and_not_for_ever() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(plan(&orphan(1, true), now).refire);
        assert!(!plan(&orphan(1, false), now).refire);
        assert!(!plan(&orphan(MAX_RECOVERY_ATTEMPTS, true), now).refire);
    }

    #[test]
    fn the_history_names_the_lost_node() {
        let details = plan(&orphan(1, false), Timestamp::UNIX_EPOCH).details;
        assert!(details["message"].as_str().unwrap().contains("node n1 was lost"));
    }
}
