//! Lengths of time as people write them: `500ms`, `10s`, `1m 30s`, `2h`.

use serde::{Deserialize, Deserializer};

/// A length of time in whole milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span(u64);

impl Span {
    pub(crate) fn seconds(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }

    pub(crate) fn millis(&self) -> u64 {
        self.0
    }

    pub(crate) fn duration(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no length of time: write 500ms, 10s, 1m 30s or 2h");
        let duration: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
        u64::try_from(duration.as_millis()).map(Self).map_err(|_| wrong())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, millis) in [("500ms", 500), ("10s", 10_000), ("1m 30s", 90_000), ("2h", 7_200_000)] {
            assert_eq!(text.parse::<Span>().unwrap().millis(), millis, "{text}");
        }
        for text in ["", "10", "ten seconds", "-5s"] {
            assert!(text.parse::<Span>().unwrap_err().contains("10s"), "{text}");
        }
    }
}
