//! `punctual schedule`: when does an expression fire?

use anyhow::anyhow;
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use punctual_core::Clock;
use punctual_core::schedule::{CronExpression, CronSchedule, DstPolicy, Occurrences, Schedule, Window, zone};
use punctual_engine::SystemClock;

use super::check::local_and_utc;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the next fire times of a cron expression.
    Next(Next),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Next {
    /// The expression: second minute hour day-of-month month day-of-week, and a year if you like.
    expression: String,
    /// The time zone, by its IANA name.
    #[arg(long, default_value = "UTC")]
    tz: String,
    /// Fire times after this instant; now unless given.
    #[arg(long)]
    from: Option<Timestamp>,
    /// How many.
    #[arg(long, default_value_t = 10)]
    count: usize,
    /// What happens where the zone's offset changes.
    #[arg(long, value_enum, default_value = "follow")]
    dst: Dst,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dst {
    /// Run at the end of a gap, and on the first pass of an overlap.
    Follow,
    /// As Quartz does: leave out a gap, and run on the second pass of an overlap.
    Quartz,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Next(args) = command;
    let expression = CronExpression::parse(&args.expression).map_err(|error| {
        let place = error.span().map(|span| {
            format!("\n  {}\n  {}{}", args.expression, " ".repeat(span.start), "^".repeat(span.len().max(1)))
        });
        anyhow!("{error}{}", place.unwrap_or_default())
    })?;
    let zone = zone(&args.tz).map_err(|error| anyhow!("--tz: {error}"))?;
    let dst = match args.dst {
        Dst::Follow => DstPolicy::Follow,
        Dst::Quartz => DstPolicy::Quartz,
    };
    let schedule = Schedule::Cron(CronSchedule::new(expression, zone, dst));
    let from = args.from.unwrap_or_else(|| SystemClock::new().now());
    let occurrences = Occurrences::new(&schedule, Window { start: from, end: None });
    let mut at = from;
    let mut printed = 0;
    while let Some(next) = occurrences.next_after(at).filter(|_| printed < args.count) {
        println!("{}", local_and_utc(next, &schedule));
        at = next;
        printed += 1;
    }
    if printed == 0 {
        println!("never fires after {from}");
    }
    Ok(())
}
