use std::collections::HashMap;

use crate::cron::{Fields, Years};
use crate::{CronExpression, CronSchedule, DstPolicy, Schedule};

fn cron(text: &str) -> String {
    CronExpression::parse(text).unwrap().describe()
}

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(cron(text), *expected, "{text}");
    }
}

#[test]
fn says_single_times() {
    check(&[
        ("0 30 2 * * ?", "at 02:30 every day"),
        ("15 30 2 * * ?", "at 02:30:15 every day"),
        ("0 0 9,17 * * ?", "at 09:00 and 17:00 every day"),
        ("0 0 9-12,14 * * ?", "at 09:00, 10:00, 11:00, 12:00 and 14:00 every day"),
        ("0 27,8,39 17 * * ?", "at 17:08, 17:27 and 17:39 every day"),
        ("@daily", "at 00:00 every day"),
        ("@weekly", "at 00:00 every Sunday"),
        ("@monthly", "at 00:00 on the 1st of the month"),
        ("@yearly", "at 00:00 on 1 January"),
    ]);
}

#[test]
fn says_series() {
    check(&[
        ("* * * * * ?", "every second"),
        ("0/15 * * * * ?", "every 15 seconds"),
        ("5/15 * * * * ?", "every 15 seconds from second 5 of each minute"),
        ("30 * * * * ?", "every minute at second 30"),
        ("0 0/5 * * * ?", "every 5 minutes"),
        ("30 5/15 * * * ?", "every 15 minutes from minute 5 of each hour, at second 30"),
        ("@hourly", "every hour"),
        ("0 5 * * * ?", "every hour at minute 5"),
        ("7 5 * * * ?", "every hour at minute 5 and second 7"),
        ("0 0 */2 * * ?", "every 2 hours from 00:00 to 22:00, every day"),
        ("0 0 9-17 ? * MON-FRI", "every hour from 09:00 to 17:00, Monday to Friday"),
        ("0 0/5 9-17 ? * MON-FRI", "every 5 minutes from 09:00 to 17:55, Monday to Friday"),
        ("0/10 * 9 * * ?", "every 10 seconds from 09:00:00 to 09:59:50, every day"),
        ("0 0/30 9,10,14 * * ?", "every 30 minutes from 09:00 to 10:30 and from 14:00 to 14:30, every day"),
        ("* 30-40 2 * * ?", "every second from 02:30:00 to 02:40:59, every day"),
        ("0 */7 0 * * ?", "every 7 minutes from 00:00 to 00:56, every day"),
    ]);
}

/// Hours around midnight belong to two dates, so they are one stretch only where every day has both parts.
#[test]
fn says_hours_around_midnight() {
    check(&[
        ("0 0/5 22-2 * * ?", "every 5 minutes from 22:00 to 02:55, every day"),
        ("0 0/5 22-2 ? * MON", "every 5 minutes from 00:00 to 02:55 and from 22:00 to 23:55, every Monday"),
        (
            "0 0/5 22-2 * * ? 2025",
            "every 5 minutes from 00:00 to 02:55 and from 22:00 to 23:55, every day, in 2025",
        ),
    ]);
}

/// A step that does not divide the hour has a shorter distance at the hour's end, so it is no plain interval.
#[test]
fn says_uneven_steps_and_lists_field_by_field() {
    check(&[
        ("0 */7 * * * ?", "every 7 minutes from minute 0 to minute 56 of every hour"),
        ("*/7 * * * * ?", "every 7 seconds from second 0 to second 56 of every minute"),
        ("0 3,17,40 9-17 * * ?", "at minutes 3, 17 and 40 of every hour from 9 to 17, every day"),
        ("1-3,7 * 9-17 * * ?", "at seconds 1 to 3 and 7 of every minute from 09:00 to 17:59, every day"),
        (
            "0 5,35 1/2 L * ?",
            "at minutes 5 and 35 of every 2nd hour from 1 to 23, on the last day of the month",
        ),
        ("9,1 5,9 1,9 * * ?", "at seconds 1 and 9 of minutes 5 and 9 of hours 1 and 9, every day"),
        ("0 55-5 1 * * ?", "at minutes 0 to 5 and 55 to 59 of hour 1, every day"),
    ]);
}

#[test]
fn says_days() {
    check(&[
        ("0 15 10 L * ?", "at 10:15 on the last day of the month"),
        ("0 0 0 L-1 2 ?", "at 00:00 on the day before the last day of February"),
        ("0 0 0 L-3 * ?", "at 00:00 on the 3rd day before the last day of the month"),
        ("0 0 0 L-30 * ?", "at 00:00 on the 30th day before the last day of every month that has one"),
        ("0 0 0 LW * ?", "at 00:00 on the last weekday (Monday to Friday) of the month"),
        ("0 0 0 15W * ?", "at 00:00 on the weekday (Monday to Friday) nearest to the 15th of the month"),
        (
            "0 0 0 31W * ?",
            "at 00:00 on the weekday (Monday to Friday) nearest to the 31st of every month that has one, \
             within that month",
        ),
        (
            "0 0 0 L-3W 6 ?",
            "at 00:00 on the weekday (Monday to Friday) nearest to the 3rd day before the last day of June",
        ),
        ("0 0 0 ? * FRIL", "at 00:00 on the last Friday of the month"),
        ("0 0 0 ? * 6#3", "at 00:00 on the third Friday of the month"),
        ("0 0 0 ? * 6#5", "at 00:00 on the fifth Friday of every month that has one"),
        ("0 0 0 ? * L", "at 00:00 every Saturday"),
        ("0 0 0 ? * FRI-MON", "at 00:00 Friday to Monday"),
        ("0 0 0 ? * SUN,WED,SAT", "at 00:00 on Wednesday, Saturday and Sunday"),
        ("0 0 0 1,15 * ?", "at 00:00 on days 1 and 15 of the month"),
        ("0 0 0 1-7,20 * ?", "at 00:00 on days 1 to 7 and 20 of the month"),
        ("0 0 0 */2 * ?", "at 00:00 on every 2nd day from the 1st to the 31st of the month"),
        ("0 0 0 31 * ?", "at 00:00 on the 31st of every month that has one"),
    ]);
}

#[test]
fn says_months_and_years() {
    check(&[
        ("0 0 0 29 2 ? *", "at 00:00 on 29 February"),
        ("0 0 0 30 1-3 ?", "at 00:00 on the 30th of January and March"),
        ("0 0 0 1 1,4,7,10 ?", "at 00:00 on the 1st of January, April, July and October"),
        ("0 0 0 1 NOV-FEB ?", "at 00:00 on the 1st of every month from November to February"),
        (
            "0 0 0 1 NOV-FEB ? 2025",
            "at 00:00 on the 1st of January, February, November and December, in 2025",
        ),
        ("0 0 0 * 6-8 ?", "at 00:00 every day from June to August"),
        ("0 0 0 ? 3 MON", "at 00:00 every Monday in March"),
        ("0 0 0 1 1 ? 2025-2030", "at 00:00 on 1 January, from 2025 to 2030"),
        ("0 0 0 1 1 ? 2025/2", "at 00:00 on 1 January, every 2nd year from 2025 to 2099"),
        ("0 0 0 1 1 ? 2025,2027", "at 00:00 on 1 January, in 2025 and 2027"),
    ]);
}

#[test]
fn says_that_it_never_matches_and_why() {
    check(&[
        ("0 0 0 30 2 ?", "never: there is no such day (30 February)"),
        ("0 0 0 29 2 ? 2023", "never: there is no such day (29 February, in 2023)"),
        ("0 0 0 31 4,6 ?", "never: there is no such day (the 31st of April and June)"),
        ("0 0 0 1 1 ? 1960", "never: it names no year from 1970 to 2099"),
    ]);
}

#[test]
fn says_other_kinds() {
    let table = [
        (r#"{"type":"once"}"#, "once, at the start"),
        (r#"{"type":"simple","interval_ms":0,"repeat_count":0}"#, "once, at the start"),
        (r#"{"type":"simple","interval_ms":3600000}"#, "every hour from the start on"),
        (
            r#"{"type":"simple","interval_ms":90500,"repeat_count":5}"#,
            "every 1 minute 30 seconds 500 milliseconds from the start on, 6 times in all",
        ),
        (
            r#"{"type":"calendar_interval","tz":"Europe/Berlin","interval":1,"unit":"DAY"}"#,
            "every day at the time of day of the start, Europe/Berlin time",
        ),
        (r#"{"type":"calendar_interval","interval":5,"unit":"HOUR"}"#, "every 5 hours from the start on"),
        (
            r#"{"type":"daily_time_interval","tz":"Europe/Berlin","interval":20,"unit":"MINUTE",
                "start_time_of_day":"09:00:00","end_time_of_day":"17:10:00","days_of_week":[2,3,4],
                "repeat_count":7}"#,
            "every 20 minutes from 09:00 until 17:10 at the latest, Monday to Wednesday, Europe/Berlin time, \
             8 times in all",
        ),
        (
            r#"{"type":"daily_time_interval","interval":5,"unit":"HOUR"}"#,
            "every 5 hours from 00:00 to the end of the day, every day, UTC",
        ),
        (
            r#"{"type":"fixed_delay","delay_ms":3600000,"repeat_count":2}"#,
            "at the start, then 1 hour after the end of each run, 3 times in all",
        ),
        (
            r#"{"type":"rrule","rrule":"FREQ=DAILY;COUNT=3","tz":"Europe/Berlin"}"#,
            "by the recurrence rule FREQ=DAILY;COUNT=3 from the start on, Europe/Berlin time",
        ),
    ];
    for (json, expected) in table {
        let schedule: Schedule = serde_json::from_str(json).unwrap();
        assert_eq!(schedule.describe(), expected, "{json}");
    }
}

#[test]
fn says_the_zone_and_the_policy() {
    let cron = CronSchedule::parse("0 30 2 * * ?", "Europe/Berlin").unwrap();
    assert_eq!(
        Schedule::Cron(cron.with_dst(DstPolicy::Quartz)).describe(),
        "at 02:30 every day, Europe/Berlin time (as in Quartz: not in a gap, and on the second pass of an overlap)"
    );
}

/// What an expression means: matching times, and the matching days of every kind of month in every month.
fn meaning(fields: &Fields) -> impl PartialEq + std::fmt::Debug + use<> {
    let days: Vec<u32> = (1..=12)
        .filter(|month| fields.months >> month & 1 == 1)
        .flat_map(|month| [2000, 2001].map(|year| (crate::civil::days_in_month(year, month), month)))
        .flat_map(|(length, month)| (0..7).map(move |first| (length, first, month)))
        .map(|(length, first, month)| fields.days.of(length, first) | u32::from(month == 0))
        .collect();
    let years = match fields.years {
        Years::Every => None,
        Years::Listed(words) => Some(words),
    };
    (fields.seconds, fields.minutes, fields.hours, fields.months, days, years)
}

fn well_formed(text: &str, description: &str) {
    assert!(!description.is_empty(), "{text}");
    for bad in ["[", "None", "  ", " ,", "Some", "from  "] {
        assert!(!description.contains(bad), "{text}: {description}");
    }
}

/// Two expressions that mean different things never have the same description.
#[test]
fn recorded_expressions_have_descriptions_that_tell_them_apart() {
    let mut seen: HashMap<String, CronExpression> = HashMap::new();
    let mut count = 0;
    for line in include_str!("../../tests/conformance/cron.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let expression: CronExpression = case["expr"].as_str().unwrap().parse().unwrap();
        let description = expression.describe();
        well_formed(expression.as_str(), &description);
        count += 1;
        let other = seen.entry(description.clone()).or_insert_with(|| expression.clone());
        if expression != *other && !expression.never_matches() {
            assert_eq!(
                meaning(expression.fields()),
                meaning(other.fields()),
                "{description}: {expression} {other}"
            );
        }
    }
    assert!(count > 2_000, "{count}");
    assert!(seen.len() > 1_000, "{}", seen.len());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
        let range = (low..=high, low..=high).prop_map(|(first, last)| format!("{first}-{last}"));
        let item = prop_oneof![
            3 => (low..=high).prop_map(|value| value.to_string()),
            2 => range,
            2 => (low..=high, 1..=(high - low).min(12)).prop_map(|(first, step)| format!("{first}/{step}")),
        ];
        prop_oneof![
            2 => Just("*".to_owned()),
            2 => Just("0".to_owned()).prop_map(move |zero| if low == 0 { zero } else { low.to_string() }),
            5 => prop::collection::vec(item, 1..4).prop_map(|items| items.join(",")),
        ]
    }

    fn expression() -> impl Strategy<Value = String> {
        let days = prop_oneof![
            field(1, 31).prop_map(|days| (days, "?".to_owned())),
            field(1, 7).prop_map(|days| ("?".to_owned(), days)),
            (0..=30).prop_map(|offset| (format!("L-{offset}"), "?".to_owned())),
            (0..=30).prop_map(|offset| (format!("L-{offset}W"), "?".to_owned())),
            (1..=31).prop_map(|day| (format!("{day}W"), "?".to_owned())),
            (1..=7, 1..=5).prop_map(|(day, nth)| ("?".to_owned(), format!("{day}#{nth}"))),
        ];
        let years = prop_oneof![Just(String::new()), field(1970, 2099).prop_map(|years| format!(" {years}"))];
        (field(0, 59), field(0, 59), field(0, 23), days, field(1, 12), years).prop_map(
            |(second, minute, hour, (day, week), month, years)| {
                format!("{second} {minute} {hour} {day} {month} {week}{years}")
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Small fields make equal descriptions likely; where two are equal, so are the meanings.
        #[test]
        fn descriptions_are_exact(texts in prop::collection::vec(expression(), 64)) {
            let mut seen: HashMap<String, CronExpression> = HashMap::new();
            for text in texts.iter().filter_map(|text| CronExpression::parse(text).ok()) {
                let description = text.describe();
                well_formed(text.as_str(), &description);
                let other = seen.entry(description).or_insert_with(|| text.clone());
                prop_assert!(
                    text == *other || text.never_matches() || meaning(text.fields()) == meaning(other.fields()),
                    "{} {}", text, other
                );
            }
        }

        /// Every field of its own, all others alike: here a collision is found if there is one.
        #[test]
        fn time_fields_are_told_apart(hours in prop::collection::vec(field(0, 23), 128), rest in 0..4_usize) {
            let mut seen: HashMap<String, (u32, String)> = HashMap::new();
            for hour in hours {
                let text = ["0 0 H * * ?", "0 0/5 H ? * MON", "3,4 * H * * ?", "3,4,9 1,2 H L * ?"][rest].replace('H', &hour);
                let expression = CronExpression::parse(&text).unwrap();
                let bits = expression.fields().hours;
                let other = seen.entry(expression.describe()).or_insert((bits, text.clone()));
                prop_assert_eq!(other.0, bits, "{} {}", other.1, text);
            }
        }
    }
}
