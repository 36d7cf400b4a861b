//! How long the work of a killed node waits for another.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use punctual_core::{Clock, HistoryQuery, JobDetail, JobStore, Paging, Schedule, TaskStatus, Trigger};
use punctual_engine::{Job, JobContext, JobResult, Scheduler, Settings, SystemClock};
use punctual_postgres::PostgresStore;
use punctual_throwaway::Postgres;
use serde_json::json;
use tokio::process::{Child, Command};

use super::world::{job_key, key, postgres_options, put_job, put_triggers, wait_until};
use crate::commands::serve::end_of_input;
use crate::database;
use crate::output::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// postgresql://... (measuring slows down nodes at work there); a throwaway server from the programs on this machine unless
    /// given.
    #[arg(long)]
    pub(super) database: Option<String>,
    /// How many nodes are killed, one after the other, at different times after their heartbeats.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// How many runs each has under way.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    runs: u16,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VictimArgs {
    #[arg(long)]
    database: String,
    #[arg(long)]
    runs: u16,
}

/// A job that lasts in the node that is killed. In the other it counts its second attempts.
struct Unlucky {
    lasts: bool,
    again: Arc<AtomicUsize>,
}

impl Job for Unlucky {
    const KIND: &'static str = "bench-failover";
    type Data = serde_json::Value;

    async fn run(&self, ctx: JobContext<serde_json::Value>) -> JobResult {
        if self.lasts {
            ctx.cancelled().cancelled().await;
        } else if ctx.attempt() == 2 {
            self.again.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn node(store: Arc<dyn JobStore>, name: &str, runs: u16, job: Unlucky) -> anyhow::Result<Scheduler> {
    let settings = Settings { slots: usize::from(runs), ..Settings::clustered() };
    let builder = Scheduler::builder(store).disabled(false).without_log().settings(settings);
    Ok(builder.node_name(name).job(job).build()?)
}

/// The node that is killed. It also ends when the measuring process does.
pub(crate) async fn victim(args: &VictimArgs) -> anyhow::Result<()> {
    let store = Arc::new(PostgresStore::open(&args.database, postgres_options()).await?);
    let job = Unlucky { lasts: true, again: Arc::default() };
    let scheduler = node(store, "victim", args.runs, job)?;
    scheduler.start().await?;
    end_of_input()?.cancelled().await;
    Ok(())
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let mut server = None;
    let url = match &args.database {
        Some(url) => match database::Place::of(url, punctual_sqlite::Options::default())? {
            database::Place::Postgres(url, _) => url,
            database::Place::Sqlite(..) => {
                bail!("--database {url:?}: only nodes that share a PostgreSQL take over from each other")
            }
        },
        None => {
            let postgres =
                tokio::task::block_in_place(|| Postgres::start(punctual_throwaway::Options::default()))?;
            server.insert(postgres).url()
        }
    };
    PostgresStore::drop_schema(&url, &postgres_options().schema).await?;
    let store: Arc<dyn JobStore> = Arc::new(PostgresStore::open(&url, postgres_options()).await?);
    let clock = SystemClock::new();
    let job = JobDetail::new(job_key("failover"), Unlucky::KIND).requests_recovery();
    put_job(&store, clock.now(), job).await?;
    let mut times = Vec::new();
    for number in 0..args.rounds {
        times.push(round(args, &url, &store, &clock, number).await?);
    }
    check(args, &store).await?;
    drop(store);
    tokio::task::block_in_place(|| drop(server));
    times.sort_unstable();
    report(args, &times)?;
    Ok(())
}

/// Kills a node at work; the time until the last of its runs has begun again.
async fn round(
    args: &Args,
    url: &str,
    store: &Arc<dyn JobStore>,
    clock: &SystemClock,
    number: u32,
) -> anyhow::Result<Duration> {
    let now = clock.now();
    let triggers = (0..args.runs).map(|n| {
        Trigger::new(key(format!("failover-{number}-{n}")), job_key("failover"), Schedule::Once).start(now)
    });
    put_triggers(store, now, triggers).await?;
    let mut victim = start_victim(args, url)?;
    wait_for_open_runs(args, store, clock, &mut victim).await?;
    let again = Arc::new(AtomicUsize::new(0));
    let job = Unlucky { lasts: false, again: Arc::clone(&again) };
    let other = node(Arc::clone(store), "other", args.runs, job)?;
    other.start().await?;
    // How long it takes depends on how much of the lease is left.
    let phase = Duration::from_millis(Settings::clustered().heartbeat_ms) * number / args.rounds;
    clock.sleep_for(phase).await;
    let killed = clock.monotonic();
    victim.kill().await.context("cannot kill the node")?;
    wait_until(clock, || {
        let done = again.load(Ordering::SeqCst);
        (done >= usize::from(args.runs), done as u64)
    })
    .await?;
    let time = clock.monotonic() - killed;
    other.shutdown(Duration::from_secs(5)).await;
    Ok(time)
}

fn start_victim(args: &Args, url: &str) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find this program")?;
    Command::new(program)
        .args(["bench", "failover-victim", "--database", url, "--runs", &args.runs.to_string()])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the node that is to be killed")
}

/// Waits until the node that is to be killed has begun all runs.
async fn wait_for_open_runs(
    args: &Args,
    store: &Arc<dyn JobStore>,
    clock: &SystemClock,
    victim: &mut Child,
) -> anyhow::Result<()> {
    let paging = Paging::first(1);
    let query = HistoryQuery { status: Some(TaskStatus::Started), paging, ..HistoryQuery::default() };
    let given_up = clock.monotonic() + Duration::from_secs(60);
    while store.history(&query).await?.total < u64::from(args.runs) {
        if let Some(status) = victim.try_wait()? {
            bail!("the node that was to be killed ended by itself: {status}");
        }
        ensure!(clock.monotonic() < given_up, "the node that is to be killed did not begin its runs in 60 s");
        clock.sleep_for(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Every run was lost once and succeeded once.
async fn check(args: &Args, store: &Arc<dyn JobStore>) -> anyhow::Result<()> {
    let wanted = u64::from(args.rounds) * u64::from(args.runs);
    for status in [TaskStatus::Unknown, TaskStatus::Success] {
        let paging = Paging::first(1);
        let query = HistoryQuery { status: Some(status), paging, ..HistoryQuery::default() };
        let rows = store.history(&query).await?.total;
        ensure!(rows == wanted, "{rows} rows are {status:?} instead of {wanted}: no figure");
    }
    Ok(())
}

fn report(args: &Args, sorted: &[Duration]) -> anyhow::Result<()> {
    let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let at = |place: usize| sorted.get(place).map_or(0, millis);
    let (least, p50, most) = (at(0), at(sorted.len() / 2), at(sorted.len() - 1));
    let Settings { heartbeat_ms, lease_ms, .. } = Settings::clustered();
    if args.json {
        say!(
            "{}",
            json!({ "min_ms": least, "p50_ms": p50, "max_ms": most, "rounds": sorted.len(), "runs": args.runs,
                    "heartbeat_ms": heartbeat_ms, "lease_ms": lease_ms })
        )
    } else {
        say!(
            "from the death of a node until its {} runs had begun again on another: {least} to {most} ms, p50 {p50} ms \
             ({} nodes killed; heartbeat {heartbeat_ms} ms, lease {lease_ms} ms)",
            args.runs,
            sorted.len()
        )
    }
}
