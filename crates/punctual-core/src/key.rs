//! Keys: a group and a name, as in Quartz.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The group of a key that names none.
pub const DEFAULT_GROUP: &str = "DEFAULT";

/// The longest group or name, in characters.
pub const MAX_KEY_LENGTH: usize = 200;

/// Why a text cannot be a key's group or name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} {text:?} {problem}")]
pub struct KeyError {
    part: &'static str,
    text: String,
    problem: &'static str,
}

pub(crate) fn check(part: &'static str, text: &str) -> Result<(), KeyError> {
    let problem = if text.is_empty() {
        "is empty: give at least one character"
    } else if text.chars().count() > MAX_KEY_LENGTH {
        "is longer than 200 characters"
    } else if text.chars().any(char::is_control) {
        "contains a control character"
    } else if text.trim() != text {
        "begins or ends with white space"
    } else {
        return Ok(());
    };
    Err(KeyError { part, text: text.chars().take(80).collect(), problem })
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name {
            group: Arc<str>,
            name: Arc<str>,
        }

        impl $name {
            /// The key `DEFAULT.name`.
            ///
            /// # Panics
            /// When `name` is empty, longer than 200 characters, or has control characters or outer white
            /// space; use [`Self::try_new`] for names that are not literals.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                match Self::try_new(DEFAULT_GROUP, name) {
                    Ok(key) => key,
                    Err(error) => panic!("{error}"),
                }
            }

            /// The key `group.name`, checked.
            pub fn try_new(group: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Result<Self, KeyError> {
                let (group, name) = (group.into(), name.into());
                check(concat!($what, " group"), &group)?;
                check(concat!($what, " name"), &name)?;
                Ok(Self { group, name })
            }

            /// A key read back from a store, where it was checked when it was written.
            pub fn stored(group: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
                Self { group: group.into(), name: name.into() }
            }

            /// The group, `DEFAULT` unless another was given.
            pub fn group(&self) -> &str {
                &self.group
            }

            /// The name, unique within the group.
            pub fn name(&self) -> &str {
                &self.name
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}.{}", self.group, self.name)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}.{})"), self.group, self.name)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

key!(
    /// Names a job.
    JobKey,
    "job"
);
key!(
    /// Names a trigger.
    TriggerKey,
    "trigger"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_group_is_in_default() {
        assert_eq!(JobKey::new("report").to_string(), "DEFAULT.report");
    }

    #[test]
    fn bad_keys_are_refused_with_their_text() {
        for (name, problem) in [("", "is empty"), (" a", "white space"), ("a\nb", "control character")] {
            let error = TriggerKey::try_new("g", name).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("trigger name"), "{error}");
        }
        assert!(JobKey::try_new("g", "x".repeat(201)).unwrap_err().to_string().contains("200"));
    }
}
