//! What defines a store.
//!
//! ```text
//! punctual_testkit::conformance!(std::sync::Arc::new(MyStore::temporary()));
//! ```
//!
//! expands to one test for each case of [`mod@conformance`], each on a store of its own. The expression is evaluated
//! inside an async test and gives an `Arc<dyn JobStore>` (or something that coerces to one).

#![expect(clippy::unwrap_used, reason = "a test kit fails by panicking")]

pub mod account;
pub mod conformance;
pub mod factory;
pub mod faulty;
pub mod simulation;

/// One test for each case of the suite; see the crate's text. Needs tokio with `macros` and `rt` in the
/// dev-dependencies of the crate that calls it.
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance_cases!($make);
    };
}
