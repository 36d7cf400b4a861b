//! The JSON form.

use jiff::civil::{Date, Time, Weekday};
use serde::{Deserialize, Serialize};

use super::Calendar;
use super::rule::Rule;
use crate::civil::civil_from_days;
use crate::cron::CronExpression;
use crate::error::ScheduleError;
use crate::zone::{name_of, utc, zone};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default = "utc")]
    tz: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<Days>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expr: Option<CronExpression>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range_start: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range_end: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invert: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Box<Calendar>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Annual,
    Cron,
    Daily,
    Holiday,
    Monthly,
    Weekly,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Days {
    Numbers(Vec<i64>),
    Texts(Vec<String>),
}

impl TryFrom<Raw> for Calendar {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        raw.check_fields()?;
        let rule = match raw.kind {
            Kind::Annual => Rule::annual(
                texts(raw.days)?.iter().map(|day| month_and_day(day)).collect::<Result<Vec<_>, _>>()?,
            )?,
            Kind::Cron => Rule::Cron(raw.expr.ok_or_else(|| missing("expr", "the expression to exclude"))?),
            Kind::Daily => Rule::daily(
                time("range_start", raw.range_start)?,
                time("range_end", raw.range_end)?,
                raw.invert.unwrap_or(false),
            )?,
            Kind::Holiday => {
                Rule::holiday(texts(raw.days)?.iter().map(|day| date(day)).collect::<Result<Vec<_>, _>>()?)
            }
            Kind::Monthly => {
                Rule::monthly(numbers(raw.days)?.into_iter().map(|day| u8::try_from(day).unwrap_or(0)))?
            }
            Kind::Weekly => {
                Rule::weekly(numbers(raw.days)?.into_iter().map(weekday).collect::<Result<Vec<_>, _>>()?)
            }
        };
        let calendar = Self::new(rule, zone(&raw.tz)?);
        match raw.base {
            None => Ok(calendar),
            Some(base) => calendar.with_base(*base),
        }
    }
}

impl Raw {
    /// Fields of another kind are refused, not passed over.
    fn check_fields(&self) -> Result<(), ScheduleError> {
        let (days, expr, range) = match self.kind {
            Kind::Cron => (false, true, false),
            Kind::Daily => (false, false, true),
            _ => (true, false, false),
        };
        let given = [
            ("days", self.days.is_some(), days),
            ("expr", self.expr.is_some(), expr),
            ("range_start", self.range_start.is_some(), range),
            ("range_end", self.range_end.is_some(), range),
            ("invert", self.invert.is_some(), range),
        ];
        match given.into_iter().find(|(_, given, allowed)| *given && !allowed) {
            Some((field, ..)) => {
                Err(ScheduleError::value(field, "", "is not a field of this type of calendar"))
            }
            None => Ok(()),
        }
    }
}

fn missing(field: &'static str, what: &str) -> ScheduleError {
    ScheduleError::value(field, "", format!("is missing: {what}"))
}

fn texts(days: Option<Days>) -> Result<Vec<String>, ScheduleError> {
    match days {
        Some(Days::Texts(days)) => Ok(days),
        Some(Days::Numbers(days)) if days.is_empty() => Ok(Vec::new()),
        Some(Days::Numbers(days)) => {
            Err(ScheduleError::value("days", format!("{days:?}"), "holds dates as text"))
        }
        None => Err(missing("days", "a list of dates")),
    }
}

fn numbers(days: Option<Days>) -> Result<Vec<i64>, ScheduleError> {
    match days {
        Some(Days::Numbers(days)) => Ok(days),
        Some(Days::Texts(days)) => Err(ScheduleError::value("days", format!("{days:?}"), "holds numbers")),
        None => Err(missing("days", "a list of numbers")),
    }
}

fn month_and_day(text: &str) -> Result<(u8, u8), ScheduleError> {
    let parts = text.split_once('-').filter(|(month, day)| month.len() == 2 && day.len() == 2);
    parts.and_then(|(month, day)| Some((month.parse().ok()?, day.parse().ok()?))).ok_or_else(|| {
        ScheduleError::value("days", format!("{text:?}"), "is a day of the year such as \"12-25\"")
    })
}

fn date(text: &str) -> Result<Date, ScheduleError> {
    text.parse()
        .map_err(|_| ScheduleError::value("days", format!("{text:?}"), "is a date such as \"2025-12-25\""))
}

fn weekday(day: i64) -> Result<Weekday, ScheduleError> {
    i8::try_from(day)
        .ok()
        .and_then(|day| Weekday::from_sunday_one_offset(day).ok())
        .ok_or_else(|| ScheduleError::value("days", day, "is 1 (Sunday) to 7 (Saturday)"))
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS:mmm`.
fn time(field: &'static str, text: Option<String>) -> Result<Time, ScheduleError> {
    let text = text.ok_or_else(|| missing(field, "a time of day"))?;
    let parts: Option<Vec<i16>> = text
        .split(':')
        .map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten())
        .collect();
    let time = match parts.as_deref() {
        Some([hour, minute, rest @ ..]) if rest.len() <= 2 => {
            let small = |value: i16| i8::try_from(value).ok();
            let second = rest.first().copied().unwrap_or(0);
            let millis = i32::from(rest.get(1).copied().unwrap_or(0));
            small(*hour).zip(small(*minute)).zip(small(second)).and_then(|((hour, minute), second)| {
                Time::new(hour, minute, second, millis.checked_mul(1_000_000)?).ok()
            })
        }
        _ => None,
    };
    time.ok_or_else(|| {
        ScheduleError::value(
            field,
            format!("{text:?}"),
            "is a time of day such as \"08:30\" or \"08:30:00:000\"",
        )
    })
}

impl From<Calendar> for Raw {
    fn from(calendar: Calendar) -> Self {
        let mut raw = Self {
            kind: Kind::Cron,
            tz: name_of(&calendar.zone),
            days: None,
            expr: None,
            range_start: None,
            range_end: None,
            invert: None,
            base: calendar.base,
        };
        let bits = |bits: u32, first: i64| {
            (0..32).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| bit + first)
        };
        match calendar.rule {
            Rule::Annual(months) => {
                raw.kind = Kind::Annual;
                let days = (1..)
                    .zip(months)
                    .flat_map(|(month, days)| bits(days, 0).map(move |day| format!("{month:02}-{day:02}")));
                raw.days = Some(Days::Texts(days.collect()));
            }
            Rule::Cron(expression) => raw.expr = Some(expression),
            Rule::Daily { start, end, invert } => {
                raw.kind = Kind::Daily;
                raw.range_start = Some(time_text(start));
                raw.range_end = Some(time_text(end));
                raw.invert = Some(invert);
            }
            Rule::Holiday(dates) => {
                raw.kind = Kind::Holiday;
                raw.days = Some(Days::Texts(dates.into_iter().map(date_text).collect()));
            }
            Rule::Monthly(days) => {
                raw.kind = Kind::Monthly;
                raw.days = Some(Days::Numbers(bits(days, 0).collect()));
            }
            Rule::Weekly(days) => {
                raw.kind = Kind::Weekly;
                raw.days = Some(Days::Numbers(bits(days.into(), 1).collect()));
            }
        }
        raw
    }
}

fn date_text(days: i64) -> String {
    let date = civil_from_days(days);
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

fn time_text(millis: i64) -> String {
    let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    match millis % 1000 {
        0 => format!("{hour:02}:{minute:02}:{second:02}"),
        millis => format!("{hour:02}:{minute:02}:{second:02}:{millis:03}"),
    }
}
