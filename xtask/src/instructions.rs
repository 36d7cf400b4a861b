//! How many instructions a next fire time takes. Times differ from run to run, instructions do not: a search that
//! has become slower shows on the busiest machine.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{root, run_cargo};

const EXAMPLE: &str = "next_fire_count";
/// Two walks of different length; what one costs more than the other is the cost of its further steps alone.
const SHORT: u64 = 1_000;
const LONG: u64 = 11_000;

/// Asking the schedule itself, and asking through `Occurrences`, made anew each time.
const PATHS: [&str; 2] = ["", "occurrences"];

/// What was measured, in instructions a step: expression, zone, one figure for each of [`PATHS`].
#[rustfmt::skip]
const MEASURED: [(&str, &str, [u64; 2]); 8] = [
    ("0 0 * * * ? *",        "UTC",              [259, 461]),
    ("0 15 10 L * ?",        "UTC",              [330, 532]),
    ("0 0 9-17 ? * MON-FRI", "UTC",              [259, 461]),
    ("0 0 0 29 2 ? *",       "UTC",              [529, 731]),
    ("0 0 * * * ? *",        "America/New_York", [302, 504]),
    ("0 15 10 L * ?",        "America/New_York", [403, 605]),
    ("0 0 9-17 ? * MON-FRI", "America/New_York", [302, 504]),
    ("0 0 0 29 2 ? *",       "America/New_York", [742, 945]),
];

/// Another compiler may need a few more.
const fn limit(measured: u64) -> u64 {
    measured * 115 / 100
}

/// Counts every row and fails with those above their limit.
pub(crate) fn check() -> Result<(), String> {
    let valgrind =
        Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !valgrind.is_ok_and(|status| status.success()) {
        eprintln!("instructions: not checked, valgrind is not installed");
        return Ok(());
    }
    run_cargo(&["build", "--release", "-p", "punctual-schedule", "--example", EXAMPLE])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let program = target.join("release/examples").join(EXAMPLE);
    let mut problems = Vec::new();
    eprintln!("instructions a next fire time, and their limit:");
    for (expression, zone, figures) in MEASURED {
        for (path, measured) in PATHS.into_iter().zip(figures) {
            let row = row(expression, zone, path);
            let counted =
                per_step(&program, expression, zone, path).map_err(|error| format!("{row}: {error}"))?;
            eprintln!("  {row:<56} {counted:>5} {:>5}", limit(measured));
            problems.extend(above(&row, counted, limit(measured)));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("a next fire time takes more instructions than allowed:\n  {}", problems.join("\n  ")))
}

fn row(expression: &str, zone: &str, path: &str) -> String {
    format!("{expression} {zone} {path}").trim_end().to_owned()
}

fn above(row: &str, counted: u64, limit: u64) -> Option<String> {
    (counted > limit).then(|| format!("{row}: {counted}, at most {limit}"))
}

/// Rounded down.
fn per_step(program: &Path, expression: &str, zone: &str, path: &str) -> Result<u64, String> {
    let start = |steps: u64| {
        Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args([expression, zone, &steps.to_string()])
            .args(Some(path).filter(|path| !path.is_empty()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("valgrind could not be started: {error}"))
    };
    // Both at once: the count of one does not depend on the other.
    let runs = [start(SHORT)?, start(LONG)?].map(|child| {
        let output = child.wait_with_output().map_err(|error| format!("valgrind: {error}"))?;
        let text = String::from_utf8_lossy(&output.stderr);
        collected(&text)
            .filter(|_| output.status.success())
            .ok_or_else(|| format!("no count from valgrind:\n{text}"))
    });
    let [short, long] = runs;
    let (short, long) = (short?, long?);
    let more = long.checked_sub(short).ok_or_else(|| format!("{LONG} steps took less than {SHORT}"))?;
    Ok(more / (LONG - SHORT))
}

/// The count in what callgrind says at its end: `==123== Collected : 456`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().rev().find(|line| line.contains("Collected"))?;
    line.split(':').next_back()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read() {
        let text = "==7== Events    : Ir\n==7== Collected : 4134779\n==7== \n==7== I   refs: 4,134,779\n";
        assert_eq!(collected(text), Some(4_134_779));
        assert_eq!(collected("==7== Illegal instruction\n"), None);
    }

    #[test]
    fn a_row_above_its_limit_is_named() {
        let row = row("0 15 10 L * ?", "UTC", "");
        assert_eq!(above(&row, limit(200), limit(200)), None);
        assert_eq!(above(&row, 231, limit(200)).as_deref(), Some("0 15 10 L * ? UTC: 231, at most 230"));
    }
}
