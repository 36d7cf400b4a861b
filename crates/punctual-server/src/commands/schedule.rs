//! `punctual schedule`: when does an expression fire, what does it mean, and why does it (not) fire then?

use anyhow::anyhow;
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use punctual_core::Clock;
use punctual_core::schedule::{CronExpression, CronSchedule, DstPolicy, ScheduleError, zone};
use punctual_engine::SystemClock;

use crate::output::{self, Output};

mod cases;
mod changes;
mod show;
mod why;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the next fire times of a cron expression.
    Next(Next),
    /// Print the fire times before an instant, the latest first.
    Prev(Prev),
    /// Say in English what a cron expression means.
    Describe(Describe),
    /// Say whether a cron expression fires at an instant and, if it does not, why.
    Why(why::Args),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Next {
    /// The expression: second minute hour day-of-month month day-of-week, and a year if you like.
    #[arg(required_unless_present = "jsonl")]
    expression: Option<String>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    range: Range,
    /// Read cases as JSON from the standard input, one a line, and answer each with a line of JSON.
    #[arg(long, conflicts_with_all = ["expression", "tz", "from", "count", "json"])]
    jsonl: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Prev {
    /// The expression: second minute hour day-of-month month day-of-week, and a year if you like.
    expression: String,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    range: Range,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Describe {
    /// The expression: second minute hour day-of-month month day-of-week, and a year if you like.
    expression: String,
    #[command(flatten)]
    reading: Reading,
}

/// How an expression is read, and how the answer is given.
#[derive(Debug, clap::Args)]
struct Reading {
    /// The time zone, by its IANA name.
    #[arg(long, default_value = "UTC")]
    tz: String,
    /// What happens where the zone's offset changes.
    #[arg(long, value_enum, default_value = "follow")]
    dst: Dst,
    /// The job's key that `H` is chosen by, such as config.report.
    #[arg(long)]
    key: Option<String>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Range {
    /// Fire times after (or before) this instant, such as 2026-03-29T00:00:00Z; now unless given.
    #[arg(long)]
    from: Option<Timestamp>,
    /// How many.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
}

impl Range {
    fn from(&self) -> Timestamp {
        self.from.unwrap_or_else(|| SystemClock::new().now())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dst {
    /// Run at the end of a gap, and on the first pass of an overlap.
    Follow,
    /// As Quartz does: leave out a gap, and run on the second pass of an overlap.
    Quartz,
}

impl From<Dst> for DstPolicy {
    fn from(dst: Dst) -> Self {
        match dst {
            Dst::Follow => Self::Follow,
            Dst::Quartz => Self::Quartz,
        }
    }
}

impl Reading {
    fn schedule(&self, expression: &str) -> anyhow::Result<CronSchedule> {
        let shown = |error: ScheduleError| anyhow!(error.render());
        let parsed = match &self.key {
            Some(key) => CronExpression::parse_hashed(expression, key),
            None => CronExpression::parse(expression),
        };
        let expression = parsed.map_err(shown)?;
        let zone = zone(&self.tz).map_err(|error| anyhow!("--tz: {error}"))?;
        Ok(CronSchedule::new(expression, zone, self.dst.into()))
    }
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    output::print(|out| answer(command, out))
}

fn answer(command: &Command, out: &mut Output) -> anyhow::Result<()> {
    match command {
        Command::Next(Next { expression: Some(expression), reading, range, .. }) => {
            let schedule = reading.schedule(expression)?;
            show::next(&schedule, range.from(), range.count as usize, reading.json, out)
        }
        Command::Next(next) => cases::answer_all(next.reading.dst, std::io::stdin().lock(), out),
        Command::Prev(Prev { expression, reading, range }) => {
            let schedule = reading.schedule(expression)?;
            show::prev(&schedule, range.from(), range.count as usize, reading.json, out)
        }
        Command::Describe(Describe { expression, reading }) => {
            show::describe(reading.schedule(expression)?, reading.json, out)
        }
        Command::Why(args) => why::run(args, out),
    }
}
