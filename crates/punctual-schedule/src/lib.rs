//! Schedules as pure arithmetic: which instants a trigger fires at, which it missed, which a calendar leaves out.
//!
//! Nothing here reads a clock, sleeps or talks to anything. Instants are [`Timestamp`]s in whole milliseconds; a
//! zone is an IANA zone and belongs to the schedule that needs one.
//!
//! - [`Schedule`]: once, [`SimpleSchedule`] (a fixed interval), [`CronSchedule`] (the Quartz dialect),
//!   [`CalendarInterval`] (days, months, ... of the local calendar), [`DailyTimeInterval`] (an interval within a part
//!   of the day), [`RecurrenceRule`] (iCalendar), [`FixedDelay`] (so long after the last run has ended),
//!   [`EventSchedule`] (whenever an event is emitted).
//! - [`Occurrences`]: the set of instants of a schedule within a [`Window`], less what a [`Calendar`] excludes.
//! - [`MisfirePolicy`] and [`misfire`]: what becomes of instants that nobody ran in time.
//! - [`ScheduleError`]: what is wrong with an input, where, and what would be right.
//!
//! ```
//! use punctual_schedule::{Occurrences, Schedule, CronSchedule, Window};
//!
//! let schedule = Schedule::Cron(CronSchedule::parse("0 0 9 ? * MON-FRI", "Europe/Berlin")?);
//! let window = Window { start: "2025-03-28T12:00:00Z".parse()?, end: None };
//! let occurrences = Occurrences::new(&schedule, window);
//! let mut fires = occurrences.upcoming(window.start);
//! // Monday after the change to summer time: nine o'clock is an hour earlier in UTC.
//! assert_eq!(fires.next(), Some("2025-03-31T07:00:00Z".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calendar;
mod civil;
mod cron;
mod describe;
mod error;
mod event;
mod interval;
pub mod misfire;
mod occurrences;
mod rrule;
mod schedule;
mod stable_hash;
mod zone;

pub use calendar::Calendar;
pub use cron::{CronExpression, CronSchedule, DstPolicy};
pub use error::ScheduleError;
pub use event::EventSchedule;
pub use interval::{CalendarInterval, DailyTimeInterval, FixedDelay, IntervalUnit, Repeat, SimpleSchedule};
pub use jiff::civil::{Date, Time, Weekday};
pub use jiff::{Timestamp, tz::TimeZone};
pub use misfire::MisfirePolicy;
pub use occurrences::{Occurrences, Span, Upcoming, Window};
pub use rrule::RecurrenceRule;
pub use schedule::Schedule;
pub use stable_hash::stable_hash;
pub use zone::zone;

/// The examples of docs/schedules.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/schedules.md")]
struct SchedulesPage;
