//! Jobs that run when a scheduler starts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use punctual_core::{
    Cause, ChangeError, HistoryQuery, JobDetail, JobKey, JobStore, StoreError, Trigger, TriggerKey,
    TriggerQuery,
};
use punctual_engine::{ManualScheduler, SchedulerBuilder, StartTask};
use punctual_memory::MemoryStore;
use punctual_testkit::factory::at;
use support::{Quick, World, start};

fn detail(name: &str) -> JobDetail {
    JobDetail::new(name, "quick")
}

/// A node starts, runs what it should, and is gone.
async fn boot(store: &Arc<dyn JobStore>, node: &str, tasks: &[StartTask]) -> Vec<String> {
    let configure = |builder: SchedulerBuilder| {
        tasks.iter().fold(builder.job(Quick).node_name(node), |builder, task| builder.on_start(task.clone()))
    };
    let manual = ManualScheduler::new(Arc::clone(store), start(), configure).await.unwrap();
    let mut ran: Vec<String> = manual.run_due().await.unwrap().into_iter().map(|run| run.job).collect();
    ran.sort();
    for node in store.nodes().await.unwrap() {
        store.retire(start(), node.term).await.unwrap();
    }
    ran
}

fn fresh() -> Arc<dyn JobStore> {
    Arc::new(MemoryStore::new())
}

#[tokio::test]
async fn a_task_of_the_node_runs_at_each_start() {
    let store = fresh();
    let tasks = [StartTask::per_node(detail("warm"))];
    for node in ["a", "b", "c"] {
        assert_eq!(boot(&store, node, &tasks).await, ["DEFAULT.warm"]);
    }
    let rows = store.history(&HistoryQuery::default()).await.unwrap().rows;
    assert!(rows.len() == 3 && rows.iter().all(|row| row.cause == Cause::Manual));
    assert!(store.job(&JobKey::new("warm")).await.unwrap().unwrap().detail.durable);
}

#[tokio::test]
async fn a_task_of_the_cluster_runs_once_for_each_version() {
    let store = fresh();
    let version = |version: &str| [StartTask::per_cluster(detail("migrate"), version)];
    assert_eq!(boot(&store, "a", &version("1")).await, ["DEFAULT.migrate"]);
    assert!(boot(&store, "b", &version("1")).await.is_empty());
    assert_eq!(boot(&store, "c", &version("2")).await, ["DEFAULT.migrate"]);
    assert!(boot(&store, "d", &version("1")).await.is_empty(), "going back is no news");
    let other = [StartTask::per_cluster(detail("other"), "1")];
    assert_eq!(boot(&store, "e", &other).await, ["DEFAULT.other"], "each job by itself");
    // The way to run it once more.
    let marker = TriggerKey::try_new("PUNCTUAL.START", "DEFAULT.migrate @ 2").unwrap();
    let deleted = store.apply(at(0), &[punctual_core::Change::DeleteTrigger(marker)]).await.unwrap();
    assert_eq!(deleted[0].deleted, 1);
    assert_eq!(boot(&store, "f", &version("2")).await, ["DEFAULT.migrate"]);
}

#[tokio::test]
async fn a_task_that_ran_already_still_gets_its_new_definition() {
    let store = fresh();
    boot(&store, "a", &[StartTask::per_cluster(detail("migrate"), "1")]).await;
    let changed = detail("migrate").description("new words");
    assert!(boot(&store, "b", &[StartTask::per_cluster(changed, "1")]).await.is_empty());
    let stored = store.job(&JobKey::new("migrate")).await.unwrap().unwrap();
    assert_eq!(stored.detail.description.as_deref(), Some("new words"));
}

#[tokio::test]
async fn a_task_of_the_machine_runs_once_for_each_boot() {
    let store = fresh();
    let on = |id: &str| [StartTask::per_boot_id(detail("mount"), id)];
    assert_eq!(boot(&store, "a", &on("one")).await, ["DEFAULT.mount"]);
    assert!(boot(&store, "a", &on("one")).await.is_empty());
    assert!(boot(&store, "b", &on("one")).await.is_empty(), "another node of the machine");
    assert_eq!(boot(&store, "a", &on("two")).await, ["DEFAULT.mount"]);
}

/// The boots that are remembered.
async fn remembered(store: &Arc<dyn JobStore>) -> Vec<String> {
    let query = TriggerQuery { group: Some("PUNCTUAL.START".to_owned()), ..TriggerQuery::default() };
    let mut names: Vec<String> = store
        .triggers(&query)
        .await
        .unwrap()
        .rows
        .iter()
        .map(|marker| marker.definition.key.name().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn earlier_boots_of_a_machine_are_forgotten() {
    let store = fresh();
    let on =
        |job: &str, id: &str, machine: &str| [StartTask::per_boot_id(detail(job), id).of_machine(machine)];
    boot(&store, "a", &[StartTask::per_boot_id(detail("mount"), "unnamed")]).await;
    boot(&store, "a", &[StartTask::per_cluster(detail("mount"), "1")]).await;
    boot(&store, "a", &on("mount", "other", "y")).await;
    boot(&store, "a", &on("amount", "one", "x")).await;
    boot(&store, "a", &on("mount", "one", "x")).await;
    assert_eq!(boot(&store, "b", &on("mount", "two", "x")).await, ["DEFAULT.mount"]);
    let left = [
        "DEFAULT.amount @ boot one",
        "DEFAULT.mount @ 1",
        "DEFAULT.mount @ boot other",
        "DEFAULT.mount @ boot two",
        "DEFAULT.mount @ boot unnamed",
    ];
    assert_eq!(remembered(&store).await, left, "all but the first boot of this machine");
    assert!(boot(&store, "a", &on("mount", "other", "y")).await.is_empty());
    assert!(boot(&store, "a", &on("mount", "two", "x")).await.is_empty());
    assert_eq!(remembered(&store).await, left, "nothing ran, nothing is forgotten");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn linux_tells_which_boot_it_is() {
    let store = fresh();
    let tasks = [StartTask::per_boot(detail("mount"))];
    assert_eq!(boot(&store, "a", &tasks).await, ["DEFAULT.mount"]);
    assert!(boot(&store, "a", &tasks).await.is_empty());
}

#[tokio::test]
async fn markers_fire_for_no_event() {
    let store = fresh();
    boot(&store, "a", &[StartTask::per_cluster(detail("migrate"), "1")]).await;
    let query = TriggerQuery { group: Some("PUNCTUAL.START".to_owned()), ..TriggerQuery::default() };
    let markers = store.triggers(&query).await.unwrap().rows;
    let event = markers[0].definition.schedule.event().unwrap().to_owned();
    let emit = punctual_core::Change::Emit { event, payload: punctual_core::Data::empty() };
    assert_eq!(store.apply(at(9), &[emit]).await.unwrap()[0].created, 0);
}

#[tokio::test]
async fn a_start_after_a_standby_runs_nothing_again() {
    let mut world = World::new(|builder| builder.job(Quick).on_start(StartTask::per_node(detail("warm"))));
    assert_eq!(world.scheduler.start().await.unwrap().started, 1);
    assert_eq!(world.finished().await, ("warm".to_owned(), None));
    world.scheduler.standby();
    assert_eq!(world.scheduler.start().await.unwrap().started, 0);
    world.scheduler.shutdown(Duration::ZERO).await;
    assert_eq!(world.closed_history().await.len(), 1);
}

#[tokio::test]
async fn a_disabled_scheduler_runs_nothing() {
    let world = World::new(|builder| {
        builder.job(Quick).disabled(true).on_start(StartTask::per_cluster(detail("migrate"), "1"))
    });
    assert_eq!(world.scheduler.start().await.unwrap().started, 0);
    assert_eq!(boot(&world.store, "b", &[StartTask::per_cluster(detail("migrate"), "1")]).await.len(), 1);
}

#[tokio::test]
async fn a_refused_task_is_reported_and_the_others_run() {
    let long = "x".repeat(200);
    let world = World::new(|builder| {
        builder
            .job(Quick)
            .on_start(StartTask::per_cluster(detail("bad"), long))
            .on_start(StartTask::per_node(detail("good")))
    });
    let report = world.scheduler.start().await.unwrap();
    assert_eq!(report.started, 1);
    assert_eq!(report.failed[0].0, "DEFAULT.bad");
    assert!(report.failed[0].1.contains("longer than 200"), "{:?}", report.failed);
}

#[tokio::test]
async fn what_starts_together_runs_once() {
    let store = fresh();
    let worlds: Vec<World> = ["a", "b", "c"]
        .into_iter()
        .map(|node| {
            World::over(Arc::clone(&store), |builder| {
                builder.job(Quick).node_name(node).on_start(StartTask::per_cluster(detail("migrate"), "1"))
            })
        })
        .collect();
    let starts = worlds.iter().map(|world| {
        let scheduler = world.scheduler.clone();
        async move { scheduler.start().await.unwrap().started }
    });
    let started = punctual_testkit::factory::together(starts).await;
    assert_eq!(started.iter().sum::<usize>(), 1);
    for world in worlds {
        world.scheduler.shutdown(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn a_marker_is_taken_once() {
    let store = fresh();
    boot(&store, "a", &[StartTask::per_cluster(detail("migrate"), "1")]).await;
    let query = TriggerQuery { group: Some("PUNCTUAL.START".to_owned()), ..TriggerQuery::default() };
    let marker: Trigger = store.triggers(&query).await.unwrap().rows.remove(0).definition;
    let refused = store.apply(at(1), &[punctual_core::Change::AddTrigger(marker)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Change(ChangeError::TriggerExists(_))));
}
