//! The real binary with accounts: signing in, and what it must never write down.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Server, eventually, punctual};

const FIRST: &str = "the-first-one-of-all-7319";
const CHOSEN: &str = "the-one-that-was-chosen-8420";

/// What stands in the configuration and must stay there.
const IN_JOBS: [&str; 3] = ["secret-of-a-variable-1357", "secret-of-a-header-2468", "secret-of-a-url-3579"];

const CONFIG: &str = r#"
[jobs.all-variables]
kind = "command"
command = "env"
every = "1s"

[jobs.with-variable]
kind = "command"
command = "true"
env = { DB_PASSWORD = "secret-of-a-variable-1357" }
every = "1s"

[jobs.with-header]
kind = "http"
url = "http://me:secret-of-a-url-3579@127.0.0.1:1/"
headers = { Authorization = "Bearer secret-of-a-header-2468" }
every = "1s"
"#;

fn start(directory: &Path, password: Option<&str>) -> Server {
    Server::start_as(directory, CONFIG, |command| {
        command.args(["--log-level", "debug"]).stdout(File::create(directory.join("out")).unwrap());
        command.env_remove("PUNCTUAL__AUTH__MODE").env_remove("PUNCTUAL_ADMIN_PASSWORD");
        command.envs(password.map(|password| ("PUNCTUAL_ADMIN_PASSWORD", password)));
    })
}

impl Server {
    /// The status and the body of an answer.
    fn call(&self, method: &str, path: &str, header: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{header}\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn sign_in(&self, name: &str, password: &str) -> (u16, String) {
        let body = json!({ "username": name, "password": password });
        self.call("POST", "/api/session", "", &body)
    }
}

fn value(answer: (u16, String), member: &str) -> String {
    let json: Value = serde_json::from_str(&answer.1).unwrap();
    json[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", answer.1)).to_owned()
}

/// Everything that a server wrote into a directory.
fn written(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![];
    for name in ["out", "log"] {
        files.push((name.to_owned(), std::fs::read(directory.join(name)).unwrap()));
    }
    for entry in std::fs::read_dir(directory.join("data")).unwrap() {
        let path = entry.unwrap().path();
        files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    files
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn no_secret_is_ever_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), Some(FIRST));
    // People type passwords where names belong.
    assert_eq!(server.sign_in(FIRST, "").0, 401);
    assert_eq!(server.sign_in("admin", CHOSEN).0, 401);
    let id = value(server.sign_in("admin", FIRST), "id");
    let header = format!("X-Punctual-Session: {id}\r\n");
    let own = json!({ "current_password": FIRST, "new_password": CHOSEN });
    assert_eq!(server.call("PUT", "/api/v1/me/password", &header, &own).0, 204);
    let made = server.call("POST", "/api/v1/users", &header, &json!({ "name": "ann" }));
    let one_time = value(made, "one_time_password");
    let scopes = json!({ "name": "ci", "scopes": ["superuser"] });
    let token = value(server.call("POST", "/api/v1/tokens", &header, &scopes), "token");
    let bearer = format!("Authorization: Bearer {token}\r\nIdempotency-Key: once\r\n");
    let again =
        value(server.call("POST", "/api/v1/users", &bearer, &json!({ "name": "bob" })), "one_time_password");
    let nothing = json!({});
    let history = eventually("a run of each job", || {
        let (status, text) = server.call("GET", "/api/task?limit=1000", &bearer, &nothing);
        assert_eq!(status, 200, "{text}");
        let seen = ["all-variables", "with-variable", "with-header"].iter().all(|job| text.contains(job));
        (seen && text.contains("failed") && text.contains("success")).then_some(text)
    });
    let (_, audit) = server.call("GET", "/api/v1/audit", &bearer, &nothing);
    assert!(audit.contains("user.change-password") && audit.contains("token.create"), "{audit}");
    assert_eq!(server.terminate(), Some(0));

    let secrets = [FIRST, CHOSEN, id.as_str(), one_time.as_str(), token.as_str(), again.as_str()];
    let mut files = written(directory.path());
    assert!(files.iter().any(|(name, bytes)| name.contains("punctual.db") && holds(bytes, "$argon2id$")));
    files.push(("history".to_owned(), history.clone().into_bytes()));
    files.push(("audit".to_owned(), audit.clone().into_bytes()));
    for (name, bytes) in &files {
        for secret in secrets {
            assert!(!holds(bytes, secret), "{secret} is in {name}");
        }
    }
    // The data of jobs is stored for the jobs, and appears nowhere else.
    let log = String::from_utf8(std::fs::read(directory.path().join("log")).unwrap()).unwrap();
    for secret in IN_JOBS {
        for (name, text) in [("the log", &log), ("the history", &history), ("the log of changes", &audit)] {
            assert!(!text.contains(secret), "{secret} is in {name}");
        }
    }
}

#[test]
fn the_first_password_is_printed_once_and_a_lost_one_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), None);
    let printed = std::fs::read_to_string(directory.path().join("out")).unwrap();
    let first = printed.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(printed.contains("admin") && first.len() == 23, "{printed}");
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(!log.contains(&first));
    assert_eq!(server.sign_in("admin", &first).0, 200);
    assert_eq!(server.call("GET", "/api/task", "", &json!({})).0, 401);
    assert_eq!(server.terminate(), Some(0));

    let data = directory.path().join("data");
    let reset = |user: &str| {
        let output = punctual(&["admin", "reset-password", user, "--data-dir", data.to_str().unwrap()])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, _, error) = reset("nobody");
    assert!(code == Some(2) && error.contains("no user \"nobody\""), "{error}");
    let (code, text, error) = reset("admin");
    assert_eq!(code, Some(0), "{error}");
    let second = text.trim().rsplit(' ').next().unwrap().to_owned();
    let server = start(directory.path(), None);
    assert_eq!(
        std::fs::read_to_string(directory.path().join("out")).unwrap(),
        "",
        "only the first start prints one"
    );
    assert_eq!(server.sign_in("admin", &first).0, 401);
    assert_eq!(server.sign_in("admin", &second).0, 200);
}
