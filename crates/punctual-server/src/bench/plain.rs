//! A plain loop of SQL statements over a table of due work, to compare with. It does what no queue in PostgreSQL can do
//! without (claim what is due so that nobody else gets it, and move it to a history when it has run), each in one statement
//! and one transaction. It knows no schedules, limits, retries or nodes that are lost.

use std::sync::Arc;

use anyhow::{bail, ensure};
use punctual_core::Clock;
use punctual_core::time::to_millis;
use punctual_engine::SystemClock;
use punctual_postgres::PostgresStore;
use punctual_postgres::tokio_postgres::Client;
use tokio::task::JoinSet;

use super::drain::Drained;
use super::world::{Place, data};

/// How much is claimed at once.
const BATCH: i64 = 500;

const TABLES: &str = "
    CREATE TABLE work (id bigint PRIMARY KEY, due_at bigint NOT NULL, data text NOT NULL, node text, started_at bigint);
    CREATE INDEX work_due ON work (due_at) WHERE started_at IS NULL;
    CREATE TABLE history (id bigint PRIMARY KEY, job text NOT NULL, scheduled_at bigint NOT NULL, started_at bigint NOT NULL,
        ended_at bigint NOT NULL, status smallint NOT NULL, node text NOT NULL);
    CREATE INDEX history_started_at ON history (started_at, id)";

const CLAIM: &str = "
    WITH due AS (SELECT id FROM work WHERE started_at IS NULL AND due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    UPDATE work SET node = 'bench', started_at = $1 FROM due WHERE work.id = due.id RETURNING work.id, work.data";

const COMPLETE: &str = "
    WITH done AS (DELETE FROM work WHERE id = ANY($1::bigint[]) RETURNING id, due_at, started_at, node)
    INSERT INTO history SELECT id, 'drain', due_at, started_at, $2, 1, node FROM done";

const FILL: &str =
    "INSERT INTO work (id, due_at, data) SELECT id, $1, $4 FROM generate_series($2::bigint, $3::bigint) id";

/// The tables of the loop, in a schema of their own.
pub(super) struct Plain {
    url: String,
    schema: String,
    clock: Arc<SystemClock>,
    drained: i64,
}

impl Plain {
    pub(super) async fn open(place: Place) -> anyhow::Result<Self> {
        let Place::Postgres { url, schema } = place else {
            bail!("--plain compares with statements on PostgreSQL: give --database postgresql://...")
        };
        PostgresStore::drop_schema(&url, &schema).await?;
        let plain = Self { url, schema, clock: Arc::new(SystemClock::new()), drained: 0 };
        let tables = format!("CREATE SCHEMA \"{}\"; {TABLES}", plain.schema);
        plain.client().await?.batch_execute(&tables).await?;
        Ok(plain)
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let client = PostgresStore::connect(&self.url).await?;
        client.batch_execute(&format!("SET search_path = \"{}\"", self.schema)).await?;
        Ok(client)
    }

    /// Fills the table and empties it, over so many connections.
    pub(super) async fn drain(&mut self, n: usize, connections: usize) -> anyhow::Result<Drained> {
        let client = self.client().await?;
        let now = to_millis(self.clock.now());
        let (first, last) = (self.drained + 1, self.drained + i64::try_from(n)?);
        client.execute(FILL, &[&now, &first, &last, &data(0).as_str()]).await?;
        client.batch_execute("VACUUM (ANALYZE) work, history").await?;
        // Only some may do that; without, the server does it when it likes.
        let _ = client.batch_execute("CHECKPOINT").await;
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(self.client().await?);
        }
        let wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
        let before: i64 = client.query_one(wal, &[]).await?.get(0);
        let started = self.clock.monotonic();
        let mut loops = JoinSet::new();
        for client in clients {
            let clock = Arc::clone(&self.clock);
            loops.spawn(async move {
                let (claim, complete) = (client.prepare(CLAIM).await?, client.prepare(COMPLETE).await?);
                let mut batches: u64 = 0;
                loop {
                    let rows = client.query(&claim, &[&to_millis(clock.now()), &BATCH]).await?;
                    if rows.is_empty() {
                        return anyhow::Ok(batches);
                    }
                    let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
                    client.execute(&complete, &[&ids, &to_millis(clock.now())]).await?;
                    batches += 1;
                }
            });
        }
        let mut batches = 0;
        while let Some(ended) = loops.join_next().await {
            batches += ended??;
        }
        let seconds = (self.clock.monotonic() - started).as_secs_f64();
        let after: i64 = client.query_one(wal, &[]).await?.get(0);
        self.drained = last;
        let rows: i64 = client.query_one("SELECT count(*) FROM history", &[]).await?.get(0);
        ensure!(rows == last, "{rows} rows in the history instead of {last}: no figure");
        Ok(Drained {
            rate: n as f64 / seconds,
            executed: n as u64,
            seconds,
            commits: 2 * batches,
            wal_bytes_per_fire: u64::try_from(after - before)? / n as u64,
        })
    }
}
