//! `punctual completions`: what a shell needs to complete the commands.

use std::io::Write;

use clap_complete::Shell;

use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "punctual", &mut script);
    output::print(|out| Ok(out.write_all(&script)?))
}
