//! Reads what Java's object serialisation wrote (the Java Object Serialization Specification, protocol version 2), as far
//! as values go: no class is known, and nothing is run.
//!
//! An object comes out as its class with the fields of each class of its line, and what its `writeObject` methods wrote
//! besides. [`Value::plain`] turns the usual collections, numbers and dates into JSON.
//!
//! The input is not trusted: its size, the depth of its objects and their number are bounded, and any error ends the reading.

mod plain;
mod read;
#[cfg(test)]
mod tests;

use std::rc::Rc;

pub use plain::Unreadable;
pub(crate) use plain::millis;

/// The most that is read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// How deep objects may hold each other.
pub const MAX_DEPTH: usize = 64;
/// How many values there may be in all, those of arrays included.
pub const MAX_VALUES: usize = 200_000;

/// Why a stream cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("serialised Java data, byte {at}: {problem}")]
pub struct JavaError {
    at: usize,
    problem: String,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `boolean`.
    Bool(bool),
    /// `byte`, `short`, `int` or `long`.
    Int(i64),
    /// `float` or `double`.
    Float(f64),
    /// `char`: a unit of UTF-16.
    Char(u16),
    /// A string; units that are no text are replaced.
    Text(Rc<str>),
    /// An array.
    Array(Rc<[Value]>),
    /// A constant of an enum: its class and name.
    Enum(Rc<str>, Rc<str>),
    /// An object.
    Object(Rc<Object>),
    /// A class, by name.
    Class(Rc<str>),
    /// An object that holds itself.
    Cycle,
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its class.
    pub class: Rc<str>,
    /// Its fields and what was written besides, for each class of its line, the uppermost first.
    pub parts: Vec<Part>,
}

/// What one class says of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The class.
    pub class: Rc<str>,
    /// Its fields.
    pub fields: Vec<(Rc<str>, Value)>,
    /// What its `writeObject` wrote after them.
    pub extra: Vec<Extra>,
}

/// Something that a `writeObject` method wrote.
#[derive(Clone, Debug, PartialEq)]
pub enum Extra {
    /// Bytes.
    Bytes(Rc<[u8]>),
    /// A value.
    Value(Value),
}

impl Object {
    /// The field of a name, of the lowest class that has one.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let fields = self.parts.iter().rev().flat_map(|part| &part.fields);
        fields.into_iter().find(|(field, _)| &**field == name).map(|(_, value)| value)
    }

    /// Whether a class is in its line.
    pub fn is_a(&self, class: &str) -> bool {
        self.parts.iter().any(|part| &*part.class == class)
    }

    /// The values that the `writeObject` methods wrote.
    pub fn extra_values(&self) -> impl Iterator<Item = &Value> {
        self.parts.iter().flat_map(|part| &part.extra).filter_map(|extra| match extra {
            Extra::Value(value) => Some(value),
            Extra::Bytes(_) => None,
        })
    }
}

/// Reads the one object that a stream holds.
///
/// # Errors
/// [`JavaError`] says at which byte what is wrong.
pub fn read(bytes: &[u8]) -> Result<Value, JavaError> {
    read::read(bytes)
}
