//! `punctual admin`: what the owner of the machine does to the database itself.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use punctual_accounts::{Accounts, AccountsError, Settings};
use punctual_engine::SystemClock;
use punctual_sqlite::SqliteStore;

use super::serve::place;
use crate::config::Config;
use crate::database::Place;
use crate::output::say;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Give a user who has lost their password a random one, which they have to change; a disabled user is let in again.
    ResetPassword(Args),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The user's name.
    user: String,
    /// The configuration file of the server.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// Where the server keeps everything.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::ResetPassword(args) = command;
    let mut config = Config::load(args.config.as_deref())?;
    if let Some(directory) = &args.data_dir {
        config.server.data_dir.clone_from(directory);
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(reset(&config, &args.user))
}

async fn reset(config: &Config, user: &str) -> anyhow::Result<()> {
    let place = place(config)?;
    let opened = place.open().await;
    // Nodes may go on using a database server.
    let in_use = matches!(&place, Place::Sqlite(path, _) if matches!(SqliteStore::is_in_use(path), Ok(true)));
    let store = if in_use {
        opened.context(
            "with a database in a file, stop the server first; a signed-in superuser can reset passwords while it runs",
        )?
    } else {
        opened?
    };
    let accounts = Accounts::new(Arc::clone(&store), Arc::new(SystemClock::new()), Settings::default())?;
    let recovered = accounts.recover(user).await;
    super::plan::close(&*store).await;
    match recovered {
        Ok(password) => {
            say!("{user} signs in with the one-time password {password}").map_err(|error| {
                // Even a reader that left has not seen it.
                anyhow!("the password of {user} has changed and cannot be shown ({error:#}): run this again")
            })
        }
        Err(AccountsError::Wrong) => bail!("there is no user {user:?}"),
        Err(error) => Err(error.into()),
    }
}
