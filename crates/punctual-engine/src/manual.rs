//! A scheduler with a hand crank, for tests of one's own schedules: time stands still until it is moved, and
//! runs happen while the crank is turned, on the caller's task.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use punctual_core::{JobStore, NodeState, StoreError, TaskStatus};
use tokio_util::sync::CancellationToken;

use crate::builder::{BuildError, SchedulerBuilder};
use crate::clock::ManualClock;
use crate::execute::{Cancel, execute};
use crate::scheduler::Scheduler;

/// Why a hand-cranked scheduler could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManualError {
    /// It could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry was refused.
    #[error("job {0} could not be registered: {1}")]
    Entry(String, String),
}

/// A scheduler whose time is moved by hand. See [`ManualScheduler::tick`].
#[derive(Debug)]
pub struct ManualScheduler {
    scheduler: Scheduler,
    clock: ManualClock,
}

/// One run that happened while the crank was turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManualRun {
    /// The job's key as text.
    pub job: String,
    /// The instant for which it ran.
    pub scheduled_at: Timestamp,
    /// Success or failure.
    pub status: TaskStatus,
    /// The error's message, if it failed.
    pub error: Option<String>,
}

impl ManualScheduler {
    /// Builds over a store, with the clock at `start`, registers the builder's entries, and stores the runs of its start-up
    /// tasks: turn the crank to run them.
    pub async fn new(
        store: Arc<dyn JobStore>,
        start: Timestamp,
        configure: impl FnOnce(SchedulerBuilder) -> SchedulerBuilder,
    ) -> Result<Self, ManualError> {
        let clock = ManualClock::new(start);
        let builder = configure(Scheduler::builder(store).disabled(false)).clock(Arc::new(clock.clone()));
        let scheduler = builder.build()?;
        scheduler.inner.node.heartbeat(start).await?;
        scheduler.inner.node.set_phase(NodeState::Running, start);
        let mut report = scheduler.register_entries().await?;
        scheduler.run_start_tasks(&mut report).await?;
        if let Some((name, problem)) = report.failed.into_iter().next() {
            return Err(ManualError::Entry(name, problem));
        }
        Ok(Self { scheduler, clock })
    }

    /// The scheduler, for its operations.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Moves time forward and runs what is due then, one after the other, until nothing is due any more.
    pub async fn tick(&self, by: Duration) -> Result<Vec<ManualRun>, ManualError> {
        self.clock.advance(by);
        self.run_due().await
    }

    /// Runs what is due now, and what falls due by that.
    pub async fn run_due(&self) -> Result<Vec<ManualRun>, ManualError> {
        let node = &self.scheduler.inner.node;
        let mut runs = Vec::new();
        loop {
            let now = node.clock.now();
            if node.heartbeat(now).await?.requests {
                node.carry_out(now, None, usize::MAX).await?;
            }
            // Whoever moves the time by hand keeps nobody from renewing a lease: it is for others to come first.
            node.recover(now).await?;
            if !node.takes_work() {
                return Ok(runs);
            }
            let slots = node.settings.slots;
            let (term, claimed) = node.claim(now, slots, &node.registry.free(slots)).await?;
            if claimed.fires.is_empty() && claimed.skipped.is_empty() && claimed.errors.is_empty() {
                return Ok(runs);
            }
            for fire in claimed.fires {
                let ended =
                    execute(node, term, fire, Cancel::new(CancellationToken::new(), Arc::default())).await;
                runs.push(ManualRun {
                    job: ended.fire.job.key.to_string(),
                    scheduled_at: ended.fire.scheduled_at,
                    status: if ended.error.is_some() { TaskStatus::Failed } else { TaskStatus::Success },
                    error: ended.error.clone(),
                });
                node.complete(node.clock.now(), &[ended]).await?;
            }
        }
    }
}
