//! What PostgreSQL says, in the words of the store traits.

use deadpool_postgres::{HookError, PoolError, TimeoutType};
use punctual_core::StoreError;
use tokio_postgres::error::SqlState;

use crate::tls::Distrust;

/// The store error of a PostgreSQL error.
pub(crate) fn store_error(error: &tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else { return client_error(error) };
    let text = format!("{} ({})", db.message(), db.code().code());
    let other = |advice: &str| StoreError::Other(format!("{text}; {advice}"));
    let unavailable = |advice: &str| StoreError::Unavailable(format!("{text}; {advice}"));
    match *db.code() {
        SqlState::INVALID_PASSWORD => StoreError::Other(format!(
            "the database refused the login: {text}; check the user and the password of the database URL"
        )),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => StoreError::Other(format!(
            "the database refused the login: {text}; check the user of the database URL and the server's pg_hba.conf"
        )),
        SqlState::INVALID_CATALOG_NAME => {
            other("create the database, or name another one in the database URL")
        }
        SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Other(format!(
            "the database user lacks a right: {text}; it must own the schema, or have all rights on it"
        )),
        // A prepared statement that is not there, or is there though this connection never made it.
        SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => other(
            "if there is a pooler before the database, it must keep a connection for the whole session (PgBouncer: pool_mode \
             = session)",
        ),
        SqlState::READ_ONLY_SQL_TRANSACTION => unavailable(
            "the database can only be read: it is a standby, or default_transaction_read_only is on",
        ),
        SqlState::TOO_MANY_CONNECTIONS => {
            unavailable("raise the server's max_connections, or lower the connections of each node")
        }
        SqlState::DISK_FULL => unavailable("the database's disk is full: free some space"),
        SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::QUERY_CANCELED
        | SqlState::LOCK_NOT_AVAILABLE
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        | SqlState::OUT_OF_MEMORY
        | SqlState::IO_ERROR => StoreError::Unavailable(text),
        // The connection failed, or the server is stopping or starting.
        _ if db.code().code().starts_with("08") || db.code().code().starts_with("57P") => {
            StoreError::Unavailable(text)
        }
        _ => StoreError::Other(text),
    }
}

/// What failed on this side. Without an answer of the server it is mostly the connection.
fn client_error(error: &tokio_postgres::Error) -> StoreError {
    let text = describe(error);
    let source = std::error::Error::source(error);
    if let Some(distrust) = source.and_then(|cause| cause.downcast_ref::<Distrust>()) {
        return StoreError::Other(distrust.to_string());
    }
    if text.contains("server does not support TLS") {
        return StoreError::Other(format!(
            "{text}; switch it on there (ssl = on): the sslmode of the database URL asks for it"
        ));
    }
    if text.contains("password missing") {
        return StoreError::Other(
            "the database asks for a password, and the database URL has none".to_owned(),
        );
    }
    // What these two say does not change by itself.
    if text.starts_with("invalid configuration") || text.starts_with("authentication error") {
        return StoreError::Other(text);
    }
    StoreError::Unavailable(text)
}

/// Says where the database was looked for, if it was not found there.
pub(crate) fn at(error: StoreError, address: &str) -> StoreError {
    match error {
        StoreError::Unavailable(text) => StoreError::Unavailable(format!("database at {address}: {text}")),
        other => other,
    }
}

/// An error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Why there is no connection.
pub(crate) fn pool_error(error: &PoolError, address: &str) -> StoreError {
    let error = match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            store_error(error)
        }
        PoolError::Timeout(TimeoutType::Wait) => {
            return StoreError::Unavailable(
                "no connection to the database came free in time: raise the limit of connections, or the database is \
                 too slow"
                    .to_owned(),
            );
        }
        PoolError::Timeout(_) => StoreError::Unavailable("it did not answer in time".to_owned()),
        other => StoreError::Unavailable(other.to_string()),
    };
    at(error, address)
}

/// Lets `?` turn PostgreSQL errors into store errors.
pub(crate) trait Sql<T> {
    fn sql(self) -> Result<T, StoreError>;
}

impl<T> Sql<T> for Result<T, tokio_postgres::Error> {
    fn sql(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}
