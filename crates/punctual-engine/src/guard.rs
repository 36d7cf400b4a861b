//! Ends runs in time that another node may begin again.
//!
//! A node trusts its lease for a little less than it lasts (see `node`). When that time is over and no heartbeat was answered,
//! another node may soon take its work up: run a job again that requests recovery, or let the next run of a limited job
//! begin. So such runs are asked to stop then, though the store cannot be asked. All others go on: nobody begins them
//! again, and their ends count if the store answers before somebody has closed them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use punctual_core::Fire;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::scheduler::{Inner, lock};

/// What cancels the runs of the present term.
#[derive(Debug)]
pub(crate) struct Tokens {
    all: CancellationToken,
    /// A child of `all`, for runs that another node may begin again.
    guarded: CancellationToken,
}

impl Default for Tokens {
    fn default() -> Self {
        let all = CancellationToken::new();
        Self { guarded: all.child_token(), all }
    }
}

/// Holds the runs of a node.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    tokens: Mutex<Tokens>,
    renewed: Notify,
}

impl Guard {
    /// The token that cancels a run.
    pub(crate) fn token(&self, fire: &Fire) -> CancellationToken {
        let tokens = lock(&self.tokens);
        if fire.job.requests_recovery || fire.job.is_limited() { &tokens.guarded } else { &tokens.all }
            .clone()
    }

    /// Cancels all runs, and those that begin from now on.
    pub(crate) fn cancel_all(&self) {
        lock(&self.tokens).all.cancel();
    }

    /// Cancels all runs of a term that was lost. Those that begin from now on belong to another.
    pub(crate) fn cancel_lost(&self) {
        std::mem::take(&mut *lock(&self.tokens)).all.cancel();
    }

    /// Cancels what another node may begin again, now and until [`Self::renew`]; whether that is new.
    fn cancel_guarded(&self) -> bool {
        let tokens = lock(&self.tokens);
        let first = !tokens.guarded.is_cancelled();
        tokens.guarded.cancel();
        first
    }

    /// A heartbeat was answered.
    pub(crate) fn renew(&self) {
        let mut tokens = lock(&self.tokens);
        if tokens.guarded.is_cancelled() {
            tokens.guarded = tokens.all.child_token();
            self.renewed.notify_one();
        }
    }
}

/// Waits for the end of the trust in the lease, over and over.
pub(crate) async fn guard_loop(inner: Arc<Inner>) {
    loop {
        let now = inner.node.clock.now();
        let over = async {
            match inner.node.trusted_until() {
                Some(until) if now < until => inner.node.clock.sleep_until(until).await,
                until => {
                    let runs = inner.running.load(Ordering::Relaxed) > 0;
                    if inner.guard.cancel_guarded() && runs && until.is_some() {
                        warn!(
                            "the lease could not be renewed in time: runs that another node may begin again have to stop"
                        );
                    }
                    inner.guard.renewed.notified().await;
                }
            }
        };
        tokio::select! {
            biased;
            () = inner.stop.cancelled() => return,
            () = over => {}
        }
    }
}
