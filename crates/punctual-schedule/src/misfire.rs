//! What becomes of a trigger whose fire time has passed by more than the threshold: the policies of Quartz, and three of
//! Punctual's own for every kind of schedule.

mod catch_up;

pub use catch_up::{CatchUp, Keep};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::error::ScheduleError;
use crate::interval::Repeat;
use crate::occurrences::{Occurrences, Window};
use crate::schedule::Schedule;

/// What to do about a misfire. Most names are those of Quartz's instructions.
///
/// | policy | once, simple | cron, recurrence rule | calendar interval, daily time interval, fixed delay |
/// | --- | --- | --- | --- |
/// | `Smart` | fires once: `FireNow`; repeats for ever: `RescheduleNextWithRemainingCount`; else `RescheduleNowWithExistingCount` | `FireOnceNow` | `FireOnceNow` |
/// | `IgnoreMisfires` | yes | yes | yes |
/// | `FireOnceNow` | | yes | yes |
/// | `DoNothing` | | yes | yes |
/// | `FireNow` and the `Reschedule...` | yes | | |
/// | `Skip`, `Once`, `All` | yes | yes | yes |
///
/// In JSON a name, or for the last two an object: `"skip"`, `{"once":"latest"}`,
/// `{"all":{"window_ms":3600000,"max_count":10,"spacing_ms":1000}}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MisfirePolicy {
    /// What suits the kind of schedule; see the table above.
    #[default]
    Smart,
    /// Fire once now for all that was missed, then go on as scheduled.
    FireOnceNow,
    /// Leave out what was missed.
    DoNothing,
    /// Run everything that was missed, as fast as it can be run.
    IgnoreMisfires,
    /// Fire now. For a schedule that repeats the same as `RescheduleNowWithRemainingCount`.
    FireNow,
    /// Start anew now, with the repeats that have not been fired yet.
    RescheduleNowWithExistingCount,
    /// Start anew now, with the repeats that remain after those that were missed.
    RescheduleNowWithRemainingCount,
    /// Go on at the next scheduled instant; what was missed counts as fired.
    RescheduleNextWithRemainingCount,
    /// Go on at the next scheduled instant; what was missed does not count as fired.
    RescheduleNextWithExistingCount,
    /// Leave out what was missed, whatever the kind of schedule.
    Skip,
    /// Fire once now, for the earliest or the latest missed instant; it stands for the others.
    Once(Keep),
    /// Run what was missed one by one, within bounds; what lies beyond them is left out.
    All(CatchUp),
}

use MisfirePolicy::{
    All, DoNothing, FireNow, FireOnceNow, IgnoreMisfires, Once, RescheduleNextWithExistingCount,
    RescheduleNextWithRemainingCount, RescheduleNowWithExistingCount, RescheduleNowWithRemainingCount, Skip,
    Smart,
};

const FOR_SIMPLE: &[MisfirePolicy] = &[
    Smart,
    IgnoreMisfires,
    FireNow,
    RescheduleNowWithExistingCount,
    RescheduleNowWithRemainingCount,
    RescheduleNextWithRemainingCount,
    RescheduleNextWithExistingCount,
];
const FOR_OTHERS: &[MisfirePolicy] = &[Smart, IgnoreMisfires, FireOnceNow, DoNothing];

impl MisfirePolicy {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Smart => "smart",
            FireOnceNow => "fire_once_now",
            DoNothing => "do_nothing",
            IgnoreMisfires => "ignore_misfires",
            FireNow => "fire_now",
            RescheduleNowWithExistingCount => "reschedule_now_with_existing_count",
            RescheduleNowWithRemainingCount => "reschedule_now_with_remaining_count",
            RescheduleNextWithRemainingCount => "reschedule_next_with_remaining_count",
            RescheduleNextWithExistingCount => "reschedule_next_with_existing_count",
            Skip => "skip",
            Once(_) => "once",
            All(_) => "all",
        }
    }

    /// The policies of Quartz that a schedule knows, `Smart` first. Every schedule knows `Skip`, `Once` and `All` besides.
    pub fn allowed(schedule: &Schedule) -> &'static [Self] {
        match schedule {
            Schedule::Once | Schedule::Simple(_) => FOR_SIMPLE,
            Schedule::Cron(_)
            | Schedule::CalendarInterval(_)
            | Schedule::DailyTimeInterval(_)
            | Schedule::Rrule(_)
            | Schedule::FixedDelay(_)
            | Schedule::Event(_) => FOR_OTHERS,
        }
    }

    /// Checks that the policy is one for this kind of schedule.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Misfire`], which names those that are.
    pub fn check(self, schedule: &Schedule) -> Result<(), ScheduleError> {
        let allowed = Self::allowed(schedule);
        if matches!(self, Skip | Once(_) | All(_)) || allowed.contains(&self) {
            return Ok(());
        }
        let names: Vec<_> =
            allowed.iter().map(|policy| policy.as_str()).chain(["skip", "once", "all"]).collect();
        Err(ScheduleError::Misfire {
            policy: self.as_str(),
            kind: schedule.kind(),
            allowed: names.join(", "),
        })
    }

    /// The policy in force: what `Smart` means for this schedule, and `FireNow` for one that repeats.
    #[must_use]
    pub fn resolve(self, schedule: &Schedule) -> Self {
        let repeat = match schedule {
            Schedule::Once => Repeat::Times(0),
            Schedule::Simple(simple) => simple.repeat(),
            _ if self == Smart => return FireOnceNow,
            _ => return self,
        };
        match (self, repeat) {
            (Smart, Repeat::Times(0)) => FireNow,
            (Smart, Repeat::Forever) => RescheduleNextWithRemainingCount,
            (Smart, Repeat::Times(_)) => RescheduleNowWithExistingCount,
            (FireNow, Repeat::Forever | Repeat::Times(1..)) => RescheduleNowWithRemainingCount,
            _ => self,
        }
    }
}

/// Where a trigger stood when its misfire was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MisfireState {
    /// Firings so far.
    pub times_triggered: u64,
    /// The last one.
    pub previous: Option<Timestamp>,
    /// The fire time that has passed.
    pub next: Timestamp,
}

/// Where the trigger stands after its policy has been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfired {
    /// The next fire time: `now` where the policy fires now, the overdue instant itself where misfires are ignored,
    /// `None` where nothing is left.
    pub next: Option<Timestamp>,
    /// Firings so far, as the policy counts them.
    pub times_triggered: u64,
    /// The window's start: `now` where the policy starts the schedule anew.
    pub start: Timestamp,
    /// The repeats that the schedule has from now on; `None` for kinds that do not count.
    pub repeat: Option<Repeat>,
}

/// Applies a misfire policy at `now`, exactly as Quartz's `updateAfterMisfire` does. (`Skip`, `Once` and `All`, which
/// Quartz does not have, count as `DoNothing`, `FireOnceNow` and `IgnoreMisfires` here.)
///
/// The caller decides that there is a misfire (`state.next` has passed by more than the threshold). A policy that is
/// not one for this kind of schedule ([`MisfirePolicy::check`]) counts as `Smart`.
pub fn apply(
    schedule: &Schedule,
    window: &Window,
    calendar: Option<&Calendar>,
    policy: MisfirePolicy,
    state: &MisfireState,
    now: Timestamp,
) -> Misfired {
    let policy = if policy.check(schedule).is_ok() { policy } else { Smart };
    let repeat = match schedule {
        Schedule::Once => Some(Repeat::Times(0)),
        Schedule::Simple(simple) => Some(simple.repeat()),
        Schedule::DailyTimeInterval(daily) => Some(daily.repeat()),
        Schedule::Cron(_)
        | Schedule::CalendarInterval(_)
        | Schedule::Rrule(_)
        | Schedule::FixedDelay(_)
        | Schedule::Event(_) => None,
    };
    let unchanged = Misfired {
        next: Some(state.next),
        times_triggered: state.times_triggered,
        start: window.start,
        repeat,
    };
    let following = || following(schedule, window, calendar, state, now);
    match policy.resolve(schedule) {
        IgnoreMisfires | All(_) => unchanged,
        FireOnceNow | FireNow | Once(_) => Misfired { next: Some(now), ..unchanged },
        DoNothing | Skip | RescheduleNextWithExistingCount => Misfired { next: following(), ..unchanged },
        RescheduleNextWithRemainingCount => {
            let next = following();
            let missed = next.map_or(0, |next| steps_between(schedule, state.next, next));
            Misfired { next, times_triggered: state.times_triggered.saturating_add(missed), ..unchanged }
        }
        RescheduleNowWithExistingCount => start_anew(window, unchanged, state.times_triggered, now),
        RescheduleNowWithRemainingCount => {
            let missed = steps_between(schedule, state.next, now);
            start_anew(window, unchanged, state.times_triggered.saturating_add(missed), now)
        }
        // `resolve` leaves no `Smart`.
        Smart => unchanged,
    }
}

/// The next scheduled instant after `now`, unless the trigger has used up its repeats.
fn following(
    schedule: &Schedule,
    window: &Window,
    calendar: Option<&Calendar>,
    state: &MisfireState,
    now: Timestamp,
) -> Option<Timestamp> {
    let used_up = |repeat: Repeat| repeat.firings().is_some_and(|firings| state.times_triggered >= firings);
    match schedule {
        Schedule::Simple(simple) if used_up(simple.repeat()) => None,
        Schedule::DailyTimeInterval(daily) => {
            // Quartz counts what has fired here, not the instants since the start.
            if used_up(daily.repeat()) {
                return None;
            }
            let unlimited = Schedule::DailyTimeInterval(daily.clone().with_repeat(Repeat::Forever));
            Occurrences::new(&unlimited, *window).with_calendar(calendar).next_after(now)
        }
        _ => Occurrences::new(schedule, *window).with_calendar(calendar).next_after(now),
    }
}

/// Whole intervals between two instants.
fn steps_between(schedule: &Schedule, from: Timestamp, to: Timestamp) -> u64 {
    match schedule {
        Schedule::Simple(simple) if simple.interval_ms() > 0 => {
            u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0) / simple.interval_ms()
        }
        _ => 0,
    }
}

/// Moves the start to `now`, with the repeats that are left after `used` of them.
fn start_anew(window: &Window, unchanged: Misfired, used: u64, now: Timestamp) -> Misfired {
    let mut moved = unchanged;
    if let Some(Repeat::Times(times @ 1..)) = unchanged.repeat {
        let left = u64::from(times).saturating_sub(used);
        moved.repeat = Some(Repeat::Times(u32::try_from(left).unwrap_or(u32::MAX)));
        moved.times_triggered = 0;
    }
    if window.end.is_some_and(|end| end < now) {
        moved.next = None;
    } else {
        moved.next = Some(now);
        moved.start = now;
    }
    moved
}
