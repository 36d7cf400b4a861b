//! `punctual nodes`, `locks`, `settings`.

use clap::Subcommand;
use jiff::Timestamp;

use crate::client::{Column, Format, Lines, Note, Remote, Request, Step, Style, column};

#[derive(Debug, Subcommand)]
pub(crate) enum Nodes {
    /// List the nodes of the cluster.
    List(Lines),
    /// List due work of kinds that no live node can run.
    Unassigned(Lines),
    /// Ask a node to claim nothing more: what runs on it goes on, and it idles until it is resumed or stopped.
    Drain {
        /// The name of a live node.
        name: String,
        #[command(flatten)]
        note: Note,
    },
    /// Ask a drained node to claim again.
    Resume {
        /// The name of a live node.
        name: String,
        #[command(flatten)]
        note: Note,
    },
}

const NODES: &[Column] = &[
    column("NAME", "/name", Format::Text),
    column("STATE", "/state", Format::State),
    column("LIVE", "/live", Format::Text),
    column("RUNNING", "/running", Format::Text),
    column("SLOTS", "/slots", Format::Text),
    column("VERSION", "/version", Format::Text),
    column("STARTED", "/started_at", Format::Instant),
    column("SEEN", "/seen_at", Format::Instant),
    column("CLOCK", "/clock_offset_ms", Format::Millis),
    column("KINDS", "/kinds", Format::Text),
];

const UNASSIGNED: &[Column] = &[
    column("KIND", "/kind", Format::Text),
    column("TRIGGERS", "/triggers", Format::Text),
    column("SINCE", "/since", Format::Instant),
    column("AGE", "/age_ms", Format::Millis),
];

impl Remote for Nodes {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        let call = match self {
            Self::List(lines) => Request::get("/api/v1/nodes").whole(NODES, lines),
            Self::Unassigned(lines) => Request::get("/api/v1/unassigned").whole(UNASSIGNED, lines),
            Self::Drain { name, note } => {
                let request = Request::post("/api/v1/nodes/{name}/drain").at("name", name).note(note);
                let said = format!(
                    "Node {name} claims nothing more from its next heartbeat on; what runs there goes on."
                );
                request.done_or(said, format!("Node {name} was asked to drain before."))
            }
            Self::Resume { name, note } => {
                let request = Request::post("/api/v1/nodes/{name}/resume").at("name", name).note(note);
                let said = format!("Node {name} claims again from its next heartbeat on.");
                request.done_or(said, format!("Node {name} was not drained: nothing was resumed."))
            }
        };
        Ok(call.into())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Locks {
    /// List the locks that are held.
    List(Lines),
}

const LOCKS: &[Column] = &[
    column("NAME", "/name", Format::Text),
    column("MODE", "/mode", Format::Text),
    column("NODE", "/node", Format::Text),
    column("HELD", "/held_for_ms", Format::Millis),
    column("LEASE UNTIL", "/lease_until", Format::Instant),
    column("TOKEN", "/token", Format::Text),
    column("PURPOSE", "/purpose", Format::Text),
];

impl Remote for Locks {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        let Self::List(lines) = self;
        Ok(Request::get("/api/v1/locks").whole(LOCKS, lines).into())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Settings {
    /// Show how the node that answers is set up, without secrets.
    Show,
}

impl Remote for Settings {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        Ok(Request::get("/api/v1/settings").record(&[]).into())
    }
}
