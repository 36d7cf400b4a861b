//! How a server's certificate is looked at.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use punctual_core::{ClusterStore, DefinitionStore, StoreError};
use punctual_postgres::{Options, PostgresStore};
use punctual_testkit::factory::{at, beat};
use punctual_throwaway::{Postgres, Tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A root that signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key: for a server with this host, and for a client with this user.
    fn sign(&self, host: &str, user: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, user);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn start(tls: Tls) -> Postgres {
    let logins =
        ["hostssl all certified all cert", "hostssl all secret all trust", "host all secret all reject"];
    let logins = logins.map(str::to_owned).to_vec();
    let settings = punctual_throwaway::Options::for_tests(100).settings;
    let server = Postgres::start(punctual_throwaway::Options {
        tls: Some(tls),
        logins,
        settings,
        ..Default::default()
    });
    let server = server.unwrap();
    server.psql("CREATE ROLE certified LOGIN SUPERUSER; CREATE ROLE secret LOGIN SUPERUSER").unwrap();
    server
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Opens a store, uses it, and looks whether its connections and the one that listens are encrypted.
async fn connect(server: &Postgres, user: &str, host: &str, query: &str) -> Result<(), StoreError> {
    let url = format!("postgresql://{user}@{host}:{}/punctual?{query}", server.port());
    let store = PostgresStore::open(&url, Options { max_connections: 2, ..Options::default() }).await?;
    store.calendars().await?;
    // The listener is connected.
    store.changed().await;
    let kinds = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE application_name = 'punctual' AND usename = ";
    let encrypted = if query.contains("sslmode=disable") { "f" } else { "t" };
    assert_eq!(server.psql(&format!("{kinds}'{user}'")).unwrap(), encrypted, "{query}");
    drop(store);
    PostgresStore::drop_schema(&url, "other").await
}

#[track_caller]
fn says(result: &Result<(), StoreError>, part: &str) {
    let error = result.as_ref().unwrap_err();
    assert!(error.to_string().contains(part), "{error}");
    assert!(!error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_certificate_is_looked_at_as_far_as_the_mode_says() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("root");
    let (certificate, key) = authority.sign("localhost", "server");
    let server = start(Tls { certificate, key, client_root: Some(authority.pem.clone()) });
    let right = file(folder.path(), "right.crt", &authority.pem);
    let stranger = file(folder.path(), "stranger.crt", &Authority::new("stranger").pem);
    let namesake = file(folder.path(), "namesake.crt", &Authority::new("root").pem);
    let connect = |host: &'static str, query: String| {
        let server = &server;
        async move { connect(server, "secret", host, &query).await }
    };

    for query in ["", "sslmode=prefer", "sslmode=require"] {
        connect("127.0.0.1", query.to_owned()).await.unwrap();
    }
    says(&connect("127.0.0.1", "sslmode=disable".to_owned()).await, "refused the login");

    connect("localhost", format!("sslmode=verify-full&sslrootcert={right}")).await.unwrap();
    connect("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={right}")).await.unwrap();
    connect("127.0.0.1", format!("sslmode=require&sslrootcert={right}")).await.unwrap();

    let other_host = connect("127.0.0.1", format!("sslmode=verify-full&sslrootcert={right}")).await;
    says(&other_host, "subject alternative names");
    for mode in ["verify-full", "verify-ca", "require"] {
        for wrong in [&stranger, &namesake] {
            let other_root = connect("localhost", format!("sslmode={mode}&sslrootcert={wrong}")).await;
            says(&other_root, "sslrootcert");
        }
    }
    let no_root = connect("localhost", "sslmode=verify-full&sslrootcert=system".to_owned()).await;
    says(&no_root, "root");
}

#[tokio::test]
async fn a_client_can_show_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("root");
    let (certificate, key) = authority.sign("localhost", "server");
    let server = start(Tls { certificate, key, client_root: Some(authority.pem.clone()) });
    let (certificate, key) = authority.sign("client", "certified");
    let certificate = file(folder.path(), "client.crt", &certificate);
    let key = file(folder.path(), "client.key", &key);
    connect(&server, "certified", "localhost", &format!("sslcert={certificate}&sslkey={key}")).await.unwrap();
    says(&connect(&server, "certified", "localhost", "").await, "refused the login");
    says(
        &connect(&server, "certified", "localhost", &format!("sslcert={key}&sslkey={key}")).await,
        "sslcert",
    );
}

#[tokio::test]
async fn a_certificate_that_signed_itself_can_be_its_own_root() {
    let folder = tempfile::tempdir().unwrap();
    // As `openssl req -x509` makes them: for a server, and an authority at once.
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().pem();
    let root = file(folder.path(), "server.crt", &certificate);
    let server = start(Tls { certificate, key: key.serialize_pem(), client_root: None });
    connect(&server, "secret", "localhost", &format!("sslmode=verify-full&sslrootcert={root}"))
        .await
        .unwrap();
    connect(&server, "secret", "127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={root}")).await.unwrap();
    let other_host =
        connect(&server, "secret", "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={root}")).await;
    says(&other_host, "subject alternative names");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let server = Postgres::start(punctual_throwaway::Options::default()).unwrap();
    says(&connect(&server, "punctual", "127.0.0.1", "sslmode=require").await, "ssl = on");
    let folder = tempfile::tempdir().unwrap();
    let root = file(folder.path(), "root.crt", &Authority::new("root").pem);
    for mode in ["verify-full", "verify-ca"] {
        let refused =
            connect(&server, "punctual", "127.0.0.1", &format!("sslmode={mode}&sslrootcert={root}")).await;
        says(&refused, "ssl = on");
        assert!(!refused.unwrap_err().to_string().contains("disable"), "{mode}");
    }
    let store = PostgresStore::open(&server.url(), Options::default()).await.unwrap();
    store.heartbeat(&beat("node", None, at(0))).await.unwrap();
}
