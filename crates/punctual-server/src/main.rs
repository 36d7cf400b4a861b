//! The `punctual` binary.

mod bench;
mod commands;
mod config;
mod database;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A job scheduler in which every scheduled instant is accounted for.
#[derive(Debug, Parser)]
#[command(name = "punctual", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(commands::serve::Args),
    /// Check a configuration file, and print when everything in it fires next.
    Check(commands::check::Args),
    /// Ask about schedules.
    #[command(subcommand)]
    Schedule(commands::schedule::Command),
    /// Measure this machine: how many fires a second, how late, at what cost when idle.
    #[command(subcommand)]
    Bench(bench::Command),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => commands::serve::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Schedule(command) => commands::schedule::run(&command),
        Command::Bench(command) => bench::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("punctual: {error:#}");
            ExitCode::from(2)
        }
    }
}
