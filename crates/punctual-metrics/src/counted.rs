//! Metrics that are counted as things happen on this node.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use punctual_core::time::millis_between;
use punctual_core::{Cause, Event, Fire, SkipReason};

use crate::jobs::ByJob;
use crate::{Labels, catalog, register};

#[derive(Debug)]
pub(crate) struct Counted {
    executed: ByJob,
    lateness: Histogram,
    duration: Histogram,
    retries: Counter,
    skipped: Family<Labels, Counter>,
    trigger_failures: Counter,
    store_failures: Family<Labels, Counter>,
    repairs: Family<Labels, Counter>,
    recovered: Family<Labels, Counter>,
    requests_refused: Counter,
    superseded: Counter,
    leases_lost: Counter,
    pruned: Counter,
}

impl Counted {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let mut counter = |entry| {
            let counter = Counter::default();
            register(registry, entry, counter.clone());
            counter
        };
        let retries = counter(&catalog::RETRIES);
        let trigger_failures = counter(&catalog::TRIGGER_FAILURES);
        let requests_refused = counter(&catalog::REQUESTS_REFUSED);
        let superseded = counter(&catalog::SUPERSEDED);
        let leases_lost = counter(&catalog::LEASES_LOST);
        let pruned = counter(&catalog::PRUNED);
        let mut family = |entry| {
            let family = Family::<Labels, Counter>::default();
            register(registry, entry, family.clone());
            family
        };
        let executed = ByJob::new(family(&catalog::EXECUTED));
        let skipped = family(&catalog::SKIPPED);
        let store_failures = family(&catalog::STORE_FAILURES);
        let repairs = family(&catalog::REPAIRS);
        let recovered = family(&catalog::RECOVERED);
        let lateness = Histogram::new(catalog::BUCKETS_MS);
        register(registry, &catalog::LATENESS, lateness.clone());
        let duration = Histogram::new(catalog::BUCKETS_MS);
        register(registry, &catalog::DURATION, duration.clone());
        for reason in SkipReason::ALL {
            skipped.get_or_create_owned(&vec![("reason", reason.as_str().to_owned())]);
        }
        for refired in ["true", "false"] {
            recovered.get_or_create_owned(&vec![("refired", refired.to_owned())]);
        }
        Self {
            executed,
            lateness,
            duration,
            retries,
            skipped,
            trigger_failures,
            store_failures,
            repairs,
            recovered,
            requests_refused,
            superseded,
            leases_lost,
            pruned,
        }
    }

    pub(crate) fn on_event(&self, event: &Event) {
        match event {
            Event::JobStarted { fire } => self.started(fire),
            Event::JobFinished { fire, duration_ms, error, retry_in_ms } => {
                self.executed.count(&fire.job.key, error.is_some());
                self.duration.observe(*duration_ms as f64);
                if retry_in_ms.is_some() {
                    self.retries.inc();
                }
            }
            Event::InstantsSkipped { skip, .. } => {
                let labels = vec![("reason", skip.reason.as_str().to_owned())];
                self.skipped.get_or_create(&labels).inc_by(skip.count);
            }
            Event::TriggerFailed { .. } => {
                self.trigger_failures.inc();
            }
            Event::StoreFailed { operation, .. } => self.store_failed(operation),
            Event::Repaired(repair) => {
                self.repairs.get_or_create(&vec![("what", repair.what().to_owned())]).inc();
            }
            Event::WorkRecovered(work) => {
                self.recovered.get_or_create(&vec![("refired", work.refired.to_string())]).inc();
            }
            Event::RequestRefused(_) => {
                self.requests_refused.inc();
            }
            Event::CompletionSuperseded { .. } => {
                self.superseded.inc();
            }
            Event::LeaseLost { .. } => {
                self.leases_lost.inc();
            }
            Event::HistoryPruned { rows } => {
                self.pruned.inc_by(*rows);
            }
            // A node's start and end show in what is computed at scrapes.
            _ => {}
        }
    }

    pub(crate) fn store_failed(&self, operation: &str) {
        self.store_failures.get_or_create(&vec![("operation", operation.to_owned())]).inc();
    }

    fn started(&self, fire: &Fire) {
        if fire.cause == Cause::Schedule {
            self.lateness.observe(millis_between(fire.scheduled_at, fire.fired_at) as f64);
        }
    }
}
