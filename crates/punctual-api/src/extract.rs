//! What handlers take from a request, so that whatever is wrong with it is a problem with a code.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::iter::successors;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use punctual_core::{FireId, JobKey, TriggerKey};
use serde::de::DeserializeOwned;

use crate::error::{ApiError, Problem, no_such_row};

/// The longest body, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// `{group}/{name}` of a path.
async fn key(parts: &mut Parts) -> Result<(String, String), ApiError> {
    Path::<(String, String)>::from_request_parts(parts, &())
        .await
        .map(|Path(key)| key)
        .map_err(|_| unreadable("group and name"))
}

fn unreadable(what: &str) -> ApiError {
    ApiError::parameter("path", format!("holds a {what} that is no UTF-8 text"))
}

fn no_key(part: &'static str) -> impl Fn(punctual_core::KeyError) -> ApiError {
    move |error| ApiError::parameter(part, error.to_string())
}

/// The job that a path names.
#[derive(Debug)]
pub(crate) struct JobPath(pub(crate) JobKey);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let (group, name) = key(parts).await?;
        JobKey::try_new(group, name).map(Self).map_err(no_key("job"))
    }
}

/// The trigger that a path names.
#[derive(Debug)]
pub(crate) struct TriggerPath(pub(crate) TriggerKey);

impl<S: Send + Sync> FromRequestParts<S> for TriggerPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let (group, name) = key(parts).await?;
        TriggerKey::try_new(group, name).map(Self).map_err(no_key("trigger"))
    }
}

/// The only placeholder of a path.
#[derive(Debug)]
pub(crate) struct NamePath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Path::<String>::from_request_parts(parts, &()).await.map_err(|_| unreadable("name")).and_then(
            |Path(name)| match name.contains('\0') {
                true => Err(ApiError::parameter("path", "holds a NUL character (%00)")),
                false => Ok(Self(name)),
            },
        )
    }
}

/// The trigger group that a path names.
#[derive(Debug)]
pub(crate) struct GroupPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for GroupPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let NamePath(group) = NamePath::from_request_parts(parts, state).await?;
        // A key of this group could not be stored either.
        TriggerKey::try_new(group.as_str(), "any").map_err(no_key("group"))?;
        Ok(Self(group))
    }
}

/// The run that a path names.
#[derive(Debug)]
pub(crate) struct RunPath(pub(crate) FireId);

impl<S: Send + Sync> FromRequestParts<S> for RunPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let NamePath(id) = NamePath::from_request_parts(parts, state).await?;
        match id.parse() {
            Ok(number) if number >= 0 && id.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Self(FireId(number)))
            }
            _ => Err(ApiError::parameter("id", format!("must be the number of a run, not {id:?}"))),
        }
    }
}

/// The number that is the only placeholder of a path.
#[derive(Debug)]
pub(crate) struct IdPath(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Path::<i64>::from_request_parts(parts, &())
            .await
            .map(|Path(id)| Self(id))
            .map_err(|_| ApiError::parameter("id", "must be a number"))
    }
}

/// The number that is the only placeholder of a path under `/api/task`, where anything but digits is no path at all. `None`
/// for one that no row can have.
#[derive(Debug)]
pub(crate) struct RowPath(pub(crate) Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for RowPath {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let id =
            Path::<String>::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(no_such_row(parts.uri.clone()).await);
        }
        Ok(Self(id.parse().ok()))
    }
}

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T> fmt::Debug for Body<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let json = is_json(&request);
        let bytes = bytes(request, state).await?;
        if !json {
            let detail = "send JSON with `Content-Type: application/json`";
            return Err(
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail).into()
            );
        }
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T> fmt::Debug for OptionalBody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OptionalBody")
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let json = is_json(&request);
        let bytes = bytes(request, state).await?;
        // Clients send the type of the bodies that they know, whether or not there is one.
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(T::default()));
        }
        if json {
            return parse(&bytes).map(Self);
        }
        let detail = "send JSON with `Content-Type: application/json`, or no body";
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail).into())
    }
}

fn is_json(request: &Request) -> bool {
    request.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
        let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("application/json")
    })
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| unread_body(&rejection))
}

/// Why a body could not be read.
pub(crate) fn unread_body(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        long_body()
    } else if is_late(rejection) {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", "the body did not arrive in time").into()
    } else {
        Problem::new(StatusCode::BAD_REQUEST, "invalid-body", "the body did not arrive whole").into()
    }
}

/// 413.
pub(crate) fn long_body() -> ApiError {
    let detail = format!("the body is longer than {MAX_BODY} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).into()
}

/// Whether whoever serves these routes had no more patience with a body.
fn is_late(error: &(dyn Error + 'static)) -> bool {
    let error = successors(Some(error), |error| (*error).source());
    error
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == ErrorKind::TimedOut)
}

/// Whether a text of a JSON document holds a NUL character. A raw one is no JSON.
fn holds_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        if rest[at..].starts_with(br"\u0000") {
            return true;
        }
        // What is escaped may be a backslash itself.
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

/// Reads a body; what does not fit is told with the path of its member.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if holds_nul(bytes) {
        let detail =
            "the body holds a NUL character (\\u0000), which not every database can keep: leave it out";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid-body", detail).into());
    }
    // An array would be taken for the members of a type in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::parameter("body", "must be an object, not an array"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        if error.inner().is_data() {
            return ApiError::misfit(&error.path().to_string(), &error.inner().to_string());
        }
        let detail = format!("the body is no JSON: {}", error.inner());
        Problem::new(StatusCode::BAD_REQUEST, "invalid-body", detail).into()
    })?;
    reader.end().map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid-body",
            format!("the body goes on after its JSON: {error}"),
        )
    })?;
    Ok(value)
}
