//! What tests of the real binary share: waiting, ports, signals.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

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
    ask(port, path).and_then(|(status, body)| (status == 200).then_some(body))
}

/// The answer of a node to a GET, whatever it is.
pub(crate) fn ask(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
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
    pub(crate) child: Child,
    /// Where it listens.
    pub(crate) port: u16,
    log: PathBuf,
    /// Where it writes, unless the test keeps that.
    directory: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts one with this configuration, and waits until it answers.
    pub(crate) fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(directory.path(), config);
        server.directory = Some(directory);
        server
    }

    /// The same with its files in this directory: `data`, and `log`.
    pub(crate) fn start_in(directory: &Path, config: &str) -> Self {
        Self::start_as(directory, config, |_| ())
    }

    /// The same with more arguments or variables.
    pub(crate) fn start_as(directory: &Path, config: &str, adjust: impl FnOnce(&mut Command)) -> Self {
        let file = directory.join("punctual.toml");
        std::fs::write(&file, config).unwrap();
        let port = free_ports(1);
        let mut command = punctual(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--config").arg(&file).arg("--data-dir").arg(directory.join("data"));
        command.stderr(std::fs::File::create(directory.join("log")).unwrap());
        adjust(&mut command);
        let log = directory.join("log");
        let mut server = Self { child: command.spawn().unwrap(), port, log, directory: None };
        eventually("the server's answer", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                let log = server.log();
                panic!("the server ended, {status}: {log}");
            }
            get(port, "/health")
        });
        server
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// What a command that asks it does.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        at(&self.address(), args)
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end; its exit code.
    pub(crate) fn terminate(self) -> Option<i32> {
        self.stop_by("TERM")
    }

    /// Sends it a signal that ends it; its exit code.
    pub(crate) fn stop_by(mut self, name: &str) -> Option<i32> {
        signal(&self.child, name);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// The answer of one that was done.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// The command with a home of its own.
pub(crate) fn at(address: &str, args: &[&str]) -> Done {
    let home = tempfile::tempdir().unwrap();
    typed(address, home.path(), args, "")
}

/// The command with this home and this standard input.
pub(crate) fn typed(address: &str, home: &Path, args: &[&str], input: &str) -> Done {
    let mut child = punctual(args)
        .env("PUNCTUAL_SERVER", address)
        .env("XDG_CONFIG_HOME", home)
        .env("TZ", "Europe/Berlin")
        .env_remove("PUNCTUAL_TOKEN")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
