//! Opening a database, and deleting a schema.

use punctual_core::StoreError;
use punctual_core::ranking::Spacing;

use crate::error::{Sql, at};
use crate::migrate::{check_schema, has_versions, migrate};
use crate::pool::Connections;
use crate::url::Target;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The schema that holds the tables; made if it does not exist.
    pub schema: String,
    /// Connections at most, 2 at least; one more listens for what other nodes change. Lists hold all but two of them at
    /// most, and one at least: the others are for the node's own work.
    pub max_connections: usize,
    /// How long a call waits for a free connection, and then for a new one, in milliseconds. A list waits for its turn among
    /// the lists first, as long at most.
    pub wait_ms: u64,
    /// How close the fences stand that count the rows of triggers with many of them. Anything but the default is for tests.
    pub trigger_fences: Spacing,
    /// How many fires that a claim opens share one row, at least. Anything but the default is for tests.
    pub batch_from: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schema: "punctual".to_owned(),
            max_connections: 8,
            wait_ms: 5_000,
            // The index of a trigger says all that rows are sorted by; looking at a row is a descent and a page elsewhere.
            trigger_fences: Spacing { look: 50, ..Spacing::default() },
            batch_from: 64,
        }
    }
}

/// A schema's name between quotes; only plain names are taken.
fn quoted(schema: &str) -> Result<String, StoreError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if schema.is_empty() || schema.len() > 63 || !schema.chars().all(plain) {
        return Err(StoreError::Other(format!(
            "schema {schema:?}: a name has 1 to 63 characters of a-z, 0-9 and _"
        )));
    }
    Ok(format!("\"{schema}\""))
}

/// Connections for a node, to a schema that is brought up to date.
pub(crate) async fn open(target: &Target, options: &Options) -> Result<Connections, StoreError> {
    let connections = Connections::new(target, options, &quoted(&options.schema)?, "")?;
    connections.refuse_transaction_pooling().await?;
    let client = connections.lend().await?;
    // Not given back after an error: its transaction may be open.
    let migrated = migrate(&client, &options.schema).await;
    client.after(migrated)?;
    Ok(connections)
}

/// Connections that only read, to a schema that is there.
pub(crate) async fn open_read_only(target: &Target, options: &Options) -> Result<Connections, StoreError> {
    let read_only = "SET default_transaction_read_only = on;";
    let connections = Connections::new(target, options, &quoted(&options.schema)?, read_only)?;
    connections.refuse_transaction_pooling().await?;
    let client = connections.lend().await?;
    let checked = check_schema(&client, &options.schema).await;
    client.after(checked)?;
    Ok(connections)
}

/// Whether the tables of a store are in a schema.
pub(crate) async fn is_made(target: &Target, schema: &str) -> Result<bool, StoreError> {
    has_versions(&connect(target).await?, schema).await
}

/// A connection, driven by a task that ends with the client.
pub(crate) async fn connect(target: &Target) -> Result<tokio_postgres::Client, StoreError> {
    let connected = target.config.connect(target.tls.clone()).await.sql();
    let (client, connection) = connected.map_err(|error| at(error, &target.address()))?;
    tokio::spawn(connection);
    Ok(client)
}

pub(crate) async fn drop_schema(url: &str, schema: &str) -> Result<(), StoreError> {
    let schema = quoted(schema)?;
    let target = Target::of(url)?;
    let connected = target.config.connect(target.tls.clone()).await.sql();
    let (client, connection) = connected.map_err(|error| at(error, &target.address()))?;
    let driving = tokio::spawn(connection);
    let settings = "SET client_min_messages = warning";
    let dropped =
        client.batch_execute(&format!("{settings}; DROP SCHEMA IF EXISTS {schema} CASCADE")).await.sql();
    drop(client);
    driving.abort();
    dropped
}
