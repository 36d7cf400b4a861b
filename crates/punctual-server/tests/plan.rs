//! The real binary shows and applies the difference between a file and a database, on both stores.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::Child;

use serde_json::Value;
use support::{eventually, free_ports, get, has_postgres, punctual, signal};

const FILE: &str = "[jobs.a]\nkind = 'command'\ncommand = 'true'\ncron = '0 0 12 * * ?'\n\
    [jobs.b]\nkind = 'noop'\nevery = '1h'\n";

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = punctual(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A file and a database.
struct Place {
    directory: tempfile::TempDir,
    url: String,
}

impl Place {
    fn write(&self, text: &str) -> String {
        let file = self.directory.path().join("jobs.toml");
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn run(&self, command: &str, text: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let file = self.write(text);
        run(&[&[command, file.as_str(), "--database", &self.url], more].concat())
    }

    fn counts(&self, command: &str, text: &str) -> [u64; 4] {
        let (code, out, error) = self.run(command, text, &["--json"]);
        assert_eq!(code, Some(0), "{out}{error}");
        let plan: Value = serde_json::from_str(&out).unwrap();
        ["create", "change", "delete", "unchanged"].map(|name| plan["counts"][name].as_u64().unwrap())
    }
}

fn goes_there_and_back(place: &Place) {
    assert_eq!(place.counts("plan", FILE), [4, 0, 0, 0]);
    assert_eq!(place.run("plan", FILE, &["--exit-code"]).0, Some(1));
    let (code, out, error) = place.run("apply", FILE, &[]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("+ job config.a") && out.contains("4 to create, 0 to change"), "{out}");
    let (code, out, _) = place.run("plan", FILE, &["--exit-code"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("no difference: 4 definition(s)"), "{out}");
    let next = FILE.replace("0 0 12", "0 0 13").replace("jobs.b", "jobs.c");
    assert_eq!(place.counts("plan", &next), [2, 1, 2, 1]);
    assert_eq!(place.counts("apply", &next), [2, 1, 2, 1]);
    assert_eq!(place.counts("plan", &next), [0, 0, 0, 4]);
    let (code, _, error) = place.run("apply", &next.replace("0 0 13 * *", "0 0 13 30 2"), &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("cannot be applied"), "{error}");
    assert_eq!(place.counts("plan", &next), [0, 0, 0, 4]);
}

#[test]
fn sqlite_becomes_what_the_file_says() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("data/punctual.db").display());
    goes_there_and_back(&Place { directory, url });
}

#[test]
fn postgresql_becomes_what_the_file_says() {
    if !has_postgres() {
        return;
    }
    let server = punctual_throwaway::Postgres::start(Default::default()).unwrap();
    let place = Place { directory: tempfile::tempdir().unwrap(), url: server.url().to_owned() };
    goes_there_and_back(&place);

    // A user without rights is told the same by all that only read.
    server.psql("CREATE ROLE guest LOGIN").unwrap();
    let guest = format!("postgresql://guest@127.0.0.1:{}/punctual", server.port());
    let file = place.write(FILE);
    for command in [&["plan", &file, "--database", &guest][..], &["audit", "--database", &guest]] {
        let (code, _, error) = run(command);
        assert_eq!(code, Some(2), "{command:?}");
        assert!(
            error.contains("run GRANT USAGE ON SCHEMA \"punctual\" TO \"guest\""),
            "{command:?}: {error}"
        );
    }

    // No advice about files.
    server.psql("INSERT INTO punctual.schema_version (version) VALUES (9999)").unwrap();
    let file = place.write(&format!("[database]\nurl = '{}'\n", server.url()));
    let (code, _, error) = run(&["admin", "reset-password", "admin", "--config", &file]);
    assert_eq!(code, Some(2));
    assert!(error.contains("schema version 9999") && !error.contains("stop the server"), "{error}");
}

fn serve(directory: &Path, file: &str) -> (Child, u16) {
    let port = free_ports(1);
    let child = punctual(&["serve", "--log-level", "warn", "--config", file])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--data-dir", directory.join("data").to_str().unwrap()])
        .spawn()
        .unwrap();
    eventually("the server's answer", || get(port, "/health"));
    (child, port)
}

#[test]
fn beside_a_running_server_a_file_can_be_planned_but_not_applied() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("data/punctual.db").display());
    let place = Place { directory, url };
    let file = place.write(FILE);
    let (mut server, _) = serve(place.directory.path(), &file);
    assert_eq!(place.counts("plan", FILE), [0, 0, 0, 4], "a server's start applies its file");
    let next = FILE.replace("'1h'", "'2h'");
    assert_eq!(place.counts("plan", &next), [0, 1, 0, 3]);
    let (code, _, error) = place.run("apply", &next, &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("in use by a running server") && error.contains("restart the server"), "{error}");
    signal(&server, "TERM");
    server.wait().unwrap();
    assert_eq!(place.counts("apply", &next), [0, 1, 0, 3]);
}

#[test]
fn repeats_that_are_over_stay_over_at_a_restart_and_an_apply() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("data/punctual.db").display());
    let place = Place { directory, url };
    let text = "[jobs.d]\nkind = 'noop'\ndelay = '20ms'\nrepeat = 1\n[jobs.e]\nkind = 'noop'\nevery = '20ms'\nrepeat = 1\n";
    let file = place.write(text);
    let list = |port, path: &str| {
        let answer = get(port, path)?;
        // A chunked body has its lengths around it.
        let page: Value = serde_json::from_str(&answer[answer.find('{')?..=answer.rfind('}')?]).unwrap();
        Some(page["data"].as_array().unwrap().len())
    };
    let over = |port| {
        eventually("no trigger left", || (list(port, "/api/v1/triggers?group=config")? == 0).then_some(()))
    };
    let runs = |port| [list(port, "/api/task?task=d").unwrap(), list(port, "/api/task?task=e").unwrap()];
    let (mut server, port) = serve(place.directory.path(), &file);
    over(port);
    assert_eq!(runs(port), [2, 2]);
    signal(&server, "TERM");
    server.wait().unwrap();
    let (code, out, error) = place.run("plan", text, &["--exit-code"]);
    assert_eq!(code, Some(0), "{out}{error}");
    assert_eq!(place.counts("apply", text), [0, 0, 0, 4]);
    let (mut server, port) = serve(place.directory.path(), &file);
    over(port);
    assert_eq!(runs(port), [2, 2]);
    signal(&server, "TERM");
    server.wait().unwrap();
}
