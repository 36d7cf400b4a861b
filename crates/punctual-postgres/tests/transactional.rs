//! Edits within a transaction of the application: both happen, or neither.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::task::Poll;

use punctual_core::schedule::EventSchedule;
use punctual_core::{
    Applied, CarryOut, Change, ChangeError, DefinitionStore, JobDetail, JobKey, StoreError, Trigger,
    TriggerKey, TriggerQuery,
};
use punctual_postgres::tokio_postgres::{AsyncMessage, Client, IsolationLevel, NoTls, connect};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{Hand, at, data, every, job};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

mod support;

/// A store with a job of a trigger that waits for an event, and a connection of an application with a table of its own.
struct World {
    store: std::sync::Arc<PostgresStore>,
    client: Client,
    url: String,
    schema: String,
}

impl World {
    async fn new() -> Self {
        let (url, schema) = support::schema();
        let options = Options { schema: schema.clone(), max_connections: 3, ..Options::default() };
        let store = std::sync::Arc::new(PostgresStore::open(&url, options).await.unwrap());
        let waits = Trigger::new("t", "job", EventSchedule::new("paid").unwrap().into());
        let change = Change::Schedule { job: job("job"), triggers: vec![waits] };
        store.apply(at(0), &[change]).await.unwrap();
        let client = connection(&url).await;
        client.batch_execute(&format!("CREATE TABLE \"orders_{schema}\" (id bigint)")).await.unwrap();
        Self { store, client, url, schema }
    }

    fn orders(&self) -> String {
        format!("orders_{}", self.schema)
    }

    /// Carries out what was asked for, as the nodes do after a commit; how many requests there were.
    async fn carry_out(&self) -> u64 {
        let which = CarryOut { node: "n".to_owned(), after: None, limit: 100 };
        let carried = self.store.carry_out(at(5), &which).await.unwrap();
        assert_eq!((carried.refused, carried.stuck, carried.next), (vec![], None, None));
        carried.done
    }

    async fn pending(&self) -> usize {
        let runs = self.store.triggers(&TriggerQuery::default()).await.unwrap().rows;
        runs.iter().filter(|trigger| trigger.pending.is_some()).count()
    }
}

async fn connection(url: &str) -> Client {
    let (client, connection) = connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// What is told to the nodes of this store from now on.
async fn listening(world: &World) -> (Client, UnboundedReceiver<String>) {
    let (client, mut driven) = connect(&world.url, NoTls).await.unwrap();
    let (sender, told) = unbounded_channel();
    let schema = world.schema.clone();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| driven.poll_message(cx)).await {
            match message {
                AsyncMessage::Notification(note) if note.payload().ends_with(&schema) => {
                    drop(sender.send(note.payload().to_owned()))
                }
                _ => {}
            }
        }
    });
    client.batch_execute("LISTEN punctual").await.unwrap();
    (client, told)
}

fn paid() -> Change {
    Change::Emit { event: "paid".to_owned(), payload: data(json!({"order": 1})) }
}

fn run() -> Change {
    Change::TriggerNow { job: JobKey::new("job"), data: data(json!({"order": 1})) }
}

/// A change that takes the edit lock until the end of the transaction, and lets all others do so.
fn edited(n: i64) -> Change {
    Change::PutTrigger(Trigger::new(format!("edited{n}").as_str(), "job", every(60)))
}

async fn one(client: &Client, text: &str) -> String {
    client.query_one(text, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_commit_shows_both_and_tells_the_nodes() {
    let mut world = World::new().await;
    let orders = world.orders();
    let (_listener, mut told) = listening(&world).await;
    let tx = world.client.transaction().await.unwrap();
    tx.execute(&format!("INSERT INTO {orders} VALUES (1)"), &[]).await.unwrap();
    let applied = world.store.apply_in(&tx, at(5), &[run(), paid()]).await.unwrap();
    assert_eq!((applied[0].created, applied[0].next_due), (1, Some(at(5))));
    assert_eq!(applied[1], Applied::default(), "nobody knows yet how many triggers the event will find");
    // Nobody else sees anything of it yet.
    let node = Hand::register(&(world.store.clone() as _), "n", at(5)).await;
    assert!(node.claim(at(5), 10).await.fires.is_empty());
    assert!(told.try_recv().is_err(), "before the commit there is nothing to look for");
    tx.commit().await.unwrap();
    assert_eq!(told.recv().await.unwrap(), format!("requests {}", world.schema));
    let seen = node.renew(at(5)).await.requests_since;
    assert_eq!(seen, Some(at(5)), "whoever missed that finds it out with the next heartbeat");
    assert_eq!(world.carry_out().await, 2);
    assert_eq!(told.recv().await.unwrap(), world.schema);
    assert_eq!(node.renew(at(5)).await.requests_since, None);
    let fires = node.claim(at(5), 10).await.fires;
    assert_eq!(fires.len(), 2);
    assert!(fires.iter().any(|fire| Some(&fire.trigger) == applied[0].pending.as_ref()), "{fires:?}");
    assert!(fires.iter().all(|fire| fire.data().unwrap().as_str() == r#"{"order":1}"#));
    assert_eq!(one(&world.client, &format!("SELECT count(*)::text FROM {orders}")).await, "1");
}

#[tokio::test]
async fn a_roll_back_leaves_nothing_of_either() {
    let mut world = World::new().await;
    let orders = world.orders();
    let tx = world.client.transaction().await.unwrap();
    tx.execute(&format!("INSERT INTO {orders} VALUES (1)"), &[]).await.unwrap();
    let new = Change::Schedule {
        // A kind that nobody had before: its number is rolled back, too.
        job: JobDetail::new("new", "new.kind"),
        triggers: vec![Trigger::new("new", "new", every(60))],
    };
    world.store.apply_in(&tx, at(5), &[run(), paid(), new.clone()]).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(world.pending().await, 0);
    assert!(world.store.job(&JobKey::new("new")).await.unwrap().is_none());
    assert_eq!(one(&world.client, &format!("SELECT count(*)::text FROM {orders}")).await, "0");
    // The store itself is none the worse.
    world.store.apply(at(6), &[new]).await.unwrap();
    let node = Hand::register(&(world.store.clone() as _), "n", at(6)).await;
    assert_eq!(node.claim_kinds(at(6), 10, &[("new.kind", 10)]).await.fires.len(), 1);
}

#[tokio::test]
async fn a_refused_edit_leaves_the_transaction_usable() {
    let mut world = World::new().await;
    let orders = world.orders();
    let tx = world.client.transaction().await.unwrap();
    tx.execute(&format!("INSERT INTO {orders} VALUES (1)"), &[]).await.unwrap();
    let missing = Change::TriggerNow { job: JobKey::new("nobody"), data: data(json!({})) };
    let refused = world.store.apply_in(&tx, at(5), &[run(), missing]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Change(ChangeError::NoSuchJob(_))), "{refused}");
    tx.execute(&format!("INSERT INTO {orders} VALUES (2)"), &[]).await.unwrap();
    world.store.apply_in(&tx, at(5), &[paid()]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.carry_out().await, 1, "only what was not refused");
    assert_eq!(world.pending().await, 1);
    assert_eq!(one(&world.client, &format!("SELECT count(*)::text FROM {orders}")).await, "2");
}

#[tokio::test]
async fn settings_and_names_of_the_application_stay_its_own() {
    let mut world = World::new().await;
    // Tables that are called like those of the store.
    let tables = "CREATE TEMP TABLE jobs (id int); CREATE TEMP TABLE triggers (id int); CREATE TEMP TABLE due (id int)";
    world.client.batch_execute(&format!("SET search_path = pg_catalog, public; {tables}")).await.unwrap();
    for commit in [true, false] {
        let tx = world.client.transaction().await.unwrap();
        tx.batch_execute("SET LOCAL search_path = public, \"it's\"").await.unwrap();
        assert_eq!(world.store.apply_in(&tx, at(5), &[run()]).await.unwrap()[0].created, 1);
        let path: String = tx.query_one("SHOW search_path", &[]).await.unwrap().get(0);
        assert_eq!(path, "public, \"it's\"");
        let broken = Change::TriggerNow { job: JobKey::new("nobody"), data: data(json!({})) };
        world.store.apply_in(&tx, at(5), &[broken]).await.unwrap_err();
        let path: String = tx.query_one("SHOW search_path", &[]).await.unwrap().get(0);
        assert_eq!(path, "public, \"it's\"");
        if commit {
            tx.commit().await.unwrap()
        } else {
            tx.rollback().await.unwrap()
        }
        assert_eq!(one(&world.client, "SHOW search_path").await, "pg_catalog, public");
    }
    assert_eq!(world.carry_out().await, 1);
    assert_eq!(world.pending().await, 1);
}

#[tokio::test]
async fn every_kind_of_change_can_be_lent() {
    let mut world = World::new().await;
    let tx = world.client.transaction().await.unwrap();
    let later = Trigger::new("later", "job", every(60)).description("ä").data(data(json!({"b": [1, null]})));
    let changes = [
        Change::PutTrigger(later.clone()),
        Change::PauseTrigger(TriggerKey::new("t")),
        paid(),
        Change::ResumeTrigger(TriggerKey::new("t")),
        Change::Schedule {
            job: job("solo").non_concurrent(),
            triggers: vec![Trigger::new("solo", "solo", every(60))],
        },
    ];
    let applied = world.store.apply_in(&tx, at(0), &changes).await.unwrap();
    assert_eq!(applied[2], Applied { unchanged: 1, ..Applied::default() }, "it is paused by then");
    tx.commit().await.unwrap();
    let stored = world.store.trigger(&TriggerKey::new("later")).await.unwrap().unwrap();
    assert_eq!(stored.definition, later);
    let node = Hand::register(&(world.store.clone() as _), "n", at(0)).await;
    let fires = node.claim(at(0), 10).await.fires;
    assert_eq!(fires.len(), 2, "the gate of the limited job is open, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_wait_for_each_other_all_get_through() {
    let world = World::new().await;
    let calls = (0..4).map(|n| {
        let (store, url) = (world.store.clone(), world.url.clone());
        tokio::spawn(async move {
            let mut client = connection(&url).await;
            let tx = client.transaction().await.unwrap();
            store.apply_in(&tx, at(n), &[run(), edited(n)]).await.unwrap();
            tx.commit().await.unwrap();
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(world.pending().await, 4);
}

#[tokio::test]
async fn a_given_up_call_stores_nothing() {
    let mut world = World::new().await;
    let (mut other, look) = (connection(&world.url).await, connection(&world.url).await);
    let before = other.transaction().await.unwrap();
    world.store.apply_in(&before, at(5), &[edited(1)]).await.unwrap();
    let pid: i32 = world.client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let tx = world.client.transaction().await.unwrap();
    let changes = [run(), edited(2)];
    let mut call = Box::pin(world.store.apply_in(&tx, at(5), &changes));
    let waiting = "SELECT 1 FROM pg_locks WHERE pid = $1 AND locktype = 'advisory' AND NOT granted";
    loop {
        let pending = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        assert!(pending, "it waits for the other transaction");
        if look.query_opt(waiting, &[&pid]).await.unwrap().is_some() {
            break;
        }
    }
    drop(call);
    before.rollback().await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(world.pending().await, 0);
    assert_eq!(world.store.apply(at(6), &changes).await.unwrap()[0].created, 1, "no lock was left behind");
}

#[tokio::test]
async fn connections_that_cannot_be_used_are_refused_with_the_reason() {
    let mut world = World::new().await;
    let refused = world.store.apply_in(&world.client, at(5), &[run()]).await.unwrap_err().to_string();
    assert!(refused.contains("no open transaction"), "{refused}");
    // A client on which one is open will do.
    world.client.batch_execute("BEGIN").await.unwrap();
    world.store.apply_in(&world.client, at(5), &[run()]).await.unwrap();
    world.client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(world.carry_out().await, 1);
    assert_eq!(world.pending().await, 1);
    let strict = world.client.build_transaction().isolation_level(IsolationLevel::Serializable);
    let tx = strict.start().await.unwrap();
    let refused = world.store.apply_in(&tx, at(5), &[edited(1)]).await.unwrap_err().to_string();
    assert!(refused.contains("SERIALIZABLE") && refused.contains("READ COMMITTED"), "{refused}");
    world.store.apply_in(&tx, at(5), &[run()]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.carry_out().await, 1, "what only adds a request does not mind");
    world.client.batch_execute(&format!("CREATE DATABASE \"other_{}\"", world.schema)).await.unwrap();
    let mut config: punctual_postgres::tokio_postgres::Config = world.url.parse().unwrap();
    config.dbname(format!("other_{}", world.schema));
    let (mut elsewhere, driving) = config.connect(NoTls).await.unwrap();
    tokio::spawn(driving);
    let tx = elsewhere.transaction().await.unwrap();
    let refused = world.store.apply_in(&tx, at(5), &[run()]).await.unwrap_err().to_string();
    assert!(refused.contains(&world.schema) && refused.contains("database of the store"), "{refused}");
}
