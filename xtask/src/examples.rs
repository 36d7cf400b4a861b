//! Runs every example: each must end by itself, and well.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::command::{packages, run_cargo, target, wait};

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
    let target = target();
    let program = target.join("debug/examples").join(name);
    let directory = target.join("example-runs").join(name);
    // Left over from an earlier run, or absent.
    let _ = std::fs::remove_dir_all(&directory);
    let failed = |error: std::io::Error| format!("example {name} could not be run: {error}");
    std::fs::create_dir_all(&directory).map_err(failed)?;
    let child = Command::new(program).current_dir(directory).spawn().map_err(failed)?;
    wait(&format!("example {name}"), child, LIMIT)
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
}
