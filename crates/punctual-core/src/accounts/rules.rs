//! Decisions about accounts that depend on the time, and about passwords. All times are milliseconds.

use jiff::Timestamp;

use super::{ApiToken, Session};
use crate::time::{millis_between, plus_millis};

/// The last use of a session or a token is written at most this often.
pub const TOUCH_MS: i64 = 60_000;

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// A session ends when it was not used for this long.
    pub idle_ms: u64,
    /// It ends this long after it began, used or not.
    pub max_ms: u64,
}

impl Default for SessionRules {
    /// Twelve hours without use, seven days in all.
    fn default() -> Self {
        Self { idle_ms: 12 * 3_600_000, max_ms: 7 * 24 * 3_600_000 }
    }
}

impl SessionRules {
    /// Whether a session lets its owner in at `now`.
    pub fn is_live(&self, session: &Session, now: Timestamp) -> bool {
        let within = |since, limit| i128::from(millis_between(since, now)) < i128::from(limit);
        within(session.seen_at, self.idle_ms) && within(session.created_at, self.max_ms)
    }

    /// When a session ends unless it is used again.
    pub fn ends_at(&self, session: &Session) -> Timestamp {
        let after = |since, limit| plus_millis(since, i64::try_from(limit).unwrap_or(i64::MAX));
        after(session.seen_at, self.idle_ms).min(after(session.created_at, self.max_ms))
    }
}

/// Whether a token is accepted at `now`.
pub fn token_is_live(token: &ApiToken, now: Timestamp) -> bool {
    token.expires_at.is_none_or(|end| now < end)
}

/// Whether a use at `now` is to be written, when the last one that was written is `seen`.
pub fn touch_is_due(seen: Option<Timestamp>, now: Timestamp) -> bool {
    seen.is_none_or(|seen| millis_between(seen, now) >= TOUCH_MS)
}

/// How failed attempts to sign in slow further ones down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimit {
    /// So many failures cost nothing.
    pub free: u32,
    /// The one after them costs one second of waiting, each further one twice as much, up to this.
    pub longest_ms: i64,
    /// Failures are forgotten when there was none for this long.
    pub forget_ms: i64,
}

impl LoginLimit {
    /// For one name, from wherever. Its longest wait is short: whoever fails in another's name must not keep them out.
    pub const PER_USER: Self = Self { free: 5, longest_ms: 60_000, forget_ms: 15 * 60_000 };
    /// For one address, whatever the names. It is larger, since many people may share an address.
    pub const PER_ADDRESS: Self = Self { free: 20, longest_ms: 15 * 60_000, forget_ms: 60 * 60_000 };

    /// How long from `now` on no further attempt is looked at; `None` when one is.
    pub fn wait_ms(&self, failures: Failures, now: Timestamp) -> Option<i64> {
        let over = failures.count.checked_sub(self.free + 1)?;
        let cost = 1_000_i64.checked_shl(over.min(30)).unwrap_or(i64::MAX).min(self.longest_ms);
        let left = cost - millis_between(failures.last, now);
        (left > 0).then_some(left)
    }

    /// Whether failures are forgotten at `now`.
    pub fn is_forgotten(&self, failures: Failures, now: Timestamp) -> bool {
        millis_between(failures.last, now) >= self.forget_ms
    }

    /// From when on failures are forgotten.
    pub fn forgotten_at(&self, failures: Failures) -> Timestamp {
        plus_millis(failures.last, self.forget_ms)
    }

    /// The failures after one more at `now`.
    #[must_use]
    pub fn failed(&self, failures: Option<Failures>, now: Timestamp) -> Failures {
        let before = failures.filter(|failures| !self.is_forgotten(*failures, now));
        Failures { count: before.map_or(0, |failures| failures.count).saturating_add(1), last: now }
    }
}

/// Failed attempts in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last: Timestamp,
}

/// The fewest characters of a password.
pub const PASSWORD_LEAST: usize = 10;
/// The most bytes of a password: hashing takes time, and nobody types this.
pub const PASSWORD_MOST: usize = 256;

/// Says what is wrong with a new password of a user.
///
/// Length is what counts (NIST SP 800-63B): there are no rules about kinds of characters.
///
/// # Errors
/// What would be right.
pub fn check_password(user: &str, password: &str) -> Result<(), String> {
    let characters = password.chars().count();
    if characters < PASSWORD_LEAST {
        return Err(format!("has {characters} character(s): give {PASSWORD_LEAST} at least"));
    }
    if password.len() > PASSWORD_MOST {
        return Err(format!("has {} bytes: give {PASSWORD_MOST} at most", password.len()));
    }
    let distinct: std::collections::BTreeSet<char> = password.chars().collect();
    if distinct.len() < 5 {
        return Err("repeats a few characters only: use 5 different ones at least".to_owned());
    }
    let (user, lower) = (user.to_lowercase(), password.to_lowercase());
    if user.chars().count() >= 4 && lower.contains(&user) {
        return Err("contains the user's name".to_owned());
    }
    if ["1234567890", "password", "qwertyuiop", "punctual", "changeme"]
        .iter()
        .any(|word| lower.starts_with(word) && characters < word.len() + 6)
    {
        return Err("is among the first that anybody would guess".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Permissions, SecretHash};
    use crate::time::from_millis;

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let rules = SessionRules { idle_ms: 1_000, max_ms: 5_000 };
        let start = from_millis(1_000_000);
        let session = |seen| Session {
            id: 1,
            hash: SecretHash::new("ab"),
            user: 1,
            address: None,
            created_at: start,
            seen_at: plus_millis(start, seen),
        };
        let at = |millis| plus_millis(start, millis);
        assert!(rules.is_live(&session(0), at(999)) && !rules.is_live(&session(0), at(1_000)));
        assert!(rules.is_live(&session(4_500), at(4_999)) && !rules.is_live(&session(4_500), at(5_000)));
        assert_eq!((rules.ends_at(&session(0)), rules.ends_at(&session(4_500))), (at(1_000), at(5_000)));
        let endless = SessionRules { idle_ms: u64::MAX, max_ms: u64::MAX };
        assert_eq!(endless.ends_at(&session(0)), Timestamp::MAX);
    }

    #[test]
    fn a_token_is_refused_from_its_end_on() {
        let end = from_millis(5_000);
        let token = |expires_at| ApiToken {
            id: 1,
            hash: SecretHash::new("ab"),
            user: 1,
            name: "ci".to_owned(),
            scopes: Permissions::NONE,
            created_at: from_millis(0),
            expires_at,
            last_used_at: None,
        };
        assert!(token_is_live(&token(Some(end)), from_millis(4_999)));
        assert!(!token_is_live(&token(Some(end)), end));
        assert!(token_is_live(&token(None), Timestamp::MAX));
    }

    #[test]
    fn a_use_is_written_once_a_minute() {
        let now = from_millis(100_000);
        assert!(touch_is_due(None, now) && touch_is_due(Some(from_millis(40_000)), now));
        assert!(!touch_is_due(Some(from_millis(40_001)), now));
    }

    #[test]
    fn waiting_doubles_up_to_its_limit_and_is_forgotten() {
        let limit = LoginLimit { free: 2, longest_ms: 5_000, forget_ms: 60_000 };
        let start = from_millis(0);
        let mut failures = None;
        let mut waits = Vec::new();
        for _ in 0..6 {
            failures = Some(limit.failed(failures, start));
            waits.push(failures.and_then(|failures| limit.wait_ms(failures, start)).unwrap_or(0));
        }
        assert_eq!(waits, [0, 0, 1_000, 2_000, 4_000, 5_000]);
        let failures = failures.unwrap();
        assert_eq!(limit.wait_ms(failures, from_millis(4_999)), Some(1));
        assert_eq!(limit.wait_ms(failures, from_millis(5_000)), None);
        assert_eq!(limit.failed(Some(failures), from_millis(59_999)).count, 7);
        assert_eq!(limit.failed(Some(failures), from_millis(60_000)).count, 1);
    }

    #[test]
    fn weak_passwords_are_refused_with_a_reason() {
        for (password, says) in [
            ("short", "10 at least"),
            ("aaaaaaaaaaaa", "different"),
            ("abcdabcdabcd", "different"),
            ("i am Annette now", "name"),
            ("Password123", "guess"),
            ("12345678901", "guess"),
        ] {
            let error = check_password("annette", password).unwrap_err();
            assert!(error.contains(says), "{password}: {error}");
        }
        assert!(check_password("annette", &"x1y2z3".repeat(60)).unwrap_err().contains("256 at most"));
        check_password("annette", "correct horse battery").unwrap();
    }
}
