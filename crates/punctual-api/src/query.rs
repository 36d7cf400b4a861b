//! Query parameters, read one by one, so that every wrong one is named.

use std::collections::HashMap;
use std::str::FromStr;

use punctual_core::{Paging, TriggerKey};

use crate::problem::{Errors, Problem};

/// The parameters of a request.
pub(crate) struct Parameters {
    values: HashMap<String, String>,
    errors: Errors,
}

impl Parameters {
    /// Takes the parameters; those that are not in `known` are refused by [`Self::finish`].
    pub(crate) fn new(values: HashMap<String, String>, known: &[&str]) -> Self {
        let unknown = values.keys().filter(|name| !known.contains(&name.as_str()));
        let errors = unknown
            .map(|name| (name.clone(), format!("unknown parameter: the known ones are {}", known.join(", "))))
            .collect();
        Self { values, errors }
    }

    pub(crate) fn refuse(&mut self, name: &str, problem: impl Into<String>) {
        self.errors.insert(name.to_owned(), problem.into());
    }

    /// A parameter's text, if it was given.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// A parameter that must not be blank.
    pub(crate) fn filled(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        if text.trim().is_empty() {
            self.refuse(name, "must not be blank");
            return None;
        }
        Some(text)
    }

    /// A parameter of a type; `right` says what would be right.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &str, right: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.trim().parse().ok();
        if parsed.is_none() {
            self.refuse(name, right);
        }
        parsed
    }

    /// A trigger key as `GROUP.name` (the first dot separates), or a name without a dot of the default group.
    pub(crate) fn trigger_key(&mut self, name: &str) -> Option<TriggerKey> {
        let text = self.filled(name)?;
        let (group, rest) = text.split_once('.').unwrap_or(("DEFAULT", &text));
        match TriggerKey::try_new(group, rest) {
            Ok(key) => Some(key),
            Err(error) => {
                self.refuse(name, error.to_string());
                None
            }
        }
    }

    /// `limit` and `offset`: neither means everything, only `limit` starts at 0, only `offset` takes 50.
    pub(crate) fn paging(&mut self) -> (Option<u64>, Option<u64>, Paging) {
        let limit: Option<u64> = self.parsed("limit", "must be a whole number of at least 0");
        let offset: Option<u64> = self.parsed("offset", "must be a whole number of at least 0");
        let (limit, offset) = match (limit, offset) {
            (Some(limit), offset) => (Some(limit), Some(offset.unwrap_or(0))),
            (None, Some(offset)) => (Some(50), Some(offset)),
            (None, None) => (None, None),
        };
        (limit, offset, Paging { limit, offset: offset.unwrap_or(0) })
    }

    /// Refuses the request when a parameter was wrong.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::Invalid(self.errors)) }
    }
}
