//! `PUT /api/v1/jobs/{group}/{name}`: stores a job, alone or with the whole set of its triggers.

use axum::extract::State;
use axum::response::Response;
use punctual_core::{Change, Expected, Fingerprint, JobDetail, JobKey, JobKind, Trigger, TriggerState};
use punctual_engine::JobInfo;
use serde_json::json;

use crate::ApiState;
use crate::edit::{self, Author, Put};
use crate::error::ApiError;
use crate::extract::{Body, JobPath};
use crate::params::Params;
use crate::types::job::{JobWithTriggers, StoredJobWithTriggers};
use crate::types::put::{JobBody, keep_threshold};

/// Create or replace a job
///
/// With `triggers`, they become the whole set of its triggers; without, those that it has stay. A kind that no live node can
/// run is stored, too, with a warning: its node may come later.
#[utoipa::path(
    put,
    path = "/api/v1/jobs/{group}/{name}",
    operation_id = "put_job",
    tag = "definitions",
    params(
        ("group" = String, Path, description = "The group"),
        ("name" = String, Path, description = "The name"),
        ("If-Match" = Option<String>, Header, description = "The version that was seen; the change is refused when there is another one by now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there must be none yet"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = JobBody,
    responses(
        (status = 200, description = "It was there; as it is now", body = StoredJobWithTriggers),
        (status = 201, description = "It is new", body = StoredJobWithTriggers),
    )
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    JobPath(key): JobPath,
    params: Params,
    author: Author,
    Body(body): Body<JobBody>,
) -> Result<Response, ApiError> {
    params.finish()?;
    let job = body.detail(key.clone())?;
    let mut triggers: Option<Vec<Trigger>> = match &body.triggers {
        None => None,
        Some(triggers) => Some(triggers.iter().map(|one| one.of_job(&key)).collect::<Result<_, _>>()?),
    };
    let old = state.scheduler.job_info(&key).await?;
    if old.is_none() {
        state.options.check_new(&key)?;
    }
    let stored = old.iter().flat_map(|old| &old.triggers).filter(|info| info.trigger.pending.is_none());
    let stored: Vec<&Trigger> = stored.map(|info| &info.trigger.definition).collect();
    for trigger in triggers.iter_mut().flatten() {
        keep_threshold(trigger, stored.iter().copied());
    }
    state.options.check_commands(&job.kind)?;
    if let Some(old) = &old {
        state.options.check_commands(&old.job.detail.kind)?;
    }
    state.scheduler.fits(&job, triggers.as_deref().unwrap_or_default())?;
    let seen = author.seen(body.version.as_deref())?.expected();
    let mut entry = author.entry("job.put", &key, body.note.clone());
    entry = entry.after(json!({ "job": job, "triggers": triggers }));
    if let Some(old) = &old {
        entry = entry.before(json!({ "job": old.job.detail.as_given(), "triggers": stored }));
    }
    let expected = |version| Expected::Job(key.clone(), version);
    let same = same_version(&job, triggers.as_deref(), old.as_ref(), &stored);
    let kind = job.kind.clone();
    let change = match triggers {
        Some(triggers) => Change::Schedule { job, triggers },
        None => Change::PutJob(job),
    };
    let result =
        edit::put(&state, seen.map(expected), same.map(|version| expected(Some(version))), change, entry)
            .await;
    // What is there beside a refused change is a definition alone.
    let warnings = match &result {
        Ok(_) => Some(warnings(&state, &key, &kind).await?),
        Err(_) => None,
    };
    let now = state.scheduler.job_info(&key).await?.map(JobWithTriggers::from);
    let now = now.map(|job| (job.version.clone(), StoredJobWithTriggers { job, warnings }));
    let put = Put { now, sent: &body, new: old.is_none() };
    put.answer(result, || ApiError::no_such("job", &key))
}

/// The version of what is stored, where the job with its triggers is just that. To put a trigger that is in the error state again
/// lets it try again.
fn same_version(
    job: &JobDetail,
    triggers: Option<&[Trigger]>,
    old: Option<&JobInfo>,
    stored: &[&Trigger],
) -> Option<Fingerprint> {
    let old = old?;
    if triggers.is_some() && old.triggers.iter().any(|info| info.trigger.state == TriggerState::Error) {
        return None;
    }
    let now = Fingerprint::of_job(&old.job.detail, stored.iter().copied());
    let then = match triggers {
        Some(triggers) => Fingerprint::of_job(job, triggers),
        None => Fingerprint::of_job(job, stored.iter().copied()),
    };
    (now == then).then_some(now)
}

async fn warnings(state: &ApiState, key: &JobKey, kind: &JobKind) -> Result<Vec<String>, ApiError> {
    let mut warnings = Vec::new();
    if !state.scheduler.is_served(kind).await? {
        warnings.push(format!("no live node knows the kind {kind}: the job runs as soon as one does"));
    }
    if state.options.is_of_file(key) {
        warnings.push(
            "the job belongs to the configuration file of the server, which replaces it at each start: change it there, too"
                .to_owned(),
        );
    }
    Ok(warnings)
}
