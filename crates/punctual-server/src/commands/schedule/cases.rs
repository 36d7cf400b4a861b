//! `--jsonl`: questions as JSON, one a line, answered in the same order.
//!
//! The questions are those of the recorded answers in `punctual-schedule/tests/conformance`.

use std::io::{BufRead, Write};

use jiff::Timestamp;
use punctual_core::schedule::{Calendar, CronExpression, CronSchedule, Occurrences, Schedule, Window, zone};
use serde_json::{Map, Value, json};

use super::Dst;

mod calendar;
mod misfire;
mod trigger;

/// A question or a part of one.
type Object = Map<String, Value>;
/// What is wrong with a question, with the field named.
type Refusal = String;

/// More answers than this to one question are a mistake.
const MAX_COUNT: u64 = 100_000;

/// Answers every line of `input` with a line, flushed at once, so that a program may ask one at a time.
pub(super) fn answer_all(dst: Dst, mut input: impl BufRead, mut out: impl Write) -> anyhow::Result<()> {
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let answer = answer(dst, line.trim_ascii()).unwrap_or_else(|refusal| json!({ "error": refusal }));
        writeln!(out, "{answer}")?;
        out.flush()?;
        line.clear();
    }
    Ok(())
}

fn answer(dst: Dst, line: &[u8]) -> Result<Value, Refusal> {
    let case: Value =
        serde_json::from_slice(line).map_err(|error| format!("the line is not JSON: {error}"))?;
    let Value::Object(case) = case else {
        return Err("the line is not a JSON object".to_owned());
    };
    match text(&case, "op")? {
        "cron" => cron(dst, &case),
        "trigger" => trigger::answer(dst, &case),
        "misfire" => misfire::answer(dst, &case),
        "calendar" => calendar::answer(dst, &case),
        other => Err(format!("op: is cron, trigger, misfire or calendar, not {other:?}")),
    }
}

/// The fire times of an expression strictly after an instant.
fn cron(dst: Dst, case: &Object) -> Result<Value, Refusal> {
    let expression = CronExpression::parse(text(case, "expr")?).map_err(|error| format!("expr: {error}"))?;
    let zone = zone(text_or(case, "tz", "UTC")?).map_err(|error| format!("tz: {error}"))?;
    let schedule = CronSchedule::new(expression, zone, dst.into());
    let from = instant(case, "from")?;
    let fires = std::iter::successors(schedule.next_after(from), |at| schedule.next_after(*at));
    Ok(json!({ "next": fires.take(count(case)?).map(printed).collect::<Vec<_>>() }))
}

fn field<'a>(object: &'a Object, name: &str) -> Result<&'a Value, Refusal> {
    object.get(name).ok_or_else(|| format!("{name}: is missing"))
}

fn text<'a>(object: &'a Object, name: &str) -> Result<&'a str, Refusal> {
    let value = field(object, name)?;
    value.as_str().ok_or_else(|| format!("{name}: is text, not {value}"))
}

fn text_or<'a>(object: &'a Object, name: &str, default: &'a str) -> Result<&'a str, Refusal> {
    if object.contains_key(name) { text(object, name) } else { Ok(default) }
}

fn part<'a>(object: &'a Object, name: &str) -> Result<&'a Object, Refusal> {
    let value = field(object, name)?;
    value.as_object().ok_or_else(|| format!("{name}: is an object, not {value}"))
}

fn count(case: &Object) -> Result<usize, Refusal> {
    let value = field(case, "count")?;
    match value.as_u64() {
        Some(count @ ..=MAX_COUNT) => Ok(count as usize),
        _ => Err(format!("count: is 0 to {MAX_COUNT}, not {value}")),
    }
}

fn instant(object: &Object, name: &str) -> Result<Timestamp, Refusal> {
    read_instant(field(object, name)?, name)
}

/// `null`, or no such field, is none.
fn instant_or_none(object: &Object, name: &str) -> Result<Option<Timestamp>, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read_instant(value, name).map(Some),
    }
}

fn read_instant(value: &Value, name: &str) -> Result<Timestamp, Refusal> {
    let refuse = || format!("{name}: is an instant such as \"2026-03-29T01:00:00Z\", not {value}");
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(refuse)
}

/// UTC, with milliseconds where they are not zero.
fn printed(at: Timestamp) -> String {
    if at.subsec_millisecond() == 0 { format!("{at:.0}") } else { format!("{at:.3}") }
}

fn printed_or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::from(printed(at)))
}
