//! What the store fails to do, in a row: what there is to tell of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use punctual_core::{Event, StoreError};

use crate::node::Node;

/// The operations that fail at present.
pub(crate) type Failing = BTreeMap<&'static str, Streak>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Streak {
    failures: u64,
    since: Timestamp,
}

impl Node {
    /// Tells that the store failed. Of a store that is gone everything has been said.
    pub(crate) fn tell_failure(&self, operation: &'static str, error: &StoreError, retry_in_ms: u64) {
        if !matches!(error, StoreError::Gone(_)) {
            self.tell_failed(operation, error.to_string(), retry_in_ms);
        }
    }

    /// Tells that the store failed, in its words.
    pub(crate) fn tell_failed(&self, operation: &'static str, error: String, retry_in_ms: u64) {
        let now = self.clock.now();
        let Streak { failures, since } = {
            let mut failing = self.failing();
            let streak = failing.entry(operation).or_insert(Streak { failures: 0, since: now });
            streak.failures += 1;
            *streak
        };
        self.listeners.emit(&Event::StoreFailed { operation, error, retry_in_ms, failures, since });
    }

    /// Tells that an operation works, if it had failed.
    pub(crate) fn tell_works(&self, operation: &'static str) {
        let ended = self.failing().remove(operation);
        if let Some(Streak { failures, since }) = ended {
            self.listeners.emit(&Event::StoreWorks { operation, failures, since });
        }
    }
}
