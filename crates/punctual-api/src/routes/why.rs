//! `GET /api/v1/why`: what became of one instant of a trigger.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use jiff::Timestamp;
use punctual_engine::Fate;
use serde_json::{Value, json};

use crate::ApiState;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::types::instant;
use crate::types::task::{Skipped, Task};

pub(crate) async fn handler(
    State(state): State<ApiState>,
    Query(values): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(values, &["trigger", "at"]);
    let trigger = parameters.trigger_key("trigger");
    let at: Option<Timestamp> = parameters.parsed("at", "must be an instant such as 2026-03-29T01:00:00Z");
    for (name, missing) in [("trigger", trigger.is_none()), ("at", at.is_none())] {
        if missing && parameters.text(name).is_none() {
            parameters.refuse(name, "is required");
        }
    }
    parameters.finish()?;
    let (Some(trigger), Some(at)) = (trigger, at) else { return Err(Problem::NotFound) };
    let why = state.scheduler.why(&trigger, at).await?;
    let mut answer = json!({
        "trigger": why.trigger.to_string(),
        "at": instant(why.at),
        "answer": why.to_string(),
    });
    answer["fate"] = Value::from(match &why.fate {
        Fate::Ran(_) => "ran",
        Fate::Skipped(_) => "skipped",
        Fate::Waiting { .. } => "waiting",
        Fate::Ahead => "ahead",
        Fate::Broken(_) => "broken",
        Fate::NotScheduled { .. } => "not_scheduled",
        Fate::BeforeAccount { .. } => "before_account",
        Fate::NoTrigger => "no_trigger",
        _ => "other",
    });
    match why.fate {
        Fate::Ran(runs) => answer["runs"] = json!(runs.into_iter().map(Task::from).collect::<Vec<_>>()),
        Fate::Skipped(range) => answer["skipped"] = json!(Skipped::from(range)),
        _ => {}
    }
    Ok(Json(answer))
}
