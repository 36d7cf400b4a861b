//! The statements.

mod instants;
mod plans;
mod ranked;

use std::collections::BTreeSet;
use std::path::Path;

use punctual_throwaway::Postgres;

use crate::{Options, PostgresStore, sql};

/// The server that `PUNCTUAL_TEST_POSTGRES` names, or one that runs as long as it is kept.
fn server() -> (String, Option<Postgres>) {
    match std::env::var("PUNCTUAL_TEST_POSTGRES") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = Postgres::start(punctual_throwaway::Options::default()).unwrap();
            (server.url(), Some(server))
        }
    }
}

/// A store in a schema of its own, with nothing in it.
async fn emptied(url: &str, schema: &str) -> PostgresStore {
    let options = Options { schema: schema.to_owned(), max_connections: 2, ..Options::default() };
    PostgresStore::drop_schema(url, schema).await.unwrap();
    PostgresStore::open(url, options).await.unwrap()
}

#[test]
fn every_file_is_a_statement() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed: BTreeSet<String> = sql::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, listed);
}
