//! What a keeper tells its server: a line each.

use std::fmt;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The command runs, as the leader of the process group of this number.
    Started(i32),
    /// The command could not be started: the system's error number.
    Refused(i32),
    /// The command has ended: its status as the system gives it.
    Ended(i32),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(id) => writeln!(f, "started {id}"),
            Self::Refused(number) => writeln!(f, "refused {number}"),
            Self::Ended(status) => writeln!(f, "ended {status}"),
        }
    }
}

impl Report {
    /// Reads a line without its end.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (word, number) = line.split_once(' ')?;
        let number = number.parse().ok()?;
        match word {
            "started" => Some(Self::Started(number)),
            "refused" => Some(Self::Refused(number)),
            "ended" => Some(Self::Ended(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn what_is_written_can_be_read() {
        for report in [Report::Started(7), Report::Refused(2), Report::Ended(0x8b)] {
            assert_eq!(Report::read(report.to_string().trim_end()), Some(report));
        }
        for wrong in ["", "started", "started x", "gone 1"] {
            assert_eq!(Report::read(wrong), None, "{wrong}");
        }
    }
}
