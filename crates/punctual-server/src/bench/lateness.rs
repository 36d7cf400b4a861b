//! How late runs start at a steady rate.

use std::time::Duration;

use anyhow::ensure;
use punctual_core::schedule::{Repeat, Schedule, SimpleSchedule};
use punctual_core::time::plus_millis;
use punctual_core::{Clock, JobDetail, Trigger};
use punctual_engine::SystemClock;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::StoreArgs;
use super::world::{Place, Tally, data, job_key, key, node, put_job, put_triggers, wait_until};
use crate::output::{note, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// Fires a second, spread evenly over each second.
    #[arg(long, default_value_t = 200)]
    rate: usize,
    /// For how many seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Execution slots.
    #[arg(long, default_value_t = 1_000)]
    slots: usize,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    ensure!((1..=100_000).contains(&args.rate), "--rate is {}: give 1 to 100000", args.rate);
    ensure!((1..=255).contains(&args.seconds), "--seconds is {}: give 1 to 255", args.seconds);
    let place = Place::of(&args.store)?;
    let lead_ms = 3_000 + i64::try_from(args.rate)? / 20;
    note!(
        "storing {} triggers, then firing {} a second for {} s: {} s in all",
        args.rate,
        args.rate,
        args.seconds,
        i64::from(args.seconds) + lead_ms / 1_000
    );
    let opened = place.open().await?;
    let clock = SystemClock::new();
    let now = clock.now();
    put_job(&opened.store(), now, JobDetail::new(job_key("lateness"), "bench")).await?;
    let each_second =
        Schedule::Simple(SimpleSchedule::new(Duration::from_secs(1), Repeat::Times(args.seconds - 1))?);
    // Far enough ahead that everything is stored and the node is ready when the first one is due.
    let begin = plus_millis(now, lead_ms);
    let triggers = (0..args.rate).map(|n| {
        let offset = (n as i64 * 1_000) / args.rate as i64;
        Trigger::new(key(format!("late-{n}")), job_key("lateness"), each_second.clone())
            .start(plus_millis(begin, offset))
            .data(data(n))
    });
    put_triggers(&opened.store(), now, triggers).await?;
    ensure!(
        clock.now() < begin,
        "this machine needs longer to store {} triggers: give a lower rate",
        args.rate
    );
    let tally = Tally::new(args.rate, true);
    let scheduler = node(&opened, "bench-1".to_owned(), args.slots, &tally, &CancellationToken::new())?;
    scheduler.start().await?;
    let wanted = args.rate as u64 * u64::from(args.seconds);
    wait_until(&clock, || {
        let ended = scheduler.status().executed;
        (ended >= wanted, ended)
    })
    .await?;
    tally.verify(u8::try_from(args.seconds)?)?;
    scheduler.shutdown(Duration::from_secs(5)).await;
    report(args, &tally.sorted_lateness())
}

fn report(args: &Args, sorted: &[u32]) -> anyhow::Result<()> {
    let at = |share: f64| {
        let place = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
        f64::from(sorted[place - 1]) / 1_000.0
    };
    let (p50, p95, p99, max) = (at(0.5), at(0.95), at(0.99), at(1.0));
    if args.store.json {
        say!(
            "{}",
            json!({ "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": max, "executed": sorted.len() })
        )
    } else {
        say!(
            "late by p50 {p50:.2} ms, p95 {p95:.2} ms, p99 {p99:.2} ms, max {max:.2} ms ({} fires)",
            sorted.len()
        )
    }
}
