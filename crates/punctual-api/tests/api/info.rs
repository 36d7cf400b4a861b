//! `/api/task/info`.

use punctual_core::schedule::CronSchedule;
use punctual_core::{JobDetail, JobKey, MisfirePolicy, Schedule, Trigger};
use punctual_testkit::factory::{at, data, every_times};
use serde_json::json;

use crate::support::World;

fn berlin_noon() -> Schedule {
    Schedule::Cron(CronSchedule::parse("0 0 12 * * ?", "Europe/Berlin").unwrap())
}

#[tokio::test]
async fn the_answer_has_exactly_the_scheduler_and_its_jobs() {
    let world = World::new().await;
    let info = world.json("/api/task/info").await;
    let mut members: Vec<&String> = info.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["jobs", "scheduler"]);
    assert_eq!(info["jobs"], json!([]));
    let lines = info["scheduler"].as_array().unwrap();
    assert!(lines.iter().any(|line| line.as_str().unwrap().contains("north")), "{lines:?}");
}

#[tokio::test]
async fn a_cron_trigger_shows_what_quartz_would_show() {
    let world = World::new().await;
    let job = JobDetail::new("report", "test")
        .description("Sends the report")
        .durable()
        .requests_recovery()
        .non_concurrent();
    let trigger = Trigger::new("noon", "report", berlin_noon())
        .description("At noon")
        .priority(6)
        .misfire(MisfirePolicy::DoNothing)
        .data(data(json!({"to": "ada"})));
    world.schedule(job.data(data(json!({"from": "job"}))), trigger).await;
    let info = world.json("/api/task/info").await;
    let job = &info["jobs"][0];
    assert_eq!(
        *job,
        json!({
            "key": "report",
            "class": "test",
            "description": "Sends the report",
            "concurrent-execution-disallowed?": true,
            "durable?": true,
            "requests-recovery?": true,
            "triggers": [{
                "key": "noon",
                "description": "At noon",
                "state": "NORMAL",
                "priority": 6,
                "start-time": "2026-01-01T00:00:00.000Z",
                "end-time": null,
                "next-fire-time": "2026-01-01T11:00:00.000Z",
                "previous-fire-time": null,
                "final-fire-time": null,
                "may-fire-again?": true,
                "data": {"to": "ada"},
                "schedule": "0 0 12 * * ?",
                "timezone": "Europe/Berlin",
                "misfire-instruction": "DO_NOTHING",
            }],
        })
    );
}

#[tokio::test]
async fn a_trigger_without_cron_lacks_the_members_of_cron() {
    let world = World::new().await;
    let trigger = Trigger::new("thrice", "job", every_times(60, 2)).end(at(600));
    world.schedule(JobDetail::new("job", "test"), trigger).await;
    world.tick(60).await;
    let info = world.json("/api/task/info").await;
    let trigger = &info["jobs"][0]["triggers"][0];
    for absent in ["schedule", "timezone", "misfire-instruction"] {
        assert!(trigger.get(absent).is_none(), "{absent}");
    }
    assert_eq!(trigger["final-fire-time"], "2026-01-01T00:02:00.000Z");
    assert_eq!(trigger["end-time"], "2026-01-01T00:10:00.000Z");
    assert_eq!(trigger["previous-fire-time"], "2026-01-01T00:01:00.000Z");
}

#[tokio::test]
async fn jobs_and_triggers_are_ordered_by_name() {
    let world = World::new().await;
    for (group, name) in [("a", "zebra"), ("z", "ant"), ("m", "bee")] {
        let key = JobKey::try_new(group, name).unwrap();
        let triggers = vec![
            Trigger::new(format!("{name}-2").as_str(), key.clone(), berlin_noon()),
            Trigger::new(format!("{name}-1").as_str(), key.clone(), berlin_noon()),
        ];
        world.manual.scheduler().schedule(JobDetail::new(key, "test"), triggers).await.unwrap();
    }
    let info = world.json("/api/task/info").await;
    let keys: Vec<_> = info["jobs"].as_array().unwrap().iter().map(|job| job["key"].clone()).collect();
    assert_eq!(keys, ["ant", "bee", "zebra"]);
    let triggers = info["jobs"][0]["triggers"].as_array().unwrap();
    assert_eq!((&triggers[0]["key"], &triggers[1]["key"]), (&json!("ant-1"), &json!("ant-2")));
}

#[tokio::test]
async fn a_paused_trigger_says_so() {
    let world = World::new().await;
    world.add("job").await;
    world.manual.scheduler().pause_job(&JobKey::new("job")).await.unwrap();
    let info = world.json("/api/task/info").await;
    assert_eq!(info["jobs"][0]["triggers"][0]["state"], "PAUSED");
}
