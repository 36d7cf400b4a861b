//! The database of a URL: the one place that knows the stores.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use punctual_core::JobStore;
use punctual_postgres::PostgresStore;
use punctual_sqlite::SqliteStore;

use crate::config::{Config, secrets};

/// Whether a URL is one of PostgreSQL, which nodes share.
pub(crate) fn is_server(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    ["postgresql", "postgres"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// A URL with the password that a file holds.
fn with_password(url: &str, password: &str) -> anyhow::Result<String> {
    let Some((scheme, rest)) = url.split_once("://").filter(|_| is_server(url)) else {
        bail!("database.password_file is for a postgresql:// url only: leave it out");
    };
    let (server, parameters) =
        rest.split_once('?').map_or((rest, None), |(server, more)| (server, Some(more)));
    let user = server.rsplit_once('@').map_or("", |(user, _)| user);
    let given = |parameter: &str| parameter.starts_with("password=");
    if user.contains(':') || parameters.is_some_and(|parameters| parameters.split('&').any(given)) {
        bail!("database.url has a password, and database.password_file is set: give one of them");
    }
    // As a parameter, since a URL may name several servers. Every byte in the form in which it means itself.
    let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let parameters = parameters.map(|parameters| format!("{parameters}&")).unwrap_or_default();
    Ok(format!("{scheme}://{server}?{parameters}password={encoded}"))
}

/// Whether the configured database can be one, without looking for it or for the file of its password.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    let database = &config.database;
    let Some(url) = &database.url else {
        return Place::configured(config).map(drop);
    };
    let url = if database.password_file.is_some() { with_password(url, "")? } else { url.clone() };
    let wait_ms = database.wait.as_ref().map(|span| span.millis());
    match Place::of(&url, database.options())?.with_connections(database.max_connections, wait_ms)? {
        Place::Postgres(url, _) => {
            PostgresStore::check_url(&url).map_err(|error| anyhow!("[database]: {error}"))
        }
        Place::Sqlite(..) => Ok(()),
    }
}

/// Where the stores are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A file, and how it is written.
    Sqlite(PathBuf, punctual_sqlite::Options),
    /// A database that nodes share.
    Postgres(String, punctual_postgres::Options),
}

impl Place {
    /// The database that a configuration names; a file in the data directory unless it names one.
    pub(crate) fn configured(config: &Config) -> anyhow::Result<Self> {
        let options = config.database.options();
        if let (Some(_), None) = (&config.database.password_file, &config.database.url) {
            bail!("database.password_file is for a postgresql:// url: give database.url, or leave it out");
        }
        match &config.database.url {
            Some(url) => {
                let url = &match &config.database.password_file {
                    Some(path) => with_password(url, &secrets::read("database.password_file", path)?)?,
                    None => url.clone(),
                };
                let wait_ms = config.database.wait.as_ref().map(|span| span.millis());
                Self::of(url, options)?.with_connections(config.database.max_connections, wait_ms)
            }
            None => Ok(Self::Sqlite(config.server.data_dir.join("punctual.db"), options)),
        }
    }

    /// Reads a URL.
    pub(crate) fn of(url: &str, options: punctual_sqlite::Options) -> anyhow::Result<Self> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        let is_sqlite = scheme.eq_ignore_ascii_case("sqlite");
        let path = rest.strip_prefix("//");
        match path {
            Some(_) if is_server(url) => {
                return Ok(Self::Postgres(url.to_owned(), punctual_postgres::Options::default()));
            }
            None if is_server(url) => bail!(
                "the database url lacks the // behind {scheme:?}: give postgresql://USER:PASSWORD@HOST/DATABASE"
            ),
            None if is_sqlite => {
                bail!("the database url lacks the // behind {scheme:?}: give sqlite://PATH")
            }
            _ => {}
        }
        match path.filter(|_| is_sqlite) {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path), options)),
            // The rest may hold a password.
            _ => bail!(
                "the database url begins with {:?}: give sqlite://PATH, such as sqlite://punctual-data/punctual.db, or \
                 postgresql://USER:PASSWORD@HOST/DATABASE",
                url.split([':', '/', '@']).next().unwrap_or_default()
            ),
        }
    }

    /// Sets what the configuration says about the connections to a server.
    pub(crate) fn with_connections(
        mut self,
        max_connections: Option<usize>,
        wait_ms: Option<u64>,
    ) -> anyhow::Result<Self> {
        let Self::Postgres(_, options) = &mut self else {
            if max_connections.is_some() || wait_ms.is_some() {
                bail!(
                    "database.max_connections and database.wait are for a postgresql:// url only: leave them out"
                );
            }
            return Ok(self);
        };
        options.max_connections = max_connections.unwrap_or(options.max_connections);
        options.wait_ms = wait_ms.unwrap_or(options.wait_ms);
        if options.max_connections < 2 {
            bail!("database.max_connections is {}: a node needs 2 at least", options.max_connections);
        }
        if options.wait_ms == 0 {
            bail!(
                "database.wait is 0: no call would ever get a connection that has to be opened; the default is 5s"
            );
        }
        Ok(self)
    }

    /// Kind, host and name, and never a password.
    pub(crate) fn shown(&self) -> serde_json::Value {
        match self {
            Self::Sqlite(path, _) => {
                serde_json::json!({ "kind": "sqlite", "name": path.display().to_string() })
            }
            Self::Postgres(url, _) => {
                let (host, name) = PostgresStore::named_by(url).ok().unzip();
                serde_json::json!({ "kind": "postgresql", "host": host, "name": name })
            }
        }
    }

    /// Whether nodes share it.
    pub(crate) fn is_clustered(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    /// Whether there is a database of a scheduler.
    pub(crate) async fn is_made(&self) -> anyhow::Result<bool> {
        match self {
            Self::Sqlite(path, _) => Ok(path.exists()),
            Self::Postgres(url, options) => PostgresStore::is_made(url, options)
                .await
                .map_err(|error| anyhow!("cannot open the database: {error}")),
        }
    }

    /// Opens the store.
    pub(crate) async fn open(&self) -> anyhow::Result<Arc<dyn JobStore>> {
        let failed = |error| anyhow!("cannot open the database: {error}");
        Ok(match self {
            Self::Sqlite(path, options) => Arc::new(SqliteStore::open(path, *options).map_err(failed)?),
            Self::Postgres(url, options) => {
                Arc::new(PostgresStore::open(url, options.clone()).await.map_err(failed)?)
            }
        })
    }

    /// Opens the store for reading only, beside whoever uses it. Nothing is made and nothing brought up to date.
    pub(crate) async fn open_read_only(&self) -> anyhow::Result<Arc<dyn JobStore>> {
        let failed = |error| anyhow!("cannot open the database: {error}");
        Ok(match self {
            Self::Sqlite(path, _) => Arc::new(SqliteStore::open_read_only(path).map_err(failed)?),
            Self::Postgres(url, options) => {
                Arc::new(PostgresStore::open_read_only(url, options.clone()).await.map_err(failed)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place::of(url, punctual_sqlite::Options::default()).unwrap()
    }

    #[test]
    fn a_scheme_is_known_in_any_case_and_needs_its_slashes() {
        assert!(place("POSTGRESQL://me@db/jobs").is_clustered() && place("Postgres://db").is_clustered());
        assert!(matches!(place("SQLite:///a.db"), Place::Sqlite(path, _) if path.to_str() == Some("/a.db")));
        for (url, says) in [
            ("postgresql:/pun:s3cret@db/jobs", "postgresql://USER"),
            ("Postgres:me:s3cret@db", "postgresql://USER"),
            ("sqlite:s3cret.db", "sqlite://PATH"),
        ] {
            let error = Place::of(url, punctual_sqlite::Options::default()).unwrap_err().to_string();
            assert!(error.contains("lacks the //") && error.contains(says), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn what_is_shown_of_a_place_has_no_password() {
        let shown = place("POSTGRESQL://me:s3cret@db.example:6000/jobs?password=s3cret").shown();
        let wanted = serde_json::json!({"kind": "postgresql", "host": "db.example:6000", "name": "jobs"});
        assert_eq!(shown, wanted);
        let wanted = serde_json::json!({"kind": "sqlite", "name": "a/b.db"});
        assert_eq!(place("sqlite://a/b.db").shown(), wanted);
    }

    #[test]
    fn connections_are_set_as_the_configuration_says() {
        let Place::Postgres(_, options) =
            place("postgresql://db/jobs").with_connections(Some(20), Some(700)).unwrap()
        else {
            panic!("not a server")
        };
        assert_eq!((options.max_connections, options.wait_ms), (20, 700));
        for (url, max, wait, says) in [
            ("postgresql://db/jobs", Some(1), None, "2 at least"),
            ("postgresql://db/jobs", None, Some(0), "database.wait is 0"),
            ("sqlite://jobs.db", None, Some(5_000), "postgresql:// url only"),
        ] {
            let error = place(url).with_connections(max, wait).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        place("sqlite://jobs.db").with_connections(None, None).unwrap();
    }

    #[test]
    fn the_password_of_a_file_is_read_as_it_stands() {
        let encoded = "password=%61%26%3D%25%3F%C3%A4";
        for (url, joined) in [
            (
                "postgresql://me@a,b:5499/jobs?sslmode=disable",
                "postgresql://me@a,b:5499/jobs?sslmode=disable&",
            ),
            ("postgres://db", "postgres://db?"),
        ] {
            assert_eq!(with_password(url, "a&=%?\u{e4}").unwrap(), format!("{joined}{encoded}"));
        }
        for (url, says) in [
            ("postgresql://me:hush@db/jobs", "one of them"),
            ("postgresql://me@db/jobs?sslmode=disable&password=hush", "one of them"),
            ("sqlite://jobs.db", "postgresql:// url only"),
        ] {
            let error = with_password(url, "x").unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn the_password_of_a_database_is_in_its_own_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        let configured = |url: &str| {
            let text = format!("[database]\n{url}\npassword_file = {file:?}");
            let config = Config::from_text("p.toml".as_ref(), text, std::iter::empty())?;
            Place::configured(&config)
        };
        let missing = format!("{:#}", configured("url = 'postgresql://me@db/jobs'").unwrap_err());
        assert!(
            missing.contains("database.password_file") && missing.contains(file.to_str().unwrap()),
            "{missing}"
        );
        std::fs::write(&file, "a\n").unwrap();
        let Place::Postgres(url, _) = configured("url = 'postgresql://me@db/jobs'").unwrap() else {
            panic!("not a server")
        };
        assert_eq!(url, "postgresql://me@db/jobs?password=%61");
        for url in ["", "url = 'sqlite://jobs.db'"] {
            let error = configured(url).unwrap_err().to_string();
            assert!(error.contains("database.password_file") && error.contains("leave it out"), "{error}");
        }
    }

    #[test]
    fn a_url_of_another_database_is_named_without_its_password() {
        let error = Place::of("mysql://me:hunter2@db/jobs", punctual_sqlite::Options::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("\"mysql\"") && error.contains("sqlite://PATH"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_configured_database_is_checked_without_being_opened() {
        let checked = |database: &str| {
            let text = format!("[database]\n{database}\n");
            check(&Config::from_text(std::path::Path::new("f"), text, std::iter::empty()).unwrap())
        };
        for right in
            ["", "url = 'sqlite://x.db'", "url = 'postgresql://u@h:1/d'\npassword_file = '/not/there'"]
        {
            checked(right).unwrap();
        }
        for (wrong, says) in [
            ("url = 'mysql://x'", "postgresql://USER"),
            ("url = 'postgresql://u@h:99999/d'", "HOST:PORT"),
            ("password_file = '/not/there'", "give database.url"),
            ("url = 'sqlite://x.db'\nmax_connections = 3", "postgresql:// url only"),
        ] {
            let error = format!("{:#}", checked(wrong).unwrap_err());
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
