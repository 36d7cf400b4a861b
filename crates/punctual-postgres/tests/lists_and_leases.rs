//! Lists that take long, and the node's own work beside them.

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use punctual_core::{
    AccountStore, AuditQuery, ClusterStore, DefinitionStore, HistoryQuery, HistoryStore, InsightsQuery,
    JobQuery, JobStore, Paging, SkippedQuery, StoreError, TriggerQuery,
};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{Hand, at, job, schedule};

/// What the lists read. A heartbeat needs none of it.
const TABLES: &str = "jobs, triggers, history_fences, history_fences_version, history_noted, history_places, \
                      history_rollups, history_series, history_triggers, task_names, skipped_ranges, audit_log";

type List = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// A list of each kind, twice.
fn lists(store: &Arc<PostgresStore>) -> Vec<List> {
    macro_rules! list {
        ($store:ident, $call:expr) => {{
            let $store = Arc::clone(store);
            Box::pin(async move { $call.await.map(drop) }) as List
        }};
    }
    let once = || {
        vec![
            list!(store, store.jobs(&JobQuery::default())),
            list!(store, store.triggers(&TriggerQuery::default())),
            list!(store, store.state_counts(at(0))),
            list!(store, store.history(&page())),
            list!(store, store.insights(&insights())),
            list!(store, store.skipped(&SkippedQuery::default())),
            list!(store, store.unique_tasks()),
            list!(store, store.audit_log(&AuditQuery::default())),
        ]
    };
    once().into_iter().chain(once()).collect()
}

/// A page as a person asks for it. The whole history would be read from its table, which a heartbeat reads as well.
fn page() -> HistoryQuery {
    HistoryQuery { paging: Paging::first(50), ..HistoryQuery::default() }
}

fn insights() -> InsightsQuery {
    InsightsQuery { task: None, job: None, from: at(0), to: at(3_600), step_hours: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_leave_connections_for_the_lease() {
    for max_connections in [1, 2, 3, 8] {
        let (url, schema) = support::schema();
        let options = Options { schema: schema.clone(), max_connections, ..Options::default() };
        let store = Arc::new(PostgresStore::open(&url, options).await.unwrap());
        let shared: Arc<dyn JobStore> = store.clone();
        schedule(&shared, at(0), job("job"), vec![]).await;
        let node = Hand::register(&shared, "n", at(0)).await;
        // Every list stands still until these are free again.
        let other = PostgresStore::connect(&url).await.unwrap();
        other
            .batch_execute(&format!("SET search_path = {schema}; BEGIN; LOCK TABLE {TABLES}"))
            .await
            .unwrap();
        let mut asked: Vec<_> = lists(&store).into_iter().map(tokio::spawn).collect();
        let held = u64::try_from(max_connections.saturating_sub(2).max(1)).unwrap();
        loop {
            if let Some(at) = asked.iter().position(tokio::task::JoinHandle::is_finished) {
                panic!("nothing held list {at} up: {:?}", asked.remove(at).await.unwrap());
            }
            let pool = store.pool_status().unwrap();
            assert!(pool.in_use <= held, "{} of {max_connections} connections", pool.in_use);
            // One that is being opened counts as waited for.
            if (pool.in_use, pool.waiting) == (held, asked.len() as u64 - held) {
                break;
            }
            tokio::task::yield_now().await;
        }
        node.renew(at(1)).await;
        assert!(store.store_now().await.unwrap().is_some());
        assert_eq!(store.nodes().await.unwrap().len(), 1);
        other.batch_execute("COMMIT").await.unwrap();
        for list in asked {
            list.await.unwrap().unwrap();
        }
        assert_eq!(store.pool_status().unwrap().waiting, 0);
        PostgresStore::drop_schema(&url, &schema).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_whose_turn_does_not_come_says_so() {
    let (url, schema) = support::schema();
    let options =
        Options { schema: schema.clone(), max_connections: 2, wait_ms: 1_000, ..Options::default() };
    let store = Arc::new(PostgresStore::open(&url, options).await.unwrap());
    let other = PostgresStore::connect(&url).await.unwrap();
    other.batch_execute(&format!("SET search_path = {schema}; BEGIN; LOCK TABLE jobs")).await.unwrap();
    let mut jobs = lists(&store).remove(0);
    // It holds the only connection that lists may have.
    let refused = tokio::select! {
        biased;
        done = &mut jobs => panic!("it was not held up: {done:?}"),
        refused = lists(&store).remove(1) => refused.unwrap_err(),
    };
    assert!(matches!(&refused, StoreError::Unavailable(text) if text.contains("came free")), "{refused:?}");
    other.batch_execute("COMMIT").await.unwrap();
    jobs.await.unwrap();
    // And what was refused keeps nothing.
    lists(&store).remove(1).await.unwrap();
    PostgresStore::drop_schema(&url, &schema).await.unwrap();
}
