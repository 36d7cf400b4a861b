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
