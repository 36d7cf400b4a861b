//! The database URL: where the server is, and how far it is trusted.

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use punctual_core::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::tls::{Connector, Files, Mode};

/// How long the system tries to reach a host, and how soon it notices that one is gone.
const CONNECT: Duration = Duration::from_secs(5);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(25);

/// What the system would wait before its first keepalive: the library's answer where the URL says nothing.
const LIBRARY_KEEPALIVE_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// A database that can be connected to. It never shows its password.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) tls: Connector,
}

impl Target {
    /// Reads a URL, and says what is wrong with it without showing its password.
    pub(crate) fn of(url: &str) -> Result<Self, StoreError> {
        let (rest, mode, files) = take_tls(url)?;
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error);
            unreadable(&cause.map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unreadable("it names no host"));
        }
        let sockets = config.get_hosts().iter().all(is_socket) && config.get_hostaddrs().is_empty();
        config.ssl_mode(match mode {
            // There is no TLS over sockets, and none is needed.
            _ if sockets => SslMode::Disable,
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("punctual");
        }
        if config.get_keepalives_idle() == LIBRARY_KEEPALIVE_IDLE {
            config.keepalives_idle(KEEPALIVE_IDLE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE_INTERVAL);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(KEEPALIVE_RETRIES);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNACKNOWLEDGED);
        }
        Ok(Self { config, tls: Connector::new(mode, &files)? })
    }

    /// `HOST:PORT`, or several of them, for messages.
    pub(crate) fn address(&self) -> String {
        let (hosts, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        let ports = self.config.get_ports();
        let host = |at: usize| match (hosts.get(at), addresses.get(at)) {
            (Some(Host::Tcp(host)), _) => host.clone(),
            (Some(Host::Unix(path)), _) => path.display().to_string(),
            (None, Some(address)) => address.to_string(),
            (None, None) => String::new(),
        };
        let one =
            |at: usize| format!("{}:{}", host(at), ports.get(at).or(ports.first()).copied().unwrap_or(5432));
        (0..hosts.len().max(addresses.len())).map(one).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or("postgres")
    }
}

fn is_socket(host: &Host) -> bool {
    matches!(host, Host::Unix(_))
}

fn unreadable(cause: &str) -> StoreError {
    StoreError::Other(format!(
        "the database URL cannot be read: {cause}; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for an @ \
         and %25 for a % in the password"
    ))
}

/// Takes the parameters of TLS out of a URL: the library knows only some of their values.
fn take_tls(url: &str) -> Result<(String, Mode, Files), StoreError> {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    if !["postgresql", "postgres"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(unreadable("it does not start with postgresql://"));
    }
    if !rest.starts_with("//") {
        return Err(unreadable("the // behind postgresql: is missing"));
    }
    // The library knows a scheme in small letters only.
    let url = &format!("postgresql:{rest}");
    // Whatever follows a second one could be a part of the password, and would be shown as a host or parameter.
    if url.matches('@').count() > 1 {
        return Err(unreadable("it has more than one @"));
    }
    let (mut mode, mut files) = (Mode::Prefer, Files::default());
    let host = url.find('@').map_or(0, |at| at + 1);
    let Some(query) = url[host..].find('?').map(|at| host + at) else {
        return Ok((url.to_owned(), mode, files));
    };
    let mut others = Vec::new();
    for parameter in url[query + 1..].split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = || decoded(value);
        match &*decoded(name)? {
            "sslmode" => mode = Mode::of(&value()?).ok_or_else(|| bad_mode(value()))?,
            "sslrootcert" => files.root = Some(value()?.into_owned()),
            "sslcert" => files.certificate = Some(value()?.into_owned()),
            "sslkey" => files.key = Some(value()?.into_owned()),
            _ => others.push(parameter),
        }
    }
    let question = if others.is_empty() { "" } else { "?" };
    Ok((format!("{}{question}{}", &url[..query], others.join("&")), mode, files))
}

fn bad_mode(value: Result<Cow<'_, str>, StoreError>) -> StoreError {
    let value = value.unwrap_or_default();
    unreadable(&format!("sslmode is {value:?}, not disable, prefer, require, verify-ca or verify-full"))
}

fn decoded(text: &str) -> Result<Cow<'_, str>, StoreError> {
    percent_decode_str(text).decode_utf8().map_err(|_| unreadable("a parameter is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::of(url).unwrap()
    }

    #[test]
    fn a_scheme_is_known_in_any_case() {
        assert_eq!(target("POSTGRESQL://me@db:1/jobs").address(), "db:1");
        assert_eq!(target("Postgres://me@db:1/jobs?sslmode=disable").database(), "jobs");
    }

    #[test]
    fn tls_is_preferred_unless_the_url_says_otherwise() {
        for (query, mode) in [
            ("", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=prefer&", SslMode::Prefer),
            ("?connect_timeout=3&sslmode=require", SslMode::Require),
            ("?sslmode=verify-c%61", SslMode::Require),
        ] {
            let found = target(&format!("postgresql://me:a%40b?c/d@db.example:6543/jobs{query}"));
            assert_eq!(found.config.get_ssl_mode(), mode, "{query}");
            assert_eq!(found.config.get_password(), Some(&b"a@b?c/d"[..]));
            assert_eq!((found.address().as_str(), found.database()), ("db.example:6543", "jobs"));
        }
        let socket = target("postgresql:///jobs?host=/run/postgresql&user=me&sslmode=require");
        assert_eq!(socket.config.get_ssl_mode(), SslMode::Disable);
        assert_eq!(socket.address(), "/run/postgresql:5432");
    }

    #[test]
    fn what_the_url_says_about_time_outs_stays() {
        let found =
            target("postgresql://db/?connect_timeout=60&keepalives_idle=77&application_name=mine").config;
        assert_eq!(found.get_connect_timeout(), Some(&Duration::from_secs(60)));
        assert_eq!(found.get_keepalives_idle(), Duration::from_secs(77));
        assert_eq!(found.get_application_name(), Some("mine"));
        let silent = target("postgresql://one,two:99/").config;
        assert_eq!(silent.get_connect_timeout(), Some(&CONNECT));
        assert_eq!(silent.get_keepalives_idle(), KEEPALIVE_IDLE);
    }

    #[test]
    fn a_url_that_cannot_be_read_never_shows_its_password() {
        for (url, says) in [
            ("mysql://me:hunter2@db/jobs", "does not start with postgresql://"),
            ("host=db password=hunter2", "does not start with postgresql://"),
            ("postgresql://me:hunter2@db:x/jobs", "`port`"),
            ("postgresql://me:hunter2@db/jobs?colour=red", "`colour`"),
            ("postgresql://me:hunter2@db/jobs?colour", "parameter"),
            ("postgresql://me:p@hunter2?hunter2=/x@db/jobs", "more than one @"),
            ("postgresql://me:hunter2@/jobs", "no host"),
            ("postgresql:/me:hunter2@db/jobs", "the // behind postgresql: is missing"),
            ("postgresql://me:hunter2@db/jobs?sslmode=maybe", "\"maybe\", not disable"),
            ("postgresql://me:hunter2@db/jobs?sslmode=verify-full&sslrootcert=/nowhere", "\"/nowhere\""),
            ("postgresql://me:hunter2@db/jobs?sslcert=/nowhere", "sslkey"),
        ] {
            let error = Target::of(url).err().unwrap().to_string();
            assert!(error.contains(says) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
