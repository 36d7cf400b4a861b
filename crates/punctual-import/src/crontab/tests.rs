use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use punctual_core::Calendar;
use punctual_core::schedule::{CronSchedule, Occurrences, Schedule, TimeZone, Window};

use super::when::Fields;
use super::*;

fn utc(user_field: bool) -> Options {
    Options { user_field, tz: "UTC".to_owned() }
}

/// What cron does, written down a second time and without any cleverness.
struct Vixie {
    sets: [Vec<u32>; 5],
    star: [bool; 5],
}

impl Vixie {
    fn new(texts: [&str; 5]) -> Self {
        let limits = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let set = |text: &str, (low, high): (u32, u32)| -> Vec<u32> {
            let mut values = Vec::new();
            for item in text.split(',') {
                let (range, step) = item.split_once('/').unwrap_or((item, "1"));
                let (first, last) = match range.split_once('-') {
                    Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
                    None if range == "*" => (low, high),
                    None => (range.parse().unwrap(), range.parse().unwrap()),
                };
                let step: u32 = step.parse().unwrap();
                values.extend((first..=last).filter(|value| (value - first) % step == 0));
            }
            values
        };
        Self {
            sets: std::array::from_fn(|field| set(texts[field], limits[field])),
            star: std::array::from_fn(|field| texts[field].starts_with('*')),
        }
    }

    fn matches_day(&self, date: Date) -> bool {
        let month = self.sets[3].contains(&(date.month() as u32));
        let month_day = self.sets[2].contains(&(date.day() as u32));
        let week_day = date.weekday().to_sunday_zero_offset() as u32;
        let week_day = self.sets[4].iter().any(|day| day % 7 == week_day);
        let day = if self.star[2] || self.star[4] { month_day && week_day } else { month_day || week_day };
        month && day
    }

    fn runs(&self, from: Date, days: i32) -> Vec<Timestamp> {
        let mut runs = Vec::new();
        for day in 0..days {
            let date = from.checked_add(day.days()).unwrap();
            if !self.matches_day(date) {
                continue;
            }
            for hour in (0..24).filter(|hour| self.sets[1].contains(hour)) {
                for minute in (0..60).filter(|minute| self.sets[0].contains(minute)) {
                    let time = date.at(hour as i8, minute as i8, 0, 0);
                    runs.push(time.to_zoned(TimeZone::UTC).unwrap().timestamp());
                }
            }
        }
        runs
    }
}

/// What the triggers of an entry do, in order; a time at which two of them fire is there twice.
fn fires(triggers: &[CronTrigger], from: Date, days: i32) -> Vec<Timestamp> {
    let start = from.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let end = from.checked_add(days.days()).unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
    let mut all = Vec::new();
    for trigger in triggers {
        let schedule = Schedule::Cron(CronSchedule::parse(&trigger.expression, "UTC").unwrap());
        let calendar = Calendar::monthly(trigger.not_on.iter().copied(), TimeZone::UTC).unwrap();
        let occurrences = Occurrences::new(&schedule, Window { start, end: None });
        let occurrences = occurrences.with_calendar(Some(&calendar));
        let all_of_it = std::iter::successors(occurrences.first(), |at| occurrences.next_after(*at));
        all.extend(all_of_it.take_while(|at| *at < end));
    }
    all.sort_unstable();
    all
}

fn triggers(texts: [&str; 5]) -> Vec<CronTrigger> {
    Fields::parse(texts).unwrap().triggers()
}

const DAYS: &[&str] =
    &["*", "*/2", "*/15", "13", "1-7", "1,15,31", "29-31", "5-25/5", "1-31", "*,3", "30,*/9"];
const WEEK: &[&str] =
    &["*", "*/2", "*/3", "0", "7", "5", "1-5", "0-6", "6,7", "5-7", "1-7", "1-6/2", "0,*/4", "*/9"];

#[test]
fn every_pair_of_day_fields_runs_on_the_days_of_cron() {
    let from = jiff::civil::date(2023, 1, 1);
    for month_day in DAYS {
        for week_day in WEEK {
            for month in ["*", "2", "1-3,12"] {
                let texts = ["30", "4", month_day, month, week_day];
                let (expected, found) =
                    (Vixie::new(texts).runs(from, 1_500), fires(&triggers(texts), from, 1_500));
                assert_eq!(found, expected, "{texts:?}: {:?}", triggers(texts));
            }
        }
    }
}

fn numbers(low: u32, high: u32) -> impl Strategy<Value = String> {
    let range = (low..=high, low..=high).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let item = prop_oneof![
        (low..=high).prop_map(|value| value.to_string()),
        range.clone().prop_map(|(a, b)| format!("{a}-{b}")),
        (range, 1_u32..40).prop_map(|((a, b), step)| format!("{a}-{b}/{step}")),
        (1_u32..70).prop_map(|step| format!("*/{step}")),
    ];
    prop_oneof![
        1 => Just("*".to_owned()),
        4 => prop::collection::vec(item, 1..4).prop_map(|items| items.join(",")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_entry_runs_when_cron_runs_it(
        minute in numbers(0, 59), hour in numbers(0, 23), month_day in numbers(1, 31), month in numbers(1, 12),
        week_day in numbers(0, 7), offset in 0..14_000_i32,
    ) {
        let from = jiff::civil::date(2000, 1, 1).checked_add(offset.days()).unwrap();
        let texts = [minute.as_str(), &hour, &month_day, &month, &week_day];
        let found = fires(&triggers(texts), from, 70);
        prop_assert_eq!(found, Vixie::new(texts).runs(from, 70), "{:?}: {:?}", texts, triggers(texts));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[-@#%*/,=\\\\\"'a-z0-9 \t\n]{0,120}", user_field: bool) {
        let crontab = read(&text, &utc(user_field));
        // Each line that is no comment, no variable and not empty is a job or a finding.
        for (number, line) in (1..).zip(text.lines()) {
            if matches!(line::read(line), line::Line::Entry(_)) {
                let place = format!("line {number}");
                let listed = crontab.findings.iter().any(|finding| finding.place == place && finding.lost);
                prop_assert!(listed != crontab.jobs.iter().any(|job| job.line == number), "{line:?}");
            }
        }
    }
}

#[test]
fn which_schedules_follow_elapsed_time_is_as_in_cron() {
    // One summer time ends at 2025-10-26T01:00Z in Berlin: 02:30 is there twice.
    let runs = |texts: [&str; 5]| {
        let schedule = CronSchedule::parse(&triggers(texts)[0].expression, "Europe/Berlin").unwrap();
        let first: Timestamp = "2025-10-25T23:59:00Z".parse().unwrap();
        std::iter::successors(schedule.next_after(first), |at| schedule.next_after(*at))
            .take_while(|at| *at < "2025-10-26T02:00:00Z".parse().unwrap())
            .count()
    };
    // Fixed: neither field begins with a star.
    assert_eq!(runs(["30", "2", "*", "*", "*"]), 1);
    assert_eq!(runs(["0-59/30", "2", "*", "*", "*"]), 2);
    assert_eq!(runs(["30", "0-23", "*", "*", "*"]), 1);
    // Elapsed.
    assert_eq!(runs(["*/30", "2", "*", "*", "*"]), 4);
    assert_eq!(runs(["30", "*", "*", "*", "*"]), 2);
    assert_eq!(runs(["*/70", "2", "*", "*", "*"]), 2);
}

#[test]
fn expressions_stay_readable() {
    for (texts, expected) in [
        (["*/5", "*", "*", "*", "*"], "0 */5 * * * ?"),
        (["0", "9-17", "*", "*", "mon-fri"], "0 0 9-17 ? * MON-FRI"),
        (["15", "3", "1", "jan,JUL", "*"], "0 15 3 1 1,7 ?"),
        (["0", "0", "*", "*", "5-7"], "0 0 0 ? * SUN,FRI,SAT"),
        (["0-59/20", "4", "*", "*", "*"], "0 0,20,40 4 * * ?"),
    ] {
        assert_eq!(triggers(texts)[0].expression, expected);
    }
}

const SAMPLE: &str = r#"# System-wide crontab
SHELL=/bin/bash
PATH = "/usr/bin:/bin"
MAILTO=ops@example.org

# Rotates what
# has grown.
17 * * * * root cd / && run-parts --report /etc/cron.hourly
#5 5 * * * root commented-out
CRON_TZ=Europe/Berlin
-0 2 13 * fri root /usr/local/bin/backup.sh 50\% done
@reboot daemon /opt/x/start
0 7 * * * root mail -s "date" you%Hello%%bye
5/15 * * * * root step
@often root nothing
CRON_TZ=Nowhere/Land
0 0 * * * root late
"#;

#[test]
fn a_crontab_is_read_and_nothing_is_dropped_silently() {
    let crontab = read(SAMPLE, &utc(true));
    let jobs: Vec<_> =
        crontab.jobs.iter().map(|job| (job.line, job.name.as_str(), job.tz.as_str())).collect();
    assert_eq!(
        jobs,
        [
            (8, "cd", "UTC"),
            (11, "backup-sh", "Europe/Berlin"),
            (12, "start", "Europe/Berlin"),
            (13, "mail", "Europe/Berlin"),
        ]
    );
    let first = &crontab.jobs[0];
    assert_eq!(first.description.as_deref(), Some("Rotates what\nhas grown."));
    assert_eq!(first.shell.as_deref(), Some("/bin/bash"));
    assert_eq!(first.env.iter().collect::<Vec<_>>(), [(&"PATH".to_owned(), &"/usr/bin:/bin".to_owned())]);
    assert_eq!(crontab.jobs[1].command, "/usr/local/bin/backup.sh 50% done");
    assert_eq!(crontab.jobs[2].when, When::Boot);
    assert_eq!(
        crontab.jobs[3].command,
        "(\nmail -s \"date\" you\n) <<'END_OF_INPUT'\nHello\n\nbye\nEND_OF_INPUT"
    );
    let lost: Vec<String> =
        crontab.findings.iter().filter(|finding| finding.lost).map(ToString::to_string).collect();
    assert_eq!(lost.len(), 3, "{lost:?}");
    assert!(
        lost[0].starts_with("line 14: NOT carried over: minute field \"5/15\"") && lost[0].contains("a-b/n")
    );
    assert!(lost[1].contains("line 15") && lost[1].contains("\"@often\" is not known"), "{lost:?}");
    assert!(lost[2].contains("line 17") && lost[2].contains("Nowhere/Land"), "{lost:?}");
    let notes: Vec<String> =
        crontab.findings.iter().filter(|finding| !finding.lost).map(ToString::to_string).collect();
    for (line, says) in
        [(4, "ops@example.org"), (8, "root"), (9, "commented out"), (11, "\"-\" in front"), (16, "Nowhere")]
    {
        let found =
            notes.iter().any(|note| note.starts_with(&format!("line {line}:")) && note.contains(says));
        assert!(found, "{line} {says}: {notes:?}");
    }
}

#[test]
fn the_file_that_comes_out_is_toml_and_says_what_is_missing() {
    let text = to_toml(&read(SAMPLE, &utc(true)));
    let table: toml::Table = toml::from_str(&text).unwrap();
    let backup = &table["jobs"]["backup-sh"];
    assert_eq!(backup["triggers"].as_array().unwrap().len(), 2);
    assert_eq!(backup["triggers"][0]["cron"].as_str(), Some("0 0 2 13 * ?"));
    assert_eq!(backup["triggers"][1]["cron"].as_str(), Some("0 0 2 ? * FRI"));
    assert_eq!(backup["triggers"][1]["calendar"].as_str(), Some("crontab-1"));
    assert_eq!(table["calendars"]["crontab-1"]["days"][0].as_integer(), Some(13));
    assert_eq!(table["jobs"]["start"]["on_start"].as_str(), Some("boot"));
    assert!(text.contains("# line 15: NOT carried over:"), "{text}");
}

#[test]
fn fields_that_cron_refuses_are_refused_with_the_reason() {
    for (text, says) in [
        ("60 * * * * x", "minute field \"60\": \"60\" is not within 0-59"),
        ("* * 0 * * x", "day of month field"),
        ("* * * foo * x", "month field \"foo\""),
        ("* * * * 6-0 x", "ends before it begins"),
        ("*/0 * * * * x", "step that is no number above 0"),
        ("1,,2 * * * * x", "minute field"),
        ("* * * * *", "has no command"),
        ("* * * * x", "has no command"),
        ("* * *", "has no month field"),
        ("@daily", "has no command"),
    ] {
        let crontab = read(&format!("{text}\n"), &utc(false));
        assert_eq!(crontab.jobs, [], "{text}");
        assert!(crontab.findings[0].lost && crontab.findings[0].text.contains(says), "{text}: {crontab:?}");
    }
}

#[test]
fn a_user_before_every_command_is_suspected() {
    let suspects = |text: &str, user_field| {
        let found = read(text, &Options { user_field, tz: "UTC".to_owned() });
        found.findings.iter().any(|finding| finding.text.contains("give --user-field") && !finding.lost)
    };
    let system = "17 * * * * root run-parts /etc/cron.hourly\n@daily www-data clean\n";
    assert!(suspects(system, false));
    assert!(!suspects(system, true));
    assert!(!suspects("17 * * * * root run-parts\n@daily clean\n", false), "one has no user");
    assert!(!suspects("", false));
}
