//! Fire times and descriptions, for people and for programs.

use std::io::Write;

use jiff::{SignedDuration, Timestamp};
use punctual_core::schedule::{CronSchedule, DstPolicy, Schedule};
use serde_json::{Value, json};

use super::changes::{self, Change};
use crate::commands::check::local_and_utc;

pub(super) fn next(
    schedule: &CronSchedule,
    from: Timestamp,
    count: usize,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let found = std::iter::successors(schedule.next_after(from), |at| schedule.next_after(*at));
    let found: Vec<_> = found.take(count).collect();
    let to = found.last().and_then(|last| end_of_day(schedule, *last));
    let changes = to.map_or_else(Vec::new, |to| changes::between(schedule, from, to));
    if json {
        return print_json(schedule, from, &found, &changes, out);
    }
    if found.is_empty() {
        writeln!(out, "never fires after {from:.0}{}", because(schedule))?;
    }
    print(schedule, &found, &changes, |change, at| change < at, out)
}

pub(super) fn prev(
    schedule: &CronSchedule,
    from: Timestamp,
    count: usize,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let found = std::iter::successors(schedule.prev_before(from), |at| schedule.prev_before(*at));
    let found: Vec<_> = found.take(count).collect();
    let begin = found.last().and_then(|first| start_of_day(schedule, *first));
    let mut changes = begin.map_or_else(Vec::new, |begin| changes::between(schedule, begin, from));
    changes.reverse();
    if json {
        return print_json(schedule, from, &found, &changes, out);
    }
    if found.is_empty() {
        writeln!(out, "never fired before {from:.0}{}", because(schedule))?;
    }
    print(schedule, &found, &changes, |change, at| change > at, out)
}

/// A line for each instant, and notes on changes of the offset between them, where `is_due` before an instant.
fn print(
    schedule: &CronSchedule,
    found: &[Timestamp],
    changes: &[Change],
    is_due: impl Fn(Timestamp, Timestamp) -> bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut changes = changes.iter().peekable();
    let shown = Schedule::Cron(schedule.clone());
    for at in found {
        while let Some(change) = changes.next_if(|change| is_due(change.at, *at)) {
            writeln!(out, "  note: {}", change.text)?;
        }
        writeln!(out, "{}", local_and_utc(*at, &shown))?;
    }
    for change in changes {
        writeln!(out, "  note: {}", change.text)?;
    }
    Ok(())
}

/// Why nothing fires, where the expression alone says it.
fn because(schedule: &CronSchedule) -> String {
    match schedule.expression().describe().strip_prefix("never: ") {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    }
}

fn end_of_day(schedule: &CronSchedule, at: Timestamp) -> Option<Timestamp> {
    Some(at.to_zoned(schedule.time_zone().clone()).end_of_day().ok()?.timestamp())
}

/// An instant before which the day has not begun, so that a change at its first instant is one of the day.
fn start_of_day(schedule: &CronSchedule, at: Timestamp) -> Option<Timestamp> {
    let start = at.to_zoned(schedule.time_zone().clone()).start_of_day().ok()?.timestamp();
    start.checked_sub(SignedDuration::from_secs(1)).ok()
}

fn zone_name(schedule: &CronSchedule) -> &str {
    schedule.time_zone().iana_name().unwrap_or("UTC")
}

pub(super) fn instant_json(schedule: &CronSchedule, at: Timestamp) -> Value {
    let local = at.to_zoned(schedule.time_zone().clone());
    json!({ "utc": at.to_string(), "local": local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string() })
}

pub(super) fn head(schedule: &CronSchedule) -> Value {
    let dst = if schedule.dst() == DstPolicy::Quartz { "quartz" } else { "follow" };
    json!({ "expression": schedule.expression().as_str(), "tz": zone_name(schedule), "dst": dst })
}

fn print_json(
    schedule: &CronSchedule,
    from: Timestamp,
    found: &[Timestamp],
    changes: &[Change],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut answer = head(schedule);
    answer["from"] = json!(from.to_string());
    answer["instants"] = found.iter().map(|at| instant_json(schedule, *at)).collect();
    answer["notes"] = changes.iter().map(Change::to_json).collect();
    writeln!(out, "{answer}")?;
    Ok(())
}

pub(super) fn describe(schedule: CronSchedule, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if json {
        let mut answer = head(&schedule);
        answer["description"] = json!(schedule.expression().describe());
        answer["never"] = json!(schedule.expression().never_matches());
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let (expression, zone) = (schedule.expression().clone(), zone_name(&schedule).to_owned());
    writeln!(out, "{}", Schedule::Cron(schedule).describe())?;
    writeln!(out, "  expression  {expression}\n  zone        {zone}")?;
    Ok(())
}
