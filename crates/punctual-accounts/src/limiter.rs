//! Counting failures within this node: at once, so that attempts at the same time do not all come for free.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use punctual_core::accounts::rules::{Failures, LoginLimit};

/// More names or addresses than this are not remembered one by one: the oldest half goes.
const MOST: usize = 20_000;

#[derive(Debug)]
pub(crate) struct Limiter {
    limit: LoginLimit,
    failures: Mutex<HashMap<String, Failures>>,
}

impl Limiter {
    pub(crate) fn new(limit: LoginLimit) -> Self {
        Self { limit, failures: Mutex::default() }
    }

    /// How long an attempt would have to wait, in milliseconds.
    pub(crate) fn wait_ms(&self, key: &str, now: Timestamp) -> Option<i64> {
        let all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        self.limit.wait_ms(*all.get(key)?, now)
    }

    /// Begins an attempt, which counts as a failure until it succeeds; or says how long to wait, in milliseconds.
    pub(crate) fn begin(&self, key: &str, now: Timestamp) -> Option<i64> {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(key).copied();
        if let Some(wait) = before.and_then(|failures| self.limit.wait_ms(failures, now)) {
            return Some(wait);
        }
        if all.len() >= MOST {
            self.make_room(&mut all, now);
        }
        all.insert(key.to_owned(), self.limit.failed(before, now));
        None
    }

    /// Forgets the failures of somebody who was right at last.
    pub(crate) fn succeed(&self, key: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn make_room(&self, all: &mut HashMap<String, Failures>, now: Timestamp) {
        all.retain(|_, failures| !self.limit.is_forgotten(*failures, now));
        if all.len() >= MOST {
            let mut last: Vec<Timestamp> = all.values().map(|failures| failures.last).collect();
            let middle = last.len() / 2;
            let (_, median, _) = last.select_nth_unstable(middle);
            let median = *median;
            all.retain(|_, failures| failures.last > median);
        }
    }
}

#[cfg(test)]
mod tests {
    use punctual_core::time::from_millis;

    use super::*;

    #[test]
    fn the_map_stays_within_its_bound() {
        let limiter = Limiter::new(LoginLimit::PER_USER);
        for number in 0..50_000_i64 {
            limiter.begin(&number.to_string(), from_millis(number));
        }
        let all = limiter.failures.lock().unwrap();
        assert!(all.len() <= MOST && all.contains_key("49999"), "{}", all.len());
    }
}
