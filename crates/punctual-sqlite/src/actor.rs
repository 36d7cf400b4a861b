//! The threads: one that writes, one that reads. Each owns its connection and is sent closures, so that a
//! transaction is plain synchronous code on one thread and nothing can come between its statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use punctual_core::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::open::Options;
use crate::writer::Writer;

type Work<C> = Box<dyn FnOnce(&mut C) + Send>;

/// Sends work to a thread.
pub(crate) struct Actor<C> {
    sender: Sender<Work<C>>,
}

impl<C: 'static> Actor<C> {
    fn start(name: &str, make: impl FnOnce() -> C + Send + 'static) -> Result<Self, StoreError> {
        let (sender, receiver): (Sender<Work<C>>, Receiver<Work<C>>) = channel();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let mut owned = make();
                while let Ok(work) = receiver.recv() {
                    work(&mut owned);
                }
            })
            .map_err(|error| StoreError::Unavailable(format!("cannot start the thread {name}: {error}")))?;
        Ok(Self { sender })
    }

    /// Runs a closure on the thread.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut C) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let gone = || StoreError::Unavailable("the store's thread has ended".to_owned());
        self.sender
            .send(Box::new(move |owned| {
                // The caller may have been dropped meanwhile; then nobody waits for the answer.
                let _ = reply.send(work(owned));
            }))
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// Starts the thread that writes.
pub(crate) fn writer(
    connection: Connection,
    options: Options,
    commits: Arc<AtomicU64>,
) -> Result<Actor<Writer>, StoreError> {
    Actor::start("punctual-sqlite", move || Writer::new(connection, options, commits))
}

/// Starts the thread that reads.
pub(crate) fn reader(connection: Connection) -> Result<Actor<Connection>, StoreError> {
    Actor::start("punctual-sqlite-r", move || connection)
}

/// Reads a counter that another thread moves.
pub(crate) fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
