//! Triggers that come from another scheduler.

use std::sync::Arc;

use punctual_core::{Arrival, Change, ChangeError, Data, JobStore, StoreError, Trigger, TriggerState};

use crate::account;
use crate::factory::{Hand, at, cron, every, every_times, job};

type Store = Arc<dyn JobStore>;

fn arrival(trigger: Trigger, next: i64) -> Arrival {
    Arrival { trigger, next_fire_at: at(next), previous_fire_at: None, repeats_left: None, paused: false }
}

pub async fn an_imported_trigger_goes_on_where_it_stood(store: Store) {
    let trigger = Trigger::new("t", "job", every(60)).start(at(-600)).data(Data::empty());
    let arrived = Arrival { previous_fire_at: Some(at(-60)), ..arrival(trigger.clone(), 60) };
    let midnight = arrival(Trigger::new("c", "job", cron("0 0 0 * * ?")), 30);
    let change = Change::Import { job: job("job"), triggers: vec![arrived, midnight] };
    let applied = store.apply(at(0), &[change]).await.unwrap().remove(0);
    assert_eq!((applied.created, applied.next_due), (3, Some(at(60))));
    let stored = store.trigger(&trigger.key).await.unwrap().unwrap();
    assert_eq!(stored.definition, trigger);
    assert_eq!((stored.anchor, stored.accounted_from), (at(-600), at(60)));
    assert_eq!((stored.next_fire_at, stored.previous_fire_at), (Some(at(60)), Some(at(-60))));
    // An instant that is none of the schedule moves on to the next one.
    let moved = store.trigger(&"c".into()).await.unwrap().unwrap();
    assert_eq!(moved.next_fire_at, Some(at(86_400)));
    let hand = Hand::register(&store, "node", at(58)).await;
    assert!(hand.claim(at(59), 9).await.fires.is_empty());
    let fires = hand.claim(at(60), 9).await.fires;
    assert_eq!(fires.iter().map(|fire| fire.scheduled_at).collect::<Vec<_>>(), [at(60)]);
    account::assert_all(&store).await;
}

pub async fn an_imported_count_goes_on(store: Store) {
    let trigger = Trigger::new("t", "job", every_times(5, 9)).start(at(-35));
    let arrived = Arrival { repeats_left: Some(1), ..arrival(trigger, 5) };
    let change = Change::Import { job: job("job").durable(), triggers: vec![arrived] };
    store.apply(at(0), &[change]).await.unwrap();
    let hand = Hand::register(&store, "node", at(1)).await;
    for due in [5, 10] {
        let fires = hand.claim(at(due), 9).await.fires;
        assert_eq!(fires.iter().map(|fire| fire.scheduled_at).collect::<Vec<_>>(), [at(due)]);
        account::assert_all(&store).await;
        hand.succeed(&fires[0], at(due)).await;
    }
    assert!(hand.claim(at(15), 9).await.fires.is_empty());
    assert_eq!(store.trigger(&"t".into()).await.unwrap(), None);
}

pub async fn imported_triggers_may_be_paused_or_late(store: Store) {
    let own = Arrival { paused: true, ..arrival(Trigger::new("own", "job", every(60)).start(at(0)), 60) };
    let late = arrival(Trigger::new("late", "job", every(60)).start(at(0)), 120);
    store.apply(at(0), &[Change::PauseGroup("g".to_owned())]).await.unwrap();
    let grouped = punctual_core::TriggerKey::stored("g", "t");
    let grouped = arrival(Trigger::new(grouped, "job", every(60)).start(at(0)), 60);
    let change = Change::Import { job: job("job"), triggers: vec![own, grouped.clone(), late] };
    store.apply(at(150), &[change]).await.unwrap();
    for key in ["own".into(), grouped.trigger.key] {
        let stored = store.trigger(&key).await.unwrap().unwrap();
        assert_eq!((stored.state, stored.next_fire_at), (TriggerState::Paused, Some(at(60))));
    }
    let hand = Hand::register(&store, "node", at(150)).await;
    let fires = hand.claim(at(150), 9).await.fires;
    assert_eq!(fires.iter().map(|fire| fire.scheduled_at).collect::<Vec<_>>(), [at(120)]);
    account::assert_all(&store).await;
}

pub async fn an_import_takes_no_key_that_is_taken(store: Store) {
    let change = |name: &str, key: &str| Change::Import {
        job: job(name).durable(),
        triggers: vec![arrival(Trigger::new(key, name, every(60)), 60)],
    };
    store.apply(at(0), &[change("job", "t")]).await.unwrap();
    let refused = |result| match result {
        Err(StoreError::Change(error)) => error,
        other => panic!("expected a refusal, got {other:?}"),
    };
    let error = refused(store.apply(at(0), &[change("job", "other")]).await);
    assert!(matches!(error, ChangeError::InvalidJob(..)), "{error}");
    let error = refused(store.apply(at(0), &[change("other", "t")]).await);
    assert!(matches!(error, ChangeError::TriggerExists(..)), "{error}");
    assert!(store.job(&"other".into()).await.unwrap().is_none(), "all or none");
    let mut count = arrival(Trigger::new("count", "third", cron("0 0 0 * * ?")), 60);
    count.repeats_left = Some(3);
    let error = store.apply(at(0), &[Change::Import { job: job("third"), triggers: vec![count] }]).await;
    assert!(matches!(refused(error), ChangeError::InvalidTrigger(..)));
}
