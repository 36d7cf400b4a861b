//! x
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Drain,
}
pub(crate) fn run(_: &Command) -> anyhow::Result<()> {
    Ok(())
}
