//! A lease while it is held: how long to trust it, renewing it, giving it up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use punctual_core::time::plus_millis;
use punctual_core::{Clock, LockGrant, LockName, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::scheduler::Scheduler;
use crate::settings::Backoff;

/// Until when a lease is trusted: a tenth less than the store grants, counted from before the store was asked, by both
/// clocks, so that this node always stops believing before the others do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    until: Timestamp,
    until_monotonic: Duration,
}

impl Trust {
    /// The trust in a lease that the store is about to be asked for.
    pub(super) fn begin(clock: &dyn Clock, lease_ms: u64) -> Self {
        let trusted = lease_ms - lease_ms / 10;
        Self {
            until: plus_millis(clock.now(), i64::try_from(trusted).unwrap_or(i64::MAX)),
            until_monotonic: clock.monotonic().saturating_add(Duration::from_millis(trusted)),
        }
    }

    /// Waits until the lease is not trusted any more, by whichever clock says so first.
    async fn end(self, clock: &dyn Clock) {
        tokio::select! {
            () = clock.sleep_until(self.until) => {}
            () = clock.sleep_for(self.until_monotonic.saturating_sub(clock.monotonic())) => {}
        }
    }

    fn is_good(&self, clock: &dyn Clock) -> bool {
        clock.now() < self.until && clock.monotonic() < self.until_monotonic
    }
}

/// What a holder knows about its locks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LockLease {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    grant: LockGrant,
    lease_ms: u64,
    clock: Arc<dyn Clock>,
    trust: Mutex<Trust>,
    lost: CancellationToken,
}

impl LockLease {
    pub(super) fn new(grant: LockGrant, lease_ms: u64, clock: Arc<dyn Clock>, trust: Trust) -> Self {
        let (trust, lost) = (Mutex::new(trust), CancellationToken::new());
        Self { shared: Arc::new(Shared { grant, lease_ms, clock, trust, lost }) }
    }

    /// The fencing token: larger than that of every earlier holder. Send it along with what the work writes elsewhere,
    /// and refuse smaller ones there than were seen before.
    pub fn token(&self) -> i64 {
        self.shared.grant.token
    }

    /// The locks, in ascending order.
    pub fn names(&self) -> &[LockName] {
        &self.shared.grant.names
    }

    /// Whether the locks are surely held at this moment.
    pub fn is_held(&self) -> bool {
        !self.shared.lost.is_cancelled() && self.trust().is_good(&*self.shared.clock)
    }

    /// Cancelled when the lease is lost.
    pub fn lost(&self) -> &CancellationToken {
        &self.shared.lost
    }

    pub(super) fn joined_names(&self) -> String {
        let names: Vec<&str> = self.names().iter().map(LockName::as_str).collect();
        names.join(", ")
    }

    fn trust(&self) -> MutexGuard<'_, Trust> {
        // A plain value: a panic cannot leave it half changed.
        self.shared.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusted(&self) -> Trust {
        *self.trust()
    }
}

/// Gives a grant up when it goes.
#[derive(Debug)]
pub(super) struct Grip {
    scheduler: Scheduler,
    token: i64,
    held: bool,
}

impl Grip {
    pub(super) fn new(scheduler: Scheduler, token: i64) -> Self {
        Self { scheduler, token, held: true }
    }

    /// Gives the grant up; whether it was still there.
    pub(super) async fn release(mut self) -> Result<bool, StoreError> {
        let was_held = self.scheduler.store().unlock(self.token).await;
        // A store that cannot be reached now is not asked again: the lease ends by itself.
        self.held = false;
        self.scheduler.inner.unlocked.notify_waiters();
        was_held
    }
}

impl Drop for Grip {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        // Without a runtime nothing can be asked any more, and the lease ends by itself.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let grip = Grip { scheduler: self.scheduler.clone(), token: self.token, held: false };
        runtime.spawn(async move {
            let token = grip.token;
            if let Err(error) = grip.release().await {
                warn!(%error, lock.token = token, "a lock could not be given up: {error}; its lease ends by itself");
            }
        });
    }
}

/// Renews a lease at each third of it, until it is lost.
pub(super) async fn keep(scheduler: Scheduler, lease: LockLease) {
    // Also when this task ends badly: work that goes on without renewals must stop.
    let _lost = lease.shared.lost.clone().drop_guard();
    loop {
        tokio::select! {
            () = lease.shared.clock.sleep_for(Duration::from_millis(lease.shared.lease_ms / 3)) => {}
            () = lease.trusted().end(&*lease.shared.clock) => {}
        }
        let Some(renewed) = renew(&scheduler, &lease).await else {
            warn!(lock.token = lease.token(), "the lease of lock {} was lost", lease.joined_names());
            return;
        };
        *lease.trust() = renewed;
    }
}

/// Asks until the store answers or the lease cannot be trusted any more; `None` when it is lost.
async fn renew(scheduler: &Scheduler, lease: &LockLease) -> Option<Trust> {
    let clock = &*lease.shared.clock;
    let trusted = lease.trusted();
    let mut backoff = Backoff::new(&scheduler.inner.node.settings);
    while trusted.is_good(clock) {
        let asked = Trust::begin(clock, lease.shared.lease_ms);
        let answer = tokio::select! {
            biased;
            answer = scheduler.store().renew_lock(lease.token(), clock.now(), lease.shared.lease_ms) => answer,
            () = trusted.end(clock) => return None,
        };
        match answer {
            Ok(renewed) => return renewed.then_some(asked),
            Err(error) => {
                warn!(%error, "the lease of lock {} could not be renewed: {error}", lease.joined_names());
            }
        }
        tokio::select! {
            () = clock.sleep_for(Duration::from_millis(backoff.fail())) => {}
            () = trusted.end(clock) => {}
        }
    }
    None
}
