//! The end of fires: completed, handed back, recovered.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use punctual_core::definition::{self, DefinitionTx};
use punctual_core::pending::{self, OpenFire};
use punctual_core::ranking::Noted;
use punctual_core::recovery::{self, Orphan};
use punctual_core::time::{to_millis, whole_millis};
use punctual_core::{
    Cause, Completed, Completion, Data, Fire, FireId, JobKey, LostNode, Outcome, Recovered, Recovery,
    StoreError, TaskStatus, Term, Then, TriggerKey,
};
use rusqlite::{OptionalExtension, Row};

use crate::error::Sql;
use crate::ranked;
use crate::records::{self, RowEnd, logs_text, progress_text};
use crate::rows::{instant, integer};
use crate::sql;
use crate::writer::{Owner, Writer};

/// An open row, as far as its end needs it.
struct Open {
    fire: OpenFire,
    owner: Owner,
    data: Data,
    node: String,
    term: Term,
    job: JobKey,
}

fn read_open(row: &Row<'_>) -> rusqlite::Result<Open> {
    let text = |column: usize| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    Ok(Open {
        fire: OpenFire {
            id: FireId(row.get(0)?),
            trigger: TriggerKey::stored(text(3)?, text(4)?),
            scheduled_at: instant(row.get::<_, Option<i64>>(5)?.unwrap_or_default()),
            attempt: u32::try_from(row.get::<_, i64>(6)?).unwrap_or(u32::MAX),
            origin: FireId(row.get(7)?),
            cause: Cause::from_code(row.get(8)?),
        },
        owner: Owner {
            job_id: row.get(1)?,
            trigger_id: row.get(2)?,
            lane: row.get(14)?,
            started_at: row.get(15)?,
        },
        data: row.get::<_, Option<String>>(9)?.map_or_else(Data::empty, Data::stored),
        node: row.get(10)?,
        term: Term(row.get(11)?),
        job: JobKey::stored(text(12)?, text(13)?),
    })
}

/// Jobs and lanes of which fires have ended: their gates and their end are looked at once for a whole batch.
#[derive(Default)]
struct Touched {
    jobs: BTreeSet<i64>,
    lanes: BTreeSet<i64>,
    /// Triggers that may wait for the end of their run.
    awaiting: BTreeSet<TriggerKey>,
}

impl Touched {
    fn note(&mut self, owner: Owner) {
        // Mostly the same job again.
        if self.jobs.last() != Some(&owner.job_id) {
            self.jobs.insert(owner.job_id);
        }
        self.lanes.extend(owner.lane);
    }

    fn settle(self, writer: &mut Writer, now: Timestamp) -> Result<(), StoreError> {
        for key in self.awaiting {
            definition::ended(writer, now, &key)?;
        }
        for lane in self.lanes {
            writer.refresh_gates(lane)?;
        }
        for job_id in self.jobs {
            let Some(job) = writer.job_by_id(job_id)? else { continue };
            if !job.detail.durable {
                definition::collect_job(writer, job_id)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn complete(
    writer: &mut Writer,
    now: Timestamp,
    done: &[Completion],
) -> Result<Vec<Completed>, StoreError> {
    let mut touched = Touched::default();
    for completion in done.iter().filter(|completion| completion.retry.is_some()) {
        store_retry(writer, now, completion)?;
    }
    for completion in
        done.iter().filter(|completion| completion.then == Then::MayAwait && completion.retry.is_none())
    {
        let open = writer.one(sql::FIRE_READ, (completion.id.0, completion.term.0), read_open)?;
        touched.awaiting.extend(open.map(|open| open.fire.trigger));
    }
    let mut ended = Vec::with_capacity(done.len());
    let answers = close_all(&writer.connection, &writer.open_fires, done, &mut touched, &mut ended).sql()?;
    for (owner, row) in ended {
        let series = ranked::series_of(writer, Some(owner.job_id), row.id)?;
        writer.notes.rows.push(Noted { series, ..row });
    }
    for completion in done {
        writer.last_end = writer.last_end.max(whole_millis(completion.ended_at));
        writer.open_fires.remove(&completion.id.0);
    }
    touched.settle(writer, now)?;
    Ok(answers)
}

/// Stores the next attempt of a fire that is still open.
fn store_retry(writer: &mut Writer, now: Timestamp, done: &Completion) -> Result<(), StoreError> {
    let Some(retry) = &done.retry else { return Ok(()) };
    let Some(open) = writer.one(sql::FIRE_READ, (done.id.0, done.term.0), read_open)? else { return Ok(()) };
    // A job that was deleted while it ran has nothing that could be tried again.
    let Some(job) = writer.job_by_id(open.owner.job_id)? else { return Ok(()) };
    let again = pending::retried(&open.fire, &job, retry.data.clone(), retry.at, whole_millis(now));
    writer.insert_trigger(&again)
}

/// Closes the rows of a batch. The statements are looked up once a batch: at thousands of rows a second, looking them
/// up for each row would cost as much as a statement itself.
fn close_all(
    connection: &rusqlite::Connection,
    known: &HashMap<i64, Owner>,
    done: &[Completion],
    touched: &mut Touched,
    ended: &mut Vec<(Owner, Noted)>,
) -> rusqlite::Result<Vec<Completed>> {
    let mut owner = connection.prepare_cached(sql::FIRE_OWNER)?;
    let mut close = connection.prepare_cached(sql::FIRE_CLOSE)?;
    let mut remove = connection.prepare_cached(sql::FIRE_REMOVE)?;
    let mut delete_trigger = connection.prepare_cached(sql::TRIGGER_DELETE_COMPLETE)?;
    let mut answers = Vec::with_capacity(done.len());
    for completion in done {
        let (id, term) = (completion.id.0, completion.term.0);
        let read = |row: &Row<'_>| {
            let (job_id, trigger_id) = (row.get(0)?, row.get(1)?);
            Ok(Owner { job_id, trigger_id, lane: row.get(2)?, started_at: row.get(3)? })
        };
        let found = match known.get(&id) {
            Some(found) => Some(*found),
            None => owner.query_row((id, term), read).optional()?,
        };
        let Some(found) = found else {
            answers.push(Completed::Superseded);
            continue;
        };
        let closed = if completion.keep {
            let (status, details) = match &completion.outcome {
                Outcome::Success(details) => (TaskStatus::Success, details.as_ref()),
                Outcome::Failed(details) => (TaskStatus::Failed, Some(details)),
            };
            let details = details.map(serde_json::Value::to_string);
            let end = RowEnd {
                id,
                term,
                status: status.code(),
                ended_at: to_millis(completion.ended_at),
                duration: Some(integer(completion.duration_ms)),
                details,
                logs: Some(logs_text(&completion.logs)),
                progress: progress_text(completion.progress.as_ref()),
            };
            let closed = end.write(&mut close)?;
            if closed > 0 {
                let started_at = found.started_at;
                let (ended_at, duration_ms) =
                    (Some(to_millis(completion.ended_at)), Some(integer(completion.duration_ms)));
                let row = Noted { id, series: 0, status, started_at, ended_at, duration_ms, gone: false };
                ended.push((found, row));
            }
            closed
        } else {
            remove.execute((id, term))?
        };
        if closed == 0 {
            answers.push(Completed::Superseded);
            continue;
        }
        if completion.then == Then::Ends {
            delete_trigger.execute([found.trigger_id])?;
        }
        touched.note(found);
        answers.push(Completed::Closed);
    }
    Ok(answers)
}

/// Closes one row of a lost node.
fn close_lost(
    writer: &mut Writer,
    open: &Open,
    ended_at: Timestamp,
    details: &serde_json::Value,
) -> Result<(), StoreError> {
    let end = RowEnd {
        id: open.fire.id.0,
        term: open.term.0,
        status: TaskStatus::Unknown.code(),
        ended_at: to_millis(ended_at),
        duration: None,
        details: Some(details.to_string()),
        logs: None,
        progress: None,
    };
    writer.connection.prepare_cached(sql::FIRE_CLOSE).and_then(|mut close| end.write(&mut close)).sql()?;
    let series = ranked::series_of(writer, Some(open.owner.job_id), open.fire.id.0)?;
    writer.notes.rows.push(Noted {
        id: open.fire.id.0,
        series,
        status: TaskStatus::Unknown,
        started_at: open.owner.started_at,
        ended_at: Some(to_millis(ended_at)),
        duration_ms: None,
        gone: false,
    });
    Ok(())
}

pub(crate) fn release(
    writer: &mut Writer,
    now: Timestamp,
    term: Term,
    fires: &[Fire],
) -> Result<u64, StoreError> {
    let mut touched = Touched::default();
    let mut released = 0;
    for fire in fires {
        let Some(open) = writer.one(sql::FIRE_READ, (fire.id.0, term.0), read_open)? else { continue };
        if let Some(job) = writer.job_by_id(open.owner.job_id)? {
            let again = pending::released(&open.fire, &job, fire.trigger_data.clone(), whole_millis(now));
            writer.insert_trigger(&again)?;
        }
        writer.run(sql::FIRE_REMOVE, (fire.id.0, term.0))?;
        writer.run(sql::TRIGGER_DELETE_COMPLETE, [open.owner.trigger_id])?;
        writer.open_fires.remove(&fire.id.0);
        touched.note(open.owner);
        released += 1;
    }
    touched.settle(writer, now)?;
    Ok(released)
}

pub(crate) fn recover(writer: &mut Writer, now: Timestamp) -> Result<Recovery, StoreError> {
    let now = whole_millis(now);
    let mut touched = Touched::default();
    let mut runs = Vec::new();
    for open in writer.many(sql::FIRES_LOST, [to_millis(now)], read_open)? {
        writer.last_end = writer.last_end.max(now);
        let job = writer.job_by_id(open.owner.job_id)?;
        let plan = recovery::plan(&Orphan::of(&open.fire, &open.job, &open.node, job.as_ref()), now);
        if let (true, Some(job)) = (plan.refire, &job) {
            writer.insert_trigger(&pending::recovered(&open.fire, job, open.data.clone(), now))?;
        }
        let refired = plan.refire && job.is_some();
        if !refired {
            touched.awaiting.insert(open.fire.trigger.clone());
        }
        close_lost(writer, &open, now, &plan.details)?;
        writer.run(sql::TRIGGER_DELETE_COMPLETE, [open.owner.trigger_id])?;
        writer.open_fires.remove(&open.fire.id.0);
        touched.note(open.owner);
        runs.push(Recovered {
            id: open.fire.id,
            job: open.job,
            trigger: open.fire.trigger,
            node: open.node,
            refired,
        });
    }
    touched.settle(writer, now)?;
    records::close_lost(writer, now)?;
    let nodes = writer.many(sql::NODES_EXPIRED_DELETE, [to_millis(now)], read_lost)?;
    Ok(Recovery { runs, nodes })
}

fn read_lost(row: &Row<'_>) -> rusqlite::Result<LostNode> {
    Ok(LostNode { name: row.get(0)?, term: Term(row.get(1)?), lease_until: instant(row.get(2)?) })
}
