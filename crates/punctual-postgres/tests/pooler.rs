//! PgBouncer between a store and its server. Without the program, the tests say so and do nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use punctual_core::{Change, ClusterStore, DefinitionStore, JobStore, Trigger, TriggerKey};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{Hand, at, every, job, schedule};

struct Bouncer {
    child: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<&'static str> {
    let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
    let found = places.into_iter().find(|place| Path::new(place).exists());
    if found.is_none() {
        eprintln!(
            "SKIPPED: there is no pgbouncer on this machine (apt-get install pgbouncer): poolers are not tested"
        );
    }
    found
}

impl Bouncer {
    fn start(program: &str, server: &str, mode: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (_, rest) = server.split_once("://").unwrap();
        let (user, rest) = rest.split_once('@').unwrap();
        let user = user.split(':').next().unwrap();
        let (host, database) = rest.split_once('/').unwrap();
        let (host, server_port) = host.split_once(':').unwrap();
        let database = database.split('?').next().unwrap();
        // Given up before PgBouncer takes it; it ends, and says so, if somebody was quicker.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ini = directory.path().join("pgbouncer.ini");
        let users = directory.path().join("users.txt");
        std::fs::write(&users, format!("\"{user}\" \"\"\n")).unwrap();
        std::fs::write(
            &ini,
            format!(
                "[databases]\n{database} = host={host} port={server_port} dbname={database} user={user}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = any\nauth_file = {}\npool_mode = {mode}\nlogfile = {}\ndefault_pool_size = 10\n\
                 ignore_startup_parameters = extra_float_digits,options\n",
                users.display(),
                directory.path().join("log").display(),
            ),
        )
        .unwrap();
        let mut command = Command::new(program);
        // It refuses to be the superuser of the machine.
        if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
            for path in [directory.path(), &ini, &users] {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
            }
            command.args(["-u", "nobody"]);
        }
        command.arg(&ini).stderr(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let url = format!("postgresql://{user}@127.0.0.1:{port}/{database}");
        let mut bouncer = Self { child, url, _directory: directory };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(bouncer.child.try_wait().unwrap().is_none(), "pgbouncer has ended");
            std::thread::yield_now();
        }
        bouncer
    }
}

#[tokio::test]
async fn a_pooler_that_keeps_sessions_is_as_good_as_the_server() {
    let Some(program) = program() else { return };
    let (server, schema) = support::schema();
    let bouncer = Bouncer::start(program, &server, "session");
    let options = Options { schema, max_connections: 3, ..Options::default() };
    let store = Arc::new(PostgresStore::open(&bouncer.url, options.clone()).await.unwrap());
    let shared: Arc<dyn JobStore> = store.clone();
    schedule(&shared, at(0), job("job"), vec![Trigger::new("t", "job", every(10))]).await;
    let node = Hand::register(&shared, "n", at(0)).await;
    assert_eq!(node.claim(at(0), 9).await.fires.len(), 1);
    // LISTEN works: once when it begins, and when somebody else changes something.
    store.changed().await;
    let other = PostgresStore::open(&server, options).await.unwrap();
    other.apply(at(1), &[Change::PauseTrigger(TriggerKey::new("t"))]).await.unwrap();
    store.changed().await;
    assert_eq!(store.hears_changes(), Some(true));
}

#[tokio::test]
async fn a_pooler_that_does_not_keep_sessions_is_refused_with_the_way_out() {
    let Some(program) = program() else { return };
    for mode in ["transaction", "statement"] {
        let (server, schema) = support::schema();
        let bouncer = Bouncer::start(program, &server, mode);
        let opened = PostgresStore::open(&bouncer.url, Options { schema, ..Options::default() }).await;
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("pool_mode = session"), "{mode}: {error}");
        assert!(error.contains("name the server itself"), "{mode}: {error}");
    }
}
