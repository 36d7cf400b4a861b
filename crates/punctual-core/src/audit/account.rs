//! The account of one trigger: its instants against its fires, its skipped ranges and its counters.

use jiff::Timestamp;
use punctual_schedule::{Calendar, Occurrences, Schedule};

use super::{Fault, Problem};
use crate::time::plus_millis;
use crate::{Cause, FireId, SkippedRange, StoredTrigger, TaskHistory, TriggerKey};

/// How many problems of one trigger are kept.
const KEEP: usize = 20;
/// How far the clocks of two nodes may be apart, in milliseconds: a row that one of them wrote can look a little older
/// than the trigger that another one stored before.
const CLOCKS_APART_MS: i64 = 1_000;

/// A first attempt in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct First {
    /// The instant.
    pub at: Timestamp,
    /// Its row.
    pub id: FireId,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl First {
    /// The first attempt that a row is, if it is one of a schedule.
    pub fn of(row: &TaskHistory) -> Option<Self> {
        let at = row.scheduled_at.filter(|_| row.cause == Cause::Schedule && row.attempt == 1)?;
        Some(Self { at, id: row.id, started_at: row.started_at, ended_at: row.ended_at })
    }
}

/// Which rows must still be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All: none was ever deleted.
    All,
    /// Those of instants from here on. Earlier ones may have been deleted.
    From(Timestamp),
    /// None: the job keeps no history.
    Nothing,
}

/// What is known about a trigger with a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The trigger. Rows and ranges were read later, so that all up to its next fire time can be expected in them.
    pub trigger: &'a StoredTrigger,
    /// Its calendar.
    pub calendar: Option<&'a Calendar>,
    /// The first attempts in the history, in any order.
    pub firsts: &'a [First],
    /// Instants that wait as pending runs.
    pub waiting: &'a [Timestamp],
    /// The skipped ranges, in any order.
    pub ranges: &'a [SkippedRange],
    /// Which rows must be there.
    pub kept: Kept,
    /// Only rows of instants from here on were read.
    pub from: Option<Timestamp>,
}

/// What came of checking an [`Account`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accounted {
    /// Scheduled instants since the account began.
    pub instants: u64,
    /// The trigger's count of its fires.
    pub fires: u64,
    /// The trigger's count of its skipped instants.
    pub skipped: u64,
    /// Instants that are neither.
    pub unaccounted: u64,
    /// Instants with two fates.
    pub double: u64,
    /// From here on instants were looked for in the rows; `None` when only the counters were compared.
    pub checked_from: Option<Timestamp>,
    /// Whether that is later than the beginning of the account.
    pub partly: bool,
    /// What is wrong; a bounded number.
    pub problems: Vec<Problem>,
}

impl Accounted {
    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < KEEP {
            self.problems.push(problem);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.unaccounted + self.double == 0
    }
}

impl Account<'_> {
    /// The trigger and the instant for whose first attempt a pending run waits.
    pub fn waits(trigger: &StoredTrigger) -> Option<(&TriggerKey, Timestamp)> {
        let run = trigger.pending.as_ref().filter(|run| run.cause == Cause::Schedule && run.attempt == 1)?;
        run.trigger.as_ref().map(|key| (key, run.scheduled_at))
    }

    /// Checks it.
    pub fn check(&self) -> Accounted {
        let trigger = self.trigger;
        if trigger.schedule().event().is_some() {
            // It has no instants, and what its pauses skipped were events.
            let checked_from = Some(trigger.accounted_from);
            return Accounted { checked_from, ..Accounted::default() };
        }
        let occurrences = trigger.occurrences(self.calendar);
        let from = trigger.accounted_from;
        let upto = match trigger.next_fire_at {
            Some(next) => plus_millis(next, -1),
            None => occurrences.last().unwrap_or(from),
        };
        let mut found = Accounted { fires: trigger.fired, skipped: trigger.skipped, ..Accounted::default() };
        let firsts = self.own_firsts(&mut found);
        if matches!(trigger.schedule(), Schedule::FixedDelay(_)) {
            self.compare_delays(&mut found, &firsts, upto);
            return found;
        }
        if upto < from {
            found.unaccounted = self.compare_counters(&mut found, from, upto);
            found.checked_from = Some(from);
            return found;
        }
        found.instants = occurrences.count(from, upto).count;
        let by_counters = self.compare_counters(&mut found, from, upto);
        let ranges = self.own_ranges(from, upto);
        let by_ranges = self.compare_ranges(&mut found, &occurrences, &ranges);
        let mut instants: Vec<(Timestamp, Option<FireId>)> =
            firsts.iter().map(|first| (first.at, Some(first.id))).collect();
        instants.extend(self.waiting.iter().map(|at| (*at, None)));
        instants.retain(|(at, _)| (from..=upto).contains(at));
        instants.sort_unstable_by_key(|(at, id)| (*at, id.is_none()));
        instants.dedup_by_key(|(at, _)| *at);
        let by_rows = match self.checked_from(from, instants.len() as u64) {
            None => 0,
            Some(start) => {
                found.checked_from = Some(start);
                let mut walk = Walk::new(trigger, &occurrences, &mut found, start.max(from));
                walk.go(&instants, &ranges, upto);
                walk.unaccounted
            }
        };
        found.partly = found.checked_from.is_none_or(|start| start > from);
        // The same instant may show in several ways; it is counted once.
        found.unaccounted = by_rows.max(by_counters).max(by_ranges);
        found
    }

    /// Rows of the same key that were written before this are those of an earlier trigger.
    fn born(&self) -> Timestamp {
        plus_millis(self.trigger.created_at, -CLOCKS_APART_MS)
    }

    /// The first attempts of this trigger rather than of an earlier one of its key, in order; counts instants with two.
    fn own_firsts(&self, found: &mut Accounted) -> Vec<First> {
        let born = self.born();
        let mut firsts: Vec<First> = self
            .firsts
            .iter()
            .copied()
            .filter(|first| first.at >= born || first.started_at >= born)
            .collect();
        firsts.sort_unstable();
        firsts.dedup_by_key(|first| first.id);
        for same in firsts.chunk_by(|one, other| one.at == other.at).filter(|same| same.len() > 1) {
            found.double += same.len() as u64 - 1;
            found.problem(twice(&self.trigger.definition.key, same));
        }
        firsts
    }

    /// A fixed delay has no set of instants: each was fired or skipped when it passed, and the rows have to say the same.
    fn compare_delays(&self, found: &mut Accounted, firsts: &[First], upto: Timestamp) {
        let from = self.trigger.accounted_from;
        found.instants = found.fires + found.skipped;
        let mut instants: Vec<Timestamp> =
            firsts.iter().map(|first| first.at).chain(self.waiting.iter().copied()).collect();
        instants.retain(|at| (from..=upto).contains(at));
        instants.sort_unstable();
        instants.dedup();
        let seen = instants.len() as u64;
        let ranges = self.own_ranges(from, upto);
        let skipped: u64 = ranges.iter().map(|range| range.skip.count).sum();
        let both = |range: &&SkippedRange| instants.binary_search(&range.skip.first).is_ok();
        let both = ranges.iter().filter(both).map(|range| range.skip.first);
        for at in both.collect::<Vec<_>>() {
            found.double += 1;
            let text = format!("{at} was both fired and skipped");
            let problem = Problem::new(Fault::Double, &self.trigger.definition.key, text);
            found.problem(problem.count(1).between(Some(at), Some(at)));
        }
        let whole = self.kept == Kept::All && self.from.is_none_or(|floor| floor <= from);
        found.partly = !whole && seen != found.fires;
        found.checked_from = (!found.partly).then_some(from);
        for (counted, held, what, rows) in
            [(found.fires, seen, "fired", "fires"), (found.skipped, skipped, "skipped", "skipped ranges")]
        {
            // Rows that may have been deleted are not missed; more of them than were counted are one too many.
            if counted == held || (found.partly && what == "fired" && held < counted) {
                continue;
            }
            let text = format!(
                "the counter says {counted} {what}, and the {rows} hold {held} from {from} to {upto}"
            );
            found.unaccounted += counted.abs_diff(held);
            found.problem(self.unaccounted(counted.abs_diff(held), text));
        }
    }

    fn compare_counters(&self, found: &mut Accounted, from: Timestamp, upto: Timestamp) -> u64 {
        let (due, counted) = (found.instants, found.fires + found.skipped);
        if due != counted {
            let text = format!(
                "{due} instants from {from} to {upto}, but the counters say {} fired and {} skipped",
                found.fires, found.skipped
            );
            found.problem(self.unaccounted(due.abs_diff(counted), text).between(Some(from), Some(upto)));
        }
        due.abs_diff(counted)
    }

    fn own_ranges(&self, from: Timestamp, upto: Timestamp) -> Vec<SkippedRange> {
        let born = self.born();
        let own = |range: &&SkippedRange| {
            (from..=upto).contains(&range.skip.first)
                && (range.skip.first >= born || range.recorded_at >= born)
        };
        let mut ranges: Vec<SkippedRange> = self.ranges.iter().filter(own).cloned().collect();
        ranges.sort_by_key(|range| (range.skip.first, range.id));
        ranges.dedup_by_key(|range| range.id);
        ranges
    }

    fn compare_ranges(
        &self,
        found: &mut Accounted,
        occurrences: &Occurrences<'_>,
        ranges: &[SkippedRange],
    ) -> u64 {
        let mut wrong = 0;
        for range in ranges {
            let (skip, span) = (range.skip, occurrences.count(range.skip.first, range.skip.last));
            if span.count != skip.count {
                let text = format!(
                    "skipped range {} ({}) says {} instants, and the schedule has {} from {} to {}",
                    range.id,
                    skip.reason.as_str(),
                    skip.count,
                    span.count,
                    skip.first,
                    skip.last
                );
                wrong += span.count.abs_diff(skip.count);
                let problem = self.unaccounted(span.count.abs_diff(skip.count), text);
                found.problem(problem.between(Some(skip.first), Some(skip.last)));
            }
        }
        let sum: u64 = ranges.iter().map(|range| range.skip.count).sum();
        if sum != found.skipped {
            let text = format!("the counter says {} skipped, and the ranges hold {sum}", found.skipped);
            found.problem(self.unaccounted(sum.abs_diff(found.skipped), text));
        }
        wrong.max(sum.abs_diff(found.skipped))
    }

    /// From where on each instant has to show in the rows: everywhere if as many are there as were counted.
    fn checked_from(&self, from: Timestamp, seen: u64) -> Option<Timestamp> {
        let floor = self.from.filter(|floor| *floor > from);
        let complete = floor.is_none() && seen == self.trigger.fired;
        let from = floor.unwrap_or(from);
        match self.kept {
            Kept::All => Some(from),
            _ if complete => Some(from),
            Kept::From(kept) => Some(kept.max(from)),
            Kept::Nothing => None,
        }
    }

    fn unaccounted(&self, count: u64, text: String) -> Problem {
        Problem::new(Fault::Unaccounted, &self.trigger.definition.key, text).count(count)
    }
}

fn twice(trigger: &TriggerKey, same: &[First]) -> Problem {
    let at = same.first().map(|first| first.at);
    let starts: Vec<String> = same.iter().map(|first| first.started_at.to_string()).collect();
    let text = format!(
        "{} has {} first attempts, started at {}",
        at.map(|at| at.to_string()).unwrap_or_default(),
        same.len(),
        starts.join(" and ")
    );
    Problem::new(Fault::Double, trigger, text)
        .count(same.len() as u64 - 1)
        .between(at, at)
        .rows(same.iter().map(|first| first.id).collect())
}

/// Instants of a trigger that is not stored any more. A trigger that was stored anew after its run had ended may run for
/// the same instant again, so only attempts that overlap are certainly one too many. Returns how many others there are.
pub fn check_gone(trigger: &TriggerKey, firsts: &mut Vec<First>) -> (Vec<Problem>, u64) {
    firsts.sort_unstable_by_key(|first| (first.at, first.started_at, first.id));
    firsts.dedup_by_key(|first| first.id);
    let mut problems = Vec::new();
    let mut again = 0;
    for pair in firsts.windows(2).filter(|pair| pair[0].at == pair[1].at) {
        match pair[0].ended_at {
            Some(ended) if ended <= pair[1].started_at => again += 1,
            _ => problems.push(twice(trigger, pair)),
        }
    }
    (problems, again)
}

/// Walks over all fates in order: what lies between two of them is unaccounted, where two meet is an instant with both.
struct Walk<'a> {
    trigger: &'a StoredTrigger,
    occurrences: &'a Occurrences<'a>,
    found: &'a mut Accounted,
    /// All before this has been looked at.
    at: Timestamp,
    unaccounted: u64,
}

/// A fire or a skipped range.
struct Fate {
    first: Timestamp,
    last: Timestamp,
    row: Option<FireId>,
    is_range: bool,
}

impl<'a> Walk<'a> {
    fn new(
        trigger: &'a StoredTrigger,
        occurrences: &'a Occurrences<'a>,
        found: &'a mut Accounted,
        at: Timestamp,
    ) -> Self {
        Self { trigger, occurrences, found, at, unaccounted: 0 }
    }

    fn go(&mut self, fires: &[(Timestamp, Option<FireId>)], ranges: &[SkippedRange], upto: Timestamp) {
        let start = self.at;
        let mut fates: Vec<Fate> = fires
            .iter()
            .map(|(at, row)| Fate { first: *at, last: *at, row: *row, is_range: false })
            .chain(ranges.iter().map(|range| Fate {
                first: range.skip.first.max(start),
                last: range.skip.last,
                row: None,
                is_range: true,
            }))
            .filter(|fate| fate.last >= start)
            .collect();
        fates.sort_by_key(|fate| fate.first);
        for fate in fates {
            self.step(&fate);
        }
        self.missing_until(upto);
    }

    fn step(&mut self, fate: &Fate) {
        if fate.first < self.at {
            self.both(fate);
        } else {
            let next = self.occurrences.at_or_after(self.at);
            if next.is_some_and(|next| next < fate.first) {
                self.missing_until(plus_millis(fate.first, -1));
            }
            if !fate.is_range && next != Some(fate.first) && !self.occurrences.contains(fate.first) {
                self.stray(fate);
            }
        }
        self.at = self.at.max(plus_millis(fate.last, 1));
    }

    fn missing_until(&mut self, last: Timestamp) {
        if last < self.at {
            return;
        }
        let span = self.occurrences.count(self.at, last);
        if span.count > 0 {
            self.unaccounted += span.count;
            let first = span.first.unwrap_or(self.at);
            let text = match span.count {
                1 => format!("{first} was neither fired nor skipped"),
                count => format!(
                    "{count} instants from {first} to {} were neither fired nor skipped",
                    span.last.unwrap_or(last)
                ),
            };
            let problem = Problem::new(Fault::Unaccounted, &self.trigger.definition.key, text);
            self.found.problem(problem.count(span.count).between(span.first, span.last));
        }
    }

    fn both(&mut self, fate: &Fate) {
        let last = fate.last.min(plus_millis(self.at, -1));
        let span = self.occurrences.count(fate.first, last);
        if span.count > 0 {
            self.found.double += span.count;
            let first = span.first.unwrap_or(fate.first);
            let text = if fate.is_range {
                format!("{} instants from {first} on have two fates: they are in a skipped range", span.count)
            } else {
                format!("{first} was both fired and skipped")
            };
            let problem = Problem::new(Fault::Double, &self.trigger.definition.key, text);
            let problem = problem.count(span.count).between(span.first, span.last);
            self.found.problem(problem.rows(fate.row.into_iter().collect()));
        }
    }

    /// Fired for what is no instant. Rows from before the last edit may belong to an earlier schedule.
    fn stray(&mut self, fate: &Fate) {
        if fate.first < self.trigger.updated_at {
            return;
        }
        self.unaccounted += 1;
        let text = format!("fired for {}, which is no instant of its schedule", fate.first);
        let problem = Problem::new(Fault::Unaccounted, &self.trigger.definition.key, text);
        let problem = problem.between(Some(fate.first), Some(fate.first));
        self.found.problem(problem.rows(fate.row.into_iter().collect()));
    }
}
