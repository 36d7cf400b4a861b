//! The schemas of measurements on a server. One measurement at a time has them, from its beginning to its end, and leaves none
//! of them behind.

use anyhow::{Context, bail};
use punctual_postgres::PostgresStore;
use punctual_postgres::tokio_postgres::Client;

use crate::database::Place;

/// The schema of measurements.
pub(super) const SCHEMA: &str = "punctual_bench";
/// What the names of further ones end with: that of the plain loop, and that of a store beside another.
pub(super) const PLAIN: &str = "_plain";
pub(super) const BESIDE: &str = "_beside";

/// The lock of a database that a measurement holds. Any number that nobody else uses.
const LOCK: i64 = 0x0070_7562_656e_6368;

/// What a measurement needs on a server.
pub(super) struct Needs {
    pub(super) url: String,
    pub(super) suffixes: &'static [&'static str],
    /// What it has filled is for the next one.
    pub(super) keeps: bool,
}

impl Needs {
    /// Nothing, unless the database is on a server.
    pub(super) fn of(
        database: Option<&str>,
        suffixes: &'static [&'static str],
    ) -> anyhow::Result<Option<Self>> {
        let Some(url) = database.filter(|url| *url != "memory://") else { return Ok(None) };
        Ok(match Place::of(url, punctual_sqlite::Options::default())? {
            Place::Sqlite(..) => None,
            Place::Postgres(url, _) => Some(Self { url, suffixes, keeps: false }),
        })
    }
}

/// The schemas, which nobody else measures in while this is open.
pub(super) struct Held {
    /// Its session holds the lock.
    client: Client,
    schemas: Vec<String>,
    keeps: bool,
}

impl Held {
    /// Takes the lock, and looks that nothing of anybody else would be deleted.
    pub(super) async fn take(needs: &Needs) -> anyhow::Result<Self> {
        let client = PostgresStore::connect(&needs.url).await?;
        let free: bool = client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await?.get(0);
        if !free {
            bail!(
                "another measurement runs in this database, in the schema {SCHEMA}: wait for its end, or give another \
                 database"
            );
        }
        let mut schemas = Vec::new();
        for suffix in needs.suffixes {
            let schema = format!("{SCHEMA}{suffix}");
            refuse_foreign(&client, &schema, suffix == &PLAIN).await?;
            schemas.push(schema);
        }
        Ok(Self { client, schemas, keeps: needs.keeps })
    }

    /// Deletes the schemas, and gives up the lock.
    pub(super) async fn release(self) -> anyhow::Result<()> {
        if self.keeps {
            return Ok(());
        }
        for schema in &self.schemas {
            let drop = format!(
                "SET client_min_messages = warning; SET lock_timeout = '10s'; DROP SCHEMA IF EXISTS \"{schema}\" CASCADE"
            );
            let mut tries = 3;
            // Nodes that were at work may be in its way, and end the one or the other of both.
            while let Err(error) = self.client.batch_execute(&drop).await {
                tries -= 1;
                if tries == 0 {
                    return Err(error)
                        .with_context(|| format!("cannot drop the schema {schema}: drop it yourself"));
                }
            }
        }
        Ok(())
    }
}

/// Refuses a schema with tables that no measurement has made.
async fn refuse_foreign(client: &Client, schema: &str, plain: bool) -> anyhow::Result<()> {
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p', 'v', 'm', 'f')
                  ORDER BY relname";
    let tables: Vec<String> = client.query(tables, &[&schema]).await?.iter().map(|row| row.get(0)).collect();
    let own = |table: &str| {
        if plain { ["work", "history"].contains(&table) } else { PostgresStore::has_table(table) }
    };
    let foreign: Vec<&str> = tables.iter().map(String::as_str).filter(|table| !own(table)).collect();
    let advice = "a measurement would delete it: give another database, or drop the schema yourself";
    if let [first, others @ ..] = foreign.as_slice() {
        let others = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        bail!(
            "the schema {schema} of this database has the table {first}{others}, which is none of a measurement; {advice}"
        );
    }
    if !plain && !tables.is_empty() && !tables.iter().any(|table| table == "schema_version") {
        bail!(
            "the schema {schema} of this database has tables and is no store (it has no schema_version); {advice}"
        );
    }
    Ok(())
}
