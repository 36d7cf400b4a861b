//! Instants as whole milliseconds, the form in which stores keep them.

use jiff::Timestamp;

/// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
pub fn to_millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The instant of a millisecond count; counts outside of jiff's range (years -9999 to 9999) clamp to it.
pub fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// `at` without its part below a millisecond.
pub fn whole_millis(at: Timestamp) -> Timestamp {
    from_millis(to_millis(at))
}

/// Milliseconds from `earlier` to `later`, negative when they are the other way round.
pub fn millis_between(earlier: Timestamp, later: Timestamp) -> i64 {
    to_millis(later) - to_millis(earlier)
}

/// `at` plus a number of milliseconds, clamped to the representable range.
pub fn plus_millis(at: Timestamp, millis: i64) -> Timestamp {
    from_millis(to_millis(at).saturating_add(millis))
}

/// A number of milliseconds as people say it, cut after two units: `250 ms`, `1.5 s`, `2 min 5 s`, `259 days 9 h`.
pub fn words(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (first, (rest, unit)) = match seconds {
        0 => return format!("{millis} ms"),
        1..60 => {
            let decimals = format!("{:03}", millis % 1_000);
            let decimals = decimals.trim_end_matches('0');
            let point = if decimals.is_empty() { "" } else { "." };
            return format!("{seconds}{point}{decimals} s");
        }
        60..3_600 => (format!("{} min", seconds / 60), (seconds % 60, "s")),
        3_600..86_400 => (format!("{} h", seconds / 3_600), (seconds / 60 % 60, "min")),
        86_400..172_800 => ("1 day".to_owned(), (seconds / 3_600 % 24, "h")),
        _ => (format!("{} days", seconds / 86_400), (seconds / 3_600 % 24, "h")),
    };
    if rest == 0 { first } else { format!("{first} {rest} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_with_two_units_at_most() {
        for (millis, said) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (1_050, "1.05 s"),
            (59_999, "59.999 s"),
            (60_000, "1 min"),
            (125_999, "2 min 5 s"),
            (3_600_000, "1 h"),
            (86_399_999, "23 h 59 min"),
            (86_400_000, "1 day"),
            (172_799_999, "1 day 23 h"),
            (22_412_854_763, "259 days 9 h"),
        ] {
            assert_eq!(words(millis), said);
        }
    }
}
