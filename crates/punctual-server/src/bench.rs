//! `punctual bench`: what this machine can do. Every figure is printed only after each trigger was seen to have run
//! exactly once.

mod drain;
mod failover;
mod held;
mod history;
mod idle;
mod lateness;
mod plain;
mod world;

use anyhow::anyhow;
use clap::Subcommand;

use self::held::{BESIDE, Held, Needs, PLAIN};
use crate::commands::serve::Signals;

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
    /// sqlite://PATH, postgresql://... or memory://; a temporary SQLite file unless given. On a server, the measurement makes
    /// the schema `punctual_bench` and drops it in the end; it slows down nodes that work on the same server meanwhile.
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

impl Command {
    /// What it needs on a server.
    fn needs(&self) -> anyhow::Result<Option<Needs>> {
        let all: &[&str] = &["", PLAIN, BESIDE];
        match self {
            Self::Drain(args) => Needs::of(args.store.database.as_deref(), all),
            Self::Lateness(args) => Needs::of(args.store.database.as_deref(), &[""]),
            Self::Idle(args) => Needs::of(args.store.database.as_deref(), &[""]),
            Self::Failover(args) => Needs::of(args.database.as_deref(), &[""]),
            Self::History(args) => {
                let needs = Needs::of(args.store.database.as_deref(), &[""])?;
                Ok(needs.map(|needs| Needs { keeps: args.keep || args.filled, ..needs }))
            }
            // A part of one that has it.
            Self::FailoverVictim(_) | Self::IdleMeasure(_) => Ok(None),
        }
    }

    async fn measure(&self) -> anyhow::Result<()> {
        match self {
            Self::Drain(args) => drain::run(args).await,
            Self::Lateness(args) => lateness::run(args).await,
            Self::History(args) => history::run(args).await,
            Self::Idle(args) => idle::run(args).await,
            Self::Failover(args) => failover::run(args).await,
            Self::FailoverVictim(args) => failover::victim(args).await,
            Self::IdleMeasure(args) => idle::measure(args).await,
        }
    }
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command.needs()? {
            Some(needs) => measure_on_server(command, &needs).await,
            None => command.measure().await,
        }
    })
}

/// Measures in schemas that are gone in the end, also when the measurement fails or is interrupted.
async fn measure_on_server(command: &Command, needs: &Needs) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let held = Held::take(needs).await?;
    let measured = tokio::select! {
        measured = command.measure() => measured,
        signal = signals.next() => Err(anyhow!("interrupted by {signal}: no figure")),
    };
    let released = held.release().await;
    measured.and(released)
}
