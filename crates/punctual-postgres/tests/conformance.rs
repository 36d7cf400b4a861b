//! What a store is, against this one: the suite of the testkit. Each case has a schema of its own in one server.

use std::sync::Arc;

use punctual_core::JobStore;
use punctual_postgres::Options;

mod support;

async fn store() -> Arc<dyn JobStore> {
    Arc::new(support::conforming(Options::default().batch_from).await)
}

punctual_testkit::conformance!(store().await);
