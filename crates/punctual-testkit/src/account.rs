//! The account of every instant, checked from outside: scheduled instants = fires + skipped, each exactly once.

use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::audit::{Account, First, Kept};
use punctual_core::{
    HistoryQuery, JobStore, SkippedQuery, StoredTrigger, TriggerKey, TriggerQuery, TriggerState,
};

/// What is wrong with the account of one trigger, in words; `Ok` with the number of instants when nothing is. Every row
/// has to be there still.
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
    let ranges = SkippedQuery { trigger: Some(key.clone()), ..SkippedQuery::default() };
    let found = Account {
        trigger,
        calendar: calendar.as_ref(),
        firsts: &firsts(store, key).await,
        waiting: &waiting(store, key).await,
        ranges: &store.skipped(&ranges).await.unwrap().rows,
        kept: Kept::All,
        from: None,
    }
    .check();
    if found.is_clean() {
        return Ok(found.instants);
    }
    let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    Err(problems.join("; "))
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

async fn firsts(store: &Arc<dyn JobStore>, key: &TriggerKey) -> Vec<First> {
    let query = HistoryQuery { trigger: Some(key.clone()), ..HistoryQuery::default() };
    store.history(&query).await.unwrap().rows.iter().filter_map(First::of).collect()
}

/// The instants that wait to run again after they were handed back, or for their turn in a catch-up.
async fn waiting(store: &Arc<dyn JobStore>, key: &TriggerKey) -> Vec<Timestamp> {
    let triggers = store.triggers(&TriggerQuery::default()).await.unwrap().rows;
    triggers
        .iter()
        .filter_map(|trigger| Account::waits(trigger))
        .filter(|(of, _)| *of == key)
        .map(|(_, at)| at)
        .collect()
}
