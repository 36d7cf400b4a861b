//! The check of a whole store, beside whoever uses it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use punctual_core::audit::{Fault, Report};
use punctual_core::schedule::misfire::Keep;
use punctual_core::{
    Cause, Change, Claim, Completion, Data, Fire, Heartbeat, JobDetail, JobKind, JobStore, KindSlots,
    MisfirePolicy, NodeState, Outcome, Retention, Retry, TaskStatus, Term, Timestamp, Trigger, TriggerKey,
};
use punctual_engine::{AuditOptions, ManualClock, audit};
use punctual_memory::MemoryStore;

mod support;
use support::{after, every, start};

struct World {
    store: Arc<dyn JobStore>,
    term: Term,
}

impl World {
    async fn new(job: JobDetail, triggers: Vec<Trigger>) -> Self {
        let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new());
        let term = beat(&store, None, start()).await;
        store.apply(start(), &[Change::Schedule { job, triggers }]).await.unwrap();
        Self { store, term }
    }

    async fn claim(&self, seconds: i64) -> Vec<Fire> {
        beat(&self.store, Some(self.term), after(seconds)).await;
        let kinds = [KindSlots { kind: JobKind::new("test"), free: 100 }];
        let claim = Claim { term: self.term, now: after(seconds), limit: 100, kinds: &kinds };
        self.store.claim_due(&claim).await.unwrap().fires
    }

    async fn end(&self, fire: &Fire, seconds: i64, retry: Option<Retry>) {
        let outcome = match &retry {
            Some(_) => Outcome::Failed(serde_json::json!({"status": "failed"})),
            None => Outcome::Success(None),
        };
        let done = Completion {
            id: fire.id,
            term: self.term,
            outcome,
            ended_at: after(seconds),
            duration_ms: 5,
            retry,
            keep: fire.job.history.is_kept(),
            logs: Vec::new(),
            progress: None,
            then: fire.then,
        };
        self.store.complete(after(seconds), &[done]).await.unwrap();
    }

    /// Claims and completes what is due at each of these seconds.
    async fn run(&self, seconds: impl IntoIterator<Item = i64>) {
        for second in seconds {
            for fire in self.claim(second).await {
                self.end(&fire, second + 1, None).await;
            }
        }
    }

    async fn audit(&self, seconds: i64) -> Report {
        self.audit_with(seconds, AuditOptions::default()).await
    }

    async fn audit_with(&self, seconds: i64, options: AuditOptions) -> Report {
        audit(&*self.store, &ManualClock::new(after(seconds)), &options).await.unwrap()
    }
}

async fn beat(store: &Arc<dyn JobStore>, term: Option<Term>, now: Timestamp) -> Term {
    let beat = Heartbeat {
        name: "n".to_owned(),
        term,
        version: "1".to_owned(),
        state: NodeState::Running,
        kinds: vec![JobKind::new("test")],
        now,
        slots: 4,
        draining: false,
        lease_ms: 60_000,
        clock_offset_ms: 0,
        clock_uncertainty_ms: 0,
    };
    store.heartbeat(&beat).await.unwrap().term
}

fn job() -> JobDetail {
    JobDetail::new("job", "test").durable()
}

fn ticks() -> Vec<Trigger> {
    vec![Trigger::new("t", "job", every(10))]
}

fn faults(report: &Report) -> [u64; 4] {
    [report.unaccounted, report.double, report.overlaps, report.open_without_owner]
}

#[tokio::test]
async fn what_went_right_gives_zeros() {
    let triggers = vec![Trigger::new("t", "job", every(10)).misfire(MisfirePolicy::Once(Keep::Latest))];
    let world = World::new(job().non_concurrent(), triggers).await;
    world.run((0..50).map(|n| n * 10)).await;
    for second in (530..700).step_by(30) {
        beat(&world.store, Some(world.term), after(second)).await;
    }
    // Late: one run stands for the instants 500 to 700.
    world.run([700]).await;
    let open = world.claim(710).await;
    assert_eq!(open.len(), 1);
    let report = world.audit(711).await;
    assert_eq!(faults(&report), [0; 4], "{report:?}");
    assert!(report.is_clean() && report.problems.is_empty() && report.notes.is_empty(), "{report:?}");
    assert_eq!((report.triggers, report.instants, report.rows), (1, 72, 52));
    assert_eq!((report.fires, report.skipped), (52, 20));
    assert_eq!(report.checked_from, Some(start()));
}

#[tokio::test]
async fn an_empty_store_has_nothing_to_check() {
    let world = World { store: Arc::new(MemoryStore::new()), term: Term(0) };
    let report = world.audit(0).await;
    assert!(report.is_clean());
    assert_eq!((report.triggers, report.checked_from), (0, None));
}

#[tokio::test]
async fn pages_hold_together() {
    let triggers = (0..900).map(|n| Trigger::new(format!("t{n}").as_str(), "job", every(10))).collect();
    let world = World::new(job(), triggers).await;
    for second in (0..50).step_by(10) {
        for _ in 0..9 {
            for fire in world.claim(second).await {
                world.end(&fire, second + 1, None).await;
            }
        }
    }
    let report = world.audit(49).await;
    assert_eq!(faults(&report), [0; 4], "{:?}", report.problems);
    assert_eq!((report.triggers, report.fires, report.rows), (900, 4_500, 4_500));
}

#[tokio::test]
async fn rows_that_retention_deleted_are_excused_and_others_are_not() {
    let world = World::new(job(), ticks()).await;
    world.run((0..50).map(|n| n * 10)).await;
    let keep = Retention { job: None, max_rows: Some(10), ended_before: None, chunk: 1_000 };
    assert_eq!(world.store.prune(&keep).await.unwrap(), 40);
    let report = world.audit(500).await;
    assert_eq!(faults(&report), [0; 4], "{report:?}");
    // The oldest row that is left started at 400 and ended at 401.
    assert_eq!(report.checked_from, Some(after(401)));
    assert!(report.notes.iter().any(|note| note.contains("counters alone before")), "{report:?}");
    let all = Retention { max_rows: Some(0), ..keep };
    world.store.prune(&all).await.unwrap();
    let report = world.audit(500).await;
    assert_eq!((faults(&report), report.checked_from), ([0; 4], None), "{report:?}");
}

#[tokio::test]
async fn a_job_without_history_is_checked_by_its_counters() {
    let world = World::new(job().without_history(), ticks()).await;
    world.run((0..5).map(|n| n * 10)).await;
    let report = world.audit(50).await;
    assert_eq!((faults(&report), report.fires, report.checked_from), ([0; 4], 5, None), "{report:?}");
    assert!(report.notes.iter().any(|note| note.contains("keep no history")), "{report:?}");
}

#[tokio::test]
async fn retries_and_runs_that_were_handed_back_are_accounted_for() {
    let world = World::new(job(), ticks()).await;
    let fire = world.claim(0).await.remove(0);
    world.end(&fire, 1, Some(Retry { at: after(5), data: Data::empty() })).await;
    let again = world.claim(5).await.remove(0);
    assert_eq!((again.attempt, again.cause), (2, Cause::Retry));
    world.end(&again, 6, None).await;
    let fire = world.claim(10).await.remove(0);
    world.store.release(after(10), world.term, &[fire]).await.unwrap();
    let report = world.audit(11).await;
    assert_eq!((faults(&report), report.fires), ([0; 4], 2), "{report:?}");
}

#[tokio::test]
async fn an_open_run_of_a_lost_node_has_no_owner_until_it_is_recovered() {
    let world = World::new(job().requests_recovery(), ticks()).await;
    let fire = world.claim(0).await.remove(0);
    assert_eq!(faults(&world.audit(59).await), [0; 4]);
    let report = world.audit(60).await;
    assert_eq!(faults(&report), [0, 0, 0, 1]);
    assert_eq!(
        (report.problems[0].fault, &report.problems[0].rows[..]),
        (Fault::OpenWithoutOwner, &[fire.id][..])
    );
    world.store.recover(after(60)).await.unwrap();
    assert_eq!(faults(&world.audit(60).await), [0; 4]);
    let world = World { term: beat(&world.store, None, after(60)).await, ..world };
    let again = world.claim(60).await;
    assert!(again.iter().any(|fire| fire.attempt == 2));
    assert_eq!(faults(&world.audit(61).await), [0; 4], "a recovery is a reason");
}

#[tokio::test]
async fn runs_of_a_job_that_was_limited_later_are_left_out() {
    let triggers = vec![Trigger::new("t", "job", every(10)), Trigger::new("u", "job", every(10))];
    let world = World::new(job(), triggers).await;
    let fires = world.claim(0).await;
    assert_eq!(fires.len(), 2);
    world.store.apply(after(1), &[Change::PutJob(job().non_concurrent())]).await.unwrap();
    let report = world.audit(2).await;
    assert_eq!(faults(&report), [0; 4], "{report:?}");
    assert!(report.notes.iter().any(|note| note.starts_with("2 run(s) are not checked")), "{report:?}");
}

#[tokio::test]
async fn one_trigger_can_be_checked_from_an_instant_on() {
    let triggers = vec![Trigger::new("t", "job", every(10)), Trigger::new("u", "job", every(10))];
    let world = World::new(job(), triggers).await;
    world.run((0..5).map(|n| n * 10)).await;
    let options = AuditOptions {
        trigger: Some(TriggerKey::new("u")),
        from: Some(after(20)),
        ..AuditOptions::default()
    };
    let report = world.audit_with(50, options).await;
    assert_eq!(faults(&report), [0; 4], "{report:?}");
    assert_eq!((report.triggers, report.rows, report.checked_from), (1, 3, Some(after(20))));
}

#[tokio::test]
async fn an_instant_that_runs_again_because_its_trigger_was_stored_anew_is_noted() {
    let once = || vec![Trigger::once("once", "job", after(-100))];
    let world = World::new(job(), once()).await;
    world.run([0]).await;
    let again = once().remove(0);
    world.store.apply(after(5), &[Change::PutTrigger(again)]).await.unwrap();
    world.run([5]).await;
    let report = world.audit(10).await;
    assert_eq!(faults(&report), [0; 4], "{report:?}");
    assert!(report.notes.iter().any(|note| note.contains("stored anew")), "{report:?}");
    let rows = world.store.history(&punctual_core::HistoryQuery::default()).await.unwrap();
    assert!(rows.rows.iter().all(|row| row.status == TaskStatus::Success));
}

#[test]
fn a_check_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let store = MemoryStore::new();
    let clock = ManualClock::new(start());
    is_send(audit(&store, &clock, &AuditOptions::default()));
}
