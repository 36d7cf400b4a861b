//! `punctual import quartz`.

mod tables;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use punctual_core::Clock;
use punctual_engine::SystemClock;
use punctual_import::Finding;
use punctual_import::quartz::{self, Import, Mapping};
use punctual_postgres::PostgresStore;
use serde::Serialize;
use serde_json::{Value, json};

use super::{machine_zone, report};
use crate::commands::plan::{close, open, runtime};
use crate::database::Place;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The database of Quartz: postgresql://USER:PASSWORD@HOST/DATABASE. It is only read.
    url: String,
    /// What the names of the tables begin with, with a schema in front if they are in none of the search path.
    #[arg(long, default_value = "QRTZ_")]
    prefix: String,
    /// The scheduler (SCHED_NAME), where the tables hold several.
    #[arg(long)]
    sched_name: Option<String>,
    /// A TOML file that names a kind for each job class.
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// The default time zone of the Java program, by its IANA name; this machine's unless given.
    #[arg(long)]
    tz: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Store everything in --database, in one transaction. Without it nothing is written.
    #[arg(long, requires = "database")]
    apply: bool,
    /// Where --apply stores it: sqlite://PATH or postgresql://USER:PASSWORD@HOST/DATABASE.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let mapping = match &args.mapping {
        None => Mapping::default(),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Mapping::parse(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?
        }
    };
    let tz = match &args.tz {
        Some(tz) => tz.clone(),
        None => machine_zone()?,
    };
    if !(args.url.starts_with("postgresql://") || args.url.starts_with("postgres://")) {
        bail!("the tables of Quartz are read from PostgreSQL: give postgresql://USER:PASSWORD@HOST/DATABASE");
    }
    let import = runtime()?.block_on(async {
        let failed = |error| anyhow!("cannot open the database of Quartz: {error}");
        let client = PostgresStore::connect(&args.url).await.map_err(failed)?;
        let tables = tables::read(&client, &args.prefix, args.sched_name.as_deref()).await?;
        let import = quartz::read(&tables, &mapping, &tz).map_err(|problem| anyhow!("--tz: {problem}"))?;
        if let (true, Some(url)) = (args.apply, &args.database) {
            apply(url, &import).await?;
        }
        anyhow::Ok(import)
    })?;
    if args.apply {
        output::print_of_done("everything was stored", |out| print(args, &import, out));
    } else {
        output::print_as_far_as_read(|out| print(args, &import, out))?;
    }
    if args.json {
        return Ok(import.findings.iter().all(|finding| !finding.lost));
    }
    Ok(report(&import.findings))
}

async fn apply(url: &str, import: &Import) -> anyhow::Result<()> {
    let place = Place::of(url, punctual_sqlite::Options::default())?;
    let store = open(&place, "import").await?;
    for (name, calendar) in &import.calendars {
        // A stored one of another meaning would move the triggers that use it.
        let stored = store.calendar(name).await.context("nothing was stored")?;
        if stored.is_some_and(|stored| stored.calendar != *calendar) {
            bail!(
                "nothing was stored: another calendar {name:?} is stored already; delete or rename one of them"
            );
        }
    }
    let now = store.store_now().await?.unwrap_or_else(|| SystemClock::new().now());
    store.apply(now, &import.changes()).await.context("nothing was stored")?;
    close(&*store).await;
    Ok(())
}

fn print(args: &Args, import: &Import, out: &mut impl Write) -> anyhow::Result<()> {
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&Shown::of(import, args.apply))?)?;
        return Ok(());
    }
    show(import, out)?;
    let end = if args.apply { "stored" } else { "nothing was written: --apply --database URL stores it" };
    Ok(writeln!(out, "\n{end}")?)
}

fn show(import: &Import, out: &mut impl Write) -> std::io::Result<()> {
    let triggers: usize = import.jobs.iter().map(|job| job.triggers.len()).sum();
    let (jobs, calendars) = (import.jobs.len(), import.calendars.len());
    writeln!(out, "{jobs} job(s) with {triggers} trigger(s), {calendars} calendar(s)")?;
    for (name, calendar) in &import.calendars {
        writeln!(out, "\ncalendar {name}: {}", calendar.kind())?;
    }
    for imported in &import.jobs {
        let job = &imported.job;
        writeln!(out, "\njob {}: {} (class {})", job.key, job.kind, imported.class)?;
        for arrival in &imported.triggers {
            let trigger = &arrival.trigger;
            let paused = if arrival.paused { ", paused" } else { "" };
            writeln!(out, "  {}: {}{paused}", trigger.key, trigger.schedule.describe())?;
            writeln!(out, "    next {}", arrival.next_fire_at)?;
        }
    }
    for group in &import.paused_groups {
        writeln!(out, "\nthe trigger group {group} is paused")?;
    }
    Ok(())
}

/// The JSON form.
#[derive(Serialize)]
struct Shown<'a> {
    applied: bool,
    calendars: Value,
    jobs: Vec<Value>,
    paused_groups: &'a [String],
    findings: &'a [Finding],
}

impl<'a> Shown<'a> {
    fn of(import: &'a Import, applied: bool) -> Self {
        let jobs = import.jobs.iter().map(|imported| {
            let triggers: Vec<Value> = imported
                .triggers
                .iter()
                .map(|arrival| {
                    json!({
                        "trigger": arrival.trigger,
                        "next_fire_at": arrival.next_fire_at,
                        "previous_fire_at": arrival.previous_fire_at,
                        "repeats_left": arrival.repeats_left,
                        "paused": arrival.paused,
                    })
                })
                .collect();
            json!({ "job": imported.job, "class": imported.class, "triggers": triggers })
        });
        Self {
            applied,
            calendars: json!(import.calendars),
            jobs: jobs.collect(),
            paused_groups: &import.paused_groups,
            findings: &import.findings,
        }
    }
}
