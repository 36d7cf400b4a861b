//! `punctual dev-cluster`, from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{eventually, free_ports, get, has_postgres, punctual, signal};

mod support;

/// A cluster, killed when it is dropped.
struct Cluster {
    child: Child,
    port: u16,
}

impl Cluster {
    fn start(directory: &Path) -> Self {
        let port = free_ports(3);
        let file = |name: &str| std::fs::File::create(directory.join(name)).unwrap();
        let child = punctual(&["dev-cluster", "--nodes", "3", "--base-port", &port.to_string()])
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .unwrap();
        let cluster = Self { child, port };
        for port in port..port + 3 {
            eventually("the node's answer", || get(port, "/health"));
        }
        cluster
    }

    /// Whether nobody listens on the ports of the nodes.
    fn is_gone(&self) -> bool {
        (self.port..self.port + 3).all(|port| TcpStream::connect(("127.0.0.1", port)).is_err())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It has ended already where a test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap()
}

/// The port of the database whose URL was printed.
fn database(directory: &Path) -> u16 {
    let out = text(directory, "out");
    let url = out.lines().find_map(|line| line.strip_prefix("database: ")).unwrap();
    url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap()
}

/// The process that serves on a port.
fn process(port: u16) -> String {
    let out = Command::new("pgrep").args(["-f", &format!("serve .*127.0.0.1:{port}")]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn nodes_share_a_database_and_all_ends_with_a_signal() {
    if !has_postgres() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path());
    let health = get(cluster.port + 1, "/health").unwrap();
    assert!(health.contains(r#""node":"node-2""#), "{health}");
    let port = database(directory.path());
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(Command::new("kill").args(["-KILL", &process(cluster.port + 1)]).status().unwrap().success());
    eventually("word of the dead node", || {
        text(directory.path(), "err").contains("node-2 has ended: signal: 9").then_some(())
    });
    assert!(get(cluster.port, "/health").is_some());
    signal(&cluster.child, "INT");
    let status = cluster.child.wait().unwrap();
    let err = text(directory.path(), "err");
    assert_eq!(status.code(), Some(0), "{err}");
    assert!(err.contains("node-1 has stopped") && err.contains("node-3 has stopped"), "{err}");
    assert!(err.contains("node-3 | "), "{err}");
    assert!(cluster.is_gone());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn nothing_is_left_when_it_is_killed() {
    if !has_postgres() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path());
    let port = database(directory.path());
    cluster.child.kill().unwrap();
    cluster.child.wait().unwrap();
    eventually("the end of the nodes", || cluster.is_gone().then_some(()));
    eventually("the end of the database", || TcpStream::connect(("127.0.0.1", port)).is_err().then_some(()));
}

#[test]
fn what_is_missing_is_named() {
    let run = |args: &[&str], bin: &str| {
        let mut command = punctual(&["dev-cluster"]);
        let output = command.args(args).env("PUNCTUAL_PG_BIN", bin).stdout(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let base = free_ports(3).to_string();
    let (code, text) = run(&["--base-port", &base], "/no/such/folder");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("no PostgreSQL") && text.contains("/no/such/folder"), "{text}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let (code, text) = run(&["--base-port", taken.rsplit_once(':').unwrap().1], "/no/such/folder");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("node-1 cannot listen on") && text.contains(&taken), "{text}");
    let (code, text) = run(&["--nodes", "0"], "/no/such/folder");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--nodes"), "{text}");
}
