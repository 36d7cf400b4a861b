//! Clients who mean harm, over real connections: whatever they send, the server answers the next one, and never with
//! a failure of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::{Server, eventually, get};

/// Sends bytes as they are, and returns what comes back until the server closes the connection.
fn send(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // The server may close before it has read all of it.
    let _ = stream.write_all(bytes);
    rest(&mut stream)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// What comes until the other end closes, which it must do.
fn rest(stream: &mut TcpStream) -> String {
    let mut answer = vec![];
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}: {answer:?}");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<u16> {
    let heads = answer.split("HTTP/1.").skip(1).filter_map(|head| head.get(2..5));
    heads.filter_map(|status| status.parse().ok()).collect()
}

/// A request with a JSON body, after which the connection ends.
fn json(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn plain(request_line: &str) -> Vec<u8> {
    format!("{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Wire formats that are none, or absurd ones. Where a status is given, it is the first answer's.
fn malformed() -> Vec<(Option<u16>, Vec<u8>)> {
    let put = "PUT /api/v1/calendars/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let many: String = (0..500).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let long = "x".repeat(1_000_000);
    let get = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
    vec![
        (Some(431), format!("{get}X: {long}\r\n\r\n").into()),
        (Some(431), format!("{get}{many}\r\n").into()),
        (None, format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").into()),
        (None, format!("{long}\r\n\r\n").into()),
        (Some(400), b"GET /hea\0lth HTTP/1.1\r\nHost: localhost\r\n\r\n".into()),
        (Some(400), format!("{get}X: a\0b\r\n\r\n").into()),
        (Some(400), b"\0\0\0\0\r\n\r\n".into()),
        (Some(400), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".into()),
        (None, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        (Some(400), b"GET /health HTTP/9.9\r\n\r\n".into()),
        (Some(400), b"GET /health\r\n\r\n".into()),
        (Some(400), format!("{put}Content-Length: -1\r\n\r\n").into()),
        (Some(400), format!("{put}Content-Length: 99999999999999999999999\r\n\r\n").into()),
        (Some(413), format!("{put}Content-Length: 9223372036854775807\r\n\r\n{{").into()),
        (Some(413), format!("{put}Content-Length: 2000000\r\n\r\n{long}{long}").into()),
        (
            Some(413),
            format!(
                "{put}Transfer-Encoding: chunked\r\n\r\n{}",
                "80000\r\n".to_owned()
                    + &"x".repeat(0x80000)
                    + "\r\n80000\r\n"
                    + &"x".repeat(0x80000)
                    + "\r\n5\r\nxxxxx\r\n0\r\n\r\n"
            )
            .into(),
        ),
        (Some(400), format!("{put}Content-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx").into()),
        (Some(400), format!("{put}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n").into()),
        (Some(400), format!("{put}Transfer-Encoding: chunked\r\n\r\nnone\r\n").into()),
        (Some(400), format!("{put}Transfer-Encoding: gzip\r\n\r\nx").into()),
        (Some(200), [plain("GET /health HTTP/1.1"), b"\0junk\xff\xff\r\n\r\n".to_vec()].concat()),
        (Some(200), [format!("{get}\r\n").as_bytes(), b"\0junk\xff\xff\r\n\r\n"].concat()),
    ]
}

/// Requests that can be read, and mean nothing.
fn meaningless() -> Vec<Vec<u8>> {
    let mut requests = vec![];
    let methods = ["BREW", "CONNECT", "TRACE", "OPTIONS", "PATCH", "get", "M-SEARCH", "PROPFIND"];
    for method in methods {
        for target in ["/health", "/api/v1/jobs/a/b", "*", "localhost:1", "http://localhost/health"] {
            requests.push(plain(&format!("{method} {target} HTTP/1.1")));
        }
    }
    let parts = [
        "%ff%fe",
        "%00",
        "a%00b",
        "%c3%28",
        "%ed%a0%80",
        "%",
        "%zz",
        "..%2f..%2fetc%2fpasswd",
        "%0d%0aX:y",
        "\u{fffd}",
        "99999999999999999999",
        "-1",
        "\u{1f600}",
        "'%3bDROP%20TABLE%20jobs--",
        "%f4%90%80%80",
    ];
    let paths = [
        "/api/v1/jobs/@/b",
        "/api/v1/jobs/a/@",
        "/api/v1/triggers/@/@",
        "/api/v1/triggers/@/@/why",
        "/api/v1/calendars/@",
        "/api/v1/runs/@",
        "/api/v1/audit?@=@",
        "/api/v1/jobs?group=@",
        "/api/v1/jobs?cursor=@",
        "/api/v1/jobs?limit=@",
        "/api/v1/runs?cursor=@",
        "/api/v1/runs?limit=@&status=@",
        "/api/v1/triggers?limit=@&offset=@",
        "/api/task?@=@",
        "/api/task?limit=@",
        "/api/task?offset=@",
        "/api/task?started_at=@",
        "/api/task/@",
        "/api/task/runs?task=@",
        "/api/v1/occurrences?from=@",
        "/api/v1/why?trigger=@&at=@",
        "/api/v1/events/stream?types=@",
        "/@",
        "/@?@",
        "/api/v1/nodes?@",
        "/api/v1/skipped?trigger=@&from=@&to=@",
        "/metrics?@",
        "/api/v1/locks?name=@",
    ];
    for path in paths {
        for part in parts {
            requests.push(plain(&format!("GET {} HTTP/1.1", path.replace('@', part))));
            requests.push(json("POST", &path.replace('@', part), "{}"));
        }
    }
    // Bytes that no text holds.
    requests
        .push(b"GET /\xff\xfe?\xc3\x28=\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".into());
    requests
}

/// JSON that is none, or holds what nobody can mean.
fn bodies() -> Vec<String> {
    let deep = |open: &str, close: &str| open.repeat(10_000) + &close.repeat(10_000);
    let strange =
        [r#""\u0000""#, r#""\ud800""#, "1e999", "-1", "18446744073709551616", "null", "[]", "{}", "\"\""];
    let mut bodies = vec![
        String::new(),
        "{".to_owned(),
        "null".to_owned(),
        "\0".to_owned(),
        "{}{}".to_owned(),
        "\"\u{feff}\"".to_owned(),
        deep("[", "]"),
        deep("{\"data\":", "}"),
        format!("{{\"data\":{}}}", deep("[", "]")),
        format!("{{\"schedule\":{}}}", deep("{\"type\":", "}")),
        format!("{{\"calendar\":{}}}", deep("{\"type\":\"all\",\"of\":[", "]}")),
        format!("{{\"kind\":\"{}\"}}", "x".repeat(900_000)),
        format!("{{\"data\":[{}1]}}", "1,".repeat(400_000)),
    ];
    let forms = [
        r#"{"kind": @, "data": {"x": @}}"#,
        r#"{"kind": "command", "data": {"command": @}, "durable": true, "description": @}"#,
        r#"{"kind": "history-cleanup", "data": {"\u0000": @, "": @}, "durable": true, "note": @}"#,
        r#"{"kind": "history-cleanup", "durable": true, "triggers": [{"name": @, "schedule": {"type": "interval", "every_ms": @}}]}"#,
        r#"{"job": @, "job_group": @, "schedule": {"type": "cron", "expr": @, "tz": @}, "priority": @}"#,
        r#"{"job": "a.b", "schedule": {"type": "rrule", "rule": @}, "start": @, "end": @, "data": {"x": @}}"#,
        r#"{"calendar": {"type": "annual", "days": @}, "description": @}"#,
        r#"{"calendar": {"type": "cron", "expr": @, "tz": @}}"#,
        r#"{"schedule": {"type": "interval", "every_ms": @}, "count": @, "after": @}"#,
        r#"{"schedule": {"type": "interval", "every_ms": 1}, "count": 1000, "after": "9999-12-30T22:00:00Z"}"#,
        r#"{"schedule": {"type": "at", "at": @}, "against": {"schedule": @, "from": @}}"#,
        r#"{"name": @, "data": @, "from": @, "to": @, "username": @, "password": @}"#,
    ];
    for form in forms {
        bodies.extend(strange.map(|value| form.replace('@', value)));
    }
    bodies
}

const TARGETS: [(&str, &str); 12] = [
    ("PUT", "/api/v1/jobs/a/b"),
    ("PUT", "/api/v1/triggers/a/b"),
    ("PUT", "/api/v1/calendars/c"),
    ("POST", "/api/v1/schedules/preview"),
    ("POST", "/api/v1/jobs/a/b/run"),
    ("POST", "/api/v1/triggers/a/b/backfill"),
    ("POST", "/api/v1/runs/1/again"),
    ("POST", "/api/v1/events"),
    ("POST", "/api/session"),
    ("POST", "/api/v1/users"),
    ("POST", "/api/v1/tokens"),
    ("PUT", "/api/v1/me/password"),
];

#[track_caller]
fn is_unharmed(server: &Server) {
    assert!(get(server.port, "/health").is_some());
    let log = server.log();
    let bad: Vec<_> =
        log.lines().filter(|line| line.contains("panicked") || line.contains("ERROR")).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned()
}

/// The statuses of the answers, which never say that the server is to blame.
#[track_caller]
fn refused(server: &Server, request: &[u8]) -> Vec<u16> {
    let answer = send(server, request);
    let statuses = statuses(&answer);
    assert!(statuses.iter().all(|status| *status < 500), "{}\n{answer}", shown(request));
    statuses
}

#[test]
fn bytes_that_are_no_request_are_answered_with_400_or_not_at_all() {
    let server = Server::start("");
    for (expected, request) in malformed() {
        let statuses = refused(&server, &request);
        if expected.is_some() {
            assert_eq!(statuses.first().copied(), expected, "{}", shown(&request));
        }
    }
    is_unharmed(&server);
}

#[test]
fn requests_that_mean_nothing_are_the_fault_of_who_sends_them() {
    let server = Server::start("[api]\nallow_commands = true\n");
    for request in meaningless() {
        assert!(!refused(&server, &request).is_empty(), "{}", shown(&request));
    }
    for body in bodies() {
        for (method, path) in TARGETS {
            assert!(!refused(&server, &json(method, path, &body)).is_empty(), "{}", shown(body.as_bytes()));
        }
    }
    is_unharmed(&server);
}

/// Nobody waits for long here.
fn impatient(connections: usize) -> Server {
    Server::start(&format!(
        "[server]\nmax_connections = {connections}\nheader_timeout = '300ms'\nbody_timeout = '300ms'\n"
    ))
}

const CALENDAR: &str =
    "PUT /api/v1/calendars/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

#[test]
fn slow_clients_are_cut_off() {
    let server = impatient(16);
    for head in
        ["", "GET", "GET /health HTTP/1.1\r\nHost: loc", "GET /health HTTP/1.1\r\nHost: localhost\r\n"]
    {
        let mut stream = connect(&server);
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(rest(&mut stream), "", "{head:?}");
    }
    // A connection is not kept for ever after an answer, either.
    let idle = send(&server, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(statuses(&idle), [200]);
    for body in ["Content-Length: 50\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        for key in ["", "Idempotency-Key: one\r\n"] {
            let answer = send(&server, format!("{CALENDAR}{key}{body}").as_bytes());
            assert_eq!(statuses(&answer), [408], "{answer}");
            assert!(answer.contains("\"body-timeout\""), "{answer}");
        }
    }
    is_unharmed(&server);
}

#[test]
fn whoever_does_not_read_answers_is_cut_off() {
    let server = impatient(1);
    let mut stream = connect(&server);
    let request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(&request.repeat(200)).unwrap();
    // The only connection that there may be is free again.
    eventually("an answer to somebody else", || get(server.port, "/health"));
    let answers = rest(&mut stream);
    assert!(answers.matches("\"openapi\":").count() < 200);
    is_unharmed(&server);
}

#[test]
fn a_stream_goes_on_and_too_many_connections_wait() {
    let server = impatient(2);
    let mut stream = connect(&server);
    stream.write_all(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut heard = String::new();
    let mut hear = |until: &str| {
        while !heard.contains(until) {
            let mut bytes = [0; 4_096];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "the stream has ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    hear("\r\n\r\n");
    // Longer than any time that is set, by the server's own clock.
    for _ in 0..3 {
        let mut slow = connect(&server);
        // As many as there may be: those who come now wait until the slow one has been cut off.
        let answer = eventually("an answer", || get(server.port, "/health"));
        assert!(answer.contains("status"), "{answer}");
        assert_eq!(rest(&mut slow), "");
    }
    assert!(server.log().contains("2 connections are open"), "{}", server.log());
    let calendar = r#"{"calendar": {"type": "weekly", "days": [1]}}"#;
    let put = send(&server, &json("PUT", "/api/v1/calendars/x", calendar));
    assert_eq!(statuses(&put), [201], "{put}");
    hear("event: changed");
    is_unharmed(&server);
}
