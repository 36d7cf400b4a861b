//! `punctual import`: what other schedulers hold, in Punctual's terms.

mod crontab;

use clap::Subcommand;
use punctual_import::Finding;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read a crontab: show what it would become, write it as a configuration file, or store it.
    Crontab(crontab::Args),
}

/// Imports; false asks for exit code 1, because something is not carried over.
pub(crate) fn run(command: &Command) -> anyhow::Result<bool> {
    match command {
        Command::Crontab(args) => crontab::run(args),
    }
}

/// Lists what is not carried over as it is; whether everything is there.
fn report(findings: &[Finding]) -> bool {
    for finding in findings {
        eprintln!("{finding}");
    }
    findings.iter().all(|finding| !finding.lost)
}
