//! The real binary writes where nobody reads any more (`| head`), and where nothing can be written.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use support::punctual;

const FILE: &str = "[jobs.a]\nkind = 'noop'\ncron = '0 0 12 * * ?'\n";
const OTHER: &str = "[jobs.b]\nkind = 'noop'\nevery = '1h'\n";

/// A pipe whose reader has left.
fn left() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A disk without space.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Runs a command, in which `_` is a space within an argument.
fn run(directory: &Path, command: &str, out: Stdio) -> (Option<i32>, String) {
    let args: Vec<String> = command.split(' ').map(|word| word.replace('_', " ")).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let input = File::open(directory.join("cases")).unwrap();
    let output = punctual(&args).current_dir(directory).stdin(input).stdout(out).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Files, and a database that is as the first of them says.
fn place() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let case = "{\"op\":\"cron\",\"expr\":\"0 0 * * * ?\",\"from\":\"2025-01-01T00:00:00Z\",\"count\":1}\n";
    for (name, text) in
        [("a.toml", FILE), ("b.toml", OTHER), ("crontab", "0 5 * * * echo hi\n"), ("cases", case)]
    {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let applied = run(directory.path(), "apply a.toml --database sqlite://p.db", Stdio::null());
    assert_eq!(applied, (Some(0), String::new()));
    directory
}

const COMMANDS: [&str; 15] = [
    "check a.toml",
    "plan b.toml --database sqlite://p.db",
    "plan b.toml --database sqlite://p.db --json",
    "audit --database sqlite://p.db",
    "audit --database sqlite://p.db --json",
    "import crontab crontab --tz UTC",
    "import crontab crontab --tz UTC --output toml",
    "schedule next 0_0_12_*_*_?",
    "schedule next 0_0_12_*_*_? --json",
    "schedule next --jsonl",
    "schedule prev 0_0_12_*_*_?",
    "schedule describe 0_0_12_*_*_?",
    "schedule why 0_0_12_*_*_? 2026-03-29T01:30:00Z",
    "completions bash",
    "completions fish",
];

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let place = place();
    for command in COMMANDS {
        assert_eq!(run(place.path(), command, left()), (Some(0), String::new()), "{command}");
    }
}

#[test]
fn a_full_disk_is_named() {
    let place = place();
    for command in COMMANDS {
        let (code, error) = run(place.path(), command, full());
        assert_eq!(code, Some(2), "{command}: {error}");
        let said = "punctual: cannot write to the standard output: No space left on device";
        assert!(error.starts_with(said), "{command}: {error}");
    }
}

#[test]
fn a_verdict_stands_whether_or_not_it_is_read() {
    let place = place();
    let plan = |file: &str| format!("plan {file}.toml --database sqlite://p.db --exit-code");
    assert_eq!(run(place.path(), &plan("a"), left()), (Some(0), String::new()));
    assert_eq!(run(place.path(), &plan("b"), left()), (Some(1), String::new()));
}

#[test]
fn what_was_stored_is_no_failure() {
    for (command, done) in [
        ("apply b.toml --database sqlite://p.db", "the file was applied, but"),
        ("apply b.toml --database sqlite://p.db --json", "the file was applied, but"),
        (
            "import crontab crontab --tz UTC --output apply --database sqlite://p.db",
            "the jobs were stored, but",
        ),
    ] {
        for (out, said) in [(left(), None), (full(), Some("No space left on device"))] {
            let place = place();
            let (code, error) = run(place.path(), command, out);
            assert_eq!(code, Some(0), "{command}: {error}");
            match said {
                None => assert_eq!(error, "", "{command}"),
                Some(said) => assert!(error.contains(done) && error.contains(said), "{command}: {error}"),
            }
            let plan = "plan a.toml --database sqlite://p.db --prune --exit-code";
            assert_eq!(run(place.path(), plan, Stdio::null()).0, Some(1), "{command}: it is stored");
        }
    }
}
