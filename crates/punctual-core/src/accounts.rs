//! Who may do what: users, groups, sessions, API tokens, and the log of changes.
//!
//! * [`Account::permissions`] says what a user may do, [`apply`] what an edit does to stored accounts.
//! * [`rules`] holds the decisions that depend on the time: how long a session lives, how long somebody who guesses has
//!   to wait; and which passwords are good enough.
//! * [`AuditEntry`] is what a change leaves behind: who, what, before, after. Secrets never get into one.
//!
//! Only hashes are kept of passwords, session ids and tokens. A store writes an [`AccountChange`] as it writes a
//! [`crate::Change`]: a list of them in one transaction.

mod edit;
mod log;
mod permission;
mod redact;
pub mod rules;
mod store;
mod values;

pub use edit::{
    AccountChange, AccountError, AccountTx, FailedLogin, NewSession, NewToken, NewUser, UserEdit, apply,
    name_key,
};
pub use log::{AuditEntry, AuditQuery, AuditRow};
pub use permission::{Permission, Permissions};
pub use redact::{REDACTED, redacted};
pub use store::{AccountRetention, AccountStore, PrunedAccounts};
pub use values::{Account, ApiToken, Group, PasswordHash, SecretHash, Session, User};
