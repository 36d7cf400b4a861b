//! The database of a URL: the one place that knows the stores.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use punctual_core::JobStore;
use punctual_postgres::PostgresStore;
use punctual_sqlite::SqliteStore;

/// Where the stores are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A file, and how it is written.
    Sqlite(PathBuf, punctual_sqlite::Options),
    /// A database that nodes share.
    Postgres(String, punctual_postgres::Options),
}

impl Place {
    /// Reads a URL.
    pub(crate) fn of(url: &str, options: punctual_sqlite::Options) -> anyhow::Result<Self> {
        if url.starts_with("postgresql://") || url.starts_with("postgres://") {
            return Ok(Self::Postgres(url.to_owned(), punctual_postgres::Options::default()));
        }
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path), options)),
            _ => bail!(
                "database url {url:?}: give sqlite://PATH, such as sqlite://punctual-data/punctual.db, or \
                 postgresql://USER:PASSWORD@HOST/DATABASE"
            ),
        }
    }

    /// Whether nodes share it.
    pub(crate) fn is_clustered(&self) -> bool {
        matches!(self, Self::Postgres(..))
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
