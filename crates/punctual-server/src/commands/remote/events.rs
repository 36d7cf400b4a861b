//! `punctual events`, and the part of `punctual history` that listens.

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{Follow, Note, Remote, Request, Step, Style, object};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Emit an event, which runs what waits for it.
    Emit {
        /// The name of the event.
        event: String,
        /// Arguments laid over those of each trigger that waits for it: an object in JSON.
        #[arg(long, value_name = "JSON")]
        payload: Option<String>,
        #[command(flatten)]
        note: Note,
    },
    /// Print what happens on all nodes from now on, until interrupted. With --json, each event is a line.
    Follow {
        /// Only these types, with commas between them, such as run.ended,trigger.changed.
        #[arg(long)]
        types: Option<String>,
    },
}

impl Remote for Command {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        match self {
            Self::Emit { event, payload, note } => {
                let payload = payload.as_deref().map(object).transpose().context("--payload")?;
                let request = Request::post("/api/v1/events").note(note);
                Ok(request.json(&json!({"event": event, "payload": payload})).words(emitted).into())
            }
            Self::Follow { types } => {
                let request = Request::get("/api/v1/events/stream").query("types", types.as_ref());
                Ok(Step::Follow(Follow { request, wanted: Box::new(|_| true) }))
            }
        }
    }
}

fn emitted(answer: &Value, _: &Style) -> (String, bool) {
    let runs = answer.get("created").and_then(Value::as_u64).unwrap_or_default();
    (format!("Runs that the event starts: {runs}."), true)
}

/// Which runs are followed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Runs {
    /// Only of this task: the whole name.
    #[arg(long)]
    task: Option<String>,
    /// Only of this job: its key.
    #[arg(long, value_name = "KEY")]
    job: Option<String>,
    /// Only with this status: started, success, failed or unknown.
    #[arg(long)]
    status: Option<String>,
}

impl Runs {
    pub(super) fn follow(&self) -> Step {
        let request = Request::get("/api/v1/events/stream").query("types", Some("run.started,run.ended"));
        let wanted = self.clone();
        Step::Follow(Follow { request, wanted: Box::new(move |run| wanted.has(run)) })
    }

    fn has(&self, run: &Value) -> bool {
        let fits = |name: &str, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| run.get(name).and_then(Value::as_str) == Some(wanted))
        };
        fits("task", &self.task) && fits("job", &self.job) && fits("status", &self.status)
    }
}
