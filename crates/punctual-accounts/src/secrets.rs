//! Random secrets, and what is stored of them.

use std::fmt::Write as _;

use punctual_core::accounts::SecretHash;
use sha2::{Digest, Sha256};

use crate::AccountsError;

/// How every token begins, so that it is recognised where it should not be.
pub const TOKEN_PREFIX: &str = "pt_";

/// Letters and digits that nobody takes for each other.
const READABLE: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

fn random() -> Result<[u8; 32], AccountsError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| AccountsError::Machine(error.to_string()))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn random_hex() -> Result<String, AccountsError> {
    random().map(|bytes| hex(&bytes))
}

/// A new token, and what is stored of it.
///
/// # Errors
/// When the machine gives no random numbers.
pub fn new_token() -> Result<(String, SecretHash), AccountsError> {
    let token = format!("{TOKEN_PREFIX}{}", random_hex()?);
    let hash = hash_of(&token);
    Ok((token, hash))
}

pub(crate) fn hash_of(secret: &str) -> SecretHash {
    SecretHash::new(hex(&Sha256::digest(secret.as_bytes())))
}

/// A password of 100 bits that can be typed.
pub(crate) fn one_time_password() -> Result<String, AccountsError> {
    let bytes = random()?;
    let letters: Vec<char> =
        bytes[..20].iter().map(|byte| char::from(READABLE[usize::from(byte % 32)])).collect();
    let parts: Vec<String> = letters.chunks(5).map(|part| part.iter().collect()).collect();
    Ok(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_sha_256() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_of("abc").as_str(), expected);
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, two) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one.0, two.0);
        assert!(one.0.starts_with("pt_") && one.0.len() == 67 && one.1 == hash_of(&one.0));
        let password = one_time_password().unwrap();
        assert_eq!((password.len(), password.matches('-').count()), (23, 3));
        punctual_core::accounts::rules::check_password("admin", &password).unwrap();
        assert_ne!(password, one_time_password().unwrap());
    }
}
