//! Fires that have ended.

use jiff::Timestamp;

use super::DefinitionTx;
use super::triggers::calendar_of;
use crate::time::whole_millis;
use crate::{Applied, StoredTrigger, TriggerKey, TriggerState, firing};

/// A fire of a trigger has ended for good at `now`: if the trigger waited for that, its next fire time is set. Stores
/// call this for fires whose [`crate::Then`] says so, and for those that recovery closes.
pub fn ended<T: DefinitionTx>(tx: &mut T, now: Timestamp, key: &TriggerKey) -> Result<Applied, T::Error> {
    let now = whole_millis(now);
    let Some(mut trigger) = tx.trigger(key)?.filter(StoredTrigger::awaits_end) else {
        return Ok(Applied::default());
    };
    let calendar = calendar_of(tx, &trigger)?;
    let plan = firing::plan_ended(&trigger, calendar.as_ref(), now);
    let paused = trigger.state == TriggerState::Paused;
    firing::advance(&mut trigger, &plan);
    if trigger.state == TriggerState::Complete {
        tx.delete_trigger(&trigger)?;
        return Ok(Applied { deleted: 1, ..Applied::default() });
    }
    if paused {
        trigger.state = TriggerState::Paused;
    }
    tx.update_trigger(&trigger)?;
    let next_due = trigger.next_fire_at.filter(|_| !paused);
    Ok(Applied { updated: 1, next_due, ..Applied::default() })
}
