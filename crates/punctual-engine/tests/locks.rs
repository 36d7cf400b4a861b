//! Locks of the cluster: waiting, renewing, losing, giving up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use punctual_core::time::millis_between;
use punctual_core::{Clock, ClusterStore, JobStore, LockMode, Timestamp};
use punctual_engine::{LockError, LockLease, LockOptions, ManualClock, Scheduler};
use punctual_memory::MemoryStore;
use punctual_testkit::faulty::FaultyStore;

/// Nodes over one store, with one clock.
struct Cluster {
    store: Arc<FaultyStore>,
    clock: ManualClock,
}

impl Cluster {
    fn new() -> Self {
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        Self {
            store: Arc::new(FaultyStore::new(Arc::new(MemoryStore::new()))),
            clock: ManualClock::new(start),
        }
    }

    fn node(&self, name: &str) -> Scheduler {
        let store: Arc<dyn JobStore> = self.store.clone();
        let clock = Arc::new(self.clock.clone());
        Scheduler::builder(store).without_log().node_name(name).clock(clock).build().unwrap()
    }

    /// Lets everything run that is ready.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the clock to the next moment at which somebody wakes.
    async fn step(&self) {
        self.settle().await;
        let at = self.clock.next_wake().expect("somebody should be waiting for the clock");
        let by = millis_between(self.clock.now(), at);
        self.clock.advance(Duration::from_millis(by.try_into().unwrap()));
        self.settle().await;
    }

    /// Moves the clock from wake to wake until `call` has its answer.
    async fn run<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> T {
        let task = tokio::spawn(call);
        self.settle().await;
        while !task.is_finished() {
            self.step().await;
        }
        task.await.unwrap()
    }

    async fn held(&self) -> Vec<String> {
        let held = self.store.locks(self.clock.now()).await.unwrap();
        held.iter().map(|held| format!("{} by {}", held.name, held.holder.node)).collect()
    }
}

/// Sets a counter when it goes.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn nothing(lease: LockLease) -> Result<i64, Infallible> {
    assert!(lease.is_held());
    Ok(lease.token())
}

/// Works for so long by the clock.
fn busy_for(
    clock: &ManualClock,
    seconds: u64,
    gone: &Arc<AtomicUsize>,
) -> impl FnOnce(LockLease) -> std::pin::Pin<Box<dyn Future<Output = Result<i64, String>> + Send>> + use<> {
    let (clock, gone) = (clock.clone(), Arc::clone(gone));
    move |lease| {
        Box::pin(async move {
            let _gone = Dropped(gone);
            let end = Timestamp::from_millisecond(clock.now().as_millisecond() + seconds as i64 * 1_000);
            clock.sleep_until(end.unwrap()).await;
            Ok(lease.token())
        })
    }
}

#[tokio::test]
async fn a_lock_is_held_while_the_work_runs_and_tokens_grow() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let seen = Arc::clone(&cluster.store);
    let first: i64 = node
        .with_lock("x", |lease| async move {
            let held = seen.locks(Timestamp::UNIX_EPOCH).await.unwrap();
            assert_eq!((held[0].name.as_str(), held[0].token), ("x", lease.token()));
            assert_eq!(lease.names(), [held[0].name.clone()]);
            Ok::<_, Infallible>(lease.token())
        })
        .await
        .unwrap();
    assert!(cluster.held().await.is_empty());
    assert!(node.with_lock("x", nothing).await.unwrap() > first);
}

#[tokio::test]
async fn a_busy_lock_is_reported_with_its_holder_after_all_tries() {
    let cluster = Cluster::new();
    let (holder, other) = (cluster.node("a"), cluster.node("b"));
    let lock = holder.locks().acquire(LockOptions::exclusive("x").purpose("re-index")).await.unwrap();
    cluster.clock.advance(Duration::from_secs(2));
    let begun = cluster.clock.now();
    let error = cluster
        .run(async move {
            other.with_lock("x", |_| async { panic!("the work must not begin") as Result<(), String> }).await
        })
        .await
        .unwrap_err();
    assert!(error.is_busy());
    let text = error.to_string();
    let LockError::Busy { name, holder, held_for_ms, waited_ms } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), holder.node.as_str(), holder.purpose.as_str()), ("x", "a", "re-index"));
    assert!((8_600..=9_400).contains(&waited_ms), "five tries of 1 s, 1 s apart: {waited_ms}");
    assert_eq!(waited_ms as i64, millis_between(begun, cluster.clock.now()));
    assert_eq!(held_for_ms, waited_ms + 2_000);
    assert!(text.contains("lock x is busy: node a (re-index) has held it for"), "{text}");
    assert!(lock.is_held(), "its lease was renewed meanwhile");
}

#[tokio::test]
async fn a_single_question_does_not_wait() {
    let cluster = Cluster::new();
    let (holder, other) = (cluster.node("a"), cluster.node("b"));
    let _lock = holder.locks().acquire("x").await.unwrap();
    let calls = cluster.store.calls();
    let error = other.locks().acquire(LockOptions::shared("x").once()).await.unwrap_err();
    assert!(matches!(error, LockError::Busy { waited_ms: 0, .. }), "{error}");
    assert_eq!(cluster.store.calls(), calls + 1);
}

#[tokio::test]
async fn tries_and_delays_follow_the_options() {
    let cluster = Cluster::new();
    let (holder, other) = (cluster.node("a"), cluster.node("b"));
    let _lock = holder.locks().acquire("x").await.unwrap();
    let options = LockOptions::exclusive("x").timeout_ms(0).retries(2).retry_delay_ms(500).jitter(0.0);
    let calls = cluster.store.calls();
    let error = cluster.run(async move { other.locks().acquire(options).await }).await.unwrap_err();
    assert!(matches!(error, LockError::Busy { waited_ms: 1_000, .. }), "{error}");
    assert_eq!(cluster.store.calls(), calls + 3);
}

#[tokio::test]
async fn whoever_waits_gets_the_lock_when_it_is_given_up() {
    let cluster = Cluster::new();
    let (holder, other) = (cluster.node("a"), cluster.node("b"));
    let lock = holder.locks().acquire("x").await.unwrap();
    let waiting = tokio::spawn(async move { other.with_lock("x", nothing).await });
    cluster.step().await;
    assert!(!waiting.is_finished());
    assert!(lock.release().await.unwrap());
    cluster.step().await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lock_given_up_in_this_process_is_noticed_at_once() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let lock = node.locks().acquire("x").await.unwrap();
    let other = node.clone();
    let waiting = tokio::spawn(async move { other.with_lock("x", nothing).await });
    cluster.settle().await;
    assert!(!waiting.is_finished());
    drop(lock);
    cluster.settle().await;
    assert!(waiting.is_finished(), "the clock stands still");
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn readers_share_and_a_writer_waits_for_all_of_them() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node("a"), cluster.node("b"));
    let first = one.locks().acquire(LockOptions::shared("x")).await.unwrap();
    let second = two.locks().acquire(LockOptions::shared("x")).await.unwrap();
    for lock in [first, second] {
        assert!(one.locks().acquire(LockOptions::exclusive("x").once()).await.unwrap_err().is_busy());
        lock.release().await.unwrap();
    }
    assert!(one.locks().acquire(LockOptions::exclusive("x").once()).await.is_ok());
}

#[tokio::test]
async fn an_error_of_the_work_is_never_a_busy_lock() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let inner = "lock x is busy: deadlock detected";
    let error = node.with_lock("x", |_| async { Err::<(), _>(inner) }).await.unwrap_err();
    assert!(!error.is_busy());
    assert!(matches!(error, LockError::Body(text) if text == inner), "{error}");
    assert!(cluster.held().await.is_empty());
}

#[tokio::test]
async fn long_work_keeps_its_lock() {
    let cluster = Cluster::new();
    let (node, other) = (cluster.node("a"), cluster.node("b"));
    let gone = Arc::new(AtomicUsize::new(0));
    let options = LockOptions::exclusive("x").lease_ms(3_000);
    let work = busy_for(&cluster.clock, 60, &gone);
    let working = tokio::spawn(async move { node.with_lock(options, work).await });
    let mut steps = 0;
    cluster.settle().await;
    while !working.is_finished() {
        assert_eq!(cluster.held().await, ["x by a"]);
        assert!(other.locks().acquire(LockOptions::shared("x").once()).await.unwrap_err().is_busy());
        cluster.step().await;
        steps += 1;
    }
    working.await.unwrap().unwrap();
    assert!(steps >= 60, "a lease of 3 s is renewed each second: {steps}");
    assert!(cluster.held().await.is_empty());
}

#[tokio::test]
async fn work_whose_lock_was_broken_is_cancelled_at_the_next_renewal() {
    let cluster = Cluster::new();
    let (node, other) = (cluster.node("a"), cluster.node("b"));
    let gone = Arc::new(AtomicUsize::new(0));
    let work = busy_for(&cluster.clock, 3_600, &gone);
    let working = tokio::spawn(async move { node.with_lock("x", work).await });
    cluster.settle().await;
    let token = other.locks().held().await.unwrap()[0].token;
    assert!(other.locks().break_lock(token).await.unwrap());
    let next = other.locks().acquire("x").await.unwrap();
    assert!(next.token() > token);
    assert_eq!(gone.load(Ordering::SeqCst), 0);
    cluster.clock.advance(Duration::from_secs(10));
    cluster.settle().await;
    assert_eq!(gone.load(Ordering::SeqCst), 1, "the work was dropped");
    let error = working.await.unwrap().unwrap_err();
    assert!(matches!(&error, LockError::Lost { names, finished: false } if names == "x"), "{error}");
    assert_eq!(cluster.held().await, ["x by b"], "the successor's lock was left alone");
}

#[tokio::test]
async fn work_that_ends_after_its_lock_was_broken_is_told_so() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let other = node.clone();
    let result = node
        .with_lock("x", |lease| async move {
            other.locks().break_lock(lease.token()).await.unwrap();
            Ok::<_, Infallible>(())
        })
        .await;
    let error = result.unwrap_err();
    assert!(matches!(error, LockError::Lost { finished: true, .. }), "{error}");
}

#[tokio::test]
async fn a_short_outage_of_the_store_costs_no_lock() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let gone = Arc::new(AtomicUsize::new(0));
    let work = busy_for(&cluster.clock, 100, &gone);
    let working = tokio::spawn(async move { node.with_lock("x", work).await });
    cluster.settle().await;
    cluster.store.set_broken(true);
    cluster.clock.advance(Duration::from_secs(20));
    cluster.settle().await;
    cluster.store.set_broken(false);
    while !working.is_finished() {
        cluster.step().await;
        let held = cluster.held().await;
        assert!(held == ["x by a"] || working.is_finished(), "{held:?}");
    }
    working.await.unwrap().unwrap();
}

#[tokio::test]
async fn work_stops_before_a_lease_that_cannot_be_renewed_ends() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let gone = Arc::new(AtomicUsize::new(0));
    let work = busy_for(&cluster.clock, 3_600, &gone);
    let working = tokio::spawn(async move { node.with_lock("x", work).await });
    cluster.settle().await;
    cluster.store.set_broken(true);
    while gone.load(Ordering::SeqCst) == 0 {
        cluster.step().await;
    }
    cluster.store.set_broken(false);
    assert_eq!(
        cluster.clock.now(),
        "2026-01-01T00:00:27Z".parse::<Timestamp>().unwrap(),
        "30 s less a tenth"
    );
    assert_eq!(cluster.held().await, ["x by a"], "nobody else can have it yet");
    assert!(matches!(working.await.unwrap().unwrap_err(), LockError::Lost { finished: false, .. }));
}

#[tokio::test]
async fn work_of_a_process_that_stood_still_is_cancelled() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let gone = Arc::new(AtomicUsize::new(0));
    let work = busy_for(&cluster.clock, 3_600, &gone);
    let working = tokio::spawn(async move { node.with_lock("x", work).await });
    cluster.settle().await;
    cluster.clock.advance(Duration::from_secs(60));
    cluster.settle().await;
    assert!(matches!(working.await.unwrap().unwrap_err(), LockError::Lost { finished: false, .. }));
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_beyond_the_lease_ends_the_trust_in_it() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let gone = Arc::new(AtomicUsize::new(0));
    let work = busy_for(&cluster.clock, 3_600, &gone);
    let working = tokio::spawn(async move { node.with_lock("x", work).await });
    cluster.settle().await;
    cluster.clock.set("2026-01-01T00:00:28Z".parse().unwrap());
    cluster.settle().await;
    assert!(matches!(working.await.unwrap().unwrap_err(), LockError::Lost { finished: false, .. }));
}

#[tokio::test]
async fn a_backward_jump_of_the_wall_clock_delays_no_renewal() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let lock = node.locks().acquire("x").await.unwrap();
    cluster.settle().await;
    cluster.clock.set("2025-12-31T12:00:00Z".parse().unwrap());
    let calls = cluster.store.calls();
    cluster.clock.advance(Duration::from_secs(10));
    cluster.settle().await;
    assert_eq!(cluster.store.calls(), calls + 1);
    assert!(lock.is_held());
}

#[tokio::test]
async fn a_lock_goes_with_work_that_is_dropped_or_panics() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let gone = Arc::new(AtomicUsize::new(0));
    let (first, work) = (node.clone(), busy_for(&cluster.clock, 3_600, &gone));
    let working = tokio::spawn(async move { first.with_lock("x", work).await });
    cluster.settle().await;
    assert_eq!(cluster.held().await, ["x by a"]);
    working.abort();
    cluster.settle().await;
    assert_eq!((cluster.held().await.len(), gone.load(Ordering::SeqCst)), (0, 1));
    let panicking = tokio::spawn(async move {
        node.with_lock("x", |_| async { panic!("as a test") as Result<(), String> }).await
    });
    cluster.settle().await;
    assert!(panicking.await.unwrap_err().is_panic());
    cluster.settle().await;
    assert!(cluster.held().await.is_empty());
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_nothing_behind() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let calls = cluster.store.calls();
    {
        let locks = node.locks();
        let asking = locks.acquire("x");
        tokio::pin!(asking);
        // The question is under way, and nobody waits for the answer any more.
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(asking.as_mut().poll(cx).is_pending())).await
        );
    }
    cluster.settle().await;
    assert_eq!(cluster.store.calls(), calls + 2, "asked, and given up");
    assert!(cluster.held().await.is_empty());
}

#[tokio::test]
async fn wrong_options_and_a_failing_store_are_told_apart() {
    let cluster = Cluster::new();
    let node = cluster.node("a");
    let error = node.with_lock("a\nb", nothing).await.unwrap_err();
    assert!(
        matches!(&error, LockError::Invalid(problem) if problem.contains("control character")),
        "{error}"
    );
    cluster.store.set_broken(true);
    let error = node.with_lock("x", nothing).await.unwrap_err();
    assert!(matches!(&error, LockError::Store(problem) if problem.is_transient()), "{error}");
}

#[tokio::test]
async fn work_that_succeeded_stays_a_success_when_giving_up_fails() {
    let cluster = Cluster::new();
    let (node, store) = (cluster.node("a"), Arc::clone(&cluster.store));
    let result = node
        .with_lock("x", |lease| async move {
            store.set_broken(true);
            Ok::<_, Infallible>(lease.token())
        })
        .await;
    result.unwrap();
    cluster.store.set_broken(false);
    cluster.clock.advance(Duration::from_secs(30));
    assert!(cluster.held().await.is_empty(), "the lease has ended");
}

#[tokio::test]
async fn nodes_that_take_several_locks_in_any_order_all_get_through_one_at_a_time() {
    let cluster = Cluster::new();
    let (inside, most, done) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = Vec::new();
    for number in 0..9 {
        let node = cluster.node(&format!("n{number}"));
        let (first, second) = if number % 2 == 1 { ("a", "b") } else { ("b", "a") };
        let options = LockOptions::exclusive(first).and(second, LockMode::Exclusive).retries(1_000);
        let (inside, most, done, clock) =
            (Arc::clone(&inside), Arc::clone(&most), Arc::clone(&done), cluster.clock.clone());
        tasks.push(tokio::spawn(async move {
            node.with_lock(options, |_| async move {
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let end = Timestamp::from_millisecond(clock.now().as_millisecond() + 700).unwrap();
                clock.sleep_until(end).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            })
            .await
        }));
    }
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        cluster.step().await;
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!((done.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (9, 1));
}
