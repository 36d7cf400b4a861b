//! Commands, run for real.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use punctual_core::time::plus_millis;
use punctual_core::{
    Change, Clock, HistoryQuery, JobDetail, JobStore, TaskHistory, TaskStatus, Timestamp, Trigger,
};
use punctual_engine::{DataProblem, Job, ManualClock, ManualScheduler, Scheduler};
use punctual_jobs::command::Command;
use punctual_memory::MemoryStore;
use serde_json::json;

/// Runs one command job to its end and returns its row.
async fn run(data: serde_json::Value) -> TaskHistory {
    let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new());
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let job = JobDetail::new("job", "command").data(punctual_core::Data::from_serialize(&data).unwrap());
    // Stored past the check of definitions, as by a node that does not know the kind.
    let triggers = vec![Trigger::once("t", "job", start)];
    store.apply(start, &[Change::Schedule { job, triggers }]).await.unwrap();
    let manual = ManualScheduler::new(Arc::clone(&store), start, |builder| builder.job(Command::default()));
    let manual = manual.await.unwrap();
    manual.run_due().await.unwrap();
    store.history(&HistoryQuery::default()).await.unwrap().rows.remove(0)
}

#[test]
fn what_a_trigger_may_bring_is_missing_and_the_rest_is_wrong() {
    let check = |data| <Command as Job>::check(&serde_json::from_value(data).unwrap());
    assert_eq!(check(json!({"command": "true"})), Ok(()));
    for data in [json!({}), json!({"args": ["x"]})] {
        assert!(matches!(check(data.clone()), Err(DataProblem::Missing(_))), "{data}");
    }
    for data in [
        json!({"command": " "}),
        json!({"command": "x", "program": "y"}),
        json!({"command": "x", "args": ["y"]}),
    ] {
        assert!(matches!(check(data.clone()), Err(DataProblem::Wrong(_))), "{data}");
    }
}

#[tokio::test]
async fn output_and_exit_code_are_in_the_history() {
    let row =
        run(json!({"command": "echo out; echo err >&2; echo $GREETING", "env": {"GREETING": "hello"}})).await;
    assert_eq!(row.status, TaskStatus::Success);
    let details = row.details.unwrap();
    assert_eq!(details, json!({"stdout": "out\nhello\n", "stderr": "err\n", "exit_code": 0}));
}

#[tokio::test]
async fn a_run_knows_its_fire() {
    let row =
        run(json!({"command": "echo $PUNCTUAL_FIRE_ID $PUNCTUAL_SCHEDULED_AT $PUNCTUAL_ATTEMPT"})).await;
    let expected = format!("{} 2026-01-01T00:00:00Z 1\n", row.id);
    assert_eq!(row.details.unwrap()["stdout"], json!(expected));
}

#[tokio::test]
async fn another_exit_code_fails_with_its_output() {
    let row = run(json!({"command": "echo before; exit 3"})).await;
    assert_eq!(row.status, TaskStatus::Failed);
    let details = row.details.unwrap();
    assert_eq!(details["message"], "the command ended with exit code 3");
    assert_eq!(details["original-info"], json!({"stdout": "before\n", "exit_code": 3}));
    let row = run(json!({"command": "exit 3", "success_exit_codes": [0, 3]})).await;
    assert_eq!(row.status, TaskStatus::Success);
}

#[tokio::test]
async fn a_program_runs_in_its_directory_without_a_shell() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a b"), "").unwrap();
    let row = run(json!({"program": "ls", "args": ["a b"], "working_dir": directory.path()})).await;
    assert_eq!(row.details.unwrap()["stdout"], "a b\n");
}

#[tokio::test]
async fn long_output_keeps_its_end() {
    let row = run(json!({"command": "seq 1 100000", "max_output_bytes": 13})).await;
    let details = row.details.unwrap();
    let text = details["stdout"].as_str().unwrap();
    assert!(text.ends_with("99999\n100000\n") && text.starts_with('['), "{text}");
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    for (data, words) in [
        (
            json!({"program": "no-such-program-anywhere"}),
            "no-such-program-anywhere: there is no such program",
        ),
        (json!({"command": "true", "working_dir": "/no/such/place"}), "/no/such/place does not exist"),
        (json!({}), "neither command nor program"),
        (json!({"command": "a", "program": "b"}), "both command and program"),
    ] {
        let row = run(data).await;
        assert_eq!(row.status, TaskStatus::Failed);
        let details = row.details.unwrap();
        let message = details["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert_eq!(details["retryable"], false, "{message}");
    }
}

/// Runs a command that says in a FIFO that it is ready, and then takes longer than its 2 s or, with a reason, is
/// cancelled; returns its details.
async fn stop(trap: &str, reason: Option<&str>) -> serde_json::Value {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("ready");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let line = format!("trap {trap} TERM; : > ready; while :; do sleep 1; done");
    let data = json!({"command": line, "working_dir": directory.path()});
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let job = JobDetail::new("job", "command")
        .data(punctual_core::Data::from_serialize(&data).unwrap())
        .timeout(Duration::from_secs(2));
    let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new());
    let clock = ManualClock::new(start);
    let builder = Scheduler::builder(Arc::clone(&store)).disabled(false).without_log();
    let scheduler = builder.clock(Arc::new(clock.clone())).job(Command::default()).build().unwrap();
    scheduler.start().await.unwrap();
    scheduler.schedule(job, vec![Trigger::once("t", "job", start)]).await.unwrap();
    // Returns when the command has opened the other end.
    tokio::task::spawn_blocking(move || std::fs::read(fifo)).await.unwrap().unwrap();
    let row = async || store.history(&HistoryQuery::default()).await.unwrap().rows.remove(0);
    match reason {
        None => advance(&clock, 2).await,
        Some(reason) => drop(scheduler.cancel(row().await.id, reason).await.unwrap()),
    }
    // A polite command ends before that.
    if trap == "''" {
        advance(&clock, 3).await;
    }
    loop {
        let row = row().await;
        if row.ended_at.is_some() {
            assert_eq!(row.status, TaskStatus::Failed);
            return row.details.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

/// Moves the clock from one sleeper's end to the next, so that each sees its own.
async fn advance(clock: &ManualClock, seconds: i64) {
    let end = plus_millis(clock.now(), seconds * 1_000);
    loop {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let next = clock.next_wake().filter(|at| *at <= end);
        let Some(at) = next else { break };
        clock.advance(clock.now().duration_until(at).unsigned_abs());
    }
    clock.advance(clock.now().duration_until(end).unsigned_abs());
}

#[tokio::test]
async fn a_command_that_is_stopped_says_whether_it_had_to_be_killed() {
    let killed = "the command did not stop when asked (SIGTERM) and was killed 3 s later (SIGKILL)";
    let polite = "the command stopped when asked (SIGTERM)";
    for (trap, reason, said) in [
        ("''", None, format!("the run took longer than its 2 s: {killed}")),
        ("'exit 0'", None, format!("the run took longer than its 2 s: {polite}")),
        ("''", Some("enough"), format!("the run was cancelled (enough): {killed}")),
        ("'exit 0'", Some("enough"), format!("the run was cancelled (enough): {polite}")),
    ] {
        let details = stop(trap, reason).await;
        assert_eq!(details["message"], said.as_str());
    }
}
