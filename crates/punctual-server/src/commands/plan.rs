//! `punctual plan` and `punctual apply`: what a file would change in a database, and changing it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use punctual_core::{Clock, JobQuery, JobStore, StoreError, Timestamp, TriggerQuery};
use punctual_engine::{Entry, SystemClock};

use crate::config::Config;
use crate::database::Place;
use crate::output;
use crate::plan::{self, FileContents, Plan, Stored};

/// What both commands take.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file.
    file: PathBuf,
    /// The database, instead of the one that the file names: sqlite://PATH or postgresql://USER:PASSWORD@HOST/DATABASE.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Also delete jobs, and calendars that nothing uses, which were not made from a file.
    #[arg(long)]
    prune: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    common: Args,
    /// End with exit code 1 when there is a difference.
    #[arg(long)]
    exit_code: bool,
}

/// Shows the difference; false asks for exit code 1.
pub(crate) fn run_plan(args: &PlanArgs) -> anyhow::Result<bool> {
    let (config, entries, place) = args.common.read()?;
    let plan = runtime()?.block_on(async {
        let store = existing(&place).await?;
        let (stored, now) = match &store {
            Some(store) => look(&**store).await?,
            None => (Stored::default(), SystemClock::new().now()),
        };
        anyhow::Ok(args.common.plan(&config, &entries, &stored, now))
    })?;
    output::print_as_far_as_read(|out| args.common.print(&plan, out))?;
    refuse_problems(&plan)?;
    Ok(!(args.exit_code && plan.differs()))
}

/// Makes the database as the file says.
pub(crate) fn run_apply(args: &Args) -> anyhow::Result<()> {
    let (config, entries, place) = args.read()?;
    let plan = runtime()?.block_on(async {
        let store = open(&place, "apply").await?;
        let (stored, now) = look(&*store).await?;
        let plan = args.plan(&config, &entries, &stored, now);
        if plan.problems.is_empty() {
            let refused = |error| anyhow!("nothing was applied: {error}");
            store.apply(now, &plan.changes).await.map_err(refused)?;
        }
        close(&*store).await;
        anyhow::Ok(plan)
    })?;
    if plan.problems.is_empty() {
        output::print_of_done("the file was applied", |out| args.print(&plan, out));
        return Ok(());
    }
    output::print_as_far_as_read(|out| args.print(&plan, out))?;
    refuse_problems(&plan)
}

impl Args {
    fn read(&self) -> anyhow::Result<(Config, Vec<Entry>, Place)> {
        let (config, entries) = Config::load_with_entries(Some(&self.file))?;
        let place = match &self.database {
            Some(url) => Place::of(url, config.database.options())?,
            None => Place::configured(&config)?,
        };
        Ok((config, entries, place))
    }

    fn plan(&self, config: &Config, entries: &[Entry], stored: &Stored, now: Timestamp) -> Plan {
        let declared = FileContents { calendars: config.calendars(), entries };
        plan::plan(declared, stored, self.prune, now)
    }

    fn print(&self, plan: &Plan, out: &mut impl Write) -> anyhow::Result<()> {
        if self.json {
            writeln!(out, "{}", serde_json::to_string(plan)?)?;
        } else {
            plan::show(plan, out)?;
        }
        Ok(())
    }
}

fn refuse_problems(plan: &Plan) -> anyhow::Result<()> {
    if plan.problems.is_empty() {
        return Ok(());
    }
    bail!(
        "the file cannot be applied, and nothing was changed: see the {} problem(s) above",
        plan.problems.len()
    )
}

pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // The stores' edits run on threads that may block.
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// The database for reading beside whoever uses it; `None` where nothing has been made yet.
pub(crate) async fn existing(place: &Place) -> anyhow::Result<Option<Arc<dyn JobStore>>> {
    if place.is_made().await? {
        return place.open_read_only().await.map(Some);
    }
    output::note!("note: there is no database of a scheduler there yet: everything is new");
    Ok(None)
}

/// The database for writing.
pub(crate) async fn open(place: &Place, command: &str) -> anyhow::Result<Arc<dyn JobStore>> {
    if let Place::Sqlite(path, _) = place {
        match punctual_sqlite::SqliteStore::is_in_use(path) {
            Ok(false) => {}
            Ok(true) => bail!(
                "the database {} is in use by a running server, and an SQLite database has one writer: stop the server, \
                 run punctual {command} again, and start it; or restart the server with the file (--config), which applies it \
                 at its start; or edit through the server's API",
                path.display()
            ),
            Err(error) => return Err(anyhow!("cannot open the database: {error}")),
        }
        if let Some(directory) = path.parent().filter(|directory| *directory != Path::new("")) {
            super::serve::make_private(directory)?;
        }
    }
    place.open().await
}

/// Closes a database after writing. What was stored is, whether or not that succeeds.
pub(crate) async fn close(store: &dyn JobStore) {
    if let Err(error) = store.close().await {
        output::note!(
            "note: the database was not closed as it should be: {error}; copy it with its -wal file"
        );
    }
}

/// Everything that is stored, and the time by the store's clock.
pub(crate) async fn look(store: &dyn JobStore) -> anyhow::Result<(Stored, Timestamp)> {
    let failed = |error: StoreError| anyhow!("cannot read the database: {error}");
    let jobs = store.jobs(&JobQuery::default()).await.map_err(failed)?.rows;
    let mut triggers = store.triggers(&TriggerQuery::default()).await.map_err(failed)?.rows;
    triggers.retain(|trigger| trigger.pending.is_none());
    let calendars = store.calendars().await.map_err(failed)?;
    let now = store.store_now().await.map_err(failed)?;
    Ok((Stored { jobs, triggers, calendars }, now.unwrap_or_else(|| SystemClock::new().now())))
}
