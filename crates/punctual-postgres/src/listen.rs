//! Hearing what other nodes changed: a connection that listens. What is missed while it is down, polling finds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::poll_fn;
use punctual_core::StoreError;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::AsyncMessage;

use crate::error::Sql;
use crate::url::Target;

/// The first and the longest pause before the next try to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// What the listening task tells.
struct Ears {
    changed: Notify,
    /// Whether the server has answered that it listens, and the connection is not known to have ended since. Taken for
    /// granted at first, so that a start is no interruption.
    hearing: AtomicBool,
    /// Whether requests of applications may wait, and nobody was told yet.
    requests: AtomicBool,
    /// Whether a heartbeat is worth while, and nobody was told yet.
    heartbeat: AtomicBool,
}

/// What the nodes are told of requests, before the name of the schema. Of other changes they are told the name alone.
const REQUESTS: &str = "requests ";
/// The same of what comes with a heartbeat. Nodes of an older version pass over it.
const HEARTBEAT: &str = "heartbeat ";

impl Ears {
    fn set(&self, hearing: bool) {
        let before = self.hearing.swap(hearing, Ordering::SeqCst);
        if hearing {
            self.requests.store(true, Ordering::SeqCst);
        }
        // When it listens, something may have happened before; when it stops to, the node must look more often.
        if hearing || before {
            self.changed.notify_one();
        }
    }

    fn told(&self, payload: &str, schema: &str) {
        let mut known = payload == schema;
        for (what, told) in [(REQUESTS, &self.requests), (HEARTBEAT, &self.heartbeat)] {
            if payload.strip_prefix(what) == Some(schema) {
                told.store(true, Ordering::SeqCst);
                known = true;
            }
        }
        if known {
            self.changed.notify_one();
        }
    }
}

/// Listens until it is dropped.
pub(crate) struct Listener {
    ears: Arc<Ears>,
    task: JoinHandle<()>,
}

impl Listener {
    pub(crate) fn start(target: Target, schema: &str) -> Self {
        let schema = schema.to_owned();
        let ears = Arc::new(Ears {
            changed: Notify::new(),
            hearing: AtomicBool::new(true),
            requests: AtomicBool::new(false),
            heartbeat: AtomicBool::new(false),
        });
        let told = Arc::clone(&ears);
        let task = tokio::spawn(async move { listen_for_ever(target, schema, told).await });
        Self { ears, task }
    }

    /// Completes when something changed since the last call.
    pub(crate) async fn changed(&self) {
        self.ears.changed.notified().await;
    }

    /// Whether requests were told of since this was asked last.
    pub(crate) fn requests_told(&self) -> bool {
        self.ears.requests.swap(false, Ordering::SeqCst)
    }

    /// The same of a heartbeat that is worth while.
    pub(crate) fn heartbeat_told(&self) -> bool {
        self.ears.heartbeat.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn hears(&self) -> bool {
        self.ears.hearing.load(Ordering::SeqCst)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen_for_ever(target: Target, schema: String, ears: Arc<Ears>) {
    let mut pause = PAUSE.0;
    loop {
        let mut heard = false;
        // What ended it does not matter: there is nobody to tell, and the store's own calls say it.
        let _ = listen(&target, &schema, &ears, &mut heard).await;
        ears.set(false);
        if heard {
            pause = PAUSE.0;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the pause before connecting again to a foreign process"
        )]
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Listens until the connection ends; `heard` says whether it got that far.
async fn listen(target: &Target, schema: &str, ears: &Ears, heard: &mut bool) -> Result<(), StoreError> {
    let (client, mut connection) = target.config.connect(target.tls.clone()).await.sql()?;
    let mut messages = poll_fn(move |context| connection.poll_message(context));
    let listening = client.batch_execute("LISTEN punctual");
    let mut listening = std::pin::pin!(listening);
    loop {
        tokio::select! {
            answer = &mut listening, if !*heard => {
                answer.sql()?;
                *heard = true;
                ears.set(true);
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) => ears.told(told.payload(), schema),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).sql(),
                None => return Ok(()),
            },
        }
    }
}
