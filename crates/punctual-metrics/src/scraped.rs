//! Metrics that are computed when they are scraped.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use punctual_core::time::millis_between;
use punctual_core::{JobStore, StateCounts, StoreError};
use punctual_engine::{Scheduler, Status};
use tokio::sync::Mutex;

use crate::counted::Counted;
use crate::{Labels, catalog, register};

/// How long the counted states are kept at least.
const KEEP: Duration = Duration::from_secs(1);

/// How many times as long as the count took they are kept at least: scrapes keep the store busy for a twentieth
/// of the time at most.
const KEEP_FACTOR: u32 = 20;

#[derive(Debug)]
pub(crate) struct Scraped {
    states: Family<Labels, Gauge>,
    slots: Gauge,
    running: Gauge,
    lease_valid: Gauge,
    clock_offset: Gauge,
    clock_uncertainty: Gauge,
    build: Family<Labels, Gauge>,
    unassigned: Family<Labels, Gauge>,
    unassigned_age: Family<Labels, Gauge>,
    requests: Family<Labels, Gauge>,
    requests_age: Family<Labels, Gauge>,
    connections: Connections,
    cache: Mutex<Option<Cached>>,
}

/// What concerns the connections to the database.
#[derive(Debug)]
struct Connections {
    unheard: Gauge,
    open: Family<Labels, Gauge>,
    max: Gauge,
    waiting: Gauge,
    acquired: Counter,
    acquire_ms: Counter,
}

impl Connections {
    fn new(registry: &mut Registry) -> Self {
        let gauge = |registry: &mut Registry, entry| {
            let gauge = Gauge::default();
            register(registry, entry, gauge.clone());
            gauge
        };
        let counter = |registry: &mut Registry, entry| {
            let counter = Counter::default();
            register(registry, entry, counter.clone());
            counter
        };
        let open = Family::default();
        register(registry, &catalog::POOL, Family::clone(&open));
        Self {
            unheard: gauge(registry, &catalog::CHANGES_UNHEARD),
            open,
            max: gauge(registry, &catalog::POOL_MAX),
            waiting: gauge(registry, &catalog::POOL_WAITING),
            acquired: counter(registry, &catalog::POOL_ACQUIRED),
            acquire_ms: counter(registry, &catalog::POOL_ACQUIRE_MS),
        }
    }

    fn set(&self, store: &dyn JobStore) {
        self.unheard.set(i64::from(store.hears_changes() == Some(false)));
        let pool = store.pool_status().unwrap_or_default();
        for (state, count) in [("in_use", pool.in_use), ("idle", pool.idle)] {
            self.open.get_or_create(&vec![("state", state.to_owned())]).set(whole(count));
        }
        self.max.set(whole(pool.max));
        self.waiting.set(whole(pool.waiting));
        self.acquired.inner().store(pool.acquired, Ordering::Relaxed);
        self.acquire_ms.inner().store(pool.acquire_micros / 1_000, Ordering::Relaxed);
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What is asked from the store.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    states: StateCounts,
    /// Kinds that nobody can run: how many triggers are due, and for how many milliseconds the oldest.
    unassigned: Vec<(String, u64, i64)>,
    /// For how many milliseconds the oldest request of an application waits.
    requests_age: i64,
}

#[derive(Clone, Debug)]
struct Cached {
    /// On the scheduler's monotonic clock.
    until: Duration,
    /// `None` when the store failed.
    counts: Option<Counts>,
}

async fn count(scheduler: &Scheduler) -> Result<Counts, StoreError> {
    let now = scheduler.clock().now();
    let states = scheduler.store().state_counts(now).await?;
    let unassigned = scheduler.unassigned().await?;
    let row =
        |due: punctual_core::DueKind| (due.kind.to_string(), due.triggers, millis_between(due.since, now));
    let requests_age = states.requests_since.map_or(0, |since| millis_between(since, now));
    Ok(Counts { requests_age, states, unassigned: unassigned.into_iter().map(row).collect() })
}

impl Scraped {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let states = Family::default();
        register(registry, &catalog::TRIGGER_STATES, states.clone());
        let build = Family::default();
        register(registry, &catalog::BUILD, build.clone());
        let (unassigned, unassigned_age) = (Family::default(), Family::default());
        register(registry, &catalog::UNASSIGNED, unassigned.clone());
        register(registry, &catalog::UNASSIGNED_AGE, unassigned_age.clone());
        let (requests, requests_age) = (Family::default(), Family::default());
        register(registry, &catalog::REQUESTS, requests.clone());
        register(registry, &catalog::REQUESTS_AGE, requests_age.clone());
        let connections = Connections::new(registry);
        let mut gauge = |entry| {
            let gauge = Gauge::default();
            register(registry, entry, gauge.clone());
            gauge
        };
        Self {
            states,
            slots: gauge(&catalog::SLOTS),
            running: gauge(&catalog::RUNNING),
            lease_valid: gauge(&catalog::LEASE_VALID),
            clock_offset: gauge(&catalog::CLOCK_OFFSET),
            clock_uncertainty: gauge(&catalog::CLOCK_UNCERTAINTY),
            build,
            unassigned,
            unassigned_age,
            requests,
            requests_age,
            connections,
            cache: Mutex::default(),
        }
    }

    /// The states of all triggers, counted or remembered. Scrapes at the same time wait for one count.
    pub(crate) async fn states(&self, scheduler: &Scheduler, counted: &Counted) -> Option<Counts> {
        let clock = scheduler.clock();
        let mut cache = self.cache.lock().await;
        let before = clock.monotonic();
        if let Some(cached) = cache.as_ref().filter(|cached| before < cached.until) {
            return cached.counts.clone();
        }
        let result = count(scheduler).await;
        if result.is_err() {
            counted.store_failed("count trigger states");
        }
        let counts = result.ok();
        let after = clock.monotonic();
        let keep = KEEP.max(after.saturating_sub(before).saturating_mul(KEEP_FACTOR));
        *cache = Some(Cached { until: after.saturating_add(keep), counts: counts.clone() });
        counts
    }

    pub(crate) fn set(&self, status: &Status, store: &dyn JobStore, counts: Option<Counts>) {
        self.connections.set(store);
        self.slots.set(whole(status.slots as u64));
        self.running.set(whole(status.running as u64));
        self.lease_valid.set(i64::from(status.lease_valid));
        self.clock_offset.set(status.clock.offset_ms);
        self.clock_uncertainty.set(whole(status.clock.uncertainty_ms));
        let build = vec![("version", status.version.clone()), ("node", status.name.clone())];
        self.build.get_or_create(&build).set(1);
        // A kind that found a node again has no number, and no number is better than an old one.
        self.unassigned.clear();
        self.unassigned_age.clear();
        let Some(Counts { states: counts, unassigned, requests_age }) = counts else {
            self.states.clear();
            self.requests.clear();
            self.requests_age.clear();
            return;
        };
        self.requests.get_or_create(&Vec::new()).set(whole(counts.requests));
        self.requests_age.get_or_create(&Vec::new()).set(requests_age);
        for (kind, triggers, age) in unassigned {
            let labels = vec![("kind", kind)];
            self.unassigned.get_or_create(&labels).set(whole(triggers));
            self.unassigned_age.get_or_create(&labels).set(age);
        }
        let named = [
            ("EXECUTING", counts.executing),
            ("WAITING", counts.waiting),
            ("PAUSED", counts.paused),
            ("BLOCKED", counts.blocked),
            ("ERROR", counts.error),
        ];
        for (state, count) in named {
            self.states.get_or_create(&vec![("state", state.to_owned())]).set(whole(count));
        }
    }
}
