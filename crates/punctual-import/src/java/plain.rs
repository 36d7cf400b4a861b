//! The usual types of Java as JSON.

use std::rc::Rc;

use jiff::Timestamp;
use serde_json::{Map, Number, Value as Json};

use super::{Extra, MAX_VALUES, Object, Value};

/// A part of a value that has no JSON form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where: `map.inner`, `list[3]`.
    pub path: String,
    /// What it is.
    pub what: String,
}

/// Turns values into JSON, and lists what it cannot.
struct Plain {
    unreadable: Vec<Unreadable>,
    /// How many values there may still be: shared ones are copied, and what shares its parts again and again grows fast.
    left: usize,
}

impl Value {
    /// The value as JSON. What has no JSON form is left out (and `null` in lists), and listed.
    pub fn plain(&self) -> (Option<Json>, Vec<Unreadable>) {
        let mut plain = Plain { unreadable: Vec::new(), left: MAX_VALUES };
        let json = plain.value(self, "");
        (json, plain.unreadable)
    }
}

impl Plain {
    fn refuse(&mut self, path: &str, what: impl Into<String>) -> Option<Json> {
        self.unreadable.push(Unreadable { path: path.to_owned(), what: what.into() });
        None
    }

    fn value(&mut self, value: &Value, path: &str) -> Option<Json> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return self.refuse(path, "more values than are read"),
        }
        Some(match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => match Number::from_f64(*value) {
                Some(number) => Json::Number(number),
                None => return self.refuse(path, format!("the number {value}")),
            },
            Value::Char(unit) => Json::String(String::from_utf16_lossy(&[*unit])),
            Value::Text(text) => Json::String(text.to_string()),
            Value::Enum(_, name) => Json::String(name.to_string()),
            Value::Array(elements) => self.list(elements.iter(), path),
            Value::Class(name) => return self.refuse(path, format!("the class {name}")),
            Value::Cycle => return self.refuse(path, "an object that holds itself"),
            Value::Object(object) => return self.object(object, path),
        })
    }

    fn list<'a>(&mut self, elements: impl Iterator<Item = &'a Value>, path: &str) -> Json {
        let list = elements
            .enumerate()
            .map(|(place, element)| self.value(element, &format!("{path}[{place}]")).unwrap_or(Json::Null));
        Json::Array(list.collect())
    }

    fn object(&mut self, object: &Rc<Object>, path: &str) -> Option<Json> {
        if let Some(map) = map_of(object) {
            return Some(Json::Object(self.map(map, path)));
        }
        let extra = || object.extra_values();
        match &*object.class {
            "java.lang.Integer"
            | "java.lang.Long"
            | "java.lang.Short"
            | "java.lang.Byte"
            | "java.lang.Double"
            | "java.lang.Float"
            | "java.lang.Boolean"
            | "java.lang.Character"
            | "java.util.concurrent.atomic.AtomicInteger"
            | "java.util.concurrent.atomic.AtomicLong" => match object.field("value") {
                Some(value @ (Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Char(_))) => {
                    self.value(value, path)
                }
                _ => self.refuse(path, format!("a damaged {}", object.class)),
            },
            "java.util.ArrayList"
            | "java.util.LinkedList"
            | "java.util.ArrayDeque"
            | "java.util.HashSet"
            | "java.util.LinkedHashSet" => Some(self.list(extra(), path)),
            // The comparator comes first.
            "java.util.TreeSet" => Some(self.list(extra().skip(1), path)),
            "java.util.Vector" | "java.util.Stack" => self.vector(object, path),
            "java.util.Arrays$ArrayList" => match object.field("a") {
                Some(array) => self.value(array, path),
                None => self.refuse(path, "a damaged list"),
            },
            // Lists that Java's List.of makes: 1 is a list, 2 a set; maps are below.
            "java.util.CollSer" => self.fixed(object, path),
            class if class.starts_with("java.util.Collections$") => {
                match ["c", "list", "element", "m"].iter().find_map(|name| object.field(name)) {
                    Some(element) if object.field("element").is_some() => {
                        Some(self.list([element].into_iter(), path))
                    }
                    Some(inner) => self.value(inner, path),
                    None if class.ends_with("$EmptyMap") => Some(Json::Object(Map::new())),
                    None if class.contains("$Empty") => Some(Json::Array(Vec::new())),
                    None => self.refuse(path, format!("a {class}")),
                }
            }
            "java.math.BigInteger" => self.big(object, path),
            "java.math.BigDecimal" => self.decimal(object, path),
            "java.util.UUID" => match (object.field("mostSigBits"), object.field("leastSigBits")) {
                (Some(Value::Int(most)), Some(Value::Int(least))) => {
                    let (most, least) = (most.cast_unsigned(), least.cast_unsigned());
                    let text = format!(
                        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                        most >> 32,
                        most >> 16 & 0xffff,
                        most & 0xffff,
                        least >> 48,
                        least & 0xffff_ffff_ffff
                    );
                    Some(Json::String(text))
                }
                _ => self.refuse(path, "a damaged java.util.UUID"),
            },
            _ if object.is_a("java.util.Date") => match millis(object) {
                Some(at) => Some(Json::String(at.to_string())),
                None => self.refuse(path, "a date outside of the years that are read"),
            },
            class => self.refuse(path, format!("an object of class {class}")),
        }
    }

    fn map(&mut self, entries: Vec<(&Value, &Value)>, path: &str) -> Map<String, Json> {
        let mut map = Map::new();
        for (key, value) in entries {
            let name = match key {
                Value::Text(text) => text.to_string(),
                other => match self.value(other, &format!("{path}(key)")) {
                    Some(Json::String(text)) => text,
                    Some(json) => json.to_string(),
                    None => continue,
                },
            };
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if let Some(json) = self.value(value, &inner) {
                map.insert(name, json);
            }
        }
        map
    }

    fn vector(&mut self, object: &Object, path: &str) -> Option<Json> {
        match (object.field("elementData"), object.field("elementCount")) {
            (Some(Value::Array(elements)), Some(Value::Int(count))) => {
                Some(self.list(elements.iter().take(usize::try_from(*count).unwrap_or(0)), path))
            }
            _ => self.refuse(path, format!("a damaged {}", object.class)),
        }
    }

    fn fixed(&mut self, object: &Object, path: &str) -> Option<Json> {
        let values: Vec<&Value> = object.extra_values().collect();
        match object.field("tag") {
            Some(Value::Int(3)) => {
                let entries = values.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                Some(Json::Object(self.map(entries, path)))
            }
            Some(Value::Int(1 | 2 | 4)) => Some(self.list(values.into_iter(), path)),
            _ => self.refuse(path, "an unknown kind of fixed collection"),
        }
    }

    /// A whole number that may be of any length, as text unless it fits.
    fn big(&mut self, object: &Object, path: &str) -> Option<Json> {
        match integer(object) {
            Some(number) => {
                Some(i64::try_from(number).map_or_else(|_| Json::String(number.to_string()), Json::from))
            }
            None => self.refuse(path, "a java.math.BigInteger of more than 126 bits"),
        }
    }

    fn decimal(&mut self, object: &Object, path: &str) -> Option<Json> {
        let number = match (object.field("intVal"), object.field("scale")) {
            (Some(Value::Object(number)), Some(Value::Int(scale))) => {
                integer(number).zip(usize::try_from(*scale).ok())
            }
            _ => None,
        };
        match number {
            Some((number, scale)) if scale <= 100 => {
                let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
                let (whole, part) = digits.split_at(digits.len() - scale);
                let sign = if number < 0 { "-" } else { "" };
                let dot = if part.is_empty() { "" } else { "." };
                Some(Json::String(format!("{sign}{whole}{dot}{part}")))
            }
            _ => self.refuse(path, "a java.math.BigDecimal of more than 126 bits, or with an exponent"),
        }
    }
}

/// The entries of a map, whichever of the usual classes it has.
pub(crate) fn map_of(object: &Object) -> Option<Vec<(&Value, &Value)>> {
    let pairs = |skip: usize| {
        let values: Vec<&Value> = object.extra_values().skip(skip).collect();
        Some(values.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    };
    if let Some(Value::Object(inner)) = object.field("map")
        && object.is_a("org.quartz.utils.DirtyFlagMap")
    {
        return map_of(inner);
    }
    match &*object.class {
        "java.util.HashMap" | "java.util.LinkedHashMap" | "java.util.Hashtable" | "java.util.Properties" => {
            pairs(0)
        }
        "java.util.TreeMap" => pairs(0),
        "java.util.concurrent.ConcurrentHashMap" => {
            // Ends with two nulls.
            let mut entries: Vec<(&Value, &Value)> = pairs(0)?;
            entries.retain(|(key, _)| **key != Value::Null);
            Some(entries)
        }
        _ => None,
    }
}

/// The instant of a `java.util.Date` or of one of its kinds.
pub(crate) fn millis(object: &Object) -> Option<Timestamp> {
    let date = object.parts.iter().find(|part| &*part.class == "java.util.Date")?;
    let bytes = date.extra.iter().find_map(|extra| match extra {
        Extra::Bytes(bytes) => bytes.first_chunk::<8>(),
        Extra::Value(_) => None,
    })?;
    Timestamp::from_millisecond(i64::from_be_bytes(*bytes)).ok()
}

fn integer(object: &Object) -> Option<i128> {
    let (Some(Value::Int(sign)), Some(Value::Array(bytes))) =
        (object.field("signum"), object.field("magnitude"))
    else {
        return None;
    };
    let mut number: i128 = 0;
    for byte in bytes.iter() {
        let Value::Int(byte) = byte else { return None };
        if number >> 118 != 0 {
            return None;
        }
        number = number << 8 | i128::from(*byte & 0xff);
    }
    Some(number * i128::from(sign.signum()))
}
