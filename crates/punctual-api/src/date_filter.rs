//! Date filters: `past7days`, `past30days~`, `thismonth`, `2026-01-01~2026-01-31`. Days, weeks (from Monday) and months are
//! those of UTC.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use punctual_core::Timestamp;

/// A span of time; both ends may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DateFilter {
    /// From this instant on.
    pub(crate) from: Option<Timestamp>,
    /// Before this instant.
    pub(crate) before: Option<Timestamp>,
}

/// What a relative filter counts.
#[derive(Clone, Copy)]
enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

const UNITS: [(&str, Unit); 7] = [
    ("minute", Unit::Minute),
    ("hour", Unit::Hour),
    ("day", Unit::Day),
    ("week", Unit::Week),
    ("month", Unit::Month),
    ("quarter", Unit::Quarter),
    ("year", Unit::Year),
];

impl Unit {
    fn named(word: &str) -> Option<Self> {
        let word = word.strip_suffix('s').unwrap_or(word);
        UNITS.iter().find(|(name, _)| *name == word).map(|(_, unit)| *unit)
    }

    fn span(self, count: i64) -> Option<Span> {
        let span = Span::new();
        match self {
            Self::Minute => span.try_minutes(count),
            Self::Hour => span.try_hours(count),
            Self::Day => span.try_days(count),
            Self::Week => span.try_weeks(count),
            Self::Month => span.try_months(count),
            Self::Quarter => span.try_months(count.checked_mul(3)?),
            Self::Year => span.try_years(count),
        }
        .ok()
    }

    /// The beginning of the unit in which `at` lies.
    fn floor(self, at: DateTime) -> Option<DateTime> {
        let day = at.date();
        Some(match self {
            Self::Minute => at.with().second(0).subsec_nanosecond(0).build().ok()?,
            Self::Hour => at.with().minute(0).second(0).subsec_nanosecond(0).build().ok()?,
            Self::Day => midnight(day),
            Self::Week => {
                let after_monday = i64::from(day.weekday().to_monday_zero_offset());
                midnight(day.checked_sub(after_monday.days()).ok()?)
            }
            Self::Month => midnight(day.first_of_month()),
            Self::Quarter => {
                let first = (day.month() - 1) / 3 * 3 + 1;
                midnight(day.with().day(1).month(first).build().ok()?)
            }
            Self::Year => midnight(day.first_of_year()),
        })
    }
}

fn midnight(day: Date) -> DateTime {
    day.to_datetime(jiff::civil::Time::midnight())
}

fn utc(at: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(at).ok()
}

impl DateFilter {
    pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        let text = text.trim();
        relative(text, now).or_else(|| absolute(text)).ok_or_else(|| {
            format!(
                "Failed to parse datetime value: {text} (use past7days, past7days~ to include today, thisweek, or \
                 2026-01-01~2026-01-31)"
            )
        })
    }
}

fn relative(text: &str, now: Timestamp) -> Option<DateFilter> {
    let now = TimeZone::UTC.to_datetime(now);
    if let Some(word) = text.strip_prefix("this") {
        let unit = Unit::named(word)?;
        let from = unit.floor(now)?;
        return Some(DateFilter { from: utc(from), before: utc(from.checked_add(unit.span(1)?).ok()?) });
    }
    let rest = text.strip_prefix("past")?;
    let (rest, with_present) = rest.strip_suffix('~').map_or((rest, false), |rest| (rest, true));
    let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
    let count: i64 = rest[..digits].parse().ok().filter(|count| *count > 0)?;
    let unit = Unit::named(&rest[digits..])?;
    let present = unit.floor(now)?;
    let from = present.checked_sub(unit.span(count)?).ok()?;
    let before = if with_present { present.checked_add(unit.span(1)?).ok()? } else { present };
    Some(DateFilter { from: Some(utc(from)?), before: Some(utc(before)?) })
}

fn absolute(text: &str) -> Option<DateFilter> {
    let (start, end) = text.split_once('~').unwrap_or((text, text));
    if start.is_empty() && end.is_empty() {
        return None;
    }
    let from = if start.is_empty() { None } else { Some(moment(start)?.0) };
    let before = if end.is_empty() { None } else { Some(moment(end)?.1) };
    Some(DateFilter { from, before })
}

/// A day, or an instant with or without its offset: its beginning, and what comes after it.
fn moment(text: &str) -> Option<(Timestamp, Timestamp)> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some((at, after(at)?));
    }
    if text.contains('T') {
        let at = utc(text.parse::<DateTime>().ok()?)?;
        return Some((at, after(at)?));
    }
    let day: Date = text.parse().ok()?;
    Some((utc(midnight(day))?, utc(midnight(day.tomorrow().ok()?))?))
}

/// The store knows milliseconds.
fn after(at: Timestamp) -> Option<Timestamp> {
    at.checked_add(Span::new().milliseconds(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> (String, String) {
        // A Thursday.
        let now: Timestamp = "2026-03-05T13:45:10Z".parse().unwrap();
        let filter = DateFilter::parse(text, now).unwrap();
        let show = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        (show(filter.from), show(filter.before))
    }

    #[test]
    fn spans_are_whole_days_weeks_and_months() {
        let cases = [
            ("past7days", "2026-02-26T00:00:00Z", "2026-03-05T00:00:00Z"),
            ("past7days~", "2026-02-26T00:00:00Z", "2026-03-06T00:00:00Z"),
            ("past30days", "2026-02-03T00:00:00Z", "2026-03-05T00:00:00Z"),
            ("past1day", "2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z"),
            ("past2weeks~", "2026-02-16T00:00:00Z", "2026-03-09T00:00:00Z"),
            ("past3months", "2025-12-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("past1quarters", "2025-10-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("past1years~", "2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("past30minutes", "2026-03-05T13:15:00Z", "2026-03-05T13:45:00Z"),
            ("past2hours~", "2026-03-05T11:00:00Z", "2026-03-05T14:00:00Z"),
            ("thisday", "2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z"),
            ("thisweek", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"),
            ("2026-01-01~2026-01-31", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-01-01~", "2026-01-01T00:00:00Z", "-"),
            ("~2026-01-31", "-", "2026-02-01T00:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-01-01T06:00:00~2026-01-01T07:00:00Z", "2026-01-01T06:00:00Z", "2026-01-01T07:00:00.001Z"),
        ];
        for (text, from, before) in cases {
            assert_eq!(span(text), (from.to_owned(), before.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_by_name() {
        let now = Timestamp::UNIX_EPOCH;
        for text in [
            "",
            "~",
            "past",
            "past7",
            "pastdays",
            "past0days",
            "past-1days",
            "yesterday",
            "2026-13-01",
            "past99999999999days",
            "a~b",
            "past7days~~",
        ] {
            let error = DateFilter::parse(text, now).unwrap_err();
            assert!(error.starts_with(&format!("Failed to parse datetime value: {text}")), "{error}");
        }
    }
}
