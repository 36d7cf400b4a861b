//! What every request must pass, and what every answer carries.
//!
//! There are no accounts yet, so the server listens on a loopback address only. A web page in a local browser could
//! still reach it through a name that resolves to 127.0.0.1 (DNS rebinding); so the `Host` must be a loopback name.

use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

fn host_of(request: &Request) -> Option<String> {
    let from_uri = |uri: &Uri| uri.authority().map(|authority| authority.as_str().to_owned());
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    from_uri(request.uri()).or_else(|| header.map(str::to_owned))
}

pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let allowed = host_of(&request).is_none_or(|host| is_loopback(&host));
    let mut response = if allowed {
        next.run(request).await
    } else {
        let text = "This server answers to localhost, 127.0.0.1 and [::1] only.";
        (StatusCode::FORBIDDEN, text).into_response()
    };
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        let _: Option<HeaderValue> =
            response.headers_mut().insert::<HeaderName>(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_loopback_names_pass() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.org", "127.0.0.1.example.org:8080", "localhost.evil.test", "[::2]:1", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
