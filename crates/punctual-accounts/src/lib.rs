//! Signing in: who a session or a token belongs to, what they may do, and how long those who guess have to wait.
//!
//! [`Accounts`] sits between a store ([`punctual_core::AccountStore`]) and whatever speaks to people. The rules are pure
//! functions of [`punctual_core::accounts`]; here they meet the clock, the random numbers and the hashing of passwords.
//!
//! * Session ids and tokens are 256 random bits. Only their SHA-256 is stored, so that a copy of the database lets nobody in.
//! * Passwords are hashed by Argon2id, a few at a time and never on a thread of the runtime.
//! * A wrong name costs as much time as a wrong password and gets the same answer.
//! * Failures are counted by name and by address, in memory and, for the other nodes, in the store.

mod attempts;
mod first;
mod limiter;
mod passwords;
mod secrets;

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::accounts::rules::{self, SessionRules, touch_is_due};
use punctual_core::accounts::{NewSession, SecretHash, Session};
use punctual_core::{
    Account, AccountChange, AuditEntry, Clock, JobStore, Permissions, StoreError, accounts::PasswordHash,
};
use serde_json::json;
use tracing::{info, warn};

use attempts::{Attempt, Attempts};
pub use first::FirstUser;
pub use passwords::Cost;
use passwords::Passwords;
pub use secrets::{TOKEN_PREFIX, new_token};

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long sessions live.
    pub sessions: SessionRules,
    /// Whether groups grant permissions. Otherwise superusers may do everything, and all others nothing.
    pub advanced_permissions: bool,
    /// How much work hashing a password is.
    pub cost: Cost,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sessions: SessionRules::default(), advanced_permissions: true, cost: Cost::default() }
    }
}

/// Who came with a session or a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// The account.
    pub account: Account,
    /// What they may do.
    pub permissions: Permissions,
    /// What they came with.
    pub by: By,
}

/// What somebody came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A session of this number.
    Session(i64),
    /// A token of this number and name.
    Token(i64, String),
}

/// Somebody signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The id that lets them in: shown to them once, and stored nowhere.
    pub id: String,
    /// The account.
    pub account: Account,
}

/// Why somebody was not let in, or a password not taken.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The name, the password or both are wrong, or the account is disabled: nobody is told which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// There were too many failures.
    #[error("there were too many failed attempts: try again in {} s", (.0 + 999) / 1_000)]
    Wait(i64),
    /// A new password cannot be used; what would be right.
    #[error("the new password {0}")]
    Weak(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine gave no random numbers, or hashing failed.
    #[error("signing in does not work on this machine: {0}")]
    Machine(String),
}

/// The entry of the log of changes that says that somebody ended a session of their own.
pub fn session_ended(name: &str, session: &Session) -> AuditEntry {
    let created_at = format!("{:.3}", session.created_at);
    AuditEntry::new(name, "session.delete", name)
        .by(Some(session.user))
        .before(json!({ "id": session.id, "address": session.address, "created_at": created_at }))
}

/// The accounts of a store.
#[derive(Debug)]
pub struct Accounts {
    store: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    passwords: Passwords,
    attempts: Attempts,
}

impl Accounts {
    /// The accounts of a store, by a clock.
    ///
    /// # Errors
    /// When hashing does not work on this machine.
    pub fn new(
        store: Arc<dyn JobStore>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, AccountsError> {
        let passwords = Passwords::new(settings.cost)?;
        let attempts = Attempts::new(Arc::clone(&store));
        Ok(Self { store, clock, settings, passwords, attempts })
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn JobStore> {
        &self.store
    }

    /// What is set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Checks a name and a password, and begins a session.
    ///
    /// # Errors
    /// [`AccountsError::Wrong`] and [`AccountsError::Wait`] among others.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<SignedIn, AccountsError> {
        let now = self.clock.now();
        let mut attempt = Attempt::of_name(name, now).at_address(address);
        self.attempts.begin(&mut attempt).await?;
        let account = self.store.account_by_name(name).await?;
        let hash = account.as_ref().map(|account| account.user.password.clone());
        let matches = self.passwords.verify(hash, password).await?;
        let account = account.filter(|account| matches && !account.user.disabled);
        let Some(account) = account else {
            // The name is left out: people type passwords where names belong.
            warn!(address = address.map(|address| address.to_string()), "an attempt to sign in failed");
            self.attempts.failed(&attempt).await;
            return Err(AccountsError::Wrong);
        };
        let forgotten = self.attempts.succeeded(attempt);
        self.begin_session(account, address, now, forgotten).await
    }

    async fn begin_session(
        &self,
        account: Account,
        address: Option<IpAddr>,
        now: Timestamp,
        further: impl Iterator<Item = AccountChange>,
    ) -> Result<SignedIn, AccountsError> {
        let id = secrets::random_hex()?;
        let address = address.map(|address| address.to_string());
        let session =
            NewSession { hash: secrets::hash_of(&id), user: account.user.id, address: address.clone() };
        let entry = AuditEntry::new(&account.user.name, "session.create", &account.user.name)
            .by(Some(account.user.id))
            .after(json!({ "address": address }));
        let changes = [AccountChange::AddSession(session), AccountChange::Audit(entry)];
        let changes: Vec<_> = changes.into_iter().chain(further).collect();
        self.store.apply_accounts(now, &changes).await?;
        info!(user.id = account.user.id, "{} has signed in", account.user.name);
        Ok(SignedIn { id, account })
    }

    /// Who has a session, as long as it lives.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn by_session(&self, id: &str) -> Result<Option<Caller>, StoreError> {
        let now = self.clock.now();
        let Some((session, account)) = self.store.session(&secrets::hash_of(id)).await? else {
            return Ok(None);
        };
        if !self.settings.sessions.is_live(&session, now) || account.user.disabled {
            return Ok(None);
        }
        if touch_is_due(Some(session.seen_at), now) {
            self.note_use(now, AccountChange::SeeSession(session.id)).await;
        }
        // Until they have chosen a password of their own, that is all they may do.
        let permissions = match account.user.must_change {
            true => Permissions::NONE,
            false => account.permissions(self.settings.advanced_permissions),
        };
        Ok(Some(Caller { account, permissions, by: By::Session(session.id) }))
    }

    /// Who has a token, as long as it is accepted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn by_token(&self, token: &str) -> Result<Option<Caller>, StoreError> {
        if !token.starts_with(TOKEN_PREFIX) {
            return Ok(None);
        }
        let now = self.clock.now();
        let Some((token, account)) = self.store.token(&secrets::hash_of(token)).await? else {
            return Ok(None);
        };
        if !rules::token_is_live(&token, now) || account.user.disabled {
            return Ok(None);
        }
        if touch_is_due(token.last_used_at, now) {
            self.note_use(now, AccountChange::UseToken(token.id)).await;
        }
        let permissions = account.permissions(self.settings.advanced_permissions).intersection(token.scopes);
        Ok(Some(Caller { account, permissions, by: By::Token(token.id, token.name) }))
    }

    /// A use that cannot be written does not keep anybody out: reads go on while a database cannot be written.
    async fn note_use(&self, now: Timestamp, change: AccountChange) {
        if let Err(error) = self.store.apply_accounts(now, &[change]).await {
            warn!("the use of a session or a token could not be noted: {error}");
        }
    }

    /// Ends the session of this id, if there is one. The log of changes says so if it still lived.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sign_out(&self, id: &str) -> Result<(), StoreError> {
        let Some((session, account)) = self.store.session(&secrets::hash_of(id)).await? else {
            return Ok(());
        };
        let now = self.clock.now();
        let mut changes = vec![AccountChange::EndSession(session.id)];
        if self.settings.sessions.is_live(&session, now) {
            changes.push(AccountChange::Audit(session_ended(&account.user.name, &session)));
        }
        self.store.apply_accounts(now, &changes).await?;
        Ok(())
    }

    /// Checks a password of somebody who is signed in, before they change it. Failures count as those of signing in.
    ///
    /// # Errors
    /// [`AccountsError::Wrong`] and [`AccountsError::Wait`] among others.
    pub async fn confirm(&self, account: &Account, password: &str) -> Result<(), AccountsError> {
        let now = self.clock.now();
        let mut attempt = Attempt::of_name(&account.user.name, now);
        self.attempts.begin(&mut attempt).await?;
        if !self.passwords.verify(Some(account.user.password.clone()), password).await? {
            self.attempts.failed(&attempt).await;
            return Err(AccountsError::Wrong);
        }
        let forgotten: Vec<_> = self.attempts.succeeded(attempt).collect();
        if !forgotten.is_empty() {
            self.store.apply_accounts(now, &forgotten).await?;
        }
        Ok(())
    }

    /// Hashes a new password of a user, if it is good enough.
    ///
    /// # Errors
    /// [`AccountsError::Weak`] among others.
    pub async fn hash(&self, user: &str, password: &str) -> Result<PasswordHash, AccountsError> {
        rules::check_password(user, password).map_err(AccountsError::Weak)?;
        self.passwords.hash(password).await
    }

    /// A random password, to be changed at the first use.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn one_time_password(&self) -> Result<String, AccountsError> {
        secrets::one_time_password()
    }
}

/// What is stored of a session id or a token.
pub fn hash_of(secret: &str) -> SecretHash {
    secrets::hash_of(secret)
}
