//! What a store is, against this one: the suite of the testkit. Each case has a schema of its own in one server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use punctual_core::JobStore;
use punctual_core::ranking::Spacing;
use punctual_postgres::{Options, PostgresStore};

mod support;

async fn store() -> Arc<dyn JobStore> {
    let (url, schema) = support::schema();
    // So close that few rows are enough for a trigger to have fences.
    let trigger_fences = Spacing { full: 24, cut: 16, look: 1 };
    let options = Options { schema, max_connections: 3, trigger_fences, batch_from: 1, ..Options::default() };
    Arc::new(PostgresStore::open(&url, options).await.unwrap())
}

punctual_testkit::conformance!(store().await);
