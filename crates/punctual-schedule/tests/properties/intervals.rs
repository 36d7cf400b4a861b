//! Schedules that step, and what holds for every kind: order, counts, JSON. Steps of the calendar are compared with
//! jiff's arithmetic of spans.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::Disambiguation;
use jiff::{SignedDuration, Span, Timestamp};
use proptest::prelude::*;
use punctual_schedule::{
    CalendarInterval, DailyTimeInterval, IntervalUnit, Occurrences, Repeat, Schedule, SimpleSchedule, Window,
    zone,
};

use super::places::{change, instants, zones};
use super::{config, walk};

fn repeats() -> impl Strategy<Value = Repeat> {
    prop_oneof![
        Just(Repeat::Forever),
        (0..60_u32).prop_map(Repeat::Times),
        any::<u32>().prop_map(Repeat::Times)
    ]
}

fn simple() -> impl Strategy<Value = SimpleSchedule> {
    let interval = prop_oneof![1..5_000_u64, 1..10_000_000_000_u64, 1..i64::MAX as u64];
    (interval, repeats())
        .prop_map(|(interval, repeat)| SimpleSchedule::from_millis(interval, repeat).unwrap())
}

fn calendar() -> impl Strategy<Value = CalendarInterval> {
    let unit = prop::sample::select(vec![
        IntervalUnit::Second,
        IntervalUnit::Minute,
        IntervalUnit::Hour,
        IntervalUnit::Day,
        IntervalUnit::Day,
        IntervalUnit::Week,
        IntervalUnit::Month,
        IntervalUnit::Month,
        IntervalUnit::Year,
    ]);
    let interval = prop_oneof![5 => 1..5_u32, 3 => 1..100_u32, 1 => 1..=i32::MAX as u32];
    (interval, unit, zones(), any::<[bool; 2]>()).prop_map(|(interval, unit, tz, [preserve, skip])| {
        CalendarInterval::new(interval, unit, zone(&tz).unwrap())
            .unwrap()
            .with_preserve_hour_of_day(preserve)
            .with_skip_day_if_no_hour(skip)
    })
}

fn time() -> impl Strategy<Value = Time> {
    // Offsets change in the small hours.
    let hour = prop_oneof![2 => 0..=3_i8, 1 => 0..=23_i8];
    (hour, 0..60_i8, 0..60_i8).prop_map(|(hour, minute, second)| Time::new(hour, minute, second, 0).unwrap())
}

fn weekdays() -> impl Strategy<Value = Vec<Weekday>> {
    let day = (1..=7_i8).prop_map(|day| Weekday::from_sunday_one_offset(day).unwrap());
    prop::collection::vec(day, 1..8)
}

fn daily() -> impl Strategy<Value = DailyTimeInterval> {
    let interval = prop_oneof![
        (1..200_u32).prop_map(|minutes| (minutes, IntervalUnit::Minute)),
        (1..=24_u32).prop_map(|hours| (hours, IntervalUnit::Hour)),
        (30..=86_400_u32).prop_map(|seconds| (seconds, IntervalUnit::Second)),
    ];
    let day = prop::option::weighted(0.8, (time(), time()));
    (interval, zones(), day, prop::option::of(weekdays()), repeats()).prop_map(
        |((interval, unit), tz, day, weekdays, repeat)| {
            let mut daily = DailyTimeInterval::new(interval, unit, zone(&tz).unwrap()).unwrap();
            if let Some((a, b)) = day {
                daily = daily.between(a.min(b), a.max(b)).unwrap();
            }
            if let Some(weekdays) = weekdays {
                daily = daily.on_days(weekdays).unwrap();
            }
            daily.with_repeat(repeat)
        },
    )
}

fn schedules() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        1 => Just(Schedule::Once),
        2 => simple().prop_map(Schedule::Simple),
        4 => calendar().prop_map(Schedule::CalendarInterval),
        4 => daily().prop_map(Schedule::DailyTimeInterval),
    ]
}

/// A start; in most cases shortly before a change of the schedule's zone.
fn start(schedule: &Schedule, t: Timestamp, away: Option<i64>) -> Timestamp {
    let zone = match schedule {
        Schedule::CalendarInterval(interval) => interval.time_zone(),
        Schedule::DailyTimeInterval(daily) => daily.time_zone(),
        _ => return t,
    };
    away.map_or(t, |away| Timestamp::from_second((change(zone, t) - away).max(0)).unwrap())
}

/// Seconds before a change: any, or whole days less a part of an hour, so that a step of days falls into a gap.
fn away() -> impl Strategy<Value = Option<i64>> {
    let days = (1..40_i64, 0..3600_i64).prop_map(|(days, second)| days * 86_400 - second);
    prop::option::weighted(0.8, prop_oneof![1 => 0..5_000_000_i64, 1 => 0..500_000_i64, 2 => days])
}

fn millisecond() -> SignedDuration {
    SignedDuration::from_millis(1)
}

/// In Nuuk the last Saturday of March ends at 23:00.
#[test]
fn a_day_whose_end_is_skipped_does_not_run_into_the_next() {
    let daily = DailyTimeInterval::new(40, IntervalUnit::Minute, zone("America/Nuuk").unwrap()).unwrap();
    let schedule = Schedule::DailyTimeInterval(daily);
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (start, end) = (at("2026-03-28T22:10:00-02"), at("2026-03-29T00:50:00-01"));
    let occurrences = Occurrences::new(&schedule, Window { start, end: Some(end) });
    let expected = ["2026-03-28T22:40:00-02", "2026-03-29T00:00:00-01", "2026-03-29T00:40:00-01"].map(at);
    assert_eq!(occurrences.upcoming(start).collect::<Vec<_>>(), expected);
    assert_eq!(occurrences.count(start, end).count, 3);
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn every_kind_is_in_order_and_counted_right(
        schedule in schedules(),
        t in instants(),
        away in away(),
        end in prop::option::of(0..100_000_000_000_i64),
        skip in 0..20_usize,
        take in 1..200_usize,
    ) {
        let start = start(&schedule, t, away);
        let end = end.and_then(|end| start.checked_add(SignedDuration::from_millis(end)).ok());
        let window = Window::new(start, end).unwrap();
        let occurrences = Occurrences::new(&schedule, window);

        let fires: Vec<Timestamp> = occurrences.upcoming(start).skip(skip).take(take).collect();
        prop_assert!(fires.is_sorted_by(|one, two| one < two), "{fires:?}");
        prop_assert!(fires.iter().all(|fire| *fire >= start && end.is_none_or(|end| *fire <= end)));
        for pair in fires.windows(2) {
            prop_assert_eq!(occurrences.next_after(pair[0]), Some(pair[1]));
            prop_assert_eq!(occurrences.prev_before(pair[1]), Some(pair[0]));
            prop_assert_eq!(occurrences.at_or_after(pair[1]), Some(pair[1]));
            prop_assert!(occurrences.contains(pair[0]));
            let between = pair[0] + millisecond();
            prop_assert!(between == pair[1] || !occurrences.contains(between));
        }
        if let (Some(first), Some(last)) = (fires.first(), fires.last()) {
            let span = occurrences.count(*first, *last);
            prop_assert_eq!(span.count, fires.len() as u64);
            prop_assert_eq!((span.first, span.last), (Some(*first), Some(*last)));
            // A range whose ends are no firings.
            let inner = occurrences.count(*first + millisecond(), *last - millisecond());
            prop_assert!(inner.count <= span.count && span.count <= inner.count + 2);
            let none = inner.count == 0;
            prop_assert_eq!((inner.first.is_none(), inner.last.is_none()), (none, none));
        }
        prop_assert_eq!(occurrences.first(), occurrences.upcoming(Timestamp::MIN).next());
        if let Some(last) = occurrences.last() {
            prop_assert_eq!(occurrences.next_after(last), None);
            prop_assert!(occurrences.contains(last));
        }
    }

    #[test]
    fn every_kind_survives_its_json(schedule in schedules()) {
        let json = serde_json::to_string(&schedule).unwrap();
        let again: Schedule = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&again, &schedule);
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), json);
    }

    #[test]
    fn repeats_end_a_simple_schedule(simple in simple(), t in instants()) {
        let Repeat::Times(times) = simple.repeat() else { return Ok(()) };
        let schedule = Schedule::Simple(simple);
        let occurrences = Occurrences::new(&schedule, Window { start: t, end: None });
        let span = occurrences.count(t, Timestamp::MAX);
        prop_assert_eq!(span.first, Some(t));
        let room = (walk::LAST * 1000 - t.as_millisecond()) as u64;
        prop_assert_eq!(span.count, 1 + u64::from(times).min(room / simple.interval_ms()));
    }

    #[test]
    fn steps_of_the_calendar_are_those_of_spans(interval in calendar(), t in instants(), away in away()) {
        let step = |k: i64| {
            let units = k.checked_mul(interval.interval().into())?;
            let span = Span::new();
            match interval.unit() {
                IntervalUnit::Day => span.try_days(units),
                IntervalUnit::Week => span.try_weeks(units),
                IntervalUnit::Month => span.try_months(units),
                _ => span.try_years(units),
            }
            .ok()
        };
        if matches!(interval.unit(), IntervalUnit::Second | IntervalUnit::Minute | IntervalUnit::Hour) {
            return Ok(());
        }
        let skips = interval.preserve_hour_of_day() && interval.skip_day_if_no_hour();
        let place = interval.time_zone().clone();
        let schedule = Schedule::CalendarInterval(interval.clone());
        let start = start(&schedule, t, away);
        let local = start.to_zoned(place.clone()).datetime();
        let firing = |k: i64| -> Option<Option<Timestamp>> {
            if k == 0 {
                return Some(Some(start));
            }
            let local: DateTime = local.checked_add(step(k)?).ok()?;
            let meaning = place.to_ambiguous_timestamp(local);
            let gap = matches!(meaning.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
            let found = meaning.disambiguate(Disambiguation::Compatible).ok()?;
            Some((!(gap && skips)).then_some(found))
        };
        let mut expected: Vec<Timestamp> = (0..400).map_while(firing).flatten().collect();
        // A gap of a whole day moves a firing to where the next one is.
        expected.dedup();
        let occurrences = Occurrences::new(&schedule, Window { start, end: None });
        let found: Vec<Timestamp> = occurrences.upcoming(start).take(expected.len()).collect();
        prop_assert_eq!(&found, &expected);
        let last = expected[expected.len() - 1];
        prop_assert_eq!(occurrences.count(start, last).count, expected.len() as u64);
    }

    #[test]
    fn a_daily_schedule_begins_anew_each_day(daily in daily(), t in instants(), away in away()) {
        let place = daily.time_zone().clone();
        let daily = daily.with_repeat(Repeat::Forever);
        let schedule = Schedule::DailyTimeInterval(daily.clone());
        // Nothing is looked for before 1970.
        let start = start(&schedule, t, away).max(Timestamp::UNIX_EPOCH);
        let seconds = match daily.unit() {
            IntervalUnit::Second => 1,
            IntervalUnit::Minute => 60,
            _ => 3600,
        };
        let step = i64::from(daily.interval()) * seconds;
        let today = start.to_zoned(place.clone()).date();
        let from = start.as_second() + i64::from(start.subsec_nanosecond() > 0);
        // Later: the second pass of an overlap, and on by the length of a gap.
        let instant = |date: Date, time: Time| {
            let meaning = place.to_ambiguous_timestamp(date.to_datetime(time));
            meaning.disambiguate(Disambiguation::Later).map_or(walk::LAST + 1, |at| at.as_second())
        };
        let begin = |date: Date| {
            let noon = date.at(12, 0, 0, 0).to_zoned(place.clone());
            let skipped = noon.is_ok_and(|noon| noon.date() != date);
            let fires = !skipped && daily.days_of_week().any(|day| day == date.weekday());
            fires.then(|| instant(date, daily.start_time_of_day()))
        };
        let mut expected = Vec::new();
        for away in -2..12_i64 {
            let Ok(date) = today.checked_add(Span::new().days(away)) else { continue };
            let Some(first) = begin(date) else { continue };
            // An end that a gap moves past midnight does not reach into the next day.
            let next = date.tomorrow().ok().and_then(begin).unwrap_or(i64::MAX);
            let last = instant(date, daily.end_time_of_day()).min(next - 1);
            let firings = (first..=last).step_by(step as usize);
            expected.extend(firings.filter(|at| (from..=walk::LAST).contains(at)));
        }
        expected.truncate(500);
        let occurrences = Occurrences::new(&schedule, Window { start, end: None });
        let found: Vec<i64> =
            occurrences.upcoming(start).map(Timestamp::as_second).take(expected.len()).collect();
        prop_assert_eq!(&found, &expected);
        if let (Some(first), Some(last)) = (expected.first(), expected.last()) {
            let [first, last] = [first, last].map(|at| Timestamp::from_second(*at).unwrap());
            prop_assert_eq!(occurrences.count(first, last).count, expected.len() as u64);
        }
    }
}
