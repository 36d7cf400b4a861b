//! A real server: each test starts its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use punctual_throwaway::{Options, Postgres, Stop, ThrowawayError, binaries};

/// Set for the process that [`the_owner`] is the body of.
const OWNER: &str = "PUNCTUAL_TEST_OWNER";

/// Whether PostgreSQL is here. Without it a test passes and says so, unless `PUNCTUAL_REQUIRE` names `postgres`.
fn present() -> bool {
    let Err(error) = binaries() else { return true };
    let required = std::env::var("PUNCTUAL_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == "postgres"), "{error}");
    eprintln!("passed over: {error}");
    false
}

fn pid(data: &Path) -> String {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    text.lines().next().unwrap().to_owned()
}

/// Returns when a process has ended (one that nobody has waited for counts as ended).
fn await_end(pid: &str) {
    let running = || {
        let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
        let state = String::from_utf8(output.stdout).unwrap();
        !state.trim().is_empty() && !state.trim().starts_with('Z')
    };
    while running() {
        std::thread::yield_now();
    }
}

#[test]
fn a_server_answers_and_has_further_databases() {
    if !present() {
        return;
    }
    let server = Postgres::start(Options::default()).unwrap();
    assert_eq!(server.url(), format!("postgresql://punctual@127.0.0.1:{}/punctual", server.port()));
    assert_eq!(server.psql("SELECT 1, 'a' UNION ALL SELECT 2, 'b'").unwrap(), "1|a\n2|b");
    assert_eq!(server.psql("SELECT current_user, current_database()").unwrap(), "punctual|punctual");

    let url = server.database("another_1").unwrap();
    assert_eq!(url, format!("postgresql://punctual@127.0.0.1:{}/another_1", server.port()));
    assert_eq!(server.psql("SELECT count(*) FROM pg_database WHERE datname = 'another_1'").unwrap(), "1");
    let again = server.database("another_1").unwrap_err().to_string();
    assert!(again.contains("already exists"), "{again}");
    for name in ["", "Upper", "1st", "a-b", "a\"; DROP DATABASE punctual", &"a".repeat(64)] {
        assert!(matches!(server.database(name), Err(ThrowawayError::DatabaseName { .. })), "{name:?}");
    }
    let wrong = server.psql("SELECT 1 +").unwrap_err().to_string();
    assert!(wrong.starts_with("psql failed: ") && wrong.contains("syntax error"), "{wrong}");
}

#[test]
fn it_is_durable_and_settings_hold() {
    if !present() {
        return;
    }
    let settings = vec![
        ("max_connections".to_owned(), "37".to_owned()),
        ("log_line_prefix".to_owned(), r"it's \%m".to_owned()),
    ];
    let mut server = Postgres::start(Options { settings, ..Options::default() }).unwrap();
    assert_eq!(server.psql("SHOW fsync").unwrap(), "on");
    assert_eq!(server.psql("SHOW synchronous_commit").unwrap(), "on");
    assert_eq!(server.psql("SHOW listen_addresses").unwrap(), "127.0.0.1");
    assert_eq!(server.psql("SHOW max_connections").unwrap(), "37");
    assert_eq!(server.psql("SHOW log_line_prefix").unwrap(), r"it's \%m");
    server.stop(Stop::Fast).unwrap();
    server.start_again().unwrap();
    assert_eq!(server.psql("SHOW max_connections").unwrap(), "37");
}

#[test]
fn data_outlives_a_crash() {
    if !present() {
        return;
    }
    let mut server = Postgres::start(Options::default()).unwrap();
    let (url, before) = (server.url(), pid(server.data_dir()));
    server.psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)").unwrap();
    server.stop(Stop::Immediate).unwrap();
    await_end(&before);
    server.psql("SELECT 1").unwrap_err();
    // Stopping what is stopped changes nothing.
    server.stop(Stop::Fast).unwrap();

    server.start_again().unwrap();
    assert_eq!(server.psql("SELECT n FROM kept").unwrap(), "7");
    assert_eq!(server.url(), url);
    let after = pid(server.data_dir());
    server.start_again().unwrap();
    assert_eq!(pid(server.data_dir()), after, "a server that runs is left alone");
    let log = std::fs::read_to_string(server.log()).unwrap();
    assert!(log.contains("immediate shutdown request"), "{log}");
}

#[test]
fn a_drop_ends_the_process_and_removes_the_folder() {
    if !present() {
        return;
    }
    let server = Postgres::start(Options::default()).unwrap();
    let (process, port) = (pid(server.data_dir()), server.port());
    let (data, folder) = (server.data_dir().to_owned(), server.log().parent().unwrap().to_owned());
    assert!(data.starts_with(&folder) && folder.exists());
    drop(server);
    await_end(&process);
    assert!(!folder.exists());
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
}

#[test]
fn a_named_folder_is_kept_and_used_again() {
    if !present() {
        return;
    }
    let temp = open_folder();
    let data_dir = temp.path().join("data");
    let options = Options { data_dir: Some(data_dir.clone()), ..Options::default() };
    let server = Postgres::start(options.clone()).unwrap();
    server.psql("CREATE TABLE kept ()").unwrap();
    let error = Postgres::start(options.clone()).unwrap_err();
    assert!(matches!(&error, ThrowawayError::InUse { data_dir: named } if *named == data_dir), "{error}");
    assert_eq!(server.psql("SELECT 1").unwrap(), "1", "the first server is not harmed");
    drop(server);

    let server = Postgres::start(options).unwrap();
    assert_eq!(server.psql("SELECT count(*) FROM kept").unwrap(), "0");
    let conf = std::fs::read_to_string(data_dir.join("postgresql.conf")).unwrap();
    assert_eq!(conf.matches("punctual.conf").count(), 1);
}

#[test]
fn starts_that_cannot_succeed_say_why() {
    if !present() {
        return;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = Postgres::start(Options { port: Some(port), ..Options::default() }).unwrap_err();
    assert!(matches!(error, ThrowawayError::PortTaken { port: named } if named == port), "{error}");

    let settings = vec![("shared_buffers".to_owned(), "plenty".to_owned())];
    let error = Postgres::start(Options { settings, ..Options::default() }).unwrap_err().to_string();
    assert!(
        error.contains("pg_ctl start failed") && error.contains("\"shared_buffers\": \"plenty\""),
        "{error}"
    );

    let temp = open_folder();
    std::fs::write(temp.path().join("mine"), "text").unwrap();
    let options = Options { data_dir: Some(temp.path().to_owned()), ..Options::default() };
    let error = Postgres::start(options).unwrap_err().to_string();
    assert!(error.contains("initdb failed") && error.contains("not empty"), "{error}");
    assert_eq!(std::fs::read_to_string(temp.path().join("mine")).unwrap(), "text");
}

/// A temporary folder that the user of the server may enter.
fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().permissions(permissions).tempdir().unwrap()
}

#[test]
fn nonsense_in_the_variable_is_named() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_owner", "--nocapture"])
        .envs([(OWNER, "1"), ("PUNCTUAL_PG_BIN", "/nonsense/bin")])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("$PUNCTUAL_PG_BIN: /nonsense/bin (not a folder)"), "{text}");
}

#[test]
fn an_owner_that_is_killed_leaves_nothing_behind() {
    if !present() {
        return;
    }
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_owner", "--nocapture"])
        .env(OWNER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told = lines.filter_map(|line| line.split_once("data folder: ").map(|(_, data)| data.to_owned()));
    let data = PathBuf::from(told.take(1).next().unwrap());
    let process = pid(&data);
    owner.kill().unwrap();
    owner.wait().unwrap();
    await_end(&process);
    let folder = data.parent().unwrap();
    while folder.exists() {
        std::thread::yield_now();
    }
}

/// Not a test of its own: what the process does that other tests start.
#[test]
fn the_owner() {
    if std::env::var_os(OWNER).is_none() {
        return;
    }
    let server = Postgres::start(Options::default()).unwrap_or_else(|error| panic!("{error}"));
    println!("data folder: {}", server.data_dir().display());
    // Until it is killed: nobody writes.
    let _ = std::io::stdin().read_line(&mut String::new());
}
