//! A cron expression: text that has been understood.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::ScheduleError;

use super::field::{Fields, Years};
use super::parse;

/// A cron expression in the dialect of Quartz: six or seven fields separated by blanks.
///
/// | field | values | besides `,` `-` `*` `/` |
/// | --- | --- | --- |
/// | second | 0-59 | `H` |
/// | minute | 0-59 | `H` |
/// | hour | 0-23 | `H` |
/// | day of month | 1-31 | `?` `L` `LW` `L-3` `L-3W` `15W` `H` |
/// | month | 1-12, `JAN`-`DEC` | `H` |
/// | day of week | 1-7 (1 = Sunday), `SUN`-`SAT` | `?` `L` (Saturday) `6L` `FRIL` `6#3` `FRI#3` `H` |
/// | year (may be left out) | 1970-2099 | |
///
/// - Exactly one of the two day fields is `?`.
/// - A range may wrap around (`22-2`, `FRI-MON`, `NOV-FEB`), except for years. `a/n` means from `a` to the field's
///   end in steps of n, `a-b/n` within the range; a step counts on through the wrap.
/// - `L-3` is the third day before the month's last; a month too short for a day (`31`, `31W`, `L-30`) has no
///   firing. `15W` is the weekday (Monday to Friday) nearest to the 15th within the month, `LW` the last one.
/// - Names and letters may be in any case. Numbers in the year field outside of 1970-2099 are read but never match;
///   without a year field, or with `*`, the years go on to 9999.
/// - `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly` stand for the expression
///   that fires at the beginning of each such period.
/// - `H` needs a key to be hashed: see [`CronExpression::parse_hashed`].
///
/// What Quartz reads only by ignoring part of it (`0 0 0 15th * ?`, `*/0`, a step after a name, a second `W` or `#`)
/// is refused.
///
/// Equality, hashing and `Display` go by the text, in capitals and with single blanks.
///
/// ```
/// use punctual_schedule::CronExpression;
///
/// let expression: CronExpression = "0 0  9-17 ? * mon-fri".parse()?;
/// assert_eq!(expression.to_string(), "0 0 9-17 ? * MON-FRI");
/// # Ok::<(), punctual_schedule::ScheduleError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronExpression(Arc<Inner>);

struct Inner {
    text: String,
    fields: Fields,
}

impl CronExpression {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Cron`] with the field, the place in the text and what would be right.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        parse::parse(text, None).map(Self::from_parts)
    }

    /// Reads an expression in which `H` spreads load: each `H` becomes a number that is chosen by a hash of `key`
    /// (a job's key, say), the same on every machine and in every version.
    ///
    /// `H` is any value of the field (day of month: 1 to 28), `H(a-b)` one of the range, `H/n` steps of n from a
    /// hashed beginning, `H(a-b)/n` such steps within the range. The expression that comes back holds numbers in the
    /// place of `H`, and prints them.
    ///
    /// The hash is 64-bit FNV-1a over the key's UTF-8 bytes followed by one byte for the field (0 = second to
    /// 5 = day of week), finished with the mixing steps of SplitMix64, modulo the number of values.
    ///
    /// ```
    /// use punctual_schedule::CronExpression;
    ///
    /// let nightly = CronExpression::parse_hashed("0 H H(1-4) * * ?", "reports.nightly")?;
    /// assert_eq!(nightly, CronExpression::parse_hashed("0 H H(1-4) * * ?", "reports.nightly")?);
    /// # Ok::<(), punctual_schedule::ScheduleError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`CronExpression::parse`].
    pub fn parse_hashed(text: &str, key: &str) -> Result<Self, ScheduleError> {
        parse::parse(text, Some(key)).map(Self::from_parts)
    }

    fn from_parts((text, fields): (String, Fields)) -> Self {
        Self(Arc::new(Inner { text, fields }))
    }

    /// The text: in capitals, with single blanks, `H` replaced.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether no date at all matches, in any zone: a day that its months do not have (`0 0 0 30 2 ?`), or no year
    /// within 1970-2099.
    pub fn never_matches(&self) -> bool {
        self.fields().at_or_after(0).is_none()
    }

    /// Whether the second, minute or hour field holds a wildcard or a step, so that firings follow elapsed time
    /// where the zone's offset changes (see [`DstPolicy::Follow`](crate::DstPolicy::Follow)).
    pub fn follows_elapsed_time(&self) -> bool {
        self.fields().elapsed
    }

    /// Whether firings go on to the end of time.
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.fields().years, Years::Every)
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.0.fields
    }
}

impl FromStr for CronExpression {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for CronExpression {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<CronExpression> for String {
    fn from(expression: CronExpression) -> Self {
        expression.as_str().to_owned()
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronExpression({:?})", self.as_str())
    }
}

impl PartialEq for CronExpression {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for CronExpression {}

impl Hash for CronExpression {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}
