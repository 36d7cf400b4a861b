//! What differs between two definitions, field by field.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// One field that differs; `None` where one side does not have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Field {
    /// Its place: `retry.max_attempts`, `data.command`, `schedule.expr`.
    pub(crate) name: String,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
    /// Whether the values may be secrets and are not shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) hidden: bool,
}

/// Compares the JSON forms of two definitions. Objects are compared member by member, lists as a whole.
pub(crate) fn compare<T: Serialize>(old: &T, new: &T) -> Vec<Field> {
    let (old, new) = (flat(old), flat(new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            let hidden = is_secret(name);
            let shown =
                |value: Option<&Value>| value.map(|value| if hidden { Value::Null } else { value.clone() });
            Field { name: name.clone(), old: shown(old.get(name)), new: shown(new.get(name)), hidden }
        })
        .collect()
}

/// Environment variables and headers often hold passwords and tokens, and plans end in logs.
fn is_secret(name: &str) -> bool {
    name.starts_with("data.env.") || name.starts_with("data.headers.")
}

fn flat<T: Serialize>(value: &T) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    // Definitions always have a JSON form: stores keep it.
    if let Ok(Value::Object(members)) = serde_json::to_value(value) {
        for (name, value) in members {
            flatten(name, value, &mut fields);
        }
    }
    fields
}

fn flatten(name: String, value: Value, fields: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(format!("{name}.{member}"), value, fields);
            }
        }
        value => drop(fields.insert(name, value)),
    }
}
