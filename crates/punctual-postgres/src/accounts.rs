//! Users, groups, sessions, tokens and the log of changes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use punctual_core::accounts::rules::Failures;
use punctual_core::accounts::{
    AccountTx, ApiToken, Group, PasswordHash, SecretHash, Session, User, apply, name_key,
};
use punctual_core::time::to_millis;
use punctual_core::{
    Account, AccountChange, AccountRetention, AccountStore, AuditEntry, AuditQuery, AuditRow, Page, Paging,
    Permissions, PrunedAccounts, StoreError,
};
use tokio_postgres::Row;

use crate::edit::Edit;
use crate::link::Params;
use crate::rows::{count, instant, integer, millis};
use crate::{PostgresStore, sql};

type Result<T> = std::result::Result<T, StoreError>;

fn permissions(bits: i64) -> Permissions {
    Permissions::from_bits(bits)
}

fn when(row: &Row, at: usize) -> Option<Timestamp> {
    row.get::<_, Option<i64>>(at).map(instant)
}

fn user(row: &Row) -> User {
    User {
        id: row.get(0),
        name: row.get(1),
        password: PasswordHash::new(row.get::<_, &str>(2)),
        superuser: row.get(3),
        disabled: row.get(4),
        must_change: row.get(5),
        created_at: instant(row.get(6)),
        updated_at: instant(row.get(7)),
        last_login_at: when(row, 8),
    }
}

fn account(row: &Row) -> Account {
    Account { user: user(row), granted: permissions(row.get::<_, i64>(9)) }
}

fn session(row: &Row, at: usize) -> Session {
    Session {
        id: row.get(at),
        hash: SecretHash::new(row.get::<_, &str>(at + 1)),
        user: row.get(at + 2),
        address: row.get(at + 3),
        created_at: instant(row.get(at + 4)),
        seen_at: instant(row.get(at + 5)),
    }
}

fn token(row: &Row, at: usize) -> ApiToken {
    ApiToken {
        id: row.get(at),
        hash: SecretHash::new(row.get::<_, &str>(at + 1)),
        user: row.get(at + 2),
        name: row.get(at + 3),
        scopes: permissions(row.get::<_, i64>(at + 4)),
        created_at: instant(row.get(at + 5)),
        expires_at: when(row, at + 6),
        last_used_at: when(row, at + 7),
    }
}

fn failures(row: &Row) -> (String, Failures) {
    let count = u32::try_from(row.get::<_, i64>(1)).unwrap_or(u32::MAX);
    (row.get(0), Failures { count, last: instant(row.get(2)) })
}

/// Reads a group with one of its members, if it has any.
fn group(row: &Row) -> (Group, Option<i64>) {
    let group = Group {
        id: row.get(0),
        name: row.get(1),
        permissions: permissions(row.get::<_, i64>(2)),
        members: std::collections::BTreeSet::new(),
        created_at: instant(row.get(3)),
        updated_at: instant(row.get(4)),
    };
    (group, row.get(5))
}

fn joined(rows: Vec<(Group, Option<i64>)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (group, member) in rows {
        match groups.last_mut() {
            Some(last) if last.id == group.id => last.members.extend(member),
            _ => groups.push(Group { members: member.into_iter().collect(), ..group }),
        }
    }
    groups
}

fn audit(row: &Row) -> AuditRow {
    let value = |at| -> Option<serde_json::Value> {
        // A text that was edited by hand is shown as it is.
        let text: Option<String> = row.get(at);
        text.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)))
    };
    let mut entry = AuditEntry::new(row.get::<_, &str>(2), row.get::<_, &str>(4), row.get::<_, &str>(5))
        .by(row.get(3))
        .note(row.get(8));
    if let Some(before) = value(6) {
        entry = entry.before(before);
    }
    if let Some(after) = value(7) {
        entry = entry.after(after);
    }
    AuditRow { id: row.get(0), at: instant(row.get(1)), entry }
}

fn bits(permissions: Permissions) -> i64 {
    permissions.bits().into()
}

impl Edit {
    fn inserted(&self, statement: &str, params: Params<'_>) -> Result<i64> {
        let row = self.first(statement, params)?;
        row.map(|row| row.get(0)).ok_or_else(|| StoreError::Other("a new row has no number".to_owned()))
    }

    pub(crate) fn write_audit(&self, at: Timestamp, entry: &AuditEntry) -> Result<i64> {
        let text = |value: Option<&serde_json::Value>| value.map(serde_json::Value::to_string);
        self.inserted(
            sql::AUDIT_INSERT,
            &[
                &to_millis(at),
                &entry.actor(),
                &entry.actor_id(),
                &entry.action(),
                &entry.subject(),
                &text(entry.before_value()),
                &text(entry.after_value()),
                &entry.note_text(),
            ],
        )
    }
}

impl AccountTx for Edit {
    type Error = StoreError;

    fn user(&mut self, id: i64) -> Result<Option<User>> {
        Ok(self.first(sql::ACCOUNT_BY_ID, &[&id])?.as_ref().map(user))
    }

    fn user_named(&mut self, key: &str) -> Result<Option<i64>> {
        Ok(self.first(sql::USER_NAMED, &[&key])?.map(|row| row.get(0)))
    }

    fn has_other_superuser(&mut self, id: i64) -> Result<bool> {
        self.exists(sql::USER_OTHER_SUPERUSER, &[&id])
    }

    fn insert_user(&mut self, user: &User) -> Result<i64> {
        let params: Params<'_> = &[
            &user.name,
            &name_key(&user.name),
            &user.password.as_str(),
            &user.superuser,
            &user.disabled,
            &user.must_change,
            &to_millis(user.created_at),
            &to_millis(user.updated_at),
            &millis(user.last_login_at),
        ];
        self.inserted(sql::USER_INSERT, params)
    }

    fn update_user(&mut self, user: &User) -> Result<()> {
        let params: Params<'_> = &[
            &user.name,
            &name_key(&user.name),
            &user.password.as_str(),
            &user.superuser,
            &user.disabled,
            &user.must_change,
            &to_millis(user.created_at),
            &to_millis(user.updated_at),
            &millis(user.last_login_at),
            &user.id,
        ];
        self.run_statement(sql::USER_UPDATE, params).map(drop)
    }

    fn delete_user(&mut self, id: i64) -> Result<()> {
        self.delete_sessions_of(id, None)?;
        self.run_statement(sql::TOKENS_DELETE_OF, &[&id])?;
        self.run_statement(sql::GROUP_MEMBER_FORGET, &[&id])?;
        self.run_statement(sql::USER_DELETE, &[&id]).map(drop)
    }

    fn group(&mut self, id: i64) -> Result<Option<Group>> {
        Ok(joined(self.query(sql::GROUPS, &[&Some(id)])?.iter().map(group).collect()).pop())
    }

    fn group_named(&mut self, key: &str) -> Result<Option<i64>> {
        Ok(self.first(sql::GROUP_NAMED, &[&key])?.map(|row| row.get(0)))
    }

    fn insert_group(&mut self, group: &Group) -> Result<i64> {
        let params: Params<'_> = &[
            &group.name,
            &name_key(&group.name),
            &bits(group.permissions),
            &to_millis(group.created_at),
            &to_millis(group.updated_at),
        ];
        self.inserted(sql::GROUP_INSERT, params)
    }

    fn update_group(&mut self, group: &Group) -> Result<()> {
        let params: Params<'_> = &[
            &group.name,
            &name_key(&group.name),
            &bits(group.permissions),
            &to_millis(group.created_at),
            &to_millis(group.updated_at),
            &group.id,
        ];
        self.run_statement(sql::GROUP_UPDATE, params)?;
        self.run_statement(sql::GROUP_MEMBERS_CLEAR, &[&group.id])?;
        group
            .members
            .iter()
            .try_for_each(|user| self.run_statement(sql::GROUP_MEMBER_INSERT, &[&group.id, &user]).map(drop))
    }

    fn delete_group(&mut self, id: i64) -> Result<()> {
        self.run_statement(sql::GROUP_MEMBERS_CLEAR, &[&id])?;
        self.run_statement(sql::GROUP_DELETE, &[&id]).map(drop)
    }

    fn insert_session(&mut self, session: &Session) -> Result<i64> {
        let params: Params<'_> = &[
            &session.hash.as_str(),
            &session.user,
            &session.address,
            &to_millis(session.created_at),
            &to_millis(session.seen_at),
        ];
        self.inserted(sql::SESSION_INSERT, params)
    }

    fn see_session(&mut self, id: i64, at: Timestamp) -> Result<()> {
        self.run_statement(sql::SESSION_SEE, &[&id, &to_millis(at)]).map(drop)
    }

    fn delete_session(&mut self, id: i64) -> Result<bool> {
        Ok(self.run_statement(sql::SESSION_DELETE, &[&id])? > 0)
    }

    fn delete_sessions_of(&mut self, user: i64, keep: Option<i64>) -> Result<()> {
        // No row has the number 0.
        self.run_statement(sql::SESSIONS_DELETE_OF, &[&user, &keep.unwrap_or(0)]).map(drop)
    }

    fn failures(&mut self, key: &str) -> Result<Option<Failures>> {
        let keys = [key];
        Ok(self.first(sql::LOGIN_FAILURES, &[&&keys[..]])?.map(|row| failures(&row).1))
    }

    fn put_failures(&mut self, key: &str, failures: Failures, until: Timestamp) -> Result<()> {
        let (last, until) = (to_millis(failures.last), to_millis(until));
        let params: Params<'_> = &[&key, &i64::from(failures.count), &last, &until];
        self.run_statement(sql::LOGIN_FAILURES_PUT, params).map(drop)
    }

    fn delete_failures(&mut self, key: &str) -> Result<()> {
        self.run_statement(sql::LOGIN_FAILURES_DELETE, &[&key]).map(drop)
    }

    fn make_room_for_failures(&mut self, now: Timestamp, most: u64, chunk: u64) -> Result<()> {
        self.run_statement(sql::PRUNE_LOGIN_FAILURES, &[&to_millis(now)])?;
        self.run_statement(sql::LOGIN_FAILURES_CROWD, &[&integer(most), &integer(chunk)]).map(drop)
    }

    fn insert_token(&mut self, token: &ApiToken) -> Result<i64> {
        let params: Params<'_> = &[
            &token.hash.as_str(),
            &token.user,
            &token.name,
            &bits(token.scopes),
            &to_millis(token.created_at),
            &millis(token.expires_at),
            &millis(token.last_used_at),
        ];
        self.inserted(sql::TOKEN_INSERT, params)
    }

    fn use_token(&mut self, id: i64, at: Timestamp) -> Result<()> {
        self.run_statement(sql::TOKEN_USE, &[&id, &to_millis(at)]).map(drop)
    }

    fn delete_token(&mut self, id: i64) -> Result<bool> {
        Ok(self.run_statement(sql::TOKEN_DELETE, &[&id])? > 0)
    }

    fn insert_audit(&mut self, at: Timestamp, entry: &AuditEntry) -> Result<i64> {
        self.write_audit(at, entry)
    }
}

#[async_trait]
impl AccountStore for PostgresStore {
    async fn apply_accounts(&self, now: Timestamp, changes: &[AccountChange]) -> Result<Vec<i64>> {
        let changes = changes.to_vec();
        self.edit(move |edit| {
            edit.wake = false;
            changes.iter().map(|change| apply(edit, now, change)).collect()
        })
        .await
    }

    async fn account(&self, id: i64) -> Result<Option<Account>> {
        self.one(sql::ACCOUNT_BY_ID, &[&id], account).await
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>> {
        self.one(sql::ACCOUNT_BY_NAME, &[&name_key(name)], account).await
    }

    async fn users(&self, paging: Paging) -> Result<Page<User>> {
        let total = self.one(sql::USERS_COUNT, &[], |row| row.get(0)).await?;
        let rows =
            self.read_all(sql::USERS, &[&paging.limit.map(integer), &integer(paging.offset)], user).await?;
        Ok(Page { rows, total: count(total.unwrap_or_default()) })
    }

    async fn groups(&self) -> Result<Vec<Group>> {
        self.read_all(sql::GROUPS, &[&None::<i64>], group).await.map(joined)
    }

    async fn session(&self, hash: &SecretHash) -> Result<Option<(Session, Account)>> {
        let read = |row: &Row| (session(row, 10), account(row));
        self.one(sql::ACCOUNT_OF_SESSION, &[&hash.as_str()], read).await
    }

    async fn sessions(&self, user: i64) -> Result<Vec<Session>> {
        self.read_all(sql::SESSIONS_OF, &[&user], |row| session(row, 0)).await
    }

    async fn login_failures(&self, keys: &[String]) -> Result<BTreeMap<String, Failures>> {
        Ok(self.all(sql::LOGIN_FAILURES, &[&keys], failures).await?.into_iter().collect())
    }

    async fn token(&self, hash: &SecretHash) -> Result<Option<(ApiToken, Account)>> {
        let read = |row: &Row| (token(row, 10), account(row));
        self.one(sql::ACCOUNT_OF_TOKEN, &[&hash.as_str()], read).await
    }

    async fn tokens(&self, user: Option<i64>) -> Result<Vec<ApiToken>> {
        self.read_all(sql::TOKENS, &[&user], |row| token(row, 0)).await
    }

    async fn audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        let params: Params<'_> = &[
            &query.actor,
            &query.subject,
            &query.action,
            &query.after_prefix(),
            &millis(query.from),
            &millis(query.to),
            &query.before_id,
            &integer(query.limit),
        ];
        self.read_all(sql::AUDIT_LIST, params, audit).await
    }

    async fn prune_accounts(&self, retention: &AccountRetention) -> Result<PrunedAccounts> {
        // What is not to be pruned is older than nothing.
        let before = |limit: Option<Timestamp>| limit.map_or(i64::MIN, to_millis);
        let (seen, created) =
            (before(retention.sessions_seen_before), before(retention.sessions_created_before));
        let ended = before(retention.tokens_expired_before);
        Ok(PrunedAccounts {
            sessions: self.execute(sql::PRUNE_SESSIONS, &[&seen, &created]).await?,
            tokens: self.execute(sql::PRUNE_TOKENS, &[&ended]).await?,
            failures: self.execute(sql::PRUNE_LOGIN_FAILURES, &[&before(retention.failures_until)]).await?,
            audit: self.execute(sql::PRUNE_AUDIT, &[&before(retention.audit_before)]).await?,
        })
    }
}
