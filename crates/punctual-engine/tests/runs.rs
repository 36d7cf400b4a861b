//! How a run begins and ends: success, failure, retries, time-outs, panics, cancellation.

mod support;

use std::sync::Arc;
use std::time::Duration;

use punctual_core::schedule::{EventSchedule, FixedDelay, Repeat};
use punctual_core::{
    Cause, Clock, Event, FiringStore, JobDetail, JobKey, Overlap, RetryPolicy, Schedule, SkipReason,
    SkippedQuery, TaskStatus, Trigger,
};
use punctual_engine::{Job, JobContext, JobResult, Settings};
use punctual_memory::MemoryStore;
use punctual_testkit::faulty::FaultyStore;
use serde_json::json;
use support::{Failing, Held, Quick, World, after, data, every, start};
use tokio::sync::Semaphore;

struct Panics;

impl Job for Panics {
    const KIND: &'static str = "panics";
    type Data = serde_json::Value;

    async fn run(&self, _: JobContext<serde_json::Value>) -> JobResult {
        panic!("the roof is on fire")
    }
}

#[tokio::test]
async fn a_due_trigger_runs_its_job_with_merged_data_and_closes_its_row() {
    let mut world = World::new(|builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("report", "quick").data(data(json!({"a": 1, "b": 1})));
    let trigger = Trigger::once("t", "report", after(60)).data(data(json!({"b": 2})));
    world.scheduler.schedule(job, vec![trigger]).await.unwrap();
    world.clock.set(after(60));
    assert_eq!(world.finished().await, ("report".to_owned(), None));
    let rows = world.closed_history().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].status, TaskStatus::Success);
    assert_eq!(rows[0].scheduled_at, Some(after(60)));
    assert_eq!(rows[0].lateness_ms(), Some(0));
    assert_eq!(rows[0].details, Some(json!({"saw": {"a": 1, "b": 2}})));
    assert!(
        !world.scheduler.job_exists(&JobKey::new("report")).await.unwrap(),
        "not durable, no trigger left"
    );
}

#[tokio::test]
async fn retries_wait_as_their_policy_says_and_end_with_success() {
    let policy = RetryPolicy::Exponential {
        max_attempts: 5,
        initial_ms: 1_000,
        multiplier: 3.0,
        max_ms: 60_000,
        jitter: 0.0,
    };
    let mut world = World::new(|builder| builder.job(Failing));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("flaky", "failing").data(data(json!({"times": 2}))).retry(policy);
    world.scheduler.schedule(job, vec![Trigger::once("t", "flaky", start())]).await.unwrap();
    for (wait, expected) in [(Some(1_000), "attempt 1 fails"), (Some(3_000), "attempt 2 fails")] {
        let (retry, error) = world
            .until(|event| match event {
                Event::JobFinished { retry_in_ms, error, .. } => Some((retry_in_ms, error)),
                _ => None,
            })
            .await;
        assert_eq!((retry, error.as_deref()), (wait, Some(expected)));
        world.closed_history().await;
        world.clock.advance(Duration::from_millis(wait.unwrap()));
    }
    assert_eq!(world.finished().await.1, None);
    let rows = world.closed_history().await;
    let seen: Vec<_> = rows.iter().map(|row| (row.attempt, row.status)).collect();
    assert_eq!(seen, [(1, TaskStatus::Failed), (2, TaskStatus::Failed), (3, TaskStatus::Success)]);
    assert!(rows.iter().all(|row| row.origin == rows[0].id && row.scheduled_at == Some(start())));
    assert_eq!(rows[0].trigger, rows[2].trigger, "a retry stands for the same trigger's instant");
}

#[tokio::test]
async fn immediate_retries_are_bounded_and_fatal_errors_are_not_retried() {
    let mut world = World::new(|builder| builder.job(Failing));
    world.scheduler.start().await.unwrap();
    let policy = RetryPolicy::Immediate { max_attempts: 3 };
    let hopeless = JobDetail::new("hopeless", "failing").data(data(json!({"times": 99}))).retry(policy);
    world.scheduler.schedule(hopeless, vec![Trigger::once("t1", "hopeless", start())]).await.unwrap();
    for _ in 0..3 {
        assert!(world.finished().await.1.is_some());
    }
    assert_eq!(world.closed_history().await.len(), 3);
    let fatal =
        JobDetail::new("fatal", "failing").data(data(json!({"times": 99, "fatal": true}))).retry(policy);
    world.scheduler.schedule(fatal, vec![Trigger::once("t2", "fatal", start())]).await.unwrap();
    let retry = world
        .until(|event| match event {
            Event::JobFinished { retry_in_ms, .. } => Some(retry_in_ms),
            _ => None,
        })
        .await;
    assert_eq!(retry, None);
    assert_eq!(world.closed_history().await.len(), 4);
}

#[tokio::test]
async fn a_panic_fails_its_run_and_nothing_else() {
    let mut world = World::new(|builder| builder.job(Panics).job(Quick));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("bad", "panics");
    world.scheduler.schedule(job, vec![Trigger::once("t", "bad", start())]).await.unwrap();
    let (_, error) = world.finished().await;
    assert!(error.unwrap().contains("the roof is on fire"));
    let rows = world.closed_history().await;
    assert_eq!(rows[0].details.as_ref().unwrap()["exception"], "panic");
    let job = JobDetail::new("good", "quick");
    world.scheduler.schedule(job, vec![Trigger::once("u", "good", start())]).await.unwrap();
    assert_eq!(world.finished().await, ("good".to_owned(), None));
}

#[tokio::test]
async fn a_time_out_reaches_the_job_and_drops_one_that_does_not_listen() {
    for (polite, manner) in [(true, ": stopped when asked"), (false, "; it did not stop when asked")] {
        let gate = Arc::new(Semaphore::new(0));
        let mut world = World::new(|builder| builder.job(Held { gate }));
        world.scheduler.start().await.unwrap();
        let job = JobDetail::new("slow", "held")
            .data(data(json!({"polite": polite})))
            .timeout(Duration::from_secs(30));
        world.scheduler.schedule(job, vec![Trigger::once("t", "slow", start())]).await.unwrap();
        world.until(|event| matches!(event, Event::JobStarted { .. }).then_some(())).await;
        let error = loop {
            if let Ok(Event::JobFinished { error, .. }) = world.events.try_recv() {
                break error.unwrap();
            }
            world.to_next_wake().await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        };
        assert!(error.contains("its 30 s") && error.contains(manner), "{error}");
        assert_eq!(world.closed_history().await[0].status, TaskStatus::Failed);
    }
}

#[tokio::test]
async fn data_that_does_not_fit_the_job_is_refused_when_scheduled() {
    let world = World::new(|builder| builder.job(Failing));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("typed", "failing").data(data(json!({"times": "three"})));
    let error = world
        .scheduler
        .schedule(job, vec![Trigger::once("t", "typed", start())])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("typed") && error.contains("failing") && error.contains("u32"), "{error}");
    assert!(!world.scheduler.job_exists(&JobKey::new("typed")).await.unwrap());
}

#[tokio::test]
async fn runs_of_a_non_concurrent_job_do_not_overlap() {
    let gate = Arc::new(Semaphore::new(0));
    let mut world = World::new(|builder| builder.job(Held { gate: Arc::clone(&gate) }));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("solo", "held").non_concurrent();
    let triggers =
        vec![Trigger::once("t1", "solo", start()), Trigger::once("t2", "solo", start()).priority(9)];
    world.scheduler.schedule(job, triggers).await.unwrap();
    let first = world
        .until(|event| match event {
            Event::JobStarted { fire } => Some(fire.trigger.clone()),
            _ => None,
        })
        .await;
    assert_eq!(first.name(), "t2", "the higher priority goes first");
    let info = world.scheduler.job_info(&JobKey::new("solo")).await.unwrap().unwrap();
    let states: Vec<_> = info.triggers.iter().map(|trigger| trigger.state.as_str()).collect();
    assert_eq!(states, ["BLOCKED", "COMPLETE"]);
    gate.add_permits(1);
    world.finished().await;
    let second = world
        .until(|event| match event {
            Event::JobStarted { fire } => Some(fire.trigger.clone()),
            _ => None,
        })
        .await;
    assert_eq!(second.name(), "t1");
    gate.add_permits(1);
    world.finished().await;
    assert_eq!(world.closed_history().await.len(), 2);
}

#[tokio::test]
async fn a_late_trigger_fires_once_and_accounts_for_the_rest() {
    let mut world = World::new(|builder| builder.job(Quick));
    world.scheduler.init().await.unwrap();
    let job = JobDetail::new("tick", "quick").durable();
    let cron = punctual_core::schedule::CronSchedule::parse("0 * * * * ?", "UTC").unwrap();
    let trigger = Trigger::new("t", "tick", punctual_core::Schedule::Cron(cron));
    world.scheduler.schedule(job, vec![trigger]).await.unwrap();
    world.clock.set(after(3_600 + 30));
    world.scheduler.start().await.unwrap();
    world.finished().await;
    let rows = world.closed_history().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].scheduled_at, Some(after(3_600)));
    let skipped = world.store.skipped(&SkippedQuery::default()).await.unwrap().rows;
    assert_eq!(skipped.len(), 1);
    assert_eq!((skipped[0].skip.count, skipped[0].skip.reason), (60, SkipReason::Coalesced));
    assert_eq!(skipped[0].fire, Some(rows[0].id));
}

#[tokio::test]
async fn a_kind_limit_holds_back_its_own_kind_only() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Held { gate: Arc::clone(&gate) };
    let mut world = World::new(|builder| builder.job_limited(held, 1).job(Quick));
    world.scheduler.start().await.unwrap();
    let slow = JobDetail::new("slow", "held");
    let triggers = (0..3).map(|n| Trigger::once(format!("s{n}").as_str(), "slow", start())).collect();
    world.scheduler.schedule(slow, triggers).await.unwrap();
    let quick = JobDetail::new("fast", "quick");
    let triggers = (0..3).map(|n| Trigger::once(format!("f{n}").as_str(), "fast", start())).collect();
    world.scheduler.schedule(quick, triggers).await.unwrap();
    for _ in 0..3 {
        assert_eq!(world.finished().await.0, "fast");
    }
    assert_eq!(world.scheduler.store().state_counts(start()).await.unwrap().executing, 1);
    gate.add_permits(3);
    for _ in 0..3 {
        assert_eq!(world.finished().await.0, "slow");
    }
    assert_eq!(world.closed_history().await.len(), 6);
}

#[tokio::test]
async fn every_instant_of_an_interval_runs() {
    let mut world = World::new(|builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("tick", "quick");
    world.scheduler.schedule(job, vec![Trigger::new("t", "tick", every(10))]).await.unwrap();
    for _ in 0..6 {
        world.finished().await;
        world.closed_history().await;
        world.clock.advance(Duration::from_secs(10));
    }
    world.finished().await;
    let rows = world.closed_history().await;
    let scheduled: Vec<_> = rows.iter().map(|row| row.scheduled_at.unwrap()).collect();
    assert_eq!(scheduled, (0..7).map(|n| after(10 * n)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_due_trigger_cancels_the_running_one_and_follows_it() {
    let gate = Arc::new(Semaphore::new(0));
    let mut world = World::new(|builder| builder.job(Held { gate: Arc::clone(&gate) }));
    world.scheduler.start().await.unwrap();
    let retry = RetryPolicy::Immediate { max_attempts: 5 };
    let job = JobDetail::new("job", "held")
        .overlap(Overlap::Cancel)
        .data(data(json!({"polite": true})))
        .retry(retry);
    world.scheduler.schedule(job, vec![Trigger::new("t", "job", every(5))]).await.unwrap();
    world.until(|event| matches!(event, Event::JobStarted { .. }).then_some(())).await;
    world.clock.set(after(5));
    let (name, error) = world.finished().await;
    assert_eq!(name, "job");
    let error = error.unwrap();
    assert!(error.contains("trigger DEFAULT.t is due for 2026-01-01T00:00:05Z"), "{error}");
    let fire = world
        .until(|event| match event {
            Event::JobStarted { fire } => Some(fire),
            _ => None,
        })
        .await;
    assert_eq!((fire.scheduled_at, fire.attempt), (after(5), 1), "the cancelled one is not tried again");
    gate.add_permits(1);
    assert_eq!(world.finished().await.1, None);
    let rows = world.closed_history().await;
    assert_eq!(
        rows.iter().map(|row| row.status).collect::<Vec<_>>(),
        [TaskStatus::Failed, TaskStatus::Success]
    );
    assert_eq!(rows[0].details.as_ref().unwrap()["exception"], "cancelled");
}

#[tokio::test]
async fn a_run_can_be_cancelled_by_hand_and_says_why() {
    let gate = Arc::new(Semaphore::new(0));
    let mut world = World::new(|builder| builder.job(Held { gate }));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("job", "held").data(data(json!({"polite": true})));
    world.scheduler.schedule(job, vec![Trigger::once("t", "job", start())]).await.unwrap();
    let id = world
        .until(|event| match event {
            Event::JobStarted { fire } => Some(fire.id),
            _ => None,
        })
        .await;
    assert!(world.scheduler.cancel(id, "Ada asked for it").await.unwrap());
    let error = world.finished().await.1.unwrap();
    assert!(error.contains("Ada asked for it"), "{error}");
    world.closed_history().await;
    assert!(!world.scheduler.cancel(id, "again").await.unwrap());
}

#[tokio::test]
async fn a_fixed_delay_counts_from_the_end_of_each_run() {
    let mut world = World::new(|builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    let delay = Schedule::FixedDelay(FixedDelay::from_millis(30_000, Repeat::Times(2)).unwrap());
    let trigger = Trigger::new("t", "job", delay);
    world.scheduler.schedule(JobDetail::new("job", "quick"), vec![trigger]).await.unwrap();
    for run in 0..3 {
        world.finished().await;
        let rows = world.closed_history().await;
        assert_eq!(rows.len(), run + 1);
        assert_eq!(rows[run].scheduled_at, Some(after(30 * run as i64)));
        world.clock.set(after(30 * (run as i64 + 1)));
    }
    assert!(!world.scheduler.job_exists(&JobKey::new("job")).await.unwrap(), "its repeats are used up");
}

#[tokio::test]
async fn an_emitted_event_runs_the_jobs_that_wait_for_it() {
    let mut world = World::new(|builder| builder.job(Quick));
    world.scheduler.start().await.unwrap();
    let ready = Schedule::Event(EventSchedule::new("ready").unwrap());
    let job = JobDetail::new("report", "quick").data(data(json!({"a": 1}))).durable();
    world.scheduler.schedule(job, vec![Trigger::new("t", "report", ready)]).await.unwrap();
    assert_eq!(world.scheduler.emit("nothing", data(json!({}))).await.unwrap(), 0);
    assert_eq!(world.scheduler.emit("ready", data(json!({"b": 2}))).await.unwrap(), 1);
    assert_eq!(world.finished().await, ("report".to_owned(), None));
    let rows = world.closed_history().await;
    assert_eq!((rows[0].cause, rows[0].scheduled_at), (Cause::Event, Some(start())));
    assert_eq!(rows[0].details, Some(json!({"saw": {"a": 1, "b": 2}})));
}

#[tokio::test]
async fn data_that_an_event_brings_is_not_asked_for_before() {
    #[derive(serde::Deserialize)]
    struct Batch {
        #[expect(dead_code, reason = "it has to be there")]
        batch: u32,
    }
    struct Takes;
    impl Job for Takes {
        const KIND: &'static str = "takes";
        type Data = Batch;

        async fn run(&self, _: JobContext<Batch>) -> JobResult {
            Ok(())
        }
    }
    let mut world = World::new(|builder| builder.job(Takes));
    world.scheduler.start().await.unwrap();
    let ready = Schedule::Event(EventSchedule::new("ready").unwrap());
    let job = JobDetail::new("report", "takes").durable();
    world.scheduler.schedule(job, vec![Trigger::new("t", "report", ready)]).await.unwrap();
    world.scheduler.emit("ready", data(json!({"batch": 7}))).await.unwrap();
    assert_eq!(world.finished().await, ("report".to_owned(), None));
    world.scheduler.emit("ready", data(json!({}))).await.unwrap();
    let (_, error) = world.finished().await;
    assert!(error.is_some_and(|error| error.contains("batch")));
}

#[tokio::test]
async fn what_another_node_asks_for_comes_with_a_heartbeat_before_its_time() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let held = Held { gate: Arc::new(Semaphore::new(0)) };
    let mut world = World::over(store.clone(), |builder| builder.job(held).settings(Settings::clustered()));
    world.scheduler.start().await.unwrap();
    let job = JobDetail::new("polite", "held").data(data(json!({ "polite": true })));
    world.scheduler.schedule(job, vec![Trigger::once("t", "polite", start())]).await.unwrap();
    let id =
        world.until(|event| if let Event::JobStarted { fire } = event { Some(fire.id) } else { None }).await;

    assert!(store.request_cancel(id, "by another node").await.unwrap());
    let soon = Duration::from_millis(Settings::clustered().heartbeat_ms / 2);
    world.clock.advance(soon);
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.scheduler.status().running, 1, "nobody has told the node of it");
    store.change_for_heartbeat();
    let (_, error) = world.finished().await;
    assert_eq!(error.as_deref(), Some("the run was cancelled (by another node): stopped when asked"));
    assert!(world.clock.now() < after(2), "no heartbeat was due");
}
