//! Reads the parts of definitions that have a JSON form of their own, and says precisely what is wrong with them.

use axum::http::StatusCode;
use punctual_core::schedule::{CronSchedule, RecurrenceRule, ScheduleError};
use punctual_core::{Calendar, Data, Schedule};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::error::{ApiError, Problem};
use crate::wording::{Said, said};

/// Reads a schedule.
///
/// # Errors
/// 422 `invalid-schedule`, with the field, the input and the place of what is wrong where the input is text.
pub(crate) fn schedule(value: &Value) -> Result<Schedule, ApiError> {
    const TYPES: &str =
        "one of once, simple, cron, calendar_interval, daily_time_interval, rrule, fixed_delay, event";
    read(value, "schedule", "invalid-schedule", TYPES, |value| {
        let text = |name: &str| value.get(name)?.as_str();
        let zone = if value.get("tz").is_some() { text("tz")? } else { "UTC" };
        match text("type")? {
            "cron" => CronSchedule::parse(text("expr")?, zone).err(),
            "rrule" => RecurrenceRule::parse(text("rrule")?, zone).err(),
            _ => None,
        }
    })
}

/// Reads a calendar.
///
/// # Errors
/// 422 `invalid-calendar`.
pub(crate) fn calendar(value: &Value) -> Result<Calendar, ApiError> {
    const TYPES: &str = "one of cron, daily, weekly, monthly, annual, holiday";
    read(value, "calendar", "invalid-calendar", TYPES, |_| None)
}

fn read<T: DeserializeOwned>(
    value: &Value,
    member: &'static str,
    code: &'static str,
    types: &str,
    explain: impl FnOnce(&Value) -> Option<ScheduleError>,
) -> Result<T, ApiError> {
    if !value.is_object() {
        return Err(ApiError::parameter(member, "must be an object with a \"type\""));
    }
    T::deserialize(value).map_err(|error| {
        let message = message_of(member, &error.to_string());
        let Some(error) = explain(value) else {
            let message = if value.get("type").is_none() { format!("{message}: {types}") } else { message };
            return semantic(code, message).with("field", json!(member)).into();
        };
        let mut problem = semantic(code, error.to_string()).with("field", json!(error.field()));
        if let (Some(input), Some(span)) = (error.input(), error.span()) {
            problem = problem.with("input", json!(input)).with("span", json!([span.start, span.end]));
        }
        problem.into()
    })
}

/// What serde says about an object as a whole, whose members' paths it does not know.
fn message_of(object: &str, message: &str) -> String {
    let Said { member, text } = said(message);
    match member {
        Some(member) => format!("{object}.{member} {text}"),
        None if text == message => text,
        None => format!("a member of the {object} {text}"),
    }
}

/// 422: what was sent can be read, and means nothing that could be stored.
pub(crate) fn semantic(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

/// Reads a member that has a JSON form of its own.
///
/// # Errors
/// 400 `invalid-parameters`, naming the member.
pub(crate) fn member<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => name.to_owned(),
            path => format!("{name}.{path}"),
        };
        ApiError::misfit(&path, &error.into_inner().to_string())
    })
}

/// Reads arguments.
pub(crate) fn data(value: Option<&Map<String, Value>>) -> Data {
    value.map(Data::from_map).unwrap_or_default()
}
