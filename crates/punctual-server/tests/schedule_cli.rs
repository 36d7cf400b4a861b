//! `punctual schedule` as people and programs call it, and its answers beside the recorded ones of Quartz.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

fn punctual(args: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_punctual"))
        .arg("schedule")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Written apart, since the answers may fill the pipe before all questions are in.
    let writer = std::thread::spawn(move || {
        // A command that asks for no input may have ended.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn shown(args: &[&str]) -> String {
    let (code, out, err) = punctual(args, "");
    assert_eq!(code, 0, "{err}");
    out
}

fn refused(args: &[&str]) -> String {
    let (code, out, err) = punctual(args, "");
    assert_eq!((code, &out[..]), (2, ""), "{err}");
    err
}

const BERLIN: [&str; 2] = ["--tz", "Europe/Berlin"];

#[test]
fn next_says_what_a_change_of_the_offset_does() {
    let next = |expression, from, extra: &[&str]| {
        let args = [&["next", expression, "--from", from, "--count", "2"], &BERLIN[..], extra].concat();
        shown(&args)
    };
    assert_eq!(
        next("0 30 2 * * ?", "2026-03-28T12:00:00Z", &[]),
        "Sun 2026-03-29 03:00:00 CEST (+02:00)  =  2026-03-29T01:00:00Z\n\
         \x20 note: 02:30 does not exist on 2026-03-29 in Europe/Berlin (gap); runs at 03:00\n\
         Mon 2026-03-30 02:30:00 CEST (+02:00)  =  2026-03-30T00:30:00Z\n"
    );
    assert_eq!(
        next("0 30 2 * * ?", "2026-03-28T12:00:00Z", &["--dst", "quartz"]),
        "  note: 02:30 does not exist on 2026-03-29 in Europe/Berlin (gap); does not run then\n\
         Mon 2026-03-30 02:30:00 CEST (+02:00)  =  2026-03-30T00:30:00Z\n\
         Tue 2026-03-31 02:30:00 CEST (+02:00)  =  2026-03-31T00:30:00Z\n"
    );
    let note = |expression, from, extra: &[&str]| {
        let out = next(expression, from, extra);
        out.lines().find_map(|line| line.strip_prefix("  note: ").map(str::to_owned))
    };
    let autumn = "2026-10-24T12:00:00Z";
    let at = "02:30 occurs twice on 2026-10-25 in Europe/Berlin (overlap); runs on the";
    assert_eq!(note("0 30 2 * * ?", autumn, &[]), Some(format!("{at} first pass only (UTC+02)")));
    assert_eq!(
        note("0 30 2 * * ?", autumn, &["--dst", "quartz"]),
        Some(format!("{at} second pass only (UTC+01)"))
    );
    assert_eq!(
        note("0 0/15 2 * * ?", autumn, &[]).unwrap(),
        "02:00 to 02:45 (4 firings) occur twice on 2026-10-25 in Europe/Berlin (overlap); run on both passes"
    );
    // Nothing changes for what fires every quarter of an hour, or at noon.
    assert_eq!(note("0 0/15 * * * ?", "2026-10-25T00:00:00Z", &[]), None);
    assert_eq!(note("0 0 12 * * ?", autumn, &[]), None);
}

#[test]
fn a_date_that_the_zone_skips_is_named() {
    let args =
        ["next", "0 30 2 * * ?", "--tz", "Pacific/Apia", "--from", "2011-12-30T00:00:00Z", "--count", "1"];
    let out = shown(&args);
    let note = "02:30 does not exist on 2011-12-30 in Pacific/Apia (gap); runs at 00:00 on 2011-12-31";
    assert!(out.contains(note), "{out}");
}

#[test]
fn prev_goes_backwards() {
    let args = ["prev", "0 30 2 * * ?", "--from", "2026-03-30T12:00:00Z", "--count", "3"];
    assert_eq!(
        shown(&[&args[..], &BERLIN].concat()),
        "Mon 2026-03-30 02:30:00 CEST (+02:00)  =  2026-03-30T00:30:00Z\n\
         Sun 2026-03-29 03:00:00 CEST (+02:00)  =  2026-03-29T01:00:00Z\n\
         \x20 note: 02:30 does not exist on 2026-03-29 in Europe/Berlin (gap); runs at 03:00\n\
         Sat 2026-03-28 02:30:00 CET (+01:00)  =  2026-03-28T01:30:00Z\n"
    );
    let json: Value = serde_json::from_str(&shown(&[&args[..], &BERLIN, &["--json"]].concat())).unwrap();
    assert_eq!(json["instants"][2]["utc"], "2026-03-28T01:30:00Z");
    assert_eq!(json["instants"][2]["local"], "2026-03-28T02:30:00+01:00");
    assert_eq!(json["notes"][0]["kind"], "gap");
}

#[test]
fn describe_says_it_in_english() {
    assert_eq!(
        shown(&[&["describe", "0 0 9-17 ? * mon-fri"], &BERLIN[..]].concat()),
        "every hour from 09:00 to 17:00, Monday to Friday, Europe/Berlin time\n\
         \x20 expression  0 0 9-17 ? * MON-FRI\n\
         \x20 zone        Europe/Berlin\n"
    );
    let json: Value = serde_json::from_str(&shown(&["describe", "0 0 0 30 2 ?", "--json"])).unwrap();
    assert_eq!(json["description"], "never: there is no such day (30 February)");
    assert_eq!(json["never"], true);
}

#[test]
fn why_names_the_reason() {
    let why =
        |instant, extra: &[&str]| shown(&[&["why", "0 30 2 ? * SUN", instant], &BERLIN[..], extra].concat());
    let starts = |answer: String, with: &str| assert!(answer.starts_with(with), "{answer}");
    starts(why("2026-03-22T01:30:00Z", &[]), "yes: Sunday 2026-03-22 02:30:00 (+01:00) matches");
    starts(
        why("2026-03-29T01:00:00Z", &[]),
        "yes: Sunday 2026-03-29 03:00:00 (+02:00) is the first instant after",
    );
    starts(
        why("2026-03-29T01:00:00Z", &["--dst", "quartz"]),
        "no: Sunday 2026-03-29 03:00:00 (+02:00): the minute",
    );
    starts(
        why("2026-03-29T02:30:00", &[]),
        "no: 02:30:00 does not exist on 2026-03-29 in Europe/Berlin (gap); it runs",
    );
    assert_eq!(
        why("2026-03-23T02:31:00", &[]),
        "no: Monday 2026-03-23 02:31:00 (+01:00): the minute is 31, and the field says 30; \
         the day of the week is Monday (2), and the field says SUN\n"
    );
    let both = why("2026-10-25T02:30:00", &[]);
    starts(both.clone(), "2026-10-25T00:30:00Z: yes:");
    assert!(both.contains("\n2026-10-25T01:30:00Z: no:") && both.contains("second pass"), "{both}");
    starts(why("2026-03-22T01:30:00Z", &["--from", "2026-03-23T00:00:00Z"]), "no: it lies before the start");
    starts(why("2026-03-22T01:30:00.5Z", &[]), "no: cron fires at whole seconds only");
    let json: Value = serde_json::from_str(&why("2026-03-23T02:30:00", &["--json"])).unwrap();
    assert_eq!(json["answers"][0]["fires"], false);
}

#[test]
fn bad_input_is_underlined() {
    for command in ["next", "prev", "describe"] {
        let error = refused(&[command, "0 61 * * * ?"]);
        assert!(error.ends_with("minutes are 0-59\n  0 61 * * * ?\n    ^^\n"), "{error}");
    }
    assert!(refused(&["next", "0 0 0 * * ?", "--tz", "Berlin"]).contains("did you mean \"Europe/Berlin\""));
    assert!(refused(&["why", "0 0 0 * * ?", "tomorrow"]).contains("neither an instant"));
}

fn ask(dst: &str, lines: &str) -> Vec<Value> {
    let (code, out, err) = punctual(&["next", "--jsonl", "--dst", dst], lines);
    assert_eq!(code, 0, "{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn refused_lines_name_the_field_and_do_not_stop_the_others() {
    let lines = r#"
not JSON
[]
{"op":"guess"}
{"op":"cron","expr":"0 61 * * * ?","from":"2025-01-01T00:00:00Z","count":1}
{"op":"cron","expr":"0 0 * * * ?","tz":"EST","from":"2025-01-01T00:00:00Z","count":1}
{"op":"cron","expr":"0 0 * * * ?","from":"today","count":1}
{"op":"cron","expr":"0 0 * * * ?","from":"2025-01-01T00:00:00Z","count":-1}
{"op":"trigger","type":"weekly","start":"2025-01-01T00:00:00Z","count":1}
{"op":"trigger","type":"simple","interval_ms":-1,"start":"2025-01-01T00:00:00Z","count":1}
{"op":"trigger","type":"simple","interval_ms":5,"start":"2025-01-01T00:00:00Z","end":"2024-01-01T00:00:00Z","count":1}
{"op":"calendar","calendar":{"type":"weekly"},"at":[]}
{"op":"cron","expr":"0 0 * * * ?","from":"2025-01-01T00:00:00.500Z","count":1}"#;
    let answers = ask("follow", lines);
    let fields = [
        "JSON",
        "JSON",
        "object",
        "op",
        "expr: minute",
        "tz",
        "from",
        "count",
        "type",
        "interval_ms",
        "end",
        "days",
    ];
    assert_eq!(answers.len(), fields.len() + 1);
    for (answer, field) in answers.iter().zip(fields) {
        assert!(answer["error"].as_str().unwrap().contains(field), "{field}: {answer}");
    }
    assert_eq!(answers[fields.len()], json!({ "next": ["2025-01-01T01:00:00Z"] }));
}

#[test]
fn without_quartz_the_default_policy_answers() {
    let case =
        r#"{"op":"cron","expr":"0 30 2 * * ?","tz":"Europe/Berlin","from":"2026-03-28T12:00:00Z","count":1}"#;
    assert_eq!(ask("follow", case), [json!({ "next": ["2026-03-29T01:00:00Z"] })]);
    assert_eq!(ask("quartz", case), [json!({ "next": ["2026-03-30T00:30:00Z"] })]);
}

#[test]
fn recurrence_rules_are_answered_like_other_triggers() {
    let case = r#"{"op":"trigger","type":"rrule","rrule":"FREQ=DAILY;COUNT=2","tz":"Europe/Berlin",
        "start":"2026-03-28T12:00:00.250Z","count":5}"#;
    let next = json!(["2026-03-28T12:00:00Z", "2026-03-29T11:00:00Z"]);
    assert_eq!(
        ask("follow", &case.replace('\n', "")),
        [json!({ "next": next, "final": "2026-03-29T11:00:00Z" })]
    );
}

/// Expected fields by operation; what else a case holds besides its input are notes.
const EXPECTED: [&str; 5] = ["next", "final", "then", "included", "next_included"];
const NOTES: [&str; 9] = [
    "kind",
    "feature",
    "dst",
    "regular",
    "near_transition",
    "final_is_last",
    "odd_next",
    "error",
    "error_offset",
];
/// Expected of a misfire, but input of a trigger.
const AFTER_MISFIRE: [&str; 3] = ["times_triggered", "repeat_count", "start"];

fn is_expected(case: &Value, name: &str) -> bool {
    EXPECTED.contains(&name) || (case["op"] == "misfire" && AFTER_MISFIRE.contains(&name))
}

/// Asks a file's questions without anything that is no input, and compares the answers.
///
/// `rule` gives for a case, a field and what is expected of it what to compare, or `None` to leave it out.
fn compare(file: &str, at_least: usize, rule: impl Fn(&Value, &str, &Value) -> Option<Value>) {
    let path = format!("{}/../punctual-schedule/tests/conformance/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let input = |case: &Value| -> Map<String, Value> {
        let fields = case.as_object().unwrap().clone().into_iter();
        fields.filter(|(name, _)| !is_expected(case, name) && !NOTES.contains(&&name[..])).collect()
    };
    let lines: Vec<String> = cases.iter().map(|case| Value::Object(input(case)).to_string()).collect();
    let answers = ask("quartz", &lines.join("\n"));
    assert_eq!(answers.len(), cases.len());

    let mut compared = 0;
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        let mut any = false;
        for (name, expected) in case.as_object().unwrap() {
            let refused = name == "error";
            if !refused && !is_expected(case, name) {
                continue;
            }
            let Some(expected) = rule(case, name, expected) else { continue };
            any = true;
            let actual = rule(case, name, &answer[name]).unwrap_or_default();
            let right = if refused { answer["error"].is_string() } else { expected == actual };
            if !right {
                wrong.push(format!("{} {name}\n  expected {expected}\n  actual   {answer}", case["id"]));
            }
        }
        compared += usize::from(any);
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    assert!(compared >= at_least, "only {compared} cases of {file} were compared");
}

fn kind(case: &Value) -> &str {
    case["kind"].as_str().unwrap()
}

/// Quartz may go on to a fire time after the end.
fn up_to_end(fires: &Value, end: &Value) -> Value {
    let end = end.as_str().map(|end| end.parse::<jiff::Timestamp>().unwrap());
    let is_before =
        |at: &&Value| end.is_none_or(|end| at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap() <= end);
    fires.as_array().map_or(Value::Null, |fires| fires.iter().filter(is_before).cloned().collect())
}

#[test]
fn cron_answers_are_those_of_quartz() {
    // A day number with W beyond the month's end, and questions from within a first pass, which Quartz misreads.
    compare("cron.jsonl", 2_200, |case, _, value| {
        (kind(case) != "quirk" && case["regular"] != false).then(|| value.clone())
    });
}

#[test]
fn malformed_expressions_are_refused() {
    // What Quartz accepts by passing over a part of it is refused instead.
    compare("cron_invalid.jsonl", 170, |case, _, value| (kind(case) != "accept-lax").then(|| value.clone()));
}

#[test]
fn trigger_answers_are_those_of_quartz() {
    compare("triggers.jsonl", 700, |case, name, value| {
        // Intervals where the offset changes, months without the day, firings after the end or before the start.
        let by_choice =
            ["-dst", "-month-end", "-past-end", "-quirk"].iter().any(|end| kind(case).ends_with(end));
        // A final fire time before the last one is no answer.
        let too_early = name == "final"
            && value
                .as_str()
                .zip(case["next"].as_array().unwrap().last().and_then(Value::as_str))
                .is_some_and(|(last, next)| case["type"] == "calendar_interval" && last < next);
        (!by_choice && !too_early).then(|| value.clone())
    });
}

#[test]
fn misfire_answers_are_those_of_quartz() {
    compare("misfire.jsonl", 250, |case, name, value| {
        let trigger = &case["trigger"];
        let day: u8 = trigger["start"].as_str().unwrap()[8..10].parse().unwrap();
        let months = trigger["unit"] == "MONTH" || trigger["unit"] == "YEAR";
        // As for triggers: near a change of the offset, and months from a day that not every month has.
        let by_choice = case["near_transition"] == true || (months && day > 28);
        let value = if name == "then" { up_to_end(value, &trigger["end"]) } else { value.clone() };
        (!by_choice).then_some(value)
    });
}

#[test]
fn calendar_answers_are_those_of_quartz() {
    compare("calendars.jsonl", 260, |case, name, value| {
        let near = case["near_transition"] == true;
        match (name, kind(case)) {
            // As for triggers.
            (_, "trigger-calendar_interval") if near => None,
            ("next", _) => Some(up_to_end(value, &case["end"])),
            // After a day that begins with a gap, Quartz keeps the hour at which that day began.
            ("next_included", "holiday" | "holiday-based") if near => None,
            ("next_included", _) => {
                // Answers before the instant, or excluded themselves; and a cron calendar in Quartz ends a hundred
                // years after the day on which it is asked, from where on it excludes nothing.
                let odd = case["odd_next"].as_array().cloned().unwrap_or_default();
                let ends = |index: usize| case[name][index].as_str().is_some_and(|at| at > "2100");
                let answers = value.as_array().cloned().unwrap_or_default();
                let kept = answers
                    .into_iter()
                    .enumerate()
                    .filter(|(index, _)| !odd.contains(&json!(index)) && !ends(*index));
                Some(kept.map(|(_, answer)| answer).collect())
            }
            _ => Some(value.clone()),
        }
    });
}

#[test]
fn no_fire_times_are_not_asked_for() {
    for command in ["next", "prev"] {
        let error = refused(&[command, "0 0 12 * * ?", "--count", "0"]);
        assert!(error.contains("'--count <COUNT>'") && error.contains("1.."), "{error}");
    }
}
