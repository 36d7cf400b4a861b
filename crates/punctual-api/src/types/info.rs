//! The scheduler with its jobs and triggers.

use punctual_core::{MisfirePolicy, Schedule, StoredTrigger};
use punctual_engine::{JobInfo, SchedulerInfo, ShownState, TriggerInfo};
use serde::Serialize;
use serde_json::Value;

use super::instant;

#[derive(Serialize)]
pub(crate) struct Info {
    scheduler: Vec<String>,
    jobs: Vec<Job>,
}

#[derive(Serialize)]
struct Job {
    key: String,
    class: String,
    description: Option<String>,
    #[serde(rename = "concurrent-execution-disallowed?")]
    exclusive: bool,
    #[serde(rename = "durable?")]
    durable: bool,
    #[serde(rename = "requests-recovery?")]
    requests_recovery: bool,
    triggers: Vec<Trigger>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Trigger {
    key: String,
    description: Option<String>,
    state: &'static str,
    priority: i32,
    start_time: Option<String>,
    end_time: Option<String>,
    next_fire_time: Option<String>,
    previous_fire_time: Option<String>,
    final_fire_time: Option<String>,
    #[serde(rename = "may-fire-again?")]
    may_fire_again: bool,
    data: Value,
    #[serde(flatten)]
    cron: Option<Cron>,
}

/// The members that only cron triggers have.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Cron {
    schedule: String,
    timezone: String,
    misfire_instruction: &'static str,
}

impl From<SchedulerInfo> for Info {
    fn from(info: SchedulerInfo) -> Self {
        let mut jobs: Vec<Job> = info.jobs.into_iter().map(Job::from).collect();
        jobs.sort_by(|one, two| one.key.cmp(&two.key));
        Self { scheduler: info.scheduler, jobs }
    }
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
            exclusive: !detail.concurrent,
            durable: detail.durable,
            requests_recovery: detail.requests_recovery,
            triggers,
        }
    }
}

impl From<TriggerInfo> for Trigger {
    fn from(info: TriggerInfo) -> Self {
        let cron = (info.state != ShownState::Error).then(|| cron(&info.trigger)).flatten();
        let trigger = info.trigger;
        Self {
            key: trigger.definition.key.name().to_owned(),
            description: trigger.definition.description,
            state: info.state.as_str(),
            priority: trigger.definition.priority,
            start_time: Some(instant(trigger.anchor)),
            end_time: trigger.definition.end.map(instant),
            next_fire_time: trigger.next_fire_at.map(instant),
            previous_fire_time: trigger.previous_fire_at.map(instant),
            final_fire_time: info.final_fire_at.map(instant),
            may_fire_again: trigger.next_fire_at.is_some(),
            data: trigger.definition.data.to_map().map_or(Value::Null, Value::Object),
            cron,
        }
    }
}

fn cron(trigger: &StoredTrigger) -> Option<Cron> {
    let Schedule::Cron(cron) = &trigger.definition.schedule else { return None };
    Some(Cron {
        schedule: cron.expression().to_string(),
        timezone: cron.time_zone().iana_name().unwrap_or("UTC").to_owned(),
        misfire_instruction: match trigger.definition.misfire {
            MisfirePolicy::Smart => "SMART_POLICY",
            MisfirePolicy::IgnoreMisfires => "IGNORE_MISFIRE_POLICY",
            MisfirePolicy::DoNothing => "DO_NOTHING",
            MisfirePolicy::FireOnceNow | MisfirePolicy::FireNow => "FIRE_ONCE_NOW",
            _ => "UNKNOWN: 0",
        },
    })
}
