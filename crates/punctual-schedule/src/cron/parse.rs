//! From text to bit sets, with an error for everything that is not plainly right.

use std::ops::Range;

use crate::error::ScheduleError;

use super::field::{DayMasks, DayRule, Fields, LAST_YEAR, Years};

mod item;
mod kind;

use item::{Item, Term};
use kind::Kind;

/// The expression's text in its printed form, and its fields.
pub(super) fn parse(input: &str, key: Option<&str>) -> Result<(String, Fields), ScheduleError> {
    let source = Source { input, key };
    let words = words(input);
    if let [only] = &words[..]
        && input[only.clone()].starts_with('@')
    {
        let fields = nickname(&source, only.clone())?;
        return Ok((input[only.clone()].to_ascii_lowercase(), fields));
    }
    check_number_of_fields(&source, &words)?;
    let mut text = String::with_capacity(input.len());
    let mut parsed = Vec::with_capacity(7);
    for (kind, span) in Kind::ALL.into_iter().zip(words) {
        let items = source.items(kind, span.clone())?;
        if !text.is_empty() {
            text.push(' ');
        }
        item::print(&items, &mut text);
        parsed.push(Field { kind, span, items });
    }
    let fields = assemble(&source, &parsed)?;
    Ok((text, fields))
}

/// The text being read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    input: &'a str,
    key: Option<&'a str>,
}

/// One field's items, and where it stands.
struct Field {
    kind: Kind,
    span: Range<usize>,
    items: Vec<Item>,
}

impl Source<'_> {
    /// An error about a part of a field: `minute field "61": 61 is out of range, ...`.
    pub(super) fn error(&self, kind: Kind, span: Range<usize>, what: impl AsRef<str>) -> ScheduleError {
        let name = kind.name();
        let bad = self.input.get(span.clone()).unwrap_or_default();
        ScheduleError::Cron {
            field: name,
            input: self.input.to_owned(),
            span,
            message: format!("{name} field {bad:?}: {}", what.as_ref()),
        }
    }

    fn whole(&self, span: Range<usize>, what: String) -> ScheduleError {
        ScheduleError::Cron {
            field: "expression",
            input: self.input.to_owned(),
            span,
            message: format!("cron expression {:?}: {what}", self.input),
        }
    }

    fn items(&self, kind: Kind, span: Range<usize>) -> Result<Vec<Item>, ScheduleError> {
        let mut items = Vec::new();
        let mut begin = span.start;
        for part in self.input[span.clone()].split(',') {
            let end = begin + part.len();
            // Quartz passes over an empty item (`1,,2`), and what is left is what was meant.
            if !part.is_empty() {
                items.push(item::read(self, kind, begin..end)?);
            }
            begin = end + 1;
        }
        if items.is_empty() {
            return Err(self.error(kind, span, format!("holds no value; {}", kind.allowed())));
        }
        if items.len() > 1
            && let Some(alone) = items.iter().find(|item| item.term.stands_alone())
        {
            return Err(self.error(kind, alone.span.clone(), "must stand alone, not in a list"));
        }
        Ok(items)
    }
}

fn words(input: &str) -> Vec<Range<usize>> {
    let base = input.as_ptr() as usize;
    input
        .split_ascii_whitespace()
        .map(|word| {
            let start = word.as_ptr() as usize - base;
            start..start + word.len()
        })
        .collect()
}

fn check_number_of_fields(source: &Source<'_>, words: &[Range<usize>]) -> Result<(), ScheduleError> {
    const ORDER: &str = "second minute hour day-of-month month day-of-week [year]";
    let end = source.input.len();
    match words.len() {
        6 | 7 => Ok(()),
        0 => Err(source.whole(0..end, format!("is empty; it has six or seven fields: {ORDER}"))),
        5 => Err(source.whole(
            end..end,
            format!("has 5 fields, 6 or 7 are needed: {ORDER}{}", with_second(source.input, words)),
        )),
        few @ 1..5 => Err(source.whole(
            end..end,
            format!("has {few} field{}, 6 or 7 are needed: {ORDER}", if few == 1 { "" } else { "s" }),
        )),
        many => Err(source.whole(
            words[7].start..words[many - 1].end,
            format!("has {many} fields, 6 or 7 are needed: {ORDER}"),
        )),
    }
}

/// What the five fields of a crontab are with a second in front, where that is plain.
fn with_second(input: &str, words: &[Range<usize>]) -> String {
    let mut fields: Vec<&str> = words.iter().map(|word| &input[word.clone()]).collect();
    // One of the two day fields is `?`; a crontab with both means either of them, which takes two expressions.
    match (fields[2], fields[4]) {
        (_, "*") => fields[4] = "?",
        ("*", day) if day.bytes().any(|byte| byte.is_ascii_digit()) => {
            return format!(
                "; put a second in front and ? for the day of month, and count the days of the week from 1 (Sunday), for \
                 example \"0 {} {} ? {} 2\" for Mondays",
                fields[0], fields[1], fields[3]
            );
        }
        ("*", _) => fields[2] = "?",
        _ => {}
    }
    let right = format!("0 {}", fields.join(" "));
    match crate::CronExpression::parse(&right) {
        Ok(_) => format!("; write \"{right}\""),
        Err(_) => "; put a second in front, and ? in one of the two day fields, for example \"0 30 2 * * ?\""
            .to_owned(),
    }
}

fn nickname(source: &Source<'_>, span: Range<usize>) -> Result<Fields, ScheduleError> {
    let meaning = match source.input[span.clone()].to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 0 1 1 ?",
        "@monthly" => "0 0 0 1 * ?",
        "@weekly" => "0 0 0 ? * 1",
        "@daily" | "@midnight" => "0 0 0 * * ?",
        "@hourly" => "0 0 * * * ?",
        _ => {
            return Err(source.whole(
                span,
                "is not a known name; there are @yearly, @monthly, @weekly, @daily, @midnight and @hourly"
                    .to_owned(),
            ));
        }
    };
    parse(meaning, None).map(|(_, fields)| fields)
}

fn assemble(source: &Source<'_>, parsed: &[Field]) -> Result<Fields, ScheduleError> {
    let bits =
        |index: usize| parsed[index].items.iter().fold(0, |bits, item| bits | item.bits(parsed[index].kind));
    let rule = day_rule(source, &parsed[3], &parsed[5])?;
    let mut fields = Fields {
        seconds: bits(0),
        minutes: bits(1),
        hours: bits(2) as u32,
        months: bits(4) as u16,
        named_months: bits(4) as u16,
        years: parsed.get(6).map_or(Years::Every, years),
        rule,
        days: DayMasks::new(rule),
        elapsed: parsed[..3]
            .iter()
            .flat_map(|field| &field.items)
            .any(|item| item.term.is_wildcard_or_step()),
        first_of_day: 0,
        last_of_day: 0,
        per_day: 0,
    };
    fields.drop_empty_months();
    fields.summarise_time();
    Ok(fields)
}

fn day_rule(source: &Source<'_>, month: &Field, week: &Field) -> Result<DayRule, ScheduleError> {
    let open = |field: &Field| matches!(field.items[..], [Item { term: Term::Open, .. }]);
    match (open(month), open(week)) {
        (false, true) => Ok(match month.items[0].term {
            Term::Last(offset) => DayRule::Last(offset),
            Term::LastWeekday(offset) => DayRule::LastWeekday(offset),
            Term::NearestWeekday(day) => DayRule::NearestWeekday(day),
            _ => DayRule::OfMonth(all_bits(month) as u32),
        }),
        (true, false) => Ok(match week.items[0].term {
            Term::LastOfWeek(day) => DayRule::LastOfWeek(day - 1),
            Term::NthOfWeek(day, nth) => DayRule::NthOfWeek(day - 1, nth),
            // In text 1 = Sunday, in the rule bit 0 is.
            _ => DayRule::OfWeek((all_bits(week) >> 1) as u8),
        }),
        (true, true) => Err(source.error(
            week.kind,
            week.span.clone(),
            "the day of month is \"?\" already; only one of the two may be, write \"*\" in one of them",
        )),
        (false, false) => {
            // The field that says nothing is the one to open.
            let every = |field: &Field| matches!(field.items[..], [Item { term: Term::Every, .. }]);
            let field = if every(month) && !every(week) { month } else { week };
            Err(source.error(
                field.kind,
                field.span.clone(),
                "day of month and day of week cannot both be given; write \"?\" in one of them",
            ))
        }
    }
}

fn all_bits(field: &Field) -> u64 {
    field.items.iter().fold(0, |bits, item| bits | item.bits(field.kind))
}

fn years(field: &Field) -> Years {
    if field.items.iter().any(|item| matches!(item.term, Term::Every)) {
        return Years::Every;
    }
    let mut years = Years::NONE;
    for item in &field.items {
        let (first, last, step) = match item.term {
            Term::Value(year) => (year, year, 1),
            Term::Range { first, last, step } => (first, last, step.unwrap_or(1)),
            Term::From { first, step } => (first.unwrap_or(1970), LAST_YEAR as u32, step),
            _ => continue,
        };
        for year in (first..=last.min(LAST_YEAR as u32)).step_by(step as usize) {
            years.insert(year as i32);
        }
    }
    years
}

#[cfg(test)]
mod tests;
