//! Connections of the API, with an end to everything that the other side could draw out.

mod patience;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use punctual_core::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use patience::{PatientBody, PatientIo};

/// The longest request line and headers together, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// How often the log says that there are too many connections.
const TELL: Duration = Duration::from_secs(60);

/// How much a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time; others wait in the system's queue.
    pub(crate) connections: usize,
    /// From the end of one request (or the start of the connection) to the end of the next one's headers.
    pub(crate) header: Duration,
    /// For the whole body of a request, and for each piece of an answer to be taken.
    pub(crate) body: Duration,
}

/// Answers until `stop`, and then until all requests that are under way have been answered.
pub(crate) async fn serve<L: Listener<Addr = SocketAddr>>(
    mut listener: L,
    app: Router,
    limits: Limits,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    let server = Server::new(app, limits, Arc::clone(&clock), stop.clone());
    let mut told = None;
    loop {
        if permits.available_permits() == 0 && told.is_none_or(|at| clock.monotonic() >= at + TELL) {
            told = Some(clock.monotonic());
            warn!(
                "{} connections are open; others wait until one ends (server.max_connections)",
                limits.connections
            );
        }
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, (io, peer)) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let Ok(permit) = permit else { break };
        connections.spawn(server.clone().connection(io, peer, permit));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// What every connection needs.
#[derive(Clone)]
struct Server {
    http: http1::Builder,
    routes: TowerToHyperService<Router>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

impl Server {
    fn new(app: Router, limits: Limits, clock: Arc<dyn Clock>, stop: CancellationToken) -> Self {
        let mut http = http1::Builder::new();
        // Idle connections are closed by it, too: it runs from the end of the request before.
        http.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(MAX_HEAD);
        Self { http, routes: TowerToHyperService::new(app), limits, clock, stop }
    }

    async fn connection<I>(self, io: I, peer: SocketAddr, _permit: OwnedSemaphorePermit)
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let Self { http, routes, limits, clock, stop } = self;
        let io = TokioIo::new(PatientIo::new(io, limits.body, Arc::clone(&clock)));
        let service = service_fn(move |request: axum::http::Request<Incoming>| {
            let mut request = request.map(|body| PatientBody::new(body, limits.body, Arc::clone(&clock)));
            request.extensions_mut().insert(ConnectInfo(peer));
            routes.call(request)
        });
        let mut connection = std::pin::pin!(http.serve_connection(io, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!("the connection of {peer} ended: {error}");
        }
    }
}
