//! Definitions as they are sent.

use punctual_core::pending::is_own_group;
use punctual_core::trigger::DEFAULT_MISFIRE_THRESHOLD_MS;
use punctual_core::{JobDetail, JobKey, Timestamp, Trigger, TriggerKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Instant;
use super::preview::KeyBody;
use crate::definition;
use crate::error::ApiError;

/// A job, perhaps with the whole set of its triggers.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobBody {
    /// The registered code that runs.
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Arguments; a trigger's own are laid over them.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Map<String, Value>>,
    /// Whether it stays when its last trigger is gone.
    #[serde(default)]
    durable: bool,
    #[serde(default)]
    requests_recovery: bool,
    /// Whether its runs may overlap; `true` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrent: Option<bool>,
    /// A limit above one run at a time, or one that is shared by key.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<Value>,
    /// `queue` (unless given), `skip` or `cancel`.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap: Option<Value>,
    /// What follows a failed run.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<Value>,
    /// After how long a run is cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    /// Which runs stay in the history after they end: `true` (all, unless given), `false` (none), `"failures"`, or an object
    /// of `keep` (`all`, `failures`, `none`), `rows` (at most so many) and `days` (at most so long).
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Value>,
    /// What becomes of due instants that no live node can run: `wait` or `skip`; as the nodes are set unless given.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_kind: Option<Value>,
    /// All its triggers: those that are missing here are deleted. Left out, the triggers stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) triggers: Option<Vec<TriggerBody>>,
    /// The version that was seen, like `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Why, for the log of changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl JobBody {
    pub(crate) fn detail(&self, key: JobKey) -> Result<JobDetail, ApiError> {
        check_group(key.group())?;
        if self.kind.trim().is_empty() {
            return Err(ApiError::parameter("kind", "is blank: name the code that runs"));
        }
        let mut detail = JobDetail::new(key, self.kind.as_str());
        detail.description.clone_from(&self.description);
        detail.data = definition::data(self.data.as_ref());
        detail.durable = self.durable;
        detail.requests_recovery = self.requests_recovery;
        detail.concurrent = self.concurrent.unwrap_or(true);
        detail.timeout_ms = self.timeout_ms;
        if let Some(history) = &self.history {
            detail.history = definition::member("history", history)?;
        }
        detail.concurrency =
            self.concurrency.as_ref().map(|value| definition::member("concurrency", value)).transpose()?;
        if let Some(overlap) = &self.overlap {
            detail.overlap = definition::member("overlap", overlap)?;
        }
        if let Some(retry) = &self.retry {
            detail.retry = definition::member("retry", retry)?;
        }
        detail.unknown_kind =
            self.unknown_kind.as_ref().map(|value| definition::member("unknown_kind", value)).transpose()?;
        Ok(detail)
    }
}

/// A trigger: alone, or among those of its job.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TriggerBody {
    /// Among the triggers of a job: its group, `DEFAULT` unless given. Alone, the path says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// Among the triggers of a job: its name. Alone, the path says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Alone: the job that it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<KeyBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The rule that gives its fire times.
    #[schema(value_type = Object)]
    schedule: Value,
    /// No fire time is before this; when the trigger is stored unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Instant>)]
    start: Option<Timestamp>,
    /// No fire time is after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Instant>)]
    end: Option<Timestamp>,
    /// Among triggers due at the same millisecond, higher goes first; 5 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    /// The name of a stored calendar whose excluded times are no fire times.
    #[serde(skip_serializing_if = "Option::is_none")]
    calendar: Option<String>,
    /// `smart` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    misfire: Option<Value>,
    /// How late is a misfire; 60000 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    misfire_threshold_ms: Option<u64>,
    /// Arguments laid over the job's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
    /// Alone: the version that was seen, like `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Alone: why, for the log of changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl TriggerBody {
    /// The trigger of this key, which the path says.
    pub(crate) fn alone(&self, key: TriggerKey) -> Result<Trigger, ApiError> {
        if self.name.is_some() || self.group.is_some() {
            return Err(ApiError::parameter("name", "is what the path says: leave name and group out"));
        }
        let Some(job) = &self.job else { return Err(ApiError::parameter("job", "is required")) };
        self.trigger(key, job.job()?)
    }

    /// One of the triggers of a job.
    pub(crate) fn of_job(&self, job: &JobKey) -> Result<Trigger, ApiError> {
        if self.job.is_some() || self.version.is_some() || self.note.is_some() {
            return Err(ApiError::parameter("triggers", "have no job, version and note of their own here"));
        }
        let Some(name) = &self.name else { return Err(ApiError::parameter("triggers", "need a name each")) };
        let group = self.group.as_deref().unwrap_or(punctual_core::key::DEFAULT_GROUP);
        let key = TriggerKey::try_new(group, name.as_str())
            .map_err(|error| ApiError::parameter("triggers", error.to_string()))?;
        self.trigger(key, job.clone())
    }

    fn trigger(&self, key: TriggerKey, job: JobKey) -> Result<Trigger, ApiError> {
        check_group(key.group())?;
        let mut trigger = Trigger::new(key, job, definition::schedule(&self.schedule)?);
        trigger.description.clone_from(&self.description);
        trigger.start = self.start.map(punctual_core::time::whole_millis);
        trigger.end = self.end.map(punctual_core::time::whole_millis);
        trigger.priority = self.priority.unwrap_or(trigger.priority);
        trigger.calendar.clone_from(&self.calendar);
        if let Some(misfire) = &self.misfire {
            trigger.misfire = definition::member("misfire", misfire)?;
        }
        trigger.misfire_threshold_ms =
            self.misfire_threshold_ms.filter(|threshold| *threshold != DEFAULT_MISFIRE_THRESHOLD_MS);
        trigger.data = definition::data(self.data.as_ref());
        Ok(trigger)
    }
}

/// Answers show the misfire threshold in force, whether or not it was given: to send back what is shown is no change of it.
pub(crate) fn keep_threshold<'a>(new: &mut Trigger, old: impl IntoIterator<Item = &'a Trigger>) {
    let in_force = |one: &Trigger| one.misfire_threshold_ms.unwrap_or(DEFAULT_MISFIRE_THRESHOLD_MS);
    let same = old.into_iter().find(|old| old.key == new.key && in_force(old) == in_force(new));
    if let Some(old) = same {
        new.misfire_threshold_ms = old.misfire_threshold_ms;
    }
}

/// Refuses the groups of the scheduler's own definitions.
fn check_group(group: &str) -> Result<(), ApiError> {
    if is_own_group(group) {
        return Err(ApiError::parameter(
            "group",
            format!("{group} belongs to the scheduler: use another one"),
        ));
    }
    Ok(())
}

/// A calendar.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalendarBody {
    /// What it excludes, in its JSON form.
    #[schema(value_type = Object)]
    pub(crate) calendar: Value,
    /// The version that was seen, like `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Why, for the log of changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// Why something is done, and whether.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// Why, for the log of changes.
    pub(crate) note: Option<String>,
}

/// What a run is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunBody {
    /// Arguments laid over the stored ones.
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Option<Map<String, Value>>,
    /// Why, for the log of changes.
    pub(crate) note: Option<String>,
}

/// An event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventBody {
    /// Its name.
    pub(crate) event: String,
    /// Arguments laid over those of each trigger that waits for it.
    #[schema(value_type = Option<Object>)]
    pub(crate) payload: Option<Map<String, Value>>,
    /// Why, for the log of changes.
    pub(crate) note: Option<String>,
}
