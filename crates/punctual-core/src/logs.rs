//! The messages of one piece of work: the newest, and what became of the others.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::limits::{lines, shorten};
use crate::record::{LogEntry, LogLevel, Truncated};

/// How many messages are kept, the newest.
pub const MAX_LOG_ENTRIES: usize = 100;
/// The longest message, in characters.
pub const MAX_LOG_MESSAGE: usize = 4_000;
/// The target of the entry that stands for dropped messages.
const TRUNCATED_TARGET: &str = "punctual.task-history";

/// Keeps the newest [`MAX_LOG_ENTRIES`] messages. Holds no memory until the first.
#[derive(Clone, Debug, Default)]
pub struct LogRing {
    entries: VecDeque<LogEntry>,
    dropped: BTreeMap<LogLevel, u64>,
    span: Option<(Timestamp, Timestamp)>,
}

impl LogRing {
    /// Takes a message in, cut to the limits.
    pub fn push(
        &mut self,
        level: LogLevel,
        timestamp: Timestamp,
        target: &str,
        msg: String,
        error: Vec<String>,
    ) {
        if self.entries.len() == MAX_LOG_ENTRIES
            && let Some(old) = self.entries.pop_front()
        {
            *self.dropped.entry(old.level).or_default() += 1;
            let first = self.span.map_or(old.timestamp, |(first, _)| first);
            self.span = Some((first, old.timestamp));
        }
        self.entries.push_back(LogEntry {
            level,
            timestamp,
            fqns: target.to_owned(),
            msg: shorten(msg, MAX_LOG_MESSAGE),
            exception: lines(error, 20, 500),
            trunc: None,
        });
    }

    /// Whether nothing was logged.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All that is kept, in order; where messages were dropped, an entry that says so comes first.
    pub fn take(&mut self) -> Vec<LogEntry> {
        let ring = std::mem::take(self);
        let marker = ring.span.map(|(start_timestamp, last_timestamp)| LogEntry {
            level: LogLevel::Info,
            timestamp: start_timestamp,
            fqns: TRUNCATED_TARGET.to_owned(),
            msg: format!("[truncated] {} messages", ring.dropped.values().sum::<u64>()),
            exception: Vec::new(),
            trunc: Some(Truncated { levels: ring.dropped, start_timestamp, last_timestamp }),
        });
        marker.into_iter().chain(ring.entries).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_full_ring_says_what_it_dropped() {
        let mut ring = LogRing::default();
        for n in 0..103 {
            let level = if n == 1 { LogLevel::Error } else { LogLevel::Info };
            ring.push(level, at(n), "here", format!("message {n}"), Vec::new());
        }
        let entries = ring.take();
        assert_eq!(entries.len(), 101);
        assert_eq!(entries[0].msg, "[truncated] 3 messages");
        let trunc = entries[0].trunc.as_ref().unwrap();
        assert_eq!(trunc.levels, BTreeMap::from([(LogLevel::Error, 1), (LogLevel::Info, 2)]));
        assert_eq!((trunc.start_timestamp, trunc.last_timestamp), (at(0), at(2)));
        assert_eq!((entries[1].msg.as_str(), entries[100].msg.as_str()), ("message 3", "message 102"));
        let wire = serde_json::to_value(&entries[0]).unwrap();
        assert_eq!(wire["trunc"]["levels"]["error"], 1);
        assert_eq!(wire["trunc"]["start-timestamp"], "1970-01-01T00:00:00Z");
        assert!(ring.take().is_empty(), "it starts again");
    }

    #[test]
    fn a_hundred_messages_are_all_kept_and_long_ones_cut() {
        let mut ring = LogRing::default();
        for n in 0..100 {
            ring.push(LogLevel::Warn, at(n), "here", "é".repeat(5_000), vec!["cause".repeat(200); 30]);
        }
        let entries = ring.take();
        assert_eq!(entries.len(), 100);
        assert_eq!(entries[0].msg.chars().count(), 4_000);
        assert!(entries[0].msg.ends_with("..."));
        assert_eq!((entries[0].exception.len(), entries[0].exception[0].len()), (20, 500));
    }
}
