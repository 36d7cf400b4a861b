//! The store's time rules: wrong clocks, uncertain ones, the ends of leases, and what other processes change.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use punctual_core::{
    Change, Clock, DefinitionStore, Event, JobDetail, JobStore, SkipReason, SkippedQuery, Trigger,
    UnknownKind,
};
use punctual_engine::{ManualClock, Settings};
use punctual_memory::MemoryStore;
use punctual_testkit::factory::Hand;
use punctual_testkit::faulty::FaultyStore;
use support::{Quick, World, after, start};

fn memory() -> FaultyStore {
    FaultyStore::new(Arc::new(MemoryStore::new()))
}

/// A machine, and a store whose clock is five minutes ahead of it.
fn slow_machine() -> (ManualClock, Arc<FaultyStore>) {
    let machine = ManualClock::new(start());
    let inside = machine.clone();
    let store = memory().with_clock(move || after(300).checked_add(inside.monotonic()).unwrap());
    (machine, Arc::new(store))
}

/// Lets the loops do what they can without the clock moving.
async fn rest() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn schedule(world: &World, seconds: i64) {
    let trigger = Trigger::once("t", "job", after(seconds));
    world.scheduler.schedule(JobDetail::new("job", "quick"), vec![trigger]).await.unwrap();
}

#[tokio::test]
async fn fires_happen_at_the_stores_time_whatever_the_wall_clock_shows() {
    let (machine, store) = slow_machine();
    let mut world = World::on(machine.clone(), store, |builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    assert_eq!(world.scheduler.clock().now(), after(300));
    schedule(&world, 360).await;
    rest().await;
    for jump in [10_000_000, -10_000_000] {
        machine.set(after(jump));
        rest().await;
        assert!(world.closed_history().await.is_empty(), "a jump of the wall clock fired something");
    }
    // Heartbeats come between, and find the wall clock wrong by other amounts.
    for _ in 0..60 {
        machine.advance(Duration::from_millis(999));
        rest().await;
    }
    machine.advance(Duration::from_millis(59));
    rest().await;
    assert!(world.closed_history().await.is_empty(), "too early by the store's time");
    machine.advance(Duration::from_millis(1));
    world.finished().await;
    let row = world.closed_history().await.remove(0);
    assert_eq!((row.scheduled_at, row.started_at), (Some(after(360)), after(360)));
    assert_eq!(world.scheduler.status().clock.offset_ms, 10_000_300_000);
}

#[tokio::test]
async fn a_node_registers_with_the_stores_time() {
    let (machine, store) = slow_machine();
    let world = World::on(machine, store.clone(), |builder| builder.job(Quick));
    world.scheduler.init().await.unwrap();
    rest().await;
    let store: Arc<dyn JobStore> = store;
    Hand::register(&store, "other", after(301)).await;
    let view = store.heartbeat(&punctual_testkit::factory::beat("third", None, after(302))).await.unwrap();
    let node = view.nodes.iter().find(|node| node.name == "node").unwrap();
    assert_eq!((node.started_at, node.lease_until), (after(300), after(315)));
    assert_eq!((node.clock_offset_ms, node.clock_uncertainty_ms), (300_000, 0));
}

#[tokio::test]
async fn a_node_that_does_not_know_the_time_well_enough_claims_nothing_until_it_does() {
    let machine = ManualClock::new(start());
    let one_way_ms = Arc::new(AtomicU64::new(1_500));
    let (inside, one_way) = (machine.clone(), Arc::clone(&one_way_ms));
    let store = memory().with_clock(move || {
        let message = Duration::from_millis(one_way.load(Ordering::SeqCst));
        inside.advance(message);
        let shown = start().checked_add(inside.monotonic()).unwrap();
        inside.advance(message);
        shown
    });
    let settings = Settings { heartbeat_ms: 10_000, lease_ms: 60_000, ..Settings::default() };
    let mut world =
        World::on(machine.clone(), Arc::new(store), |builder| builder.job(Quick).settings(settings));
    world.scheduler.start().await.unwrap();
    let told = |event| match event {
        Event::ClockUncertain { uncertainty_ms, limit_ms } => Some((uncertainty_ms, limit_ms)),
        _ => None,
    };
    let (uncertainty_ms, limit_ms) = world.until(told).await;
    assert!((1_500..1_510).contains(&uncertainty_ms) && limit_ms == 1_000, "{uncertainty_ms}, {limit_ms}");
    schedule(&world, 0).await;
    machine.advance(Duration::from_secs(10));
    rest().await;
    assert!(world.closed_history().await.is_empty(), "claimed by a clock that may be wrong");
    let status = world.scheduler.status();
    assert!(status.lease_valid && !status.clock_certain);
    one_way_ms.store(2, Ordering::SeqCst);
    let mut told = Vec::new();
    machine.advance(Duration::from_secs(10));
    world
        .until(|event| {
            let finished = matches!(event, Event::JobFinished { .. });
            told.push(event);
            finished.then_some(())
        })
        .await;
    assert!(told.iter().any(|event| matches!(event, Event::ClockCertain { uncertainty_ms: 2 })), "{told:?}");
    assert!(!told.iter().any(|event| matches!(event, Event::ClockUncertain { .. })), "it is said once");
    assert!(world.scheduler.status().clock_certain);
}

#[tokio::test]
async fn a_lost_nodes_work_is_taken_up_as_its_lease_ends() {
    let store = Arc::new(memory());
    let settings = Settings { heartbeat_ms: 10_000, lease_ms: 20_000, ..Settings::default() };
    let mut world = World::over(store.clone(), |builder| builder.job(Quick).settings(settings));
    let shared: Arc<dyn JobStore> = store.clone();
    // Its lease lasts for a minute: until 13 s after the start, between two heartbeats of the other.
    let lost = Hand::register(&shared, "lost", after(-47)).await;
    let job = JobDetail::new("job", "test").requests_recovery();
    let change = Change::Schedule { job, triggers: vec![Trigger::once("t", "job", after(-47))] };
    shared.apply(after(-47), &[change]).await.unwrap();
    assert_eq!(lost.claim(after(-47), 1).await.fires.len(), 1);
    world.scheduler.start().await.unwrap();
    rest().await;
    assert_eq!(
        store.recoveries(),
        1,
        "once before it claims for the first time, and not with each heartbeat"
    );
    world.advance_to(after(10));
    rest().await;
    world.advance_to(after(13));
    rest().await;
    assert_eq!(store.recoveries(), 1);
    world.clock.advance(Duration::from_millis(5));
    let recovered = world
        .until(|event| match event {
            Event::WorkRecovered(work) => Some(work),
            _ => None,
        })
        .await;
    assert_eq!((recovered.node.as_str(), recovered.refired), ("lost", true));
    assert_eq!(store.recoveries(), 2);
    // An idle node looks again only now and then.
    for _ in 0..120 {
        world.clock.advance(Duration::from_secs(10));
        rest().await;
    }
    assert_eq!(store.recoveries(), 4);
}

#[tokio::test]
async fn what_another_process_schedules_wakes_the_node() {
    let store = Arc::new(memory());
    let mut world = World::over(store.clone(), |builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    rest().await;
    let triggers = vec![Trigger::once("t", "job", start())];
    store
        .apply(start(), &[Change::Schedule { job: JobDetail::new("job", "quick"), triggers }])
        .await
        .unwrap();
    rest().await;
    assert!(world.closed_history().await.is_empty(), "nobody told the node");
    store.change();
    world.finished().await;
}

#[tokio::test]
async fn a_store_whose_clock_is_set_takes_the_node_along() {
    let machine = ManualClock::new(start());
    let ahead_ms = Arc::new(AtomicU64::new(600_000));
    let (inside, ahead) = (machine.clone(), Arc::clone(&ahead_ms));
    let store = memory().with_clock(move || {
        let ahead = Duration::from_millis(ahead.load(Ordering::SeqCst));
        start().checked_add(inside.monotonic() + ahead).unwrap()
    });
    let mut world = World::on(machine.clone(), Arc::new(store), |builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    schedule(&world, 60).await;
    world.finished().await;
    // Back by ten minutes: the node goes on with its heartbeats and with what is due by the new time.
    ahead_ms.store(0, Ordering::SeqCst);
    machine.advance(Duration::from_secs(5));
    let moved = |event| match event {
        Event::ClockMoved { by_ms } => Some(by_ms),
        _ => None,
    };
    assert_eq!(world.until(moved).await, -600_000);
    assert_eq!(world.scheduler.clock().now(), after(5));
    schedule(&world, 8).await;
    machine.advance(Duration::from_secs(3));
    world.finished().await;
    machine.advance(Duration::from_secs(2));
    rest().await;
    assert_eq!(world.scheduler.status().last_heartbeat, Some(after(10)));
}

#[tokio::test]
async fn a_node_that_is_not_told_of_changes_says_so_once_and_looks_more_often() {
    let (machine, store) = slow_machine();
    store.set_hearing(true);
    let mut world = World::on(machine.clone(), store.clone(), |builder| {
        builder.job(Quick).settings(Settings { unheard_poll_ms: 2_000, ..Settings::clustered() })
    });
    world.scheduler.start().await.unwrap();
    rest().await;
    // Another node stores a trigger, and nobody is told.
    let other: &dyn JobStore = &*store;
    let late = |name: &'static str| {
        let now = world_now(&machine);
        let triggers = vec![Trigger::once(name, name, now)];
        [Change::Schedule { job: JobDetail::new(name, "quick"), triggers }]
    };
    other.apply(world_now(&machine), &late("while-it-hears")).await.unwrap();
    for _ in 0..5 {
        machine.advance(Duration::from_secs(2));
        rest().await;
    }
    assert!(world.closed_history().await.is_empty(), "it looks rarely while it would be told");
    for hearing in [false, false, true, true] {
        store.set_hearing(hearing);
        rest().await;
    }
    let heard = |event| match event {
        Event::ChangesUnheard { poll_ms } => Some(Some(poll_ms)),
        Event::ChangesHeard => Some(None),
        _ => None,
    };
    assert_eq!(world.until(heard).await, Some(2_000));
    assert_eq!(world.until(heard).await, None);
    store.set_hearing(false);
    rest().await;
    assert_eq!(world.closed_history().await.len(), 1);
    other.apply(world_now(&machine), &late("while-it-does-not")).await.unwrap();
    machine.advance(Duration::from_secs(2));
    rest().await;
    assert_eq!(world.closed_history().await.len(), 2);
}

/// The store's time.
fn world_now(machine: &ManualClock) -> jiff::Timestamp {
    after(300).checked_add(machine.monotonic()).unwrap()
}

#[tokio::test]
async fn what_nobody_can_run_is_given_up_by_a_node_that_notices() {
    let store = Arc::new(memory());
    let settings = Settings { unknown_kind: UnknownKind::Skip, ..Settings::default() };
    let mut world = World::over(store.clone(), |builder| builder.job(Quick).settings(settings));
    let shared: Arc<dyn JobStore> = store.clone();
    for (name, kind) in [("nobodys", "unheard of"), ("anothers", "test")] {
        let triggers = vec![Trigger::once(name, name, start())];
        let change = Change::Schedule { job: JobDetail::new(name, kind), triggers };
        shared.apply(start(), &[change]).await.unwrap();
    }
    world.scheduler.start().await.unwrap();
    rest().await;
    // The other kind's node lives on.
    let other = Hand::register(&shared, "other", start()).await;
    for second in 0..(58 * 5) {
        world.clock.advance(Duration::from_secs(1));
        rest().await;
        if second % 20 == 0 {
            let now = world.clock.now();
            shared.heartbeat(&punctual_testkit::factory::beat("other", Some(other.term), now)).await.unwrap();
        }
    }
    let recorded = || async { shared.skipped(&SkippedQuery::default()).await.unwrap().rows };
    assert_eq!(recorded().await, [], "not before somebody looks");
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(1));
        rest().await;
    }
    let trigger = world
        .until(|event| match event {
            Event::InstantsSkipped { trigger, skip } if skip.reason == SkipReason::Expired => Some(trigger),
            _ => None,
        })
        .await;
    assert_eq!(trigger.name(), "nobodys");
    let rows = recorded().await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].trigger.name(), rows[0].skip.reason), ("nobodys", SkipReason::Expired));
    assert_eq!(shared.trigger(&"anothers".into()).await.unwrap().unwrap().next_fire_at, Some(start()));
}

#[tokio::test]
async fn calls_that_get_no_answer_are_given_up_and_tried_again() {
    let store = Arc::new(memory());
    let settings = Settings { backoff_max_ms: 1_000, ..Settings::clustered() };
    let mut world = World::over(store.clone(), |builder| builder.job(Quick).settings(settings));
    world.scheduler.start().await.unwrap();
    rest().await;
    schedule(&world, 3).await;
    rest().await;
    store.set_silent(true);
    let mut failed = std::collections::BTreeMap::new();
    for _ in 0..40 {
        world.clock.advance(Duration::from_millis(500));
        rest().await;
        while let Ok(event) = world.events.try_recv() {
            if let Event::StoreFailed { operation, error, .. } = event {
                failed.entry(operation).or_insert(error);
            }
        }
    }
    let says = |operation: &str| failed.get(operation).map(String::as_str).unwrap_or_default();
    assert!(says("renew the node's lease").contains("no answer within 1125 ms"), "{failed:?}");
    assert!(says("claim due fires").contains("no answer within 10000 ms"), "{failed:?}");
    assert!(!world.scheduler.status().lease_valid);
    store.set_silent(false);
    for _ in 0..30 {
        world.clock.advance(Duration::from_millis(500));
        rest().await;
    }
    assert_eq!(world.closed_history().await.len(), 1, "it goes on by itself");
    assert!(world.scheduler.status().lease_valid);
}
