//! Triggers that end by themselves, at an instant that their definition alone does not tell.

use jiff::Timestamp;
use punctual_schedule::{Occurrences, Repeat, Schedule, Window};
use serde::{Deserialize, Serialize};

use crate::{Trigger, TriggerKey};

/// What a job remembers of such a trigger that came with it ([`crate::Change::Schedule`]).
///
/// A completed trigger is deleted. Whether one that is declared again has completed follows from its start, where it has one
/// and its instants are known beforehand. One without a start would begin anew whenever it is declared, and the instants of a
/// fixed delay depend on its runs: that such a trigger was stored once is remembered with its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounded {
    trigger: TriggerKey,
    schedule: Schedule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Timestamp>,
}

impl Bounded {
    /// What is to be remembered of a trigger; `None` where nothing has to be. Other fields than those that give the instants
    /// do not count: to change the data of a completed trigger does not run it again.
    pub fn of(trigger: &Trigger) -> Option<Self> {
        let window = Window { start: trigger.start.unwrap_or(Timestamp::UNIX_EPOCH), end: trigger.end };
        let bounded = match &trigger.schedule {
            Schedule::FixedDelay(delay) => delay.repeat() != Repeat::Forever || trigger.end.is_some(),
            _ if trigger.start.is_some() => false,
            schedule => trigger.end.is_some() || Occurrences::new(schedule, window).last().is_some(),
        };
        bounded.then(|| Self {
            trigger: trigger.key.clone(),
            schedule: trigger.schedule.clone(),
            start: trigger.start,
            end: trigger.end,
        })
    }

    /// The trigger's key.
    pub fn trigger(&self) -> &TriggerKey {
        &self.trigger
    }
}
