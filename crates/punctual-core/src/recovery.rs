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
/// then gives them as long as a lease lasts. The same holds after a renewal that had no answer, though the lease has lasted:
/// that of another node may have ended in the same outage.
///
/// Where this happens again before they had their time, they have it anew, but only a few times in a row: a database that
/// is away every few seconds must not put a recovery off for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnLease {
    /// When it was renewed, and when it ends; `None` while the node has none.
    held: Option<(Timestamp, Timestamp)>,
    /// Whether a renewal had no answer since then.
    missed: bool,
    /// The time that others have had last.
    grace: Option<Grace>,
}

/// The time in which others can renew their leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grace {
    since: Timestamp,
    millis: u64,
    /// How many in a row, with this one.
    turn: u32,
}

/// How often in a row others have time to renew their leases.
const MOST_TURNS: u32 = 4;

impl OwnLease {
    /// The lease of a node that registers at `now`, for `lease_ms`. Whatever it was before, it owes the others nothing.
    pub fn begun(now: Timestamp, lease_ms: u64) -> Self {
        Self { held: Some((now, end(now, lease_ms))), ..Self::default() }
    }

    /// The store did not answer a renewal.
    pub fn miss(&mut self) {
        self.missed = self.held.is_some();
    }

    /// The store has renewed it at `now` for `lease_ms`. For how long it had run out, in milliseconds, if it had.
    pub fn renew(&mut self, now: Timestamp, lease_ms: u64) -> Option<u64> {
        let before = self.held.replace((now, end(now, lease_ms)));
        let ended = before.map(|(_, until)| until).filter(|until| *until <= now);
        let lapsed = ended.and_then(|until| u64::try_from(millis_between(until, now)).ok());
        if std::mem::take(&mut self.missed) || lapsed.is_some() {
            // Over is what was followed by a renewal as usual.
            let cut =
                |grace: &Grace| before.is_none_or(|(renewed, _)| renewed < end(grace.since, grace.millis));
            let turn = self.grace.filter(cut).map_or(1, |grace| grace.turn.saturating_add(1));
            self.grace = Some(Grace { since: now, millis: lease_ms, turn });
        }
        lapsed
    }

    /// Whether the node may take up the work of others at `now`.
    pub fn may_recover(&self, now: Timestamp) -> bool {
        !self.missed && self.held.is_none_or(|(_, until)| now < until) && self.grace_until(now).is_none()
    }

    /// Until when the others have time to renew theirs, if that is not over at `now`. A clock that was set back by more than
    /// they have ends it as well.
    pub fn grace_until(&self, now: Timestamp) -> Option<Timestamp> {
        let Grace { since, millis, .. } = self.grace.filter(|grace| grace.turn <= MOST_TURNS)?;
        (millis_between(since, now).unsigned_abs() < millis).then(|| end(since, millis))
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
    fn a_renewal_without_an_answer_gives_the_others_their_time_though_the_lease_has_lasted() {
        let mut lease = OwnLease::begun(at(0), 10_000);
        lease.miss();
        assert!(!lease.may_recover(at(5)), "whether others reach the store is unknown");
        assert_eq!(lease.grace_until(at(5)), None, "their time begins when it is back");
        assert_eq!(lease.renew(at(7), 10_000), None);
        assert_eq!(lease.grace_until(at(7)), Some(at(17)));
        assert_eq!(lease.renew(at(12), 10_000), None);
        assert!(!lease.may_recover(at(16)) && lease.may_recover(at(17)));
        let mut none = OwnLease::default();
        none.miss();
        assert!(none.may_recover(at(0)), "it had none to renew");
        lease.miss();
        assert!(OwnLease::begun(at(18), 10_000).may_recover(at(18)));
    }

    #[test]
    fn the_others_have_their_time_a_few_times_in_a_row_and_no_more() {
        let mut lease = OwnLease::begun(at(0), 10_000);
        // Up for 2 s and away for 11, so that nobody ever has a whole length of the lease.
        let flap = |lease: &mut OwnLease, turn: i64| lease.renew(at(13 * turn), 10_000).is_some();
        for turn in 1..=4 {
            assert!(flap(&mut lease, turn) && !lease.may_recover(at(13 * turn)), "{turn}");
        }
        for turn in 5..100 {
            assert!(flap(&mut lease, turn) && lease.may_recover(at(13 * turn)), "{turn}");
        }
        // It works for once, with a renewal after the length of a lease.
        assert_eq!(lease.renew(at(13 * 99 + 9), 10_000), None);
        assert_eq!(lease.renew(at(13 * 99 + 10), 10_000), None);
        assert_eq!(lease.renew(at(2_000), 10_000), Some(693_000));
        assert!(!lease.may_recover(at(2_000)));
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
