//! `punctual bench`: what this machine can do. Every figure is printed only after each trigger was seen to have run
//! exactly once.

mod drain;
mod failover;
mod history;
mod idle;
mod lateness;
mod plain;
mod world;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run many one-shot triggers that are all due now: fires a second.
    Drain(drain::Args),
    /// Fire at a steady rate: how late runs start.
    Lateness(lateness::Args),
    /// Fill a history and ask for pages and insights: milliseconds an answer.
    History(history::Args),
    /// Store cron triggers and wait: time to ready, memory, commits a second.
    Idle(idle::Args),
    /// Kill nodes at work: how long until another has begun their runs again.
    Failover(failover::Args),
    /// The node that `failover` kills.
    #[command(hide = true)]
    FailoverVictim(failover::VictimArgs),
    /// The measured half of `idle`, in a process of its own so that its memory is its own.
    #[command(hide = true)]
    IdleMeasure(idle::MeasureArgs),
}

/// Which store to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// sqlite://PATH, postgresql://... or memory://; a temporary SQLite file unless given.
    #[arg(long)]
    database: Option<String>,
    /// Whether each commit reaches the disk before it is acknowledged (SQLite).
    #[arg(long, value_enum, default_value = "full")]
    synchronous: Sync,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Sync {
    Full,
    Normal,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Drain(args) => runtime.block_on(drain::run(args)),
        Command::Lateness(args) => runtime.block_on(lateness::run(args)),
        Command::History(args) => runtime.block_on(history::run(args)),
        Command::Idle(args) => runtime.block_on(idle::run(args)),
        Command::Failover(args) => runtime.block_on(failover::run(args)),
        Command::FailoverVictim(args) => runtime.block_on(failover::victim(args)),
        Command::IdleMeasure(args) => runtime.block_on(idle::measure(args)),
    }
}
