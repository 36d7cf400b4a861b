//! Cron expressions as plain data: made at random, printed as text, and read by the documented rules. Nothing of the
//! library is used, so that an agreement means something.

use std::fmt::{self, Display, Write as _};

use jiff::civil::{Date, DateTime, Weekday};
use proptest::prelude::*;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A field that holds numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    low: u32,
    high: u32,
    names: &'static [&'static str],
    wraps: bool,
}

const SECOND: Kind = Kind { low: 0, high: 59, names: &[], wraps: true };
const HOUR: Kind = Kind { low: 0, high: 23, names: &[], wraps: true };
const DAY: Kind = Kind { low: 1, high: 31, names: &[], wraps: true };
const MONTH: Kind = Kind { low: 1, high: 12, names: &MONTHS, wraps: true };
const WEEKDAY: Kind = Kind { low: 1, high: 7, names: &WEEKDAYS, wraps: true };
const YEAR: Kind = Kind { low: 1970, high: 2099, names: &[], wraps: false };

/// One item of a list.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Every,
    /// Steps from a value or, without one, from the lowest; in the text as `*/n` or as `/n`.
    Steps {
        from: Option<u32>,
        step: u32,
        star: bool,
    },
    One {
        value: u32,
        named: bool,
    },
    Range {
        first: u32,
        last: u32,
        step: Option<u32>,
        named: bool,
    },
}

impl Item {
    /// A field that holds `0`.
    pub(crate) fn zero() -> Vec<Self> {
        vec![Self::One { value: 0, named: false }]
    }

    fn is_wildcard_or_step(&self) -> bool {
        matches!(self, Self::Every | Self::Steps { .. } | Self::Range { step: Some(_), .. })
    }

    /// Walks through the values that the item stands for.
    fn holds(&self, kind: Kind, value: u32) -> bool {
        match *self {
            Self::Every => true,
            Self::One { value: own, .. } => own == value,
            Self::Steps { from, step, .. } => {
                let from = from.unwrap_or(kind.low);
                value >= from && (value - from).is_multiple_of(step)
            }
            Self::Range { first, last, step, .. } => {
                let (mut at, mut walked, step) = (first, 0, step.unwrap_or(1));
                loop {
                    if at == value && walked % step == 0 {
                        return true;
                    }
                    if at == last {
                        return false;
                    }
                    at = if at == kind.high { kind.low } else { at + 1 };
                    walked += 1;
                }
            }
        }
    }

    fn print(&self, kind: Kind, out: &mut impl fmt::Write) -> fmt::Result {
        let number = |out: &mut dyn fmt::Write, value: u32, named: bool| {
            if named { write!(out, "{}", kind.names[value as usize - 1]) } else { write!(out, "{value}") }
        };
        match *self {
            Self::Every => out.write_char('*'),
            Self::One { value, named } => number(out, value, named),
            Self::Steps { from: Some(from), step, .. } => write!(out, "{from}/{step}"),
            Self::Steps { from: None, step, star } => write!(out, "{}/{step}", if star { "*" } else { "" }),
            Self::Range { first, last, step, named } => {
                number(out, first, named)?;
                out.write_char('-')?;
                number(out, last, named)?;
                step.map_or(Ok(()), |step| write!(out, "/{step}"))
            }
        }
    }
}

fn holds(items: &[Item], kind: Kind, value: u32) -> bool {
    items.iter().any(|item| item.holds(kind, value))
}

fn print(items: &[Item], kind: Kind) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        item.print(kind, &mut text).unwrap();
    }
    text
}

/// What picks the days; in the other day field stands `?`.
#[derive(Clone, Debug)]
pub(crate) enum Day {
    OfMonth(Vec<Item>),
    OfWeek(Vec<Item>),
    /// `L-n`; printed as `L` where n is 0 and `bare` is set.
    Last {
        before: i8,
        bare: bool,
    },
    /// `L-nW`.
    LastWeekday {
        before: i8,
        bare: bool,
    },
    /// `nW`.
    Nearest(i8),
    /// `L` as a day of the week.
    Saturday,
    /// `nL`.
    LastOfWeek {
        day: u32,
        named: bool,
    },
    /// `n#k`.
    Nth {
        day: u32,
        nth: i8,
        named: bool,
    },
}

impl Day {
    fn holds(&self, date: Date) -> bool {
        let weekday = |day: u32| Weekday::from_sunday_one_offset(day as i8).unwrap();
        let end = date.days_in_month();
        match *self {
            Self::OfMonth(ref items) => holds(items, DAY, date.day() as u32),
            Self::OfWeek(ref items) => holds(items, WEEKDAY, date.weekday().to_sunday_one_offset() as u32),
            Self::Last { before, .. } => date.day() == end - before,
            Self::LastWeekday { before, .. } => nearest_weekday(date, end - before) == Some(date),
            Self::Nearest(day) => nearest_weekday(date, day) == Some(date),
            Self::Saturday => date.weekday() == Weekday::Saturday,
            Self::LastOfWeek { day, .. } => {
                date.nth_weekday_of_month(-1, weekday(day)).is_ok_and(|found| found == date)
            }
            Self::Nth { day, nth, .. } => {
                date.nth_weekday_of_month(nth, weekday(day)).is_ok_and(|found| found == date)
            }
        }
    }

    /// Both day fields.
    fn print(&self) -> (String, String) {
        let open = || "?".to_owned();
        let name = |day: u32, named: bool| {
            if named { WEEKDAYS[day as usize - 1].to_owned() } else { day.to_string() }
        };
        let last =
            |before: i8, bare: bool| if before == 0 && bare { "L".to_owned() } else { format!("L-{before}") };
        match *self {
            Self::OfMonth(ref items) => (print(items, DAY), open()),
            Self::OfWeek(ref items) => (open(), print(items, WEEKDAY)),
            Self::Last { before, bare } => (last(before, bare), open()),
            Self::LastWeekday { before, bare } => (last(before, bare) + "W", open()),
            Self::Nearest(day) => (format!("{day}W"), open()),
            Self::Saturday => (open(), "L".to_owned()),
            Self::LastOfWeek { day, named } => (open(), name(day, named) + "L"),
            Self::Nth { day, nth, named } => (open(), format!("{}#{nth}", name(day, named))),
        }
    }
}

/// The Monday to Friday closest to a day, without leaving its month.
fn nearest_weekday(month: Date, day: i8) -> Option<Date> {
    let day = Date::new(month.year(), month.month(), day).ok()?;
    let works = |date: &Date| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    [0, -1, 1, -2, 2]
        .into_iter()
        .filter_map(|away: i64| day.checked_add(jiff::Span::new().days(away)).ok())
        .find(|date| works(date) && date.month() == day.month())
}

/// A whole expression.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) second: Vec<Item>,
    pub(crate) minute: Vec<Item>,
    pub(crate) hour: Vec<Item>,
    pub(crate) month: Vec<Item>,
    pub(crate) day: Day,
    pub(crate) year: Option<Vec<Item>>,
    /// The text where it is a name such as `@daily`.
    pub(crate) name: Option<&'static str>,
}

impl Spec {
    /// Whether firings follow elapsed time: a wildcard or a step in second, minute or hour.
    pub(crate) fn is_elapsed(&self) -> bool {
        [&self.second, &self.minute, &self.hour].into_iter().flatten().any(Item::is_wildcard_or_step)
    }

    pub(crate) fn matches_date(&self, date: Date) -> bool {
        let year = date.year() as u32;
        (1970..=9999).contains(&year)
            && self.year.as_ref().is_none_or(|items| {
                items.iter().any(|item| match item {
                    // A plain `*` goes on after 2099, anything else ends there.
                    Item::Every => true,
                    item => year <= YEAR.high && item.holds(YEAR, year),
                })
            })
            && holds(&self.month, MONTH, date.month() as u32)
            && self.day.holds(date)
    }

    pub(crate) fn matches_minute(&self, local: DateTime) -> bool {
        holds(&self.hour, HOUR, local.hour() as u32) && holds(&self.minute, SECOND, local.minute() as u32)
    }

    pub(crate) fn matches_second(&self, second: u32) -> bool {
        holds(&self.second, SECOND, second)
    }

    /// Matching seconds of a matching day.
    pub(crate) fn per_day(&self) -> usize {
        let size =
            |items: &[Item], kind: Kind| (kind.low..=kind.high).filter(|v| holds(items, kind, *v)).count();
        size(&self.second, SECOND) * size(&self.minute, SECOND) * size(&self.hour, HOUR)
    }
}

impl Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name {
            return f.write_str(name);
        }
        let (of_month, of_week) = self.day.print();
        let (second, minute) = (print(&self.second, SECOND), print(&self.minute, SECOND));
        let (hour, month) = (print(&self.hour, HOUR), print(&self.month, MONTH));
        write!(f, "{second} {minute} {hour} {of_month} {month} {of_week}")?;
        match &self.year {
            Some(items) => write!(f, " {}", print(items, YEAR)),
            None => Ok(()),
        }
    }
}

fn item(kind: Kind) -> BoxedStrategy<Item> {
    let value = kind.low..=kind.high;
    let max_step = if kind.high == 2099 { 140 } else { kind.high };
    let step = prop_oneof![3 => 1..=max_step.min(20), 1 => 1..=max_step];
    let named = prop::bool::ANY.prop_map(move |named| named && !kind.names.is_empty());
    let range = (value.clone(), value.clone(), prop::option::of(step.clone()), named.clone());
    prop_oneof![
        3 => (value.clone(), named).prop_map(|(value, named)| Item::One { value, named }),
        2 => range.prop_map(move |(a, b, step, named)| {
            let (first, last) = if kind.wraps { (a, b) } else { (a.min(b), a.max(b)) };
            Item::Range { first, last, step, named: named && step.is_none() }
        }),
        1 => (prop::option::of(value), step, prop::bool::ANY)
            .prop_map(|(from, step, star)| Item::Steps { from, step, star }),
    ]
    .boxed()
}

fn items(kind: Kind) -> BoxedStrategy<Vec<Item>> {
    prop_oneof![
        2 => Just(vec![Item::Every]),
        3 => item(kind).prop_map(|item| vec![item]),
        2 => prop::collection::vec(prop_oneof![9 => item(kind), 1 => Just(Item::Every)], 2..5),
    ]
    .boxed()
}

/// Items without a wildcard or a step.
fn fixed(kind: Kind) -> BoxedStrategy<Vec<Item>> {
    let value = kind.low..=kind.high;
    let one = value.clone().prop_map(|value| Item::One { value, named: false });
    let range = (value.clone(), 0..4_u32).prop_map(move |(first, more)| {
        let last = if first + more > kind.high { kind.low + more - 1 } else { first + more };
        Item::Range { first, last, step: None, named: false }
    });
    prop::collection::vec(prop_oneof![2 => one, 1 => range], 1..4).boxed()
}

fn days() -> BoxedStrategy<Day> {
    let day = || (1..=7_u32, prop::bool::ANY);
    prop_oneof![
        3 => items(DAY).prop_map(Day::OfMonth),
        3 => items(WEEKDAY).prop_map(Day::OfWeek),
        1 => (0..=30_i8, prop::bool::ANY).prop_map(|(before, bare)| Day::Last { before, bare }),
        1 => (0..=30_i8, prop::bool::ANY).prop_map(|(before, bare)| Day::LastWeekday { before, bare }),
        1 => (0..=3_i8).prop_map(|before| Day::LastWeekday { before, bare: true }),
        1 => (1..=31_i8).prop_map(Day::Nearest),
        1 => prop::sample::select(vec![1, 2, 28, 29, 30, 31]).prop_map(Day::Nearest),
        1 => Just(Day::Saturday),
        1 => day().prop_map(|(day, named)| Day::LastOfWeek { day, named }),
        2 => (day(), 1..=5_i8).prop_map(|((day, named), nth)| Day::Nth { day, nth, named }),
    ]
    .boxed()
}

fn years() -> BoxedStrategy<Option<Vec<Item>>> {
    prop_oneof![6 => Just(None), 1 => Just(Some(vec![Item::Every])), 2 => items(YEAR).prop_map(Some)].boxed()
}

fn times() -> BoxedStrategy<[Vec<Item>; 3]> {
    // Offsets change in the small hours: half of the expressions are about them.
    let small = prop::collection::vec((0..=4_u32).prop_map(|value| Item::One { value, named: false }), 1..4);
    // Round times, so that some are the very first after a gap.
    let one = |value| Item::One { value, named: false };
    let round = prop::collection::vec(prop::sample::select(vec![0, 15, 30, 45, 59]).prop_map(one), 1..4);
    prop_oneof![
        1 => (Just(vec![one(0)]), round, small.clone()).prop_map(|(s, m, h)| [s, m, h]),
        2 => [items(SECOND), items(SECOND), items(HOUR)],
        2 => (fixed(SECOND), fixed(SECOND), prop_oneof![small.clone(), fixed(HOUR)])
            .prop_map(|(s, m, h)| [s, m, h]),
        1 => (fixed(SECOND), items(SECOND), prop_oneof![1 => small, 2 => items(HOUR)])
            .prop_map(|(s, m, h)| [s, m, h]),
    ]
    .boxed()
}

fn nicknames() -> BoxedStrategy<Spec> {
    let one = |value| vec![Item::One { value, named: false }];
    let every = || vec![Item::Every];
    let spec = move |name, hour, day, month| Spec {
        second: one(0),
        minute: one(0),
        hour,
        month,
        day,
        year: None,
        name: Some(name),
    };
    let first = || Day::OfMonth(vec![Item::One { value: 1, named: false }]);
    let any = || Day::OfMonth(vec![Item::Every]);
    prop::sample::select(vec![
        spec("@yearly", one(0), first(), one(1)),
        spec("@annually", one(0), first(), one(1)),
        spec("@monthly", one(0), first(), every()),
        spec("@weekly", one(0), Day::OfWeek(one(1)), every()),
        spec("@daily", one(0), any(), every()),
        spec("@midnight", one(0), any(), every()),
        spec("@hourly", every(), any(), every()),
    ])
    .boxed()
}

fn spec(
    days: impl Strategy<Value = Day>,
    months: impl Strategy<Value = Vec<Item>>,
    years: impl Strategy<Value = Option<Vec<Item>>>,
) -> impl Strategy<Value = Spec> {
    (times(), days, months, years).prop_map(|([second, minute, hour], day, month, year)| Spec {
        second,
        minute,
        hour,
        month,
        day,
        year,
        name: None,
    })
}

/// Expressions of every form.
pub(crate) fn specs() -> impl Strategy<Value = Spec> {
    prop_oneof![15 => spec(days(), items(MONTH), years()), 1 => nicknames()]
}

/// Expressions that match on most days, for small windows.
pub(crate) fn frequent_specs() -> impl Strategy<Value = Spec> {
    let often = prop_oneof![
        3 => Just(Day::OfMonth(vec![Item::Every])),
        1 => Just(Day::OfWeek(vec![Item::Every])),
        1 => days(),
    ];
    prop_oneof![15 => spec(often, Just(vec![Item::Every]), Just(None)), 1 => nicknames()]
}

/// The text as a careless person writes it: letters in any case, blanks and tabs in any number.
pub(crate) fn carelessly(text: &str, random: u64) -> String {
    let mut out = String::new();
    let mut bits = random | 1;
    let mut coin = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bits >> 63 == 1
    };
    for c in text.chars() {
        if c == ' ' {
            out.push_str(if coin() { " \t " } else { " " });
        } else if coin() {
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
        if c == ',' && coin() {
            // An empty item is passed over.
            out.write_char(',').unwrap();
        }
    }
    if coin() { format!("  {out}\n") } else { out }
}
