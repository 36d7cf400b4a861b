//! What several nodes do at the same moment.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use punctual_core::{
    CarryOut, Change, Concurrency, Data, DefinitionStore, JobDetail, JobStore, Overlap, Trigger, TriggerKey,
};
use punctual_postgres::{Options, PostgresStore, tokio_postgres};
use punctual_testkit::factory::{Hand, at, every, job, schedule};

mod support;

async fn store() -> Arc<dyn JobStore> {
    opened().await.0
}

/// The store, and the URL of its database.
async fn opened() -> (Arc<PostgresStore>, String) {
    let (url, schema) = support::schema();
    let options = Options { schema, max_connections: 12, ..Options::default() };
    (Arc::new(PostgresStore::open(&url, options).await.unwrap()), url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_at_once_are_disjoint_and_full() {
    let store = store().await;
    let triggers = (0..400).map(|n| Trigger::once(format!("t{n}").as_str(), "job", at(0))).collect();
    schedule(&store, at(0), job("job"), triggers).await;
    let mut nodes = Vec::new();
    for name in ["one", "two", "three", "four"] {
        nodes.push(Hand::register(&store, name, at(0)).await);
    }
    let (one, two, three, four) = tokio::join!(
        nodes[0].claim(at(1), 100),
        nodes[1].claim(at(1), 100),
        nodes[2].claim(at(1), 100),
        nodes[3].claim(at(1), 100),
    );
    let all = [one, two, three, four];
    assert!(all.iter().all(|claimed| claimed.fires.len() == 100), "each is full");
    let keys: BTreeSet<&TriggerKey> =
        all.iter().flat_map(|claimed| &claimed.fires).map(|fire| &fire.trigger).collect();
    assert_eq!(keys.len(), 400, "none was given out twice");
}

/// Claims, completions, edits, and requests of applications, of the same jobs and lanes, as fast as they go: whoever waits for somebody that waits for
/// him would be told so by the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_completions_and_edits_never_deadlock() {
    let (postgres, url) = opened().await;
    let store: Arc<dyn JobStore> = postgres.clone();
    let limited = |n: usize| -> JobDetail {
        let job = job(&format!("job{n}"));
        match n % 4 {
            0 => job,
            1 => job.concurrency(Concurrency::key("shared").at_most(3)),
            2 => job.overlap(Overlap::Skip),
            _ => job.concurrency(Concurrency::key("shared").at_most(2)),
        }
    };
    let trigger =
        |n: usize, k: usize| Trigger::new(format!("t{n}-{k}").as_str(), format!("job{n}").as_str(), every(1));
    for n in 0..8 {
        schedule(&store, at(0), limited(n), (0..5).map(|k| trigger(n, k)).collect()).await;
    }
    let mut tasks = Vec::new();
    for name in ["one", "two", "three"] {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let node = Hand::register(&store, name, at(0)).await;
            for step in 0..60 {
                let claimed = node.claim_later(at(step), 20).await;
                let done: Vec<_> = claimed.fires.iter().map(|fire| node.success(fire, at(step))).collect();
                store.complete(at(step), &done).await.unwrap();
            }
        }));
    }
    for editor in 0..2 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            for step in 0..60_usize {
                // In opposite orders, and over several lanes in one transaction.
                let mut jobs: Vec<usize> = (0..8).collect();
                if editor == 1 {
                    jobs.reverse();
                }
                let mut changes: Vec<Change> =
                    jobs.iter().map(|n| Change::PutTrigger(trigger(*n, step % 7))).collect();
                changes.push(Change::TriggerNow { job: limited(step % 8).key, data: Data::empty() });
                changes.push(Change::PauseJob(limited(step % 8).key));
                changes.push(Change::ResumeJob(limited(step % 8).key));
                store.apply(at(step as i64), &changes).await.unwrap();
                store.recover(at(step as i64)).await.unwrap();
            }
        }));
    }
    tasks.push(tokio::spawn(async move {
        let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        for step in 0..60_usize {
            let tx = client.transaction().await.unwrap();
            let job = limited(step % 8).key;
            let again = Change::RunFor {
                job: job.clone(),
                trigger: Some(trigger(step % 8, step % 5).key),
                scheduled_at: at(0),
                data: Data::empty(),
            };
            let changes = [Change::TriggerNow { job, data: Data::empty() }, again];
            postgres.apply_in(&tx, at(step as i64), &changes).await.unwrap();
            tx.commit().await.unwrap();
            let which = CarryOut { node: "one".to_owned(), after: None, limit: 10 };
            let carried = postgres.carry_out(at(step as i64), &which).await.unwrap();
            assert_eq!((carried.done, carried.refused.len()), (2, 0));
        }
    }));
    for task in tasks {
        task.await.unwrap();
    }
    punctual_testkit::account::assert_all(&store).await;
}
