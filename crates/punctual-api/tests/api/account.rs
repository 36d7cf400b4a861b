//! `/api/v1/skipped` and `/api/v1/why`: the account of instants.

use punctual_core::schedule::{CronSchedule, FixedDelay, Repeat};
use punctual_core::{JobDetail, MisfirePolicy, Schedule, Trigger, TriggerKey};
use serde_json::json;

use crate::support::World;

fn every_minute(key: TriggerKey) -> Trigger {
    let schedule = Schedule::Cron(CronSchedule::parse("0 * * * * ?", "UTC").unwrap());
    Trigger::new(key, "job", schedule).misfire(MisfirePolicy::DoNothing)
}

/// A trigger that fired at 00:00, and whose next ten instants passed while nobody looked.
async fn world() -> World {
    let world = World::new().await;
    let key = TriggerKey::try_new("group.with.dots", "minutely").unwrap();
    world.schedule(JobDetail::new("job", "test"), every_minute(key)).await;
    world.tick(0).await;
    world.tick(600).await;
    world
}

const TRIGGER: &str = "trigger_group=group.with.dots&trigger=minutely";

#[tokio::test]
async fn skipped_instants_are_ranges_with_a_reason() {
    let list = world().await.json("/api/v1/skipped").await;
    assert_eq!((&list["total"], &list["limit"], &list["offset"]), (&json!(1), &json!(50), &json!(0)));
    let mut range = list["data"][0].clone();
    assert!(range["id"].take().is_i64());
    assert_eq!(
        range,
        json!({
            "id": null,
            "trigger": "group.with.dots.minutely",
            "job": "DEFAULT.job",
            "first": "2026-01-01T00:01:00.000Z",
            "last": "2026-01-01T00:10:00.000Z",
            "count": 10,
            "reason": "misfire",
            "recorded_at": "2026-01-01T00:10:00.000Z",
            "fire_id": null,
        })
    );
}

#[tokio::test]
async fn skipped_ranges_can_be_filtered() {
    let world = world().await;
    for (query, total) in [
        (TRIGGER, 1),
        ("trigger=minutely", 0),
        ("job=DEFAULT.job", 1),
        ("job=job", 1),
        ("job=other.job", 0),
        ("reason=misfire", 1),
        ("reason=paused", 0),
        ("at=2026-01-01T00:05:00Z", 1),
        ("at=2026-01-01T02:05:00%2B02:00", 1),
        ("at=2026-01-01T00:11:00Z", 0),
    ] {
        let list = world.json(&format!("/api/v1/skipped?{query}")).await;
        assert_eq!(list["total"], total, "{query}");
    }
}

#[tokio::test]
async fn wrong_filters_are_told() {
    let world = world().await;
    let errors = world.errors("/api/v1/skipped?reason=lazy&trigger=&at=noon&limit=1001&job_group=g").await;
    let names: Vec<_> = errors.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["at", "job_group", "limit", "reason", "trigger"]);
    assert!(errors["reason"].as_str().unwrap().contains("misfire, coalesced"), "{errors}");
    assert!(errors["trigger"].as_str().unwrap().contains("is empty"), "{errors}");
}

#[tokio::test]
async fn why_answers_with_a_word_a_sentence_and_the_evidence() {
    let world = world().await;
    let ran = world.json(&format!("/api/v1/why?{TRIGGER}&at=2026-01-01T00:00:00Z")).await;
    assert_eq!((&ran["fate"], &ran["at"]), (&json!("ran"), &json!("2026-01-01T00:00:00.000Z")));
    assert_eq!(ran["runs"][0]["status"], "success");
    assert!(ran["answer"].as_str().unwrap().contains("ran and succeeded on node north"), "{ran}");
    let skipped = world.json(&format!("/api/v1/why?{TRIGGER}&at=2026-01-01T00:05:00Z")).await;
    assert_eq!((&skipped["fate"], &skipped["skipped"]["reason"]), (&json!("skipped"), &json!("misfire")));
    let ahead = world.json(&format!("/api/v1/why?{TRIGGER}&at=2026-01-01T00:11:00Z")).await;
    assert_eq!(ahead["fate"], "ahead");
    let between = world.json(&format!("/api/v1/why?{TRIGGER}&at=2026-01-01T00:00:30Z")).await;
    assert_eq!(
        (&between["fate"], &between["after"]),
        (&json!("not_scheduled"), &json!("2026-01-01T00:01:00.000Z"))
    );
}

#[tokio::test]
async fn why_knows_the_runs_around_an_instant_of_a_fixed_delay() {
    let world = World::new().await;
    let delay = Schedule::FixedDelay(FixedDelay::from_millis(10_000, Repeat::Forever).unwrap());
    world.schedule(JobDetail::new("job", "test"), Trigger::new("again", "job", delay)).await;
    let instant = |why: &serde_json::Value, name: &str| why[name].as_str().map(str::to_owned);
    let mut next = Vec::new();
    for seconds in [0, 20, 20] {
        world.tick(seconds).await;
        let trigger = world.json("/api/v1/triggers/DEFAULT/again").await;
        next.push(trigger["next_fire_at"].as_str().unwrap().to_owned());
    }
    let trigger = world.json("/api/v1/triggers/DEFAULT/again").await;
    assert_eq!(
        (&trigger["fired"], &trigger["accounted_from"]),
        (&json!(3), &json!("2026-01-01T00:00:00.000Z"))
    );
    let why = world.json("/api/v1/why?trigger=again&at=2026-01-01T00:00:01Z").await;
    assert_eq!(why["fate"], "not_scheduled");
    assert_eq!(instant(&why, "before").as_deref(), Some("2026-01-01T00:00:00.000Z"));
    assert_eq!(instant(&why, "after").as_ref(), Some(&next[0]));
    let why = world.json("/api/v1/why?trigger=again&at=2026-01-01T00:00:45Z").await;
    assert_eq!(
        (instant(&why, "before").as_ref(), instant(&why, "after").as_ref()),
        (Some(&next[1]), Some(&next[2]))
    );
    let said = why["answer"].as_str().unwrap();
    assert!(said.contains("a delay from the end of each run: the one before is"), "{said}");
    let why = world.json("/api/v1/why?trigger=again&at=2025-01-01T00:00:00Z").await;
    assert!(why["answer"].as_str().unwrap().contains("none before it is recorded"), "{why}");
    let why = world.json("/api/v1/why?trigger=again&at=2027-01-01T00:00:00Z").await;
    assert_eq!((instant(&why, "before").as_ref(), instant(&why, "after")), (Some(&next[2]), None));
    assert!(why["answer"].as_str().unwrap().contains("is set when its run has ended"), "{why}");
}

#[tokio::test]
async fn why_says_of_an_unknown_trigger_that_it_is_unknown() {
    let why = world().await.json("/api/v1/why?trigger=nobody&at=2026-01-01T00:00:00Z").await;
    assert_eq!(why["fate"], "no_trigger");
    assert!(why["answer"].as_str().unwrap().contains("is unknown"), "{why}");
}

#[tokio::test]
async fn why_needs_a_trigger_and_an_instant() {
    let world = world().await;
    assert_eq!(world.errors("/api/v1/why").await, json!({"trigger": "is required", "at": "is required"}));
    let errors = world.errors("/api/v1/why?trigger=t&at=2026-01-01T00:00:00+01:00").await;
    assert!(errors["at"].as_str().unwrap().contains("write + as %2B"), "{errors}");
}
