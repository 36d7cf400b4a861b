//! The suite of the testkit once more, with fires that share a row however few they are: its cases claim a handful, and a
//! store that is opened as usual gives each of those a row of its own.

use std::sync::Arc;

use punctual_core::JobStore;

mod support;

async fn store() -> Arc<dyn JobStore> {
    Arc::new(support::conforming(1).await)
}

punctual_testkit::conformance!(store().await);
