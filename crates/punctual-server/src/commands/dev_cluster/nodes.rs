//! The processes of the nodes.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Plan;

/// Nodes that run; all are killed when this is dropped.
pub(super) struct Nodes {
    /// One task for each node: yields its name when it has ended.
    running: JoinSet<String>,
    /// Asks all to stop, and gives up waiting for them.
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Nodes {
    pub(super) fn start(config: Option<&Path>, plans: &[Plan], url: &str) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program to start nodes with")?;
        let mut nodes =
            Self { running: JoinSet::new(), stop: CancellationToken::new(), kill: CancellationToken::new() };
        for Plan { name, port } in plans {
            let mut command = Command::new(&program);
            command.args(["serve", "--until-stdin-ends", "--listen", &format!("127.0.0.1:{port}")]);
            if let Some(config) = config {
                command.arg("--config").arg(config);
            } else {
                // A cluster to look at: on loopback addresses, and gone with this program.
                command.env("PUNCTUAL__AUTH__MODE", "off");
            }
            command.env("PUNCTUAL__DATABASE__URL", url).env("PUNCTUAL__SCHEDULER__NODE_NAME", name);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            // A group of its own: Ctrl-C would reach it twice, and the second time stops at once.
            command.process_group(0).kill_on_drop(true);
            let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
            nodes.running.spawn(follow(name.clone(), child, nodes.stop.clone(), nodes.kill.clone()));
        }
        Ok(nodes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Asks all to stop, in which running jobs have their time to end.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends all at once.
    pub(super) async fn kill(&mut self) {
        self.kill.cancel();
        while self.running.join_next().await.is_some() {}
    }

    /// The name of the next node that ends; never when there is none.
    pub(super) async fn next_end(&mut self) -> String {
        match self.running.join_next().await {
            Some(name) => name.unwrap_or_else(|error| format!("(a node that could not be watched: {error})")),
            None => std::future::pending().await,
        }
    }
}

/// Passes on what a node says until it ends.
async fn follow(name: String, mut child: Child, stop: CancellationToken, kill: CancellationToken) -> String {
    let logs = [
        child.stdout.take().map(|out| tokio::spawn(forward(name.clone(), out))),
        child.stderr.take().map(|out| tokio::spawn(forward(name.clone(), out))),
    ];
    let mut input = child.stdin.take();
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended,
            () = kill.cancelled() => {
                // It may have ended by itself just now.
                let _ = child.start_kill();
                break child.wait().await;
            }
            () = stop.cancelled(), if input.is_some() => drop(input.take()),
        }
    };
    for log in logs.into_iter().flatten() {
        // What was said last is the most telling; a job that outlives the node may hold the pipe, though.
        tokio::select! {
            _ = log => {}
            () = kill.cancelled() => {}
        }
    }
    match ended {
        Ok(status) if stop.is_cancelled() && status.success() => crate::output::note!("{name} has stopped"),
        Ok(status) => crate::output::note!("{name} has ended: {status}"),
        Err(error) => crate::output::note!("{name} cannot be watched: {error}"),
    }
    name
}

/// Copies lines with the name before each.
async fn forward(name: String, output: impl AsyncRead + Unpin) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(1..) = output.read_until(b'\n', &mut line).await {
        crate::output::note!("{name} | {}", String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
