//! `punctual calendars`.

use clap::Subcommand;
use jiff::Timestamp;

use super::jobs::Put;
use crate::client::{Column, Format, Lines, Note, Remote, Request, Step, Style, column, plain};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List calendars, by name.
    List(Lines),
    /// Show a calendar: at which times triggers that use it do not fire.
    Show {
        /// The name of the calendar.
        name: String,
    },
    /// Store a calendar, new or changed: an object with its name and, as calendar, what it excludes.
    Put(Put),
    /// Delete a calendar that no trigger uses.
    Delete {
        /// The name of the calendar.
        name: String,
        #[command(flatten)]
        note: Note,
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
            Self::Put(put) => {
                let mut file = put.file.read()?;
                let request = Request::put("/api/v1/calendars/{name}").at("name", file.take_name()?);
                request.json(&file.calendar()).note(&put.note).record(COLUMNS)
            }
            Self::Delete { name, note } => {
                let request = Request::delete("/api/v1/calendars/{name}").at("name", name).note(note);
                request.done(format!("Calendar {} is deleted.", plain(name)))
            }
        };
        Ok(call.into())
    }
}
