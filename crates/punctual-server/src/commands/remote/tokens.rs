//! `punctual tokens`.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{Column, Format, Lines, Remote, Request, Step, Style, When, column, plain};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List your tokens, without what lets anybody in.
    List {
        /// Those of all users; takes a superuser.
        #[arg(long)]
        all_users: bool,
        #[command(flatten)]
        lines: Lines,
    },
    /// Make a token that acts as you; it is printed once.
    Create {
        /// What it is for.
        name: String,
        /// What it may do at most: monitoring, operate, edit or superuser. May be given several times.
        #[arg(long = "scope", value_name = "PERMISSION", required = true)]
        scopes: Vec<String>,
        /// From when on it is refused: an instant, or how long from now, such as 30d; never unless given.
        #[arg(long, value_name = "WHEN")]
        expires: Option<When>,
    },
    /// Revoke a token.
    Revoke {
        /// The number of the token.
        id: i64,
    },
}

const COLUMNS: &[Column] = &[
    column("ID", "/id", Format::Text),
    column("NAME", "/name", Format::Text),
    column("USER", "/user", Format::Text),
    column("SCOPES", "/scopes", Format::Text),
    column("CREATED", "/created_at", Format::Instant),
    column("EXPIRES", "/expires_at", Format::Instant),
    column("LAST USED", "/last_used_at", Format::Instant),
];

impl Remote for Command {
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step> {
        let call = match self {
            Self::List { all_users, lines } => {
                Request::get("/api/v1/tokens").query("all", all_users.then_some(true)).whole(COLUMNS, lines)
            }
            Self::Create { name, scopes, expires } => {
                let expires =
                    expires.as_ref().map(|when| when.resolve_ahead(now, style.zone())).transpose()?;
                let body = json!({"name": name, "scopes": scopes, "expires_at": expires});
                Request::post("/api/v1/tokens").json(&body).words(token)
            }
            Self::Revoke { id } => {
                let request = Request::delete("/api/v1/tokens/{id}").at("id", id);
                request.done(format!("Token {id} is revoked."))
            }
        };
        Ok(call.into())
    }
}

/// Alone on its line, so that it can be stored without cutting.
fn token(answer: &Value, _: &Style) -> (String, bool) {
    (plain(answer.get("token").and_then(Value::as_str).unwrap_or_default()), true)
}
