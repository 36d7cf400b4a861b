//! The real binary checks a database beside the server that uses it, and finds what is damaged.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;
use support::{Server, eventually, punctual};

/// Every second; each run of `limited` outlasts the next instant, which is skipped.
const CONFIG: &str = "[jobs.tick]\nkind = 'noop'\nevery = '1s'\n\
                      [jobs.limited]\nkind = 'command'\ncommand = 'sleep 1.2'\nevery = '1s'\noverlap = 'skip'\n";

fn output(args: &[&str]) -> (Option<i32>, String) {
    let output = punctual(args).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), format!("{stdout}{stderr}"))
}

fn audit(database: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let url = format!("sqlite://{}", database.display());
    let (code, text) = output(&[&["audit", "--json", "--database", &url], more].concat());
    (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn faults(report: &Value) -> [Option<u64>; 4] {
    ["unaccounted", "double", "overlaps", "open_without_owner"].map(|name| report[name].as_u64())
}

const NONE: [Option<u64>; 4] = [Some(0); 4];

const CLEANUP: &str = "DEFAULT.punctual.task.task-history-cleanup.trigger";

/// A database that a server has used for some seconds, and what was found beside it.
fn used(directory: &Path) -> (Server, PathBuf, Value) {
    let server = Server::start_in(directory, CONFIG);
    let database = directory.join("data/punctual.db");
    let report = eventually("six ticks and two skipped instants", || {
        let (code, report) = audit(&database, &[]);
        assert_eq!((code, faults(&report)), (Some(0), NONE), "{report}");
        (report["fires"].as_u64()? >= 8 && report["skipped"].as_u64()? >= 2).then_some(report)
    });
    (server, database, report)
}

fn damage(database: &Path, statement: &str) -> usize {
    Connection::open(database).unwrap().execute(statement, []).unwrap()
}

#[test]
fn a_database_in_use_is_checked_and_damage_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (server, database, report) = used(directory.path());
    assert_eq!(report["triggers"], 4);
    assert_eq!(
        report["instants"].as_u64().unwrap(),
        report["fires"].as_u64().unwrap() + report["skipped"].as_u64().unwrap()
    );
    assert!(report["checked_from"].is_string() && report["rows"].as_u64().unwrap() >= 6, "{report}");
    let url = format!("sqlite://{}", database.display());
    let (code, text) = output(&["audit", "--database", &url]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("4 trigger(s)") && text.contains("0  open without owner"), "{text}");
    drop(server);

    let (code, report) = audit(&database, &[]);
    let [unaccounted, double, overlaps, _] = faults(&report);
    assert_eq!([unaccounted, double, overlaps], [Some(0); 3], "a killed server leaves no gap: {report}");
    assert!(matches!(code, Some(0 | 1)));
    assert_eq!(damage(&database, "DELETE FROM nodes"), 1);
    damage(
        &database,
        "UPDATE task_history SET status = 1, ended_at = started_at + 1, term = 0 WHERE status = 0",
    );
    let (code, report) = audit(&database, &[]);
    assert_eq!((code, faults(&report)), (Some(0), NONE), "{report}");

    checkpoint(&database);
    let newest = "(SELECT max(id) FROM task_history WHERE trigger_name = 'tick' AND cause = 0)";
    let columns = "task, status, started_at, ended_at, duration_ms, details, db_id, job_id, job_group, job_name, \
                   trigger_id, trigger_group, trigger_name, scheduled_at, term, node, attempt, origin, cause";
    let cases = [
        (
            "DELETE FROM skipped_ranges WHERE id = (SELECT max(id) FROM skipped_ranges)".to_owned(),
            [1, 0, 0, 0],
            "config.limited: ",
        ),
        (format!("DELETE FROM task_history WHERE id = {newest}"), [1, 0, 0, 0], "neither fired nor skipped"),
        (
            format!(
                "INSERT INTO task_history (id, {columns}) \
                 SELECT id + 1000000, {columns} FROM task_history WHERE id = {newest}"
            ),
            [0, 1, 0, 0],
            "has 2 first attempts",
        ),
        (
            format!("UPDATE task_history SET attempt = 2, cause = 2 WHERE id = {newest}"),
            [1, 1, 0, 0],
            "attempt 2 without a reason",
        ),
        (
            "UPDATE task_history SET ended_at = ended_at + 1500 WHERE id = \
             (SELECT min(id) FROM task_history WHERE job_name = 'limited')"
                .to_owned(),
            [0, 0, 1, 0],
            "with 1 running where the limit is 1",
        ),
        (
            format!("UPDATE task_history SET status = 0, ended_at = NULL WHERE id = {newest}"),
            [0, 0, 0, 1],
            "that node is not live",
        ),
        (
            "UPDATE triggers SET fired = fired - 1 WHERE trigger_name = 'tick'".to_owned(),
            [1, 0, 0, 0],
            "but the counters say",
        ),
    ];
    for (statement, expected, evidence) in cases {
        let copy = directory.path().join("copy.db");
        std::fs::copy(&database, &copy).unwrap();
        assert_eq!(damage(&copy, &statement), 1, "{statement}");
        checkpoint(&copy);
        let (code, report) = audit(&copy, &[]);
        assert_eq!((code, faults(&report)), (Some(1), expected.map(Some)), "{statement}: {report}");
        let (code, text) = output(&["audit", "--database", &format!("sqlite://{}", copy.display())]);
        assert_eq!(code, Some(1), "{statement}: {text}");
        assert!(text.contains(evidence), "{statement}: {text}");
        let (code, report) = audit(&copy, &["--trigger", CLEANUP]);
        assert_eq!((code, faults(&report)), (Some(0), NONE), "another trigger is right: {report}");
    }
}

/// Moves what was committed into the file itself.
fn checkpoint(database: &Path) {
    let connection = Connection::open(database).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

#[test]
fn what_cannot_be_looked_at_is_said_clearly() {
    let directory = tempfile::tempdir().unwrap();
    let missing = format!("sqlite://{}", directory.path().join("missing.db").display());
    let (code, text) = output(&["audit", "--database", &missing]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("missing.db") && text.contains("no such file"), "{text}");
    assert!(!directory.path().join("missing.db").exists());
    let (code, text) = output(&["audit", "--database", "mysql://x"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("begins with \"mysql\"") && text.contains("sqlite://PATH"), "{text}");
    let (_server, database, _) = used(directory.path());
    let url = format!("sqlite://{}", database.display());
    let (code, text) = output(&["audit", "--database", &url, "--trigger", "config.nobody"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("no trigger config.nobody"), "{text}");
    let (code, text) = output(&["audit", "--database", &url, "--from", "yesterday"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--from"), "{text}");
}
