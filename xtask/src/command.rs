//! Starts programs in the repository's root.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where what is built goes.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

/// Cargo, as the one that runs this.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy();
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    format!("{program} {}", args.join(" "))
}

/// Runs a command that speaks for itself; an error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    eprintln!("+ {}", shown(command));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed ({status})", shown(command))),
        Err(error) => Err(format!("`{}` could not be started: {error}", shown(command))),
    }
}

/// Waits for a process; an error when it fails, or does not end within the limit, after which it is ended.
pub(crate) fn wait(name: &str, child: Child, limit: Duration) -> Result<(), String> {
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut child = child;
        // The receiver is gone only when the limit has passed.
        let _ = sender.send(child.wait());
    });
    match receiver.recv_timeout(limit) {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{name} failed ({status})")),
        Ok(Err(error)) => Err(format!("{name} could not be waited for: {error}")),
        Err(_) => {
            Command::new("kill").arg(id.to_string()).status().ok();
            Err(format!("{name} did not end within {} s", limit.as_secs()))
        }
    }
}

/// Runs `cargo ARGS`.
pub(crate) fn run_cargo(args: &[&str]) -> Result<(), String> {
    run(cargo().args(args))
}

/// Whether `cargo NAME` is installed.
pub(crate) fn has_cargo(name: &str) -> bool {
    let quiet = cargo().args([name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{}` could not be started: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("`{}` failed ({})", shown(command), output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{}` printed something unreadable", shown(command)))
}

/// `cargo metadata` of the workspace's own packages.
pub(crate) fn packages() -> Result<Vec<serde_json::Value>, String> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata is unreadable: {error}"))?;
    metadata["packages"].as_array().cloned().ok_or_else(|| "cargo metadata lists no packages".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_fails_or_hangs_is_named() {
        let limit = Duration::from_secs(60);
        let child = Command::new("false").spawn().unwrap();
        assert!(wait("example broken", child, limit).unwrap_err().starts_with("example broken failed"));
        wait("fine", Command::new("true").spawn().unwrap(), limit).unwrap();
        let endless = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(wait("endless", endless, Duration::ZERO).unwrap_err().contains("did not end"));
    }
}
