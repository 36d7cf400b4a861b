//! Thousands of simulated clusters, and stores whose mistakes they have to find.
//!
//! `PUNCTUAL_SIMULATION_SEED=n` runs one seed again; `PUNCTUAL_SIMULATIONS=n` runs so many.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use punctual_memory::MemoryStore;
use punctual_testkit::faulty::{FaultyStore, Mistake};
use punctual_testkit::simulation;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_instant_is_accounted_for_whatever_happens() {
    let seeds = match number("PUNCTUAL_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PUNCTUAL_SIMULATIONS").unwrap_or(2_500),
    };
    for seed in seeds {
        simulation::run(seed, Arc::new(MemoryStore::new()));
    }
}

/// What the simulation says of the first seed that finds a mistake.
fn found(mistake: Mistake) -> Option<String> {
    (0..300).find_map(|seed| {
        let store = FaultyStore::new(Arc::new(MemoryStore::new())).with_mistake(mistake);
        let run = AssertUnwindSafe(|| simulation::run(seed, Arc::new(store)));
        let panic = std::panic::catch_unwind(run).err()?;
        Some(panic.downcast_ref::<String>().cloned().unwrap_or_default())
    })
}

#[test]
fn each_mistake_of_a_store_is_found() {
    for (mistake, says) in [
        (Mistake::LosesEmitted, "made [0, 0] runs and skips"),
        (Mistake::RepeatsEmits, "runs again"),
        (Mistake::IgnoresEmits, "an event made"),
        (Mistake::ConfusesEvents, "nothing was emitted for"),
        (Mistake::DropsPayload, "carries None"),
        (Mistake::EmitsToPaused, "an event made"),
        (Mistake::ForgetsPaused, "made [0, 0] runs and skips"),
        (Mistake::ForgetsExpired, "ranges were given up, and 0 recorded"),
        (Mistake::ExpiresKnown, "and a live node knows"),
        (Mistake::ExpiresWaiting, "is to wait"),
        (Mistake::ExpiresEarly, "was given up after"),
        (Mistake::NeverExpires, "and this waits"),
        (Mistake::IgnoresKinds, "which it does not know"),
        (Mistake::ForgetsRenames, "was handed out as"),
        (Mistake::KeepsJobs, "nothing was emitted for"),
        (Mistake::KeepsReleased, "fires were handed back"),
        (Mistake::RefusesLapsed, "recovered before it had time to come back"),
        (Mistake::RecoversAtOnce, "lost its term in an outage"),
    ] {
        let found = found(mistake).unwrap_or_else(|| panic!("{mistake:?} was not found"));
        assert!(found.contains(says), "{mistake:?}: {found}");
    }
}
