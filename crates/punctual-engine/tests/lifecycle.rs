//! A node's life: start, standby, disabled, shutdown, a lost lease, a failing store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use punctual_core::{
    Clock, Data, DefinitionStore, Event, Heartbeat, HistoryQuery, HistoryStore, JobDetail, JobKey, JobStore,
    NodeState, StoreError, TaskStatus, Term, Timestamp, Trigger, TriggerKey, TriggerQuery,
};
use punctual_engine::{Entry, ManualScheduler, Settings};
use punctual_memory::MemoryStore;
use punctual_testkit::faulty::FaultyStore;
use serde_json::json;
use support::{Held, Quick, World, after, data, every, start};
use tokio::sync::Semaphore;

#[tokio::test]
async fn one_bad_entry_does_not_stop_the_others() {
    let world = World::new(|builder| {
        let good = Entry::new(JobDetail::new("good", "quick"), vec![Trigger::new("g", "good", every(60))]);
        let bad = Entry::new(JobDetail::new("bad", "quick"), vec![]);
        let ended = Trigger::new("e", "ended", every(60)).start(after(10)).end(after(5));
        let worse = Entry::new(JobDetail::new("ended", "quick"), vec![ended]);
        builder.job(Quick).entries([bad, good, worse])
    });
    let report = world.scheduler.init().await.unwrap();
    assert_eq!(report.registered, 1);
    let names: Vec<_> = report.failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["DEFAULT.bad", "DEFAULT.ended"]);
    assert!(report.failed[1].1.contains("before its start"), "{}", report.failed[1].1);
    assert!(world.scheduler.job_exists(&JobKey::new("good")).await.unwrap());
    assert!(!world.scheduler.job_exists(&JobKey::new("ended")).await.unwrap());
}

#[tokio::test]
async fn scheduling_again_changes_nothing_unless_the_definition_did() {
    let world = World::new(|builder| builder.job(Quick));
    world.scheduler.init().await.unwrap();
    let job = JobDetail::new("job", "quick");
    let triggers = || vec![Trigger::new("a", "job", every(60)), Trigger::new("b", "job", every(90))];
    let first = world.scheduler.schedule(job.clone(), triggers()).await.unwrap();
    assert_eq!((first.created, first.updated, first.deleted), (3, 0, 0));
    let again = world.scheduler.schedule(job.clone(), triggers()).await.unwrap();
    assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 3));
    let changed = vec![Trigger::new("a", "job", every(30))];
    let third = world.scheduler.schedule(job.description("new words"), changed).await.unwrap();
    assert_eq!((third.created, third.updated, third.deleted), (0, 2, 1));
    assert!(world.store.trigger(&TriggerKey::new("b")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_disabled_scheduler_stores_and_fires_nothing() {
    let world = World::new(|builder| builder.job(Quick).disabled(true));
    world.scheduler.start().await.unwrap();
    assert_eq!(world.scheduler.status().state, NodeState::Standby);
    let job = JobDetail::new("job", "quick");
    world.scheduler.schedule(job, vec![Trigger::once("t", "job", start())]).await.unwrap();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(world.closed_history().await.is_empty());
}

#[tokio::test]
async fn standby_claims_nothing_and_start_goes_on() {
    let mut world = World::new(|builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    world.scheduler.standby();
    let job = JobDetail::new("job", "quick").durable();
    world.scheduler.add_job(job).await.unwrap();
    world.scheduler.trigger_now(&JobKey::new("job"), Data::empty()).await.unwrap();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(world.closed_history().await.is_empty());
    world.scheduler.start().await.unwrap();
    world.finished().await;
}

/// Lets a heartbeat pass.
async fn beat_passes(world: &World, drained: bool) {
    while world.scheduler.status().drained != drained {
        if let Some(at) = world.clock.next_wake() {
            world.advance_to(at);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_drained_node_finishes_what_runs_and_claims_again_when_it_is_resumed() {
    let gate = Arc::new(Semaphore::new(0));
    let mut world = World::new(|builder| builder.job(Held { gate: Arc::clone(&gate) }));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("held", "held").durable();
    world.scheduler.add_job(job).await.unwrap();
    world.scheduler.trigger_now(&JobKey::new("held"), Data::empty()).await.unwrap();
    world.until(|event| matches!(event, Event::JobStarted { .. }).then_some(())).await;
    let term = world.scheduler.status().term.unwrap();
    assert!(world.scheduler.drain(term, true).await.unwrap());
    beat_passes(&world, true).await;
    let status = world.scheduler.status();
    assert_eq!((status.state, status.running, status.lease_valid), (NodeState::Draining, 1, true));
    world.scheduler.trigger_now(&JobKey::new("held"), Data::empty()).await.unwrap();
    gate.add_permits(2);
    world.finished().await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.closed_history().await.len(), 1, "what ran has ended, and nothing else was claimed");
    assert!(world.scheduler.drain(term, false).await.unwrap());
    beat_passes(&world, false).await;
    world.finished().await;
    assert_eq!(world.scheduler.status().state, NodeState::Running);
}

#[tokio::test]
async fn a_drained_node_that_was_taken_for_lost_goes_on_draining() {
    let world = World::new(|builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    let term = world.scheduler.status().term.unwrap();
    assert!(world.scheduler.drain(term, true).await.unwrap());
    beat_passes(&world, true).await;
    // By another node, whose clock is hours ahead.
    assert_eq!(world.store.recover(after(36_000)).await.unwrap().nodes.len(), 1);
    while world.scheduler.status().term == Some(term) {
        if let Some(at) = world.clock.next_wake() {
            world.advance_to(at);
        }
        tokio::task::yield_now().await;
    }
    let status = world.scheduler.status();
    assert_eq!((status.state, status.drained), (NodeState::Draining, true));
    assert!(world.scheduler.drain(status.term.unwrap(), false).await.unwrap());
    beat_passes(&world, false).await;
    assert_eq!(world.scheduler.status().state, NodeState::Running);
}

#[tokio::test]
async fn shutdown_waits_for_runs_then_cancels_them_and_stores_how_they_ended() {
    let gate = Arc::new(Semaphore::new(0));
    let mut world = World::new(|builder| builder.job(Held { gate: Arc::clone(&gate) }));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("slow", "held").data(data(json!({"polite": true})));
    let triggers = vec![Trigger::once("a", "slow", start()), Trigger::once("b", "slow", start())];
    world.scheduler.schedule(job, triggers).await.unwrap();
    for _ in 0..2 {
        world.until(|event| matches!(event, Event::JobStarted { .. }).then_some(())).await;
    }
    gate.add_permits(1);
    world.finished().await;
    let scheduler = world.scheduler.clone();
    let ending = tokio::spawn(async move { scheduler.shutdown(Duration::from_secs(10)).await });
    let report = loop {
        if ending.is_finished() {
            break ending.await.unwrap();
        }
        if let Some(at) = world.clock.next_wake() {
            world.advance_to(at);
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((report.cancelled, report.unreported), (1, 0));
    let mut statuses: Vec<_> = world.closed_history().await.iter().map(|row| row.status.as_str()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["failed", "success"]);
    assert!(world.scheduler.start().await.is_err(), "a node does not come back");
}

/// What a node says that lives until 30 s later.
fn beat(term: Option<Term>, now: Timestamp) -> Heartbeat {
    Heartbeat {
        name: "twin".to_owned(),
        term,
        version: "1".to_owned(),
        state: NodeState::Running,
        kinds: Vec::new(),
        now,
        slots: 4,
        draining: false,
        lease_ms: 30_000,
        clock_offset_ms: 0,
        clock_uncertainty_ms: 0,
    }
}

#[tokio::test]
async fn a_node_that_was_killed_and_is_started_again_waits_for_its_own_lease() {
    let world = World::new(|builder| builder.node_name("twin"));
    world.store.heartbeat(&beat(None, start())).await.unwrap();
    let scheduler = world.scheduler.clone();
    let starting = tokio::spawn(async move { scheduler.start().await });
    world.to_next_wake().await;
    assert!(world.clock.now() > after(30));
    starting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_node_does_not_start_beside_another_of_its_name() {
    let world = World::new(|builder| builder.node_name("twin"));
    let twin = world.store.heartbeat(&beat(None, start())).await.unwrap().term;
    let scheduler = world.scheduler.clone();
    let starting = tokio::spawn(async move { scheduler.start().await });
    while world.clock.next_wake().is_none() {
        tokio::task::yield_now().await;
    }
    world.store.heartbeat(&beat(Some(twin), after(10))).await.unwrap();
    world.to_next_wake().await;
    let error = starting.await.unwrap().unwrap_err();
    assert!(matches!(&error, StoreError::NameTaken(name) if name == "twin"), "{error}");
}

/// A world with a run that is claimed, and whose claim waits for its answer.
async fn with_a_held_claim() -> (World, Arc<FaultyStore>) {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let settings = Settings { store_timeout_ms: 5_000, ..Settings::default() };
    let over = Arc::clone(&store) as Arc<dyn JobStore>;
    let world = World::over(over, |builder| builder.job(Quick).settings(settings));
    world.scheduler.start().await.unwrap();
    world.scheduler.add_job(JobDetail::new("job", "quick").durable()).await.unwrap();
    store.hold_claims(true);
    world.scheduler.trigger_now(&JobKey::new("job"), Data::empty()).await.unwrap();
    while store.history(&HistoryQuery::default()).await.unwrap().total == 0 || store.held_claims() == 0 {
        tokio::task::yield_now().await;
    }
    (world, store)
}

#[tokio::test]
async fn a_claim_that_is_answered_during_the_shutdown_is_handed_back() {
    let (world, store) = with_a_held_claim().await;
    let scheduler = world.scheduler.clone();
    let ending = tokio::spawn(async move { scheduler.shutdown(Duration::from_secs(10)).await });
    while world.scheduler.status().state != NodeState::Draining {
        tokio::task::yield_now().await;
    }
    // Nothing runs: the shutdown waits for the claim alone.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    store.hold_claims(false);
    assert_eq!(ending.await.unwrap().released, 1);
    let open = store.history(&HistoryQuery::default()).await.unwrap().rows;
    assert_eq!(open, [], "nothing ran, and nothing is open for a node that is gone");
    let due = store.triggers(&TriggerQuery::default()).await.unwrap().rows;
    assert_eq!(due.len(), 1, "the run waits for another node");
}

#[tokio::test]
async fn what_a_node_cannot_hand_back_is_closed_when_it_gives_up_its_lease() {
    let (world, store) = with_a_held_claim().await;
    let scheduler = world.scheduler.clone();
    // An answer that never comes is given up in the end, as a connection that broke.
    let ending = tokio::spawn(async move { scheduler.shutdown(Duration::from_secs(10)).await });
    let report = loop {
        if ending.is_finished() {
            break ending.await.unwrap();
        }
        if let Some(at) = world.clock.next_wake() {
            world.advance_to(at);
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(report.released, 0);
    let rows = store.history(&HistoryQuery::default()).await.unwrap().rows;
    let statuses: Vec<_> = rows.iter().map(|row| row.status).collect();
    assert_eq!(statuses, [TaskStatus::Unknown]);
}

#[tokio::test]
async fn a_node_that_lost_its_lease_changes_nothing_and_goes_on_under_a_new_term() {
    let gate = Arc::new(Semaphore::new(0));
    let store: Arc<MemoryStore> = Arc::new(MemoryStore::new());
    let mut world = World::over(store.clone(), |builder| builder.job(Held { gate: Arc::clone(&gate) }));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("slow", "held").requests_recovery();
    world.scheduler.schedule(job, vec![Trigger::once("t", "slow", start())]).await.unwrap();
    world.until(|event| matches!(event, Event::JobStarted { .. }).then_some(())).await;
    let old = world.scheduler.status().term.unwrap();
    // The process is stopped for a minute; another node takes its work up.
    let other = ManualScheduler::new(store, after(60), |builder| builder.node_name("other")).await.unwrap();
    let runs = other.run_due().await.unwrap();
    assert!(runs.is_empty(), "the other node does not know the kind, and only recovers");
    world.clock.set(after(60));
    let new = world
        .until(|event| match event {
            Event::LeaseLost { old: lost, new } if lost == old => Some(new),
            _ => None,
        })
        .await;
    assert!(new > old);
    gate.add_permits(5);
    let superseded = world
        .until(|event| match event {
            Event::CompletionSuperseded { id, .. } => Some(id),
            _ => None,
        })
        .await;
    let rows = world.closed_history().await;
    assert_eq!(rows[0].id, superseded);
    assert_eq!(rows[0].status, TaskStatus::Unknown);
}

#[tokio::test]
async fn the_hand_crank_runs_what_falls_due() {
    let store = Arc::new(MemoryStore::new());
    let entry = Entry::new(JobDetail::new("tick", "quick"), vec![Trigger::new("t", "tick", every(600))]);
    let manual =
        ManualScheduler::new(store, start(), |builder| builder.job(Quick).entry(entry)).await.unwrap();
    assert_eq!(manual.run_due().await.unwrap().len(), 1);
    assert_eq!(manual.tick(Duration::from_secs(599)).await.unwrap().len(), 0);
    let runs = manual.tick(Duration::from_secs(1)).await.unwrap();
    assert_eq!(runs[0].scheduled_at, after(600));
    assert_eq!(runs[0].status, TaskStatus::Success);
}

#[tokio::test]
async fn bad_settings_and_names_are_refused() {
    use punctual_engine::{Scheduler, Settings};
    let store: Arc<MemoryStore> = Arc::new(MemoryStore::new());
    let error = Scheduler::builder(store.clone()).slots(0).build().unwrap_err().to_string();
    assert!(error.contains("slots is 0"), "{error}");
    let settings = Settings { heartbeat_ms: 1, ..Settings::default() };
    assert!(Scheduler::builder(store.clone()).settings(settings).build().is_err());
    let error = Scheduler::builder(store).node_name("a\nb").build().unwrap_err().to_string();
    assert!(error.contains("a\\nb"), "{error}");
}
