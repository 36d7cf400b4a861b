//! What is checked before a change is taken.

use std::process::Command;

use punctual_throwaway::{Options, Postgres};

use crate::command::{cargo, has_cargo, run, run_cargo};
use crate::{arch, contract, examples, instructions};

/// Every check, cheapest first; stops at the first that fails.
pub(crate) fn ci() -> Result<(), String> {
    run_cargo(&["fmt", "--all", "--check"])?;
    arch::check()?;
    let everything = ["--workspace", "--all-features", "--locked"];
    run(cargo().arg("clippy").args(everything).args(["--all-targets", "--", "-D", "warnings"]))?;
    run(cargo().arg("doc").args(everything).arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"))?;
    // What an application gets that asks for no feature.
    run_cargo(&["check", "-p", "punctual", "--no-default-features", "--locked"])?;
    if has_cargo("deny") {
        run_cargo(&["deny", "check"])?;
    }
    test(&[])?;
    examples::run_all()?;
    contract::check_where_possible()?;
    instructions::check()
}

/// All tests: by cargo-nextest where it is installed, which runs them in parallel and stops one that hangs, and
/// otherwise by cargo alone. `args` go to the runner; documentation tests are left out when there are any.
pub(crate) fn test(args: &[&str]) -> Result<(), String> {
    let database = Database::for_tests()?;
    let with = |command: &mut Command| run(command.env("PUNCTUAL_TEST_POSTGRES", database.url()));
    let whole: &[&str] = if args.is_empty() { &["--workspace", "--all-features"] } else { args };
    if args.is_empty() {
        run_cargo(&["test", "--workspace", "--all-features", "--doc"])?;
    }
    if !has_cargo("nextest") {
        eprintln!("cargo-nextest is not installed: `cargo test` runs the tests");
        let targets: &[&str] = if args.is_empty() { &["--lib", "--bins", "--tests"] } else { &[] };
        return with(cargo().arg("test").args(whole).args(targets));
    }
    let profile = if std::env::var_os("CI").is_some() { "ci" } else { "default" };
    with(cargo().args(["nextest", "run", "--no-tests", "pass", "--profile", profile]).args(whole))
}

/// The PostgreSQL server of a test run: one that is named in the environment, or one that is started for it.
enum Database {
    Named(String),
    Started(Box<Postgres>),
}

impl Database {
    fn for_tests() -> Result<Self, String> {
        if let Ok(url) = std::env::var("PUNCTUAL_TEST_POSTGRES") {
            return Ok(Self::Named(url));
        }
        Postgres::start(Options::for_tests(300))
            .map(|server| Self::Started(Box::new(server)))
            .map_err(|error| format!("no PostgreSQL server for the tests: {error}"))
    }

    fn url(&self) -> String {
        match self {
            Self::Named(url) => url.clone(),
            Self::Started(server) => server.url(),
        }
    }
}
