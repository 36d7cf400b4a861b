//! Three nodes on one database, and what can be seen of them from outside.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Child;

use punctual_throwaway::{Options, Postgres};
use serde_json::Value;

use crate::support::{eventually, free_ports, get, pause, punctual, signal};
use crate::wire::Wire;

/// How often to look whether all triggers fire again: for about 10 s.
const LOOKS: usize = 180;

pub(crate) const NODES: usize = 3;

/// By how many milliseconds the clocks of the nodes' machines are wrong.
const CLOCKS: [(&str, i64); NODES] = [("node-1", 0), ("node-2", 180_000), ("node-3", -300_000)];

/// The node with no more connections than it needs.
const NARROW: &str = "node-2";

/// The node that reaches the database over a network that can be cut.
pub(crate) const REMOTE: usize = 2;

pub(crate) struct Cluster<'a> {
    pub(crate) postgres: Postgres,
    wire: Wire,
    directory: &'a Path,
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    port: u16,
    child: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already where a test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'a> Cluster<'a> {
    /// On a server with these settings, whose data are in a folder of its own unless one is named.
    pub(crate) fn start(
        directory: &'a Path,
        config: &str,
        settings: &[(&str, &str)],
        data_dir: Option<PathBuf>,
    ) -> Self {
        std::fs::write(directory.join("jobs.toml"), config).unwrap();
        // As durable as PostgreSQL is by default: the point is what survives.
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let postgres = Postgres::start(Options { data_dir, settings, ..Options::default() }).unwrap();
        assert_eq!(postgres.psql("SHOW fsync").unwrap(), "on");
        let first = free_ports(3);
        let wire = Wire::to(postgres.port());
        let mut cluster = Self { postgres, wire, directory, nodes: Vec::new() };
        for (number, port) in (1..=3).zip(first..) {
            let name = format!("node-{number}");
            let child = cluster.spawn(&name, port);
            cluster.nodes.push(Node { name, port, child });
        }
        for node in 0..3 {
            cluster.answers(node);
        }
        cluster
    }

    fn spawn(&self, name: &str, port: u16) -> Child {
        let log = self.directory.join(format!("{name}.log"));
        let (_, offset) = CLOCKS.iter().find(|(node, _)| *node == name).unwrap();
        let mut url = self.postgres.url();
        if name == format!("node-{}", REMOTE + 1) {
            url = url.replace(&format!(":{}/", self.postgres.port()), &format!(":{}/", self.wire.port));
        }
        let mut command =
            punctual(&["serve", "--config", self.directory.join("jobs.toml").to_str().unwrap()]);
        if name == NARROW {
            command.env("PUNCTUAL__DATABASE__MAX_CONNECTIONS", "2");
        }
        command
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--clock-offset-ms", &offset.to_string()])
            .env("PUNCTUAL__DATABASE__URL", url)
            .env("PUNCTUAL__SCHEDULER__NODE_NAME", name)
            .stderr(OpenOptions::new().create(true).append(true).open(log).unwrap())
            .spawn()
            .unwrap()
    }

    fn answers(&self, node: usize) {
        let Node { name, port, .. } = &self.nodes[node];
        eventually(&format!("{name}'s answer"), || get(*port, "/health"));
    }

    pub(crate) fn signal(&self, node: usize, name: &str) {
        signal(&self.nodes[node].child, name);
    }

    /// Starts a node again that has been killed.
    pub(crate) fn start_again(&mut self, node: usize) {
        let Node { name, port, child } = &mut self.nodes[node];
        child.wait().unwrap();
        let (name, port) = (name.clone(), *port);
        let child = self.spawn(&name, port);
        self.nodes[node].child = child;
        self.answers(node);
    }

    /// Asks all nodes to stop, and waits until they have.
    pub(crate) fn stop(&mut self) {
        for node in &self.nodes {
            signal(&node.child, "TERM");
        }
        for node in &mut self.nodes {
            let status = eventually(&format!("the end of {}", node.name), || node.child.try_wait().unwrap());
            assert_eq!(status.code(), Some(0), "{}: {}", node.name, log(self.directory, &node.name));
        }
    }

    pub(crate) fn ask(&self, sql: &str) -> String {
        self.postgres
            .psql(&format!("SET search_path = punctual; {sql}"))
            .unwrap()
            .replacen("SET", "", 1)
            .trim_start()
            .to_owned()
    }

    /// The live terms of a node, as text.
    pub(crate) fn terms(&self, node: usize) -> String {
        let name = &self.nodes[node].name;
        self.ask(&format!("SELECT string_agg(term::text, ',') FROM nodes WHERE name = '{name}'"))
    }

    /// Freezes a node while it has runs open.
    pub(crate) fn freeze_at_work(&self, node: usize) {
        let name = &self.nodes[node].name;
        self.freeze_when(node, "runs that are open", || {
            self.ask(&format!("SELECT count(*) FROM running_all WHERE node = '{name}'")) != "0"
        });
    }

    /// Freezes a node while it has a transaction open, with all the locks that it took.
    pub(crate) fn freeze_in_transaction(&self, node: usize) {
        let open = || {
            self.ask(
                "SELECT string_agg(pid || ' ' || xact_start || ' ' || state_change, ',' ORDER BY pid)
                 FROM pg_stat_activity a WHERE application_name = 'punctual' AND state = 'idle in transaction'
                   AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.mode = 'RowExclusiveLock')",
            )
        };
        self.freeze_when(node, "an open transaction", || {
            let first: Vec<String> = open().split(',').map(str::to_owned).collect();
            // The transactions of the others go on.
            pause();
            pause();
            let second = open();
            second.split(',').any(|one| !one.is_empty() && first.iter().any(|other| other == one))
        });
    }

    /// Cuts the network of the remote node while it has runs open.
    pub(crate) fn cut_at_work(&self) {
        let name = &self.nodes[REMOTE].name;
        eventually("the remote node with runs that are open", || {
            self.wire.cut();
            if self.ask(&format!("SELECT count(*) FROM running_all WHERE node = '{name}'")) != "0" {
                return Some(());
            }
            self.wire.mend();
            None
        });
    }

    pub(crate) fn mend_network(&self) {
        self.wire.mend();
    }

    fn freeze_when(&self, node: usize, what: &str, caught: impl Fn() -> bool) {
        eventually(&format!("the node with {what}"), || {
            self.signal(node, "STOP");
            if caught() {
                return Some(());
            }
            self.signal(node, "CONT");
            None
        });
    }

    /// How often each trigger of the file has fired.
    fn fired(&self) -> HashMap<String, u64> {
        let rows = self.ask(
            "SELECT trigger_name, fired FROM due JOIN triggers ON id = trigger_id
             WHERE trigger_group = 'config' AND NOT due.pending AND next_fire_at IS NOT NULL",
        );
        let pairs = rows.lines().filter_map(|line| line.split_once('|'));
        pairs.map(|(id, fired)| (id.to_owned(), fired.parse().unwrap())).collect()
    }

    /// Waits until each trigger has fired since now; and then everything so far must be accounted for.
    pub(crate) fn all_fire(&self, after: &str, triggers: usize) {
        self.fire_again(after, triggers);
        self.audit(after);
    }

    fn fire_again(&self, after: &str, triggers: usize) {
        let before = self.fired();
        assert_eq!(before.len(), triggers, "triggers that are scheduled {after}");
        let mut still = Vec::new();
        for look in 0..LOOKS {
            let now = self.fired();
            still = before.iter().filter(|(id, fired)| now.get(*id).is_none_or(|now| now <= fired)).collect();
            if still.is_empty() {
                eprintln!("{after}: all triggers fired again after {look} looks");
                return;
            }
            pause();
        }
        let still: Vec<&String> = still.into_iter().map(|(name, _)| name).collect();
        panic!("{after}: {} of {triggers} triggers have not fired: {still:?}\n{}", still.len(), self.logs());
    }

    /// What the program itself finds in the database, while the nodes go on.
    pub(crate) fn audit(&self, after: &str) -> Value {
        let output = punctual(&["audit", "--json", "--database", &self.postgres.url()]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{after}: {text}\n{error}\n{}", self.logs());
        let report: Value = serde_json::from_str(&text).unwrap();
        for fault in ["unaccounted", "double", "overlaps", "open_without_owner"] {
            assert_eq!(report[fault], 0, "{after}: {fault}: {text}");
        }
        report
    }

    /// How often each of the nodes, and the server at the end, have logged this so far.
    pub(crate) fn said(&self, text: &str) -> Vec<usize> {
        let nodes = self.nodes.iter().map(|node| self.directory.join(format!("{}.log", node.name)));
        let logs = nodes.chain([self.postgres.log()]);
        logs.map(|log| String::from_utf8_lossy(&std::fs::read(log).unwrap()).matches(text).count()).collect()
    }

    /// The ends of the nodes' logs.
    pub(crate) fn logs(&self) -> String {
        self.nodes.iter().map(|node| log(self.directory, &node.name)).collect()
    }
}

fn log(directory: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(directory.join(format!("{name}.log"))).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(40)..].join("\n"))
}
