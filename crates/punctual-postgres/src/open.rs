//! Connections: the pool, its settings, and the schema.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use punctual_core::StoreError;
use tokio_postgres::{Config, NoTls};

use crate::error::{Sql, pool_error};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The schema that holds the tables; made if it does not exist.
    pub schema: String,
    /// Connections at most.
    pub max_connections: usize,
    /// How long a call waits for a free connection, in milliseconds.
    pub wait_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { schema: "punctual".to_owned(), max_connections: 8, wait_ms: 5_000 }
    }
}

const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_init.sql")];

/// The oldest server that has what the statements use.
const OLDEST_SERVER: i32 = 150_000;

/// Serialises migrations of nodes that start together.
const MIGRATION_LOCK: i64 = 0x7075_6e63_7475_616c;

/// Settings of every connection.
///
/// The statements are made for their indexes and bind arrays, whose length the planner cannot know: on young tables
/// (without statistics) it would choose to read whole tables, and keep that plan. So the alternatives are switched off, and
/// a plan is made once a connection.
///
/// A transaction goes from one statement to the next within milliseconds. One that does not belongs to a node that is
/// frozen or cut off, and its locks would keep the others from the lanes that it touched: the server ends it.
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
                        SET plan_cache_mode = force_generic_plan; SET jit = off; SET client_min_messages = warning; \
                        SET idle_in_transaction_session_timeout = '3s';";

/// Reads the URL, and says what is wrong with it without showing its password.
pub(crate) fn config(url: &str) -> Result<Config, StoreError> {
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        StoreError::Other(format!(
            "the database URL cannot be read: {cause}; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ))
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(5));
    }
    if config.get_application_name().is_none() {
        config.application_name("punctual");
    }
    config.keepalives_idle(Duration::from_secs(10));
    Ok(config)
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
pub(crate) async fn pool(url: &str, options: &Options) -> Result<Pool, StoreError> {
    let pool = build(url, options, "")?;
    migrate(&connection(&pool).await?, &quoted(&options.schema)?).await?;
    Ok(pool)
}

/// Connections that only read, to a schema that is there.
pub(crate) async fn reading_pool(url: &str, options: &Options) -> Result<Pool, StoreError> {
    let pool = build(url, options, "SET default_transaction_read_only = on;")?;
    check(&connection(&pool).await?, &options.schema).await?;
    Ok(pool)
}

/// Refuses a schema that is missing or of another version.
async fn check(client: &Object, schema: &str) -> Result<(), StoreError> {
    let table = "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'";
    if client.query_opt(table, &[&schema]).await.sql()?.is_none() {
        return Err(StoreError::Unavailable(format!(
            "this database has no schema {schema:?} of a scheduler"
        )));
    }
    let version =
        client.query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[]).await.sql()?;
    let (version, newest): (i32, i32) = (version.get(0), MIGRATIONS.len() as i32);
    if version != newest {
        return Err(StoreError::Unavailable(format!(
            "the database has schema version {version}, and this program reads version {newest}: use the program that \
             uses the database"
        )));
    }
    Ok(())
}

fn build(url: &str, options: &Options, more: &str) -> Result<Pool, StoreError> {
    let schema = quoted(&options.schema)?;
    let manager =
        Manager::from_config(config(url)?, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let settings = format!("SET search_path = {schema}; {SETTINGS} {more}");
    let wait = Some(Duration::from_millis(options.wait_ms));
    Pool::builder(manager)
        .max_size(options.max_connections.max(2))
        .runtime(Runtime::Tokio1)
        .wait_timeout(wait)
        .create_timeout(wait)
        .post_create(deadpool_postgres::Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(async move {
                client.batch_execute(&settings).await.map_err(deadpool_postgres::HookError::Backend)
            })
        }))
        .build()
        .map_err(|error| StoreError::Other(error.to_string()))
}

pub(crate) async fn connection(pool: &Pool) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| pool_error(&error))
}

/// Brings the schema up to date. Nodes that start together wait for each other; an older node goes on beside a newer
/// schema, since migrations only ever add.
async fn migrate(client: &Object, schema: &str) -> Result<(), StoreError> {
    let row = client.query_one("SELECT current_setting('server_version_num')::int", &[]).await.sql()?;
    let server: i32 = row.get(0);
    if server < OLDEST_SERVER {
        return Err(StoreError::Other(format!(
            "the server is PostgreSQL {}.{}, and this needs version 15 or newer",
            server / 10_000,
            server % 10_000
        )));
    }
    client.batch_execute("BEGIN").await.sql()?;
    let result = migrate_locked(client, schema).await;
    client.batch_execute(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await.sql()?;
    result
}

async fn migrate_locked(client: &Object, schema: &str) -> Result<(), StoreError> {
    client.query("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await.sql()?;
    let exists = client
        .query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema.trim_matches('"')])
        .await
        .sql()?;
    if exists.is_none() {
        client.batch_execute(&format!("CREATE SCHEMA {schema}")).await.sql()?;
    }
    let versions = "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, applied_at timestamptz \
                    NOT NULL DEFAULT now())";
    let known = client
        .query_opt(
            "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'",
            &[&schema.trim_matches('"')],
        )
        .await
        .sql()?;
    if known.is_none() {
        client.batch_execute(versions).await.sql()?;
    }
    let row = client.query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[]).await.sql()?;
    let version: i32 = row.get(0);
    let newest = MIGRATIONS.len() as i32;
    if version > newest {
        return Err(StoreError::Corrupt(format!(
            "the database has schema version {version}, and this program knows versions up to {newest}: use the newer \
             program that wrote it"
        )));
    }
    for (number, migration) in (1_i32..).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        client.batch_execute(migration).await.sql()?;
        client.execute("INSERT INTO schema_version (version) VALUES ($1)", &[&number]).await.sql()?;
    }
    Ok(())
}

pub(crate) async fn drop_schema(url: &str, schema: &str) -> Result<(), StoreError> {
    let schema = quoted(schema)?;
    let (client, connection) = config(url)?.connect(NoTls).await.sql()?;
    let driving = tokio::spawn(connection);
    let settings = "SET client_min_messages = warning";
    let dropped =
        client.batch_execute(&format!("{settings}; DROP SCHEMA IF EXISTS {schema} CASCADE")).await.sql();
    drop(client);
    driving.abort();
    dropped
}
