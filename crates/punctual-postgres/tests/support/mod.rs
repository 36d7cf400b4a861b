//! A server for all tests of a process, and a schema for each test. `PUNCTUAL_TEST_POSTGRES` names a server that runs
//! already; otherwise one is started.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use punctual_core::ranking::Spacing;
use punctual_postgres::{Options, PostgresStore};
use punctual_throwaway::{Options as ServerOptions, Postgres};

pub(crate) mod world;

fn server() -> &'static str {
    static SERVER: OnceLock<(String, Option<Postgres>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| match std::env::var("PUNCTUAL_TEST_POSTGRES") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = Postgres::start(ServerOptions::for_tests(200)).unwrap();
            (server.url(), Some(server))
        }
    });
    url
}

/// The URL of the server, and a schema that no other test has: neither one of this process, nor one of an earlier process
/// with its number that left its schemas on a server that runs for longer.
pub(crate) fn schema() -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static PROCESS: OnceLock<u64> = OnceLock::new();
    let process = PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()));
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    (server().to_owned(), format!("test_{process:016x}_{number}"))
}

/// A store for a case of the conformance suite.
pub(crate) async fn conforming(batch_from: usize) -> PostgresStore {
    let (url, schema) = schema();
    // So close that few rows are enough for a trigger to have fences.
    let trigger_fences = Spacing { full: 24, cut: 16, look: 1 };
    let options = Options { schema, max_connections: 3, trigger_fences, batch_from, ..Options::default() };
    PostgresStore::open(&url, options).await.unwrap()
}
