//! Next and previous instant of a rule.

use crate::civil::{DAY, LAST_SECOND, LOCAL_LIMIT, civil_from_days, days_from_civil, days_in_month};
use crate::zone::{Resolved, ZoneTable};

use super::days::DayFilter;
use super::parse::{Freq, Rule};

/// Periods that a search looks at before the rule counts as never matching again. Days and hours that a rule leaves
/// out are passed over at once, so real rules need a few; 400 years have 146,097 days.
const PATIENCE: i64 = 200_000;

/// A rule from a start. All values are seconds.
#[derive(Clone, Debug)]
pub(crate) struct Recurrence<'a> {
    rule: &'a Rule,
    table: &'a ZoneTable,
    filter: DayFilter<'a>,
    start: i64,
    /// The start's local time.
    local: i64,
    /// Seconds of the day (DAILY and longer), of the hour or of the minute at which a period fires.
    times: Vec<i64>,
}

impl<'a> Recurrence<'a> {
    pub(super) fn new(rule: &'a Rule, table: &'a ZoneTable, start: i64) -> Self {
        let local = table.local(start);
        let filter = DayFilter::new(rule, local.div_euclid(DAY));
        Self { rule, table, filter, start, local, times: times(rule, local.rem_euclid(DAY)) }
    }

    pub(crate) fn at_or_after(&self, t: i64) -> Option<i64> {
        let t = t.max(self.start);
        if t > LAST_SECOND {
            return None;
        }
        if self.is_elapsed() { self.elapsed_after(t) } else { self.local_after(t) }
    }

    pub(crate) fn at_or_before(&self, t: i64) -> Option<i64> {
        let t = t.min(LAST_SECOND);
        if t < self.start {
            return None;
        }
        if self.is_elapsed() { self.elapsed_before(t) } else { self.local_before(t) }
    }

    /// The n-th instant, from 1.
    pub(super) fn nth(&self, n: u64) -> Option<i64> {
        let mut at = self.start - 1;
        for _ in 0..n {
            at = match self.at_or_after(at + 1) {
                Some(next) => next,
                // Fewer than n: the last one is the end.
                None => return Some(at),
            };
        }
        Some(at)
    }

    pub(crate) fn count(&self, from: i64, to: i64) -> u64 {
        let mut at = from;
        let mut count = 0;
        while let Some(found) = self.at_or_after(at).filter(|found| *found <= to) {
            count += 1;
            at = found + 1;
        }
        count
    }

    fn is_elapsed(&self) -> bool {
        self.rule.freq < Freq::Daily
    }

    // DAILY and longer: periods of the local calendar.

    /// The number of the period that holds a local second, counted from the start's.
    fn period_of(&self, local: i64) -> i64 {
        let (from, to) = (self.local.div_euclid(DAY), local.div_euclid(DAY));
        let months = |days: i64| {
            let date = civil_from_days(days);
            i64::from(date.year) * 12 + i64::from(date.month) - 1
        };
        let periods = match self.rule.freq {
            Freq::Weekly => (self.filter.week_begin(to) - self.filter.week_begin(from)) / 7,
            Freq::Monthly => months(to) - months(from),
            Freq::Yearly => months(to).div_euclid(12) - months(from).div_euclid(12),
            _ => to - from,
        };
        periods.div_euclid(self.rule.interval)
    }

    /// The days of a period, as a half-open range; `None` beyond the year 9999.
    fn days_of(&self, period: i64) -> Option<(i64, i64)> {
        let from = self.local.div_euclid(DAY);
        let steps = period.checked_mul(self.rule.interval)?;
        let date = civil_from_days(from);
        let month_begin = |months: i64| {
            let year = i32::try_from(months.div_euclid(12)).ok().filter(|year| *year <= 9_999)?;
            Some(days_from_civil(year, months.rem_euclid(12) as u8 + 1, 1))
        };
        let limit = LOCAL_LIMIT / DAY;
        let (begin, end) = match self.rule.freq {
            Freq::Weekly => {
                let begin = self.filter.week_begin(from).checked_add(steps.checked_mul(7)?)?;
                (begin, begin + 7)
            }
            Freq::Monthly => {
                let month = i64::from(date.year) * 12 + i64::from(date.month) - 1 + steps;
                (month_begin(month)?, month_begin(month + 1).unwrap_or(limit))
            }
            Freq::Yearly => {
                let month = (i64::from(date.year) + steps).checked_mul(12)?;
                (month_begin(month)?, month_begin(month + 12).unwrap_or(limit))
            }
            _ => {
                let begin = from.checked_add(steps)?;
                (begin, begin + 1)
            }
        };
        (begin < limit).then_some((begin, end.min(limit)))
    }

    /// The instants of a period, ascending.
    fn instants(&self, (begin, end): (i64, i64), found: &mut Vec<i64>) {
        found.clear();
        let mut day = begin;
        let mut locals = Vec::new();
        while day < end {
            let date = civil_from_days(day);
            if self.filter.skips_month(date.month) {
                // To the first of the next month.
                day += i64::from(days_in_month(date.year, date.month) - date.day) + 1;
                continue;
            }
            if self.filter.picks(day) {
                locals.extend(self.times.iter().map(|time| day * DAY + time));
            }
            day += 1;
        }
        self.pick_positions(&mut locals);
        found.extend(locals.into_iter().map(|local| self.instant(local)).filter(|at| *at >= self.start));
        found.sort_unstable();
        found.dedup();
    }

    fn instant(&self, local: i64) -> i64 {
        if local == self.local {
            // The start is an instant already; on a second pass it must stay there.
            return self.start;
        }
        match self.table.resolve(local) {
            Resolved::Unique(at)
            | Resolved::Overlap { first: at, .. }
            | Resolved::Gap { shifted: at, .. } => at,
        }
    }

    fn pick_positions(&self, set: &mut Vec<i64>) {
        if self.rule.positions.is_empty() {
            return;
        }
        let length = set.len() as i64;
        let place = |position: &i64| if *position > 0 { position - 1 } else { length + position };
        let mut places: Vec<i64> =
            self.rule.positions.iter().map(place).filter(|place| (0..length).contains(place)).collect();
        places.sort_unstable();
        places.dedup();
        *set = places.into_iter().map(|place| set[place as usize]).collect();
    }

    fn local_after(&self, t: i64) -> Option<i64> {
        // A gap can move a time into a later day, so the search begins early and looks on a little.
        let first = self.period_of(self.table.local(t) - 2 * DAY).max(0);
        let mut best: Option<i64> = None;
        let mut found = Vec::new();
        for period in first..first + PATIENCE {
            let Some(days) = self.days_of(period) else { break };
            if best.is_some_and(|best| days.0 * DAY > self.table.local(best)) {
                break;
            }
            self.instants(days, &mut found);
            let next = found.iter().copied().find(|at| *at >= t);
            best = [best, next].into_iter().flatten().min();
        }
        best.filter(|at| *at <= LAST_SECOND)
    }

    fn local_before(&self, t: i64) -> Option<i64> {
        let last = self.period_of((self.table.local(t) + 2 * DAY).min(LOCAL_LIMIT - 1));
        let mut best: Option<i64> = None;
        let mut found = Vec::new();
        for period in (0.max(last - PATIENCE)..=last).rev() {
            if let Some(days) = self.days_of(period) {
                if best.is_some_and(|best| (days.1 + 2) * DAY < self.table.local(best)) {
                    break;
                }
                self.instants(days, &mut found);
                let last = found.iter().rev().copied().find(|at| *at <= t);
                best = best.max(last);
            }
        }
        best
    }

    // HOURLY and shorter: periods of elapsed time.

    /// Length of the unit, and the instant at which the start's unit begins.
    fn unit(&self) -> (i64, i64) {
        let seconds = match self.rule.freq {
            Freq::Secondly => 1,
            Freq::Minutely => 60,
            _ => 3600,
        };
        (seconds, self.start - self.local.rem_euclid(seconds))
    }

    /// The instants of the unit that begins at `begin`, ascending.
    fn elapsed_instants(&self, begin: i64, unit: i64, found: &mut Vec<i64>) {
        found.clear();
        let phase = self.table.local(begin).rem_euclid(unit);
        let at = |time: &i64| begin + (time - phase).rem_euclid(unit);
        found.extend(self.times.iter().map(at).filter(|at| self.matches(self.table.local(*at))));
        found.sort_unstable();
        self.pick_positions(found);
        found.retain(|at| *at >= self.start);
    }

    fn matches(&self, local: i64) -> bool {
        let second = local.rem_euclid(DAY);
        let listed = |list: &[i64], value: i64| list.is_empty() || list.contains(&value);
        listed(&self.rule.hours, second / 3600)
            && listed(&self.rule.minutes, second / 60 % 60)
            && listed(&self.rule.seconds, second % 60)
            && self.filter.picks(local.div_euclid(DAY))
    }

    /// How far from `at` the clock shows a day, an hour or a minute that the rule leaves out: to the end of it, or to
    /// its beginning. Zero where nothing is left out.
    fn left_out(&self, at: i64, forward: bool) -> i64 {
        let local = self.table.local(at);
        let within = |length: i64| {
            let passed = local.rem_euclid(length);
            if forward { length - passed } else { passed + 1 }
        };
        let listed = |list: &[i64], value: i64| list.is_empty() || list.contains(&value);
        let second = local.rem_euclid(DAY);
        let far = if !self.filter.picks(local.div_euclid(DAY)) {
            within(DAY)
        } else if !listed(&self.rule.hours, second / 3600) {
            within(3600)
        } else if self.rule.freq == Freq::Secondly && !listed(&self.rule.minutes, second / 60 % 60) {
            within(60)
        } else {
            0
        };
        // An offset that changes on the way shortens the stretch.
        let segment = self.table.segment(at);
        if forward {
            far.min(segment.end.saturating_sub(at))
        } else {
            far.min(at.saturating_sub(segment.start).saturating_add(1))
        }
    }

    fn elapsed_after(&self, t: i64) -> Option<i64> {
        let (unit, origin) = self.unit();
        let step = unit * self.rule.interval;
        let mut period = (t - origin).div_euclid(step).max(0);
        let mut found = Vec::new();
        for _ in 0..PATIENCE {
            let begin = origin.checked_add(period.checked_mul(step)?)?;
            if begin > LAST_SECOND {
                return None;
            }
            self.elapsed_instants(begin, unit, &mut found);
            if let Some(at) = found.iter().copied().find(|at| *at >= t) {
                return (at <= LAST_SECOND).then_some(at);
            }
            let out = self.left_out(begin, true);
            period = (period + 1).max((begin + out - origin).div_euclid(step));
        }
        None
    }

    fn elapsed_before(&self, t: i64) -> Option<i64> {
        let (unit, origin) = self.unit();
        let step = unit * self.rule.interval;
        let mut period = (t - origin).div_euclid(step);
        let mut found = Vec::new();
        for _ in 0..PATIENCE {
            if period < 0 {
                return None;
            }
            let begin = origin + period * step;
            self.elapsed_instants(begin, unit, &mut found);
            if let Some(at) = found.iter().rev().copied().find(|at| *at <= t) {
                return Some(at);
            }
            // The last second of the unit decides: a day that begins within it may be wanted.
            let end = begin + unit - 1;
            let out = self.left_out(end, false);
            period = (period - 1).min((end - out - origin).div_euclid(step));
        }
        None
    }
}

/// The times within a period, ascending; what the rule leaves open is the start's.
fn times(rule: &Rule, start: i64) -> Vec<i64> {
    let or = |list: &[i64], open: i64| if list.is_empty() { vec![open] } else { list.to_vec() };
    let hours = if rule.freq >= Freq::Daily { or(&rule.hours, start / 3600) } else { vec![0] };
    let minutes = if rule.freq >= Freq::Hourly { or(&rule.minutes, start / 60 % 60) } else { vec![0] };
    let seconds = if rule.freq >= Freq::Minutely { or(&rule.seconds, start % 60) } else { vec![0] };
    let mut times = Vec::with_capacity(hours.len() * minutes.len() * seconds.len());
    for hour in &hours {
        for minute in &minutes {
            times.extend(seconds.iter().map(|second| hour * 3600 + minute * 60 + second));
        }
    }
    times
}
