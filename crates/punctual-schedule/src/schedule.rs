//! Every kind of schedule there is.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::cron::CronSchedule;
use crate::event::EventSchedule;
use crate::interval::{CalendarInterval, DailyTimeInterval, FixedDelay, SimpleSchedule};
use crate::rrule::RecurrenceRule;

/// When a trigger fires.
///
/// The JSON form is what stores keep; its `type` is `once`, `simple`, `cron`, `calendar_interval`,
/// `daily_time_interval`, `rrule`, `fixed_delay` or `event`. Reading it checks everything that the constructors check.
///
/// ```
/// use punctual_schedule::Schedule;
///
/// let json = r#"{"type":"cron","expr":"0 0 12 * * ?","tz":"Europe/Berlin"}"#;
/// let schedule: Schedule = serde_json::from_str(json)?;
/// assert_eq!(serde_json::to_string(&schedule)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// A single instant: the window's start.
    Once,
    /// A fixed interval of elapsed time.
    Simple(SimpleSchedule),
    /// A cron expression.
    Cron(CronSchedule),
    /// Steps of the local calendar: days, weeks, months, years (or elapsed seconds, minutes, hours).
    CalendarInterval(CalendarInterval),
    /// An interval within a part of the day, on some days of the week.
    DailyTimeInterval(DailyTimeInterval),
    /// A recurrence rule of iCalendar.
    Rrule(RecurrenceRule),
    /// A time after the last run has ended.
    FixedDelay(FixedDelay),
    /// Whenever an event of a name is emitted.
    Event(EventSchedule),
}

impl Schedule {
    /// The kind, as in the JSON form.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Simple(_) => "simple",
            Self::Cron(_) => "cron",
            Self::CalendarInterval(_) => "calendar_interval",
            Self::DailyTimeInterval(_) => "daily_time_interval",
            Self::Rrule(_) => "rrule",
            Self::FixedDelay(_) => "fixed_delay",
            Self::Event(_) => "event",
        }
    }

    /// The zone in which local times are read, for the kinds that read any.
    pub fn time_zone(&self) -> Option<&TimeZone> {
        match self {
            Self::Cron(cron) => Some(cron.time_zone()),
            Self::CalendarInterval(interval) => Some(interval.time_zone()),
            Self::DailyTimeInterval(daily) => Some(daily.time_zone()),
            Self::Rrule(rule) => Some(rule.time_zone()),
            Self::Once | Self::Simple(_) | Self::FixedDelay(_) | Self::Event(_) => None,
        }
    }

    /// The event that fires it, for the kind that waits for one.
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Event(schedule) => Some(schedule.event()),
            _ => None,
        }
    }
}

impl From<SimpleSchedule> for Schedule {
    fn from(schedule: SimpleSchedule) -> Self {
        Self::Simple(schedule)
    }
}

impl From<CronSchedule> for Schedule {
    fn from(schedule: CronSchedule) -> Self {
        Self::Cron(schedule)
    }
}

impl From<CalendarInterval> for Schedule {
    fn from(schedule: CalendarInterval) -> Self {
        Self::CalendarInterval(schedule)
    }
}

impl From<DailyTimeInterval> for Schedule {
    fn from(schedule: DailyTimeInterval) -> Self {
        Self::DailyTimeInterval(schedule)
    }
}

impl From<RecurrenceRule> for Schedule {
    fn from(schedule: RecurrenceRule) -> Self {
        Self::Rrule(schedule)
    }
}

impl From<FixedDelay> for Schedule {
    fn from(schedule: FixedDelay) -> Self {
        Self::FixedDelay(schedule)
    }
}

impl From<EventSchedule> for Schedule {
    fn from(schedule: EventSchedule) -> Self {
        Self::Event(schedule)
    }
}
