//! `punctual history`.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::Value;

use super::events::Runs;
use super::jobs::{Data, stored};
use crate::client::{
    Call, Column, Extent, Format, Note, Remote, Request, Section, Started, Step, Style, column, plain,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List runs, those that started last first.
    List(Box<List>),
    /// Show one run, with its attempts and child tasks.
    Show {
        /// The number of the run.
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        id: i64,
    },
    /// Ask a run to stop.
    Cancel {
        /// The number of the run.
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        id: i64,
        #[command(flatten)]
        note: Note,
    },
    /// Run again what a run did, for the same instant.
    Rerun {
        /// The number of the run.
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        id: i64,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        note: Note,
    },
    /// Print the starts and ends of runs from now on, until interrupted. With --json, each is a line.
    Follow(Runs),
    /// List task runs: rows of the history that belong together, the latest first.
    Runs(TaskRuns),
    /// Show a task run with its rows.
    Run {
        /// The number of the task run.
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        id: i64,
    },
    /// List the names of tasks in the history.
    Tasks,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only of this task: the whole name.
    #[arg(long)]
    task: Option<String>,
    /// Only with this status: started, success, failed or unknown.
    #[arg(long)]
    status: Option<String>,
    /// Only of this job: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    job: Option<String>,
    /// Only of this trigger: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    trigger: Option<String>,
    #[command(flatten)]
    started: Started,
    /// Only what ran on this node: the whole name.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Only child tasks of this run.
    #[arg(long, value_name = "ID")]
    parent: Option<i64>,
    /// By started_at (unless given), ended_at or duration; what has not ended is the latest and longest.
    #[arg(long)]
    sort: Option<String>,
    /// The earliest or shortest first.
    #[arg(long)]
    asc: bool,
    #[command(flatten)]
    extent: Extent,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TaskRuns {
    /// Only of this type.
    #[arg(long = "type", value_name = "TYPE")]
    run_type: Option<String>,
    /// Only with this status: started, success, failed or abandoned.
    #[arg(long)]
    status: Option<String>,
    /// Only those that started then: a date filter of the API, such as past7days~ or 2026-01-01~2026-01-31.
    #[arg(long, value_name = "DATES")]
    started: Option<String>,
    /// Only of this node: the whole name.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    #[command(flatten)]
    extent: Extent,
}

const RUNS: &[Column] = &[
    column("ID", "/id", Format::Text),
    column("TYPE", "/run_type", Format::Text),
    column("FOR", "/entity_name", Format::Text),
    column("STATUS", "/status", Format::State),
    column("STARTED", "/started_at", Format::Instant),
    column("ENDED", "/ended_at", Format::Instant),
    column("NODE", "/node", Format::Text),
    column("TASKS", "/task_count", Format::Text),
    column("FAILED", "/failed_count", Format::Text),
];

const COLUMNS: &[Column] = &[
    column("ID", "/id", Format::Text),
    column("TASK", "/task", Format::Text),
    column("STATUS", "/status", Format::State),
    column("STARTED", "/started_at", Format::Instant),
    column("DURATION", "/duration", Format::Millis),
    column("NODE", "/node", Format::Text),
    column("CAUSE", "/cause", Format::Text),
    column("ATTEMPT", "/attempt", Format::Text),
    column("TRIGGER", "/trigger", Format::Text),
];

const ATTEMPTS: &[Column] = &[
    column("ATTEMPT", "/attempt", Format::Text),
    column("ID", "/id", Format::Text),
    column("CAUSE", "/cause", Format::Text),
    column("STATUS", "/status", Format::State),
    column("STARTED", "/started_at", Format::Instant),
    column("DURATION", "/duration", Format::Millis),
    column("NODE", "/node", Format::Text),
];

const CHILDREN: &[Column] = &[
    column("ID", "/id", Format::Text),
    column("TASK", "/task", Format::Text),
    column("STATUS", "/status", Format::State),
    column("STARTED", "/started_at", Format::Instant),
    column("DURATION", "/duration", Format::Millis),
];

/// What belongs to a run.
const SECTIONS: &[Section] = &[
    // One attempt is the run itself.
    Section {
        title: "attempts",
        request: |run| belonging("origin", run.get("origin")),
        columns: ATTEMPTS,
        least: 2,
    },
    Section {
        title: "child tasks",
        request: |run| belonging("parent", run.get("id")),
        columns: CHILDREN,
        least: 1,
    },
];

fn belonging(parameter: &'static str, id: Option<&Value>) -> Request {
    Request::get("/api/v1/runs").query(parameter, id).query("order", Some("asc")).query("limit", Some(50))
}

impl List {
    fn call(&self, now: Timestamp, style: &Style) -> anyhow::Result<Call> {
        let [since, until] = self.started.resolve(now, style.zone())?;
        let request = Request::get("/api/v1/runs")
            .query("task", self.task.as_ref())
            .query("status", self.status.as_ref())
            .query("job", self.job.as_ref())
            .query("trigger", self.trigger.as_ref())
            .query("from", since)
            .query("to", until)
            .query("node", self.node.as_ref())
            .query("parent", self.parent)
            .query("sort", self.sort.as_ref())
            .query("order", self.asc.then_some("asc"));
        Ok(request.pages(COLUMNS, &self.extent))
    }
}

impl Remote for Command {
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step> {
        let call = match self {
            Self::List(list) => list.call(now, style)?,
            Self::Show { id } => {
                Request::get("/api/v1/runs/{id}").at("id", id).record_with(COLUMNS, SECTIONS)
            }
            Self::Cancel { id, note } => {
                let request = Request::post("/api/v1/runs/{id}/cancel").at("id", id).note(note);
                request.done(format!("Run {id} is asked to stop."))
            }
            Self::Rerun { id, data, note } => {
                let request = Request::post("/api/v1/runs/{id}/run-again").at("id", id).note(note);
                request.json(&data.body()?).words(stored)
            }
            Self::Follow(runs) => return Ok(runs.follow()),
            Self::Runs(runs) => Request::get("/api/task/runs")
                .query("run-type", runs.run_type.as_ref())
                .query("status", runs.status.as_ref())
                .query("started-at", runs.started.as_ref())
                .query("node", runs.node.as_ref())
                .rows(RUNS, &runs.extent),
            Self::Run { id } => Request::get("/api/task/runs/{id}").at("id", id).record(RUNS),
            Self::Tasks => Request::get("/api/task/unique-tasks").words(names),
        };
        Ok(call.into())
    }
}

fn names(answer: &Value, _: &Style) -> (String, bool) {
    let names = answer.as_array().into_iter().flatten().filter_map(Value::as_str).map(plain);
    (names.collect::<Vec<_>>().join("\n"), true)
}
