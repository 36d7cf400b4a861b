//! Values as people read them.

use jiff::Timestamp;
use serde_json::Value;

use super::Style;
use super::style::plain;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As it is.
    Text,
    /// An instant, in the zone of the style.
    Instant,
    /// Milliseconds, as a duration.
    Millis,
    /// A share from 0 to 1, as a percentage.
    Share,
    /// A word for a state, with its colour.
    State,
}

const NOTHING: &str = "-";

impl Format {
    pub(super) fn write(self, value: &Value, style: &Style) -> String {
        let written = match self {
            Self::Instant => value.as_str().and_then(|text| text.parse().ok()).map(|at| style.instant(at)),
            Self::Millis => value.as_i64().map(duration),
            Self::Share => value.as_f64().map(|share| format!("{:.1}%", share * 100.0)),
            Self::Text | Self::State => None,
        };
        written.unwrap_or_else(|| text(value))
    }

    /// What a value without a column seems to be.
    pub(super) fn guess(name: &str, value: &Value) -> Self {
        let is_instant = |text: &str| text.ends_with('Z') && text.parse::<Timestamp>().is_ok();
        match value {
            Value::String(text) if is_instant(text) => Self::Instant,
            Value::Number(_) if name.ends_with("_ms") => Self::Millis,
            _ => Self::Text,
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) => plain(text),
        Value::Number(number) => number.to_string(),
        Value::Array(values) if values.is_empty() => NOTHING.to_owned(),
        Value::Array(values) if values.iter().all(|value| !value.is_array() && !value.is_object()) => {
            values.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Value::Array(_) | Value::Object(_) => plain(&value.to_string()),
    }
}

/// Milliseconds in the two units that matter.
fn duration(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    let seconds = millis / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let size = match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}.{:03}s", millis % 1_000),
        60..3_600 => format!("{minutes}m{:02}s", seconds % 60),
        3_600..86_400 => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    };
    format!("{sign}{size}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (millis, shown) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_050, "1.050s"),
            (-59_999, "-59.999s"),
            (60_000, "1m00s"),
            (3_599_999, "59m59s"),
            (3_600_000, "1h00m"),
            (86_399_999, "23h59m"),
            (90_000_000, "1d01h"),
        ] {
            assert_eq!(duration(millis), shown);
        }
    }

    #[test]
    fn shares_are_percentages() {
        let style = Style { color: false, zone: jiff::tz::TimeZone::UTC };
        for (share, shown) in
            [(json!(0), "0.0%"), (json!(0.125), "12.5%"), (json!(1.0), "100.0%"), (json!(null), "-")]
        {
            assert_eq!(Format::Share.write(&share, &style), shown);
        }
    }

    #[test]
    fn values_are_written_for_people() {
        for (value, shown) in [
            (json!(null), "-"),
            (json!(true), "yes"),
            (json!(["a", 2]), "a, 2"),
            (json!({"a": [1]}), r#"{"a":[1]}"#),
            (json!("a\tb"), "a\\tb"),
        ] {
            assert_eq!(text(&value), shown);
        }
    }
}
