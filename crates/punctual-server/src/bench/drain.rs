//! How many one-shot triggers that are all due run in a second.

use anyhow::ensure;
use punctual_core::{Clock, HistoryQuery, JobDetail, Paging, TaskStatus, Timestamp, Trigger};
use punctual_engine::SystemClock;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::StoreArgs;
use super::world::{Opened, Place, Tally, data, job_key, key, node, put_job, put_triggers, wait_until};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArgs,
    /// How many triggers are due.
    #[arg(long, default_value_t = 100_000)]
    n: usize,
    /// How many more are stored and not due.
    #[arg(long, default_value_t = 0)]
    stored: usize,
    /// How many more are due and wait for one busy non-concurrent job.
    #[arg(long, default_value_t = 0)]
    blocked: usize,
    /// Execution slots of each node.
    #[arg(long, default_value_t = 1_000)]
    slots: usize,
    /// How many nodes share the work.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.n > 0 && args.nodes > 0, "--n and --nodes must be at least 1");
    let place = Place::of(&args.store)?;
    let opened = place.open().await?;
    let clock = SystemClock::new();
    prepare(args, &opened, clock.now()).await?;
    let tally = Tally::new(args.n, false);
    let busy = CancellationToken::new();
    let nodes = (1..=args.nodes)
        .map(|number| node(&opened, format!("bench-{number}"), args.slots, &tally, &busy))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for node in &nodes {
        node.init().await?;
    }
    let before = opened.totals().await?;
    let started = clock.monotonic();
    for node in &nodes {
        node.start().await?;
    }
    let wanted = args.n as u64;
    wait_until(&clock, || {
        let ended: u64 = nodes.iter().map(|node| node.status().executed).sum();
        (ended >= wanted, ended)
    })
    .await?;
    let seconds = (clock.monotonic() - started).as_secs_f64();
    let totals = opened.totals().await?;
    let commits = totals.commits - before.commits;
    let wal_per_fire = (totals.wal_bytes - before.wal_bytes) / wanted;
    tally.verify(1)?;
    let query = HistoryQuery {
        job: Some(job_key("drain")),
        status: Some(TaskStatus::Success),
        paging: Paging::first(1),
        ..HistoryQuery::default()
    };
    let rows = opened.store().history(&query).await?.total;
    ensure!(rows == wanted, "{rows} rows of success in the history instead of {wanted}: no figure");
    busy.cancel();
    for node in nodes {
        node.standby();
    }
    let rate = wanted as f64 / seconds;
    let executed = tally.total();
    if args.store.json {
        println!(
            "{}",
            json!({
                "fires_per_s": rate.round(), "executed": executed, "seconds": seconds, "commits": commits,
                "wal_bytes_per_fire": wal_per_fire,
            })
        );
    } else {
        let wal =
            if wal_per_fire > 0 { format!(", {wal_per_fire} bytes of WAL a fire") } else { String::new() };
        println!(
            "{rate:.0} fires/s: {executed} fires in {seconds:.3} s and {commits} commits{wal}, each exactly once"
        );
    }
    Ok(())
}

async fn prepare(args: &Args, opened: &Opened, now: Timestamp) -> anyhow::Result<()> {
    let store = &opened.store();
    let far: Timestamp = "2099-01-01T00:00:00Z".parse()?;
    put_job(store, now, JobDetail::new(job_key("drain"), "bench")).await?;
    let idle = (0..args.stored).map(|n| Trigger::once(key(format!("idle-{n}")), job_key("drain"), far));
    put_triggers(store, now, idle).await?;
    if args.blocked > 0 {
        put_job(store, now, JobDetail::new(job_key("busy"), "bench-busy").non_concurrent()).await?;
        // Earlier than the others, so that the first of them holds the job from the first claim on.
        let first = punctual_core::time::plus_millis(now, -1_000);
        let blocked =
            (0..=args.blocked).map(|n| Trigger::once(key(format!("blocked-{n}")), job_key("busy"), first));
        put_triggers(store, now, blocked).await?;
    }
    let due =
        (0..args.n).map(|n| Trigger::once(key(format!("due-{n}")), job_key("drain"), now).data(data(n)));
    put_triggers(store, now, due).await
}
