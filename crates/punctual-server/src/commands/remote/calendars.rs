//! `punctual calendars`.

use clap::Subcommand;
use jiff::Timestamp;

use crate::client::{Column, Format, Lines, Remote, Request, Step, Style, column};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List calendars, by name.
    List(Lines),
    /// Show a calendar: at which times triggers that use it do not fire.
    Show {
        /// The name of the calendar.
        name: String,
    },
}

const COLUMNS: &[Column] = &[
    column("NAME", "/name", Format::Text),
    column("TYPE", "/calendar/type", Format::Text),
    column("UPDATED", "/updated_at", Format::Instant),
];

impl Remote for Command {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        let call = match self {
            Self::List(lines) => Request::get("/api/v1/calendars").whole(COLUMNS, lines),
            Self::Show { name } => Request::get("/api/v1/calendars/{name}").at("name", name).record(COLUMNS),
        };
        Ok(call.into())
    }
}
