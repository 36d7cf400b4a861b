//! `GET /api/v1/runs`.

use serde_json::{Value, json};

use crate::support::World;

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

fn ids(page: &Value) -> Vec<i64> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

async fn all_pages(world: &World, question: &str) -> Vec<i64> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.json(&format!("/api/v1/runs?limit=3{question}{cursor}")).await;
        found.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn pages_join_to_the_whole_in_each_order() {
    let world = world().await;
    for sort in ["started_at", "ended_at", "duration"] {
        for order in ["asc", "desc"] {
            let whole = world.json(&format!("/api/task?sort_column={sort}&sort_direction={order}")).await;
            let pages = all_pages(&world, &format!("&sort={sort}&order={order}")).await;
            assert_eq!(pages, ids(&whole), "{sort} {order}");
            assert!(pages.len() > 6, "{pages:?}");
        }
    }
}

#[tokio::test]
async fn a_page_goes_on_where_the_last_one_ended_whatever_came_meanwhile() {
    let world = world().await;
    let first = world.json("/api/v1/runs?limit=3").await;
    let rest = world.json("/api/v1/runs?limit=1000").await;
    world.tick(60).await;
    let next = first["next"].as_str().unwrap();
    let second = world.json(&format!("/api/v1/runs?limit=1000&cursor={next}")).await;
    assert_eq!(ids(&second), ids(&rest)[3..]);
    assert_eq!(second["next"], Value::Null);
    assert!(second["total"].as_u64() > rest["total"].as_u64(), "the total counts all rows");
}

#[tokio::test]
async fn filters_are_those_of_the_history() {
    let world = world().await;
    let failed = world.json("/api/v1/runs?status=failed&job=bad").await;
    assert_eq!(failed["total"], world.json("/api/task?status=failed").await["total"]);
    assert!(failed["total"].as_u64().unwrap() >= 3);
    let origin = ids(&failed)[0];
    let attempts = world.json(&format!("/api/v1/runs?origin={}", failed["data"][0]["origin"])).await;
    assert!(ids(&attempts).contains(&origin));
    assert_eq!(world.json(&format!("/api/v1/runs?parent={origin}")).await["total"], 0);
    assert_eq!(world.json("/api/v1/runs?from=2026-01-01T00:03:00Z&task=alpha").await["total"], 1);
    let all = world.json("/api/v1/runs?task=alpha").await;
    let before = world.json("/api/v1/runs?to=2026-01-01T00:03:00Z&task=alpha").await;
    assert_eq!(before["total"].as_u64().unwrap() + 1, all["total"].as_u64().unwrap());
    let within = "/api/v1/runs?from=2026-01-01T00:01:00Z&to=2026-01-01T00:02:00Z&task=alpha";
    assert_eq!(world.json(within).await["total"], 1, "without the end");
    let node = all["data"][0]["node"].as_str().unwrap();
    assert_eq!(world.json(&format!("/api/v1/runs?task=alpha&node={node}")).await["total"], all["total"]);
    assert_eq!(world.json("/api/v1/runs?node=nobody").await["total"], 0);
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let world = World::new().await;
    let query = "cursor=41&origin=-1&sort=name&order=up&from=now&to=then&node=%20";
    let body = world.get(&format!("/api/v1/runs?{query}")).await.json();
    assert_eq!(body["code"], json!("invalid-parameters"));
    for name in ["cursor", "origin", "sort", "order", "from", "to", "node"] {
        assert!(body["errors"][name].is_string(), "{name}: {body}");
    }
    let body = world.get("/api/v1/runs?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").await.json();
    assert_eq!(body["errors"], json!({"to": "is before `from`"}));
}
