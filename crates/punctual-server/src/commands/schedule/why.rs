//! `punctual schedule why`: is this instant a fire time, and if it is not, why?

use std::io::Write;

use anyhow::{Context as _, bail};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};
use punctual_core::schedule::{CronExpression, CronSchedule, DstPolicy};
use serde_json::json;

use super::{Reading, show};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The expression: second minute hour day-of-month month day-of-week, and a year if you like.
    expression: String,
    /// An instant such as 2026-03-29T01:30:00Z, or a local time such as 2026-03-29T02:30:00 in the zone.
    instant: String,
    #[command(flatten)]
    reading: Reading,
    /// When the trigger starts; nothing fires before.
    #[arg(long)]
    from: Option<Timestamp>,
}

/// Whether, and why or why not.
struct Verdict {
    at: Option<Timestamp>,
    fires: bool,
    reason: String,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> anyhow::Result<()> {
    let schedule = args.reading.schedule(&args.expression)?;
    let verdicts: Vec<Verdict> = match asked(&args.instant, schedule.time_zone())? {
        Asked::Instants(instants) => instants.into_iter().map(|at| judge(&schedule, at, args.from)).collect(),
        Asked::Gap { local, after } => vec![in_gap(&schedule, local, after)],
    };
    if args.reading.json {
        let mut answer = show::head(&schedule);
        answer["answers"] = verdicts
            .iter()
            .map(|verdict| {
                let instant = verdict.at.map(|at| show::instant_json(&schedule, at));
                json!({ "instant": instant, "fires": verdict.fires, "reason": verdict.reason })
            })
            .collect();
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    for Verdict { at, fires, reason } in &verdicts {
        let which = match at {
            // A local time that occurs twice needs two answers, told apart.
            Some(at) if verdicts.len() > 1 => format!("{at}: "),
            _ => String::new(),
        };
        writeln!(out, "{which}{}: {reason}", if *fires { "yes" } else { "no" })?;
    }
    Ok(())
}

enum Asked {
    /// One; two where a local time occurs twice.
    Instants(Vec<Timestamp>),
    /// A local time that does not exist, and the first instant after the gap.
    Gap { local: DateTime, after: Timestamp },
}

fn asked(text: &str, zone: &TimeZone) -> anyhow::Result<Asked> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Asked::Instants(vec![at]));
    }
    let Ok(local) = text.parse::<DateTime>() else {
        bail!("{text:?} is neither an instant (2026-03-29T01:30:00Z) nor a local time (2026-03-29T02:30:00)");
    };
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let outside = || format!("{text} lies outside of the years that can be counted");
    Ok(match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => {
            Asked::Instants(vec![ambiguous.compatible().with_context(outside)?])
        }
        AmbiguousOffset::Fold { .. } => Asked::Instants(vec![
            ambiguous.earlier().with_context(outside)?,
            ambiguous.later().with_context(outside)?,
        ]),
        AmbiguousOffset::Gap { .. } => {
            // The earlier reading lies before the change.
            let before = ambiguous.earlier().with_context(outside)?;
            let change = zone.following(before).next().with_context(outside)?;
            Asked::Gap { local, after: change.timestamp() }
        }
    })
}

fn judge(schedule: &CronSchedule, at: Timestamp, start: Option<Timestamp>) -> Verdict {
    let local = at.to_zoned(schedule.time_zone().clone());
    let (fires, reason) = match start {
        Some(start) if at < start => (false, format!("it lies before the start, {start}")),
        _ if local.year() < 1970 => (false, "cron matches from 1970 on".to_owned()),
        _ if at.subsec_nanosecond() != 0 => (false, "cron fires at whole seconds only".to_owned()),
        _ if contains(schedule, at) => (true, why_it_fires(schedule, at, &local)),
        _ => (false, why_not(schedule, &local)),
    };
    Verdict { at: Some(at), fires, reason }
}

fn contains(schedule: &CronSchedule, at: Timestamp) -> bool {
    let before = at.checked_sub(SignedDuration::from_secs(1)).ok();
    before.and_then(|before| schedule.next_after(before)) == Some(at)
}

fn shown(local: &Zoned) -> String {
    local.strftime("%A %Y-%m-%d %H:%M:%S (%:z)").to_string()
}

fn why_it_fires(schedule: &CronSchedule, at: Timestamp, local: &Zoned) -> String {
    if mismatches(schedule.expression(), local.datetime()).is_empty() {
        return format!("{} matches {}", shown(local), schedule.expression());
    }
    format!(
        "{} is the first instant after a gap that holds matching times{}",
        shown(local),
        skipped(schedule, at).map_or_else(String::new, |note| format!(" ({note})"))
    )
}

/// The note on the change of the offset at an instant.
fn skipped(schedule: &CronSchedule, at: Timestamp) -> Option<String> {
    let before = at.checked_sub(SignedDuration::from_secs(1)).ok()?;
    super::changes::between(schedule, before, at).pop().map(|change| change.text)
}

fn why_not(schedule: &CronSchedule, local: &Zoned) -> String {
    let mismatches = mismatches(schedule.expression(), local.datetime());
    if !mismatches.is_empty() {
        return format!("{}: {}", shown(local), mismatches.join("; "));
    }
    let pass = match schedule.dst() {
        DstPolicy::Quartz => "first pass, and with dst = quartz it fires on the second only",
        _ => "second pass, and it fires on the first only",
    };
    format!("{} matches, but that time occurs twice (overlap) and this is the {pass}", shown(local))
}

fn in_gap(schedule: &CronSchedule, local: DateTime, after: Timestamp) -> Verdict {
    let zone = schedule.time_zone();
    let gap = format!(
        "{} does not exist on {} in {} (gap)",
        local.strftime("%H:%M:%S"),
        local.date(),
        zone.iana_name().unwrap_or("this zone")
    );
    let mismatches = mismatches(schedule.expression(), local);
    let end = after.to_zoned(zone.clone());
    let reason = if !mismatches.is_empty() {
        format!("{gap}, and it would not match: {}", mismatches.join("; "))
    } else if schedule.dst() == DstPolicy::Follow && !schedule.expression().follows_elapsed_time() {
        format!("{gap}; it runs at {} instead", end.strftime("%H:%M:%S (%:z)"))
    } else {
        format!("{gap}; nothing runs for it")
    };
    Verdict { at: None, fires: false, reason }
}

const FIELDS: [&str; 7] =
    ["second", "minute", "hour", "day of the month", "month", "day of the week", "year"];

/// The fields that do not match a local time, in words. Each field is asked on its own, with all others open.
fn mismatches(expression: &CronExpression, local: DateTime) -> Vec<String> {
    let text = match expression.as_str() {
        "@yearly" | "@annually" => "0 0 0 1 1 ?",
        "@monthly" => "0 0 0 1 * ?",
        "@weekly" => "0 0 0 ? * 1",
        "@daily" | "@midnight" => "0 0 0 * * ?",
        "@hourly" => "0 0 * * * ?",
        text => text,
    };
    let fields: Vec<&str> = text.split(' ').collect();
    let failing = (0..fields.len()).filter(|index| fields[*index] != "?").filter(|index| {
        let mut alone = ["*", "*", "*", "*", "*", "?", "*"];
        if *index == 5 {
            alone[3] = "?";
        }
        alone[*index] = fields[*index];
        !matches(&alone.join(" "), local)
    });
    failing
        .map(|index| {
            format!("the {} is {}, and the field says {}", FIELDS[index], value(local, index), fields[index])
        })
        .collect()
}

fn matches(text: &str, local: DateTime) -> bool {
    let Ok(expression) = CronExpression::parse(text) else { return false };
    let Ok(at) = TimeZone::UTC.to_timestamp(local) else { return false };
    contains(&CronSchedule::new(expression, TimeZone::UTC, DstPolicy::Follow), at)
}

fn value(local: DateTime, index: usize) -> String {
    match index {
        5 => format!("{} ({})", local.strftime("%A"), local.weekday().to_sunday_one_offset()),
        4 => local.strftime("%-m").to_string(),
        _ => {
            let formats = ["%-S", "%-M", "%-H", "%-d", "", "", "%Y"];
            local.strftime(formats[index]).to_string()
        }
    }
}
