//! A program that keeps its own commands, and what that costs: the time of 200 runs of `true` without a keeper and with
//! one.
//!
//! ```sh
//! cargo run --release -p punctual-jobs --example keeper [PROGRAM]
//! ```
//!
//! The keeper is this program, or the one that is given, such as `target/release/punctual`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use punctual_core::schedule::{Repeat, Schedule, SimpleSchedule};
use punctual_core::{Clock, Data, JobDetail, Timestamp, Trigger};
use punctual_engine::{Entry, ManualScheduler, SystemClock};
use punctual_jobs::command::Command;
use punctual_jobs::keeper::{Keeper, serve_if_asked};
use punctual_memory::MemoryStore;

const RUNS: u32 = 200;

fn main() -> ExitCode {
    // First of all: this program is started again for each command.
    if let Some(code) = serve_if_asked() {
        return code;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let keeper = match std::env::args_os().nth(1) {
        Some(path) => Keeper::program(path),
        None => Keeper::this_program()?,
    };
    for round in 1..=3 {
        let direct = runs(Command::default()).await?;
        let kept = runs(Command::kept_by(keeper.clone())).await?;
        println!("round {round}: {direct:.2} ms a run without a keeper, {kept:.2} ms with one");
    }
    Ok(())
}

/// How many milliseconds a run takes.
async fn runs(kind: Command) -> Result<f64, Box<dyn std::error::Error>> {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let second = Duration::from_secs(1);
    let job = JobDetail::new("true", "command").data(Data::from_serialize(&serde_json::json!({
        "program": "true"
    }))?);
    let every = Schedule::Simple(SimpleSchedule::new(second, Repeat::Forever)?);
    let entry = Entry::new(job, vec![Trigger::new("every-second", "true", every).start(start)]);
    let manual =
        ManualScheduler::new(Arc::new(MemoryStore::new()), start, |builder| builder.job(kind).entry(entry))
            .await?;
    let clock = SystemClock::new();
    let began = clock.now();
    let mut done = 0;
    while done < RUNS {
        done += u32::try_from(manual.tick(second).await?.len())?;
    }
    Ok(clock.now().duration_since(began).as_secs_f64() * 1_000.0 / f64::from(done))
}
