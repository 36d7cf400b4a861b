//! Every metric: its name (without the prefix `punctual_`), its type, its labels, and what it tells.

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name without `punctual_`; counters get `_total` on the page.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static str,
    /// What it tells.
    pub help: &'static str,
}

const fn metric(name: &'static str, kind: &'static str, labels: &'static str, help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

/// Upper bounds of the histograms' buckets, in milliseconds.
pub const BUCKETS_MS: [f64; 14] = [
    1.0,
    2.0,
    5.0,
    10.0,
    50.0,
    100.0,
    500.0,
    1_000.0,
    5_000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    3_600_000.0,
];

/// All of them. The first two keep the names of the design that they come from, so that its dashboards port by
/// changing a prefix.
pub const ALL: [Metric; 15] = [
    metric("tasks_quartz_tasks_executed", "counter", "status, job_name", "Runs that ended on this node."),
    metric(
        "tasks_quartz_tasks_states",
        "gauge",
        "state",
        "Triggers of the whole cluster by state, and open fires as EXECUTING.",
    ),
    metric("fire_lateness_ms", "histogram", "", "From the scheduled instant to the claim, in milliseconds."),
    metric("run_duration_ms", "histogram", "", "How long runs took, in milliseconds."),
    metric("instants_skipped", "counter", "reason", "Scheduled instants that this node gave up."),
    metric("retries", "counter", "", "Failed runs that are tried again."),
    metric("fires_recovered", "counter", "", "Open fires of lost nodes that this node closed."),
    metric(
        "completions_superseded",
        "counter",
        "",
        "Runs that ended after recovery had taken their fire away.",
    ),
    metric("leases_lost", "counter", "", "How often this node's lease had run out."),
    metric("store_failures", "counter", "operation", "Store calls that failed and are tried again."),
    metric("history_rows_pruned", "counter", "", "Rows of the task history that were deleted."),
    metric("slots", "gauge", "", "How many runs this node has under way at most."),
    metric("running", "gauge", "", "Runs under way on this node."),
    metric("lease_valid", "gauge", "", "1 while this node may claim."),
    metric("build_info", "gauge", "version", "1, with the version of this node."),
];

/// What a metric tells.
pub(crate) fn help(name: &str) -> &'static str {
    ALL.iter().find(|metric| metric.name == name).map_or("", |metric| metric.help)
}

/// The table of all metrics in Markdown, as in `docs/metrics.md`.
pub fn markdown() -> String {
    let rows = ALL.iter().map(|metric| {
        let name = match metric.kind {
            "counter" => format!("punctual_{}_total", metric.name),
            _ => format!("punctual_{}", metric.name),
        };
        format!("| `{name}` | {} | {} | {} |\n", metric.kind, metric.labels, metric.help)
    });
    format!("| metric | type | labels | tells |\n| --- | --- | --- | --- |\n{}", rows.collect::<String>())
}
