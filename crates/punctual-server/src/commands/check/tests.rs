use std::path::Path;

use super::{Report, report};
use crate::config::Config;

const NOW: &str = "2026-03-02T10:30:00.25Z";

/// What is said about the only trigger of a job with these keys.
fn said(keys: &str) -> Report {
    let text = format!(
        "[calendars.never]\ntype = 'weekly'\ndays = [1, 2, 3, 4, 5, 6, 7]\n\
         [jobs.a]\nkind = 'noop'\n{keys}\n"
    );
    let config = Config::from_text(Path::new("jobs.toml"), text, std::iter::empty()).unwrap();
    let trigger = config.entries().unwrap().remove(0).triggers.remove(0);
    report(&trigger, &config, NOW.parse().unwrap(), 2)
}

#[test]
fn the_fire_times_are_those_of_a_server_that_starts_now() {
    let begins = "(it begins when it is first stored, which is taken to be now)";
    for (keys, expected) in [
        ("cron = '0 0 12 * * ?'", vec!["2026-03-02T12:00:00Z", "2026-03-03T12:00:00Z"]),
        ("every = '7s'", vec!["2026-03-02T10:30:00.25Z", "2026-03-02T10:30:07.25Z", begins]),
        (
            "every = '7s'\nstart = '2026-03-02T10:30:05Z'",
            vec!["2026-03-02T10:30:05Z", "2026-03-02T10:30:12Z"],
        ),
        (
            "delay = '5s'",
            vec!["2026-03-02T10:30:00.25Z", "and then so long after the end of each run", begins],
        ),
        ("delay = '5s'\nrepeat = 0", vec!["2026-03-02T10:30:00.25Z", begins]),
        ("at = '2026-03-02T10:30:00Z'", vec!["2026-03-02T10:30:00Z  has passed: it is late"]),
        ("event = 'done'", vec![]),
        ("cron = '0 0 12 1 1 ? 2025'", vec!["never fires again: a database that has not held it"]),
    ] {
        let Report::Lines(lines) = said(keys) else { panic!("{keys} is refused") };
        assert_eq!(lines.len(), expected.len(), "{keys}: {lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{keys}: {line}");
        }
    }
}

#[test]
fn what_never_fires_is_refused() {
    for keys in [
        "cron = '0 0 0 30 2 ?'",
        "every = '1h'\ncalendar = 'never'",
        "event = 'done'\nend = '2026-01-01T00:00:00Z'",
    ] {
        assert!(
            matches!(said(keys), Report::Wrong(problem) if problem.contains("would never fire")),
            "{keys}"
        );
    }
}
