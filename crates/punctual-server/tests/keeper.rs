//! Commands and the keepers between them and their server: what a command does is the same with one and without, and
//! no command outlives its server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use punctual_core::{Data, HistoryQuery, JobDetail, JobStore, TaskStatus, Trigger};
use punctual_engine::{Entry, ManualScheduler};
use punctual_jobs::command::Command as CommandKind;
use punctual_jobs::keeper::Keeper;
use punctual_memory::MemoryStore;
use serde_json::{Value, json};
use support::{Server, eventually};

/// How a command ends, and the details of its row.
async fn run(kind: CommandKind, data: &Value) -> (TaskStatus, Value) {
    let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new());
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let job = JobDetail::new("job", "command").data(Data::from_serialize(data).unwrap());
    let entry = Entry::new(job, vec![Trigger::once("t", "job", start)]);
    let manual = ManualScheduler::new(Arc::clone(&store), start, |builder| builder.job(kind).entry(entry));
    manual.await.unwrap().run_due().await.unwrap();
    let row = store.history(&HistoryQuery::default()).await.unwrap().rows.remove(0);
    (row.status, row.details.unwrap_or_default())
}

fn kept() -> CommandKind {
    CommandKind::kept_by(Keeper::program(env!("CARGO_BIN_EXE_punctual")))
}

#[tokio::test]
async fn a_keeper_changes_nothing_about_a_command() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    let commands = [
        json!({"command": "echo out; echo err >&2"}),
        json!({"command": "echo before; exit 3"}),
        json!({"command": "exit 3", "success_exit_codes": [3]}),
        json!({"command": "kill -SEGV $$"}),
        json!({"command": "kill -KILL $$"}),
        // What a process of this language ignores, its commands must not.
        json!({"command": "kill -PIPE $$"}),
        // The whole group, to which nobody else belongs.
        json!({"command": "kill -USR1 0"}),
        json!({"command": "trap 'echo trapped' TERM; kill -TERM 0; echo on"}),
        json!({"command": "cat; read line; echo read: $?"}),
        json!({"command": "ls /dev/fd | wc -l; umask; ulimit -a"}),
        json!({"command": "env | grep -v '^_=' | sort", "clear_env": true, "env": {"A": "b"}}),
        json!({"program": "pwd", "working_dir": directory.path()}),
        json!({"program": "printf", "args": ["%s.", "a b", "--", "", "-x"]}),
        json!({"program": "printf", "args": ["found"], "env": {"PATH": "/usr/bin:/bin"}}),
        json!({"program": "printf", "args": ["found"], "clear_env": true}),
        json!({"program": "ls", "env": {"PATH": "/no/such/place"}}),
        json!({"program": "no-such-program-anywhere"}),
        json!({"program": plain}),
        json!({"command": "true", "working_dir": "/no/such/place"}),
        json!({"command": "seq 1 100000", "max_output_bytes": 13}),
    ];
    for data in commands {
        let direct = run(CommandKind::default(), &data).await;
        assert_eq!(run(kept(), &data).await, direct, "{data}");
    }
}

#[tokio::test]
async fn a_command_leads_its_group_and_what_it_leaves_behind_lives_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let line = format!("ps -o pgid= -p $$; echo $$; sleep 1000 >&- 2>&- & echo $! > {}", file.display());
    let (status, details) = run(kept(), &json!({ "command": line })).await;
    assert_eq!(status, TaskStatus::Success, "{details}");
    let ids: Vec<&str> = details["stdout"].as_str().unwrap().split_whitespace().collect();
    assert_eq!(ids[0], ids[1]);
    let left = id_in(&file).unwrap();
    assert!(lives(&left), "a command that has ended well may leave processes");
    assert!(Command::new("kill").arg(&left).status().unwrap().success());
}

#[tokio::test]
async fn a_keeper_that_is_killed_fails_the_run_and_takes_the_command_along() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    // More than a pipe holds: it is read once the command is known.
    let line = format!(
        "sleep 1000 & echo $! > {}; head -c 200000 /dev/zero | tr '\\0' x; kill -KILL $PPID; wait",
        file.display()
    );
    let (status, details) = run(kept(), &json!({ "command": line })).await;
    assert_eq!(status, TaskStatus::Failed);
    let message = details["message"].as_str().unwrap();
    assert!(
        message.contains("the keeper of the command ended") && message.contains("signal: 9"),
        "{message}"
    );
    assert_gone(&id_in(&file).unwrap());
}

#[tokio::test]
async fn a_keeper_that_cannot_run_is_named() {
    let nowhere = CommandKind::kept_by(Keeper::program("/no/such/keeper"));
    let (_, details) = run(nowhere, &json!({"command": "true"})).await;
    let message = details["message"].as_str().unwrap();
    assert!(message.contains("cannot run the keeper /no/such/keeper"), "{message}");
    // One that is no keeper says nothing.
    let (_, details) =
        run(CommandKind::kept_by(Keeper::program("/bin/true")), &json!({"command": "true"})).await;
    let message = details["message"].as_str().unwrap();
    assert!(message.contains("cannot run the keeper /bin/true"), "{message}");
}

#[test]
fn whoever_calls_a_keeper_by_hand_is_told_what_it_is() {
    for (args, says) in [(&["keep", "--", "true"][..], "no socket"), (&["keep", "true"], "PROGRAM")] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_punctual")).args(args).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains(says), "{text}");
    }
}

fn id_in(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    // A line that is whole.
    text.strip_suffix('\n').map(str::to_owned)
}

/// Whether a process still runs. One that has ended stays in the table until its parent takes notice, and whoever adopts
/// orphans on a machine may be slow to do so.
fn lives(id: &str) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", id]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !matches!(state.trim().chars().next(), None | Some('Z'))
}

fn assert_gone(id: &str) {
    eventually("the end of a process", || (!lives(id)).then_some(()));
}

/// A job of the name `job` whose command runs once, in this directory.
fn once(directory: &Path, line: &str, more: &str) -> String {
    format!(
        "[jobs.job]\nkind = 'command'\nat = '2026-01-01T00:00:00Z'\nworking_dir = {directory:?}\ncommand = '''{line}'''\n{more}\n"
    )
}

#[test]
fn what_a_killed_server_ran_ends_with_its_children() {
    let directory = tempfile::tempdir().unwrap();
    // The last one leaves the group, and its parent.
    let away = if cfg!(target_os = "linux") { "(setsid sleep 1000 & echo $! > c)" } else { "echo 0 > c" };
    let line = format!("echo $$ > a; sleep 1000 & echo $! > b; {away}; wait");
    let server = Server::start_in(directory.path(), &once(directory.path(), &line, ""));
    let ids = ["a", "b", "c"].map(|name| eventually(name, || id_in(&directory.path().join(name))));
    let ids = ids.iter().filter(|id| *id != "0");
    assert!(ids.clone().all(|id| lives(id)));
    server.kill();
    ids.for_each(|id| assert_gone(id));
}

#[cfg(unix)]
#[test]
fn the_lock_of_commands_is_as_private_as_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let _server = Server::start_in(directory.path(), "");
    let files = std::fs::read_dir(directory.path().join("data")).unwrap().map(|file| file.unwrap());
    let modes: Vec<(String, u32)> = files
        .filter(|file| file.file_name().to_string_lossy().contains(".db"))
        .map(|file| {
            (file.file_name().into_string().unwrap(), file.metadata().unwrap().permissions().mode() & 0o777)
        })
        .collect();
    assert!(modes.iter().any(|(name, _)| name.ends_with("-commands")), "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[test]
fn a_second_run_after_a_kill_does_not_meet_the_first() {
    let directory = tempfile::tempdir().unwrap();
    // One that does not listen, which is there until SIGKILL.
    let line = "trap \"\" TERM; if [ -e first ]; then kill -0 $(cat first) && echo met > met; echo $$ > second; \
                else echo $$ > first; fi; sleep 1000";
    let config = once(directory.path(), line, "requests_recovery = true");
    let server = Server::start_in(directory.path(), &config);
    let first = eventually("the first run", || id_in(&directory.path().join("first")));
    server.kill();
    let _server = Server::start_in(directory.path(), &config);
    eventually("the second run", || id_in(&directory.path().join("second")));
    assert!(!directory.path().join("met").exists());
    assert_gone(&first);
}

/// The row of the job once it is in this status.
fn row(server: &Server, status: &str) -> Value {
    eventually(status, || {
        let status = format!("--status={status}");
        let rows = server.run(&["history", "list", "--task=job", &status, "--jsonl"]).out;
        rows.lines().next().map(|row| serde_json::from_str(row).unwrap())
    })
}

#[test]
fn a_time_out_reaches_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let line = "trap \"echo stopping; exit 7\" TERM; sleep 1000 & echo $! > child; wait";
    let server = Server::start_in(directory.path(), &once(directory.path(), line, "timeout = '1s'"));
    let details = row(&server, "failed")["task_details"].clone();
    assert_eq!(details["original-info"], json!({"stdout": "stopping\n", "exit_code": 7}), "{details}");
    assert_gone(&id_in(&directory.path().join("child")).unwrap());
}

#[test]
fn a_cancelled_command_that_does_not_listen_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let line = "trap \"\" TERM; sleep 1000 & echo $! > child; wait";
    let server = Server::start_in(directory.path(), &once(directory.path(), line, ""));
    let child = eventually("the child", || id_in(&directory.path().join("child")));
    let id = row(&server, "started")["id"].to_string();
    assert_eq!(server.run(&["history", "cancel", &id]).code, 0);
    let row = eventually("the end", || {
        let row = server.run(&["history", "show", &id, "--json"]).json();
        (row["status"] != "started").then_some(row)
    });
    assert!(row.to_string().contains("\"signal\":9"), "{row}");
    assert_gone(&child);
}
