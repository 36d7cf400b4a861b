//! The commands that ask a running server, one file for each group.

mod audit_log;
mod backfill;
mod calendars;
mod cluster;
mod events;
mod groups;
mod history;
mod insights;
mod jobs;
mod occurrences;
mod session;
mod sessions;
mod skipped;
mod tokens;
mod triggers;
mod users;
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
    /// Jobs: what can run.
    Jobs(Group<jobs::Command>),
    /// Triggers: when jobs run.
    Triggers(Group<triggers::Command>),
    /// Calendars: when triggers that use them do not fire.
    Calendars(Group<calendars::Command>),
    /// Runs: what ran, when, where, and how it ended.
    History(Group<history::Command>),
    /// Ranges of instants that were not run, with the reason.
    Skipped(Group<skipped::Command>),
    /// List what ran, what was skipped and what is coming, by time.
    Occurrences(Single<occurrences::Args>),
    /// Say how runs went, in numbers: by task, job and period.
    Insights(Single<insights::Args>),
    /// Say what became of one instant of a trigger.
    Why(Single<why::Args>),
    /// Run past instants of a trigger again.
    Backfill(Single<backfill::Args>),
    /// What happens on all nodes.
    Events(Group<events::Command>),
    /// The nodes of the cluster.
    Nodes(Group<cluster::Nodes>),
    /// The locks of the cluster.
    Locks(Group<cluster::Locks>),
    /// How a node is set up.
    Settings(Group<cluster::Settings>),
    /// Users.
    Users(Group<users::Command>),
    /// Groups of users, and what they may do.
    Groups(Group<groups::Command>),
    /// Tokens, with which programs sign in.
    Tokens(Group<tokens::Command>),
    /// Your sessions: where you are signed in.
    Sessions(Group<sessions::Command>),
    /// Who changed what.
    AuditLog(Group<audit_log::Command>),
    /// Sign in, and keep the session for the commands that follow.
    Login(Single<session::Login>),
    /// End the session.
    Logout(Single<session::Logout>),
    /// Say as whom the server takes you, and what you may do.
    #[command(name = "whoami")]
    WhoAmI(Single<session::WhoAmI>),
    /// Change your password.
    Password(Single<session::Password>),
}

impl Command {
    fn parts(&self) -> (&dyn Remote, &Options) {
        match self {
            Self::Jobs(group) => (&group.command, &group.options),
            Self::Triggers(group) => (&group.command, &group.options),
            Self::Calendars(group) => (&group.command, &group.options),
            Self::History(group) => (&group.command, &group.options),
            Self::Skipped(group) => (&group.command, &group.options),
            Self::Occurrences(single) => (&single.args, &single.options),
            Self::Insights(single) => (&single.args, &single.options),
            Self::Why(single) => (&single.args, &single.options),
            Self::Backfill(single) => (&single.args, &single.options),
            Self::Events(group) => (&group.command, &group.options),
            Self::Nodes(group) => (&group.command, &group.options),
            Self::Locks(group) => (&group.command, &group.options),
            Self::Settings(group) => (&group.command, &group.options),
            Self::Users(group) => (&group.command, &group.options),
            Self::Groups(group) => (&group.command, &group.options),
            Self::Tokens(group) => (&group.command, &group.options),
            Self::Sessions(group) => (&group.command, &group.options),
            Self::AuditLog(group) => (&group.command, &group.options),
            Self::Login(single) => (&single.args, &single.options),
            Self::Logout(single) => (&single.args, &single.options),
            Self::WhoAmI(single) => (&single.args, &single.options),
            Self::Password(single) => (&single.args, &single.options),
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
