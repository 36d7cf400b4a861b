//! `punctual import`: what other schedulers hold, in Punctual's terms.

mod crontab;
mod quartz;

use anyhow::bail;
use clap::Subcommand;
use punctual_core::schedule::TimeZone;
use punctual_import::Finding;

use crate::output::note;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read a crontab: show what it would become, write it as a configuration file, or store it.
    Crontab(crontab::Args),
    /// Read the tables of Quartz in PostgreSQL: show what they would become, or store it.
    Quartz(quartz::Args),
}

/// Imports; false asks for exit code 1, because something is not carried over.
pub(crate) fn run(command: &Command) -> anyhow::Result<bool> {
    match command {
        Command::Crontab(args) => crontab::run(args),
        Command::Quartz(args) => quartz::run(args),
    }
}

/// Lists what is not carried over as it is; whether everything is there.
fn report(findings: &[Finding]) -> bool {
    for finding in findings {
        note!("{finding}");
    }
    findings.iter().all(|finding| !finding.lost)
}

/// The zone of this machine, for what says none.
fn machine_zone() -> anyhow::Result<String> {
    let zone = TimeZone::system();
    match zone.iana_name() {
        Some(name) => Ok(name.to_owned()),
        None => {
            bail!("cannot tell the time zone of this machine: name the one of the other scheduler (--tz)")
        }
    }
}
