//! Bodies that have to arrive, and answers that have to be taken, within a time.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use punctual_core::{Clock, SleepFuture};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A time that begins when something is waited for.
struct Patience {
    limit: Duration,
    clock: Arc<dyn Clock>,
    ends: Option<SleepFuture>,
}

impl Patience {
    fn new(limit: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { limit, clock, ends: None }
    }

    /// What is still waited for, unless the time is over.
    fn wait(&mut self, what: &'static str, cx: &mut Context<'_>) -> Poll<io::Error> {
        let ends = self.ends.get_or_insert_with(|| self.clock.sleep_for(self.limit));
        ends.as_mut().poll(cx).map(|()| io::Error::new(io::ErrorKind::TimedOut, what))
    }
}

/// The body of a request, which has to be there as a whole within a time from when it is first waited for.
pub(super) struct PatientBody {
    body: Incoming,
    patience: Patience,
}

impl PatientBody {
    pub(super) fn new(body: Incoming, limit: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { body, patience: Patience::new(limit, clock) }
    }
}

impl Body for PatientBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => {
                let late = self.patience.wait("the body of the request did not arrive in time", cx);
                late.map(|error| Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose other end has to take what is written within a time. Nothing is said about reading.
pub(super) struct PatientIo<I> {
    io: I,
    patience: Patience,
}

impl<I> PatientIo<I> {
    pub(super) fn new(io: I, limit: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { io, patience: Patience::new(limit, clock) }
    }

    /// What came of an attempt to write.
    fn written<T>(&mut self, outcome: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(done) => {
                self.patience.ends = None;
                Poll::Ready(done)
            }
            Poll::Pending => self.patience.wait("the answer was not read in time", cx).map(Err),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for PatientIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for PatientIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.written(outcome, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, pieces);
        self.written(outcome, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(cx);
        self.written(outcome, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_shutdown(cx);
        self.written(outcome, cx)
    }
}
