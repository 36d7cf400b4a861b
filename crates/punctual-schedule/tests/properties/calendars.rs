//! Calendars: what they leave of a schedule.

use jiff::civil::{Date, Time, Weekday};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use punctual_schedule::{
    Calendar, CronExpression, DailyTimeInterval, IntervalUnit, Occurrences, Repeat, Schedule, SimpleSchedule,
    Window, zone,
};

use super::config;
use super::places::{instants, zones};
use super::spec::{frequent_specs, specs};

fn base() -> BoxedStrategy<Calendar> {
    let time = (0..24_i8, 0..60_i8).prop_map(|(hour, minute)| Time::new(hour, minute, 0, 0).unwrap());
    let day_of_week = (1..=7_i8).prop_map(|day| Weekday::from_sunday_one_offset(day).unwrap());
    let date = (1970..2100_i16, 1..=12_i8, 1..=28_i8).prop_map(|(y, m, d)| Date::new(y, m, d).unwrap());
    let place = zones().prop_map(|tz| zone(&tz).unwrap()).boxed();
    prop_oneof![
        (prop::collection::vec(day_of_week, 0..7), place.clone())
            .prop_map(|(days, zone)| Calendar::weekly(days, zone)),
        (prop::collection::vec(1..=31_u8, 0..31), place.clone())
            .prop_map(|(days, zone)| Calendar::monthly(days, zone).unwrap()),
        (prop::collection::vec((1..=12_u8, 1..=28_u8), 0..60), place.clone())
            .prop_map(|(days, zone)| Calendar::annual(days, zone).unwrap()),
        (prop::collection::vec(date, 0..200), place.clone())
            .prop_map(|(days, zone)| Calendar::holiday(days, zone)),
        (time.clone(), time, any::<bool>(), place.clone()).prop_filter_map(
            "an empty range",
            |(start, end, invert, zone)| Calendar::daily(start, end, invert, zone).ok()
        ),
        (prop_oneof![frequent_specs(), specs()], place).prop_map(|(spec, zone)| Calendar::cron(
            spec.to_string().parse::<CronExpression>().unwrap(),
            zone
        )),
    ]
    .boxed()
}

fn calendars() -> impl Strategy<Value = Calendar> {
    (base(), prop::option::weighted(0.4, base())).prop_map(|(calendar, base)| match base {
        Some(base) => calendar.with_base(base).unwrap(),
        None => calendar,
    })
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let simple = prop_oneof![Just(1_000_u64), 1..100_000_u64, 60_000..100_000_000_u64];
    let daily = (1..120_u32, zones()).prop_map(|(minutes, tz)| {
        DailyTimeInterval::new(minutes, IntervalUnit::Minute, zone(&tz).unwrap()).unwrap()
    });
    prop_oneof![
        simple.prop_map(|millis| SimpleSchedule::from_millis(millis, Repeat::Forever).unwrap().into()),
        daily.prop_map(Schedule::DailyTimeInterval),
    ]
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_calendar_leaves_what_it_includes(schedule in schedules(), calendar in calendars(), start in instants()) {
        let start = start.max(Timestamp::UNIX_EPOCH);
        let all = Occurrences::new(&schedule, Window { start, end: None });
        let some = all.clone().with_calendar(Some(&calendar));
        let fires: Vec<Timestamp> = all.upcoming(start).take(2_000).collect();
        let Some(last) = fires.last() else { return Ok(()) };
        let expected: Vec<Timestamp> = fires.iter().copied().filter(|fire| calendar.includes(*fire)).collect();
        let found: Vec<Timestamp> = some.upcoming(start).take_while(|fire| fire <= last).collect();
        prop_assert_eq!(&found, &expected);

        let end = *last + SignedDuration::from_nanos(1);
        let back = std::iter::successors(some.prev_before(end), |fire| some.prev_before(*fire));
        let mut back: Vec<Timestamp> = back.take(300).collect();
        back.reverse();
        prop_assert_eq!(&back[..], &expected[expected.len().saturating_sub(300)..]);

        let span = some.count(start, *last);
        prop_assert_eq!(span.count, expected.len() as u64);
        prop_assert_eq!((span.first, span.last), (expected.first().copied(), expected.last().copied()));
    }

    #[test]
    fn an_excluded_firing_uses_up_no_repeat_of_a_daily_schedule(
        minutes in 1..200_u32,
        tz in zones(),
        calendar in calendars(),
        start in instants(),
        repeats in 0..500_u32,
    ) {
        let daily = DailyTimeInterval::new(minutes, IntervalUnit::Minute, zone(&tz).unwrap()).unwrap();
        let window = Window { start: start.max(Timestamp::UNIX_EPOCH), end: None };
        let endless = Schedule::DailyTimeInterval(daily.clone());
        let endless = Occurrences::new(&endless, window).with_calendar(Some(&calendar));
        let expected: Vec<Timestamp> = endless.upcoming(start).take(repeats as usize + 1).collect();
        let limited = Schedule::DailyTimeInterval(daily.with_repeat(Repeat::Times(repeats)));
        let limited = Occurrences::new(&limited, window).with_calendar(Some(&calendar));
        prop_assert_eq!(limited.upcoming(start).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_next_included_time_is_the_next(calendar in calendars(), t in instants()) {
        let Some(found) = calendar.next_included(t) else { return Ok(()) };
        prop_assert!(found >= t && calendar.includes(found));
        // Nothing in between is included: the instants right before and some at random.
        let between = found.as_millisecond() - t.as_millisecond();
        for part in 1..50 {
            let at = found - SignedDuration::from_millis((between * part / 50).max(1));
            prop_assert!(at < t || !calendar.includes(at), "{at}");
        }
    }

    #[test]
    fn a_calendar_survives_its_json(calendar in calendars()) {
        let json = serde_json::to_string(&calendar).unwrap();
        prop_assert_eq!(serde_json::from_str::<Calendar>(&json).unwrap(), calendar);
    }
}

/// As many repeats as there can be, without walking through them.
#[test]
fn a_great_many_repeats_are_counted_by_stretches() {
    let zone = zone("Europe/Berlin").unwrap();
    let daily = DailyTimeInterval::new(1, IntervalUnit::Second, zone.clone()).unwrap();
    let schedule = Schedule::DailyTimeInterval(daily.with_repeat(Repeat::Times(u32::MAX)));
    let sundays = Calendar::weekly([Weekday::Sunday], zone);
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let occurrences = Occurrences::new(&schedule, Window { start, end: None }).with_calendar(Some(&sundays));
    assert_eq!(occurrences.count(start, Timestamp::MAX).count, u64::from(u32::MAX) + 1);
}

/// A weekend holds more seconds than a search would step over one by one.
#[test]
fn a_long_exclusion_is_passed_over_at_once() {
    let schedule = SimpleSchedule::from_millis(1_000, Repeat::Forever).unwrap().into();
    let weekend = Calendar::weekly([Weekday::Saturday, Weekday::Sunday], zone("Europe/Berlin").unwrap());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (friday, sunday) = (at("2026-03-27T22:59:58Z"), at("2026-03-29T20:00:00Z"));
    let occurrences = Occurrences::new(&schedule, Window { start: friday, end: None });
    let occurrences = occurrences.with_calendar(Some(&weekend));
    assert_eq!(occurrences.prev_before(sunday), Some(at("2026-03-27T22:59:59Z")));
    assert_eq!(occurrences.count(friday, sunday).count, 2);
}
