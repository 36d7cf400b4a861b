//! A trigger.

use punctual_core::{Cause, Fingerprint, Pending as CorePending};
use punctual_engine::{ShownState, TriggerInfo};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Instant;

/// A stored trigger, or a single run that waits for its time (`pending`).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trigger {
    /// `GROUP.NAME`.
    key: String,
    group: String,
    name: String,
    /// The key of its job.
    job: String,
    description: Option<String>,
    /// The rule that gives its fire times.
    #[schema(value_type = Object)]
    schedule: Value,
    /// The rule in words.
    schedule_text: String,
    /// The zone in which the rule reads local times, if it does.
    time_zone: Option<String>,
    /// As defined; without one the schedule starts when the trigger is stored.
    start: Option<Instant>,
    end: Option<Instant>,
    /// From when on its schedule counts: `start`, or when it was stored, or later where a misfire moved it.
    anchor: Instant,
    priority: i32,
    calendar: Option<String>,
    /// A word, or an object with the policy's own members.
    misfire: Value,
    /// How late is a misfire.
    misfire_threshold_ms: u64,
    /// Its own arguments, without those of the job.
    #[schema(value_type = Object)]
    data: Value,
    /// `waiting`, `blocked` (due, and held back by its job's limit), `paused`, `complete` or `error`.
    state: &'static str,
    /// Why the state is `error`.
    error: Option<String>,
    next_fire_at: Option<Instant>,
    previous_fire_at: Option<Instant>,
    /// The last one that there will be, where that can be told.
    final_fire_at: Option<Instant>,
    /// From here on every instant up to `next_fire_at` is fired or skipped.
    accounted_from: Instant,
    fired: u64,
    skipped: u64,
    /// Set for a single run that waits for its time.
    pending: Option<Pending>,
    created_at: Instant,
    updated_at: Instant,
    /// Changes with the definition; see `If-Match`.
    pub(crate) version: String,
}

impl From<TriggerInfo> for Trigger {
    fn from(info: TriggerInfo) -> Self {
        let stored = info.trigger;
        let threshold = stored.misfire_threshold_ms();
        let version = Fingerprint::of_trigger(&stored.definition).to_string();
        let definition = stored.definition;
        Self {
            key: definition.key.to_string(),
            group: definition.key.group().to_owned(),
            name: definition.key.name().to_owned(),
            job: definition.job.to_string(),
            description: definition.description,
            schedule_text: definition.schedule.describe(),
            time_zone: super::zone_name(&definition.schedule),
            schedule: super::json(&definition.schedule),
            start: definition.start.map(Instant),
            end: definition.end.map(Instant),
            anchor: stored.anchor.into(),
            priority: definition.priority,
            calendar: definition.calendar,
            misfire: super::json(&definition.misfire),
            misfire_threshold_ms: threshold,
            data: super::json(&definition.data),
            state: state(info.state),
            error: stored.error,
            next_fire_at: stored.next_fire_at.map(Instant),
            previous_fire_at: stored.previous_fire_at.map(Instant),
            final_fire_at: info.final_fire_at.map(Instant),
            accounted_from: stored.accounted_from.into(),
            fired: stored.fired,
            skipped: stored.skipped,
            pending: stored.pending.map(Pending::from),
            created_at: stored.created_at.into(),
            updated_at: stored.updated_at.into(),
            version,
        }
    }
}

pub(crate) fn state(state: ShownState) -> &'static str {
    match state {
        ShownState::Normal => "waiting",
        ShownState::Blocked => "blocked",
        ShownState::Paused => "paused",
        ShownState::Complete => "complete",
        ShownState::Error => "error",
    }
}

/// What a single run that waits for its time stands for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pending {
    /// `schedule`, `manual`, `retry`, `recovery` or `event`.
    cause: String,
    attempt: u32,
    /// The run of the first attempt.
    origin: Option<i64>,
    /// The instant for which it will run.
    scheduled_at: Instant,
    /// The trigger whose instant that is.
    trigger: Option<String>,
}

impl From<CorePending> for Pending {
    fn from(pending: CorePending) -> Self {
        Self {
            cause: pending.cause.to_string(),
            attempt: pending.attempt,
            origin: pending.origin.map(|fire| fire.0),
            scheduled_at: pending.scheduled_at.into(),
            trigger: pending.trigger.map(|key| key.to_string()),
        }
    }
}

/// The causes by their words.
pub(crate) const CAUSES: [(&str, Cause); 5] = [
    ("schedule", Cause::Schedule),
    ("manual", Cause::Manual),
    ("retry", Cause::Retry),
    ("recovery", Cause::Recovery),
    ("event", Cause::Event),
];
