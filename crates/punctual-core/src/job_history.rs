//! Which runs of a job stay in the task history.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which runs of a job stay in the history once they have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepRows {
    /// All.
    #[default]
    All,
    /// Those that failed.
    Failures,
    /// None.
    None,
}

/// Which runs of a job stay in the task history, and for how long: `true` (all), `false` (none), `"all"`, `"failures"`,
/// `"none"`, or `{"keep": .., "rows": .., "days": ..}`. The limits are the clean-up's affair, and lie within its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobHistory {
    /// Which rows stay.
    pub keep: KeepRows,
    /// At most this many of them, the newest.
    pub rows: Option<u64>,
    /// For at most this many days after their end.
    pub days: Option<u32>,
}

impl JobHistory {
    /// Whether some runs stay.
    pub fn is_kept(&self) -> bool {
        self.keep != KeepRows::None
    }

    /// Whether a run stays that failed or did not.
    pub fn keeps(&self, failed: bool) -> bool {
        match self.keep {
            KeepRows::All => true,
            KeepRows::Failures => failed,
            KeepRows::None => false,
        }
    }

    /// Whether each run stays for as long as the clean-up of the whole history lets it.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the clean-up has to look at the job by itself.
    pub fn is_limited(&self) -> bool {
        self.rows.is_some() || self.days.is_some()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(default)]
    keep: KeepRows,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "true, false, \"all\", \"failures\", \"none\", or a table of keep, rows and days"
)]
enum Wire {
    Flag(bool),
    Word(KeepRows),
    Whole(Whole),
}

impl Serialize for JobHistory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.keep, self.is_limited()) {
            (keep, true) => Wire::Whole(Whole { keep, rows: self.rows, days: self.days }),
            // As older versions wrote it.
            (KeepRows::All, false) => Wire::Flag(true),
            (KeepRows::None, false) => Wire::Flag(false),
            (keep, false) => Wire::Word(keep),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JobHistory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Flag(true) => Self::default(),
            Wire::Flag(false) => Self { keep: KeepRows::None, ..Self::default() },
            Wire::Word(keep) => Self { keep, ..Self::default() },
            Wire::Whole(Whole { keep, rows, days }) => Self { keep, rows, days },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let cases = [
            (json!(true), JobHistory::default()),
            (json!(false), JobHistory { keep: KeepRows::None, ..JobHistory::default() }),
            (json!("failures"), JobHistory { keep: KeepRows::Failures, ..JobHistory::default() }),
            (json!({"keep": "all", "rows": 10}), JobHistory { rows: Some(10), ..JobHistory::default() }),
            (
                json!({"keep": "failures", "rows": 1, "days": 2}),
                JobHistory { keep: KeepRows::Failures, rows: Some(1), days: Some(2) },
            ),
        ];
        for (wire, history) in cases {
            assert_eq!(serde_json::from_value::<JobHistory>(wire.clone()).unwrap(), history);
            assert_eq!(serde_json::to_value(history).unwrap(), wire);
        }
        let none: JobHistory = serde_json::from_value(json!("none")).unwrap();
        assert!(!none.is_kept() && !none.keeps(true));
        let error = serde_json::from_value::<JobHistory>(json!("some")).unwrap_err().to_string();
        assert!(error.contains("\"failures\""), "{error}");
        assert!(serde_json::from_value::<JobHistory>(json!({"row": 1})).is_err());
    }
}
