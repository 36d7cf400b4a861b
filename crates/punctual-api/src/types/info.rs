//! The scheduler with its jobs and triggers, with the names and meanings that Quartz's users know.

use punctual_core::{MisfirePolicy, Schedule};
use punctual_engine::{JobInfo, SchedulerInfo, ShownState, TriggerInfo};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Instant;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Info {
    scheduler: Vec<String>,
    jobs: Vec<Job>,
}

impl From<SchedulerInfo> for Info {
    fn from(info: SchedulerInfo) -> Self {
        let mut jobs: Vec<Job> = info.jobs.into_iter().map(Job::from).collect();
        // Stable, and they come ordered by group.
        jobs.sort_by(|one, two| one.key.cmp(&two.key));
        Self { scheduler: info.scheduler, jobs }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = InfoJob)]
struct Job {
    key: String,
    class: String,
    description: Option<String>,
    #[serde(rename = "concurrent-execution-disallowed?")]
    concurrent_execution_disallowed: bool,
    #[serde(rename = "durable?")]
    durable: bool,
    #[serde(rename = "requests-recovery?")]
    requests_recovery: bool,
    triggers: Vec<Trigger>,
}

impl From<JobInfo> for Job {
    fn from(info: JobInfo) -> Self {
        let detail = &info.job.detail;
        let mut triggers: Vec<Trigger> = info.triggers.into_iter().map(Trigger::from).collect();
        triggers.sort_by(|one, two| one.key.cmp(&two.key));
        Self {
            key: detail.key.name().to_owned(),
            class: detail.kind.to_string(),
            description: detail.description.clone(),
            concurrent_execution_disallowed: !detail.concurrent,
            durable: detail.durable,
            requests_recovery: detail.requests_recovery,
            triggers,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = InfoTrigger)]
struct Trigger {
    key: String,
    description: Option<String>,
    state: &'static str,
    priority: i32,
    start_time: Instant,
    end_time: Option<Instant>,
    next_fire_time: Option<Instant>,
    previous_fire_time: Option<Instant>,
    final_fire_time: Option<Instant>,
    #[serde(rename = "may-fire-again?")]
    may_fire_again: bool,
    data: Value,
    /// Only of cron triggers, as are the two that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    misfire_instruction: Option<&'static str>,
}

impl From<TriggerInfo> for Trigger {
    fn from(info: TriggerInfo) -> Self {
        let stored = info.trigger;
        let definition = stored.definition;
        let cron = match &definition.schedule {
            // What a trigger in the error state holds is no schedule of its own.
            Schedule::Cron(cron) if info.state != ShownState::Error => Some(cron),
            _ => None,
        };
        Self {
            key: definition.key.name().to_owned(),
            description: definition.description,
            state: info.state.as_str(),
            priority: definition.priority,
            start_time: stored.anchor.into(),
            end_time: definition.end.map(Instant),
            next_fire_time: stored.next_fire_at.map(Instant),
            previous_fire_time: stored.previous_fire_at.map(Instant),
            final_fire_time: info.final_fire_at.map(Instant),
            may_fire_again: stored.next_fire_at.is_some(),
            data: definition.data.to_map().map_or(Value::Null, Value::Object),
            schedule: cron.map(|cron| cron.expression().to_string()),
            timezone: cron.map(|cron| cron.time_zone().iana_name().unwrap_or("UTC").to_owned()),
            misfire_instruction: cron.map(|_| instruction(definition.misfire)),
        }
    }
}

fn instruction(policy: MisfirePolicy) -> &'static str {
    match policy {
        MisfirePolicy::Smart => "SMART_POLICY",
        MisfirePolicy::FireOnceNow => "FIRE_ONCE_NOW",
        MisfirePolicy::DoNothing => "DO_NOTHING",
        MisfirePolicy::IgnoreMisfires => "IGNORE_MISFIRE_POLICY",
        // None that a cron schedule accepts.
        _ => "UNKNOWN: 0",
    }
}
