//! Stores what work says about itself, outside of the work's own way: progress at most once a second, and the ends that
//! could not be stored at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use punctual_core::{FireId, Progress, StoreError, TaskEnd, TaskRunId, Term};
use tokio::sync::Notify;

use crate::node::Node;
use crate::scheduler::Inner;
use crate::settings::Backoff;

/// How long progress waits for more, in milliseconds.
const PACE_MS: u64 = 1_000;
/// How many ends are kept for a store that cannot be reached.
const MOST_ENDS: usize = 10_000;

/// What is on its way to the store.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    progress: HashMap<FireId, (Term, Progress)>,
    ends: Vec<TaskEnd>,
    runs: Vec<TaskRunId>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.progress.is_empty() && self.ends.is_empty() && self.runs.is_empty()
    }
}

impl Outbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self, term: Term, id: FireId, progress: Progress) {
        self.waiting().progress.insert(id, (term, progress));
        self.filled.notify_one();
    }

    /// Calls progress back that has not been stored.
    pub(crate) fn forget(&self, id: FireId) {
        self.waiting().progress.remove(&id);
    }

    pub(crate) fn end(&self, end: TaskEnd) {
        let mut waiting = self.waiting();
        if waiting.ends.len() < MOST_ENDS {
            waiting.ends.push(end);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    pub(crate) fn close_run(&self, id: TaskRunId) {
        let mut waiting = self.waiting();
        if waiting.runs.len() < MOST_ENDS {
            waiting.runs.push(id);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Puts back what could not be stored; newer progress stays.
    fn put_back(&self, failed: Waiting) {
        let mut waiting = self.waiting();
        for (id, progress) in failed.progress {
            waiting.progress.entry(id).or_insert(progress);
        }
        waiting.ends.extend(failed.ends);
        waiting.runs.extend(failed.runs);
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl Node {
    /// Stores the progress of runs under way, and the ends of recorded work that could not be stored at once. Makes no
    /// call to the store when there is nothing new.
    pub async fn report(&self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut *self.outbox.waiting());
        let result = self.send(&waiting).await;
        if result.is_err() {
            self.outbox.put_back(waiting);
        }
        self.note(result)
    }

    async fn send(&self, waiting: &Waiting) -> Result<(), StoreError> {
        let mut by_term: HashMap<Term, Vec<(FireId, Progress)>> = HashMap::new();
        for (id, (term, progress)) in &waiting.progress {
            by_term.entry(*term).or_default().push((*id, progress.clone()));
        }
        for (term, rows) in by_term {
            self.store.put_progress(term, &rows).await?;
        }
        if !waiting.ends.is_empty() {
            self.store.end_tasks(&waiting.ends).await?;
        }
        for run in &waiting.runs {
            self.store.close_run(self.clock.now(), *run).await?;
        }
        Ok(())
    }
}

const REPORT: &str = "store progress and ends of recorded work";

/// Empties the outbox when something is in it, at most once a second, until the loops are told to stop.
pub(crate) async fn report_loop(inner: Arc<Inner>) {
    let mut backoff = Backoff::new(&inner.node.settings);
    let outbox = Arc::clone(&inner.node.outbox);
    loop {
        tokio::select! {
            biased;
            () = inner.stop.cancelled() => break,
            () = outbox.filled.notified() => {}
        }
        let pause = match inner.node.report().await {
            Ok(()) => {
                backoff.reset();
                inner.node.tell_works(REPORT);
                PACE_MS
            }
            Err(error) => {
                let pause = backoff.fail().max(PACE_MS);
                inner.node.tell_failure(REPORT, &error, pause);
                outbox.filled.notify_one();
                pause
            }
        };
        tokio::select! {
            biased;
            () = inner.stop.cancelled() => break,
            () = inner.node.clock.sleep_for(Duration::from_millis(pause)) => {}
        }
    }
    let rest = !outbox.waiting().is_empty();
    if rest && let Err(error) = inner.node.report().await {
        tracing::warn!(%error, "the ends of recorded work could not be stored: {error}; recovery closes it as unknown");
    }
}
