//! Edits with an entry of the log of changes, where they change something.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::jobs::{self, Before};
use super::{DefinitionTx, calendars};
use crate::{Applied, AuditEntry, Declaration, Declared, JobDetail, JobKey, Trigger};

pub(super) fn declare<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    declaration: &Declaration,
) -> Result<Applied, T::Error> {
    let (action, subject, before, after, applied) = match &declaration.what {
        Declared::Job { job, triggers } => {
            let (applied, before) = jobs::schedule(tx, now, job, triggers)?;
            ("job.put", job.key.to_string(), before.map(stored), Some(shown(job, triggers.iter())), applied)
        }
        Declared::NoJob(key) => {
            let (before, applied) = (before(tx, key)?, jobs::delete(tx, now, key)?);
            ("job.delete", key.to_string(), before.map(stored), None, applied)
        }
        Declared::Calendar { name, calendar } => {
            let before = tx.calendar(name)?.map(|old| json!(old.calendar));
            let applied = calendars::put(tx, now, name, calendar)?;
            ("calendar.put", name.clone(), before, Some(json!(calendar)), applied)
        }
        Declared::NoCalendar(name) => {
            let before = tx.calendar(name)?.map(|old| json!(old.calendar));
            ("calendar.delete", name.clone(), before, None, calendars::delete(tx, name)?)
        }
    };
    if applied.created + applied.updated + applied.deleted > 0 {
        let mut entry = AuditEntry::new(&declaration.by, action, subject).note(declaration.note.clone());
        if let Some(before) = before {
            entry = entry.before(before);
        }
        if let Some(after) = after {
            entry = entry.after(after);
        }
        tx.add_audit(&entry, now)?;
    }
    Ok(applied)
}

fn before<T: DefinitionTx>(tx: &mut T, key: &JobKey) -> Result<Option<Before>, T::Error> {
    let Some(job) = tx.job(key)? else { return Ok(None) };
    let triggers = tx.triggers_of(job.id)?;
    Ok(Some(Before { job, triggers }))
}

fn stored(Before { job, triggers }: Before) -> Value {
    let triggers = triggers.iter().filter(|trigger| trigger.pending.is_none());
    shown(&job.detail, triggers.map(|trigger| &trigger.definition))
}

fn shown<'a>(job: &JobDetail, triggers: impl Iterator<Item = &'a Trigger>) -> Value {
    json!({ "job": job.as_given(), "triggers": triggers.collect::<Vec<_>>() })
}
