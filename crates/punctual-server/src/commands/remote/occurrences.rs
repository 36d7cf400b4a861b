//! `punctual occurrences`.

use anyhow::Context;
use jiff::Timestamp;
use serde_json::Value;

use crate::client::{Column, Format, Lines, Made, Remote, Request, Step, Style, When, column};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The first instant: an instant, or how long ago, such as 2h; a day ago unless given.
    #[arg(long, value_name = "WHEN", default_value = "1d", hide_default_value = true)]
    from: When,
    /// The last instant: an instant, or how long from now, such as 2h; a day from now unless given.
    #[arg(long, value_name = "WHEN", default_value = "1d", hide_default_value = true)]
    to: When,
    /// Only of this trigger: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    trigger: Option<String>,
    /// Only of this job: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    job: Option<String>,
    #[command(flatten)]
    lines: Lines,
}

const COLUMNS: &[Column] = &[
    column("AT", "/at", Format::Instant),
    column("TRIGGER", "/trigger", Format::Text),
    column("WHAT", "/what", Format::Text),
    column("STATUS", "/status", Format::State),
    column("RUN", "/run", Format::Text),
    column("ATTEMPT", "/attempt", Format::Text),
    column("REASON", "/reason", Format::Text),
    column("COUNT", "/count", Format::Text),
    column("UNTIL", "/last", Format::Instant),
];

const CUT: &str =
    "There are more than these: name a trigger with --trigger, or take less with --from and --to.";

impl Remote for Args {
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step> {
        let zone = style.zone();
        let request = Request::get("/api/v1/occurrences")
            .query("from", Some(self.from.resolve(now, zone).context("--from")?))
            .query("to", Some(self.to.resolve_ahead(now, zone).context("--to")?))
            .query("trigger", self.trigger.as_ref())
            .query("job", self.job.as_ref());
        Ok(request.made(COLUMNS, &self.lines, rows).into())
    }
}

/// The occurrences of all triggers, by time.
fn rows(answer: &Value) -> Made {
    let is_cut = |of: &Value| of.get("truncated").and_then(Value::as_bool) == Some(true);
    let list = |of: &Value, name: &str| of.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let triggers = list(answer, "triggers");
    let missing = (is_cut(answer) || triggers.iter().any(is_cut)).then_some(CUT);
    let mut rows = Vec::new();
    for of in triggers {
        for mut occurrence in list(&of, "occurrences") {
            if let Some(members) = occurrence.as_object_mut() {
                members.insert("trigger".to_owned(), of.get("trigger").cloned().unwrap_or_default());
                members.insert("job".to_owned(), of.get("job").cloned().unwrap_or_default());
            }
            rows.push(occurrence);
        }
    }
    // Instants of the API all have the same length.
    rows.sort_by(|one, other| instant(one).cmp(instant(other)));
    Made { rows, missing }
}

fn instant(row: &Value) -> &str {
    row.get("at").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_happens_to_triggers_is_told_by_time() {
        let at = |minute: u32| format!("2026-11-21T05:0{minute}:00.000Z");
        let answer = json!({"truncated": false, "triggers": [
            {"trigger": "a.b", "job": "a.j", "truncated": false,
             "occurrences": [{"at": at(1), "what": "ran", "run": 7}, {"at": at(3), "what": "coming"}]},
            {"trigger": "c.d", "job": null, "truncated": true, "occurrences": [{"at": at(2), "what": "due"}]},
        ]});
        let made = rows(&answer);
        let told =
            made.rows.iter().map(|row| (row["trigger"].as_str().unwrap(), row["what"].as_str().unwrap()));
        assert_eq!(told.collect::<Vec<_>>(), [("a.b", "ran"), ("c.d", "due"), ("a.b", "coming")]);
        assert_eq!((made.rows[0]["run"].as_i64(), made.rows[0]["job"].as_str()), (Some(7), Some("a.j")));
        assert!(made.missing.is_some(), "one of the triggers has more");
        assert!(rows(&json!({"triggers": []})).missing.is_none());
    }
}
