//! `/api/task` and `/api/task/runs` where they have more rows than a page of the store.

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use punctual_core::{
    FireId, HistoryStore, NewTaskRun, TaskEnd, TaskRecord, TaskRunEntity, TaskRunQuery, TaskStatus, Term,
};
use punctual_testkit::factory::at;
use serde_json::Value;

use crate::support::World;

/// The term of the only node.
const TERM: Term = Term(1);

/// A row that began in this second, with a task, a status and a duration that many share.
fn row(second: u32) -> TaskRecord {
    let status = TaskStatus::ALL[if second.is_multiple_of(997) { 0 } else { 1 + second as usize % 3 }];
    let is_open = status == TaskStatus::Started;
    TaskRecord {
        task: format!("task {}", second * 7 % 11),
        status,
        started_at: at(i64::from(second)),
        ended_at: (!is_open).then(|| at(i64::from(second * 31 % 4_000))),
        duration_ms: (!is_open).then_some(u64::from(second % 100)),
        details: None,
        db_id: None,
        node: "north".to_owned(),
        term: Some(TERM),
        parent: None,
        run: None,
        logs: None,
        progress: None,
    }
}

async fn world(rows: u32) -> (World, Vec<FireId>) {
    let world = World::new().await;
    let ids = world.store.record(&(1..=rows).map(row).collect::<Vec<_>>()).await.unwrap();
    (world, ids)
}

fn ids(list: &Value) -> Vec<i64> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn all_rows_come_in_the_order_of_the_pages() {
    let (world, _) = world(3_210).await;
    for filter in ["", "&status=success", "&task=task+3", "&task=task+3&status=failed"] {
        for order in ["started_at", "ended_at", "duration", "task", "status"] {
            for direction in ["asc", "desc"] {
                let path = format!("/api/task?sort_column={order}&sort_direction={direction}{filter}");
                let mut paged: Vec<i64> = Vec::new();
                loop {
                    let page = ids(&world.json(&format!("{path}&limit=999&offset={}", paged.len())).await);
                    paged.extend(&page);
                    if page.len() < 999 {
                        break;
                    }
                }
                let all = world.json(&path).await;
                assert_eq!(all["total"], paged.len(), "{path}");
                assert_eq!((&all["limit"], &all["offset"]), (&Value::Null, &Value::Null));
                assert!(ids(&all) == paged, "{path}");
                let part = world.json(&format!("{path}&limit=1500&offset=700")).await;
                let expected: Vec<i64> = paged.iter().copied().skip(700).take(1_500).collect();
                assert_eq!(
                    (&part["total"], &part["limit"], &part["offset"]),
                    (&all["total"], &1_500.into(), &700.into())
                );
                assert!(ids(&part) == expected, "{path}: a part");
            }
        }
    }
}

/// The first part of an answer, and the rest of its body.
async fn first_part(world: &World, path: &str) -> (String, Body) {
    use tower::ServiceExt;
    let request = Request::get(path).header(header::HOST, "localhost:8080").body(Body::empty()).unwrap();
    let mut body = world.router.clone().oneshot(request).await.unwrap().into_body();
    let frame = body.frame().await.unwrap().unwrap();
    (String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap(), body)
}

#[tokio::test]
async fn a_row_that_ends_meanwhile_comes_once() {
    let (world, numbers) = world(3_210).await;
    // Open rows are the longest.
    let (first, rest) = first_part(&world, "/api/task?sort_column=duration").await;
    let open = numbers[996];
    assert!(first.contains(&format!(r#""id":{},"#, open.0)), "{first}");
    let end = TaskEnd {
        id: open,
        term: TERM,
        status: TaskStatus::Success,
        ended_at: at(5_000),
        duration_ms: 5,
        details: None,
        logs: Vec::new(),
        progress: None,
    };
    world.store.end_tasks(&[end]).await.unwrap();
    let rest = rest.collect().await.unwrap().to_bytes();
    let whole: Value = serde_json::from_str(&(first + std::str::from_utf8(&rest).unwrap())).unwrap();
    let mut shown = ids(&whole);
    assert_eq!(whole["total"], 3_210);
    shown.sort_unstable();
    assert_eq!(shown, numbers.iter().map(|id| id.0).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_answer_that_cannot_go_on_breaks_off() {
    let (world, _) = world(3_210).await;
    let (first, rest) = first_part(&world, "/api/task").await;
    assert!(first.starts_with(r#"{"total":3210,"limit":null,"offset":null,"data":[{"#));
    assert!(first.matches(r#""id":"#).count() < 3_210, "it has not been read to its end");
    world.store.set_broken(true);
    rest.collect().await.unwrap_err();
}

/// Runs of which many share a start, a type, a name and a number of tasks.
async fn world_of_runs(runs: u32) -> World {
    let world = World::new().await;
    for number in 0..runs {
        let run = NewTaskRun {
            run_type: format!("type {}", number * 7 % 5),
            entity: TaskRunEntity {
                entity_type: "database".to_owned(),
                entity_id: i64::from(number % 50) + 1,
                name: (!number.is_multiple_of(13)).then(|| format!("name {}", number % 50)),
            },
            started_at: at(i64::from(number / 3)),
            node: "north".to_owned(),
            term: None,
        };
        let id = world.store.open_run(&run).await.unwrap();
        let tasks = (0..number % 3).map(|task| TaskRecord { run: Some(id), ..row(2 + task * 3) });
        world.store.record(&tasks.collect::<Vec<_>>()).await.unwrap();
        if number.is_multiple_of(4) {
            world.store.close_run(at(i64::from(number * 31 % 4_000)), id).await.unwrap();
        }
    }
    world
}

#[tokio::test]
async fn all_runs_come_in_the_order_of_the_pages() {
    let world = world_of_runs(1_345).await;
    for filter in ["", "&entity-type=database&started-at=2026-01-01~"] {
        for order in ["started_at", "ended_at", "run_type", "status", "entity_name", "task_count"] {
            for direction in ["asc", "desc"] {
                let path = format!("/api/task/runs?sort_column={order}&sort_direction={direction}{filter}");
                let mut paged: Vec<Value> = Vec::new();
                loop {
                    let mut page =
                        world.json(&format!("{path}&limit=999&offset={}", paged.len())).await["data"].take();
                    let page = page.as_array_mut().unwrap();
                    let count = page.len();
                    paged.append(page);
                    if count < 999 {
                        break;
                    }
                }
                let all = world.json(&path).await;
                assert_eq!(all["total"], paged.len(), "{path}");
                assert_eq!((&all["limit"], &all["offset"]), (&Value::Null, &Value::Null));
                assert!(*all["data"].as_array().unwrap() == paged, "{path}");
                let part = world.json(&format!("{path}&limit=1200&offset=100")).await;
                let expected: Vec<Value> = paged.into_iter().skip(100).take(1_200).collect();
                assert_eq!(
                    (&part["total"], &part["limit"], &part["offset"]),
                    (&all["total"], &1_200.into(), &100.into())
                );
                assert!(*part["data"].as_array().unwrap() == expected, "{path}: a part");
            }
        }
    }
}

#[tokio::test]
async fn a_run_that_ends_meanwhile_comes_once_and_one_that_matches_no_more_does_not() {
    let world = world_of_runs(1_345).await;
    let (latest, rest) = first_part(&world, "/api/task/runs?sort_column=ended_at").await;
    let (open, rest_of_open) = first_part(&world, "/api/task/runs?status=started").await;
    assert!(latest.starts_with(r#"{"total":1345,"limit":null,"offset":null,"data":[{"#), "{latest}");
    let numbers = world.store.run_ids(&TaskRunQuery::default()).await.unwrap();
    for id in &numbers {
        world.store.close_run(at(9_000), *id).await.unwrap();
    }
    let whole = async |first: String, rest: Body| {
        let rest = rest.collect().await.unwrap().to_bytes();
        let whole: Value = serde_json::from_str(&(first + std::str::from_utf8(&rest).unwrap())).unwrap();
        whole
    };
    let mut shown = ids(&whole(latest, rest).await);
    shown.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(shown, numbers.iter().map(|id| id.0).collect::<Vec<_>>());
    let shown = whole(open, rest_of_open).await;
    assert_eq!((&shown["total"], ids(&shown).len()), (&1_008.into(), 1_000), "those of the first page");
}

#[tokio::test]
async fn a_list_of_runs_that_cannot_go_on_breaks_off() {
    let world = world_of_runs(1_345).await;
    let (first, rest) = first_part(&world, "/api/task/runs").await;
    assert!(first.matches(r#""id":"#).count() < 1_345, "it has not been read to its end");
    world.store.set_broken(true);
    rest.collect().await.unwrap_err();
}
