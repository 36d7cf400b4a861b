//! The parameters of a request: each is read by name, and all that is wrong is told at once.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use punctual_core::{JobKey, KeyError, Paging, Timestamp, TriggerKey, pending};

use crate::error::{ApiError, Errors};
use crate::types::list::Cursor;

/// How many rows a page has when only its offset is given.
pub(crate) const PAGE: u32 = 50;

/// How many rows a page has at most.
const MOST: u32 = 1_000;

#[derive(Debug)]
pub(crate) struct Params {
    values: BTreeMap<String, String>,
    known: Vec<&'static str>,
    errors: Errors,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Any query is a list of pairs, whatever it holds.
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|query| query.0);
        Ok(Self::new(pairs.unwrap_or_default()))
    }
}

impl Params {
    fn new(pairs: Vec<(String, String)>) -> Self {
        let mut params = Self { values: BTreeMap::new(), known: Vec::new(), errors: Errors::new() };
        for (name, value) in pairs {
            // Not every database can look for one.
            if value.contains('\0') {
                params.errors.insert(name, "holds a NUL character (%00)".to_owned());
                continue;
            }
            if params.values.insert(name.clone(), value).is_some() {
                params.errors.insert(name, "is given more than once".to_owned());
            }
        }
        params
    }

    /// Reads a parameter, if it is given; what `read` says against its value becomes its message.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(name);
        let value = self.values.remove(name)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.entry(name.to_owned()).or_insert(message);
                None
            }
        }
    }

    /// Says what is wrong with a parameter that could be read.
    pub(crate) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.errors.entry(name.to_owned()).or_insert_with(|| message.into());
    }

    /// A text that is not blank.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, |value| match value.trim() {
            "" => Err("is blank: leave it out, or give a text".to_owned()),
            _ => Ok(value.to_owned()),
        })
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.read(name, |value| {
            let found = words.iter().find(|(word, _)| *word == value);
            found.map(|(_, meaning)| *meaning).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("must be one of {}, not {value:?}", words.join(", "))
            })
        })
    }

    pub(crate) fn whole(&mut self, name: &'static str, least: u32, most: u32) -> Option<u32> {
        self.read(name, |value| {
            let number = value.parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("must be a whole number from {least} to {most}, not {value:?}"))
        })
    }

    /// The number of something that a store numbers.
    pub(crate) fn id(&mut self, name: &'static str) -> Option<i64> {
        self.read(name, |value| {
            let number = value.parse().ok().filter(|number| *number >= 0);
            number.ok_or_else(|| format!("must be a number as lists show it, not {value:?}"))
        })
    }

    /// `limit` and `cursor` of a list that goes on from a cursor.
    pub(crate) fn cut<K>(&mut self, key: impl FnOnce(&Cursor) -> Result<K, String>) -> (u32, Option<K>) {
        let limit = self.whole("limit", 1, MOST).unwrap_or(PAGE);
        (limit, self.read("cursor", |text| key(&Cursor::from_text(text)?)))
    }

    /// `limit` and `offset` as given.
    pub(crate) fn paging(&mut self, most: u32) -> (Option<u32>, Option<u32>) {
        (self.whole("limit", 1, most), self.whole("offset", 0, u32::MAX))
    }

    /// `limit` and `offset`, of which one brings the other; neither for all rows.
    pub(crate) fn page_or_all(&mut self) -> (Option<u32>, Option<u32>) {
        match self.paging(u32::MAX) {
            (None, None) => (None, None),
            (limit, offset) => (Some(limit.unwrap_or(PAGE)), Some(offset.unwrap_or(0))),
        }
    }

    /// The direction of an order: descending unless given.
    pub(crate) fn descending(&mut self, name: &'static str) -> bool {
        self.word(name, &[("asc", false), ("desc", true)]).unwrap_or(true)
    }

    /// An instant with its offset from UTC.
    pub(crate) fn instant(&mut self, name: &'static str) -> Option<Timestamp> {
        self.read(name, |value| {
            value.parse().map_err(|_| {
                format!(
                    "must be an instant like 2026-11-21T05:00:00Z, not {value:?} (in a URL, write + as %2B)"
                )
            })
        })
    }

    /// The instants `from` and `to`, of which the second is the later one.
    pub(crate) fn span(&mut self) -> (Option<Timestamp>, Option<Timestamp>) {
        let (from, to) = (self.instant("from"), self.instant("to"));
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            self.refuse("to", "is before `from`");
        }
        (from, to)
    }

    pub(crate) fn trigger(&mut self) -> Option<TriggerKey> {
        self.key("trigger", "trigger_group", TriggerKey::try_new)
    }

    pub(crate) fn job(&mut self) -> Option<JobKey> {
        self.key("job", "job_group", JobKey::try_new)
    }

    /// A key: `GROUP.NAME` cut at the first dot, a bare name in DEFAULT, or a name whose group is a parameter of
    /// its own, which may then hold dots.
    fn key<K>(
        &mut self,
        name: &'static str,
        group: &'static str,
        make: impl FnOnce(String, String) -> Result<K, KeyError>,
    ) -> Option<K> {
        let given = self.text(group);
        if given.is_some() && !self.values.contains_key(name) {
            self.errors.insert(group.to_owned(), format!("needs {name} with the name"));
        }
        self.read(name, |value| {
            let (group, name) = match (given, value.split_once('.')) {
                (Some(group), _) => (group, value.to_owned()),
                (None, Some((group, name))) => {
                    // The groups of single runs have a dot themselves, and answers show their keys in one piece.
                    let own = pending::GROUPS
                        .into_iter()
                        .find_map(|own| value.strip_prefix(own)?.strip_prefix('.').map(|name| (own, name)));
                    let (group, name) = own.unwrap_or((group, name));
                    (group.to_owned(), name.to_owned())
                }
                (None, None) => (punctual_core::key::DEFAULT_GROUP.to_owned(), value.to_owned()),
            };
            make(group, name).map_err(|error| error.to_string())
        })
    }

    /// Says of each absent one that it is required, unless its value is what is wrong.
    pub(crate) fn missing(mut self, required: [(&str, bool); 2]) -> ApiError {
        for (name, _) in required.into_iter().filter(|(_, absent)| *absent) {
            self.errors.entry(name.to_owned()).or_insert_with(|| "is required".to_owned());
        }
        match self.finish() {
            Err(error) => error,
            Ok(()) => ApiError::Parameters(Errors::new()),
        }
    }

    /// Fails with all that was wrong, parameters that nobody asked for included.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let known = match self.known.as_slice() {
            [] => "there are none here".to_owned(),
            known => format!("use {}", known.join(", ")),
        };
        for (name, _) in self.values {
            self.errors.insert(name, format!("is no parameter of this path: {known}"));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Parameters(self.errors)) }
    }
}

/// The part of a list that was asked for.
pub(crate) fn page(limit: Option<u32>, offset: Option<u32>) -> Paging {
    Paging { limit: limit.map(u64::from), offset: offset.map_or(0, u64::from) }
}
