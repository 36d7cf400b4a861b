//! Schedule arithmetic against recorded answers of Quartz 2.3.2; see `conformance/README.md`.
//!
//! What is left out is left out by rule, never by case, and each rule says why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use punctual_schedule::{
    Calendar, CronExpression, CronSchedule, DstPolicy, MisfirePolicy, Occurrences, Schedule, Window,
    misfire::{self, MisfireState},
    zone,
};
use serde_json::{Value, json};

/// Right and wrong answers of each kind of case, and the first wrong ones in words.
#[derive(Default)]
struct Score {
    kinds: BTreeMap<String, (u32, u32)>,
    wrong: Vec<String>,
}

impl Score {
    fn note(&mut self, case: &Value, expected: &Value, actual: &Value) {
        let kind = case["kind"].as_str().unwrap_or("?").to_owned();
        let counts = self.kinds.entry(kind.clone()).or_default();
        if same(expected, actual) {
            counts.0 += 1;
            return;
        }
        counts.1 += 1;
        if counts.1 <= 3 {
            self.wrong.push(format!("{kind} {}\n  expected {expected}\n  actual   {actual}", case["id"]));
        }
    }

    fn finish(self, at_least: u32) {
        let right: u32 = self.kinds.values().map(|counts| counts.0).sum();
        assert!(self.wrong.is_empty(), "{:#?}\n{}", self.kinds, self.wrong.join("\n"));
        assert!(right >= at_least, "only {right} cases were compared");
    }
}

/// Equal, with instants compared as such: `.5Z` is `.500Z`.
fn same(expected: &Value, actual: &Value) -> bool {
    let (Value::Array(expected), Value::Array(actual)) = (expected, actual) else {
        return expected == actual;
    };
    expected.len() == actual.len()
        && expected.iter().zip(actual).all(|(one, two)| match (one.as_str(), two.as_str()) {
            (Some(_), Some(_)) => instant(one) == instant(two),
            _ => one == two,
        })
}

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/conformance/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().unwrap())
}

fn text(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::from(at.to_string()))
}

fn cron(case: &Value) -> Result<CronSchedule, String> {
    let expression =
        CronExpression::parse(case["expr"].as_str().unwrap()).map_err(|error| error.to_string())?;
    let zone = zone(case["tz"].as_str().unwrap()).map_err(|error| error.to_string())?;
    Ok(CronSchedule::new(expression, zone, DstPolicy::Quartz))
}

fn next_fires(cron: &CronSchedule, case: &Value) -> Value {
    let mut at = instant(&case["from"]).unwrap();
    let mut fires = Vec::new();
    while fires.len() < case["count"].as_u64().unwrap() as usize {
        let Some(next) = cron.next_after(at) else { break };
        fires.push(text(Some(next)));
        at = next;
    }
    // The files hold nothing on or after the limit that their README names.
    Value::Array(fires)
}

#[test]
fn cron_fires_as_quartz_does() {
    let mut score = Score::default();
    for case in cases("cron.jsonl") {
        // A day number with W beyond the month's end, which Quartz carries over against its documentation; and answers
        // that miss firings because Quartz misreads the instant it is asked about.
        if case["kind"] == "quirk" || case["regular"] == false {
            continue;
        }
        let actual = next_fires(&cron(&case).unwrap(), &case);
        score.note(&case, &case["next"], &actual);
    }
    score.finish(2_000);
}

#[test]
fn malformed_expressions_are_refused_and_odd_ones_are_not() {
    let mut score = Score::default();
    for case in cases("cron_invalid.jsonl") {
        // Texts that Quartz accepts by ignoring a part of them, or that make it loop: refusing those is better.
        if case["kind"] == "accept-lax" || case["kind"] == "accept-broken" {
            continue;
        }
        let expected = if case["error"].is_null() { case["next"].clone() } else { json!("refused") };
        let actual = cron(&case).map_or(json!("refused"), |cron| next_fires(&cron, &case));
        score.note(&case, &expected, &actual);
    }
    score.finish(100);
}

/// The schedule of a trigger in the form of the storage contract.
fn schedule(trigger: &Value) -> Result<Schedule, String> {
    let mut fields = trigger.as_object().unwrap().clone();
    for note in [
        "id",
        "op",
        "kind",
        "feature",
        "dst",
        "regular",
        "near_transition",
        "final_is_last",
        "start",
        "end",
        "count",
        "next",
        "final",
        "calendar",
        "instruction",
        "state",
        "now",
    ] {
        fields.remove(note);
    }
    if fields["type"] == "cron" {
        fields.insert("dst".to_owned(), json!("quartz"));
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

fn window(trigger: &Value) -> Window {
    Window { start: instant(&trigger["start"]).unwrap(), end: instant(&trigger["end"]) }
}

fn fires(case: &Value, calendar: Option<&Calendar>) -> Value {
    let schedule = match schedule(case) {
        Ok(schedule) => schedule,
        Err(error) => return json!({ "refused": error }),
    };
    let window = window(case);
    let occurrences = Occurrences::new(&schedule, window).with_calendar(calendar);
    let count = case["count"].as_u64().unwrap() as usize;
    let Some(first) = occurrences.first() else { return json!([]) };
    Value::Array(occurrences.upcoming(first).take(count).map(|at| text(Some(at))).collect())
}

/// Kinds of trigger cases that are no promise: what an interval does where the offset changes, how months without the
/// day go on, a firing after the end, and a first firing before the start.
fn by_choice(case: &Value) -> bool {
    let kind = case["kind"].as_str().unwrap_or_default();
    ["-dst", "-month-end", "-past-end", "-quirk"].iter().any(|suffix| kind.ends_with(suffix))
}

#[test]
fn triggers_fire_as_in_quartz() {
    let mut score = Score::default();
    for case in cases("triggers.jsonl") {
        if !by_choice(&case) {
            score.note(&case, &case["next"], &fires(&case, None));
        }
    }
    score.finish(700);
}

/// The expected fires up to the trigger's end: where a calendar excludes the last one before it, Quartz goes on to one
/// after the end.
fn before_end(case: &Value) -> Value {
    let end = instant(&case["end"]);
    let fires = case["next"].as_array().unwrap().iter();
    fires.filter(|at| end.is_none_or(|end| instant(at).unwrap() <= end)).cloned().collect()
}

fn policy(instruction: &str) -> MisfirePolicy {
    match instruction {
        "SMART_POLICY" => MisfirePolicy::Smart,
        "IGNORE_MISFIRE_POLICY" => MisfirePolicy::IgnoreMisfires,
        "FIRE_ONCE_NOW" => MisfirePolicy::FireOnceNow,
        "DO_NOTHING" => MisfirePolicy::DoNothing,
        "FIRE_NOW" => MisfirePolicy::FireNow,
        "RESCHEDULE_NOW_WITH_EXISTING_REPEAT_COUNT" => MisfirePolicy::RescheduleNowWithExistingCount,
        "RESCHEDULE_NOW_WITH_REMAINING_REPEAT_COUNT" => MisfirePolicy::RescheduleNowWithRemainingCount,
        "RESCHEDULE_NEXT_WITH_REMAINING_COUNT" => MisfirePolicy::RescheduleNextWithRemainingCount,
        "RESCHEDULE_NEXT_WITH_EXISTING_COUNT" => MisfirePolicy::RescheduleNextWithExistingCount,
        other => panic!("the corpus names an instruction {other}"),
    }
}

#[test]
fn misfires_move_triggers_as_in_quartz() {
    let mut score = Score::default();
    for case in cases("misfire.jsonl") {
        let trigger = &case["trigger"];
        // Choices, as for triggers: near a change of the offset, and months from a day that not every month has.
        let day: u8 = trigger["start"].as_str().unwrap()[8..10].parse().unwrap();
        let months = trigger["unit"] == "MONTH" || trigger["unit"] == "YEAR";
        if case["near_transition"] == true || (months && day > 28) {
            continue;
        }
        let schedule = schedule(trigger).unwrap();
        let state = MisfireState {
            times_triggered: case["state"]["times_triggered"].as_u64().unwrap(),
            previous: instant(&case["state"]["previous"]),
            next: instant(&case["state"]["next"]).unwrap(),
        };
        let now = instant(&case["now"]).unwrap();
        let policy = policy(case["instruction"].as_str().unwrap());
        let moved = misfire::apply(&schedule, &window(trigger), None, policy, &state, now);
        score.note(&case, &json!([case["next"]]), &json!([text(moved.next)]));
        if let Some(times) = case.get("times_triggered") {
            score.note(&case, times, &json!(moved.times_triggered));
        }
        // Only instructions of simple triggers move the start. (For cron, Quartz drops its milliseconds when it is set.)
        if let (Some(start), "simple") = (case.get("start"), trigger["type"].as_str().unwrap()) {
            score.note(&case, &json!([start]), &json!([text(Some(moved.start))]));
        }
    }
    score.finish(400);
}

#[test]
fn calendars_exclude_what_quartz_excludes() {
    let mut score = Score::default();
    for case in cases("calendars.jsonl") {
        let calendar: Calendar = match serde_json::from_value(case["calendar"].clone()) {
            Ok(calendar) => calendar,
            Err(error) => {
                score.note(&case, &Value::Null, &json!(error.to_string()));
                continue;
            }
        };
        if case["op"] == "trigger" {
            // What an interval does where the offset changes is a choice, with a calendar as without one.
            let interval = case["type"] == "calendar_interval";
            if !(interval && case["near_transition"] == true) {
                score.note(&case, &before_end(&case), &fires(&case, Some(&calendar)));
            }
            continue;
        }
        let included: Vec<bool> =
            case["at"].as_array().unwrap().iter().map(|at| calendar.includes(instant(at).unwrap())).collect();
        score.note(&case, &case["included"], &json!(included));
    }
    score.finish(200);
}
