//! Named locks for work that only one node may do at a time, jobs or not.
//!
//! ```
//! # use punctual_engine::{LockError, LockOptions, Scheduler};
//! # use punctual_core::LockMode;
//! # async fn example(scheduler: Scheduler) -> Result<(), LockError<std::io::Error>> {
//! let pages = scheduler
//!     .with_lock(LockOptions::exclusive("reindex").and("catalogue", LockMode::Shared), |lease| async move {
//!         // `lease.token()` goes along with what is written elsewhere.
//!         Ok::<_, std::io::Error>(lease.token())
//!     })
//!     .await?;
//! # let _ = pages;
//! # Ok(())
//! # }
//! ```

mod error;
mod lease;
mod options;

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use punctual_core::{HeldLock, LockAnswer, LockHolder, LockRequest, LockSet, StoreError};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tracing::warn;

pub use error::LockError;
pub use lease::LockLease;
use lease::{Grip, Trust, keep};
pub use options::LockOptions;

use crate::scheduler::Scheduler;

/// How often a try asks again while a lock is busy. Locks that this very process gives up are noticed at once.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The locks of the cluster: see [`Scheduler::locks`].
#[derive(Clone, Debug)]
pub struct Locks {
    scheduler: Scheduler,
}

/// Locks that are held: until [`Self::release`], until they are dropped, or until the lease is lost. The lease is
/// renewed in the background. It is not re-entrant: whoever has a lock and asks for it again finds it busy.
#[derive(Debug)]
#[must_use = "dropping it gives the locks up"]
pub struct ClusterLock {
    lease: LockLease,
    grip: Grip,
    keeper: Keeper,
}

/// Ends the renewals when it goes.
#[derive(Debug)]
struct Keeper(AbortHandle);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::ops::Deref for ClusterLock {
    type Target = LockLease;

    fn deref(&self) -> &LockLease {
        &self.lease
    }
}

impl ClusterLock {
    /// A handle for the work under the locks. It does not hold them.
    pub fn lease(&self) -> LockLease {
        self.lease.clone()
    }

    /// Gives the locks up, and waits until others can have them. `false`: the lease had run out before.
    ///
    /// # Errors
    /// When the store fails; the lease then ends by itself.
    pub async fn release(self) -> Result<bool, StoreError> {
        let Self { grip, keeper, .. } = self;
        drop(keeper);
        grip.release().await
    }
}

impl Scheduler {
    /// Locks that the whole cluster respects. They need no node that is started.
    pub fn locks(&self) -> Locks {
        Locks { scheduler: self.clone() }
    }

    /// Takes locks, does some work, and gives the locks up: when the work ends, fails, panics or is dropped, and by the
    /// end of the lease when this process is lost. The lease is renewed while the work is under way, however long that
    /// takes.
    ///
    /// `body` is called once the locks are held, with their [`LockLease`] (the fencing token). If the lease is lost, the
    /// work is cancelled by dropping its future at its next await. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`LockError::Busy`] when somebody else kept the lock; [`LockError::Body`] with the work's own error, unchanged;
    /// [`LockError::Lost`] when others may have worked at the same time.
    pub async fn with_lock<T, E, Fut>(
        &self,
        options: impl Into<LockOptions>,
        body: impl FnOnce(LockLease) -> Fut,
    ) -> Result<T, LockError<E>>
    where
        Fut: Future<Output = Result<T, E>>,
    {
        let lock = self.locks().acquire(options).await.map_err(LockError::widen)?;
        let lease = lock.lease();
        let lost = |finished| LockError::Lost { names: lease.joined_names(), finished };
        let result = tokio::select! {
            biased;
            () = lock.lost().cancelled() => return Err(lost(false)),
            result = body(lock.lease()) => result,
        };
        let released = lock.release().await;
        match (result, released) {
            (Err(error), _) => Err(LockError::Body(error)),
            (Ok(value), Ok(true)) => Ok(value),
            (Ok(_), Ok(false)) => Err(lost(true)),
            (Ok(value), Err(error)) if lease.is_held() => {
                warn!(%error, "lock {} could not be given up: {error}; its lease ends by itself", lease.joined_names());
                Ok(value)
            }
            (Ok(_), Err(_)) => Err(lost(true)),
        }
    }
}

impl Locks {
    /// Takes locks, all of them together. Dropping the future gives up what it may have got. Call it inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`LockError::Busy`], [`LockError::Invalid`] or [`LockError::Store`]. Nothing is held then.
    pub async fn acquire(&self, options: impl Into<LockOptions>) -> Result<ClusterLock, LockError> {
        let options = options.into();
        let locks = options.check().map_err(LockError::Invalid)?;
        let begun = self.scheduler.clock().monotonic();
        let mut tries = 0;
        loop {
            let rival = match self.try_for(&options, &locks).await? {
                Ok(lock) => return Ok(lock),
                Err(rival) => rival,
            };
            if tries == options.retries {
                let waited = self.scheduler.clock().monotonic().saturating_sub(begun);
                return Err(LockError::Busy {
                    held_for_ms: rival.held_for_ms(self.scheduler.now()),
                    name: rival.name,
                    holder: rival.holder,
                    waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
                });
            }
            let delay = options.delay_ms(self.random(&locks, tries));
            self.scheduler.clock().sleep_for(Duration::from_millis(delay)).await;
            tries += 1;
        }
    }

    /// All locks that are held in the cluster, with their holders, ordered by name.
    pub async fn held(&self) -> Result<Vec<HeldLock>, StoreError> {
        self.scheduler.inner.node.note(self.scheduler.store().locks(self.scheduler.now()).await)
    }

    /// Takes all locks of a grant away from whoever holds them; whether it was there. For people: its holder goes on
    /// until it hears of it at its next renewal, and others may get the locks at once.
    pub async fn break_lock(&self, token: i64) -> Result<bool, StoreError> {
        let broken = self.scheduler.inner.node.note(self.scheduler.store().unlock(token).await);
        self.scheduler.inner.unlocked.notify_waiters();
        broken
    }

    /// One try: asks, and asks again until its time is over. Comes back with what was in the way.
    async fn try_for(
        &self,
        options: &LockOptions,
        locks: &LockSet,
    ) -> Result<Result<ClusterLock, HeldLock>, LockError> {
        let clock = self.scheduler.clock();
        let end = clock.monotonic().saturating_add(Duration::from_millis(options.timeout_ms));
        loop {
            // Listening begins before asking, so that no release in between is missed.
            let unlocked = self.scheduler.inner.unlocked.notified();
            tokio::pin!(unlocked);
            unlocked.as_mut().enable();
            let rival = match self.ask(options, locks).await.map_err(LockError::Store)? {
                Ok(lock) => return Ok(Ok(lock)),
                Err(rival) => rival,
            };
            let left = end.saturating_sub(clock.monotonic());
            if left.is_zero() {
                return Ok(Err(rival));
            }
            tokio::select! {
                biased;
                () = unlocked => {}
                () = clock.sleep_for(left.min(ASK_AGAIN)) => {}
            }
        }
    }

    /// Asks the store once. The call runs on its own, so that a grant whose asker is gone by then is given up.
    async fn ask(
        &self,
        options: &LockOptions,
        locks: &LockSet,
    ) -> Result<Result<ClusterLock, HeldLock>, StoreError> {
        let node = &self.scheduler.inner.node;
        let trust = Trust::begin(&*node.clock, options.lease_ms);
        let holder =
            LockHolder { node: node.name.clone(), term: node.term(), purpose: options.purpose.clone() };
        let request =
            LockRequest { locks: locks.clone(), holder, now: node.clock.now(), lease_ms: options.lease_ms };
        let (sender, answer) = oneshot::channel();
        let scheduler = self.scheduler.clone();
        tokio::spawn(async move {
            let answered = match scheduler.store().lock(&request).await {
                Ok(LockAnswer::Granted(grant)) => Ok(Ok((Grip::new(scheduler, grant.token), grant))),
                Ok(LockAnswer::Busy(held)) => Ok(Err(held)),
                Err(error) => Err(error),
            };
            // Nobody may be listening any more; then the grip gives the grant up as it goes.
            let _ = sender.send(answered);
        });
        let ended = || StoreError::Unavailable("asking for a lock ended without an answer".to_owned());
        match node.note(answer.await.unwrap_or_else(|_| Err(ended())))? {
            Ok((grip, grant)) => {
                let lease = LockLease::new(grant, options.lease_ms, Arc::clone(&node.clock), trust);
                let keeper = tokio::spawn(keep(self.scheduler.clone(), lease.clone()));
                Ok(Ok(ClusterLock { lease, grip, keeper: Keeper(keeper.abort_handle()) }))
            }
            Err(held) => held.into_iter().next().map(Err).ok_or_else(|| {
                StoreError::Other("the store says that a lock is busy, and not who has it".to_owned())
            }),
        }
    }

    /// A number in 0.0..1.0 that depends on the node, the locks and the try alone.
    fn random(&self, locks: &LockSet, tries: u32) -> f64 {
        let mut hasher = DefaultHasher::new();
        (&self.scheduler.inner.node.name, locks.to_string(), tries).hash(&mut hasher);
        (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
