//! How many one-shot triggers that are all due run in a second, and how that compares with more nodes and beside many
//! triggers that are not due.

use std::fmt;

use anyhow::ensure;
use punctual_core::{Clock, HistoryQuery, JobDetail, Paging, TaskStatus, Timestamp, Trigger};
use punctual_engine::SystemClock;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::StoreArgs;
use super::held::{BESIDE, PLAIN};
use super::plain::Plain;
use super::world::{Opened, Place, STOP, Tally, data, job_key, key, node, put_job, put_triggers, wait_until};
use crate::output::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) store: StoreArgs,
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
    /// How many nodes share the work; several numbers, with commas between, are compared.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    nodes: Vec<usize>,
    /// How often each is measured, in turn; with more than one, what `--stored` adds is compared with nothing stored.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Also measure a plain loop of SQL statements, over one connection and over two, and compare with that (PostgreSQL).
    #[arg(long)]
    plain: bool,
}

impl Args {
    /// How many triggers that are not due each of the worlds has.
    fn worlds(&self) -> Vec<usize> {
        if self.rounds > 1 && self.stored > 0 { vec![0, self.stored] } else { vec![self.stored] }
    }

    fn compares(&self) -> bool {
        self.rounds > 1 || self.nodes.len() > 1 || self.plain
    }
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.n > 0 && args.rounds > 0, "--n and --rounds must be at least 1");
    ensure!(args.nodes.iter().all(|nodes| *nodes > 0), "--nodes must be at least 1");
    ensure!(
        args.blocked == 0 || !args.compares(),
        "--blocked is measured alone: give one --nodes and one round"
    );
    let mut plain = match args.plain {
        true => Some(Plain::open(Place::of(&args.store)?.named(PLAIN)).await?),
        false => None,
    };
    let mut worlds = Vec::new();
    for stored in args.worlds() {
        let name = if worlds.is_empty() { "" } else { BESIDE };
        worlds.push(World::open(args, Place::of(&args.store)?.named(name), stored).await?);
    }
    let mut series: Vec<Series> = Vec::new();
    for _ in 0..args.rounds {
        for connections in [1, 2] {
            let Some(plain) = &mut plain else { continue };
            let drained = plain.drain(args.n, connections).await?;
            note(args, &mut series, Measured::Plain { connections }, drained)?;
        }
        for world in &mut worlds {
            for nodes in &args.nodes {
                let drained = world.drain(args, *nodes).await?;
                note(args, &mut series, Measured::Nodes { nodes: *nodes, stored: world.stored }, drained)?;
            }
        }
    }
    report(args, &series)?;
    Ok(())
}

/// Adds a measurement to those of the same thing.
fn note(args: &Args, series: &mut Vec<Series>, measured: Measured, drained: Drained) -> anyhow::Result<()> {
    if args.compares() && !args.store.json {
        say!("{measured}: {}", drained.text())?;
    }
    match series.iter_mut().find(|one| one.measured == measured) {
        Some(one) => one.drained.push(drained),
        None => series.push(Series { measured, drained: vec![drained] }),
    }
    Ok(())
}

/// A store with triggers that are not due.
struct World {
    opened: Opened,
    _place: Place,
    clock: SystemClock,
    stored: usize,
    busy: CancellationToken,
    /// How many triggers were drained in it.
    drained: u64,
}

impl World {
    async fn open(args: &Args, place: Place, stored: usize) -> anyhow::Result<Self> {
        let opened = place.open().await?;
        let clock = SystemClock::new();
        let (store, now) = (opened.store(), clock.now());
        // As on a store that was idle: its empty tables were counted, which is when plans are at their worst.
        opened.settle().await?;
        let far: Timestamp = "2099-01-01T00:00:00Z".parse()?;
        put_job(&store, now, JobDetail::new(job_key("drain"), "bench")).await?;
        let idle = (0..stored).map(|n| Trigger::once(key(format!("idle-{n}")), job_key("drain"), far));
        put_triggers(&store, now, idle).await?;
        if args.blocked > 0 {
            put_job(&store, now, JobDetail::new(job_key("busy"), "bench-busy").non_concurrent()).await?;
            // Earlier than the others, so that the first of them holds the job from the first claim on.
            let first = punctual_core::time::plus_millis(now, -1_000);
            let blocked = (0..=args.blocked)
                .map(|n| Trigger::once(key(format!("blocked-{n}")), job_key("busy"), first));
            put_triggers(&store, now, blocked).await?;
        }
        let busy = CancellationToken::new();
        Ok(Self { opened, _place: place, clock, stored, busy, drained: 0 })
    }

    async fn drain(&mut self, args: &Args, nodes: usize) -> anyhow::Result<Drained> {
        let (wanted, drained) = (args.n as u64, self.drained);
        let now = self.clock.now();
        let due = |n| Trigger::once(key(format!("due-{}", drained + n as u64)), job_key("drain"), now);
        put_triggers(&self.opened.store(), now, (0..args.n).map(|n| due(n).data(data(n)))).await?;
        if args.compares() {
            // What filling leaves to do would otherwise be done by the server while one of them is measured.
            self.opened.settle().await?;
        }
        let tally = Tally::new(args.n, false);
        let nodes = (1..=nodes)
            .map(|number| node(&self.opened, format!("bench-{number}"), args.slots, &tally, &self.busy))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for node in &nodes {
            node.init().await?;
        }
        let before = self.opened.totals().await?;
        let started = self.clock.monotonic();
        for node in &nodes {
            node.start().await?;
        }
        wait_until(&self.clock, || {
            let ended: u64 = nodes.iter().map(|node| node.status().executed).sum();
            (ended >= wanted, ended)
        })
        .await?;
        let seconds = (self.clock.monotonic() - started).as_secs_f64();
        let totals = self.opened.totals().await?;
        tally.verify(1)?;
        self.drained += wanted;
        let query = HistoryQuery {
            job: Some(job_key("drain")),
            status: Some(TaskStatus::Success),
            paging: Paging::first(1),
            ..HistoryQuery::default()
        };
        let rows = self.opened.store().history(&query).await?.total;
        let all = self.drained;
        ensure!(rows == all, "{rows} rows of success in the history instead of {all}: no figure");
        if args.compares() {
            for node in nodes {
                node.shutdown(STOP).await;
            }
            while self.opened.store().arrange(10_000).await? > 0 {}
        } else {
            self.busy.cancel();
            nodes.iter().for_each(punctual_engine::Scheduler::standby);
        }
        Ok(Drained {
            rate: args.n as f64 / seconds,
            executed: tally.total(),
            seconds,
            commits: totals.commits - before.commits,
            wal_bytes_per_fire: (totals.wal_bytes - before.wal_bytes) / wanted,
        })
    }
}

/// A measurement.
pub(super) struct Drained {
    pub(super) rate: f64,
    pub(super) executed: u64,
    pub(super) seconds: f64,
    pub(super) commits: u64,
    pub(super) wal_bytes_per_fire: u64,
}

impl Drained {
    fn text(&self) -> String {
        let Self { rate, executed, seconds, commits, wal_bytes_per_fire: wal } = self;
        let wal = if *wal > 0 { format!(", {wal} bytes of WAL a fire") } else { String::new() };
        format!(
            "{rate:.0} fires/s: {executed} fires in {seconds:.3} s and {commits} commits{wal}, each exactly once"
        )
    }

    fn json(&self) -> Value {
        json!({
            "fires_per_s": self.rate.round(), "executed": self.executed, "seconds": self.seconds,
            "commits": self.commits, "wal_bytes_per_fire": self.wal_bytes_per_fire,
        })
    }
}

/// What was measured.
#[derive(Clone, Copy, PartialEq)]
enum Measured {
    Plain { connections: usize },
    Nodes { nodes: usize, stored: usize },
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { connections } => write!(f, "plain SQL, connections {connections}"),
            Self::Nodes { nodes, stored } => write!(f, "nodes {nodes}, beside {stored} triggers not due"),
        }
    }
}

impl Measured {
    fn json(self) -> Value {
        match self {
            Self::Plain { connections } => json!({ "plain_connections": connections }),
            Self::Nodes { nodes, stored } => json!({ "nodes": nodes, "stored": stored }),
        }
    }
}

/// What is compared: the same, measured in each round.
struct Series {
    measured: Measured,
    drained: Vec<Drained>,
}

impl Series {
    fn rates(&self) -> impl Iterator<Item = f64> {
        self.drained.iter().map(|drained| drained.rate)
    }

    /// The rates of its rounds as shares of those of another one.
    fn shares(&self, of: &Self) -> Vec<f64> {
        self.rates().zip(of.rates()).map(|(rate, other)| rate / other).collect()
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn report(args: &Args, series: &[Series]) -> anyhow::Result<()> {
    let Some(first) = series.first() else { return Ok(()) };
    if !args.compares() {
        for drained in &first.drained {
            say!("{}", if args.store.json { drained.json().to_string() } else { drained.text() })?;
        }
        return Ok(());
    }
    // Each is compared with what was measured just before or after it under the same circumstances.
    let summary = |one: &Series| {
        let shares = one.shares(first);
        (median(one.rates()), median(shares.iter().copied()), shares)
    };
    if args.store.json {
        let all: Vec<Value> = series
            .iter()
            .map(|one| {
                let (rate, share, shares) = summary(one);
                let rounds: Vec<Value> = one.drained.iter().map(Drained::json).collect();
                let mut all = one.measured.json();
                all["fires_per_s"] = json!(rate.round());
                all["share"] = json!(share);
                all["shares"] = json!(shares);
                all["rounds"] = json!(rounds);
                all
            })
            .collect();
        return say!("{}", json!({ "compared": all }));
    }
    for one in series {
        let (rate, share, shares) = summary(one);
        let rounds: Vec<String> = shares.iter().map(|share| format!("{share:.2}")).collect();
        say!("{}: median {rate:.0} fires/s, {share:.2} of the first ({})", one.measured, rounds.join(" "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
