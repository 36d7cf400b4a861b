//! Users, groups, tokens and the log of changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use punctual_core::accounts::rules::SessionRules;
use punctual_core::accounts::{self, Group};
use punctual_core::{Account, AuditRow, Permission, Permissions, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Instant;

/// A text that shows in no message.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// `monitoring`, `operate`, `edit` or `superuser`; each holds those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PermissionName {
    Monitoring,
    Operate,
    Edit,
    Superuser,
}

impl From<Permission> for PermissionName {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Monitoring => Self::Monitoring,
            Permission::Operate => Self::Operate,
            Permission::Edit => Self::Edit,
            Permission::Superuser => Self::Superuser,
        }
    }
}

impl From<PermissionName> for Permission {
    fn from(name: PermissionName) -> Self {
        match name {
            PermissionName::Monitoring => Self::Monitoring,
            PermissionName::Operate => Self::Operate,
            PermissionName::Edit => Self::Edit,
            PermissionName::Superuser => Self::Superuser,
        }
    }
}

pub(crate) fn names(permissions: Permissions) -> Vec<PermissionName> {
    permissions.iter().map(Into::into).collect()
}

pub(crate) fn permissions(names: &[PermissionName]) -> Permissions {
    names.iter().map(|name| Permission::from(*name)).collect()
}

/// A name and a password
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    pub(crate) username: String,
    #[schema(value_type = String)]
    pub(crate) password: Secret,
}

/// A session
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedIn {
    /// The session's id: send it as `X-Punctual-Session`, unless you keep cookies. It is not shown again.
    pub(crate) id: String,
    /// Whether all that works is `PUT /api/v1/me/password`.
    pub(crate) must_change_password: bool,
}

/// A session of one's own, without what lets anybody in
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnSession {
    /// Names it to end it; nobody gets in with it.
    id: i64,
    /// Whether it is the one that asks.
    current: bool,
    /// The address from where it began, if it was known.
    address: Option<String>,
    created_at: Instant,
    /// To the minute.
    last_seen_at: Instant,
    /// When it ends unless it is used again.
    expires_at: Instant,
}

impl OwnSession {
    pub(crate) fn new(session: accounts::Session, rules: SessionRules, current: i64) -> Self {
        Self {
            id: session.id,
            current: session.id == current,
            expires_at: rules.ends_at(&session).into(),
            address: session.address,
            created_at: session.created_at.into(),
            last_seen_at: session.seen_at.into(),
        }
    }
}

/// Who calls
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// `user`, `token`, or `local` where accounts are off.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// The number of the user, or of the one as whom the token acts.
    pub(crate) user_id: Option<i64>,
    pub(crate) permissions: Vec<PermissionName>,
    /// Whether all that works is `PUT /api/v1/me/password`.
    pub(crate) must_change_password: bool,
}

/// A new password of one's own
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPassword {
    #[schema(value_type = String)]
    pub(crate) current_password: Secret,
    #[schema(value_type = String)]
    pub(crate) new_password: Secret,
}

/// A user
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    id: i64,
    name: String,
    superuser: bool,
    disabled: bool,
    must_change_password: bool,
    created_at: Instant,
    updated_at: Instant,
    last_login_at: Option<Instant>,
}

impl From<accounts::User> for User {
    fn from(user: accounts::User) -> Self {
        Self {
            id: user.id,
            name: user.name,
            superuser: user.superuser,
            disabled: user.disabled,
            must_change_password: user.must_change,
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
            last_login_at: user.last_login_at.map(Instant),
        }
    }
}

/// A user with what they may do
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserDetail {
    #[serde(flatten)]
    user: User,
    permissions: Vec<PermissionName>,
    /// The groups that they are in.
    groups: Vec<GroupName>,
}

#[derive(Debug, Serialize, ToSchema)]
struct GroupName {
    id: i64,
    name: String,
}

impl UserDetail {
    pub(crate) fn new(account: Account, groups: Vec<Group>, advanced: bool) -> Self {
        let id = account.user.id;
        let of_user = groups.into_iter().filter(|group| group.members.contains(&id));
        Self {
            permissions: names(account.permissions(advanced)),
            user: account.user.into(),
            groups: of_user.map(|group| GroupName { id: group.id, name: group.name }).collect(),
        }
    }
}

/// A user to add
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    pub(crate) name: String,
    /// Left out, a random one is made and shown once.
    #[schema(value_type = Option<String>)]
    pub(crate) password: Option<Secret>,
    #[serde(default)]
    pub(crate) superuser: bool,
}

/// What changes of a user
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserEdit {
    pub(crate) name: Option<String>,
    pub(crate) superuser: Option<bool>,
    pub(crate) disabled: Option<bool>,
}

/// A password for somebody else, who has to change it
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetPassword {
    /// Left out, a random one is made and shown once.
    #[schema(value_type = Option<String>)]
    pub(crate) password: Option<Secret>,
}

/// A user whose password is to be changed at the first use
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneTime {
    pub(crate) id: i64,
    /// The password, if it was made here. It is not shown again.
    pub(crate) one_time_password: Option<String>,
}

/// The names of users, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct UserNames(BTreeMap<i64, String>);

impl UserNames {
    pub(crate) fn new(users: impl IntoIterator<Item = accounts::User>) -> Self {
        Self(users.into_iter().map(|user| (user.id, user.name)).collect())
    }

    /// The name; the number where the user was deleted a moment ago.
    fn of(&self, user: i64) -> String {
        self.0.get(&user).cloned().unwrap_or_else(|| user.to_string())
    }
}

/// A group of users
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserGroup {
    id: i64,
    name: String,
    permissions: Vec<PermissionName>,
    /// The numbers of its users.
    members: BTreeSet<i64>,
    /// Their names, in the order of the numbers.
    member_names: Vec<String>,
    created_at: Instant,
    updated_at: Instant,
}

impl UserGroup {
    pub(crate) fn new(group: Group, users: &UserNames) -> Self {
        Self {
            id: group.id,
            name: group.name,
            permissions: names(group.permissions),
            member_names: group.members.iter().map(|user| users.of(*user)).collect(),
            members: group.members,
            created_at: group.created_at.into(),
            updated_at: group.updated_at.into(),
        }
    }
}

/// A group to add
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGroup {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) permissions: Vec<PermissionName>,
}

/// What changes of a group
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupEdit {
    pub(crate) name: Option<String>,
    pub(crate) permissions: Option<Vec<PermissionName>>,
    /// The numbers of all its users from now on.
    pub(crate) members: Option<BTreeSet<i64>>,
}

/// A token, without what lets anybody in
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    id: i64,
    name: String,
    /// As whom it acts.
    user_id: i64,
    /// Their name.
    user: String,
    scopes: Vec<PermissionName>,
    created_at: Instant,
    expires_at: Option<Instant>,
    /// To the minute.
    last_used_at: Option<Instant>,
}

impl Token {
    pub(crate) fn new(token: accounts::ApiToken, users: &UserNames) -> Self {
        Self {
            id: token.id,
            name: token.name,
            user_id: token.user,
            user: users.of(token.user),
            scopes: names(token.scopes),
            created_at: token.created_at.into(),
            expires_at: token.expires_at.map(Instant),
            last_used_at: token.last_used_at.map(Instant),
        }
    }
}

/// A token to add
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What it is for.
    pub(crate) name: String,
    /// What it may do at most; never more than its user.
    pub(crate) scopes: Vec<PermissionName>,
    /// From when on it is refused; left out, never.
    #[schema(value_type = Option<Instant>)]
    pub(crate) expires_at: Option<Timestamp>,
}

/// A new token
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeToken {
    pub(crate) id: i64,
    /// Send it as `Authorization: Bearer`. It is not shown again.
    pub(crate) token: String,
}

/// The number of something new
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Made {
    pub(crate) id: i64,
}

/// All of a short list
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct All<T> {
    data: Vec<T>,
}

impl<T> All<T> {
    pub(crate) fn of<R: Into<T>>(rows: Vec<R>) -> Self {
        Self { data: rows.into_iter().map(Into::into).collect() }
    }
}

/// An entry of the log of changes
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entry {
    id: i64,
    at: Instant,
    /// Who did it.
    actor: String,
    /// The number of the user who did it, if it was one.
    actor_id: Option<i64>,
    /// What they did, such as `user.create`.
    action: String,
    /// To what.
    subject: String,
    /// What was there before, without secrets.
    before: Option<Value>,
    /// What is there since, without secrets.
    after: Option<Value>,
    /// Why, in the words of whoever did it.
    note: Option<String>,
}

impl From<AuditRow> for Entry {
    fn from(row: AuditRow) -> Self {
        let entry = &row.entry;
        Self {
            id: row.id,
            at: row.at.into(),
            actor: entry.actor().to_owned(),
            actor_id: entry.actor_id(),
            action: entry.action().to_owned(),
            subject: entry.subject().to_owned(),
            before: entry.before_value().cloned(),
            after: entry.after_value().cloned(),
            note: entry.note_text().map(str::to_owned),
        }
    }
}

/// A page of the log of changes, newest first
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLog)]
pub(crate) struct Log {
    pub(crate) data: Vec<Entry>,
    /// Give it as `before` for the next page; `null` at the end.
    pub(crate) next: Option<i64>,
}
