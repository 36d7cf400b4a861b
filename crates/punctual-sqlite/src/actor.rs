//! The threads: one that writes, one that reads. Each owns its connection and is sent closures, so that a
//! transaction is plain synchronous code on one thread and nothing can come between its statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use punctual_core::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::Sql;
use crate::open::Options;
use crate::writer::Writer;

enum Work<C> {
    Do(Box<dyn FnOnce(&mut C) + Send>),
    /// Drop what the thread owns, say so, and end.
    End(oneshot::Sender<()>),
}

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
                    match work {
                        Work::Do(work) => work(&mut owned),
                        Work::End(ended) => {
                            drop(owned);
                            let _ = ended.send(());
                            return;
                        }
                    }
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
            .send(Work::Do(Box::new(move |owned| {
                // The caller may have been dropped meanwhile; then nobody waits for the answer.
                let _ = reply.send(work(owned));
            })))
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Ends the thread after the work that was sent before, and waits until what it owned is closed.
    pub(crate) async fn end(&self) {
        let (ended, waits) = oneshot::channel();
        if self.sender.send(Work::End(ended)).is_ok() {
            // A thread that has ended already has closed it, too.
            let _ = waits.await;
        }
    }
}

/// So many steps of a statement lie between two looks whether somebody still waits for it: about 0.1 ms.
const STEPS: i32 = 10_000;

impl Actor<Connection> {
    /// Reads on the thread. What nobody waits for any more is not begun, and breaks off where it has begun: a client that went
    /// away must not keep the others waiting.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let waits = Arc::new(());
        let waiting = Arc::downgrade(&waits);
        let answer = self.call(move |connection| {
            if waiting.strong_count() == 0 {
                return Err(StoreError::Other("nobody waits for the answer".to_owned()));
            }
            connection.progress_handler(STEPS, Some(move || waiting.strong_count() == 0)).sql()?;
            let answer = work(connection);
            connection.progress_handler(0, None::<fn() -> bool>).sql()?;
            answer
        });
        let answer = answer.await;
        drop(waits);
        answer
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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::atomic::AtomicBool;

    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n";

    fn count(connection: &mut Connection, text: &str) -> Result<i64, StoreError> {
        connection.query_row(text, [], |row| row.get(0)).sql()
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_keeps_nobody_waiting() {
        let actor = Arc::new(reader(Connection::open_in_memory().unwrap()).unwrap());
        let (begins, begun) = oneshot::channel();
        let of_actor = Arc::clone(&actor);
        let endless = tokio::spawn(async move {
            let work = |connection: &mut Connection| {
                begins.send(()).unwrap();
                count(connection, ENDLESS)
            };
            of_actor.read(work).await
        });
        begun.await.unwrap();
        // One that waits behind it, and is given up before its turn.
        let has_run = Arc::new(AtomicBool::new(false));
        let (of_actor, runs) = (Arc::clone(&actor), Arc::clone(&has_run));
        let mut behind = Box::pin(async move {
            let work = move |_: &mut Connection| {
                runs.store(true, Ordering::Relaxed);
                Ok(())
            };
            of_actor.read(work).await
        });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(behind.as_mut().poll(&mut context).is_pending());
        drop(behind);
        endless.abort();
        assert!(endless.await.unwrap_err().is_cancelled());
        assert_eq!(actor.read(|connection| count(connection, "SELECT 7")).await.unwrap(), 7);
        assert!(!has_run.load(Ordering::Relaxed), "nobody waited for it");
        // Reads that are waited for are not broken off.
        let long = ENDLESS.replace("FROM n)", "FROM n LIMIT 300000)");
        assert_eq!(actor.read(move |connection| count(connection, &long)).await.unwrap(), 300_000);
    }
}
