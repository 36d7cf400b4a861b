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

/// From here on zones follow yearly rules only, so that 400 years repeat and a search that found nothing in them
/// will find nothing. This is what ends the search for a time that always falls into a gap.
const RULES_ONLY: i64 = days_from_civil(2100, 1, 1) * DAY;

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
        let fields = self.expression.fields();
        let mut at = at.max(FIRST_SECOND);
        let limit = at.max(RULES_ONLY) + CYCLE;
        let mut segment = self.table.segment(at);
        loop {
            let whole = at == segment.start;
            if whole && self.fires_for_gap(&segment) {
                return Some(at);
            }
            let (low, high) = self.local_range(&segment);
            let found = fields.at_or_after(low.max(at + segment.offset));
            if let Some(found) = found.filter(|found| *found < high) {
                let found = found - segment.offset;
                return (found <= LAST_SECOND).then_some(found);
            }
            if segment.end > limit.min(LAST_SECOND) {
                return None;
            }
            // The match belongs to a later segment. From the middle of a segment step to the next one, which may
            // pass through local times once more. After a whole segment all that lies ahead has been searched,
            // so go close to the match: no local time is further than two days from its instant.
            at = if whole { segment.end.max(found? - 2 * DAY) } else { segment.end };
            segment = self.table.segment(at);
        }
    }

    /// The last fire time up to the second `at`.
    pub(crate) fn at_or_before(&self, at: i64) -> Option<i64> {
        let fields = self.expression.fields();
        let mut at = at.min(LAST_SECOND);
        if at < FIRST_SECOND {
            return None;
        }
        let mut limit = at - CYCLE;
        let mut segment = self.table.segment(at);
        loop {
            let whole = at == segment.end - 1;
            let (low, high) = self.local_range(&segment);
            let found = fields.at_or_before((high - 1).min(at + segment.offset));
            if let Some(found) = found.filter(|found| *found >= low) {
                let found = found - segment.offset;
                return (found >= FIRST_SECOND).then_some(found);
            }
            if segment.start <= FIRST_SECOND {
                return None;
            }
            if self.fires_for_gap(&segment) {
                return Some(segment.start);
            }
            // The mirror image of the search forwards.
            at = if whole { (segment.start - 1).min(found? + 2 * DAY) } else { segment.start - 1 };
            if at < limit && at > RULES_ONLY + 2 * DAY {
                // A whole cycle held nothing, so neither does the rest of what follows rules only.
                (at, limit) = (RULES_ONLY + 2 * DAY, i64::MIN);
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

    /// Whether the segment begins with a gap that holds a match, which then fires at its start.
    fn fires_for_gap(&self, segment: &Segment) -> bool {
        self.mapping == Mapping::Fixed && segment.before < segment.offset && {
            let begin = segment.start + segment.before;
            let end = segment.start + segment.offset;
            self.expression.fields().at_or_after(begin).is_some_and(|found| found < end)
        }
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
