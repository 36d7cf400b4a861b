//! `/api/v1/occurrences`.

use punctual_core::{JobDetail, JobKey, MisfirePolicy, Trigger, TriggerKey};
use punctual_testkit::factory::{cron, every};
use serde_json::{Value, json};

use crate::support::World;

fn window(minutes: u32) -> String {
    format!("from=2026-01-01T00:00:00Z&to=2026-01-01T{:02}:{:02}:00Z", minutes / 60, minutes % 60)
}

fn told(of: &Value) -> Vec<(String, String)> {
    let minute = |one: &Value| one["at"].as_str().unwrap()[11..16].to_owned();
    of["occurrences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (minute(one), one["what"].as_str().unwrap().to_owned()))
        .collect()
}

#[tokio::test]
async fn the_past_and_the_future_of_a_trigger_are_one_list() {
    let world = World::new().await;
    let trigger = Trigger::new("t", "job", cron("0 */10 * * * ?")).misfire(MisfirePolicy::DoNothing);
    world.schedule(JobDetail::new("job", "test"), trigger).await;
    world.tick(0).await;
    // Two instants pass that nobody runs, since the trigger is paused.
    world.manual.scheduler().pause_trigger(&TriggerKey::new("t")).await.unwrap();
    world.tick(25 * 60).await;
    world.manual.scheduler().resume_trigger(&TriggerKey::new("t")).await.unwrap();
    world.manual.clock().advance(std::time::Duration::from_secs(5 * 60));
    let list = world.json(&format!("/api/v1/occurrences?{}&trigger=t", window(50))).await;
    let of = &list["triggers"][0];
    let expected =
        [("00:00", "ran"), ("00:10", "skipped"), ("00:30", "due"), ("00:40", "coming"), ("00:50", "coming")];
    assert_eq!(told(of), expected.map(|(at, what)| (at.to_owned(), what.to_owned())));
    assert_eq!(
        (&of["trigger"], &of["job"], &of["state"]),
        (&json!("DEFAULT.t"), &json!("DEFAULT.job"), &json!("waiting"))
    );
    let (ran, skipped) = (&of["occurrences"][0], &of["occurrences"][1]);
    assert_eq!(
        (&ran["status"], &ran["cause"], &ran["attempt"]),
        (&json!("success"), &json!("schedule"), &json!(1))
    );
    assert_eq!((&skipped["count"], &skipped["reason"]), (&json!(2), &json!("paused")));
    assert_eq!(skipped["last"], "2026-01-01T00:20:00.000Z");
    assert_eq!(list["now"], "2026-01-01T00:30:00.000Z");
    // What is gone is told from its rows.
    world.manual.scheduler().delete_job(&JobKey::new("job")).await.unwrap();
    let gone = world.json(&format!("/api/v1/occurrences?{}&job=job", window(50))).await;
    assert_eq!(gone["triggers"][0]["state"], Value::Null);
    assert_eq!(told(&gone["triggers"][0])[0], ("00:00".to_owned(), "ran".to_owned()));
}

#[tokio::test]
async fn too_much_is_cut_and_says_so() {
    let world = World::new().await;
    world.schedule(JobDetail::new("often", "test"), Trigger::new("often", "often", every(1))).await;
    world.add("seldom").await;
    let list = world.json(&format!("/api/v1/occurrences?{}", window(60))).await;
    let (often, seldom) = (&list["triggers"][0], &list["triggers"][1]);
    assert_eq!((often["occurrences"].as_array().unwrap().len(), &often["truncated"]), (400, &json!(true)));
    assert_eq!((seldom["occurrences"].as_array().unwrap().len(), &seldom["truncated"]), (61, &json!(false)));
    assert_eq!(list["truncated"], false);
    for number in 0..62 {
        let name = format!("more-{number}");
        world
            .schedule(
                JobDetail::new(name.as_str(), "test"),
                Trigger::new(name.as_str(), name.as_str(), every(1)),
            )
            .await;
    }
    let list = world.json(&format!("/api/v1/occurrences?{}", window(60))).await;
    assert_eq!(list["truncated"], true);
}

#[tokio::test]
async fn a_window_has_limits() {
    let world = World::new().await;
    world.add("a").await;
    let errors = world.errors("/api/v1/occurrences").await;
    assert_eq!(errors, json!({"from": "is required", "to": "is required"}));
    let long = "from=2026-01-01T00:00:00Z&to=2026-01-15T00:00:01Z";
    assert!(
        world.errors(&format!("/api/v1/occurrences?{long}")).await["to"]
            .as_str()
            .unwrap()
            .contains("14 days")
    );
    world.json(&format!("/api/v1/occurrences?{long}&job=a")).await;
    let back = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z&trigger=a";
    assert_eq!(world.errors(&format!("/api/v1/occurrences?{back}")).await, json!({"to": "is before `from`"}));
}
