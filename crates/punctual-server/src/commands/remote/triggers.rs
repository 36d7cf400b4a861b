//! `punctual triggers`.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::jobs::{Edit, Put};
use crate::client::{
    Call, Column, Extent, Format, Key, Lines, Note, Remote, Request, Step, Style, column, plain,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List triggers and runs that wait for their time, by group and name.
    List(List),
    /// Show a trigger.
    Show(Key),
    /// Print the fire times that follow.
    Next(Next),
    /// Pause a trigger.
    Pause(Edit),
    /// Let a paused trigger go on.
    Resume(Edit),
    /// Let a trigger in the state error try again.
    Reset(Edit),
    /// Store a trigger, new or changed.
    Put(Put),
    /// Delete a trigger.
    Delete(Edit),
    /// List the groups of triggers that are paused.
    PausedGroups(Lines),
    /// Pause all triggers of a group, and those that join it.
    PauseGroup(OfGroup),
    /// Let the triggers of a group go on.
    ResumeGroup(OfGroup),
}

#[derive(Debug, clap::Args)]
pub(crate) struct OfGroup {
    /// The group.
    group: String,
    #[command(flatten)]
    note: Note,
}

impl OfGroup {
    fn call(&self, request: Request, done: &str, nothing: &str) -> Call {
        let said = format!("The triggers of group {} are {done}.", plain(&self.group));
        let nothing = format!("No trigger of group {} {}.", plain(&self.group), nothing);
        request.at("group", &self.group).note(&self.note).done_or(said, nothing)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only in this state: waiting, paused, complete or error.
    #[arg(long)]
    state: Option<String>,
    /// Only of this job: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    job: Option<String>,
    /// Only of this group.
    #[arg(long)]
    group: Option<String>,
    /// Only of jobs of this kind.
    #[arg(long)]
    kind: Option<String>,
    /// Only scheduled ones, or runs that wait because of this: schedule, manual, retry, recovery or event.
    #[arg(long)]
    cause: Option<String>,
    /// Only those whose GROUP.NAME contains this, whatever the case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    extent: Extent,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Next {
    #[command(flatten)]
    key: Key,
    /// How many.
    #[arg(short = 'n', long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    count: u32,
}

const COLUMNS: &[Column] = &[
    column("KEY", "/key", Format::Text),
    column("STATE", "/state", Format::State),
    column("JOB", "/job", Format::Text),
    column("NEXT", "/next_fire_at", Format::Instant),
    column("PREVIOUS", "/previous_fire_at", Format::Instant),
    column("FIRED", "/fired", Format::Text),
    column("SKIPPED", "/skipped", Format::Text),
    column("SCHEDULE", "/schedule_text", Format::Text),
];

impl Remote for Command {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        let call = match self {
            Self::List(list) => Request::get("/api/v1/triggers")
                .query("state", list.state.as_ref())
                .query("job", list.job.as_ref())
                .query("group", list.group.as_ref())
                .query("kind", list.kind.as_ref())
                .query("cause", list.cause.as_ref())
                .query("search", list.search.as_ref())
                .pages(COLUMNS, &list.extent),
            Self::Show(key) => one(key).record(COLUMNS),
            Self::Next(next) => {
                let (count, again) = (next.count, one(&next.key));
                return Ok(Step::After(
                    one(&next.key),
                    Box::new(move |trigger| match event(trigger) {
                        Some(_) => Ok(again.words(awaited).into()),
                        None => Ok(upcoming(trigger, count).into()),
                    }),
                ));
            }
            Self::Pause(edit) => edit.call_or(
                Request::post("/api/v1/triggers/{group}/{name}/pause"),
                "paused",
                "did not wait for a fire time: nothing was paused",
            ),
            Self::Resume(edit) => edit.call_or(
                Request::post("/api/v1/triggers/{group}/{name}/resume"),
                "resumed",
                "was not paused: nothing was resumed",
            ),
            Self::Reset(edit) => edit.call_or(
                Request::post("/api/v1/triggers/{group}/{name}/reset"),
                "reset",
                "was not in the state error: there was nothing to reset",
            ),
            Self::Delete(edit) => edit.call(Request::delete("/api/v1/triggers/{group}/{name}"), "deleted"),
            Self::Put(put) => {
                let mut file = put.file.read()?;
                let (group, name) = file.take_key()?;
                let request =
                    Request::put("/api/v1/triggers/{group}/{name}").at("group", group).at("name", name);
                request.json(&file.trigger()).note(&put.note).record(COLUMNS)
            }
            Self::PauseGroup(group) => {
                let request = Request::post("/api/v1/trigger-groups/{group}/pause");
                group.call(request, "paused", "was waiting; those that join it will be paused")
            }
            Self::ResumeGroup(group) => {
                let request = Request::post("/api/v1/trigger-groups/{group}/resume");
                group.call(request, "resumed", "was paused; those that join it will not be")
            }
            Self::PausedGroups(lines) => Request::get("/api/v1/paused-groups").whole(GROUPS, lines),
        };
        Ok(call.into())
    }
}

const GROUPS: &[Column] = &[column("GROUP", "", Format::Text)];

fn one(key: &Key) -> Request {
    key.fill(Request::get("/api/v1/triggers/{group}/{name}"))
}

/// What a stored trigger's schedule gives from now on.
fn upcoming(trigger: &Value, count: u32) -> Call {
    let member = |name: &str| trigger.get(name).cloned().unwrap_or_default();
    let mut body = Map::new();
    for (name, from) in
        [("schedule", "schedule"), ("start", "anchor"), ("end", "end"), ("calendar", "calendar")]
    {
        body.insert(name.to_owned(), member(from));
    }
    body.insert("count".to_owned(), count.into());
    Request::post("/api/v1/schedules/preview").json(&Value::Object(body)).words(fires)
}

/// The event that a stored trigger waits for, if it has no instants.
fn event(trigger: &Value) -> Option<&str> {
    let schedule = trigger.get("schedule").filter(|schedule| schedule["type"] == "event")?;
    schedule["event"].as_str()
}

fn awaited(trigger: &Value, _: &Style) -> (String, bool) {
    let event = event(trigger).unwrap_or_default();
    (format!("It has no fire times of its own: it fires when the event {} is emitted.", plain(event)), true)
}

fn fires(preview: &Value, style: &Style) -> (String, bool) {
    let fires = preview.get("fires").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if fires.is_empty() {
        return ("It does not fire any more.".to_owned(), false);
    }
    let line = |fire: &Value| {
        let word = |name: &str| fire.get(name).and_then(Value::as_str).unwrap_or_default();
        let at = word("at").parse().map_or_else(|_| plain(word("at")), |at| style.instant(at));
        // Schedules without a zone have no local times.
        if word("local").is_empty() { at } else { format!("{at}  =  {}", plain(word("local"))) }
    };
    (fires.iter().map(line).collect::<Vec<_>>().join("\n"), true)
}
