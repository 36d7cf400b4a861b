//! Which days of a period a rule picks.

use crate::civil::{civil_from_days, days_from_civil, days_in_month, is_leap, weekday};

use super::parse::{Freq, Rule};

/// The parts of a rule that pick days, with what it leaves open filled in from the start.
#[derive(Clone, Debug)]
pub(super) struct DayFilter<'a> {
    rule: &'a Rule,
    /// Bits 1 to 12; 0 for any month.
    months: u16,
    /// Day of the month of the start, where the rule leaves the day open.
    month_day: Option<u8>,
    /// Bit 0 = Sunday: each such weekday; 0 where none is named.
    weekdays: u8,
    /// Whether BYDAY counts within the month rather than the year.
    nth_of_month: bool,
    has_nth: bool,
}

impl<'a> DayFilter<'a> {
    /// `start` in days since 1970.
    pub(super) fn new(rule: &'a Rule, start: i64) -> Self {
        let date = civil_from_days(start);
        let mut months = rule.months.iter().fold(0, |bits, month| bits | 1 << month);
        let mut weekdays =
            rule.weekdays.iter().filter(|(nth, _)| *nth == 0).fold(0, |bits, (_, day)| bits | 1 << day);
        let mut month_day = None;
        let open = rule.year_days.is_empty() && rule.month_days.is_empty() && rule.weekdays.is_empty();
        match rule.freq {
            Freq::Yearly if open && !rule.weeks.is_empty() => weekdays = 1 << weekday(start),
            Freq::Yearly if open => {
                month_day = Some(date.day);
                if months == 0 {
                    months = 1 << date.month;
                }
            }
            Freq::Monthly if open => month_day = Some(date.day),
            Freq::Weekly if open => weekdays = 1 << weekday(start),
            _ => {}
        }
        Self {
            rule,
            months,
            month_day,
            weekdays,
            nth_of_month: rule.freq == Freq::Monthly || !rule.months.is_empty(),
            has_nth: rule.weekdays.iter().any(|(nth, _)| *nth != 0),
        }
    }

    /// Whether the rule picks this day, given in days since 1970.
    pub(super) fn picks(&self, days: i64) -> bool {
        let date = civil_from_days(days);
        if self.months != 0 && self.months >> date.month & 1 == 0 {
            return false;
        }
        if self.month_day.is_some_and(|day| day != date.day) {
            return false;
        }
        let length = i64::from(days_in_month(date.year, date.month));
        let month_days = &self.rule.month_days;
        if !month_days.is_empty() && !matches_either_end(month_days, i64::from(date.day), length) {
            return false;
        }
        let first = days_from_civil(date.year, 1, 1);
        let year_length = if is_leap(date.year) { 366 } else { 365 };
        let year_days = &self.rule.year_days;
        if !year_days.is_empty() && !matches_either_end(year_days, days - first + 1, year_length) {
            return false;
        }
        if !self.rule.weeks.is_empty() && !self.in_week(days, date.year) {
            return false;
        }
        if self.weekdays == 0 && !self.has_nth {
            return true;
        }
        let day = weekday(days);
        self.weekdays >> day & 1 == 1
            || (self.has_nth
                && match self.nth_of_month {
                    true => self.is_nth(day, i64::from(date.day), length),
                    false => self.is_nth(day, days - first + 1, year_length),
                })
    }

    /// Whether `day`, the `place`-th day of a stretch of `length` days, is one that BYDAY numbers.
    fn is_nth(&self, day: u8, place: i64, length: i64) -> bool {
        let from_start = (place - 1) / 7 + 1;
        let from_end = -((length - place) / 7 + 1);
        let mut wanted = self.rule.weekdays.iter().filter(|(_, wanted)| *wanted == day);
        wanted.any(|(nth, _)| *nth == from_start || *nth == from_end)
    }

    /// Whether the day lies in a week that BYWEEKNO names. Week 1 is the first with four days in its year.
    fn in_week(&self, days: i64, year: i32) -> bool {
        let first_week = |year: i32| {
            let new_year = days_from_civil(year, 1, 1);
            let begin = self.week_begin(new_year);
            if new_year - begin > 3 { begin + 7 } else { begin }
        };
        let begin = self.week_begin(days);
        let year = match begin {
            begin if begin < first_week(year) => year - 1,
            begin if begin >= first_week(year + 1) => year + 1,
            _ => year,
        };
        let number = (begin - first_week(year)) / 7 + 1;
        let weeks = (first_week(year + 1) - first_week(year)) / 7;
        matches_either_end(&self.rule.weeks, number, weeks)
    }

    /// The first day of the week that holds a day.
    pub(super) fn week_begin(&self, days: i64) -> i64 {
        days - i64::from((weekday(days) + 7 - self.rule.week_start) % 7)
    }

    /// Whether a whole month can be passed over.
    pub(super) fn skips_month(&self, month: u8) -> bool {
        self.months != 0 && self.months >> month & 1 == 0
    }
}

fn matches_either_end(wanted: &[i64], place: i64, length: i64) -> bool {
    wanted.iter().any(|wanted| *wanted == place || *wanted == place - length - 1)
}
