use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::*;

fn table(name: &str) -> Arc<ZoneTable> {
    ZoneTable::of(&TimeZone::get(name).unwrap())
}

#[test]
fn offsets_agree_with_jiff_before_and_after_every_change() {
    for name in
        ["America/New_York", "Africa/Casablanca", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kolkata"]
    {
        let zone = TimeZone::get(name).unwrap();
        let table = table(name);
        for change in zone.following(Timestamp::UNIX_EPOCH).take(400) {
            for at in [-1, 0, 1].map(|nudge| change.timestamp().as_second() + nudge) {
                let expected = zone.to_offset(Timestamp::from_second(at).unwrap()).seconds();
                assert_eq!(table.segment(at).offset, i64::from(expected), "{name} at {at}");
            }
        }
    }
}

#[test]
fn far_future_is_folded_without_a_trace() {
    let zone = TimeZone::get("America/New_York").unwrap();
    let table = table("America/New_York");
    for year in [2499, 2500, 2501, 2899, 2900, 2901, 4242, 9998] {
        let start: Timestamp = civil::date(year, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp();
        for change in zone.following(start).take(2) {
            let at = change.timestamp().as_second();
            let segment = table.segment(at);
            assert_eq!((segment.start, segment.offset), (at, i64::from(change.offset().seconds())), "{year}");
            assert_eq!(table.segment(at - 1).end, at, "{year}");
        }
    }
}

#[test]
fn a_zone_without_rules_has_no_change_at_the_seam() {
    let table = table("Asia/Kathmandu");
    for at in [FOLD_START - 1, FOLD_START, FOLD_START + CYCLE, FOLD_START + 3 * CYCLE + 5] {
        let segment = table.segment(at);
        assert_eq!((segment.offset, segment.before), (20_700, segment.before));
        assert!(segment.before == segment.offset || segment.start < 1_000_000_000, "{segment:?}");
    }
}

#[test]
fn local_times_resolve_as_jiff_has_them() {
    let zone = TimeZone::get("America/New_York").unwrap();
    let table = table("America/New_York");
    let local = |text: &str| {
        let dt: civil::DateTime = text.parse().unwrap();
        dt.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second()
    };
    let instant = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
    assert_eq!(
        table.resolve(local("2025-03-09T02:30:00")),
        Resolved::Gap { after: instant("2025-03-09T07:00:00Z"), shifted: instant("2025-03-09T07:30:00Z") }
    );
    assert_eq!(
        table.resolve(local("2025-11-02T01:30:00")),
        Resolved::Overlap { first: instant("2025-11-02T05:30:00Z"), second: instant("2025-11-02T06:30:00Z") }
    );
    for hours in 0..9000 {
        let at = instant("2025-01-01T00:17:00Z") + hours * 3600;
        let zoned = Timestamp::from_second(at).unwrap().to_zoned(zone.clone());
        let ok = match table.resolve(table.local(at)) {
            Resolved::Unique(own) => own == at,
            Resolved::Overlap { first, second } => first == at || second == at,
            Resolved::Gap { .. } => false,
        };
        assert!(ok, "{zoned}");
    }
}
