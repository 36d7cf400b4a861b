//! Pause and resume: triggers, jobs, groups.

use std::sync::Arc;

use punctual_core::{
    Change, JobKey, JobStore, MisfirePolicy, SkipReason, SkippedQuery, Trigger, TriggerKey, TriggerState,
};

use crate::account;
use crate::factory::{Hand, at, cron, every, job, schedule};

type Store = Arc<dyn JobStore>;

async fn state(store: &Store, name: &str) -> TriggerState {
    store.trigger(&TriggerKey::new(name)).await.unwrap().unwrap().state
}

async fn change(store: &Store, seconds: i64, change: Change) -> punctual_core::Applied {
    store.apply(at(seconds), &[change]).await.unwrap().remove(0)
}

fn minutely() -> Trigger {
    Trigger::new("t", "job", cron("0 * * * * ?"))
}

pub async fn a_paused_trigger_does_not_fire(store: Store) {
    schedule(&store, at(0), job("job"), vec![minutely()]).await;
    change(&store, 0, Change::PauseTrigger(TriggerKey::new("t"))).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let claimed = node.claim(at(30), 5).await;
    assert!(claimed.fires.is_empty() && claimed.next_due.is_none());
    assert_eq!(state(&store, "t").await, TriggerState::Paused);
    let again = change(&store, 31, Change::PauseTrigger(TriggerKey::new("t"))).await;
    assert_eq!((again.updated, again.unchanged), (0, 1));
}

pub async fn resuming_fires_once_for_the_latest_missed_instant(store: Store) {
    schedule(&store, at(0), job("job"), vec![minutely()]).await;
    change(&store, 1, Change::PauseTrigger(TriggerKey::new("t"))).await;
    let applied = change(&store, 610, Change::ResumeTrigger(TriggerKey::new("t"))).await;
    assert_eq!(applied.next_due, Some(at(600)));
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.count, range.skip.last, range.skip.reason), (10, at(540), SkipReason::Paused));
    let node = Hand::register(&store, "n", at(610)).await;
    let fires = node.claim(at(610), 5).await.fires;
    assert_eq!(fires.len(), 1);
    assert_eq!(fires[0].scheduled_at, at(600));
    account::assert_all(&store).await;
}

pub async fn resuming_a_trigger_that_does_nothing_skips_as_paused(store: Store) {
    schedule(&store, at(0), job("job"), vec![minutely().misfire(MisfirePolicy::DoNothing)]).await;
    change(&store, 1, Change::PauseTrigger(TriggerKey::new("t"))).await;
    change(&store, 610, Change::ResumeTrigger(TriggerKey::new("t"))).await;
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.count, range.skip.reason), (11, SkipReason::Paused));
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.next_fire_at), (TriggerState::Waiting, Some(at(660))));
    account::assert_all(&store).await;
}

pub async fn pausing_a_job_pauses_all_its_triggers(store: Store) {
    let triggers = vec![minutely(), Trigger::new("u", "job", every(60))];
    schedule(&store, at(0), job("job"), triggers).await;
    assert_eq!(change(&store, 0, Change::PauseJob(JobKey::new("job"))).await.updated, 2);
    assert_eq!(state(&store, "u").await, TriggerState::Paused);
    assert_eq!(change(&store, 0, Change::ResumeJob(JobKey::new("job"))).await.updated, 2);
    assert_eq!(state(&store, "u").await, TriggerState::Waiting);
}

pub async fn a_paused_group_takes_in_new_triggers(store: Store) {
    schedule(&store, at(0), job("job"), vec![minutely()]).await;
    change(&store, 0, Change::PauseGroup("DEFAULT".to_owned())).await;
    assert_eq!(state(&store, "t").await, TriggerState::Paused);
    change(&store, 1, Change::AddTrigger(Trigger::new("new", "job", every(60)))).await;
    assert_eq!(state(&store, "new").await, TriggerState::Paused);
    let elsewhere = TriggerKey::try_new("other", "x").unwrap();
    change(&store, 1, Change::AddTrigger(Trigger::new(elsewhere.clone(), "job", every(60)))).await;
    assert_eq!(store.trigger(&elsewhere).await.unwrap().unwrap().state, TriggerState::Waiting);
}

pub async fn resuming_a_group_lets_new_triggers_run(store: Store) {
    schedule(&store, at(0), job("job"), vec![minutely()]).await;
    change(&store, 0, Change::PauseGroup("DEFAULT".to_owned())).await;
    change(&store, 0, Change::ResumeGroup("DEFAULT".to_owned())).await;
    assert_eq!(state(&store, "t").await, TriggerState::Waiting);
    change(&store, 1, Change::AddTrigger(Trigger::new("new", "job", every(60)))).await;
    assert_eq!(state(&store, "new").await, TriggerState::Waiting);
}

pub async fn deleting_a_paused_trigger_accounts_for_the_pause(store: Store) {
    schedule(&store, at(0), job("job"), vec![minutely()]).await;
    change(&store, 1, Change::PauseTrigger(TriggerKey::new("t"))).await;
    change(&store, 125, Change::DeleteTrigger(TriggerKey::new("t"))).await;
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.count, range.skip.reason), (3, SkipReason::Paused));
}
