//! `punctual check`: is a file right, and when does everything in it fire?

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;
use punctual_core::schedule::{Occurrences, Repeat, Schedule, Window};
use punctual_core::time::whole_millis;
use punctual_core::{Bounded, Clock, MisfirePolicy, Trigger};
use punctual_engine::{Entry, SystemClock};

use crate::config::{Config, Fault};
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file.
    file: PathBuf,
    /// How many fire times to print for each trigger.
    #[arg(long, default_value_t = 3)]
    count: usize,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (config, mut faults) = Config::read(Some(&args.file))?;
    let (entries, wrong) = config.each_entry();
    faults.extend(wrong);
    faults.extend(crate::database::check(&config).err().iter().map(Fault::of_setting));
    let now = whole_millis(SystemClock::new().now());
    let mut reports: Vec<Report> = Vec::new();
    for trigger in entries.iter().flat_map(|entry| &entry.triggers) {
        let report = report(trigger, &config, now, args.count);
        if let Report::Wrong(problem) = &report {
            faults.push(config.wrong_trigger(trigger, problem));
        }
        reports.push(report);
    }
    config.refuse(faults)?;
    let unknown: BTreeSet<&str> = entries
        .iter()
        .flat_map(|entry| &entry.triggers)
        .filter_map(|trigger| trigger.calendar.as_deref())
        .filter(|name| !config.calendars().contains_key(*name))
        .collect();
    output::print(|out| show(args, &config, &entries, reports, &unknown, out))
}

/// What is right, and when it fires.
fn show(
    args: &Args,
    config: &Config,
    entries: &[Entry],
    reports: Vec<Report>,
    unknown: &BTreeSet<&str>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let file = args.file.display();
    if unknown.is_empty() {
        writeln!(out, "{file} is right: {} job(s).", entries.len())?;
    } else {
        writeln!(
            out,
            "{file}: {} job(s). It is refused unless the database has these calendars, which the file does not declare: {}",
            entries.len(),
            unknown.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
        )?;
    }
    let mut reports = reports.into_iter();
    for entry in entries {
        writeln!(out, "\n{} ({})", entry.name, entry.job.kind)?;
        if let Some(when) = config.start_of(&entry.name) {
            writeln!(out, "  {when}")?;
        }
        for (trigger, report) in entry.triggers.iter().zip(reports.by_ref()) {
            writeln!(out, "  {}", trigger.schedule.describe())?;
            if let Report::Lines(lines) = report {
                lines.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
            }
        }
    }
    Ok(())
}

/// What is said about a trigger.
enum Report {
    /// When it fires.
    Lines(Vec<String>),
    /// Why a database refuses it.
    Wrong(String),
}

/// When a trigger fires that a server stores at `now`.
fn report(trigger: &Trigger, config: &Config, now: Timestamp, count: usize) -> Report {
    let mut lines = Vec::new();
    if trigger.schedule.event().is_some() {
        if trigger.end.is_some_and(|end| end <= now) {
            return Report::Wrong(format!(
                "trigger {:?} would never fire: its end has passed",
                trigger.key.name()
            ));
        }
        return Report::Lines(lines);
    }
    let occurrences = occurrences(trigger, config, now);
    let Some(first) = occurrences.first() else {
        if trigger.start.is_none() && Bounded::of(trigger).is_some() {
            lines.push("never fires again: a database that has not held it before refuses it".to_owned());
            return Report::Lines(lines);
        }
        return Report::Wrong(format!(
            "trigger {:?} would never fire: its schedule, start, end and calendar leave no fire time",
            trigger.key.name()
        ));
    };
    let upcoming: Vec<Timestamp> = occurrences.upcoming(now).take(count).collect();
    if first < now && (upcoming.is_empty() || matches!(trigger.schedule, Schedule::FixedDelay(_))) {
        let last = occurrences.last().unwrap_or(first);
        lines.push(format!(
            "{}  has passed: it is late when a server first stores it, and its misfire policy decides ({})",
            local_and_utc(last, &trigger.schedule),
            late(trigger)
        ));
    }
    lines.extend(upcoming.iter().map(|at| local_and_utc(*at, &trigger.schedule)));
    match &trigger.schedule {
        Schedule::FixedDelay(delay) if delay.repeat() != Repeat::Times(0) => {
            lines.push("and then so long after the end of each run".to_owned());
        }
        _ => {}
    }
    if trigger.start.is_none() && first == now {
        lines.push("(it begins when it is first stored, which is taken to be now)".to_owned());
    }
    Report::Lines(lines)
}

/// What becomes of a late instant that is the only one.
fn late(trigger: &Trigger) -> &'static str {
    match trigger.misfire {
        MisfirePolicy::Skip | MisfirePolicy::DoNothing => "it is skipped",
        _ => "it runs at once",
    }
}

/// The next fire times of a trigger of a file.
pub(crate) fn fire_times(trigger: &Trigger, config: &Config, now: Timestamp, count: usize) -> Vec<Timestamp> {
    occurrences(trigger, config, now).upcoming(now).take(count).collect()
}

/// The instants of a trigger that is stored at `now`.
fn occurrences<'a>(trigger: &'a Trigger, config: &'a Config, now: Timestamp) -> Occurrences<'a> {
    let window = Window { start: whole_millis(trigger.start.unwrap_or(now)), end: trigger.end };
    let calendar = trigger.calendar.as_ref().and_then(|name| config.calendars().get(name));
    Occurrences::new(&trigger.schedule, window).with_calendar(calendar)
}

/// A fire time in its zone and in UTC.
pub(crate) fn local_and_utc(at: Timestamp, schedule: &Schedule) -> String {
    match schedule.time_zone() {
        Some(zone) => {
            let local = at.to_zoned(zone.clone());
            format!("{}  =  {at}", local.strftime("%a %Y-%m-%d %H:%M:%S %Z (%:z)"))
        }
        None => at.to_string(),
    }
}

#[cfg(test)]
mod tests;
