//! A lease that has run out: its node renews it, and another one takes its work up, at the same moment.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use punctual_core::{
    Change, ClusterStore, Completed, Data, Fire, FireId, HistoryStore, JobKey, JobStore, Recovery,
    StoreError, TaskRecord, TaskStatus,
};
use punctual_postgres::{Options, PostgresStore, tokio_postgres};
use punctual_testkit::factory::{Hand, at, beat, job, schedule};
use tokio_postgres::Client;

mod support;

/// A run that a node has begun.
async fn run(node: &Hand, seconds: i64) -> Fire {
    schedule(&node.store, at(seconds), job("job"), Vec::new()).await;
    let now = Change::TriggerNow { job: JobKey::new("job"), data: Data::empty() };
    node.store.apply(at(seconds), &[now]).await.unwrap();
    node.claim(at(seconds), 1).await.fires.remove(0)
}

/// Two processes of one cluster, and a connection of its own beside them.
struct World {
    /// Of the node whose lease has run out.
    own: Arc<PostgresStore>,
    other: Arc<PostgresStore>,
    aside: Client,
    url: String,
    schema: String,
}

impl World {
    async fn new() -> Self {
        let (url, schema) = support::schema();
        let options = || Options { schema: schema.clone(), max_connections: 4, ..Options::default() };
        let own = Arc::new(PostgresStore::open(&url, options()).await.unwrap());
        let other = Arc::new(PostgresStore::open(&url, options()).await.unwrap());
        let aside = connect(&url, &schema).await;
        Self { own, other, aside, url, schema }
    }

    /// A node with an open run and an open record, whose lease has run out at 60 s.
    async fn lapsed(&self) -> Lapsed {
        let store: Arc<dyn JobStore> = self.own.clone();
        let node = Hand::register(&store, "lapsed", at(0)).await;
        let fire = run(&node, 0).await;
        let record = TaskRecord {
            task: "sync".to_owned(),
            status: TaskStatus::Started,
            started_at: at(1),
            ended_at: None,
            duration_ms: None,
            details: None,
            db_id: None,
            node: node.name.clone(),
            term: Some(node.term),
            parent: None,
            run: None,
            logs: None,
            progress: None,
        };
        let record = self.own.record(&[record]).await.unwrap()[0];
        Lapsed { node, fire, record }
    }

    async fn aside(&self) -> Client {
        connect(&self.url, &self.schema).await
    }

    /// Waits until so many sessions that look at these tables wait for somebody.
    async fn until_waiting(&self, wanted: i64) {
        let text = "SELECT count(DISTINCT l.pid) FROM pg_locks l WHERE NOT l.granted AND l.pid IN (
            SELECT pid FROM pg_locks WHERE relation IN ('nodes'::regclass, 'running'::regclass))";
        self.until(text, wanted).await;
    }

    /// Waits until a statement that changes this table waits for somebody.
    async fn until_waiting_for(&self, table: &str) {
        let text = format!(
            "SELECT count(DISTINCT l.pid) FROM pg_locks l WHERE NOT l.granted AND l.pid IN (
                SELECT pid FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'RowExclusiveLock')"
        );
        self.until(&text, 1).await;
    }

    async fn until(&self, count: &str, wanted: i64) {
        for _ in 0..20_000 {
            if self.aside.query_one(count, &[]).await.unwrap().get::<_, i64>(0) >= wanted {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("fewer than {wanted} sessions wait");
    }
}

async fn connect(url: &str, schema: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
    client
}

struct Lapsed {
    node: Hand,
    fire: Fire,
    record: FireId,
}

impl Lapsed {
    /// That all of its work was taken up and its term with it, or nothing at all.
    async fn check(&self, world: &World, renewed: bool, recovery: &Recovery) {
        let term = self.node.term;
        let told = recovery.nodes.iter().filter(|node| node.term == term).count();
        assert_eq!((told, recovery.runs.len()), if renewed { (0, 0) } else { (1, 1) }, "renewed: {renewed}");
        let statuses = [self.fire.id, self.record].map(|id| world.other.history_entry(id));
        for status in statuses {
            let status = status.await.unwrap().unwrap().status;
            assert_eq!(status, if renewed { TaskStatus::Started } else { TaskStatus::Unknown });
        }
        let there = world.other.nodes().await.unwrap().iter().any(|node| node.term == term);
        assert_eq!(there, renewed);
        let ends = self.node.succeed(&self.fire, at(62)).await;
        assert_eq!(ends, if renewed { Completed::Closed } else { Completed::Superseded });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renewal_and_a_recovery_at_once_leave_all_or_nothing() {
    let world = World::new().await;
    for round in 0..60 {
        let lapsed = world.lapsed().await;
        let (own, other) = (Arc::clone(&world.own), Arc::clone(&world.other));
        let sign = beat("lapsed", Some(lapsed.node.term), at(61));
        let renewal = async move {
            // Each comes first now and then.
            for _ in 0..(round % 6) * 40 {
                tokio::task::yield_now().await;
            }
            own.heartbeat(&sign).await.unwrap()
        };
        let recovery = async move { other.recover(at(61)).await.unwrap() };
        let (view, recovery) = tokio::join!(tokio::spawn(renewal), tokio::spawn(recovery));
        let (view, recovery) = (view.unwrap(), recovery.unwrap());
        let renewed = view.term == lapsed.node.term;
        lapsed.check(&world, renewed, &recovery).await;
        world.own.retire(at(63), view.term).await.unwrap();
        world.own.recover(at(63)).await.unwrap();
    }
}

/// The renewal is written and not committed yet when the recovery begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recovery_waits_for_a_renewal_and_leaves_the_node_alone() {
    let world = World::new().await;
    let lapsed = world.lapsed().await;
    let until = at(121).as_millisecond();
    let renewal =
        format!("BEGIN; UPDATE nodes SET lease_until = {until} WHERE term = {}", lapsed.node.term.0);
    world.aside.batch_execute(&renewal).await.unwrap();
    let other = Arc::clone(&world.other);
    let recovery = tokio::spawn(async move { other.recover(at(61)).await.unwrap() });
    world.until_waiting(1).await;
    world.aside.batch_execute("COMMIT").await.unwrap();
    let recovery = recovery.await.unwrap();
    lapsed.check(&world, true, &recovery).await;
}

/// The recovery has looked at the work of the node and waits for something else when the renewal comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renewal_waits_for_a_recovery_and_is_refused() {
    let world = World::new().await;
    let lapsed = world.lapsed().await;
    let hold = format!("BEGIN; SELECT FROM running WHERE id = {} FOR UPDATE", lapsed.fire.id.0);
    world.aside.batch_execute(&hold).await.unwrap();
    let other = Arc::clone(&world.other);
    let recovery = tokio::spawn(async move { other.recover(at(61)).await.unwrap() });
    world.until_waiting(1).await;
    // Meanwhile others may register: the recovery of much work takes a while.
    world.other.heartbeat(&beat("fresh", None, at(61))).await.unwrap();
    let (own, sign) = (Arc::clone(&world.own), beat("lapsed", Some(lapsed.node.term), at(61)));
    let renewal = tokio::spawn(async move { own.heartbeat(&sign).await.unwrap() });
    world.until_waiting(2).await;
    world.aside.batch_execute("COMMIT").await.unwrap();
    let (view, recovery) = (renewal.await.unwrap(), recovery.await.unwrap());
    assert!(view.term > lapsed.node.term);
    lapsed.check(&world, false, &recovery).await;
}

/// A clock far behind sets the end of a lease to a moment that is over, after the recovery has seen whose leases are.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lease_that_is_shortened_during_a_recovery_is_not_lost_by_halves() {
    let world = World::new().await;
    let dead = world.lapsed().await;
    let store: Arc<dyn JobStore> = world.own.clone();
    let behind = Hand::register(&store, "behind", at(50)).await;
    let fire = run(&behind, 50).await;
    let (term, id) = (dead.node.term.0, dead.fire.id.0);
    let hold = world.aside().await;
    hold.batch_execute(&format!("BEGIN; SELECT FROM running WHERE id = {id} FOR UPDATE")).await.unwrap();
    let first = format!("BEGIN; SELECT FROM nodes WHERE term = {term} FOR UPDATE");
    world.aside.batch_execute(&first).await.unwrap();
    let other = Arc::clone(&world.other);
    let recovery = tokio::spawn(async move { other.recover(at(61)).await.unwrap() });
    world.until_waiting(1).await;
    world.own.heartbeat(&beat("behind", Some(behind.term), at(-30))).await.unwrap();
    world.aside.batch_execute("COMMIT").await.unwrap();
    // It has looked for the work of lost nodes by now, and goes on when this one knows the time again.
    world.until_waiting_for("running").await;
    assert_eq!(behind.renew(at(62)).await.term, behind.term);
    hold.batch_execute("COMMIT").await.unwrap();
    let recovery = recovery.await.unwrap();
    dead.check(&world, false, &recovery).await;
    assert_eq!(behind.succeed(&fire, at(62)).await, Completed::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renewal_and_a_registration_of_the_same_name_at_once_leave_one_of_them() {
    let world = World::new().await;
    for round in 0..40 {
        let lapsed = world.own.heartbeat(&beat("name", None, at(0))).await.unwrap().term;
        let (own, other) = (Arc::clone(&world.own), Arc::clone(&world.other));
        let renewal = async move {
            for _ in 0..(round % 4) * 40 {
                tokio::task::yield_now().await;
            }
            own.heartbeat(&beat("name", Some(lapsed), at(61))).await
        };
        let registration = async move { other.heartbeat(&beat("name", None, at(61))).await };
        let (renewal, registration) = tokio::join!(tokio::spawn(renewal), tokio::spawn(registration));
        let results = [renewal.unwrap(), registration.unwrap()];
        let refused = |error: &StoreError| matches!(error, StoreError::NameTaken(_));
        assert_eq!(
            results.iter().filter(|result| result.as_ref().is_err_and(refused)).count(),
            1,
            "{results:?}"
        );
        let live = world.own.nodes().await.unwrap();
        assert_eq!(live.iter().filter(|node| node.lease_until > at(61)).count(), 1, "{live:?}");
        for node in live {
            world.own.retire(at(62), node.term).await.unwrap();
        }
    }
}
