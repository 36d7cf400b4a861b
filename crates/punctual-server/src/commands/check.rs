//! `punctual check`: is a file right, and when does everything in it fire?

use std::path::PathBuf;

use jiff::Timestamp;
use punctual_core::schedule::{Occurrences, Schedule, Window};
use punctual_core::{Clock, Trigger};
use punctual_engine::SystemClock;

use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file.
    file: PathBuf,
    /// How many fire times to print for each trigger.
    #[arg(long, default_value_t = 3)]
    count: usize,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(Some(&args.file))?;
    let entries = config.entries()?;
    let now = SystemClock::new().now();
    println!("{} is right: {} job(s).", args.file.display(), entries.len());
    for entry in &entries {
        println!("\n{} ({})", entry.name, entry.job.kind);
        if let Some(when) = config.start_of(&entry.name) {
            println!("  {when}");
        }
        for trigger in &entry.triggers {
            println!("  {}", trigger.schedule.describe());
            if let Some(name) =
                trigger.calendar.as_ref().filter(|name| !config.calendars().contains_key(*name))
            {
                println!("    its calendar {name:?} is not in this file: it has to be stored already");
            }
            if trigger.schedule.event().is_some() {
                continue;
            }
            let next = fire_times(trigger, &config, now, args.count);
            if next.is_empty() {
                println!("    never fires again");
            }
            for at in next {
                println!("    {}", local_and_utc(at, &trigger.schedule));
            }
        }
    }
    Ok(())
}

/// The next fire times of a trigger of a file.
pub(crate) fn fire_times(trigger: &Trigger, config: &Config, now: Timestamp, count: usize) -> Vec<Timestamp> {
    let window = Window { start: trigger.start.unwrap_or(now), end: trigger.end };
    let calendar = trigger.calendar.as_ref().and_then(|name| config.calendars().get(name));
    Occurrences::new(&trigger.schedule, window).with_calendar(calendar).upcoming(now).take(count).collect()
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
