//! `/api/task`, `/api/task/:id`, `/api/task/unique-tasks`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::World;

/// `alpha` and `bad` ran four times each, each `alpha` before its `bad`.
async fn world() -> World {
    let world = World::new().await;
    world.add("alpha").await;
    world.add("bad").await;
    world.tick(0).await;
    for _ in 0..3 {
        world.tick(60).await;
    }
    world
}

fn members(list: &Value, member: &str) -> Vec<Value> {
    list["data"].as_array().unwrap().iter().map(|row| row[member].clone()).collect()
}

#[tokio::test]
async fn without_paging_all_rows_come_newest_first() {
    let list = world().await.json("/api/task/").await;
    assert_eq!((&list["limit"], &list["offset"]), (&Value::Null, &Value::Null));
    let total = list["total"].as_u64().unwrap();
    assert_eq!(list["data"].as_array().unwrap().len() as u64, total);
    let starts: Vec<String> =
        members(&list, "started_at").iter().map(|at| at.as_str().unwrap().to_owned()).collect();
    assert!(starts.is_sorted_by(|one, two| one >= two), "{starts:?}");
    assert_eq!(starts[0], "2026-01-01T00:03:00.000Z");
}

#[tokio::test]
async fn the_path_works_with_and_without_its_slash() {
    let world = world().await;
    assert_eq!(world.json("/api/task").await, world.json("/api/task/").await);
}

#[tokio::test]
async fn an_empty_history_is_an_empty_list() {
    let world = World::new().await;
    let empty = json!({"total": 0, "limit": null, "offset": null, "data": []});
    assert_eq!(world.json("/api/task/").await, empty);
    assert_eq!(world.json("/api/task/unique-tasks").await, json!([]));
}

#[tokio::test]
async fn one_of_limit_and_offset_brings_the_other() {
    let world = world().await;
    let all = world.json("/api/task/").await;
    let first = world.json("/api/task/?limit=2").await;
    assert_eq!((&first["limit"], &first["offset"]), (&json!(2), &json!(0)));
    assert_eq!(first["data"].as_array().unwrap()[..], all["data"].as_array().unwrap()[..2]);
    let rest = world.json("/api/task/?offset=2").await;
    assert_eq!((&rest["limit"], &rest["offset"]), (&json!(50), &json!(2)));
    assert_eq!(rest["data"].as_array().unwrap()[..], all["data"].as_array().unwrap()[2..]);
    assert_eq!(first["total"], all["total"], "the total counts all pages");
    let beyond = world.json("/api/task/?limit=10&offset=1000").await;
    assert_eq!((&beyond["data"], &beyond["total"]), (&json!([]), &all["total"]));
}

#[tokio::test]
async fn filters_combine_and_count() {
    let world = world().await;
    let failed = world.json("/api/task/?status=failed&limit=1").await;
    let bad = world.json("/api/task/?status=failed&task=bad").await;
    assert_eq!(failed["total"], bad["total"]);
    assert!(bad["total"].as_u64().unwrap() >= 3);
    assert!(members(&bad, "status").iter().all(|status| status == "failed"));
    assert_eq!(world.json("/api/task/?status=failed&task=alpha").await["total"], 0);
    assert_eq!(world.json("/api/task/?task=alph").await["total"], 0, "the whole name is compared");
}

#[tokio::test]
async fn rows_can_be_sorted_both_ways() {
    let world = world().await;
    for column in ["started_at", "ended_at", "duration"] {
        let path = |direction| format!("/api/task/?sort_column={column}&sort_direction={direction}");
        let mut ascending = members(&world.json(&path("asc")).await, "id");
        let descending = members(&world.json(&path("desc")).await, "id");
        ascending.reverse();
        assert_eq!(ascending, descending, "{column}");
    }
    let ascending = world.json("/api/task/?sort_direction=asc&limit=1").await;
    assert_eq!(members(&ascending, "started_at"), ["2026-01-01T00:00:00.000Z".to_owned()].map(Value::from));
}

#[tokio::test]
async fn every_wrong_parameter_is_told_with_what_would_be_right() {
    let world = world().await;
    let path =
        "/api/task/?limit=0&offset=-1&status=&task=%20&sort_column=color&sort_direction=up&stauts=failed";
    let errors = world.errors(path).await;
    let says = |name: &str, words: &str| {
        let message = errors[name].as_str().unwrap_or_else(|| panic!("{name}: {errors}"));
        assert!(message.contains(words), "{name}: {message}");
    };
    says("limit", "from 1 to");
    says("offset", "from 0 to");
    says("status", "one of started, success, failed, unknown, not \"\"");
    says("task", "blank");
    says("sort_column", "one of started_at, ended_at, duration, task, status, not \"color\"");
    says("sort_direction", "asc, desc");
    says("stauts", "limit, offset, status, task, sort_column, sort_direction");
    assert_eq!(errors.as_object().unwrap().len(), 7);
    let errors = world.errors("/api/task/?limit=1&limit=2").await;
    assert_eq!(errors, json!({"limit": "is given more than once"}));
    world.errors("/api/task/?limit=99999999999999999999").await;
    world.errors("/api/task/?status=Failed").await;
}

#[tokio::test]
async fn a_row_has_the_known_members_first_and_then_the_account() {
    let world = World::new().await;
    world.add("bad").await;
    world.tick(1).await;
    let list = world.get("/api/task/").await.json();
    let id = list["data"][0]["id"].as_i64().unwrap();
    let answer = world.get(&format!("/api/task/{id}")).await;
    let mut row = answer.json();
    let details = row["task_details"].take();
    assert_eq!(details["message"], "as its name says");
    assert_eq!(details["original-info"], json!({"rows": 3}));
    let expected = json!({
        "id": id,
        "task": "bad",
        "db_id": null,
        "started_at": "2026-01-01T00:00:01.000Z",
        "ended_at": "2026-01-01T00:00:01.000Z",
        "duration": 0,
        "task_details": null,
        "status": "failed",
        "job": "DEFAULT.bad",
        "trigger": "DEFAULT.bad",
        "scheduled_at": "2026-01-01T00:00:00.000Z",
        "lateness_ms": 1000,
        "node": "north",
        "attempt": 1,
        "origin": id,
        "cause": "schedule",
        "parent_id": null,
        "run_id": null,
        "logs": [],
        "progress": null,
    });
    assert_eq!(row, expected);
    assert!(answer.text.starts_with(&format!(r#"{{"id":{id},"task":"bad","db_id":null,"started_at":"#)));
}

#[tokio::test]
async fn a_row_that_is_not_there_is_not_found() {
    let world = World::new().await;
    for id in ["1", "0", "99999999999999999999999999", "first"] {
        let answer = world.get(&format!("/api/task/{id}")).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, "Not found."));
        assert!(answer.content_type().starts_with("text/plain"));
    }
}

#[tokio::test]
async fn task_names_come_once_and_in_order() {
    assert_eq!(world().await.json("/api/task/unique-tasks").await, json!(["alpha", "bad"]));
}

#[tokio::test]
async fn a_long_history_comes_whole() {
    let world = World::new().await;
    world.add("alpha").await;
    for _ in 0..1_200 {
        world.tick(60).await;
    }
    let list = world.json("/api/task/").await;
    let ids = members(&list, "id");
    assert_eq!(ids.len() as u64, list["total"].as_u64().unwrap());
    assert!(ids.len() >= 1_200);
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_answers_503() {
    let world = world().await;
    world.store.set_broken(true);
    for path in ["/api/task/", "/api/task/1", "/api/task/unique-tasks", "/api/task/info"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.content_type(), "application/problem+json");
        assert_eq!(answer.json()["code"], "store-unavailable");
    }
}
