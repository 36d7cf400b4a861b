//! Keys of requests, in the router as it is served.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;

use crate::support::{Answer, World};

async fn preview(world: &World, key: &str, count: u32) -> Answer {
    let body = json!({ "schedule": { "type": "cron", "expr": "0 * * * * ?" }, "count": count });
    let request = Request::post("/api/v1/schedules/preview")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", key);
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer() {
    let world = World::new().await;
    let first = preview(&world, "key", 1).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    world.manual.clock().advance(std::time::Duration::from_secs(3_600));
    let again = preview(&world, "key", 1).await;
    assert_eq!((&again.text, again.content_type()), (&first.text, "application/json"));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_ne!(preview(&world, "other", 1).await.text, first.text, "time has passed");
    let reused = preview(&world, "key", 2).await;
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(reused.json()["code"], "idempotency-key-reused");
    assert_eq!(reused.headers[header::X_FRAME_OPTIONS], "DENY");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_with_a_key_as_without() {
    let world = World::new().await;
    let request = Request::post("/api/v1/schedules/preview")
        .header(header::HOST, "localhost")
        .header("Idempotency-Key", "key")
        .body(Body::from("x".repeat(1024 * 1024 + 1)));
    let answer = world.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["code"], "body-too-large");
}
