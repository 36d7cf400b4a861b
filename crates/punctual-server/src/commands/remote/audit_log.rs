//! `punctual audit-log`.

use clap::Subcommand;
use jiff::Timestamp;

use crate::client::{Column, Extent, Format, Remote, Request, Step, Style, When, column};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List who changed what, the latest first.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only by this actor.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action, such as user.create; with a dot at the end (user.) all that begin so.
    #[arg(long)]
    action: Option<String>,
    /// Only to this.
    #[arg(long)]
    subject: Option<String>,
    /// Only from here on: an instant, or how long ago, such as 2h.
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Only before this.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    #[command(flatten)]
    extent: Extent,
}

const COLUMNS: &[Column] = &[
    column("ID", "/id", Format::Text),
    column("AT", "/at", Format::Instant),
    column("ACTOR", "/actor", Format::Text),
    column("ACTION", "/action", Format::Text),
    column("SUBJECT", "/subject", Format::Text),
    column("NOTE", "/note", Format::Text),
];

impl Remote for Command {
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step> {
        let Self::List(list) = self;
        let at = |when: &Option<When>| when.as_ref().map(|when| when.resolve(now, style.zone())).transpose();
        let request = Request::get("/api/v1/audit")
            .query("actor", list.actor.as_ref())
            .query("action", list.action.as_ref())
            .query("subject", list.subject.as_ref())
            .query("from", at(&list.since)?)
            .query("to", at(&list.until)?);
        Ok(request.pages_before(COLUMNS, &list.extent).into())
    }
}
