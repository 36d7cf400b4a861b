//! Where the rows stand that are asked for by their instants, in a history that is kept in the order of starts.
//!
//! A run nearly always starts at its instant or a little later, so the starts tell where the instants are. The few runs that
//! do not are kept apart: a store has an index of them alone, by their instants.

use jiff::Timestamp;

use super::HistoryQuery;
use crate::time::to_millis;

/// A run that starts at its instant, or at most so many milliseconds later, is on time. The indexes of the stores that hold
/// the others have the same number in them.
pub const ON_TIME_MS: i64 = 3_600_000;

/// Whether a run that started then was on time.
pub fn is_on_time(scheduled_at: i64, started_at: i64) -> bool {
    started_at >= scheduled_at && started_at <= scheduled_at.saturating_add(ON_TIME_MS)
}

/// When the rows that were on time started, of those that match: milliseconds, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starts {
    /// The first; `None` where no start is too early.
    pub from: Option<i64>,
    /// The last; `None` where no start is too late.
    pub to: Option<i64>,
}

impl HistoryQuery {
    /// When those of its rows started that were on time; those that were not have to be found by their instants. `None` for
    /// a query that names no instants, or what fewer rows have: the attempts of a fire, the children of a row, a task run.
    pub fn starts_on_time(&self) -> Option<Starts> {
        let names_instants = self.scheduled_from.is_some() || self.scheduled_to.is_some();
        let names_few = self.origin.is_some() || self.parent.is_some() || self.run.is_some();
        let later = |at: Timestamp| to_millis(at).saturating_add(ON_TIME_MS);
        (names_instants && !names_few).then(|| Starts {
            from: self.scheduled_from.max(self.started_from).map(to_millis),
            to: [self.scheduled_to.map(later), self.last_start()].into_iter().flatten().min(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::from_millis;

    const HOUR: i64 = ON_TIME_MS;

    fn instant() -> impl Strategy<Value = i64> {
        // Limits of windows and hours are met exactly, and nearly.
        (-3_i64..3, -2_i64..3).prop_map(|(hours, beside)| hours * HOUR + beside)
    }

    proptest! {
        #[test]
        fn no_row_on_time_is_missed(
            from in proptest::option::of(instant()),
            to in proptest::option::of(instant()),
            started_from in proptest::option::of(instant()),
            started_before in proptest::option::of(instant()),
            scheduled_at in instant(),
            late in -2..=HOUR + 2,
        ) {
            let started_at = scheduled_at + late;
            let query = HistoryQuery {
                scheduled_from: from.map(from_millis),
                scheduled_to: to.map(from_millis),
                started_from: started_from.map(from_millis),
                started_before: started_before.map(from_millis),
                ..HistoryQuery::default()
            };
            let matches = from.is_none_or(|from| scheduled_at >= from)
                && to.is_none_or(|to| scheduled_at <= to)
                && started_from.is_none_or(|from| started_at >= from)
                && started_before.is_none_or(|before| started_at < before);
            let Some(starts) = query.starts_on_time() else {
                prop_assert!(from.is_none() && to.is_none());
                return Ok(());
            };
            let inside = starts.from.is_none_or(|from| started_at >= from)
                && starts.to.is_none_or(|to| started_at <= to);
            prop_assert!(inside || !matches || !is_on_time(scheduled_at, started_at));
            // A window of starts is longer than that of the instants by one hour, and no more.
            prop_assert_eq!(starts.to, to.map(|to| to + HOUR).into_iter().chain(started_before.map(|at| at - 1)).min());
            prop_assert_eq!(starts.from.is_some(), from.is_some() || started_from.is_some());
        }
    }

    #[test]
    fn a_run_is_on_time_from_its_instant_to_an_hour_later() {
        assert!(is_on_time(5, 5) && is_on_time(5, 5 + HOUR));
        assert!(!is_on_time(5, 4) && !is_on_time(5, 6 + HOUR));
    }

    #[test]
    fn a_query_of_few_rows_does_not_go_by_instants() {
        let at = Some(from_millis(0));
        let run = Some(crate::TaskRunId(1));
        assert_eq!(
            HistoryQuery { scheduled_from: at, run, ..HistoryQuery::default() }.starts_on_time(),
            None
        );
        assert_eq!(HistoryQuery::default().starts_on_time(), None);
    }
}
