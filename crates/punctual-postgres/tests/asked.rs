//! Runs and events that applications ask for inside their transactions: no lock, and each exactly once after the commit.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use punctual_core::audit::Report;
use punctual_core::schedule::EventSchedule;
use punctual_core::{
    CarriedOut, CarryOut, Cause, Change, Concurrency, DefinitionStore, HistoryQuery, HistoryStore, JobKey,
    JobStore, Overlap, Paging, StoreError, TaskStatus, Timestamp, Trigger, TriggerKey, TriggerQuery,
};
use punctual_engine::{AuditOptions, Job, JobContext, JobResult, Scheduler, Settings, SystemClock, audit};
use punctual_postgres::tokio_postgres::{Client, NoTls, connect};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{Hand, at, data, every, job};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

mod support;

struct World {
    /// As many nodes have it: each with connections of its own.
    stores: Vec<Arc<PostgresStore>>,
    url: String,
    schema: String,
}

impl World {
    /// Some stores over one schema, in which there is a job, and a trigger of it that waits for the event `paid`.
    async fn of(nodes: usize) -> Self {
        let (url, schema) = support::schema();
        let mut stores = Vec::new();
        for _ in 0..nodes {
            let options = Options { schema: schema.clone(), max_connections: 4, ..Options::default() };
            stores.push(Arc::new(PostgresStore::open(&url, options).await.unwrap()));
        }
        let waits = Trigger::new("t", "job", EventSchedule::new("paid").unwrap().into());
        let change = Change::Schedule { job: job("job"), triggers: vec![waits] };
        stores[0].apply(at(0), &[change]).await.unwrap();
        Self { stores, url, schema }
    }

    fn store(&self) -> &PostgresStore {
        &self.stores[0]
    }

    async fn node(&self, name: &str) -> Hand {
        let store: Arc<dyn JobStore> = self.stores[0].clone();
        Hand::register(&store, name, at(0)).await
    }

    async fn client(&self) -> Client {
        let (client, connection) = connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = \"{}\"", self.schema)).await.unwrap();
        client
    }

    /// Asks for changes in a transaction of their own.
    async fn ask(&self, changes: &[Change]) -> Vec<Option<TriggerKey>> {
        let mut client = self.client().await;
        let tx = client.transaction().await.unwrap();
        let applied = self.store().apply_in(&tx, at(5), changes).await.unwrap();
        tx.commit().await.unwrap();
        applied.into_iter().map(|applied| applied.pending).collect()
    }

    async fn carry_out(&self) -> CarriedOut {
        carry_out(self.store(), at(6), 100).await.unwrap()
    }

    async fn waiting(&self) -> u64 {
        self.store().state_counts(at(6)).await.unwrap().requests
    }

    /// The pending runs.
    async fn pending(&self) -> BTreeSet<TriggerKey> {
        let query = TriggerQuery { paging: Paging::ALL, ..TriggerQuery::default() };
        let all = self.store().triggers(&query).await.unwrap().rows;
        all.into_iter().filter(|row| row.pending.is_some()).map(|row| row.definition.key).collect()
    }
}

async fn carry_out(store: &PostgresStore, now: Timestamp, limit: usize) -> Result<CarriedOut, StoreError> {
    store.carry_out(now, &CarryOut { node: "node-1".to_owned(), after: None, limit }).await
}

fn paid() -> Change {
    Change::Emit { event: "paid".to_owned(), payload: data(json!({"order": 1})) }
}

fn run_of(job: &str) -> Change {
    Change::TriggerNow { job: JobKey::new(job), data: data(json!({"order": 1})) }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_an_application_that_has_asked() {
    let world = World::of(1).await;
    let solo = Change::Schedule {
        job: job("solo").non_concurrent(),
        triggers: vec![Trigger::new("solo", "solo", every(60))],
    };
    let free = Change::PutTrigger(Trigger::new("free", "job", every(60)));
    world.store().apply(at(0), &[solo, free]).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(world.client().await);
    }
    let mut open = Vec::new();
    for client in &mut clients {
        let tx = client.transaction().await.unwrap();
        let again = Change::RunFor {
            job: JobKey::new("job"),
            trigger: Some(TriggerKey::new("free")),
            scheduled_at: at(0),
            data: data(json!({})),
        };
        let asked = [run_of("job"), run_of("solo"), paid(), again];
        world.store().apply_in(&tx, at(0), &asked).await.unwrap();
        open.push(tx);
    }
    // Claims, also of the trigger and the lane that were asked for; ends of runs, in a lane and out of it; edits, and recovery.
    let node = world.node("n").await;
    let fires = node.claim(at(0), 10).await.fires;
    assert_eq!(fires.len(), 2);
    for fire in &fires {
        node.succeed(fire, at(1)).await;
    }
    let rows = world.store().history(&HistoryQuery::default()).await.unwrap().rows;
    assert!(rows.iter().all(|row| row.status == TaskStatus::Success) && rows.len() == 2, "{rows:?}");
    world.store().apply(at(1), &[Change::PauseJob(JobKey::new("job"))]).await.unwrap();
    world.store().apply(at(1), &[Change::ResumeJob(JobKey::new("job"))]).await.unwrap();
    node.store.recover(at(1)).await.unwrap();
    assert_eq!(world.carry_out().await, CarriedOut::default(), "nothing of it is committed");
    for tx in open {
        tx.commit().await.unwrap();
    }
    assert_eq!(world.carry_out().await.done, 40);
    assert_eq!(world.pending().await.len(), 40);
}

#[tokio::test]
async fn a_transaction_that_does_not_commit_asks_for_nothing() {
    let world = World::of(1).await;
    let (mut client, mut dropped) = (world.client().await, world.client().await);
    let tx = client.transaction().await.unwrap();
    world.store().apply_in(&tx, at(5), &[run_of("job"), paid()]).await.unwrap();
    tx.rollback().await.unwrap();
    let tx = dropped.transaction().await.unwrap();
    world.store().apply_in(&tx, at(5), &[run_of("job"), paid()]).await.unwrap();
    let pid: i32 = tx.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    drop(tx);
    drop(dropped);
    // The server has noticed that the connection is gone.
    while client.query_opt("SELECT FROM pg_stat_activity WHERE pid = $1", &[&pid]).await.unwrap().is_some() {}
    assert_eq!((world.waiting().await, world.carry_out().await), (0, CarriedOut::default()));
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_carry_out_a_thousand_requests_exactly_once() {
    let world = Arc::new(World::of(2).await);
    let two = job("two").concurrency(Concurrency::limit(2)).overlap(Overlap::Skip);
    world.store().apply(at(0), &[Change::PutJob(two)]).await.unwrap();
    let applications = (0..20).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let mut keys = Vec::new();
            for n in 0..10 {
                let change = run_of(if n % 2 == 0 { "job" } else { "two" });
                keys.extend(world.ask(&vec![change; 5]).await.into_iter().flatten());
            }
            keys
        })
    });
    let applications: Vec<_> = applications.collect();
    let nodes = world.stores.iter().map(|store| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut done = 0;
            loop {
                let carried = carry_out(&store, at(6), 30).await.unwrap();
                assert_eq!((carried.refused.len(), carried.stuck), (0, None));
                done += carried.done;
                // With the trigger that waits for events.
                if store.state_counts(at(6)).await.unwrap().waiting >= 1_001 {
                    return done;
                }
            }
        })
    });
    let nodes: Vec<_> = nodes.collect();
    let mut keys = BTreeSet::new();
    for application in applications {
        let asked = application.await.unwrap();
        assert_eq!(asked.len(), 50);
        keys.extend(asked);
    }
    let mut done = 0;
    for node in nodes {
        done += node.await.unwrap();
    }
    assert_eq!((done, keys.len(), world.waiting().await), (1_000, 1_000, 0));
    assert_eq!(world.pending().await, keys, "each under the name that its application was told");
    // And each runs once: those of the limited job two at a time.
    let node = world.node("n").await;
    let mut ran = BTreeSet::new();
    while ran.len() < 1_000 {
        let fires = node.claim(at(6), 600).await.fires;
        assert!(fires.iter().filter(|fire| fire.job.key.name() == "two").count() <= 2);
        assert!(!fires.is_empty() && fires.iter().all(|fire| ran.insert(fire.trigger.clone())));
        let ends: Vec<_> = fires.iter().map(|fire| node.success(fire, at(6))).collect();
        node.store.complete(at(6), &ends).await.unwrap();
    }
    assert_eq!(ran, keys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_transaction_asks_for_happens_in_its_order() {
    let world = Arc::new(World::of(2).await);
    let keys: Vec<TriggerKey> = world.ask(&vec![run_of("job"); 60]).await.into_iter().flatten().collect();
    let nodes = world.stores.iter().map(|store| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            while store.state_counts(at(6)).await.unwrap().requests > 0 {
                carry_out(&store, at(6), 3).await.unwrap();
            }
        })
    });
    let nodes: Vec<_> = nodes.collect();
    loop {
        let seen = world.pending().await;
        let first: BTreeSet<TriggerKey> = keys.iter().take(seen.len()).cloned().collect();
        assert_eq!(seen, first, "those that are there are the first ones");
        if seen.len() == keys.len() {
            break;
        }
    }
    for node in nodes {
        node.await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_done_any_more_is_in_the_history_and_keeps_nobody() {
    let world = World::of(1).await;
    let doomed = [Change::PutJob(job("doomed")), Change::PutJob(job("keyed"))];
    world.store().apply(at(0), &doomed).await.unwrap();
    let keys = world.ask(&[run_of("doomed"), run_of("keyed"), run_of("job"), paid()]).await;
    // The other job asks for something now that the data lack.
    let keyed = job("keyed").concurrency(Concurrency::key("{customer}").at_most(1)).data(data(json!({})));
    let meanwhile = [Change::DeleteJob(JobKey::new("doomed")), Change::PutJob(keyed)];
    world.store().apply(at(5), &meanwhile).await.unwrap();
    let carried = world.carry_out().await;
    assert_eq!((carried.done, carried.refused.len(), carried.next), (2, 2, None));
    assert_eq!((world.pending().await.len(), world.waiting().await), (2, 0));
    let query = HistoryQuery { descending: false, ..HistoryQuery::default() };
    let rows = world.store().history(&query).await.unwrap().rows;
    assert_eq!(rows.len(), 2);
    for ((row, refused), (name, why)) in
        rows.iter().zip(&carried.refused).zip([("doomed", "doomed"), ("keyed", "customer")])
    {
        assert_eq!((row.id, row.status, row.cause), (refused.row, TaskStatus::Failed, Cause::Manual));
        assert_eq!((row.job.as_ref(), row.task.as_str()), (Some(&JobKey::new(name)), name));
        assert!(keys.contains(&row.trigger), "under the name that the application was told: {row:?}");
        let message = row.details.as_ref().unwrap()["message"].as_str().unwrap();
        assert!(message.contains("was asked for") && message.contains(why), "{message}");
        assert_eq!((row.node.as_str(), row.ended_at, row.attempt), ("node-1", Some(at(6)), 1));
    }
    // Found by the job's name, in the orders of the history too.
    world.store().arrange(100).await.unwrap();
    let failed = HistoryQuery { status: Some(TaskStatus::Failed), ..HistoryQuery::default() };
    assert_eq!(world.store().history(&failed).await.unwrap().rows.len(), 2);
    assert!(world.store().unique_tasks().await.unwrap().contains(&"doomed".to_owned()));
}

#[tokio::test]
async fn what_only_a_newer_version_can_do_stays_for_it() {
    let world = World::of(1).await;
    let client = world.client().await;
    world.store().apply(at(0), &[Change::PutJob(job("newer"))]).await.unwrap();
    world.ask(&[run_of("newer"), run_of("job")]).await;
    client
        .batch_execute(
            "INSERT INTO run_requests (request, data, written_at) VALUES ('{\"newer\":{}}', '{}', 1000);
             UPDATE jobs SET definition = '{\"newer\": true}' WHERE job_name = 'newer'",
        )
        .await
        .unwrap();
    world.ask(&[paid()]).await;
    let (mut after, mut done, mut stuck) = (None, 0, Vec::new());
    loop {
        let which = CarryOut { node: "n".to_owned(), after, limit: 100 };
        let carried = world.store().carry_out(at(6), &which).await.unwrap();
        done += carried.done;
        stuck.extend(carried.stuck);
        after = carried.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((done, stuck.len()), (2, 1));
    assert!(stuck[0].contains("job DEFAULT.newer"), "{stuck:?}");
    let counts = world.store().state_counts(at(6)).await.unwrap();
    assert_eq!(counts.requests, 2);
    assert_eq!(counts.requests_since, Some(Timestamp::from_millisecond(1_000).unwrap()));
    assert_eq!(world.pending().await.len(), 2);
}

#[tokio::test]
async fn an_audit_tells_what_waits_and_notes_what_waits_too_long() {
    let world = World::of(1).await;
    let look = || async {
        let options = AuditOptions::default();
        audit(world.store(), &SystemClock::new(), &options).await.unwrap()
    };
    let report = look().await;
    assert_eq!((report.requests, report.requests_since), (0, None));
    let stale = |report: &Report| report.notes.iter().any(|note| note.contains("more than a minute"));
    assert!(!stale(&report), "{:?}", report.notes);
    // Asked for long ago, as the database's clock has it.
    world.ask(&[run_of("job"), paid()]).await;
    let report = look().await;
    assert_eq!((report.requests, report.requests_since), (2, Some(at(5))));
    assert!(stale(&report) && report.is_clean(), "{report:?}");
    world
        .client()
        .await
        .execute("UPDATE run_requests SET written_at = extract(epoch FROM clock_timestamp()) * 1000", &[])
        .await
        .unwrap();
    let report = look().await;
    assert_eq!(report.requests, 2);
    assert!(!stale(&report), "{:?}", report.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_halfway_loses_nothing_and_keeps_nobody() {
    let world = World::of(2).await;
    let keys: BTreeSet<TriggerKey> =
        world.ask(&vec![run_of("job"); 20]).await.into_iter().flatten().collect();
    let (mut holder, look) = (world.client().await, world.client().await);
    // Somebody has the edit lock, so that the first node waits in the middle of its transaction.
    let held = holder.transaction().await.unwrap();
    let lock = Change::PauseTrigger(TriggerKey::new("t"));
    world.store().apply_in(&held, at(5), &[lock]).await.unwrap();
    let first = Arc::clone(&world.stores[0]);
    let killed = tokio::spawn(async move { carry_out(&first, at(6), 100).await });
    let waits = "SELECT l.pid FROM pg_locks l JOIN pg_locks guard ON guard.pid = l.pid AND guard.granted \
                     AND guard.locktype = 'advisory' AND guard.classid = 1886745186 \
                 WHERE NOT l.granted AND l.locktype = 'advisory' AND l.objid = hashtext($1)::oid";
    let pid: i32 = loop {
        if let Some(row) = look.query_opt(waits, &[&world.schema]).await.unwrap() {
            break row.get(0);
        }
    };
    // The other node does not wait for it.
    assert_eq!(carry_out(&world.stores[1], at(6), 100).await.unwrap(), CarriedOut::default());
    look.query_one("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
    let error = killed.await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error}");
    held.rollback().await.unwrap();
    assert_eq!(carry_out(&world.stores[1], at(6), 100).await.unwrap().done, 20);
    assert_eq!(world.pending().await, keys);
    assert_eq!(world.carry_out().await, CarriedOut::default());
}

/// Tells the data with which it runs.
struct Told(UnboundedSender<Value>);

impl Job for Told {
    const KIND: &'static str = "test";
    type Data = Value;

    async fn run(&self, context: JobContext<Value>) -> JobResult {
        self.0.send(context.data().clone()).unwrap();
        Ok(())
    }
}

fn scheduler(store: &Arc<PostgresStore>, name: &str) -> (Scheduler, UnboundedReceiver<Value>) {
    let (sender, told) = unbounded_channel();
    let store: Arc<dyn JobStore> = Arc::clone(store) as _;
    let builder = Scheduler::builder(store).settings(Settings::clustered()).disabled(false).without_log();
    (builder.node_name(name).job(Told(sender)).build().unwrap(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_run_what_was_asked_for_before_they_started_and_at_each_commit() {
    let world = World::of(2).await;
    world.ask(&[run_of("job"), paid()]).await;
    let (one, mut told) = scheduler(&world.stores[0], "one");
    one.start().await.unwrap();
    for _ in 0..2 {
        assert_eq!(told.recv().await.unwrap(), json!({"order": 1}));
    }
    // A node that takes no work itself tells the others of it: it may be the one that carries out.
    let (standby, mut nothing) = scheduler(&world.stores[1], "two");
    standby.init().await.unwrap();
    for n in 0..20 {
        let change = Change::TriggerNow { job: JobKey::new("job"), data: data(json!({"n": n})) };
        let keys = world.ask(&[change]).await;
        assert_eq!(told.recv().await.unwrap(), json!({"n": n}));
        let ran = |rows: &[punctual_core::TaskHistory]| rows.iter().any(|row| row.trigger == keys[0]);
        while !ran(&world.store().history(&HistoryQuery::default()).await.unwrap().rows) {}
    }
    assert_eq!(world.waiting().await, 0);
    one.shutdown(Duration::from_secs(10)).await;
    standby.shutdown(Duration::from_secs(10)).await;
    assert!(told.try_recv().is_err() && nothing.try_recv().is_err(), "nothing ran twice");
}
