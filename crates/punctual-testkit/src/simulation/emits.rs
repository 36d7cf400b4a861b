//! Events, and what an emit that returned has promised.

use std::collections::HashMap;

use jiff::Timestamp;
use punctual_core::time::whole_millis;
use punctual_core::{
    Cause, Change, Data, Fire, JobKey, SkipReason, SkippedQuery, StoredTrigger, TaskHistory, TriggerKey,
    TriggerQuery, TriggerState,
};
use serde_json::Value;

use super::{World, block_on};

/// A trigger, and the instant of an event: no two events have the same.
type Instant = (TriggerKey, Timestamp);

/// What an emit owes to one trigger.
#[derive(Clone, Copy, Debug)]
struct Promise {
    /// The number in the event's payload.
    number: u64,
    /// Whether it is a run; a skip otherwise.
    run: bool,
}

/// The events so far.
#[derive(Debug, Default)]
pub(super) struct Emits {
    count: u64,
    promises: HashMap<Instant, Promise>,
}

impl World {
    pub(super) fn event_name(&mut self) -> &'static str {
        if self.random.chance(50) { "ready" } else { "done" }
    }

    /// Emits an event, and notes what that promises.
    pub(super) fn emit(&mut self) {
        self.time.advance_ms(1);
        let at = whole_millis(self.time.now());
        let event = self.event_name();
        self.emits.count += 1;
        let number = self.emits.count;
        let mut promised = [0, 0];
        for trigger in block_on(self.store.triggers(&TriggerQuery::default())).unwrap().rows {
            if trigger.schedule().event() == Some(event) && self.is_included(&trigger, at) {
                let run = trigger.state != TriggerState::Paused;
                promised[usize::from(run)] += 1;
                self.emits.promises.insert((trigger.definition.key, at), Promise { number, run });
            }
        }
        let payload = Data::stored(format!(r#"{{"emit":{number}}}"#));
        let answer = self.apply(Change::Emit { event: event.to_owned(), payload });
        let answered = answer.map(|applied| [applied.unchanged, applied.created]);
        if answered != Some(promised) {
            self.fail(&format!("an event made {answered:?} skips and runs rather than {promised:?}"));
        }
    }

    /// Whether no calendar keeps the trigger from an event of this moment.
    fn is_included(&self, trigger: &StoredTrigger, at: Timestamp) -> bool {
        let Some(name) = &trigger.definition.calendar else { return true };
        let stored = block_on(self.store.calendar(name)).unwrap();
        stored.is_none_or(|stored| stored.calendar.next_included(at) == Some(at))
    }

    /// Whether a fire for an event was promised, and carries what was emitted.
    pub(super) fn check_event(&self, fire: &Fire) {
        let promise = self.emits.promises.get(&(fire.trigger.clone(), fire.scheduled_at));
        let Some(promise) = promise else {
            if fire.cause == Cause::Event {
                self.fail(&format!("nothing was emitted for {fire:?}"));
            }
            return;
        };
        let data = fire.data().ok().and_then(|data| data.to_map().ok());
        let carried = data.and_then(|data| data.get("emit").and_then(Value::as_u64));
        if carried != Some(promise.number) {
            self.fail(&format!("the run for event {} carries {carried:?}: {fire:?}", promise.number));
        }
    }

    /// The job is about to be deleted: what waits of it goes, and must never run.
    pub(super) fn forget_waiting(&mut self, job: &JobKey) {
        let query = TriggerQuery { job: Some(job.clone()), ..TriggerQuery::default() };
        for trigger in block_on(self.store.triggers(&query)).unwrap().rows {
            let Some(run) = trigger.pending.filter(|run| run.cause == Cause::Event) else { continue };
            if let Some(of) = run.trigger {
                self.emits.promises.remove(&(of, run.scheduled_at));
            }
        }
    }

    /// Whether each promise was kept: one first attempt in the history or still waiting (where its job is paused), or
    /// one skip.
    pub(super) fn check_emits(&self, rows: &[TaskHistory], triggers: &[StoredTrigger]) {
        let mut runs: HashMap<Instant, u64> = HashMap::new();
        let ended = rows.iter().filter(|row| row.cause == Cause::Event && row.attempt == 1);
        let ended = ended.filter_map(|row| row.trigger.clone().zip(row.scheduled_at));
        let waiting = triggers.iter().filter_map(|trigger| trigger.pending.as_ref());
        let waiting = waiting.filter(|run| run.cause == Cause::Event && run.attempt == 1);
        let waiting = waiting.filter_map(|run| run.trigger.clone().map(|key| (key, run.scheduled_at)));
        for instant in ended.chain(waiting) {
            *runs.entry(instant).or_default() += 1;
        }
        let paused = SkippedQuery { reason: Some(SkipReason::Paused), ..SkippedQuery::default() };
        let mut skips: HashMap<Instant, u64> = HashMap::new();
        for range in block_on(self.store.skipped(&paused)).unwrap().rows {
            *skips.entry((range.trigger, range.skip.first)).or_default() += range.skip.count;
        }
        for (instant, promise) in &self.emits.promises {
            let found = [&runs, &skips].map(|counts| counts.get(instant).copied().unwrap_or(0));
            let owed = if promise.run { [1, 0] } else { [0, 1] };
            if found != owed {
                let (key, at) = instant;
                self.fail(&format!(
                    "event {} at {at} made {found:?} runs and skips of {key}",
                    promise.number
                ));
            }
        }
    }
}
