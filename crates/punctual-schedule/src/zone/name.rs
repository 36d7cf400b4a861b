//! Finding a zone by name.

use jiff::tz::{self, TimeZone};

use crate::error::ScheduleError;

/// Letters that look like a zone but do not say which rules apply: `EST` has no summer time, `IST` is India, Ireland
/// or Israel. Each comes with the name that most people mean.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("ACST", "Australia/Adelaide"),
    ("AEDT", "Australia/Sydney"),
    ("AEST", "Australia/Brisbane"),
    ("AKST", "America/Anchorage"),
    ("AST", "America/Halifax"),
    ("AWST", "Australia/Perth"),
    ("BRT", "America/Sao_Paulo"),
    ("BST", "Europe/London"),
    ("CAT", "Africa/Maputo"),
    ("CDT", "America/Chicago"),
    ("CEST", "Europe/Berlin"),
    ("CET", "Europe/Berlin"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Nairobi"),
    ("EDT", "America/New_York"),
    ("EEST", "Europe/Athens"),
    ("EET", "Europe/Athens"),
    ("EST", "America/New_York"),
    ("HKT", "Asia/Hong_Kong"),
    ("HST", "Pacific/Honolulu"),
    ("ICT", "Asia/Bangkok"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("KST", "Asia/Seoul"),
    ("MDT", "America/Denver"),
    ("MET", "Europe/Berlin"),
    ("MSK", "Europe/Moscow"),
    ("MST", "America/Denver"),
    ("NST", "America/St_Johns"),
    ("NZDT", "Pacific/Auckland"),
    ("NZST", "Pacific/Auckland"),
    ("PDT", "America/Los_Angeles"),
    ("PKT", "Asia/Karachi"),
    ("PST", "America/Los_Angeles"),
    ("SAST", "Africa/Johannesburg"),
    ("SGT", "Asia/Singapore"),
    ("WAT", "Africa/Lagos"),
    ("WEST", "Europe/Lisbon"),
    ("WET", "Europe/Lisbon"),
];

/// Finds a time zone by its IANA name, for example `Europe/Berlin` or `UTC`, in any case.
///
/// # Errors
///
/// Refuses abbreviations (`EST`, `CET`, `IST`; also the few that the tz database still carries), fixed offsets
/// (`+02:00`) and unknown names; the message says what to write instead.
pub fn zone(name: &str) -> Result<TimeZone, ScheduleError> {
    let refuse = |message: String| ScheduleError::Zone { name: name.to_owned(), message };
    let upper = name.to_ascii_uppercase();
    if let Some((_, meant)) = ABBREVIATIONS.iter().find(|(short, _)| *short == upper) {
        return Err(refuse(format!(
            "an abbreviation does not say which rules apply; use an IANA name such as {meant:?}"
        )));
    }
    if name.is_empty() {
        return Err(refuse("is empty; use an IANA name such as \"Europe/Berlin\" or \"UTC\"".to_owned()));
    }
    if name.starts_with(['+', '-']) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(refuse(
            "is an offset, not a zone; use an IANA name such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
        ));
    }
    // The tz database's "Factory" and jiff's stand-in for "not known" are no places.
    let known = !matches!(upper.as_str(), "FACTORY" | "ETC/UNKNOWN");
    match TimeZone::get(name) {
        Ok(zone) if known && zone.iana_name().is_some() => Ok(zone),
        _ => Err(refuse(match nearest(name) {
            Some(near) => format!("is not an IANA name; did you mean {near:?}?"),
            None => "is not an IANA name; use one such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
        })),
    }
}

/// The name under which a zone is stored. A zone without one (made from an offset or a POSIX rule) is written as that
/// offset or rule, which [`zone`] refuses: such schedules live in memory only.
pub(crate) fn name_of(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(|| format!("{zone:?}"), str::to_owned)
}

/// The zone of a JSON form that names none.
pub(crate) fn utc() -> String {
    "UTC".to_owned()
}

/// The known name closest to `name`, where one is close enough to be a slip of the keyboard, or the only place
/// with that city.
fn nearest(name: &str) -> Option<String> {
    // The longest name has 32 letters; comparing with something much longer only takes time.
    if name.len() > 64 {
        return None;
    }
    let wanted = name.to_ascii_lowercase().replace(' ', "_");
    let city = format!("/{wanted}");
    let limit = 1 + wanted.len() / 6;
    tz::db()
        .available()
        .map(|known| known.as_str().to_owned())
        .filter_map(|known| {
            let lower = known.to_ascii_lowercase();
            let distance = if lower.ends_with(&city) { 0 } else { distance(&wanted, &lower) };
            (distance <= limit).then_some((distance, known))
        })
        .min()
        .map(|(_, known)| known)
}

/// Edits that turn one word into another.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_in_any_case() {
        assert_eq!(zone("europe/berlin").unwrap().iana_name(), Some("Europe/Berlin"));
        assert_eq!(zone("UTC").unwrap().iana_name(), Some("UTC"));
        assert_eq!(zone("EST5EDT").unwrap().iana_name(), Some("EST5EDT"));
    }

    #[test]
    fn refuses_with_what_would_be_right() {
        let message = |name: &str| zone(name).unwrap_err().to_string();
        assert!(message("EST").contains("\"America/New_York\""), "{}", message("EST"));
        assert!(message("cest").contains("\"Europe/Berlin\""));
        assert!(message("Europe/Berln").contains("did you mean \"Europe/Berlin\"?"));
        assert!(message("Berlin").contains("did you mean \"Europe/Berlin\"?"));
        assert!(message("New York").contains("did you mean \"America/New_York\"?"));
        assert!(message("+02:00").contains("offset"));
        assert!(message("Mars/Olympus_Mons").contains("use one such as"));
        assert!(message("").contains("is empty"));
        assert!(message(&"x".repeat(1_000_000)).contains("use one such as"));
        assert!(message("../etc/passwd").contains("not an IANA name"));
    }
}
