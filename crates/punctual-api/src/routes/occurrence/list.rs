//! `GET /api/v1/occurrences`: what ran, what was skipped and what is coming in a window.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::State;
use jiff::SignedDuration;
use punctual_core::{
    Calendar, HistoryQuery, HistorySort, JobKey, Paging, SkippedQuery, Timestamp, TriggerKey, TriggerQuery,
};
use punctual_engine::TriggerInfo;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::Instant;
use crate::types::occurrence::{Occurrence, Occurrences, OfTrigger};
use crate::types::trigger::state as state_word;

/// The most occurrences of one trigger.
const OF_TRIGGER: usize = 400;

/// The most occurrences of an answer.
const IN_ALL: usize = 25_000;

/// The longest window over all triggers, in days.
const DAYS_OF_ALL: i64 = 14;

/// So many triggers are looked at before other requests get their turn.
const PIECE: usize = 100;

/// What ran, what was skipped and what is coming in a window
///
/// Of one trigger, of one job, or of all.
#[utoipa::path(
    get,
    path = "/api/v1/occurrences",
    operation_id = "list_occurrences",
    tag = "account",
    params(
        ("from" = Instant, Query, description = "The first instant, inclusive"),
        ("to" = Instant, Query, description = "The last instant, inclusive; at most 14 days after `from`, unless a trigger or a job is named"),
        ("trigger" = Option<String>, Query, description = "Only of this trigger (`GROUP.NAME`)"),
        ("trigger_group" = Option<String>, Query, description = "The group of `trigger`, where that has dots"),
        ("job" = Option<String>, Query, description = "Only of this job (`GROUP.NAME`)"),
        ("job_group" = Option<String>, Query, description = "The group of `job`, where that has dots"),
    ),
    responses((status = 200, description = "By trigger", body = Occurrences))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Json<Occurrences>, ApiError> {
    let (from, to) = (params.instant("from"), params.instant("to"));
    let (trigger, job) = (params.trigger(), params.job());
    let (Some(from), Some(to)) = (from, to) else {
        return Err(params.missing([("from", from.is_none()), ("to", to.is_none())]));
    };
    params.finish()?;
    if to < from {
        return Err(ApiError::parameter("to", "is before `from`"));
    }
    let of_all = trigger.is_none() && job.is_none();
    if of_all && from.duration_until(to) > SignedDuration::from_hours(24 * DAYS_OF_ALL) {
        let message =
            format!("is more than {DAYS_OF_ALL} days after `from`: name a trigger or a job, or take less");
        return Err(ApiError::parameter("to", message));
    }
    let mut found = Found::default();
    let scope = Scope { from, to, trigger, job };
    found.read(&state, &scope).await?;
    found.look_ahead(&state, &scope).await?;
    Ok(Json(found.answer(&scope, state.scheduler.clock().now())))
}

/// What was asked for.
struct Scope {
    from: Timestamp,
    to: Timestamp,
    trigger: Option<TriggerKey>,
    job: Option<JobKey>,
}

#[derive(Default)]
struct Found {
    triggers: BTreeMap<TriggerKey, Of>,
    total: usize,
    truncated: bool,
}

#[derive(Default)]
struct Of {
    job: Option<JobKey>,
    state: Option<&'static str>,
    occurrences: Vec<Occurrence>,
    truncated: bool,
}

impl Found {
    /// Whether there is room for one more.
    fn room(&mut self) -> bool {
        self.truncated |= self.total >= IN_ALL;
        self.total < IN_ALL
    }

    fn add(&mut self, key: &TriggerKey, job: Option<&JobKey>, occurrence: Occurrence) {
        if !self.room() {
            return;
        }
        let of = self.triggers.entry(key.clone()).or_default();
        of.job = of.job.take().or_else(|| job.cloned());
        of.occurrences.push(occurrence);
        self.total += 1;
    }

    /// What the store tells about the window: runs, and ranges that were skipped.
    async fn read(&mut self, state: &ApiState, scope: &Scope) -> Result<(), ApiError> {
        let paging = Paging::first(IN_ALL as u64 + 1);
        let runs = HistoryQuery {
            trigger: scope.trigger.clone(),
            job: scope.job.clone(),
            scheduled_from: Some(scope.from),
            scheduled_to: Some(scope.to),
            brief: true,
            sort: HistorySort::StartedAt,
            descending: false,
            paging,
            ..HistoryQuery::default()
        };
        for row in state.scheduler.store().history(&runs).await?.rows {
            if let (Some(key), Some(at)) = (&row.trigger, row.scheduled_at) {
                self.add(key, row.job.as_ref(), Occurrence::ran(at, &row));
            }
        }
        let skipped = SkippedQuery {
            trigger: scope.trigger.clone(),
            job: scope.job.clone(),
            from: Some(scope.from),
            to: Some(scope.to),
            paging,
            ..SkippedQuery::default()
        };
        for range in state.scheduler.store().skipped(&skipped).await?.rows {
            self.add(&range.trigger, Some(&range.job), Occurrence::skipped(&range));
        }
        Ok(())
    }

    /// What is due or coming, of the triggers as they are.
    async fn look_ahead(&mut self, state: &ApiState, scope: &Scope) -> Result<(), ApiError> {
        let store = state.scheduler.store();
        let triggers = match &scope.trigger {
            Some(key) => store.trigger(key).await?.into_iter().collect(),
            None => {
                let query = TriggerQuery { job: scope.job.clone(), ..TriggerQuery::default() };
                store.triggers(&query).await?.rows
            }
        };
        let calendars: HashMap<String, Calendar> =
            store.calendars().await?.into_iter().map(|stored| (stored.name, stored.calendar)).collect();
        let now = state.scheduler.clock().now();
        for (number, info) in state.scheduler.describe(triggers).await?.into_iter().enumerate() {
            if number % PIECE == PIECE - 1 {
                tokio::task::yield_now().await;
            }
            if scope.job.as_ref().is_none_or(|job| info.trigger.definition.job == *job) {
                self.ahead_of(&info, &calendars, scope, now);
            }
        }
        Ok(())
    }

    fn ahead_of(
        &mut self,
        info: &TriggerInfo,
        calendars: &HashMap<String, Calendar>,
        scope: &Scope,
        now: Timestamp,
    ) {
        let stored = &info.trigger;
        let key = &stored.definition.key;
        // Nothing is known of what lies beyond an event, the end of a run, or an error.
        if let Some(next) = stored.next_fire_at.filter(|_| stored.error.is_none()) {
            let calendar = stored.definition.calendar.as_ref().and_then(|name| calendars.get(name));
            let occurrences = stored.occurrences(calendar);
            let ahead = occurrences.upcoming(next.max(scope.from)).take_while(|at| *at <= scope.to);
            for at in ahead.take(OF_TRIGGER + 1) {
                self.add(key, Some(&stored.definition.job), Occurrence::ahead(at, now));
                if self.truncated {
                    break;
                }
            }
        }
        if let Some(of) = self.triggers.get_mut(key) {
            of.state = Some(state_word(info.state));
        }
    }

    fn answer(self, scope: &Scope, now: Timestamp) -> Occurrences {
        let cut = |(key, mut of): (TriggerKey, Of)| {
            of.occurrences.sort_by_key(|occurrence| occurrence.at.0);
            of.truncated = of.occurrences.len() > OF_TRIGGER;
            of.occurrences.truncate(OF_TRIGGER);
            OfTrigger {
                trigger: key.to_string(),
                job: of.job.map(|job| job.to_string()),
                state: of.state,
                occurrences: of.occurrences,
                truncated: of.truncated,
            }
        };
        Occurrences {
            from: scope.from.into(),
            to: scope.to.into(),
            now: now.into(),
            triggers: self.triggers.into_iter().map(cut).collect(),
            truncated: self.truncated,
        }
    }
}
