//! An expression, a zone and an instant anywhere in time: the searches end and agree with each other.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use punctual_schedule::{
    CronExpression, CronSchedule, DstPolicy, Occurrences, Schedule, TimeZone, Timestamp,
};
use punctual_schedule::{Window, zone};

/// Zones with every kind of change: none, yearly ones, half hours, whole days, two a month, offsets with seconds.
static ZONES: LazyLock<Vec<TimeZone>> = LazyLock::new(|| {
    let names = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Africa/Monrovia",
        "Antarctica/Troll",
        "America/Nuuk",
        "Asia/Gaza",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Pacific/Chatham",
        "Pacific/Kiritimati",
        "Etc/GMT+12",
    ];
    names.iter().map(|name| zone(name).expect("a zone")).collect()
});

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    zone: u8,
    quartz: bool,
    at: At,
    until: At,
    text: &'a str,
}

#[derive(Arbitrary, Debug)]
enum At {
    /// Seconds from 1970 on, before 2106, and milliseconds.
    Recent(u32, u16),
    /// Seconds from the first to the last that there are.
    Seconds(u64),
    /// Nanoseconds from 1970, so up to 2262 and back to 1677.
    Nanos(i64),
    Min,
    Max,
}

impl At {
    fn timestamp(&self) -> Timestamp {
        let (min, max) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        match *self {
            Self::Min => Timestamp::MIN,
            Self::Max => Timestamp::MAX,
            Self::Nanos(nanos) => Timestamp::from_nanosecond(nanos.into()).expect("in range"),
            Self::Seconds(s) => {
                let second = min + (s % (max - min) as u64) as i64;
                Timestamp::from_second(second).expect("in range")
            }
            Self::Recent(second, millis) => {
                let millis = i64::from(second) * 1000 + i64::from(millis % 1000);
                Timestamp::from_millisecond(millis).expect("in range")
            }
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let Ok(expression) = CronExpression::parse_hashed(input.text, "key") else { return };
    let zone = ZONES[usize::from(input.zone) % ZONES.len()].clone();
    let dst = if input.quartz { DstPolicy::Quartz } else { DstPolicy::Follow };
    let cron = CronSchedule::new(expression, zone, dst);
    let t = input.at.timestamp();

    let (first, last) = (cron.next_after(Timestamp::MIN), cron.prev_before(Timestamp::MAX));
    assert_eq!(first.is_some(), last.is_some());
    assert!(cron.expression().never_matches() <= first.is_none());
    let (next, previous) = (cron.next_after(t), cron.prev_before(t));
    assert!(next.is_none_or(|next| next > t) && previous.is_none_or(|previous| previous < t));
    assert_eq!(next.is_some(), last.is_some_and(|last| last > t));
    assert_eq!(previous.is_some(), first.is_some_and(|first| first < t));
    if let Some(next) = next {
        assert!(cron.prev_before(next).is_none_or(|back| back <= t));
        assert!(cron.next_after(next).is_none_or(|on| on > next));
    }
    if let Some(previous) = previous {
        assert!(cron.next_after(previous).is_none_or(|on| on >= t));
        assert!(cron.prev_before(previous).is_none_or(|back| back < previous));
    }
    count(cron, t, input.until.timestamp());
});

/// A few firings one by one, and as many as `count` says.
fn count(cron: CronSchedule, from: Timestamp, until: Timestamp) {
    let schedule = Schedule::Cron(cron);
    let occurrences = Occurrences::new(&schedule, Window { start: from, end: Some(until) });
    let fires: Vec<Timestamp> = occurrences.upcoming(Timestamp::MIN).take(20).collect();
    let all = occurrences.count(Timestamp::MIN, Timestamp::MAX);
    assert_eq!(all.first, fires.first().copied());
    assert_eq!(all.first, occurrences.first());
    if fires.len() < 20 {
        assert_eq!(all.count, fires.len() as u64);
        assert_eq!(all.last, fires.last().copied());
    } else {
        assert_eq!(occurrences.count(fires[0], fires[19]).count, 20);
        assert!(all.count >= 20);
    }
    if let Some(last) = all.last {
        assert!(occurrences.contains(last));
        assert_eq!(occurrences.next_after(last), None);
        assert!(last <= until);
    }
}
