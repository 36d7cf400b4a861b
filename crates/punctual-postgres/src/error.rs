//! What PostgreSQL says, in the words of the store traits.

use deadpool_postgres::PoolError;
use punctual_core::StoreError;
use tokio_postgres::error::SqlState;

/// The store error of a PostgreSQL error.
pub(crate) fn store_error(error: &tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        // Without an answer of the server it is the connection that failed.
        return StoreError::Unavailable(describe(error));
    };
    let text = format!("{} ({})", db.message(), db.code().code());
    match *db.code() {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            StoreError::Other(format!(
                "the database refused the login: {text}; check the user and the password of the database URL"
            ))
        }
        SqlState::INVALID_CATALOG_NAME => {
            StoreError::Other(format!("{text}; create the database, or name another one in the database URL"))
        }
        SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Other(format!(
            "the database user lacks a right: {text}; it must own the schema, or have all rights on it"
        )),
        SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::TOO_MANY_CONNECTIONS
        | SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        | SqlState::QUERY_CANCELED
        | SqlState::LOCK_NOT_AVAILABLE
        | SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::Unavailable(text),
        SqlState::DISK_FULL => {
            StoreError::Unavailable(format!("the database's disk is full: {text}; free some space"))
        }
        SqlState::OUT_OF_MEMORY | SqlState::IO_ERROR => StoreError::Unavailable(text),
        _ => StoreError::Other(text),
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

pub(crate) fn pool_error(error: &PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => store_error(error),
        PoolError::Timeout(_) => StoreError::Unavailable(
            "no connection to the database came free in time: raise the limit of connections, or the database is \
             too slow"
                .to_owned(),
        ),
        other => StoreError::Unavailable(other.to_string()),
    }
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
