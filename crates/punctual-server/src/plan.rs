//! The difference between what a file declares and what a database holds, and the edits that remove it. Pure.
//!
//! The file owns the jobs of the key group `config` ([`FILE_GROUP`]) with all their triggers: one of them that is stored and
//! no longer declared is to be deleted, as a server does at its start. Everything else was made by hand (over the API, by an
//! application, by an import) and is left alone unless the caller prunes.

mod fields;
mod show;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use punctual_core::pending::is_own_group;
use punctual_core::schedule::{Occurrences, Schedule, Window};
use punctual_core::{
    Calendar, Change, Declared, JobDetail, JobKey, StoredCalendar, StoredJob, StoredTrigger, Timestamp,
    Trigger, TriggerState, definition, time,
};
use punctual_engine::Entry;
use serde::Serialize;

use crate::config::FILE_GROUP;
pub(crate) use fields::Field;
pub(crate) use show::show;

/// How many fire times are shown before and after a change.
const SHOWN: usize = 3;

/// What a file declares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileContents<'a> {
    pub(crate) calendars: &'a BTreeMap<String, Calendar>,
    pub(crate) entries: &'a [Entry],
}

/// What a database holds; pending runs are left out.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) jobs: Vec<StoredJob>,
    pub(crate) triggers: Vec<StoredTrigger>,
    pub(crate) calendars: Vec<StoredCalendar>,
}

/// What happens to a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Create,
    Change,
    Delete,
    Unchanged,
    /// Not of the file, and left alone.
    Keep,
}

/// What kind of definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Object {
    Calendar,
    Job,
    Trigger,
}

/// What happens to one definition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Item {
    pub(crate) object: Object,
    /// The name of a calendar; the key (`GROUP.NAME`) of a job or trigger.
    pub(crate) key: String,
    /// The job of a trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    pub(crate) action: Action,
    /// What differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<Field>,
    /// The next fire times of a trigger, where they are not the same before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Next>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// The next fire times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Next {
    pub(crate) before: Vec<Timestamp>,
    pub(crate) after: Vec<Timestamp>,
    /// The event that is waited for instead, before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_after: Option<String>,
}

impl Next {
    fn of(
        old: Option<&Trigger>,
        before: Vec<Timestamp>,
        new: Option<&Trigger>,
        after: Vec<Timestamp>,
    ) -> Self {
        let event = |trigger: &Trigger| trigger.schedule.event().map(str::to_owned);
        Self { before, after, event_before: old.and_then(event), event_after: new.and_then(event) }
    }
}

/// How many definitions are in which case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) create: usize,
    pub(crate) change: usize,
    pub(crate) delete: usize,
    pub(crate) unchanged: usize,
    pub(crate) keep: usize,
}

/// The difference.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) counts: Counts,
    pub(crate) items: Vec<Item>,
    /// Why applying it would be refused.
    pub(crate) problems: Vec<String>,
    /// The edits, in an order in which each finds what it needs.
    #[serde(skip)]
    pub(crate) changes: Vec<Change>,
}

impl Plan {
    /// Whether the database is not as the file says.
    pub(crate) fn differs(&self) -> bool {
        !self.changes.is_empty()
    }
}

/// Finds the difference at `now`.
pub(crate) fn plan(declared: FileContents<'_>, stored: &Stored, prune: bool, now: Timestamp) -> Plan {
    let mut plan = Planner::new(declared, stored, prune, now);
    plan.jobs_that_go();
    plan.calendars();
    for entry in declared.entries {
        plan.entry(entry);
    }
    plan.made_by_hand();
    plan.finish()
}

struct Planner<'a> {
    declared: FileContents<'a>,
    stored: &'a Stored,
    prune: bool,
    now: Timestamp,
    items: Vec<Item>,
    problems: Vec<String>,
    /// Deletions, calendars and jobs, and deletions of calendars; applied in this order.
    first: Vec<Change>,
    then: Vec<Change>,
    last: Vec<Change>,
}

impl<'a> Planner<'a> {
    fn new(declared: FileContents<'a>, stored: &'a Stored, prune: bool, now: Timestamp) -> Self {
        let (items, problems) = (Vec::new(), Vec::new());
        Self { declared, stored, prune, now, items, problems, first: vec![], then: vec![], last: vec![] }
    }

    fn finish(self) -> Plan {
        let mut counts = Counts::default();
        for item in &self.items {
            *match item.action {
                Action::Create => &mut counts.create,
                Action::Change => &mut counts.change,
                Action::Delete => &mut counts.delete,
                Action::Unchanged => &mut counts.unchanged,
                Action::Keep => &mut counts.keep,
            } += 1;
        }
        let changes = [self.first, self.then, self.last].concat();
        Plan { counts, items: self.items, problems: self.problems, changes }
    }

    fn item(&mut self, object: Object, key: impl ToString, action: Action) -> &mut Item {
        self.items.push(Item {
            object,
            key: key.to_string(),
            job: None,
            action,
            fields: Vec::new(),
            next: None,
            notes: Vec::new(),
        });
        let last = self.items.len() - 1;
        &mut self.items[last]
    }

    fn is_declared(&self, key: &JobKey) -> bool {
        self.declared.entries.iter().any(|entry| entry.job.key == *key)
    }

    fn stored_calendar(&self, name: &str) -> Option<&'a Calendar> {
        self.stored.calendars.iter().find(|stored| stored.name == name).map(|stored| &stored.calendar)
    }

    /// Whether a calendar of the file replaces a stored one that is not equal.
    fn calendar_changes(&self, name: &str) -> bool {
        matches!((self.declared.calendars.get(name), self.stored_calendar(name)), (Some(new), Some(old)) if new != old)
    }

    fn triggers_of(&self, job: &JobKey) -> impl Iterator<Item = &'a StoredTrigger> + use<'a> {
        let job = job.clone();
        self.stored.triggers.iter().filter(move |trigger| trigger.definition.job == job)
    }

    /// Jobs that an earlier file declared, or all that the file does not declare.
    fn jobs_that_go(&mut self) {
        for job in &self.stored.jobs {
            let key = &job.detail.key;
            if self.is_declared(key) || is_own(job) || !(self.prune || key.group() == FILE_GROUP) {
                continue;
            }
            self.item(Object::Job, key, Action::Delete);
            for trigger in self.triggers_of(key) {
                self.deleted_trigger(trigger);
            }
            self.first.push(logged(Declared::NoJob(key.clone())));
        }
    }

    fn deleted_trigger(&mut self, trigger: &StoredTrigger) {
        let before = self.fire_times_now(trigger);
        let item = self.item(Object::Trigger, &trigger.definition.key, Action::Delete);
        item.job = Some(trigger.definition.job.to_string());
        item.next = Some(Next::of(Some(&trigger.definition), before, None, Vec::new()));
    }

    fn calendars(&mut self) {
        for (name, calendar) in self.declared.calendars {
            match self.stored_calendar(name) {
                Some(old) if old == calendar => {
                    self.item(Object::Calendar, name, Action::Unchanged);
                    continue;
                }
                Some(old) => {
                    let fields = fields::compare(old, calendar);
                    let users = self.users(name);
                    let item = self.item(Object::Calendar, name, Action::Change);
                    item.fields = fields;
                    if users > 0 {
                        item.notes.push(format!("{users} stored trigger(s) go by it"));
                    }
                }
                None => drop(self.item(Object::Calendar, name, Action::Create)),
            }
            let wanted = Declared::Calendar { name: name.clone(), calendar: calendar.clone() };
            self.then.push(logged(wanted));
        }
    }

    fn users(&self, calendar: &str) -> usize {
        let uses = |trigger: &&StoredTrigger| trigger.definition.calendar.as_deref() == Some(calendar);
        self.stored.triggers.iter().filter(uses).count()
    }

    fn entry(&mut self, entry: &Entry) {
        let old = self.stored.jobs.iter().find(|job| job.detail.key == entry.job.key);
        let mut differs = true;
        match old {
            None => drop(self.item(Object::Job, &entry.job.key, Action::Create)),
            Some(old) if old.detail.as_given() == entry.job => {
                self.item(Object::Job, &entry.job.key, Action::Unchanged);
                differs = false;
            }
            Some(old) => {
                let fields = fields::compare(&old.detail.as_given(), &entry.job);
                self.item(Object::Job, &entry.job.key, Action::Change).fields = fields;
            }
        }
        for trigger in &entry.triggers {
            differs |= self.trigger(trigger, old.map(|old| &*old.detail));
        }
        for gone in self.triggers_of(&entry.job.key) {
            if !entry.triggers.iter().any(|trigger| trigger.key == gone.definition.key) {
                self.deleted_trigger(gone);
                if gone.definition.key.group() != FILE_GROUP
                    && let Some(item) = self.items.last_mut()
                {
                    item.notes.push(
                        "made by hand for a job of the file: the file says which triggers its jobs have"
                            .to_owned(),
                    );
                }
                differs = true;
            }
        }
        if differs {
            let wanted = Declared::Job { job: entry.job.clone(), triggers: entry.triggers.clone() };
            self.then.push(logged(wanted));
        }
    }

    /// Compares a trigger; whether it differs.
    fn trigger(&mut self, trigger: &Trigger, job: Option<&JobDetail>) -> bool {
        let stored = self.stored.triggers.iter().find(|old| old.definition.key == trigger.key);
        let moves = stored.filter(|old| old.definition.job != trigger.job);
        if let Some(old) = moves {
            // It fired another job: it goes there, and comes anew here.
            self.first.push(Change::DeleteTrigger(old.definition.key.clone()));
        }
        let Some(old) = stored.filter(|_| moves.is_none()) else {
            return self.new_trigger(trigger, job);
        };
        let in_error = old.state == TriggerState::Error;
        let calendar_changes =
            trigger.calendar.as_deref().is_some_and(|calendar| self.calendar_changes(calendar));
        let equal = old.definition == *trigger && !in_error;
        if equal && !calendar_changes {
            let item = self.item(Object::Trigger, &trigger.key, Action::Unchanged);
            item.job = Some(trigger.job.to_string());
            return false;
        }
        let (before, after) = (self.fire_times_now(old), self.fire_times_then(trigger, Some(old)));
        self.check(trigger, &after);
        let now = self.now;
        let action = if equal { Action::Unchanged } else { Action::Change };
        let item = self.item(Object::Trigger, &trigger.key, action);
        item.job = Some(trigger.job.to_string());
        item.fields = fields::compare(&old.definition, trigger);
        if calendar_changes {
            item.notes.push("its calendar changes".to_owned());
        }
        if let Some(error) = old.error.as_ref().filter(|_| in_error) {
            item.notes.push(format!("is in the error state ({error}), and comes out of it"));
        }
        if old.next_fire_at.is_some_and(|next| next <= now)
            && !before.is_empty()
            && before.first() != after.first()
        {
            item.notes.push("what is overdue is given up (skipped as replaced)".to_owned());
        }
        if old.state == TriggerState::Paused {
            item.notes.push("is paused, and stays so".to_owned());
        }
        if before != after || old.definition.schedule.event() != trigger.schedule.event() {
            item.next = Some(Next::of(Some(&old.definition), before, Some(trigger), after));
        }
        !equal
    }

    fn new_trigger(&mut self, trigger: &Trigger, job: Option<&JobDetail>) -> bool {
        if job.is_some_and(|job| definition::has_completed(job, trigger, self.now)) {
            let item = self.item(Object::Trigger, &trigger.key, Action::Unchanged);
            item.job = Some(trigger.job.to_string());
            item.notes.push("has completed".to_owned());
            return false;
        }
        let after = self.fire_times_then(trigger, None);
        self.check(trigger, &after);
        let item = self.item(Object::Trigger, &trigger.key, Action::Create);
        item.job = Some(trigger.job.to_string());
        item.next = Some(Next::of(None, Vec::new(), Some(trigger), after));
        true
    }

    /// Says what the store would refuse.
    fn check(&mut self, trigger: &Trigger, after: &[Timestamp]) {
        let key = &trigger.key;
        if let Some(name) = &trigger.calendar
            && !self.declared.calendars.contains_key(name)
            && self.stored_calendar(name).is_none()
        {
            self.problems.push(format!(
                "trigger {key}: calendar {name:?} is neither in the file nor stored: declare it under [calendars.{name}]"
            ));
        } else if after.is_empty() && trigger.schedule.event().is_none() {
            self.problems
                .push(format!("trigger {key} would never fire: change its schedule, start, end or calendar"));
        }
    }

    /// The next fire times of a stored trigger as it is.
    fn fire_times_now(&self, trigger: &StoredTrigger) -> Vec<Timestamp> {
        let calendar = trigger.definition.calendar.as_ref().and_then(|name| self.stored_calendar(name));
        let occurrences = trigger.occurrences(calendar);
        trigger.next_fire_at.map_or_else(Vec::new, |next| series(&occurrences, Some(next)))
    }

    /// The next fire times of a trigger once the file is applied.
    fn fire_times_then(&self, trigger: &Trigger, old: Option<&StoredTrigger>) -> Vec<Timestamp> {
        let calendar = trigger.calendar.as_ref();
        let calendar = calendar
            .and_then(|name| self.declared.calendars.get(name).or_else(|| self.stored_calendar(name)));
        if let Some(old) = old.filter(|old| same_instants(old, trigger)) {
            let Some(mut from) = old.next_fire_at else { return Vec::new() };
            let changes = old.definition.calendar.as_ref().is_some_and(|name| self.calendar_changes(name));
            if changes {
                // What is due under the old calendar is given up.
                from = time::plus_millis(self.now, 1).max(old.anchor);
            }
            let occurrences = old.occurrences(calendar);
            return series(&occurrences, occurrences.at_or_after(from));
        }
        let anchor = trigger.start.unwrap_or(self.now);
        let occurrences = Occurrences::new(&trigger.schedule, Window { start: anchor, end: trigger.end });
        let occurrences = occurrences.with_calendar(calendar);
        // A single instant in the past is run as soon as possible; of a series that replaces another, only what is to come.
        let whole = old.is_none() || matches!(trigger.schedule, Schedule::Once | Schedule::FixedDelay(_));
        let first = if whole { occurrences.first() } else { occurrences.at_or_after(self.now.max(anchor)) };
        series(&occurrences, first)
    }

    fn made_by_hand(&mut self) {
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for job in &self.stored.jobs {
            let key = &job.detail.key;
            let stays = is_own(job) || !(self.prune || key.group() == FILE_GROUP);
            if self.is_declared(key) || !stays {
                continue;
            }
            used.extend(self.triggers_of(key).filter_map(|trigger| trigger.definition.calendar.as_deref()));
            if !is_own(job) {
                self.item(Object::Job, key, Action::Keep);
            }
        }
        let declared = self.declared.entries.iter().flat_map(|entry| &entry.triggers);
        used.extend(declared.filter_map(|trigger| trigger.calendar.as_deref()));
        for stored in &self.stored.calendars {
            let name = stored.name.as_str();
            if self.declared.calendars.contains_key(name) {
                continue;
            }
            if self.prune && !used.contains(name) {
                self.item(Object::Calendar, name, Action::Delete);
                self.last.push(logged(Declared::NoCalendar(name.to_owned())));
            } else {
                self.item(Object::Calendar, name, Action::Keep);
            }
        }
    }
}

/// An edit as the log of changes tells of it.
fn logged(wanted: Declared) -> Change {
    wanted.by("command line", Some("applied from a file".to_owned()))
}

/// Whether a job is one of the server's own, which no file declares.
fn is_own(job: &StoredJob) -> bool {
    is_own_group(job.detail.key.group()) || job.detail.key.name().starts_with("punctual.")
}

/// Whether the definition in the file leaves a stored trigger where it is (the rule of `definition::apply`).
fn same_instants(old: &StoredTrigger, new: &Trigger) -> bool {
    old.state != TriggerState::Error
        && old.definition.schedule == new.schedule
        && old.definition.start == new.start
        && old.definition.end == new.end
        && old.definition.calendar == new.calendar
}

fn series(occurrences: &Occurrences<'_>, first: Option<Timestamp>) -> Vec<Timestamp> {
    std::iter::successors(first, |at| occurrences.next_after(*at)).take(SHOWN).collect()
}
