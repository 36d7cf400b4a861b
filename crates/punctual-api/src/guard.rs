//! What surrounds every request.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::error::problem;

/// Refuses requests that name a host other than this machine's loopback names.
///
/// A web page can make a browser resolve the page's own name to 127.0.0.1 and then read what listens there
/// (DNS rebinding); such requests carry the page's name in `Host`. A request without any `Host` (HTTP/1.0) does not
/// come from a browser.
pub(crate) async fn refuse_foreign_hosts(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().map(HeaderValue::to_str);
    let all_local = hosts.into_iter().all(|host| host.is_ok_and(is_loopback));
    let uri_local = request.uri().authority().is_none_or(|authority| is_loopback(authority.as_str()));
    if all_local && uri_local {
        return next.run(request).await;
    }
    let detail = "the Host header names another host: use localhost, 127.0.0.1 or [::1]";
    problem(StatusCode::FORBIDDEN, "foreign-host", detail)
}

fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        // The colons within an IPv6 address are no port.
        Some((name, port)) if !host.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok());
    port_fits && (name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]")
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

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_loopback_names_are_local() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "127.0.0.1:80:80",
            "[::2]:80",
            "localhost:x",
            "::1",
            "evil@localhost",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
