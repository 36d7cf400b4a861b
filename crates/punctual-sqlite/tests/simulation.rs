//! The simulated cluster over a file. Fewer seeds than over memory, since each step is a real transaction.

use std::sync::Arc;

use punctual_sqlite::{Options, SqliteStore, Synchronous};
use punctual_testkit::simulation;

#[test]
fn every_instant_is_accounted_for_whatever_happens() {
    for seed in 0..60 {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { synchronous: Synchronous::Normal, ..Options::default() };
        let store = SqliteStore::open(directory.path().join("simulation.db"), options).unwrap();
        simulation::run(seed, Arc::new(store));
    }
}
