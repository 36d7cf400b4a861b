//! Calendars that come, change and go.

use jiff::Timestamp;
use punctual_schedule::Calendar;

use super::DefinitionTx;
use super::triggers::write_skips;
use crate::{Applied, ChangeError, SkipReason, StoredCalendar, StoredTrigger, TriggerState};

const MAX_NAME: usize = 200;

pub(super) fn put<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    name: &str,
    calendar: &Calendar,
) -> Result<Applied, T::Error> {
    if !(1..=MAX_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(ChangeError::InvalidCalendarName(name.to_owned()).into());
    }
    let old = tx.calendar(name)?;
    let mut applied = match &old {
        None => Applied { created: 1, ..Applied::default() },
        Some(old) if old.calendar == *calendar => return Ok(Applied { unchanged: 1, ..Applied::default() }),
        Some(_) => Applied { updated: 1, ..Applied::default() },
    };
    let users = tx.triggers_with_calendar(name)?;
    for trigger in &users {
        // What is due was scheduled by the old calendar.
        write_skips(tx, trigger, now, SkipReason::Replaced)?;
    }
    let version = old.map_or(1, |old| old.version + 1);
    tx.put_calendar(&StoredCalendar {
        name: name.to_owned(),
        calendar: calendar.clone(),
        version,
        updated_at: now,
    })?;
    for trigger in users {
        let next = follow(tx, now, name, calendar, trigger)?;
        applied.next_due = [applied.next_due, next].into_iter().flatten().min();
    }
    Ok(applied)
}

/// Lets a trigger go on with what the calendar includes from now on. Its account begins anew.
fn follow<T: DefinitionTx>(
    tx: &mut T,
    now: Timestamp,
    name: &str,
    calendar: &Calendar,
    mut trigger: StoredTrigger,
) -> Result<Option<Timestamp>, T::Error> {
    if trigger.state == TriggerState::Error {
        return Ok(None);
    }
    // What is due now was given up above, so the account goes on after it.
    let from = crate::time::plus_millis(now, 1).max(trigger.anchor);
    if trigger.next_fire_at.is_none() {
        if trigger.awaits_end() {
            // The run under way counts for an instant that the calendar may exclude now; its end sets the next one.
            (trigger.accounted_from, trigger.fired, trigger.skipped) = (from, 0, 0);
            tx.update_trigger(&trigger)?;
        }
        return Ok(None);
    }
    let Some(next) = trigger.occurrences(Some(calendar)).at_or_after(from) else {
        let trigger = trigger.definition.key;
        return Err(ChangeError::CalendarExcludesAll { name: name.to_owned(), trigger }.into());
    };
    trigger.next_fire_at = Some(next);
    trigger.accounted_from = next;
    trigger.fired = 0;
    trigger.skipped = 0;
    trigger.updated_at = now;
    tx.update_trigger(&trigger)?;
    Ok((trigger.state == TriggerState::Waiting).then_some(next))
}

pub(super) fn delete<T: DefinitionTx>(tx: &mut T, name: &str) -> Result<Applied, T::Error> {
    if tx.calendar(name)?.is_none() {
        return Ok(Applied::default());
    }
    let users = tx.triggers_with_calendar(name)?;
    if let Some(first) = users.first() {
        return Err(ChangeError::CalendarInUse {
            name: name.to_owned(),
            count: users.len(),
            first: first.definition.key.clone(),
        }
        .into());
    }
    tx.delete_calendar(name)?;
    Ok(Applied { deleted: 1, ..Applied::default() })
}
