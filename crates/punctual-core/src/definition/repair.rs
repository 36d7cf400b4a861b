//! The invariant scanner: what should never happen, found and mended.

use jiff::Timestamp;

use super::states::reset;
use super::{DefinitionTx, ended};
use crate::time::whole_millis;
use crate::{StoredTrigger, TriggerKey};

/// Something that was mended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repair {
    /// A trigger in the error state that this version understands: it goes on, and what passed is given up as misfired.
    Understood(TriggerKey),
    /// A trigger waited for the end of a run that does not exist: its next fire time is set.
    Awaited(TriggerKey),
    /// Due triggers of a lane with room could not be claimed.
    Hidden {
        /// The lane.
        lane: i64,
    },
}

impl Repair {
    /// The word for metrics.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Understood(_) => "understood",
            Self::Awaited(_) => "awaited",
            Self::Hidden { .. } => "hidden",
        }
    }
}

/// Looks for broken invariants and mends them, by the misfire policy and never in a burst. Fires without a live owner are
/// the business of recovery.
pub fn repair<T: DefinitionTx>(tx: &mut T, now: Timestamp) -> Result<Vec<Repair>, T::Error> {
    let now = whole_millis(now);
    let mut repairs = Vec::new();
    for trigger in tx.triggers_in_error()?.into_iter().filter(|trigger| trigger.readable) {
        let key = trigger.definition.key.clone();
        reset(tx, now, trigger)?;
        repairs.push(Repair::Understood(key));
    }
    for trigger in tx.triggers_without_next()?.into_iter().filter(StoredTrigger::awaits_end) {
        if !tx.is_under_way(&trigger)? {
            ended(tx, now, &trigger.definition.key)?;
            repairs.push(Repair::Awaited(trigger.definition.key));
        }
    }
    repairs.extend(tx.mend_index(now)?.into_iter().map(|lane| Repair::Hidden { lane }));
    Ok(repairs)
}
