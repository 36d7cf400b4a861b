//! An expression in a zone: the local time line mapped to instants.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::civil::{CYCLE, DAY, FIRST_SECOND, LAST_SECOND, days_from_civil};
use crate::error::ScheduleError;
use crate::zone::{Segment, ZoneTable, zone};

use super::expression::CronExpression;
use super::field::Fields;

/// From here on zones follow yearly rules only, so that 400 years repeat and a search that found nothing in them
/// will find nothing. This is what ends the search for a time that always falls into a gap.
const RULES_ONLY: i64 = days_from_civil(2100, 1, 1) * DAY;

/// No local time is further than this from its instant. As far from the ends of a segment nothing but its own
/// offset matters.
const FAR: i64 = 2 * DAY;

/// What a cron schedule does where the zone's offset changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DstPolicy {
    /// No firing is lost and none is doubled without being asked for.
    ///
    /// An expression is *fixed* when its second, minute and hour fields hold numbers, lists and ranges only. Its
    /// firings are dates with a time of day: one that falls into a gap fires at the first instant after the gap
    /// (several such firings become one), one that falls into an overlap fires once, on the first pass.
    ///
    /// An expression with a wildcard or a step (`*`, `*/10`, `5/15`, `8-18/2`) anywhere in its second, minute or
    /// hour field is *elapsed*: it fires at every instant whose local time matches, so through both passes of an
    /// overlap, and a gap holds nothing.
    #[default]
    Follow,
    /// As Quartz: a time in a gap is skipped, a time in an overlap fires on the second pass only, whatever the
    /// fields look like (even `0 * * * * ?` is silent during a first pass).
    Quartz,
}

impl DstPolicy {
    fn is_follow(&self) -> bool {
        *self == Self::Follow
    }
}

/// A cron expression, the zone in which it is read, and what happens where that zone's offset changes.
///
/// Fire times are whole seconds between 1970 and 9999.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct CronSchedule {
    expression: CronExpression,
    zone: TimeZone,
    dst: DstPolicy,
    mapping: Mapping,
    table: Arc<ZoneTable>,
}

/// How local matches become instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mapping {
    /// Every instant whose local time matches.
    Elapsed,
    /// Gap: the instant after it. Overlap: the first pass.
    Fixed,
    /// Gap: nothing. Overlap: the second pass.
    Quartz,
}

impl CronSchedule {
    /// A schedule that fires at the local times of `zone` that match `expression`.
    pub fn new(expression: CronExpression, zone: TimeZone, dst: DstPolicy) -> Self {
        let table = ZoneTable::of(&zone);
        let mapping = match dst {
            DstPolicy::Quartz => Mapping::Quartz,
            DstPolicy::Follow if expression.fields().elapsed => Mapping::Elapsed,
            DstPolicy::Follow => Mapping::Fixed,
        };
        Self { expression, zone, dst, mapping, table }
    }

    /// Reads an expression and an IANA zone name; [`DstPolicy::Follow`].
    ///
    /// # Errors
    ///
    /// Those of [`CronExpression::parse`] and [`zone`].
    pub fn parse(expression: &str, tz: &str) -> Result<Self, ScheduleError> {
        Ok(Self::new(CronExpression::parse(expression)?, zone(tz)?, DstPolicy::Follow))
    }

    /// The same schedule with another policy for changes of the offset.
    #[must_use]
    pub fn with_dst(self, dst: DstPolicy) -> Self {
        Self::new(self.expression, self.zone, dst)
    }

    /// The expression.
    pub fn expression(&self) -> &CronExpression {
        &self.expression
    }

    /// The zone in which the expression is read.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// What happens where the zone's offset changes.
    pub fn dst(&self) -> DstPolicy {
        self.dst
    }

    /// The first fire time strictly after `t`.
    pub fn next_after(&self, t: Timestamp) -> Option<Timestamp> {
        self.at_or_after(floor(t) + 1).and_then(instant)
    }

    /// The last fire time strictly before `t`.
    pub fn prev_before(&self, t: Timestamp) -> Option<Timestamp> {
        self.at_or_before(ceil(t) - 1).and_then(instant)
    }

    /// The first fire time from the second `at` on.
    pub(crate) fn at_or_after(&self, at: i64) -> Option<i64> {
        let mut at = at.max(FIRST_SECOND);
        let mut segment = self.table.segment(at);
        let mut search = Ahead::from(self.expression.fields(), at + segment.offset);
        let found = search.found.saturating_sub(segment.offset);
        if segment.start < at - FAR && found < segment.end - FAR {
            return (found <= LAST_SECOND).then_some(found);
        }
        let limit = (at.max(RULES_ONLY) + CYCLE).min(LAST_SECOND);
        loop {
            let (low, high) = self.local_range(&segment);
            // What lies in a gap fires at the first instant after it.
            if at == segment.start
                && self.fires_after_gap(&segment)
                && search.at_or_after(segment.start + segment.before) < low
            {
                return Some(at);
            }
            let from = low.max(at + segment.offset);
            let found = search.at_or_after(from);
            if found < high {
                let found = found - segment.offset;
                return (found <= LAST_SECOND).then_some(found);
            }
            if segment.end > limit {
                return None;
            }
            // The match belongs to a later segment. Where the next one begins with local times before `from`, they
            // are still to be searched. Otherwise go close to the match.
            at = segment.end;
            if at + segment.after >= from {
                if found == Ahead::NONE {
                    return None;
                }
                at = at.max(found - FAR);
            }
            segment = self.table.segment(at);
        }
    }

    /// The last fire time up to the second `at`.
    pub(crate) fn at_or_before(&self, at: i64) -> Option<i64> {
        let mut at = at.min(LAST_SECOND);
        if at < FIRST_SECOND {
            return None;
        }
        let mut segment = self.table.segment(at);
        let mut search = Behind::from(self.expression.fields(), at + segment.offset);
        let found = search.found - segment.offset;
        if segment.end - FAR > at && found > segment.start + FAR && search.found >= 0 {
            return (found >= FIRST_SECOND).then_some(found);
        }
        let mut limit = at - CYCLE;
        loop {
            let (low, high) = self.local_range(&segment);
            let to = (high - 1).min(at + segment.offset);
            let found = search.at_or_before(to);
            if found >= low.max(0) {
                let found = found - segment.offset;
                return (found >= FIRST_SECOND).then_some(found);
            }
            if segment.start <= FIRST_SECOND {
                return None;
            }
            if self.fires_after_gap(&segment) && found >= (segment.start + segment.before).max(0) {
                return Some(segment.start);
            }
            // The mirror image of the search forwards.
            at = segment.start - 1;
            if at + segment.before <= to {
                if found == Behind::NONE {
                    return None;
                }
                at = at.min(found + FAR);
            }
            if at < limit && at > RULES_ONLY + FAR {
                // A whole cycle held nothing, so neither does the rest of what follows rules only.
                (at, limit) = (RULES_ONLY + FAR, i64::MIN);
            }
            segment = self.table.segment(at);
        }
    }

    /// Fire times in `from..=to`, in seconds. Counts day by day, not firing by firing.
    pub(crate) fn count(&self, from: i64, to: i64) -> u64 {
        let (from, to) = (from.max(FIRST_SECOND), to.min(LAST_SECOND));
        if from > to || self.expression.fields().is_never() {
            return 0;
        }
        let fields = self.expression.fields();
        let mut total = 0;
        let mut at = from;
        while at <= to {
            let segment = self.table.segment(at);
            if at == segment.start && self.fires_for_gap(&segment) {
                // The instant itself is counted with the segment where its own local time matches.
                let own = segment.start + segment.offset;
                total += 1 - fields.count(own, own + 1);
            }
            let (low, high) = self.local_range(&segment);
            let end = segment.end.min(to + 1);
            total += fields.count(low.max(at + segment.offset), high.min(end + segment.offset));
            at = segment.end;
        }
        total
    }

    /// The local times of a segment that fire with its offset.
    #[inline]
    fn local_range(&self, segment: &Segment) -> (i64, i64) {
        let start = segment.start.saturating_add(segment.offset);
        let end = segment.end.saturating_add(segment.offset);
        match self.mapping {
            Mapping::Elapsed => (start, end),
            // What the segment before has already passed through is its own.
            Mapping::Fixed => (start.max(segment.start.saturating_add(segment.before)), end),
            // What the segment after passes through again is left to it.
            Mapping::Quartz => (start, end.min(segment.end.saturating_add(segment.after))),
        }
    }

    /// Whether the segment begins with a gap, and what the gap holds fires at its start.
    #[inline]
    fn fires_after_gap(&self, segment: &Segment) -> bool {
        self.mapping == Mapping::Fixed && segment.before < segment.offset
    }

    /// Whether the segment begins with a gap that holds a match, which then fires at its start.
    fn fires_for_gap(&self, segment: &Segment) -> bool {
        self.fires_after_gap(segment) && {
            let begin = segment.start + segment.before;
            let end = segment.start + segment.offset;
            self.expression.fields().at_or_after(begin).is_some_and(|found| found < end)
        }
    }
}

/// A search forwards on the local time line that remembers its last answer: nothing matches in `from..found`.
struct Ahead<'a> {
    fields: &'a Fields,
    from: i64,
    found: i64,
}

impl<'a> Ahead<'a> {
    const NONE: i64 = i64::MAX;

    #[inline]
    fn from(fields: &'a Fields, from: i64) -> Self {
        Self { fields, from, found: fields.at_or_after(from).unwrap_or(Self::NONE) }
    }

    fn at_or_after(&mut self, local: i64) -> i64 {
        if !(self.from..=self.found).contains(&local) {
            *self = Self::from(self.fields, local);
        }
        self.found
    }
}

/// The same backwards: nothing matches after `found` up to `to`.
struct Behind<'a> {
    fields: &'a Fields,
    to: i64,
    found: i64,
}

impl<'a> Behind<'a> {
    const NONE: i64 = -1;

    #[inline]
    fn from(fields: &'a Fields, to: i64) -> Self {
        Self { fields, to, found: fields.at_or_before(to).unwrap_or(Self::NONE) }
    }

    fn at_or_before(&mut self, local: i64) -> i64 {
        if !(self.found..=self.to).contains(&local) {
            *self = Self::from(self.fields, local);
        }
        self.found
    }
}

pub(crate) fn floor(t: Timestamp) -> i64 {
    t.as_second() - i64::from(t.subsec_nanosecond() < 0)
}

pub(crate) fn ceil(t: Timestamp) -> i64 {
    t.as_second() + i64::from(t.subsec_nanosecond() > 0)
}

fn instant(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}

impl PartialEq for CronSchedule {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.dst == other.dst && self.zone == other.zone
    }
}

impl fmt::Debug for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CronSchedule")
            .field("expr", &self.expression.as_str())
            .field("tz", &self.zone.iana_name())
            .field("dst", &self.dst)
            .finish()
    }
}

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    expr: String,
    #[serde(default = "crate::zone::utc")]
    tz: String,
    #[serde(default, skip_serializing_if = "DstPolicy::is_follow")]
    dst: DstPolicy,
}

impl TryFrom<Raw> for CronSchedule {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Ok(Self::parse(&raw.expr, &raw.tz)?.with_dst(raw.dst))
    }
}

impl From<CronSchedule> for Raw {
    fn from(schedule: CronSchedule) -> Self {
        Self {
            expr: schedule.expression.to_string(),
            tz: crate::zone::name_of(&schedule.zone),
            dst: schedule.dst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_of_listed_years_is_found_from_any_distance() {
        // Apia and Moscow follow no yearly rules, New York does.
        for zone in ["UTC", "Europe/Moscow", "Pacific/Apia", "America/New_York"] {
            let schedule = CronSchedule::parse("0 0 12 ? * * 2030-2032", zone).unwrap();
            let last = schedule.prev_before(at("2034-01-01T00:00:00Z"));
            assert!(last.is_some_and(|last| last > at("2032-12-30T00:00:00Z")), "{zone}: {last:?}");
            assert_eq!(schedule.prev_before(Timestamp::MAX), last, "{zone}");
        }
    }

    #[test]
    fn searches_both_ways_agree_around_every_change() {
        let expressions =
            ["0 0/30 * * * ?", "0 30 1,2 * * ?", "0 15 2 ? 3,11 SUN", "0 0 0 L * ?", "59 59 23 29 2 ?"];
        let zones = ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo"];
        for (expression, zone) in expressions.iter().flat_map(|e| zones.map(|zone| (*e, zone))) {
            for dst in [DstPolicy::Follow, DstPolicy::Quartz] {
                let schedule = CronSchedule::parse(expression, zone).unwrap().with_dst(dst);
                let mut before = schedule.next_after(at("2010-01-01T00:00:00Z")).unwrap();
                // Half hours reach beyond the first changes of the year.
                for _ in 0..8_000 {
                    let Some(next) = schedule.next_after(before) else { break };
                    assert_eq!(
                        schedule.prev_before(next),
                        Some(before),
                        "{expression} {zone} {dst:?} {next}"
                    );
                    let gap = next.as_second() - before.as_second();
                    assert!(gap > 0);
                    // Whatever lies between two fire times sees the one and the other.
                    for between in [gap - 1, gap / 2] {
                        let between = Timestamp::from_second(before.as_second() + between).unwrap();
                        assert_eq!(schedule.next_after(between), Some(next), "{expression} {zone} {dst:?}");
                    }
                    before = next;
                }
            }
        }
    }
}
