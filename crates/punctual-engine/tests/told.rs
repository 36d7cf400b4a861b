//! What is told of lost nodes, of a store that is away, and of the end of a node.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use punctual_core::{Change, Clock, Event, JobDetail, JobStore, Term, Timestamp, Trigger};
use punctual_engine::{Listener, LogListener, Settings};
use punctual_memory::MemoryStore;
use punctual_testkit::factory::Hand;
use punctual_testkit::faulty::FaultyStore;
use support::{Held, World, after, start};
use tokio::sync::Semaphore;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Lets the loops do what they can without the clock moving.
async fn rest() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Keeps the level and the message of each line from INFO on.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Message(format!("{} ", event.metadata().level()));
        event.record(&mut line);
        if *event.metadata().level() <= tracing::Level::INFO {
            self.0.lock().unwrap().push(line.0);
        }
    }
}

/// What the log says of events.
fn logged<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<String> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry().with(lines.clone());
    tracing::subscriber::with_default(subscriber, || {
        events.into_iter().for_each(|event| LogListener.on_event(event));
    });
    lines.0.lock().unwrap().clone()
}

fn told(world: &mut World) -> Vec<Event> {
    std::iter::from_fn(|| world.events.try_recv().ok()).collect()
}

fn of_losses(events: &[Event]) -> Vec<&Event> {
    let loss = |event: &&Event| matches!(event, Event::NodeLost { .. } | Event::WorkRecovered(_));
    events.iter().filter(loss).collect()
}

/// A node in standby beside others, whose leases last until a minute after their start.
async fn beside() -> (World, Arc<dyn JobStore>) {
    let settings = Settings { heartbeat_ms: 10_000, lease_ms: 20_000, ..Settings::default() };
    let world = World::new(|builder| builder.settings(settings));
    world.scheduler.init().await.unwrap();
    let store = Arc::clone(&world.store);
    (world, store)
}

#[tokio::test]
async fn the_loss_of_an_idle_node_is_told_once() {
    let (mut world, store) = beside().await;
    Hand::register(&store, "lost", after(-47)).await;
    let stopped = Hand::register(&store, "stopped", after(-47)).await;
    rest().await;
    store.retire(start(), stopped.term).await.unwrap();
    for second in [10, 13, 14, 20, 30, 40] {
        world.advance_to(after(second));
        rest().await;
    }
    let events = told(&mut world);
    assert_eq!(
        logged(of_losses(&events)),
        ["WARN node lost was lost (its lease ended at 2026-01-01T00:00:13Z)"]
    );
}

#[tokio::test]
async fn what_a_lost_node_ran_is_summed_up() {
    let (mut world, store) = beside().await;
    let lost = Hand::register(&store, "lost", after(-47)).await;
    for name in ["a", "b", "c"] {
        let job = JobDetail::new(name, "test");
        let job = if name == "c" { job } else { job.requests_recovery() };
        let change = Change::Schedule { job, triggers: vec![Trigger::once(name, name, after(-47))] };
        store.apply(after(-47), &[change]).await.unwrap();
    }
    assert_eq!(lost.claim(after(-47), 3).await.fires.len(), 3);
    rest().await;
    for second in [10, 14] {
        world.advance_to(after(second));
        rest().await;
    }
    let events = told(&mut world);
    let losses = of_losses(&events);
    assert_eq!(losses.len(), 4, "each run is told to listeners: {losses:?}");
    assert_eq!(
        logged(losses),
        [
            "WARN node lost was lost (its lease ended at 2026-01-01T00:00:13Z): 3 run(s) that it had left open were \
          closed, 2 of them run again"
        ]
    );
}

#[tokio::test]
async fn a_store_that_is_away_is_told_of_with_growing_gaps() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut world = World::over(store.clone(), |builder| builder.settings(Settings::clustered()));
    world.scheduler.init().await.unwrap();
    rest().await;
    told(&mut world);
    store.set_broken(true);
    let mut away = Vec::new();
    for _ in 0..200 {
        world.clock.advance(Duration::from_millis(500));
        rest().await;
        away.extend(told(&mut world));
    }
    let failures = away.iter().filter(|event| matches!(event, Event::StoreFailed { .. })).count();
    assert!((33..64).contains(&failures), "each failure is told to listeners: {failures}");
    let lines = logged(&away);
    let starts: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
    let first = "ERROR the store failed to renew the node's lease";
    assert_eq!(starts[0], first);
    let since = lines[1].split("since ").nth(1).unwrap().split(": ").next().unwrap();
    let since: Timestamp = since.parse().unwrap();
    let later: Vec<_> =
        [2, 4, 8, 16, 32].map(|times| format!("{first} for the {times}. time since {since}: ")).into();
    assert_eq!(lines.len(), 6, "{lines:?}");
    for (line, wanted) in lines[1..].iter().zip(later) {
        assert!(line.starts_with(&wanted), "{line}");
    }
    store.set_broken(false);
    for _ in 0..60 {
        world.clock.advance(Duration::from_millis(500));
        rest().await;
    }
    let again: Vec<_> = logged(&told(&mut world)).into_iter().filter(|line| line.contains("again")).collect();
    let wanted =
        format!("INFO the store can renew the node's lease again, after {failures} failure(s) since {since}");
    assert_eq!(again, [wanted]);
}

#[test]
fn a_lost_lease_says_nothing_of_runs() {
    let lines = logged([&Event::LeaseLost { old: Term(1), new: Term(2) }]);
    assert_eq!(
        lines,
        ["WARN this node's lease had run out and it was taken for lost; it goes on under a new term"]
    );
}

#[test]
fn a_lease_that_is_renewed_after_its_end_says_for_how_long_it_had_run_out() {
    let lines = logged([&Event::LeaseResumed { term: Term(1), lapsed_ms: 5_500, grace_ms: 4_500 }]);
    assert_eq!(
        lines,
        [
            "WARN this node's lease had run out 5500 ms ago, and was renewed before anybody took up its work: what it \
          still runs goes on. Other nodes have 4500 ms to renew theirs before it takes up their work"
        ]
    );
}

/// A node one run of which has ended and cannot be stored.
#[tokio::test]
async fn a_stop_without_a_store_ends_a_second_after_its_limit_and_says_what_is_not_stored() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let gate = Arc::new(Semaphore::new(0));
    let mut world = World::over(store.clone(), |builder| builder.job(Held { gate: Arc::clone(&gate) }));
    world.scheduler.start().await.unwrap();
    let triggers = vec![Trigger::once("t", "slow", start())];
    world.scheduler.schedule(JobDetail::new("slow", "held"), triggers).await.unwrap();
    world.until(|event| matches!(event, Event::JobStarted { .. }).then_some(())).await;
    store.set_silent(true);
    let begun = world.clock.now();
    let scheduler = world.scheduler.clone();
    let stopping = tokio::spawn(async move { scheduler.shutdown(Duration::from_secs(10)).await });
    rest().await;
    // The run ends in the last second.
    world.advance_to(after(9));
    gate.add_permits(1);
    rest().await;
    while !stopping.is_finished() {
        world.to_next_wake().await;
        rest().await;
    }
    let report = stopping.await.unwrap();
    assert_eq!((report.cancelled, report.unreported), (0, 1));
    assert_eq!(world.clock.now().duration_since(begun).as_secs(), 11);
    let stopped = world.until(|event| matches!(event, Event::NodeStopped { .. }).then_some(event)).await;
    let lines = logged([&stopped]);
    assert!(
        lines[0].starts_with("WARN node ") && lines[0].contains("how 1 run(s) ended could not be stored"),
        "{lines:?}"
    );
}
