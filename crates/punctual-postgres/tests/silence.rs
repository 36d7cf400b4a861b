//! A network that swallows what is sent: calls are given up by whoever made them, and nothing is lost or stuck by that.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use punctual_core::{
    Change, Claim, ClusterStore, DefinitionStore, FiringStore, HistoryQuery, HistoryStore, JobKind, JobStore,
    KindSlots, TaskStatus, Trigger, TriggerKey,
};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{Hand, at, every, job, schedule};
use tokio::sync::Notify;

/// Passes bytes on, until a word comes by: from then on those of that connection vanish, in both directions.
#[derive(Default)]
struct Network {
    /// What cuts the connection that says it, and whether it still gets through.
    word: Mutex<Option<(&'static [u8], bool)>>,
    swallowed: Notify,
    /// Holds on to cut connections, so that nobody hears of their end.
    never: (Mutex<()>, Condvar),
}

impl Network {
    fn start(server: u16) -> (u16, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = Arc::new(Self::default());
        let shared = Arc::clone(&network);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
                let cut = Arc::new(Mutex::new(false));
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&cut));
                let (there, here) = (Arc::clone(&shared), Arc::clone(&shared));
                std::thread::spawn(move || there.pass(client, server, &cut, true));
                std::thread::spawn(move || here.pass(back.0, back.1, &back.2, false));
            }
        });
        (port, network)
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, cut: &Mutex<bool>, looks: bool) {
        let mut bytes = [0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            let mut passes = !*cut.lock().unwrap();
            let mut word = self.word.lock().unwrap();
            if let Some((text, gets_through)) = *word
                && looks
                && bytes[..read].windows(text.len()).any(|part| part == text)
            {
                *cut.lock().unwrap() = true;
                passes = gets_through;
                *word = None;
                self.swallowed.notify_one();
            }
            drop(word);
            if passes && to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        if *cut.lock().unwrap() {
            let guard = self.never.0.lock().unwrap();
            drop(self.never.1.wait(guard));
        }
    }

    fn cut_at(&self, word: &'static str, gets_through: bool) {
        *self.word.lock().unwrap() = Some((word.as_bytes(), gets_through));
    }
}

async fn over_a_network() -> (Arc<PostgresStore>, Arc<Network>) {
    let (url, schema) = support::schema();
    let (before, after) = url.rsplit_once(':').unwrap();
    let (port, database) = after.split_once('/').unwrap();
    let (port, network) = Network::start(port.parse().unwrap());
    let options = Options { schema, max_connections: 2, ..Options::default() };
    let store = PostgresStore::open(&format!("{before}:{port}/{database}"), options).await.unwrap();
    (Arc::new(store), network)
}

/// Waits until no call holds a connection.
async fn all_given_back(store: &PostgresStore) {
    while store.pool_status().unwrap().in_use > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_given_up_at_its_commit_is_resolved_by_the_next() {
    for gets_through in [true, false] {
        let (store, network) = over_a_network().await;
        let shared: Arc<dyn JobStore> = store.clone();
        schedule(&shared, at(0), job("job"), vec![Trigger::new("t", "job", every(10))]).await;
        let node = Hand::register(&shared, "n", at(0)).await;
        let kinds = [KindSlots { kind: JobKind::new("test"), free: 9 }];
        let claim = Claim { term: node.term, now: at(0), limit: 9, kinds: &kinds };
        network.cut_at("COMMIT", gets_through);
        tokio::select! {
            claimed = store.claim_due(&claim) => panic!("answered: {claimed:?}"),
            () = network.swallowed.notified() => {}
        }
        all_given_back(&store).await;
        // The next one has a connection of its own, and finds out. What the server has not heard, it gives up after a while.
        let fires = loop {
            let fires = store.claim_due(&claim).await.unwrap().fires;
            if !fires.is_empty() {
                break fires;
            }
        };
        assert_eq!(fires.len(), 1);
        let query = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
        assert_eq!(store.history(&query).await.unwrap().total, 1, "gets through: {gets_through}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_given_up_lets_go_of_its_connection_and_its_thread() {
    let (store, network) = over_a_network().await;
    let shared: Arc<dyn JobStore> = store.clone();
    schedule(&shared, at(0), job("job"), vec![Trigger::new("t", "job", every(10))]).await;
    // More often than there are connections.
    for _ in 0..5 {
        network.cut_at("pg_advisory_xact_lock", false);
        let pause = [Change::PauseTrigger(TriggerKey::new("t"))];
        tokio::select! {
            applied = store.apply(at(1), &pause) => panic!("answered: {applied:?}"),
            () = network.swallowed.notified() => {}
        }
        all_given_back(&store).await;
    }
    store.apply(at(1), &[Change::PauseTrigger(TriggerKey::new("t"))]).await.unwrap();
}
