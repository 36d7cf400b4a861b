//! How working under locks fails.

use std::convert::Infallible;

use punctual_core::time::words;
use punctual_core::{LockHolder, LockName, StoreError};

/// Why work under locks did not happen, or did not succeed. "Somebody else has the lock" and "the work failed" never look
/// alike: an error of the work itself is always [`LockError::Body`], untouched, whatever it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError<E = Infallible> {
    /// Somebody else has one of the locks, and kept it for all tries. The work was not begun.
    #[error(
        "lock {name} is busy: {holder} has held it for {}; gave up after waiting for {}",
        words(*.held_for_ms),
        words(*.waited_ms)
    )]
    Busy {
        /// The first lock that is in the way.
        name: LockName,
        /// Who has it.
        holder: LockHolder,
        /// For how long it has been held, in milliseconds.
        held_for_ms: u64,
        /// How long this node tried, in milliseconds.
        waited_ms: u64,
    },
    /// The lease ended while the work was under way: the store could not be reached in time, this process stood still, or
    /// somebody broke the lock. Others may have worked at the same time.
    #[error("the lease of lock {names} was lost while the work was under way{}", if *.finished { " (it ended by itself)" } else { "; it was cancelled" })]
    Lost {
        /// The locks, separated by commas.
        names: String,
        /// Whether the work had ended by itself, with success, before the loss was found. Otherwise it was cancelled by
        /// dropping it.
        finished: bool,
    },
    /// The work failed, with its own error.
    #[error("{0}")]
    Body(E),
    /// The options cannot be followed; nothing was asked of the store.
    #[error("the lock cannot be asked for: {0}")]
    Invalid(String),
    /// The store failed when it was asked for the locks. The work was not begun.
    #[error(transparent)]
    Store(StoreError),
}

impl<E> LockError<E> {
    /// Whether somebody else does the work: the usual reason to leave it be.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}

impl LockError {
    /// The same for work with errors of its own.
    pub(super) fn widen<E>(self) -> LockError<E> {
        match self {
            Self::Busy { name, holder, held_for_ms, waited_ms } => {
                LockError::Busy { name, holder, held_for_ms, waited_ms }
            }
            Self::Lost { names, finished } => LockError::Lost { names, finished },
            Self::Body(never) => match never {},
            Self::Invalid(problem) => LockError::Invalid(problem),
            Self::Store(error) => LockError::Store(error),
        }
    }
}
