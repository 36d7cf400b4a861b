//! The real binary with a certificate: signing in over TLS, and a certificate that is replaced while it runs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::{eventually, free_ports, punctual};

const PASSWORD: &str = "the-first-one-of-all-5127";

/// A root that signs certificates, and a client that trusts it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    client: Arc<ClientConfig>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut roots = RootCertStore::empty();
        roots.add(params.self_signed(&key).unwrap().der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A resumed session has the certificate of the one before.
        client.resumption = Resumption::disabled();
        Self { issuer: Issuer::new(params, key), client: Arc::new(client) }
    }

    /// Writes a new certificate and its key into a directory.
    fn write(&self, directory: &Path) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
        certificate.der().clone()
    }
}

/// A running server, killed when it is dropped.
struct Server {
    child: Child,
    port: u16,
    client: Arc<ClientConfig>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(directory: &Path, authority: &Authority) -> Self {
        let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        let config = format!(
            "[server]\nheader_timeout = '1s'\n[server.tls]\ncert = {cert:?}\nkey = {key:?}\nreload = '100ms'\n"
        );
        std::fs::write(directory.join("punctual.toml"), config).unwrap();
        let port = free_ports(1);
        let child = punctual(&["serve", "--listen", &format!("127.0.0.1:{port}")])
            .env_remove("PUNCTUAL__AUTH__MODE")
            .env("PUNCTUAL_ADMIN_PASSWORD", PASSWORD)
            .arg("--config")
            .arg(directory.join("punctual.toml"))
            .arg("--data-dir")
            .arg(directory.join("data"))
            .stderr(File::create(directory.join("log")).unwrap())
            .spawn()
            .unwrap();
        let address = format!("listening on https://127.0.0.1:{port}");
        let server = Self { child, port, client: Arc::clone(&authority.client) };
        eventually("the server's start", || log(directory).contains(&address).then_some(()));
        server
    }

    fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        StreamOwned::new(connection, self.plain())
    }

    fn plain(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// The whole answer, and the certificate that came with it.
    fn call(&self, head: &str, body: &str) -> (String, CertificateDer<'static>) {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer, stream.conn.peer_certificates().unwrap()[0].clone().into_owned())
    }

    fn certificate(&self) -> CertificateDer<'static> {
        let (answer, certificate) = self.call("GET /health HTTP/1.1", "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        certificate
    }
}

fn log(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("log")).unwrap()
}

#[test]
fn people_sign_in_over_tls_with_a_cookie_that_never_goes_without() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(directory.path());
    let server = Server::start(directory.path(), &authority);
    let body = format!(r#"{{"username": "admin", "password": "{PASSWORD}"}}"#);
    let (answer, _) = server.call("POST /api/session HTTP/1.1", &body);
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap_or_else(|| panic!("{answer}"));
    let attributes: Vec<_> = cookie.split("; ").collect();
    assert!(attributes[0].starts_with("__Host-punctual-session="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(attributes.contains(&attribute), "{cookie}");
    }
    let (me, _) = server.call(&format!("GET /api/v1/me HTTP/1.1\r\nCookie: {}", attributes[0]), "");
    assert!(me.starts_with("HTTP/1.1 200") && me.contains("\"admin\""), "{me}");
    let (stranger, _) = server.call("GET /api/v1/me HTTP/1.1", "");
    assert!(stranger.starts_with("HTTP/1.1 401"), "{stranger}");
}

#[test]
fn a_new_certificate_is_used_without_a_restart_and_a_broken_one_never() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let first = authority.write(directory.path());
    let server = Server::start(directory.path(), &authority);
    assert_eq!(server.certificate(), first);
    std::fs::write(directory.path().join("cert.pem"), "nothing of use").unwrap();
    eventually("a warning", || {
        log(directory.path()).contains("the certificate stays as it was").then_some(())
    });
    assert_eq!(server.certificate(), first);
    let second = authority.write(directory.path());
    eventually("the new certificate", || (server.certificate() == second).then_some(()));
    assert!(log(directory.path()).contains("the certificate has changed"));
}

#[test]
fn whoever_does_not_shake_hands_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(directory.path());
    let server = Server::start(directory.path(), &authority);
    let mut silent = vec![];
    server.plain().read_to_end(&mut silent).unwrap();
    assert_eq!(silent, b"");
    let mut plain = server.plain();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = vec![];
    // Reset or closed after an alert, and no HTTP.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // Nor do slow headers within TLS help.
    let mut slow = server.connect();
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: loc").unwrap();
    slow.flush().unwrap();
    let mut answer = vec![];
    let _ = slow.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    server.certificate();
}
