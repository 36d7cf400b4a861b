//! `punctual audit`: did everything in a database happen as promised?

use std::io::Write;

use anyhow::{anyhow, bail};
use punctual_core::audit::{Fault, Problem, Report};
use punctual_core::key::DEFAULT_GROUP;
use punctual_core::{HistoryQuery, JobStore, Paging, Timestamp, TriggerKey};
use punctual_engine::{AuditOptions, SystemClock, audit};

use crate::database::Place;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The database: sqlite://PATH, such as sqlite://punctual-data/punctual.db, or postgresql://USER:PASSWORD@HOST/DATABASE. It is only read, and may be in use.
    #[arg(long)]
    database: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Check this trigger only: GROUP.NAME, or the name of one in the group DEFAULT.
    #[arg(long, value_name = "KEY")]
    trigger: Option<String>,
    /// Check what was scheduled and started from this instant on, such as 2026-11-21T05:00:00Z.
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// By how many milliseconds runs that must not overlap may do so, because the clocks of nodes differ. Unless given: 100
    /// for a database that nodes share, 0 for a file.
    #[arg(long, value_name = "MS")]
    tolerance: Option<u32>,
}

/// Checks; whether all is as promised.
pub(crate) fn run(args: &Args) -> anyhow::Result<bool> {
    let options = AuditOptions {
        trigger: args.trigger.as_deref().map(key).transpose()?,
        from: args.from,
        tolerance_ms: args.tolerance,
        ..AuditOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let place = Place::of(&args.database, punctual_sqlite::Options::default())?;
        let store = place.open_read_only().await?;
        if let Some(key) = &options.trigger {
            refuse_unknown(&*store, key).await?;
        }
        let report = audit(&*store, &SystemClock::new(), &options).await;
        report.map_err(|error| anyhow!("cannot read the database: {error}"))
    })?;
    output::print_as_far_as_read(|out| {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            print(&report, options.trigger.is_some(), out)?;
        }
        Ok(())
    })?;
    Ok(report.is_clean())
}

/// A key as in the API: cut at the first dot.
fn key(text: &str) -> anyhow::Result<TriggerKey> {
    let (group, name) = text.split_once('.').unwrap_or((DEFAULT_GROUP, text));
    Ok(TriggerKey::try_new(group, name)?)
}

async fn refuse_unknown(store: &dyn JobStore, key: &TriggerKey) -> anyhow::Result<()> {
    let query =
        HistoryQuery { trigger: Some(key.clone()), paging: Paging::first(1), ..HistoryQuery::default() };
    if store.trigger(key).await?.is_none() && store.history(&query).await?.rows.is_empty() {
        bail!("there is no trigger {key}, and the history has no row of one: give GROUP.NAME (--trigger)");
    }
    Ok(())
}

fn print(report: &Report, one: bool, out: &mut impl Write) -> std::io::Result<()> {
    let Report { triggers, instants, fires, skipped, rows, .. } = report;
    writeln!(out, "{triggers} trigger(s) with {instants} instant(s): {fires} fired, {skipped} skipped")?;
    match report.checked_from {
        Some(from) => writeln!(out, "{rows} row(s) of the history, each instant looked for from {from} on")?,
        None => writeln!(out, "{rows} row(s) of the history, nothing to look for in them")?,
    }
    writeln!(out)?;
    for (fault, count, meaning) in [
        (Fault::Unaccounted, report.unaccounted, "instants that were neither fired nor skipped"),
        (Fault::Double, report.double, "instants with two fates, runs repeated without a reason"),
        (Fault::Overlaps, report.overlaps, "runs that started beside others than their limit allows"),
        (Fault::OpenWithoutOwner, report.open_without_owner, "open runs whose node is not live"),
    ] {
        writeln!(out, "{count:>8}  {:<18}  {meaning}", fault.to_string())?;
        let shown: Vec<&Problem> = report.problems.iter().filter(|problem| problem.fault == fault).collect();
        for problem in &shown {
            writeln!(out, "            {problem}{}", rows_of(problem))?;
        }
    }
    if let (1.., Some(since)) = (report.requests, report.requests_since) {
        writeln!(
            out,
            "\n{} request(s) of applications wait to be carried out, since {since}",
            report.requests
        )?;
    }
    let alone = "overlaps with runs of other triggers were not looked for".to_owned();
    for note in report.notes.iter().chain(one.then_some(&alone)) {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

fn rows_of(problem: &Problem) -> String {
    let rows: Vec<String> = problem.rows.iter().map(ToString::to_string).collect();
    if rows.is_empty() { String::new() } else { format!(" [rows {}]", rows.join(", ")) }
}
