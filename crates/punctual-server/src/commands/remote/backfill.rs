//! `punctual backfill`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::jobs::Data;
use crate::client::{Key, Note, Remote, Request, Step, Style, When, plain};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    key: Key,
    /// The first instant: 2026-11-21T05:00:00Z, without Z a local time, or how long ago, such as 2d.
    from: When,
    /// The last instant, inclusive.
    to: When,
    /// Also those that have succeeded or are under way.
    #[arg(long)]
    all: bool,
    /// Say what would be run, and run nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    note: Note,
}

impl Remote for Args {
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step> {
        let mut body = self.data.body()?;
        body["from"] = self.from.resolve(now, style.zone())?.into();
        body["to"] = self.to.resolve(now, style.zone())?.into();
        body["all"] = json!(self.all);
        body["dry_run"] = json!(self.dry_run);
        let request = self.key.fill(Request::post("/api/v1/triggers/{group}/{name}/backfill"));
        Ok(request.json(&body).note(&self.note).words(say).into())
    }
}

fn say(answer: &Value, style: &Style) -> (String, bool) {
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
    let instants = answer.get("instants").and_then(Value::as_array).into_iter().flatten();
    let line = |one: &Value| {
        let word = |name: &str| one.get(name).and_then(Value::as_str);
        let at = word("at").unwrap_or_default();
        let at = at.parse().map_or_else(|_| plain(at), |at| style.instant(at));
        let again =
            if one.get("again").and_then(Value::as_bool) == Some(true) { "run again" } else { "left" };
        format!("{at}  {}  {again}", word("status").map_or_else(|| "not run".to_owned(), plain))
    };
    let mut lines: Vec<String> = instants.map(line).collect();
    lines.push(format!(
        "{} of {} instants to run again; runs stored: {}.",
        number("count"),
        lines.len(),
        number("stored")
    ));
    (lines.join("\n"), true)
}
