//! Thousands of simulated clusters. `PUNCTUAL_SIMULATION_SEED=n` runs one again; `PUNCTUAL_SIMULATIONS=n` runs so many.

use std::sync::Arc;

use punctual_memory::MemoryStore;
use punctual_testkit::simulation;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_instant_is_accounted_for_whatever_happens() {
    let seeds = match number("PUNCTUAL_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PUNCTUAL_SIMULATIONS").unwrap_or(3_000),
    };
    for seed in seeds {
        simulation::run(seed, Arc::new(MemoryStore::new()));
    }
}
