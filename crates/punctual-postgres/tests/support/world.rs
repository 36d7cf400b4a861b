//! Stores over one schema, and the tables that they write.

use std::sync::Arc;

use punctual_core::{Fire, HistoryQuery, JobStore, Paging, TaskHistory, TaskStatus};
use punctual_postgres::tokio_postgres::{Client, NoTls, connect};
use punctual_postgres::{Options, PostgresStore};

use super::schema;

pub(crate) struct World {
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) url: String,
    pub(crate) schema: String,
    /// A connection for a look at the tables.
    pub(crate) tables: Client,
    batch_from: usize,
}

impl World {
    /// A store whose claims put so many fires into one row, at least.
    pub(crate) async fn of(batch_from: usize) -> Self {
        let (url, schema) = schema();
        let store = open(&url, &schema, batch_from).await;
        let tables = client(&url, &schema).await;
        Self { store, url, schema, tables, batch_from }
    }

    /// The store as another process has it: with connections and a memory of its own.
    pub(crate) async fn other(&self) -> Arc<dyn JobStore> {
        open(&self.url, &self.schema, self.batch_from).await
    }

    pub(crate) async fn client(&self) -> Client {
        client(&self.url, &self.schema).await
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        self.tables.query_one(&format!("SELECT count(*) FROM {of}"), &[]).await.unwrap().get(0)
    }

    /// How many batches there are, how many fires are open in them, and how many have a row of their own.
    pub(crate) async fn open(&self) -> (i64, i64, i64) {
        let batches = self.count("running_batches").await;
        (batches, self.count("running_in_batches").await, self.count("running").await)
    }

    /// The rows of the history in the order of their ids, which are all different.
    pub(crate) async fn history(&self) -> Vec<TaskHistory> {
        let query = HistoryQuery { paging: Paging::ALL, ..HistoryQuery::default() };
        let mut rows = self.store.history(&query).await.unwrap().rows;
        rows.sort_by_key(|row| row.id);
        assert!(rows.windows(2).all(|pair| pair[0].id != pair[1].id), "one fire, one row: {rows:#?}");
        rows
    }

    /// What became of these fires, in their order; each has exactly one row.
    pub(crate) async fn became(&self, fires: &[Fire]) -> Vec<TaskStatus> {
        let rows = self.history().await;
        let of = |fire: &Fire| rows.iter().find(|row| row.id == fire.id).map(|row| row.status);
        fires.iter().map(|fire| of(fire).unwrap()).collect()
    }
}

/// A transaction that has the rows of all batches locked.
pub(crate) struct Held(Client, i32);

impl Held {
    pub(crate) async fn let_go(self) {
        self.0.batch_execute("COMMIT").await.unwrap();
    }
}

impl World {
    /// Keeps the rows of batches away from everybody else.
    pub(crate) async fn hold_batches(&self) -> Held {
        let client = self.client().await;
        client.batch_execute("BEGIN; SELECT FROM running_batches FOR UPDATE").await.unwrap();
        let process = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        Held(client, process)
    }

    /// Returns when so many others wait for what is held, or for each other because of it.
    pub(crate) async fn until_waiting(&self, held: &Held, wanted: i64) {
        let waiting = "WITH RECURSIVE waiting(pid) AS (
                SELECT $1::int UNION SELECT a.pid FROM pg_stat_activity a, waiting w WHERE w.pid = ANY(pg_blocking_pids(a.pid)))
            SELECT count(*) - 1 FROM waiting";
        while self.tables.query_one(waiting, &[&held.1]).await.unwrap().get::<_, i64>(0) < wanted {}
    }
}

async fn open(url: &str, schema: &str, batch_from: usize) -> Arc<dyn JobStore> {
    let options = Options { schema: schema.to_owned(), max_connections: 4, batch_from, ..Options::default() };
    Arc::new(PostgresStore::open(url, options).await.unwrap())
}

async fn client(url: &str, schema: &str) -> Client {
    let (client, connection) = connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = \"{schema}\"")).await.unwrap();
    client
}
