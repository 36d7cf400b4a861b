//! TLS for the API, with certificates that are read again when their files change.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::serve::Listener;
use punctual_core::Clock;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info, warn};

use crate::config::Tls;

/// So many shake hands at a time; others wait in the system's queue.
const HANDSHAKES: usize = 256;

/// The files, and the certificate that they held last.
#[derive(Debug)]
struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<(Vec<u8>, Arc<CertifiedKey>)>,
}

impl Certificate {
    fn load(files: &Tls, provider: Arc<CryptoProvider>) -> anyhow::Result<Self> {
        let (cert, key) = (files.cert.clone(), files.key.clone());
        let current = RwLock::new(read(&cert, &key, &provider)?);
        Ok(Self { cert, key, provider, current })
    }

    /// Reads the files again; a pair that cannot be used changes nothing.
    fn refresh(&self) {
        match read(&self.cert, &self.key, &self.provider) {
            Ok(fresh) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                if current.0 != fresh.0 {
                    info!("the certificate has changed and is used from now on");
                    *current = fresh;
                }
            }
            Err(error) => warn!("the certificate stays as it was: {error:#}"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).1))
    }
}

fn read(
    cert: &PathBuf,
    key: &PathBuf,
    provider: &CryptoProvider,
) -> anyhow::Result<(Vec<u8>, Arc<CertifiedKey>)> {
    let named = |name: &str, path: &PathBuf| format!("server.tls.{name} {}", path.display());
    let pem = std::fs::read(cert).with_context(|| named("cert", cert))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .with_context(|| named("cert", cert))?;
    if chain.is_empty() {
        return Err(anyhow!("{}: the file holds no certificate (PEM)", named("cert", cert)));
    }
    let key_pem = std::fs::read(key).with_context(|| named("key", key))?;
    let private = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|_| anyhow!("{}: the file holds no private key (PEM)", named("key", key)))?;
    let certified = CertifiedKey::from_der(chain, private, provider)
        .with_context(|| format!("{} and its key", named("cert", cert)))?;
    // What is compared is public.
    Ok((pem, Arc::new(certified)))
}

/// Whether the files hold a certificate and its key.
pub(crate) fn check(files: &Tls) -> anyhow::Result<()> {
    Certificate::load(files, Arc::new(rustls::crypto::ring::default_provider())).map(drop)
}

/// Connections whose handshake is done.
pub(crate) struct TlsListener {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    /// Speaks TLS on a listener from now on; whoever has not shaken hands by `limit` is cut off.
    pub(crate) fn start(
        listener: TcpListener,
        files: &Tls,
        limit: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = Arc::new(Certificate::load(files, Arc::clone(&provider))?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS does not work on this machine")?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let address = listener.local_addr().context("cannot tell the address of the listener")?;
        let (send, connections) = mpsc::channel(1);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(accept(listener, acceptor, limit, send.clone(), Arc::clone(&clock)));
        let every = files.reload.duration();
        tokio::spawn(async move {
            tokio::select! {
                () = send.closed() => {}
                () = reload(&certificate, every, &*clock) => {}
            }
        });
        Ok(Self { connections, address })
    }
}

async fn reload(certificate: &Arc<Certificate>, every: Duration, clock: &dyn Clock) {
    loop {
        clock.sleep_for(every).await;
        let certificate = Arc::clone(certificate);
        // Reading files may block. A panic would be told by the task; the next look comes anyway.
        let _ = tokio::task::spawn_blocking(move || certificate.refresh()).await;
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    limit: Duration,
    send: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
    clock: Arc<dyn Clock>,
) {
    let permits = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = send.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, say: waiting helps, and trying at once does not.
                debug!("a connection could not be accepted: {error}");
                clock.sleep_for(Duration::from_secs(1)).await;
                continue;
            }
        };
        let (acceptor, send, clock) = (acceptor.clone(), send.clone(), Arc::clone(&clock));
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = clock.sleep_for(limit) => {}
                shaken = acceptor.accept(stream) => match shaken {
                    // Nobody listens any more when the server stops.
                    Ok(stream) => drop(send.send((stream, peer)).await),
                    Err(error) => debug!("no TLS with {peer}: {error}"),
                }
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}
