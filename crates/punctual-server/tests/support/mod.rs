//! What tests of the real binary share: waiting, ports, signals.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Waits between two looks at a process of its own, which no event of this one can announce.
#[expect(clippy::disallowed_methods, reason = "another process is watched from outside")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

/// Looks again and again, for at most a minute.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_200 {
        if let Some(found) = look() {
            return found;
        }
        pause();
    }
    panic!("{what} did not happen within a minute")
}

pub(crate) fn punctual(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
    command
        .args(args)
        .env_remove("PUNCTUAL_DISABLE_SCHEDULER")
        .env("PUNCTUAL__AUTH__MODE", "off")
        .stdin(Stdio::null());
    command
}

/// The first of so many ports in a row that nobody uses, and that neither another test nor the system gives out.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    eventually("ports that nobody uses", || {
        // Below those that the system gives out to whoever asks for any; each process begins elsewhere.
        let place = (std::process::id() % 2_000) * 61 + NEXT.fetch_add(1, Ordering::Relaxed);
        let first = 12_000 + u16::try_from(place % 2_000).unwrap() * 10;
        (first..first + count).all(free).then_some(first)
    })
}

pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name}");
}

/// The answer of a node to a GET, if it is a good one.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then(|| answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Whether there is a PostgreSQL to test with. Fails where it is required, and otherwise says what is passed over.
pub(crate) fn has_postgres() -> bool {
    let Err(error) = punctual_throwaway::binaries() else { return true };
    let required = std::env::var("PUNCTUAL_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == "postgres"), "{error}");
    eprintln!("PASSED OVER, nothing was tested: {error}");
    false
}

/// A server with its database in one file, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) port: u16,
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts one with this configuration, and waits until it answers.
    pub(crate) fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("punctual.toml");
        std::fs::write(&file, config).unwrap();
        let port = free_ports(1);
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = punctual(&["serve", "--listen", &format!("127.0.0.1:{port}")])
            .arg("--config")
            .arg(&file)
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { child, port, directory };
        eventually("the server's answer", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                let log = std::fs::read_to_string(server.directory.path().join("log")).unwrap();
                panic!("the server ended, {status}: {log}");
            }
            get(port, "/health")
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
