//! Prometheus metrics of a scheduler.
//!
//! [`Metrics`] is a [`Listener`]: what happens moves counters and histograms as it happens. What *is* (states, slots)
//! is asked of the scheduler when the page is rendered, by one grouped count that is kept for a second, so that
//! scraping cannot load the database. Every metric is one entry of [`catalog::ALL`].

pub mod catalog;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use punctual_core::time::millis_between;
use punctual_core::{Event, SkipReason, StateCounts};
use punctual_engine::{Listener, Scheduler};

/// What the page's `content-type` is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many jobs get a label of their own; those beyond share `other`, so that a store with many jobs does not make
/// many series.
const MAX_JOBS: usize = 500;

/// How long state counts are kept.
const COUNTS_AGE: Duration = Duration::from_secs(1);

type Labels = Vec<(&'static str, String)>;

/// The metrics of one scheduler.
pub struct Metrics {
    registry: Registry,
    executed: Family<Labels, Counter>,
    lateness: Histogram,
    duration: Histogram,
    skipped: Family<Labels, Counter>,
    retries: Counter,
    recovered: Counter,
    superseded: Counter,
    leases_lost: Counter,
    store_failures: Family<Labels, Counter>,
    pruned: Counter,
    jobs: Mutex<HashSet<String>>,
    counts: Mutex<Option<(Duration, StateCounts)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain sets and numbers: nothing is left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// All metrics at zero. Series with known labels exist from the start.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("punctual");
        let buckets = || catalog::BUCKETS_MS.iter().copied();
        let metrics = Self {
            executed: Family::default(),
            lateness: Histogram::new(buckets()),
            duration: Histogram::new(buckets()),
            skipped: Family::default(),
            retries: Counter::default(),
            recovered: Counter::default(),
            superseded: Counter::default(),
            leases_lost: Counter::default(),
            store_failures: Family::default(),
            pruned: Counter::default(),
            jobs: Mutex::default(),
            counts: Mutex::default(),
            registry: Registry::default(),
        };
        macro_rules! register {
            ($($field:ident: $name:literal),*) => {
                $(registry.register($name, catalog::help($name).trim_end_matches('.'), metrics.$field.clone());)*
            };
        }
        register!(
            executed: "tasks_quartz_tasks_executed",
            lateness: "fire_lateness_ms",
            duration: "run_duration_ms",
            skipped: "instants_skipped",
            retries: "retries",
            recovered: "fires_recovered",
            superseded: "completions_superseded",
            leases_lost: "leases_lost",
            store_failures: "store_failures",
            pruned: "history_rows_pruned"
        );
        for reason in SkipReason::ALL {
            metrics.skipped.get_or_create(&vec![("reason", reason.as_str().to_owned())]).inc_by(0);
        }
        for operation in ["claim due fires", "store how runs ended", "renew the node's lease"] {
            metrics.store_failures.get_or_create(&vec![("operation", operation.to_owned())]).inc_by(0);
        }
        Self { registry, ..metrics }
    }

    fn job_label(&self, job: String) -> String {
        let mut jobs = lock(&self.jobs);
        if jobs.contains(&job) {
            return job;
        }
        if jobs.len() >= MAX_JOBS {
            return "other".to_owned();
        }
        jobs.insert(job.clone());
        job
    }

    /// The page.
    pub async fn render(&self, scheduler: &Scheduler) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut page, &self.registry);
        let end = page.rfind("# EOF").unwrap_or(page.len());
        page.truncate(end);
        self.render_states(scheduler, &mut page).await;
        render_node(scheduler, &mut page);
        page.push_str("# EOF\n");
        page
    }

    async fn counts(&self, scheduler: &Scheduler) -> Option<StateCounts> {
        let clock = scheduler.clock();
        let now = clock.monotonic();
        if let Some((at, counts)) = *lock(&self.counts)
            && now.saturating_sub(at) < COUNTS_AGE
        {
            return Some(counts);
        }
        // A store that cannot answer leaves the gauges out; the failure has its own counter and log line.
        let counts = scheduler.store().state_counts(clock.now()).await.ok()?;
        *lock(&self.counts) = Some((now, counts));
        Some(counts)
    }

    async fn render_states(&self, scheduler: &Scheduler, page: &mut String) {
        let Some(counts) = self.counts(scheduler).await else { return };
        let states = [
            ("EXECUTING", counts.executing),
            ("WAITING", counts.waiting),
            ("PAUSED", counts.paused),
            ("BLOCKED", counts.blocked),
            ("ERROR", counts.error),
        ];
        let states: Vec<_> =
            states.iter().map(|(state, value)| (format!("{{state=\"{state}\"}}"), *value)).collect();
        gauge(page, "tasks_quartz_tasks_states", &states);
    }
}

fn gauge(page: &mut String, name: &str, values: &[(String, u64)]) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "# HELP punctual_{name} {}\n# TYPE punctual_{name} gauge", catalog::help(name));
    for (labels, value) in values {
        let _ = writeln!(page, "punctual_{name}{labels} {value}");
    }
}

fn render_node(scheduler: &Scheduler, page: &mut String) {
    let status = scheduler.status();
    let plain = |value: u64| vec![(String::new(), value)];
    gauge(page, "slots", &plain(status.slots as u64));
    gauge(page, "running", &plain(status.running as u64));
    gauge(page, "lease_valid", &plain(u64::from(status.lease_valid)));
    gauge(page, "build_info", &[(format!("{{version=\"{}\"}}", status.version), 1)]);
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Listener for Metrics {
    fn on_event(&self, event: &Event) {
        match event {
            Event::JobStarted { fire } => {
                self.lateness.observe(millis_between(fire.scheduled_at, fire.fired_at).max(0) as f64);
            }
            Event::JobFinished { fire, duration_ms, error, retry_in_ms } => {
                let status = if error.is_some() { "failed" } else { "succeeded" };
                let job = self.job_label(fire.job.key.to_string());
                self.executed.get_or_create(&vec![("status", status.to_owned()), ("job_name", job)]).inc();
                self.duration.observe(*duration_ms as f64);
                if retry_in_ms.is_some() {
                    self.retries.inc();
                }
            }
            Event::InstantsSkipped { skip, .. } => {
                self.skipped
                    .get_or_create(&vec![("reason", skip.reason.as_str().to_owned())])
                    .inc_by(skip.count);
            }
            Event::WorkRecovered(_) => {
                self.recovered.inc();
            }
            Event::CompletionSuperseded { .. } => {
                self.superseded.inc();
            }
            Event::LeaseLost { .. } => {
                self.leases_lost.inc();
            }
            Event::StoreFailed { operation, .. } => {
                self.store_failures.get_or_create(&vec![("operation", (*operation).to_owned())]).inc();
            }
            Event::HistoryPruned { rows } => {
                self.pruned.inc_by(*rows);
            }
            _ => {}
        }
    }
}
