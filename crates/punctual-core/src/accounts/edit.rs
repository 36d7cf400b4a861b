//! What an edit does to stored accounts. A store lends [`apply`] an [`AccountTx`], a set of plain row operations inside
//! one transaction, so that every store edits alike.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::rules::{Failures, LoginLimit};
use super::{ApiToken, AuditEntry, Group, PasswordHash, Permission, Permissions, SecretHash, Session, User};
use crate::time::whole_millis;

/// One edit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AccountChange {
    /// Adds a user.
    AddUser(NewUser),
    /// Changes a user. Disabling one ends their sessions.
    EditUser(i64, UserEdit),
    /// Changes a password and ends the user's sessions, apart from the one that is kept.
    SetPassword {
        /// Whose.
        user: i64,
        /// What is kept of it.
        hash: PasswordHash,
        /// Whether they have to choose another one first.
        must_change: bool,
        /// The session that goes on.
        keep: Option<i64>,
    },
    /// Deletes a user with their sessions and tokens.
    DeleteUser(i64),
    /// Adds a group.
    AddGroup {
        /// Its name.
        name: String,
        /// What it allows.
        permissions: Permissions,
    },
    /// Changes a group.
    EditGroup {
        /// Which.
        id: i64,
        /// Its name from now on, if it changes.
        name: Option<String>,
        /// What it allows from now on, if that changes.
        permissions: Option<Permissions>,
        /// Its users from now on, if they change.
        members: Option<BTreeSet<i64>>,
    },
    /// Deletes a group. Its users stay.
    DeleteGroup(i64),
    /// Signs a user in.
    AddSession(NewSession),
    /// Notes that a session is used.
    SeeSession(i64),
    /// Ends a session; nothing happens when there is none.
    EndSession(i64),
    /// Ends the sessions of a user, apart from the one that is kept.
    EndSessionsOf {
        /// Whose.
        user: i64,
        /// The session that goes on.
        keep: Option<i64>,
    },
    /// Counts a failed attempt to sign in.
    CountFailure(FailedLogin),
    /// Forgets the failed attempts that are counted under this key.
    ForgetFailures(String),
    /// Adds a token.
    AddToken(NewToken),
    /// Notes that a token is used.
    UseToken(i64),
    /// Deletes a token.
    DeleteToken(i64),
    /// Writes an entry of the log of changes.
    Audit(AuditEntry),
}

/// A user to add.
#[derive(Clone, Debug, PartialEq)]
pub struct NewUser {
    /// The name to sign in with.
    pub name: String,
    /// What is kept of the password.
    pub password: PasswordHash,
    /// Whether they may do everything.
    pub superuser: bool,
    /// Whether they have to choose another password first.
    pub must_change: bool,
}

/// What changes of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserEdit {
    /// The name.
    pub name: Option<String>,
    /// Whether they may do everything.
    pub superuser: Option<bool>,
    /// Whether they are kept out.
    pub disabled: Option<bool>,
}

/// A session to add.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSession {
    /// What is kept of its id.
    pub hash: SecretHash,
    /// Whose it is.
    pub user: i64,
    /// Where they sign in from.
    pub address: Option<String>,
}

/// A failed attempt to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLogin {
    /// What it counts for: a name or an address, in a form of the caller's.
    pub key: String,
    /// How failures are counted and forgotten.
    pub limit: LoginLimit,
    /// So many keys are remembered at most.
    pub most: u64,
}

/// A token to add.
#[derive(Clone, Debug, PartialEq)]
pub struct NewToken {
    /// What is kept of it.
    pub hash: SecretHash,
    /// As whom it acts.
    pub user: i64,
    /// What it is for.
    pub name: String,
    /// What it may do at most.
    pub scopes: Permissions,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// Why an [`AccountChange`] was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Somebody or something has the name.
    #[error("the name {0:?} is taken")]
    NameTaken(String),
    /// The name cannot be used.
    #[error(
        "the name {0:?} cannot be used: give 1 to 100 characters, none of them a control character, and no white \
             space around them"
    )]
    InvalidName(String),
    /// There is no such user.
    #[error("there is no user {0}")]
    NoSuchUser(i64),
    /// There is no such group.
    #[error("there is no group {0}")]
    NoSuchGroup(i64),
    /// There is no such token.
    #[error("there is no token {0}")]
    NoSuchToken(i64),
    /// Nobody could change accounts any more.
    #[error("{0:?} is the last superuser: make somebody else one first")]
    LastSuperuser(String),
    /// A group cannot make superusers.
    #[error("a group cannot allow everything: make its users superusers one by one")]
    SuperuserGroup,
}

/// Row operations inside one transaction. What is inserted has the id 0.
pub trait AccountTx {
    /// What a failed operation returns.
    type Error: From<AccountError>;

    /// Reads a user.
    fn user(&mut self, id: i64) -> Result<Option<User>, Self::Error>;
    /// The number of the user whose name has this [`name_key`].
    fn user_named(&mut self, key: &str) -> Result<Option<i64>, Self::Error>;
    /// Whether another user is a superuser who is not disabled.
    fn has_other_superuser(&mut self, id: i64) -> Result<bool, Self::Error>;
    /// Inserts a user; returns the number.
    fn insert_user(&mut self, user: &User) -> Result<i64, Self::Error>;
    /// Writes all fields of a user.
    fn update_user(&mut self, user: &User) -> Result<(), Self::Error>;
    /// Deletes a user with their sessions, tokens and memberships.
    fn delete_user(&mut self, id: i64) -> Result<(), Self::Error>;
    /// Reads a group.
    fn group(&mut self, id: i64) -> Result<Option<Group>, Self::Error>;
    /// The number of the group whose name has this [`name_key`].
    fn group_named(&mut self, key: &str) -> Result<Option<i64>, Self::Error>;
    /// Inserts a group without members; returns the number.
    fn insert_group(&mut self, group: &Group) -> Result<i64, Self::Error>;
    /// Writes all fields of a group, members included.
    fn update_group(&mut self, group: &Group) -> Result<(), Self::Error>;
    /// Deletes a group with its memberships.
    fn delete_group(&mut self, id: i64) -> Result<(), Self::Error>;
    /// Inserts a session; returns the number.
    fn insert_session(&mut self, session: &Session) -> Result<i64, Self::Error>;
    /// Writes when a session was used; never to an earlier time.
    fn see_session(&mut self, id: i64, at: Timestamp) -> Result<(), Self::Error>;
    /// Deletes a session; whether it was there.
    fn delete_session(&mut self, id: i64) -> Result<bool, Self::Error>;
    /// Deletes the sessions of a user, apart from one.
    fn delete_sessions_of(&mut self, user: i64, keep: Option<i64>) -> Result<(), Self::Error>;
    /// Reads the failed attempts that are counted under a key.
    fn failures(&mut self, key: &str) -> Result<Option<Failures>, Self::Error>;
    /// Writes the failed attempts that are counted under a key, until when they count.
    fn put_failures(&mut self, key: &str, failures: Failures, until: Timestamp) -> Result<(), Self::Error>;
    /// Deletes the failed attempts that are counted under a key.
    fn delete_failures(&mut self, key: &str) -> Result<(), Self::Error>;
    /// Deletes the failed attempts that count no more at `now`; and where `most` keys or more are left, `chunk` of them:
    /// those with the fewest failures, and of these the oldest.
    fn make_room_for_failures(&mut self, now: Timestamp, most: u64, chunk: u64) -> Result<(), Self::Error>;
    /// Inserts a token; returns the number.
    fn insert_token(&mut self, token: &ApiToken) -> Result<i64, Self::Error>;
    /// Writes when a token was used; never to an earlier time.
    fn use_token(&mut self, id: i64, at: Timestamp) -> Result<(), Self::Error>;
    /// Deletes a token; whether it was there.
    fn delete_token(&mut self, id: i64) -> Result<bool, Self::Error>;
    /// Appends an entry of the log of changes; returns the number.
    fn insert_audit(&mut self, at: Timestamp, entry: &AuditEntry) -> Result<i64, Self::Error>;
}

/// A name as it is compared: upper and lower case are the same.
pub fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// Applies one change at `now`; returns the number of what it added or named, 0 where there is none.
pub fn apply<T: AccountTx>(tx: &mut T, now: Timestamp, change: &AccountChange) -> Result<i64, T::Error> {
    let now = whole_millis(now);
    match change {
        AccountChange::AddUser(user) => add_user(tx, now, user),
        AccountChange::EditUser(id, edit) => edit_user(tx, now, *id, edit),
        AccountChange::SetPassword { user, hash, must_change, keep } => {
            let old = the_user(tx, *user)?;
            tx.update_user(&User {
                password: hash.clone(),
                must_change: *must_change,
                updated_at: now,
                ..old
            })?;
            tx.delete_sessions_of(*user, *keep)?;
            Ok(*user)
        }
        AccountChange::DeleteUser(id) => {
            let user = the_user(tx, *id)?;
            keep_a_superuser(tx, &user, None)?;
            tx.delete_user(*id)?;
            Ok(*id)
        }
        AccountChange::AddGroup { name, permissions } => add_group(tx, now, name, *permissions),
        AccountChange::EditGroup { id, name, permissions, members } => {
            let old = tx.group(*id)?.ok_or(AccountError::NoSuchGroup(*id))?;
            edit_group(tx, now, old, name.as_deref(), *permissions, members.as_ref())
        }
        AccountChange::DeleteGroup(id) => {
            tx.group(*id)?.ok_or(AccountError::NoSuchGroup(*id))?;
            tx.delete_group(*id)?;
            Ok(*id)
        }
        AccountChange::AddSession(new) => add_session(tx, now, new),
        AccountChange::SeeSession(id) => tx.see_session(*id, now).map(|()| *id),
        AccountChange::EndSession(id) => tx.delete_session(*id).map(|_| *id),
        AccountChange::EndSessionsOf { user, keep } => tx.delete_sessions_of(*user, *keep).map(|()| *user),
        AccountChange::CountFailure(failed) => count_failure(tx, now, failed),
        AccountChange::ForgetFailures(key) => tx.delete_failures(key).map(|()| 0),
        AccountChange::AddToken(new) => add_token(tx, now, new),
        AccountChange::UseToken(id) => tx.use_token(*id, now).map(|()| *id),
        AccountChange::DeleteToken(id) => match tx.delete_token(*id)? {
            true => Ok(*id),
            false => Err(AccountError::NoSuchToken(*id).into()),
        },
        AccountChange::Audit(entry) => tx.insert_audit(now, entry),
    }
}

fn the_user<T: AccountTx>(tx: &mut T, id: i64) -> Result<User, T::Error> {
    Ok(tx.user(id)?.ok_or(AccountError::NoSuchUser(id))?)
}

fn check_name(name: &str) -> Result<(), AccountError> {
    let fits = (1..=100).contains(&name.chars().count())
        && !name.chars().any(char::is_control)
        && name.trim() == name;
    if fits { Ok(()) } else { Err(AccountError::InvalidName(name.to_owned())) }
}

fn add_user<T: AccountTx>(tx: &mut T, now: Timestamp, new: &NewUser) -> Result<i64, T::Error> {
    check_name(&new.name)?;
    if tx.user_named(&name_key(&new.name))?.is_some() {
        return Err(AccountError::NameTaken(new.name.clone()).into());
    }
    tx.insert_user(&User {
        id: 0,
        name: new.name.clone(),
        password: new.password.clone(),
        superuser: new.superuser,
        disabled: false,
        must_change: new.must_change,
        created_at: now,
        updated_at: now,
        last_login_at: None,
    })
}

fn edit_user<T: AccountTx>(tx: &mut T, now: Timestamp, id: i64, edit: &UserEdit) -> Result<i64, T::Error> {
    let old = the_user(tx, id)?;
    let mut new = User { updated_at: now, ..old.clone() };
    if let Some(name) = &edit.name {
        check_name(name)?;
        if tx.user_named(&name_key(name))?.is_some_and(|other| other != id) {
            return Err(AccountError::NameTaken(name.clone()).into());
        }
        new.name.clone_from(name);
    }
    new.superuser = edit.superuser.unwrap_or(old.superuser);
    new.disabled = edit.disabled.unwrap_or(old.disabled);
    keep_a_superuser(tx, &old, Some(&new))?;
    tx.update_user(&new)?;
    if new.disabled {
        tx.delete_sessions_of(id, None)?;
    }
    Ok(id)
}

/// Refuses what would leave nobody who can change accounts.
fn keep_a_superuser<T: AccountTx>(tx: &mut T, old: &User, new: Option<&User>) -> Result<(), T::Error> {
    let counts = |user: &User| user.superuser && !user.disabled;
    if counts(old) && !new.is_some_and(counts) && !tx.has_other_superuser(old.id)? {
        return Err(AccountError::LastSuperuser(old.name.clone()).into());
    }
    Ok(())
}

fn check_group(permissions: Permissions) -> Result<(), AccountError> {
    if permissions.allows(Permission::Superuser) { Err(AccountError::SuperuserGroup) } else { Ok(()) }
}

fn add_group<T: AccountTx>(
    tx: &mut T,
    now: Timestamp,
    name: &str,
    permissions: Permissions,
) -> Result<i64, T::Error> {
    check_name(name)?;
    check_group(permissions)?;
    if tx.group_named(&name_key(name))?.is_some() {
        return Err(AccountError::NameTaken(name.to_owned()).into());
    }
    let name = name.to_owned();
    tx.insert_group(&Group {
        id: 0,
        name,
        permissions,
        members: BTreeSet::new(),
        created_at: now,
        updated_at: now,
    })
}

fn edit_group<T: AccountTx>(
    tx: &mut T,
    now: Timestamp,
    mut group: Group,
    name: Option<&str>,
    permissions: Option<Permissions>,
    members: Option<&BTreeSet<i64>>,
) -> Result<i64, T::Error> {
    if let Some(name) = name {
        check_name(name)?;
        if tx.group_named(&name_key(name))?.is_some_and(|other| other != group.id) {
            return Err(AccountError::NameTaken(name.to_owned()).into());
        }
        group.name = name.to_owned();
    }
    if let Some(permissions) = permissions {
        check_group(permissions)?;
        group.permissions = permissions;
    }
    if let Some(members) = members {
        for user in members {
            the_user(tx, *user)?;
        }
        group.members.clone_from(members);
    }
    group.updated_at = now;
    tx.update_group(&group)?;
    Ok(group.id)
}

fn add_session<T: AccountTx>(tx: &mut T, now: Timestamp, new: &NewSession) -> Result<i64, T::Error> {
    let user = the_user(tx, new.user)?;
    tx.update_user(&User { last_login_at: Some(now), ..user })?;
    tx.insert_session(&Session {
        id: 0,
        hash: new.hash.clone(),
        user: new.user,
        address: new.address.clone(),
        created_at: now,
        seen_at: now,
    })
}

fn count_failure<T: AccountTx>(tx: &mut T, now: Timestamp, failed: &FailedLogin) -> Result<i64, T::Error> {
    let before = tx.failures(&failed.key)?;
    if before.is_none() {
        // A tenth at once: whoever fails under ever new keys must not make each attempt sort them all.
        tx.make_room_for_failures(now, failed.most, (failed.most / 10).max(1))?;
    }
    let failures = failed.limit.failed(before, now);
    tx.put_failures(&failed.key, failures, failed.limit.forgotten_at(failures))?;
    Ok(0)
}

fn add_token<T: AccountTx>(tx: &mut T, now: Timestamp, new: &NewToken) -> Result<i64, T::Error> {
    check_name(&new.name)?;
    the_user(tx, new.user)?;
    tx.insert_token(&ApiToken {
        id: 0,
        hash: new.hash.clone(),
        user: new.user,
        name: new.name.clone(),
        scopes: new.scopes,
        created_at: now,
        expires_at: new.expires_at.map(whole_millis),
        last_used_at: None,
    })
}
