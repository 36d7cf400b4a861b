//! Which locks, and how long to try.

use punctual_core::{LockMode, LockSet};

/// A lease may not be shorter: its renewals would follow each other too closely.
const LEAST_LEASE_MS: u64 = 1_000;
/// One day.
const MOST_MS: u64 = 86_400_000;
const MOST_PURPOSE: usize = 500;

/// Which locks to take, and how long to try. Unless set otherwise there are five tries of 1 s each, 1 s (give or take a
/// tenth) apart: some nine seconds in all.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct LockOptions {
    locks: Vec<(String, LockMode)>,
    pub(super) purpose: String,
    pub(super) timeout_ms: u64,
    pub(super) retries: u32,
    pub(super) retry_delay_ms: u64,
    pub(super) jitter: f64,
    pub(super) lease_ms: u64,
}

impl LockOptions {
    /// One lock in a mode. Names have 1 to 200 characters, no control characters, no white space around them.
    pub fn new(name: impl Into<String>, mode: LockMode) -> Self {
        Self {
            locks: vec![(name.into(), mode)],
            purpose: String::new(),
            timeout_ms: 1_000,
            retries: 4,
            retry_delay_ms: 1_000,
            jitter: 0.1,
            lease_ms: 30_000,
        }
    }

    /// A lock for oneself alone.
    pub fn exclusive(name: impl Into<String>) -> Self {
        Self::new(name, LockMode::Exclusive)
    }

    /// A lock that others may hold in this mode at the same time.
    pub fn shared(name: impl Into<String>) -> Self {
        Self::new(name, LockMode::Shared)
    }

    /// Adds a lock. All are taken together or none is, so the order does not matter; of one name in both modes,
    /// exclusive counts.
    pub fn and(mut self, name: impl Into<String>, mode: LockMode) -> Self {
        self.locks.push((name.into(), mode));
        self
    }

    /// What the locks are for, shown to whoever asks who holds them: up to 500 characters, no control characters.
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = purpose.into();
        self
    }

    /// How long one try lasts, in milliseconds; 1000 unless set. At 0 a try asks once and does not wait.
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }

    /// How many tries follow the first one; 4 unless set.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The time between the end of a try and the next, in milliseconds; 1000 unless set.
    pub fn retry_delay_ms(mut self, retry_delay_ms: u64) -> Self {
        self.retry_delay_ms = retry_delay_ms;
        self
    }

    /// By which share the time between tries varies, 0 to 1; 0.1 (900 to 1100 ms) unless set. It follows from the
    /// node's name, the locks and the try, so that nodes do not ask in step.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// Asks a single time, and gives up at once when somebody has one of the locks.
    pub fn once(self) -> Self {
        self.timeout_ms(0).retries(0)
    }

    /// How long the locks stay taken when this node is lost, in milliseconds: 1000 to 86,400,000, 30,000 unless set. They
    /// are renewed at each third of it.
    pub fn lease_ms(mut self, lease_ms: u64) -> Self {
        self.lease_ms = lease_ms;
        self
    }

    /// The locks, or what is wrong with the options and what would be right.
    pub(super) fn check(&self) -> Result<LockSet, String> {
        for (name, value, least) in [
            ("timeout_ms", self.timeout_ms, 0),
            ("retry_delay_ms", self.retry_delay_ms, 0),
            ("lease_ms", self.lease_ms, LEAST_LEASE_MS),
        ] {
            if !(least..=MOST_MS).contains(&value) {
                return Err(format!("{name} is {value}: give a number from {least} to {MOST_MS}"));
            }
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(format!("jitter is {}: give a number from 0 to 1", self.jitter));
        }
        if self.purpose.chars().count() > MOST_PURPOSE || self.purpose.chars().any(char::is_control) {
            let start: String = self.purpose.chars().take(80).collect();
            return Err(format!(
                "the purpose {start:?}.. is too long or has control characters: give up to {MOST_PURPOSE} others"
            ));
        }
        let locks = self.locks.iter().map(|(name, mode)| (name.as_str(), *mode));
        LockSet::try_new(locks).map_err(|error| error.to_string())
    }

    /// The time after a try (counted from 0). `random` is drawn by the caller from 0.0..1.0.
    pub(super) fn delay_ms(&self, random: f64) -> u64 {
        let varied = self.retry_delay_ms as f64 * (1.0 + self.jitter * (2.0 * random - 1.0));
        varied.round() as u64
    }
}

/// An exclusive lock of this name.
impl From<&str> for LockOptions {
    fn from(name: &str) -> Self {
        Self::exclusive(name)
    }
}

/// An exclusive lock of this name.
impl From<String> for LockOptions {
    fn from(name: String) -> Self {
        Self::exclusive(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_options_are_named() {
        let good = LockOptions::exclusive("a");
        good.check().unwrap();
        for (options, problem) in [
            (LockOptions::exclusive(""), "lock name \"\" is empty"),
            (good.clone().and("a\nb", LockMode::Shared), "control character"),
            (good.clone().lease_ms(999), "lease_ms is 999: give a number from 1000"),
            (good.clone().timeout_ms(u64::MAX), "timeout_ms is"),
            (good.clone().jitter(f64::NAN), "jitter is NaN"),
            (good.clone().purpose("x".repeat(501)), "the purpose"),
        ] {
            let error = options.check().unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn delays_stay_in_their_share() {
        let options = LockOptions::exclusive("a");
        assert_eq!([0.0, 0.5, 1.0].map(|random| options.delay_ms(random)), [900, 1_000, 1_100]);
        assert_eq!(options.jitter(0.0).delay_ms(0.9), 1_000);
    }
}
