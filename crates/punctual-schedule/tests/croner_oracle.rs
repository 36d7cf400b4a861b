//! The cron dialect against croner, which knows most of it, in the part that both understand.
//!
//! Not in that part: ranges that wrap around, `L-3` and `L-3W`, `L` as a day of the week, steps of years without an
//! end (croner's years go on to 5000), and what happens where an offset changes.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use punctual_schedule::{CronSchedule, zone};

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One item of a field of numbers, where `names` begin at 1.
fn item(low: u32, high: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
    let value = low..=high;
    let step = 1..=(high - low).min(23);
    let range = (value.clone(), value.clone()).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let numbers = prop_oneof![
        4 => value.clone().prop_map(|value| value.to_string()),
        2 => range.clone().prop_map(|(first, last)| format!("{first}-{last}")),
        1 => (range.clone(), step.clone()).prop_map(|((first, last), step)| format!("{first}-{last}/{step}")),
    ];
    // Years have no names and no open steps, the others may.
    if high > 59 {
        return numbers.boxed();
    }
    let steps = prop_oneof![
        (value, step.clone()).prop_map(|(from, step)| format!("{from}/{step}")),
        step.prop_map(|step| format!("*/{step}")),
    ];
    if names.is_empty() {
        return prop_oneof![5 => numbers, 1 => steps].boxed();
    }
    let name = move |value: u32| names[value as usize - 1];
    let named = range.prop_map(move |(first, last)| match first == last {
        true => name(first).to_owned(),
        false => format!("{}-{}", name(first), name(last)),
    });
    prop_oneof![3 => numbers, 2 => named, 1 => steps].boxed()
}

fn items(low: u32, high: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![
        1 => Just("*".to_owned()),
        3 => prop::collection::vec(item(low, high, names), 1..4).prop_map(|items| items.join(",")),
    ]
    .boxed()
}

/// Both day fields.
fn days() -> BoxedStrategy<(String, String)> {
    let weekday = || {
        (1..=7_usize, prop::bool::ANY)
            .prop_map(|(day, named)| if named { WEEKDAYS[day - 1].to_owned() } else { day.to_string() })
    };
    let of_month = prop_oneof![
        3 => items(1, 31, &[]),
        1 => Just("L".to_owned()),
        1 => Just("LW".to_owned()),
        2 => (1..=31_u32).prop_map(|day| format!("{day}W")),
    ];
    let of_week = prop_oneof![
        3 => items(1, 7, WEEKDAYS),
        1 => weekday().prop_map(|day| day + "L"),
        2 => (weekday(), 1..=5_u32).prop_map(|(day, nth)| format!("{day}#{nth}")),
    ];
    prop_oneof![
        of_month.prop_map(|days| (days, "?".to_owned())),
        of_week.prop_map(|days| ("?".to_owned(), days)),
    ]
    .boxed()
}

fn expressions() -> BoxedStrategy<String> {
    let times = (items(0, 59, &[]), items(0, 59, &[]), items(0, 23, &[]));
    let year = prop_oneof![
        4 => Just(String::new()),
        1 => items(1970, 2099, &[]).prop_map(|years| format!(" {years}")),
    ];
    (times, days(), items(1, 12, MONTHS), year)
        .prop_map(|((second, minute, hour), (of_month, of_week), month, year)| {
            format!("{second} {minute} {hour} {of_month} {month} {of_week}{year}")
        })
        .boxed()
}

fn croner(text: &str) -> Cron {
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true)
        .build();
    parser.parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether the offset changes within a day of `t`, where the two have rules of their own.
fn is_near_change(zone: &jiff::tz::TimeZone, t: Timestamp) -> bool {
    let offset = |hours| zone.to_offset(t + SignedDuration::from_hours(hours));
    offset(-26) != offset(26)
}

fn config(cases: u32) -> Config {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0xc0ffee),
        fixed => fixed,
    };
    Config { cases: (cases * given.cases).div_ceil(256), rng_seed, failure_persistence: None, ..given }
}

proptest! {
    #![proptest_config(config(800))]

    #[test]
    fn the_common_dialect_fires_alike(
        text in expressions(),
        tz in prop::sample::select(vec!["UTC", "America/New_York"]),
        t in (100_000..4_000_000_000_i64).prop_map(|second| Timestamp::from_second(second).unwrap()),
    ) {
        let (own, other, place) = (CronSchedule::parse(&text, tz).unwrap(), croner(&text), zone(tz).unwrap());
        let mut at = t;
        for _ in 0..4 {
            let found = own.next_after(at);
            let expected = other.find_next_occurrence(&at.to_zoned(place.clone()), false).ok();
            let expected = expected.map(|zoned| zoned.timestamp());
            let change = [found, expected].into_iter().flatten().any(|at| is_near_change(&place, at));
            if !change {
                prop_assert_eq!(found, expected, "after {}", at);
            }
            let Some(found) = found else { break };
            at = found;
        }
        let mut at = t;
        for _ in 0..4 {
            let found = own.prev_before(at);
            let expected = other.find_previous_occurrence(&at.to_zoned(place.clone()), false).ok();
            // croner goes on to before 1970.
            let expected = expected.filter(|zoned| zoned.year() >= 1970).map(|zoned| zoned.timestamp());
            let change = [found, expected].into_iter().flatten().any(|at| is_near_change(&place, at));
            if !change {
                prop_assert_eq!(found, expected, "before {}", at);
            }
            let Some(found) = found else { break };
            at = found;
        }
    }
}
