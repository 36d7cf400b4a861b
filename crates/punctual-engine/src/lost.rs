//! What there is to tell of a recovery: one event for each node that was lost, whatever it ran.

use std::collections::BTreeMap;

use jiff::Timestamp;
use punctual_core::{Event, Recovery};

#[derive(Default)]
struct Loss {
    lease_until: Option<Timestamp>,
    closed: usize,
    again: usize,
}

pub(crate) fn losses(recovery: &Recovery) -> Vec<Event> {
    let mut nodes: BTreeMap<&str, Loss> = BTreeMap::new();
    for node in &recovery.nodes {
        let loss = nodes.entry(&node.name).or_default();
        loss.lease_until = loss.lease_until.max(Some(node.lease_until));
    }
    for run in &recovery.runs {
        let loss = nodes.entry(&run.node).or_default();
        loss.closed += 1;
        loss.again += usize::from(run.refired);
    }
    let told = nodes.into_iter().map(|(name, loss)| Event::NodeLost {
        name: name.to_owned(),
        lease_until: loss.lease_until,
        closed: loss.closed,
        again: loss.again,
    });
    told.collect()
}
