//! What is asked of a database before it is used, and its schema.

use deadpool_postgres::Object;
use punctual_core::StoreError;

use crate::error::Sql;

const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_init.sql"),
    include_str!("../migrations/0002_events.sql"),
    include_str!("../migrations/0003_accounts.sql"),
    include_str!("../migrations/0004_records.sql"),
    include_str!("../migrations/0005_request_keys.sql"),
    include_str!("../migrations/0006_nodes.sql"),
    include_str!("../migrations/0007_ranked_history.sql"),
    include_str!("../migrations/0008_login_failures.sql"),
    include_str!("../migrations/0009_run_requests.sql"),
    include_str!("../migrations/0010_history_of_triggers.sql"),
    include_str!("../migrations/0011_history_of_moved_clocks.sql"),
    include_str!("../migrations/0012_fences_version.sql"),
    include_str!("../migrations/0013_history_off_time.sql"),
    include_str!("../migrations/0014_places_of_all_tasks.sql"),
    include_str!("../migrations/0015_fences_of_triggers.sql"),
    include_str!("../migrations/0016_durations_of_triggers.sql"),
    include_str!("../migrations/0017_rows_of_notes.sql"),
    include_str!("../migrations/0018_running_batches.sql"),
    include_str!("../migrations/0019_triggers_to_mend.sql"),
    include_str!("../migrations/0020_slots_of_nodes.sql"),
    include_str!("../migrations/0021_draining_nodes.sql"),
];

/// The oldest server that has what the statements use.
const OLDEST_SERVER: i32 = 150_000;

/// Serialises migrations of nodes that start together.
const MIGRATION_LOCK: i64 = 0x7075_6e63_7475_616c;

const SCHEMA_VERSION: &str = "CREATE TABLE schema_version (version integer PRIMARY KEY, applied_at timestamptz NOT NULL \
                              DEFAULT now())";

/// Tables and sequences on which the user may not do everything that a node does.
const CLOSED: &str = "SELECT coalesce(string_agg(c.relname, ', ' ORDER BY c.relname), '') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND CASE c.relkind \
         WHEN 'r' THEN NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') \
             AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')) \
         WHEN 'v' THEN NOT has_table_privilege(c.oid, 'SELECT') \
         WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') \
         ELSE false END";

/// Brings the schema up to date. Nodes that start together wait for each other. A program that is older than the schema is
/// refused; one that was started before goes on beside a newer schema, since migrations only ever add.
pub(crate) async fn migrate(client: &Object, schema: &str) -> Result<(), StoreError> {
    check_server(client).await?;
    client.batch_execute("BEGIN").await.sql()?;
    migrate_locked(client, schema).await?;
    client.batch_execute("COMMIT").await.sql()?;
    check_rights(client, schema).await
}

/// Whether the table of versions is there.
pub(crate) async fn has_versions(client: &tokio_postgres::Client, schema: &str) -> Result<bool, StoreError> {
    let table = "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'";
    Ok(client.query_opt(table, &[&schema]).await.sql()?.is_some())
}

/// Whether a store has, or had, a table or view of this name.
pub(crate) fn has_table(name: &str) -> bool {
    let made = |migration: &str| {
        let mut words =
            migration.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        let mut before = "";
        words.any(|word| {
            let found = word == name && ["TABLE", "VIEW", "EXISTS"].contains(&before);
            before = word;
            found
        })
    };
    name == "schema_version" || MIGRATIONS.iter().any(|migration| made(migration))
}

/// Refuses a schema that is missing or of another version.
pub(crate) async fn check_schema(client: &Object, schema: &str) -> Result<(), StoreError> {
    if !has_versions(client, schema).await? {
        return Err(StoreError::Unavailable(format!(
            "this database has no schema {schema:?} of a scheduler"
        )));
    }
    look_at(client, schema).await?.refuse_closed(schema)?;
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

async fn check_server(client: &Object) -> Result<(), StoreError> {
    let asked = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), \
                 current_setting('transaction_read_only')::bool";
    let row = client.query_one(asked, &[]).await.sql()?;
    check_version(row.get(0))?;
    if row.get(1) {
        return Err(StoreError::Unavailable(
            "the database is a standby, which can only be read: name the primary in the database URL, or all hosts with \
             target_session_attrs=read-write"
                .to_owned(),
        ));
    }
    if row.get(2) {
        return Err(StoreError::Unavailable(
            "the database can only be read: default_transaction_read_only is on; switch it off for the server, the \
             database or the user"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Refuses a server that is too old, by its number (`server_version_num`).
fn check_version(server: i32) -> Result<(), StoreError> {
    if server >= OLDEST_SERVER {
        return Ok(());
    }
    // Since version 10 the second number is the last two digits; before, it was the two before those.
    let (major, minor) = (server / 10_000, server % 10_000);
    let minor = if major < 10 { minor / 100 } else { minor };
    Err(StoreError::Other(format!(
        "the server is PostgreSQL {major}.{minor}, and this program needs version {} or newer",
        OLDEST_SERVER / 10_000
    )))
}

async fn migrate_locked(client: &Object, schema: &str) -> Result<(), StoreError> {
    client.query("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await.sql()?;
    make_schema(client, schema).await?;
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

/// A schema as a user finds it.
struct Found {
    user: String,
    database: String,
    may_make: bool,
    exists: bool,
    may_use: bool,
    may_fill: bool,
    /// Whether the table of its versions is there.
    versioned: bool,
}

async fn look_at(client: &Object, schema: &str) -> Result<Found, StoreError> {
    let asked = "SELECT current_user::text, current_database()::text, \
                 has_database_privilege(current_database(), 'CREATE'), n.oid IS NOT NULL, \
                 coalesce(has_schema_privilege(n.oid, 'USAGE'), false), \
                 coalesce(has_schema_privilege(n.oid, 'CREATE'), false), \
                 EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'schema_version') \
                 FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = $1";
    let row = client.query_one(asked, &[&schema]).await.sql()?;
    let (user, database) = (row.get(0), row.get(1));
    let [may_make, exists, may_use, may_fill, versioned] =
        [2, 3, 4, 5, 6].map(|column| row.get::<_, bool>(column));
    Ok(Found { user, database, may_make, exists, may_use, may_fill, versioned })
}

impl Found {
    /// Refuses a schema whose tables the user cannot reach, or not make where there are none.
    fn refuse_closed(&self, schema: &str) -> Result<(), StoreError> {
        if !self.exists || (self.may_use && (self.versioned || self.may_fill)) {
            return Ok(());
        }
        let Self { user, database, .. } = self;
        let right = if self.versioned { "USAGE" } else { "USAGE, CREATE" };
        Err(StoreError::Other(format!(
            "user {user} lacks a right on schema {schema} of database {database}: run GRANT {right} ON SCHEMA \"{schema}\" TO \
             \"{user}\""
        )))
    }
}

/// Makes the schema and the table of its versions unless they exist.
async fn make_schema(client: &Object, schema: &str) -> Result<(), StoreError> {
    let found = look_at(client, schema).await?;
    let Found { user, database, exists, versioned, .. } = &found;
    if !exists && !found.may_make {
        return Err(StoreError::Other(format!(
            "there is no schema {schema} in database {database}, and user {user} may not make it: run CREATE SCHEMA \
             \"{schema}\" AUTHORIZATION \"{user}\", or GRANT CREATE ON DATABASE \"{database}\" TO \"{user}\""
        )));
    }
    found.refuse_closed(schema)?;
    if !exists {
        client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await.sql()?;
    }
    if !versioned {
        client.batch_execute(SCHEMA_VERSION).await.sql()?;
    }
    Ok(())
}

/// Says at the start what would otherwise fail in the middle of the work.
async fn check_rights(client: &Object, schema: &str) -> Result<(), StoreError> {
    let closed = client.query_one(CLOSED, &[&schema]).await.sql()?;
    let closed: &str = closed.get(0);
    if closed.is_empty() {
        return Ok(());
    }
    let user = client.query_one("SELECT current_user::text", &[]).await.sql()?;
    let user: &str = user.get(0);
    Err(StoreError::Other(format!(
        "user {user} lacks rights in schema {schema} (on {closed}): run GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN \
         SCHEMA \"{schema}\" TO \"{user}\" and GRANT USAGE ON ALL SEQUENCES IN SCHEMA \"{schema}\" TO \"{user}\""
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_is_named() {
        for (number, version) in [(140_012, "14.12"), (90_624, "9.6")] {
            let error = check_version(number).unwrap_err().to_string();
            assert!(
                error.contains(&format!("PostgreSQL {version},")) && error.contains("15 or newer"),
                "{error}"
            );
        }
        check_version(150_000).unwrap();
        check_version(180_001).unwrap();
    }
}
