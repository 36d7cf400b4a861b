//! `punctual completions`: what a shell needs to complete the commands.

use std::io::Write;

use clap_complete::Shell;

use crate::client::outcome;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<bool> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "punctual", &mut script);
    let written = std::io::stdout().lock().write_all(&script);
    outcome(written.map(|()| true).map_err(Into::into))
}
