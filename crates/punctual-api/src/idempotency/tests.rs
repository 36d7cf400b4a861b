use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::AppendHeaders;
use axum::routing::{any, post};
use punctual_engine::ManualScheduler;
use punctual_memory::MemoryStore;
use punctual_testkit::factory::at;
use punctual_testkit::faulty::FaultyStore;
use serde_json::Value;
use tokio::sync::Notify;
use tower::ServiceExt;

use super::*;

#[test]
fn no_two_lists_of_parts_have_one_hash() {
    assert_ne!(hash([b"ab", b"c"]), hash([b"a", b"bc"]));
    assert_eq!(hash([b"ab", b"c"]), hash([b"ab", b"c"]));
    assert_eq!(hash([b"ab", b"c"]).len(), 64);
}

#[test]
fn a_key_is_given_once_and_visible() {
    let with = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(KEY, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        key(&headers).ok()
    };
    let longest = "k".repeat(LONGEST_KEY);
    for good in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", &longest] {
        assert_eq!(with(&[good]).as_deref(), Some(good));
    }
    for bad in [&["a", "a"][..], &["a b"], &[""], &["ü"], &[&format!("{longest}k")], &["a\tb"]] {
        assert_eq!(with(bad), None, "{bad:?}");
    }
}

/// A router whose handlers count what they carry out.
struct World {
    manual: ManualScheduler,
    store: Arc<FaultyStore>,
    router: Router,
    carried_out: Arc<AtomicU64>,
    go_on: Arc<Notify>,
    begun: Arc<Notify>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.text).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }

    fn replayed(&self) -> bool {
        self.headers.get(REPLAYED).is_some_and(|value| value == "true")
    }
}

async fn world() -> World {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let manual = ManualScheduler::new(store.clone(), at(0), |builder| builder.without_log()).await.unwrap();
    let state = ApiState {
        scheduler: manual.scheduler().clone(),
        metrics: Arc::default(),
        live: Arc::default(),
        security: Arc::default(),
        options: Arc::default(),
    };
    let carried_out = Arc::new(AtomicU64::new(0));
    let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let count = Arc::clone(&carried_out);
    let number = move || count.fetch_add(1, Ordering::SeqCst) + 1;
    let (add, fail, again) = (number.clone(), number.clone(), number.clone());
    let (slow, wait, tell) = (number.clone(), Arc::clone(&go_on), Arc::clone(&begun));
    let (login, long, token) = (number.clone(), number.clone(), number);
    let router = Router::new()
        .route(
            "/api/v1/jobs/{name}",
            any(async move |body: String| {
                let headers = [(header::LOCATION, "/there"), (header::ETAG, "\"1\"")];
                (StatusCode::CREATED, AppendHeaders(headers), format!("{} {body}", add()))
            }),
        )
        .route("/api/v1/fail", post(async move || (StatusCode::SERVICE_UNAVAILABLE, fail().to_string())))
        .route("/api/v1/conflict", post(async move || (StatusCode::CONFLICT, again().to_string())))
        .route(
            "/api/v1/slow",
            post(async move || {
                tell.notify_one();
                wait.notified().await;
                slow().to_string()
            }),
        )
        .route("/api/v1/panic", post(async || -> String { panic!("as its name says") }))
        .route(
            "/api/v1/cookie",
            post(async move || (AppendHeaders([(header::SET_COOKIE, "a=b")]), login().to_string())),
        )
        .route("/api/v1/long", post(async move || format!("{} {}", long(), "x".repeat(LONGEST_ANSWER))))
        .route("/api/v1/tokens", post(async move || format!("secret {}", token())))
        .layer(from_fn_with_state(state.clone(), once))
        .with_state(state);
    World { manual, store, router, carried_out, go_on, begun }
}

impl World {
    fn request(&self, method: &str, path: &str, key: &str, body: &str) -> Request {
        let request = axum::http::Request::builder().method(method).uri(path).header(KEY, key);
        request.body(Body::from(body.to_owned())).unwrap()
    }

    async fn answer(&self, request: Request) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    async fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Answer {
        self.answer(self.request(method, path, key, body)).await
    }

    fn carried_out(&self) -> u64 {
        self.carried_out.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_from_the_store() {
    let world = world().await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let first = world.send(method, "/api/v1/jobs/a?x=1", method, "body").await;
        assert!(!first.replayed());
        let again = world.send(method, "/api/v1/jobs/a?x=1", method, "body").await;
        assert!(again.replayed());
        assert_eq!((again.status, &again.text), (201, &first.text));
        for name in KEPT {
            assert_eq!(again.headers.get(&name), first.headers.get(&name), "{name}");
        }
    }
    assert_eq!(world.carried_out(), 4);
    for _ in 0..2 {
        assert!(!world.send("GET", "/api/v1/jobs/a", "get", "").await.replayed(), "reading needs no key");
    }
    world.manual.clock().advance(Duration::from_millis(KEEP_MS));
    assert!(!world.send("POST", "/api/v1/jobs/a?x=1", "POST", "body").await.replayed(), "it has expired");
}

#[tokio::test]
async fn a_key_is_not_used_for_another_request() {
    let world = world().await;
    world.send("POST", "/api/v1/jobs/a", "key", "body").await;
    for (method, path, body) in [
        ("PUT", "/api/v1/jobs/a", "body"),
        ("POST", "/api/v1/jobs/b", "body"),
        ("POST", "/api/v1/jobs/a?x=1", "body"),
        ("POST", "/api/v1/jobs/a", "bodi"),
    ] {
        let answer = world.send(method, path, "key", body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (422, "idempotency-key-reused"),
            "{method} {path}"
        );
    }
    let mut request = world.request("POST", "/api/v1/jobs/a", "key", "body");
    request.headers_mut().insert(header::IF_MATCH, HeaderValue::from_static("\"7\""));
    assert_eq!(world.answer(request).await.status, 422);
    let mut request = world.request("POST", "/api/v1/jobs/a", "key", "body");
    request.extensions_mut().insert(Identity::local());
    assert_eq!(world.answer(request).await.status, 201, "another caller has keys of their own");
    assert_eq!(world.carried_out(), 2);
    let answer = world.send("POST", "/api/v1/jobs/a", "two words", "body").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-idempotency-key"));
}

#[tokio::test]
async fn a_request_under_way_is_not_carried_out_beside_itself_and_ends_without_its_client() {
    let world = world().await;
    let first = world.request("POST", "/api/v1/slow", "key", "");
    let first = tokio::spawn(world.router.clone().oneshot(first));
    world.begun.notified().await;
    let busy = world.send("POST", "/api/v1/slow", "key", "").await;
    assert_eq!((busy.status, busy.code().as_str()), (409, "idempotency-in-progress"));
    assert!(busy.headers.contains_key(header::RETRY_AFTER));
    // The client goes away; the request does not.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.go_on.notify_one();
    loop {
        let answer = world.send("POST", "/api/v1/slow", "key", "").await;
        if answer.status == 200 {
            assert!(answer.replayed());
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(world.carried_out(), 1);
}

#[tokio::test]
async fn what_failed_for_now_may_be_tried_again_and_what_was_refused_may_not() {
    let world = world().await;
    for _ in 0..2 {
        let answer = world.send("POST", "/api/v1/fail", "fail", "").await;
        assert_eq!((answer.status, answer.replayed()), (503, false));
    }
    assert_eq!(world.carried_out(), 2);
    assert_eq!(world.send("POST", "/api/v1/conflict", "conflict", "").await.text, "3");
    let again = world.send("POST", "/api/v1/conflict", "conflict", "").await;
    assert_eq!((again.status, again.text.as_str(), again.replayed()), (409, "3", true));
    assert_eq!(world.send("POST", "/api/v1/panic", "panic", "").await.code(), "failed");
    let unknown = world.send("POST", "/api/v1/panic", "panic", "").await;
    assert_eq!(unknown.code(), "idempotency-in-progress", "nobody knows how far it came");
    world.store.set_broken(true);
    let answer = world.send("POST", "/api/v1/jobs/a", "broken", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "store-unavailable"));
    assert_eq!(world.carried_out(), 3, "without its key a request is not carried out");
}

#[tokio::test]
async fn secrets_and_long_answers_are_not_kept() {
    let world = world().await;
    for path in ["/api/v1/tokens", "/api/v1/cookie", "/api/v1/long"] {
        assert_eq!(world.send("POST", path, path, "").await.status, 200);
        let again = world.send("POST", path, path, "").await;
        assert_eq!((again.status, again.code().as_str()), (409, "idempotency-answer-not-kept"), "{path}");
        assert!(again.text.contains("\"first_status\":200"), "{}", again.text);
    }
    assert_eq!(world.carried_out(), 3);
}
