//! Schedules without instants: what fires when it is told to.

use serde::{Deserialize, Serialize};

use crate::error::ScheduleError;

const MAX_NAME: usize = 200;

/// Fires whenever an event of its name is emitted. It has no instants of its own.
///
/// In JSON: `{"type":"event","event":"orders.imported"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct EventSchedule {
    event: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    event: String,
}

impl EventSchedule {
    /// Fires when `event` is emitted.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Value`] unless the name has 1 to 200 characters, none of them a control character.
    pub fn new(event: impl Into<String>) -> Result<Self, ScheduleError> {
        let event = event.into();
        if Self::is_name(&event) {
            return Ok(Self { event });
        }
        let shown: String = event.chars().take(80).collect();
        let right = "a name has 1 to 200 characters, none of them a control character";
        Err(ScheduleError::value("event", format!("{shown:?}"), right))
    }

    /// Whether an event can have this name.
    pub fn is_name(name: &str) -> bool {
        (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control)
    }

    /// The name of the event.
    pub fn event(&self) -> &str {
        &self.event
    }
}

impl TryFrom<Raw> for EventSchedule {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, ScheduleError> {
        Self::new(raw.event)
    }
}

impl From<EventSchedule> for Raw {
    fn from(schedule: EventSchedule) -> Self {
        Self { event: schedule.event }
    }
}

#[cfg(test)]
mod tests {
    use crate::{EventSchedule, MisfirePolicy, Occurrences, Schedule, Window};

    #[test]
    fn the_json_form_is_checked_and_comes_back() {
        let json = r#"{"type":"event","event":"orders.imported"}"#;
        let schedule: Schedule = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&schedule).unwrap(), json);
        assert_eq!(schedule.kind(), "event");
        for name in ["", "a\nb", &"x".repeat(201)] {
            let json = serde_json::json!({"type": "event", "event": name}).to_string();
            let error = serde_json::from_str::<Schedule>(&json).unwrap_err().to_string();
            assert!(error.contains("1 to 200 characters"), "{error}");
        }
        EventSchedule::new("é".repeat(200)).unwrap();
        assert!(EventSchedule::new("a\u{7f}").is_err());
    }

    #[test]
    fn it_has_no_instants() {
        let schedule = Schedule::Event(EventSchedule::new("e").unwrap());
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        let end = "2030-01-01T00:00:00Z".parse().unwrap();
        for window in [Window { start, end: None }, Window { start, end: Some(end) }] {
            let occurrences = Occurrences::new(&schedule, window);
            assert_eq!((occurrences.first(), occurrences.last()), (None, None));
            assert_eq!(occurrences.next_after(start), None);
            assert_eq!(occurrences.prev_before(end), None);
            assert_eq!(occurrences.count(start, end).count, 0);
        }
        assert_eq!(schedule.time_zone(), None);
        MisfirePolicy::DoNothing.check(&schedule).unwrap();
        assert!(MisfirePolicy::FireNow.check(&schedule).is_err());
    }

    #[test]
    fn it_says_which_event() {
        let schedule = Schedule::Event(EventSchedule::new("orders.imported").unwrap());
        assert_eq!(schedule.describe(), "when the event \"orders.imported\" is emitted");
    }
}
