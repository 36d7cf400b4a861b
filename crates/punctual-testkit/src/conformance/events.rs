//! Triggers that wait for events, and the runs that emitting one makes.

use std::sync::Arc;

use punctual_core::schedule::EventSchedule;
use punctual_core::{
    Applied, Cause, Change, ChangeError, Completion, Concurrency, Data, JobDetail, JobKey, JobStore, Outcome,
    Overlap, Retry, Schedule, SkipReason, SkippedQuery, StoreError, Then, Trigger, TriggerKey, TriggerState,
};
use serde_json::json;

use crate::account;
use crate::factory::{Hand, at, cron, data, every, job, schedule};

type Store = Arc<dyn JobStore>;

fn on(name: &str, of: &str, event: &str) -> Trigger {
    Trigger::new(name, of, Schedule::Event(EventSchedule::new(event).unwrap()))
}

async fn apply(store: &Store, seconds: i64, change: Change) -> Applied {
    store.apply(at(seconds), &[change]).await.unwrap().remove(0)
}

async fn emit(store: &Store, seconds: i64, event: &str, payload: Data) -> Applied {
    apply(store, seconds, Change::Emit { event: event.to_owned(), payload }).await
}

pub async fn a_trigger_on_an_event_waits(store: Store) {
    schedule(&store, at(0), job("job"), vec![on("t", "job", "ready")]).await;
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!(stored.definition, on("t", "job", "ready"));
    assert_eq!((stored.state, stored.next_fire_at), (TriggerState::Waiting, None));
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim_later(at(50), 10).await;
    assert!(claimed.fires.is_empty());
    assert_eq!(claimed.next_due, None);
    // A job that is not durable lives as long as it.
    let solo = JobDetail::new("solo", "test");
    schedule(&store, at(0), solo.clone(), vec![on("solo", "solo", "ready")]).await;
    assert!(store.job(&solo.key).await.unwrap().is_some());
    account::assert_all(&store).await;
}

pub async fn an_event_fires_all_that_wait_for_it(store: Store) {
    schedule(&store, at(0), job("a").data(data(json!({"x": 0}))), vec![on("a", "a", "ready")]).await;
    schedule(&store, at(0), job("b"), vec![on("b1", "b", "ready").priority(9), on("b2", "b", "other")]).await;
    let applied = emit(&store, 5, "ready", Data::empty()).await;
    assert_eq!((applied.created, applied.next_due), (2, Some(at(5))));
    let node = Hand::register(&store, "n", at(5)).await;
    let fires = node.claim(at(5), 10).await.fires;
    let names: Vec<_> = fires.iter().map(|fire| fire.trigger.name()).collect();
    assert_eq!(names, ["b1", "a"], "by priority");
    for fire in &fires {
        assert_eq!((fire.cause, fire.attempt, fire.origin), (Cause::Event, 1, fire.id));
        assert_eq!((fire.scheduled_at, fire.then), (at(5), Then::GoesOn));
        node.succeed(fire, at(6)).await;
    }
    let stored = store.trigger(&TriggerKey::new("a")).await.unwrap().unwrap();
    assert_eq!(
        (stored.state, stored.next_fire_at),
        (TriggerState::Waiting, None),
        "it waits for the next one"
    );
    assert_eq!(stored.previous_fire_at, Some(at(5)));
    assert_eq!(emit(&store, 7, "ready", Data::empty()).await.created, 2);
    assert_eq!(emit(&store, 7, "ready", Data::empty()).await.created, 2, "each time is one run each");
    assert_eq!(node.claim(at(7), 10).await.fires.len(), 4);
    let row = store.history_entry(fires[0].id).await.unwrap().unwrap();
    assert_eq!((row.cause, row.scheduled_at), (Cause::Event, Some(at(5))));
    account::assert_all(&store).await;
}

pub async fn an_events_payload_lies_over_the_triggers_data(store: Store) {
    let trigger = on("t", "job", "ready").data(data(json!({"b": 2, "c": 2})));
    schedule(&store, at(0), job("job").data(data(json!({"a": 1, "b": 1, "c": 1}))), vec![trigger]).await;
    emit(&store, 1, "ready", data(json!({"c": 3, "d": 3}))).await;
    let node = Hand::register(&store, "n", at(1)).await;
    let fire = node.claim(at(1), 10).await.fires.remove(0);
    assert_eq!(fire.data().unwrap().as_str(), r#"{"a":1,"b":2,"c":3,"d":3}"#);
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!(stored.definition.data, data(json!({"b": 2, "c": 2})), "its own data stays");
}

pub async fn an_event_nobody_waits_for_does_nothing(store: Store) {
    schedule(&store, at(0), job("job"), vec![on("t", "job", "ready"), Trigger::new("u", "job", every(60))])
        .await;
    assert_eq!(emit(&store, 1, "Ready", Data::empty()).await, Applied::default());
    for name in ["", "a\tb", &"x".repeat(201)] {
        let change = Change::Emit { event: name.to_owned(), payload: Data::empty() };
        let refused = store.apply(at(1), &[change]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Change(ChangeError::InvalidEventName(_))), "{refused}");
    }
}

pub async fn an_event_during_a_pause_is_skipped(store: Store) {
    let triggers = vec![on("t", "job", "ready"), on("u", "job", "ready")];
    schedule(&store, at(0), job("job"), triggers).await;
    apply(&store, 1, Change::PauseTrigger(TriggerKey::new("t"))).await;
    let applied = emit(&store, 2, "ready", Data::empty()).await;
    assert_eq!((applied.created, applied.unchanged), (1, 1));
    let ranges = store.skipped(&SkippedQuery::default()).await.unwrap().rows;
    assert_eq!(ranges.len(), 1);
    let skip = ranges[0].skip;
    assert_eq!(ranges[0].trigger, TriggerKey::new("t"));
    assert_eq!((skip.first, skip.last, skip.count, skip.reason), (at(2), at(2), 1, SkipReason::Paused));
    let node = Hand::register(&store, "n", at(2)).await;
    assert_eq!(node.claim(at(2), 10).await.fires.len(), 1);
    let resumed = apply(&store, 3, Change::ResumeTrigger(TriggerKey::new("t"))).await;
    assert_eq!((resumed.updated, resumed.next_due), (1, None));
    assert!(node.claim(at(3), 10).await.fires.is_empty(), "what was skipped stays skipped");
    assert_eq!(emit(&store, 4, "ready", Data::empty()).await.created, 2);
    account::assert_all(&store).await;
}

pub async fn a_paused_job_or_group_takes_no_events(store: Store) {
    schedule(&store, at(0), job("job"), vec![on("t", "job", "ready")]).await;
    apply(&store, 1, Change::PauseJob(JobKey::new("job"))).await;
    assert_eq!(emit(&store, 2, "ready", Data::empty()).await.created, 0);
    apply(&store, 3, Change::ResumeJob(JobKey::new("job"))).await;
    apply(&store, 4, Change::PauseGroup("DEFAULT".to_owned())).await;
    schedule(&store, at(5), job("late"), vec![on("late", "late", "ready")]).await;
    assert_eq!(emit(&store, 6, "ready", Data::empty()).await.created, 0);
    apply(&store, 7, Change::ResumeGroup("DEFAULT".to_owned())).await;
    assert_eq!(emit(&store, 8, "ready", Data::empty()).await.created, 2);
}

pub async fn a_deleted_trigger_takes_no_more_events(store: Store) {
    schedule(&store, at(0), job("job"), vec![on("t", "job", "ready")]).await;
    assert_eq!(emit(&store, 1, "ready", Data::empty()).await.created, 1);
    apply(&store, 2, Change::DeleteTrigger(TriggerKey::new("t"))).await;
    assert_eq!(emit(&store, 3, "ready", Data::empty()).await.created, 0);
    let node = Hand::register(&store, "n", at(3)).await;
    let fires = node.claim(at(3), 10).await.fires;
    assert_eq!(fires.len(), 1, "what was emitted before happens");
    node.succeed(&fires[0], at(4)).await;
}

pub async fn a_replaced_trigger_waits_for_what_it_says_now(store: Store) {
    schedule(&store, at(0), job("job"), vec![on("t", "job", "one")]).await;
    apply(&store, 1, Change::PutTrigger(on("t", "job", "two"))).await;
    assert_eq!(emit(&store, 2, "one", Data::empty()).await.created, 0);
    assert_eq!(emit(&store, 2, "two", Data::empty()).await.created, 1);
    apply(&store, 3, Change::PutTrigger(Trigger::new("t", "job", cron("0 * * * * ?")))).await;
    assert_eq!(emit(&store, 4, "two", Data::empty()).await.created, 0);
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!(stored.next_fire_at, Some(at(60)));
    // Back again while it is overdue: the instants that passed are accounted for.
    apply(&store, 200, Change::PutTrigger(on("t", "job", "three"))).await;
    let ranges = store.skipped(&SkippedQuery::default()).await.unwrap().rows;
    assert_eq!((ranges[0].skip.count, ranges[0].skip.reason), (3, SkipReason::Replaced));
    assert_eq!(emit(&store, 201, "three", Data::empty()).await.created, 1);
    account::assert_all(&store).await;
}

pub async fn an_event_outside_of_a_triggers_life_makes_no_run(store: Store) {
    let trigger = on("t", "job", "ready").start(at(10)).end(at(20));
    schedule(&store, at(0), job("job"), vec![trigger.clone()]).await;
    let mut runs = Vec::new();
    for seconds in [9, 10, 19, 20, 21] {
        runs.push(emit(&store, seconds, "ready", Data::empty()).await.created);
    }
    assert_eq!(runs, [0, 1, 1, 0, 0]);
    let mut over = trigger;
    over.key = TriggerKey::new("over");
    let refused = store.apply(at(20), &[Change::PutTrigger(over)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Change(ChangeError::NeverFires(_))), "{refused}");
}

pub async fn runs_of_events_wait_for_their_lane(store: Store) {
    let solo = job("solo").non_concurrent();
    schedule(&store, at(0), solo, vec![on("t", "solo", "ready")]).await;
    for _ in 0..3 {
        emit(&store, 1, "ready", Data::empty()).await;
    }
    let node = Hand::register(&store, "n", at(1)).await;
    let mut order = Vec::new();
    for seconds in 1..=3 {
        let fires = node.claim(at(seconds), 10).await.fires;
        assert_eq!(fires.len(), 1, "one at a time");
        order.push(fires[0].id);
        node.succeed(&fires[0], at(seconds)).await;
    }
    assert!(order.is_sorted() && node.claim(at(4), 10).await.fires.is_empty());
}

pub async fn a_skipping_job_keeps_the_runs_of_events(store: Store) {
    let mut solo = job("solo").non_concurrent();
    solo.overlap = Overlap::Skip;
    schedule(&store, at(0), solo, vec![on("t", "solo", "ready")]).await;
    emit(&store, 1, "ready", Data::empty()).await;
    emit(&store, 1, "ready", Data::empty()).await;
    let node = Hand::register(&store, "n", at(1)).await;
    let first = node.claim(at(1), 10).await.fires.remove(0);
    node.succeed(&first, at(2)).await;
    assert_eq!(node.claim(at(2), 10).await.fires.len(), 1, "each was asked for");
}

pub async fn a_key_of_the_payload_counts_each_value_by_itself(store: Store) {
    let mut import = job("import");
    import.concurrency = Some(Concurrency::key("db:{database}"));
    schedule(&store, at(0), import, vec![on("t", "import", "ready")]).await;
    for database in [1, 1, 2] {
        emit(&store, 1, "ready", data(json!({"database": database}))).await;
    }
    let node = Hand::register(&store, "n", at(1)).await;
    assert_eq!(node.claim(at(1), 10).await.fires.len(), 2);
}

pub async fn a_failed_run_of_an_event_is_tried_again(store: Store) {
    schedule(&store, at(0), job("job"), vec![on("t", "job", "ready")]).await;
    emit(&store, 1, "ready", data(json!({"n": 1}))).await;
    let node = Hand::register(&store, "n", at(1)).await;
    let fire = node.claim(at(1), 10).await.fires.remove(0);
    let failed = Completion {
        outcome: Outcome::Failed(json!({"message": "no"})),
        retry: Some(Retry { at: at(5), data: fire.trigger_data.clone() }),
        ..node.success(&fire, at(2))
    };
    store.complete(at(2), &[failed]).await.unwrap();
    let again = node.claim(at(5), 10).await.fires.remove(0);
    assert_eq!((again.cause, again.attempt, again.origin), (Cause::Retry, 2, fire.id));
    assert_eq!((again.scheduled_at, &again.trigger), (at(1), &TriggerKey::new("t")));
    assert_eq!(again.data().unwrap().as_str(), r#"{"n":1}"#);
    node.succeed(&again, at(6)).await;
    assert_eq!(emit(&store, 7, "ready", Data::empty()).await.created, 1);
}
