//! `punctual jobs`.

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{
    Call, Column, Extent, File, Format, Key, Note, Remote, Request, Step, Style, column, object, plain,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List jobs, by group and name.
    List(List),
    /// Show a job with its triggers.
    Show(Key),
    /// Run a job now.
    Run {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        note: Note,
    },
    /// Pause all triggers of a job.
    Pause(Edit),
    /// Let the triggers of a job go on.
    Resume(Edit),
    /// Store a job, new or changed; with triggers, these become all its triggers.
    Put(Put),
    /// Delete a job with its triggers.
    Delete(Edit),
}

/// Something to change, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    pub(super) key: Key,
    #[command(flatten)]
    pub(super) note: Note,
}

impl Edit {
    /// Asks this route, and says what was done.
    pub(super) fn call(&self, request: Request, done: &str) -> Call {
        let key = plain(&self.key.to_string());
        self.key.fill(request).note(&self.note).done(format!("{key} is {done}."))
    }

    /// The same, with what is said of the key where nothing was changed.
    pub(super) fn call_or(&self, request: Request, done: &str, nothing: &str) -> Call {
        let key = plain(&self.key.to_string());
        let said = format!("{key} is {done}.");
        self.key.fill(request).note(&self.note).done_or(said, format!("{key} {nothing}."))
    }
}

/// A definition to store, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(super) file: File,
    #[command(flatten)]
    pub(super) note: Note,
}

/// Arguments of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct Data {
    /// Arguments laid over the stored ones: an object in JSON.
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
}

impl Data {
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        let data = self.data.as_deref().map(object).transpose().context("--data")?;
        Ok(json!({"data": data}))
    }
}

/// Says that a run is stored.
pub(super) fn stored(answer: &Value, _: &Style) -> (String, bool) {
    let trigger = answer.get("trigger").and_then(Value::as_str).unwrap_or_default();
    (format!("The run is stored; until it starts, it is the trigger {}.", plain(trigger)), true)
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only of this group.
    #[arg(long)]
    group: Option<String>,
    /// Only of this kind.
    #[arg(long)]
    kind: Option<String>,
    /// Only those whose GROUP.NAME contains this, whatever the case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    extent: Extent,
}

const COLUMNS: &[Column] = &[
    column("KEY", "/key", Format::Text),
    column("KIND", "/kind", Format::Text),
    column("CONCURRENT", "/concurrent", Format::Text),
    column("DURABLE", "/durable", Format::Text),
    column("UPDATED", "/updated_at", Format::Instant),
    column("DESCRIPTION", "/description", Format::Text),
];

impl Remote for Command {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        let call = match self {
            Self::List(list) => Request::get("/api/v1/jobs")
                .query("group", list.group.as_ref())
                .query("kind", list.kind.as_ref())
                .query("search", list.search.as_ref())
                .pages(COLUMNS, &list.extent),
            Self::Show(key) => key.fill(Request::get("/api/v1/jobs/{group}/{name}")).record(COLUMNS),
            Self::Run { key, data, note } => {
                let request = key.fill(Request::post("/api/v1/jobs/{group}/{name}/run"));
                request.json(&data.body()?).note(note).words(stored)
            }
            Self::Pause(edit) => edit.call_or(
                Request::post("/api/v1/jobs/{group}/{name}/pause"),
                "paused",
                "has no trigger that was waiting: nothing was paused",
            ),
            Self::Resume(edit) => edit.call_or(
                Request::post("/api/v1/jobs/{group}/{name}/resume"),
                "resumed",
                "has no trigger that was paused: nothing was resumed",
            ),
            Self::Delete(edit) => edit.call(Request::delete("/api/v1/jobs/{group}/{name}"), "deleted"),
            Self::Put(put) => {
                let mut file = put.file.read()?;
                let (group, name) = file.take_key()?;
                let request = Request::put("/api/v1/jobs/{group}/{name}").at("group", group).at("name", name);
                request.json(&file.job()).note(&put.note).brief(COLUMNS)
            }
        };
        Ok(call.into())
    }
}
