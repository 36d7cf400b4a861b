//! Kinds that are retired or renamed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use punctual_core::{
    AccountStore, AuditQuery, Change, Claim, Concurrency, DefinitionStore, HistoryQuery, HistoryStore,
    JobDetail, JobKey, JobKind, JobStore, KindSlots, SkipReason, SkippedQuery, Trigger, UnknownKind,
};
use punctual_engine::{Job, JobContext, JobResult, Scheduler, Settings};
use punctual_memory::MemoryStore;
use punctual_testkit::factory::beat;
use support::{Quick, World, after, start};

/// Says how many of it ran at a time.
#[derive(Clone, Default)]
struct Narrow {
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Job for Narrow {
    const KIND: &'static str = "narrow";
    type Data = serde_json::Value;

    async fn run(&self, _: JobContext<serde_json::Value>) -> JobResult {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

async fn rest() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

async fn stored(store: &MemoryStore, name: &str, kind: &str) {
    let job = JobDetail::new(name, kind).durable();
    let triggers = vec![Trigger::once(name, name, after(10))];
    store.apply(start(), &[Change::Schedule { job, triggers }]).await.unwrap();
}

async fn kind_of(store: &MemoryStore, name: &str) -> Option<JobKind> {
    store.job(&JobKey::new(name)).await.unwrap().map(|job| job.detail.kind.clone())
}

#[tokio::test]
async fn jobs_of_retired_kinds_are_deleted_and_no_others() {
    let store = Arc::new(MemoryStore::new());
    for (name, kind) in [("gone", "old"), ("unknown", "unheard of"), ("kept", "quick")] {
        stored(&store, name, kind).await;
    }
    let shared: Arc<dyn JobStore> = store.clone();
    let world = World::over(shared, |builder| builder.job(Quick).retired_kind("old"));
    let report = world.scheduler.init().await.unwrap();
    assert_eq!((report.retired, report.renamed), (1, 0));
    assert_eq!(kind_of(&store, "gone").await, None);
    assert!(store.trigger(&"gone".into()).await.unwrap().is_none());
    assert!(kind_of(&store, "unknown").await.is_some() && kind_of(&store, "kept").await.is_some());
    let log = store.audit_log(&AuditQuery { limit: 9, ..AuditQuery::default() }).await.unwrap();
    let entry = &log[0].entry;
    assert_eq!((entry.action(), entry.subject()), ("job.retire", "DEFAULT.gone"));
}

#[tokio::test]
async fn jobs_of_a_renamed_kind_run_at_once_and_are_renamed_when_no_node_needs_the_old_name() {
    let store = Arc::new(MemoryStore::new());
    stored(&store, "one", "old").await;
    // A node of the older version.
    let mut old = beat("older", None, start());
    old.kinds = vec!["old".into()];
    old.lease_ms = 60_000;
    let shared: Arc<dyn JobStore> = store.clone();
    shared.heartbeat(&old).await.unwrap();
    let world = World::over(shared, |builder| builder.job(Quick).renamed_kind("old", "quick"));
    let report = world.scheduler.start().await.unwrap();
    assert_eq!(report.renamed, 0);
    rest().await;
    world.clock.advance(Duration::from_secs(10));
    rest().await;
    let rows = store.history(&HistoryQuery::default()).await.unwrap().rows;
    assert_eq!((rows.len(), rows[0].node.as_str()), (1, "node"), "it runs what is stored under the old name");
    assert_eq!(kind_of(&store, "one").await, Some("old".into()), "the other node can still run it");
    // The other one ends, and this one looks again.
    for _ in 0..70 {
        world.clock.advance(Duration::from_secs(5));
        rest().await;
    }
    assert_eq!(kind_of(&store, "one").await, Some("quick".into()));
}

#[tokio::test]
async fn both_names_of_a_kind_count_against_one_limit() {
    let store = Arc::new(MemoryStore::new());
    for n in 0..4 {
        stored(&store, &format!("old-{n}"), "old").await;
        stored(&store, &format!("new-{n}"), "narrow").await;
    }
    let mut other = beat("older", None, start());
    other.kinds = vec!["old".into()];
    other.lease_ms = 3_600_000;
    let shared: Arc<dyn JobStore> = store.clone();
    shared.heartbeat(&other).await.unwrap();
    let narrow = Narrow::default();
    let job = narrow.clone();
    let settings = Settings { slots: 10, ..Settings::default() };
    let world = World::over(shared, move |builder| {
        builder.job_limited(job, 2).renamed_kind("old", "narrow").settings(settings)
    });
    world.scheduler.start().await.unwrap();
    rest().await;
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(10));
        rest().await;
    }
    let ended = store.history(&HistoryQuery::default()).await.unwrap();
    assert_eq!(ended.rows.iter().filter(|row| row.ended_at.is_some()).count(), 8);
    assert_eq!(narrow.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_a_busy_limit_of_other_kinds_holds_back_is_given_up_when_nobody_can_run_it() {
    let store = Arc::new(MemoryStore::new());
    let of_line = |name: &str, kind: &str| {
        let mut job = JobDetail::new(name, kind).durable();
        job.concurrency = Some(Concurrency { key: Some("line".to_owned()), limit: 1 });
        Change::Schedule { job, triggers: vec![Trigger::once(name, name, start())] }
    };
    store.apply(start(), &[of_line("busy", "old")]).await.unwrap();
    // Another node runs one, for longer than anybody waits.
    let mut other = beat("other", None, start());
    other.kinds = vec!["old".into()];
    other.lease_ms = 3_600_000;
    let shared: Arc<dyn JobStore> = store.clone();
    let term = shared.heartbeat(&other).await.unwrap().term;
    let kinds = [KindSlots { kind: "old".into(), free: 1 }];
    let claim = Claim { term, now: start(), limit: 1, kinds: &kinds };
    assert_eq!(shared.claim_due(&claim).await.unwrap().fires.len(), 1);
    store.apply(start(), &[of_line("held", "unheard of")]).await.unwrap();
    let settings = Settings { unknown_kind: UnknownKind::Skip, ..Settings::default() };
    let world = World::over(shared, |builder| builder.job(Quick).settings(settings));
    world.scheduler.start().await.unwrap();
    for _ in 0..70 {
        world.clock.advance(Duration::from_secs(5));
        rest().await;
    }
    let skipped = store.skipped(&SkippedQuery::default()).await.unwrap().rows;
    let found: Vec<_> = skipped.iter().map(|row| (row.trigger.name(), row.skip.reason)).collect();
    assert_eq!(found, [("held", SkipReason::Expired)]);
}

#[test]
fn contradicting_lists_are_refused() {
    let build = |retired: &[&str], renamed: &[(&str, &str)]| {
        let mut builder = Scheduler::builder(Arc::new(MemoryStore::new())).job(Quick);
        for kind in retired {
            builder = builder.retired_kind(*kind);
        }
        for (old, new) in renamed {
            builder = builder.renamed_kind(*old, *new);
        }
        builder.build().map(drop).map_err(|error| error.to_string())
    };
    for (retired, renamed, says) in [
        (&["quick"][..], &[][..], "retired and registered"),
        (&["a"], &[("a", "quick")], "retired and renamed"),
        (&[], &[("a", "b")], "which is not registered"),
        (&[], &[("quick", "quick")], "renamed and registered"),
    ] {
        let error = build(retired, renamed).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
