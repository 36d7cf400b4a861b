//! What all changes over the API have in common: who makes them and why, which version they have seen, and what the
//! operator allows.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use punctual_core::accounts::AuditEntry;
use punctual_core::{
    Applied, Change, ChangeError, Expected, Fingerprint, JobKey, JobKind, StoreError, TriggerKey,
};
use punctual_engine::SchedulerError;
use serde::Serialize;
use serde_json::json;

use crate::access::Identity;
use crate::error::{ApiError, Problem};
use crate::types::changed::Changed;
use crate::{ApiOptions, ApiState};

/// The header that says why.
pub(crate) const NOTE: HeaderName = HeaderName::from_static("x-punctual-note");

/// The longest note, in characters.
const LONGEST_NOTE: usize = 1_000;

/// Who makes a change, why, and what they have seen.
#[derive(Debug)]
pub(crate) struct Author {
    identity: Identity,
    note: Option<String>,
    seen: Seen,
}

/// Which version somebody has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Seen {
    /// They do not say.
    Any,
    /// None: there must not be any.
    Nothing,
    /// This one.
    This(Fingerprint),
}

impl<S: Send + Sync> FromRequestParts<S> for Author {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Ok(identity) = Identity::from_request_parts(parts, state).await;
        Ok(Self { identity, note: note(&parts.headers)?, seen: seen(&parts.headers)? })
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::parameter(name.as_str(), "is given more than once"));
    }
    let text = std::str::from_utf8(value.as_bytes());
    text.map(|text| Some(text.to_owned())).map_err(|_| ApiError::parameter(name.as_str(), "is no UTF-8 text"))
}

fn note(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let note = text(headers, &NOTE)?;
    if note.as_ref().is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
        return Err(ApiError::parameter(NOTE.as_str(), format!("is longer than {LONGEST_NOTE} characters")));
    }
    Ok(note)
}

fn seen(headers: &HeaderMap) -> Result<Seen, ApiError> {
    let if_match = text(headers, &header::IF_MATCH)?;
    let if_none_match = text(headers, &header::IF_NONE_MATCH)?;
    match (if_match, if_none_match.as_deref()) {
        (None, None) => Ok(Seen::Any),
        (None, Some("*")) => Ok(Seen::Nothing),
        (None, Some(_)) => Err(ApiError::parameter("if-none-match", "can only be *: there must be none yet")),
        (Some(_), Some(_)) => Err(ApiError::parameter("if-match", "excludes if-none-match")),
        (Some(tag), None) => {
            let version = tag.trim().trim_matches('"').parse();
            version.map(Seen::This).map_err(|error| ApiError::parameter("if-match", error))
        }
    }
}

impl Author {
    /// What the header or the body says to have been seen; both must not contradict.
    pub(crate) fn seen(&self, version: Option<&str>) -> Result<Seen, ApiError> {
        let Some(version) = version else { return Ok(self.seen) };
        let body = version.parse().map(Seen::This).map_err(|error| ApiError::parameter("version", error))?;
        if self.seen != Seen::Any && self.seen != body {
            return Err(ApiError::parameter("version", "contradicts the header"));
        }
        Ok(body)
    }

    /// Whether they say why.
    pub(crate) fn has_note(&self, note: Option<&String>) -> bool {
        note.or(self.note.as_ref()).is_some_and(|note| !note.trim().is_empty())
    }

    /// Their name.
    pub(crate) fn name(&self) -> &str {
        &self.identity.name
    }

    /// The entry of the log of changes; what the body says why comes before what the header says.
    pub(crate) fn entry(&self, action: &str, subject: impl ToString, note: Option<String>) -> AuditEntry {
        self.identity.audit(action, subject.to_string()).note(note.or_else(|| self.note.clone()))
    }
}

impl Seen {
    /// The fingerprint to insist on: `None` to insist on nothing, `Some(None)` on that there is none.
    pub(crate) fn expected(self) -> Option<Option<Fingerprint>> {
        match self {
            Self::Any => None,
            Self::Nothing => Some(None),
            Self::This(version) => Some(Some(version)),
        }
    }
}

/// The version as a header.
pub(crate) fn tag(version: &str) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{version}\""))]
}

/// Applies changes together with their entry in the log of changes.
pub(crate) async fn apply(
    state: &ApiState,
    changes: impl IntoIterator<Item = Change>,
    entry: AuditEntry,
) -> Result<Applied, SchedulerError> {
    let mut changes: Vec<Change> = changes.into_iter().collect();
    changes.push(Change::Audit(entry));
    apply_all(state, &changes).await
}

async fn apply_all(state: &ApiState, changes: &[Change]) -> Result<Applied, SchedulerError> {
    let mut applied = Applied::default();
    for one in &state.scheduler.apply(changes).await? {
        applied.merge(one);
    }
    Ok(applied)
}

/// Stores a definition that is to be what `seen` says by now. One that is the same as what is stored changes nothing, which is
/// no entry in the log of changes: `same` is what has to be stored for that.
pub(crate) async fn put(
    state: &ApiState,
    seen: Option<Expected>,
    same: Option<Expected>,
    change: Change,
    entry: AuditEntry,
) -> Result<Applied, SchedulerError> {
    let seen = seen.map(Change::Expect);
    if let Some(same) = same {
        let changes: Vec<Change> =
            seen.iter().cloned().chain([Change::Expect(same), change.clone()]).collect();
        match apply_all(state, &changes).await {
            // Somebody has changed it meanwhile, so that it is not the same any more.
            Err(error) if is_stale(&error) => {}
            result => return result,
        }
    }
    apply(state, seen.into_iter().chain([change]), entry).await
}

/// Applies a change, and says what became of it.
pub(crate) async fn changed(
    state: &ApiState,
    change: Change,
    entry: AuditEntry,
) -> Result<Json<Changed>, ApiError> {
    Ok(Json(Changed::from(&apply(state, [change], entry).await?)))
}

/// Applies a change to a job that has to be there.
pub(crate) async fn to_job(
    state: &ApiState,
    key: JobKey,
    change: impl FnOnce(JobKey) -> Change,
    entry: AuditEntry,
) -> Result<Json<Changed>, ApiError> {
    if state.scheduler.store().job(&key).await?.is_none() {
        return Err(ApiError::no_such("job", &key));
    }
    changed(state, change(key), entry).await
}

/// Applies a change to a trigger that has to be there.
pub(crate) async fn to_trigger(
    state: &ApiState,
    key: TriggerKey,
    change: impl FnOnce(TriggerKey) -> Change,
    entry: AuditEntry,
) -> Result<Json<Changed>, ApiError> {
    if state.scheduler.store().trigger(&key).await?.is_none() {
        return Err(ApiError::no_such("trigger", &key));
    }
    changed(state, change(key), entry).await
}

/// Deletes what its author has seen; `gone` is the answer where somebody else was faster.
pub(crate) async fn delete(
    state: &ApiState,
    expect: Option<Change>,
    change: Change,
    entry: AuditEntry,
    gone: impl FnOnce() -> ApiError,
) -> Result<Json<Changed>, ApiError> {
    let applied = apply(state, expect.into_iter().chain([change]), entry).await?;
    if applied.deleted == 0 { Err(gone()) } else { Ok(Json(Changed::from(&applied))) }
}

/// What a `PUT` is answered with.
pub(crate) struct Put<'a, T, B> {
    /// What is stored after it, with its version.
    pub(crate) now: Option<(String, T)>,
    /// What was sent.
    pub(crate) sent: &'a B,
    /// Whether there was none before.
    pub(crate) new: bool,
}

impl<T: Serialize, B: Serialize> Put<'_, T, B> {
    /// The answer; `gone` where it was deleted again by somebody else.
    pub(crate) fn answer(
        self,
        result: Result<Applied, SchedulerError>,
        gone: impl FnOnce() -> ApiError,
    ) -> Result<Response, ApiError> {
        match result {
            Err(error) if is_stale(&error) => {
                let current = self.now.map(|(_, now)| now);
                Err(ApiError::from(error).with("current", json!(current)).with("sent", json!(self.sent)))
            }
            Err(error) => Err(error.into()),
            Ok(_) => {
                let status = if self.new { StatusCode::CREATED } else { StatusCode::OK };
                let (version, now) = self.now.ok_or_else(gone)?;
                Ok((status, tag(&version), Json(now)).into_response())
            }
        }
    }
}

/// Whether a change was refused because what is stored is not what its author has seen.
pub(crate) fn is_stale(error: &SchedulerError) -> bool {
    matches!(error, SchedulerError::Store(StoreError::Change(ChangeError::Stale { .. })))
}

impl ApiOptions {
    /// Whether a job belongs to the configuration file.
    pub(crate) fn is_of_file(&self, job: &JobKey) -> bool {
        self.file_group.as_deref() == Some(job.group())
    }

    /// Refuses a new job that the next start would delete.
    pub(crate) fn check_new(&self, job: &JobKey) -> Result<(), ApiError> {
        if !self.is_of_file(job) {
            return Ok(());
        }
        let detail = format!(
            "the group {} belongs to the configuration file of the server, which deletes at each start what the file does \
             not name: use another group, or put the job into the file",
            job.group()
        );
        Err(Problem::new(StatusCode::CONFLICT, "group-of-the-file", detail).into())
    }

    /// Whether a kind runs what its data says.
    pub(crate) fn runs_commands(&self, kind: &JobKind) -> bool {
        self.command_kinds.iter().any(|dangerous| dangerous == kind.as_str())
    }

    /// Refuses what would let the API decide which commands run, unless the operator allows that.
    pub(crate) fn check_commands(&self, kind: &JobKind) -> Result<(), ApiError> {
        if self.allow_commands || !self.runs_commands(kind) {
            return Ok(());
        }
        let detail = format!(
            "jobs of kind {kind} run what their data says: their definitions and data can be changed over the API \
             only where the operator has set `allow_commands = true` in `[api]`"
        );
        Err(Problem::new(StatusCode::FORBIDDEN, "commands-not-allowed", detail).into())
    }
}
