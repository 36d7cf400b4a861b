//! What an API for people asks of a store: lists that go on, and edits that overwrite nothing unseen.

use std::sync::Arc;

use punctual_core::schedule::{Weekday, zone};
use punctual_core::{
    AuditEntry, AuditQuery, Calendar, Cause, Change, ChangeError, Declared, Expected, Fingerprint, JobKey,
    JobQuery, JobStore, MisfirePolicy, Paging, SkippedQuery, StoreError, Timestamp, Trigger, TriggerKey,
    TriggerQuery,
};
use serde_json::json;

use crate::account;
use crate::factory::{Hand, at, cron, data, every, job, schedule};

type Store = Arc<dyn JobStore>;

async fn keys(store: &Store, query: JobQuery) -> Vec<String> {
    let rows = store.jobs(&query).await.unwrap().rows;
    rows.iter().map(|row| row.detail.key.to_string()).collect()
}

async fn trigger_keys(store: &Store, query: TriggerQuery) -> Vec<String> {
    let rows = store.triggers(&query).await.unwrap().rows;
    rows.iter().map(|row| row.definition.key.to_string()).collect()
}

fn in_group(group: &str, name: &str) -> JobKey {
    JobKey::try_new(group, name).unwrap()
}

/// Jobs of two groups, one of another kind, with a trigger of the same key each.
async fn fill(store: &Store) {
    for (group, name) in [("a", "Z"), ("b", "Alpha"), ("b", "beta"), ("b", "über")] {
        let mut detail = job("x");
        detail.key = in_group(group, name);
        if name == "beta" {
            detail.kind = "other".into();
        }
        let trigger = Trigger::new(TriggerKey::try_new(group, name).unwrap(), detail.key.clone(), every(60));
        schedule(store, at(0), detail, vec![trigger]).await;
    }
}

pub async fn lists_go_on_after_a_key(store: Store) {
    fill(&store).await;
    let all = keys(&store, JobQuery::default()).await;
    assert_eq!(all, ["a.Z", "b.Alpha", "b.beta", "b.über"], "byte by byte");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let query = JobQuery { after: after.clone(), paging: Paging::first(1), ..JobQuery::default() };
        let Some(row) = store.jobs(&query).await.unwrap().rows.pop() else { break };
        seen.push(row.detail.key.to_string());
        after = Some(row.detail.key.clone());
    }
    assert_eq!(seen, all);
    let after = TriggerKey::try_new("b", "Alpha").ok();
    let rest = TriggerQuery { after, paging: Paging::first(9), ..TriggerQuery::default() };
    assert_eq!(trigger_keys(&store, rest).await, ["b.beta", "b.über"]);
    // The key need not be there any more.
    let gone = JobQuery { after: Some(in_group("a", "ZZ")), ..JobQuery::default() };
    assert_eq!(keys(&store, gone).await.len(), 3);
}

pub async fn lists_are_searched_and_filtered_by_kind(store: Store) {
    fill(&store).await;
    for (text, found) in
        [("ALPHA", vec!["b.Alpha"]), ("B.a", vec!["b.Alpha"]), ("%", vec![]), ("_", vec![]), ("ÜBER", vec![])]
    {
        let search = Some(text.to_owned());
        let jobs = JobQuery { search: search.clone(), ..JobQuery::default() };
        assert_eq!(keys(&store, jobs).await, found, "{text}");
        let triggers = TriggerQuery { search, ..TriggerQuery::default() };
        assert_eq!(trigger_keys(&store, triggers).await, found, "{text}");
    }
    let other = JobQuery { kind: Some("other".into()), ..JobQuery::default() };
    assert_eq!(keys(&store, other).await, ["b.beta"]);
    let other = TriggerQuery { kind: Some("other".into()), ..TriggerQuery::default() };
    assert_eq!(trigger_keys(&store, other).await, ["b.beta"]);
    let unknown = JobQuery { kind: Some("unheard".into()), ..JobQuery::default() };
    assert!(keys(&store, unknown).await.is_empty());
}

pub async fn paused_groups_are_listed(store: Store) {
    let groups = ["b", "a", "c"].map(|group| Change::PauseGroup(group.to_owned()));
    store.apply(at(0), &groups).await.unwrap();
    store.apply(at(0), &[Change::ResumeGroup("c".to_owned())]).await.unwrap();
    assert_eq!(store.paused_groups().await.unwrap(), ["a", "b"]);
}

async fn version_of(store: &Store, name: &str) -> Fingerprint {
    let job = store.job(&JobKey::new(name)).await.unwrap().unwrap();
    let query = TriggerQuery { job: Some(JobKey::new(name)), ..TriggerQuery::default() };
    let triggers = store.triggers(&query).await.unwrap().rows;
    let schedules = triggers.iter().filter(|trigger| trigger.pending.is_none());
    Fingerprint::of_job(&job.detail, schedules.map(|trigger| &trigger.definition))
}

pub async fn an_expectation_that_holds_lets_the_change_through(store: Store) {
    let none = Change::Expect(Expected::Job(JobKey::new("job"), None));
    let trigger = Trigger::new("t", "job", every(60));
    let put = Change::Schedule { job: job("job"), triggers: vec![trigger.clone()] };
    let applied = store.apply(at(0), &[none, put]).await.unwrap();
    assert_eq!((applied[0].found(), applied[1].created), (false, 2));
    // What the store reads back has the fingerprint of what was stored, and pending runs do not count.
    let version = version_of(&store, "job").await;
    assert_eq!(version, Fingerprint::of_job(&job("job"), [&trigger]));
    let run = Change::TriggerNow { job: JobKey::new("job"), data: data(json!({})) };
    let seen = Change::Expect(Expected::Job(JobKey::new("job"), Some(version)));
    store.apply(at(0), &[run, seen, Change::PutJob(job("job").description("new"))]).await.unwrap();
    let seen = Expected::Trigger(trigger.key.clone(), Some(Fingerprint::of_trigger(&trigger)));
    store.apply(at(0), &[Change::Expect(seen), Change::DeleteTrigger(trigger.key)]).await.unwrap();
    let calendar = punctual_core::Calendar::monthly([1], jiff::tz::TimeZone::UTC).unwrap();
    let name = || "first".to_owned();
    let changes = [
        Change::Expect(Expected::Calendar(name(), None)),
        Change::PutCalendar { name: name(), calendar: calendar.clone() },
        Change::Expect(Expected::Calendar(name(), Some(Fingerprint::of_calendar(&calendar)))),
        Change::DeleteCalendar(name()),
    ];
    store.apply(at(0), &changes).await.unwrap();
}

pub async fn a_stale_expectation_refuses_the_whole_batch(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let seen = version_of(&store, "job").await;
    // Somebody else changes a trigger of it.
    store.apply(at(0), &[Change::PutTrigger(Trigger::new("t", "job", every(61)))]).await.unwrap();
    let current = version_of(&store, "job").await;
    let expected = Expected::Job(JobKey::new("job"), Some(seen));
    let changes = [Change::PauseGroup("g".to_owned()), Change::Expect(expected.clone())];
    match store.apply(at(1), &changes).await {
        Err(StoreError::Change(ChangeError::Stale { expected: told, current: is })) => {
            assert_eq!((told, is), (expected, Some(current)));
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert!(store.paused_groups().await.unwrap().is_empty());
    for stale in [
        Expected::Job(JobKey::new("job"), None),
        Expected::Job(JobKey::new("gone"), Some(seen)),
        Expected::Trigger(TriggerKey::new("t"), Some(seen)),
        Expected::Calendar("c".to_owned(), Some(seen)),
    ] {
        let refused = store.apply(at(1), &[Change::Expect(stale.clone())]).await;
        assert!(matches!(refused, Err(StoreError::Change(ChangeError::Stale { .. }))), "{stale}");
    }
}

pub async fn of_two_edits_of_one_version_one_wins(store: Store) {
    schedule(&store, at(0), job("job").durable(), vec![]).await;
    for round in 0..10 {
        let version = version_of(&store, "job").await;
        let edit = |text: String| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let expected = Expected::Job(JobKey::new("job"), Some(version));
                let put = Change::PutJob(job("job").durable().description(text));
                store.apply(at(1), &[Change::Expect(expected), put]).await
            })
        };
        let (one, two) = (edit(format!("{round} one")), edit(format!("{round} two")));
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1, "{one:?} {two:?}");
    }
}

pub async fn a_run_for_a_past_instant_carries_it_and_the_triggers_data(store: Store) {
    let trigger = Trigger::new("t", "job", every(3_600)).data(data(json!({"a": 1, "b": 1})));
    schedule(&store, at(0), job("job"), vec![trigger]).await;
    let long_ago: Timestamp = at(-86_400);
    let run = |trigger: Option<&str>| Change::RunFor {
        job: JobKey::new("job"),
        trigger: trigger.map(TriggerKey::new),
        scheduled_at: long_ago,
        data: data(json!({"b": 2})),
    };
    let applied = store.apply(at(10), &[run(Some("t")), run(Some("gone")), run(None)]).await.unwrap();
    assert!(applied.iter().all(|one| one.created == 1 && one.next_due == Some(at(10))));
    let node = Hand::register(&store, "n", at(10)).await;
    let fires = node.claim(at(10), 10).await.fires;
    let mut fires: Vec<_> = fires.into_iter().filter(|fire| fire.cause == Cause::Manual).collect();
    assert_eq!(fires.len(), 3);
    fires.sort_by_key(|fire| fire.trigger.name() != "t");
    assert_eq!((fires[0].trigger.name(), fires[0].scheduled_at), ("t", long_ago));
    assert_eq!(fires[0].data().unwrap(), data(json!({"a": 1, "b": 2})));
    assert_eq!(fires[1].data().unwrap(), data(json!({"b": 2})));
    node.succeed(&fires[0], at(11)).await;
    let row = store.history_entry(fires[0].id).await.unwrap().unwrap();
    assert_eq!((row.scheduled_at, row.cause), (Some(long_ago), Cause::Manual));
    let stored = store.trigger(&TriggerKey::new("t")).await.unwrap().unwrap();
    account::check(&store, &stored).await.unwrap();
}

pub async fn skipped_ranges_of_a_window_are_listed(store: Store) {
    let trigger = Trigger::new("t", "job", cron("0 * * * * ?")).misfire(MisfirePolicy::DoNothing);
    schedule(&store, at(0), job("job"), vec![trigger]).await;
    let node = Hand::register(&store, "n", at(600)).await;
    node.claim(at(600), 5).await;
    let range = store.skipped(&SkippedQuery::default()).await.unwrap().rows.remove(0).skip;
    let total = async |from: Option<Timestamp>, to: Option<Timestamp>| {
        store.skipped(&SkippedQuery { from, to, ..SkippedQuery::default() }).await.unwrap().total
    };
    assert_eq!(total(Some(range.last), None).await, 1);
    assert_eq!(total(Some(at(601)), None).await, 0);
    assert_eq!(total(None, Some(range.first)).await, 1);
    assert_eq!(total(None, Some(at(-1))).await, 0);
    assert_eq!(total(Some(at(120)), Some(at(180))).await, 1, "within the range");
}

pub async fn what_is_declared_is_logged_where_it_changes_something(store: Store) {
    let log = async || {
        let query = AuditQuery { limit: 9, ..AuditQuery::default() };
        store.audit_log(&query).await.unwrap().into_iter().map(|row| row.entry).collect::<Vec<_>>()
    };
    let declare = async |second, what: Declared| {
        let change = what.by("node", Some("at the start".to_owned()));
        store.apply(at(second), &[change]).await.map(|applied| applied[0].clone())
    };
    let trigger = |name: &str, seconds| Trigger::new(name, JobKey::new("job"), every(seconds));
    let wanted = |triggers: Vec<Trigger>| Declared::Job { job: job("job"), triggers };
    let calendar = Calendar::weekly([Weekday::Sunday], zone("Europe/Berlin").unwrap());
    let calendar = || Declared::Calendar { name: "days".to_owned(), calendar: calendar.clone() };
    assert_eq!(declare(0, wanted(vec![trigger("a", 60)])).await.unwrap().created, 2);
    // Nothing is different, and a pending run of the job is no part of it.
    store
        .apply(at(1), &[Change::TriggerNow { job: JobKey::new("job"), data: data(json!({})) }])
        .await
        .unwrap();
    assert!(declare(1, wanted(vec![trigger("a", 60)])).await.unwrap().was_so());
    declare(2, wanted(vec![trigger("b", 30)])).await.unwrap();
    declare(3, calendar()).await.unwrap();
    assert!(declare(3, calendar()).await.unwrap().was_so());
    // What is refused leaves nothing behind.
    assert!(declare(4, wanted(vec![trigger("c", 10).calendar("none")])).await.is_err());
    declare(5, Declared::NoJob(JobKey::new("job"))).await.unwrap();
    declare(6, Declared::NoCalendar("days".to_owned())).await.unwrap();
    assert!(!declare(7, Declared::NoJob(JobKey::new("job"))).await.unwrap().found());

    let mut entries = log().await;
    entries.reverse();
    let what = |entry: &AuditEntry| format!("{} {}", entry.action(), entry.subject());
    let told: Vec<String> = entries.iter().map(what).collect();
    let expected = [
        "job.put DEFAULT.job",
        "job.put DEFAULT.job",
        "calendar.put days",
        "job.delete DEFAULT.job",
        "calendar.delete days",
    ];
    assert_eq!(told, expected);
    let names = |side: Option<&serde_json::Value>| {
        side.map(|side| side["triggers"].as_array().unwrap().iter().map(|one| one["key"].clone()).collect())
    };
    let key = |name: &str| Some(vec![json!(TriggerKey::new(name))]);
    let sides: Vec<[Option<Vec<_>>; 2]> = [0, 1, 3]
        .map(|place: usize| [names(entries[place].before_value()), names(entries[place].after_value())])
        .into();
    assert_eq!(sides, [[None, key("a")], [key("a"), key("b")], [key("b"), None]]);
    assert!(entries.iter().all(|entry| entry.actor() == "node" && entry.note_text() == Some("at the start")));
}
