//! What stored triggers cost while none is due.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use punctual_core::schedule::{CronSchedule, Schedule};
use punctual_core::{Clock, JobDetail, Trigger};
use punctual_engine::SystemClock;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::world::{Place, Tally, job_key, key, node, put_job, put_triggers};
use super::{StoreArgs, Sync};
use crate::output::{self, note, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// How many cron triggers are stored.
    #[arg(long, default_value_t = 1_000)]
    triggers: usize,
    /// How long to watch.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MeasureArgs {
    #[arg(long)]
    database: String,
    #[arg(long, value_enum, default_value = "full")]
    synchronous: Sync,
    #[arg(long)]
    seconds: u64,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.seconds > 0, "--seconds is 0: give at least 1");
    let place = Place::of(&args.store)?;
    note!(
        "storing {} triggers, then watching a node for {} s",
        args.triggers,
        args.seconds + SETTLE.as_secs()
    );
    let opened = place.open().await?;
    let now = SystemClock::new().now();
    put_job(&opened.store(), now, JobDetail::new(job_key("idle"), "bench")).await?;
    // Spread over the last hours of the year 2098, so that none is due while this is measured.
    let triggers = (0..args.triggers)
        .map(|n| {
            let text = format!("{} {} {} ? 12 1#{} 2098", n % 60, n / 60 % 60, n / 3_600 % 24, n % 4 + 1);
            let cron = CronSchedule::parse(&text, "Europe/Berlin")?;
            Ok(Trigger::new(key(format!("idle-{n}")), job_key("idle"), Schedule::Cron(cron)))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    put_triggers(&opened.store(), now, triggers.into_iter()).await?;
    drop(opened);
    let url = place.url()?;
    let output = tokio::task::block_in_place(|| {
        std::process::Command::new(std::env::current_exe()?)
            .args(["bench", "idle-measure", "--database"])
            .arg(&url)
            .args(["--seconds", &args.seconds.to_string()])
            .args([
                "--synchronous",
                if matches!(args.store.synchronous, Sync::Full) { "full" } else { "normal" },
            ])
            .output()
    })
    .context("cannot start the measured process")?;
    if !output.status.success() {
        bail!("the measured process failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    if args.store.json {
        return output::print(|out| Ok(out.write_all(text.as_bytes())?));
    }
    let figures: serde_json::Value = serde_json::from_str(&text)?;
    let calls = match figures["calls_per_s"].as_f64() {
        Some(calls) => format!(" in the whole database, {calls} transactions/s of the node"),
        None => String::new(),
    };
    say!(
        "{} cron triggers: ready in {} ms, {} MiB resident, {} commits/s{calls}",
        args.triggers,
        figures["ready_ms"],
        figures["rss_mib"],
        figures["commits_per_s"]
    )
}

/// What belongs to the start is over then, and counted: a server's sessions report what they did when they next do
/// something after a second.
const SETTLE: Duration = Duration::from_secs(8);

pub(crate) async fn measure(args: &MeasureArgs) -> anyhow::Result<()> {
    let store =
        StoreArgs { database: Some(args.database.clone()), synchronous: args.synchronous, json: true };
    let place = Place::of(&store)?;
    let clock = SystemClock::new();
    let begun = clock.monotonic();
    let opened = place.open_again().await?;
    let tally = Tally::new(0, false);
    let scheduler = node(&opened, "bench-1".to_owned(), 10, &tally, &CancellationToken::new())?;
    scheduler.start().await?;
    let ready = clock.monotonic() - begun;
    clock.sleep_for(SETTLE).await;
    let before = opened.totals().await?;
    clock.sleep_for(Duration::from_secs(args.seconds)).await;
    let after = opened.totals().await?;
    let a_second = |count: u64| (count as f64 / args.seconds as f64 * 1_000.0).round() / 1_000.0;
    ensure!(tally.total() == 0, "a trigger that was not due has run: no figure");
    let figures = json!({
        "ready_ms": (ready.as_secs_f64() * 10_000.0).round() / 10.0,
        "rss_mib": resident_mib()?,
        "commits_per_s": a_second(after.commits - before.commits),
        // The call that asked at first is no part of what is measured.
        "calls_per_s": after.calls.zip(before.calls).map(|(after, before)| a_second(after - before - 1)),
    });
    let said = say!("{figures}");
    scheduler.shutdown(Duration::from_secs(1)).await;
    said
}

fn resident_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read this process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| anyhow!("/proc/self/status has no VmRSS line"))?;
    Ok((kib / 102.4).round() / 10.0)
}
