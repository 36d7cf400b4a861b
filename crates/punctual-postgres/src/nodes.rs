//! Signs of life.

use deadpool_postgres::Object;
use jiff::Timestamp;
use punctual_core::time::{plus_millis, to_millis, whole_millis};
use punctual_core::{CancelledFire, ClusterView, FireId, Heartbeat, Node, StoreError, Term};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::Sql;
use crate::rows::{self, instant, integer};
use crate::shared::Shared;
use crate::sql;

/// A lease that a crash of the database takes back ends sooner, which is safe: nobody has to wait for the disk.
const BEGIN: &str = "BEGIN; SET LOCAL synchronous_commit = off";

/// The columns that a heartbeat writes.
struct Beat<'a> {
    beat: &'a Heartbeat,
    now: i64,
    lease_until: i64,
    kinds: String,
    state: &'static str,
    offset: i64,
    uncertainty: i64,
    slots: i64,
}

/// What is read of the cluster.
struct Seen {
    nodes: Vec<Row>,
    cancelled: Vec<Row>,
    lost: bool,
    requests_since: Option<i64>,
    store_now: i64,
}

/// Registers a node or renews its lease: one transaction, and for a renewal one round trip.
pub(crate) async fn heartbeat(
    client: &Object,
    shared: &Shared,
    beat: &Heartbeat,
) -> Result<ClusterView, StoreError> {
    let beat = Beat {
        beat,
        now: to_millis(whole_millis(beat.now)),
        lease_until: to_millis(plus_millis(beat.now, integer(beat.lease_ms))),
        kinds: rows::json(&beat.kinds)?,
        state: beat.state.as_str(),
        offset: beat.clock_offset_ms,
        uncertainty: integer(beat.clock_uncertainty_ms),
        slots: integer(beat.slots),
    };
    // Prepared beforehand, so that what is sent together arrives in its order.
    for text in [sql::NODE_RENEW, sql::NODES, sql::CANCELLED_OF, sql::NODES_LOST, sql::STORE_NOW] {
        client.prepare_cached(text).await.sql()?;
    }
    if let Some(term) = beat.beat.term {
        let (_, renewed, seen, _) = futures_util::try_join!(
            async { client.batch_execute(BEGIN).await.sql() },
            beat.renew(client, term),
            beat.look(client, term),
            async { client.batch_execute("COMMIT").await.sql() },
        )?;
        if renewed {
            return Ok(beat.view(shared, term, &seen));
        }
    }
    client.batch_execute(BEGIN).await.sql()?;
    let term = beat.register(client, shared).await?;
    let seen = beat.look(client, term).await?;
    client.batch_execute("COMMIT").await.sql()?;
    Ok(beat.view(shared, term, &seen))
}

impl Beat<'_> {
    /// In the order in which both statements name them; the one that registers has one more.
    fn columns<'a>(&'a self, term: &'a i64) -> [&'a (dyn ToSql + Sync); 10] {
        [
            term,
            &self.beat.name,
            &self.beat.version,
            &self.state,
            &self.kinds,
            &self.now,
            &self.lease_until,
            &self.offset,
            &self.uncertainty,
            &self.slots,
        ]
    }

    async fn renew(&self, client: &Object, term: Term) -> Result<bool, StoreError> {
        let statement = client.prepare_cached(sql::NODE_RENEW).await.sql()?;
        let rows = client.execute(&statement, &self.columns(&term.0)).await.sql()?;
        Ok(rows > 0)
    }

    async fn register(&self, client: &Object, shared: &Shared) -> Result<Term, StoreError> {
        // Nodes that register at the same moment see each other.
        client.batch_execute("LOCK TABLE nodes IN SHARE ROW EXCLUSIVE MODE").await.sql()?;
        let statement = client.prepare_cached(sql::NODE_NAME_TAKEN).await.sql()?;
        if client.query_opt(&statement, &[&self.beat.name, &self.now, &0_i64]).await.sql()?.is_some() {
            return Err(StoreError::NameTaken(self.beat.name.clone()));
        }
        let term = shared.ids(client, 1).await?[0];
        let statement = client.prepare_cached(sql::NODE_INSERT).await.sql()?;
        let mut columns = self.columns(&term).to_vec();
        columns.push(&self.beat.draining);
        client.execute(&statement, &columns).await.sql()?;
        Ok(Term(term))
    }

    async fn look(&self, client: &Object, term: Term) -> Result<Seen, StoreError> {
        let (nodes, cancelled, lost, clock) = futures_util::try_join!(
            client.prepare_cached(sql::NODES),
            client.prepare_cached(sql::CANCELLED_OF),
            client.prepare_cached(sql::NODES_LOST),
            client.prepare_cached(sql::STORE_NOW),
        )
        .sql()?;
        let (nodes, cancelled, lost, store_now) = futures_util::try_join!(
            async { client.query(&nodes, &[]).await },
            async { client.query(&cancelled, &[&term.0]).await },
            async { client.query_one(&lost, &[&self.now]).await },
            async { client.query_one(&clock, &[]).await },
        )
        .sql()?;
        let (lost, requests_since) = (lost.get(0), lost.get(1));
        Ok(Seen { nodes, cancelled, lost, requests_since, store_now: store_now.get(0) })
    }

    fn view(&self, shared: &Shared, term: Term, seen: &Seen) -> ClusterView {
        let cancelled = seen.cancelled.iter().map(|row| CancelledFire {
            id: FireId(row.get(0)),
            term,
            reason: row.get(1),
        });
        let live = |node: &Node| to_millis(node.lease_until) > self.now;
        let nodes: Vec<Node> = seen.nodes.iter().map(rows::node).filter(live).collect();
        shared.note_versions(nodes.iter().all(|node| node.version == self.beat.version));
        ClusterView {
            term,
            nodes,
            cancelled: cancelled.collect(),
            store_now: micros(seen.store_now),
            lost: seen.lost,
            requests_since: seen.requests_since.map(instant),
        }
    }
}

pub(crate) fn micros(at: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(at).ok()
}
