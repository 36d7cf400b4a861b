//! A connection that breaks while a claim is being committed: the node cannot know whether it has the fires.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use punctual_core::{
    Claim, Completed, Completion, HistoryQuery, JobDetail, JobKind, JobStore, KindSlots, Progress,
    StoreError, TaskStatus, Trigger,
};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{Hand, at, job, schedule};

/// What happens to the next commit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Passes,
    /// The connection breaks before the server gets it.
    IsLost,
    /// The connection breaks before its answer comes back.
    HasNoAnswer,
}

/// Passes bytes on between a store and its server.
struct Proxy {
    port: u16,
    next: Arc<Mutex<Next>>,
}

impl Proxy {
    fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let next = Arc::new(Mutex::new(Next::Passes));
        let shared = Arc::clone(&next);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
                let answers = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (next, muted) = (Arc::clone(&shared), Arc::new(Mutex::new(false)));
                let silent = Arc::clone(&muted);
                std::thread::spawn(move || to_client(answers.0, answers.1, &silent));
                std::thread::spawn(move || to_server(client, server, &next, &muted));
            }
        });
        Self { port, next }
    }

    fn set(&self, next: Next) {
        *self.next.lock().unwrap() = next;
    }

    fn is_done(&self) -> bool {
        *self.next.lock().unwrap() == Next::Passes
    }
}

fn end(one: &TcpStream, other: &TcpStream) {
    // The other thread may have been quicker.
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

fn to_server(mut client: TcpStream, mut server: TcpStream, next: &Mutex<Next>, muted: &Mutex<bool>) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(read @ 1..) = client.read(&mut bytes) {
        if bytes[..read].windows(6).any(|word| word == b"COMMIT") {
            match std::mem::replace(&mut *next.lock().unwrap(), Next::Passes) {
                Next::Passes => {}
                Next::IsLost => break,
                Next::HasNoAnswer => *muted.lock().unwrap() = true,
            }
        }
        if server.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    end(&client, &server);
}

fn to_client(mut server: TcpStream, mut client: TcpStream, muted: &Mutex<bool>) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(read @ 1..) = server.read(&mut bytes) {
        if *muted.lock().unwrap() || client.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    end(&client, &server);
}

/// A node whose next claim fails like this, after it has failed.
async fn claimed_in_vain(next: Next) -> (Arc<dyn JobStore>, Hand) {
    claimed_of(job("job").non_concurrent(), next).await
}

/// The same with two triggers of some job, and with batches of fires however few.
async fn claimed_of(job: JobDetail, next: Next) -> (Arc<dyn JobStore>, Hand) {
    let (proxy, store, node) = behind_proxy(job).await;
    proxy.set(next);
    let kinds = [KindSlots { kind: JobKind::new("test"), free: 9 }];
    let claim = Claim { term: node.term, now: at(2), limit: 9, kinds: &kinds };
    let error = store.claim_due(&claim).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(proxy.is_done());
    (store, node)
}

async fn behind_proxy(job: JobDetail) -> (Proxy, Arc<dyn JobStore>, Hand) {
    let (url, schema) = support::schema();
    let (before, after) = url.rsplit_once(':').unwrap();
    let (port, database) = after.split_once('/').unwrap();
    let proxy = Proxy::start(port.parse().unwrap());
    let url = format!("{before}:{}/{database}", proxy.port);
    let options = Options { schema, batch_from: 1, ..Options::default() };
    let store: Arc<dyn JobStore> = Arc::new(PostgresStore::open(&url, options).await.unwrap());
    let triggers = ["a", "b"].map(|name| Trigger::once(name, "job", at(1))).to_vec();
    schedule(&store, at(0), job, triggers).await;
    let node = Hand::register(&store, "n", at(0)).await;
    (proxy, store, node)
}

/// How many runs are open.
async fn open(store: &Arc<dyn JobStore>) -> u64 {
    let query = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
    store.history(&query).await.unwrap().total
}

#[tokio::test]
async fn fires_whose_commit_had_no_answer_reach_their_node() {
    let (store, node) = claimed_in_vain(Next::HasNoAnswer).await;
    assert_eq!(open(&store).await, 1, "it was committed");
    let claimed = node.claim(at(3), 9).await;
    assert_eq!(claimed.fires.len(), 1, "{claimed:?}");
    assert_eq!(claimed.fires[0].fired_at, at(2));
    assert_eq!(claimed.next_due, Some(at(3)), "there may be more");
    assert!(node.claim(at(3), 9).await.fires.is_empty(), "once is enough, and the other waits for it");
    assert_eq!(node.succeed(&claimed.fires[0], at(3)).await, Completed::Closed);
    assert_eq!(node.claim(at(4), 9).await.fires.len(), 1);
}

#[tokio::test]
async fn fires_whose_commit_was_lost_are_claimed_anew() {
    let (store, node) = claimed_in_vain(Next::IsLost).await;
    assert_eq!(open(&store).await, 0);
    // Until the server has seen that the connection is gone, its transaction holds on to them.
    let claimed = loop {
        let claimed = node.claim(at(3), 9).await;
        if !claimed.fires.is_empty() {
            break claimed;
        }
    };
    assert_eq!((claimed.fires.len(), open(&store).await), (1, 1), "{claimed:?}");
    assert_eq!(claimed.fires[0].fired_at, at(3));
    assert_eq!(node.succeed(&claimed.fires[0], at(3)).await, Completed::Closed);
    assert_eq!(open(&store).await, 0);
}

#[tokio::test]
async fn a_node_that_lost_its_lease_leaves_them_to_recovery() {
    let (store, node) = claimed_in_vain(Next::HasNoAnswer).await;
    assert_eq!(store.recover(at(100)).await.unwrap().runs.len(), 1);
    let again = Hand::register(&store, "n", at(100)).await;
    assert_ne!(again.term, node.term);
    let claimed = again.claim(at(100), 9).await;
    let names: Vec<&str> = claimed.fires.iter().map(|fire| fire.trigger.name()).collect();
    assert_eq!(names, ["b"], "the first became unknown");
}

/// An outage that began with that commit, and that the node's term outlived.
#[tokio::test]
async fn fires_whose_commit_had_no_answer_reach_their_node_after_a_long_outage() {
    let (store, node) = claimed_in_vain(Next::HasNoAnswer).await;
    node.renew(at(1_000)).await;
    let claimed = node.claim(at(1_000), 9).await;
    assert_eq!(claimed.fires.len(), 1, "{claimed:?}");
    assert_eq!(node.succeed(&claimed.fires[0], at(1_001)).await, Completed::Closed);
    assert_eq!(open(&store).await, 0);
}

#[tokio::test]
async fn a_batch_whose_commit_had_no_answer_reaches_its_node() {
    let (store, node) = claimed_of(job("job"), Next::HasNoAnswer).await;
    assert_eq!(open(&store).await, 2, "it was committed");
    let fires = node.claim(at(3), 9).await.fires;
    assert_eq!(fires.len(), 2, "{fires:?}");
    let progress = Progress { done: 1, total: None, message: None, at: at(3) };
    store.put_progress(node.term, &[(fires[1].id, progress.clone())]).await.unwrap();
    let row = store.history_entry(fires[1].id).await.unwrap().unwrap();
    assert_eq!((row.status, row.progress), (TaskStatus::Started, Some(progress)));
    let done: Vec<Completion> = fires.iter().map(|fire| node.success(fire, at(3))).collect();
    assert_eq!(store.complete(at(3), &done).await.unwrap(), [Completed::Closed; 2]);
    assert_eq!((open(&store).await, node.claim(at(4), 9).await.fires.len()), (0, 0));
}

/// The node tries again to say how its fires ended, and gets to know that they have.
#[tokio::test]
async fn a_batch_ends_once_though_its_end_had_no_answer() {
    for (next, ends) in [(Next::HasNoAnswer, Completed::Superseded), (Next::IsLost, Completed::Closed)] {
        let (proxy, store, node) = behind_proxy(job("job")).await;
        let fires = node.claim(at(2), 9).await.fires;
        let done: Vec<Completion> = fires.iter().map(|fire| node.success(fire, at(2))).collect();
        proxy.set(next);
        let error = store.complete(at(2), &done).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert_eq!(store.complete(at(3), &done).await.unwrap(), [ends; 2], "{next:?}");
        let all = store.history(&HistoryQuery::default()).await.unwrap();
        assert_eq!((all.total, open(&store).await), (2, 0));
        assert!(all.rows.iter().all(|row| row.status == TaskStatus::Success));
    }
}
