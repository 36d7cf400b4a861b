//! The time of day: second, minute and hour together.

use super::words::{clock, counted, list, ordinal, ranges, runs, runs_around, step, step_around, values};
use crate::cron::Fields;

/// The time of day in words.
pub(super) struct Time {
    pub(super) text: String,
    /// Whether it is a list of times, which the day follows without a comma.
    pub(super) listed: bool,
    /// Whether every hour of the day has firings, so that `every day` need not be said.
    pub(super) all_hours: bool,
}

/// The values of the three fields, in order.
struct Parts {
    seconds: Vec<u32>,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    /// Whether a stretch of hours may go on after midnight without being cut by a change of the day's rule.
    every_day: bool,
}

/// So many ranges of hours can still be read.
const MAX_RUNS: usize = 3;

pub(super) fn describe(fields: &Fields, every_day: bool) -> Time {
    let parts = Parts {
        seconds: values(fields.seconds),
        minutes: values(fields.minutes),
        hours: values(fields.hours.into()),
        every_day,
    };
    let all_hours = parts.hours.len() == 24;
    let times = parts.seconds.len() * parts.minutes.len() * parts.hours.len();
    if times <= 3 {
        return Time { text: parts.times(), listed: true, all_hours };
    }
    if let Some(text) = parts.series() {
        return Time { text, listed: false, all_hours };
    }
    if times <= 6 || (parts.seconds.len() == 1 && parts.minutes.len() == 1) {
        return Time { text: parts.times(), listed: true, all_hours };
    }
    Time { text: parts.nested(), listed: false, all_hours }
}

impl Parts {
    fn with_seconds(&self) -> bool {
        self.seconds != [0]
    }

    fn clock(&self, hour: u32, minute: u32, second: u32) -> String {
        clock(hour, minute, second, self.with_seconds())
    }

    /// Every time of the day on its own: `at 02:30 and 14:30`.
    fn times(&self) -> String {
        let mut times = Vec::new();
        for hour in &self.hours {
            for minute in &self.minutes {
                times.extend(self.seconds.iter().map(|second| self.clock(*hour, *minute, *second)));
            }
        }
        format!("at {}", list(&times))
    }

    /// Equal distances between all firings of a stretch of time: `every 5 minutes from 09:00 to 17:55`.
    fn series(&self) -> Option<String> {
        let (seconds, minutes) = (step_around(&self.seconds, 60), step_around(&self.minutes, 60));
        match (seconds, minutes) {
            (Some(step @ 1..60), Some(1)) => self.in_hours(step, "second"),
            (Some(60), Some(step @ 1..60)) => self.in_hours(step, "minute"),
            (Some(60), Some(60)) => self.hourly(),
            _ => self.in_one_hour(seconds),
        }
    }

    /// A series within the hour that fills the hour evenly.
    fn in_hours(&self, step: u32, unit: &str) -> Option<String> {
        let every = format!("every {}", counted(step.into(), unit));
        if self.hours.len() == 24 {
            return Some(format!("{every}{}", self.phase(unit)));
        }
        let (first, last) = (ends(&self.minutes), ends(&self.seconds));
        let begin = |hour| self.clock(hour, first.0, last.0);
        let end = |hour| self.clock(hour, first.1, last.1);
        let runs: Vec<_> = self
            .hour_runs()?
            .iter()
            .map(|(from, to)| format!("from {} to {}", begin(*from), end(*to)))
            .collect();
        Some(format!("{every} {}", list(&runs)))
    }

    /// Where a series within the minute or hour begins, if not at 0.
    fn phase(&self, unit: &str) -> String {
        let (minute, second) = (self.minutes[0], self.seconds[0]);
        match (unit, minute, second) {
            (_, 0, 0) => String::new(),
            ("second", ..) => format!(" from second {second} of each minute"),
            (_, 0, _) => format!(" at second {second}"),
            (_, _, 0) => format!(" from minute {minute} of each hour"),
            _ => format!(" from minute {minute} of each hour, at second {second}"),
        }
    }

    fn hour_runs(&self) -> Option<Vec<(u32, u32)>> {
        let runs = if self.every_day { runs_around(&self.hours, 0, 23) } else { runs(&self.hours) };
        (runs.len() <= MAX_RUNS).then_some(runs)
    }

    /// One firing an hour.
    fn hourly(&self) -> Option<String> {
        let (minute, second) = (self.minutes[0], self.seconds[0]);
        if self.hours.len() == 24 {
            return Some(match (minute, second) {
                (0, 0) => "every hour".to_owned(),
                (_, 0) => format!("every hour at minute {minute}"),
                _ => format!("every hour at minute {minute} and second {second}"),
            });
        }
        let from_to = |(first, last): &(u32, u32)| {
            format!("from {} to {}", self.clock(*first, minute, second), self.clock(*last, minute, second))
        };
        if let Some(step @ 2..) = step(&self.hours) {
            return Some(format!("every {step} hours {}", from_to(&ends(&self.hours))));
        }
        let runs = self.hour_runs()?;
        let long = runs.iter().all(|(first, last)| first != last);
        long.then(|| format!("every hour {}", list(&runs.iter().map(from_to).collect::<Vec<_>>())))
    }

    /// A series that lies within one hour of the day.
    fn in_one_hour(&self, seconds_around: Option<u32>) -> Option<String> {
        let [hour] = self.hours[..] else { return None };
        let (step, unit) = match (&self.minutes[..], &self.seconds[..]) {
            (_, [_]) => (step(&self.minutes)?, "minute"),
            ([_], _) => (step(&self.seconds)?, "second"),
            // Minutes without a break between them, each filled evenly.
            _ if step(&self.minutes) == Some(1) => (seconds_around?, "second"),
            _ => return None,
        };
        let (minutes, seconds) = (ends(&self.minutes), ends(&self.seconds));
        Some(format!(
            "every {} from {} to {}",
            counted(step.into(), unit),
            self.clock(hour, minutes.0, seconds.0),
            self.clock(hour, minutes.1, seconds.1)
        ))
    }

    /// Field by field: `at minutes 5, 17 and 40 of every hour from 9 to 17`.
    fn nested(&self) -> String {
        if self.seconds == [0] {
            return format!("{} of {}", selected(&self.minutes, "minute"), self.hours_text());
        }
        let seconds = selected(&self.seconds, "second");
        if self.minutes.len() < 60 {
            return format!("{seconds} of {} of {}", inner(&self.minutes, "minute"), self.hours_text());
        }
        match self.hour_runs() {
            _ if self.hours.len() == 24 => format!("{seconds} of every minute"),
            Some(runs) => {
                let runs: Vec<_> = runs.iter().map(|(a, b)| format!("from {a:02}:00 to {b:02}:59")).collect();
                format!("{seconds} of every minute {}", list(&runs))
            }
            None => format!("{seconds} of every minute of {}", self.hours_text()),
        }
    }

    fn hours_text(&self) -> String {
        inner(&self.hours, "hour")
    }
}

/// The outermost field: `every 7 seconds from second 0 to second 56`, `at seconds 3 and 9`.
fn selected(values: &[u32], unit: &str) -> String {
    match (values, step(values), step_around(values, 60)) {
        ([only], ..) => format!("at {unit} {only}"),
        (_, _, Some(step @ 1..60)) if values[0] == 0 => format!("every {}", counted(step.into(), unit)),
        (_, Some(step), _) => {
            let (first, last) = ends(values);
            format!("every {} from {unit} {first} to {unit} {last}", counted(step.into(), unit))
        }
        _ => format!("at {unit}s {}", ranges(values, |value| value.to_string())),
    }
}

/// A field that another one lies within: `every 2nd hour from 0 to 22`, `minutes 5 and 9`.
fn inner(values: &[u32], unit: &str) -> String {
    let all = if unit == "hour" { 24 } else { 60 };
    match (values, step(values)) {
        ([only], _) => format!("{unit} {only}"),
        (_, Some(1)) if values.len() == all => format!("every {unit}"),
        (_, Some(step)) => {
            let (first, last) = ends(values);
            let nth = if step == 1 { String::new() } else { format!("{} ", ordinal(step)) };
            format!("every {nth}{unit} from {first} to {last}")
        }
        _ => format!("{unit}s {}", ranges(values, |value| value.to_string())),
    }
}

fn ends(values: &[u32]) -> (u32, u32) {
    (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0))
}
