//! `punctual jobs`.

use clap::Subcommand;
use jiff::Timestamp;

use crate::client::{Column, Extent, Format, Key, Remote, Request, Step, Style, column};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List jobs, by group and name.
    List(List),
    /// Show a job with its triggers.
    Show(Key),
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
        };
        Ok(call.into())
    }
}
