//! Any bytes as the JSON of a schedule and of a calendar: no panic, no endless search; what is understood writes and
//! reads as the same.
//!
//! The first line holds instants (the window's start, where to look, perhaps the window's end), the second a
//! schedule, the rest a calendar.

#![no_main]

use libfuzzer_sys::fuzz_target;
use punctual_schedule::{Calendar, Occurrences, Schedule, Timestamp, Window};

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (at, schedule, calendar) = (lines.next(), lines.next(), lines.next());
    let at = String::from_utf8_lossy(at.unwrap_or_default());
    let mut instants: Vec<Timestamp> = at.split(' ').map(instant).collect();
    instants.resize(instants.len().max(2), Timestamp::UNIX_EPOCH);
    let calendar: Option<Calendar> = serde_json::from_slice(calendar.unwrap_or_default()).ok();
    if let Some(calendar) = &calendar {
        check_calendar(calendar, instants[0]);
    }
    let schedule: Option<Schedule> = serde_json::from_slice(schedule.unwrap_or_default()).ok();
    if let Some(schedule) = &schedule {
        let json = serde_json::to_string(schedule).expect("a schedule has a JSON form");
        let again: Schedule = serde_json::from_str(&json).expect("what is written can be read");
        assert_eq!(&again, schedule);
        check(schedule, None, &instants);
        check(schedule, calendar.as_ref(), &instants);
    }
});

/// A number of milliseconds, `min` or `max`.
fn instant(text: &str) -> Timestamp {
    match text {
        "min" => Timestamp::MIN,
        "max" => Timestamp::MAX,
        millis => {
            let millis = millis.parse().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
            millis.unwrap_or(Timestamp::UNIX_EPOCH)
        }
    }
}

fn check_calendar(calendar: &Calendar, t: Timestamp) {
    let json = serde_json::to_string(calendar).expect("a calendar has a JSON form");
    let again: Calendar = serde_json::from_str(&json).expect("what is written can be read");
    assert_eq!(&again, calendar);
    let found = calendar.next_included(t);
    assert!(found.is_none_or(|found| calendar.includes(found)));
    let _ = calendar.quartz_next_included(t);
}

fn check(schedule: &Schedule, calendar: Option<&Calendar>, instants: &[Timestamp]) {
    let (start, t) = (instants[0], instants[1]);
    let window = Window { start, end: instants.get(2).copied() };
    let occurrences = Occurrences::new(schedule, window).with_calendar(calendar);
    let next = occurrences.next_after(t);
    assert!(next.is_none_or(|next| next > t));
    let previous = occurrences.prev_before(t);
    assert!(previous.is_none_or(|previous| previous < t));
    let fires: Vec<Timestamp> = occurrences.upcoming(t).take(10).collect();
    assert!(fires.is_sorted_by(|one, two| one < two));
    assert!(calendar.is_none_or(|calendar| fires.iter().all(|fire| calendar.includes(*fire))));
    if let (Some(first), Some(last)) = (fires.first(), fires.last()) {
        assert_eq!(occurrences.at_or_after(t), Some(*first));
        assert_eq!(occurrences.count(*first, *last).count, fires.len() as u64);
        assert!(occurrences.contains(*last));
        let before = occurrences.prev_before(*last);
        assert!(fires.len() < 2 || before == Some(fires[fires.len() - 2]));
    }
    if calendar.is_none() {
        let all = occurrences.count(Timestamp::MIN, Timestamp::MAX);
        assert_eq!(all.first, occurrences.first());
        assert!(all.count >= fires.len() as u64);
    }
    let _ = occurrences.last();
}
