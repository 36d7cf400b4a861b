//! Deletes sessions and tokens that have ended, and old entries of the log of changes.

use punctual_core::schedule::{CronSchedule, ScheduleError};
use punctual_core::time::plus_millis;
use punctual_core::{AccountRetention, Data, JobDetail, JobKey, Schedule, Trigger, TriggerKey};
use punctual_engine::{Entry, Job, JobContext, JobError, JobResult};
use serde::{Deserialize, Serialize};

use crate::history_cleanup::SchedulerSlot;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionCleanupData {
    /// Sessions end when they were not used for this long, in milliseconds.
    pub idle_ms: u64,
    /// Sessions end this long after they began, in milliseconds.
    pub max_ms: u64,
    /// Delete entries of the log of changes that are older than this many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_keep_days: Option<u32>,
}

/// The kind `session-cleanup`.
#[derive(Debug)]
pub struct SessionCleanup {
    scheduler: SchedulerSlot,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl SessionCleanup {
    /// A clean-up of the store of the scheduler that will be in the slot.
    pub fn new(scheduler: SchedulerSlot) -> Self {
        Self { scheduler }
    }
}

impl Job for SessionCleanup {
    const KIND: &'static str = "session-cleanup";
    type Data = SessionCleanupData;

    async fn run(&self, ctx: JobContext<SessionCleanupData>) -> JobResult {
        let scheduler =
            self.scheduler.get().ok_or_else(|| JobError::retry("the scheduler is still being built"))?;
        let (data, now) = (ctx.data(), ctx.now());
        let ago = |millis: u64| Some(plus_millis(now, -i64::try_from(millis).unwrap_or(i64::MAX)));
        let retention = AccountRetention {
            sessions_seen_before: ago(data.idle_ms),
            sessions_created_before: ago(data.max_ms),
            tokens_expired_before: Some(now),
            failures_until: Some(now),
            audit_before: data.audit_keep_days.map(|days| plus_millis(now, -i64::from(days) * DAY_MS)),
        };
        let pruned = scheduler.store().prune_accounts(&retention).await.map_err(JobError::from)?;
        ctx.detail("deleted_sessions", pruned.sessions);
        ctx.detail("deleted_tokens", pruned.tokens);
        ctx.detail("deleted_login_failures", pruned.failures);
        ctx.detail("deleted_audit_entries", pruned.audit);
        Ok(())
    }
}

/// The built-in job: every day at 02:00 in `zone`.
///
/// # Errors
/// When the zone is not known.
pub fn entry(data: &SessionCleanupData, zone: &str) -> Result<Entry, ScheduleError> {
    let key = JobKey::new("punctual.task.session-cleanup.job");
    let schedule = Schedule::Cron(CronSchedule::parse("0 0 2 * * ? *", zone)?);
    let job = JobDetail::new(key.clone(), SessionCleanup::KIND)
        .description("Deletes sessions and tokens that have ended")
        .data(Data::from_serialize(data).unwrap_or_default())
        .non_concurrent();
    let trigger = Trigger::new(TriggerKey::new("punctual.task.session-cleanup.trigger"), key, schedule);
    Ok(Entry::new(job, vec![trigger]))
}
