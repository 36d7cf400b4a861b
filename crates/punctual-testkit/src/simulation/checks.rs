//! What must hold whenever a fire is handed out, and in the end.

use jiff::Timestamp;
use punctual_core::{Cause, Fire, HistoryQuery, Lane, Pending, TaskStatus, TriggerQuery, TriggerState};
use punctual_engine::{AuditOptions, ManualClock, audit};

use super::process::Process;
use super::{World, block_on};
use crate::account;

/// What limits a fire, by a name of its own, and how many runs it allows.
fn lane_of(fire: &Fire) -> Option<(String, usize)> {
    let lane = Lane::of(1, &fire.job, &fire.trigger_data).unwrap()?;
    let name = if lane.id == 1 { fire.job.key.to_string() } else { lane.id.to_string() };
    Some((name, lane.limit as usize))
}

impl World {
    pub(super) fn check_fire(&mut self, fire: &Fire, now: Timestamp) {
        if fire.scheduled_at > now {
            self.fail(&format!("{} was fired before its time {}", fire.trigger, fire.scheduled_at));
        }
        if let Some((lane, limit)) = lane_of(fire) {
            let trusted = |process: &&Process| process.node.trusts_lease(process.node.clock().now());
            let live = self.processes.iter().filter(trusted).flat_map(|process| {
                process.running.iter().filter(|running| Some(running.term) == process.node.term())
            });
            let others =
                live.filter_map(|running| lane_of(&running.fire)).filter(|(other, _)| *other == lane);
            if others.count() >= limit {
                self.fail(&format!("more than {limit} runs of {lane:?} overlap: {}", fire.job.key));
            }
        }
        let instant = (fire.trigger.clone(), fire.scheduled_at);
        self.check_event(fire);
        let before = self.handed.insert(instant.clone(), fire.attempt);
        match (before, fire.cause) {
            // [`Self::check_event`] knows which events there were.
            (None, Cause::Event) if fire.attempt == 1 => {}
            (None, Cause::Schedule | Cause::Manual) if fire.attempt == 1 => {}
            (Some(_), Cause::Retry) if self.failed.contains(&instant) => {}
            (Some(_), Cause::Recovery) if fire.job.requests_recovery => {}
            _ => self.fail(&format!("{} of {} runs again: {fire:?}", fire.scheduled_at, fire.trigger)),
        }
    }

    /// Nothing is open, nothing waits to be tried again, and nothing is due.
    pub(super) fn is_quiet(&self) -> bool {
        let open = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
        let triggers = block_on(self.store.triggers(&TriggerQuery::default())).unwrap().rows;
        let now = self.time.now();
        block_on(self.store.history(&open)).unwrap().total == 0
            && triggers.iter().all(|trigger| {
                trigger.state != TriggerState::Waiting
                    || (trigger.pending.is_none() && trigger.next_fire_at.is_some_and(|next| next > now))
                    || trigger.definition.schedule.kind() != "once" && trigger.pending.is_none()
            })
    }

    pub(super) fn check_end(&self) {
        let triggers = block_on(self.store.triggers(&TriggerQuery::default())).unwrap().rows;
        for trigger in &triggers {
            if let Err(problem) = block_on(account::check(&self.store, trigger)) {
                self.fail(&problem);
            }
            // A further attempt may wait in a paused pending run.
            let again = |run: &Pending| run.trigger.as_ref() == Some(&trigger.definition.key);
            let waits_for = triggers.iter().filter_map(|trigger| trigger.pending.as_ref()).any(again);
            if trigger.awaits_end() && !waits_for {
                self.fail(&format!(
                    "{} waits for the end of a run that does not exist",
                    trigger.definition.key
                ));
            }
            if trigger.state == TriggerState::Complete {
                self.fail(&format!("the finished trigger {} is still there", trigger.definition.key));
            }
        }
        // The clocks are wrong by some milliseconds; lanes are checked exactly while it runs.
        let options = AuditOptions { tolerance_ms: Some(500), ..AuditOptions::default() };
        let clock = ManualClock::new(self.time.now());
        let report = block_on(audit(&*self.store, &clock, &options)).unwrap();
        if !report.is_clean() {
            self.fail(&format!("the audit found {:?}", report.problems));
        }
        let rows = block_on(self.store.history(&HistoryQuery::default())).unwrap().rows;
        self.check_emits(&rows, &triggers);
        for row in rows {
            if row.ended_at.is_none() {
                self.fail(&format!("row {} is still open", row.id));
            }
        }
    }
}
