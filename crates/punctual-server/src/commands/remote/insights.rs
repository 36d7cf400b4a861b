//! `punctual insights`.

use anyhow::Context;
use jiff::Timestamp;

use crate::client::{Column, Format, Lines, Remote, Request, Step, Style, When, column};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs that started from here on: an instant, or how long ago, such as 2h; a day ago unless given.
    #[arg(long, value_name = "WHEN", default_value = "1d", hide_default_value = true)]
    since: When,
    /// Runs that started before: an instant, or how long ago; now unless given.
    #[arg(long, value_name = "WHEN", default_value = "0s", hide_default_value = true)]
    until: When,
    /// The length of a period: hour, day (24 h) or week (168 h); one period unless given.
    #[arg(long)]
    step: Option<String>,
    /// Only of this task: the whole name.
    #[arg(long)]
    task: Option<String>,
    /// Only of this job: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    job: Option<String>,
    #[command(flatten)]
    lines: Lines,
}

const COLUMNS: &[Column] = &[
    column("TASK", "/task", Format::Text),
    column("JOB", "/job", Format::Text),
    column("FROM", "/from", Format::Instant),
    column("TO", "/to", Format::Instant),
    column("SUCCESS", "/success", Format::Text),
    column("FAILED", "/failed", Format::Text),
    column("UNKNOWN", "/unknown", Format::Text),
    column("FAILURES", "/failure_rate", Format::Share),
    column("P50", "/duration_ms/p50", Format::Millis),
    column("P95", "/duration_ms/p95", Format::Millis),
    column("P99", "/duration_ms/p99", Format::Millis),
    column("MAX", "/duration_ms/max", Format::Millis),
];

impl Remote for Args {
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step> {
        let request = Request::get("/api/v1/insights")
            .query("from", Some(self.since.resolve(now, style.zone()).context("--since")?))
            .query("to", Some(self.until.resolve(now, style.zone()).context("--until")?))
            .query("step", self.step.as_ref())
            .query("task", self.task.as_ref())
            .query("job", self.job.as_ref());
        Ok(request.whole(COLUMNS, &self.lines).into())
    }
}
