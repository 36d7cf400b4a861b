//! The next and the previous fire time, each found from the one before, beside other engines in the same run.
//!
//! `cargo bench -p punctual-schedule --bench next_fire`; a filter such as `-- 'next UTC'` picks a group. Every
//! engine first has to give the same fire times as the others, so that only equal work is compared.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use chrono::{DateTime, TimeZone};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use croner::parser::{CronParser, Seconds, Year};
use punctual_schedule::{CronSchedule, Occurrences, Schedule, Timestamp, Window};

const EVERY_HOUR: &str = "0 0 * * * ? *";
/// Then the last day of every month, working hours, leap days.
const EXPRESSIONS: [&str; 4] = [EVERY_HOUR, "0 15 10 L * ?", "0 0 9-17 ? * MON-FRI", "0 0 0 29 2 ? *"];
/// 2026-01-01 and 2061-01-01 in UTC, in seconds. A walk that leaves them begins again at the other end.
const FROM: i64 = 1_767_225_600;
const TO: i64 = 2_871_763_200;
/// How many fire times have to be the same before anything is measured.
const COMPARED: usize = 2_000;

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Next,
    Previous,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Previous => "previous",
        }
    }

    fn begin(self) -> i64 {
        match self {
            Self::Next => FROM,
            Self::Previous => TO,
        }
    }
}

/// Goes from fire time to fire time for ever.
struct Walk<T, F> {
    at: T,
    begin: T,
    step: F,
    inside: fn(&T) -> bool,
}

impl<T: Clone, F: Fn(&T) -> Option<T>> Walk<T, F> {
    fn step(&mut self) -> &T {
        let found = (self.step)(&self.at).filter(|found| (self.inside)(found));
        self.at = found.unwrap_or_else(|| self.begin.clone());
        &self.at
    }
}

fn own<F: Fn(&Timestamp) -> Option<Timestamp>>(direction: Direction, step: F) -> Walk<Timestamp, F> {
    let begin = Timestamp::from_second(direction.begin()).unwrap();
    Walk { at: begin, begin, step, inside: |t| (FROM..=TO).contains(&t.as_second()) }
}

fn other<Z: TimeZone, F>(direction: Direction, zone: &Z, step: F) -> Walk<DateTime<Z>, F>
where
    F: Fn(&DateTime<Z>) -> Option<DateTime<Z>>,
{
    let begin = zone.timestamp_opt(direction.begin(), 0).unwrap();
    Walk { at: begin.clone(), begin, step, inside: |t| (FROM..=TO).contains(&t.timestamp()) }
}

struct Bench<'a, 'b> {
    group: &'a mut BenchmarkGroup<'b, WallTime>,
    expression: &'a str,
    /// The fire times that the first engine gave.
    expected: Vec<i64>,
}

impl Bench<'_, '_> {
    fn run<T: Clone, F: Fn(&T) -> Option<T>>(
        &mut self,
        engine: &str,
        mut walk: Walk<T, F>,
        second: fn(&T) -> i64,
    ) {
        let found: Vec<i64> = (0..COMPARED).map(|_| second(walk.step())).collect();
        if self.expected.is_empty() {
            self.expected = found;
        } else {
            assert!(self.expected == found, "{engine} gives other fire times for {}", self.expression);
        }
        self.group.bench_function(BenchmarkId::new(self.expression, engine), |bencher| {
            bencher.iter(|| {
                black_box(walk.step());
            });
        });
    }
}

fn measure<Z: TimeZone>(criterion: &mut Criterion, direction: Direction, name: &str, zone: &Z) {
    let mut group = criterion.benchmark_group(format!("{} {name}", direction.name()));
    for expression in EXPRESSIONS {
        let mut bench = Bench { group: &mut group, expression, expected: Vec::new() };
        of_punctual(&mut bench, direction, name);
        of_croner(&mut bench, direction, zone);
        // It does not read L, and going back hour by hour it never leaves an overlap.
        let stays = direction == Direction::Previous && expression == EVERY_HOUR && name != "UTC";
        if !expression.contains('L') && !stays {
            of_cron(&mut bench, direction, zone);
        }
    }
    group.finish();
}

fn of_punctual(bench: &mut Bench<'_, '_>, direction: Direction, zone: &str) {
    let cron = CronSchedule::parse(bench.expression, zone).unwrap();
    let step = |t: &Timestamp| match direction {
        Direction::Next => cron.next_after(*t),
        Direction::Previous => cron.prev_before(*t),
    };
    bench.run("punctual", own(direction, step), |t| t.as_second());
    // As a scheduler asks: the set is made anew for every question.
    let schedule = Schedule::Cron(cron.clone());
    let window = Window { start: Timestamp::UNIX_EPOCH, end: None };
    let step = |t: &Timestamp| {
        let occurrences = Occurrences::new(&schedule, window);
        match direction {
            Direction::Next => occurrences.next_after(*t),
            Direction::Previous => occurrences.prev_before(*t),
        }
    };
    bench.run("punctual occurrences", own(direction, step), |t| t.as_second());
}

fn of_croner<Z: TimeZone>(bench: &mut Bench<'_, '_>, direction: Direction, zone: &Z) {
    let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Optional).build();
    let cron = parser.parse(bench.expression).unwrap();
    let step = |t: &DateTime<Z>| match direction {
        Direction::Next => cron.find_next_occurrence(t, false).ok(),
        Direction::Previous => cron.find_previous_occurrence(t, false).ok(),
    };
    bench.run("croner", other(direction, zone, step), DateTime::timestamp);
}

fn of_cron<Z: TimeZone>(bench: &mut Bench<'_, '_>, direction: Direction, zone: &Z) {
    let cron: cron::Schedule = bench.expression.parse().unwrap();
    let step = |t: &DateTime<Z>| match direction {
        Direction::Next => cron.after(t).next(),
        Direction::Previous => cron.after(t).next_back(),
    };
    bench.run("cron", other(direction, zone, step), DateTime::timestamp);
}

fn benchmarks(criterion: &mut Criterion) {
    for direction in [Direction::Next, Direction::Previous] {
        measure(criterion, direction, "UTC", &chrono::Utc);
        measure(criterion, direction, "America/New_York", &chrono_tz::America::New_York);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = benchmarks
}
criterion_main!(benches);
