//! The first user of an empty database, and a lost password.

use punctual_core::accounts::{AccountError, NewUser};
use punctual_core::{AccountChange, AuditEntry, Paging, StoreError};
use serde_json::json;

use crate::{Accounts, AccountsError};

/// The user that was made for an empty database.
#[derive(Debug)]
pub struct FirstUser {
    /// The name.
    pub name: &'static str,
    /// The password, if it was made here: to be shown once.
    pub password: Option<String>,
}

impl Accounts {
    /// Makes the user `admin`, a superuser, if there is no user at all. The password is the given one, or a random one;
    /// either way another one has to be chosen at the first use.
    ///
    /// # Errors
    /// When the given password is not good enough, or the store fails.
    pub async fn first_user(&self, given: Option<&str>) -> Result<Option<FirstUser>, AccountsError> {
        const NAME: &str = "admin";
        if self.store().users(Paging::first(1)).await?.total > 0 {
            return Ok(None);
        }
        let made = if given.is_none() { Some(self.one_time_password()?) } else { None };
        let password = self.hash(NAME, given.or(made.as_deref()).unwrap_or_default()).await?;
        let user = NewUser { name: NAME.to_owned(), password, superuser: true, must_change: true };
        let entry = AuditEntry::new("start", "user.create", NAME).after(json!({ "superuser": true }));
        let changes = [AccountChange::AddUser(user), AccountChange::Audit(entry)];
        match self.store().apply_accounts(self.now(), &changes).await {
            Ok(_) => Ok(Some(FirstUser { name: NAME, password: made })),
            // Another node that starts at the same time was first.
            Err(StoreError::Account(AccountError::NameTaken(_))) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a user a random password, which they have to change, ends their sessions and lets them in again if they were
    /// disabled. For the owner of the machine: it asks for nothing.
    ///
    /// # Errors
    /// [`AccountsError::Wrong`] when there is no such user.
    pub async fn recover(&self, name: &str) -> Result<String, AccountsError> {
        let account = self.store().account_by_name(name).await?.ok_or(AccountsError::Wrong)?;
        let password = self.one_time_password()?;
        let hash = self.hash(&account.user.name, &password).await?;
        let user = account.user.id;
        let edit = punctual_core::accounts::UserEdit { disabled: Some(false), ..Default::default() };
        let entry = AuditEntry::new("command line", "user.reset-password", &account.user.name);
        let changes = [
            AccountChange::EditUser(user, edit),
            AccountChange::SetPassword { user, hash, must_change: true, keep: None },
            AccountChange::Audit(entry),
        ];
        self.store().apply_accounts(self.now(), &changes).await?;
        Ok(password)
    }
}
