//! `why`: what became of one instant of a trigger, in one sentence with the evidence.

use std::fmt;

use jiff::Timestamp;
use punctual_core::time::words;
use punctual_core::{
    Calendar, HistoryQuery, Paging, Schedule, SkipReason, SkippedQuery, SkippedRange, StoreError,
    StoredTrigger, TaskHistory, TaskStatus, TriggerKey, TriggerState,
};

use crate::scheduler::Scheduler;

/// What became of an instant.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fate {
    /// It was run; the attempts, first to last.
    Ran(Vec<TaskHistory>),
    /// It was not run, and this range says why.
    Skipped(SkippedRange),
    /// It is due and has not been claimed yet.
    Waiting {
        /// Whether its trigger is paused.
        paused: bool,
        /// Whether its job's limit of runs holds it back.
        blocked: bool,
    },
    /// It lies ahead.
    Ahead,
    /// The trigger is in the error state, with the reason.
    Broken(String),
    /// The trigger has no such instant; the instants around it, if there are any.
    NotScheduled {
        /// The last instant before.
        before: Option<Timestamp>,
        /// The first instant after.
        after: Option<Timestamp>,
    },
    /// The trigger's schedule counts a delay from the end of each run, and this is no instant that it had; those around
    /// it, as the history and the next fire time tell them.
    BetweenRuns {
        /// The last instant before that is recorded.
        before: Option<Timestamp>,
        /// The first instant after, if it is known already.
        after: Option<Timestamp>,
    },
    /// The trigger's schedule has the instant, and its calendar excludes it.
    Excluded {
        /// The calendar's name.
        calendar: String,
    },
    /// It lies before the time from which the account of this trigger reaches, or its rows were cleaned up.
    BeforeAccount {
        /// From when on the account reaches.
        from: Timestamp,
    },
    /// No trigger of this key is stored, and no row speaks of the instant.
    NoTrigger,
}

/// The answer to "why did (or did not) this trigger run at this instant?"
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The trigger.
    pub trigger: TriggerKey,
    /// The instant, UTC.
    pub at: Timestamp,
    /// What became of it, with the rows that show it.
    pub fate: Fate,
}

impl Scheduler {
    /// What became of the instant `at` of a trigger. Triggers that are gone are answered from the history.
    pub async fn why(&self, trigger: &TriggerKey, at: Timestamp) -> Result<Why, StoreError> {
        let fate = self.fate(trigger, at).await?;
        Ok(Why { trigger: trigger.clone(), at, fate })
    }

    async fn fate(&self, key: &TriggerKey, at: Timestamp) -> Result<Fate, StoreError> {
        let runs = HistoryQuery {
            trigger: Some(key.clone()),
            scheduled_from: Some(at),
            scheduled_to: Some(at),
            descending: false,
            ..HistoryQuery::default()
        };
        let runs = self.store().history(&runs).await?.rows;
        if !runs.is_empty() {
            return Ok(Fate::Ran(runs));
        }
        let stored = self.store().trigger(key).await?;
        let calendar = match stored.as_ref().and_then(|stored| stored.definition.calendar.as_ref()) {
            Some(name) => self.store().calendar(name).await?.map(|stored| stored.calendar),
            None => None,
        };
        let skipped = SkippedQuery { trigger: Some(key.clone()), at: Some(at), ..SkippedQuery::default() };
        let skipped = self.store().skipped(&skipped).await?.rows.into_iter().next();
        let scheduled = stored.as_ref().is_none_or(|stored| is_scheduled(stored, calendar.as_ref(), at));
        match (skipped, stored) {
            // A range also spans what lies between its instants; the schedule, where known, decides.
            (Some(range), _) if scheduled || range.skip.first == at || range.skip.last == at => {
                Ok(Fate::Skipped(range))
            }
            (_, None) => Ok(Fate::NoTrigger),
            (_, Some(stored)) => self.fate_of_unrecorded(&stored, calendar.as_ref(), at).await,
        }
    }

    async fn fate_of_unrecorded(
        &self,
        stored: &StoredTrigger,
        calendar: Option<&Calendar>,
        at: Timestamp,
    ) -> Result<Fate, StoreError> {
        if stored.state == TriggerState::Error {
            return Ok(Fate::Broken(stored.error.clone().unwrap_or_default()));
        }
        if !is_scheduled(stored, calendar, at) {
            if stored.pending.is_none() && stored.occurrences(None).contains(at) {
                return Ok(Fate::Excluded {
                    calendar: stored.definition.calendar.clone().unwrap_or_default(),
                });
            }
            if matches!(stored.schedule(), Schedule::FixedDelay(_)) && stored.pending.is_none() {
                return self.fate_between_runs(stored, at).await;
            }
            let occurrences = stored.occurrences(calendar);
            let (before, after) = (occurrences.prev_before(at), occurrences.next_after(at));
            return Ok(Fate::NotScheduled { before, after });
        }
        match stored.next_fire_at {
            Some(next) if next <= at => {
                if at > self.now() {
                    return Ok(Fate::Ahead);
                }
                let paused = stored.state == TriggerState::Paused;
                let blocked = match stored.lane {
                    None => false,
                    Some(lane) => {
                        let open = self.store().open_in_lanes(&[lane.id]).await?;
                        open.iter().any(|(_, open)| !lane.has_room(*open))
                    }
                };
                Ok(Fate::Waiting { paused, blocked })
            }
            _ => Ok(Fate::BeforeAccount { from: stored.accounted_from }),
        }
    }

    /// The schedule knows the one instant of a fixed delay that is to come; those that have passed are in the history.
    async fn fate_between_runs(&self, stored: &StoredTrigger, at: Timestamp) -> Result<Fate, StoreError> {
        let key = &stored.definition.key;
        let near = |scheduled_from, scheduled_to, descending| HistoryQuery {
            trigger: Some(key.clone()),
            scheduled_from,
            scheduled_to,
            brief: true,
            descending,
            paging: Paging::first(1),
            ..HistoryQuery::default()
        };
        let store = self.store();
        let first = |rows: Vec<TaskHistory>| rows.first().and_then(|row| row.scheduled_at);
        let before = first(store.history(&near(None, Some(at), true)).await?.rows);
        let after = first(store.history(&near(Some(at), None, false)).await?.rows);
        let next = stored.next_fire_at;
        let before = before.max(next.filter(|next| *next < at));
        let after = after.or(next.filter(|next| *next > at));
        Ok(Fate::BetweenRuns { before, after })
    }
}

fn is_scheduled(stored: &StoredTrigger, calendar: Option<&Calendar>, at: Timestamp) -> bool {
    match &stored.pending {
        Some(pending) => pending.scheduled_at == at,
        None => stored.state != TriggerState::Error && stored.occurrences(calendar).contains(at),
    }
}

fn reason_words(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Misfire => {
            "it was late beyond its threshold, and the misfire policy gives such instants up"
        }
        SkipReason::Coalesced => "it was late beyond its threshold, and one run stands for all that were",
        SkipReason::Overlap => "its job was still running, and the overlap policy is to skip",
        SkipReason::Paused => "its trigger was paused",
        SkipReason::Expired => "no node was able to run its kind in time",
        SkipReason::Ended => "its trigger was deleted while it was due",
        SkipReason::Replaced => "its trigger was redefined while it was due",
        _ => "it was given up",
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of trigger {} ", self.at, self.trigger)?;
        match &self.fate {
            Fate::Ran(runs) => fmt_runs(f, runs),
            Fate::Skipped(range) => {
                write!(f, "was not run: {}", reason_words(range.skip.reason))?;
                if let Some(fire) = range.fire {
                    write!(f, " (run {fire})")?;
                }
                write!(f, ", decided at {}", range.recorded_at)
            }
            Fate::Waiting { paused: true, .. } => f.write_str("is due and waits: its trigger is paused"),
            Fate::Waiting { blocked: true, .. } => {
                f.write_str("is due and waits: as many runs are under way as its job's limit allows")
            }
            Fate::Waiting { .. } => f.write_str("is due and waits for a node that can run it"),
            Fate::Ahead => f.write_str("lies ahead"),
            Fate::Broken(error) => write!(f, "cannot run: the trigger is in the error state ({error})"),
            Fate::NotScheduled { before, after } => {
                f.write_str("is no instant of its schedule")?;
                match (before, after) {
                    (Some(before), Some(after)) => write!(f, ": those around it are {before} and {after}"),
                    (Some(before), None) => write!(f, ": its last one is {before}"),
                    (None, Some(after)) => write!(f, ": its first one is {after}"),
                    (None, None) => Ok(()),
                }
            }
            Fate::BetweenRuns { before, after } => {
                f.write_str(
                    "is no instant of its schedule, which counts a delay from the end of each run: ",
                )?;
                match before {
                    Some(before) => write!(f, "the one before is {before}")?,
                    None => f.write_str("none before it is recorded")?,
                }
                match after {
                    Some(after) => write!(f, ", the one after {after}"),
                    None => f.write_str(", the one after is set when its run has ended"),
                }
            }
            Fate::Excluded { calendar } => {
                write!(f, "is excluded by the trigger's calendar {calendar:?}")
            }
            Fate::BeforeAccount { from } => write!(
                f,
                "is not recorded any more: the account of this definition reaches back to {from} at most, and \
                 rows beyond the retention are deleted"
            ),
            Fate::NoTrigger => f.write_str("is unknown: there is no such trigger, and no record of it"),
        }
    }
}

fn fmt_runs(f: &mut fmt::Formatter<'_>, runs: &[TaskHistory]) -> fmt::Result {
    let Some(last) = runs.last() else { return Ok(()) };
    let what = match last.status {
        TaskStatus::Started => "is running",
        TaskStatus::Success => "ran and succeeded",
        TaskStatus::Failed => "ran and failed",
        TaskStatus::Unknown => "was cut off when its node was lost",
    };
    write!(f, "{what} on node {} (run {}", last.node, last.id)?;
    if runs.len() > 1 {
        write!(f, ", attempt {}", last.attempt)?;
    }
    if let Some(late) = runs[0].lateness_ms() {
        write!(f, ", first started {} late", words(late.try_into().unwrap_or_default()))?;
    }
    if let Some(duration) = last.duration_ms {
        write!(f, ", took {}", words(duration))?;
    }
    f.write_str(")")
}
