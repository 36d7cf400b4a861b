//! How a node is doing.

use punctual_core::NodeState;
use punctual_engine::Status;
use serde::Serialize;
use utoipa::ToSchema;

use super::Instant;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
    node: String,
    version: String,
    state: &'static str,
    lease_valid: bool,
    last_heartbeat_at: Option<Instant>,
    term: Option<i64>,
    running: usize,
    slots: usize,
    executed: u64,
    started_at: Option<Instant>,
    last_store_error: Option<String>,
    /// How far the store's clock is ahead of this machine's; `null` with a store that has no clock of its own.
    clock_offset_ms: Option<i64>,
    /// How far the node may be off the store's time at most.
    clock_uncertainty_ms: Option<u64>,
    /// Since when a run or an event waits that was asked for inside a transaction of an application, as the last heartbeat
    /// saw it; `null` when none waits.
    requests_since: Option<Instant>,
    /// What keeps this node from its work, in words; empty when nothing does.
    problems: Vec<String>,
    /// What is wrong with the work of all nodes, in words. It does not make this one answer 503: it does what it can, and to
    /// send requests elsewhere, or to start it again, would mend nothing.
    warnings: Vec<String>,
}

impl Health {
    pub(crate) fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl From<Status> for Health {
    fn from(status: Status) -> Self {
        let (problems, warnings) = (problems(&status), warnings(&status));
        Self {
            status: match (problems.is_empty(), status.state) {
                (true, _) => "ok",
                (false, NodeState::Draining) if !status.drained => "stopping",
                (false, _) => "degraded",
            },
            node: status.name,
            version: status.version,
            state: status.state.as_str(),
            lease_valid: status.lease_valid,
            last_heartbeat_at: status.last_heartbeat.map(Instant),
            term: status.term.map(|term| term.0),
            running: status.running,
            slots: status.slots,
            executed: status.executed,
            started_at: status.started_at.map(Instant),
            last_store_error: status.last_store_error,
            clock_offset_ms: status.clock.measured.then_some(status.clock.offset_ms),
            clock_uncertainty_ms: status.clock.measured.then_some(status.clock.uncertainty_ms),
            requests_since: status.requests_since.map(Instant),
            problems,
            warnings,
        }
    }
}

fn warnings(status: &Status) -> Vec<String> {
    let late = status.requests_since.filter(|_| status.requests_late);
    let text = |since| {
        format!(
            "a request of an application has waited since {since}, more than a minute: no node carries it out, or none \
             understands it"
        )
    };
    late.into_iter().map(text).collect()
}

fn problems(status: &Status) -> Vec<String> {
    let mut problems = Vec::new();
    match status.state {
        NodeState::Starting => problems.push("the node has not registered yet".to_owned()),
        NodeState::Draining if !status.drained => problems.push("the node is shutting down".to_owned()),
        _ if status.store_gone.is_some() => {
            problems
                .extend(status.store_gone.iter().map(|why| format!("this node runs nothing more: {why}")));
        }
        _ if !status.lease_valid => problems.push(
            "the node's lease has run out: it claims nothing until the store answers a heartbeat".to_owned(),
        ),
        NodeState::Running | NodeState::Standby | NodeState::Draining => {}
    }
    if !status.clock_certain {
        problems.push(format!(
            "the node may be off the store's time by {} ms, more than is allowed: it claims nothing until the store \
             answers faster",
            status.clock.uncertainty_ms
        ));
    }
    let last_error = status.last_store_error.iter().filter(|_| status.store_gone.is_none());
    problems.extend(last_error.map(|error| format!("the store failed last: {error}")));
    problems
}
