//! The serialised arguments of a job.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A JSON object kept as text, so that moving a fire from the store to a job costs no parsing.
///
/// The text is canonical (members sorted, no white space): equal objects have equal texts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Data(Arc<str>);

/// Why a value cannot be job data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Not an object: data has named members, so that a trigger's can be laid over a job's.
    #[error("job data must be a JSON object, not {0}")]
    NotAnObject(&'static str),
    /// The type's own serialisation failed.
    #[error("job data cannot be written as JSON: {0}")]
    Serialize(String),
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl Data {
    /// No members.
    pub fn empty() -> Self {
        Self(Arc::from("{}"))
    }

    /// The object that `value` serialises to; `()` and `None` give the empty object.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, DataError> {
        match serde_json::to_value(value) {
            Ok(Value::Null) => Ok(Self::empty()),
            Ok(Value::Object(map)) => Ok(Self::from_map(&map)),
            Ok(other) => Err(DataError::NotAnObject(type_name(&other))),
            Err(error) => Err(DataError::Serialize(error.to_string())),
        }
    }

    /// The object with these members.
    pub fn from_map(map: &Map<String, Value>) -> Self {
        // A `Map<String, Value>` always serialises; the fallback keeps this total.
        Self(serde_json::to_string(map).unwrap_or_else(|_| "{}".to_owned()).into())
    }

    /// Text read back from a store, where it was checked when it was written.
    pub fn stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        &*self.0 == "{}"
    }

    /// The members; an unreadable text (only possible when a store was edited by hand) is an error.
    pub fn to_map(&self) -> Result<Map<String, Value>, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// This data with the members of `over` laid over it.
    pub fn merged(&self, over: &Data) -> Result<Data, serde_json::Error> {
        if over.is_empty() {
            return Ok(self.clone());
        }
        if self.is_empty() {
            return Ok(over.clone());
        }
        let mut map = self.to_map()?;
        map.extend(over.to_map()?);
        Ok(Self::from_map(&map))
    }

    /// Reads the members into a type. The empty object is also read as `null`, so that `()` fits.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0).or_else(|error| {
            if self.is_empty() { serde_json::from_str("null").map_err(|_| error) } else { Err(error) }
        })
    }
}

impl Default for Data {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_map().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_map(&Map::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_objects_have_equal_texts() {
        let one: Data = serde_json::from_str(r#"{ "b": 1, "a": 2 }"#).unwrap();
        let two: Data = serde_json::from_str(r#"{"a":2,"b":1}"#).unwrap();
        assert_eq!(one, two);
    }

    #[test]
    fn a_triggers_members_win_over_the_jobs() {
        let job = Data::stored(r#"{"db":1,"full":true}"#);
        let merged = job.merged(&Data::stored(r#"{"db":2}"#)).unwrap();
        assert_eq!(merged.as_str(), r#"{"db":2,"full":true}"#);
    }

    #[test]
    fn only_objects_are_data() {
        assert_eq!(Data::from_serialize(&()).unwrap(), Data::empty());
        assert_eq!(Data::from_serialize(&3), Err(DataError::NotAnObject("a number")));
        Data::empty().parse::<()>().unwrap();
    }
}
