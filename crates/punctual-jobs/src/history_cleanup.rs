//! Deletes old rows of the task history.

use std::sync::{Arc, OnceLock};

use punctual_core::time::plus_millis;
use punctual_core::{JobDetail, JobKey, Retention, Schedule, Trigger, TriggerKey};
use punctual_engine::{Entry, Job, JobContext, JobError, JobResult, Scheduler};
use serde::{Deserialize, Serialize};

/// Where the clean-up finds its scheduler, which is built after the job is registered.
#[derive(Clone, Debug, Default)]
pub struct SchedulerSlot(Arc<OnceLock<Scheduler>>);

impl SchedulerSlot {
    /// Puts the scheduler in; a second one is ignored.
    pub fn fill(&self, scheduler: Scheduler) {
        // Only the first counts, as documented.
        let _ = self.0.set(scheduler);
    }

    pub(crate) fn get(&self) -> Option<&Scheduler> {
        self.0.get()
    }
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryCleanupData {
    /// Keep this many of the newest ended rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_rows: Option<u64>,
    /// Delete rows that ended more than this many days ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
}

/// The kind `history-cleanup`.
#[derive(Debug)]
pub struct HistoryCleanup {
    scheduler: SchedulerSlot,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl HistoryCleanup {
    /// A clean-up of the scheduler that will be in the slot.
    pub fn new(scheduler: SchedulerSlot) -> Self {
        Self { scheduler }
    }
}

impl Job for HistoryCleanup {
    const KIND: &'static str = "history-cleanup";
    type Data = HistoryCleanupData;

    async fn run(&self, ctx: JobContext<HistoryCleanupData>) -> JobResult {
        let scheduler =
            self.scheduler.get().ok_or_else(|| JobError::retry("the scheduler is still being built"))?;
        let oldest = ctx.data().keep_days.map(|days| plus_millis(ctx.now(), -i64::from(days) * DAY_MS));
        let retention =
            Retention { job: None, max_rows: ctx.data().keep_rows, ended_before: oldest, chunk: 1_000 };
        let rows = scheduler.clean_history(&retention).await.map_err(JobError::from)?;
        ctx.detail("deleted_rows", rows);
        Ok(())
    }
}

/// The built-in job: every midnight of `zone`, late by up to 15 minutes without being a misfire.
pub fn entry(data: &HistoryCleanupData, midnight: Schedule) -> Result<Entry, punctual_core::data::DataError> {
    let key = JobKey::new("punctual.task.task-history-cleanup.job");
    let job = JobDetail::new(key.clone(), HistoryCleanup::KIND)
        .description("Deletes old rows of the task history")
        .data(punctual_core::Data::from_serialize(data)?)
        .non_concurrent();
    let trigger = Trigger::new(TriggerKey::new("punctual.task.task-history-cleanup.trigger"), key, midnight)
        .misfire_threshold_ms(15 * 60 * 1_000);
    Ok(Entry::new(job, vec![trigger]))
}
