//! `punctual skipped`.

use clap::Subcommand;
use jiff::Timestamp;

use crate::client::{Column, Extent, Format, Remote, Request, Step, Style, When, column};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List ranges of instants that were not run, newest first.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only of this trigger: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    trigger: Option<String>,
    /// Only of this job: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    job: Option<String>,
    /// Only with this reason: misfire, coalesced, overlap, paused, expired, ended or replaced.
    #[arg(long)]
    reason: Option<String>,
    /// Only ranges that span this instant.
    #[arg(long, value_name = "INSTANT")]
    at: Option<When>,
    #[command(flatten)]
    extent: Extent,
}

const COLUMNS: &[Column] = &[
    column("TRIGGER", "/trigger", Format::Text),
    column("REASON", "/reason", Format::Text),
    column("COUNT", "/count", Format::Text),
    column("FIRST", "/first", Format::Instant),
    column("LAST", "/last", Format::Instant),
    column("RECORDED", "/recorded_at", Format::Instant),
    column("RUN", "/fire_id", Format::Text),
];

impl Remote for Command {
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step> {
        let Self::List(list) = self;
        let at = list.at.as_ref().map(|at| at.resolve(now, style.zone())).transpose()?;
        let request = Request::get("/api/v1/skipped")
            .query("trigger", list.trigger.as_ref())
            .query("job", list.job.as_ref())
            .query("reason", list.reason.as_ref())
            .query("at", at);
        Ok(request.rows(COLUMNS, &list.extent).into())
    }
}
