//! Whether what is stored is what somebody has seen.

use super::DefinitionTx;
use crate::expect::{Expected, Fingerprint};
use crate::{Applied, ChangeError};

pub(super) fn expect<T: DefinitionTx>(tx: &mut T, expected: &Expected) -> Result<Applied, T::Error> {
    let current = match expected {
        Expected::Job(key, _) => match tx.job(key)? {
            None => None,
            Some(job) => {
                let triggers = tx.triggers_of(job.id)?;
                let schedules = triggers.iter().filter(|trigger| trigger.pending.is_none());
                Some(Fingerprint::of_job(&job.detail, schedules.map(|trigger| &trigger.definition)))
            }
        },
        Expected::Trigger(key, _) => {
            tx.trigger(key)?.map(|trigger| Fingerprint::of_trigger(&trigger.definition))
        }
        Expected::Calendar(name, _) => {
            tx.calendar(name)?.map(|stored| Fingerprint::of_calendar(&stored.calendar))
        }
    };
    if current == expected.fingerprint() {
        return Ok(Applied::default());
    }
    Err(ChangeError::Stale { expected: expected.clone(), current }.into())
}
