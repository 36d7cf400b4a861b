//! How runs went, in numbers: roll-ups of the history by hour and day, and what they answer.
//!
//! Durations are counted in classes: one for each millisecond below 32 ms, then sixteen for each doubling. A percentile
//! is the middle of its class, and so differs from the exact one by at most [`ERROR`] of it (and half a millisecond).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::ranking::Noted;
use crate::{JobKey, TaskStatus};

/// By how much a percentile may be wrong, relative to the exact one: half of the width of a class.
pub const ERROR: f64 = 1.0 / 32.0;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// The lengths of time that are rolled up: a number in stores, and milliseconds.
pub const LEVELS: [(i16, i64); 2] = [(0, HOUR_MS), (1, DAY_MS)];

/// Durations above this count as this.
const LONGEST: i64 = (1 << 40) - 1;

/// How many classes there are.
const CLASSES: u16 = 592;

/// The class of a duration in milliseconds.
pub fn class(ms: i64) -> u16 {
    let ms = ms.clamp(0, LONGEST);
    if ms < 16 {
        return u16::try_from(ms).unwrap_or_default();
    }
    let shift = i64::from(ms.ilog2()) - 4;
    u16::try_from(shift * 16 + (ms >> shift)).unwrap_or(u16::MAX)
}

/// The shortest and the longest duration of a class, in milliseconds.
pub fn bounds(class: u16) -> (i64, i64) {
    let class = i64::from(class);
    if class < 16 {
        return (class, class);
    }
    let shift = class / 16 - 1;
    let first = (class - shift * 16) << shift;
    (first, first + (1 << shift) - 1)
}

/// How many durations lie in each class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(Vec<i64>);

impl Histogram {
    /// Counts a duration, or takes some out again.
    pub fn count(&mut self, ms: i64, change: i64) {
        self.change(class(ms), change);
    }

    fn change(&mut self, class: u16, change: i64) {
        let class = usize::from(class);
        if class >= self.0.len() {
            self.0.resize(class + 1, 0);
        }
        self.0[class] += change;
        // So that what counts the same is the same.
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (class, rows) in other.classes() {
            self.change(class, rows);
        }
    }

    /// The classes that are not empty, shortest first.
    fn classes(&self) -> impl DoubleEndedIterator<Item = (u16, i64)> {
        let classes = self.0.iter().enumerate().filter(|(_, rows)| **rows != 0);
        classes.map(|(class, rows)| (u16::try_from(class).unwrap_or(u16::MAX), *rows))
    }

    /// How many durations were counted.
    pub fn rows(&self) -> u64 {
        self.0.iter().map(|rows| u64::try_from(*rows).unwrap_or_default()).sum()
    }

    /// The duration that so many of a hundred do not exceed; `None` where there is none.
    pub fn percentile(&self, of_hundred: u64) -> Option<u64> {
        let rank = (self.rows() * of_hundred).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.classes().find(|(_, rows)| {
            seen += u64::try_from(*rows).unwrap_or_default();
            seen >= rank
        });
        let (first, last) = bounds(found?.0);
        u64::try_from(first.midpoint(last)).ok()
    }

    /// As text: `CLASS:ROWS` with commas between.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (class, rows) in self.classes() {
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}{class}:{rows}");
        }
        text
    }

    /// From the text of [`Histogram::to_text`]; what cannot be read is left out.
    pub fn add_text(&mut self, text: &str) {
        for pair in text.split(',') {
            let Some((class, rows)) = pair.split_once(':') else { continue };
            let read = (class.parse().ok().filter(|class| *class < CLASSES), rows.parse());
            if let (Some(class), Ok(rows)) = read {
                self.change(class, rows);
            }
        }
    }
}

/// The ended runs of a stretch of time, by the time of their start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// How many ended normally.
    pub success: i64,
    /// How many failed.
    pub failed: i64,
    /// How many were lost with their node.
    pub unknown: i64,
    /// The durations together, in milliseconds.
    pub total_ms: i64,
    /// The durations.
    pub durations: Histogram,
}

impl Rollup {
    /// Counts a row, or takes it out where it is gone.
    pub fn note(&mut self, row: &Noted) {
        let change = if row.gone { -1 } else { 1 };
        match row.status {
            TaskStatus::Success => self.success += change,
            TaskStatus::Failed => self.failed += change,
            TaskStatus::Unknown | TaskStatus::Started => self.unknown += change,
        }
        if let Some(ms) = row.duration_ms {
            self.total_ms = self.total_ms.saturating_add(change * ms.clamp(0, LONGEST));
            self.durations.count(ms, change);
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.success += other.success;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.total_ms = self.total_ms.saturating_add(other.total_ms);
        self.durations.add(&other.durations);
    }

    /// Whether it counts nothing.
    pub fn is_empty(&self) -> bool {
        self.success == 0 && self.failed == 0 && self.unknown == 0
    }
}

/// Of which runs, by the time of their start, and in which steps.
#[derive(Clone, Debug, PartialEq)]
pub struct InsightsQuery {
    /// Only this task name.
    pub task: Option<String>,
    /// Only of this job.
    pub job: Option<JobKey>,
    /// From this instant on, UTC; whole hours are counted, so it is rounded down to one.
    pub from: Timestamp,
    /// Up to this instant, exclusive, UTC; rounded up to a whole hour.
    pub to: Timestamp,
    /// The length of a period in hours, counted from `from`; `None` for one period.
    pub step_hours: Option<u32>,
}

impl InsightsQuery {
    /// The first and the last hour (exclusive) in milliseconds since 1970.
    pub fn hours(&self) -> (i64, i64) {
        let floor = |ms: i64| ms.div_euclid(HOUR_MS) * HOUR_MS;
        let from = floor(crate::time::to_millis(self.from));
        let to = crate::time::to_millis(self.to);
        let to = if floor(to) == to { to } else { floor(to).saturating_add(HOUR_MS) };
        (from, to.max(from))
    }

    /// Which roll-ups to read: of which level, from when, up to when. Whole days of a long period come from the roll-ups
    /// of days.
    pub fn parts(&self) -> Vec<(i16, i64, i64)> {
        let (from, to) = self.hours();
        let day = |ms: i64| ms.div_euclid(DAY_MS) * DAY_MS;
        let first_day = day(from.saturating_add(DAY_MS - 1));
        let last_day = day(to);
        let steps_on_days = self.step_hours.is_none_or(|hours| hours % 24 == 0 && first_day == from);
        if !steps_on_days || first_day >= last_day {
            return vec![(0, from, to)];
        }
        let parts = [(0, from, first_day), (1, first_day, last_day), (0, last_day, to)];
        parts.into_iter().filter(|(_, from, to)| from < to).collect()
    }

    /// The end of the period that begins at an instant, exclusive, in milliseconds since 1970.
    pub fn period_end(&self, from: Timestamp) -> i64 {
        let (_, to) = self.hours();
        match self.step_hours {
            None | Some(0) => to,
            Some(hours) => crate::time::to_millis(from).saturating_add(i64::from(hours) * HOUR_MS).min(to),
        }
    }

    /// The beginning of the period in which an instant lies, in milliseconds since 1970.
    pub fn period(&self, at: i64) -> i64 {
        let (from, _) = self.hours();
        match self.step_hours {
            None | Some(0) => from,
            Some(hours) => {
                let step = i64::from(hours) * HOUR_MS;
                from + (at - from).div_euclid(step) * step
            }
        }
    }
}

/// What ran.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The name of the task.
    pub task: String,
    /// The job; `None` for work recorded outside of jobs.
    pub job: Option<JobKey>,
}

/// How the runs of one task in one period went.
#[derive(Clone, Debug, PartialEq)]
pub struct Insight {
    /// What ran.
    pub series: Series,
    /// The beginning of the period, UTC.
    pub from: Timestamp,
    /// The ended runs that started in it.
    pub rollup: Rollup,
}

impl Insight {
    /// The share of failed and unknown runs among those that ended.
    pub fn failure_rate(&self) -> f64 {
        let Rollup { success, failed, unknown, .. } = self.rollup;
        let ended = success + failed + unknown;
        if ended == 0 { 0.0 } else { (failed + unknown) as f64 / ended as f64 }
    }

    /// The longest duration, as the upper end of its class.
    pub fn longest_ms(&self) -> Option<u64> {
        let (class, _) = self.rollup.durations.classes().next_back()?;
        u64::try_from(bounds(class).1).ok()
    }
}

/// Collects roll-ups to insights, by series and period.
#[derive(Debug)]
pub struct Collector<'a> {
    query: &'a InsightsQuery,
    found: BTreeMap<Series, BTreeMap<i64, Rollup>>,
}

impl<'a> Collector<'a> {
    /// Of nothing yet.
    pub fn new(query: &'a InsightsQuery) -> Self {
        Self { query, found: BTreeMap::new() }
    }

    /// Whether a series was asked for.
    pub fn wants(query: &InsightsQuery, series: &Series) -> bool {
        query.task.as_ref().is_none_or(|task| *task == series.task)
            && query.job.as_ref().is_none_or(|job| series.job.as_ref() == Some(job))
    }

    /// The sum of what a series did in the period of an instant.
    pub fn at(&mut self, series: &Series, at: i64) -> &mut Rollup {
        let period = self.query.period(at);
        self.found.entry(series.clone()).or_default().entry(period).or_default()
    }

    /// Counts a row that no roll-up counts yet, if it lies in the time that was asked for.
    pub fn note(&mut self, series: &Series, row: &Noted) {
        let (from, to) = self.query.hours();
        if (from..to).contains(&row.started_at) {
            self.at(series, row.started_at).note(row);
        }
    }

    /// What was collected, by task, job and period. Periods without a run are left out.
    pub fn finish(self) -> Vec<Insight> {
        let mut insights = Vec::new();
        for (series, periods) in self.found {
            let periods = periods.into_iter().filter(|(_, rollup)| !rollup.is_empty());
            insights.extend(periods.map(|(from, rollup)| Insight {
                series: series.clone(),
                from: crate::time::from_millis(from),
                rollup,
            }));
        }
        insights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lies_in_the_bounds_of_its_class() {
        let near = |power: u32| [(1_i64 << power) - 1, 1 << power, (1 << power) + 1];
        for ms in (0..5_000).chain((12..40).flat_map(near)) {
            let (first, last) = bounds(class(ms));
            assert!(first <= ms && ms <= last, "{ms} in {first}..={last}");
            assert!((last - first) as f64 <= first as f64 * 2.0 * ERROR, "{first}..={last}");
            assert_eq!(class(last) + 1, class(last + 1), "no gap after {last}");
        }
        assert_eq!(class(i64::MAX), class(LONGEST));
        assert_eq!(class(-5), 0);
        assert_eq!(class(LONGEST) + 1, CLASSES);
    }

    #[test]
    fn percentiles_are_within_the_error() {
        let mut histogram = Histogram::default();
        let durations: Vec<i64> = (0..2_000).map(|n| n * n % 90_001).collect();
        durations.iter().for_each(|ms| histogram.count(*ms, 1));
        let mut sorted = durations;
        sorted.sort_unstable();
        for of_hundred in [1, 50, 95, 99, 100] {
            let exact = sorted[(sorted.len() * of_hundred).div_ceil(100) - 1] as f64;
            let found = histogram.percentile(of_hundred as u64).unwrap() as f64;
            assert!((found - exact).abs() <= exact * ERROR + 0.5, "p{of_hundred}: {found} for {exact}");
        }
        assert_eq!(Histogram::default().percentile(50), None);
    }

    #[test]
    fn a_histogram_survives_as_text() {
        let mut histogram = Histogram::default();
        for ms in [0, 3, 3, 900, 70_000] {
            histogram.count(ms, 1);
        }
        let mut read = Histogram::default();
        read.add_text(&histogram.to_text());
        assert_eq!(read, histogram);
        for ms in [0, 3, 3, 900, 70_000] {
            read.count(ms, -1);
        }
        assert_eq!(read.to_text(), "");
    }

    #[test]
    fn whole_days_come_from_days() {
        let at = |text: &str| text.parse().unwrap();
        let mut query = InsightsQuery {
            task: None,
            job: None,
            from: at("2026-03-01T22:30:00Z"),
            to: at("2026-03-04T01:00:00.001Z"),
            step_hours: None,
        };
        let hour = |text: &str| crate::time::to_millis(at(text));
        let first = hour("2026-03-01T22:00:00Z");
        let (day, last) = (hour("2026-03-02T00:00:00Z"), hour("2026-03-04T00:00:00Z"));
        let end = hour("2026-03-04T02:00:00Z");
        assert_eq!(query.parts(), [(0, first, day), (1, day, last), (0, last, end)]);
        query.step_hours = Some(24);
        assert_eq!(query.parts(), [(0, first, end)], "the days of these steps begin at another hour");
        assert_eq!(query.period(day), first);
        assert_eq!(query.period(first + DAY_MS), first + DAY_MS);
    }
}
