//! What can go wrong, with what to do about it.

use std::path::PathBuf;

/// Why a throwaway server could not be started, stopped or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThrowawayError {
    /// No usable PostgreSQL was found.
    #[error(
        "no PostgreSQL {} or later was found; looked in:\n{}\ninstall the server (Debian and Ubuntu: `apt-get install postgresql`, \
         Fedora: `dnf install postgresql-server`, macOS: `brew install postgresql`) or set PUNCTUAL_PG_BIN to the \
         folder that holds `initdb`, `pg_ctl`, `postgres` and `psql`",
        crate::binaries::OLDEST,
        list(.looked)
    )]
    NoBinaries {
        /// Each place with what is wrong there.
        looked: Vec<String>,
    },
    /// This process is root, which PostgreSQL refuses, and there is no other user to run it as.
    #[error(
        "PostgreSQL does not run as root, and /etc/passwd has neither a user `postgres` nor `nobody` to run it as: \
         start this program as another user"
    )]
    NoUser,
    /// A setting that is not one, or that this crate sets itself.
    #[error("the PostgreSQL setting {name:?} cannot be used: {reason}")]
    Setting {
        /// The name as it was given.
        name: String,
        /// What is wrong and what would be right.
        reason: &'static str,
    },
    /// A database name outside of what [`crate::Postgres::database`] takes.
    #[error(
        "{name:?} cannot be a database here: a name starts with a lower-case letter and has at most 63 lower-case \
         letters (a-z), digits and underscores"
    )]
    DatabaseName {
        /// The name as it was given.
        name: String,
    },
    /// A server already runs on the data folder.
    #[error("a PostgreSQL server already runs on {}: stop it or name another folder", .data_dir.display())]
    InUse {
        /// The data folder.
        data_dir: PathBuf,
    },
    /// Another program listens on the port.
    #[error(
        "port {port} of 127.0.0.1 is taken by another program: name another port, or none to have a free one"
    )]
    PortTaken {
        /// The port that was asked for.
        port: u16,
    },
    /// The operating system refused something.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// `initdb`, `pg_ctl start`, `psql` and so on.
        program: String,
        /// What it said, and for a start the server's log of that start.
        output: String,
    },
}

impl ThrowawayError {
    /// Makes an error of the operating system say what was tried.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

fn list(looked: &[String]) -> String {
    looked.iter().map(|place| format!("  - {place}")).collect::<Vec<_>>().join("\n")
}
