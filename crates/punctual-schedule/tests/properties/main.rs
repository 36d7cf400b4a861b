//! What must hold for every schedule, tried with many made at random.
//!
//! The choices are the same in every run. `PROPTEST_CASES=2560` tries ten times as many, `PROPTEST_RNG_SEED=n` others.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calendars;
mod cron;
mod intervals;
mod places;
mod spec;
mod walk;

use proptest::test_runner::{Config, RngSeed};

/// `cases` tries, more where the environment asks for more.
fn config(cases: u32) -> Config {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0x5ca1ab1e),
        fixed => fixed,
    };
    let cases = (cases * given.cases).div_ceil(256);
    Config { cases, rng_seed, failure_persistence: None, ..given }
}
