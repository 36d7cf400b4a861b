//! What is said when a database cannot be used, and how its certificate is looked at.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, TcpListener};

use punctual_core::{Change, ClusterStore, DefinitionStore, JobDetail, StoreError};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{at, beat};
use punctual_throwaway::{Postgres, Stop};

fn start(options: punctual_throwaway::Options) -> Postgres {
    let settings = punctual_throwaway::Options::for_tests(100).settings;
    Postgres::start(punctual_throwaway::Options { settings, ..options }).unwrap()
}

/// The URL as another user's, whose password is asked for if the name is `locked`.
fn as_user(server: &Postgres, user: &str) -> String {
    format!("postgresql://{user}@127.0.0.1:{}/punctual", server.port())
}

async fn open(url: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(url, Options { max_connections: 2, ..Options::default() }).await
}

async fn refusal(url: &str) -> StoreError {
    open(url).await.unwrap_err()
}

#[track_caller]
fn says(error: &StoreError, parts: &[&str]) {
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text:?} does not say all of {parts:?}");
    assert!(!text.contains("hunter2"), "{text:?} shows the password");
}

#[tokio::test]
async fn a_login_that_is_refused() {
    let logins = vec![
        "host all locked 127.0.0.1/32 scram-sha-256".to_owned(),
        "host all banned 127.0.0.1/32 reject".to_owned(),
    ];
    let server = start(punctual_throwaway::Options { logins, ..Default::default() });
    server.psql("CREATE ROLE locked LOGIN PASSWORD 'right'; CREATE ROLE banned LOGIN").unwrap();
    server.psql("CREATE SCHEMA punctual AUTHORIZATION locked").unwrap();

    let error = refusal(&as_user(&server, "locked:hunter2")).await;
    says(&error, &["refused the login", "\"locked\"", "the password of the database URL"]);
    assert!(!error.is_transient());
    says(&refusal(&as_user(&server, "locked")).await, &["asks for a password", "has none"]);
    says(&refusal(&as_user(&server, "banned:hunter2")).await, &["refused the login", "pg_hba.conf"]);
    says(&refusal(&as_user(&server, "nobody_we_know")).await, &["refused the login", "nobody_we_know"]);
    open(&as_user(&server, "locked:right")).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there() {
    let server = start(Default::default());
    let error =
        refusal(&format!("postgresql://punctual:hunter2@127.0.0.1:{}/elsewhere", server.port())).await;
    says(&error, &["\"elsewhere\" does not exist", "create the database"]);
    assert!(!error.is_transient());
}

#[tokio::test]
async fn nothing_that_listens() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let url = format!("postgresql://me:hunter2@127.0.0.1:{port}/jobs");
    for error in [refusal(&url).await, PostgresStore::drop_schema(&url, "punctual").await.unwrap_err()] {
        says(&error, &[&format!("127.0.0.1:{port}"), "refused"]);
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program() {
    let server = start(Default::default());
    open(&server.url()).await.unwrap();
    server.psql("INSERT INTO punctual.schema_version (version) VALUES (9999)").unwrap();
    says(&refusal(&server.url()).await, &["schema version 9999", "use the newer program"]);
}

#[tokio::test]
async fn a_user_without_rights() {
    let server = start(Default::default());
    server.psql("CREATE ROLE guest LOGIN").unwrap();
    let guest = as_user(&server, "guest");
    says(
        &refusal(&guest).await,
        &["no schema punctual", "GRANT CREATE ON DATABASE \"punctual\" TO \"guest\""],
    );

    server.psql("CREATE SCHEMA punctual").unwrap();
    says(&refusal(&guest).await, &["GRANT USAGE, CREATE ON SCHEMA \"punctual\" TO \"guest\""]);

    open(&server.url()).await.unwrap();
    let needed = ["GRANT USAGE ON SCHEMA \"punctual\" TO \"guest\""];
    says(&refusal(&guest).await, &needed);
    let reading = PostgresStore::open_read_only(&guest, Options::default()).await;
    says(&reading.map(drop).unwrap_err(), &needed);

    server.psql("GRANT USAGE ON SCHEMA punctual TO guest").unwrap();
    server.psql("GRANT SELECT ON ALL TABLES IN SCHEMA punctual TO guest").unwrap();
    says(
        &refusal(&guest).await,
        &["lacks rights", "due", "id_blocks", "GRANT SELECT, INSERT, UPDATE, DELETE"],
    );

    // What the message advises is enough, for a schema that is up to date.
    server.psql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA punctual TO guest").unwrap();
    server.psql("GRANT USAGE ON ALL SEQUENCES IN SCHEMA punctual TO guest").unwrap();
    let store = open(&guest).await.unwrap();
    store.apply(at(0), &[Change::PutJob(JobDetail::new("job", "test").durable())]).await.unwrap();
    store.heartbeat(&beat("node", None, at(0))).await.unwrap();

    // Rights that are taken away later.
    server.psql("REVOKE UPDATE, INSERT ON punctual.nodes FROM guest").unwrap();
    let error = store.heartbeat(&beat("another", None, at(0))).await.unwrap_err();
    says(&error, &["lacks a right", "nodes"]);
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_name_that_a_live_node_has() {
    let server = start(Default::default());
    let (one, other) = (open(&server.url()).await.unwrap(), open(&server.url()).await.unwrap());
    let held = one.heartbeat(&beat("twin", None, at(0))).await.unwrap();
    let error = other.heartbeat(&beat("twin", None, at(0))).await.unwrap_err();
    assert!(matches!(&error, StoreError::NameTaken(name) if name == "twin"), "{error}");
    says(&error, &["\"twin\"", "give each node its own name"]);
    // The failed registration has left nothing open: the first can renew, and the name comes free.
    one.heartbeat(&beat("twin", Some(held.term), at(0))).await.unwrap();
    one.retire(at(0), held.term).await.unwrap();
    other.heartbeat(&beat("twin", None, at(0))).await.unwrap();
}

#[tokio::test]
async fn a_database_that_can_only_be_read() {
    let mut server = start(Default::default());
    let store = open(&server.url()).await.unwrap();
    server.psql("ALTER ROLE punctual SET default_transaction_read_only = on").unwrap();
    let error = refusal(&server.url()).await;
    says(&error, &["can only be read", "default_transaction_read_only is on"]);
    assert!(error.is_transient());

    // A store that was open before gets its connections anew.
    server.stop(Stop::Fast).unwrap();
    server.start_again().unwrap();
    let mut error = store.heartbeat(&beat("node", None, at(0))).await.unwrap_err();
    for _ in 0..2 {
        // The old connections say how they ended, each once.
        if !error.to_string().contains("25006") {
            error = store.heartbeat(&beat("node", None, at(0))).await.unwrap_err();
        }
    }
    says(&error, &["can only be read", "25006"]);
    assert!(error.is_transient());

    server.stop(Stop::Fast).unwrap();
    std::fs::write(server.data_dir().join("standby.signal"), "").unwrap();
    server.start_again().unwrap();
    says(&refusal(&server.url()).await, &["standby", "target_session_attrs=read-write"]);
}
