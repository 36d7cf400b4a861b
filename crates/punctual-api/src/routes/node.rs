//! Nodes.

pub(super) mod drain;
pub(super) mod list;
pub(super) mod resume;

use axum::Json;
use axum::http::StatusCode;
use punctual_core::{Node, NodeState, Timestamp};

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::{ApiError, Problem};
use crate::types::cluster::Drained;

/// Asks a node to drain, or to claim again.
async fn ask(
    state: &ApiState,
    name: &str,
    draining: bool,
    (author, note): (Author, Option<String>),
) -> Result<Json<Drained>, ApiError> {
    let store = state.scheduler.store();
    let nodes = store.nodes().await?;
    let node = live(name, &nodes, state.scheduler.now())?;
    let refuse = |code, detail| Err(Problem::new(StatusCode::CONFLICT, code, detail).into());
    if node.slots.is_none() {
        let version = &node.version;
        let detail =
            format!("node {name} is of version {version}, which does not drain over the API: stop it");
        return refuse("node-too-old", detail);
    }
    if node.state == NodeState::Draining {
        return refuse("node-stopping", format!("node {name} is shutting down"));
    }
    let updated = node.draining != draining;
    if updated {
        // First the entry: what it speaks of may fail, but nothing happens without it.
        let action = if draining { "node.drain" } else { "node.resume" };
        edit::apply(state, [], author.entry(action, name, note)).await?;
        if !state.scheduler.drain(node.term, draining).await? {
            return Err(no_live(name, &[], state.scheduler.now()));
        }
    }
    let open = store.open_by_term().await?;
    let running = open.iter().find(|(term, _)| *term == node.term).map_or(0, |(_, running)| *running);
    let (name, term) = (node.name.clone(), node.term.0);
    Ok(Json(Drained { name, term, drained: draining, updated: u64::from(updated), running }))
}

/// The live node of a name.
fn live<'a>(name: &str, nodes: &'a [Node], now: Timestamp) -> Result<&'a Node, ApiError> {
    let is_it = |node: &&Node| node.name == name && node.lease_until > now;
    nodes.iter().find(is_it).ok_or_else(|| no_live(name, nodes, now))
}

fn no_live(name: &str, nodes: &[Node], now: Timestamp) -> ApiError {
    let live = nodes.iter().filter(|node| node.lease_until > now);
    let names: Vec<&str> = live.map(|node| node.name.as_str()).collect();
    let problem = match nodes.iter().find(|node| node.name == name) {
        Some(lost) => format!("node {name} is lost: its lease ended at {:.3}", lost.lease_until),
        None => format!("there is no live node {name}"),
    };
    let known = if names.is_empty() { String::new() } else { format!("; live are {}", names.join(", ")) };
    Problem::new(StatusCode::NOT_FOUND, "no-such-node", problem + &known).into()
}
