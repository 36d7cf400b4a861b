//! The account of every instant, checked from outside: scheduled instants = fires + skipped, each exactly once.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::time::plus_millis;
use punctual_core::{
    Cause, HistoryQuery, JobStore, SkippedQuery, StoredTrigger, TriggerKey, TriggerQuery, TriggerState,
};

/// What is wrong with the account of one trigger, in words; `Ok` with the number of instants when nothing is.
///
/// Looks at the instants from `accounted_from` up to the next fire time: each must have exactly one fire (open, closed,
/// or pending again) or lie in exactly one skipped range, and the stored counters must say the same.
pub async fn check(store: &Arc<dyn JobStore>, trigger: &StoredTrigger) -> Result<u64, String> {
    if trigger.pending.is_some() || trigger.state == TriggerState::Error {
        return Ok(0);
    }
    let key = &trigger.definition.key;
    let calendar = match &trigger.definition.calendar {
        Some(name) => store.calendar(name).await.unwrap().map(|stored| stored.calendar),
        None => None,
    };
    let occurrences = trigger.occurrences(calendar.as_ref());
    let from = trigger.accounted_from;
    let upto = match trigger.next_fire_at {
        Some(next) => plus_millis(next, -1),
        None => occurrences.last().unwrap_or(from),
    };
    let due = if upto < from { 0 } else { occurrences.count(from, upto).count };
    if due != trigger.fired + trigger.skipped {
        return Err(format!(
            "{key}: {due} instants from {from} to {upto}, but {} fired and {} skipped",
            trigger.fired, trigger.skipped
        ));
    }
    let fired = fired_instants(store, key, from).await;
    if fired.len() as u64 != trigger.fired {
        return Err(format!("{key}: {} fires counted, {} instants in the rows", trigger.fired, fired.len()));
    }
    let mut skipped = 0;
    for range in ranges(store, key).await {
        if range.skip.first < from {
            continue;
        }
        let span = occurrences.count(range.skip.first, range.skip.last);
        if span.count != range.skip.count {
            return Err(format!("{key}: {range:?} spans {} instants", span.count));
        }
        if let Some(both) = fired.range(range.skip.first..=range.skip.last).next() {
            return Err(format!("{key}: {both} was both fired and skipped in {range:?}"));
        }
        skipped += range.skip.count;
    }
    if skipped != trigger.skipped {
        return Err(format!("{key}: {} skips counted, {skipped} instants in the ranges", trigger.skipped));
    }
    if let Some(stray) = fired.iter().find(|at| !occurrences.contains(**at)) {
        return Err(format!("{key}: fired for {stray}, which is no instant of its schedule"));
    }
    Ok(due)
}

/// Checks every trigger of a store; panics with all that is wrong.
pub async fn assert_all(store: &Arc<dyn JobStore>) {
    let mut problems = Vec::new();
    for trigger in store.triggers(&TriggerQuery::default()).await.unwrap().rows {
        if let Err(problem) = check(store, &trigger).await {
            problems.push(problem);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

async fn ranges(store: &Arc<dyn JobStore>, key: &TriggerKey) -> Vec<punctual_core::SkippedRange> {
    let query = SkippedQuery { trigger: Some(key.clone()), ..SkippedQuery::default() };
    store.skipped(&query).await.unwrap().rows
}

/// The instants for which a first attempt exists in the history or waits to run again after it was handed back.
async fn fired_instants(store: &Arc<dyn JobStore>, key: &TriggerKey, from: Timestamp) -> BTreeSet<Timestamp> {
    let query = HistoryQuery { trigger: Some(key.clone()), ..HistoryQuery::default() };
    let rows = store.history(&query).await.unwrap().rows;
    let mut instants: Vec<Timestamp> =
        rows.iter().filter(|row| row.cause == Cause::Schedule).filter_map(|row| row.scheduled_at).collect();
    let waiting = store.triggers(&TriggerQuery::default()).await.unwrap().rows;
    instants.extend(
        waiting
            .iter()
            .filter_map(|trigger| trigger.pending.as_ref())
            .filter(|run| run.cause == Cause::Schedule && run.trigger.as_ref() == Some(key))
            .map(|run| run.scheduled_at),
    );
    instants.retain(|at| *at >= from);
    let unique: BTreeSet<Timestamp> = instants.iter().copied().collect();
    assert_eq!(unique.len(), instants.len(), "{key}: an instant was fired twice: {instants:?}");
    unique
}
