//! Recorded work: rows beside the runs of jobs, children, task runs, logs, progress, and limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use punctual_core::{
    HistoryQuery, JobDetail, JobHistory, JobKey, KeepRows, LogLevel, Progress, Retention, TaskHistory,
    TaskRunQuery, TaskRunStatus, TaskStatus, Trigger,
};
use punctual_engine::{
    Job, JobContext, JobError, JobResult, Recording, TaskRunSpec, capture_layer, current_run, current_task,
};
use punctual_memory::MemoryStore;
use punctual_testkit::faulty::FaultyStore;
use serde_json::json;
use support::{World, after, start};
use tracing_subscriber::layer::SubscriberExt as _;

async fn started() -> World {
    let world = World::new(|builder| builder.job(Reporting).job(Parts));
    world.scheduler.start().await.unwrap();
    world
}

async fn rows(world: &World) -> Vec<TaskHistory> {
    let query = HistoryQuery { descending: false, ..HistoryQuery::default() };
    world.store.history(&query).await.unwrap().rows
}

#[tokio::test]
async fn a_success_is_recorded_and_returned() {
    let world = started().await;
    let recording = Recording::new("sync").db_id(4).on_success(|mut details, rows: &u32| {
        details["rows"] = json!(rows);
        details
    });
    let body = async {
        let open = rows(&world).await.remove(0);
        assert_eq!((open.status, open.details), (TaskStatus::Started, Some(json!({"full": true}))));
        assert_eq!(current_task().unwrap().id(), Some(open.id));
        world.clock.advance(Duration::from_millis(1_500));
        Ok::<u32, String>(7)
    };
    assert_eq!(world.scheduler.record(recording, json!({"full": true}), body).await, Ok(7));
    let row = rows(&world).await.remove(0);
    assert_eq!((row.task.as_str(), row.status, row.duration_ms), ("sync", TaskStatus::Success, Some(1_500)));
    assert_eq!(row.details, Some(json!({"full": true, "rows": 7})));
    assert_eq!((row.db_id, row.job, row.parent, row.run), (Some(4), None, None, None));
    assert_eq!(row.logs, Some(Vec::new()));
    assert!(current_task().is_none());
}

#[tokio::test]
async fn a_failure_is_recorded_and_returned() {
    let world = started().await;
    let error = "12a".parse::<i32>().unwrap_err();
    let result =
        world.scheduler.record("parse", json!({"text": "12a"}), async { Err::<(), _>(error.clone()) });
    assert_eq!(result.await, Err(error.clone()));
    let row = rows(&world).await.remove(0);
    assert_eq!(row.status, TaskStatus::Failed);
    let details = row.details.unwrap();
    assert_eq!(details["message"], error.to_string());
    assert_eq!(details["exception"], "core::num::error::ParseIntError");
    assert_eq!((&details["status"], &details["original-info"]), (&json!("failed"), &json!({"text": "12a"})));
    let recording = Recording::new("parse").on_failure(|shape, error: &std::num::ParseIntError| {
        json!({"why": error.to_string(), "before": shape["original-info"]})
    });
    let again = world.scheduler.record(recording, json!({"n": 1}), async { Err::<(), _>(error.clone()) });
    assert!(again.await.is_err());
    let row = rows(&world).await.remove(1);
    assert_eq!(row.details, Some(json!({"why": error.to_string(), "before": {"n": 1}})));
}

#[tokio::test]
async fn details_are_cut_to_their_limits() {
    let world = started().await;
    let long: Vec<u32> = (0..100_000).collect();
    let body = async { Err::<(), String>("m".repeat(9_000)) };
    let _ = world.scheduler.record("big", json!({"list": long, "text": "t".repeat(300)}), body).await;
    let details = rows(&world).await.remove(0).details.unwrap();
    assert_eq!(details["original-info"]["list"].as_array().unwrap().len(), 50);
    assert_eq!(details["original-info"]["text"].as_str().unwrap().len(), 250);
    assert_eq!(details["message"].as_str().unwrap().len(), 4_000);
}

#[tokio::test]
async fn work_that_panics_or_is_dropped_leaves_a_failed_row() {
    let world = started().await;
    let scheduler = world.scheduler.clone();
    let panics = async move {
        scheduler.record("panics", (), async { if true { panic!("no") } else { Ok::<(), String>(()) } }).await
    };
    assert!(tokio::spawn(panics).await.is_err());
    {
        let mut dropped =
            Box::pin(world.scheduler.record("dropped", (), std::future::pending::<Result<(), String>>()));
        while rows(&world).await.len() < 2 {
            assert!(futures_poll(dropped.as_mut()).await.is_none());
        }
    }
    let closed = loop {
        let rows = rows(&world).await;
        if rows.iter().all(|row| row.ended_at.is_some()) {
            break rows;
        }
        world.to_next_wake().await;
    };
    let classes: Vec<_> =
        closed.iter().map(|row| row.details.as_ref().unwrap()["exception"].clone()).collect();
    assert_eq!(classes, ["panic", "cancelled"]);
    assert!(closed.iter().all(|row| row.status == TaskStatus::Failed));
}

async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn a_store_that_fails_does_not_stand_in_the_way() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let world = World::over(store.clone(), |builder| builder);
    world.scheduler.start().await.unwrap();
    store.set_broken(true);
    let whole = world.scheduler.record("whole", json!({"n": 1}), async {
        store.set_broken(false);
        Ok::<u8, String>(1)
    });
    assert_eq!(whole.await, Ok(1));
    let row = rows(&world).await.remove(0);
    assert_eq!((row.task.as_str(), row.status), ("whole", TaskStatus::Success));
    assert!(row.ended_at.is_some());
    let later = world.scheduler.record("later", json!({"n": 2}), async {
        store.set_broken(true);
        Ok::<u8, String>(2)
    });
    assert_eq!(later.await, Ok(2));
    store.set_broken(false);
    while rows(&world).await[1].status == TaskStatus::Started {
        world.to_next_wake().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(rows(&world).await[1].status, TaskStatus::Success);
}

#[tokio::test]
async fn without_a_node_only_the_whole_row_is_written() {
    let world = World::new(|builder| builder);
    let body = async { Ok::<usize, String>(rows(&world).await.len()) };
    assert_eq!(world.scheduler.record("early", (), body).await, Ok(0), "nobody would close it");
    assert_eq!(rows(&world).await[0].status, TaskStatus::Success);
}

#[tokio::test]
async fn runs_join_all_that_is_recorded_within() {
    let world = started().await;
    let scheduler = &world.scheduler;
    let ok = || async { Ok::<(), String>(()) };
    let run = TaskRunSpec::new("sync", "database", 3).name("Sample");
    let id = scheduler
        .with_run(run, async {
            let id = current_run().unwrap();
            scheduler.record("first", (), ok()).await.unwrap();
            let inner = TaskRunSpec::new("fingerprint", "database", 3);
            scheduler.with_run(inner, scheduler.record("second", (), ok())).await.unwrap();
            assert_eq!(world.store.run(id).await.unwrap().unwrap().status, TaskRunStatus::Started);
            id
        })
        .await;
    let run = world.store.run(id).await.unwrap().unwrap();
    assert_eq!((run.status, run.tasks.all), (TaskRunStatus::Success, 2));
    assert_eq!((run.run_type.as_str(), run.entity.name.as_deref()), ("sync", Some("Sample")));
    assert_eq!(world.store.runs(&TaskRunQuery::default()).await.unwrap().total, 1, "no run within a run");
    assert_eq!(current_run(), None);
    let nothing =
        scheduler.with_run(TaskRunSpec::new("sync", "database", 4), async { current_run().unwrap() });
    let status = world.store.run(nothing.await).await.unwrap().unwrap().status;
    assert_eq!(status, TaskRunStatus::Failed, "a run without tasks failed");
}

#[tokio::test]
async fn a_run_can_be_completed_elsewhere() {
    let world = started().await;
    let run = TaskRunSpec::new("sync", "database", 3).keep_open();
    let id = world.scheduler.with_run(run, async { current_run().unwrap() }).await;
    let scheduler = world.scheduler.clone();
    let elsewhere = tokio::spawn(async move {
        let recorded = scheduler.record("there", (), async { Ok::<(), String>(()) });
        scheduler.in_run(id, recorded).await
    });
    elsewhere.await.unwrap().unwrap();
    assert_eq!(world.store.run(id).await.unwrap().unwrap().status, TaskRunStatus::Started);
    assert_eq!(world.scheduler.complete_run(id).await.unwrap(), Some(TaskRunStatus::Success));
    assert_eq!(world.scheduler.complete_run(id).await.unwrap(), Some(TaskRunStatus::Success));
}

/// Logs and reports progress, then waits if its data says so.
struct Reporting;

impl Job for Reporting {
    const KIND: &'static str = "reporting";
    type Data = serde_json::Value;

    async fn run(&self, ctx: JobContext<serde_json::Value>) -> JobResult {
        for done in 1..=5 {
            ctx.progress(done, Some(5), Some("copying"));
        }
        ctx.log(LogLevel::Warn, "by hand");
        tracing::debug!("too fine");
        tracing::info!(table = "orders", rows = 3, "copied");
        let span = tracing::Span::current();
        // The subscriber of a test is that of one thread.
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let thread = std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                span.in_scope(|| tracing::error!("from a thread"))
            });
        });
        thread.join().map_err(|_| JobError::fatal("the thread panicked"))?;
        if ctx.data()["wait"] == true {
            ctx.cancelled().cancelled().await;
        }
        Ok(())
    }
}

fn once(name: &str, kind: &str) -> (JobDetail, Vec<Trigger>) {
    (JobDetail::new(name, kind), vec![Trigger::once(name, name, start())])
}

#[tokio::test]
async fn messages_of_a_run_are_kept_with_its_row() {
    let subscriber = tracing_subscriber::registry().with(capture_layer());
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut world = started().await;
    let (job, triggers) = once("talks", "reporting");
    world.scheduler.schedule(job, triggers).await.unwrap();
    world.finished().await;
    tracing::warn!("of nobody's run");
    let row = world.closed_history().await.remove(0);
    let logs = row.logs.unwrap();
    let said: Vec<_> = logs.iter().map(|entry| (entry.level, entry.msg.as_str())).collect();
    assert_eq!(
        said,
        [
            (LogLevel::Warn, "by hand"),
            (LogLevel::Info, "copied table=\"orders\" rows=3"),
            (LogLevel::Error, "from a thread"),
        ]
    );
    assert_eq!((logs[1].fqns.as_str(), logs[1].timestamp), ("recording", start()));
    let last = Progress { done: 5, total: Some(5), message: Some("copying".to_owned()), at: start() };
    assert_eq!(row.progress, Some(last));
}

#[tokio::test]
async fn progress_is_seen_while_the_run_goes_on() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut world = World::over(store.clone(), |builder| builder.job(Reporting));
    world.scheduler.start().await.unwrap();
    let (job, triggers) = once("waits", "reporting");
    let job = job.data(support::data(json!({"wait": true})));
    world.scheduler.schedule(job, triggers).await.unwrap();
    let seen = loop {
        if let Some(progress) = rows(&world).await.first().and_then(|row| row.progress.clone()) {
            break progress;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((seen.done, seen.total), (5, Some(5)));
    let id = rows(&world).await[0].id;
    world.scheduler.cancel(id, "enough").await.unwrap();
    world.finished().await;
    assert_eq!(world.closed_history().await[0].progress, Some(seen));
}

/// Does its work in parts, one of which fails and has a part of its own.
struct Parts;

impl Job for Parts {
    const KIND: &'static str = "parts";
    type Data = serde_json::Value;

    async fn run(&self, ctx: JobContext<serde_json::Value>) -> JobResult {
        let good = ctx.task("good", json!({"part": 1}), async {
            ctx.task("inner", (), async { Ok::<(), JobError>(()) }).await
        });
        good.await?;
        let bad = ctx.task("bad", (), async { Err::<(), JobError>(JobError::fatal("it broke")) });
        bad.await
    }
}

#[tokio::test]
async fn parts_of_a_run_are_its_children() {
    let mut world = started().await;
    let (job, triggers) = once("whole", "parts");
    world.scheduler.schedule(job, triggers).await.unwrap();
    assert_eq!(world.finished().await.1.as_deref(), Some("it broke"));
    let rows = world.closed_history().await;
    let named = |name: &str| rows.iter().find(|row| row.task == name).unwrap();
    let whole = named("whole");
    assert_eq!((whole.status, whole.parent), (TaskStatus::Failed, None));
    assert_eq!((named("good").status, named("good").parent), (TaskStatus::Success, Some(whole.id)));
    assert_eq!(named("inner").parent, Some(named("good").id), "the nearest around it");
    assert_eq!((named("bad").status, named("bad").parent), (TaskStatus::Failed, Some(whole.id)));
    assert_eq!(named("bad").details.as_ref().unwrap()["message"], "it broke");
}

#[tokio::test]
async fn a_job_keeps_the_rows_it_says() {
    let mut world = started().await;
    let failures = JobHistory { keep: KeepRows::Failures, ..JobHistory::default() };
    for (name, kind, history) in [
        ("fails", "parts", failures),
        ("talks", "reporting", failures),
        ("silent", "parts", JobHistory { keep: KeepRows::None, ..failures }),
    ] {
        let (job, triggers) = once(name, kind);
        world.scheduler.schedule(job.history(history), triggers).await.unwrap();
    }
    for _ in 0..3 {
        world.finished().await;
    }
    let rows = world.closed_history().await;
    let jobs: Vec<_> = rows.iter().filter_map(|row| row.job.as_ref().map(JobKey::name)).collect();
    assert_eq!(jobs, ["fails"]);
    assert_eq!(rows.iter().filter(|row| row.job.is_none()).count(), 3, "the parts of one run alone");
}

#[tokio::test]
async fn a_clean_up_follows_what_jobs_keep_of_themselves() {
    let mut world = started().await;
    let limits = JobHistory { rows: Some(2), ..JobHistory::default() };
    let triggers =
        |name: &str| (0..5).map(|n| Trigger::once(format!("{name}{n}").as_str(), name, after(n))).collect();
    let few = JobDetail::new("few", "reporting").history(limits).durable();
    world.scheduler.schedule(few, triggers("few")).await.unwrap();
    world.scheduler.schedule(JobDetail::new("many", "reporting").durable(), triggers("many")).await.unwrap();
    world.clock.set(after(4));
    for _ in 0..10 {
        world.finished().await;
    }
    world.closed_history().await;
    let keep = Retention { job: None, max_rows: Some(6), ended_before: None, chunk: 1 };
    assert_eq!(world.scheduler.clean_history(&keep).await.unwrap(), 4);
    let rows = rows(&world).await;
    let of = |name: &str| rows.iter().filter(|row| row.task == name).count();
    assert_eq!((of("few") + of("many"), of("few") <= 2), (6, true));
}
