//! The suite that defines a store.

punctual_testkit::conformance!(std::sync::Arc::new(punctual_memory::MemoryStore::new()));
