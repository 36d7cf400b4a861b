//! When a job runs: the keys of a trigger.

use std::ops::Range;

use punctual_core::schedule::{
    CronExpression, CronSchedule, DstPolicy, EventSchedule, FixedDelay, RecurrenceRule, Repeat,
    ScheduleError, SimpleSchedule, TimeZone, zone,
};
use punctual_core::{Data, JobKey, MisfirePolicy, Schedule, Timestamp, Trigger, TriggerKey};
use serde::Deserialize;
use toml::Spanned;

use super::Fault;
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

    pub(super) fn trigger(
        &self,
        path: &str,
        job: &JobKey,
        name: &str,
        span: &Range<usize>,
    ) -> Result<Trigger, Fault> {
        let fault = |problem: String| Fault::at(span.start..span.start + 1, format!("{path}: {problem}"));
        let key = TriggerKey::try_new(FILE_GROUP, name).map_err(|error| fault(error.to_string()))?;
        if self.schedules() != 1 {
            return Err(fault(
                "give exactly one of cron, every, at, rrule, delay, event and schedule".to_owned(),
            ));
        }
        if self.dst.is_some() && self.cron.is_none() {
            return Err(fault("dst belongs to cron".to_owned()));
        }
        if self.tz.is_some() && self.cron.is_none() && self.rrule.is_none() {
            return Err(fault(match &self.at {
                Some(_) => "tz belongs to cron and rrule: write the offset from UTC into at, such as \
                            at = \"2026-03-29T02:30:00+01:00\", and leave tz out"
                    .to_owned(),
                None => "tz belongs to cron and rrule: an interval is elapsed time".to_owned(),
            }));
        }
        let mut trigger = Trigger::new(key, job.clone(), self.schedule(path, job)?);
        let at = self.at.as_ref().map(|at| instant(path, "at", at)).transpose()?;
        trigger.start = match &self.start {
            Some(start) => Some(instant(path, "start", start)?),
            None => at,
        };
        trigger.end = self.end.as_ref().map(|end| instant(path, "end", end)).transpose()?;
        if let (Some(start), Some(end)) = (trigger.start, trigger.end)
            && end < start
        {
            return Err(fault(format!("end {end} is before start {start}")));
        }
        if let Some(priority) = self.priority {
            trigger.priority = priority;
        }
        trigger.calendar.clone_from(&self.calendar);
        if let Some(misfire) = &self.misfire {
            let wrong = |error: ScheduleError| Fault::at(misfire.span(), format!("{path}.misfire: {error}"));
            misfire.get_ref().check(&trigger.schedule).map_err(wrong)?;
            trigger.misfire = *misfire.get_ref();
        }
        trigger.misfire_threshold_ms = self.misfire_threshold.as_ref().map(Span::millis);
        trigger.data = self.data.clone().unwrap_or_default();
        Ok(trigger)
    }

    fn schedule(&self, path: &str, job: &JobKey) -> Result<Schedule, Fault> {
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
        if let Some(given) = self.cron.as_ref().or(self.rrule.as_ref())
            && self.repeat.is_some()
        {
            return Err(Fault::at(
                given.span(),
                format!("{path}.repeat: this key belongs to every and delay"),
            ));
        }
        let fault = |text: &Spanned<String>, error| Fault::schedule(&format!("{path}.{key}"), text, &error);
        if let Some(cron) = &self.cron {
            let expression = CronExpression::parse_hashed(cron.get_ref(), &job.to_string())
                .map_err(|error| fault(cron, error))?;
            return Ok(CronSchedule::new(expression, self.zone(path)?, self.dst.unwrap_or_default()).into());
        }
        if let Some(rrule) = &self.rrule {
            let rule = RecurrenceRule::new(rrule.get_ref(), self.zone(path)?);
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
            None => zone("UTC").map_err(|error| Fault { problem: error.to_string(), span: None }),
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
