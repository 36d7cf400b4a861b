//! Reads a store in pages. The store goes on working meanwhile; whoever reads here must expect that.

use std::collections::HashMap;

use punctual_core::audit::{Account, Kept};
use punctual_core::{
    Calendar, HistoryQuery, HistorySort, JobKey, JobQuery, JobStore, Paging, SkippedQuery, SkippedRange,
    StoreError, StoredJob, StoredTrigger, TaskHistory, TaskStatus, Timestamp, TriggerKey, TriggerQuery,
};

/// How many rows are read at a time.
pub(super) const PAGE: u64 = 2_000;

/// Turns to the next page of a list; false when there is none.
fn turn(paging: &mut Paging, total: u64) -> bool {
    paging.offset += PAGE;
    paging.offset < total
}

pub(super) async fn jobs(store: &dyn JobStore) -> Result<HashMap<JobKey, StoredJob>, StoreError> {
    let mut jobs = HashMap::new();
    let mut query = JobQuery { paging: Paging::first(PAGE), ..JobQuery::default() };
    loop {
        let page = store.jobs(&query).await?;
        jobs.extend(page.rows.into_iter().map(|job| (job.detail.key.clone(), job)));
        if !turn(&mut query.paging, page.total) {
            return Ok(jobs);
        }
    }
}

pub(super) async fn calendars(store: &dyn JobStore) -> Result<HashMap<String, Calendar>, StoreError> {
    let calendars = store.calendars().await?;
    Ok(calendars.into_iter().map(|stored| (stored.name, stored.calendar)).collect())
}

/// All triggers, or those of a job; pending runs included.
pub(super) async fn triggers(
    store: &dyn JobStore,
    job: Option<&JobKey>,
    mut take: impl FnMut(StoredTrigger),
) -> Result<(), StoreError> {
    let mut query =
        TriggerQuery { job: job.cloned(), paging: Paging::first(PAGE), ..TriggerQuery::default() };
    loop {
        let page = store.triggers(&query).await?;
        page.rows.into_iter().for_each(&mut take);
        if !turn(&mut query.paging, page.total) {
            return Ok(());
        }
    }
}

/// The instants of a trigger that wait as pending runs of its job.
pub(super) async fn waiting(
    store: &dyn JobStore,
    trigger: &StoredTrigger,
) -> Result<Vec<Timestamp>, StoreError> {
    let mut waiting = Vec::new();
    triggers(store, Some(&trigger.definition.job), |other| {
        let waits = Account::waits(&other).filter(|(key, _)| **key == trigger.definition.key);
        waiting.extend(waits.map(|(_, at)| at));
    })
    .await?;
    Ok(waiting)
}

pub(super) async fn ranges(
    store: &dyn JobStore,
    trigger: &TriggerKey,
) -> Result<Vec<SkippedRange>, StoreError> {
    let mut ranges = Vec::new();
    let mut query = SkippedQuery {
        trigger: Some(trigger.clone()),
        paging: Paging::first(PAGE),
        ..SkippedQuery::default()
    };
    loop {
        let page = store.skipped(&query).await?;
        ranges.extend(page.rows);
        if !turn(&mut query.paging, page.total) {
            return Ok(ranges);
        }
    }
}

/// Rows in the order of their start. Pages are found by that rather than counted off, so that each costs the same and
/// rows that are deleted meanwhile do not shift the others.
pub(super) async fn history(
    store: &dyn JobStore,
    query: &HistoryQuery,
    mut take: impl FnMut(TaskHistory),
) -> Result<(), StoreError> {
    let mut query =
        HistoryQuery { from_rows: true, descending: false, sort: HistorySort::StartedAt, ..query.clone() };
    query.paging = Paging::first(PAGE);
    loop {
        let rows = store.history(&query).await?.rows;
        let last = rows.last().filter(|_| rows.len() as u64 == PAGE);
        let next = last.map(|row| (row.started_at, query.sort.place(row)));
        rows.into_iter().for_each(&mut take);
        let Some((started_at, place)) = next else { return Ok(()) };
        // Nothing before it is looked at again.
        query.started_from = Some(started_at);
        query.after = Some(place);
    }
}

/// From which instants on no row can have been deleted. A clean-up takes the rows with the lowest numbers, and those that
/// ended before some instant: so what started after the first row that is left, and after the earliest end that is left,
/// is there.
pub(super) async fn kept(store: &dyn JobStore) -> Result<Kept, StoreError> {
    let first = |status, sort| HistoryQuery {
        status: Some(status),
        sort,
        descending: false,
        paging: Paging::first(1),
        ..HistoryQuery::default()
    };
    let (mut started, mut ended): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    for status in [TaskStatus::Success, TaskStatus::Failed, TaskStatus::Unknown] {
        let earlier = |one: Option<Timestamp>, two: Option<Timestamp>| [one, two].into_iter().flatten().min();
        let row = store.history(&first(status, HistorySort::StartedAt)).await?.rows.pop();
        started = earlier(started, row.map(|row| row.started_at));
        let row = store.history(&first(status, HistorySort::EndedAt)).await?.rows.pop();
        ended = earlier(ended, row.and_then(|row| row.ended_at));
    }
    Ok(match (started, ended) {
        (Some(started), Some(ended)) => Kept::From(started.max(ended)),
        _ => Kept::Nothing,
    })
}
