//! Nodes: the processes that share a store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{CancelledFire, JobKind};

/// One life of a node, numbered by the store: a node that restarts, or that a recovery took for lost, gets a new term.
/// Claims and completions carry it, so that a node cannot change what recovery decided about its earlier life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub i64);

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Registers its jobs.
    Starting,
    /// Claims due work.
    Running,
    /// Is live but claims nothing.
    Standby,
    /// Finishes what runs and claims nothing.
    Draining,
}

impl NodeState {
    /// The word in stores and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Standby => "standby",
            Self::Draining => "draining",
        }
    }

    /// The state of a word; unknown words (of a newer version) read as [`Self::Standby`].
    pub fn from_word(word: &str) -> Self {
        [Self::Starting, Self::Running, Self::Draining]
            .into_iter()
            .find(|state| state.as_str() == word)
            .unwrap_or(Self::Standby)
    }
}

/// A node's sign of life.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// The node's name, unique among live nodes.
    pub name: String,
    /// The term that this renews; `None` registers the node and gets one.
    pub term: Option<Term>,
    /// The node's version.
    pub version: String,
    /// What it is doing.
    pub state: NodeState,
    /// The kinds it can run.
    pub kinds: Vec<JobKind>,
    /// How many runs it has slots for.
    pub slots: u64,
    /// Whether it drains because it was asked to. A node that gets a new term goes on with that; of others, the store knows
    /// it better.
    pub draining: bool,
    /// The present instant.
    pub now: Timestamp,
    /// How long the lease lasts from `now`, in milliseconds.
    pub lease_ms: u64,
    /// How far the store's clock is ahead of the clock of the node's machine, in milliseconds, as the node last
    /// measured it; 0 where the store has no clock of its own.
    pub clock_offset_ms: i64,
    /// How far the node's idea of the store's time may be off at most, in milliseconds; 0 where unknown.
    pub clock_uncertainty_ms: u64,
}

/// A node as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its term.
    pub term: Term,
    /// Its version.
    pub version: String,
    /// What it said it is doing.
    pub state: NodeState,
    /// The kinds it can run.
    pub kinds: Vec<JobKind>,
    /// How many runs it has slots for; `None` for a node of an older version, which does not say.
    pub slots: Option<u64>,
    /// Whether it was asked to drain ([`crate::ClusterStore::drain`]), whether it has heard of it or not.
    pub draining: bool,
    /// When it registered.
    pub started_at: Timestamp,
    /// Its last heartbeat.
    pub seen_at: Timestamp,
    /// When its lease ends.
    pub lease_until: Timestamp,
    /// As in its last [`Heartbeat`].
    pub clock_offset_ms: i64,
    /// As in its last [`Heartbeat`].
    pub clock_uncertainty_ms: u64,
}

impl Node {
    /// What it is doing, where one that was asked to drain counts as draining.
    pub fn present_state(&self) -> NodeState {
        match self.state {
            NodeState::Running if self.draining => NodeState::Draining,
            state => state,
        }
    }
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterView {
    /// The node's term. It differs from the one sent when a recovery has taken that away, after its lease had run out:
    /// everything claimed under the old one belongs to recovery.
    pub term: Term,
    /// All nodes with a live lease, this one included.
    pub nodes: Vec<Node>,
    /// Open fires of this term that were asked to stop.
    pub cancelled: Vec<CancelledFire>,
    /// What the store's own clock showed while it answered; `None` where it has none (a store inside the process).
    /// The node measures the offset of its clock by it, so read it as late in the call as possible.
    pub store_now: Option<Timestamp>,
    /// Whether there is something for [`crate::ClusterStore::recover`] to do: open fires, or registrations, of nodes
    /// whose lease has run out at the heartbeat's `now`.
    pub lost: bool,
    /// Since when requests wait for [`crate::DefinitionStore::carry_out`], UTC: when the first of them was asked for.
    pub requests_since: Option<Timestamp>,
}
