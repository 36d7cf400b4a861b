//! The editing decision: what a [`Change`] does to stored definitions.
//!
//! [`apply`] holds all rules about jobs and triggers that come, change and go. A store lends it a
//! [`DefinitionTx`], a set of plain row operations inside one transaction, so that every store edits alike.

use jiff::Timestamp;

use crate::time::whole_millis;
use crate::{
    Applied, AuditEntry, Change, ChangeError, FireId, JobDetail, JobKey, JobKind, Skip, StoredCalendar,
    StoredJob, StoredTrigger, TriggerKey,
};

mod asked;
mod calendars;
mod declared;
mod events;
mod expect;
mod import;
mod jobs;
mod repair;
mod runs;
mod states;
mod triggers;
mod unknown;

use asked::Asked;
pub use asked::{carry_out, request};
pub use jobs::{collect_job, has_completed};
pub use repair::{Repair, repair};
pub use runs::ended;
pub use unknown::{Expired, Expiry, expire};

/// Row operations inside one transaction.
pub trait DefinitionTx {
    /// What a failed operation returns.
    type Error: From<ChangeError>;

    /// Reads a job.
    fn job(&mut self, key: &JobKey) -> Result<Option<StoredJob>, Self::Error>;
    /// Reads a job by its number.
    fn job_by_id(&mut self, id: i64) -> Result<Option<StoredJob>, Self::Error>;
    /// Inserts a job; returns its number.
    fn insert_job(&mut self, detail: &JobDetail, now: Timestamp) -> Result<i64, Self::Error>;
    /// Replaces a job's definition, and whatever its triggers' rows repeat of it.
    fn update_job(&mut self, old: &StoredJob, detail: &JobDetail, now: Timestamp) -> Result<(), Self::Error>;
    /// Deletes a job, whose triggers are gone already.
    fn delete_job(&mut self, id: i64) -> Result<(), Self::Error>;
    /// Whether a fire of the job is open.
    fn has_open_fires(&mut self, job_id: i64) -> Result<bool, Self::Error>;
    /// Reads a trigger.
    fn trigger(&mut self, key: &TriggerKey) -> Result<Option<StoredTrigger>, Self::Error>;
    /// Reads all triggers of a job, pending runs included.
    fn triggers_of(&mut self, job_id: i64) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Whether a job has triggers, pending runs included.
    fn has_triggers(&mut self, job_id: i64) -> Result<bool, Self::Error>;
    /// Reads all triggers of a group.
    fn triggers_in(&mut self, group: &str) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Inserts a trigger, whose `id` is 0.
    fn insert_trigger(&mut self, trigger: &StoredTrigger) -> Result<(), Self::Error>;
    /// Writes all fields of a stored trigger.
    fn update_trigger(&mut self, trigger: &StoredTrigger) -> Result<(), Self::Error>;
    /// Deletes a trigger.
    fn delete_trigger(&mut self, trigger: &StoredTrigger) -> Result<(), Self::Error>;
    /// Records instants that were given up.
    fn add_skip(&mut self, trigger: &StoredTrigger, skip: &Skip, now: Timestamp) -> Result<(), Self::Error>;
    /// Writes an entry of the log of changes.
    fn add_audit(&mut self, entry: &AuditEntry, now: Timestamp) -> Result<(), Self::Error>;
    /// A number that no fire has had, to name a pending run.
    fn next_id(&mut self) -> Result<FireId, Self::Error>;
    /// Whether a trigger group is paused.
    fn group_paused(&mut self, group: &str) -> Result<bool, Self::Error>;
    /// Remembers whether a trigger group is paused.
    fn set_group_paused(&mut self, group: &str, paused: bool) -> Result<(), Self::Error>;
    /// Reads the triggers in the error state.
    fn triggers_in_error(&mut self) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Reads the waiting triggers of these kinds that are due at `now`, pending runs left out: those whose number is
    /// greater than `after`, ordered by it, `limit` at most.
    fn overdue(
        &mut self,
        kinds: &[JobKind],
        now: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Reads the triggers that wait or are paused and have no next fire time.
    fn triggers_without_next(&mut self) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Whether a fire of the trigger is open, or a pending run stands for one of its instants.
    fn is_under_way(&mut self, trigger: &StoredTrigger) -> Result<bool, Self::Error>;
    /// Makes waiting triggers claimable that are due at `now` and that the store's own index of due work does not show
    /// although their lane has room; returns their lanes.
    fn mend_index(&mut self, now: Timestamp) -> Result<Vec<i64>, Self::Error>;
    /// Reads a calendar.
    fn calendar(&mut self, name: &str) -> Result<Option<StoredCalendar>, Self::Error>;
    /// Inserts or replaces a calendar.
    fn put_calendar(&mut self, calendar: &StoredCalendar) -> Result<(), Self::Error>;
    /// Deletes a calendar.
    fn delete_calendar(&mut self, name: &str) -> Result<(), Self::Error>;
    /// Reads the triggers that use a calendar, ordered by group and name.
    fn triggers_with_calendar(&mut self, name: &str) -> Result<Vec<StoredTrigger>, Self::Error>;
    /// Reads the triggers whose definition's schedule waits for an event, ordered by group and name.
    fn triggers_on_event(&mut self, event: &str) -> Result<Vec<StoredTrigger>, Self::Error>;
}

/// Applies one change at `now`.
pub fn apply<T: DefinitionTx>(tx: &mut T, now: Timestamp, change: &Change) -> Result<Applied, T::Error> {
    let now = whole_millis(now);
    match change {
        Change::Expect(expected) => expect::expect(tx, expected),
        Change::Schedule { job, triggers } => Ok(jobs::schedule(tx, now, job, triggers)?.0),
        Change::Declare(declaration) => declared::declare(tx, now, declaration),
        Change::PutJob(job) => {
            let job = jobs::remembering(tx, job)?;
            jobs::put_job(tx, now, &job, false)
        }
        Change::ChangeKind { job, from, to } => match tx.job(job)? {
            Some(stored) if stored.detail.kind == *from => {
                let detail = JobDetail { kind: to.clone(), ..(*stored.detail).clone() };
                tx.update_job(&stored, &detail, now)?;
                Ok(Applied { updated: 1, next_due: Some(now), ..Applied::default() })
            }
            _ => Ok(Applied::default()),
        },
        Change::PutTrigger(trigger) => triggers::put_trigger(tx, now, trigger),
        Change::AddTrigger(trigger) => match tx.trigger(&trigger.key)? {
            Some(_) => Err(ChangeError::TriggerExists(trigger.key.clone()).into()),
            None => triggers::put_trigger(tx, now, trigger),
        },
        Change::Import { job, triggers } => import::import(tx, now, job, triggers),
        Change::DeleteTrigger(key) => match tx.trigger(key)? {
            None => Ok(Applied::default()),
            Some(trigger) => {
                let mut applied = triggers::delete_trigger(tx, now, &trigger)?;
                jobs::forget(tx, now, trigger.job_id, |forgotten| forgotten == key)?;
                applied.merge(&jobs::collect_job(tx, trigger.job_id)?);
                Ok(applied)
            }
        },
        Change::DeleteTriggersOf(key) => match tx.job(key)? {
            None => Ok(Applied::default()),
            Some(job) => {
                let mut applied = triggers::delete_triggers_of(tx, now, &job)?;
                jobs::forget(tx, now, job.id, |_| true)?;
                applied.merge(&jobs::collect_job(tx, job.id)?);
                Ok(applied)
            }
        },
        Change::DeleteJob(key) => jobs::delete(tx, now, key),
        Change::PauseTrigger(key) => each(tx, now, one(key), states::pause),
        Change::ResumeTrigger(key) => each(tx, now, one(key), states::resume),
        Change::PauseJob(key) => each(tx, now, of_job(key), states::pause),
        Change::ResumeJob(key) => each(tx, now, of_job(key), states::resume),
        Change::PauseGroup(group) => {
            tx.set_group_paused(group, true)?;
            each(tx, now, |tx: &mut T| tx.triggers_in(group), states::pause)
        }
        Change::ResumeGroup(group) => {
            tx.set_group_paused(group, false)?;
            each(tx, now, |tx: &mut T| tx.triggers_in(group), states::resume)
        }
        Change::TriggerNow { job, data } => {
            asked::trigger_now(tx, now, &Asked { job, trigger: None, scheduled_at: now, data })
        }
        Change::RunFor { job, trigger, scheduled_at, data } => {
            let (trigger, scheduled_at) = (trigger.as_ref(), whole_millis(*scheduled_at));
            asked::trigger_now(tx, now, &Asked { job, trigger, scheduled_at, data })
        }
        Change::Emit { event, payload } => events::emit(tx, now, event, payload),
        Change::ResetTrigger(key) => each(tx, now, one(key), states::reset),
        Change::PutCalendar { name, calendar } => calendars::put(tx, now, name, calendar),
        Change::DeleteCalendar(name) => calendars::delete(tx, name),
        Change::Audit(entry) => tx.add_audit(entry, now).map(|()| Applied::default()),
    }
}

fn one<T: DefinitionTx>(key: &TriggerKey) -> impl Fn(&mut T) -> Result<Vec<StoredTrigger>, T::Error> {
    move |tx| Ok(tx.trigger(key)?.into_iter().collect())
}

fn of_job<T: DefinitionTx>(key: &JobKey) -> impl Fn(&mut T) -> Result<Vec<StoredTrigger>, T::Error> {
    move |tx| match tx.job(key)? {
        Some(job) => tx.triggers_of(job.id),
        None => Ok(Vec::new()),
    }
}

fn each<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    find: impl Fn(&mut T) -> Result<Vec<StoredTrigger>, T::Error>,
    edit: impl Fn(&mut T, Timestamp, StoredTrigger) -> Result<Applied, T::Error>,
) -> Result<Applied, T::Error> {
    let mut applied = Applied::default();
    for trigger in find(tx)? {
        applied.merge(&edit(tx, now, trigger)?);
    }
    Ok(applied)
}
