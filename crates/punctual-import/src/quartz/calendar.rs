//! Calendars, which Quartz keeps as serialised objects.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use punctual_core::Calendar;
use punctual_core::schedule::{CronExpression, ScheduleError, TimeZone, zone};

use crate::java::{self, Object, Value};

/// How many calendars may rest on each other.
const MAX_DEPTH: usize = 16;

/// Reads a calendar; `tz` is the zone of one that names none.
pub(super) fn read(bytes: &[u8], tz: &str) -> Result<Calendar, String> {
    match java::read(bytes).map_err(|error| error.to_string())? {
        Value::Object(object) => calendar(&object, tz, 0),
        _ => Err("is no object".to_owned()),
    }
}

fn calendar(object: &Object, tz: &str, depth: usize) -> Result<Calendar, String> {
    if depth >= MAX_DEPTH {
        return Err(format!("rests on more than {MAX_DEPTH} calendars"));
    }
    let own = own_rule(object, tz)?;
    match object.field("baseCalendar") {
        None | Some(Value::Null) => own.ok_or_else(|| "excludes nothing".to_owned()),
        Some(Value::Object(base)) => {
            let base = calendar(base, tz, depth + 1)?;
            match own {
                Some(own) => own.with_base(base).map_err(text),
                None => Ok(base),
            }
        }
        Some(_) => Err("rests on something that is no calendar".to_owned()),
    }
}

/// What the calendar excludes apart from its base; nothing for one that is only a base.
fn own_rule(object: &Object, tz: &str) -> Result<Option<Calendar>, String> {
    let zone = zone_of(object.field("timeZone"), tz)?;
    let class = object.class.strip_prefix("org.quartz.impl.calendar.").unwrap_or(&object.class);
    Ok(Some(match class {
        "BaseCalendar" => return Ok(None),
        "HolidayCalendar" => holiday(object, zone)?,
        "WeeklyCalendar" => weekly(object, zone)?,
        "MonthlyCalendar" => {
            let days = flags(object)?.enumerate().filter(|(_, excluded)| *excluded);
            let days = days.filter_map(|(place, _)| u8::try_from(place + 1).ok());
            Calendar::monthly(days, zone).map_err(text)?
        }
        "AnnualCalendar" => annual(object, zone, tz)?,
        "DailyCalendar" => daily(object, zone)?,
        "CronCalendar" => cron(object, tz)?,
        _ => return Err(format!("is of class {}, which only its own program knows", object.class)),
    }))
}

fn text(error: ScheduleError) -> String {
    error.to_string()
}

/// A `java.util.TimeZone`, which knows its name.
fn zone_of(value: Option<&Value>, tz: &str) -> Result<TimeZone, String> {
    match value {
        None | Some(Value::Null) => zone(tz).map_err(text),
        Some(Value::Object(object)) => match object.field("ID") {
            Some(Value::Text(id)) => zone(id).map_err(text),
            _ => Err("has a time zone without a name".to_owned()),
        },
        Some(_) => Err("has a time zone that is none".to_owned()),
    }
}

fn flags(object: &Object) -> Result<impl Iterator<Item = bool> + '_, String> {
    match object.field("excludeDays") {
        Some(Value::Array(flags)) => Ok(flags.iter().map(|flag| *flag == Value::Bool(true))),
        _ => Err("lacks its days".to_owned()),
    }
}

fn weekly(object: &Object, zone: TimeZone) -> Result<Calendar, String> {
    // The place in the list is the number of the day, 1 = Sunday.
    let days = flags(object)?.enumerate().filter(|(_, excluded)| *excluded);
    let days = days.filter_map(|(place, _)| Weekday::from_sunday_one_offset(i8::try_from(place).ok()?).ok());
    Ok(Calendar::weekly(days, zone))
}

fn holiday(object: &Object, zone: TimeZone) -> Result<Calendar, String> {
    let Some(Value::Object(dates)) = object.field("dates") else { return Err("lacks its dates".to_owned()) };
    let mut days: Vec<Date> = Vec::new();
    for value in dates.extra_values() {
        // Beside the dates a set has its comparator, which is null.
        if let Value::Object(date) = value {
            let at = java::millis(date).ok_or_else(|| "has a date that cannot be read".to_owned())?;
            days.push(at.to_zoned(zone.clone()).date());
        }
    }
    Ok(Calendar::holiday(days, zone))
}

fn annual(object: &Object, zone: TimeZone, tz: &str) -> Result<Calendar, String> {
    let Some(Value::Object(list)) = object.field("excludeDays") else {
        return Err("lacks its days".to_owned());
    };
    let mut days = Vec::new();
    for value in list.extra_values() {
        let Value::Object(day) = value else { return Err("has a day that cannot be read".to_owned()) };
        let at = match day.field("time") {
            Some(Value::Int(millis)) => Timestamp::from_millisecond(*millis).ok(),
            _ => None,
        };
        let at = at.ok_or_else(|| "has a day that cannot be read".to_owned())?;
        let date = at.to_zoned(zone_of(day.field("zone"), tz)?).date();
        days.push((date.month().unsigned_abs(), date.day().unsigned_abs()));
    }
    Calendar::annual(days, zone).map_err(text)
}

fn daily(object: &Object, zone: TimeZone) -> Result<Calendar, String> {
    let number = |name: String| match object.field(&name) {
        Some(Value::Int(number)) => Ok(*number),
        _ => Err(format!("lacks {name}")),
    };
    let time = |which: &str| {
        let [hour, minute, second, millis] =
            ["HourOfDay", "Minute", "Second", "Millis"].map(|part| number(format!("range{which}{part}")));
        let small = |number: Result<i64, String>| {
            number.and_then(|n| i8::try_from(n).map_err(|_| format!("has the time {n}")))
        };
        let nanos = i32::try_from(millis?.saturating_mul(1_000_000)).map_err(|error| error.to_string())?;
        Time::new(small(hour)?, small(minute)?, small(second)?, nanos).map_err(|error| error.to_string())
    };
    let invert = object.field("invertTimeRange") == Some(&Value::Bool(true));
    Calendar::daily(time("Starting")?, time("Ending")?, invert, zone).map_err(text)
}

fn cron(object: &Object, tz: &str) -> Result<Calendar, String> {
    let Some(Value::Object(expression)) = object.field("cronExpression") else {
        return Err("lacks its expression".to_owned());
    };
    let zone = zone_of(expression.field("timeZone"), tz)?;
    match expression.field("cronExpression") {
        Some(Value::Text(expression)) => {
            Ok(Calendar::cron(CronExpression::parse(expression).map_err(text)?, zone))
        }
        _ => Err("lacks its expression".to_owned()),
    }
}
