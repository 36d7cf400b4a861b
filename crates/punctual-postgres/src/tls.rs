//! TLS by rustls, with the meanings that PostgreSQL's own clients give to `sslmode`.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use punctual_core::StoreError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server offers it; it need not say who it is.
    Prefer,
    /// Encrypted; the server need not say who it is, unless there is a root certificate (then as `VerifyCa`).
    Require,
    /// Encrypted, and the server's certificate comes from a root.
    VerifyCa,
    /// As `VerifyCa`, and the certificate is for the host of the URL.
    VerifyFull,
}

impl Mode {
    pub(crate) fn of(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// Files with certificates (PEM).
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// `sslrootcert`: a file, or `system`, which is also meant where nothing is said.
    pub(crate) root: Option<String>,
    /// `sslcert` and `sslkey`: who the client is.
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
}

/// Begins TLS sessions.
#[derive(Clone)]
pub(crate) struct Connector(Arc<ClientConfig>);

impl Connector {
    /// Reads the files.
    pub(crate) fn new(mode: Mode, files: &Files) -> Result<Self, StoreError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mode = match mode {
            Mode::Require if files.root.is_some() => Mode::VerifyCa,
            other => other,
        };
        let verifier = Arc::new(Verifier::new(mode, files, &provider)?);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreError::Other(format!("TLS cannot be set up: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match (&files.certificate, &files.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates("sslcert", certificate)?;
                let secret =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("sslkey", key, &error))?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| unusable("sslcert", certificate, &error))?
            }
            _ => {
                return Err(StoreError::Other(
                    "the database URL needs sslcert and sslkey together".to_owned(),
                ));
            }
        };
        // What a server wants to see where TLS begins without being asked for (sslnegotiation=direct).
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn certificates(parameter: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let found = read().map_err(|error| unusable(parameter, file, &error))?;
    if found.is_empty() {
        return Err(unusable(parameter, file, &"it holds no certificate (PEM)"));
    }
    Ok(found)
}

fn unusable(parameter: &str, file: &str, cause: &dyn fmt::Display) -> StoreError {
    StoreError::Other(format!("{parameter} of the database URL, {file:?}, cannot be used: {cause}"))
}

/// Looks at the server's certificate, as far as the mode asks for.
#[derive(Debug)]
struct Verifier {
    /// `None`: any certificate will do.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// The roots of a file, among which the server's own certificate may be.
    named: Vec<CertificateDer<'static>>,
    host: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(mode: Mode, files: &Files, provider: &Arc<CryptoProvider>) -> Result<Self, StoreError> {
        let algorithms = provider.signature_verification_algorithms;
        let host = mode == Mode::VerifyFull;
        if !matches!(mode, Mode::VerifyCa | Mode::VerifyFull) {
            return Ok(Self { chain: None, named: Vec::new(), host, algorithms });
        }
        let mut roots = RootCertStore::empty();
        let file = files.root.as_deref().filter(|root| *root != "system");
        let named = file.map_or(Ok(Vec::new()), |file| certificates("sslrootcert", file))?;
        if let Some(file) = file {
            for root in &named {
                roots.add(root.clone()).map_err(|error| unusable("sslrootcert", file, &error))?;
            }
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let chain =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        let chain = chain.map_err(|_| {
            StoreError::Other(
                "this system has no root certificates: name a file by sslrootcert in the database URL"
                    .to_owned(),
            )
        })?;
        Ok(Self { chain: Some(chain), named, host, algorithms })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext, Other};
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(certificate, intermediates, host, ocsp, now) {
            // The name is looked at last.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                if !self.host =>
            {
                Ok(ServerCertVerified::assertion())
            }
            // A certificate that signed itself says that it is an authority, which a server's must not say to be part of
            // a chain. But where the user names this very certificate there is no chain to look at.
            Err(rustls::Error::InvalidCertificate(Other(_)))
                if self.named.iter().any(|one| one == certificate) =>
            {
                if self.host {
                    rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, host)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The server is not who it should be, or does not speak TLS as we do: trying again would not help.
#[derive(Debug)]
pub(crate) struct Distrust(String);

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Distrust {}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn failure(host: &str, error: io::Error) -> Failure {
    use CertificateError::{BadSignature, NotValidForName, NotValidForNameContext, UnknownIssuer};
    let known = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(known) = known else { return error.into() };
    let advice = match known {
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            "; name the file of its root certificate by sslrootcert in the database URL"
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "; the host of the database URL must be among the certificate's subject alternative names (sslmode=verify-ca does \
             without)"
        }
        _ => "",
    };
    Box::new(Distrust(format!("TLS with {host}: {known}{advice}")))
}

/// One session to come.
pub(crate) struct Handshake {
    config: Arc<ClientConfig>,
    host: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Connector {
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = Failure;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Failure> {
        Ok(Handshake { config: Arc::clone(&self.0), host: host.to_owned() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Encrypted<S>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted<S>, Failure>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let Ok(name) = ServerName::try_from(self.host.clone()) else {
                return Err(
                    Box::new(Distrust(format!("{:?} is not a host that TLS can name", self.host))) as Failure
                );
            };
            let session = TlsConnector::from(self.config).connect(name, stream).await;
            session.map(Encrypted).map_err(|error| failure(&self.host, error))
        })
    }
}

/// An encrypted connection.
pub(crate) struct Encrypted<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
