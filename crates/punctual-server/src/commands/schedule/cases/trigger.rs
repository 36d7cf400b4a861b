//! The fire times of a trigger from its first one on, and its last.

use super::*;

/// A field of a trigger, and what its JSON has to be.
type Rule = (&'static str, &'static str, fn(&Value) -> bool);

const TZ: Rule = ("tz", "an IANA zone name", Value::is_string);
const INTERVAL: Rule =
    ("interval", "a whole number from 1 on", |value| is_between(value, 1, i32::MAX.into()));
const UNIT: Rule = ("unit", "SECOND, MINUTE, HOUR, DAY, WEEK, MONTH or YEAR", |value| {
    ["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"].iter().any(|unit| value == unit)
});
const REPEAT_COUNT: Rule = ("repeat_count", "a whole number of repeats, or -1 for ever", |value| {
    is_between(value, -1, u32::MAX.into())
});

fn is_between(value: &Value, low: i64, high: i64) -> bool {
    value.as_i64().is_some_and(|value| (low..=high).contains(&value))
}

fn is_text_or_null(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

/// The fields of each type, besides those of every trigger.
fn rules(kind: &str) -> Option<Vec<Rule>> {
    Some(match kind {
        "once" => vec![],
        "cron" => vec![TZ, ("expr", "a cron expression", Value::is_string)],
        "rrule" => vec![TZ, ("rrule", "a recurrence rule", Value::is_string)],
        "simple" => vec![
            ("interval_ms", "a whole number of milliseconds", |value| is_between(value, 0, i64::MAX)),
            REPEAT_COUNT,
        ],
        "calendar_interval" => vec![
            TZ,
            INTERVAL,
            UNIT,
            ("preserve_hour_of_day", "true or false", Value::is_boolean),
            ("skip_day_if_no_hour", "true or false", Value::is_boolean),
        ],
        "daily_time_interval" => vec![
            TZ,
            INTERVAL,
            UNIT,
            REPEAT_COUNT,
            ("start_time_of_day", "a time of day such as \"08:00:00\"", is_text_or_null),
            ("end_time_of_day", "a time of day such as \"17:59:59\"", is_text_or_null),
            ("days_of_week", "a list of days, 1 (Sunday) to 7 (Saturday)", |value| {
                value.as_array().is_some_and(|days| days.iter().all(|day| is_between(day, 1, 7)))
            }),
        ],
        _ => return None,
    })
}

/// The schedule of a trigger. What does not belong to its type is a note, and passed over.
pub(super) fn schedule(dst: Dst, trigger: &Object) -> Result<Schedule, Refusal> {
    let kind = text(trigger, "type")?;
    let Some(rules) = rules(kind) else {
        return Err(format!(
            "type: is once, simple, cron, calendar_interval, daily_time_interval or rrule, not {kind:?}"
        ));
    };
    let mut fields = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    for (name, what, fits) in rules {
        match trigger.get(name) {
            Some(value) if fits(value) => {
                fields.insert(name.to_owned(), value.clone());
            }
            Some(value) => return Err(format!("{name}: is {what}, not {value}")),
            None => {}
        }
    }
    if kind == "cron" {
        let dst = if dst == Dst::Quartz { "quartz" } else { "follow" };
        fields.insert("dst".to_owned(), Value::from(dst));
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| format!("{kind} trigger: {error}"))
}

pub(super) fn window(trigger: &Object) -> Result<Window, Refusal> {
    Window::new(instant(trigger, "start")?, instant_or_none(trigger, "end")?)
        .map_err(|error| error.to_string())
}

pub(super) fn answer(dst: Dst, case: &Object) -> Result<Value, Refusal> {
    let (schedule, window) = (schedule(dst, case)?, window(case)?);
    let calendar = match case.get("calendar") {
        None | Some(Value::Null) => None,
        Some(calendar) => Some(calendar::read(calendar)?),
    };
    let occurrences = Occurrences::new(&schedule, window).with_calendar(calendar.as_ref());
    let fires = occurrences.first().into_iter().flat_map(|first| occurrences.upcoming(first));
    let mut answer = json!({ "next": fires.take(count(case)?).map(printed).collect::<Vec<_>>() });
    if calendar.is_none() && !matches!(schedule, Schedule::Cron(_)) {
        let last = if dst == Dst::Quartz { quartz_final(&schedule, window) } else { occurrences.last() };
        answer["final"] = printed_or_null(last);
    }
    Ok(answer)
}

/// What Quartz's `getFinalFireTime` answers. An end counts as a fire time there if it lies on the trigger's steps,
/// and a daily trigger answers with the end of its last day.
fn quartz_final(schedule: &Schedule, window: Window) -> Option<Timestamp> {
    match schedule {
        Schedule::DailyTimeInterval(daily) => {
            let end = window.end?;
            let local = end.to_zoned(daily.time_zone().clone());
            let time = daily.end_time_of_day();
            // Without an end of the day, Quartz leaves the trigger's end as it is.
            if time == jiff::civil::time(23, 59, 59, 0) {
                return Some(end);
            }
            let closing = local.date().to_datetime(time);
            let closing = daily.time_zone().to_ambiguous_timestamp(closing).later().ok()?;
            Some(closing.max(end))
        }
        Schedule::Simple(_) | Schedule::CalendarInterval(_) => {
            let a_millisecond = jiff::SignedDuration::from_millis(1);
            let end = window.end.map(|end| end.checked_add(a_millisecond).unwrap_or(end));
            Occurrences::new(schedule, Window { start: window.start, end }).last()
        }
        _ => Occurrences::new(schedule, window).last(),
    }
}
