//! A part of a list that goes on from a cursor.

use punctual_core::ranking::Place;
use punctual_core::{JobKey, TriggerKey};
use serde::Serialize;
use utoipa::ToSchema;

/// One page. Ask again with `cursor` set to `next` for what follows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    /// Where the next page begins; `null` at the end.
    pub(crate) next: Option<String>,
}

impl<T> List<T> {
    /// All that there is.
    pub(crate) fn whole(data: Vec<T>) -> Self {
        Self { data, next: None }
    }

    /// A page of rows that were asked for with one more than `limit`.
    pub(crate) fn cut<R: Into<T>>(mut rows: Vec<R>, limit: u32, cursor: impl FnOnce(&R) -> Cursor) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| cursor(last).to_text());
        Self { data: rows.into_iter().map(Into::into).collect(), next }
    }
}

/// The place in a list: texts without control characters, written as hexadecimal digits so that nobody reads more into
/// them.
#[derive(Debug, PartialEq)]
pub(crate) struct Cursor(Vec<String>);

impl Cursor {
    pub(crate) fn new(parts: &[&str]) -> Self {
        Self(parts.iter().map(|part| (*part).to_owned()).collect())
    }

    fn to_text(&self) -> String {
        self.0.join("\n").bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no cursor: give the `next` of an earlier answer");
        if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let bytes: Option<Vec<u8>> = (0..text.len())
            .step_by(2)
            .map(|at| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()))
            .collect();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
        Ok(Self(text.split('\n').map(str::to_owned).collect()))
    }

    /// The two parts of a key's cursor.
    fn two(&self) -> Result<(String, String), String> {
        match self.0.as_slice() {
            [group, name] => Ok((group.clone(), name.clone())),
            _ => Err("is the cursor of another list".to_owned()),
        }
    }

    pub(crate) fn job(&self) -> Result<JobKey, String> {
        let (group, name) = self.two()?;
        JobKey::try_new(group, name).map_err(|error| error.to_string())
    }

    /// A row's place in an order of the history.
    pub(crate) fn place(&self) -> Result<Place, String> {
        let (value, id) = self.two()?;
        match (value.parse(), id.parse()) {
            (Ok(value), Ok(id)) => Ok(Place { value, id }),
            _ => Err("is the cursor of another list".to_owned()),
        }
    }

    pub(crate) fn trigger(&self) -> Result<TriggerKey, String> {
        let (group, name) = self.two()?;
        TriggerKey::try_new(group, name).map_err(|error| error.to_string())
    }
}

impl From<&JobKey> for Cursor {
    fn from(key: &JobKey) -> Self {
        Self::new(&[key.group(), key.name()])
    }
}

impl From<Place> for Cursor {
    fn from(place: Place) -> Self {
        Self::new(&[&place.value.to_string(), &place.id.to_string()])
    }
}

impl From<&TriggerKey> for Cursor {
    fn from(key: &TriggerKey) -> Self {
        Self::new(&[key.group(), key.name()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_others_are_refused() {
        let key = JobKey::try_new("a.b", "über c").unwrap();
        let text = Cursor::from(&key).to_text();
        assert_eq!(Cursor::from_text(&text).unwrap().job().unwrap(), key);
        for text in ["x", "0", "zz", "ff", "é0"] {
            assert!(Cursor::from_text(text).is_err(), "{text}");
        }
        assert!(Cursor::from_text("61").unwrap().job().is_err(), "one part is no key");
        assert!(Cursor::from_text("").unwrap().trigger().is_err());
    }
}
