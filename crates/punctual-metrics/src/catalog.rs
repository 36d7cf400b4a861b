//! Every metric in one line: name, kind, labels, help. `docs/metrics.md` is generated from this list.

/// What kind of metric an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grows; its series end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size, in milliseconds; its series end in `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl Kind {
    /// The word in the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the suffix of its kind.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// Its labels with their values.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it tells, as a clause.
    pub help: &'static str,
}

const fn entry(
    name: &'static str,
    kind: Kind,
    labels: &'static [(&'static str, &'static str)],
    help: &'static str,
) -> Entry {
    Entry { name, kind, labels, help }
}

use Kind::{Counter, Gauge, Histogram};

const STATUSES: (&str, &str) = ("status", "succeeded, failed");
const JOBS: (&str, &str) = ("job_name", "GROUP.name of the job; `other` beyond 1000 jobs");
const STATES: (&str, &str) = ("state", "EXECUTING, WAITING, PAUSED, BLOCKED, ERROR");
const REASONS: (&str, &str) = ("reason", "misfire, coalesced, overlap, paused, expired, ended, replaced");
const OPERATIONS: (&str, &str) = ("operation", "what the node tried");

// One line for each metric.
#[rustfmt::skip]
mod entries {
    use super::*;
    pub(crate) const EXECUTED: Entry = entry("punctual_tasks_quartz_tasks_executed", Counter, &[STATUSES, JOBS], "Runs that ended on this node");
    pub(crate) const TRIGGER_STATES: Entry = entry("punctual_tasks_quartz_tasks_states", Gauge, &[STATES], "Open runs (EXECUTING) and triggers by state in the whole store, counted when scraped");
    pub(crate) const LATENESS: Entry = entry("punctual_fire_lateness_ms", Histogram, &[], "Milliseconds from a scheduled instant to its start on this node; runs by schedule only, no retries");
    pub(crate) const DURATION: Entry = entry("punctual_run_duration_ms", Histogram, &[], "Milliseconds that runs took on this node, by its monotonic clock");
    pub(crate) const RETRIES: Entry = entry("punctual_retries", Counter, &[], "Failed runs after which another attempt follows");
    pub(crate) const SKIPPED: Entry = entry("punctual_instants_skipped", Counter, &[REASONS], "Scheduled instants that this node recorded as not run");
    pub(crate) const TRIGGER_FAILURES: Entry = entry("punctual_trigger_failures", Counter, &[], "Triggers that could not be understood and were put into the error state");
    pub(crate) const STORE_FAILURES: Entry = entry("punctual_store_failures", Counter, &[OPERATIONS], "Calls of the store that failed");
    pub(crate) const UNASSIGNED: Entry = entry("punctual_unassigned_triggers", Gauge, &[("kind", "job kind")], "Due triggers of kinds that no live node can run, counted when scraped");
    pub(crate) const UNASSIGNED_AGE: Entry = entry("punctual_unassigned_age_ms", Gauge, &[("kind", "job kind")], "Milliseconds since the oldest of those was due");
    pub(crate) const REQUESTS: Entry = entry("punctual_requests_waiting", Gauge, &[], "Runs and events asked for inside transactions of applications, committed and not yet carried out, counted when scraped");
    pub(crate) const REQUESTS_AGE: Entry = entry("punctual_requests_age_ms", Gauge, &[], "Milliseconds since the first of those was asked for; 0 when none waits. More than some seconds: no node carries them out");
    pub(crate) const REQUESTS_REFUSED: Entry = entry("punctual_requests_refused", Counter, &[], "Requests that this node could not carry out any more; each has a failed row in the history");
    pub(crate) const REPAIRS: Entry = entry("punctual_repairs", Counter, &[("what", "understood, awaited, hidden")], "Broken invariants that this node found and mended");
    pub(crate) const RECOVERED: Entry = entry("punctual_fires_recovered", Counter, &[("refired", "true, false")], "Runs of lost nodes that this node closed, by whether they run again");
    pub(crate) const SUPERSEDED: Entry = entry("punctual_completions_superseded", Counter, &[], "Runs that ended here after recovery had taken them away");
    pub(crate) const LEASES_LOST: Entry = entry("punctual_leases_lost", Counter, &[], "Times that this node lost its lease: it had run out, and another node took up its work");
    pub(crate) const PRUNED: Entry = entry("punctual_history_rows_pruned", Counter, &[], "Rows of the task history that this node deleted as too old");
    pub(crate) const SLOTS: Entry = entry("punctual_slots", Gauge, &[], "Runs that this node may have under way");
    pub(crate) const RUNNING: Entry = entry("punctual_running", Gauge, &[], "Runs that this node has under way");
    pub(crate) const LEASE_VALID: Entry = entry("punctual_lease_valid", Gauge, &[], "1 while this node may take due work; 0 when its lease has run out");
    pub(crate) const CLOCK_OFFSET: Entry = entry("punctual_clock_offset_ms", Gauge, &[], "Milliseconds by which the store's clock is ahead of this machine's; 0 with a store that has no clock of its own");
    pub(crate) const CLOCK_UNCERTAINTY: Entry = entry("punctual_clock_uncertainty_ms", Gauge, &[], "Milliseconds by which this node may be off the store's time at most");
    pub(crate) const CHANGES_UNHEARD: Entry = entry("punctual_changes_unheard", Gauge, &[], "1 while the store cannot tell this node what other nodes change, so that it polls more often");
    pub(crate) const POOL: Entry = entry("punctual_pool_connections", Gauge, &[("state", "in_use, idle")], "Open connections of this node to the database; 0, as the other series of the pool, with a store that has none");
    pub(crate) const POOL_MAX: Entry = entry("punctual_pool_max", Gauge, &[], "Connections to the database that this node may have open");
    pub(crate) const POOL_WAITING: Entry = entry("punctual_pool_waiting", Gauge, &[], "Calls of the store that wait for a connection");
    pub(crate) const POOL_ACQUIRED: Entry = entry("punctual_pool_acquired", Counter, &[], "Calls of the store that got a connection");
    pub(crate) const POOL_ACQUIRE_MS: Entry = entry("punctual_pool_acquire_ms", Counter, &[], "Milliseconds that these waited for it in all; opening one is part of it");
    pub(crate) const BUILD: Entry = entry("punctual_build_info", Gauge, &[("version", "the program's"), ("node", "the node's name")], "Always 1; tells what runs here");
}
pub(crate) use entries::*;

/// Upper bounds of the histograms' buckets, in milliseconds: 1 ms to 1 h.
#[rustfmt::skip]
pub const BUCKETS_MS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0,
    1_000.0, 5_000.0, 10_000.0, 60_000.0, 300_000.0, 900_000.0, 3_600_000.0,
];

/// All metrics.
pub const ALL: [Entry; 30] = [
    EXECUTED,
    TRIGGER_STATES,
    LATENESS,
    DURATION,
    RETRIES,
    SKIPPED,
    TRIGGER_FAILURES,
    STORE_FAILURES,
    UNASSIGNED,
    UNASSIGNED_AGE,
    REQUESTS,
    REQUESTS_AGE,
    REQUESTS_REFUSED,
    REPAIRS,
    RECOVERED,
    SUPERSEDED,
    LEASES_LOST,
    PRUNED,
    SLOTS,
    RUNNING,
    LEASE_VALID,
    CLOCK_OFFSET,
    CLOCK_UNCERTAINTY,
    CHANGES_UNHEARD,
    POOL,
    POOL_MAX,
    POOL_WAITING,
    POOL_ACQUIRED,
    POOL_ACQUIRE_MS,
    BUILD,
];

/// The catalogue in Markdown: the table in `docs/metrics.md`.
pub fn markdown() -> String {
    let mut table = String::from("| series | kind | labels | meaning |\n| --- | --- | --- | --- |\n");
    for entry in ALL {
        let labels: Vec<String> =
            entry.labels.iter().map(|(name, values)| format!("`{name}` ({values})")).collect();
        let (name, suffix, kind) = (entry.name, entry.kind.suffix(), entry.kind.as_str());
        table += &format!("| `{name}{suffix}` | {kind} | {} | {} |\n", labels.join("; "), entry.help);
    }
    let buckets = BUCKETS_MS.map(|bound| bound.to_string()).join(", ");
    table + &format!("\nThe buckets of the histograms end at {buckets} ms.\n")
}
