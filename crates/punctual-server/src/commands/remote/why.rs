//! `punctual why`.

use jiff::Timestamp;
use serde_json::Value;

use crate::client::{Remote, Request, Step, Style, When, plain};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The trigger: GROUP.NAME, or the name of one in the group DEFAULT.
    trigger: String,
    /// The instant: 2026-11-21T05:00:00Z, or without Z a local time.
    #[arg(value_name = "INSTANT")]
    at: When,
}

impl Remote for Args {
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step> {
        let at = self.at.resolve(now, style.zone())?;
        Ok(Request::get("/api/v1/why")
            .query("trigger", Some(&self.trigger))
            .query("at", Some(at))
            .words(say)
            .into())
    }
}

fn say(answer: &Value, _: &Style) -> (String, bool) {
    let word = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    (plain(word("answer")), word("fate") != "no_trigger")
}
