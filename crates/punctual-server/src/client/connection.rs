//! The connection to a server.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, Url};

use super::credentials::Credentials;
use super::{Failure, Options, Request};

/// How long a connection and each part of an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The header of a session.
const SESSION: HeaderName = HeaderName::from_static("x-punctual-session");

/// The header that says why.
const NOTE: HeaderName = HeaderName::from_static("x-punctual-note");

/// A server, and whom it takes us for.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    server: Url,
}

impl Connection {
    pub(crate) fn open(options: &Options) -> anyhow::Result<Self> {
        let server = address(&options.server)?;
        let mut builder = punctual_jobs::http::base_client()
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            // The token is for this server alone.
            .redirect(Policy::none());
        let headers = match options.token()? {
            Some(token) => {
                Self::refuse_eavesdroppers(options, "the token")?;
                secret_header(AUTHORIZATION, &format!("Bearer {token}"))?
            }
            None => match Credentials::session(server.as_str())? {
                Some(session) => {
                    Self::refuse_eavesdroppers(options, "the session that is kept")?;
                    secret_header(SESSION, &session.id)?
                }
                None => HeaderMap::new(),
            },
        };
        builder = builder.default_headers(headers);
        builder = match &options.ca_file {
            Some(path) => {
                let named = || format!("--ca-file {}", path.display());
                let pem = std::fs::read(path).with_context(named)?;
                builder.tls_certs_merge(Certificate::from_pem_bundle(&pem).with_context(named)?)
            }
            // A machine without certificate authorities can still talk to itself.
            None if server.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
        };
        let client = builder.build().context("cannot make a connection")?;
        Ok(Self { client, server })
    }

    /// Refuses to send a secret that can be read on its way, since it leaves this machine and is not encrypted.
    pub(super) fn refuse_eavesdroppers(options: &Options, secret: &str) -> anyhow::Result<()> {
        let server = address(&options.server)?;
        let is_overheard = server.scheme() == "http" && !is_here(server.host_str().unwrap_or_default());
        if is_overheard && !options.insecure {
            bail!(
                "{} is another machine and not https: whoever is between could read {secret}; give an address with \
                 https, or --insecure",
                options.server
            );
        }
        Ok(())
    }

    /// The server's address, in one form however it was written.
    pub(super) fn server(&self) -> &str {
        self.server.as_str()
    }

    /// The text of a good answer.
    pub(crate) async fn send(&self, request: &Request) -> Result<String, Failure> {
        let response = self.good(self.prepare(request)).await?;
        response.text().await.map_err(|error| self.unanswered(&error))
    }

    /// A stream of events, from after the one with this id.
    pub(super) async fn stream(&self, request: &Request, after: Option<&str>) -> Result<Response, Failure> {
        let mut builder = self.prepare(request).header(ACCEPT, "text/event-stream");
        if let Some(id) = after {
            builder = builder.header("last-event-id", id);
        }
        self.good(builder).await
    }

    /// The next piece of an answer, until it ends.
    pub(super) async fn more(&self, response: &mut Response) -> Result<Option<Vec<u8>>, Failure> {
        let piece = response.chunk().await.map_err(|error| self.unanswered(&error))?;
        Ok(piece.map(|bytes| bytes.to_vec()))
    }

    /// A good answer whose body is still to come.
    async fn good(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unanswered(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            let to =
                response.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            let detail = format!("{} sends us to {to}: give that server's address", self.server);
            return Err(Failure::answered(status.as_u16(), &detail));
        }
        let body = response.text().await.map_err(|error| self.unanswered(&error))?;
        Err(Failure::answered(status.as_u16(), &body))
    }

    fn prepare(&self, request: &Request) -> RequestBuilder {
        let mut url = self.server.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}{}", request.path()));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut builder = self.client.request(request.method.clone(), url);
        if let Some(note) = &request.note {
            builder = builder.header(NOTE, note.as_bytes());
        }
        match &request.body {
            Some(body) => builder.header("content-type", body.kind).body(body.text.clone()),
            None => builder,
        }
    }

    fn unanswered(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Failure::unanswered(format!(
            "no answer from {}: {cause} (--server or PUNCTUAL_SERVER names the server)",
            self.server
        ))
    }
}

fn address(text: &str) -> anyhow::Result<Url> {
    // `localhost:8080` parses as a URL whose scheme is `localhost`.
    if !text.contains("://") {
        bail!("--server {text:?}: an address begins with http:// or https://, as in http://{text}");
    }
    let url = Url::parse(text).map_err(|error| anyhow!("--server {text:?}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!("--server {text:?}: its scheme must be http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("--server: an address cannot hold a name and a password: give a token");
    }
    Ok(url)
}

/// Whether a host is this machine, whatever its name server says: loopback addresses, and `localhost` (RFC 6761).
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

fn secret_header(name: HeaderName, value: &str) -> anyhow::Result<HeaderMap> {
    // The message must not repeat the value.
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| anyhow!("the token has characters that a token cannot have"))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(name, value)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_meant_are_named() {
        for (text, said) in [
            ("localhost:8080", "http://localhost:8080"),
            ("ftp://host", "http or https"),
            ("http://", "empty host"),
            ("https://a:b@host", "token"),
        ] {
            let error = address(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("a:b"), "{error}");
        }
        assert_eq!(address("https://host/below").unwrap().as_str(), "https://host/below");
    }

    #[test]
    fn only_this_machine_is_here() {
        for host in [
            "127.0.0.1",
            "127.9.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "LocalHost.",
            "a.localhost",
        ] {
            assert!(is_here(host), "{host}");
        }
        for host in ["10.0.0.1", "[2001:db8::1]", "0.0.0.0", "notlocalhost", "localhost.example", ""] {
            assert!(!is_here(host), "{host}");
        }
    }

    #[test]
    fn a_token_is_not_repeated() {
        let error = secret_header(AUTHORIZATION, "hush\n").unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
        assert!(!format!("{:?}", secret_header(SESSION, "hush").unwrap()).contains("hush"));
    }
}
