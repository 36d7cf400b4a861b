//! The commands that ask a running server, one file for each group.

mod history;
mod skipped;
mod why;

use clap::Subcommand;

use crate::client::{Options, Remote, run};

/// A group of commands with what all of them understand.
#[derive(Debug, clap::Args)]
pub(crate) struct Group<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    options: Options,
}

/// A command without commands of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct Single<A: clap::Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    options: Options,
}

/// Asks of a running server.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs: what ran, when, where, and how it ended.
    History(Group<history::Command>),
    /// Ranges of instants that were not run, with the reason.
    Skipped(Group<skipped::Command>),
    /// Say what became of one instant of a trigger.
    Why(Single<why::Args>),
}

impl Command {
    fn parts(&self) -> (&dyn Remote, &Options) {
        match self {
            Self::History(group) => (&group.command, &group.options),
            Self::Skipped(group) => (&group.command, &group.options),
            Self::Why(single) => (&single.args, &single.options),
        }
    }
}

/// Runs a command; whether the answer is yes.
pub(crate) fn execute(command: &Command) -> anyhow::Result<bool> {
    let (command, options) = command.parts();
    run(command, options)
}

#[cfg(test)]
mod tests;
