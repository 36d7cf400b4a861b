//! What surrounds every request.

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::ApiState;
use crate::error::problem;
use crate::extract;

/// Refuses requests that name a host other than this machine's loopback names and those that were given.
///
/// A web page can make a browser resolve the page's own name to 127.0.0.1 and then read what listens there
/// (DNS rebinding); such requests carry the page's name in `Host`. A request without any `Host` (HTTP/1.0) does not
/// come from a browser.
pub(crate) async fn refuse_foreign_hosts(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let security = &state.security;
    let hosts = request.headers().get_all(header::HOST).iter().map(HeaderValue::to_str);
    let all_known = hosts.into_iter().all(|host| host.is_ok_and(|host| security.answers_to(host)));
    let uri_known = request.uri().authority().is_none_or(|authority| security.answers_to(authority.as_str()));
    if all_known && uri_known {
        return next.run(request).await;
    }
    let detail = "the Host header names another host: use localhost, 127.0.0.1 or [::1], or add the name to server.hosts";
    problem(StatusCode::FORBIDDEN, "foreign-host", detail)
}

/// Refuses bodies that say themselves that they are too long, without waiting for them. Others are cut off while they
/// are read.
pub(crate) async fn refuse_long_bodies(request: Request, next: Next) -> Response {
    match request.body().size_hint().lower() {
        length if length > extract::MAX_BODY as u64 => extract::long_body().into_response(),
        _ => next.run(request).await,
    }
}

/// Keeps answers out of frames, caches, and the hands of other pages.
pub(crate) async fn add_security_headers(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 6] = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
