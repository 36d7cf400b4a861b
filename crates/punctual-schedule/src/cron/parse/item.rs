//! One item of a field's list: `5`, `MON-FRI`, `*/10`, `L-3W`, `6#3`, ...

use std::fmt::{self, Write as _};
use std::ops::Range;

use crate::error::ScheduleError;

use super::Source;
use super::kind::Kind;
use crate::stable_hash;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) term: Term,
    /// The text as it is printed: in capitals, `H` replaced.
    text: String,
    pub(super) span: Range<usize>,
}

/// What an item says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// `*`
    Every,
    /// `?`
    Open,
    /// `5`
    Value(u32),
    /// `5-10`, `5-10/2`; wraps where `last` is below `first`.
    Range { first: u32, last: u32, step: Option<u32> },
    /// `5/10`, and `*/10` and `/10` without `first`.
    From { first: Option<u32>, step: u32 },
    /// `L`, `L-3` in day of month.
    Last(u8),
    /// `LW`, `L-3W`.
    LastWeekday(u8),
    /// `15W`.
    NearestWeekday(u8),
    /// `L` in day of week: Saturday.
    Saturday,
    /// `6L` (1 = Sunday).
    LastOfWeek(u8),
    /// `6#3`.
    NthOfWeek(u8, u8),
}

impl Term {
    pub(super) fn stands_alone(&self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Last(_)
                | Self::LastWeekday(_)
                | Self::NearestWeekday(_)
                | Self::Saturday
                | Self::LastOfWeek(..)
                | Self::NthOfWeek(..)
        )
    }

    pub(super) fn is_wildcard_or_step(&self) -> bool {
        matches!(self, Self::Every | Self::From { .. } | Self::Range { step: Some(_), .. })
    }
}

impl Item {
    /// The values as bits; years have too many and are not asked for.
    pub(super) fn bits(&self, kind: Kind) -> u64 {
        let (low, high) = kind.limits();
        let (first, last, step) = match self.term {
            Term::Every => (low, high, 1),
            Term::Value(value) => (value, value, 1),
            Term::Saturday => (7, 7, 1),
            Term::Range { first, last, step } => (first, last, step.unwrap_or(1)),
            Term::From { first, step } => (first.unwrap_or(low), high, step),
            _ => return 0,
        };
        let size = high - low + 1;
        let unrolled = if last < first { last + size } else { last };
        (first..=unrolled).step_by(step as usize).fold(0, |bits, value| {
            let value = if value > high { value - size } else { value };
            bits | 1 << value
        })
    }
}

pub(super) fn print(items: &[Item], text: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&item.text);
    }
}

pub(super) fn read(source: &Source<'_>, kind: Kind, span: Range<usize>) -> Result<Item, ScheduleError> {
    let upper = source.input[span.clone()].to_ascii_uppercase();
    let mut reader = Reader { source, kind, text: &upper, at: 0, base: span.start };
    if matches!(upper.as_bytes(), [b'H'] | [b'H', b'(' | b'/', ..]) {
        let term = reader.hashed()?;
        return Ok(Item { term, text: term.to_string(), span });
    }
    let term = reader.term()?;
    Ok(Item { term, text: upper, span })
}

/// A place in one item.
struct Reader<'a> {
    source: &'a Source<'a>,
    kind: Kind,
    /// The item in capitals; ASCII capitals keep every byte in its place.
    text: &'a str,
    at: usize,
    /// Where the item begins in the source.
    base: usize,
}

impl Reader<'_> {
    fn term(&mut self) -> Result<Term, ScheduleError> {
        let term = match self.peek() {
            Some('*') => self.every()?,
            Some('/') => Term::From { first: None, step: self.step()? },
            Some('?') => self.open()?,
            Some('L') => self.last()?,
            Some('W') if self.kind == Kind::DayOfMonth && self.text == "W" => {
                return Err(self.fail(0, "needs a day in front (\"15W\") or \"L\" (\"LW\")"));
            }
            _ => self.value_or_range()?,
        };
        if self.at < self.text.len() {
            return Err(self.fail(self.at, format!("not understood here; {}", self.kind.allowed())));
        }
        Ok(term)
    }

    fn every(&mut self) -> Result<Term, ScheduleError> {
        self.at += 1;
        Ok(if self.peek() == Some('/') {
            Term::From { first: None, step: self.step()? }
        } else {
            Term::Every
        })
    }

    fn open(&mut self) -> Result<Term, ScheduleError> {
        self.at += 1;
        match self.kind {
            Kind::DayOfMonth | Kind::DayOfWeek => Ok(Term::Open),
            _ => Err(self.fail(0, "is for day of month and day of week only; write \"*\"")),
        }
    }

    /// `L`, `L-3`, `LW`, `L-3W`.
    fn last(&mut self) -> Result<Term, ScheduleError> {
        self.at += 1;
        match self.kind {
            Kind::DayOfWeek => Ok(Term::Saturday),
            Kind::DayOfMonth => {
                let offset = if self.take('-') {
                    self.number_between(0, 30, "days before the last are 0-30")?
                } else {
                    0
                };
                Ok(if self.take('W') { Term::LastWeekday(offset as u8) } else { Term::Last(offset as u8) })
            }
            _ => Err(self.fail(0, "\"L\" is for day of month and day of week only")),
        }
    }

    fn value_or_range(&mut self) -> Result<Term, ScheduleError> {
        let begin = self.at;
        let named = self.peek().is_some_and(|c| c.is_ascii_alphabetic());
        let first = self.value()?;
        match self.peek() {
            Some('-') => self.range(first, named),
            Some('/') if named => Err(self.fail(self.at, "a step cannot follow a name; write the number")),
            Some('/') => Ok(Term::From { first: Some(first), step: self.step()? }),
            Some('L') if self.kind == Kind::DayOfWeek => {
                self.at += 1;
                Ok(Term::LastOfWeek(first as u8))
            }
            Some('#') if self.kind == Kind::DayOfWeek => {
                self.at += 1;
                Ok(Term::NthOfWeek(
                    first as u8,
                    self.number_between(1, 5, "a number from 1 to 5 follows \"#\"")? as u8,
                ))
            }
            Some('W') if self.kind == Kind::DayOfMonth => {
                self.at += 1;
                Ok(Term::NearestWeekday(first as u8))
            }
            Some('L') => {
                Err(self.fail(self.at, "\"L\" cannot follow a value here; \"6L\" is for day of week"))
            }
            Some('#') => Err(self.fail(self.at, "\"#\" is for day of week only, as in \"6#3\"")),
            Some('W') => Err(self.fail(self.at, "\"W\" is for day of month only, as in \"15W\"")),
            None => Ok(Term::Value(first)),
            Some(_) => Err(self.fail(begin, format!("not understood; {}", self.kind.allowed()))),
        }
    }

    fn range(&mut self, first: u32, named: bool) -> Result<Term, ScheduleError> {
        self.at += 1;
        let begin = self.at;
        if self.at == self.text.len() {
            return Err(self.fail(0, "the range has no end"));
        }
        let last_named = self.peek().is_some_and(|c| c.is_ascii_alphabetic());
        let last = self.value()?;
        if named != last_named {
            return Err(self.fail(begin, "a range is between two names or two numbers"));
        }
        if self.kind == Kind::Year && last < first {
            return Err(self.fail(0, "a range of years cannot end before it begins"));
        }
        let step = match self.peek() {
            Some('/') if named => {
                return Err(self.fail(self.at, "a step cannot follow names; write the numbers"));
            }
            Some('/') => Some(self.step()?),
            _ => None,
        };
        Ok(Term::Range { first, last, step })
    }

    /// `/n`.
    fn step(&mut self) -> Result<u32, ScheduleError> {
        self.at += 1;
        let max = self.kind.max_step();
        let allowed = match self.kind {
            Kind::Year => "a step is at least 1".to_owned(),
            _ => format!("a step is 1-{max}"),
        };
        self.number_between(1, max, &allowed)
    }

    /// A number or a name, within the field's limits.
    fn value(&mut self) -> Result<u32, ScheduleError> {
        if self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            return self.name();
        }
        let begin = self.at;
        let (low, high) = self.kind.limits();
        let value = self.number_between(low, high, self.kind.allowed())?;
        // Quartz keeps these two numbers for itself and takes them for "*" and "?".
        if self.kind == Kind::Year && matches!(value, 98 | 99) {
            return Err(self.fail(begin, "write the year with four digits"));
        }
        Ok(value)
    }

    fn name(&mut self) -> Result<u32, ScheduleError> {
        let begin = self.at;
        let letters = self.rest().chars().take_while(char::is_ascii_alphabetic).count();
        let word = &self.text[begin..begin + letters];
        // "FRIL" is Friday and L.
        let name = match word.get(..3) {
            Some(name) if word.len() == 4 && word.ends_with('L') && self.kind == Kind::DayOfWeek => name,
            _ => word,
        };
        if let Some(value) = self.kind.named(name) {
            self.at += name.len();
            return Ok(value);
        }
        let hint = match self.kind.names().iter().find(|known| word.get(..3) == Some(known)) {
            Some(known) => format!("names have three letters, did you mean {known}?"),
            None => format!("not a value; {}", self.kind.allowed()),
        };
        Err(self.fail_at(begin..begin + letters, hint))
    }

    fn number_between(&mut self, low: u32, high: u32, allowed: &str) -> Result<u32, ScheduleError> {
        let begin = self.at;
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            let what = if self.at < self.text.len() { "is no number" } else { "a number is missing" };
            return Err(self.fail(begin, format!("{what}; {allowed}")));
        }
        self.at += digits;
        let text = &self.text[begin..self.at];
        match text.parse::<u32>() {
            Ok(value) if (low..=high).contains(&value) => Ok(value),
            _ => Err(self.fail_at(begin..self.at, format!("{text} is out of range, {allowed}"))),
        }
    }

    /// `H`, `H(a-b)`, `H/n`, `H(a-b)/n`: replaced by numbers.
    fn hashed(&mut self) -> Result<Term, ScheduleError> {
        let Some(key) = self.source.key else {
            return Err(
                self.fail(0, "\"H\" is chosen by the job's key, and there is none here; write a number")
            );
        };
        let (mut low, mut high) = match self.kind {
            Kind::Year => return Err(self.fail(0, "\"H\" is not for years")),
            // A day that every month has.
            Kind::DayOfMonth => (1, 28),
            kind => kind.limits(),
        };
        let whole_field = self.text.as_bytes().get(1) != Some(&b'(');
        self.at += 1;
        if self.take('(') {
            low = self.value()?;
            if !self.take('-') {
                return Err(self.fail(self.at, "a range is missing, as in \"H(0-29)\""));
            }
            high = self.value()?;
            if high < low || !self.take(')') {
                return Err(
                    self.fail(0, "\"H(a-b)\" needs a range that does not wrap, and a closing bracket")
                );
            }
        }
        let hash = stable_hash(key.bytes().chain([self.kind as u8]));
        let pick = |size: u32| low + (hash % u64::from(size)) as u32;
        let term = if self.peek() == Some('/') {
            let step = self.step()?;
            let first = pick(step.min(high - low + 1));
            if whole_field {
                Term::From { first: Some(first), step }
            } else {
                Term::Range { first, last: high, step: Some(step) }
            }
        } else {
            Term::Value(pick(high - low + 1))
        };
        if self.at < self.text.len() {
            return Err(self.fail(self.at, "not understood after \"H\""));
        }
        Ok(term)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// An error about the item from `begin` on; about all of it where nothing is left.
    fn fail(&self, begin: usize, what: impl AsRef<str>) -> ScheduleError {
        let begin = if begin < self.text.len() { begin } else { 0 };
        self.fail_at(begin..self.text.len(), what)
    }

    fn fail_at(&self, span: Range<usize>, what: impl AsRef<str>) -> ScheduleError {
        self.source.error(self.kind, self.base + span.start..self.base + span.end, what)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_char('*'),
            Self::Open => f.write_char('?'),
            Self::Value(value) => write!(f, "{value}"),
            Self::Range { first, last, step: None } => write!(f, "{first}-{last}"),
            Self::Range { first, last, step: Some(step) } => write!(f, "{first}-{last}/{step}"),
            Self::From { first: None, step } => write!(f, "*/{step}"),
            Self::From { first: Some(first), step } => write!(f, "{first}/{step}"),
            Self::Last(0) | Self::Saturday => f.write_char('L'),
            Self::Last(offset) => write!(f, "L-{offset}"),
            Self::LastWeekday(0) => f.write_str("LW"),
            Self::LastWeekday(offset) => write!(f, "L-{offset}W"),
            Self::NearestWeekday(day) => write!(f, "{day}W"),
            Self::LastOfWeek(day) => write!(f, "{day}L"),
            Self::NthOfWeek(day, nth) => write!(f, "{day}#{nth}"),
        }
    }
}
