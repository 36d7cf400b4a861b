//! What several nodes do at the same moment.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use punctual_core::{
    CarryOut, Change, Completed, Concurrency, Data, DefinitionStore, HistoryQuery, JobDetail, JobStore,
    Overlap, Progress, TaskStatus, Trigger, TriggerKey,
};
use punctual_postgres::{Options, PostgresStore, tokio_postgres};
use punctual_testkit::factory::{Hand, at, every, job, schedule};

mod support;

async fn store() -> Arc<dyn JobStore> {
    let (url, schema) = support::schema();
    opened(&url, &schema, Options::default().batch_from).await
}

async fn opened(url: &str, schema: &str, batch_from: usize) -> Arc<PostgresStore> {
    let options =
        Options { schema: schema.to_owned(), max_connections: 12, batch_from, ..Options::default() };
    Arc::new(PostgresStore::open(url, options).await.unwrap())
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

/// Claims, completions, edits, and requests of applications, of the same jobs and lanes, as fast as they go: whoever waits
/// for somebody that waits for him would be told so by the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_completions_and_edits_never_deadlock() {
    never_deadlock(Options::default().batch_from).await;
}

/// The same where some fires share rows, which are taken apart beside the completions.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_that_are_unpacked_while_they_end_never_deadlock() {
    never_deadlock(2).await;
}

/// Asks runs to stop that another process has opened.
async fn cancel_runs(other: Arc<dyn JobStore>) {
    let open = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
    for _ in 0..60 {
        for row in other.history(&open).await.unwrap().rows.iter().step_by(7) {
            // It may have ended meanwhile.
            other.request_cancel(row.id, "enough").await.unwrap();
        }
    }
}

async fn never_deadlock(batch_from: usize) {
    let (url, schema) = support::schema();
    let postgres = opened(&url, &schema, batch_from).await;
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
                if step % 3 == 0 {
                    let progress = Progress { done: 1, total: None, message: None, at: at(step) };
                    let first = claimed.fires.first().map(|fire| (fire.id, progress));
                    store.put_progress(node.term, first.as_slice()).await.unwrap();
                }
                // In two portions at once, which have their batches in common.
                let of = |parity: usize| {
                    let portion = claimed.fires.iter().skip(parity).step_by(2);
                    portion.map(|fire| node.success(fire, at(step))).collect::<Vec<_>>()
                };
                let (even, odd) = (of(0), of(1));
                let (even, odd) =
                    tokio::join!(store.complete(at(step), &even), store.complete(at(step), &odd));
                let ended = [even.unwrap(), odd.unwrap()].concat();
                assert!(ended.iter().all(|one| *one == Completed::Closed), "{ended:?}");
            }
        }));
    }
    tasks.push(tokio::spawn(cancel_runs(opened(&url, &schema, batch_from).await)));
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
    let open = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
    assert_eq!(store.history(&open).await.unwrap().total, 0, "each of them ended");
}
