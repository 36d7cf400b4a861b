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
        for trigger in &entry.triggers {
            println!("  {}", describe(trigger));
            let next = fire_times(trigger, now, args.count);
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

fn describe(trigger: &Trigger) -> String {
    match &trigger.schedule {
        Schedule::Cron(cron) => {
            format!("cron {} in {}", cron.expression(), cron.time_zone().iana_name().unwrap_or("UTC"))
        }
        Schedule::Simple(simple) => format!("every {} ms", simple.interval_ms()),
        Schedule::Once => "once".to_owned(),
        other => other.kind().to_owned(),
    }
}

fn fire_times(trigger: &Trigger, now: Timestamp, count: usize) -> Vec<Timestamp> {
    let window = Window { start: trigger.start.unwrap_or(now), end: trigger.end };
    Occurrences::new(&trigger.schedule, window).upcoming(now).take(count).collect()
}

/// A fire time in its zone and in UTC.
pub(crate) fn local_and_utc(at: Timestamp, schedule: &Schedule) -> String {
    match schedule {
        Schedule::Cron(cron) => {
            let local = at.to_zoned(cron.time_zone().clone());
            format!("{}  =  {at}", local.strftime("%a %Y-%m-%d %H:%M:%S %Z (%:z)"))
        }
        _ => at.to_string(),
    }
}
