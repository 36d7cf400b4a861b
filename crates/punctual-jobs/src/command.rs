//! Runs a program or a shell line.
//!
//! The child gets a process group of its own. When the run is cancelled (time-out, shutdown), the group gets SIGTERM,
//! and SIGKILL three seconds later; if the run is dropped, SIGKILL at once. So nothing that the job started in its
//! group outlives it. [`Command::kept_by`] sees to it that a command does not outlive its server either.

mod process;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use punctual_core::time::{plus_millis, words};
use punctual_engine::{DataProblem, Job, JobContext, JobError, JobResult};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::keeper::Keeper;
use process::{Process, StartError};

/// Variables of the server that its commands do not inherit.
const SECRETS: [&str; 2] = ["PUNCTUAL_ADMIN_PASSWORD", "PUNCTUAL__DATABASE__URL"];

/// What to run. Exactly one of `command` and `program`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandData {
    /// A line for `/bin/sh -c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A program, found in PATH unless it has a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Where it runs; the server's own working directory unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<PathBuf>,
    /// Environment variables, beside those of the server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Whether the server's own environment is left out.
    #[serde(default)]
    pub clear_env: bool,
    /// Exit codes that count as success; 0 unless set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success_exit_codes: Vec<i32>,
    /// How many bytes of each output are kept, the last ones; 65536 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_bytes: Option<usize>,
}

const DEFAULT_OUTPUT: usize = 64 * 1024;
/// From SIGTERM to SIGKILL.
const KILL_AFTER_MS: i64 = 3_000;
/// How long outputs may stay open after the child has ended (its own children may hold them).
const OUTPUT_AFTER_EXIT_MS: i64 = 1_000;

impl CommandData {
    /// What is wrong with the data, naming the field.
    pub fn check(&self) -> Result<(), String> {
        match (&self.command, &self.program) {
            (Some(_), Some(_)) => Err("both command and program are given: give one of them".to_owned()),
            (None, None) => Err("neither command nor program is given: give one of them".to_owned()),
            (Some(command), None) if !self.args.is_empty() => {
                Err(format!("args are given with command {command:?}: they belong to program"))
            }
            (Some(text), None) | (None, Some(text)) if text.trim().is_empty() => {
                Err("the command is empty".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn to_command(&self, keeper: Option<&Keeper>) -> tokio::process::Command {
        let (program, args) = match (&self.program, &self.command) {
            (Some(program), _) => (program.as_str(), self.args.iter().map(String::as_str).collect()),
            (None, line) => ("/bin/sh", vec!["-c", line.as_deref().unwrap_or_default()]),
        };
        let mut command = match keeper {
            Some(keeper) => keeper.command(program, args),
            None => {
                let mut command = tokio::process::Command::new(program);
                command.args(args);
                command
            }
        };
        if self.clear_env {
            command.env_clear();
        }
        // What lets the server in does not belong to its commands, whose output is kept.
        SECRETS.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.envs(&self.env);
        if let Some(directory) = &self.working_dir {
            command.current_dir(directory);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command
    }

    fn spawn_error(&self, keeper: Option<&Keeper>, error: &StartError) -> JobError {
        let what = self.program.as_deref().unwrap_or("/bin/sh");
        let error = match (error, keeper, &self.working_dir) {
            (StartError::Keeper(error), Some(keeper), directory)
                if directory.as_ref().is_none_or(|directory| directory.is_dir()) =>
            {
                let message = format!("cannot run the keeper {}: {error}", keeper.path().display());
                return JobError::fatal(message).with_kind("spawn");
            }
            (StartError::Keeper(error) | StartError::Command(error), ..) => error,
        };
        let message = match (&self.working_dir, error.kind()) {
            (Some(directory), _) if !directory.is_dir() => {
                format!("cannot run {what}: the working directory {} does not exist", directory.display())
            }
            (_, std::io::ErrorKind::NotFound) => {
                format!("cannot run {what}: there is no such program in PATH or at that path")
            }
            (_, std::io::ErrorKind::PermissionDenied) => {
                format!("cannot run {what}: the file is not executable for this user")
            }
            _ => format!("cannot run {what}: {error}"),
        };
        JobError::fatal(message).with_kind("spawn")
    }
}

/// The kind `command`.
#[derive(Clone, Debug, Default)]
pub struct Command {
    keeper: Option<Keeper>,
}

impl Command {
    /// Starts each command through a keeper, which ends it when this process is lost. By default commands are started
    /// directly, and go on when this process is killed.
    pub fn kept_by(keeper: Keeper) -> Self {
        Self { keeper: Some(keeper) }
    }
}

impl Job for Command {
    const KIND: &'static str = "command";
    type Data = CommandData;

    fn check(data: &CommandData) -> Result<(), DataProblem> {
        let is_missing = data.command.is_none() && data.program.is_none();
        data.check().map_err(if is_missing { DataProblem::Missing } else { DataProblem::Wrong })
    }

    async fn run(&self, ctx: JobContext<CommandData>) -> JobResult {
        let (data, keeper) = (ctx.data(), self.keeper.as_ref());
        data.check().map_err(|problem| JobError::fatal(problem).with_kind("invalid data"))?;
        let mut command = data.to_command(keeper);
        command.env("PUNCTUAL_FIRE_ID", ctx.fire_id().to_string());
        command.env("PUNCTUAL_SCHEDULED_AT", ctx.scheduled_at().to_string());
        command.env("PUNCTUAL_ATTEMPT", ctx.attempt().to_string());
        let started = match keeper {
            Some(_) => Process::start_kept(command).await,
            None => Process::start(command),
        };
        let mut process = started.map_err(|error| data.spawn_error(keeper, &error))?;
        let limit = data.max_output_bytes.unwrap_or(DEFAULT_OUTPUT);
        let (stdout, stderr) = process.outputs();
        let stdout = tokio::spawn(Tail::collect(stdout, limit));
        let stderr = tokio::spawn(Tail::collect(stderr, limit));
        let (status, stopped) = wait(&ctx, &mut process).await?;
        let until = plus_millis(ctx.now(), OUTPUT_AFTER_EXIT_MS);
        for (name, reader) in [("stdout", stdout), ("stderr", stderr)] {
            let text = read_until(&ctx, reader, until).await;
            if !text.is_empty() {
                ctx.output(name, text);
            }
        }
        process.done();
        report(&ctx, status, stopped)
    }
}

/// Whether a command was asked to stop, and what it did then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// It ended by itself.
    No,
    /// It ended after SIGTERM.
    Asked,
    /// It had not ended, and got SIGKILL.
    Killed,
}

async fn wait(
    ctx: &JobContext<CommandData>,
    process: &mut Process,
) -> Result<(ExitStatus, Stopped), JobError> {
    tokio::select! {
        biased;
        status = process.wait() => return Ok((status?, Stopped::No)),
        () = ctx.cancelled().cancelled() => {}
    }
    process.signal(rustix::process::Signal::TERM);
    let until = plus_millis(ctx.now(), KILL_AFTER_MS);
    tokio::select! {
        biased;
        status = process.wait() => return Ok((status?, Stopped::Asked)),
        () = ctx.clock().sleep_until(until) => {}
    }
    process.signal(rustix::process::Signal::KILL);
    let status = process.wait().await?;
    // It may have ended by itself in the last moment.
    let killed = status.signal() == Some(rustix::process::Signal::KILL.as_raw());
    Ok((status, if killed { Stopped::Killed } else { Stopped::Asked }))
}

async fn read_until(
    ctx: &JobContext<CommandData>,
    mut reader: tokio::task::JoinHandle<String>,
    until: punctual_core::Timestamp,
) -> String {
    tokio::select! {
        biased;
        text = &mut reader => text.unwrap_or_default(),
        () = ctx.clock().sleep_until(until) => {
            reader.abort();
            "(the output was still held open by another process, and is left out)".to_owned()
        }
    }
}

fn report(ctx: &JobContext<CommandData>, status: ExitStatus, stopped: Stopped) -> JobResult {
    ctx.detail("exit_code", status.code());
    if let Some(signal) = status.signal() {
        ctx.detail("signal", signal);
    }
    let wanted = &ctx.data().success_exit_codes;
    let fits = |code: i32| if wanted.is_empty() { code == 0 } else { wanted.contains(&code) };
    match stopped {
        Stopped::No => {}
        Stopped::Asked => {
            return Err(JobError::retry("the command stopped when asked (SIGTERM)").with_kind("stopped"));
        }
        Stopped::Killed => {
            let after = words(KILL_AFTER_MS.unsigned_abs());
            let message = format!(
                "the command did not stop when asked (SIGTERM) and was killed {after} later (SIGKILL)"
            );
            return Err(JobError::retry(message).with_kind("killed"));
        }
    }
    match status.code() {
        Some(code) if fits(code) => Ok(()),
        Some(code) => Err(JobError::retry(format!("the command ended with exit code {code}"))
            .with_kind("exit code")
            .with_data(json!({"exit_code": code}))),
        None => Err(JobError::retry(format!("the command was ended by {status}")).with_kind("signal")),
    }
}

/// The last bytes of an output.
struct Tail {
    bytes: Vec<u8>,
    limit: usize,
    dropped: usize,
}

impl Tail {
    async fn collect(source: Option<impl AsyncRead + Unpin>, limit: usize) -> String {
        let mut tail = Self { bytes: Vec::new(), limit, dropped: 0 };
        let Some(mut source) = source else { return String::new() };
        let mut chunk = [0; 8 * 1024];
        // An output that cannot be read any further ends here; what was read is kept.
        while let Ok(read @ 1..) = source.read(&mut chunk).await {
            tail.push(&chunk[..read]);
        }
        tail.text()
    }

    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        // Cut now and then rather than each time, so that long outputs are not moved again and again.
        if self.bytes.len() > 2 * self.limit + 64 * 1024 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let surplus = self.bytes.len().saturating_sub(self.limit);
        self.bytes.drain(..surplus);
        self.dropped += surplus;
    }

    fn text(mut self) -> String {
        self.cut();
        let text = String::from_utf8_lossy(&self.bytes);
        match self.dropped {
            0 => text.into_owned(),
            dropped => format!("[{dropped} bytes before this were dropped]\n{text}"),
        }
    }
}
