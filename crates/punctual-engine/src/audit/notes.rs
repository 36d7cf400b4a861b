//! What could not be checked, in words.

use punctual_core::audit::Accounted;
use punctual_core::{StoredTrigger, Timestamp};

use super::rows::Lanes;

/// Counts of what was not checked.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) in_error: u64,
    /// Instants of triggers that are gone which ran again.
    pub(super) again: u64,
    pub(super) attempts_left_out: u64,
    /// When a request of an application was asked for that should have been carried out by now.
    pub(super) late_request: Option<Timestamp>,
    counters_only: u64,
    partly: u64,
    /// The beginning of the earliest account that was checked as a whole.
    whole_from: Option<Timestamp>,
    /// The latest beginning of a check by rows that left something out.
    partly_from: Option<Timestamp>,
}

impl Notes {
    pub(super) fn account(&mut self, trigger: &StoredTrigger, found: &Accounted) {
        match found.checked_from {
            None => self.counters_only += 1,
            Some(from) if found.partly => {
                self.partly += 1;
                self.partly_from = self.partly_from.max(Some(from));
            }
            Some(_) => {
                let from = trigger.accounted_from;
                self.whole_from = Some(self.whole_from.map_or(from, |earliest| earliest.min(from)));
            }
        }
    }

    /// From when on every trigger was checked by rows.
    pub(super) fn checked_from(&self) -> Option<Timestamp> {
        self.partly_from.or(self.whole_from)
    }

    pub(super) fn texts(&self, lanes: &Lanes) -> Vec<String> {
        let partly_from = self.partly_from.map(|at| at.to_string()).unwrap_or_default();
        let texts = [
            (
                self.partly,
                format!("trigger(s) are checked by their counters alone before {partly_from}: rows may have been deleted, \
                     or the check was to begin there"),
            ),
            (
                self.counters_only,
                "trigger(s) are checked by their counters alone: their jobs keep no history, or no row is left"
                    .to_owned(),
            ),
            (self.in_error, "trigger(s) in the error state are not checked".to_owned()),
            (
                self.again,
                "instant(s) of triggers that are not stored any more ran again after their run had ended, which is \
                 right if the trigger was stored anew"
                    .to_owned(),
            ),
            (
                lanes.earlier,
                "run(s) are not checked for overlaps: they are from before the present definition of their job or \
                 trigger, or their job is gone"
                    .to_owned(),
            ),
            (
                lanes.not_known,
                "run(s) are not checked for overlaps: their concurrency key depends on data that are not known any \
                 more"
                    .to_owned(),
            ),
            (
                lanes.sweep.within_tolerance(),
                "run(s) seem to overlap by so little that clocks which differ explain it (--tolerance)".to_owned(),
            ),
            (
                self.attempts_left_out,
                "fire(s) with further attempts are not checked: there are too many suspicious ones".to_owned(),
            ),
        ];
        let late = |since: Timestamp| {
            format!(
                "requests of applications have waited since {since}, more than a minute: no live node carries them out, or \
                 none understands the first"
            )
        };
        let counted = texts.into_iter().filter(|(count, _)| *count > 0);
        counted.map(|(count, text)| format!("{count} {text}")).chain(self.late_request.map(late)).collect()
    }
}
