//! `/api/v1/jobs`, `/api/v1/triggers`, `/api/v1/calendars`, `/api/v1/paused-groups`.

use axum::http::{StatusCode, header};
use punctual_core::{Calendar, Change, JobDetail, JobKey, Trigger, TriggerKey};
use punctual_testkit::factory::{cron, every};
use serde_json::{Value, json};

use crate::support::World;

fn keys(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn jobs_come_in_pages() {
    let world = World::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        world.add(name).await;
    }
    for path in ["/api/v1/jobs", "/api/v1/triggers"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.json(&format!("{path}?limit=2{cursor}")).await;
            seen.extend(keys(&page).iter().map(|key| (*key).to_owned()));
            assert!(keys(&page).len() <= 2);
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, ["DEFAULT.a", "DEFAULT.b", "DEFAULT.c", "DEFAULT.d", "DEFAULT.e"], "{path}");
        assert_eq!(world.json(&format!("{path}?limit=5")).await["next"], Value::Null, "a full page ends too");
    }
}

#[tokio::test]
async fn lists_are_filtered() {
    let world = World::new().await;
    world.add("alpha").await;
    let mut other = JobDetail::new("beta", "other");
    other.key = JobKey::try_new("group", "beta").unwrap();
    let trigger = Trigger::new(TriggerKey::try_new("group", "beta").unwrap(), other.key.clone(), every(60));
    world
        .manual
        .scheduler()
        .apply(&[Change::Schedule { job: other, triggers: vec![trigger] }])
        .await
        .unwrap();
    world.manual.scheduler().pause_trigger(&TriggerKey::new("alpha")).await.unwrap();
    for query in ["group=group", "kind=other", "search=P.BET"] {
        assert_eq!(keys(&world.json(&format!("/api/v1/jobs?{query}")).await), ["group.beta"], "{query}");
        assert_eq!(keys(&world.json(&format!("/api/v1/triggers?{query}")).await), ["group.beta"], "{query}");
    }
    for query in ["state=paused", "job=alpha"] {
        assert_eq!(keys(&world.json(&format!("/api/v1/triggers?{query}")).await), ["DEFAULT.alpha"]);
    }
    world.manual.scheduler().trigger_now(&JobKey::new("alpha"), Default::default()).await.unwrap();
    let manual = world.json("/api/v1/triggers?cause=manual").await;
    assert_eq!(manual["data"][0]["pending"]["cause"], "manual");
    assert_eq!(manual["data"].as_array().unwrap().len(), 1);
    let errors = world.errors("/api/v1/triggers?cursor=xyz&state=blue&cause=&limit=1001").await;
    assert_eq!(errors.as_object().unwrap().len(), 4, "{errors}");
}

#[tokio::test]
async fn a_job_comes_with_its_triggers_and_a_version() {
    let world = World::new().await;
    let job = JobDetail::new("report", "test").description("Sums up").non_concurrent();
    world.schedule(job, Trigger::new("noon", "report", cron("0 0 12 * * ?"))).await;
    let path = "/api/v1/jobs/DEFAULT/report";
    let answer = world.get(path).await;
    let job = answer.json();
    assert_eq!((&job["kind"], &job["concurrent"]), (&json!("test"), &json!(false)));
    assert_eq!(job["triggers"][0]["schedule"], json!({"type": "cron", "expr": "0 0 12 * * ?", "tz": "UTC"}));
    assert_eq!(job["triggers"][0]["next_fire_at"], "2026-01-01T12:00:00.000Z");
    assert_eq!(job["triggers"][0]["state"], "waiting");
    let tag = answer.headers[header::ETAG].to_str().unwrap();
    assert_eq!(tag, format!("\"{}\"", job["version"].as_str().unwrap()));
    // The version speaks of definitions, not of state.
    world.manual.scheduler().trigger_now(&JobKey::new("report"), Default::default()).await.unwrap();
    world.manual.scheduler().pause_job(&JobKey::new("report")).await.unwrap();
    let paused = world.json(path).await;
    assert_eq!(paused["triggers"][0]["state"], "paused");
    assert_eq!(paused["version"], job["version"]);
    let trigger = world.json("/api/v1/triggers/DEFAULT/noon").await;
    assert_eq!(trigger, paused["triggers"][0]);
    world.manual.scheduler().reschedule(Trigger::new("noon", "report", every(7))).await.unwrap();
    assert_ne!(world.json(path).await["version"], job["version"]);
}

#[tokio::test]
async fn names_in_paths_are_percent_encoded() {
    let world = World::new().await;
    world.add("a/b c?%").await;
    let job = world.json("/api/v1/jobs/DEFAULT/a%2Fb%20c%3F%25").await;
    assert_eq!(job["name"], "a/b c?%");
    for (path, status) in [
        ("/api/v1/jobs/DEFAULT/%FF", StatusCode::BAD_REQUEST),
        ("/api/v1/jobs/DEFAULT/%0A", StatusCode::BAD_REQUEST),
        ("/api/v1/calendars/%FF", StatusCode::BAD_REQUEST),
        ("/api/v1/jobs/DEFAULT/other", StatusCode::NOT_FOUND),
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.content_type()), (status, "application/problem+json"), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_has_a_code() {
    let world = World::new().await;
    for (path, code) in [
        ("/api/v1/jobs/DEFAULT/x", "no-such-job"),
        ("/api/v1/triggers/DEFAULT/x", "no-such-trigger"),
        ("/api/v1/calendars/x", "no-such-calendar"),
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::NOT_FOUND, Some(code)));
    }
}

#[tokio::test]
async fn calendars_and_paused_groups_are_listed() {
    let world = World::new().await;
    let calendar = Calendar::monthly([1, 15], jiff::tz::TimeZone::UTC).unwrap();
    let put = Change::PutCalendar { name: "paydays".to_owned(), calendar };
    world.manual.scheduler().apply(&[put, Change::PauseGroup("night".to_owned())]).await.unwrap();
    let list = world.json("/api/v1/calendars").await;
    let one = world.json("/api/v1/calendars/paydays").await;
    assert_eq!(list, json!({"data": [one], "next": null}));
    assert_eq!(one["calendar"]["days"], json!([1, 15]));
    assert_eq!(world.json("/api/v1/paused-groups").await["data"], json!(["night"]));
}
