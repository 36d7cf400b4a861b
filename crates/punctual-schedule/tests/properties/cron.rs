//! Cron schedules.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use punctual_schedule::{CronExpression, CronSchedule, DstPolicy, Occurrences, Schedule, Window, zone};

use super::places::{change, instants, zones};
use super::spec::{Item, Spec, carelessly, frequent_specs, specs};
use super::{config, walk};

const DAY: i64 = 86_400;
/// A window with more firings than this is made shorter.
const MANY: usize = 3_000;

fn policies() -> impl Strategy<Value = DstPolicy> {
    prop_oneof![Just(DstPolicy::Follow), Just(DstPolicy::Quartz)]
}

fn schedule(spec: &Spec, tz: &str, dst: DstPolicy) -> CronSchedule {
    CronSchedule::new(CronExpression::parse(&spec.to_string()).unwrap(), zone(tz).unwrap(), dst)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Firings in `from..to`, one by one.
fn forwards(cron: &CronSchedule, from: i64, to: i64) -> Vec<i64> {
    let next = |t: &Timestamp| cron.next_after(*t);
    let first = cron.next_after(at(from) - jiff::SignedDuration::from_millis(1));
    std::iter::successors(first, next).map(Timestamp::as_second).take_while(|t| *t < to).collect()
}

fn backwards(cron: &CronSchedule, from: i64, to: i64) -> Vec<i64> {
    let last = cron.prev_before(at(to));
    let mut found: Vec<i64> = std::iter::successors(last, |t| cron.prev_before(*t))
        .map(Timestamp::as_second)
        .take_while(|t| *t >= from)
        .collect();
    found.reverse();
    found
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn next_and_previous_agree(spec in specs(), tz in zones(), dst in policies(), t in instants()) {
        let cron = schedule(&spec, &tz, dst);
        let mut last = t;
        for _ in 0..4 {
            let Some(next) = cron.next_after(last) else { break };
            prop_assert!(next > last, "{next} after {last}");
            let back = cron.prev_before(next);
            prop_assert!(back.is_none_or(|back| back <= last), "{back:?} between {last} and {next}");
            if let Some(back) = back {
                prop_assert_eq!(cron.next_after(back), Some(next));
            }
            prop_assert_eq!(cron.prev_before(next + jiff::SignedDuration::from_nanos(1)), Some(next));
            last = next;
        }
        let mut first = t;
        for _ in 0..4 {
            let Some(previous) = cron.prev_before(first) else { break };
            prop_assert!(previous < first, "{previous} before {first}");
            let on = cron.next_after(previous);
            prop_assert!(on.is_none_or(|on| on >= first), "{on:?} between {previous} and {first}");
            if let Some(on) = on {
                prop_assert_eq!(cron.prev_before(on), Some(previous));
            }
            first = previous;
        }
    }

    #[test]
    fn all_firings_of_a_window_are_those_of_the_rules(
        spec in prop_oneof![1 => specs(), 4 => frequent_specs()],
        tz in zones(),
        dst in policies(),
        t in instants(),
        away in prop::option::weighted(0.7, -7200..7200_i64),
    ) {
        let place = zone(&tz).unwrap();
        let middle = away.map_or(t.as_second(), |away| change(&place, t) + away).clamp(0, walk::LAST);
        let reach = (DAY * MANY as i64 / (spec.per_day() as i64).max(MANY as i64)).max(7200);
        let (from, to) = ((middle - reach).max(0), (middle + reach).min(walk::LAST));
        prop_assume!(from < to);
        let expected = walk::fires(&spec, &place, dst, from, to);
        let cron = schedule(&spec, &tz, dst);
        prop_assert_eq!(&forwards(&cron, from, to), &expected, "forwards from {}", at(from));
        prop_assert_eq!(&backwards(&cron, from, to), &expected, "backwards to {}", at(to));

        let schedule = Schedule::Cron(cron);
        let occurrences = Occurrences::new(&schedule, Window { start: at(0), end: None });
        let span = occurrences.count(at(from), at(to - 1));
        prop_assert_eq!(span.count, expected.len() as u64);
        prop_assert_eq!(span.first.map(Timestamp::as_second), expected.first().copied());
        prop_assert_eq!(span.last.map(Timestamp::as_second), expected.last().copied());
        for fire in expected.iter().step_by(expected.len() / 10 + 1) {
            prop_assert!(occurrences.contains(at(*fire)), "{}", at(*fire));
            prop_assert_eq!(occurrences.contains(at(*fire + 1)), expected.binary_search(&(fire + 1)).is_ok());
        }
    }

    #[test]
    fn all_days_of_two_years_are_those_of_the_rules(
        spec in specs(),
        year in prop_oneof![1970..2099_i16, 1970..9990_i16],
    ) {
        let [second, minute, hour] = [Item::zero(), Item::zero(), Item::zero()];
        let midnight = Spec { second, minute, hour, name: None, ..spec };
        let cron = schedule(&midnight, "UTC", DstPolicy::Follow);
        let (first, end) = (date(year, 1, 1), date(year + 2, 1, 1));
        let second = |day: Date| day.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
        let days = first.series(1.day()).take_while(|day| *day < end);
        let expected: Vec<i64> = days.filter(|day| midnight.matches_date(*day)).map(second).collect();
        let (from, to) = (second(first), second(end));
        prop_assert_eq!(&forwards(&cron, from, to), &expected);
        prop_assert_eq!(&backwards(&cron, from, to), &expected);
    }

    #[test]
    fn the_next_firing_is_found_however_far_it_is(
        spec in specs(),
        tz in zones(),
        dst in policies(),
        t in instants(),
    ) {
        const REACH: i64 = 1_000;
        let found = schedule(&spec, &tz, dst).next_after(t).map(Timestamp::as_second);
        let t = t.as_second();
        match walk::first_after(&spec, &zone(&tz).unwrap(), dst, t, REACH) {
            Ok(expected) => prop_assert_eq!(found, Some(expected)),
            Err(()) => prop_assert!(found.is_none_or(|found| found > t + (REACH - 2) * DAY), "{found:?}"),
        }
    }

    #[test]
    fn a_count_is_what_walking_finds(
        spec in specs(),
        tz in zones(),
        dst in policies(),
        t in instants(),
        days in 1..4_000_i64,
        ends in prop::bool::ANY,
    ) {
        let cron = schedule(&spec, &tz, dst);
        let days = days.min((MANY / spec.per_day()) as i64).max(1);
        let to = Timestamp::from_second((t.as_second() + days * DAY).min(walk::LAST)).unwrap();
        let schedule = Schedule::Cron(cron);
        // The trigger's own end limits the count as well.
        let end = ends.then(|| at((t.as_second() + days * DAY / 2).min(walk::LAST)));
        let occurrences = Occurrences::new(&schedule, Window { start: t, end });
        let walked: Vec<_> = occurrences.upcoming(t).take_while(|fire| *fire <= to).collect();
        let span = occurrences.count(t, to);
        prop_assert_eq!(span.count, walked.len() as u64);
        prop_assert_eq!(span.first, walked.first().copied());
        prop_assert_eq!(span.last, walked.last().copied());
        prop_assert!(end.is_none_or(|end| span.last.is_none_or(|last| last <= end)));
    }

    #[test]
    fn what_is_printed_reads_as_the_same(
        spec in specs(),
        tz in zones(),
        t in instants(),
        random in any::<u64>(),
    ) {
        let text = spec.to_string();
        let expression = CronExpression::parse(&text).unwrap();
        prop_assert_eq!(expression.as_str(), &text);
        let again = CronExpression::parse(&carelessly(&text, random)).unwrap();
        prop_assert_eq!(&again, &expression);
        let reread = CronExpression::parse(&again.to_string()).unwrap();
        prop_assert_eq!(&reread, &expression);
        let json = serde_json::to_string(&expression).unwrap();
        prop_assert_eq!(&serde_json::from_str::<CronExpression>(&json).unwrap(), &expression);
        let place = zone(&tz).unwrap();
        let [one, two] = [expression, reread].map(|e| CronSchedule::new(e, place.clone(), DstPolicy::Follow));
        prop_assert_eq!(one.next_after(t), two.next_after(t));

        let schedule = Schedule::Cron(one.with_dst(DstPolicy::Quartz));
        let json = serde_json::to_string(&schedule).unwrap();
        prop_assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
    }

    #[test]
    fn both_ends_are_seen_from_afar(spec in specs(), tz in zones(), dst in policies(), t in instants()) {
        let cron = schedule(&spec, &tz, dst);
        let (first, last) = (cron.next_after(Timestamp::MIN), cron.prev_before(Timestamp::MAX));
        prop_assert_eq!(first.is_some(), last.is_some());
        let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
        prop_assert_eq!(cron.prev_before(first), None);
        prop_assert_eq!(cron.next_after(last), None);
        prop_assert_eq!(cron.next_after(t).is_some(), t < last);
        prop_assert_eq!(cron.prev_before(t).is_some(), t > first);
    }

    #[test]
    fn never_means_that_nothing_fires(
        spec in specs(),
        dst in policies(),
        low in 1900..2200_u32,
        high in 1900..2200_u32,
    ) {
        // In UTC: elsewhere a date may match and its only time lie in a gap.
        let fires = |text: &str| {
            let cron = CronSchedule::parse(text, "UTC").unwrap().with_dst(dst);
            (cron.expression().never_matches(), cron.next_after(at(-1)), cron.prev_before(at(walk::LAST)))
        };
        let (never, next, last) = fires(&spec.to_string());
        prop_assert_eq!(never, next.is_none());
        prop_assert_eq!(never, last.is_none());

        // Years outside of 1970-2099 may be written but never match.
        let (low, high) = (low.min(high), low.max(high));
        let (never, next, last) = fires(&format!("0 0 0 1 1 ? {low}-{high}"));
        prop_assert_eq!(never, high < 1970 || low > 2099);
        prop_assert_eq!(never, next.is_none());
        let new_year = |year: u32| (!never).then(|| format!("{year}-01-01T00:00:00Z").parse().unwrap());
        prop_assert_eq!(next, new_year(low.max(1970)));
        prop_assert_eq!(last, new_year(high.min(2099)));
    }
}

/// Firings that all lie far back: since 1981 the time falls into the gap of every year.
#[test]
fn a_search_backwards_goes_on_to_before_the_rules() {
    let cron = CronSchedule::parse("0 30 2 ? 3 1L", "Europe/Berlin").unwrap().with_dst(DstPolicy::Quartz);
    let last: Timestamp = "1980-03-30T01:30:00Z".parse().unwrap();
    for from in
        ["1990-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2600-01-01T00:00:00Z", "9999-01-01T00:00:00Z"]
    {
        assert_eq!(cron.prev_before(from.parse().unwrap()), Some(last), "from {from}");
    }
}

/// The next firing from any of these instants is reached by a bounded search, at the very ends of time as well.
#[test]
fn the_ends_of_time_are_reached_and_not_passed() {
    for tz in ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin", "America/New_York"] {
        for text in [
            "* * * * * ?",
            "0 0 0 29 2 ?",
            "59 59 23 31 12 ?",
            "0 30 2 ? 3 1L",
            "0 0 0 1 1 ? 2099",
            "59 59 23 31 12 ? 2099",
        ] {
            for dst in [DstPolicy::Follow, DstPolicy::Quartz] {
                let cron = CronSchedule::parse(text, tz).unwrap().with_dst(dst);
                assert_eq!(cron.next_after(Timestamp::MAX), None, "{text} {tz}");
                assert_eq!(cron.prev_before(Timestamp::MIN), None, "{text} {tz}");
                assert_eq!(cron.prev_before(at(0)), None, "{text} {tz}");
                let first = cron.next_after(Timestamp::MIN).map(Timestamp::as_second);
                let last = cron.prev_before(Timestamp::MAX).map(Timestamp::as_second);
                assert!(first.is_none_or(|first| first >= 0), "{text} {tz}: {first:?}");
                assert_eq!(first.is_none(), last.is_none(), "{text} {tz}: {first:?} {last:?}");
            }
        }
    }
}
