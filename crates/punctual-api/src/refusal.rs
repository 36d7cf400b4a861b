//! Why a change was refused, as a problem.

use axum::http::StatusCode;
use punctual_core::{ChangeError, StoreError};
use punctual_engine::SchedulerError;
use serde_json::json;

use crate::error::{ApiError, Problem};

impl From<SchedulerError> for ApiError {
    fn from(error: SchedulerError) -> Self {
        match error {
            SchedulerError::Store(StoreError::Change(refused)) => problem(&refused).into(),
            SchedulerError::Store(failed) => failed.into(),
            data => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-data", data.to_string()).into(),
        }
    }
}

fn problem(error: &ChangeError) -> Problem {
    const CONFLICT: StatusCode = StatusCode::CONFLICT;
    const SEMANTIC: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    let (status, code) = match error {
        ChangeError::NoSuchJob(_) => (StatusCode::NOT_FOUND, "no-such-job"),
        ChangeError::TriggerOfAnotherJob { .. } => (CONFLICT, "trigger-of-another-job"),
        ChangeError::TriggerExists(_) => (CONFLICT, "already-exists"),
        ChangeError::CalendarInUse { .. } => (CONFLICT, "calendar-in-use"),
        ChangeError::Stale { .. } => (CONFLICT, "version-conflict"),
        ChangeError::NeverFires(_) => (SEMANTIC, "never-fires"),
        ChangeError::InvalidTrigger(..) => (SEMANTIC, "invalid-trigger"),
        ChangeError::InvalidJob(..) | ChangeError::NeitherDurableNorTriggered(_) => (SEMANTIC, "invalid-job"),
        ChangeError::InvalidCalendarName(_) | ChangeError::CalendarExcludesAll { .. } => {
            (SEMANTIC, "invalid-calendar")
        }
        ChangeError::InvalidEventName(_) => (SEMANTIC, "invalid-event"),
        _ => (CONFLICT, "refused"),
    };
    let problem = Problem::new(status, code, error.to_string());
    match error {
        ChangeError::Stale { expected, current } => problem
            .with("sent_version", json!(expected.fingerprint().map(|version| version.to_string())))
            .with("current_version", json!(current.map(|version| version.to_string()))),
        _ => problem,
    }
}
