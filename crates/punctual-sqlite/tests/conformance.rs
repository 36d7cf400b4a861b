//! The suite that defines a store, each case on a file of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use punctual_core::ranking::Spacing;
use punctual_sqlite::{Options, SqliteStore, Synchronous};

/// A store in a fresh directory. Its name goes at once and its contents when the store closes the files, so that
/// nothing is left behind however a test ends.
fn fresh() -> Arc<SqliteStore> {
    let directory = tempfile::tempdir().unwrap();
    // So close that few rows are enough for a trigger to have fences.
    let trigger_fences = Spacing { full: 24, cut: 16, look: 1 };
    let options = Options { synchronous: Synchronous::Normal, trigger_fences, nameless: true };
    Arc::new(SqliteStore::open(directory.path().join("test.db"), options).unwrap())
}

punctual_testkit::conformance!(fresh());
