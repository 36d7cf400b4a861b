//! When a job runs: the keys of a trigger.

use std::ops::Range;

use punctual_core::schedule::{
    CronExpression, CronSchedule, DstPolicy, EventSchedule, FixedDelay, RecurrenceRule, Repeat,
    ScheduleError, SimpleSchedule, TimeZone, zone,
};
use punctual_core::{Data, JobKey, MisfirePolicy, Schedule, Timestamp, Trigger, TriggerKey};
use serde::Deserialize;
use toml::Spanned;

use super::faults::{Fault, Faults};
use super::job::FILE_GROUP;
use super::time::Span;

/// One trigger. Exactly one of `cron`, `every`, `at`, `rrule`, `delay`, `event` and `schedule` says when.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub(super) name: Option<String>,
    pub(super) cron: Option<Spanned<String>>,
    pub(super) rrule: Option<Spanned<String>>,
    pub(super) every: Option<Spanned<Span>>,
    /// So long after the last run has ended.
    pub(super) delay: Option<Spanned<Span>>,
    pub(super) repeat: Option<u32>,
    pub(super) at: Option<Spanned<String>>,
    /// Whenever this event is emitted.
    pub(super) event: Option<Spanned<String>>,
    /// Any kind, in the form in which schedules are stored: `{ type = "calendar_interval", ... }`.
    pub(super) schedule: Option<Spanned<toml::Table>>,
    pub(super) tz: Option<Spanned<String>>,
    pub(super) dst: Option<DstPolicy>,
    pub(super) start: Option<Spanned<String>>,
    pub(super) end: Option<Spanned<String>>,
    pub(super) priority: Option<i32>,
    pub(super) calendar: Option<String>,
    pub(super) misfire: Option<Spanned<MisfirePolicy>>,
    pub(super) misfire_threshold: Option<Span>,
    pub(super) data: Option<Data>,
}

impl When {
    /// Its name among the triggers of a job.
    pub(super) fn name_in(&self, job: &str, position: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("{job}-{}", position + 1))
    }

    /// How many of the keys that say when are given.
    pub(super) fn schedules(&self) -> usize {
        [
            self.cron.is_some(),
            self.rrule.is_some(),
            self.every.is_some(),
            self.delay.is_some(),
            self.at.is_some(),
            self.event.is_some(),
            self.schedule.is_some(),
        ]
        .into_iter()
        .filter(|given| *given)
        .count()
    }

    /// The trigger, unless something is wrong with it.
    pub(super) fn trigger(
        &self,
        path: &str,
        job: &JobKey,
        name: &str,
        span: &Range<usize>,
        faults: &mut Faults,
    ) -> Option<Trigger> {
        let fault = |problem: String| Fault::head(span, format!("{path}: {problem}"));
        let key = TriggerKey::try_new(FILE_GROUP, name).map_err(|error| fault(error.to_string()));
        let key = faults.keep(key);
        self.check_keys(path, span, faults);
        let schedule = self.schedule(path, job, faults);
        let mut instant = |name, text: &Option<Spanned<String>>| match text {
            Some(text) => faults.keep(instant(path, name, text)).map(Some),
            None => Some(None),
        };
        let times = (instant("at", &self.at), instant("start", &self.start), instant("end", &self.end));
        let (at, start, end) = (times.0?, times.1?, times.2?);
        let start = start.or(at);
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            faults.add(fault(format!("end {end} is before start {start}")));
        }
        let (key, schedule) = (key?, schedule?);
        if let Some(misfire) = &self.misfire {
            let wrong = |error: ScheduleError| Fault::at(misfire.span(), format!("{path}.misfire: {error}"));
            faults.keep(misfire.get_ref().check(&schedule).map_err(wrong));
        }
        let mut trigger = Trigger::new(key, job.clone(), schedule);
        (trigger.start, trigger.end) = (start, end);
        trigger.priority = self.priority.unwrap_or(trigger.priority);
        trigger.calendar.clone_from(&self.calendar);
        trigger.misfire = self.misfire.as_ref().map_or(trigger.misfire, |misfire| *misfire.get_ref());
        trigger.misfire_threshold_ms = self.misfire_threshold.as_ref().map(Span::millis);
        trigger.data = self.data.clone().unwrap_or_default();
        Some(trigger)
    }

    /// Which keys stand beside which.
    fn check_keys(&self, path: &str, span: &Range<usize>, faults: &mut Faults) {
        let fault = |problem: &str| Fault::head(span, format!("{path}: {problem}"));
        let schedules = self.schedules();
        if schedules != 1 {
            let wrong = fault("give exactly one of cron, every, at, rrule, delay, event and schedule");
            faults.add(if schedules == 0 { wrong.lacking() } else { wrong });
            return;
        }
        if self.dst.is_some() && self.cron.is_none() {
            faults.add(fault("dst belongs to cron").lacking());
        }
        if self.tz.is_some() && self.cron.is_none() && self.rrule.is_none() {
            faults.add(match &self.at {
                Some(_) => fault(
                    "tz belongs to cron and rrule: write the offset from UTC into at, such as \
                     at = \"2026-03-29T02:30:00+01:00\", and leave tz out",
                ),
                None => fault("tz belongs to cron and rrule: an interval is elapsed time").lacking(),
            });
        }
        if let Some(given) = self.cron.as_ref().or(self.rrule.as_ref())
            && self.repeat.is_some()
        {
            let problem = format!("{path}.repeat: this key belongs to every and delay");
            faults.add(Fault::at(given.span(), problem));
        }
    }

    fn schedule(&self, path: &str, job: &JobKey, faults: &mut Faults) -> Option<Schedule> {
        // The zone is looked at even where the rest is wrong.
        let zone = faults.keep(self.zone(path));
        let schedule = zone.map(|zone| self.schedule_in(path, job, zone));
        match schedule {
            Some(schedule) => faults.keep(schedule),
            // With any zone, for what else is wrong.
            None => {
                faults.keep(self.schedule_in(path, job, TimeZone::UTC));
                None
            }
        }
    }

    fn schedule_in(&self, path: &str, job: &JobKey, zone: TimeZone) -> Result<Schedule, Fault> {
        let repeat = self.repeat.map_or(Repeat::Forever, Repeat::Times);
        let wrong = |key: &str, span: Range<usize>, error: ScheduleError| {
            Fault::at(span, format!("{path}.{key}: {error}"))
        };
        if let Some(every) = &self.every {
            let simple = SimpleSchedule::new(every.get_ref().duration(), repeat);
            return simple.map(Schedule::Simple).map_err(|error| wrong("every", every.span(), error));
        }
        if let Some(delay) = &self.delay {
            let fixed = FixedDelay::from_millis(delay.get_ref().millis(), repeat);
            return fixed.map(Schedule::FixedDelay).map_err(|error| wrong("delay", delay.span(), error));
        }
        if let Some(event) = &self.event {
            let event_schedule = EventSchedule::new(event.get_ref().as_str());
            return event_schedule.map(Schedule::Event).map_err(|error| wrong("event", event.span(), error));
        }
        let key = if self.cron.is_some() { "cron" } else { "rrule" };
        let fault = |text: &Spanned<String>, error| Fault::schedule(&format!("{path}.{key}"), text, &error);
        if let Some(cron) = &self.cron {
            let expression = CronExpression::parse_hashed(cron.get_ref(), &job.to_string())
                .map_err(|error| fault(cron, error))?;
            return Ok(CronSchedule::new(expression, zone, self.dst.unwrap_or_default()).into());
        }
        if let Some(rrule) = &self.rrule {
            let rule = RecurrenceRule::new(rrule.get_ref(), zone);
            return rule.map(Schedule::Rrule).map_err(|error| fault(rrule, error));
        }
        match &self.schedule {
            Some(table) => table.get_ref().clone().try_into().map_err(|error: toml::de::Error| {
                Fault::at(table.span(), format!("{path}.schedule: {}", error.message()))
            }),
            None => Ok(Schedule::Once),
        }
    }

    fn zone(&self, path: &str) -> Result<TimeZone, Fault> {
        match &self.tz {
            None => Ok(TimeZone::UTC),
            Some(tz) => {
                zone(tz.get_ref()).map_err(|error| Fault::at(tz.span(), format!("{path}.tz: {error}")))
            }
        }
    }
}

fn instant(path: &str, key: &str, text: &Spanned<String>) -> Result<Timestamp, Fault> {
    text.get_ref().parse().map_err(|_| {
        Fault::at(
            text.span(),
            format!(
                "{path}.{key}: {:?} is no instant; write one with its offset, such as 2026-03-29T02:30:00+01:00 or \
                 2026-03-29T01:30:00Z",
                text.get_ref()
            ),
        )
    })
}
