//! The repository's own commands. `cargo xtask help` lists them.

mod arch;
mod ci;
mod command;
mod contract;
mod examples;
mod instructions;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  ci              everything that is checked before a change is taken
  test [ARGS]     all tests; ARGS go to the test runner, for example: -p punctual-core
  examples        build and run every example
  arch            compare the dependency edges with the tables in ARCHITECTURE.md
  contract        ask a running server what its OpenAPI document promises (needs Python 3 with venv and pip)
  instructions    count what a next fire time takes (needs valgrind)
  help            this text
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ci"] => ci::ci(),
        ["test", rest @ ..] => ci::test(rest),
        ["examples"] => examples::run_all(),
        ["arch"] => arch::check(),
        ["contract"] => contract::check(),
        ["instructions"] => instructions::check(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown command {:?}\n\n{HELP}", other.join(" "))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
