//! Runs every example: each must end by itself, and well.

use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::command::{packages, root, run_cargo};

/// An example that runs longer than this hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Builds all examples, and runs one after the other in an empty directory of its own.
pub(crate) fn run_all() -> Result<(), String> {
    // Built together with everything else, so that nothing is compiled a second time with other features.
    run_cargo(&["build", "--workspace", "--all-features", "--bins", "--examples"])?;
    let names = names(&packages()?);
    for name in &names {
        eprintln!("+ example {name}");
        run_one(name)?;
    }
    eprintln!("{} example(s) ran", names.len());
    Ok(())
}

/// The names of the workspace's examples.
fn names(packages: &[Value]) -> Vec<String> {
    let targets = packages.iter().filter_map(|package| package["targets"].as_array()).flatten();
    let is_example = |target: &&Value| {
        target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "example"))
    };
    targets.filter(is_example).filter_map(|target| target["name"].as_str()).map(str::to_owned).collect()
}

fn run_one(name: &str) -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let program = target.join("debug/examples").join(name);
    let directory = target.join("example-runs").join(name);
    // Left over from an earlier run, or absent.
    let _ = std::fs::remove_dir_all(&directory);
    let failed = |error: std::io::Error| format!("example {name} could not be run: {error}");
    std::fs::create_dir_all(&directory).map_err(failed)?;
    let child = Command::new(program).current_dir(directory).spawn().map_err(failed)?;
    wait(name, child)
}

fn wait(name: &str, child: Child) -> Result<(), String> {
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut child = child;
        // The receiver is gone only when the limit has passed.
        let _ = sender.send(child.wait());
    });
    match receiver.recv_timeout(LIMIT) {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("example {name} failed ({status})")),
        Ok(Err(error)) => Err(format!("example {name} could not be waited for: {error}")),
        Err(_) => {
            Command::new("kill").arg(id.to_string()).status().ok();
            Err(format!("example {name} did not end within {} s", LIMIT.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn examples_are_found_among_the_targets() {
        let packages = [
            json!({"targets": [{"kind": ["lib"], "name": "one"}, {"kind": ["example"], "name": "hello"}]}),
            json!({"targets": [{"kind": ["bin"], "name": "two"}]}),
        ];
        assert_eq!(names(&packages), ["hello"]);
    }

    #[test]
    fn an_example_that_fails_is_named() {
        let child = Command::new("false").spawn().unwrap();
        assert!(wait("broken", child).unwrap_err().starts_with("example broken failed"));
        wait("fine", Command::new("true").spawn().unwrap()).unwrap();
    }
}
