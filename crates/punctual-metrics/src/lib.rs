//! Prometheus metrics of Punctual.
//!
//! [`Metrics`] is a listener: give it to the scheduler's builder, and call [`Metrics::render`] when somebody
//! scrapes. There are two kinds of metrics: those *counted* as things happen on this node, and those *computed*
//! when they are scraped (the states of all triggers in the store, the slots of this node).
//!
//! Every metric has one line in the [`catalog`], from which `docs/metrics.md` is generated.

pub mod catalog;
mod counted;
mod jobs;
mod scraped;

use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Metric, Registry};
use punctual_core::Event;
use punctual_engine::{Listener, Scheduler};

use crate::counted::Counted;
use crate::scraped::Scraped;

/// The media type of what [`Metrics::render`] returns: the text format of OpenMetrics, which Prometheus reads.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels as the text format wants them. Families are asked by label rarely: what counts often holds on to the
/// one counter that it needs.
type Labels = Vec<(&'static str, String)>;

/// All metrics of one node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    counted: Counted,
    scraped: Scraped,
    /// Held from setting the computed values until they are written.
    writing: Mutex<()>,
}

impl Metrics {
    /// All metrics at zero. Series whose labels are known exist from the start.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let counted = Counted::new(&mut registry);
        let scraped = Scraped::new(&mut registry);
        Self { registry, counted, scraped, writing: Mutex::default() }
    }

    /// All metrics in the text format of OpenMetrics ([`CONTENT_TYPE`]).
    ///
    /// The states of the triggers are asked from the store by one grouped count. The answer is kept for a second,
    /// and for twenty times as long as it took, so that scrapes cannot load the database; when the store fails,
    /// the states are left out and the failure is counted.
    pub async fn render(&self, scheduler: &Scheduler) -> String {
        let states = self.scraped.states(scheduler, &self.counted).await;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.scraped.set(&scheduler.status(), &**scheduler.store(), states);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Listener for Metrics {
    fn on_event(&self, event: &Event) {
        self.counted.on_event(event);
    }
}

fn register(registry: &mut Registry, entry: &catalog::Entry, metric: impl Metric) {
    registry.register(entry.name, entry.help, metric);
}
