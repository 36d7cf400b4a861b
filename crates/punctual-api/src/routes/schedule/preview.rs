//! `POST /api/v1/schedules/preview`: what a schedule would do, and how that differs from another one.

use std::cmp::Ordering;

use axum::Json;
use axum::extract::State;
use jiff::SignedDuration;
use punctual_core::schedule::{Occurrences, Window};
use punctual_core::time::whole_millis;
use punctual_core::{Calendar, Schedule, Timestamp};

use crate::ApiState;
use crate::definition;
use crate::error::ApiError;
use crate::extract::Body;
use crate::params::Params;
use crate::types::preview::{Against, Difference, Fire, Preview, PreviewRequest};

const COUNT: u32 = 10;
const MOST: u32 = 1_000;

/// A comparison looks at so many fire times of each side at most.
const COMPARED: usize = 5_000;

/// What a schedule would do
///
/// Stores nothing.
#[utoipa::path(
    post,
    path = "/api/v1/schedules/preview",
    operation_id = "preview_schedule",
    tag = "definitions",
    request_body = PreviewRequest,
    responses((status = 200, description = "Its fire times", body = Preview))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    params: Params,
    Body(request): Body<PreviewRequest>,
) -> Result<Json<Preview>, ApiError> {
    params.finish()?;
    let schedule = definition::schedule(&request.schedule)?;
    // Stores keep whole milliseconds.
    let after = request.after.unwrap_or_else(|| whole_millis(state.scheduler.clock().now()));
    let count = request.count.unwrap_or(COUNT);
    if !(1..=MOST).contains(&count) {
        return Err(ApiError::parameter("count", format!("must be a whole number from 1 to {MOST}")));
    }
    let window = window(request.start.unwrap_or(after), request.end)?;
    let calendar = calendar(&state, request.calendar.as_deref()).await?;
    let occurrences = Occurrences::new(&schedule, window).with_calendar(calendar.as_ref());
    let fire = |at| Fire::at(&schedule, at);
    let mut preview = Preview::of(&schedule);
    // What begins when it is stored may fire at once, as after a `PUT` without a start.
    let has_passed = |at: Timestamp| at < after || (at == after && request.start.is_some());
    preview.fires =
        occurrences.upcoming(after).skip_while(|at| has_passed(*at)).take(count as usize).map(fire).collect();
    let now = Some(after).filter(|at| has_passed(*at) && occurrences.contains(*at));
    preview.previous = now.or_else(|| occurrences.prev_before(after)).map(fire);
    if !matches!(schedule, Schedule::FixedDelay(_)) {
        preview.last = occurrences.last().map(fire);
    }
    if let Some(against) = &request.against {
        preview.difference =
            Some(difference(&state, &occurrences, against, window, calendar.as_ref(), after).await?);
    }
    Ok(Json(preview))
}

fn window(start: Timestamp, end: Option<Timestamp>) -> Result<Window, ApiError> {
    Window::new(start, end).map_err(|error| ApiError::parameter("end", error.to_string()))
}

async fn calendar(state: &ApiState, name: Option<&str>) -> Result<Option<Calendar>, ApiError> {
    let Some(name) = name else { return Ok(None) };
    match state.scheduler.store().calendar(name).await? {
        Some(stored) => Ok(Some(stored.calendar)),
        None => Err(ApiError::no_such("calendar", name)),
    }
}

async fn difference(
    state: &ApiState,
    new: &Occurrences<'_>,
    against: &Against,
    window: Window,
    new_calendar: Option<&Calendar>,
    after: Timestamp,
) -> Result<Difference, ApiError> {
    let from = against.from.unwrap_or(after);
    let week = SignedDuration::from_hours(7 * 24);
    let to = against.to.unwrap_or_else(|| from.checked_add(week).unwrap_or(Timestamp::MAX));
    if to < from {
        return Err(ApiError::parameter("against.to", "is before `from`"));
    }
    match (&against.trigger, &against.schedule) {
        (Some(key), None) => {
            let key = key.trigger()?;
            let stored = state.scheduler.store().trigger(&key).await?;
            let stored = stored.ok_or_else(|| ApiError::no_such("trigger", &key))?;
            let calendar = calendar(state, stored.definition.calendar.as_deref()).await?;
            Ok(compare(new, &stored.occurrences(calendar.as_ref()), from, to))
        }
        (None, Some(old)) => {
            let old = definition::schedule(old)?;
            let old = Occurrences::new(&old, window).with_calendar(new_calendar);
            Ok(compare(new, &old, from, to))
        }
        _ => Err(ApiError::parameter("against", "needs one of trigger and schedule")),
    }
}

fn compare(new: &Occurrences<'_>, old: &Occurrences<'_>, from: Timestamp, to: Timestamp) -> Difference {
    let mut difference = Difference {
        from: from.into(),
        to: to.into(),
        added: Vec::new(),
        removed: Vec::new(),
        kept: 0,
        truncated: false,
        compared_until: to.into(),
    };
    let within = |at: &Timestamp| *at <= to;
    let mut at = [new.at_or_after(from).filter(within), old.at_or_after(from).filter(within)];
    for _ in 0..COMPARED {
        let (next_new, next_old) = (at[0], at[1]);
        let order = match (next_new, next_old) {
            (None, None) => return difference,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(new), Some(old)) => new.cmp(&old),
        };
        match order {
            Ordering::Less => difference.added.extend(next_new.map(crate::types::Instant)),
            Ordering::Greater => difference.removed.extend(next_old.map(crate::types::Instant)),
            Ordering::Equal => difference.kept += 1,
        }
        if order != Ordering::Greater {
            at[0] = next_new.and_then(|at| new.next_after(at)).filter(within);
        }
        if order != Ordering::Less {
            at[1] = next_old.and_then(|at| old.next_after(at)).filter(within);
        }
    }
    if let Some(next) = at.into_iter().flatten().min() {
        difference.truncated = true;
        difference.compared_until = next.into();
    }
    difference
}
