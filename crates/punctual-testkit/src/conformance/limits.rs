//! Limits: keys, numbers above one, and what a due trigger does while there is no room.

use std::sync::Arc;

use punctual_core::{
    Change, Concurrency, HistoryQuery, JobDetail, JobStore, Overlap, Paging, SkipReason, SkippedQuery,
    TaskStatus, Trigger,
};

use crate::account;
use crate::factory::{Hand, at, cron, data, job, schedule};

type Store = Arc<dyn JobStore>;

fn once(name: &str, job: &str, seconds: i64) -> Trigger {
    Trigger::once(name, job, at(seconds))
}

pub async fn a_limit_above_one_lets_so_many_run(store: Store) {
    let triggers = (0..5).map(|n| once(&format!("t{n}"), "job", n)).collect();
    schedule(&store, at(0), job("job").concurrency(Concurrency::limit(2)), triggers).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let two = node.claim(at(9), 10).await;
    assert_eq!(two.fires.len(), 2);
    assert_eq!(two.next_due, None, "the others are held back");
    assert_eq!(store.state_counts(at(9)).await.unwrap().blocked, 3);
    node.succeed(&two.fires[0], at(9)).await;
    let third = node.claim(at(9), 10).await;
    assert_eq!(third.fires.len(), 1);
    assert_eq!(third.fires[0].trigger.name(), "t2");
}

/// A claim takes its time before it is on its way, and then has to wait for the store: meanwhile the run may end that it
/// waits for.
pub async fn a_run_starts_no_earlier_than_the_last_one_in_its_lane_ended(store: Store) {
    let triggers = (0..3).map(|n| once(&format!("t{n}"), "job", n)).collect();
    schedule(&store, at(0), job("job").non_concurrent(), triggers).await;
    let node = Hand::register(&store, "n", at(0)).await;
    for (claimed_at, ended_at, starts_at) in [(5, 9, 5), (6, 11, 9), (7, 12, 11)] {
        let claimed = node.claim(at(claimed_at), 10).await;
        assert_eq!(claimed.fires[0].fired_at, at(starts_at));
        let row = store.history_entry(claimed.fires[0].id).await.unwrap().unwrap();
        assert_eq!(row.started_at, at(starts_at));
        node.succeed(&claimed.fires[0], at(ended_at)).await;
    }
}

pub async fn a_key_is_shared_by_jobs_and_kinds(store: Store) {
    let limited = |name: &str| job(name).concurrency(Concurrency::key("database"));
    let other = JobDetail::new("other", "another kind").durable().concurrency(Concurrency::key("database"));
    schedule(&store, at(0), limited("one"), vec![once("t1", "one", 1)]).await;
    schedule(&store, at(0), limited("two"), vec![once("t2", "two", 2)]).await;
    schedule(&store, at(0), other, vec![once("t3", "other", 3)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    for name in ["t1", "t2", "t3"] {
        let claimed = node.claim_kinds(at(9), 10, &[("test", 10), ("another kind", 10)]).await;
        assert_eq!(claimed.fires.len(), 1, "{claimed:?}");
        assert_eq!(claimed.fires[0].trigger.name(), name);
        node.succeed(&claimed.fires[0], at(9)).await;
    }
}

pub async fn a_key_of_data_counts_each_value_by_itself(store: Store) {
    let trigger = |name: &str, database: u64| {
        once(name, "sync", 1).data(data(serde_json::json!({ "database": database })))
    };
    let sync = job("sync").concurrency(Concurrency::key("db:{database}"));
    let triggers = vec![trigger("a1", 1), trigger("a2", 1), trigger("b1", 2)];
    schedule(&store, at(0), sync.clone(), triggers).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(9), 10).await;
    let names: Vec<&str> = claimed.fires.iter().map(|fire| fire.trigger.name()).collect();
    assert_eq!(names, ["a1", "b1"]);

    let missing = Change::PutTrigger(once("c1", "sync", 1));
    let error = store.apply(at(9), &[missing]).await.unwrap_err().to_string();
    assert!(error.contains("c1") && error.contains("\"database\", which is missing"), "{error}");
}

pub async fn a_smaller_limit_waits_for_more_room(store: Store) {
    let limited = |name: &str, limit| job(name).concurrency(Concurrency::key("k").at_most(limit));
    schedule(&store, at(0), limited("wide", 2), vec![once("w1", "wide", 1), once("w2", "wide", 3)]).await;
    schedule(&store, at(0), limited("narrow", 1), vec![once("n1", "narrow", 2)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(9), 10).await;
    let names: Vec<&str> = claimed.fires.iter().map(|fire| fire.trigger.name()).collect();
    assert_eq!(names, ["w1", "w2"], "the narrow one needs an empty lane");
    node.succeed(&claimed.fires[0], at(9)).await;
    assert!(node.claim(at(9), 10).await.fires.is_empty());
    node.succeed(&claimed.fires[1], at(9)).await;
    assert_eq!(node.claim(at(9), 10).await.fires[0].trigger.name(), "n1");
}

pub async fn a_changed_key_moves_the_triggers_to_another_lane(store: Store) {
    let first = job("job").concurrency(Concurrency::key("first"));
    schedule(&store, at(0), first, vec![once("t1", "job", 1), once("t2", "job", 2)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let one = node.claim(at(9), 10).await.fires.remove(0);
    let second = job("job").concurrency(Concurrency::key("second"));
    store.apply(at(9), &[Change::PutJob(second)]).await.unwrap();
    let two = node.claim(at(9), 10).await.fires.remove(0);
    assert_eq!((one.trigger.name(), two.trigger.name()), ("t1", "t2"));
    node.succeed(&one, at(9)).await;
    node.succeed(&two, at(9)).await;
    assert_eq!(store.history(&HistoryQuery::default()).await.unwrap().total, 2);
}

pub async fn a_skipping_job_with_a_limit_skips_only_when_full(store: Store) {
    let limited = job("job").concurrency(Concurrency::limit(2)).overlap(Overlap::Skip);
    schedule(&store, at(0), limited, vec![Trigger::new("t", "job", cron("*/30 * * * * ?"))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    assert_eq!(node.claim_later(at(0), 10).await.fires.len(), 1);
    assert_eq!(node.claim_later(at(30), 10).await.fires.len(), 1);
    let third = node.claim_later(at(60), 10).await;
    assert!(third.fires.is_empty());
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.first, range.skip.count, range.skip.reason), (at(60), 1, SkipReason::Overlap));
    account::assert_all(&store).await;
}

pub async fn a_cancelling_job_asks_the_running_one_to_stop_and_follows_it(store: Store) {
    let cancelling = job("job").overlap(Overlap::Cancel);
    schedule(&store, at(0), cancelling, vec![Trigger::new("t", "job", cron("*/30 * * * * ?"))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let first = node.claim_later(at(0), 10).await.fires.remove(0);
    let claimed = node.claim_later(at(30), 10).await;
    assert!(claimed.fires.is_empty());
    assert_eq!(claimed.cancelled.len(), 1);
    assert_eq!((claimed.cancelled[0].id, claimed.cancelled[0].term), (first.id, node.term));
    assert!(claimed.cancelled[0].reason.contains("trigger DEFAULT.t is due"), "{:?}", claimed.cancelled);
    assert_eq!(claimed.next_due, None, "it waits for the end of the cancelled run");
    // The node of the run, if it is another one, hears of it at its heartbeat.
    let view = store.heartbeat(&crate::factory::beat("n", Some(node.term), at(31))).await.unwrap();
    assert_eq!(view.cancelled, claimed.cancelled);
    assert!(node.claim_later(at(40), 10).await.cancelled.is_empty(), "asked once");
    node.succeed(&first, at(41)).await;
    let second = node.claim_later(at(41), 10).await;
    assert_eq!(second.fires.len(), 1);
    assert_eq!(second.fires[0].scheduled_at, at(30));
    let view = store.heartbeat(&crate::factory::beat("n", Some(node.term), at(42))).await.unwrap();
    assert_eq!(view.cancelled, []);
    account::assert_all(&store).await;
}

pub async fn a_run_is_cancelled_on_request(store: Store) {
    schedule(&store, at(0), job("job"), vec![once("t", "job", 0)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(0), 1).await.fires.remove(0);
    assert!(store.request_cancel(fire.id, "enough").await.unwrap());
    assert!(store.request_cancel(fire.id, "again").await.unwrap());
    let view = store.heartbeat(&crate::factory::beat("n", Some(node.term), at(1))).await.unwrap();
    assert_eq!(view.cancelled.len(), 1);
    assert_eq!((view.cancelled[0].id, view.cancelled[0].reason.as_str()), (fire.id, "enough"));
    node.succeed(&fire, at(1)).await;
    assert!(!store.request_cancel(fire.id, "too late").await.unwrap());
    let query =
        HistoryQuery { status: Some(TaskStatus::Success), paging: Paging::ALL, ..HistoryQuery::default() };
    assert_eq!(store.history(&query).await.unwrap().total, 1);
}

pub async fn contradicting_limits_are_refused(store: Store) {
    for (wrong, says) in [
        (job("job").concurrency(Concurrency::limit(0)), "is not 1 to 10000"),
        (job("job").non_concurrent().concurrency(Concurrency::limit(3)), "contradicts"),
        (job("job").concurrency(Concurrency::key("a{")), "not understood"),
    ] {
        let error = store.apply(at(0), &[Change::PutJob(wrong)]).await.unwrap_err().to_string();
        assert!(error.contains("job DEFAULT.job") && error.contains(says), "{error}");
    }
}
