//! Numbers, lists and ranges in English.

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// `1st`, `2nd`, `11th`, `23rd`.
pub(super) fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// What stands after `every`: `hour`, `2 hours`.
pub(super) fn counted(count: u64, unit: &str) -> String {
    if count == 1 { unit.to_owned() } else { format!("{count} {unit}s") }
}

/// A length of time in the units that people use: `1 hour`, `1 minute 30 seconds`.
pub(super) fn length(millis: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second"), (1, "millisecond")];
    let mut rest = millis;
    let mut parts = Vec::new();
    for (size, unit) in UNITS {
        match rest / size {
            0 => {}
            1 => parts.push(format!("1 {unit}")),
            count => parts.push(format!("{count} {unit}s")),
        }
        rest %= size;
    }
    if parts.is_empty() { "0 milliseconds".to_owned() } else { parts.join(" ") }
}

/// The same after `every`, where a single unit needs no number: `hour`.
pub(super) fn interval(millis: u64) -> String {
    let length = length(millis);
    match length.strip_prefix("1 ") {
        Some(unit) if !unit.contains(' ') => unit.to_owned(),
        _ => length,
    }
}

/// `09:30`, `09:30:15`.
pub(super) fn clock(hour: u32, minute: u32, second: u32, seconds: bool) -> String {
    if seconds { format!("{hour:02}:{minute:02}:{second:02}") } else { format!("{hour:02}:{minute:02}") }
}

/// The positions of the bits that are set.
pub(super) fn values(bits: u64) -> Vec<u32> {
    (0..64).filter(|bit| bits >> bit & 1 == 1).collect()
}

/// Neighbouring values as first and last.
pub(super) fn runs(values: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *value => *last = *value,
            _ => runs.push((*value, *value)),
        }
    }
    runs
}

/// The same on a circle from `low` to `high`: a last run that goes on at the beginning is one with the first.
pub(super) fn runs_around(values: &[u32], low: u32, high: u32) -> Vec<(u32, u32)> {
    let mut runs = runs(values);
    if let [(first, end), .., (begin, last)] = runs[..]
        && first == low
        && last == high
    {
        runs.pop();
        runs.remove(0);
        runs.push((begin, end));
    }
    runs
}

/// Equal distances: the distance of at least four values, or of neighbours from three on.
pub(super) fn step(values: &[u32]) -> Option<u32> {
    let step = values.get(1)? - values[0];
    let long = values.len() >= if step == 1 { 3 } else { 4 };
    (long && values.windows(2).all(|pair| pair[1] - pair[0] == step)).then_some(step)
}

/// Equal distances all around a circle of `size` values that begins with 0; `size` for a single value.
pub(super) fn step_around(values: &[u32], size: u32) -> Option<u32> {
    let step = size / u32::try_from(values.len()).ok().filter(|count| *count > 0)?;
    let even = values.windows(2).all(|pair| pair[1] - pair[0] == step);
    (even && step * values.len() as u32 == size).then_some(step)
}

/// `1, 5 and 10 to 20`: runs of three or more as ranges.
pub(super) fn ranges(values: &[u32], print: impl Fn(u32) -> String) -> String {
    list(&range_parts(&runs(values), print))
}

pub(super) fn range_parts(runs: &[(u32, u32)], print: impl Fn(u32) -> String) -> Vec<String> {
    let mut parts = Vec::new();
    for (first, last) in runs {
        if *last == first + 1 {
            parts.extend([print(*first), print(*last)]);
        } else if first == last {
            parts.push(print(*first));
        } else {
            parts.push(format!("{} to {}", print(*first), print(*last)));
        }
    }
    parts
}
