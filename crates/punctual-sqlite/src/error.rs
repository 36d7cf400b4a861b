//! What SQLite says, in the words of the store traits.

use punctual_core::StoreError;
use rusqlite::{Error, ErrorCode};

/// The store error of an SQLite error.
pub(crate) fn store_error(error: &Error) -> StoreError {
    let Error::SqliteFailure(failure, message) = error else { return StoreError::Other(error.to_string()) };
    let text = message.clone().unwrap_or_else(|| failure.to_string());
    match failure.code {
        ErrorCode::DiskFull => StoreError::Unavailable(format!("the disk is full ({text}): free some space")),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Unavailable(format!("another program holds the database ({text})"))
        }
        ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::CannotOpen => {
            StoreError::Unavailable(format!("the database file cannot be read or written ({text})"))
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::Unavailable(format!(
            "the database file must not be written ({text}): check its permissions"
        )),
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => StoreError::Corrupt(text),
        _ => StoreError::Other(text),
    }
}

/// Lets `?` turn SQLite errors into store errors.
pub(crate) trait Sql<T> {
    fn sql(self) -> Result<T, StoreError>;
}

impl<T> Sql<T> for Result<T, Error> {
    fn sql(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}
