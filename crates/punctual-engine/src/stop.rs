//! The end of a node.

use std::sync::atomic::Ordering;
use std::time::Duration;

use punctual_core::{Event, NodeState};
use tracing::{error, info, warn};

use crate::scheduler::{Lifecycle, Scheduler, ShutdownReport, lock};

/// How long the last calls of the store may take beyond the limit without an end of a run that is stored.
const LAST_CALLS: Duration = Duration::from_secs(1);

impl Scheduler {
    /// Ends the node: stops claiming, lets what runs go on for at most `limit`, hands back what was claimed and
    /// not started, cancels the rest (each run then has the grace time to stop), stores how everything ended,
    /// and gives up the lease. Later calls do nothing.
    ///
    /// A store that is away does not hold it up: once `limit` is over and the runs have ended or had their grace time,
    /// it has a second more, and another one for each second in which it stores an end.
    pub async fn shutdown(&self, limit: Duration) -> ShutdownReport {
        let mut lifecycle = self.inner.lifecycle.lock().await;
        let before = std::mem::replace(&mut *lifecycle, Lifecycle::Stopped);
        if before != Lifecycle::Initialised {
            return ShutdownReport::default();
        }
        let inner = &self.inner;
        let limit_ends = inner.node.clock.monotonic().saturating_add(limit);
        inner.node.set_phase(NodeState::Draining, self.now());
        inner.wake.notify_one();
        inner.tracker.close();
        let mut report = ShutdownReport::default();
        let in_time = tokio::select! {
            biased;
            () = inner.tracker.wait() => true,
            () = inner.node.clock.sleep_for(limit) => false,
        };
        if !in_time {
            report.cancelled = inner.running.load(Ordering::Relaxed);
            inner.guard.cancel_all();
            // A run is dropped after the grace time; twice that means that its thread is blocked.
            let grace = inner.node.settings.cancel_grace_ms;
            let last = Duration::from_millis(grace.saturating_mul(2).saturating_add(100));
            tokio::select! {
                biased;
                () = inner.tracker.wait() => {}
                () = inner.node.clock.sleep_for(last) => {}
            }
        }
        inner.stop.cancel();
        inner.wake.notify_one();
        inner.ended.notify_one();
        if !self.while_it_goes_on(limit_ends, self.settle(in_time, &mut report.released)).await {
            warn!("the store does not answer: the node's lease is not given up and ends by itself");
        }
        let unstored = lock(&inner.queue).len() + inner.storing.load(Ordering::SeqCst);
        report.unreported = unstored + inner.running.load(Ordering::Relaxed);
        inner.node.listeners.emit(&Event::NodeStopped {
            name: inner.node.name.clone(),
            released: report.released,
            cancelled: report.cancelled,
            unreported: report.unreported,
        });
        report
    }

    /// Waits for the last calls of the store: until the limit, and then for as long as ends of runs are stored. Whether
    /// they came to their end.
    async fn while_it_goes_on(&self, limit_ends: Duration, last: impl Future<Output = ()>) -> bool {
        let node = &self.inner.node;
        let mut last = std::pin::pin!(last);
        let mut wait = limit_ends.saturating_sub(node.clock.monotonic());
        let mut stored = None;
        loop {
            tokio::select! {
                biased;
                () = &mut last => return true,
                () = node.clock.sleep_for(wait) => {}
            }
            let before = stored.replace(node.executed());
            if before == stored {
                return false;
            }
            wait = LAST_CALLS;
        }
    }

    /// Lets the loops end, hands back what was not started, and gives up the lease.
    async fn settle(&self, in_time: bool, released: &mut usize) {
        let loops = std::mem::take(&mut *lock(&self.inner.loops));
        for running in loops {
            if let Err(error) = running.await {
                error!(%error, "a scheduler loop ended badly");
            }
        }
        if in_time {
            // What the last claim brought hands itself back without running.
            self.inner.tracker.wait().await;
        }
        *released = self.hand_back().await;
        self.give_up_lease().await;
    }

    /// Ends the term. What is open under it nevertheless (a claim that was never answered, an end that could not be stored)
    /// is taken up now: there may be no other node to do it.
    async fn give_up_lease(&self) {
        let node = &self.inner.node;
        let may_recover = node.may_recover(self.now());
        if let Err(error) = node.retire(self.now()).await {
            warn!(%error, "the node's lease could not be given up: {error}; it ends by itself");
        } else if !may_recover {
            info!(
                "what this node may have left open waits for another node: some may yet have to renew their leases"
            );
        } else if let Err(error) = node.recover(self.now()).await {
            warn!(%error, "what this node may have left open waits for another node: {error}");
        }
    }

    async fn hand_back(&self) -> usize {
        let fires = std::mem::take(&mut *lock(&self.inner.unstarted));
        let Some(term) = self.inner.node.term() else { return 0 };
        match self.inner.node.release(self.now(), term, &fires).await {
            Ok(released) => usize::try_from(released).unwrap_or(usize::MAX),
            Err(error) => {
                warn!(%error, "{} fires could not be handed back: {error}; recovery takes them up", fires.len());
                0
            }
        }
    }
}
