//! Kinds that no live node can run.

use std::collections::HashMap;

use jiff::Timestamp;

use super::DefinitionTx;
use super::states::go_on;
use super::triggers::calendar_of;
use crate::time::whole_millis;
use crate::{JobKind, Skip, TriggerKey, UnknownKind, firing};

/// Which triggers to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The kinds that no live node can run.
    pub kinds: Vec<JobKind>,
    /// What happens to jobs that do not say it themselves ([`crate::JobDetail::unknown_kind`]).
    pub default: UnknownKind,
    /// Only triggers whose number is greater; `None` for all.
    pub after: Option<i64>,
    /// Look at so many at most.
    pub limit: usize,
}

/// What was given up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expired {
    /// The instants of each trigger.
    pub skipped: Vec<(TriggerKey, Skip)>,
    /// Where to go on ([`Expiry::after`]); `None` when there is nothing left to look at.
    pub next: Option<i64>,
}

/// Gives up the overdue instants of triggers whose job's kind nobody can run, where that is asked for
/// ([`firing::plan_expired`]).
pub fn expire<T: DefinitionTx>(tx: &mut T, now: Timestamp, expiry: &Expiry) -> Result<Expired, T::Error> {
    let now = whole_millis(now);
    let triggers = tx.overdue(&expiry.kinds, now, expiry.after.unwrap_or(i64::MIN), expiry.limit)?;
    let next = triggers.last().filter(|_| triggers.len() >= expiry.limit).map(|trigger| trigger.id);
    let mut policies = HashMap::new();
    let mut skipped = Vec::new();
    for mut trigger in triggers.into_iter().filter(|trigger| trigger.readable) {
        let policy = match policies.get(&trigger.job_id) {
            Some(policy) => *policy,
            None => {
                let job = tx.job_by_id(trigger.job_id)?;
                let policy = job.and_then(|job| job.detail.unknown_kind).unwrap_or(expiry.default);
                policies.insert(trigger.job_id, policy);
                policy
            }
        };
        if policy != UnknownKind::Skip {
            continue;
        }
        let calendar = calendar_of(tx, &trigger)?;
        let plan = firing::plan_expired(&trigger, calendar.as_ref(), now);
        if plan.skipped.is_empty() {
            continue;
        }
        let key = &trigger.definition.key;
        skipped.extend(plan.skipped.iter().map(|skip| (key.clone(), *skip)));
        go_on(tx, now, &mut trigger, &plan)?;
    }
    Ok(Expired { skipped, next })
}
