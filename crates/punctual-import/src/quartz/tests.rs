use serde_json::json;

use super::*;

fn properties(text: &str) -> Json {
    Json::Object(data::read(text.as_bytes()).0)
}

#[test]
fn properties_are_read_as_java_writes_them() {
    assert_eq!(
        properties("#comment\n#Sat Nov 21\nplain=value\nsp\\ ace\\=\\:=a\\ b \nuni=\\u00fc\\ud83d\\ude00\n"),
        json!({"plain": "value", "sp ace=:": "a b ", "uni": "ü😀"})
    );
    assert_eq!(
        properties(
            "! other\nkey : colon\nblank value\n  joined = one \\\n    two\nempty\nback=\\\\\nctl=\\t\\n\\q\n"
        ),
        json!({
            "key": "colon", "blank": "value", "joined": "one two", "empty": "", "back": "\\", "ctl": "\t\nq"
        })
    );
}

fn class(text: &str) -> Mapping {
    Mapping::parse(text).unwrap()
}

#[test]
fn a_template_is_filled_with_the_data_of_quartz() {
    let mapping = class(
        "[classes.\"a.B\"]\nkind = 'command'\ndata = { command = 'run ${name} --n=${n}', n = '${n}', list = ['${flag}'] }\n",
    );
    let Json::Object(data) = json!({"name": "x", "n": 3, "flag": true, "other": 1}) else { unreachable!() };
    let filled = mapping.class("a.B").unwrap().data(&data).unwrap();
    assert_eq!(Json::Object(filled), json!({"command": "run x --n=3", "n": 3, "list": [true]}));
    let error = mapping.class("a.B").unwrap().data(&Map::new()).unwrap_err();
    assert!(error.contains("needs"), "{error}");
    assert!(Mapping::parse("[classes.x]\nkin = 'y'\n").unwrap_err().contains("kin"));
}

fn cron_row(name: &str) -> TriggerRow {
    TriggerRow {
        name: name.to_owned(),
        group: "g".to_owned(),
        job_name: "job".to_owned(),
        job_group: "g".to_owned(),
        next_fire_time: Some(1_896_091_200_000),
        start_time: 1_896_085_230_000,
        state: "WAITING".to_owned(),
        kind: "CRON".to_owned(),
        schedule: Schedule::Cron { expression: "0 0 12 * * ?".to_owned(), tz: Some("UTC".to_owned()) },
        ..TriggerRow::default()
    }
}

fn job_row() -> JobRow {
    JobRow { name: "job".to_owned(), group: "g".to_owned(), class: "a.B".to_owned(), ..JobRow::default() }
}

/// What becomes of one changed row: the finding that says so, if it is lost.
fn lost(change: impl Fn(&mut TriggerRow)) -> Option<String> {
    let mut row = cron_row("t");
    change(&mut row);
    let tables =
        Tables { jobs: vec![job_row()], triggers: vec![cron_row("other"), row], ..Tables::default() };
    let import = read(&tables, &Mapping::default(), "UTC").unwrap();
    let lost: Vec<&Finding> = import.findings.iter().filter(|finding| finding.lost).collect();
    assert_eq!(import.jobs[0].triggers.len() + lost.len(), 2, "{import:?}");
    lost.first().map(|finding| finding.to_string())
}

#[test]
fn what_cannot_be_said_is_listed() {
    assert_eq!(lost(|_| ()), None);
    type Case = (fn(&mut TriggerRow), &'static str);
    let cases: &[Case] = &[
        (|row| row.schedule = Schedule::None, "row that says its schedule is missing"),
        (|row| row.kind_and_schedule("BLOB"), "serialised object of its own class"),
        (|row| row.next_fire_time = Some(-1), "no further fire time"),
        (|row| row.calendar = Some("none".to_owned()), "calendar \"none\" is not carried over"),
        (|row| row.misfire = Some(9), "misfire instruction is 9"),
        (|row| row.cron("0 0 12 * * MON"), "day of month"),
        (|row| row.start_time = i64::MAX, "outside of the years"),
        (|row| row.state = "COMPLETE".to_owned(), "no further fire time"),
        (|row| row.end_time = Some(1_896_085_230_001), "never fire again"),
        (|row| row.job_name = "gone".to_owned(), "its job g.gone is not in JOB_DETAILS"),
        (|row| row.name = " ".to_owned(), "white space"),
    ];
    for (change, says) in cases {
        let text = lost(change).unwrap_or_default();
        assert!(text.contains(says), "{says}: {text}");
    }
}

impl TriggerRow {
    fn kind_and_schedule(&mut self, kind: &str) {
        self.kind = kind.to_owned();
        self.schedule = Schedule::None;
    }

    fn cron(&mut self, text: &str) {
        self.schedule = Schedule::Cron { expression: text.to_owned(), tz: None };
    }
}

#[test]
fn a_job_that_cannot_come_takes_its_triggers_into_the_list() {
    let mut job = job_row();
    job.group = "config".to_owned();
    let mut row = cron_row("t");
    row.job_group = "config".to_owned();
    let tables = Tables { jobs: vec![job], triggers: vec![row], ..Tables::default() };
    let import = read(&tables, &Mapping::default(), "UTC").unwrap();
    assert_eq!((import.jobs.len(), import.findings.len()), (0, 2), "{import:?}");
    assert!(import.findings[0].text.contains("belongs to the file of a server"));
}

#[test]
fn all_groups_paused_is_each_group_paused() {
    let tables = Tables {
        jobs: vec![job_row()],
        triggers: vec![cron_row("t")],
        paused_groups: vec![ALL_PAUSED.to_owned(), "empty".to_owned()],
        ..Tables::default()
    };
    let import = read(&tables, &Mapping::default(), "UTC").unwrap();
    assert_eq!(import.paused_groups, ["empty", "g"]);
}
