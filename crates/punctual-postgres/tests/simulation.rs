//! The simulation of the testkit over this store: crashes, lost leases, leaps of the clock, lost answers.

use std::sync::Arc;

use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::simulation;

mod support;

#[test]
fn every_instant_is_accounted_for_whatever_happens() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    for seed in 0..40 {
        let (url, schema) = support::schema();
        // Every other world has its fires in batches.
        let usual = Options::default();
        let batch_from = if seed % 2 == 0 { 1 } else { usual.batch_from };
        let options = Options { schema, max_connections: 3, batch_from, ..usual };
        let store = simulation::block_on(PostgresStore::open(&url, options)).unwrap();
        simulation::run(seed, Arc::new(store));
    }
}
