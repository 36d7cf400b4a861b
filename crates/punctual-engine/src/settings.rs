//! The figures by which a node works.

use punctual_core::UnknownKind;

/// The figures by which a node works. All times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many runs this node has under way at most.
    pub slots: usize,
    /// Take at most this many fires in one transaction.
    pub claim_batch: usize,
    /// Time between two heartbeats.
    pub heartbeat_ms: u64,
    /// After this long without a heartbeat the node counts as lost, and its work is recovered.
    pub lease_ms: u64,
    /// Look for due work at least this often, even when nothing says that there is some.
    pub poll_ms: u64,
    /// The same while a store that is to tell nodes of changes cannot (its connection is broken, say); `poll_ms` where
    /// that is less. Without meaning for other stores.
    pub unheard_poll_ms: u64,
    /// The node claims only while it knows the store's time within this many milliseconds. A quarter of `lease_ms` is
    /// the limit when that is less. Without meaning for stores that have no clock of their own.
    pub max_clock_uncertainty_ms: u64,
    /// What becomes of due instants whose kind no live node can run, where their job does not say it.
    pub unknown_kind: UnknownKind,
    /// How long a node waits for an answer of the store before it gives the call up and tries again; a heartbeat at most
    /// half of `heartbeat_ms`. 0 for as long as it takes: for stores inside the process, whose calls go on when nobody waits
    /// for them.
    pub store_timeout_ms: u64,
    /// How long a cancelled run may take to stop before it is dropped.
    pub cancel_grace_ms: u64,
    /// The first pause after the store failed; it doubles up to `backoff_max_ms`.
    pub backoff_ms: u64,
    /// The longest pause between two tries at a failing store.
    pub backoff_max_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slots: 10,
            claim_batch: 1_000,
            heartbeat_ms: 5_000,
            lease_ms: 15_000,
            poll_ms: 5_000,
            unheard_poll_ms: 5_000,
            max_clock_uncertainty_ms: 1_000,
            unknown_kind: UnknownKind::Wait,
            store_timeout_ms: 0,
            cancel_grace_ms: 5_000,
            backoff_ms: 100,
            backoff_max_ms: 3_000,
        }
    }
}

impl Settings {
    /// The defaults for a store that several nodes share: a lost node's work is taken up within 4.5 s. Such a store tells
    /// nodes of changes, so that polling is only a net.
    pub fn clustered() -> Self {
        Self {
            heartbeat_ms: 2_250,
            lease_ms: 4_500,
            poll_ms: 60_000,
            store_timeout_ms: 10_000,
            ..Self::default()
        }
    }

    /// How well the node must know the store's time to claim.
    pub(crate) fn clock_limit_ms(&self) -> u64 {
        self.max_clock_uncertainty_ms.min(self.lease_ms / 4)
    }

    /// What is wrong with the figures, naming the setting and what would be right.
    pub fn check(&self) -> Result<(), String> {
        match self.problems() {
            problems if problems.is_empty() => Ok(()),
            problems => Err(problems.join("; ")),
        }
    }

    /// Everything that is wrong with the figures, each naming the setting and what would be right.
    pub fn problems(&self) -> Vec<String> {
        let ranges: [(&str, u64, u64, u64); 10] = [
            ("slots", self.slots as u64, 1, 100_000),
            ("claim_batch", self.claim_batch as u64, 1, 10_000),
            ("heartbeat_ms", self.heartbeat_ms, 100, 3_600_000),
            ("poll_ms", self.poll_ms, 10, 3_600_000),
            ("unheard_poll_ms", self.unheard_poll_ms, 10, 3_600_000),
            ("max_clock_uncertainty_ms", self.max_clock_uncertainty_ms, 1, 3_600_000),
            ("store_timeout_ms", self.store_timeout_ms, 0, 3_600_000),
            ("cancel_grace_ms", self.cancel_grace_ms, 0, 3_600_000),
            ("backoff_ms", self.backoff_ms, 1, 3_600_000),
            ("backoff_max_ms", self.backoff_max_ms, self.backoff_ms, 3_600_000),
        ];
        let mut problems: Vec<String> = ranges
            .into_iter()
            .filter(|(_, value, least, most)| !(least..=most).contains(&value))
            .map(|(name, value, least, most)| {
                format!("{name} is {value}: give a number from {least} to {most}")
            })
            .collect();
        if self.lease_ms < self.heartbeat_ms.saturating_mul(2) {
            problems.push(format!(
                "lease_ms is {}: give at least twice heartbeat_ms ({}), so that one late heartbeat does not \
                 lose the lease",
                self.lease_ms, self.heartbeat_ms
            ));
        }
        problems
    }
}

/// A pause that grows with each failure in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    first_ms: u64,
    max_ms: u64,
    next_ms: u64,
}

impl Backoff {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { first_ms: settings.backoff_ms, max_ms: settings.backoff_max_ms, next_ms: settings.backoff_ms }
    }

    pub(crate) fn fail(&mut self) -> u64 {
        let pause = self.next_ms;
        self.next_ms = (pause * 2).min(self.max_ms);
        pause
    }

    pub(crate) fn reset(&mut self) {
        self.next_ms = self.first_ms;
    }
}

/// Whether `PUNCTUAL_DISABLE_SCHEDULER` is set to `true` (in any letter case): the node then stores jobs and
/// triggers, and fires nothing.
pub fn disabled_by_env() -> bool {
    std::env::var("PUNCTUAL_DISABLE_SCHEDULER").is_ok_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_figures_are_named() {
        Settings::default().check().unwrap();
        Settings::clustered().check().unwrap();
        let error = Settings { heartbeat_ms: 99, ..Settings::clustered() }.check().unwrap_err();
        assert!(error.starts_with("heartbeat_ms is 99: give a number from 100"), "{error}");
        let error = Settings { max_clock_uncertainty_ms: 0, ..Settings::default() }.check().unwrap_err();
        assert!(error.starts_with("max_clock_uncertainty_ms is 0"), "{error}");
        let error = Settings { slots: 0, ..Settings::default() }.check().unwrap_err();
        assert!(error.starts_with("slots is 0"), "{error}");
        let error = Settings { lease_ms: 6_000, ..Settings::default() }.check().unwrap_err();
        assert!(error.starts_with("lease_ms is 6000"), "{error}");
    }

    #[test]
    fn pauses_double_up_to_the_limit() {
        let mut backoff =
            Backoff::new(&Settings { backoff_ms: 10, backoff_max_ms: 25, ..Settings::default() });
        assert_eq!([backoff.fail(), backoff.fail(), backoff.fail()], [10, 20, 25]);
        backoff.reset();
        assert_eq!(backoff.fail(), 10);
    }
}
