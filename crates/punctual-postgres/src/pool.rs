//! The connections: opened as they are needed, lent to one call at a time, and given up when in doubt.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use punctual_core::{PoolStatus, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Sql, pool_error};
use crate::open::Options;
use crate::url::Target;

/// Settings of every connection.
///
/// The statements are made for their indexes and bind arrays, whose length the planner cannot know: on young tables
/// (without statistics) it would choose to read whole tables, and keep that plan. So the alternatives are switched off, and
/// a plan is made once a connection. None of them lasts so long that starting workers would be worth while.
///
/// A transaction goes from one statement to the next within milliseconds. One that does not belongs to a node that is
/// frozen or cut off, and its locks would keep the others from the lanes that it touched: the server ends it.
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
                        SET plan_cache_mode = force_generic_plan; SET jit = off; \
                        SET max_parallel_workers_per_gather = 0; SET client_min_messages = warning; \
                        SET idle_in_transaction_session_timeout = '3s';";

/// How many connections reads may hold at once, so that a heartbeat, a claim or how runs ended never waits for lists.
const fn for_reads(max_connections: usize) -> usize {
    if max_connections > KEPT_FOR_WORK { max_connections - KEPT_FOR_WORK } else { 1 }
}

/// Connections that reads cannot take: one for the lease, one for claims and ends of runs.
const KEPT_FOR_WORK: usize = 2;

/// The connections of a store.
pub(crate) struct Connections {
    pool: Pool,
    /// Places for reads, which may be many and slow.
    reads: Arc<Semaphore>,
    reads_waiting: AtomicU64,
    wait: Duration,
    address: String,
    acquired: AtomicU64,
    acquire_micros: AtomicU64,
}

impl Connections {
    pub(crate) fn new(
        target: &Target,
        options: &Options,
        schema: &str,
        more: &str,
    ) -> Result<Self, StoreError> {
        // Whether a connection works is not asked before each call, which would cost a round trip: one that ended is known to
        // be closed, and one that failed is not given back.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(target.config.clone(), target.tls.clone(), recycling);
        let settings = format!("SET search_path = {schema}; {SETTINGS} {more}");
        let wait = Duration::from_millis(options.wait_ms);
        let max_connections = options.max_connections.max(2);
        let pool = Pool::builder(manager)
            .max_size(max_connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(wait))
            .create_timeout(Some(wait))
            .post_create(Hook::async_fn(move |client, _| {
                let settings = settings.clone();
                Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(|error| StoreError::Other(error.to_string()))?;
        Ok(Self {
            pool,
            reads: Arc::new(Semaphore::new(for_reads(max_connections))),
            reads_waiting: AtomicU64::new(0),
            wait,
            address: target.address(),
            acquired: AtomicU64::new(0),
            acquire_micros: AtomicU64::new(0),
        })
    }

    /// A connection for the node's own work, a change or a look-up by key; waits for one if all are in use.
    pub(crate) async fn lend(&self) -> Result<Loan, StoreError> {
        self.take(instant_now(), None).await
    }

    /// A connection for a list, or for another read that may take its time; waits while others of these hold all that
    /// they may.
    pub(crate) async fn lend_to_read(&self) -> Result<Loan, StoreError> {
        let asked = instant_now();
        let place = self.place_to_read().await.map_err(|error| pool_error(&error, &self.address))?;
        self.take(asked, Some(place)).await
    }

    #[expect(clippy::disallowed_methods, reason = "waits for a connection, which is no part of virtual time")]
    async fn place_to_read(&self) -> Result<OwnedSemaphorePermit, PoolError> {
        let _waiting = Waiting::begin(&self.reads_waiting);
        let place = tokio::time::timeout(self.wait, Arc::clone(&self.reads).acquire_owned()).await;
        place.map_err(|_| PoolError::Timeout(TimeoutType::Wait))?.map_err(|_| PoolError::Closed)
    }

    async fn take(
        &self,
        asked: std::time::Instant,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Loan, StoreError> {
        let object = self.pool.get().await.map_err(|error| pool_error(&error, &self.address))?;
        let waited = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.acquired.fetch_add(1, Ordering::Relaxed);
        self.acquire_micros.fetch_add(waited, Ordering::Relaxed);
        Ok(Loan { object: Some(object), _place: place })
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus {
            max: status.max_size as u64,
            in_use: status.size.saturating_sub(status.available) as u64,
            idle: status.available as u64,
            waiting: status.waiting as u64 + self.reads_waiting.load(Ordering::Relaxed),
            acquired: self.acquired.load(Ordering::Relaxed),
            acquire_micros: self.acquire_micros.load(Ordering::Relaxed),
        }
    }

    /// Finds out whether a pooler hands connections of the server round among clients between transactions. Then what is set
    /// for a connection holds for somebody else's statements, and not for ours.
    pub(crate) async fn refuse_transaction_pooling(&self) -> Result<(), StoreError> {
        const BACKEND: &str = "SELECT pg_backend_pid()";
        let (one, other) = (self.lend().await?, self.lend().await?);
        // Unprepared, since prepared statements are what such a pooler may not know.
        let first = backend(&one, BACKEND).await?;
        let second = match backend(&other, &format!("BEGIN; {BACKEND}")).await {
            Err(error) if error.to_string().contains("statement pooling") => return Err(self.pooled()),
            answer => answer?,
        };
        let again = backend(&one, BACKEND).await?;
        other.batch_execute("ROLLBACK").await.sql()?;
        one.give_back();
        other.give_back();
        if first == second || first != again { Err(self.pooled()) } else { Ok(()) }
    }

    fn pooled(&self) -> StoreError {
        StoreError::Other(format!(
            "between this program and the database at {} there is a pooler that gives each transaction another connection \
             of the server: set it to session pooling (PgBouncer: pool_mode = session), or name the server itself in the \
             database URL",
            self.address
        ))
    }
}

/// Counts somebody who waits, until this is dropped.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "how long was waited is only reported, and decides nothing")]
fn instant_now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The server's process behind a connection.
async fn backend(client: &Object, text: &str) -> Result<Option<String>, StoreError> {
    let messages = client.simple_query(text).await.sql()?;
    Ok(messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

/// A connection that a call is using. It goes back when the call says that it is at rest; where the call fails, panics or
/// is cancelled halfway (so that a transaction may be open), it is closed.
pub(crate) struct Loan {
    object: Option<Object>,
    /// A read's place, given up after the connection.
    _place: Option<OwnedSemaphorePermit>,
}

impl Loan {
    /// Nothing is open on it.
    pub(crate) fn give_back(mut self) {
        drop(self.object.take());
    }

    /// Gives it back after statements outside of a transaction. A failed one may mean that the connection is broken, though
    /// it does not know yet.
    pub(crate) fn after<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        if result.is_ok() {
            self.give_back();
        }
        result
    }

    /// Gives it back after a transaction, which has ended unless this is an error.
    pub(crate) async fn after_transaction<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_ok() || self.batch_execute("ROLLBACK").await.is_ok() {
            self.give_back();
        }
        result
    }
}

impl Deref for Loan {
    type Target = Object;

    fn deref(&self) -> &Object {
        match &self.object {
            Some(object) => object,
            None => unreachable!("only what consumes the loan takes the connection"),
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
