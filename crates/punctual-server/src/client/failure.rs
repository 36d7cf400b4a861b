//! How a call fails, and what that means for the exit code.

use std::fmt;

use serde_json::Value;

use crate::output::note;

/// A call that was answered with a failure, or not at all.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Option<u16>,
    code: Option<String>,
    detail: String,
}

impl Failure {
    /// The server was not reached, or did not answer.
    pub(crate) fn unanswered(detail: String) -> Self {
        Self { status: None, code: None, detail }
    }

    /// There is no such record, as the server's lists say; the code is the one that the server would give.
    pub(crate) fn missing(code: String, detail: String) -> Self {
        Self { status: Some(404), code: Some(code), detail }
    }

    /// What the body of a failure says: a problem (RFC 9457), the older form of `/api/task`, or plain text.
    pub(crate) fn answered(status: u16, body: &str) -> Self {
        let problem: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
        let errors = || {
            let errors = problem.get("errors")?.as_object()?;
            let said =
                errors.iter().map(|(name, said)| format!("{name}: {}", said.as_str().unwrap_or("wrong")));
            Some(said.collect::<Vec<_>>().join("; "))
        };
        let plain = || {
            let first = body.lines().next().unwrap_or_default().trim();
            let is_text = !first.is_empty() && !first.starts_with(['{', '<']);
            is_text.then(|| first.chars().take(200).collect())
        };
        // The older form has no code; it is what the others call this one.
        let old_code = || problem.get("errors").map(|_| "invalid-parameters".to_owned());
        let code = text("code").or_else(old_code);
        let detail = text("detail").or_else(errors).or_else(plain);
        let detail = detail.unwrap_or_else(|| format!("the server answered with status {status}"));
        Self { status: Some(status), code, detail }
    }

    /// Whether the same call may be answered later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status, None | Some(429 | 502 | 503 | 504))
    }

    /// Whether the server understood, was able and was willing, and the answer is no.
    fn is_no(&self) -> bool {
        // A route that is not there says something about the server's version, not about what was asked for.
        matches!(self.status, Some(404 | 409 | 410 | 412 | 422))
            && self.code.as_deref() != Some("no-such-route")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.as_deref() {
            // The server names its route; whoever reads this has a command for it.
            Some("password-change-required") => {
                f.write_str("choose a password of your own first: `punctual password` changes it")?;
            }
            _ => f.write_str(&self.detail)?,
        }
        match (&self.code, self.status) {
            (Some(code), _) => write!(f, " ({code})")?,
            (None, Some(status)) => write!(f, " (status {status})")?,
            (None, None) => {}
        }
        match (self.status, self.code.as_deref()) {
            (Some(401), _) => {
                f.write_str("; `punctual login` signs in, or give PUNCTUAL_TOKEN or --token-file")
            }
            (_, Some("no-such-route")) => f.write_str("; is the server older than this program?"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// What a command ends with: whether the answer was yes, or what kept it from having one.
pub(crate) fn outcome(result: anyhow::Result<bool>) -> anyhow::Result<bool> {
    let Err(error) = result else { return result };
    match error.downcast_ref::<Failure>() {
        Some(failure) if failure.is_no() => {
            note!("punctual: {failure}");
            Ok(false)
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_failure_is_said_plainly() {
        let problem = r#"{"status":409,"title":"Conflict","code":"changed","detail":"it has changed"}"#;
        for (status, body, said, no) in [
            (409, problem, "it has changed (changed)", true),
            (
                400,
                r#"{"errors":{"limit":"must be a number"}}"#,
                "limit: must be a number (invalid-parameters)",
                false,
            ),
            (404, "Not found.", "Not found. (status 404)", true),
            (
                403,
                r#"{"code":"password-change-required","detail":"PUT /api/v1/me/password"}"#,
                "choose a password of your own first: `punctual password` changes it (password-change-required)",
                false,
            ),
            (
                404,
                r#"{"code":"no-such-route","detail":"nothing there"}"#,
                "nothing there (no-such-route); is the",
                false,
            ),
            (502, "<html>Bad gateway</html>", "the server answered with status 502 (status 502)", false),
            (401, "", "the server answered with status 401 (status 401); `punctual login`", false),
        ] {
            let failure = Failure::answered(status, body);
            assert!(failure.to_string().starts_with(said), "{failure}");
            assert_eq!(failure.is_no(), no, "{failure}");
        }
    }

    #[test]
    fn only_an_answer_is_a_no() {
        outcome(Err(std::io::Error::from(std::io::ErrorKind::NotFound).into())).unwrap_err();
        assert!(!outcome(Err(Failure::answered(404, "Not found.").into())).unwrap());
    }
}
