//! From the text of a rule to its parts.

use std::ops::{Range, RangeInclusive};

use crate::civil::{DAY, days_from_civil, days_in_month};
use crate::error::ScheduleError;
use crate::zone::ZoneTable;

/// Longest `COUNT`: its last instant is found by walking.
const MAX_COUNT: i64 = 10_000;
/// Most times of a day that `BYHOUR`, `BYMINUTE` and `BYSECOND` may name: one a minute.
const MAX_TIMES: usize = 1_440;
const MAX_INTERVAL: i64 = i32::MAX as i64;

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freq {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A rule that has been understood. Empty lists are parts that are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) freq: Freq,
    pub(super) interval: i64,
    pub(super) count: Option<u64>,
    pub(super) until: Option<Until>,
    /// First day of the week, 0 = Sunday.
    pub(super) week_start: u8,
    pub(super) months: Vec<i64>,
    pub(super) weeks: Vec<i64>,
    pub(super) year_days: Vec<i64>,
    pub(super) month_days: Vec<i64>,
    /// Which of them (0 = each), and the weekday (0 = Sunday).
    pub(super) weekdays: Vec<(i64, u8)>,
    pub(super) hours: Vec<i64>,
    pub(super) minutes: Vec<i64>,
    pub(super) seconds: Vec<i64>,
    pub(super) positions: Vec<i64>,
}

/// `UNTIL`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    Instant(i64),
    Local(i64),
}

impl Until {
    pub(super) fn instant(self, table: &ZoneTable) -> i64 {
        match self {
            Self::Instant(at) => at,
            Self::Local(local) => table.resolve(local).first(),
        }
    }
}

const FREQUENCIES: [(&str, Freq); 7] = [
    ("SECONDLY", Freq::Secondly),
    ("MINUTELY", Freq::Minutely),
    ("HOURLY", Freq::Hourly),
    ("DAILY", Freq::Daily),
    ("WEEKLY", Freq::Weekly),
    ("MONTHLY", Freq::Monthly),
    ("YEARLY", Freq::Yearly),
];
const WEEKDAYS: [&str; 7] = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
const PARTS: [&str; 14] = [
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "WKST",
    "BYMONTH",
    "BYWEEKNO",
    "BYYEARDAY",
    "BYMONTHDAY",
    "BYDAY",
    "BYHOUR",
    "BYMINUTE",
    "BYSECOND",
    "BYSETPOS",
];

/// The text in capitals without its prefix, and the rule.
pub(super) fn parse(input: &str) -> Result<(String, Rule), ScheduleError> {
    let upper = input.to_ascii_uppercase();
    let source = Source { input, upper: &upper };
    let start = source.begin();
    let parts = source.split(start..upper.trim_end().len().max(start))?;
    let rule = source.rule(&parts)?;
    source.check(&parts, &rule)?;
    Ok((upper[start..].trim_end().to_owned(), rule))
}

struct Source<'a> {
    input: &'a str,
    upper: &'a str,
}

/// `NAME=VALUE`: the name, and where the value stands.
type Parts = Vec<(&'static str, Range<usize>)>;

impl Source<'_> {
    fn error(&self, part: &'static str, span: Range<usize>, message: impl Into<String>) -> ScheduleError {
        let message = format!("rrule {part} {:?}: {}", &self.input[span.clone()], message.into());
        ScheduleError::Rrule { part, input: self.input.to_owned(), span, message }
    }

    /// Where the rule itself begins.
    fn begin(&self) -> usize {
        let blank = self.upper.len() - self.upper.trim_start().len();
        if self.upper[blank..].starts_with("RRULE:") { blank + "RRULE:".len() } else { blank }
    }

    fn split(&self, rule: Range<usize>) -> Result<Parts, ScheduleError> {
        let mut parts = Parts::new();
        let mut at = rule.start;
        for word in self.upper[rule.clone()].split(';') {
            let span = at..at + word.len();
            at = span.end + 1;
            if word.is_empty() && span.end == rule.end && !parts.is_empty() {
                break; // A semicolon at the end.
            }
            let Some((name, _)) = word.split_once('=') else {
                return Err(self.error("part", span, "is not NAME=VALUE, as in FREQ=DAILY;INTERVAL=2"));
            };
            let value = span.start + name.len() + 1..span.end;
            let Some(known) = PARTS.into_iter().find(|part| *part == name) else {
                return Err(self.error("part", span, unknown(name)));
            };
            if parts.iter().any(|(other, _)| *other == known) {
                return Err(self.error(known, value, "is given twice"));
            }
            parts.push((known, value));
        }
        Ok(parts)
    }

    fn rule(&self, parts: &Parts) -> Result<Rule, ScheduleError> {
        let all = 0..self.input.len();
        let Some((_, span)) = parts.iter().find(|(name, _)| *name == "FREQ") else {
            return Err(self.error("FREQ", all, "a rule needs FREQ, as in FREQ=DAILY"));
        };
        let Some((_, freq)) = FREQUENCIES.into_iter().find(|(name, _)| *name == &self.upper[span.clone()])
        else {
            let names = FREQUENCIES.map(|(name, _)| name).join(", ");
            return Err(self.error("FREQ", span.clone(), format!("is one of {names}")));
        };
        let mut rule = Rule {
            freq,
            interval: 1,
            count: None,
            until: None,
            week_start: 1,
            months: Vec::new(),
            weeks: Vec::new(),
            year_days: Vec::new(),
            month_days: Vec::new(),
            weekdays: Vec::new(),
            hours: Vec::new(),
            minutes: Vec::new(),
            seconds: Vec::new(),
            positions: Vec::new(),
        };
        for (name, span) in parts {
            self.part(&mut rule, name, span.clone())?;
        }
        Ok(rule)
    }

    fn part(&self, rule: &mut Rule, name: &'static str, span: Range<usize>) -> Result<(), ScheduleError> {
        match name {
            "INTERVAL" => rule.interval = self.number(name, span, 1..=MAX_INTERVAL)?,
            "COUNT" => rule.count = Some(self.number(name, span, 1..=MAX_COUNT)?.unsigned_abs()),
            "UNTIL" => rule.until = Some(self.until(span)?),
            "WKST" => rule.week_start = self.weekday(name, span)?,
            "BYMONTH" => rule.months = self.list(name, span, 1..=12, false)?,
            "BYWEEKNO" => rule.weeks = self.list(name, span, 1..=53, true)?,
            "BYYEARDAY" => rule.year_days = self.list(name, span, 1..=366, true)?,
            "BYMONTHDAY" => rule.month_days = self.list(name, span, 1..=31, true)?,
            "BYDAY" => rule.weekdays = self.weekdays(span)?,
            "BYHOUR" => rule.hours = self.list(name, span, 0..=23, false)?,
            "BYMINUTE" => rule.minutes = self.list(name, span, 0..=59, false)?,
            "BYSECOND" => rule.seconds = self.list(name, span, 0..=59, false)?,
            "BYSETPOS" => rule.positions = self.list(name, span, 1..=366, true)?,
            _ => {}
        }
        Ok(())
    }

    fn number(
        &self,
        part: &'static str,
        span: Range<usize>,
        allowed: RangeInclusive<i64>,
    ) -> Result<i64, ScheduleError> {
        let text = &self.upper[span.clone()];
        let plain = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| plain && allowed.contains(number)).ok_or_else(|| {
            self.error(part, span, format!("is a number from {} to {}", allowed.start(), allowed.end()))
        })
    }

    fn signed(
        &self,
        part: &'static str,
        span: Range<usize>,
        allowed: &RangeInclusive<i64>,
    ) -> Result<i64, ScheduleError> {
        let text = &self.upper[span.clone()];
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number = span.end - digits.len()..span.end;
        match self.number(part, number, allowed.clone()) {
            Ok(value) if text.starts_with('-') => Ok(-value),
            Ok(value) => Ok(value),
            Err(_) => Err(self.error(
                part,
                span,
                format!(
                    "is a number from {0} to {1}, or from -{1} to -{0} counted from the end",
                    allowed.start(),
                    allowed.end()
                ),
            )),
        }
    }

    fn items(&self, span: Range<usize>) -> Vec<Range<usize>> {
        let mut at = span.start;
        self.upper[span]
            .split(',')
            .map(|item| {
                let place = at..at + item.len();
                at = place.end + 1;
                place
            })
            .collect()
    }

    /// A list of numbers, ascending and each once.
    fn list(
        &self,
        part: &'static str,
        span: Range<usize>,
        allowed: RangeInclusive<i64>,
        from_end: bool,
    ) -> Result<Vec<i64>, ScheduleError> {
        let read = |place| match from_end {
            true => self.signed(part, place, &allowed),
            false => self.number(part, place, allowed.clone()),
        };
        let mut values = self.items(span).into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    fn weekday(&self, part: &'static str, span: Range<usize>) -> Result<u8, ScheduleError> {
        let found = (0..7).find(|day| WEEKDAYS[usize::from(*day)] == &self.upper[span.clone()]);
        found.ok_or_else(|| self.error(part, span, "is one of SU, MO, TU, WE, TH, FR, SA"))
    }

    /// `MO`, `2TU`, `-1FR`.
    fn weekdays(&self, span: Range<usize>) -> Result<Vec<(i64, u8)>, ScheduleError> {
        let mut days = Vec::new();
        for item in self.items(span) {
            let letters = self.upper[item.clone()].find(|c: char| c.is_ascii_alphabetic());
            let name = item.start + letters.unwrap_or(item.len())..item.end;
            let day = self.weekday("BYDAY", if letters.is_some() { name.clone() } else { item.clone() })?;
            let nth = match item.start..name.start {
                none if none.is_empty() => 0,
                number => self.signed("BYDAY", number, &(1..=53))?,
            };
            days.push((nth, day));
        }
        Ok(days)
    }

    /// `20261231`, `20261231T235959`, `20261231T225959Z`.
    fn until(&self, span: Range<usize>) -> Result<Until, ScheduleError> {
        let text = &self.upper[span.clone()];
        let wrong = || {
            let right =
                "is a date (20261231), a local time (20261231T235959) or a UTC time (20261231T225959Z)";
            self.error("UNTIL", span.clone(), right)
        };
        let field = |from: usize, to: usize| {
            let digits = text.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|part| part.parse::<u16>().ok())
        };
        let date = || {
            let (year, month, day) = (i32::from(field(0, 4)?), field(4, 6)? as u8, field(6, 8)? as u8);
            let exists = (1970..=9999).contains(&year)
                && (1..=12).contains(&month)
                && (1..=days_in_month(year, month)).contains(&day);
            exists.then(|| days_from_civil(year, month, day) * DAY)
        };
        let midnight = date().ok_or_else(wrong)?;
        if text.len() == 8 {
            return Ok(Until::Local(midnight + DAY - 1));
        }
        let time = || {
            let (hour, minute, second) = (field(9, 11)?, field(11, 13)?, field(13, 15)?);
            let exists = text.as_bytes()[8] == b'T' && hour < 24 && minute < 60 && second < 60;
            exists.then(|| i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))
        };
        let local = midnight + time().ok_or_else(wrong)?;
        match text.get(15..) {
            Some("") => Ok(Until::Local(local)),
            Some("Z") => Ok(Until::Instant(local)),
            _ => Err(wrong()),
        }
    }

    /// Refuses what the RFC forbids, and what would flood a scheduler.
    fn check(&self, parts: &Parts, rule: &Rule) -> Result<(), ScheduleError> {
        let refuse = |part: &'static str, what: &str| {
            let span = parts
                .iter()
                .find(|(name, _)| *name == part)
                .map_or(0..self.input.len(), |(_, span)| span.clone());
            Err(self.error(part, span, what))
        };
        let freq = rule.freq;
        if rule.count.is_some() && rule.until.is_some() {
            return refuse("COUNT", "cannot be together with UNTIL");
        }
        if !rule.weeks.is_empty() && freq != Freq::Yearly {
            return refuse("BYWEEKNO", "is for FREQ=YEARLY only");
        }
        if !rule.year_days.is_empty() && matches!(freq, Freq::Daily | Freq::Weekly | Freq::Monthly) {
            return refuse("BYYEARDAY", "is not for DAILY, WEEKLY and MONTHLY rules");
        }
        if !rule.month_days.is_empty() && freq == Freq::Weekly {
            return refuse("BYMONTHDAY", "is not for WEEKLY rules");
        }
        if rule.weekdays.iter().any(|(nth, _)| *nth != 0) {
            if !matches!(freq, Freq::Monthly | Freq::Yearly) {
                return refuse("BYDAY", "takes a number (2TU) in MONTHLY and YEARLY rules only");
            }
            if !rule.weeks.is_empty() {
                return refuse("BYDAY", "takes no number (2TU) beside BYWEEKNO");
            }
        }
        let by_parts = parts.iter().filter(|(name, _)| name.starts_with("BY")).count();
        if !rule.positions.is_empty() && by_parts == 1 {
            return refuse("BYSETPOS", "picks from what other BY parts name, and there is none");
        }
        let times = rule.hours.len().max(1) * rule.minutes.len().max(1) * rule.seconds.len().max(1);
        if times > MAX_TIMES && freq > Freq::Minutely {
            return refuse(
                "BYSECOND",
                "gives more than 1440 times of day together with BYHOUR and BYMINUTE; use FREQ=SECONDLY",
            );
        }
        let every_seconds = match freq {
            Freq::Secondly => rule.interval,
            _ if rule.seconds.len() > 1 => 1,
            _ => 60,
        };
        if every_seconds < 60 && rule.count.is_none() && rule.until.is_none() {
            return refuse(
                "FREQ",
                "repeats more often than once a minute without end: give COUNT or UNTIL, or use a simple schedule",
            );
        }
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    match name {
        "DTSTART" => "is the trigger's start; leave it out".to_owned(),
        "EXDATE" | "EXRULE" | "RDATE" => "is not read; exclude times with a calendar".to_owned(),
        _ => format!("no such part; the parts are {}", PARTS.join(", ")),
    }
}
