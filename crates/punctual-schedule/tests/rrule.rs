//! Recurrence rules against recorded answers: the examples of RFC 5545 (section 3.8.5.3) and random rules, evaluated
//! in UTC by python-dateutil 2.9.0.

use jiff::Timestamp;
use punctual_schedule::{Occurrences, RecurrenceRule, Schedule, Window};
use serde_json::Value;

#[test]
fn recurrence_rules_give_the_recorded_instants() {
    let text = include_str!("rrule/cases.jsonl");
    let mut wrong = Vec::new();
    let mut right = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let rule = RecurrenceRule::parse(case["rrule"].as_str().unwrap(), "UTC");
        let schedule = Schedule::Rrule(rule.unwrap_or_else(|error| panic!("{line}: {error}")));
        let start: Timestamp = case["start"].as_str().unwrap().parse().unwrap();
        let occurrences = Occurrences::new(&schedule, Window { start, end: None });
        let expected: Vec<Timestamp> =
            case["next"].as_array().unwrap().iter().map(|at| at.as_str().unwrap().parse().unwrap()).collect();
        let count = case["count"].as_u64().unwrap() as usize;
        let actual: Vec<Timestamp> = occurrences.upcoming(start).take(count).collect();
        if actual != expected {
            wrong.push(format!("{line}\n  actual {actual:?}"));
            continue;
        }
        right += 1;
        // Backwards the same instants come in the opposite order.
        let mut at = expected.last().copied();
        for earlier in expected.iter().rev().skip(1) {
            at = occurrences.prev_before(at.unwrap());
            assert_eq!(at, Some(*earlier), "backwards: {line}");
        }
        if let Some(first) = expected.first() {
            assert_eq!(occurrences.prev_before(*first), None, "{line}");
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
    assert!(right >= 600, "only {right} cases were compared");
}
