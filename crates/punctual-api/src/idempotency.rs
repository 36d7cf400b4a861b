//! `Idempotency-Key`: a client that heard no answer can send its request again, and it is carried out once.
//!
//! The store learns neither keys nor requests, but hashes of them. That of the request has the key in it, so that nobody
//! who reads the store can try out passwords against it. Answers that show a secret are not kept.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use punctual_core::{Keyed, KeyedRequest};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::ApiState;
use crate::access::Identity;
use crate::error::{ApiError, Problem, problem};
use crate::extract::unread_body;

pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key, in bytes.
pub(crate) const LONGEST_KEY: usize = 255;
/// A request that takes longer counts as lost.
const LIMIT_MS: u64 = 60_000;
/// How long a key and its answer are kept.
const KEEP_MS: u64 = 24 * 60 * 60 * 1_000;
/// The longest answer that is kept, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// What besides the body makes two requests differ.
const TELLING: [HeaderName; 3] = [header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH];
/// What of an answer is kept besides its body.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
/// Answers of paths that have one of these words in them may show a secret, once.
const SECRETS: [&str; 7] = ["login", "me", "password", "sessions", "session", "tokens", "users"];

/// An answer as it is stored.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    /// `None` where it was not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<(Vec<(String, String)>, String)>,
}

/// Carries a request out unless it was carried out before.
pub(crate) async fn once(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(request.method());
    match path.filter(|path| changes && path.contains("/api/v1/")) {
        Some(path) if request.headers().contains_key(KEY) => {
            keyed(state, &path, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        _ => next.run(request).await,
    }
}

async fn keyed(state: ApiState, path: &str, request: Request, next: Next) -> Result<Response, ApiError> {
    let key = key(request.headers())?;
    let identity = request.extensions().get().cloned().unwrap_or_else(Identity::anonymous);
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(whole, &state).await.map_err(|rejection| unread_body(&rejection))?;
    let keyed = KeyedRequest {
        key: hash([b"key", identity.caller().as_bytes(), key.as_bytes()]),
        request: fingerprint(&key, &parts, &body),
        now: state.scheduler.clock().now(),
        limit_ms: LIMIT_MS,
        keep_ms: KEEP_MS,
    };
    match state.scheduler.store().take_key(&keyed).await? {
        Keyed::First => {
            let secret = path.split('/').any(|part| SECRETS.contains(&part));
            let request = Request::from_parts(parts, Body::from(body));
            // On a task of its own it comes to its end, whether or not the client waits for it.
            let carried_out =
                tokio::spawn(async move { carry_out(&state, &keyed, secret, next.run(request).await).await });
            Ok(carried_out.await.unwrap_or_else(|_| {
                // Nobody knows how far it came: the key stays taken.
                problem(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request failed; the log says why")
            }))
        }
        Keyed::Answered(text) => Ok(replay(&text)),
        Keyed::Busy => {
            let detail = "the first request with this Idempotency-Key is still being carried out";
            let mut response = problem(StatusCode::CONFLICT, "idempotency-in-progress", detail);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(response)
        }
        Keyed::Reused => {
            let detail = "another request had this Idempotency-Key: give each request a key of its own";
            Ok(problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail))
        }
    }
}

fn key(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut values = headers.get_all(KEY).iter();
    let key = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    };
    if (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key.to_owned());
    }
    let detail = format!(
        "Idempotency-Key must be given once, as 1 to {LONGEST_KEY} visible ASCII characters without blanks"
    );
    Err(Problem::new(StatusCode::BAD_REQUEST, "invalid-idempotency-key", detail).into())
}

fn fingerprint(key: &str, parts: &axum::http::request::Parts, body: &[u8]) -> String {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let empty = HeaderValue::from_static("");
    let told = TELLING.map(|name| parts.headers.get(name).unwrap_or(&empty).clone());
    let [media, if_match, if_none_match] = &told;
    hash([
        b"request",
        key.as_bytes(),
        parts.method.as_str().as_bytes(),
        target.as_bytes(),
        media.as_bytes(),
        if_match.as_bytes(),
        if_none_match.as_bytes(),
        body,
    ])
}

/// SHA-256 in hexadecimal digits. Each part goes in with its length, so that no two lists of parts are the same text.
fn hash<const N: usize>(parts: [&[u8]; N]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps the answer of a request that was carried out.
async fn carry_out(state: &ApiState, keyed: &KeyedRequest, secret: bool, response: Response) -> Response {
    let store = state.scheduler.store();
    let status = response.status();
    // These say: not now. The same request may do better later.
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || later.contains(&status) {
        if let Err(error) = store.release_key(&keyed.key, &keyed.request).await {
            warn!(%error, "the Idempotency-Key of a failed request stays taken for a while: {error}");
        }
        return response;
    }
    let secret = secret || response.headers().contains_key(header::SET_COOKIE);
    let (parts, body) = response.into_parts();
    // Answers to edits are in memory already.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = (!secret && body.len() <= LONGEST_ANSWER).then(|| std::str::from_utf8(&body).ok()).flatten();
    let answer = text.map(|text| (kept_headers(&parts.headers), text.to_owned()));
    let kept = serde_json::to_string(&Kept { status: status.as_u16(), answer }).unwrap_or_default();
    if let Err(error) = store.answer_key(&keyed.key, &keyed.request, &kept).await {
        warn!(%error, "the answer to a request with an Idempotency-Key could not be kept: {error}");
    }
    Response::from_parts(parts, Body::from(body))
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = KEPT.iter().filter_map(|name| Some((name, headers.get(name)?.to_str().ok()?)));
    kept.map(|(name, value)| (name.to_string(), value.to_owned())).collect()
}

fn replay(text: &str) -> Response {
    let kept: Option<Kept> = serde_json::from_str(text).ok();
    let status = kept.as_ref().map_or(0, |kept| kept.status);
    let Some((headers, body)) = kept.and_then(|kept| kept.answer) else {
        let detail = "the first request with this Idempotency-Key was carried out; its answer was not kept, because it \
                      is long or may show a secret";
        return Problem::new(StatusCode::CONFLICT, "idempotency-answer-not-kept", detail)
            .with("first_status", status.into())
            .into_response();
    };
    let mut response = body.into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests;
