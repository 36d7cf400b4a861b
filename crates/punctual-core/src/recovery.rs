//! The recovery decisions: which node may take up the work of others, and what becomes of a run whose node is gone.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::pending::OpenFire;
use crate::time::{millis_between, plus_millis};
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

/// A node's own lease, by which it decides whether it may take up the work of others.
///
/// A lease that has run out can be renewed as long as nobody has taken the node for lost. Whatever kept one node from
/// renewing its lease in time (a database that was away, a host that stood still) mostly kept the others from it, too, and
/// they come back within moments of one another. So a node whose lease has run out renews it before it looks at others, and
/// then gives them as long as a lease lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnLease {
    /// When it ends; `None` while the node has none.
    until: Option<Timestamp>,
    /// When it was renewed after it had run out, and how long others have since then, in milliseconds.
    resumed: Option<(Timestamp, u64)>,
}

impl OwnLease {
    /// The lease of a node that registers at `now`, for `lease_ms`. Whatever it was before, it owes the others nothing.
    pub fn begun(now: Timestamp, lease_ms: u64) -> Self {
        Self { until: Some(end(now, lease_ms)), resumed: None }
    }

    /// The store has renewed it at `now` for `lease_ms`. For how long it had run out, in milliseconds, if it had.
    pub fn renew(&mut self, now: Timestamp, lease_ms: u64) -> Option<u64> {
        let ended = self.until.replace(end(now, lease_ms)).filter(|until| *until <= now);
        let lapsed = ended.and_then(|until| u64::try_from(millis_between(until, now)).ok());
        if lapsed.is_some() {
            self.resumed = Some((now, lease_ms));
        }
        lapsed
    }

    /// Whether the node may take up the work of others at `now`.
    pub fn may_recover(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until) && self.grace_until(now).is_none()
    }

    /// Until when the others have time to renew theirs, if that is not over at `now`. A clock that was set back by more than
    /// they have ends it as well.
    pub fn grace_until(&self, now: Timestamp) -> Option<Timestamp> {
        let (since, grace_ms) = self.resumed?;
        (millis_between(since, now).unsigned_abs() < grace_ms).then(|| end(since, grace_ms))
    }
}

fn end(now: Timestamp, lease_ms: u64) -> Timestamp {
    plus_millis(now, i64::try_from(lease_ms).unwrap_or(i64::MAX))
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

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_node_whose_lease_never_ran_out_recovers_at_once() {
        let mut lease = OwnLease::begun(at(0), 10_000);
        assert!(lease.may_recover(at(0)));
        assert_eq!(lease.renew(at(9), 10_000), None);
        assert!(lease.may_recover(at(9)) && lease.may_recover(at(18)));
        assert_eq!(lease.grace_until(at(9)), None);
        assert!(
            OwnLease::default().may_recover(at(0)),
            "it has given its lease up and takes up what it left"
        );
    }

    #[test]
    fn a_node_whose_lease_has_run_out_renews_it_first() {
        let lease = OwnLease::begun(at(0), 10_000);
        assert!(lease.may_recover(at(9)));
        assert!(!lease.may_recover(at(10)) && !lease.may_recover(at(1_000)));
    }

    #[test]
    fn a_node_that_renews_a_lease_that_had_run_out_gives_the_others_as_long() {
        let mut lease = OwnLease::begun(at(0), 10_000);
        assert_eq!(lease.renew(at(17), 10_000), Some(7_000));
        // Heartbeats in between change nothing.
        assert_eq!(lease.renew(at(22), 10_000), None);
        assert_eq!(lease.grace_until(at(22)), Some(at(27)));
        assert!(!lease.may_recover(at(17)) && !lease.may_recover(at(26)));
        assert!(lease.may_recover(at(27)));
        assert_eq!(lease.grace_until(at(27)), None);
        // Once more, and at the very moment at which it ends.
        assert_eq!(lease.renew(at(32), 10_000), Some(0));
        assert!(!lease.may_recover(at(41)));
        // Nobody has recovered it in vain.
        assert!(OwnLease::begun(at(33), 10_000).may_recover(at(33)));
    }

    #[test]
    fn a_clock_that_jumps_neither_ends_the_grace_too_early_nor_makes_it_endless() {
        let mut lease = OwnLease::begun(at(0), 10_000);
        lease.renew(at(17), 10_000);
        // A correction by a little, back to before the renewal.
        assert!(!lease.may_recover(at(16)));
        // Back by hours, where the lease seems to last for long.
        assert!(lease.may_recover(at(-7_200)));
        // Forward: the lease has run out again and is renewed first.
        assert!(!lease.may_recover(at(7_200)));
        assert_eq!(lease.renew(at(7_200), 10_000), Some(7_173_000));
        assert!(!lease.may_recover(at(7_209)) && lease.grace_until(at(7_209)) == Some(at(7_210)));
        // The ends of time.
        let mut lease = OwnLease::begun(Timestamp::MAX, u64::MAX);
        assert!(!lease.may_recover(Timestamp::MAX));
        assert_eq!(lease.renew(Timestamp::MAX, u64::MAX), Some(0));
        assert!(!lease.may_recover(Timestamp::MAX));
    }

    #[test]
    fn the_history_names_the_lost_node() {
        let details = plan(&orphan(1, false), Timestamp::UNIX_EPOCH).details;
        assert!(details["message"].as_str().unwrap().contains("node n1 was lost"));
    }
}
