//! The real binary brings a crontab over.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::{Command, Output};

use support::punctual;

const CRONTAB: &str = "# Every other thing\n*/2 * * * * echo even\n0 2 13 * 5 echo \"quotes\\%\"%in%put\n";

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = punctual(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_crontab_becomes_a_file_that_the_server_takes() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("crontab"), CRONTAB).unwrap();
    let (code, toml, error) =
        run(&["import", "crontab", &path("crontab"), "--tz", "Europe/Berlin", "--output", "toml"]);
    assert_eq!(code, Some(0), "{error}");
    std::fs::write(path("jobs.toml"), toml).unwrap();
    let (code, out, error) = run(&["check", &path("jobs.toml")]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("2 job(s)") && out.contains("every Friday, Europe/Berlin"), "{out}");
    // What the shell is given does what cron's did.
    let config: toml::Table = toml::from_str(&std::fs::read_to_string(path("jobs.toml")).unwrap()).unwrap();
    let line = config["jobs"]["echo-2"]["command"].as_str().unwrap().replacen("echo", "cat; echo", 1);
    let output = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "in\nput\nquotes%\n");
}

#[test]
fn a_crontab_is_stored_and_what_is_lost_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("crontab"), format!("{CRONTAB}@reboot echo up\n61 * * * * echo\n")).unwrap();
    let url = format!("sqlite://{}", path("punctual.db"));
    let show = run(&["import", "crontab", &path("crontab"), "--tz", "UTC"]);
    assert_eq!(show.0, Some(1), "{show:?}");
    assert!(!directory.path().join("punctual.db").exists(), "a dry run writes nothing");
    let (code, out, error) = run(&[
        &["import", "crontab", &path("crontab"), "--tz", "UTC"][..],
        &["--output", "apply", "--database", &url],
    ]
    .concat());
    assert_eq!(code, Some(1), "{error}");
    assert!(out.contains("2 job(s) stored"), "{out}");
    assert!(
        error.starts_with("line 4: NOT carried over: @reboot")
            && error.contains("\nline 5: NOT carried over"),
        "{error}"
    );
    // A file that names none of them leaves them alone.
    std::fs::write(path("jobs.toml"), "").unwrap();
    let (_, out, _) = run(&["plan", &path("jobs.toml"), "--database", &url, "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&plan["counts"]["keep"], &plan["counts"]["delete"]), (&3.into(), &0.into()), "{plan}");
}

#[test]
fn an_entry_that_never_fires_is_left_out_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    // The third fires on Mondays of February, but never on the thirtieth.
    let crontab = "0 0 30 2 * never\n0 1 * * * daily\n0 0 30 2 1 mondays\n";
    std::fs::write(path("crontab"), crontab).unwrap();
    let url = format!("sqlite://{}", path("punctual.db"));
    let import = ["import", "crontab", &path("crontab"), "--tz", "UTC", "--output"];
    for further in [&["show"][..], &["toml"], &["apply", "--database", &url]] {
        let (code, out, error) = run(&[&import[..], further].concat());
        assert_eq!(code, Some(1), "{further:?}: {error}");
        assert!(error.contains("line 1: NOT carried over: never fires"), "{further:?}: {error}");
        assert!(!out.contains("jobs.never") && !out.contains("line 1: never"), "{further:?}: {out}");
    }
    std::fs::write(path("jobs.toml"), "").unwrap();
    let (_, out, _) = run(&["plan", &path("jobs.toml"), "--database", &url, "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    let kept = plan["items"].as_array().unwrap().iter().filter(|item| item["object"] == "job");
    let kept: Vec<&str> = kept.map(|item| item["key"].as_str().unwrap()).collect();
    assert_eq!(kept, ["crontab.daily", "crontab.mondays"], "{plan}");
}
