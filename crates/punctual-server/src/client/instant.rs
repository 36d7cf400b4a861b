//! Instants and spans as arguments.

use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// An instant, a local time, or how long ago (or ahead).
#[derive(Clone, Debug)]
pub(crate) enum When {
    At(Timestamp),
    Local(DateTime),
    Span(Span),
}

const FORMS: &str = "give an instant such as 2026-11-21T05:00:00Z, a local time such as 2026-11-21T06:00, or how long ago, such as 2h";

impl FromStr for When {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        if let Ok(local) = text.parse() {
            return Ok(Self::Local(local));
        }
        let span: Span = text.parse().map_err(|_| anyhow!(FORMS))?;
        if span.is_negative() { Err(anyhow!(FORMS)) } else { Ok(Self::Span(span)) }
    }
}

impl When {
    /// The instant that is meant, in the form that the API takes.
    pub(crate) fn resolve(&self, now: Timestamp, zone: &TimeZone) -> anyhow::Result<String> {
        Ok(written(self.past(now, zone)?))
    }

    fn past(&self, now: Timestamp, zone: &TimeZone) -> anyhow::Result<Timestamp> {
        self.instant(now, zone, |then, span| then.checked_sub(span))
    }

    /// The same where a span says how long from now.
    pub(crate) fn resolve_ahead(&self, now: Timestamp, zone: &TimeZone) -> anyhow::Result<String> {
        Ok(written(self.instant(now, zone, |then, span| then.checked_add(span))?))
    }

    fn instant(
        &self,
        now: Timestamp,
        zone: &TimeZone,
        moved: fn(&Zoned, Span) -> Result<Zoned, jiff::Error>,
    ) -> anyhow::Result<Timestamp> {
        let at = match self {
            Self::At(at) => *at,
            Self::Local(local) => zone.to_ambiguous_timestamp(*local).unambiguous().with_context(|| {
                format!("{local} does not exist or occurs twice here: give it in UTC, with Z")
            })?,
            Self::Span(span) => {
                let then = moved(&now.to_zoned(zone.clone()), *span);
                then.context("no calendar reaches that far")?.timestamp()
            }
        };
        Ok(at)
    }
}

fn written(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Since when, and until when: `--since` and `--until` of a list.
#[derive(Debug, clap::Args)]
pub(crate) struct Started {
    /// Only those that started from here on: an instant, or how long ago, such as 2h.
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Only those that started before: an instant, or how long ago.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
}

impl Started {
    /// Both instants, in the form that the API takes.
    pub(crate) fn resolve(&self, now: Timestamp, zone: &TimeZone) -> anyhow::Result<[Option<String>; 2]> {
        let at = |when: &Option<When>, name: &'static str| {
            when.as_ref().map(|when| when.past(now, zone).context(name)).transpose()
        };
        let (since, until) = (at(&self.since, "--since")?, at(&self.until, "--until")?);
        if let (Some(since), Some(until)) = (since, until)
            && until < since
        {
            bail!("--until {} is before --since {}: give a later one", written(until), written(since));
        }
        Ok([since.map(written), until.map(written)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_local_times_and_spans_are_understood() {
        let now: Timestamp = "2026-03-30T10:00:00Z".parse().unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, at) in [
            ("2026-03-29T10:00:00Z", "2026-03-29T10:00:00.000Z"),
            ("2026-03-29 10:00:00.25+02:00", "2026-03-29T08:00:00.250Z"),
            ("2026-03-29T10:00", "2026-03-29T08:00:00.000Z"),
            ("2026-03-29", "2026-03-28T23:00:00.000Z"),
            ("2h", "2026-03-30T08:00:00.000Z"),
            // One of the two days has 23 hours.
            ("2d", "2026-03-28T11:00:00.000Z"),
            ("1h 30m", "2026-03-30T08:30:00.000Z"),
        ] {
            assert_eq!(text.parse::<When>().unwrap().resolve(now, &berlin).unwrap(), at, "{text}");
        }
        for text in ["", "yesterday", "-2h", "25:00", "2026-13-01"] {
            let error = text.parse::<When>().unwrap_err().to_string();
            assert!(error.contains("2h"), "{error}");
        }
        let ahead: When = "1d".parse().unwrap();
        assert_eq!(ahead.resolve_ahead(now, &berlin).unwrap(), "2026-03-31T10:00:00.000Z");
        let twice: When = "2026-10-25T02:30".parse().unwrap();
        let error = twice.resolve(now, &berlin).unwrap_err().to_string();
        assert!(error.contains("with Z"), "{error}");
    }
}
