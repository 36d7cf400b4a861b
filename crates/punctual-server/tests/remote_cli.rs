//! The commands that talk to a server, against a real one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::Value;
use support::{Server, at, eventually, punctual, typed};

const JOBS: &str = "\
    [jobs.once]\nkind = 'command'\ncommand = 'echo done'\nat = '2026-01-01T00:00:00Z'\n\
    [jobs.tick]\nkind = 'noop'\nevery = '1s'\nstart = '2026-01-01T00:00:00Z'\nmisfire = 'skip'\n\
    [jobs.bad]\nkind = 'command'\ncommand = 'exit 3'\nat = '2026-01-01T00:00:00Z'\n";

/// A server on which `once` has succeeded, `bad` has failed and `tick` has left instants out.
fn busy_server() -> Server {
    let server = Server::start(JOBS);
    for (task, status) in [("once", "success"), ("bad", "failed"), ("tick", "success")] {
        let args = ["history", "list", "--task", task, "--status", status, "--no-header"];
        eventually(task, || (!server.run(&args).out.is_empty()).then_some(()));
    }
    server
}

#[test]
fn runs_and_skipped_instants_are_listed_for_people_and_for_programs() {
    let server = busy_server();
    let listed = server.run(&["history", "list", "--task", "once"]);
    let lines: Vec<&str> = listed.out.lines().collect();
    assert_eq!(lines.len(), 2, "{listed:?}");
    assert!(lines[0].starts_with("ID  TASK  STATUS   STARTED"), "{listed:?}");
    assert!(lines[1].contains("once  success  20") && lines[1].contains("+0"), "local time: {listed:?}");
    assert!(!listed.out.contains('\u{1b}'), "no colours where it is no terminal");
    let row = server.run(&["history", "list", "--task=once", "--jsonl"]).json();
    let id = row["id"].to_string();
    let whole = server.run(&["history", "list", "--task=once", "--json"]).json();
    assert_eq!((&whole["total"], &whole["data"][0]), (&Value::from(1), &row));

    let shown = server.run(&["history", "show", &id]);
    assert!(shown.out.starts_with(&format!("id: {id}\ntask: once\nstatus: success\n")), "{shown:?}");
    assert!(shown.out.contains("  stdout: done\n"), "{shown:?}");
    assert_eq!(server.run(&["history", "show", &id, "--json"]).json(), row);
    assert_eq!(server.run(&["history", "tasks"]).out, "bad\nonce\ntick\n");

    let named = server.run(&[
        "history",
        "list",
        "--job",
        "config.bad",
        "--trigger",
        "config.bad",
        "--since",
        "1h",
        "--jsonl",
    ]);
    assert!(named.out.lines().count() == 1 && named.json()["task"] == "bad", "{named:?}");
    assert_eq!(server.run(&["history", "list", "--since", "2099-01-01", "--jsonl"]).out, "");
    assert_eq!(server.run(&["history", "list", "--until", "2026-01-01", "--jsonl"]).out, "");
    let node = row["node"].as_str().unwrap();
    let there = server.run(&["history", "list", "--task=once", "--node", node, "--until=0s", "--jsonl"]);
    assert_eq!(there.json(), row, "{there:?}");
    assert_eq!(server.run(&["history", "list", "--node", "nobody", "--jsonl"]).out, "");
    assert_eq!(server.run(&["history", "runs", "--node", "nobody", "--jsonl"]).out, "");
    let wrong = server.run(&["history", "list", "--since", "1h", "--until", "2h"]);
    assert!(
        wrong.code == 2 && wrong.err.contains("--until 20") && wrong.err.contains("before --since 20"),
        "{wrong:?}"
    );
    let sorted = server.run(&["history", "list", "--sort", "started_at", "--asc", "--all", "--jsonl"]).out;
    let rows = sorted.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let starts: Vec<String> = rows.map(|row| row["started_at"].to_string()).collect();
    assert!(starts.len() > 2 && starts.is_sorted(), "{sorted}");

    let told = server.run(&["occurrences", "--from", "2025-12-31", "--to", "1h", "--trigger", "config.once"]);
    assert!(told.out.contains("config.once  ran   success  ") && told.out.lines().count() == 2, "{told:?}");
    let told = server.run(&["occurrences", "--job", "config.tick", "--from", "0s", "--to", "1m", "--jsonl"]);
    assert!(told.out.lines().any(|line| line.contains("\"coming\"")), "{told:?}");
    let wrong = server.run(&["occurrences", "--from", "30d"]);
    assert!(wrong.code == 2 && wrong.err.contains("14 days"), "{wrong:?}");

    let went = server.run(&["insights", "--until", "2099-01-01", "--job", "config.bad", "--no-header"]);
    let cells: Vec<&str> = went.out.split_whitespace().collect();
    assert_eq!(
        (&cells[..2], &cells[6..10]),
        (&["bad", "config.bad"][..], &["0", "1", "0", "100.0%"][..]),
        "{went:?}"
    );
    let went = server.run(&["insights", "--until", "2099-01-01", "--task", "once", "--json"]).json();
    assert_eq!((&went["data"][0]["success"], &went["data"][0]["failed"]), (&Value::from(1), &Value::from(0)));
    let wrong = server.run(&["insights", "--since", "1h", "--until", "2h"]);
    assert!(wrong.code == 2 && wrong.err.contains("after from"), "{wrong:?}");

    let skipped = server.run(&["skipped", "list", "--trigger", "config.tick", "--utc"]);
    assert!(
        skipped.out.contains("config.tick  misfire") && skipped.out.contains("2026-01-01 00:00:0"),
        "{skipped:?}"
    );
    let why = server.run(&["why", "config.tick", "2026-01-01T01:00:10"]);
    assert!(why.code == 0 && why.out.contains("2026-01-01"), "{why:?}");
    assert_eq!(
        server.run(&["why", "config.tick", "2026-01-01T00:00:10Z", "--json"]).json()["fate"],
        "skipped"
    );
}

const DEFINITIONS: &str = "\
    [calendars.holidays]\ntype = 'holiday'\ntz = 'Europe/Berlin'\ndays = ['2026-12-25']\n\
    [jobs.report]\nkind = 'noop'\ncron = '0 0 6 * * ?'\ntz = 'Europe/Berlin'\ncalendar = 'holidays'\n\
    [jobs.never]\nkind = 'noop'\nat = '2020-01-01T00:00:00Z'\n\
    [jobs.often]\nkind = 'noop'\nevery = '7h'\n\
    [jobs.told]\nkind = 'noop'\nevent = 'imported'\n";

#[test]
fn definitions_and_the_cluster_are_shown() {
    let server = Server::start(DEFINITIONS);
    let listed = server.run(&["jobs", "list", "--group", "config", "--search", "REP"]);
    let lines: Vec<&str> = listed.out.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with("config.report  noop"), "{listed:?}");
    let shown = server.run(&["jobs", "show", "config.report"]);
    assert!(shown.out.starts_with("key: config.report\nkind: noop\n"), "{shown:?}");
    assert!(shown.out.contains("    schedule_text: at 06:00"), "{shown:?}");

    let next = server.run(&["triggers", "next", "config.report", "-n", "3"]);
    assert_eq!((next.code, next.out.lines().count()), (0, 3), "{next:?}");
    assert!(next.out.lines().all(|line| line.contains(" 06:00:00.000+0")), "{next:?}");
    let awaits = server.run(&["triggers", "next", "config.told"]);
    assert_eq!(awaits.code, 0, "{awaits:?}");
    assert!(awaits.out.contains("when the event imported is emitted"), "{awaits:?}");
    let trigger = server.run(&["triggers", "show", "config.often", "--json"]).json();
    let next = server.run(&["triggers", "next", "config.often", "--json"]).json();
    assert_eq!(next["fires"][0]["at"], trigger["next_fire_at"]);
    let rows = server.run(&["triggers", "list", "--state", "waiting", "--all", "--jsonl"]);
    assert!(
        rows.out.lines().all(|line| line.contains("\"state\":\"waiting\""))
            && rows.out.contains("config.often")
    );
    let page = server.run(&["triggers", "list", "--limit", "1", "--json"]).json();
    assert!(page["next"].is_string() && page["data"].as_array().unwrap().len() == 1, "{page}");

    let calendars = server.run(&["calendars", "list", "--no-header"]);
    assert!(calendars.out.starts_with("holidays"), "{calendars:?}");
    let calendar = server.run(&["calendars", "show", "holidays"]);
    assert!(calendar.out.contains("2026-12-25"), "{calendar:?}");
    let is_running = || server.run(&["nodes", "list"]).out.contains("  running  yes  ");
    eventually("the node to be listed as running", || is_running().then_some(()));
    for empty in [&["locks", "list"][..], &["nodes", "unassigned"], &["triggers", "paused-groups"]] {
        let done = server.run(empty);
        assert_eq!((done.code, done.out.lines().count()), (0, 1), "{done:?}");
    }
    let settings = server.run(&["settings", "show"]);
    assert!(settings.code == 0 && !settings.out.is_empty(), "{settings:?}");
}

#[test]
fn lists_are_followed_over_pages() {
    let server = busy_server();
    let some = server.run(&["history", "list", "--limit", "2", "--no-header"]);
    assert_eq!((some.code, some.out.lines().count()), (0, 2), "{some:?}");
    let many = server.run(&["history", "list", "--all", "--json"]).json();
    assert!(many["data"].as_array().unwrap().len() >= 3);
    let refused = server.run(&["history", "list", "--limit", "0"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn the_exit_code_tells_no_from_failed() {
    let server = Server::start("");
    for (args, code, said) in [
        (&["history", "show", "999"][..], 1, "no-such-run"),
        (&["jobs", "show", "no.job"], 1, "no-such-job"),
        (&["triggers", "next", "no.trigger"], 1, "no-such-trigger"),
        (&["calendars", "show", "none"], 1, "no-such-calendar"),
        (&["why", "no.trigger", "2026-01-01T00:00:00Z"], 1, ""),
        (&["history", "list", "--status", "odd"], 2, "status"),
        (&["skipped", "list", "--reason", "odd"], 2, "invalid-parameters"),
        (&["why", "a.b", "noon"], 2, "2026-11-21T05:00:00Z"),
        (&["skipped", "list", "--server", "http://127.0.0.1:1"], 2, "http://127.0.0.1:1"),
        (&["skipped", "list", "--server", "localhost"], 2, "http://localhost"),
        (&["skipped", "list", "--ca-file", "/no/such/file"], 2, "/no/such/file"),
        (&["skipped", "list", "--token-file", "/no/such/file"], 2, "/no/such/file"),
    ] {
        let done = server.run(args);
        assert_eq!(done.code, code, "{args:?}: {done:?}");
        assert!(done.err.contains(said), "{args:?}: {done:?}");
        assert!(code != 2 || done.out.is_empty(), "{args:?}: {done:?}");
    }
}

/// Answers each request with the next of these, and says what the requests were.
fn answer<T: AsRef<str> + Send + 'static>(answers: Vec<T>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let one = move |answer: T| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            request.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&request).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).unwrap();
        request.extend(body);
        stream.write_all(answer.as_ref().as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    };
    (address, std::thread::spawn(move || answers.into_iter().map(one).collect()))
}

#[test]
fn the_token_goes_to_this_server_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "pun_secret\n").unwrap();
    let answer = "HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (address, asked) = self::answer(vec![answer]);
    let done = at(&address, &["skipped", "list", "--token-file", file.path().to_str().unwrap()]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("sends us to http://127.0.0.1:1/"), "{done:?}");
    assert!(!done.err.contains("pun_secret"), "{done:?}");
    let asked = asked.join().unwrap().remove(0);
    assert!(asked.starts_with("GET /api/v1/skipped?limit=50 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer pun_secret\r\n"), "{asked}");
}

const CALENDAR: &str = "name = 'closed'\n[calendar]\ntype = 'holiday'\ntz = 'UTC'\ndays = [2026-12-25]\n";
const JOB: &str = r#"{
    "group": "reports", "name": "daily", "kind": "noop",
    "triggers": [{"group": "reports", "name": "noon", "calendar": "closed",
        "schedule": {"type": "cron", "expr": "0 0 12 * * ?", "tz": "Europe/Berlin"}}]
}"#;

#[test]
fn definitions_are_stored_changed_and_deleted() {
    let server = Server::start("");
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (calendar, job) = (file("closed.toml", CALENDAR), file("daily.json", JOB));
    let done = |args: &[&str], said: &str| {
        let done = server.run(args);
        assert!(done.code == 0 && done.out.contains(said), "{args:?}: {done:?}");
    };
    done(&["calendars", "put", &calendar, "--note", "the office is closed"], "name: closed");
    done(&["jobs", "put", &job], "key: reports.daily");
    let odd = server.run(&[
        "--utc",
        "jobs",
        "put",
        &file("odd.json", r#"{"name": "odd", "kind": "onp", "durable": true}"#),
    ]);
    assert_eq!(odd.code, 0, "{odd:?}");
    assert!(odd.err.contains("warning: no live node knows the kind onp"), "{odd:?}");

    // What is shown can be stored again, unless somebody else has changed it meanwhile.
    let shown = server.run(&["jobs", "show", "reports.daily", "--json"]);
    let old = file("old.json", &shown.out);
    let new = file("new.json", &shown.out.replace("0 0 12", "0 30 12"));
    done(&["jobs", "put", &new], "12:30");
    let stale = server.run(&["jobs", "put", &old]);
    assert!(stale.code == 1 && stale.err.contains("punctual: "), "{stale:?}");
    done(&["jobs", "put", &old, "--force"], "12:00");
    let trigger = server.run(&["triggers", "show", "reports.noon", "--json"]);
    done(&["triggers", "put", &file("trigger.json", &trigger.out.replace("12 * *", "13 * *"))], "13:00");

    done(&["jobs", "pause", "reports.daily"], "reports.daily is paused.");
    done(&["triggers", "list", "--state", "paused"], "reports.noon");
    done(&["jobs", "resume", "reports.daily"], "reports.daily is resumed.");
    done(&["triggers", "pause-group", "reports"], "paused");
    done(&["triggers", "paused-groups"], "reports");
    done(&["triggers", "resume-group", "reports"], "The triggers of group reports are resumed.");
    done(&["triggers", "resume-group", "reports"], "No trigger of group reports was paused; ");
    done(&["triggers", "resume-group", "nogroup"], "No trigger of group nogroup was paused; ");
    done(&["triggers", "resume", "reports.noon"], "reports.noon was not paused: nothing was resumed.");
    done(
        &["triggers", "reset", "reports.noon"],
        "reports.noon was not in the state error: there was nothing",
    );
    done(&["backfill", "reports.noon", "2026-10-01", "2026-10-03", "--dry-run"], "runs stored: 0");
    done(&["events", "emit", "nobody-waits", "--payload", "{}"], "0");
    let used = server.run(&["calendars", "delete", "closed"]);
    assert_eq!(used.code, 1, "{used:?}");
    done(&["triggers", "delete", "reports.noon"], "deleted");
    assert_eq!(server.run(&["jobs", "show", "reports.daily"]).code, 1, "it went with its last trigger");
    done(&["calendars", "delete", "closed"], "deleted");
}

#[test]
fn runs_are_asked_for_and_again() {
    let server = Server::start("[jobs.often]\nkind = 'noop'\nevery = '7h'\n");
    let done = server.run(&["jobs", "run", "config.often", "--data", "{\"n\":1}"]);
    assert!(done.code == 0 && done.out.contains("The run is stored"), "{done:?}");
    let manual = eventually("the run", || {
        let rows = server.run(&["history", "list", "--task=often", "--status=success", "--jsonl"]).out;
        let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
        rows.into_iter().find(|row| row["cause"] == "manual")
    });
    let id = manual["id"].to_string();
    let ended = server.run(&["history", "cancel", &id]);
    assert!(ended.code == 1 && ended.err.contains("not-running"), "{ended:?}");
    assert!(server.run(&["history", "rerun", &id]).out.contains("The run is stored"));
    let wrong = server.run(&["jobs", "run", "config.often", "--data", "7"]);
    assert!(wrong.code == 2 && wrong.err.contains("--data"), "{wrong:?}");
}

#[test]
fn a_session_is_kept_for_its_server_until_the_end() {
    const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ";
    let session = format!("{OK}44\r\n\r\n{}", r#"{"id":"ps_hush","must_change_password":true}"#);
    let me = format!("{OK}14\r\n\r\n{}", r#"{"name":"ann"}"#);
    let gone = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    let (address, asked) = self::answer(vec![session, me, gone.to_owned()]);
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], input: &str| typed(&address, home.path(), args, input);

    let login = run(&["login", "--username", "ann", "--password-stdin"], "pass word\n");
    assert!(login.code == 0 && login.out.contains("punctual password"), "{login:?}");
    assert!(!login.out.contains("ps_hush"), "{login:?}");
    let file = home.path().join("punctual/credentials");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run(&["whoami"], "").out, "name: ann\n");
    assert_eq!(run(&["logout"], "").code, 0);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("ps_hush"));
    let refused = run(&["login"], "ann\n");
    assert!(refused.code == 2 && refused.err.contains("--password-stdin"), "{refused:?}");

    let asked = asked.join().unwrap();
    assert!(asked[0].ends_with(r#"{"password":"pass word","username":"ann"}"#), "{asked:?}");
    assert!(!asked[0].contains("x-punctual-session"), "{asked:?}");
    assert!(asked[1].contains("x-punctual-session: ps_hush\r\n"), "{asked:?}");
    assert!(asked[2].starts_with("DELETE /api/session HTTP/1.1\r\n"), "{asked:?}");
}

#[test]
fn a_run_is_shown_with_its_attempts_and_child_tasks() {
    let good = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let row = |id: u32, attempt: u32| {
        format!(r#"{{"id":{id},"task":"daily","status":"failed","attempt":{attempt},"origin":7}}"#)
    };
    let list = |rows: &[String], total: u32| {
        good(&format!(r#"{{"data":[{}],"next":null,"total":{total}}}"#, rows.join(",")))
    };
    let (address, asked) = answer(vec![
        good(&row(9, 2)),
        list(&[row(7, 1), row(9, 2)], 2),
        list(&[row(11, 1)], 300),
        good(&row(7, 1)),
        list(&[row(7, 1)], 1),
        list(&[], 0),
        good(&row(7, 1)),
    ]);
    let shown = at(&address, &["history", "show", "9"]);
    assert!(shown.out.contains("\nattempts:\nATTEMPT  ID  "), "{shown:?}");
    assert!(shown.out.contains("\n1        7   ") && shown.out.contains("\n2        9   "), "{shown:?}");
    assert!(shown.out.contains("\nchild tasks (the first 1 of 300):\nID  TASK "), "{shown:?}");
    let plain = at(&address, &["history", "show", "7"]);
    assert!(
        plain.code == 0 && !plain.out.contains("attempts:") && !plain.out.contains("child tasks"),
        "{plain:?}"
    );
    assert_eq!(at(&address, &["history", "show", "7", "--json"]).json()["id"], 7);
    let asked = asked.join().unwrap();
    assert!(asked[1].starts_with("GET /api/v1/runs?origin=7&"), "{asked:?}");
    assert!(asked[2].starts_with("GET /api/v1/runs?parent=9&"), "{asked:?}");
}

#[test]
fn runs_are_followed_as_they_happen() {
    let server = Server::start(JOBS);
    let mut child = punctual(&["history", "follow", "--task", "tick", "--status", "success", "--json"])
        .env("PUNCTUAL_SERVER", format!("http://127.0.0.1:{}", server.port))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&event["event"], &event["data"]["task"]), (&"run.ended".into(), &"tick".into()), "{line}");
}

#[test]
fn a_stream_that_ends_is_gone_on_with() {
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n\
                  id: 7-1\nevent: run.ended\ndata: {\"id\":1}\n\n";
    let refusal = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnope";
    let (address, asked) = answer(vec![stream, refusal]);
    let done = at(&address, &["events", "follow", "--utc"]);
    assert!(done.code == 2 && done.err.contains("nope"), "{done:?}");
    assert!(done.out.ends_with("Z  run.ended  id=1\n"), "{done:?}");
    let asked = asked.join().unwrap();
    assert!(!asked[0].contains("last-event-id"), "{asked:?}");
    assert!(asked[1].contains("last-event-id: 7-1\r\n"), "{asked:?}");
}

#[test]
fn answers_that_are_no_answers_are_said_to_be_so() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<ok>";
    let (address, asked) = self::answer(vec![answer]);
    let done = at(&address, &["skipped", "list"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("not the list"), "{done:?}");
    asked.join().unwrap();
}

#[test]
fn shells_complete_the_commands() {
    for (shell, sign) in
        [("bash", "complete -F"), ("zsh", "#compdef punctual"), ("fish", "complete -c punctual")]
    {
        let done = at("http://127.0.0.1:1", &["completions", shell]);
        assert!(done.code == 0 && done.out.contains(sign) && done.out.contains("skipped"), "{shell}");
    }
}

#[test]
fn options_of_the_server_stand_before_the_command_too() {
    let server = Server::start(JOBS);
    let asked = |args: &[&str]| {
        let output = punctual(args).env_remove("PUNCTUAL_SERVER").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let address = server.address();
    let before = asked(&["--server", &address, "--no-header", "jobs", "list"]);
    assert!(before.0 == Some(0) && before.1.contains("config.tick"), "{before:?}");
    assert_eq!(asked(&["jobs", "list", "--no-header", "--server", &address]), before);
    // A command that asks no server says so, wherever the option stands.
    let refused = asked(&["--server", &address, "serve"]);
    assert!(refused.0 == Some(2) && refused.2.contains("unexpected argument '--server'"), "{refused:?}");
    assert!(asked(&["--help"]).1.contains("may also stand before the command"));
}
