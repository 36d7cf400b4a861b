//! Where a trigger stands after a misfire, and how it goes on.

use punctual_core::MisfirePolicy;
use punctual_core::schedule::Repeat;
use punctual_core::schedule::misfire::{self, MisfireState, Misfired};

use super::*;

/// So many fire times follow the next one in an answer.
const FOLLOWING: usize = 5;

pub(super) fn answer(dst: Dst, case: &Object) -> Result<Value, Refusal> {
    let trigger = part(case, "trigger")?;
    let (schedule, window) = (trigger::schedule(dst, trigger)?, trigger::window(trigger)?);
    let policy = policy(text(case, "instruction")?)?;
    policy.check(&schedule).map_err(|error| format!("instruction: {error}"))?;
    let state = part(case, "state")?;
    let times = field(state, "times_triggered")?;
    let state = MisfireState {
        times_triggered: times
            .as_u64()
            .ok_or_else(|| format!("times_triggered: is a whole number from 0 on, not {times}"))?,
        previous: instant_or_none(state, "previous")?,
        next: instant(state, "next")?,
    };
    let moved = misfire::apply(&schedule, &window, None, policy, &state, instant(case, "now")?);

    let mut answer = json!({ "next": printed_or_null(moved.next) });
    if !matches!(schedule, Schedule::Cron(_)) {
        answer["times_triggered"] = json!(moved.times_triggered);
    }
    if let Some(repeat) = moved.repeat {
        answer["repeat_count"] = json!(i64::from(repeat));
    }
    answer["start"] = Value::from(match schedule {
        // A cron trigger drops the milliseconds of its start.
        Schedule::Cron(_) => {
            printed(Timestamp::from_second(whole_second(moved.start)).unwrap_or(moved.start))
        }
        _ => printed(moved.start),
    });
    let then = following(&schedule, window, &moved);
    answer["then"] = then.into_iter().map(printed).collect();
    Ok(answer)
}

fn whole_second(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(1000)
}

/// The name of Quartz's constant, or the name in JSON.
fn policy(instruction: &str) -> Result<MisfirePolicy, Refusal> {
    let name = match instruction {
        "SMART_POLICY" => "smart",
        "IGNORE_MISFIRE_POLICY" => "ignore_misfires",
        "RESCHEDULE_NOW_WITH_EXISTING_REPEAT_COUNT" => "reschedule_now_with_existing_count",
        "RESCHEDULE_NOW_WITH_REMAINING_REPEAT_COUNT" => "reschedule_now_with_remaining_count",
        other => &other.to_ascii_lowercase(),
    };
    serde_json::from_value(Value::from(name)).map_err(|_| {
        format!(
            "instruction: {instruction:?} is not the name of a misfire instruction such as \"FIRE_ONCE_NOW\""
        )
    })
}

/// The fire times after the next one while every firing happens in time. A trigger ends with its repeats used up,
/// those counted that had fired before.
fn following(schedule: &Schedule, window: Window, moved: &Misfired) -> Vec<Timestamp> {
    let window = Window { start: moved.start, end: window.end };
    let schedule = match (schedule, moved.repeat) {
        (Schedule::Simple(simple), Some(repeat)) => Schedule::Simple(simple.with_repeat(repeat)),
        // What counts is how often it has fired, not the instants since the start.
        (Schedule::DailyTimeInterval(daily), _) => {
            Schedule::DailyTimeInterval(daily.clone().with_repeat(Repeat::Forever))
        }
        _ => schedule.clone(),
    };
    let left = match moved.repeat {
        Some(Repeat::Times(times)) => u64::from(times).saturating_sub(moved.times_triggered),
        _ => u64::MAX,
    };
    let occurrences = Occurrences::new(&schedule, window);
    let Some(next) = moved.next else { return Vec::new() };
    let limit = usize::try_from(left).map_or(FOLLOWING, |left| left.min(FOLLOWING));
    std::iter::successors(occurrences.next_after(next), |at| occurrences.next_after(*at))
        .take(limit)
        .collect()
}
