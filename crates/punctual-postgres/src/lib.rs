//! The clustered store: a PostgreSQL database (15 or newer) that several nodes share.
//!
//! Each call of the store traits is one transaction. Statements are the files in `sql/`, tables are in `migrations/`.
//!
//! # Where things are kept
//!
//! * `triggers` says what a trigger is; `due` says where it stands, one narrow row that each fire writes.
//! * `running` holds open fires. A row moves to `task_history` when its run has ended, so the history is only ever
//!   appended to. Fires that one claim opened together share a row of `running_batches` as long as most of them are open and
//!   nobody has to know one of them apart. `running_all` shows the open fires of both, `task_history_all` all fires.
//! * `lanes` and `gates` serve triggers whose runs are limited, as in the embedded store.
//!
//! # How nodes share the work
//!
//! No mutex and no leader: a claim locks the rows of `due` that it takes and passes over those that others hold, so two
//! claims at once get disjoint and full batches. See `edit` for the order of locks.

mod accounts;
mod asked;
mod batch;
mod claim;
mod edit;
mod ends;
mod error;
mod finish;
mod insert;
mod lent;
mod link;
mod listen;
mod lists;
mod locks;
mod migrate;
mod nodes;
mod open;
mod pool;
mod ranked;
mod records;
mod requests;
mod rows;
mod shared;
mod short;
mod sql;
mod store;
#[cfg(test)]
mod tests;
mod tls;
mod url;

use std::sync::Arc;

use punctual_core::ranking::Spacing;
use punctual_core::{StoreError, TaskHistory};
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::edit::Edit;
use crate::error::Sql;
use crate::link::Caller;
use crate::listen::Listener;
pub use crate::open::Options;
use crate::pool::{Connections, Loan};
use crate::shared::Shared;
use crate::url::Target;
pub use tokio_postgres;

/// What a server has done since its database was made; see [`PostgresStore::server_totals`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerTotals {
    /// Transactions that were committed in this database, whether or not they wrote anything. Sessions report theirs
    /// late: after about a second, with the next thing that they do.
    pub commits: u64,
    /// Bytes that the whole server has written to its log.
    pub wal_bytes: u64,
}

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    connections: Connections,
    shared: Arc<Shared>,
    listener: Listener,
    schema: String,
    place: String,
    trigger_fences: Spacing,
}

impl PostgresStore {
    /// Whether a URL can be read; nothing is connected to.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        Target::of(url).map(drop)
    }

    /// `HOST:PORT` of the server that a URL names (several with commas between) and the name of the database.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn named_by(url: &str) -> Result<(String, String), StoreError> {
        let target = Target::of(url)?;
        Ok((target.address(), target.database().to_owned()))
    }

    /// Opens a database, and brings its schema up to date. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Says what is wrong: the URL, the login, the database, its version, a missing right.
    pub async fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        let target = Target::of(url)?;
        let connections = open::open(&target, &options).await?;
        Ok(Self::with(connections, target, &options))
    }

    /// Opens a schema for reading only, beside the nodes that use it: the server refuses what would write. The schema has
    /// to be there, and to be of this version.
    ///
    /// # Errors
    /// As [`PostgresStore::open`]; and when there is no such schema, or one of another version.
    pub async fn open_read_only(url: &str, options: Options) -> Result<Self, StoreError> {
        let target = Target::of(url)?;
        let connections = open::open_read_only(&target, &options).await?;
        Ok(Self::with(connections, target, &options))
    }

    /// A connection to a database that need not hold a store, with all that a URL may say (TLS, files with keys): for reading
    /// the tables of others. It is driven by a task of its own until the client is dropped.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], apart from the server's version.
    pub async fn connect(url: &str) -> Result<tokio_postgres::Client, StoreError> {
        open::connect(&Target::of(url)?).await
    }

    /// Whether a database holds the schema of a store, of whatever version.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn is_made(url: &str, options: &Options) -> Result<bool, StoreError> {
        open::is_made(&Target::of(url)?, &options.schema).await
    }

    /// Whether a store has, or had in an earlier version, a table or view of this name.
    pub fn has_table(name: &str) -> bool {
        migrate::has_table(name)
    }

    fn with(connections: Connections, target: Target, options: &Options) -> Self {
        let place = format!("{} at {}, schema {}", target.database(), target.address(), options.schema);
        let listener = Listener::start(target, &options.schema);
        let schema = options.schema.clone();
        Self {
            connections,
            shared: Arc::new(Shared::new(options.batch_from)),
            listener,
            schema,
            place,
            trigger_fences: options.trigger_fences,
        }
    }

    /// Deletes a schema with everything in it, if it exists: for tests and measurements.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn drop_schema(url: &str, schema: &str) -> Result<(), StoreError> {
        open::drop_schema(url, schema).await
    }

    /// What the server has done, for measurements.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn server_totals(&self) -> Result<ServerTotals, StoreError> {
        let read = |row: &tokio_postgres::Row| ServerTotals {
            commits: rows::count(row.get(0)),
            wal_bytes: rows::count(row.get(1)),
        };
        Ok(self.one(sql::SERVER_TOTALS, &[], read).await?.unwrap_or_default())
    }

    /// Writes rows that ended elsewhere or earlier, in one transaction: under new ids, and each as the first attempt of a
    /// fire of its own. Open ones are left out.
    pub async fn put_history(&self, rows: Vec<TaskHistory>) -> Result<(), StoreError> {
        let client = self.client().await?;
        let result = ranked::put::rows(&client, &self.shared, &rows).await;
        client.after_transaction(result).await
    }

    /// Does at once what the server does on its own some time after tables have grown: vacuums them, and writes what has
    /// changed in memory, where the role may ask for that.
    pub async fn settle(&self) -> Result<(), StoreError> {
        let client = self.client().await?;
        let tables = "VACUUM (ANALYZE) jobs, triggers, due, running, running_batches, task_history, history_places, history_fences, \
                      history_noted, history_rollups, history_triggers, history_trigger_fences";
        let mut result = client.batch_execute(tables).await.sql();
        if result.is_ok() {
            result = match client.batch_execute("CHECKPOINT").await {
                Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(()),
                other => other.sql(),
            };
        }
        client.after(result)
    }

    async fn client(&self) -> Result<Loan, StoreError> {
        self.connections.lend().await
    }

    /// For lists, which must leave the node connections for its own work.
    async fn reader(&self) -> Result<Loan, StoreError> {
        self.connections.lend_to_read().await
    }

    /// Gives fires of this process a row of their own.
    async fn give_rows(&self, fires: &[i64]) -> Result<(), StoreError> {
        let batches = self.shared.batches_of(fires);
        if batches.is_empty() {
            return Ok(());
        }
        let unpacked = batches.clone();
        self.edit(move |edit| {
            edit.wake = false;
            edit.unpack(&unpacked)
        })
        .await?;
        self.shared.forget_fires(&[], &batches);
        Ok(())
    }

    /// Deletes jobs of which nothing is left. Where that fails, it is tried again after the next claim: the fires of this one
    /// are open and must reach their node.
    async fn collect_ended_jobs(&self) {
        let jobs = self.shared.take_ended_jobs();
        if jobs.is_empty() {
            return;
        }
        let collected = match self.client().await {
            Ok(client) => {
                let result = finish::collect_jobs(&client, jobs.clone()).await;
                client.after_transaction(result).await
            }
            Err(error) => Err(error),
        };
        if collected.is_err() {
            self.shared.note_ended_jobs(jobs);
        }
    }

    /// Runs edits in one transaction, on a thread that may block.
    async fn edit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Edit) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.transaction(move |edit| edit.whole(work, "COMMIT")).await
    }

    /// The same for what takes the edit lock later, or not at all, and commits by itself.
    async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Edit) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let client = self.client().await?;
        let (shared, runtime) = (Arc::clone(&self.shared), Handle::current());
        // Dropped with this future.
        let (_waits, waiting) = tokio::sync::watch::channel(());
        tokio::task::spawn_blocking(move || Edit::run(client, Caller(waiting), runtime, shared, work))
            .await
            .map_err(|error| StoreError::Other(format!("an edit ended badly: {error}")))?
    }

    async fn execute(&self, text: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let result = async { client.execute(&client.prepare_cached(text).await?, params).await }.await;
        client.after(result).sql()
    }

    async fn one<T>(
        &self,
        text: &str,
        params: &[&(dyn ToSql + Sync)],
        read: impl FnOnce(&tokio_postgres::Row) -> T,
    ) -> Result<Option<T>, StoreError> {
        let client = self.client().await?;
        let result = async { client.query_opt(&client.prepare_cached(text).await?, params).await }.await;
        Ok(client.after(result).sql()?.as_ref().map(read))
    }

    async fn all<T>(
        &self,
        text: &str,
        params: &[&(dyn ToSql + Sync)],
        read: impl FnMut(&tokio_postgres::Row) -> T,
    ) -> Result<Vec<T>, StoreError> {
        query_all(self.client().await?, text, params, read).await
    }

    /// The same for lists that people make long.
    async fn read_all<T>(
        &self,
        text: &str,
        params: &[&(dyn ToSql + Sync)],
        read: impl FnMut(&tokio_postgres::Row) -> T,
    ) -> Result<Vec<T>, StoreError> {
        query_all(self.reader().await?, text, params, read).await
    }
}

async fn query_all<T>(
    client: Loan,
    text: &str,
    params: &[&(dyn ToSql + Sync)],
    read: impl FnMut(&tokio_postgres::Row) -> T,
) -> Result<Vec<T>, StoreError> {
    let result = async { client.query(&client.prepare_cached(text).await?, params).await }.await;
    Ok(client.after(result).sql()?.iter().map(read).collect())
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresStore in database {} (persistent, clustered)", self.place)
    }
}
