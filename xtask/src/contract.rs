//! Whether a running server does what its OpenAPI document promises: schemathesis makes requests from the document,
//! valid and broken ones, the same in each run, and looks at the answers.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command::{output, root, run, run_cargo, target, wait};

/// Longer than this it does not take, even on a slow machine.
const LIMIT: Duration = Duration::from_secs(300);
/// How long the server has to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Requests that are made up for each operation, beside those that cover each rule of the document.
const EXAMPLES: &str = "10";

/// The stream of live changes never ends, so that no answer could be looked at.
const ENDLESS: &str = "stream_events";
/// The document cannot say which of many texts is a cron expression, a key or a cursor: what it allows may be refused.
const NOT_PROMISED: &str = "positive_data_acceptance";

/// Checks, and where the tools are missing says so and goes on; in CI that is an error.
pub(crate) fn check_where_possible() -> Result<(), String> {
    match tools() {
        Err(problem) if std::env::var_os("CI").is_none() => {
            eprintln!("PASSED OVER, the API was not compared with its document: {problem}");
            Ok(())
        }
        tools => with_tools(&tools?),
    }
}

/// Starts a server with a database of its own, checks, and stops it.
pub(crate) fn check() -> Result<(), String> {
    with_tools(&tools()?)
}

fn with_tools(schemathesis: &Path) -> Result<(), String> {
    // With the features of the whole workspace, so that nothing is compiled a second time.
    // As the examples are built, so that nothing is compiled twice.
    run_cargo(&["build", "--workspace", "--all-features", "--bins", "--examples"])?;
    let server = Server::start()?;
    // It remembers what failed; each run is to be the same.
    let _ = std::fs::remove_dir_all(directory().join(".schemathesis"));
    let mut asking = Command::new(schemathesis);
    asking
        .args(["run", &format!("{}/api/v1/openapi.json", server.url), "--wait-for-schema", "60"])
        .args(["--generation-deterministic", "--max-examples", EXAMPLES, "--continue-on-failure"])
        .args(["--exclude-operation-id", ENDLESS, "--exclude-checks", NOT_PROMISED])
        .args(["--request-timeout", "20", "--warnings", "off", "--no-color"])
        .current_dir(directory())
        .env("PYTHONWARNINGS", "ignore");
    eprintln!("+ schemathesis run {}", server.url);
    let asking = asking.spawn().map_err(|error| format!("schemathesis could not be started: {error}"))?;
    let result = wait("the comparison of the API with its document", asking, LIMIT);
    let log = server.log.clone();
    let stopped = server.stop();
    let log = std::fs::read_to_string(log).unwrap_or_default();
    if let Err(problem) = stopped {
        return Err(format!("{problem}; its log:\n{log}"));
    }
    let faults = ["panicked", "a request could not be answered"];
    match log.lines().find(|line| faults.iter().any(|fault| line.contains(fault))) {
        Some(line) => Err(format!("the server says: {line}")),
        None => result,
    }
}

fn directory() -> PathBuf {
    target().join("contract")
}

/// The program, installed in a venv below `target` unless it is there already.
fn tools() -> Result<PathBuf, String> {
    let (venv, wanted) = (directory().join("venv"), root().join("xtask/contract/requirements.txt"));
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let (program, stamp, text) = (venv.join("bin/schemathesis"), venv.join("installed.txt"), read(&wanted)?);
    if program.exists() && read(&stamp).is_ok_and(|installed| installed == text) {
        return Ok(program);
    }
    let missing = |step: &str, problem: String| {
        format!("{step}: {problem}; Python 3 with venv, and a package index that pip can reach, are needed")
    };
    output(Command::new("python3").arg("--version"))
        .map_err(|problem| missing("python3 does not run", problem))?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
        .map_err(|problem| missing("no venv can be made", problem))?;
    let mut install = Command::new(venv.join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&wanted);
    run(&mut install).map_err(|problem| missing("schemathesis cannot be installed", problem))?;
    std::fs::write(&stamp, text).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(program)
}

/// A server over an empty SQLite database; killed when it is dropped.
struct Server {
    child: Option<Child>,
    url: String,
    log: PathBuf,
}

impl Server {
    fn start() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the server could not be started: {error}");
        let (data, log) = (directory().join("data"), directory().join("server.log"));
        // Left over from an earlier run, or absent.
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(directory()).map_err(failed)?;
        // Free now, and given out to nobody else for a while.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(failed)?
            .port();
        let child = Command::new(target().join("debug/punctual"))
            .arg("serve")
            .arg("--config")
            .arg(root().join("xtask/contract/jobs.toml"))
            .arg("--data-dir")
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .env_remove("PUNCTUAL_DISABLE_SCHEDULER")
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(&log).map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        Ok(Self { child: Some(child), url: format!("http://127.0.0.1:{port}"), log })
    }

    /// Stops it as an operator would; an error when it does not stop well.
    fn stop(mut self) -> Result<(), String> {
        let Some(child) = self.child.take() else { return Ok(()) };
        run(Command::new("kill").args(["-TERM", &child.id().to_string()]))?;
        wait("the server", child, STOP_LIMIT)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
