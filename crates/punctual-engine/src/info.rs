//! What a scheduler tells about itself and its jobs.

use jiff::Timestamp;
use punctual_core::{
    JobKey, JobQuery, NodeState, StoreError, StoredJob, StoredTrigger, TriggerQuery, TriggerState,
};

use crate::scheduler::Scheduler;

/// The state of a trigger as people know it from Quartz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownState {
    /// Waits for its next fire time.
    Normal,
    /// Paused.
    Paused,
    /// Has no further fire time.
    Complete,
    /// Could not be understood.
    Error,
    /// Is due, and held back by a run of its non-concurrent job.
    Blocked,
}

impl ShownState {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Paused => "PAUSED",
            Self::Complete => "COMPLETE",
            Self::Error => "ERROR",
            Self::Blocked => "BLOCKED",
        }
    }
}

/// A trigger with what is derived from it.
#[derive(Clone, Debug)]
pub struct TriggerInfo {
    /// The stored trigger.
    pub trigger: StoredTrigger,
    /// Its state, derived ones included.
    pub state: ShownState,
    /// Its last fire time, when the schedule ends and that can be told.
    pub final_fire_at: Option<Timestamp>,
}

/// A job with its triggers.
#[derive(Clone, Debug)]
pub struct JobInfo {
    /// The stored job.
    pub job: StoredJob,
    /// Its triggers, ascending by key.
    pub triggers: Vec<TriggerInfo>,
}

/// A scheduler with its jobs.
#[derive(Clone, Debug)]
pub struct SchedulerInfo {
    /// Lines for people.
    pub scheduler: Vec<String>,
    /// All jobs, ascending by key.
    pub jobs: Vec<JobInfo>,
}

impl Scheduler {
    /// A job with its triggers.
    pub async fn job_info(&self, key: &JobKey) -> Result<Option<JobInfo>, StoreError> {
        let Some(job) = self.stored_job(key).await? else { return Ok(None) };
        let query = TriggerQuery { job: Some(key.clone()), ..TriggerQuery::default() };
        let triggers = self.store().triggers(&query).await?.rows;
        let busy = !self.store().busy_jobs(&[job.id]).await?.is_empty();
        let now = self.now();
        let triggers = triggers.into_iter().map(|trigger| describe(trigger, busy, now)).collect();
        Ok(Some(JobInfo { job, triggers }))
    }

    /// The scheduler with all its jobs, by four queries whatever their number.
    pub async fn scheduler_info(&self) -> Result<SchedulerInfo, StoreError> {
        let jobs = self.store().jobs(&JobQuery::default()).await?.rows;
        let triggers = self.store().triggers(&TriggerQuery::default()).await?.rows;
        let exclusive: Vec<i64> =
            jobs.iter().filter(|job| !job.detail.concurrent).map(|job| job.id).collect();
        let busy = self.store().busy_jobs(&exclusive).await?;
        let now = self.now();
        let mut infos: Vec<JobInfo> =
            jobs.into_iter().map(|job| JobInfo { job, triggers: Vec::new() }).collect();
        let by_id: std::collections::HashMap<i64, usize> =
            infos.iter().enumerate().map(|(at, info)| (info.job.id, at)).collect();
        for trigger in triggers {
            if let Some(&at) = by_id.get(&trigger.job_id) {
                let busy = busy.contains(&trigger.job_id);
                infos[at].triggers.push(describe(trigger, busy, now));
            }
        }
        Ok(SchedulerInfo { scheduler: self.summary(), jobs: infos })
    }

    /// Lines that tell people what this scheduler is and does.
    pub fn summary(&self) -> Vec<String> {
        let status = self.status();
        let mut lines = vec![
            format!("Punctual scheduler {}, node {}", status.version, status.name),
            "Runs in this process.".to_owned(),
        ];
        lines.push(match status.started_at {
            None => "NOT STARTED.".to_owned(),
            Some(at) => format!("Running since: {at:.3}"),
        });
        lines.push(match status.state {
            NodeState::Running => "Not in standby mode.".to_owned(),
            NodeState::Draining => "Currently shutting down.".to_owned(),
            NodeState::Starting | NodeState::Standby => "Currently in standby mode.".to_owned(),
        });
        lines.push(format!("Number of jobs executed: {}", status.executed));
        lines.push(format!("Using {} execution slots, {} in use.", status.slots, status.running));
        lines.push(format!("Using job store: {:?}", self.store()));
        lines
    }
}

fn describe(trigger: StoredTrigger, busy: bool, now: Timestamp) -> TriggerInfo {
    let due = trigger.next_fire_at.is_some_and(|at| at <= now);
    let state = match trigger.state {
        TriggerState::Waiting if busy && due => ShownState::Blocked,
        TriggerState::Waiting => ShownState::Normal,
        TriggerState::Paused => ShownState::Paused,
        TriggerState::Complete => ShownState::Complete,
        TriggerState::Error => ShownState::Error,
    };
    let final_fire_at = match trigger.state {
        // An unreadable schedule has no end that could be told.
        TriggerState::Error => None,
        _ => trigger.occurrences(None).last(),
    };
    TriggerInfo { trigger, state, final_fire_at }
}
