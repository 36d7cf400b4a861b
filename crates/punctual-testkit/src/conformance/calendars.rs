//! Stored calendars, and triggers that use them.

use std::sync::Arc;

use punctual_core::schedule::{CronExpression, Weekday, zone};
use punctual_core::{
    Calendar, Change, ChangeError, JobStore, SkipReason, SkippedQuery, StoreError, Trigger, TriggerKey,
};

use crate::account;
use crate::factory::{Hand, at, cron, job, schedule};

type Store = Arc<dyn JobStore>;

fn excluding(expression: &str) -> Calendar {
    Calendar::cron(CronExpression::parse(expression).unwrap(), zone("UTC").unwrap())
}

async fn put(store: &Store, seconds: i64, name: &str, calendar: Calendar) -> Result<(), StoreError> {
    let change = Change::PutCalendar { name: name.to_owned(), calendar };
    store.apply(at(seconds), &[change]).await.map(drop)
}

fn minutely() -> Trigger {
    Trigger::new("t", "job", cron("0 * * * * ?")).calendar("quiet")
}

pub async fn a_calendar_is_stored_replaced_and_listed(store: Store) {
    let zone = zone("Europe/Berlin").unwrap();
    let base = Calendar::weekly([Weekday::Sunday], zone.clone());
    let chained = Calendar::annual([(12, 25)], zone).unwrap().with_base(base).unwrap();
    put(&store, 0, "holidays", chained.clone()).await.unwrap();
    put(&store, 0, "a", excluding("0 0 0 * * ?")).await.unwrap();
    put(&store, 5, "a", excluding("0 0 1 * * ?")).await.unwrap();
    let stored = store.calendar("holidays").await.unwrap().unwrap();
    assert_eq!((stored.calendar, stored.version), (chained, 1));
    let names: Vec<_> =
        store.calendars().await.unwrap().into_iter().map(|stored| (stored.name, stored.version)).collect();
    assert_eq!(names, [("a".to_owned(), 2), ("holidays".to_owned(), 1)]);
    assert_eq!(store.calendar("nobody").await.unwrap(), None);
    let error = put(&store, 0, "", excluding("0 0 0 * * ?")).await.unwrap_err();
    assert!(matches!(error, StoreError::Change(ChangeError::InvalidCalendarName(_))), "{error}");
}

pub async fn excluded_instants_do_not_fire_and_are_no_part_of_the_account(store: Store) {
    put(&store, 0, "quiet", excluding("* 1-8 * * * ?")).await.unwrap();
    schedule(&store, at(0), job("job"), vec![minutely()]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let first = node.claim_later(at(0), 10).await;
    assert_eq!(first.fires.len(), 1);
    assert_eq!(first.next_due, Some(at(540)), "minutes 1 to 8 are excluded");
    // A late claim gives up what the calendar leaves, and nothing else: minutes 9 to 59, 0 and 9 to 19.
    let node = Hand::register(&store, "m", at(4_800)).await;
    let late = node.claim(at(4_800), 10).await;
    assert_eq!(late.fires.len(), 1);
    assert_eq!(late.fires[0].scheduled_at, at(4_800));
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.first, range.skip.last, range.skip.count), (at(540), at(4_740), 51 + 1 + 11));
    account::assert_all(&store).await;
}

pub async fn a_changed_calendar_moves_the_triggers_that_use_it(store: Store) {
    put(&store, 0, "quiet", excluding("* 1-8 * * * ?")).await.unwrap();
    schedule(&store, at(1), job("job"), vec![minutely()]).await;
    let next = |store: Store| async move {
        store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap().next_fire_at
    };
    assert_eq!(next(store.clone()).await, Some(at(540)));
    put(&store, 2, "quiet", excluding("* 30-59 * * * ?")).await.unwrap();
    assert_eq!(next(store.clone()).await, Some(at(60)));
    account::assert_all(&store).await;
    // What was due by then is accounted for.
    put(&store, 130, "quiet", excluding("* 3-4 * * * ?")).await.unwrap();
    assert_eq!(next(store.clone()).await, Some(at(300)));
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0);
    assert_eq!((range.skip.first, range.skip.last, range.skip.count), (at(60), at(120), 2));
    assert_eq!(range.skip.reason, SkipReason::Replaced);
    account::assert_all(&store).await;
}

pub async fn a_calendar_in_use_cannot_be_deleted(store: Store) {
    put(&store, 0, "quiet", excluding("* 1-8 * * * ?")).await.unwrap();
    schedule(&store, at(0), job("job"), vec![minutely()]).await;
    let delete = [Change::DeleteCalendar("quiet".to_owned())];
    let error = store.apply(at(1), &delete).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "calendar \"quiet\" is used by 1 trigger(s), DEFAULT.t for one: change or delete them first"
    );
    store.apply(at(1), &[Change::DeleteTrigger(TriggerKey::new("t"))]).await.unwrap();
    assert!(store.apply(at(1), &delete).await.unwrap()[0].found());
    assert!(!store.apply(at(1), &delete).await.unwrap()[0].found());
    assert_eq!(store.calendars().await.unwrap(), []);
}

pub async fn a_calendar_that_excludes_everything_is_refused(store: Store) {
    put(&store, 0, "never", excluding("* * * * * ?")).await.unwrap();
    let trigger = Trigger::new("t", "job", cron("0 * * * * ?")).calendar("never");
    let change = Change::Schedule { job: job("job"), triggers: vec![trigger] };
    let error = store.apply(at(0), &[change]).await.unwrap_err();
    assert!(matches!(error, StoreError::Change(ChangeError::NeverFires(_))), "{error}");

    put(&store, 0, "quiet", excluding("* 1-8 * * * ?")).await.unwrap();
    schedule(&store, at(0), job("job"), vec![minutely()]).await;
    let error = put(&store, 1, "quiet", excluding("* * * * * ?")).await.unwrap_err().to_string();
    assert_eq!(error, "calendar \"quiet\" would leave trigger DEFAULT.t without any fire time");
    let stored = store.calendar("quiet").await.unwrap().unwrap();
    assert_eq!(stored.version, 1, "nothing was changed");
}

pub async fn a_trigger_needs_its_calendar(store: Store) {
    let change = Change::Schedule { job: job("job"), triggers: vec![minutely()] };
    let error = store.apply(at(0), &[change]).await.unwrap_err().to_string();
    assert_eq!(error, "trigger DEFAULT.t: no calendar \"quiet\" is stored");
}
