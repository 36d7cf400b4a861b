//! The real binary: started, asked, killed, started again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::{Server, ask, eventually, get, pause, punctual, signal};

fn output(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = punctual(args).output().unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

impl Server {
    fn json(&self, path: &str) -> Value {
        let body = eventually(path, || get(self.port, path));
        // A chunked body has its lengths around it.
        let (from, to) = (body.find(['{', '[']).unwrap(), body.rfind(['}', ']']).unwrap());
        serde_json::from_str(&body[from..=to]).unwrap()
    }

    fn rows(&self, query: &str) -> Vec<Value> {
        self.json(&format!("/api/task?{query}"))["data"].as_array().unwrap().clone()
    }
}

const EVERY_SECOND: &str = "[jobs.tick]\nkind = 'command'\ncommand = 'echo tock'\nevery = '1s'\n";

#[test]
fn a_command_runs_and_its_history_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path(), EVERY_SECOND);
    let rows = eventually("two successful runs", || {
        let rows = server.rows("status=success&task=tick");
        (rows.len() >= 2).then_some(rows)
    });
    assert_eq!(rows[0]["task_details"]["stdout"], "tock\n");
    assert_eq!(rows[0]["job"], "config.tick");
    let page = get(server.port, "/metrics").unwrap();
    assert!(page.contains(
        r#"punctual_tasks_quartz_tasks_executed_total{status="succeeded",job_name="config.tick"}"#
    ));
    assert_eq!(server.json("/api/task/info")["jobs"][2]["key"], "tick");
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&directory.path().join("data")), 0o700);
    assert_eq!(mode(&directory.path().join("data/punctual.db")), 0o600);
}

#[test]
fn an_unknown_log_level_is_refused() {
    let (code, text) = output(&["serve", "--log-level", "loud"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("\"loud\" is no level; give error, warn, info, debug or trace"), "{text}");
}

#[test]
fn after_kill_nine_every_instant_is_accounted_for_and_open_work_is_recovered() {
    let config = format!(
        "{EVERY_SECOND}misfire_threshold = '1s'\n\
         [jobs.plain]\nkind = 'command'\ncommand = 'sleep 60'\nat = '2026-01-01T00:00:00Z'\n\
         [jobs.again]\nkind = 'command'\ncommand = 'sleep 60'\nat = '2026-01-01T00:00:00Z'\nrequests_recovery = true\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path(), &config);
    eventually("the long jobs to start", || (server.rows("status=started").len() >= 2).then_some(()));
    eventually("a tick", || (!server.rows("task=tick&status=success").is_empty()).then_some(()));
    server.kill();
    for _ in 0..100 {
        pause();
    }
    let server = Server::start_in(directory.path(), &config);
    let plain = eventually("the recovery", || {
        server.rows("task=plain").into_iter().find(|row| row["status"] == "unknown")
    });
    assert!(plain["task_details"]["message"].as_str().unwrap().contains("was lost while this ran"));
    let again = eventually("the second attempt", || {
        server.rows("task=again").into_iter().find(|row| row["attempt"] == 2)
    });
    assert_eq!((&again["cause"], &again["status"]), (&Value::from("recovery"), &Value::from("started")));
    let before = server.rows("task=tick").len();
    eventually("another tick", || (server.rows("task=tick").len() > before + 1).then_some(()));
    check_ticks(&server);
    server.kill();
}

/// Between the first tick and the last, each second has a run or lies in a skipped range.
fn check_ticks(server: &Server) {
    let millis = |text: &Value| -> i64 {
        let at: jiff::Timestamp = text.as_str().unwrap().parse().unwrap();
        at.as_millisecond()
    };
    // First the ranges: what is skipped after that is not missed, it is just not looked at.
    let ranges = server.json("/api/v1/skipped?trigger=config.tick")["data"].as_array().unwrap().clone();
    let rows = server.rows("task=tick");
    let mut instants: Vec<i64> = rows.iter().map(|row| millis(&row["scheduled_at"])).collect();
    let last = *instants.iter().max().unwrap();
    for range in &ranges {
        let count = i64::try_from(range["count"].as_u64().unwrap()).unwrap();
        let first = millis(&range["first"]);
        assert_eq!(millis(&range["last"]), first + (count - 1) * 1_000, "{range}");
        instants.extend((0..count).map(|n| first + n * 1_000).filter(|at| *at <= last));
    }
    assert!(!ranges.is_empty(), "five seconds without a server leave something to skip");
    instants.sort_unstable();
    let gaps: Vec<_> = instants.windows(2).filter(|pair| pair[1] - pair[0] != 1_000).collect();
    assert!(gaps.is_empty(), "unaccounted or doubled: {gaps:?}");
}

#[test]
fn a_terminated_server_lets_its_job_end() {
    let directory = tempfile::tempdir().unwrap();
    let config =
        "[jobs.nap]\nkind = 'command'\ncommand = 'sleep 1; echo rested'\nat = '2026-01-01T00:00:00Z'\n";
    let server = Server::start_in(directory.path(), config);
    let id = eventually("the nap", || server.rows("status=started").first().map(|row| row["id"].clone()));
    assert_eq!(server.terminate(), Some(0));
    let server = Server::start_in(directory.path(), "");
    let row = server.json(&format!("/api/task/{id}"));
    assert_eq!(
        (&row["status"], &row["task_details"]["stdout"]),
        (&Value::from("success"), &Value::from("rested\n"))
    );
    let jobs = server.json("/api/task/info")["jobs"].as_array().unwrap().len();
    assert_eq!(jobs, 2, "only the clean-ups are left: the job is no longer in the file");
}

#[test]
fn a_closed_terminal_stops_the_server_as_it_should_be_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let config =
        "[jobs.nap]\nkind = 'command'\ncommand = 'sleep 1; echo rested'\nat = '2026-01-01T00:00:00Z'\n";
    let server = Server::start_in(directory.path(), config);
    let id = eventually("the nap", || server.rows("status=started").first().map(|row| row["id"].clone()));
    // Shells and the system may each send one: the second does not hurry it.
    signal(&server.child, "HUP");
    eventually("the first", || server.log().contains("stopping").then_some(()));
    assert_eq!(server.stop_by("HUP"), Some(0));
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(log.contains("SIGHUP is a stop like SIGTERM"), "{log}");
    let server = Server::start_in(directory.path(), "");
    assert_eq!(server.json(&format!("/api/task/{id}"))["status"], "success");
}

#[test]
fn a_server_that_was_told_to_outlive_its_terminal_does() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_as(directory.path(), EVERY_SECOND, |command| {
        // As nohup does.
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
            .arg(command.get_program())
            .args(command.get_args());
        shell.env("PUNCTUAL__AUTH__MODE", "off").stdin(std::process::Stdio::null());
        shell.stderr(std::fs::File::create(directory.path().join("log")).unwrap());
        *command = shell;
    });
    signal(&server.child, "HUP");
    assert_eq!(server.json("/health")["status"], "ok");
    assert_eq!(server.terminate(), Some(0));
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(log.contains("SIGTERM") && !log.contains("SIGHUP"), "{log}");
}

#[test]
fn a_server_whose_file_is_removed_gives_up() {
    let directory = tempfile::tempdir().unwrap();
    let config = "[scheduler]\nheartbeat = '200ms'\nlease = '1s'\n\n[jobs.nap]\nkind = 'command'\n\
                  command = 'touch began; exec sleep 600'\nat = '2026-01-01T00:00:00Z'\n";
    let config =
        config.replace("touch began", &format!("touch {}", directory.path().join("began").display()));
    let server = Server::start_in(directory.path(), &config);
    eventually("the nap", || directory.path().join("began").exists().then_some(()));
    std::fs::rename(directory.path().join("data"), directory.path().join("moved")).unwrap();
    let body = eventually("the end of its health", || {
        ask(server.port, "/health").filter(|(status, _)| *status == 503).map(|(_, body)| body)
    });
    assert!(body.contains("runs nothing more") && body.contains("punctual.db was removed"), "{body}");
    eventually("the end of the nap", || server.log().contains("runs under the lost lease").then_some(()));
    assert_eq!(server.log().matches(" ERROR ").count(), 1, "{}", server.log());
    // Another one over a new file is nothing that it would mend or harm.
    let other = Server::start_as(directory.path(), EVERY_SECOND, |_| ());
    eventually("a run of the other", || (!other.rows("status=success").is_empty()).then_some(()));
    assert_eq!(ask(server.port, "/health").unwrap().0, 503);
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(other.json("/health")["status"], "ok");
    assert_eq!(other.terminate(), Some(0));
    let server = Server::start_in(directory.path(), EVERY_SECOND);
    assert!(!server.rows("status=success").is_empty(), "what the other did is kept");
}

#[test]
fn the_file_of_a_stopped_server_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join("data").join(name);
    let server = Server::start_in(
        directory.path(),
        "[jobs.kept]\nkind = 'command'\ncommand = 'true'\nat = '2099-01-01T00:00:00Z'\n",
    );
    assert!(file("punctual.db-wal").exists());
    assert_eq!(server.terminate(), Some(0));
    assert!(
        !file("punctual.db-wal").exists(),
        "{:?}",
        std::fs::read_dir(file("")).unwrap().collect::<Vec<_>>()
    );
    let copy = directory.path().join("copy.db");
    std::fs::copy(file("punctual.db"), &copy).unwrap();
    let place = format!("sqlite://{}", copy.display());
    let none = directory.path().join("punctual.toml");
    let (code, plan) = output(&["plan", none.to_str().unwrap(), "--database", &place]);
    assert_eq!(code, Some(0), "{plan}");
    assert!(!plan.contains("create") && !plan.contains("+ "), "{plan}");
}

#[test]
fn what_stops_the_start_is_said_clearly() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path(), "");
    let taken = format!("127.0.0.1:{}", server.port);
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let (code, text) = output(&["serve", "--listen", &taken, "--data-dir", data]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&taken) && text.contains("another server"), "{text}");
    let (code, text) = output(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("punctual.db") && text.contains("another process uses this database"), "{text}");
    server.kill();
    let broken = directory.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("punctual.db"), [0x5a_u8; 8_192]).unwrap();
    let (code, text) = output(&["serve", "--listen", "127.0.0.1:0", "--data-dir", broken.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("broken/punctual.db") && text.contains("not a database"), "{text}");
    let (code, text) = output(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("loopback"), "{text}");
    let (code, text) = output(&["serve", "--config", "/no/such/file.toml"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("/no/such/file.toml"), "{text}");
    let bad = directory.path().join("bad.toml");
    std::fs::write(&bad, "[jobs.a]\nkind = 'noop'\ncron = '0 0 25 * * ?'\n").unwrap();
    let (code, text) = output(&["check", bad.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("bad.toml, line 3: jobs.a.cron") && text.contains("25"), "{text}");
}

#[test]
fn files_and_expressions_can_be_looked_at_without_a_server() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/punctual.toml");
    let (code, text) = output(&["check", example, "--count", "2"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("at 06:30 Monday to Friday, Europe/Berlin time"), "{text}");
    let args = ["schedule", "next", "0 30 2 * * ?", "--tz", "Europe/Berlin", "--count", "1"];
    let (code, text) = output(&[&args[..], &["--from", "2026-03-28T12:00:00Z"]].concat());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("Sun 2026-03-29 03:00:00 CEST (+02:00)  =  2026-03-29T01:00:00Z"), "{text}");
    let (code, text) = output(&["schedule", "next", "0 0 12 * * *"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains('^'), "{text}");
}

#[test]
fn the_bench_counts_each_run_once() {
    for database in [&[][..], &["--database", "memory://"][..]] {
        let args = ["bench", "drain", "--n", "2000", "--blocked", "10", "--stored", "10", "--json"];
        let (code, text) = output(&[&args[..], database].concat());
        assert_eq!(code, Some(0), "{text}");
        let figures: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(figures["executed"], 2_000);
        assert!(figures["fires_per_s"].as_f64().unwrap() > 0.0 && figures["seconds"].as_f64().unwrap() > 0.0);
    }
    let (code, text) = output(&["bench", "lateness", "--rate", "20", "--seconds", "1", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("then firing 20 a second for 1 s"), "{text}");
    let figures: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(["p50_ms", "p95_ms", "p99_ms", "max_ms"].iter().all(|name| figures[name].is_number()), "{text}");
    let (code, text) = output(&["bench", "idle", "--triggers", "20", "--seconds", "1", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("watching a node for 9 s"), "{text}");
    let figures: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(["ready_ms", "rss_mib", "commits_per_s"].iter().all(|name| figures[name].is_number()), "{text}");
}
