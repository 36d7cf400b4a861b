//! The counter with a label for each job, bounded.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use punctual_core::JobKey;

use crate::Labels;

/// Programs may make a job for each customer or order; a time series for each would sink Prometheus.
pub(crate) const MAX_JOBS: usize = 1_000;

/// The counters of one job.
#[derive(Clone, Debug)]
struct Pair {
    succeeded: Counter,
    failed: Counter,
}

impl Pair {
    fn count(&self, failed: bool) {
        if failed { &self.failed } else { &self.succeeded }.inc();
    }
}

#[derive(Debug)]
pub(crate) struct ByJob {
    family: Family<Labels, Counter>,
    known: RwLock<HashMap<JobKey, Pair>>,
}

impl ByJob {
    pub(crate) fn new(family: Family<Labels, Counter>) -> Self {
        Self { family, known: RwLock::default() }
    }

    pub(crate) fn count(&self, job: &JobKey, failed: bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = known.get(job) {
            return pair.count(failed);
        }
        drop(known);
        self.learn(job).count(failed);
    }

    fn learn(&self, job: &JobKey) -> Pair {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_JOBS && !known.contains_key(job) {
            return self.pair("other".to_owned());
        }
        // Both series of a job begin together, so that a rate of failures exists before the first one.
        known.entry(job.clone()).or_insert_with(|| self.pair(job.to_string())).clone()
    }

    fn pair(&self, name: String) -> Pair {
        let counter = |status: &str| {
            let labels = vec![("status", status.to_owned()), ("job_name", name.clone())];
            self.family.get_or_create_owned(&labels)
        };
        Pair { succeeded: counter("succeeded"), failed: counter("failed") }
    }
}
