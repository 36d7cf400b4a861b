//! A server for all tests of a process, and a schema for each test. `PUNCTUAL_TEST_POSTGRES` names a server that runs
//! already; otherwise one is started.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use punctual_throwaway::{Options, Postgres};

fn server() -> &'static str {
    static SERVER: OnceLock<(String, Option<Postgres>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| match std::env::var("PUNCTUAL_TEST_POSTGRES") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = Postgres::start(Options::for_tests(200)).unwrap();
            (server.url(), Some(server))
        }
    });
    url
}

/// The URL of the server, and a schema that no other test has.
pub(crate) fn schema() -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    (server().to_owned(), format!("test_{}_{number}", std::process::id()))
}
