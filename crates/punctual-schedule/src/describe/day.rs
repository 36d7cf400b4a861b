//! The days: day of month or of week, and month.

use super::words::{list, ordinal, range_parts, ranges, runs_around, step, values};
use crate::cron::{DayRule, Fields};

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Months as bits 1 to 12.
const ALL_MONTHS: u16 = 0x1ffe;
const ALL_WEEKDAYS: u8 = 0x7f;
/// Days as bits 1 to 31.
const ALL_DAYS: u32 = 0xffff_fffe;
const WEEKDAY: &str = "weekday (Monday to Friday)";

/// Whether every day of the year matches.
pub(super) fn is_every_day(fields: &Fields) -> bool {
    is_every_day_of_month(fields.rule) && fields.named_months == ALL_MONTHS
}

fn is_every_day_of_month(rule: DayRule) -> bool {
    matches!(rule, DayRule::OfMonth(ALL_DAYS) | DayRule::OfWeek(ALL_WEEKDAYS))
}

/// The days with their preposition: `every day`, `on 29 February`, `Monday to Friday in March`.
///
/// `whole_years` says that years do not cut winters in two, so that `November to February` is no guess.
pub(super) fn describe(fields: &Fields, whole_years: bool) -> String {
    let months = Months { named: shown_months(fields), whole_years };
    match fields.rule {
        rule if is_every_day_of_month(rule) => format!("every day{}", months.within()),
        DayRule::OfWeek(days) => format!("{}{}", of_week(days), months.within()),
        DayRule::OfMonth(days) => days_of_month(&values(days.into()), &months),
        DayRule::Last(0) => format!("on the last day {}", months.of()),
        DayRule::Last(offset @ 28..) => {
            format!("on the {} {}", before_last(offset), months.of_that_has_one())
        }
        DayRule::Last(offset) => format!("on the {} {}", before_last(offset), months.of()),
        DayRule::LastWeekday(0) => format!("on the last {WEEKDAY} {}", months.of()),
        DayRule::LastWeekday(offset) => nearest(&before_last(offset), offset >= 27, offset >= 28, &months),
        DayRule::NearestWeekday(day) => {
            nearest(&ordinal(day.into()), !(2..28).contains(&day), day >= 29, &months)
        }
        DayRule::LastOfWeek(day) => format!("on the last {} {}", weekday(day.into()), months.of()),
        DayRule::NthOfWeek(day, 5) => {
            format!("on the fifth {} {}", weekday(day.into()), months.of_that_has_one())
        }
        DayRule::NthOfWeek(day, nth) => {
            let nth = ["first", "second", "third", "fourth"][usize::from(nth.clamp(1, 4)) - 1];
            format!("on the {nth} {} {}", weekday(day.into()), months.of())
        }
    }
}

/// The nearest weekday, which never lies in a neighbouring month: said where it could (`at_edge`).
fn nearest(day: &str, at_edge: bool, may_lack: bool, months: &Months) -> String {
    let months = if may_lack { months.of_that_has_one() } else { months.of() };
    let within = if at_edge { ", within that month" } else { "" };
    format!("on the {WEEKDAY} nearest to the {day} {months}{within}")
}

/// All months where only those are missing that never have such a day anyway; what was named where none has one.
fn shown_months(fields: &Fields) -> u16 {
    let possible =
        (1..=12).filter(|month| fields.days.any_in(*month)).fold(0, |bits, month| bits | 1 << month);
    match fields.months {
        0 => fields.named_months,
        months if months == possible => ALL_MONTHS,
        months => months,
    }
}

/// `3rd day before the last day`.
fn before_last(offset: u8) -> String {
    match offset {
        0 => "last day".to_owned(),
        1 => "day before the last day".to_owned(),
        _ => format!("{} day before the last day", ordinal(offset.into())),
    }
}

fn weekday(day: u32) -> &'static str {
    WEEKDAYS[day as usize % 7]
}

fn month(month: u32) -> String {
    MONTHS[(month as usize + 11) % 12].to_owned()
}

/// Days of the week, bit 0 = Sunday: `every day`, `every Monday`, `Monday to Friday`, `on Monday and Thursday`.
pub(super) fn of_week(days: u8) -> String {
    let days = values(days.into());
    match (&days[..], &runs_around(&days, 0, 6)[..]) {
        ([_, _, _, _, _, _, _], _) => "every day".to_owned(),
        ([only], _) => format!("every {}", weekday(*only)),
        ([_, _, _, ..], [(first, last)]) => format!("{} to {}", weekday(*first), weekday(*last)),
        _ => {
            // A week is read from Monday on.
            let mut names: Vec<_> = days.iter().map(|day| (*day + 6) % 7).collect();
            names.sort_unstable();
            let names: Vec<_> = names.iter().map(|day| weekday(day + 1).to_owned()).collect();
            format!("on {}", list(&names))
        }
    }
}

fn days_of_month(days: &[u32], months: &Months) -> String {
    match (days, months.only(), step(days)) {
        ([day], Some(only), _) => format!("on {day} {only}"),
        ([day], ..) if *day >= 29 => format!("on the {} {}", ordinal(*day), months.of_that_has_one()),
        ([day], ..) => format!("on the {} {}", ordinal(*day), months.of()),
        (_, _, Some(step @ 2..)) => format!(
            "on every {} day from the {} to the {} {}",
            ordinal(step),
            ordinal(days[0]),
            ordinal(days[days.len() - 1]),
            months.of()
        ),
        _ => format!("on days {} {}", ranges(days, |day| day.to_string()), months.of()),
    }
}

struct Months {
    /// Bits 1 to 12.
    named: u16,
    whole_years: bool,
}

impl Months {
    fn only(&self) -> Option<String> {
        (self.named.count_ones() == 1).then(|| month(self.named.trailing_zeros()))
    }

    fn runs(&self) -> Vec<(u32, u32)> {
        let values = values(self.named.into());
        if self.whole_years { runs_around(&values, 1, 12) } else { super::words::runs(&values) }
    }

    /// A single run of three or more.
    fn range(&self) -> Option<String> {
        match self.runs()[..] {
            [(first, last)] if (last + 12 - first) % 12 >= 2 => {
                Some(format!("from {} to {}", month(first), month(last)))
            }
            _ => None,
        }
    }

    fn listed(&self) -> String {
        list(&range_parts(&self.runs().iter().flat_map(|run| split(*run)).collect::<Vec<_>>(), month))
    }

    /// ` in March`, ` from March to June`; nothing for all months.
    fn within(&self) -> String {
        match self.range() {
            _ if self.named == ALL_MONTHS => String::new(),
            Some(range) => format!(" {range}"),
            None => format!(" in {}", self.listed()),
        }
    }

    /// `of the month`, `of February`, `of every month from March to June`.
    fn of(&self) -> String {
        match self.range() {
            _ if self.named == ALL_MONTHS => "of the month".to_owned(),
            Some(range) => format!("of every month {range}"),
            None => format!("of {}", self.listed()),
        }
    }

    /// The same for a day that not every month has.
    fn of_that_has_one(&self) -> String {
        if self.named == ALL_MONTHS { "of every month that has one".to_owned() } else { self.of() }
    }
}

/// A run that goes around the end of the year and holds two months only becomes two.
fn split((first, last): (u32, u32)) -> Vec<(u32, u32)> {
    if first == 12 && last == 1 { vec![(12, 12), (1, 1)] } else { vec![(first, last)] }
}
