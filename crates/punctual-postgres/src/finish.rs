//! The end of fires: completed, handed back, recovered.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Object;
use jiff::Timestamp;
use punctual_core::definition::{self, DefinitionTx};
use punctual_core::pending::{self, OpenFire};
use punctual_core::recovery::{self, Orphan};
use punctual_core::time::{to_millis, whole_millis};
use punctual_core::{
    Cause, Completed, Completion, Data, Fire, FireId, JobKey, LostNode, Recovered, Recovery, StoreError,
    Term, Then, TriggerKey,
};
use tokio_postgres::Row;

use crate::claim::delete;
use crate::edit::{EDIT_LOCK_SHARED, Edit};
use crate::ends::{self, Ended, Ends};
use crate::error::Sql;
use crate::rows::instant;
use crate::shared::{Owner, Shared, lock};
use crate::{batch, ranked, records, sql};

/// An open row, as far as its end needs it.
struct Open {
    fire: OpenFire,
    job_id: i64,
    trigger_id: i64,
    lane: Option<i64>,
    data: Data,
    node: String,
    term: Term,
    job: JobKey,
}

fn read_open(row: &Row) -> Open {
    Open {
        fire: OpenFire {
            id: FireId(row.get(0)),
            trigger: TriggerKey::stored(row.get::<_, &str>(4), row.get::<_, &str>(5)),
            scheduled_at: instant(row.get(6)),
            attempt: u32::try_from(row.get::<_, i64>(7)).unwrap_or(u32::MAX),
            origin: FireId(row.get(8)),
            cause: Cause::from_code(row.get::<_, i16>(9).into()),
        },
        job_id: row.get(1),
        trigger_id: row.get(2),
        lane: row.get(3),
        data: row.get::<_, Option<String>>(10).map_or_else(Data::empty, Data::stored),
        node: row.get(11),
        term: Term(row.get(12)),
        job: JobKey::stored(row.get::<_, &str>(13), row.get::<_, &str>(14)),
    }
}

/// Whose these fires are, if their completions need no more than their rows moved: no further attempt, no trigger that waits
/// for the end, no fire that this process did not open.
pub(crate) fn plain_owners(shared: &Shared, done: &[Completion]) -> Option<Vec<Owner>> {
    let known = lock(&shared.open_fires);
    let plain = |one: &Completion| one.retry.is_none() && one.then != Then::MayAwait;
    done.iter().map(|one| known.get(&one.id.0).copied().filter(|_| plain(one))).collect()
}

/// Closes fires that this process opened and that nothing follows: two round trips, or one more where lanes have to be
/// opened.
pub(crate) async fn complete_plain(
    client: &Object,
    shared: &Shared,
    done: &[Completion],
    owners: &[Owner],
) -> Result<Vec<Completed>, StoreError> {
    let ended = |fired_once: bool| -> Vec<i64> {
        let ended = done.iter().zip(owners).filter(|(one, _)| one.then == Then::Ends);
        ended.filter(|(_, owner)| owner.fired_once == fired_once).map(|(_, owner)| owner.trigger_id).collect()
    };
    let (fired_once, complete) = (ended(true), ended(false));
    let mut lanes = BTreeMap::new();
    for (one, owner) in done.iter().zip(owners) {
        if let Some(lane) = owner.lane {
            let end = lanes.entry(lane).or_default();
            *end = to_millis(one.ended_at).max(*end);
        }
    }
    let jobs: BTreeSet<i64> =
        owners.iter().filter(|owner| !owner.durable).map(|owner| owner.job_id).collect();
    let ids: Vec<i64> = done.iter().map(|one| one.id.0).collect();
    let job_ids: Vec<i64> = owners.iter().map(|owner| owner.job_id).collect();
    let series = ranked::series_of_jobs(client, shared, &ids, &job_ids).await?;
    let ended = |(done, series)| Ended { done, series };
    let all: Vec<Ended<'_>> = done.iter().zip(series).map(ended).collect();
    let places = owners.iter().map(|owner| owner.place);
    let (batches, single) = ends::by_batch(all.iter().copied().zip(places));
    // Prepared beforehand, so that what is sent together arrives, and locks, in its order.
    for text in [sql::BATCH_CLOSE, sql::RUNNING_CLOSE] {
        client.prepare_cached(text).await.sql()?;
    }
    let (_, _, (mut closed, little), rows, (), ()) = futures_util::try_join!(
        async { client.batch_execute("BEGIN").await.sql() },
        async { client.batch_execute(EDIT_LOCK_SHARED).await.sql() },
        batch::close(client, &batches),
        close_rows(client, &single),
        delete(client, sql::TRIGGERS_DELETE_FIRED, &fired_once),
        delete(client, sql::TRIGGERS_DELETE_COMPLETE, &complete),
    )?;
    closed.extend(rows);
    let mut closed: BTreeSet<i64> = closed.into_iter().collect();
    if closed.len() < done.len() {
        // Fires of a batch that somebody unpacked have rows of their own.
        let in_batch = owners.iter().map(|owner| owner.place.is_some());
        let open =
            all.iter().zip(in_batch).filter(|(one, in_batch)| *in_batch && !closed.contains(&one.done.id.0));
        let open: Vec<Ended<'_>> = open.map(|(one, _)| *one).collect();
        closed.extend(close_rows(client, &open).await?);
    }
    batch::unpack(client, &little).await?;
    settle(client, lanes, jobs).await?;
    client.batch_execute("COMMIT").await.sql()?;
    shared.forget_fires(&ids, &little);
    Ok(ends::answers(done, &closed))
}

/// Closes fires with a row of their own; which ones.
async fn close_rows(client: &Object, ended: &[Ended<'_>]) -> Result<Vec<i64>, StoreError> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let close = client.prepare_cached(sql::RUNNING_CLOSE).await.sql()?;
    let row = client.query_one(&close, &Ends::of(ended).columns()).await.sql()?;
    Ok(row.get::<_, Option<Vec<i64>>>(0).unwrap_or_default())
}

/// Opens what the end of fires opens, and deletes the jobs of which nothing is left.
async fn settle(client: &Object, lanes: BTreeMap<i64, i64>, jobs: BTreeSet<i64>) -> Result<(), StoreError> {
    if !lanes.is_empty() {
        let (lanes, ends): (Vec<i64>, Vec<i64>) = lanes.into_iter().unzip();
        let (lock, end, close, open) = futures_util::try_join!(
            client.prepare_cached(sql::LANES_LOCK),
            client.prepare_cached(sql::LANES_END),
            client.prepare_cached(sql::GATES_CLOSE),
            client.prepare_cached(sql::GATES_OPEN),
        )
        .sql()?;
        futures_util::try_join!(
            async { client.query(&lock, &[&lanes]).await.map(drop) },
            async { client.execute(&end, &[&lanes, &ends]).await.map(drop) },
            async { client.execute(&close, &[&lanes]).await.map(drop) },
            async { client.execute(&open, &[&lanes]).await.map(drop) },
        )
        .sql()?;
    }
    collect(client, jobs).await
}

/// Deletes jobs that are not durable and have nothing left, inside the caller's transaction.
async fn collect(client: &Object, jobs: BTreeSet<i64>) -> Result<(), StoreError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let jobs: Vec<i64> = jobs.into_iter().collect();
    // Locked first: two fires that end together must not each take the other for open.
    let lock = client.prepare_cached(sql::JOBS_LOCK).await.sql()?;
    if client.query(&lock, &[&jobs]).await.sql()?.is_empty() {
        return Ok(());
    }
    let statement = client.prepare_cached(sql::JOBS_COLLECT).await.sql()?;
    client.execute(&statement, &[&jobs]).await.sql()?;
    Ok(())
}

/// Deletes jobs of which nothing may be left, in a transaction of its own.
pub(crate) async fn collect_jobs(client: &Object, jobs: Vec<i64>) -> Result<(), StoreError> {
    client.batch_execute("BEGIN").await.sql()?;
    client.batch_execute(EDIT_LOCK_SHARED).await.sql()?;
    collect(client, jobs.into_iter().collect()).await?;
    client.batch_execute("COMMIT").await.sql()
}

/// Closes fires with all that may follow.
pub(crate) fn complete(
    edit: &mut Edit,
    now: Timestamp,
    done: &[Completion],
) -> Result<Vec<Completed>, StoreError> {
    edit.wake = done.iter().any(|one| one.retry.is_some() || one.then == Then::MayAwait);
    let now = whole_millis(now);
    let ids: Vec<i64> = done.iter().map(|one| one.id.0).collect();
    batch::unpack_of(edit, &ids)?;
    let open: Vec<Open> = edit.query(sql::RUNNING_READ, &[&ids])?.iter().map(read_open).collect();
    let open_of = |one: &Completion| open.iter().find(|open| open.fire.id == one.id && open.term == one.term);
    for one in done {
        let (Some(retry), Some(open)) = (&one.retry, open_of(one)) else { continue };
        // A job that was deleted while it ran has nothing that could be tried again.
        let Some(job) = edit.job_by_id(open.job_id)? else { continue };
        let again = pending::retried(&open.fire, &job, retry.data.clone(), retry.at, now);
        edit.insert_trigger(&again)?;
    }
    let jobs: Vec<&JobKey> = open.iter().map(|open| &open.job).collect();
    let series = edit.series(&jobs)?;
    let series_of = |done: &Completion| {
        open.iter().zip(&series).find(|(open, _)| open.fire.id == done.id).map_or(0, |(_, id)| *id)
    };
    let ended: Vec<Ended<'_>> = done.iter().map(|done| Ended { done, series: series_of(done) }).collect();
    let rows = edit.query(sql::RUNNING_CLOSE, &Ends::of(&ended).columns())?;
    let closed: Option<Vec<i64>> = rows.first().and_then(|row| row.get(0));
    let answers = ends::answers(done, &closed.into_iter().flatten().collect());
    for one in done {
        let Some(open) = open_of(one) else { continue };
        if one.then == Then::Ends {
            edit.run_statement(sql::TRIGGERS_DELETE_COMPLETE, &[&&[open.trigger_id][..]])?;
        }
        if one.then == Then::MayAwait && one.retry.is_none() {
            definition::ended(edit, now, &open.fire.trigger)?;
        }
    }
    for open in &open {
        let ended_at = done.iter().find(|one| one.id == open.fire.id).map(|one| one.ended_at);
        after(edit, open, ended_at)?;
    }
    Ok(answers)
}

fn after(edit: &mut Edit, open: &Open, ended_at: Option<Timestamp>) -> Result<(), StoreError> {
    edit.touch_lane(open.lane);
    edit.end_in_lane(open.lane.zip(ended_at));
    lock(&edit.shared.open_fires).remove(&open.fire.id.0);
    definition::collect_job(edit, open.job_id).map(drop)
}

pub(crate) fn release(
    edit: &mut Edit,
    now: Timestamp,
    term: Term,
    fires: &[Fire],
) -> Result<u64, StoreError> {
    let ids: Vec<i64> = fires.iter().map(|fire| fire.id.0).collect();
    batch::unpack_of(edit, &ids)?;
    let open: Vec<Open> = edit.query(sql::RUNNING_READ, &[&ids])?.iter().map(read_open).collect();
    let mut released = 0;
    for fire in fires {
        let Some(open) = open.iter().find(|open| open.fire.id == fire.id && open.term == term) else {
            continue;
        };
        if let Some(job) = edit.job_by_id(open.job_id)? {
            let again = pending::released(&open.fire, &job, fire.trigger_data.clone(), whole_millis(now));
            edit.insert_trigger(&again)?;
        }
        edit.run_statement(sql::RUNNING_REMOVE, &[&fire.id.0, &term.0])?;
        edit.run_statement(sql::TRIGGERS_DELETE_COMPLETE, &[&&[open.trigger_id][..]])?;
        after(edit, open, None)?;
        released += 1;
    }
    Ok(released)
}

pub(crate) fn recover(edit: &mut Edit, now: Timestamp) -> Result<Recovery, StoreError> {
    let now = whole_millis(now);
    let mut runs = Vec::new();
    // First of all, so that none of them renews its lease while its work is taken up. What follows goes by these terms
    // rather than by the time, so that it means the same nodes whatever others commit in between.
    let nodes: Vec<LostNode> =
        edit.query(sql::NODES_EXPIRED_LOCK, &[&to_millis(now)])?.iter().map(read_lost).collect();
    let terms: Vec<i64> = nodes.iter().map(|node| node.term.0).collect();
    batch::unpack_lost(edit, &terms)?;
    let lost: Vec<Open> = edit.query(sql::RUNNING_LOST, &[&terms])?.iter().map(read_open).collect();
    edit.wake = !lost.is_empty();
    for open in lost {
        let job = edit.job_by_id(open.job_id)?;
        let plan = recovery::plan(&Orphan::of(&open.fire, &open.job, &open.node, job.as_ref()), now);
        if let (true, Some(job)) = (plan.refire, &job) {
            edit.insert_trigger(&pending::recovered(&open.fire, job, open.data.clone(), now))?;
        }
        let refired = plan.refire && job.is_some();
        let end =
            Ends::lost((open.fire.id, open.term), now, plan.details.to_string(), edit.series(&[&open.job])?);
        edit.query(sql::RUNNING_CLOSE, &end.columns())?;
        edit.run_statement(sql::TRIGGERS_DELETE_COMPLETE, &[&&[open.trigger_id][..]])?;
        if !refired {
            definition::ended(edit, now, &open.fire.trigger)?;
        }
        after(edit, &open, Some(now))?;
        runs.push(Recovered {
            id: open.fire.id,
            job: open.job,
            trigger: open.fire.trigger,
            node: open.node,
            refired,
        });
    }
    records::close_lost(edit, now, &terms)?;
    if !terms.is_empty() {
        edit.run_statement(sql::NODES_LOST_DELETE, &[&terms])?;
    }
    Ok(Recovery { runs, nodes })
}

fn read_lost(row: &Row) -> LostNode {
    LostNode { name: row.get(0), term: Term(row.get(1)), lease_until: instant(row.get(2)) }
}
