//! The `punctual` binary.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod access;
mod bench;
mod client;
mod commands;
mod config;
mod database;
mod http;
mod output;
mod plan;
mod tls;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A job scheduler in which every scheduled instant is accounted for.
#[derive(Debug, Parser)]
#[command(
    name = "punctual",
    version,
    after_help = "Options of the commands that ask a server, such as --server and --token, may also stand before the command; \
                  punctual help jobs lists them."
)]
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
    /// Show what a configuration file would change in the database, without changing anything.
    Plan(commands::plan::PlanArgs),
    /// Make the database as a configuration file says, in one transaction.
    Apply(commands::plan::Args),
    /// Bring over what another scheduler holds. Exit code 1 when something could not be carried over.
    #[command(subcommand)]
    Import(commands::import::Command),
    /// Help the owner of the machine out.
    #[command(subcommand)]
    Admin(commands::admin::Command),
    /// Check a database: whether everything in it happened as promised. Exit code 1 when not.
    Audit(commands::audit::Args),
    /// Run several nodes on a PostgreSQL server of their own, to try a cluster out.
    DevCluster(commands::dev_cluster::Args),
    /// Ask about schedules.
    #[command(subcommand)]
    Schedule(commands::schedule::Command),
    /// Measure this machine: how many fires a second, how late, at what cost when idle.
    #[command(subcommand)]
    Bench(bench::Command),
    #[command(flatten)]
    Remote(commands::remote::Command),
    /// Print a script that completes these commands, for a shell.
    Completions(commands::completions::Args),
}

fn main() -> ExitCode {
    // Before anything else: each command of a server starts one of these.
    if let Some(code) = punctual_jobs::keeper::serve_if_asked() {
        return code;
    }
    let result = match Cli::parse_from(client::moved(std::env::args_os())).command {
        Command::Admin(command) => commands::admin::run(&command).map(|()| true),
        Command::Audit(args) => commands::audit::run(&args),
        Command::Serve(args) => commands::serve::run(&args).map(|()| true),
        Command::Check(args) => commands::check::run(&args).map(|()| true),
        Command::Import(command) => commands::import::run(&command),
        Command::Plan(args) => commands::plan::run_plan(&args),
        Command::Apply(args) => commands::plan::run_apply(&args).map(|()| true),
        Command::DevCluster(args) => commands::dev_cluster::run(&args).map(|()| true),
        Command::Schedule(command) => commands::schedule::run(&command).map(|()| true),
        Command::Bench(command) => bench::run(&command).map(|()| true),
        Command::Remote(command) => commands::remote::execute(&command),
        Command::Completions(args) => commands::completions::run(&args, Cli::command()).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if output::reader_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note!("punctual: {error:#}");
            ExitCode::from(2)
        }
    }
}
