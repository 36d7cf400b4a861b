//! The firing decision: what a due trigger does now.

mod step;

pub use step::{AtGate, Step, cancel_reason, plan_in_lane, step};

use jiff::Timestamp;
use punctual_schedule::misfire::{self, CatchUp, Keep};
use punctual_schedule::{Calendar, FixedDelay, MisfirePolicy, Occurrences, Repeat, Schedule};
use serde::{Deserialize, Serialize};

use crate::time::{millis_between, plus_millis};
use crate::{StoredTrigger, TriggerState};

/// Why instants were not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// They were late beyond the threshold, and the misfire policy gives them up.
    Misfire,
    /// They were late beyond the threshold, and one fire stands for all of them.
    Coalesced,
    /// The job was busy, and its overlap policy gives them up.
    Overlap,
    /// The trigger was paused.
    Paused,
    /// No node could run the kind before the deadline.
    Expired,
    /// The trigger was deleted while they were due.
    Ended,
    /// The trigger's definition was replaced while they were due.
    Replaced,
}

impl SkipReason {
    /// All reasons, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Misfire,
        Self::Coalesced,
        Self::Overlap,
        Self::Paused,
        Self::Expired,
        Self::Ended,
        Self::Replaced,
    ];

    /// The word in stores and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Misfire => "misfire",
            Self::Coalesced => "coalesced",
            Self::Overlap => "overlap",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::Replaced => "replaced",
        }
    }

    /// The reason of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// A run of neighbouring instants that were not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The first instant.
    pub first: Timestamp,
    /// The last instant; the same as `first` when `count` is 1.
    pub last: Timestamp,
    /// How many instants of the trigger's schedule lie in `first..=last`.
    pub count: u64,
    /// Why they were not run.
    pub reason: SkipReason,
}

/// What a due trigger does: the fire it makes, the instants it gives up, and where it goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct FiringPlan {
    /// The instant for which to fire now.
    pub fire: Option<Timestamp>,
    /// The instants that are given up; [`SkipReason::Coalesced`] ones belong to `fire`.
    pub skipped: Vec<Skip>,
    /// The instants of a catch-up that follow `fire`, each as a pending run.
    pub later: Vec<Later>,
    /// Whether the trigger stays without a next fire time: it is set when `fire` has ended, or an event brings the fires.
    pub awaits_end: bool,
    /// The trigger's next fire time; `None` when its schedule has ended.
    pub next_fire_at: Option<Timestamp>,
    /// The present definition's schedule moved, as some of Quartz's instructions for simple triggers demand.
    pub rebase: Option<Rebase>,
}

/// An instant that is run later than now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// The instant.
    pub scheduled_at: Timestamp,
    /// When its run is due.
    pub due_at: Timestamp,
}

/// A schedule that a misfire instruction or the end of a run moved: from `start` on, the trigger follows `schedule`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebase {
    /// The new anchor.
    pub start: Timestamp,
    /// The schedule from there, with its repeat count adjusted.
    pub schedule: Schedule,
    /// The account begins anew: the first instant of the moved schedule that is still to be accounted for lies at or
    /// after this. `None` where the account goes on, because the instants before were those of the same schedule.
    pub accounted_from: Option<Timestamp>,
}

impl FiringPlan {
    fn quiet(next_fire_at: Option<Timestamp>) -> Self {
        let (skipped, later) = (Vec::new(), Vec::new());
        Self { fire: None, skipped, later, awaits_end: false, next_fire_at, rebase: None }
    }

    fn fires(at: Timestamp, next_fire_at: Option<Timestamp>) -> Self {
        Self { fire: Some(at), ..Self::quiet(next_fire_at) }
    }

    /// Nothing happens.
    fn unchanged(trigger: &StoredTrigger) -> Self {
        Self {
            awaits_end: trigger.awaits_end() || trigger.awaits_event(),
            ..Self::quiet(trigger.next_fire_at)
        }
    }

    fn with_skipped(self, skipped: Option<Skip>) -> Self {
        Self { skipped: skipped.into_iter().collect(), ..self }
    }

    /// The state that the trigger takes.
    pub fn state(&self) -> TriggerState {
        let goes_on = self.next_fire_at.is_some() || self.awaits_end;
        if goes_on { TriggerState::Waiting } else { TriggerState::Complete }
    }
}

fn skip(occurrences: &Occurrences<'_>, from: Timestamp, to: Timestamp, reason: SkipReason) -> Option<Skip> {
    let span = occurrences.count(from, to);
    match (span.first, span.last) {
        (Some(first), Some(last)) if span.count > 0 => Some(Skip { first, last, count: span.count, reason }),
        _ => None,
    }
}

/// Decides what `trigger` does at `now`.
///
/// A trigger that is not due plans nothing. One that is due and not later than its misfire threshold fires for
/// its next fire time, one instant a plan. A later one follows its misfire policy:
///
/// * policies that fire now make **one** fire, for the *latest* instant at or before `now` (or the earliest, where the
///   policy says so); the others are coalesced into it;
/// * policies that do nothing give up every instant up to `now`;
/// * `ignore_misfires` fires for each instant in turn, as if on time;
/// * `all` fires for the newest instants within its bounds, the first now and the others as pending runs, and gives up
///   the older ones.
pub fn plan(trigger: &StoredTrigger, calendar: Option<&Calendar>, now: Timestamp) -> FiringPlan {
    let Some(due) = trigger.next_fire_at.filter(|due| *due <= now) else {
        return FiringPlan::unchanged(trigger);
    };
    if trigger.pending.is_some() {
        return FiringPlan::fires(due, None);
    }
    let occurrences = trigger.occurrences(calendar);
    let late_ms = millis_between(due, now);
    let on_time = u64::try_from(late_ms).is_ok_and(|late| late <= trigger.misfire_threshold_ms());
    let policy = trigger.definition.misfire.resolve(trigger.schedule());
    if let Schedule::FixedDelay(delay) = trigger.schedule() {
        let gives_up = matches!(policy, MisfirePolicy::DoNothing | MisfirePolicy::Skip);
        if !on_time && gives_up {
            return give_up(trigger, calendar, now, SkipReason::Misfire);
        }
        let awaits_end = delay.repeat() != Repeat::Times(0);
        return FiringPlan { awaits_end, ..FiringPlan::fires(due, None) };
    }
    if on_time || policy == MisfirePolicy::IgnoreMisfires {
        return FiringPlan::fires(due, occurrences.next_after(due));
    }
    match policy {
        MisfirePolicy::Skip => give_up(trigger, calendar, now, SkipReason::Misfire),
        MisfirePolicy::Once(keep) => plan_once(&occurrences, keep, due, now),
        MisfirePolicy::All(bounds) => plan_catch_up(&occurrences, bounds, due, now),
        _ => plan_misfire(trigger, &occurrences, calendar, policy, due, now),
    }
}

fn plan_once(occurrences: &Occurrences<'_>, keep: Keep, due: Timestamp, now: Timestamp) -> FiringPlan {
    let next = occurrences.next_after(now);
    let span = occurrences.count(due, now);
    let (Some(first), Some(last)) = (span.first, span.last) else { return FiringPlan::quiet(next) };
    let (fire, others) = match keep {
        Keep::Earliest => (first, (plus_millis(first, 1), last)),
        Keep::Latest => (last, (first, plus_millis(last, -1))),
    };
    let coalesced = skip(occurrences, others.0, others.1, SkipReason::Coalesced);
    FiringPlan::fires(fire, next).with_skipped(coalesced)
}

fn plan_catch_up(
    occurrences: &Occurrences<'_>,
    bounds: CatchUp,
    due: Timestamp,
    now: Timestamp,
) -> FiringPlan {
    let next = occurrences.next_after(now);
    let window =
        bounds.window_ms().map(|window| plus_millis(now, -i64::try_from(window).unwrap_or(i64::MAX)));
    let from = window.map_or(due, |from| from.max(due));
    // The newest instants, newest first.
    let mut kept = Vec::new();
    let mut before = plus_millis(now, 1);
    while kept.len() < bounds.max_count() as usize {
        let Some(at) = occurrences.prev_before(before).filter(|at| *at >= from) else { break };
        kept.push(at);
        before = at;
    }
    let skipped =
        skip(occurrences, due, plus_millis(before.min(plus_millis(now, 1)), -1), SkipReason::Misfire);
    let Some(fire) = kept.pop() else { return FiringPlan::quiet(next).with_skipped(skipped) };
    let spacing = i64::try_from(bounds.spacing_ms()).unwrap_or(i64::MAX);
    let later = kept.into_iter().rev().zip(1_i64..).map(|(scheduled_at, place)| Later {
        scheduled_at,
        due_at: plus_millis(now, spacing.saturating_mul(place)),
    });
    FiringPlan { later: later.collect(), ..FiringPlan::fires(fire, next).with_skipped(skipped) }
}

fn plan_misfire(
    trigger: &StoredTrigger,
    occurrences: &Occurrences<'_>,
    calendar: Option<&Calendar>,
    policy: MisfirePolicy,
    due: Timestamp,
    now: Timestamp,
) -> FiringPlan {
    let moved = misfire::apply(
        trigger.schedule(),
        &trigger.window(),
        calendar,
        policy,
        &misfire::MisfireState {
            times_triggered: trigger.fired + trigger.skipped,
            previous: trigger.previous_fire_at,
            next: due,
        },
        now,
    );
    let fires_now = moved.next.is_some_and(|next| next <= now);
    let rebase = rebase_of(trigger, &moved, fires_now, now);
    let Some(last) = occurrences.count(due, now).last else {
        // The stored fire time is no instant of the schedule any more (its calendar changed): move on.
        return FiringPlan::quiet(moved.next);
    };
    let next_fire_at = match &rebase {
        None if !fires_now => moved.next,
        None => occurrences.next_after(now),
        Some(rebase) => {
            let window = punctual_schedule::Window { start: rebase.start, end: trigger.definition.end };
            let after = Occurrences::new(&rebase.schedule, window).with_calendar(calendar);
            if fires_now { after.next_after(now) } else { after.at_or_after(moved.next.unwrap_or(now)) }
        }
    };
    if fires_now {
        let coalesced = skip(occurrences, due, plus_millis(last, -1), SkipReason::Coalesced);
        FiringPlan { rebase, ..FiringPlan::fires(last, next_fire_at).with_skipped(coalesced) }
    } else {
        let skipped = skip(occurrences, due, now, SkipReason::Misfire);
        FiringPlan { rebase, ..FiringPlan::quiet(next_fire_at).with_skipped(skipped) }
    }
}

fn rebase_of(
    trigger: &StoredTrigger,
    moved: &misfire::Misfired,
    fires_now: bool,
    now: Timestamp,
) -> Option<Rebase> {
    let Schedule::Simple(simple) = trigger.schedule() else { return None };
    let repeat = moved.repeat.unwrap_or(simple.repeat());
    if moved.start == trigger.anchor && repeat == simple.repeat() {
        return None;
    }
    // The moved schedule's instant at `now`, if it has one, is the fire that is made for what was missed.
    let accounted_from = if fires_now { plus_millis(now, 1) } else { moved.start };
    Some(Rebase {
        start: moved.start,
        schedule: Schedule::Simple(simple.with_repeat(repeat)),
        accounted_from: Some(accounted_from),
    })
}

/// Decides what a due trigger does while its job is busy and the job's overlap policy is to skip: the instants
/// up to `now` are given up.
pub fn plan_overlap(trigger: &StoredTrigger, calendar: Option<&Calendar>, now: Timestamp) -> FiringPlan {
    give_up(trigger, calendar, now, SkipReason::Overlap)
}

/// Decides what a due trigger does while no live node can run its job's kind and such instants are to be skipped: nothing
/// until its misfire threshold has passed, then the instants up to `now` are given up. Pending runs wait, since somebody
/// asked for each of them.
pub fn plan_expired(trigger: &StoredTrigger, calendar: Option<&Calendar>, now: Timestamp) -> FiringPlan {
    let late_ms = trigger.next_fire_at.map_or(0, |due| millis_between(due, now));
    let on_time = u64::try_from(late_ms).map_or(true, |late| late <= trigger.misfire_threshold_ms());
    if on_time || trigger.state != TriggerState::Waiting {
        return FiringPlan::unchanged(trigger);
    }
    give_up(trigger, calendar, now, SkipReason::Expired)
}

/// Decides what becomes of the instants that passed while a trigger was paused, when it is resumed.
///
/// A policy that fires now leaves the latest instant due, so that the claim makes one fire for it, and gives up
/// those before it; one that ignores misfires leaves all of them due; any other gives all of them up.
pub fn plan_resume(trigger: &StoredTrigger, calendar: Option<&Calendar>, now: Timestamp) -> FiringPlan {
    let Some(due) = trigger.next_fire_at.filter(|due| *due <= now) else {
        return FiringPlan::unchanged(trigger);
    };
    let policy = trigger.definition.misfire.resolve(trigger.schedule());
    // The claim decides about those by the policy's own bounds.
    let left_due = match policy {
        MisfirePolicy::IgnoreMisfires | MisfirePolicy::All(_) | MisfirePolicy::Once(Keep::Earliest) => true,
        _ => trigger.pending.is_some(),
    };
    if left_due {
        return FiringPlan::quiet(Some(due));
    }
    if matches!(
        policy,
        MisfirePolicy::FireOnceNow | MisfirePolicy::FireNow | MisfirePolicy::Once(Keep::Latest)
    ) {
        let occurrences = trigger.occurrences(calendar);
        let Some(last) = occurrences.count(due, now).last else {
            return FiringPlan::quiet(occurrences.next_after(now));
        };
        let skipped = skip(&occurrences, due, plus_millis(last, -1), SkipReason::Paused);
        return FiringPlan::quiet(Some(last)).with_skipped(skipped);
    }
    give_up(trigger, calendar, now, SkipReason::Paused)
}

/// Gives up every unaccounted instant up to `now`, for `reason`.
pub fn give_up(
    trigger: &StoredTrigger,
    calendar: Option<&Calendar>,
    now: Timestamp,
    reason: SkipReason,
) -> FiringPlan {
    let Some(due) = trigger.next_fire_at.filter(|due| *due <= now && trigger.pending.is_none()) else {
        return FiringPlan::unchanged(trigger);
    };
    let occurrences = trigger.occurrences(calendar);
    let skipped = skip(&occurrences, due, now, reason);
    if let Schedule::FixedDelay(delay) = trigger.schedule() {
        return plan_delay(trigger, delay, calendar, now).with_skipped(skipped);
    }
    FiringPlan::quiet(occurrences.next_after(now)).with_skipped(skipped)
}

/// Decides when a trigger that waited for the end of its run ([`StoredTrigger::awaits_end`]) fires next; the run
/// ended at `ended_at`. A plan without a next fire time says that the trigger is complete.
pub fn plan_ended(trigger: &StoredTrigger, calendar: Option<&Calendar>, ended_at: Timestamp) -> FiringPlan {
    match trigger.schedule() {
        Schedule::FixedDelay(delay) if trigger.awaits_end() => plan_delay(trigger, delay, calendar, ended_at),
        _ => FiringPlan::unchanged(trigger),
    }
}

/// One instant is done at `from`: the next one is a delay away, if repeats are left.
fn plan_delay(
    trigger: &StoredTrigger,
    delay: &FixedDelay,
    calendar: Option<&Calendar>,
    from: Timestamp,
) -> FiringPlan {
    let repeat = match delay.repeat() {
        Repeat::Forever => Repeat::Forever,
        Repeat::Times(0) => return FiringPlan::quiet(None),
        Repeat::Times(left) => Repeat::Times(left - 1),
    };
    let next = plus_millis(from, i64::try_from(delay.delay_ms()).unwrap_or(i64::MAX));
    let next = calendar.map_or(Some(next), |calendar| calendar.next_included(next));
    let next = next.filter(|next| trigger.definition.end.is_none_or(|end| *next < end));
    let rebase = next.map(|start| Rebase {
        start,
        schedule: Schedule::FixedDelay(delay.with_repeat(repeat)),
        accounted_from: None,
    });
    FiringPlan { rebase, ..FiringPlan::quiet(next) }
}

/// Writes a plan made at `now` into the trigger's own fields. The caller writes the fire and the skips.
pub fn advance(trigger: &mut StoredTrigger, plan: &FiringPlan) {
    trigger.fired += u64::from(plan.fire.is_some()) + plan.later.len() as u64;
    trigger.skipped += plan.skipped.iter().map(|skip| skip.count).sum::<u64>();
    if plan.fire.is_some() {
        trigger.previous_fire_at = plan.fire;
    }
    trigger.next_fire_at = plan.next_fire_at;
    trigger.state = plan.state();
    if let Some(rebase) = &plan.rebase {
        trigger.anchor = rebase.start;
        let moved = rebase.schedule != trigger.definition.schedule;
        trigger.rebased = moved.then(|| rebase.schedule.clone());
        if let Some(from) = rebase.accounted_from {
            (trigger.accounted_from, trigger.fired, trigger.skipped) = (from, 0, 0);
        }
    }
}
