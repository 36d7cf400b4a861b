//! Nodes, locks, and work that no node can do.

use punctual_core::{DueKind, HeldLock, Node as CoreNode, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::Instant;

/// A node as the store knows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Node {
    name: String,
    /// The number of this life of the node.
    term: i64,
    version: String,
    /// `starting`, `running`, `standby` or `draining`: it stops, or was asked to drain.
    state: &'static str,
    /// Whether it was asked to drain: from its next heartbeat on it claims nothing, until it is resumed.
    drained: bool,
    /// Whether its lease is good; one whose lease has run out is lost, and its work is taken up by others.
    live: bool,
    /// The kinds that it can run.
    kinds: Vec<String>,
    /// How many runs it has slots for; absent for a node of an older version, which does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<u64>,
    /// How many runs of jobs are open on it, by the store; those of a lost node until they are taken up.
    running: u64,
    started_at: Instant,
    /// Its last heartbeat.
    seen_at: Instant,
    lease_until: Instant,
    /// How far the store's clock is ahead of that of its machine.
    clock_offset_ms: i64,
    /// How far it may be off the store's time at most.
    clock_uncertainty_ms: u64,
}

impl Node {
    pub(crate) fn at(now: Timestamp, node: CoreNode, running: u64) -> Self {
        let state = node.present_state().as_str();
        Self {
            name: node.name,
            term: node.term.0,
            version: node.version,
            state,
            drained: node.draining,
            live: node.lease_until > now,
            kinds: node.kinds.iter().map(ToString::to_string).collect(),
            slots: node.slots,
            running,
            started_at: node.started_at.into(),
            seen_at: node.seen_at.into(),
            lease_until: node.lease_until.into(),
            clock_offset_ms: node.clock_offset_ms,
            clock_uncertainty_ms: node.clock_uncertainty_ms,
        }
    }
}

/// What became of a node that was asked to drain, or to claim again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Drained {
    pub(crate) name: String,
    /// The life of the node that was asked.
    pub(crate) term: i64,
    /// Whether it is asked to drain now.
    pub(crate) drained: bool,
    /// 1, or 0 where it was so already.
    pub(crate) updated: u64,
    /// How many runs of jobs are open on it.
    pub(crate) running: u64,
}

/// A lock that somebody holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lock {
    name: String,
    /// `exclusive` or `shared`.
    mode: &'static str,
    /// The node of its holder.
    node: String,
    /// What the holder does, in its own words.
    purpose: String,
    /// The fencing token of the grant.
    token: i64,
    acquired_at: Instant,
    held_for_ms: u64,
    /// Until when, unless it is renewed.
    lease_until: Instant,
}

impl Lock {
    pub(crate) fn at(now: Timestamp, lock: HeldLock) -> Self {
        Self {
            name: lock.name.as_str().to_owned(),
            mode: lock.mode.as_str(),
            held_for_ms: lock.held_for_ms(now),
            node: lock.holder.node,
            purpose: lock.holder.purpose,
            token: lock.token,
            acquired_at: lock.acquired_at.into(),
            lease_until: lock.lease_until.into(),
        }
    }
}

/// Due work of a kind that no live node can run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Unassigned {
    kind: String,
    /// How many triggers wait.
    triggers: u64,
    /// Since when the oldest is due.
    since: Instant,
    /// How long that is.
    age_ms: u64,
}

impl Unassigned {
    pub(crate) fn at(now: Timestamp, due: &DueKind) -> Self {
        let age = now.as_millisecond().saturating_sub(due.since.as_millisecond());
        Self {
            kind: due.kind.to_string(),
            triggers: due.triggers,
            since: due.since.into(),
            age_ms: u64::try_from(age).unwrap_or(0),
        }
    }
}
