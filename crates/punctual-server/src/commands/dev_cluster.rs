//! `punctual dev-cluster`: a PostgreSQL server and several nodes on it, for as long as one wants to try something.

mod nodes;

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, bail};
use punctual_throwaway::{Options, Postgres, Stop};

use self::nodes::Nodes;
use super::serve::Signals;
use crate::config::Config;
use crate::output::{self, note};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    nodes: u16,
    /// The configuration file of all nodes; without one they run their own maintenance jobs only.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// PostgreSQL's data folder, which is kept for the next time; a temporary one unless given.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The port of the first node's API; the other nodes have the ports after it.
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    base_port: u16,
}

/// A node that is to be.
#[derive(Clone, Debug)]
struct Plan {
    name: String,
    port: u16,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    // What is wrong with the file is said once, and not by each node.
    Config::load_with_entries(args.config.as_deref())?;
    let plans = plans(args.nodes, args.base_port)?;
    note!("starting PostgreSQL ...");
    let mut postgres = Postgres::start(Options {
        data_dir: args.data_dir.clone(),
        // Each node has up to nine connections; others are for whoever looks.
        settings: vec![("max_connections".to_owned(), (args.nodes * 10 + 50).to_string())],
        ..Options::default()
    })?;
    let url = postgres.url();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(watch(args, &plans, &url));
    note!("stopping PostgreSQL ...");
    postgres.stop(Stop::Fast)?;
    ended
}

/// Names and ports; refuses ports that somebody else uses before anything is started.
fn plans(nodes: u16, base_port: u16) -> anyhow::Result<Vec<Plan>> {
    let above = nodes.saturating_sub(1);
    if base_port.checked_add(above).is_none() {
        bail!(
            "--base-port {base_port}: {nodes} nodes need ports up to {above} above it, and 65535 is the last"
        );
    }
    let plan = |number: u16| {
        let (name, port) = (format!("node-{number}"), base_port + (number - 1));
        if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            bail!("{name} cannot listen on 127.0.0.1:{port} ({error}): give another --base-port");
        }
        Ok(Plan { name, port })
    };
    (1..=nodes).map(plan).collect()
}

/// Runs the nodes until a signal or until none is left.
async fn watch(args: &Args, plans: &[Plan], url: &str) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let mut nodes = Nodes::start(args.config.as_deref(), plans, url)?;
    output::print_as_far_as_read(|out| {
        for Plan { name, port } in plans {
            writeln!(out, "{name}: http://127.0.0.1:{port}")?;
        }
        Ok(writeln!(out, "database: {url}\nCtrl-C ends all of it")?)
    })?;
    loop {
        tokio::select! {
            _ = signals.next() => break,
            name = nodes.next_end() => {
                if nodes.is_empty() {
                    bail!("{name} was the last node");
                }
                note!("{name} is not started again; the other nodes take over its work");
            }
        }
    }
    note!("stopping the nodes; signal again to stop at once");
    nodes.stop();
    while !nodes.is_empty() {
        tokio::select! {
            () = signals.again() => nodes.kill().await,
            _ = nodes.next_end() => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_taken_or_do_not_exist_are_named() {
        let error = plans(3, 65_534).unwrap_err().to_string();
        assert!(error.contains("--base-port 65534: 3 nodes need ports up to 2 above it"), "{error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = plans(1, port).unwrap_err().to_string();
        assert!(error.contains(&format!("node-1 cannot listen on 127.0.0.1:{port}")), "{error}");
    }
}
