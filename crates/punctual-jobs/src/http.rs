//! Makes an HTTP call.

pub mod secrets;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use punctual_core::time::{plus_millis, words};
use punctual_engine::{DataProblem, Job, JobContext, JobError, JobResult};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::json;

use secrets::Secrets;

/// Which call to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpData {
    /// `http://` or `https://`.
    pub url: String,
    /// GET unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Request headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Request headers whose values are secrets: their names in [`secrets::Secrets`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_headers: BTreeMap<String, String>,
    /// Request body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Statuses that count as success, single ones or ranges such as `200-204`; 200-299 unless set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_status: Vec<Expected>,
    /// After this many milliseconds the call fails; 30000 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// A PEM file of certificate authorities that are trusted beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How many bytes of the answer are kept in the history; 4096 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<usize>,
}

/// A status or a range of statuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    /// One status.
    One(u16),
    /// `low-high`, both included.
    Range(String),
}

const DEFAULT_TIMEOUT_MS: u64 = 30_000;
const DEFAULT_BODY: usize = 4_096;

impl Expected {
    fn bounds(&self) -> Result<(u16, u16), String> {
        let wrong = |text: &str| {
            format!("expected_status {text:?}: give a status such as 200 or a range such as \"200-299\"")
        };
        let (low, high) = match self {
            Self::One(status) => (*status, *status),
            Self::Range(text) => {
                let (low, high) = text.split_once('-').unwrap_or((text, text));
                let number = |part: &str| part.trim().parse::<u16>().map_err(|_| wrong(text));
                (number(low)?, number(high)?)
            }
        };
        if low > high || !(100..=599).contains(&low) || high > 599 {
            return Err(wrong(&format!("{low}-{high}")));
        }
        Ok((low, high))
    }
}

impl HttpData {
    /// What is wrong with the data, naming the field.
    pub fn check(&self) -> Result<(), String> {
        match self.problems() {
            problems if problems.is_empty() => Ok(()),
            problems => Err(problems.join("; ")),
        }
    }

    /// Everything that is wrong with the data, each naming the field and what would be right.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(self.target().err());
        problems.extend(self.verb().err());
        for (field, names) in [("headers", &self.headers), ("secret_headers", &self.secret_headers)] {
            let is_name = |name: &str| reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok();
            let wrong = names.keys().filter(|name| !is_name(name));
            problems.extend(wrong.map(|name| format!("{field}: {name:?} is no header name")));
        }
        let given = |name: &&String| self.headers.keys().any(|other| other.eq_ignore_ascii_case(name));
        let twice = self.secret_headers.keys().filter(given);
        problems
            .extend(twice.map(|name| format!("{name:?} is in headers and in secret_headers: give it once")));
        // The value may be a secret: name the header only.
        let is_value = |value: &str| reqwest::header::HeaderValue::from_str(value).is_ok();
        let wrong = self.headers.iter().filter(|(_, value)| !is_value(value));
        problems.extend(wrong.map(|(name, _)| {
            format!("headers: the value of {name:?} has characters that a header cannot have")
        }));
        problems.extend(self.expected_status.iter().filter_map(|expected| expected.bounds().err()));
        if self.timeout_ms == Some(0) {
            problems.push("timeout_ms is 0: give at least 1".to_owned());
        }
        problems
    }

    fn parts(&self) -> Result<(Method, Url), String> {
        self.check()?;
        Ok((self.verb()?, self.target()?))
    }

    fn verb(&self) -> Result<Method, String> {
        let method = self.method.as_deref().unwrap_or("GET");
        Method::from_bytes(method.to_ascii_uppercase().as_bytes())
            .map_err(|_| format!("method {method:?} is no HTTP method"))
    }

    fn target(&self) -> Result<Url, String> {
        let url = Url::parse(&self.url).map_err(|error| {
            if self.url.contains("://") {
                return format!("url {:?}: {error}", self.url);
            }
            let begun = self.url.trim_start_matches('/');
            format!("url {:?} does not begin with https:// or http://: write \"https://{begun}\"", self.url)
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "url {:?}: its scheme must be http or https; a URL begins with https:// or http://",
                self.url
            ));
        }
        Ok(url)
    }

    fn expects(&self, status: StatusCode) -> bool {
        if self.expected_status.is_empty() {
            return status.is_success();
        }
        self.expected_status.iter().any(|expected| {
            expected.bounds().is_ok_and(|(low, high)| (low..=high).contains(&status.as_u16()))
        })
    }
}

/// The kind `http`. The clients are made when they are first needed.
#[derive(Debug, Default)]
pub struct Http {
    secrets: Secrets,
    client: OnceLock<Client>,
    /// For calls with secrets.
    discreet: OnceLock<Client>,
}

impl Http {
    /// A kind without secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// A kind whose calls may send these.
    pub fn with_secrets(secrets: Secrets) -> Self {
        Self { secrets, ..Self::default() }
    }

    fn client(&self, data: &HttpData) -> Result<Client, JobError> {
        let (slot, builder) = match data.secret_headers.is_empty() {
            true => (&self.client, base_client()),
            false => (&self.discreet, base_client().redirect(within_origin())),
        };
        if let Some(path) = &data.ca_file {
            let fatal = |error: String| JobError::fatal(format!("ca_file {}: {error}", path.display()));
            let pem = std::fs::read(path).map_err(|error| fatal(error.to_string()))?;
            let authorities =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| fatal(error.to_string()))?;
            return builder.tls_certs_merge(authorities).build().map_err(|error| fatal(error.to_string()));
        }
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let client = builder.build().map_err(JobError::fatal)?;
        Ok(slot.get_or_init(|| client).clone())
    }
}

/// Follows a redirection for as long as it stays where the call went: headers go along.
fn within_origin() -> Policy {
    Policy::custom(|attempt| {
        let first = attempt.previous().first().map(Url::origin);
        if first.is_some_and(|origin| origin != attempt.url().origin()) || attempt.previous().len() > 10 {
            // The answer is the redirection.
            return attempt.stop();
        }
        attempt.follow()
    })
}

/// What every client of this program is made from: its TLS provider and its name.
pub fn base_client() -> reqwest::ClientBuilder {
    // Another part of the program may have chosen a provider already; then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().user_agent(concat!("punctual/", env!("CARGO_PKG_VERSION"))).pool_max_idle_per_host(2)
}

impl Job for Http {
    const KIND: &'static str = "http";
    type Data = HttpData;

    fn check(data: &HttpData) -> Result<(), DataProblem> {
        data.check().map_err(DataProblem::Wrong)
    }

    async fn run(&self, ctx: JobContext<HttpData>) -> JobResult {
        let data = ctx.data();
        let (method, url) =
            data.parts().map_err(|problem| JobError::fatal(problem).with_kind("invalid data"))?;
        let mut hidden = Vec::new();
        for (name, secret) in &data.secret_headers {
            let problem = |problem| JobError::fatal(format!("secret_headers: {problem}")).with_kind("secret");
            let secret_file = self.secrets.find(secret, &url).map_err(problem)?;
            // A file may be there again in a moment.
            let passing = |problem| JobError::retry(format!("secret_headers: {problem}")).with_kind("secret");
            hidden.push((name, secret_file.header(secret).map_err(passing)?));
        }
        let mut request = self.client(data)?.request(method, url);
        for (name, value) in hidden {
            request = request.header(name, value);
        }
        for (name, value) in &data.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &data.body {
            request = request.body(body.clone());
        }
        let limit = data.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
        let until = plus_millis(ctx.now(), i64::try_from(limit).unwrap_or(i64::MAX));
        tokio::select! {
            biased;
            result = call(&ctx, request) => result,
            () = ctx.cancelled().cancelled() => Err(JobError::retry("the call was stopped").with_kind("stopped")),
            () = ctx.clock().sleep_until(until) => {
                Err(JobError::retry(format!("there was no answer within {}", words(limit))).with_kind("timeout"))
            }
        }
    }
}

async fn call(ctx: &JobContext<HttpData>, request: reqwest::RequestBuilder) -> JobResult {
    let data = ctx.data();
    // The address may hold a password; the history says where the call went without it.
    let mut response =
        request.send().await.map_err(|error| JobError::retry(error.without_url()).with_kind("connection"))?;
    let status = response.status();
    ctx.detail("status", status.as_u16());
    let limit = data.max_body_bytes.unwrap_or(DEFAULT_BODY);
    let mut body: Vec<u8> = Vec::new();
    while body.len() < limit {
        let chunk = response.chunk().await.map_err(|error| JobError::retry(error.without_url()))?;
        let Some(chunk) = chunk else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(limit);
    if !body.is_empty() {
        ctx.output("body", String::from_utf8_lossy(&body));
    }
    if data.expects(status) {
        return Ok(());
    }
    let message = format!("the answer's status is {status}, which is not expected");
    // The server's trouble or haste may pass; what it says about the request itself will not.
    let passing = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let error = if passing { JobError::retry(message) } else { JobError::fatal(message) };
    Err(error.with_kind("status").with_data(json!({"status": status.as_u16()})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(url: &str) -> HttpData {
        serde_json::from_value(json!({ "url": url })).unwrap()
    }

    #[test]
    fn bad_data_is_named() {
        data("https://example.org/x").check().unwrap();
        for (wrong, word) in [
            (data("example.org"), "url"),
            (data("ftp://example.org"), "scheme"),
            (HttpData { method: Some("G T".to_owned()), ..data("http://h") }, "method"),
            (HttpData { timeout_ms: Some(0), ..data("http://h") }, "timeout_ms"),
            (
                HttpData { expected_status: vec![Expected::Range("2xx".to_owned())], ..data("http://h") },
                "2xx",
            ),
            (HttpData { expected_status: vec![Expected::One(99)], ..data("http://h") }, "99-99"),
        ] {
            let error = wrong.check().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_cannot_run_is_refused_before_it_is_stored() {
        <Http as Job>::check(&data("https://example.org/x")).unwrap();
        let refused = <Http as Job>::check(&data("ftp://x")).unwrap_err();
        assert!(matches!(&refused, DataProblem::Wrong(text) if text.contains("scheme")), "{refused}");
    }

    #[test]
    fn secrets_in_headers_are_not_repeated() {
        let headers = BTreeMap::from([("authorization".to_owned(), "hush\n".to_owned())]);
        let error = HttpData { headers, ..data("http://h") }.check().unwrap_err();
        assert!(error.contains("authorization") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn expected_statuses_are_single_ones_or_ranges() {
        let expected_status = vec![Expected::One(404), Expected::Range("200-204".to_owned())];
        let data = HttpData { expected_status, ..data("http://h") };
        let fits: Vec<bool> =
            [200, 204, 205, 404, 500].map(|code| data.expects(StatusCode::from_u16(code).unwrap())).to_vec();
        assert_eq!(fits, [true, true, false, true, false]);
    }
}
