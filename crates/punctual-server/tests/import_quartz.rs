//! The real binary reads the tables of a real Quartz. What Quartz wrote is recorded; where Java and Quartz are installed, it
//! writes anew besides.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use punctual_core::{
    DefinitionStore, JobQuery, Schedule, StoredCalendar, StoredTrigger, Timestamp, TriggerKey, TriggerQuery,
    TriggerState,
};
use punctual_postgres::PostgresStore;
use punctual_sqlite::SqliteStore;
use punctual_throwaway::Postgres;
use serde_json::{Value, json};
use support::{has_postgres, punctual};

const TABLES: &str = include_str!("../../punctual-import/tests/quartz/tables.sql");

fn quartz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../punctual-import/tests/quartz")
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = punctual(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// The import of one of the two schedulers; the Java program's zone was Berlin's.
fn import(url: &str, scheduler: &str, more: &[&str]) -> (Option<i32>, Value, String) {
    let args = ["import", "quartz", url, "--sched-name", scheduler, "--tz", "Europe/Berlin", "--json"];
    let (code, out, error) = run(&[&args, more].concat());
    let json = serde_json::from_str(&out).unwrap_or(Value::Null);
    (code, json, error)
}

fn psql(server: &Postgres, sql: &str) -> String {
    server.psql(sql).unwrap()
}

/// When Quartz itself would fire its triggers.
fn expected(server: &Postgres, scheduler: &str) -> Vec<(String, Vec<Timestamp>)> {
    let sql = format!(
        "SELECT json_agg(json_build_array(key, fires) ORDER BY key) FROM expected WHERE scheduler = '{scheduler}'"
    );
    let rows: Vec<(String, Vec<i64>)> = serde_json::from_str(&psql(server, &sql)).unwrap();
    let instants =
        |fires: Vec<i64>| fires.into_iter().map(|at| Timestamp::from_millisecond(at).unwrap()).collect();
    rows.into_iter().map(|(key, fires)| (key, instants(fires))).collect()
}

fn fires(trigger: &StoredTrigger, calendars: &[StoredCalendar], count: usize) -> Vec<Timestamp> {
    let name = trigger.definition.calendar.as_ref();
    let calendar =
        calendars.iter().find(|calendar| Some(&calendar.name) == name).map(|stored| &stored.calendar);
    let occurrences = trigger.occurrences(calendar);
    std::iter::successors(trigger.next_fire_at, |at| occurrences.next_after(*at)).take(count).collect()
}

/// Imports both schedulers, and compares 40 fire times of each trigger with those of Quartz.
fn compare(server: &Postgres) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for scheduler in ["objects", "text"] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("punctual.db");
        let url = format!("sqlite://{}", file.display());
        let (code, import, error) = import(&server.url(), scheduler, &["--apply", "--database", &url]);
        // The trigger of an unknown class is lost.
        assert_eq!(code, Some(1), "{error}{import}");
        let (triggers, calendars) = runtime.block_on(async {
            let store = SqliteStore::open_read_only(&file).unwrap();
            let triggers = store.triggers(&TriggerQuery::default()).await.unwrap().rows;
            (triggers, store.calendars().await.unwrap())
        });
        let expected = expected(server, scheduler);
        assert_eq!((expected.len(), triggers.len(), calendars.len()), (36, 35, 6));
        let mut differ = Vec::new();
        for (key, quartz) in &expected {
            let Some(trigger) = triggers.iter().find(|trigger| trigger.definition.key.to_string() == *key)
            else {
                assert_eq!(key, "odd.odd");
                continue;
            };
            assert_eq!(trigger.next_fire_at, quartz.first().copied(), "{key}");
            let here = fires(trigger, &calendars, 40);
            // What was recorded ends in 2090.
            let end = "2090-01-01T00:00:00Z".parse().unwrap();
            if here.iter().take_while(|at| **at < end).ne(quartz) {
                differ.push(key.as_str());
            }
        }
        // Quartz leaves the 31st for good after a month of 30 days; the import says so.
        assert_eq!(differ, ["intervals.every-3-MONTH"]);
        let findings = import["findings"].to_string();
        assert!(
            findings.contains(
                "trigger intervals.every-3-MONTH\",\"text\":\"its start is a day that not every month has"
            ),
            "{findings}"
        );
        assert!(
            findings.contains("trigger fired.fired-months\",\"text\":\"Quartz has left the day of its start"),
            "{findings}"
        );
    }
}

fn recorded() -> Postgres {
    let server = Postgres::start(Default::default()).unwrap();
    server.psql(TABLES).unwrap();
    server
}

#[test]
fn imported_triggers_fire_when_quartz_would_have_fired_them() {
    if has_postgres() {
        compare(&recorded());
    }
}

#[test]
fn a_quartz_of_today_writes_what_was_recorded() {
    let present = |path: &str| Path::new(path).exists();
    if !has_postgres()
        || !present("/usr/share/java/quartz2.jar")
        || !present("/usr/share/java/postgresql.jar")
    {
        eprintln!(
            "PASSED OVER, nothing was tested: Quartz (libquartz2-java, libpostgresql-jdbc-java) is not installed"
        );
        return;
    }
    let server = Postgres::start(Default::default()).unwrap();
    let classes = tempfile::tempdir().unwrap();
    let place = server.url().rsplit('@').next().unwrap().to_owned();
    let output = Command::new("sh")
        .arg(quartz_folder().join("fill.sh"))
        .args([place.as_str(), classes.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    compare(&server);
    let now = import(&server.url(), "objects", &[]).1;
    let recorded = recorded();
    let then = import(&recorded.url(), "objects", &[]).1;
    assert_eq!(now, then);
}

fn job<'a>(import: &'a Value, name: &str) -> &'a Value {
    import["jobs"].as_array().unwrap().iter().find(|job| job["job"]["key"]["name"] == name).unwrap()
}

#[test]
fn data_definitions_and_pauses_come_over() {
    if !has_postgres() {
        return;
    }
    let server = recorded();
    let (_, objects, _) = import(&server.url(), "objects", &[]);
    let work = job(&objects, "work");
    assert_eq!(
        work["job"]["data"],
        json!({
            "text": "Grüße, \u{0} 😀", "command": "echo hello", "int": 42, "long": 1_u64 << 40, "short": -3, "byte": 5,
            "float": 1.5, "double": 2.25, "char": "x", "yes": true, "nothing": null, "date": "2026-03-29T01:30:00.123Z",
            "big": "12345678901234567890.5", "list": [1, "two", 3.0], "again": [1, "two", 3.0], "linked": ["a", "b"],
            "set": ["x", "y"], "array": ["p", "q"], "ints": [1, 2, 3],
            "map": {"inner": {"deep": 1}, "tree": {"k": "v"}}, "properties": {"p": "1"}, "table": {"h": 2},
        })
    );
    assert_eq!(job(&objects, "own")["job"]["data"], json!({"plain": "kept"}));
    assert!(objects["findings"].to_string().contains("its data \\\"own\\\" is an object of class Fill$Own"));
    let alone = &job(&objects, "alone")["job"];
    assert_eq!(
        (&alone["concurrent"], &alone["requests_recovery"], &alone["durable"]),
        (&json!(false), &json!(true), &json!(true))
    );
    let (_, text, _) = import(&server.url(), "text", &[]);
    assert_eq!(
        job(&text, "work")["job"]["data"],
        json!({"text": "Grüße, \u{0} 😀", "command": "echo hello", "number": "42"})
    );
    let policies: Vec<&Value> = job(&objects, "alone")["triggers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|arrival| arrival["trigger"]["key"]["group"] == "simples")
        .map(|arrival| &arrival["trigger"]["misfire"])
        .collect();
    assert_eq!(
        policies,
        [
            "smart",
            "reschedule_next_with_remaining_count",
            "fire_now",
            "reschedule_now_with_existing_count",
            "reschedule_now_with_remaining_count",
            "reschedule_next_with_existing_count",
            "ignore_misfires"
        ]
    );
    assert_eq!(objects["paused_groups"], json!(["idle"]));
    let (code, _, error) = run(&["import", "quartz", &server.url()]);
    assert_eq!(code, Some(2));
    assert!(error.contains("--sched-name") && error.contains("objects, text"), "{error}");
}

#[test]
fn everything_is_stored_at_once_and_a_second_import_is_refused() {
    if !has_postgres() {
        return;
    }
    let server = recorded();
    let directory = tempfile::tempdir().unwrap();
    let mapping = directory.path().join("mapping.toml");
    std::fs::write(
        &mapping,
        "[classes.'Fill$Work']\nkind = 'command'\ndata = { command = '${command}; echo ${number}' }\n\
         [classes.'Fill$Alone']\nkind = 'noop'\ndata = {}\n",
    )
    .unwrap();
    // Quartz's own database: the scheduler has a schema of its own there.
    let url = server.url();
    let more = ["--mapping", mapping.to_str().unwrap(), "--apply", "--database", &url];
    let (code, _, error) = import(&server.url(), "text", &more);
    assert_eq!(code, Some(1), "{error}");
    let (code, _, error) = import(&server.url(), "text", &more);
    assert_eq!(code, Some(2));
    assert!(error.contains("nothing was stored") && error.contains("stored already"), "{error}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = PostgresStore::open_read_only(&server.url(), Default::default()).await.unwrap();
        let jobs = store.jobs(&JobQuery::default()).await.unwrap().rows;
        let work = jobs.iter().find(|job| job.detail.key.name() == "work").unwrap();
        assert_eq!(
            (work.detail.kind.as_str(), work.detail.data.as_str()),
            ("command", r#"{"command":"echo hello; echo 42"}"#)
        );
        for (group, name, paused) in
            [("idle", "one", true), ("crons", "cron-1", true), ("crons", "cron-0", false)]
        {
            let trigger = store.trigger(&TriggerKey::stored(group, name)).await.unwrap().unwrap();
            assert_eq!(trigger.state == TriggerState::Paused, paused, "{group}.{name}");
        }
        let fired = store.trigger(&TriggerKey::stored("fired", "fired-simple")).await.unwrap().unwrap();
        assert_eq!(fired.previous_fire_at, Some("2030-01-31T16:20:30Z".parse().unwrap()));
        assert!(matches!(fired.rebased, Some(Schedule::Simple(_))), "{fired:?}");
    });
}
