//! What a calendar includes.

use super::*;

/// Reads a calendar; a `base` of null is none.
pub(super) fn read(value: &Value) -> Result<Calendar, Refusal> {
    let name = value.get("type").and_then(Value::as_str).unwrap_or("unknown");
    serde_json::from_value(value.clone()).map_err(|error| format!("calendar ({name}): {error}"))
}

pub(super) fn answer(dst: Dst, case: &Object) -> Result<Value, Refusal> {
    let calendar = read(field(case, "calendar")?)?;
    let at = field(case, "at")?;
    let Value::Array(at) = at else { return Err(format!("at: is a list of instants, not {at}")) };
    let mut included = Vec::with_capacity(at.len());
    let mut next = Vec::with_capacity(at.len());
    for at in at {
        let at = read_instant(at, "at")?;
        included.push(calendar.includes(at));
        next.push(printed_or_null(match dst {
            Dst::Follow => calendar.next_included(at),
            Dst::Quartz => calendar.quartz_next_included(at),
        }));
    }
    Ok(json!({ "included": included, "next_included": next }))
}
