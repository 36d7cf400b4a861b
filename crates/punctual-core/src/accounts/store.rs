//! The port for accounts.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::rules::Failures;
use super::{Account, AccountChange, ApiToken, AuditQuery, AuditRow, Group, SecretHash, Session, User};
use crate::{Page, Paging, StoreError};

/// Users, groups, sessions, tokens and the log of changes.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Applies edits in order, all or none; for each the number of what it added or named, 0 where there is none.
    async fn apply_accounts(&self, now: Timestamp, changes: &[AccountChange])
    -> Result<Vec<i64>, StoreError>;

    /// A user with what their groups allow.
    async fn account(&self, user: i64) -> Result<Option<Account>, StoreError>;

    /// A user by name, in whatever case.
    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError>;

    /// Users, ordered by number.
    async fn users(&self, paging: Paging) -> Result<Page<User>, StoreError>;

    /// All groups, ordered by number.
    async fn groups(&self) -> Result<Vec<Group>, StoreError>;

    /// A session with its user, whether or not it still lives.
    async fn session(&self, hash: &SecretHash) -> Result<Option<(Session, Account)>, StoreError>;

    /// The sessions of a user, ordered by number.
    async fn sessions(&self, user: i64) -> Result<Vec<Session>, StoreError>;

    /// The failed attempts to sign in that are counted under these keys, whether or not they still count.
    async fn login_failures(&self, keys: &[String]) -> Result<BTreeMap<String, Failures>, StoreError>;

    /// A token with its user, whether or not it is still accepted.
    async fn token(&self, hash: &SecretHash) -> Result<Option<(ApiToken, Account)>, StoreError>;

    /// The tokens of a user, or of all, ordered by number.
    async fn tokens(&self, user: Option<i64>) -> Result<Vec<ApiToken>, StoreError>;

    /// Entries of the log of changes, newest first.
    async fn audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError>;

    /// Deletes what nobody needs any more: sessions and tokens that have ended, old entries of the log.
    async fn prune_accounts(&self, retention: &AccountRetention) -> Result<PrunedAccounts, StoreError>;
}

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountRetention {
    /// Delete sessions that were not used since.
    pub sessions_seen_before: Option<Timestamp>,
    /// Delete sessions that began before.
    pub sessions_created_before: Option<Timestamp>,
    /// Delete tokens that ended before.
    pub tokens_expired_before: Option<Timestamp>,
    /// Delete failed attempts to sign in that count until then at the latest.
    pub failures_until: Option<Timestamp>,
    /// Delete entries of the log from before.
    pub audit_before: Option<Timestamp>,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrunedAccounts {
    /// Sessions.
    pub sessions: u64,
    /// Tokens.
    pub tokens: u64,
    /// Keys of failed attempts to sign in.
    pub failures: u64,
    /// Entries of the log.
    pub audit: u64,
}
