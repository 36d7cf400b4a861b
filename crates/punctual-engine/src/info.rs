//! What a scheduler tells about itself and its jobs.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use punctual_core::{
    Calendar, DueKind, JobKey, JobKind, JobQuery, Lane, NodeState, Schedule, StoreError, StoredJob,
    StoredTrigger, TriggerQuery, TriggerState,
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
    /// Is due, and held back because its job's limit of runs is reached.
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
        let looked_up = self.look_up(&triggers).await?;
        let triggers = triggers.into_iter().map(|trigger| looked_up.describe(trigger)).collect();
        Ok(Some(JobInfo { job, triggers }))
    }

    /// Triggers with what is derived from them.
    pub async fn describe(&self, triggers: Vec<StoredTrigger>) -> Result<Vec<TriggerInfo>, StoreError> {
        let looked_up = self.look_up(&triggers).await?;
        Ok(triggers.into_iter().map(|trigger| looked_up.describe(trigger)).collect())
    }

    /// The scheduler with all its jobs, by a few queries whatever their number.
    pub async fn scheduler_info(&self) -> Result<SchedulerInfo, StoreError> {
        let jobs = self.store().jobs(&JobQuery::default()).await?.rows;
        let triggers = self.store().triggers(&TriggerQuery::default()).await?.rows;
        let looked_up = self.look_up(&triggers).await?;
        let mut infos: Vec<JobInfo> =
            jobs.into_iter().map(|job| JobInfo { job, triggers: Vec::new() }).collect();
        let by_id: std::collections::HashMap<i64, usize> =
            infos.iter().enumerate().map(|(at, info)| (info.job.id, at)).collect();
        for trigger in triggers {
            if let Some(&at) = by_id.get(&trigger.job_id) {
                infos[at].triggers.push(looked_up.describe(trigger));
            }
        }
        Ok(SchedulerInfo { scheduler: self.summary(), jobs: infos })
    }

    /// Due work of kinds that no live node can run: it waits until one comes, and follows its misfire policy then.
    pub async fn unassigned(&self) -> Result<Vec<DueKind>, StoreError> {
        self.node().unassigned(self.now()).await
    }

    /// Whether a live node can run jobs of a kind.
    pub async fn is_served(&self, kind: &JobKind) -> Result<bool, StoreError> {
        Ok(self.node().live_kinds(self.now()).await?.contains(kind))
    }

    /// What has to be known beside triggers to describe them.
    async fn look_up(&self, triggers: &[StoredTrigger]) -> Result<LookedUp, StoreError> {
        let lanes: BTreeSet<i64> =
            triggers.iter().filter_map(|trigger| trigger.lane).map(|lane| lane.id).collect();
        let lanes: Vec<i64> = lanes.into_iter().collect();
        let open = if lanes.is_empty() { Vec::new() } else { self.store().open_in_lanes(&lanes).await? };
        let uses_calendars = triggers.iter().any(|trigger| trigger.definition.calendar.is_some());
        let calendars = if uses_calendars { self.store().calendars().await? } else { Vec::new() };
        Ok(LookedUp {
            now: self.now(),
            open: open.into_iter().collect(),
            calendars: calendars.into_iter().map(|stored| (stored.name, stored.calendar)).collect(),
        })
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
            NodeState::Draining if status.drained => {
                "Drained: claims nothing until it is resumed.".to_owned()
            }
            NodeState::Draining => "Currently shutting down.".to_owned(),
            NodeState::Starting | NodeState::Standby => "Currently in standby mode.".to_owned(),
        });
        lines.push(format!("Number of jobs executed: {}", status.executed));
        lines.push(format!("Using {} execution slots, {} in use.", status.slots, status.running));
        lines.push(format!("Using job store: {:?}", self.store()));
        lines
    }
}

struct LookedUp {
    now: Timestamp,
    open: HashMap<i64, u64>,
    calendars: HashMap<String, Calendar>,
}

impl LookedUp {
    fn describe(&self, trigger: StoredTrigger) -> TriggerInfo {
        let due = trigger.next_fire_at.is_some_and(|at| at <= self.now);
        let open = |lane: &Lane| self.open.get(&lane.id).copied().unwrap_or(0);
        let held = trigger.lane.is_some_and(|lane| !lane.has_room(open(&lane)));
        let state = match trigger.state {
            TriggerState::Waiting if held && due => ShownState::Blocked,
            TriggerState::Waiting => ShownState::Normal,
            TriggerState::Paused => ShownState::Paused,
            TriggerState::Complete => ShownState::Complete,
            TriggerState::Error => ShownState::Error,
        };
        let calendar = trigger.definition.calendar.as_ref().and_then(|name| self.calendars.get(name));
        let final_fire_at = match (trigger.state, trigger.schedule()) {
            // An unreadable schedule has no end that could be told, and a delay none that is known.
            (TriggerState::Error, _) | (_, Schedule::FixedDelay(_)) => None,
            _ => trigger.occurrences(calendar).last(),
        };
        TriggerInfo { trigger, state, final_fire_at }
    }
}
