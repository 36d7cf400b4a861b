//! What a store is, against this one: the suite of the testkit. Each case has a schema of its own in one server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use punctual_core::JobStore;
use punctual_postgres::{Options, PostgresStore};

mod support;

async fn store() -> Arc<dyn JobStore> {
    let (url, schema) = support::schema();
    let options = Options { schema, max_connections: 3, ..Options::default() };
    Arc::new(PostgresStore::open(&url, options).await.unwrap())
}

punctual_testkit::conformance!(store().await);
