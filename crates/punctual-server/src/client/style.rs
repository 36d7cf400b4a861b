//! How things are shown: colours, the zone of times.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How things are shown.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(super) color: bool,
    pub(super) zone: TimeZone,
}

impl Style {
    /// Colours on a terminal only, and not where `NO_COLOR` is set.
    pub(crate) fn of_stdout(utc: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
        Self { color: crate::output::is_terminal() && !unwanted, zone }
    }

    /// The zone of times, also of those that are given without one.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// In a form that can be given as an argument again, of one width.
    pub(crate) fn instant(&self, at: Timestamp) -> String {
        let format =
            if self.zone == TimeZone::UTC { "%Y-%m-%d %H:%M:%S%.3fZ" } else { "%Y-%m-%d %H:%M:%S%.3f%:z" };
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// A word for a state, in the colour of what it means.
    pub(super) fn paint(&self, word: &str, text: String) -> String {
        const RED: &str = "31";
        const GREEN: &str = "32";
        const YELLOW: &str = "33";
        let color = match word {
            "success" | "ok" | "running" | "active" => GREEN,
            "failed" | "error" | "lost" | "unknown" | "broken" | "disabled" | "abandoned" => RED,
            "started" | "paused" | "blocked" | "draining" | "stopping" | "degraded" => YELLOW,
            _ => return text,
        };
        if self.color { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text }
    }

    pub(super) fn head(&self, text: String) -> String {
        if self.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text }
    }
}

/// Text from elsewhere, without what would steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d ü"), "a\\u{1b}[2Jb\\nc\\u{202e}d ü");
    }

    #[test]
    fn colours_go_with_the_meaning_and_only_where_wanted() {
        let style = |color| Style { color, zone: TimeZone::UTC };
        assert_eq!(style(true).paint("failed", "failed ".to_owned()), "\u{1b}[31mfailed \u{1b}[0m");
        assert_eq!(style(false).paint("failed", "failed ".to_owned()), "failed ");
        assert_eq!(style(true).paint("other", "other".to_owned()), "other");
    }

    #[test]
    fn instants_are_shown_with_their_offset() {
        let at: Timestamp = "2026-11-21T05:00:00.250Z".parse().unwrap();
        let style = |zone| Style { color: false, zone };
        assert_eq!(style(TimeZone::UTC).instant(at), "2026-11-21 05:00:00.250Z");
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(style(berlin).instant(at), "2026-11-21 06:00:00.250+01:00");
    }
}
