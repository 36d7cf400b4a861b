use jiff::Timestamp;

use super::RecurrenceRule;
use crate::{Occurrences, Schedule, Window};

fn fires(rule: &str, tz: &str, start: &str, count: usize) -> Vec<Timestamp> {
    let schedule = Schedule::Rrule(RecurrenceRule::parse(rule, tz).unwrap());
    let window = Window { start: start.parse().unwrap(), end: None };
    Occurrences::new(&schedule, window).upcoming(window.start).take(count).collect()
}

fn instants(texts: &[&str]) -> Vec<Timestamp> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_gap_moves_a_local_time_on_and_an_overlap_is_on_the_first_pass() {
    let daily = "FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0";
    assert_eq!(
        fires(daily, "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        instants(&["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"])
    );
    assert_eq!(
        fires(daily, "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        instants(&["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"])
    );
}

#[test]
fn times_that_a_gap_brings_together_are_one_instant() {
    let rule = "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;BYSECOND=0";
    assert_eq!(
        fires(rule, "Europe/Berlin", "2026-03-28T12:00:00Z", 3),
        instants(&["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"])
    );
}

#[test]
fn an_hourly_rule_goes_through_both_passes() {
    assert_eq!(
        fires("FREQ=HOURLY;BYMINUTE=0", "Europe/Berlin", "2026-10-24T23:30:00Z", 4),
        instants(&[
            "2026-10-25T00:00:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T02:00:00Z",
            "2026-10-25T03:00:00Z"
        ])
    );
}

#[test]
fn until_is_included_and_a_date_means_all_of_the_local_day() {
    let until = |until: &str| {
        fires(&format!("FREQ=DAILY;UNTIL={until}"), "America/New_York", "2026-01-01T17:00:00Z", 9).len()
    };
    assert_eq!(until("20260103"), 3);
    assert_eq!(until("20260103T120000"), 3);
    assert_eq!(until("20260103T115959"), 2);
    assert_eq!(until("20260103T170000Z"), 3);
    assert_eq!(until("20260103T165959Z"), 2);
}

#[test]
fn a_rule_that_never_matches_ends() {
    assert_eq!(fires("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "UTC", "2026-01-01T00:00:00Z", 1), []);
    assert_eq!(fires("FREQ=SECONDLY;INTERVAL=7200;BYHOUR=1", "UTC", "2026-01-01T00:00:00Z", 1), []);
}

#[test]
fn malformed_and_flooding_rules_are_refused_with_the_part_named() {
    for (rule, part, says) in [
        ("", "part", "NAME=VALUE"),
        ("BYDAY=MO", "FREQ", "needs FREQ"),
        ("FREQ=FORTNIGHTLY", "FREQ", "one of SECONDLY"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ", "twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL", "from 1"),
        ("FREQ=DAILY;COUNT=10001", "COUNT", "to 10000"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20260101", "COUNT", "together with UNTIL"),
        ("FREQ=DAILY;UNTIL=20260230", "UNTIL", "is a date"),
        ("FREQ=DAILY;UNTIL=20260201T1200", "UNTIL", "is a date"),
        ("FREQ=MONTHLY;BYDAY=XX", "BYDAY", "one of SU"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY", "from 1 to 53"),
        ("FREQ=WEEKLY;BYDAY=2MO", "BYDAY", "MONTHLY and YEARLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=2", "BYMONTHDAY", "not for WEEKLY"),
        ("FREQ=DAILY;BYYEARDAY=2", "BYYEARDAY", "not for DAILY"),
        ("FREQ=DAILY;BYWEEKNO=2", "BYWEEKNO", "YEARLY only"),
        ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS", "there is none"),
        ("FREQ=DAILY;BYSECOND=60", "BYSECOND", "from 0 to 59"),
        ("FREQ=DAILY;DTSTART=20260101", "part", "the trigger's start"),
        ("FREQ=SECONDLY", "FREQ", "COUNT or UNTIL"),
        ("FREQ=MINUTELY;BYSECOND=0,30", "FREQ", "COUNT or UNTIL"),
    ] {
        let error = RecurrenceRule::parse(rule, "UTC").unwrap_err();
        assert_eq!(error.field(), part, "{rule}: {error}");
        assert!(error.to_string().contains(says), "{rule}: {error}");
        let span = error.span().unwrap();
        assert!(error.input().unwrap().get(span).is_some(), "{rule}");
    }
}

#[test]
fn the_text_keeps_its_place_without_prefix_and_in_capitals() {
    let rule = RecurrenceRule::parse(" rrule:freq=weekly;byday=mo ", "Europe/Berlin").unwrap();
    assert_eq!(rule.as_str(), "FREQ=WEEKLY;BYDAY=MO");
    let json = serde_json::to_string(&Schedule::Rrule(rule.clone())).unwrap();
    assert_eq!(json, r#"{"type":"rrule","rrule":"FREQ=WEEKLY;BYDAY=MO","tz":"Europe/Berlin"}"#);
    assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), Schedule::Rrule(rule));
}
