//! `punctual sessions`.

use clap::Subcommand;
use jiff::Timestamp;

use crate::client::{Column, Format, Lines, Remote, Request, Step, Style, column};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List your sessions, without what lets anybody in.
    List(Lines),
    /// End one of your sessions.
    End {
        /// The number of the session.
        id: i64,
    },
    /// End all your sessions but the one that asks.
    EndOthers,
}

const COLUMNS: &[Column] = &[
    column("ID", "/id", Format::Text),
    column("CURRENT", "/current", Format::Text),
    column("ADDRESS", "/address", Format::Text),
    column("CREATED", "/created_at", Format::Instant),
    column("LAST SEEN", "/last_seen_at", Format::Instant),
    column("EXPIRES", "/expires_at", Format::Instant),
];

impl Remote for Command {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        let call = match self {
            Self::List(lines) => Request::get("/api/v1/me/sessions").whole(COLUMNS, lines),
            Self::End { id } => {
                let request = Request::delete("/api/v1/me/sessions/{id}").at("id", id);
                request.done(format!("Session {id} has ended."))
            }
            Self::EndOthers => {
                Request::delete("/api/v1/me/sessions").done("Your other sessions have ended.".to_owned())
            }
        };
        Ok(call.into())
    }
}
