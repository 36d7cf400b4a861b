//! Claim, complete, release: the hot path.

use std::sync::Arc;

use punctual_core::{
    Cause, Change, Completed, Completion, HistoryQuery, JobDetail, JobKey, JobStore, MisfirePolicy, Outcome,
    Overlap, Retry, SkipReason, SkippedQuery, TaskHistory, TaskStatus, Then, Trigger, TriggerKey,
    TriggerQuery, TriggerState,
};
use serde_json::json;

use crate::account;
use crate::factory::{Hand, at, cron, data, every, every_times, job, schedule};

type Store = Arc<dyn JobStore>;

async fn rows(store: &Store) -> Vec<TaskHistory> {
    store.history(&HistoryQuery { descending: false, ..HistoryQuery::default() }).await.unwrap().rows
}

fn once(name: &str, of: &str, seconds: i64) -> Trigger {
    Trigger::once(name, of, at(seconds))
}

async fn one_fire(store: &Store, detail: JobDetail) -> (Hand, punctual_core::Fire) {
    let key = detail.key.clone();
    schedule(store, at(0), detail, vec![Trigger::once("t", key, at(0)).data(data(json!({"n": 1})))]).await;
    let node = Hand::register(store, "n", at(0)).await;
    let fire = node.claim(at(0), 1).await.fires.remove(0);
    (node, fire)
}

pub async fn nothing_is_due_before_its_time(store: Store) {
    schedule(&store, at(0), job("job"), vec![once("t", "job", 50)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(49), 10).await;
    assert!(claimed.fires.is_empty());
    assert_eq!(claimed.next_due, Some(at(50)));
    assert_eq!(node.claim(at(50), 10).await.fires.len(), 1);
}

pub async fn a_due_trigger_fires_once_and_moves_on(store: Store) {
    let trigger = Trigger::new("t", "job", every(60)).data(data(json!({"b": 2})));
    schedule(&store, at(0), job("job").data(data(json!({"a": 1, "b": 1}))), vec![trigger]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(2), 10).await;
    assert_eq!(claimed.fires.len(), 1);
    let fire = &claimed.fires[0];
    assert_eq!((fire.scheduled_at, fire.fired_at, fire.attempt), (at(0), at(2), 1));
    assert_eq!((fire.cause, fire.origin, fire.then), (Cause::Schedule, fire.id, Then::GoesOn));
    assert_eq!(fire.data().unwrap().as_str(), r#"{"a":1,"b":2}"#);
    assert!(fire.id.0 > 0 && fire.id.0 < 1 << 53);
    assert_eq!(claimed.next_due, Some(at(60)));
    assert!(node.claim(at(2), 10).await.fires.is_empty());
    let row = rows(&store).await.remove(0);
    assert_eq!((row.id, row.status, row.node.as_str()), (fire.id, TaskStatus::Started, "n"));
    assert_eq!((row.started_at, row.scheduled_at, row.lateness_ms()), (at(2), Some(at(0)), Some(2_000)));
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!((stored.next_fire_at, stored.previous_fire_at), (Some(at(60)), Some(at(0))));
    account::assert_all(&store).await;
}

pub async fn fires_come_in_the_order_of_time_then_priority(store: Store) {
    let triggers = vec![
        once("late", "job", 30),
        once("low", "job", 10).priority(1),
        once("high", "job", 10).priority(9),
        once("early", "job", 5),
    ];
    schedule(&store, at(0), job("job"), triggers).await;
    let solo = JobDetail::new("solo", "test").non_concurrent();
    schedule(&store, at(0), solo, vec![once("solo", "solo", 10).priority(5)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fires = node.claim(at(40), 10).await.fires;
    let order: Vec<_> = fires.iter().map(|fire| fire.trigger.name().to_owned()).collect();
    assert_eq!(order, ["early", "high", "solo", "low", "late"]);
    assert!(fires.windows(2).all(|pair| pair[0].id < pair[1].id), "ids ascend");
}

pub async fn a_claim_respects_its_limits(store: Store) {
    let triggers = (0..6).map(|n| once(&format!("a{n}"), "a", 0)).collect();
    schedule(&store, at(0), JobDetail::new("a", "one").durable(), triggers).await;
    let triggers = (0..6).map(|n| once(&format!("b{n}"), "b", 1)).collect();
    schedule(&store, at(0), JobDetail::new("b", "two").durable(), triggers).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim_kinds(at(5), 7, &[("one", 2), ("two", 7)]).await;
    let of = |kind: &str| claimed.fires.iter().filter(|fire| fire.job.kind.as_str() == kind).count();
    assert_eq!((of("one"), of("two")), (2, 5));
    assert!(claimed.next_due.is_some_and(|due| due <= at(5)));
}

pub async fn a_claim_takes_only_known_kinds(store: Store) {
    schedule(&store, at(0), JobDetail::new("a", "alien").durable(), vec![once("t", "a", 0)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(1), 5).await;
    assert!(claimed.fires.is_empty() && claimed.next_due.is_none());
    assert_eq!(node.claim_kinds(at(1), 5, &[("alien", 5)]).await.fires.len(), 1);
}

pub async fn two_claims_are_disjoint_and_full(store: Store) {
    let triggers = (0..40).map(|n| once(&format!("t{n}"), "job", 0)).collect();
    schedule(&store, at(0), job("job"), triggers).await;
    let one = Hand::register(&store, "one", at(0)).await;
    let two = Hand::register(&store, "two", at(0)).await;
    let first = one.claim(at(1), 20).await.fires;
    let second = two.claim(at(1), 20).await.fires;
    assert_eq!((first.len(), second.len()), (20, 20));
    let mut keys: Vec<_> = first.iter().chain(&second).map(|fire| fire.trigger.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 40);
}

pub async fn a_finished_trigger_goes_when_its_fire_ends(store: Store) {
    let (node, fire) = one_fire(&store, JobDetail::new("job", "test")).await;
    assert_eq!(fire.then, Then::Ends);
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.next_fire_at), (TriggerState::Complete, None));
    assert_eq!(node.succeed(&fire, at(1)).await, Completed::Closed);
    assert!(store.trigger(&TriggerKey::new("t")).await.unwrap().is_none());
    assert!(store.job(&JobKey::new("job")).await.unwrap().is_none(), "nothing is left of the job");
}

pub async fn a_late_cron_trigger_fires_once_for_the_latest_instant(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", cron("0 * * * * ?"))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim_later(at(0), 10).await;
    assert_eq!(claimed.fires.len(), 1);
    let node = Hand::register(&store, "m", at(630)).await;
    let claimed = node.claim(at(630), 10).await;
    assert_eq!(claimed.fires.len(), 1);
    assert_eq!(claimed.fires[0].scheduled_at, at(600));
    assert_eq!(claimed.skipped.len(), 1);
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.first, range.skip.last, range.skip.count), (at(60), at(540), 9));
    assert_eq!((range.skip.reason, range.fire), (SkipReason::Coalesced, Some(claimed.fires[0].id)));
    assert_eq!(claimed.next_due, Some(at(660)));
    account::assert_all(&store).await;
}

pub async fn a_late_trigger_that_does_nothing_skips(store: Store) {
    let trigger = Trigger::new("t", "job", cron("0 * * * * ?")).misfire(MisfirePolicy::DoNothing);
    schedule(&store, at(0), job("job"), vec![trigger]).await;
    let node = Hand::register(&store, "n", at(600)).await;
    let claimed = node.claim(at(600), 10).await;
    assert!(claimed.fires.is_empty());
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.count, range.skip.reason, range.fire), (11, SkipReason::Misfire, None));
    assert_eq!(claimed.next_due, Some(at(660)));
    account::assert_all(&store).await;
}

pub async fn a_trigger_that_ignores_misfires_catches_up(store: Store) {
    let trigger = Trigger::new("t", "job", every(100)).misfire(MisfirePolicy::IgnoreMisfires);
    schedule(&store, at(0), job("job"), vec![trigger]).await;
    let node = Hand::register(&store, "n", at(1_050)).await;
    let mut instants = Vec::new();
    loop {
        let claimed = node.claim(at(1_050), 3).await;
        if claimed.fires.is_empty() {
            break;
        }
        instants.extend(claimed.fires.iter().map(|fire| fire.scheduled_at));
    }
    assert_eq!(instants, (0..=10).map(|n| at(n * 100)).collect::<Vec<_>>());
    account::assert_all(&store).await;
}

pub async fn a_late_instant_within_the_threshold_fires(store: Store) {
    let trigger = Trigger::new("t", "job", cron("0 0 * * * ?")).misfire(MisfirePolicy::DoNothing);
    schedule(&store, at(0), job("job"), vec![trigger]).await;
    let node = Hand::register(&store, "n", at(60)).await;
    assert_eq!(node.claim(at(60), 1).await.fires[0].scheduled_at, at(0), "60 s late is not beyond 60 s");
}

pub async fn a_trigger_of_its_own_threshold_follows_it(store: Store) {
    let plain = Trigger::new("t", "job", cron("0 0 * * * ?")).misfire(MisfirePolicy::DoNothing);
    let patient = plain.clone().misfire_threshold_ms(900_000);
    let hasty = Trigger { key: TriggerKey::new("u"), ..plain.misfire_threshold_ms(1_000) };
    schedule(&store, at(0), job("job"), vec![patient, hasty]).await;
    let node = Hand::register(&store, "n", at(899)).await;
    let fires = node.claim(at(899), 5).await.fires;
    assert_eq!(fires.len(), 1);
    assert_eq!(fires[0].trigger.name(), "t");
    account::assert_all(&store).await;
}

pub async fn a_repeat_count_ends_the_trigger(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every_times(10, 2))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let mut last = Vec::new();
    for seconds in [0, 10, 20] {
        let fire = node.claim(at(seconds), 5).await.fires.remove(0);
        last.push(fire.then == Then::Ends);
        account::assert_all(&store).await;
        node.succeed(&fire, at(seconds + 1)).await;
    }
    assert_eq!(last, [false, false, true]);
    assert!(node.claim(at(50), 5).await.fires.is_empty());
    assert!(store.trigger(&TriggerKey::new("t")).await.unwrap().is_none());
    assert!(store.job(&JobKey::new("job")).await.unwrap().is_some(), "durable");
}

pub async fn a_non_concurrent_job_has_one_open_fire(store: Store) {
    let triggers = (0..5).map(|n| once(&format!("t{n}"), "solo", n)).collect();
    schedule(&store, at(0), job("solo").non_concurrent(), triggers).await;
    let one = Hand::register(&store, "one", at(0)).await;
    let two = Hand::register(&store, "two", at(0)).await;
    for n in 0..5 {
        let node = if n % 2 == 0 { &one } else { &two };
        let claimed = node.claim(at(9), 10).await;
        assert_eq!(claimed.fires.len(), 1);
        assert_eq!(claimed.fires[0].trigger.name(), format!("t{n}"));
        assert_eq!(claimed.next_due, None, "the others are held back");
        assert!(one.claim(at(9), 10).await.fires.is_empty());
        let lane = store.job(&JobKey::new("solo")).await.unwrap().unwrap().id;
        assert_eq!(store.open_in_lanes(&[lane]).await.unwrap(), [(lane, 1)]);
        node.succeed(&claimed.fires[0], at(9)).await;
    }
    assert!(one.claim(at(9), 10).await.fires.is_empty());
}

pub async fn many_blocked_triggers_do_not_hold_back_others(store: Store) {
    let triggers = (0..500).map(|n| once(&format!("t{n}"), "solo", 0)).collect();
    schedule(&store, at(0), job("solo").non_concurrent(), triggers).await;
    let triggers = (0..20).map(|n| once(&format!("u{n}"), "free", 1)).collect();
    schedule(&store, at(0), job("free"), triggers).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(2), 50).await;
    assert_eq!(claimed.fires.len(), 21);
    assert_eq!(claimed.next_due, None);
    let counts = store.state_counts(at(2)).await.unwrap();
    assert_eq!((counts.blocked, counts.executing, counts.complete), (499, 21, 21));
}

pub async fn a_skipping_job_gives_up_what_falls_due_meanwhile(store: Store) {
    let detail = job("solo").overlap(Overlap::Skip);
    schedule(&store, at(0), detail, vec![Trigger::new("t", "solo", every(10))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(0), 5).await.fires.remove(0);
    let claimed = node.claim(at(25), 5).await;
    assert!(claimed.fires.is_empty());
    assert_eq!((claimed.skipped[0].1.count, claimed.skipped[0].1.reason), (2, SkipReason::Overlap));
    assert_eq!(claimed.next_due, Some(at(30)));
    node.succeed(&fire, at(26)).await;
    assert_eq!(node.claim(at(30), 5).await.fires[0].scheduled_at, at(30));
    account::assert_all(&store).await;
}

pub async fn a_retry_of_a_skipping_job_waits_for_it(store: Store) {
    let detail = job("solo").overlap(Overlap::Skip);
    schedule(&store, at(0), detail, vec![Trigger::new("t", "solo", every(10))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(0), 5).await.fires.remove(0);
    let run = Change::TriggerNow { job: JobKey::new("solo"), data: data(json!({})) };
    store.apply(at(1), &[run]).await.unwrap();
    assert!(node.claim(at(2), 5).await.fires.is_empty(), "a run by hand is not skipped, it waits");
    node.succeed(&fire, at(3)).await;
    let fires = node.claim(at(4), 5).await.fires;
    assert_eq!(fires.len(), 1);
    assert_eq!(fires[0].cause, Cause::Manual);
}

pub async fn a_triggered_run_fires_with_its_data(store: Store) {
    schedule(&store, at(0), job("job").data(data(json!({"a": 1, "b": 1}))), vec![]).await;
    let run = Change::TriggerNow { job: JobKey::new("job"), data: data(json!({"b": 2})) };
    let applied = store.apply(at(5), &[run]).await.unwrap().remove(0);
    let key = applied.pending.unwrap();
    assert_eq!(applied.next_due, Some(at(5)));
    assert!(store.trigger(&key).await.unwrap().unwrap().pending.is_some());
    let node = Hand::register(&store, "n", at(500)).await;
    let fire = node.claim(at(500), 5).await.fires.remove(0);
    assert_eq!((fire.cause, fire.scheduled_at, &fire.trigger), (Cause::Manual, at(5), &key));
    assert_eq!(fire.data().unwrap().as_str(), r#"{"a":1,"b":2}"#);
    assert!(store.trigger(&key).await.unwrap().is_none(), "a pending run goes when it is claimed");
    assert_eq!(store.skipped(&SkippedQuery::default()).await.unwrap().total, 0);
}

pub async fn a_completion_closes_the_row_once(store: Store) {
    let (node, fire) = one_fire(&store, job("job")).await;
    let mut completion = node.success(&fire, at(3));
    completion.outcome = Outcome::Success(Some(json!({"rows": 7})));
    completion.duration_ms = 2_900;
    assert_eq!(store.complete(at(4), &[completion.clone()]).await.unwrap(), [Completed::Closed]);
    let row = store.history_entry(fire.id).await.unwrap().unwrap();
    assert_eq!((row.status, row.ended_at, row.duration_ms), (TaskStatus::Success, Some(at(3)), Some(2_900)));
    assert_eq!(row.details, Some(json!({"rows": 7})));
    completion.outcome = Outcome::Failed(json!({}));
    assert_eq!(store.complete(at(9), &[completion]).await.unwrap(), [Completed::Superseded]);
    assert_eq!(store.history_entry(fire.id).await.unwrap().unwrap(), row);
}

pub async fn a_completion_of_another_term_is_superseded(store: Store) {
    let (_, fire) = one_fire(&store, job("job")).await;
    let other = Hand::register(&store, "other", at(0)).await;
    assert_eq!(other.succeed(&fire, at(1)).await, Completed::Superseded);
    assert_eq!(store.history_entry(fire.id).await.unwrap().unwrap().status, TaskStatus::Started);
}

fn failure(node: &Hand, fire: &punctual_core::Fire, retry: Option<i64>) -> Completion {
    Completion {
        outcome: Outcome::Failed(json!({"message": "no"})),
        retry: retry.map(|seconds| Retry { at: at(seconds), data: fire.trigger_data.clone() }),
        ..node.success(fire, at(1))
    }
}

pub async fn a_failure_keeps_its_details(store: Store) {
    let (node, fire) = one_fire(&store, job("job")).await;
    store.complete(at(1), &[failure(&node, &fire, None)]).await.unwrap();
    let row = store.history_entry(fire.id).await.unwrap().unwrap();
    assert_eq!((row.status, row.details), (TaskStatus::Failed, Some(json!({"message": "no"}))));
    assert!(node.claim(at(50), 5).await.fires.is_empty(), "no retry was asked for");
}

pub async fn a_retry_waits_for_its_time(store: Store) {
    let (node, fire) = one_fire(&store, JobDetail::new("job", "test")).await;
    store.complete(at(1), &[failure(&node, &fire, Some(30))]).await.unwrap();
    assert!(store.job(&JobKey::new("job")).await.unwrap().is_some(), "the retry keeps the job");
    let early = node.claim(at(29), 5).await;
    assert!(early.fires.is_empty());
    assert_eq!(early.next_due, Some(at(30)));
    let again = node.claim(at(30), 5).await.fires.remove(0);
    assert_eq!((again.attempt, again.cause, again.origin), (2, Cause::Retry, fire.id));
    assert_eq!((again.scheduled_at, &again.trigger), (at(0), &fire.trigger));
    assert_eq!(again.trigger_data, fire.trigger_data);
    let third = Completion { ended_at: at(31), ..failure(&node, &again, Some(40)) };
    store.complete(at(31), &[third]).await.unwrap();
    let last = node.claim(at(40), 5).await.fires.remove(0);
    assert_eq!((last.attempt, last.origin), (3, fire.id));
    node.succeed(&last, at(41)).await;
    assert!(store.job(&JobKey::new("job")).await.unwrap().is_none(), "all done");
    let origin = HistoryQuery { origin: Some(fire.id), ..HistoryQuery::default() };
    assert_eq!(store.history(&origin).await.unwrap().total, 3);
}

pub async fn a_retry_survives_the_deletion_of_its_trigger(store: Store) {
    let trigger = Trigger::new("t", "job", every(600)).data(data(json!({"n": 1})));
    schedule(&store, at(0), job("job"), vec![trigger]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(0), 1).await.fires.remove(0);
    store.apply(at(1), &[Change::DeleteTrigger(TriggerKey::new("t"))]).await.unwrap();
    store.complete(at(2), &[failure(&node, &fire, Some(3))]).await.unwrap();
    let again = node.claim(at(3), 1).await.fires.remove(0);
    assert_eq!(again.trigger_data.as_str(), r#"{"n":1}"#);
}

pub async fn a_fire_without_history_leaves_no_row(store: Store) {
    let (node, fire) = one_fire(&store, job("job").without_history()).await;
    assert_eq!(rows(&store).await.len(), 1, "the row is the fire in flight");
    assert_eq!(node.succeed(&fire, at(1)).await, Completed::Closed);
    assert!(rows(&store).await.is_empty());
}

pub async fn a_released_fire_is_due_again_as_the_same_attempt(store: Store) {
    schedule(&store, at(0), job("solo").non_concurrent(), vec![Trigger::new("t", "solo", every(60))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(1), 1).await.fires.remove(0);
    assert_eq!(store.release(at(2), node.term, std::slice::from_ref(&fire)).await.unwrap(), 1);
    assert!(rows(&store).await.is_empty());
    account::assert_all(&store).await;
    let other = Hand::register(&store, "m", at(2)).await;
    let again = other.claim(at(3), 5).await.fires.remove(0);
    assert_eq!((again.attempt, again.cause, &again.trigger), (1, Cause::Schedule, &fire.trigger));
    assert_eq!(again.scheduled_at, at(0));
    assert_eq!(
        store.release(at(4), node.term, std::slice::from_ref(&again)).await.unwrap(),
        0,
        "it is another node's"
    );
    other.succeed(&again, at(4)).await;
    account::assert_all(&store).await;
    assert_eq!(rows(&store).await.len(), 1);
}

pub async fn a_thousand_fires_fit_in_one_batch(store: Store) {
    let triggers = (0..1_000).map(|n| once(&format!("t{n}"), "job", 0)).collect();
    schedule(&store, at(0), job("job"), triggers).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(1), 1_000).await;
    assert_eq!((claimed.fires.len(), claimed.next_due), (1_000, None));
    let done: Vec<_> = claimed.fires.iter().map(|fire| node.success(fire, at(2))).collect();
    let answers = store.complete(at(2), &done).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Completed::Closed));
    assert_eq!(store.triggers(&TriggerQuery::default()).await.unwrap().total, 0);
    let succeeded = HistoryQuery { status: Some(TaskStatus::Success), ..HistoryQuery::default() };
    assert_eq!(store.history(&succeeded).await.unwrap().total, 1_000);
}

pub async fn next_due_is_the_earliest_claimable_time(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    assert_eq!(node.claim(at(0), 5).await.next_due, None);
    schedule(&store, at(0), job("job"), vec![once("a", "job", 70), once("b", "job", 50)]).await;
    schedule(&store, at(0), job("solo").non_concurrent(), vec![once("c", "solo", 40)]).await;
    assert_eq!(node.claim(at(1), 5).await.next_due, Some(at(40)));
    store.apply(at(1), &[Change::PauseTrigger(TriggerKey::new("c"))]).await.unwrap();
    assert_eq!(node.claim(at(1), 5).await.next_due, Some(at(50)));
}

pub async fn next_due_tells_when_more_is_due_than_was_taken(store: Store) {
    schedule(&store, at(0), job("job"), (0..3).map(|n| once(&format!("t{n}"), "job", 0)).collect()).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(5), 2).await;
    assert_eq!((claimed.fires.len(), claimed.next_due), (2, Some(at(0))));
}
