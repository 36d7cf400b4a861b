//! Where a change of the zone's offset moves, drops or doubles a firing.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};
use punctual_core::schedule::{CronSchedule, DstPolicy};
use serde_json::{Value, json};

/// A change that matters, and what happens there.
#[derive(Debug)]
pub(super) struct Change {
    /// The instant of the change.
    pub(super) at: Timestamp,
    /// What happens, in words.
    pub(super) text: String,
    kind: &'static str,
}

impl Change {
    pub(super) fn to_json(&self) -> Value {
        json!({ "at": self.at.to_string(), "kind": self.kind, "text": self.text })
    }
}

/// A zone's change of offset: the local times around it.
struct Transition<'a> {
    schedule: &'a CronSchedule,
    at: Timestamp,
    before: Offset,
    after: Offset,
}

/// The changes between two instants at which local times that match are skipped or doubled.
pub(super) fn between(schedule: &CronSchedule, from: Timestamp, to: Timestamp) -> Vec<Change> {
    let zone = schedule.time_zone();
    // What `following` yields lies after its argument.
    let mut before = zone.to_offset(from);
    let mut changes = Vec::new();
    for transition in zone.following(from).take_while(|transition| transition.timestamp() <= to) {
        let after = transition.offset();
        let transition = Transition { schedule, at: transition.timestamp(), before, after };
        changes.extend(transition.change());
        before = after;
    }
    changes
}

impl Transition<'_> {
    fn change(&self) -> Option<Change> {
        if self.passes_unnoticed() {
            return None;
        }
        let matches = self.matches();
        let (first, last) = (matches.first()?, matches.last()?);
        let zone = self.schedule.time_zone().iana_name().unwrap_or("this zone");
        let times = match matches.len() {
            1 => clock(first),
            2 => format!("{} and {}", clock(first), clock(last)),
            count => format!("{} to {} ({count} firings)", clock(first), clock(last)),
        };
        let one = matches.len() == 1;
        let on = format!("on {} in {zone}", first.date());
        let (kind, text) = if self.is_gap() {
            let do_not = if one { "does not exist" } else { "do not exist" };
            ("gap", format!("{times} {do_not} {on} (gap); {}", self.in_gap(first, one)))
        } else {
            let twice = if one { "occurs twice" } else { "occur twice" };
            ("overlap", format!("{times} {twice} {on} (overlap); {}", self.in_overlap(one)))
        };
        Some(Change { at: self.at, text, kind })
    }

    fn is_gap(&self) -> bool {
        self.after > self.before
    }

    /// How long the gap or overlap is.
    fn length(&self) -> SignedDuration {
        SignedDuration::from_secs((i64::from(self.after.seconds()) - i64::from(self.before.seconds())).abs())
    }

    /// The local times that match and are skipped or doubled: those that the old offset would show, in a gap from
    /// the change on, in an overlap up to it.
    fn matches(&self) -> Vec<Zoned> {
        let (from, to) = if self.is_gap() {
            (Some(self.at), self.at.checked_add(self.length()).ok())
        } else {
            (self.at.checked_sub(self.length()).ok(), Some(self.at))
        };
        let (Some(from), Some(to)) = (from, to) else { return Vec::new() };
        let zone = TimeZone::fixed(self.before);
        let plain = CronSchedule::new(self.schedule.expression().clone(), zone.clone(), DstPolicy::Quartz);
        let a_second = SignedDuration::from_secs(1);
        let before = from.checked_sub(a_second).ok();
        std::iter::successors(before.and_then(|at| plain.next_after(at)), |at| plain.next_after(*at))
            .take_while(|at| *at < to)
            .map(|at| at.to_zoned(zone.clone()))
            .collect()
    }

    /// Firings at the same minutes of every hour go on as before where the clock moves by whole hours.
    fn passes_unnoticed(&self) -> bool {
        let text = self.schedule.expression().as_str();
        let hourly = text == "@hourly" || text.split(' ').nth(2) == Some("*");
        let follows = self.schedule.dst() == DstPolicy::Follow || self.is_gap();
        hourly && follows && self.length().as_secs() % 3600 == 0
    }

    fn in_gap(&self, first: &Zoned, one: bool) -> String {
        let expression = self.schedule.expression();
        if self.schedule.dst() == DstPolicy::Quartz || expression.follows_elapsed_time() {
            return if one { "does not run then" } else { "do not run then" }.to_owned();
        }
        let at = self.at.to_zoned(self.schedule.time_zone().clone());
        let runs = if one { "runs" } else { "run once," };
        // A zone that skips a date goes on with the next one.
        let day = if at.date() == first.date() { String::new() } else { format!(" on {}", at.date()) };
        format!("{runs} at {}{day}", clock(&at))
    }

    fn in_overlap(&self, one: bool) -> String {
        let run = if one { "runs" } else { "run" };
        let (first, second) = (self.before, self.after);
        match self.schedule.dst() {
            DstPolicy::Quartz => format!("{run} on the second pass only (UTC{second})"),
            _ if self.schedule.expression().follows_elapsed_time() => format!("{run} on both passes"),
            _ => format!("{run} on the first pass only (UTC{first})"),
        }
    }
}

fn clock(at: &Zoned) -> String {
    at.strftime(if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}
