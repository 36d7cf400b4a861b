//! How requests fail.
//!
//! Every failure is an RFC 9457 `application/problem+json` with `status`, `title`, `detail` and a stable `code`.
//! Paths under `/api/task` keep two older forms ([`keep_old_forms`]): `{"errors": {parameter: message}}` for wrong
//! parameters and the text `Not found.` for a row that is not there.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use punctual_accounts::AccountsError;
use punctual_core::StoreError;
use punctual_core::accounts::AccountError;
use serde_json::{Map, Value, json};
use tracing::error;

use crate::wording;

/// Messages by parameter.
pub(crate) type Errors = BTreeMap<String, String>;

#[derive(Debug)]
pub(crate) enum ApiError {
    /// Parameters that cannot be used.
    Parameters(Errors),
    /// There is no such record.
    NotFound,
    /// Anything else that the request is to blame for.
    Problem(Box<Problem>),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Account(error) => account_problem(&error).into(),
            error => Self::Store(error),
        }
    }
}

/// What accounts refuse.
fn account_problem(error: &AccountError) -> Problem {
    let (status, code) = match error {
        AccountError::NameTaken(_) => (StatusCode::CONFLICT, "name-taken"),
        AccountError::InvalidName(_) => (StatusCode::BAD_REQUEST, "invalid-name"),
        AccountError::NoSuchUser(_) => (StatusCode::NOT_FOUND, "no-such-user"),
        AccountError::NoSuchGroup(_) => (StatusCode::NOT_FOUND, "no-such-group"),
        AccountError::NoSuchToken(_) => (StatusCode::NOT_FOUND, "no-such-token"),
        AccountError::LastSuperuser(_) => (StatusCode::CONFLICT, "last-superuser"),
        AccountError::SuperuserGroup => (StatusCode::BAD_REQUEST, "superuser-group"),
        _ => (StatusCode::CONFLICT, "refused"),
    };
    Problem::new(status, code, error.to_string())
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        let (status, code) = match &error {
            AccountsError::Wrong => (StatusCode::UNAUTHORIZED, "wrong-credentials"),
            AccountsError::Wait(_) => (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts"),
            AccountsError::Weak(_) => (StatusCode::BAD_REQUEST, "weak-password"),
            AccountsError::Machine(_) => (StatusCode::INTERNAL_SERVER_ERROR, "sign-in-failed"),
            AccountsError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store-failed"),
        };
        let problem = Problem::new(status, code, error.to_string());
        match error {
            AccountsError::Store(error) => error.into(),
            AccountsError::Wait(millis) => problem.with("retry_after_ms", json!(millis)).into(),
            _ => problem.into(),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        account_problem(&error).into()
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl ApiError {
    /// 404: nothing of this kind has this name.
    pub(crate) fn no_such(what: &'static str, name: impl std::fmt::Display) -> Self {
        let code = match what {
            "job" => "no-such-job",
            "trigger" => "no-such-trigger",
            "calendar" => "no-such-calendar",
            "node" => "no-such-node",
            "run" => "no-such-run",
            "session" => "no-such-session",
            _ => "not-found",
        };
        Problem::new(StatusCode::NOT_FOUND, code, format!("there is no {what} {name}")).into()
    }

    /// A member beside those that every problem has.
    pub(crate) fn with(self, name: &str, value: Value) -> Self {
        match self {
            Self::Problem(problem) => problem.with(name, value).into(),
            other => other,
        }
    }

    /// 400: one parameter or member that cannot be used.
    pub(crate) fn parameter(name: impl Into<String>, message: impl Into<String>) -> Self {
        let name = name.into();
        let message = wording::without_name(&name, message.into());
        Self::Parameters(Errors::from([(name, message)]))
    }

    /// 400: what serde says about the value at a path of a body.
    pub(crate) fn misfit(path: &str, message: &str) -> Self {
        let wording::Said { member, text } = wording::said(message);
        let at_top = matches!(path, "" | ".");
        let name = match member {
            None if at_top => "body".to_owned(),
            Some(member) if at_top => member,
            // The path of an unknown member ends with it.
            Some(member) if path != member && !path.ends_with(&format!(".{member}")) => {
                format!("{path}.{member}")
            }
            _ => path.to_owned(),
        };
        Self::parameter(name, text)
    }

    fn into_problem(self) -> Problem {
        match self {
            Self::Parameters(errors) => {
                let listed: Vec<String> =
                    errors.iter().map(|(name, message)| format!("{name} {message}")).collect();
                Problem::new(StatusCode::BAD_REQUEST, "invalid-parameters", listed.join("; "))
                    .with("errors", json!(errors))
            }
            Self::NotFound => {
                Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such record".to_owned())
            }
            Self::Problem(problem) => *problem,
            Self::Store(store_error) => {
                error!(error = %store_error, "a request could not be answered: {store_error}");
                let (status, code) = match store_error {
                    StoreError::Gone(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-gone"),
                    ref error if error.is_transient() => {
                        (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable")
                    }
                    _ => (StatusCode::INTERNAL_SERVER_ERROR, "store-failed"),
                };
                Problem::new(status, code, store_error.to_string())
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let old_form = match &self {
            Self::Parameters(errors) => Some(OldForm::Errors(errors.clone())),
            Self::NotFound => Some(OldForm::NotFound),
            Self::Problem(_) | Self::Store(_) => None,
        };
        let mut response = self.into_problem().into_response();
        if let Some(form) = old_form {
            response.extensions_mut().insert(form);
        }
        response
    }
}

/// A problem as RFC 9457 writes it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    further: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), further: Map::new() }
    }

    /// A member beside those that every problem has.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.further.insert(name.to_owned(), value);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let mut body = self.further;
        for (name, value) in [
            ("status", json!(self.status.as_u16())),
            ("title", json!(title)),
            ("code", json!(self.code)),
            ("detail", json!(self.detail)),
        ] {
            body.insert(name.to_owned(), value);
        }
        let wait = body.get("retry_after_ms").and_then(Value::as_u64);
        let body = Value::Object(body).to_string();
        let mut response =
            (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.div_ceil(1_000)));
        }
        response
    }
}

/// A problem without further members.
pub(crate) fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    Problem::new(status, code, detail).into_response()
}

/// A failure in the form that paths under `/api/task` gave it before there were codes.
#[derive(Clone, Debug)]
enum OldForm {
    Errors(Errors),
    NotFound,
}

/// Writes failures of the paths under `/api/task` in their old forms.
pub(crate) async fn keep_old_forms(request: Request, next: Next) -> Response {
    let is_old = request.uri().path().starts_with("/api/task");
    let mut response = next.run(request).await;
    if !is_old {
        return response;
    }
    match response.extensions_mut().remove::<OldForm>() {
        Some(OldForm::Errors(errors)) => {
            (StatusCode::BAD_REQUEST, Json(json!({ "errors": errors }))).into_response()
        }
        Some(OldForm::NotFound) => (StatusCode::NOT_FOUND, "Not found.").into_response(),
        None => response,
    }
}

pub(crate) async fn no_such_path(uri: Uri) -> Response {
    let detail = format!("there is nothing at {}: docs/api.md lists the paths", uri.path());
    problem(StatusCode::NOT_FOUND, "no-such-route", &detail)
}

/// The same where a number should stand; its old form is that of a row that is not there.
pub(crate) async fn no_such_row(uri: Uri) -> Response {
    let mut response = no_such_path(uri).await;
    response.extensions_mut().insert(OldForm::NotFound);
    response
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not answer to {method}", uri.path());
    problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", &detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_says_whether_to_try_again_or_to_restart() {
        let told = |error: StoreError| {
            let problem = ApiError::from(error).into_problem();
            (problem.status.as_u16(), problem.code)
        };
        assert_eq!(told(StoreError::Unavailable("busy".to_owned())), (503, "store-unavailable"));
        assert_eq!(told(StoreError::Gone("removed".to_owned())), (503, "store-gone"));
        assert_eq!(told(StoreError::Other("odd".to_owned())), (500, "store-failed"));
    }
}
