//! A cron expression: time of day, days, years.

use super::words::{list, ordinal, range_parts, runs, step};
use super::{day, time};
use crate::cron::{CronExpression, Years};

pub(super) fn describe(expression: &CronExpression) -> String {
    let fields = expression.fields();
    let years = years(&fields.years);
    let whole_years = matches!(fields.years, Years::Every);
    let days = day::describe(fields, whole_years);
    if fields.years.is_empty() {
        return "never: it names no year from 1970 to 2099".to_owned();
    }
    if expression.never_matches() {
        let days = days.strip_prefix("on ").unwrap_or(&days);
        return format!("never: there is no such day ({days}{years})");
    }
    let every_day = day::is_every_day(fields);
    let time = time::describe(fields, every_day && whole_years);
    if every_day && time.all_hours {
        return format!("{}{years}", time.text);
    }
    let between = if time.listed { " " } else { ", " };
    format!("{}{between}{days}{years}", time.text)
}

/// `, in 2025 and 2027`, `, from 2025 to 2030`; nothing for every year.
fn years(years: &Years) -> String {
    if matches!(years, Years::Every) {
        return String::new();
    }
    let years: Vec<u32> = (1970..=2099).filter(|year| years.contains(*year as i32)).collect();
    let runs = runs(&years);
    match (&years[..], &runs[..], step(&years)) {
        ([first, .., last], [_], Some(1)) => format!(", from {first} to {last}"),
        ([first, .., last], _, Some(step)) => {
            format!(", every {} year from {first} to {last}", ordinal(step))
        }
        _ => format!(", in {}", list(&range_parts(&runs, |year| year.to_string()))),
    }
}
