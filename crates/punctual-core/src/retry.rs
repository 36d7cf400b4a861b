//! What follows a failed run.

use serde::{Deserialize, Serialize};

/// How often, and after which pauses, a failed run is tried again.
///
/// Only errors that the job calls retryable are tried again; a fatal error ends the fire. Attempts are counted
/// from 1, and a run that recovery repeats counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryPolicy {
    /// A failure is final.
    #[default]
    None,
    /// Try again at once, up to this many attempts in all.
    Immediate {
        /// Attempts in all, the first included.
        max_attempts: u32,
    },
    /// Wait `initial_ms`, then each time `multiplier` times longer up to `max_ms`, each wait varied by `jitter`.
    Exponential {
        /// Attempts in all, the first included.
        max_attempts: u32,
        /// The wait before the second attempt, in milliseconds.
        initial_ms: u64,
        /// Growth from one wait to the next, at least 1.
        multiplier: f64,
        /// The longest wait, in milliseconds.
        max_ms: u64,
        /// The share of each wait that is random, 0 to 1: at 0.1 a wait of 1000 ms lies in 900..=1100 ms.
        jitter: f64,
    },
}

impl RetryPolicy {
    /// Exponential back-off with the usual figures: from 1 s doubling to at most 5 min, jitter 0.1.
    pub fn exponential(max_attempts: u32) -> Self {
        Self::Exponential { max_attempts, initial_ms: 1_000, multiplier: 2.0, max_ms: 300_000, jitter: 0.1 }
    }

    /// The wait in milliseconds before the attempt after `attempt` (counted from 1), `None` when that was the
    /// last one. `random` is drawn by the caller from 0.0..1.0.
    pub fn next_delay(&self, attempt: u32, random: f64) -> Option<u64> {
        match *self {
            Self::None => None,
            Self::Immediate { max_attempts } => (attempt < max_attempts).then_some(0),
            Self::Exponential { max_attempts, initial_ms, multiplier, max_ms, jitter } => {
                if attempt >= max_attempts {
                    return None;
                }
                let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
                let wait = (initial_ms as f64 * multiplier.powi(exponent)).min(max_ms as f64);
                let varied = wait * (1.0 + jitter * (2.0 * random - 1.0));
                // Float to integer casts saturate, so that no setting overflows.
                Some(varied.round() as u64)
            }
        }
    }

    /// What is wrong with the figures, naming the field.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Self::None => Ok(()),
            Self::Immediate { max_attempts } if max_attempts > 100 => {
                Err(format!("max_attempts is {max_attempts}: immediate retries allow at most 100 attempts"))
            }
            Self::Immediate { max_attempts } | Self::Exponential { max_attempts, .. }
                if max_attempts == 0 =>
            {
                Err("max_attempts is 0: the first run counts as an attempt, so give at least 1".to_owned())
            }
            Self::Immediate { .. } => Ok(()),
            Self::Exponential { multiplier, .. } if !(1.0..=1000.0).contains(&multiplier) => {
                Err(format!("multiplier is {multiplier}: give a number from 1 to 1000"))
            }
            Self::Exponential { jitter, .. } if !(0.0..=1.0).contains(&jitter) => {
                Err(format!("jitter is {jitter}: give a number from 0 to 1"))
            }
            Self::Exponential { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_end() {
        let policy = RetryPolicy::Exponential {
            max_attempts: 5,
            initial_ms: 100,
            multiplier: 3.0,
            max_ms: 1_000,
            jitter: 0.0,
        };
        let waits: Vec<_> = (1..=5).map(|attempt| policy.next_delay(attempt, 0.5)).collect();
        assert_eq!(waits, [Some(100), Some(300), Some(900), Some(1_000), None]);
    }

    #[test]
    fn jitter_stays_in_its_share() {
        let policy = RetryPolicy::exponential(3);
        assert_eq!(policy.next_delay(1, 0.0), Some(900));
        assert_eq!(policy.next_delay(1, 1.0), Some(1_100));
    }

    #[test]
    fn immediate_retries_are_bounded() {
        assert_eq!(RetryPolicy::Immediate { max_attempts: 2 }.next_delay(1, 0.3), Some(0));
        assert_eq!(RetryPolicy::Immediate { max_attempts: 2 }.next_delay(2, 0.3), None);
        assert!(RetryPolicy::Immediate { max_attempts: 101 }.check().is_err());
        assert!(RetryPolicy::Immediate { max_attempts: 0 }.check().is_err());
    }
}
