//! Edits with a way back: every write remembers what was there.

use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::definition::DefinitionTx;
use punctual_core::{
    AuditEntry, FireId, JobDetail, JobKey, JobKind, Skip, SkippedRange, StoreError, StoredCalendar,
    StoredJob, StoredTrigger, TriggerKey, TriggerState,
};

use crate::state::State;

enum Undo {
    Job(i64, Option<StoredJob>),
    Trigger(i64, Option<Box<StoredTrigger>>),
    Skip,
    Audit(i64),
    Group(String, bool),
    Calendar(String, Option<Box<StoredCalendar>>),
}

pub(crate) struct Tx<'a> {
    state: &'a mut State,
    journal: Vec<Undo>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(state: &'a mut State) -> Self {
        Self { state, journal: Vec::new() }
    }

    /// Puts everything back as it was.
    pub(crate) fn undo(self) {
        for entry in self.journal.into_iter().rev() {
            match entry {
                Undo::Job(id, old) => {
                    self.state.set_job(id, old);
                }
                Undo::Trigger(id, old) => {
                    self.state.set_trigger(id, old.map(|old| *old));
                }
                Undo::Skip => {
                    self.state.skipped.pop();
                }
                Undo::Audit(id) => self.state.accounts.forget_audit(id),
                Undo::Calendar(name, old) => {
                    match old {
                        Some(old) => self.state.calendars.insert(name, *old),
                        None => self.state.calendars.remove(&name),
                    };
                }
                Undo::Group(group, true) => {
                    self.state.paused_groups.insert(group);
                }
                Undo::Group(group, false) => {
                    self.state.paused_groups.remove(&group);
                }
            }
        }
    }

    fn set_job(&mut self, id: i64, new: Option<StoredJob>) {
        let old = self.state.set_job(id, new);
        self.journal.push(Undo::Job(id, old));
    }

    fn set_trigger(&mut self, id: i64, new: Option<StoredTrigger>) {
        let old = self.state.set_trigger(id, new);
        self.journal.push(Undo::Trigger(id, old.map(Box::new)));
    }
}

type Result<T> = std::result::Result<T, StoreError>;

impl DefinitionTx for Tx<'_> {
    type Error = StoreError;

    fn job(&mut self, key: &JobKey) -> Result<Option<StoredJob>> {
        Ok(self.state.job(key).cloned())
    }

    fn job_by_id(&mut self, id: i64) -> Result<Option<StoredJob>> {
        Ok(self.state.jobs.get(&id).cloned())
    }

    fn insert_job(&mut self, detail: &JobDetail, now: Timestamp) -> Result<i64> {
        let id = self.state.next_id();
        let detail = Arc::new(detail.clone());
        self.set_job(id, Some(StoredJob { id, detail, version: 1, created_at: now, updated_at: now }));
        Ok(id)
    }

    fn update_job(&mut self, old: &StoredJob, detail: &JobDetail, now: Timestamp) -> Result<()> {
        let detail = Arc::new(detail.clone());
        let new = StoredJob { detail, version: old.version + 1, updated_at: now, ..old.clone() };
        self.set_job(old.id, Some(new));
        Ok(())
    }

    fn delete_job(&mut self, id: i64) -> Result<()> {
        self.set_job(id, None);
        Ok(())
    }

    fn has_open_fires(&mut self, job_id: i64) -> Result<bool> {
        Ok(self.state.has_open_fires(job_id))
    }

    fn trigger(&mut self, key: &TriggerKey) -> Result<Option<StoredTrigger>> {
        Ok(self.state.trigger(key).cloned())
    }

    fn triggers_of(&mut self, job_id: i64) -> Result<Vec<StoredTrigger>> {
        let ids = self.state.of_job.get(&job_id).into_iter().flatten();
        Ok(ids.filter_map(|id| self.state.triggers.get(id).cloned()).collect())
    }

    fn has_triggers(&mut self, job_id: i64) -> Result<bool> {
        Ok(self.state.of_job.contains_key(&job_id))
    }

    fn triggers_in(&mut self, group: &str) -> Result<Vec<StoredTrigger>> {
        let ids = self.state.trigger_ids.iter().filter(|(key, _)| key.group() == group);
        Ok(ids.filter_map(|(_, id)| self.state.triggers.get(id).cloned()).collect())
    }

    fn insert_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        let id = self.state.next_id();
        self.set_trigger(id, Some(StoredTrigger { id, ..trigger.clone() }));
        Ok(())
    }

    fn update_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        self.set_trigger(trigger.id, Some(trigger.clone()));
        Ok(())
    }

    fn delete_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        self.set_trigger(trigger.id, None);
        Ok(())
    }

    fn add_skip(&mut self, trigger: &StoredTrigger, skip: &Skip, now: Timestamp) -> Result<()> {
        let id = self.state.next_id();
        self.state.skipped.push(SkippedRange {
            id,
            trigger: trigger.definition.key.clone(),
            job: trigger.definition.job.clone(),
            skip: *skip,
            recorded_at: now,
            fire: None,
        });
        self.journal.push(Undo::Skip);
        Ok(())
    }

    fn add_audit(&mut self, entry: &AuditEntry, now: Timestamp) -> Result<()> {
        let id = self.state.accounts.write_audit(now, entry);
        self.journal.push(Undo::Audit(id));
        Ok(())
    }

    fn next_id(&mut self) -> Result<FireId> {
        Ok(FireId(self.state.next_id()))
    }

    fn group_paused(&mut self, group: &str) -> Result<bool> {
        Ok(self.state.paused_groups.contains(group))
    }

    fn set_group_paused(&mut self, group: &str, paused: bool) -> Result<()> {
        let was = if paused {
            !self.state.paused_groups.insert(group.to_owned())
        } else {
            self.state.paused_groups.remove(group)
        };
        self.journal.push(Undo::Group(group.to_owned(), was));
        Ok(())
    }
    fn triggers_in_error(&mut self) -> Result<Vec<StoredTrigger>> {
        let triggers = self.state.triggers.values();
        Ok(triggers.filter(|trigger| trigger.state == TriggerState::Error).cloned().collect())
    }

    fn overdue(
        &mut self,
        kinds: &[JobKind],
        now: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredTrigger>> {
        let state = &*self.state;
        let of_kind = |trigger: &StoredTrigger| {
            state.jobs.get(&trigger.job_id).is_some_and(|job| kinds.contains(&job.detail.kind))
        };
        let mut found: Vec<_> = state
            .triggers
            .values()
            .filter(|trigger| trigger.id > after && trigger.state == TriggerState::Waiting)
            .filter(|trigger| trigger.pending.is_none() && trigger.next_fire_at.is_some_and(|at| at <= now))
            .filter(|trigger| of_kind(trigger))
            .cloned()
            .collect();
        found.sort_unstable_by_key(|trigger| trigger.id);
        found.truncate(limit);
        Ok(found)
    }

    fn triggers_without_next(&mut self) -> Result<Vec<StoredTrigger>> {
        Ok(self.state.triggers.values().filter(|trigger| trigger.next_fire_at.is_none()).cloned().collect())
    }

    fn is_under_way(&mut self, trigger: &StoredTrigger) -> Result<bool> {
        let key = &trigger.definition.key;
        let mut open = self.state.open.values().flatten().filter_map(|id| self.state.history.get(id));
        let mut pending = self.state.triggers.values().filter_map(|other| other.pending.as_ref());
        Ok(open.any(|row| row.entry.trigger.as_ref() == Some(key))
            || pending.any(|run| run.trigger.as_ref() == Some(key)))
    }

    fn mend_index(&mut self, _now: Timestamp) -> Result<Vec<i64>> {
        // The maps and their indexes change together, in one place.
        Ok(Vec::new())
    }

    fn calendar(&mut self, name: &str) -> Result<Option<StoredCalendar>> {
        Ok(self.state.calendars.get(name).cloned())
    }

    fn put_calendar(&mut self, calendar: &StoredCalendar) -> Result<()> {
        let old = self.state.calendars.insert(calendar.name.clone(), calendar.clone());
        self.journal.push(Undo::Calendar(calendar.name.clone(), old.map(Box::new)));
        Ok(())
    }

    fn delete_calendar(&mut self, name: &str) -> Result<()> {
        let old = self.state.calendars.remove(name);
        self.journal.push(Undo::Calendar(name.to_owned(), old.map(Box::new)));
        Ok(())
    }

    fn triggers_with_calendar(&mut self, name: &str) -> Result<Vec<StoredTrigger>> {
        let triggers = self.state.trigger_ids.values().filter_map(|id| self.state.triggers.get(id));
        Ok(triggers.filter(|trigger| trigger.definition.calendar.as_deref() == Some(name)).cloned().collect())
    }

    fn triggers_on_event(&mut self, event: &str) -> Result<Vec<StoredTrigger>> {
        let triggers = self.state.trigger_ids.values().filter_map(|id| self.state.triggers.get(id));
        Ok(triggers.filter(|trigger| trigger.definition.schedule.event() == Some(event)).cloned().collect())
    }
}
