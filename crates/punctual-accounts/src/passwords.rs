//! Hashing passwords: slow on purpose, so a few at a time, and beside the runtime's threads.

use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use punctual_core::accounts::PasswordHash;
use punctual_core::accounts::rules::PASSWORD_MOST;
use tokio::sync::Semaphore;

use crate::AccountsError;

/// How much work a hash is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cost {
    /// 19 MiB and two passes, as OWASP recommends for Argon2id.
    #[default]
    Full,
    /// Next to nothing: for tests alone.
    Least,
}

/// So many hashes are computed at once; others wait. Each takes 19 MiB.
const AT_ONCE: usize = 2;

#[derive(Debug)]
pub(crate) struct Passwords {
    argon: Argon2<'static>,
    permits: Arc<Semaphore>,
    /// What is compared where there is no such user, so that it takes as long.
    nobody: PasswordHash,
}

impl Passwords {
    pub(crate) fn new(cost: Cost) -> Result<Self, AccountsError> {
        let params = match cost {
            Cost::Full => Params::default(),
            Cost::Least => Params::new(Params::MIN_M_COST, 1, 1, None).map_err(machine)?,
        };
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon, &crate::secrets::random_hex()?)?;
        Ok(Self { argon, permits: Arc::new(Semaphore::new(AT_ONCE)), nobody })
    }

    pub(crate) async fn hash(&self, password: &str) -> Result<PasswordHash, AccountsError> {
        let (argon, password) = (self.argon.clone(), password.to_owned());
        self.work(move || hash(&argon, &password)).await?
    }

    /// Whether a password is the one of a hash. Without a hash it takes as long and is never right.
    pub(crate) async fn verify(
        &self,
        hash: Option<PasswordHash>,
        password: &str,
    ) -> Result<bool, AccountsError> {
        let is_user = hash.is_some();
        let (argon, hash) = (self.argon.clone(), hash.unwrap_or_else(|| self.nobody.clone()));
        // No password is longer; one of a megabyte would be hashed for nothing.
        let fits = password.len() <= PASSWORD_MOST;
        let password = if fits { password.to_owned() } else { String::new() };
        let matches = self
            .work(move || {
                let parsed = phc::PasswordHash::new(hash.as_str());
                parsed.is_ok_and(|parsed| argon.verify_password(password.as_bytes(), &parsed).is_ok())
            })
            .await?;
        Ok(matches && is_user && fits)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountsError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(machine)?;
        let result = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _permit = permit;
            work()
        });
        result.await.map_err(machine)
    }
}

fn hash(argon: &Argon2<'_>, password: &str) -> Result<PasswordHash, AccountsError> {
    let hash: phc::PasswordHash = argon.hash_password(password.as_bytes()).map_err(machine)?;
    Ok(PasswordHash::new(hash.to_string()))
}

fn machine(error: impl std::fmt::Display) -> AccountsError {
    AccountsError::Machine(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_argon2id_salted_and_fits_its_password_alone() {
        let passwords = Passwords::new(Cost::Full).unwrap();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert_ne!(passwords.hash("correct horse").await.unwrap(), hash);
        assert!(passwords.verify(Some(hash.clone()), "correct horse").await.unwrap());
        assert!(!passwords.verify(Some(hash), "correct horsE").await.unwrap());
        assert!(!passwords.verify(None, "correct horse").await.unwrap());
    }

    #[tokio::test]
    async fn what_is_no_hash_or_too_long_matches_nothing() {
        let passwords = Passwords::new(Cost::Least).unwrap();
        for text in ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$"] {
            assert!(!passwords.verify(Some(PasswordHash::new(text)), text).await.unwrap());
        }
        let long = "x".repeat(PASSWORD_MOST + 1);
        let empty = passwords.hash("").await.unwrap();
        assert!(!passwords.verify(Some(empty), &long).await.unwrap());
    }
}
