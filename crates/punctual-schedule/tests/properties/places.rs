//! Zones and instants to try things at.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use proptest::prelude::*;
use punctual_schedule::zone;

use super::walk;

/// Every zone that there is, by name.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names = tz::db().available().map(|name| name.as_str().to_owned());
    names.filter(|name| zone(name).is_ok()).collect()
});

pub(crate) fn zones() -> impl Strategy<Value = String> {
    // Gaps of a day, half an hour and odd minutes; two changes within a month; offsets with seconds.
    let odd = prop::sample::select(vec![
        "Pacific/Apia",
        "Pacific/Kwajalein",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Africa/Monrovia",
        "America/New_York",
        "Antarctica/Troll",
        "Asia/Gaza",
        "Europe/Dublin",
        "America/Nuuk",
    ]);
    prop_oneof![
        3 => (0..ZONES.len()).prop_map(|index| ZONES[index].clone()),
        2 => odd.prop_map(str::to_owned),
        1 => Just("UTC".to_owned()),
    ]
}

/// Milliseconds: mostly 1970 to 2099, sometimes up to 9999.
pub(crate) fn instants() -> impl Strategy<Value = Timestamp> {
    let second = prop_oneof![
        6 => 0..4_102_444_800_i64,
        2 => 4_102_444_800..walk::LAST,
        1 => -100_000..100_000_i64,
        1 => walk::LAST - 100_000_000..walk::LAST,
    ];
    let millis = prop_oneof![3 => Just(0), 1 => 0..1000_i64];
    (second, millis).prop_map(|(second, millis)| {
        Timestamp::from_millisecond((second * 1000 + millis).min(walk::LAST * 1000)).unwrap()
    })
}

/// The next change of the zone's offset, else the last one, else `t` itself; in seconds.
pub(crate) fn change(zone: &TimeZone, t: Timestamp) -> i64 {
    let next = zone.following(t).next().map(|change| change.timestamp());
    let last = || zone.preceding(t).next().map(|change| change.timestamp());
    next.or_else(last).unwrap_or(t).as_second().clamp(0, walk::LAST)
}
