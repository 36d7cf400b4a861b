//! The kind `http` over TLS: which certificates it believes, and where it sends secrets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use punctual_core::{Data, HistoryQuery, JobDetail, JobStore, TaskStatus, Trigger};
use punctual_engine::{Entry, ManualScheduler};
use punctual_jobs::http::Http;
use punctual_jobs::http::secrets::{Secret, Secrets};
use punctual_memory::MemoryStore;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server with a certificate for `localhost`, which ends with the test.
struct Server {
    port: u16,
    /// The heads of the requests that reached it.
    heads: Arc<Mutex<Vec<String>>>,
    /// Its root.
    ca_file: PathBuf,
}

impl Server {
    /// One that answers each request with this status and these headers.
    async fn start(directory: &Path, name: &str, status: &'static str) -> Self {
        let root_key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.distinguished_name.push(DnType::CommonName, name);
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_file = directory.join(format!("{name}.pem"));
        std::fs::write(&ca_file, root.self_signed(&root_key).unwrap().pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(answer(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&heads), status));
        Self { port, heads, ca_file }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn answer(
    listener: TcpListener,
    tls: TlsAcceptor,
    heads: Arc<Mutex<Vec<String>>>,
    status: &'static str,
) {
    while let Ok((stream, _)) = listener.accept().await {
        // Clients that do not believe the certificate go away here.
        let Ok(mut stream) = tls.accept(stream).await else { continue };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { break };
            head.push(byte);
        }
        heads.lock().unwrap().push(String::from_utf8(head).unwrap());
        let text = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
}

/// How a call ends, and the details of its row.
async fn call(kind: Http, data: Value) -> (TaskStatus, Value) {
    let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new());
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let job = JobDetail::new("job", "http").data(Data::from_serialize(&data).unwrap());
    let entry = Entry::new(job, vec![Trigger::once("t", "job", start)]);
    let manual = ManualScheduler::new(Arc::clone(&store), start, |builder| builder.job(kind).entry(entry));
    manual.await.unwrap().run_due().await.unwrap();
    let row = store.history(&HistoryQuery::default()).await.unwrap().rows.remove(0);
    (row.status, row.details.unwrap())
}

#[tokio::test]
async fn a_certificate_is_believed_if_its_root_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), "root", "200 OK").await;
    let url = format!("https://localhost:{}/hook?x=1", server.port);
    let (status, details) = call(Http::new(), json!({ "url": url, "ca_file": server.ca_file })).await;
    assert_eq!((status, &details), (TaskStatus::Success, &json!({"status": 200, "body": "ok"})));
    assert!(server.heads()[0].starts_with("GET /hook?x=1 HTTP/1.1\r\n"), "{:?}", server.heads());
}

#[tokio::test]
async fn another_certificate_is_refused_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), "root", "200 OK").await;
    let other = Server::start(directory.path(), "another-root", "200 OK").await;
    let here = format!("https://localhost:{}/", server.port);
    let by_address = format!("https://127.0.0.1:{}/", server.port);
    for (what, data, says) in [
        ("no root", json!({ "url": here }), ["certificate", "UnknownIssuer"]),
        (
            "another's root",
            json!({ "url": here, "ca_file": other.ca_file }),
            ["certificate", "UnknownIssuer"],
        ),
        ("another name", json!({ "url": by_address, "ca_file": server.ca_file }), ["127.0.0.1", "localhost"]),
    ] {
        let (status, details) = call(Http::new(), data).await;
        assert_eq!(status, TaskStatus::Failed, "{what}");
        let text = details.to_string();
        assert!(says.iter().all(|word| text.contains(word)), "{what}: {text}");
    }
    assert_eq!(server.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_is_sent_to_its_origin_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "hush-4711\n").unwrap();
    let server = Server::start(directory.path(), "root", "200 OK").await;
    let moved = format!("302 Found\r\nLocation: https://localhost:{}/moved", server.port);
    let moving = Server::start(directory.path(), "moving", moved.leak()).await;
    let origin_of = |server: &Server| format!("https://localhost:{}", server.port);
    let secrets = || {
        let secret = |server| Secret::new(&file, &origin_of(server), "Bearer ").unwrap();
        let secrets = [("mine".to_owned(), secret(&server)), ("moving".to_owned(), secret(&moving))];
        Http::with_secrets(Secrets::new(BTreeMap::from(secrets)))
    };
    let data = |server: &Server, secret: &str| {
        json!({
            "url": format!("{}/", origin_of(server)),
            "ca_file": server.ca_file,
            "secret_headers": {"Authorization": secret},
        })
    };
    let (status, details) = call(secrets(), data(&server, "mine")).await;
    assert_eq!(status, TaskStatus::Success, "{details}");
    assert!(server.heads()[0].contains("authorization: Bearer hush-4711\r\n"), "{:?}", server.heads());
    assert!(!details.to_string().contains("hush"), "{details}");

    let (_, details) = call(secrets(), data(&moving, "mine")).await;
    assert!(details.to_string().contains("is not sent to"), "{details}");
    let (_, details) = call(secrets(), data(&moving, "moving")).await;
    assert!(details["message"].as_str().unwrap().contains("302"), "{details}");
    assert_eq!((server.heads().len(), moving.heads().len()), (1, 1), "the redirection is not followed");

    std::fs::remove_file(&file).unwrap();
    let (_, details) = call(secrets(), data(&server, "mine")).await;
    assert!(details["message"].as_str().unwrap().contains(file.to_str().unwrap()), "{details}");
}
