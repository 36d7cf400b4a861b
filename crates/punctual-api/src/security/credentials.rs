//! What a request brings along to say who sends it.

use axum::http::{HeaderMap, HeaderValue, header};

/// A session id in a header of its own, for pages and programs that keep no cookies.
const HEADER: &str = "x-punctual-session";
/// The cookie. Over TLS its name begins so that no other host of the domain can plant one.
const PLAIN_COOKIE: &str = "punctual-session";
const SECURE_COOKIE: &str = "__Host-punctual-session";

/// What a request brings along.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// `Authorization: Bearer`.
    Token(String),
    /// A session id in `X-Punctual-Session`.
    Session(String),
    /// A session id in a cookie, which a browser sends by itself.
    Cookie(String),
}

impl Credentials {
    pub(crate) fn of(headers: &HeaderMap, is_https: bool) -> Self {
        // Other schemes are between the caller and a proxy.
        if let Some(token) = text(headers, header::AUTHORIZATION.as_str()).and_then(bearer) {
            return Self::Token(token.to_owned());
        }
        if let Some(id) = text(headers, HEADER) {
            return Self::Session(id.to_owned());
        }
        let name = if is_https { SECURE_COOKIE } else { PLAIN_COOKIE };
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.filter(|(known, _)| *known == name).map(|(_, id)| id).next();
        found.map_or(Self::None, |id| Self::Cookie(id.to_owned()))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The header that gives a browser its session.
pub(crate) fn cookie(id: &str, is_https: bool) -> Option<HeaderValue> {
    let text = match is_https {
        true => format!("{SECURE_COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Secure"),
        false => format!("{PLAIN_COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict"),
    };
    HeaderValue::try_from(text).ok()
}

/// The header that takes it away.
pub(crate) fn no_cookie(is_https: bool) -> HeaderValue {
    HeaderValue::from_static(match is_https {
        true => "__Host-punctual-session=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0",
        false => "punctual-session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
    })
}

/// Whether a browser says that a page of another origin makes it send the request; `None` when nothing says who does.
///
/// `Sec-Fetch-Site` says so itself, `Origin` has to name this host. Pages can set neither.
pub(crate) fn is_foreign(headers: &HeaderMap) -> Option<bool> {
    if let Some(site) = text(headers, "sec-fetch-site") {
        return Some(!["same-origin", "none"].contains(&site));
    }
    let origin = text(headers, header::ORIGIN.as_str())?;
    let ours = origin.split_once("://").map(|(_, host)| host);
    Some(ours.is_none() || ours != text(headers, header::HOST.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_counts_before_a_header_and_that_before_a_cookie() {
        let all = [
            ("authorization", "bearer pt_1"),
            ("x-punctual-session", "s"),
            ("cookie", "a=b; punctual-session=c; punctual-session=d"),
        ];
        let of = |pairs: &[(&'static str, &str)], https| Credentials::of(&headers(pairs), https);
        assert!(of(&all, false) == Credentials::Token("pt_1".to_owned()));
        assert!(of(&all[1..], false) == Credentials::Session("s".to_owned()));
        assert!(of(&all[2..], false) == Credentials::Cookie("c".to_owned()));
        assert!(of(&all[2..], true) == Credentials::None, "another host of the domain may have planted it");
        assert!(of(&[("cookie", "__Host-punctual-session=c")], true) == Credentials::Cookie("c".to_owned()));
        assert!(of(&[("authorization", "Basic YTpi")], false) == Credentials::None);
    }

    #[test]
    fn browsers_say_which_page_makes_them_send() {
        for (pairs, expected) in [
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")][..], Some(false)),
            (&[("sec-fetch-site", "none")], Some(false)),
            (&[("sec-fetch-site", "same-site")], Some(true)),
            (&[("sec-fetch-site", "cross-site")], Some(true)),
            (&[("origin", "http://localhost:8080"), ("host", "localhost:8080")], Some(false)),
            (&[("origin", "http://localhost:9090"), ("host", "localhost:8080")], Some(true)),
            (&[("origin", "null"), ("host", "localhost:8080")], Some(true)),
            (&[("origin", "http://localhost:8080")], Some(true)),
            (&[("host", "localhost:8080")], None),
        ] {
            assert_eq!(is_foreign(&headers(pairs)), expected, "{pairs:?}");
        }
    }
}
