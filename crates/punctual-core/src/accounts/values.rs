//! Users, groups, sessions and tokens as a store holds them.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::{Permission, Permissions};

/// The hash of a password, in PHC string form. It shows in no message.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash as it is stored.
    pub fn new(phc: impl Into<String>) -> Self {
        Self(phc.into())
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The SHA-256 of a session id or a token, in hexadecimal digits: both are random and long, so that a fast hash does.
/// It shows in no message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretHash(String);

impl SecretHash {
    /// A hash as it is stored.
    pub fn new(hex: impl Into<String>) -> Self {
        Self(hex.into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The number.
    pub id: i64,
    /// The name to sign in with. No two names differ by upper and lower case alone.
    pub name: String,
    /// What is kept of the password.
    pub password: PasswordHash,
    /// Whether they may do everything.
    pub superuser: bool,
    /// Whether they are kept out, with all their sessions and tokens.
    pub disabled: bool,
    /// Whether they have to choose another password before anything else.
    pub must_change: bool,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they last changed.
    pub updated_at: Timestamp,
    /// When they last signed in.
    pub last_login_at: Option<Timestamp>,
}

/// Users who may do the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What its members may do; never [`Permission::Superuser`].
    pub permissions: Permissions,
    /// The numbers of its users.
    pub members: BTreeSet<i64>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it or its members last changed.
    pub updated_at: Timestamp,
}

/// Somebody signed in, on one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The number, which lets nobody in.
    pub id: i64,
    /// What is kept of the id that lets its owner in.
    pub hash: SecretHash,
    /// Whose it is.
    pub user: i64,
    /// Where they signed in from.
    pub address: Option<String>,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
}

/// A token for programs.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiToken {
    /// The number, which lets nobody in.
    pub id: i64,
    /// What is kept of the token.
    pub hash: SecretHash,
    /// As whom it acts.
    pub user: i64,
    /// What it is for.
    pub name: String,
    /// What it may do at most; never more than its user.
    pub scopes: Permissions,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A user with what their groups allow.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// What all their groups allow together.
    pub granted: Permissions,
}

impl Account {
    /// What the account may do. Without advanced permissions groups count for nothing: superusers may do everything, and
    /// all others nothing.
    pub fn permissions(&self, advanced: bool) -> Permissions {
        match (self.user.disabled, self.user.superuser) {
            (true, _) => Permissions::NONE,
            (false, true) => Permission::Superuser.into(),
            (false, false) if advanced => self.granted,
            (false, false) => Permissions::NONE,
        }
    }
}
