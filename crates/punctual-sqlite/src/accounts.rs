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
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Sql;
use crate::rows::{count, instant, integer, millis};
use crate::writer::Writer;
use crate::{SqliteStore, sql};

type Result<T> = std::result::Result<T, StoreError>;
type Read<T> = rusqlite::Result<T>;

fn permissions(bits: i64) -> Permissions {
    Permissions::from_bits(bits)
}

fn when(row: &Row<'_>, at: usize) -> Read<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(at)?.map(instant))
}

fn user(row: &Row<'_>) -> Read<User> {
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        password: PasswordHash::new(row.get::<_, String>(2)?),
        superuser: row.get(3)?,
        disabled: row.get(4)?,
        must_change: row.get(5)?,
        created_at: instant(row.get(6)?),
        updated_at: instant(row.get(7)?),
        last_login_at: when(row, 8)?,
    })
}

fn account(row: &Row<'_>) -> Read<Account> {
    Ok(Account { user: user(row)?, granted: permissions(row.get(9)?) })
}

fn session(row: &Row<'_>, at: usize) -> Read<Session> {
    Ok(Session {
        id: row.get(at)?,
        hash: SecretHash::new(row.get::<_, String>(at + 1)?),
        user: row.get(at + 2)?,
        address: row.get(at + 3)?,
        created_at: instant(row.get(at + 4)?),
        seen_at: instant(row.get(at + 5)?),
    })
}

fn token(row: &Row<'_>, at: usize) -> Read<ApiToken> {
    Ok(ApiToken {
        id: row.get(at)?,
        hash: SecretHash::new(row.get::<_, String>(at + 1)?),
        user: row.get(at + 2)?,
        name: row.get(at + 3)?,
        scopes: permissions(row.get(at + 4)?),
        created_at: instant(row.get(at + 5)?),
        expires_at: when(row, at + 6)?,
        last_used_at: when(row, at + 7)?,
    })
}

fn failures(row: &Row<'_>) -> Read<(String, Failures)> {
    let count = u32::try_from(row.get::<_, i64>(1)?).unwrap_or(u32::MAX);
    Ok((row.get(0)?, Failures { count, last: instant(row.get(2)?) }))
}

/// Reads a group with one of its members, if it has any.
fn group(row: &Row<'_>) -> Read<(Group, Option<i64>)> {
    let group = Group {
        id: row.get(0)?,
        name: row.get(1)?,
        permissions: permissions(row.get(2)?),
        members: std::collections::BTreeSet::new(),
        created_at: instant(row.get(3)?),
        updated_at: instant(row.get(4)?),
    };
    Ok((group, row.get(5)?))
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

fn audit(row: &Row<'_>) -> Read<AuditRow> {
    let value = |at| -> Read<Option<serde_json::Value>> {
        // A text that was edited by hand is shown as it is.
        let text: Option<String> = row.get(at)?;
        Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))))
    };
    let mut entry =
        AuditEntry::new(row.get::<_, String>(2)?, row.get::<_, String>(4)?, row.get::<_, String>(5)?)
            .by(row.get(3)?)
            .note(row.get(8)?);
    if let Some(before) = value(6)? {
        entry = entry.before(before);
    }
    if let Some(after) = value(7)? {
        entry = entry.after(after);
    }
    Ok(AuditRow { id: row.get(0)?, at: instant(row.get(1)?), entry })
}

impl Writer {
    fn inserted(&self, statement: &str, params: impl rusqlite::Params) -> Result<i64> {
        let id = self.one(statement, params, |row| row.get(0))?;
        id.ok_or_else(|| StoreError::Other("a new row has no number".to_owned()))
    }

    pub(crate) fn write_audit(&self, at: Timestamp, entry: &AuditEntry) -> Result<i64> {
        let text = |value: Option<&serde_json::Value>| value.map(serde_json::Value::to_string);
        let params = (
            to_millis(at),
            entry.actor(),
            entry.actor_id(),
            entry.action(),
            entry.subject(),
            text(entry.before_value()),
            text(entry.after_value()),
            entry.note_text(),
        );
        self.inserted(sql::AUDIT_INSERT, params)
    }
}

impl AccountTx for Writer {
    type Error = StoreError;

    fn user(&mut self, id: i64) -> Result<Option<User>> {
        self.one(sql::ACCOUNT_BY_ID, [id], user)
    }

    fn user_named(&mut self, key: &str) -> Result<Option<i64>> {
        self.one(sql::USER_NAMED, [key], |row| row.get(0))
    }

    fn has_other_superuser(&mut self, id: i64) -> Result<bool> {
        self.exists(sql::USER_OTHER_SUPERUSER, [id])
    }

    fn insert_user(&mut self, user: &User) -> Result<i64> {
        let params = (
            &user.name,
            name_key(&user.name),
            user.password.as_str(),
            user.superuser,
            user.disabled,
            user.must_change,
            to_millis(user.created_at),
            to_millis(user.updated_at),
            millis(user.last_login_at),
        );
        self.inserted(sql::USER_INSERT, params)
    }

    fn update_user(&mut self, user: &User) -> Result<()> {
        let params = (
            &user.name,
            name_key(&user.name),
            user.password.as_str(),
            user.superuser,
            user.disabled,
            user.must_change,
            to_millis(user.created_at),
            to_millis(user.updated_at),
            millis(user.last_login_at),
            user.id,
        );
        self.run(sql::USER_UPDATE, params).map(drop)
    }

    fn delete_user(&mut self, id: i64) -> Result<()> {
        self.delete_sessions_of(id, None)?;
        self.run(sql::TOKENS_DELETE_OF, [id])?;
        self.run(sql::GROUP_MEMBER_FORGET, [id])?;
        self.run(sql::USER_DELETE, [id]).map(drop)
    }

    fn group(&mut self, id: i64) -> Result<Option<Group>> {
        Ok(joined(self.many(sql::GROUPS, [Some(id)], group)?).pop())
    }

    fn group_named(&mut self, key: &str) -> Result<Option<i64>> {
        self.one(sql::GROUP_NAMED, [key], |row| row.get(0))
    }

    fn insert_group(&mut self, group: &Group) -> Result<i64> {
        let params = (
            &group.name,
            name_key(&group.name),
            group.permissions.bits(),
            to_millis(group.created_at),
            to_millis(group.updated_at),
        );
        self.inserted(sql::GROUP_INSERT, params)
    }

    fn update_group(&mut self, group: &Group) -> Result<()> {
        let params = (
            &group.name,
            name_key(&group.name),
            group.permissions.bits(),
            to_millis(group.created_at),
            to_millis(group.updated_at),
            group.id,
        );
        self.run(sql::GROUP_UPDATE, params)?;
        self.run(sql::GROUP_MEMBERS_CLEAR, [group.id])?;
        group
            .members
            .iter()
            .try_for_each(|user| self.run(sql::GROUP_MEMBER_INSERT, (group.id, user)).map(drop))
    }

    fn delete_group(&mut self, id: i64) -> Result<()> {
        self.run(sql::GROUP_MEMBERS_CLEAR, [id])?;
        self.run(sql::GROUP_DELETE, [id]).map(drop)
    }

    fn insert_session(&mut self, session: &Session) -> Result<i64> {
        let params = (
            session.hash.as_str(),
            session.user,
            &session.address,
            to_millis(session.created_at),
            to_millis(session.seen_at),
        );
        self.inserted(sql::SESSION_INSERT, params)
    }

    fn see_session(&mut self, id: i64, at: Timestamp) -> Result<()> {
        self.run(sql::SESSION_SEE, (id, to_millis(at))).map(drop)
    }

    fn delete_session(&mut self, id: i64) -> Result<bool> {
        Ok(self.run(sql::SESSION_DELETE, [id])? > 0)
    }

    fn delete_sessions_of(&mut self, user: i64, keep: Option<i64>) -> Result<()> {
        // No row has the number 0.
        self.run(sql::SESSIONS_DELETE_OF, (user, keep.unwrap_or(0))).map(drop)
    }

    fn failures(&mut self, key: &str) -> Result<Option<Failures>> {
        Ok(self.one(sql::LOGIN_FAILURES, [key], failures)?.map(|(_, failures)| failures))
    }

    fn put_failures(&mut self, key: &str, failures: Failures, until: Timestamp) -> Result<()> {
        let params = (key, failures.count, to_millis(failures.last), to_millis(until));
        self.run(sql::LOGIN_FAILURES_PUT, params).map(drop)
    }

    fn delete_failures(&mut self, key: &str) -> Result<()> {
        self.run(sql::LOGIN_FAILURES_DELETE, [key]).map(drop)
    }

    fn make_room_for_failures(&mut self, now: Timestamp, most: u64, chunk: u64) -> Result<()> {
        self.run(sql::PRUNE_LOGIN_FAILURES, [to_millis(now)])?;
        self.run(sql::LOGIN_FAILURES_CROWD, (integer(most), integer(chunk))).map(drop)
    }

    fn insert_token(&mut self, token: &ApiToken) -> Result<i64> {
        let params = (
            token.hash.as_str(),
            token.user,
            &token.name,
            token.scopes.bits(),
            to_millis(token.created_at),
            millis(token.expires_at),
            millis(token.last_used_at),
        );
        self.inserted(sql::TOKEN_INSERT, params)
    }

    fn use_token(&mut self, id: i64, at: Timestamp) -> Result<()> {
        self.run(sql::TOKEN_USE, (id, to_millis(at))).map(drop)
    }

    fn delete_token(&mut self, id: i64) -> Result<bool> {
        Ok(self.run(sql::TOKEN_DELETE, [id])? > 0)
    }

    fn insert_audit(&mut self, at: Timestamp, entry: &AuditEntry) -> Result<i64> {
        self.write_audit(at, entry)
    }
}

fn one<T>(
    connection: &Connection,
    statement: &str,
    params: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> Read<T>,
) -> Result<Option<T>> {
    connection
        .prepare_cached(statement)
        .and_then(|mut prepared| prepared.query_row(params, read).optional())
        .sql()
}

fn many<T>(
    connection: &Connection,
    statement: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> Read<T>,
) -> Result<Vec<T>> {
    connection
        .prepare_cached(statement)
        .and_then(|mut prepared| prepared.query_map(params, read)?.collect())
        .sql()
}

#[async_trait]
impl AccountStore for SqliteStore {
    async fn apply_accounts(&self, now: Timestamp, changes: &[AccountChange]) -> Result<Vec<i64>> {
        let changes = changes.to_vec();
        self.write(move |writer| changes.iter().map(|change| apply(writer, now, change)).collect()).await
    }

    async fn account(&self, id: i64) -> Result<Option<Account>> {
        self.read(move |connection| one(connection, sql::ACCOUNT_BY_ID, [id], account)).await
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>> {
        let key = name_key(name);
        self.read(move |connection| one(connection, sql::ACCOUNT_BY_NAME, [key], account)).await
    }

    async fn users(&self, paging: Paging) -> Result<Page<User>> {
        self.read(move |connection| {
            let total: Option<i64> = one(connection, sql::USERS_COUNT, [], |row| row.get(0))?;
            let params = (paging.limit.map_or(-1, integer), integer(paging.offset));
            let rows = many(connection, sql::USERS, params, user)?;
            Ok(Page { rows, total: count(total.unwrap_or_default()) })
        })
        .await
    }

    async fn groups(&self) -> Result<Vec<Group>> {
        self.read(|connection| many(connection, sql::GROUPS, [None::<i64>], group).map(joined)).await
    }

    async fn session(&self, hash: &SecretHash) -> Result<Option<(Session, Account)>> {
        let hash = hash.clone();
        let read = |row: &Row<'_>| Ok((session(row, 10)?, account(row)?));
        self.read(move |connection| one(connection, sql::ACCOUNT_OF_SESSION, [hash.as_str()], read)).await
    }

    async fn sessions(&self, user: i64) -> Result<Vec<Session>> {
        self.read(move |connection| many(connection, sql::SESSIONS_OF, [user], |row| session(row, 0))).await
    }

    async fn login_failures(&self, keys: &[String]) -> Result<BTreeMap<String, Failures>> {
        let keys = keys.to_vec();
        self.read(move |connection| {
            let known = keys.iter().map(|key| one(connection, sql::LOGIN_FAILURES, [key], failures));
            known.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn token(&self, hash: &SecretHash) -> Result<Option<(ApiToken, Account)>> {
        let hash = hash.clone();
        let read = |row: &Row<'_>| Ok((token(row, 10)?, account(row)?));
        self.read(move |connection| one(connection, sql::ACCOUNT_OF_TOKEN, [hash.as_str()], read)).await
    }

    async fn tokens(&self, user: Option<i64>) -> Result<Vec<ApiToken>> {
        self.read(move |connection| many(connection, sql::TOKENS, [user], |row| token(row, 0))).await
    }

    async fn audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        let query = query.clone();
        self.read(move |connection| {
            let params = (
                &query.actor,
                &query.subject,
                &query.action,
                query.after_prefix(),
                millis(query.from),
                millis(query.to),
                query.before_id,
                integer(query.limit),
            );
            many(connection, sql::AUDIT_LIST, params, audit)
        })
        .await
    }

    async fn prune_accounts(&self, retention: &AccountRetention) -> Result<PrunedAccounts> {
        let retention = *retention;
        // What is not to be pruned is older than nothing.
        let before = |limit: Option<Timestamp>| limit.map_or(i64::MIN, to_millis);
        self.write(move |writer| {
            let sessions =
                (before(retention.sessions_seen_before), before(retention.sessions_created_before));
            Ok(PrunedAccounts {
                sessions: writer.run(sql::PRUNE_SESSIONS, sessions)? as u64,
                tokens: writer.run(sql::PRUNE_TOKENS, [before(retention.tokens_expired_before)])? as u64,
                failures: writer.run(sql::PRUNE_LOGIN_FAILURES, [before(retention.failures_until)])? as u64,
                audit: writer.run(sql::PRUNE_AUDIT, [before(retention.audit_before)])? as u64,
            })
        })
        .await
    }
}
