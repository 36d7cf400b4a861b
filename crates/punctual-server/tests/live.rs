//! Live changes over real HTTP, from servers that stop while somebody listens.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Reads events until one has this type.
fn next(lines: &mut impl Iterator<Item = std::io::Result<String>>, kind: &str) -> Value {
    let wanted = format!("event: {kind}");
    loop {
        let line = lines.next().unwrap_or_else(|| panic!("the stream ended before {kind}")).unwrap();
        if line == wanted {
            let data = lines.next().unwrap().unwrap();
            return serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        }
    }
}

fn listen(port: u16, query: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET /api/v1/events/stream{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    BufReader::new(stream)
}

fn serve(directory: &std::path::Path, config: &str) -> (Child, u16) {
    let port = support::free_ports(1);
    let file = directory.join("jobs.toml");
    std::fs::write(&file, config).unwrap();
    let child = support::punctual(&["serve", "--config", file.to_str().unwrap()])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--data-dir", directory.join("data").to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    support::eventually("the server's answer", || support::get(port, "/health"));
    (child, port)
}

#[test]
fn runs_are_told_as_they_happen_until_the_server_stops() {
    let directory = tempfile::tempdir().unwrap();
    let config = "[jobs.tick]\nkind = 'command'\ncommand = 'echo tock'\nevery = '1s'\n";
    let (mut child, port) = serve(directory.path(), config);
    let mut lines = listen(port, "").lines();
    next(&mut lines, "ready");
    let started = next(&mut lines, "run.started");
    let ended = next(&mut lines, "run.ended");
    assert_eq!((&started["job"], &started["id"]), (&"config.tick".into(), &ended["id"]));
    assert_eq!(ended["status"], "success");
    // Two more that never read a word.
    let idle = [listen(port, "?types=changed"), listen(port, "")];
    support::signal(&child, "TERM");
    assert_eq!(next(&mut lines, "node.changed")["state"], "draining");
    assert_eq!(next(&mut lines, "node.changed")["state"], "stopped");
    assert!(lines.map(Result::unwrap).all(|line| !line.starts_with("event: ")), "the stream ends");
    assert!(child.wait().unwrap().success());
    drop(idle);
}
