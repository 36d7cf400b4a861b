//! What is wrong with an input, where, and what would be right.

use std::ops::Range;

/// Why a schedule, a calendar or a policy was refused.
///
/// `Display` gives one line that names the offending input and what would be right. [`ScheduleError::render`]
/// adds the input with the bad part underlined, for terminals and forms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A cron expression that cannot be read.
    #[error("{message}")]
    Cron {
        /// The field at fault, for example `minute`; `expression` where no single field is.
        field: &'static str,
        /// The whole text as it was given.
        input: String,
        /// The bad part of `input`, in bytes.
        span: Range<usize>,
        /// What is wrong and what would be right, with the field named.
        message: String,
    },
    /// A recurrence rule that cannot be read or would flood the scheduler.
    #[error("{message}")]
    Rrule {
        /// The part at fault, for example `BYDAY`; `part` where a part itself is malformed.
        part: &'static str,
        /// The whole text as it was given.
        input: String,
        /// The bad part of `input`, in bytes.
        span: Range<usize>,
        /// What is wrong and what would be right, with the part named.
        message: String,
    },
    /// A time zone name that is not an IANA name.
    #[error("time zone {name:?}: {message}")]
    Zone {
        /// The name as it was given.
        name: String,
        /// What would be right, with a near miss where there is one.
        message: String,
    },
    /// A value outside of what its field allows.
    #[error("{field} {value}: {message}")]
    Value {
        /// The field at fault, as it is spelled in JSON.
        field: &'static str,
        /// The value as it was given.
        value: String,
        /// What would be right.
        message: String,
    },
    /// A misfire policy that the kind of schedule does not know.
    #[error("misfire policy {policy}: not for {kind} schedules; use one of {allowed}")]
    Misfire {
        /// The policy's name in JSON.
        policy: &'static str,
        /// The schedule's kind in JSON.
        kind: &'static str,
        /// The names that this kind allows.
        allowed: String,
    },
}

impl ScheduleError {
    pub(crate) fn value(field: &'static str, value: impl ToString, message: impl Into<String>) -> Self {
        Self::Value { field, value: value.to_string(), message: message.into() }
    }

    /// The field at fault, in the words of the JSON form (or `minute`, `hour`, ... for a cron field).
    pub fn field(&self) -> &'static str {
        match self {
            Self::Cron { field, .. } | Self::Value { field, .. } | Self::Rrule { part: field, .. } => field,
            Self::Zone { .. } => "tz",
            Self::Misfire { .. } => "misfire_policy",
        }
    }

    /// The text that was refused, where the input was text.
    pub fn input(&self) -> Option<&str> {
        match self {
            Self::Cron { input, .. } | Self::Rrule { input, .. } => Some(input),
            Self::Zone { name, .. } => Some(name),
            Self::Value { .. } | Self::Misfire { .. } => None,
        }
    }

    /// The bad part of [`ScheduleError::input`], in bytes.
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Cron { span, .. } | Self::Rrule { span, .. } => Some(span.clone()),
            Self::Zone { name, .. } => Some(0..name.len()),
            Self::Value { .. } | Self::Misfire { .. } => None,
        }
    }

    /// The message, and below it the input with the bad part underlined:
    ///
    /// ```
    /// let error = "0 61 * * * ?".parse::<punctual_schedule::CronExpression>().unwrap_err();
    /// assert_eq!(
    ///     error.render(),
    ///     "minute field \"61\": 61 is out of range, minutes are 0-59\n  0 61 * * * ?\n    ^^"
    /// );
    /// ```
    pub fn render(&self) -> String {
        match (self.input(), self.span()) {
            (Some(input), Some(span)) => format!("{self}\n{}", underline(input, span)),
            _ => self.to_string(),
        }
    }
}

/// `input` on one line, and carets below the bytes of `span`; both indented by two spaces.
fn underline(input: &str, span: Range<usize>) -> String {
    let shown: String = input.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let before = input.get(..span.start).map_or(0, |text| text.chars().count());
    let width = input.get(span).map_or(1, |text| text.chars().count()).max(1);
    format!("  {shown}\n  {}{}", " ".repeat(before), "^".repeat(width))
}
