//! Users, groups, sessions, tokens and the log of changes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use punctual_core::accounts::rules::Failures;
use punctual_core::accounts::{AccountTx, ApiToken, Group, SecretHash, Session, User, apply, name_key};
use punctual_core::{
    Account, AccountChange, AccountRetention, AccountStore, AuditEntry, AuditQuery, AuditRow, Page, Paging,
    Permissions, PrunedAccounts, StoreError,
};

use crate::MemoryStore;

/// The maps. They are small, so that an edit that fails puts a copy back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    users: BTreeMap<i64, User>,
    groups: BTreeMap<i64, Group>,
    sessions: BTreeMap<i64, Session>,
    tokens: BTreeMap<i64, ApiToken>,
    log: BTreeMap<i64, AuditRow>,
    /// With the instants until when they count.
    failures: BTreeMap<String, (Failures, Timestamp)>,
    last_id: i64,
}

type Result<T> = std::result::Result<T, StoreError>;

impl Accounts {
    fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn write_audit(&mut self, at: Timestamp, entry: &AuditEntry) -> i64 {
        let id = self.next_id();
        self.log.insert(id, AuditRow { id, at, entry: entry.clone() });
        id
    }

    pub(crate) fn forget_audit(&mut self, id: i64) {
        self.log.remove(&id);
    }

    fn account(&self, id: i64) -> Option<Account> {
        let user = self.users.get(&id)?.clone();
        let granted = self.groups.values().filter(|group| group.members.contains(&id));
        let granted = granted.fold(Permissions::NONE, |all, group| all.union(group.permissions));
        Some(Account { user, granted })
    }
}

impl AccountTx for Accounts {
    type Error = StoreError;

    fn user(&mut self, id: i64) -> Result<Option<User>> {
        Ok(self.users.get(&id).cloned())
    }

    fn user_named(&mut self, key: &str) -> Result<Option<i64>> {
        Ok(self.users.values().find(|user| name_key(&user.name) == key).map(|user| user.id))
    }

    fn has_other_superuser(&mut self, id: i64) -> Result<bool> {
        Ok(self.users.values().any(|user| user.id != id && user.superuser && !user.disabled))
    }

    fn insert_user(&mut self, user: &User) -> Result<i64> {
        let id = self.next_id();
        self.users.insert(id, User { id, ..user.clone() });
        Ok(id)
    }

    fn update_user(&mut self, user: &User) -> Result<()> {
        self.users.insert(user.id, user.clone());
        Ok(())
    }

    fn delete_user(&mut self, id: i64) -> Result<()> {
        self.users.remove(&id);
        self.sessions.retain(|_, session| session.user != id);
        self.tokens.retain(|_, token| token.user != id);
        self.groups.values_mut().for_each(|group| {
            group.members.remove(&id);
        });
        Ok(())
    }

    fn group(&mut self, id: i64) -> Result<Option<Group>> {
        Ok(self.groups.get(&id).cloned())
    }

    fn group_named(&mut self, key: &str) -> Result<Option<i64>> {
        Ok(self.groups.values().find(|group| name_key(&group.name) == key).map(|group| group.id))
    }

    fn insert_group(&mut self, group: &Group) -> Result<i64> {
        let id = self.next_id();
        self.groups.insert(id, Group { id, ..group.clone() });
        Ok(id)
    }

    fn update_group(&mut self, group: &Group) -> Result<()> {
        self.groups.insert(group.id, group.clone());
        Ok(())
    }

    fn delete_group(&mut self, id: i64) -> Result<()> {
        self.groups.remove(&id);
        Ok(())
    }

    fn insert_session(&mut self, session: &Session) -> Result<i64> {
        let id = self.next_id();
        self.sessions.insert(id, Session { id, ..session.clone() });
        Ok(id)
    }

    fn see_session(&mut self, id: i64, at: Timestamp) -> Result<()> {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.seen_at = session.seen_at.max(at);
        }
        Ok(())
    }

    fn delete_session(&mut self, id: i64) -> Result<bool> {
        Ok(self.sessions.remove(&id).is_some())
    }

    fn delete_sessions_of(&mut self, user: i64, keep: Option<i64>) -> Result<()> {
        self.sessions.retain(|id, session| session.user != user || Some(*id) == keep);
        Ok(())
    }

    fn failures(&mut self, key: &str) -> Result<Option<Failures>> {
        Ok(self.failures.get(key).map(|(failures, _)| *failures))
    }

    fn put_failures(&mut self, key: &str, failures: Failures, until: Timestamp) -> Result<()> {
        self.failures.insert(key.to_owned(), (failures, until));
        Ok(())
    }

    fn delete_failures(&mut self, key: &str) -> Result<()> {
        self.failures.remove(key);
        Ok(())
    }

    fn make_room_for_failures(&mut self, now: Timestamp, most: u64, chunk: u64) -> Result<()> {
        self.failures.retain(|_, (_, until)| now < *until);
        if self.failures.len() as u64 >= most {
            let mut keys: Vec<_> =
                self.failures.iter().map(|(key, (it, _))| (it.count, it.last, key)).collect();
            keys.sort_unstable();
            let go = keys.into_iter().take(usize::try_from(chunk).unwrap_or(usize::MAX));
            for key in go.map(|(_, _, key)| key.clone()).collect::<Vec<_>>() {
                self.failures.remove(&key);
            }
        }
        Ok(())
    }

    fn insert_token(&mut self, token: &ApiToken) -> Result<i64> {
        let id = self.next_id();
        self.tokens.insert(id, ApiToken { id, ..token.clone() });
        Ok(id)
    }

    fn use_token(&mut self, id: i64, at: Timestamp) -> Result<()> {
        if let Some(token) = self.tokens.get_mut(&id) {
            token.last_used_at = token.last_used_at.max(Some(at));
        }
        Ok(())
    }

    fn delete_token(&mut self, id: i64) -> Result<bool> {
        Ok(self.tokens.remove(&id).is_some())
    }

    fn insert_audit(&mut self, at: Timestamp, entry: &AuditEntry) -> Result<i64> {
        Ok(self.write_audit(at, entry))
    }
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn apply_accounts(&self, now: Timestamp, changes: &[AccountChange]) -> Result<Vec<i64>> {
        let mut state = self.state();
        let mut accounts = state.accounts.clone();
        let ids = changes.iter().map(|change| apply(&mut accounts, now, change)).collect::<Result<_>>()?;
        state.accounts = accounts;
        Ok(ids)
    }

    async fn account(&self, user: i64) -> Result<Option<Account>> {
        Ok(self.state().accounts.account(user))
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>> {
        let accounts = &mut self.state().accounts;
        Ok(accounts.user_named(&name_key(name))?.and_then(|id| accounts.account(id)))
    }

    async fn users(&self, paging: Paging) -> Result<Page<User>> {
        let state = self.state();
        let users = &state.accounts.users;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let limit = paging.limit.map_or(usize::MAX, size);
        let rows = users.values().skip(size(paging.offset)).take(limit).cloned().collect();
        Ok(Page { rows, total: users.len() as u64 })
    }

    async fn groups(&self) -> Result<Vec<Group>> {
        Ok(self.state().accounts.groups.values().cloned().collect())
    }

    async fn session(&self, hash: &SecretHash) -> Result<Option<(Session, Account)>> {
        let state = self.state();
        let session = state.accounts.sessions.values().find(|session| session.hash == *hash);
        Ok(session.and_then(|session| Some((session.clone(), state.accounts.account(session.user)?))))
    }

    async fn sessions(&self, user: i64) -> Result<Vec<Session>> {
        let state = self.state();
        Ok(state.accounts.sessions.values().filter(|session| session.user == user).cloned().collect())
    }

    async fn login_failures(&self, keys: &[String]) -> Result<BTreeMap<String, Failures>> {
        let state = self.state();
        let known = |key: &String| Some((key.clone(), state.accounts.failures.get(key)?.0));
        Ok(keys.iter().filter_map(known).collect())
    }

    async fn token(&self, hash: &SecretHash) -> Result<Option<(ApiToken, Account)>> {
        let state = self.state();
        let token = state.accounts.tokens.values().find(|token| token.hash == *hash);
        Ok(token.and_then(|token| Some((token.clone(), state.accounts.account(token.user)?))))
    }

    async fn tokens(&self, user: Option<i64>) -> Result<Vec<ApiToken>> {
        let state = self.state();
        let wanted = |token: &&ApiToken| user.is_none_or(|user| token.user == user);
        Ok(state.accounts.tokens.values().filter(wanted).cloned().collect())
    }

    async fn audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        let state = self.state();
        let rows = state.accounts.log.values().rev().filter(|row| query.matches(row));
        Ok(rows.take(usize::try_from(query.limit).unwrap_or(usize::MAX)).cloned().collect())
    }

    async fn prune_accounts(&self, retention: &AccountRetention) -> Result<PrunedAccounts> {
        let accounts = &mut self.state().accounts;
        let before = |at: Timestamp, limit: Option<Timestamp>| limit.is_some_and(|limit| at < limit);
        let mut pruned = PrunedAccounts::default();
        accounts.sessions.retain(|_, session| {
            let ended = before(session.seen_at, retention.sessions_seen_before)
                || before(session.created_at, retention.sessions_created_before);
            pruned.sessions += u64::from(ended);
            !ended
        });
        accounts.tokens.retain(|_, token| {
            let ended = token.expires_at.is_some_and(|end| before(end, retention.tokens_expired_before));
            pruned.tokens += u64::from(ended);
            !ended
        });
        accounts.failures.retain(|_, (_, until)| {
            let ended = retention.failures_until.is_some_and(|limit| *until <= limit);
            pruned.failures += u64::from(ended);
            !ended
        });
        accounts.log.retain(|_, row| {
            let old = before(row.at, retention.audit_before);
            pruned.audit += u64::from(old);
            !old
        });
        Ok(pruned)
    }
}
