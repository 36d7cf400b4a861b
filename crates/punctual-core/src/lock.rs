//! Named locks that the whole cluster respects.
//!
//! A lock is a row with a *lease*: it is held until it is given up or its lease runs out, so that a lost holder holds
//! nothing up for ever. Each acquisition gets a *fencing token*, a number that only grows. Whoever writes to something
//! that the lock protects sends the token along and has older ones refused there: a holder that was stopped for longer
//! than its lease cannot undo what its successor did.
//!
//! Stores never wait: they answer who is in the way ([`conflicts`]).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Term;
use crate::key::{KeyError, check};
use crate::time::{millis_between, plus_millis, whole_millis};

/// Names a lock: 1 to 200 characters, no control characters, no white space around it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LockName(Arc<str>);

impl LockName {
    /// A checked name.
    pub fn try_new(name: impl Into<Arc<str>>) -> Result<Self, KeyError> {
        let name = name.into();
        check("lock name", &name)?;
        Ok(Self(name))
    }

    /// A name read back from a store, where it was checked when it was written.
    pub fn stored(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockName({})", self.0)
    }
}

/// Who may hold a lock at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// Any number of shared holders, and no exclusive one.
    Shared,
    /// Nobody else.
    #[default]
    Exclusive,
}

impl LockMode {
    /// The number in stores.
    pub fn code(self) -> i64 {
        match self {
            Self::Shared => 0,
            Self::Exclusive => 1,
        }
    }

    /// The mode of a number; unknown ones (of a newer version) read as the stricter [`Self::Exclusive`].
    pub fn from_code(code: i64) -> Self {
        if code == 0 { Self::Shared } else { Self::Exclusive }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }
}

/// Why a set of locks cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockSetError {
    /// A name cannot be used.
    #[error(transparent)]
    Name(#[from] KeyError),
    /// There is no name.
    #[error("no lock is named: give at least one name")]
    Empty,
}

/// One or several locks that are taken together, in ascending order of their names, each once. A name that is given in
/// both modes is exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockSet(BTreeMap<LockName, LockMode>);

impl LockSet {
    /// A set of checked names.
    pub fn try_new<N: Into<Arc<str>>>(
        locks: impl IntoIterator<Item = (N, LockMode)>,
    ) -> Result<Self, LockSetError> {
        let mut set = BTreeMap::new();
        for (name, mode) in locks {
            let wanted = set.entry(LockName::try_new(name)?).or_insert(mode);
            *wanted = mode.max(*wanted);
        }
        if set.is_empty() { Err(LockSetError::Empty) } else { Ok(Self(set)) }
    }

    /// The locks in ascending order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&LockName, LockMode)> {
        self.0.iter().map(|(name, mode)| (name, *mode))
    }

    /// In which mode a lock is asked for, if it is.
    pub fn mode(&self, name: &LockName) -> Option<LockMode> {
        self.0.get(name).copied()
    }
}

impl fmt::Display for LockSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.keys().enumerate() {
            write!(f, "{}{name}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Who holds a lock, in words for people; locks know each other by their tokens alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// The node's name.
    pub node: String,
    /// The node's term, if it had registered.
    pub term: Option<Term>,
    /// What it does, in the holder's own words; may be empty.
    pub purpose: String,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.node)?;
        if self.purpose.is_empty() { Ok(()) } else { write!(f, " ({})", self.purpose) }
    }
}

/// Asks for locks.
#[derive(Clone, Debug, PartialEq)]
pub struct LockRequest {
    /// Which ones; all or none are granted.
    pub locks: LockSet,
    /// For whom.
    pub holder: LockHolder,
    /// The present instant.
    pub now: Timestamp,
    /// How long they are held from `now` unless renewed, in milliseconds.
    pub lease_ms: u64,
}

/// Locks that were granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockGrant {
    /// The fencing token: larger than that of every earlier grant of the store.
    pub token: i64,
    /// The locks, in ascending order.
    pub names: Vec<LockName>,
    /// When the lease ends, UTC.
    pub lease_until: Timestamp,
}

/// A lock that is held: one of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldLock {
    /// The lock.
    pub name: LockName,
    /// Alone or with others.
    pub mode: LockMode,
    /// By whom.
    pub holder: LockHolder,
    /// The grant's fencing token.
    pub token: i64,
    /// Since when, UTC.
    pub acquired_at: Timestamp,
    /// Until when unless renewed, UTC.
    pub lease_until: Timestamp,
}

impl HeldLock {
    /// For how long it has been held at `now`, in milliseconds.
    pub fn held_for_ms(&self, now: Timestamp) -> u64 {
        u64::try_from(millis_between(self.acquired_at, now)).unwrap_or(0)
    }

    /// Whether the lease has not run out at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.lease_until > now
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockAnswer {
    /// All locks are held now.
    Granted(LockGrant),
    /// Nothing was taken: these are in the way, ordered by name and token.
    Busy(Vec<HeldLock>),
}

/// Which of the held locks keep a request from being granted; none if it is granted. A lease that has run out keeps
/// nobody from anything.
pub fn conflicts<'a>(request: &LockRequest, held: impl IntoIterator<Item = &'a HeldLock>) -> Vec<HeldLock> {
    let now = whole_millis(request.now);
    let in_the_way = |held: &&HeldLock| {
        let exclusive = |mode: LockMode| mode == LockMode::Exclusive || held.mode == LockMode::Exclusive;
        held.is_live(now) && request.locks.mode(&held.name).is_some_and(exclusive)
    };
    let mut found: Vec<HeldLock> = held.into_iter().filter(in_the_way).cloned().collect();
    found.sort_by(|a, b| (&a.name, a.token).cmp(&(&b.name, b.token)));
    found
}

/// What a store writes when it grants a request under a new token, and what it answers.
pub fn grant(request: &LockRequest, token: i64) -> (LockGrant, Vec<HeldLock>) {
    let lease_until = lease_end(request.now, request.lease_ms);
    let row = |(name, mode): (&LockName, LockMode)| HeldLock {
        name: name.clone(),
        mode,
        holder: request.holder.clone(),
        token,
        acquired_at: whole_millis(request.now),
        lease_until,
    };
    let rows: Vec<HeldLock> = request.locks.iter().map(row).collect();
    let names = rows.iter().map(|row| row.name.clone()).collect();
    (LockGrant { token, names, lease_until }, rows)
}

/// When a lease that begins or is renewed at `now` ends.
pub fn lease_end(now: Timestamp, lease_ms: u64) -> Timestamp {
    plus_millis(now, i64::try_from(lease_ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(locks: &[(&str, LockMode)]) -> LockSet {
        LockSet::try_new(locks.iter().copied()).unwrap()
    }

    fn request(locks: &[(&str, LockMode)], second: i64) -> LockRequest {
        let holder = LockHolder { node: "n".to_owned(), term: None, purpose: String::new() };
        LockRequest {
            locks: set(locks),
            holder,
            now: Timestamp::from_second(second).unwrap(),
            lease_ms: 1_000,
        }
    }

    #[test]
    fn a_set_is_sorted_and_exclusive_wins() {
        use LockMode::{Exclusive, Shared};
        let set = set(&[("b", Shared), ("a", Shared), ("b", Exclusive), ("b", Shared)]);
        let locks: Vec<_> = set.iter().map(|(name, mode)| (name.as_str(), mode)).collect();
        assert_eq!(locks, [("a", Shared), ("b", Exclusive)]);
        assert_eq!(set.to_string(), "a, b");
    }

    #[test]
    fn wrong_sets_are_refused_with_the_reason() {
        assert_eq!(LockSet::try_new([("", LockMode::Shared); 0]), Err(LockSetError::Empty));
        for (name, problem) in [("", "is empty"), ("a\u{7}", "control"), (&"x".repeat(201), "200")] {
            let error = LockSet::try_new([(name, LockMode::Shared)]).unwrap_err().to_string();
            assert!(error.starts_with("lock name") && error.contains(problem), "{error}");
        }
        assert!(LockName::try_new("x".repeat(200)).is_ok());
    }

    #[test]
    fn only_shared_locks_that_run_are_compatible() {
        use LockMode::{Exclusive, Shared};
        for (held, asked, second, blocked) in [
            (Exclusive, Exclusive, 0, true),
            (Exclusive, Shared, 0, true),
            (Shared, Exclusive, 0, true),
            (Shared, Shared, 0, false),
            (Exclusive, Exclusive, 1, false),
            (Exclusive, Exclusive, -5, true),
        ] {
            let (_, rows) = grant(&request(&[("a", held), ("z", Exclusive)], 0), 7);
            let found = conflicts(&request(&[("a", asked), ("b", Exclusive)], second), &rows);
            assert_eq!(!found.is_empty(), blocked, "{held:?} held, {asked:?} asked at {second} s");
            assert!(found.iter().all(|held| held.name.as_str() == "a"));
        }
    }

    #[test]
    fn an_endless_lease_ends_with_time() {
        assert_eq!(lease_end(Timestamp::UNIX_EPOCH, u64::MAX), Timestamp::MAX);
    }
}
