//! Connections that break: the calls that use them fail, the next ones have new connections.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use punctual_core::{
    Change, Claim, ClusterStore, DefinitionStore, FiringStore, HistoryStore, JobKind, KindSlots, StoreError,
    TaskRecord, TaskStatus, Term, Trigger,
};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{at, beat, every, job};
use punctual_throwaway::{Postgres, Stop};

const CONNECTIONS: usize = 3;

fn server() -> Postgres {
    Postgres::start(punctual_throwaway::Options::for_tests(100)).unwrap()
}

async fn open(server: &Postgres) -> PostgresStore {
    let options = Options { max_connections: CONNECTIONS, ..Options::default() };
    PostgresStore::open(&server.url(), options).await.unwrap()
}

/// Ends every connection of every store, and says how many there were.
fn kill(server: &Postgres) -> usize {
    let sql =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'punctual'";
    server.psql(sql).unwrap().parse().unwrap()
}

fn record() -> TaskRecord {
    TaskRecord {
        task: "by hand".to_owned(),
        status: TaskStatus::Success,
        started_at: at(0),
        ended_at: Some(at(1)),
        duration_ms: Some(1_000),
        details: None,
        db_id: None,
        node: "node".to_owned(),
        term: None,
        parent: None,
        run: None,
        logs: None,
        progress: None,
    }
}

/// One call of each way to use a connection: a statement, a list, a transaction, an edit.
async fn call(store: &PostgresStore, term: Term, which: usize) -> Result<(), StoreError> {
    let key = "job".into();
    match which % 5 {
        0 => store.job(&key).await.map(drop),
        1 => store.record(&[record()]).await.map(drop),
        2 => {
            let triggers = vec![Trigger::new("t", "job", every(60))];
            store.apply(at(0), &[Change::Schedule { job: job("job"), triggers }]).await.map(drop)
        }
        3 => {
            let kinds = [KindSlots { kind: JobKind::new("test"), free: 5 }];
            let claim = Claim { now: at(1), term, limit: 5, kinds: &kinds };
            store.claim_due(&claim).await.map(drop)
        }
        _ => store.state_counts(at(0)).await.map(drop),
    }
}

#[track_caller]
fn only_unavailable(result: &Result<(), StoreError>) {
    assert!(matches!(result, Ok(()) | Err(StoreError::Unavailable(_))), "{result:?}");
}

/// Each dead connection is handed out once at most, and then the store works.
async fn recovers(store: &PostgresStore, term: Term) {
    let mut failed = 0;
    for which in 0..10 {
        let result = call(store, term, which).await;
        only_unavailable(&result);
        failed += usize::from(result.is_err());
    }
    assert!(failed <= CONNECTIONS, "{failed} calls failed");
}

#[tokio::test]
async fn connections_that_end_between_calls() {
    let server = server();
    let store = open(&server).await;
    let term = store.heartbeat(&beat("node", None, at(0))).await.unwrap().term;
    for _ in 0..10 {
        assert!(kill(&server) > 0);
        recovers(&store, term).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_during_calls() {
    let server = server();
    let store = Arc::new(open(&server).await);
    let term = store.heartbeat(&beat("node", None, at(0))).await.unwrap().term;
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..5)
        .map(|which| {
            let (store, over, calls) = (Arc::clone(&store), Arc::clone(&over), Arc::clone(&calls));
            tokio::spawn(async move {
                let mut failed = 0_usize;
                while !over.load(Ordering::Relaxed) {
                    let result = call(&store, term, which + calls.fetch_add(1, Ordering::Relaxed)).await;
                    only_unavailable(&result);
                    failed += usize::from(result.is_err());
                }
                failed
            })
        })
        .collect();
    for round in 1..=20 {
        // So that each time they are in the midst of their calls.
        while calls.load(Ordering::Relaxed) < round * 10 {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| kill(&server));
    }
    over.store(true, Ordering::Relaxed);
    let mut failed = 0;
    for caller in callers {
        failed += caller.await.unwrap();
    }
    assert!(failed > 0, "no call was hit");
    recovers(&store, term).await;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'punctual' AND state LIKE 'idle in %'";
    assert_eq!(server.psql(busy).unwrap(), "0");
}

/// Waits for the news that it hears what others change, or does not. What the calls before told may come first.
async fn until_it_hears(store: &PostgresStore, hears: bool) {
    store.changed().await;
    while store.hears_changes() != Some(hears) {
        store.changed().await;
    }
}

#[tokio::test]
async fn a_server_that_crashes_and_comes_back() {
    let mut server = server();
    let store = open(&server).await;
    let term = store.heartbeat(&beat("node", None, at(0))).await.unwrap().term;
    call(&store, term, 2).await.unwrap();
    // The listener listens.
    store.changed().await;

    assert_eq!(store.hears_changes(), Some(true));
    server.stop(Stop::Immediate).unwrap();
    // It tells that it hears nothing any more.
    until_it_hears(&store, false).await;
    for which in 0..10 {
        let error = call(&store, term, which).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    server.start_again().unwrap();
    // Calls that change nothing that others are told of.
    for which in [0, 4, 0, 4] {
        call(&store, term, which).await.unwrap();
    }

    // It tells when it listens again, since it may have missed something, and then what others say.
    until_it_hears(&store, true).await;
    server.psql("NOTIFY punctual, 'somebody_else'").unwrap();
    call(&store, term, 0).await.unwrap();
    assert!(store.changed().now_or_never().is_none());
    server.psql("NOTIFY punctual, 'punctual'").unwrap();
    store.changed().await;
    for which in 0..10 {
        call(&store, term, which).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_halfway_leaves_no_transaction_open() {
    let server = server();
    let store = open(&server).await;
    let look = || store.pool_status().map(|pool| (pool.max, pool.in_use, pool.idle, pool.waiting)).unwrap();
    assert_eq!(look(), (CONNECTIONS as u64, 0, 2, 0));
    let acquired = store.pool_status().unwrap().acquired;
    // The first look sends BEGIN, and there is no second.
    let rows = [record()];
    assert!(store.record(&rows).now_or_never().is_none());
    assert_eq!(look(), (CONNECTIONS as u64, 0, 1, 0));
    assert_eq!(store.pool_status().unwrap().acquired, acquired + 1);
    store.record(&rows).await.unwrap();
}

#[tokio::test]
async fn what_a_claim_that_was_rolled_back_would_have_stored_is_stored_by_the_next_one() {
    let server = server();
    let store = open(&server).await;
    let term = store.heartbeat(&beat("node", None, at(0))).await.unwrap().term;
    call(&store, term, 2).await.unwrap();
    server
        .psql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON punctual.running DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .unwrap();
    let error = call(&store, term, 3).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    server.psql("DROP TRIGGER refuse ON punctual.running").unwrap();
    assert_eq!(store.unique_tasks().await.unwrap(), Vec::<String>::new());
    call(&store, term, 3).await.unwrap();
    assert_eq!(store.unique_tasks().await.unwrap(), ["job"]);
}

#[tokio::test]
async fn nodes_are_told_of_what_comes_with_a_heartbeat() {
    let server = server();
    let (one, other) = (open(&server).await, open(&server).await);
    let term = other.heartbeat(&beat("other", None, at(0))).await.unwrap().term;
    until_it_hears(&other, true).await;
    let change = Change::Schedule { job: job("job"), triggers: vec![Trigger::new("t", "job", every(1))] };
    one.apply(at(0), &[change]).await.unwrap();
    other.changed().await;
    assert!(!other.heartbeat_told(), "only of something that may be due");
    let kinds = [KindSlots { kind: JobKind::new("test"), free: 1 }];
    let claim = Claim { term, now: at(1), limit: 1, kinds: &kinds };
    let fire = other.claim_due(&claim).await.unwrap().fires.remove(0).id;

    assert!(one.request_cancel(fire, "enough").await.unwrap());
    while !other.heartbeat_told() {
        other.changed().await;
    }
    assert!(!other.heartbeat_told(), "once");
    assert!(one.drain(at(1), term, true).await.unwrap());
    while !other.heartbeat_told() {
        other.changed().await;
    }
    assert!(!one.drain(at(1), Term(term.0 + 1), true).await.unwrap());
}
