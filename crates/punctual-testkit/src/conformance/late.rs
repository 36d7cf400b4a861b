//! Late instants that are caught up within bounds, and delays that count from the end of a run.

use std::sync::Arc;

use punctual_core::schedule::misfire::{CatchUp, Keep};
use punctual_core::schedule::{FixedDelay, RecurrenceRule, Repeat};
use punctual_core::{
    Cause, Change, Completed, HistoryQuery, JobStore, MisfirePolicy, Retry, Schedule, SkipReason,
    SkippedQuery, Trigger, TriggerKey, TriggerQuery,
};

use crate::account;
use crate::factory::{Hand, at, cron, job, schedule};

type Store = Arc<dyn JobStore>;

fn minutely(policy: MisfirePolicy) -> Trigger {
    Trigger::new("t", "job", cron("0 * * * * ?")).misfire(policy)
}

fn delayed(seconds: u64, repeat: Repeat) -> Trigger {
    let delay = FixedDelay::from_millis(seconds * 1_000, repeat).unwrap();
    Trigger::new("t", "job", Schedule::FixedDelay(delay))
}

async fn next(store: &Store) -> Option<punctual_core::Timestamp> {
    store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap().next_fire_at
}

pub async fn a_catch_up_runs_the_newest_instants_in_order(store: Store) {
    let bounds = CatchUp::new(None, 3, 10_000).unwrap();
    schedule(&store, at(0), job("job"), vec![minutely(MisfirePolicy::All(bounds))]).await;
    let node = Hand::register(&store, "n", at(610)).await;
    let claimed = node.claim(at(610), 10).await;
    assert_eq!(claimed.fires.len(), 1);
    assert_eq!(claimed.fires[0].scheduled_at, at(480));
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.first, range.skip.last, range.skip.count), (at(0), at(420), 8));
    assert_eq!(range.skip.reason, SkipReason::Misfire);
    account::assert_all(&store).await;
    assert_eq!(claimed.next_due, Some(at(620)), "ten seconds after the first");
    for (now, instant) in [(620, 540), (630, 600), (660, 660)] {
        let claimed = node.claim(at(now), 10).await;
        assert_eq!(claimed.fires.len(), 1, "{claimed:?}");
        let fire = &claimed.fires[0];
        assert_eq!((fire.scheduled_at, fire.cause, fire.attempt), (at(instant), Cause::Schedule, 1));
        assert_eq!(fire.trigger, TriggerKey::new("t"));
    }
    account::assert_all(&store).await;
}

pub async fn a_catch_up_has_a_window(store: Store) {
    let bounds = CatchUp::new(Some(100_000), 100, 0).unwrap();
    schedule(&store, at(0), job("job"), vec![minutely(MisfirePolicy::All(bounds))]).await;
    let node = Hand::register(&store, "n", at(610)).await;
    let claimed = node.claim(at(610), 10).await;
    let instants: Vec<_> = claimed.fires.iter().map(|fire| fire.scheduled_at).collect();
    assert_eq!(instants, [at(540), at(600)], "what is older than 100 s is given up");
    assert_eq!(store.skipped(&SkippedQuery::default()).await.unwrap().rows[0].skip.count, 9);
    account::assert_all(&store).await;
}

pub async fn once_stands_for_the_earliest_or_the_latest(store: Store) {
    for (keep, name, instant) in [(Keep::Earliest, "e", 0), (Keep::Latest, "l", 600)] {
        let trigger = Trigger::new(name, name, cron("0 * * * * ?")).misfire(MisfirePolicy::Once(keep));
        schedule(&store, at(0), job(name), vec![trigger]).await;
        let node = Hand::register(&store, name, at(610)).await;
        let claimed = node.claim(at(610), 10).await;
        assert_eq!(claimed.fires.len(), 1);
        assert_eq!(claimed.fires[0].scheduled_at, at(instant));
        let query = SkippedQuery { trigger: Some(TriggerKey::new(name)), ..SkippedQuery::default() };
        let range = store.skipped(&query).await.unwrap().rows.remove(0);
        assert_eq!((range.skip.count, range.skip.reason), (10, SkipReason::Coalesced));
        assert_eq!(range.fire, Some(claimed.fires[0].id));
        assert_eq!(claimed.next_due, Some(at(660)));
    }
    account::assert_all(&store).await;
}

pub async fn a_recurrence_rule_fires_and_ends(store: Store) {
    let rule = RecurrenceRule::parse("FREQ=MINUTELY;INTERVAL=10;COUNT=2", "Europe/Berlin").unwrap();
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", Schedule::Rrule(rule))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let first = node.claim_later(at(0), 10).await;
    assert_eq!((first.fires[0].scheduled_at, first.next_due), (at(0), Some(at(600))));
    let node = Hand::register(&store, "m", at(600)).await;
    let last = node.claim(at(600), 10).await.fires.remove(0);
    node.succeed(&last, at(601)).await;
    assert_eq!(store.trigger(&TriggerKey::new("t")).await.unwrap(), None);
}

pub async fn a_fixed_delay_counts_from_the_end(store: Store) {
    schedule(&store, at(0), job("job"), vec![delayed(30, Repeat::Forever)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let mut now = 0;
    for _ in 0..3 {
        let claimed = node.claim_later(at(now), 10).await;
        assert_eq!((claimed.fires.len(), claimed.next_due), (1, None), "not known before the end");
        assert_eq!(next(&store).await, None);
        account::assert_all(&store).await;
        node.succeed(&claimed.fires[0], at(now + 7)).await;
        now += 37;
        assert_eq!(next(&store).await, Some(at(now)));
        account::assert_all(&store).await;
    }
}

pub async fn a_fixed_delay_counts_its_fires_and_skips(store: Store) {
    let trigger = delayed(30, Repeat::Forever).misfire(MisfirePolicy::DoNothing).misfire_threshold_ms(5_000);
    schedule(&store, at(0), job("job"), vec![trigger]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let mut now = 0;
    for fired in 1..4 {
        let fire = node.claim_later(at(now), 10).await.fires.remove(0);
        node.succeed(&fire, at(now + 7)).await;
        now += 37;
        let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
        assert_eq!((stored.fired, stored.skipped, stored.accounted_from), (fired, 0, at(0)));
        assert_eq!(account::check(&store, &stored).await, Ok(fired));
    }
    assert!(node.claim_later(at(now + 10), 10).await.fires.is_empty(), "late beyond its threshold");
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!((stored.fired, stored.skipped), (3, 1));
    assert_eq!(account::check(&store, &stored).await, Ok(4));
}

pub async fn a_fixed_delay_ends_after_its_repeats(store: Store) {
    schedule(&store, at(0), job("job"), vec![delayed(30, Repeat::Times(1))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let first = node.claim_later(at(0), 10).await.fires.remove(0);
    node.succeed(&first, at(5)).await;
    let second = node.claim_later(at(35), 10).await.fires.remove(0);
    node.succeed(&second, at(36)).await;
    assert_eq!(store.trigger(&TriggerKey::new("t")).await.unwrap(), None);
}

pub async fn a_fixed_delay_counts_from_the_last_attempt(store: Store) {
    schedule(&store, at(0), job("job"), vec![delayed(30, Repeat::Forever)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let first = node.claim_later(at(0), 10).await.fires.remove(0);
    let mut failed = node.success(&first, at(1));
    failed.retry = Some(Retry { at: at(10), data: first.trigger_data.clone() });
    assert_eq!(store.complete(at(1), &[failed]).await.unwrap(), [Completed::Closed]);
    assert_eq!(next(&store).await, None, "the fire has not ended for good");
    let second = node.claim_later(at(10), 10).await.fires.remove(0);
    assert_eq!((second.cause, second.attempt), (Cause::Retry, 2));
    node.succeed(&second, at(12)).await;
    assert_eq!(next(&store).await, Some(at(42)));
}

pub async fn a_fixed_delay_goes_on_after_its_node_was_lost(store: Store) {
    schedule(&store, at(0), job("job"), vec![delayed(30, Repeat::Forever)]).await;
    let node = Hand::register(&store, "lost", at(0)).await;
    assert_eq!(node.claim(at(0), 10).await.fires.len(), 1);
    assert_eq!(store.recover(at(100)).await.unwrap().runs.len(), 1);
    assert_eq!(next(&store).await, Some(at(130)));
}

pub async fn a_fixed_delay_goes_on_when_its_retry_is_deleted(store: Store) {
    schedule(&store, at(0), job("job"), vec![delayed(30, Repeat::Forever)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let first = node.claim_later(at(0), 10).await.fires.remove(0);
    let mut failed = node.success(&first, at(1));
    failed.retry = Some(Retry { at: at(1_000), data: first.trigger_data.clone() });
    store.complete(at(1), &[failed]).await.unwrap();
    let query = TriggerQuery { cause: Some(Cause::Retry), ..TriggerQuery::default() };
    let retry = store.triggers(&query).await.unwrap().rows.remove(0);
    store.apply(at(5), &[Change::DeleteTrigger(retry.definition.key)]).await.unwrap();
    assert_eq!(next(&store).await, Some(at(35)));
}

pub async fn a_fixed_delay_that_is_paused_while_it_runs_stays_paused(store: Store) {
    schedule(&store, at(0), job("job"), vec![delayed(30, Repeat::Forever)]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let first = node.claim_later(at(0), 10).await.fires.remove(0);
    store.apply(at(1), &[Change::PauseTrigger(TriggerKey::new("t"))]).await.unwrap();
    node.succeed(&first, at(5)).await;
    assert!(node.claim_later(at(50), 10).await.fires.is_empty());
    store.apply(at(50), &[Change::ResumeTrigger(TriggerKey::new("t"))]).await.unwrap();
    assert_eq!(node.claim_later(at(50), 10).await.fires.len(), 1);
    assert_eq!(store.history(&HistoryQuery::default()).await.unwrap().total, 2);
    account::assert_all(&store).await;
}
