//! Jobs and triggers that come, change and go.

use std::sync::Arc;

use punctual_core::schedule::{FixedDelay, Repeat};
use punctual_core::{
    Change, ChangeError, JobKey, JobQuery, JobStore, MisfirePolicy, Paging, RetryPolicy, Schedule,
    SkipReason, SkippedQuery, StoreError, Trigger, TriggerKey, TriggerQuery, TriggerState,
};
use serde_json::json;

use crate::account;
use crate::factory::{Hand, at, cron, data, every, every_times, job, schedule};

type Store = Arc<dyn JobStore>;

async fn change(store: &Store, change: Change) -> Result<punctual_core::Applied, StoreError> {
    store.apply(at(0), &[change]).await.map(|mut applied| applied.remove(0))
}

fn refused(result: Result<punctual_core::Applied, StoreError>) -> ChangeError {
    match result {
        Err(StoreError::Change(error)) => error,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub async fn a_job_is_stored_and_read_back(store: Store) {
    let detail = job("report")
        .description("Sums up")
        .data(data(json!({"month": 3})))
        .requests_recovery()
        .non_concurrent()
        .retry(RetryPolicy::exponential(4))
        .timeout(std::time::Duration::from_secs(9));
    let applied = change(&store, Change::PutJob(detail.clone())).await.unwrap();
    assert_eq!((applied.created, applied.updated), (1, 0));
    let stored = store.job(&detail.key).await.unwrap().unwrap();
    assert_eq!(*stored.detail, detail);
    assert_eq!(stored.created_at, at(0));
    assert!(store.job(&JobKey::new("other")).await.unwrap().is_none());
}

pub async fn a_trigger_is_stored_and_read_back(store: Store) {
    let trigger = Trigger::new("t", "job", cron("0 0 12 * * ?"))
        .description("at noon")
        .priority(-7)
        .end(at(86_400 * 30))
        .misfire(MisfirePolicy::DoNothing)
        .misfire_threshold_ms(900_000)
        .data(data(json!({"db": 4})));
    schedule(&store, at(0), job("job"), vec![trigger.clone()]).await;
    let stored = store.trigger(&trigger.key).await.unwrap().unwrap();
    assert_eq!(stored.definition, trigger);
    assert_eq!(stored.state, TriggerState::Waiting);
    assert_eq!(stored.next_fire_at, Some(at(12 * 3_600)));
    assert_eq!((stored.anchor, stored.fired, stored.skipped), (at(0), 0, 0));
    assert_eq!(stored.pending, None);
}

pub async fn equal_definitions_are_left_alone(store: Store) {
    let triggers = || vec![Trigger::new("a", "job", every(60)), Trigger::new("b", "job", every(90))];
    schedule(&store, at(0), job("job"), triggers()).await;
    let before = store.trigger(&TriggerKey::new("a")).await.unwrap();
    let again = Change::Schedule { job: job("job"), triggers: triggers() };
    let applied = store.apply(at(30), &[again]).await.unwrap().remove(0);
    assert_eq!((applied.created, applied.updated, applied.deleted, applied.unchanged), (0, 0, 0, 3));
    assert_eq!(store.trigger(&TriggerKey::new("a")).await.unwrap(), before);
}

pub async fn a_changed_job_is_updated_and_keeps_its_triggers(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let changed = job("job").data(data(json!({"new": true})));
    let applied = store.apply(at(10), &[Change::PutJob(changed.clone())]).await.unwrap().remove(0);
    assert_eq!((applied.created, applied.updated), (0, 1));
    let stored = store.job(&changed.key).await.unwrap().unwrap();
    assert_eq!((*stored.detail).clone(), changed);
    assert_eq!((stored.created_at, stored.updated_at), (at(0), at(10)));
    let node = Hand::register(&store, "n", at(10)).await;
    let fire = node.claim(at(60), 10).await.fires.remove(0);
    assert_eq!(fire.job.data, changed.data, "a fire carries the definition of its time");
}

pub async fn a_whole_trigger_set_replaces_the_old_one(store: Store) {
    let a = Trigger::new("a", "job", every(60));
    let b = Trigger::new("b", "job", every(60));
    schedule(&store, at(0), job("job"), vec![a.clone(), b]).await;
    schedule(&store, at(0), job("job"), vec![a, Trigger::new("c", "job", every(60))]).await;
    let rows = store.triggers(&TriggerQuery::default()).await.unwrap().rows;
    let names: Vec<_> = rows.iter().map(|row| row.definition.key.name().to_owned()).collect();
    assert_eq!(names, ["a", "c"]);
}

/// Two triggers that end by themselves at instants which depend on when they begin, run until they have completed.
async fn completed(store: &Store) -> [Trigger; 2] {
    let delay = FixedDelay::from_millis(1_000, Repeat::Times(1)).unwrap();
    let triggers = [
        Trigger::new("delay", "job", Schedule::FixedDelay(delay)),
        Trigger::new("every", "job", every_times(1, 1)),
    ];
    schedule(store, at(0), job("job"), triggers.to_vec()).await;
    let node = Hand::register(store, "n", at(0)).await;
    for second in 0..10 {
        for fire in node.claim(at(second), 10).await.fires {
            node.succeed(&fire, at(second)).await;
        }
    }
    assert_eq!(store.triggers(&TriggerQuery::default()).await.unwrap().total, 0, "they have completed");
    triggers
}

pub async fn a_completed_trigger_without_a_start_does_not_begin_anew(store: Store) {
    let triggers = completed(&store).await;
    // An edit of the job alone forgets nothing, and other fields of a trigger do not make it another one.
    let changed = Change::PutJob(job("job").description("changed"));
    store.apply(at(20), &[changed]).await.unwrap();
    let again = triggers.map(|trigger| trigger.priority(9)).to_vec();
    for _ in 0..2 {
        let change = Change::Schedule { job: job("job"), triggers: again.clone() };
        store.apply(at(20), &[change]).await.unwrap();
        assert_eq!(store.triggers(&TriggerQuery::default()).await.unwrap().total, 0);
    }
    let forever = Trigger::new("forever", "job", every(60));
    schedule(&store, at(20), job("job"), [again, vec![forever]].concat()).await;
    let rows = store.triggers(&TriggerQuery::default()).await.unwrap().rows;
    let names: Vec<_> = rows.iter().map(|row| row.definition.key.name().to_owned()).collect();
    assert_eq!(names, ["forever"], "a new one comes beside them");
}

pub async fn a_deleted_or_changed_trigger_without_a_start_begins_anew(store: Store) {
    let [delay, mut every] = completed(&store).await;
    every.schedule = every_times(2, 1);
    schedule(&store, at(20), job("job"), vec![delay.clone(), every.clone()]).await;
    let left = async || {
        let rows = store.triggers(&TriggerQuery::default()).await.unwrap().rows;
        rows.iter().map(|row| row.definition.key.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(left().await, ["every"], "another schedule");
    store.apply(at(20), &[Change::DeleteTrigger(every.key.clone())]).await.unwrap();
    schedule(&store, at(20), job("job"), vec![delay.clone(), every.clone()]).await;
    assert_eq!(left().await, ["every"], "it was deleted before it had completed");
    store.apply(at(20), &[Change::DeleteTriggersOf(JobKey::new("job"))]).await.unwrap();
    schedule(&store, at(20), job("job"), vec![delay, every]).await;
    assert_eq!(left().await, ["delay", "every"]);
}

pub async fn a_batch_of_changes_is_all_or_none(store: Store) {
    schedule(&store, at(0), job("old"), vec![Trigger::new("t", "old", every(60))]).await;
    let before = store.trigger(&TriggerKey::new("t")).await.unwrap();
    let changes = [
        Change::PutJob(job("new")),
        Change::PutJob(job("old").description("changed")),
        Change::DeleteTrigger(TriggerKey::new("t")),
        Change::PauseGroup("DEFAULT".to_owned()),
        Change::PutTrigger(Trigger::new("u", "missing", every(60))),
    ];
    assert!(store.apply(at(90), &changes).await.unwrap_err().is_conflict());
    assert!(store.job(&JobKey::new("new")).await.unwrap().is_none());
    assert_eq!(store.job(&JobKey::new("old")).await.unwrap().unwrap().detail.description, None);
    assert_eq!(store.trigger(&TriggerKey::new("t")).await.unwrap(), before);
    assert_eq!(store.skipped(&SkippedQuery::default()).await.unwrap().total, 0);
    schedule(&store, at(0), job("later"), vec![Trigger::new("v", "later", every(60))]).await;
    let later = store.trigger(&TriggerKey::new("v")).await.unwrap().unwrap();
    assert_eq!(later.state, TriggerState::Waiting, "the group is not paused");
    let node = Hand::register(&store, "n", at(0)).await;
    assert_eq!(node.claim(at(0), 10).await.fires.len(), 2, "both triggers are claimable as before");
}

pub async fn a_job_needs_to_be_durable_or_triggered(store: Store) {
    let fleeting = punctual_core::JobDetail::new("fleeting", "test");
    let error = refused(change(&store, Change::PutJob(fleeting.clone())).await);
    assert_eq!(error, ChangeError::NeitherDurableNorTriggered(JobKey::new("fleeting")));
    let error = refused(change(&store, Change::Schedule { job: fleeting, triggers: vec![] }).await);
    assert!(matches!(error, ChangeError::NeitherDurableNorTriggered(_)), "{error}");
}

pub async fn a_trigger_needs_its_job(store: Store) {
    let trigger = Trigger::new("t", "missing", every(60));
    let error = refused(change(&store, Change::PutTrigger(trigger)).await);
    assert_eq!(error, ChangeError::NoSuchJob(JobKey::new("missing")));
    let run = Change::TriggerNow { job: JobKey::new("missing"), data: data(json!({})) };
    assert_eq!(refused(change(&store, run).await), ChangeError::NoSuchJob(JobKey::new("missing")));
}

pub async fn a_taken_trigger_key_is_refused(store: Store) {
    let trigger = Trigger::new("t", "job", every(60));
    schedule(&store, at(0), job("job"), vec![trigger.clone()]).await;
    let error = refused(change(&store, Change::AddTrigger(trigger)).await);
    assert_eq!(error, ChangeError::TriggerExists(TriggerKey::new("t")));
}

pub async fn a_trigger_cannot_change_its_job(store: Store) {
    schedule(&store, at(0), job("one"), vec![Trigger::new("t", "one", every(60))]).await;
    change(&store, Change::PutJob(job("two"))).await.unwrap();
    let error = refused(change(&store, Change::PutTrigger(Trigger::new("t", "two", every(60)))).await);
    assert!(matches!(error, ChangeError::TriggerOfAnotherJob { .. }), "{error}");
}

pub async fn a_schedule_that_never_fires_is_refused(store: Store) {
    change(&store, Change::PutJob(job("job"))).await.unwrap();
    let trigger = Trigger::new("t", "job", cron("0 0 0 1 1 ? 2020"));
    let error = refused(change(&store, Change::PutTrigger(trigger)).await);
    assert_eq!(error, ChangeError::NeverFires(TriggerKey::new("t")));
}

pub async fn an_end_before_the_start_is_refused(store: Store) {
    change(&store, Change::PutJob(job("job"))).await.unwrap();
    let trigger = Trigger::new("t", "job", every(60)).start(at(100)).end(at(50));
    let error = refused(change(&store, Change::PutTrigger(trigger)).await);
    assert!(error.to_string().contains("before its start"), "{error}");
}

pub async fn a_job_that_is_not_durable_goes_with_its_last_trigger(store: Store) {
    let fleeting = punctual_core::JobDetail::new("fleeting", "test");
    let triggers = vec![Trigger::new("a", "fleeting", every(60)), Trigger::new("b", "fleeting", every(60))];
    schedule(&store, at(0), fleeting, triggers).await;
    let applied = change(&store, Change::DeleteTrigger(TriggerKey::new("a"))).await.unwrap();
    assert_eq!(applied.deleted, 1);
    let applied = change(&store, Change::DeleteTrigger(TriggerKey::new("b"))).await.unwrap();
    assert_eq!(applied.deleted, 2);
    assert!(store.job(&JobKey::new("fleeting")).await.unwrap().is_none());
}

pub async fn deleting_a_job_takes_its_triggers(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(0), 1).await.fires.remove(0);
    let applied = change(&store, Change::DeleteJob(JobKey::new("job"))).await.unwrap();
    assert_eq!(applied.deleted, 2);
    assert_eq!(store.triggers(&TriggerQuery::default()).await.unwrap().total, 0);
    assert_eq!(node.succeed(&fire, at(1)).await, punctual_core::Completed::Closed, "its run goes on");
    let row = store.history_entry(fire.id).await.unwrap().unwrap();
    assert_eq!(row.job, Some(JobKey::new("job")));
}

pub async fn deleting_what_is_not_there_finds_nothing(store: Store) {
    for gone in [
        Change::DeleteTrigger(TriggerKey::new("x")),
        Change::DeleteJob(JobKey::new("x")),
        Change::DeleteTriggersOf(JobKey::new("x")),
        Change::PauseTrigger(TriggerKey::new("x")),
        Change::ResumeJob(JobKey::new("x")),
        Change::ResetTrigger(TriggerKey::new("x")),
    ] {
        assert!(!change(&store, gone).await.unwrap().found());
    }
}

pub async fn a_new_description_keeps_the_fire_time(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    node.claim(at(0), 1).await;
    let described = Trigger::new("t", "job", every(60)).description("words").priority(9);
    let applied = store.apply(at(30), &[Change::PutTrigger(described)]).await.unwrap().remove(0);
    assert_eq!(applied.updated, 1);
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!((stored.next_fire_at, stored.anchor, stored.fired), (Some(at(60)), at(0), 1));
    account::assert_all(&store).await;
}

pub async fn a_new_schedule_starts_from_now_and_accounts_for_the_old_one(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let replacement = Trigger::new("t", "job", every(10));
    store.apply(at(150), &[Change::PutTrigger(replacement)]).await.unwrap();
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!((stored.next_fire_at, stored.anchor), (Some(at(150)), at(150)));
    let rows = store.skipped(&SkippedQuery::default()).await.unwrap().rows;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].skip.first, rows[0].skip.last, rows[0].skip.count), (at(0), at(120), 3));
    assert_eq!(rows[0].skip.reason, SkipReason::Replaced);
    account::assert_all(&store).await;
}

pub async fn lists_are_ordered_filtered_and_cut(store: Store) {
    for name in ["c", "a", "b"] {
        let key = TriggerKey::try_new(format!("g-{name}"), name).unwrap();
        schedule(&store, at(0), job(name), vec![Trigger::new(key, name, every(60))]).await;
    }
    let query = JobQuery { paging: Paging { limit: Some(2), offset: 1 }, ..JobQuery::default() };
    let page = store.jobs(&query).await.unwrap();
    let names: Vec<_> = page.rows.iter().map(|row| row.detail.key.name().to_owned()).collect();
    assert_eq!((names, page.total), (vec!["b".to_owned(), "c".to_owned()], 3));
    let of_job = TriggerQuery { job: Some(JobKey::new("b")), ..TriggerQuery::default() };
    assert_eq!(store.triggers(&of_job).await.unwrap().rows[0].definition.key.name(), "b");
    let of_group = TriggerQuery { group: Some("g-c".to_owned()), ..TriggerQuery::default() };
    assert_eq!(store.triggers(&of_group).await.unwrap().total, 1);
    let paused = TriggerQuery { state: Some(TriggerState::Paused), ..TriggerQuery::default() };
    assert_eq!(store.triggers(&paused).await.unwrap().total, 0);
}

pub async fn a_changed_kind_moves_the_triggers_along(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let mut other = job("job");
    other.kind = "other".into();
    change(&store, Change::PutJob(other)).await.unwrap();
    let node = Hand::register(&store, "n", at(0)).await;
    assert!(node.claim(at(1), 5).await.fires.is_empty());
    assert_eq!(node.claim_kinds(at(1), 5, &[("other", 5)]).await.fires.len(), 1);
}

pub async fn a_changed_concurrency_moves_the_triggers_along(store: Store) {
    let triggers = vec![Trigger::new("a", "job", every(60)), Trigger::new("b", "job", every(60))];
    schedule(&store, at(0), job("job"), triggers).await;
    change(&store, Change::PutJob(job("job").non_concurrent())).await.unwrap();
    let node = Hand::register(&store, "n", at(0)).await;
    assert_eq!(node.claim(at(1), 5).await.fires.len(), 1, "one at a time now");
    change(&store, Change::PutJob(job("job"))).await.unwrap();
    assert_eq!(node.claim(at(1), 5).await.fires.len(), 1, "the other one, beside it");
}

pub async fn a_trigger_that_has_completed_is_not_scheduled_again(store: Store) {
    let once = || vec![Trigger::once("t", "job", at(10))];
    schedule(&store, at(0), job("job"), once()).await;
    let node = crate::factory::Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(10), 1).await.fires.remove(0);
    node.succeed(&fire, at(11)).await;
    // The application starts again and says the same.
    schedule(&store, at(20), job("job"), once()).await;
    assert_eq!(store.trigger(&TriggerKey::new("t")).await.unwrap(), None);
    assert!(node.claim(at(20), 1).await.fires.is_empty());
    // Asked for by itself, a single instant in the past means as soon as possible.
    store.apply(at(20), &[Change::PutTrigger(Trigger::once("t", "job", at(10)))]).await.unwrap();
    assert_eq!(node.claim(at(20), 1).await.fires.len(), 1);
}

pub async fn a_claimed_single_instant_can_be_replaced_by_others(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::once("t", "job", at(10))]).await;
    let node = crate::factory::Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(10), 1).await.fires.remove(0);
    let again = Trigger::once("t", "job", at(30));
    store.apply(at(20), &[Change::PutTrigger(again)]).await.unwrap();
    node.succeed(&fire, at(25)).await;
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.next_fire_at), (TriggerState::Waiting, Some(at(30))));
    assert_eq!(node.claim(at(30), 1).await.fires.len(), 1);
}
