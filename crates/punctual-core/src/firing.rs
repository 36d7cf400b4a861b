//! The firing decision: what a due trigger does now.

use jiff::Timestamp;
use punctual_schedule::{Calendar, MisfirePolicy, Occurrences, Schedule, misfire};
use serde::{Deserialize, Serialize};

use crate::time::millis_between;
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
    /// The trigger's next fire time; `None` when its schedule has ended.
    pub next_fire_at: Option<Timestamp>,
    /// The present definition's schedule moved, as some of Quartz's instructions for simple triggers demand.
    pub rebase: Option<Rebase>,
}

/// A schedule that a misfire instruction moved: from `start` on, the trigger follows `schedule`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebase {
    /// The new anchor.
    pub start: Timestamp,
    /// The schedule from there, with its repeat count adjusted.
    pub schedule: Schedule,
    /// The first instant of the moved schedule that is still to be accounted for lies at or after this.
    pub accounted_from: Timestamp,
}

impl FiringPlan {
    fn quiet(next_fire_at: Option<Timestamp>) -> Self {
        Self { fire: None, skipped: Vec::new(), next_fire_at, rebase: None }
    }

    /// The state that the trigger takes.
    pub fn state(&self) -> TriggerState {
        if self.next_fire_at.is_some() { TriggerState::Waiting } else { TriggerState::Complete }
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
/// * policies that fire now make **one** fire, for the *latest* instant at or before `now`; the earlier ones
///   are coalesced into it;
/// * policies that do nothing give up every instant up to `now`;
/// * `ignore_misfires` fires for each instant in turn, as if on time.
pub fn plan(trigger: &StoredTrigger, calendar: Option<&Calendar>, now: Timestamp) -> FiringPlan {
    let Some(due) = trigger.next_fire_at.filter(|due| *due <= now) else {
        return FiringPlan::quiet(trigger.next_fire_at);
    };
    if trigger.pending.is_some() {
        return FiringPlan { fire: Some(due), ..FiringPlan::quiet(None) };
    }
    let occurrences = trigger.occurrences(calendar);
    let late_ms = millis_between(due, now);
    let on_time = u64::try_from(late_ms).is_ok_and(|late| late <= trigger.misfire_threshold_ms());
    let policy = trigger.definition.misfire.resolve(trigger.schedule());
    if on_time || policy == MisfirePolicy::IgnoreMisfires {
        return FiringPlan { fire: Some(due), ..FiringPlan::quiet(occurrences.next_after(due)) };
    }
    plan_misfire(trigger, &occurrences, calendar, policy, due, now)
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
        let before = crate::time::plus_millis(last, -1);
        let coalesced = skip(occurrences, due, before, SkipReason::Coalesced);
        FiringPlan { fire: Some(last), skipped: coalesced.into_iter().collect(), next_fire_at, rebase }
    } else {
        let skipped = skip(occurrences, due, now, SkipReason::Misfire);
        FiringPlan { fire: None, skipped: skipped.into_iter().collect(), next_fire_at, rebase }
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
    let accounted_from = if fires_now { crate::time::plus_millis(now, 1) } else { moved.start };
    Some(Rebase {
        start: moved.start,
        schedule: Schedule::Simple(simple.with_repeat(repeat)),
        accounted_from,
    })
}

/// Decides what a due trigger does while its job is busy and the job's overlap policy is to skip: the instants
/// up to `now` are given up.
pub fn plan_overlap(trigger: &StoredTrigger, calendar: Option<&Calendar>, now: Timestamp) -> FiringPlan {
    give_up(trigger, calendar, now, SkipReason::Overlap)
}

/// Decides what becomes of the instants that passed while a trigger was paused, when it is resumed.
///
/// A policy that fires now leaves the latest instant due, so that the claim makes one fire for it, and gives up
/// those before it; one that ignores misfires leaves all of them due; any other gives all of them up.
pub fn plan_resume(trigger: &StoredTrigger, calendar: Option<&Calendar>, now: Timestamp) -> FiringPlan {
    let Some(due) = trigger.next_fire_at.filter(|due| *due <= now) else {
        return FiringPlan::quiet(trigger.next_fire_at);
    };
    let policy = trigger.definition.misfire.resolve(trigger.schedule());
    if trigger.pending.is_some() || policy == MisfirePolicy::IgnoreMisfires {
        return FiringPlan::quiet(Some(due));
    }
    if matches!(policy, MisfirePolicy::FireOnceNow | MisfirePolicy::FireNow) {
        let occurrences = trigger.occurrences(calendar);
        let Some(last) = occurrences.count(due, now).last else {
            return FiringPlan::quiet(occurrences.next_after(now));
        };
        let before = crate::time::plus_millis(last, -1);
        let skipped = skip(&occurrences, due, before, SkipReason::Paused);
        return FiringPlan { skipped: skipped.into_iter().collect(), ..FiringPlan::quiet(Some(last)) };
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
        return FiringPlan::quiet(trigger.next_fire_at);
    };
    let occurrences = trigger.occurrences(calendar);
    let skipped = skip(&occurrences, due, now, reason);
    FiringPlan { skipped: skipped.into_iter().collect(), ..FiringPlan::quiet(occurrences.next_after(now)) }
}

/// Writes a plan made at `now` into the trigger's own fields. The caller writes the fire and the skips.
pub fn advance(trigger: &mut StoredTrigger, plan: &FiringPlan) {
    trigger.fired += u64::from(plan.fire.is_some());
    trigger.skipped += plan.skipped.iter().map(|skip| skip.count).sum::<u64>();
    if plan.fire.is_some() {
        trigger.previous_fire_at = plan.fire;
    }
    trigger.next_fire_at = plan.next_fire_at;
    trigger.state = plan.state();
    if let Some(rebase) = &plan.rebase {
        trigger.anchor = rebase.start;
        trigger.accounted_from = rebase.accounted_from;
        trigger.rebased = Some(rebase.schedule.clone());
        trigger.fired = 0;
        trigger.skipped = 0;
    }
}
