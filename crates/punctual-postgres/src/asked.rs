//! Runs and events that applications ask for inside their own transactions: rows of `run_requests`.
//!
//! Asking takes no lock: the job is read, and a row is inserted, which nobody refers to. Carrying out takes, in this order, a
//! lock of its own, for which nobody waits (a node that does not get it leaves the work to the one that has it), and the
//! edit lock, as every edit does. One node at a time, so that what one transaction asked for happens in its order.

use jiff::Timestamp;
use punctual_core::time::{to_millis, whole_millis};
use punctual_core::{
    Applied, CarriedOut, CarryOut, Change, Data, RefusedRequest, Request, StoreError, definition,
};

use crate::PostgresStore;
use crate::edit::{self, Edit};
use crate::rows::{integer, json};
use crate::sql;

type Result<T> = std::result::Result<T, StoreError>;

/// The nodes hear of it when the application commits.
const NOTIFY: &str = "SELECT pg_notify('punctual', 'requests ' || current_schema())";

/// Whether these can be asked for without a lock.
pub(crate) fn are_requests(changes: &[Change]) -> bool {
    changes.iter().all(|change| Request::can_be(change) || matches!(change, Change::Audit(_)))
}

/// Checks what is asked for and writes it down, within the application's transaction.
pub(crate) fn ask(edit: &mut Edit, now: Timestamp, changes: &[Change]) -> Result<Vec<Applied>> {
    let mut applied = Vec::with_capacity(changes.len());
    let (mut wanted, mut data) = (Vec::new(), Vec::new());
    for change in changes {
        let Some((request, known)) = definition::request(edit, now, change)? else {
            applied.push(definition::apply(edit, now, change)?);
            continue;
        };
        wanted.push(json(&request.wanted)?);
        data.push(request.data.as_str().to_owned());
        applied.push(known);
    }
    if !wanted.is_empty() {
        edit.run_statement(sql::RUN_REQUESTS_INSERT, &[&wanted, &data, &to_millis(whole_millis(now))])?;
        edit.batch(NOTIFY)?;
    }
    Ok(applied)
}

/// Carries a batch out. If that fails though the database is there, it is because of one of them: they are tried one by one
/// until it is the turn of that one, which then stays where it is and keeps nobody else.
pub(crate) async fn carry_out(store: &PostgresStore, now: Timestamp, which: &CarryOut) -> Result<CarriedOut> {
    let batch =
        Batch { node: which.node.clone(), after: which.after.unwrap_or(i64::MIN), limit: which.limit };
    let one = Batch { limit: 1, ..batch.clone() };
    match run(store, now, batch).await {
        Err(error) if is_lasting(&error) => {}
        answer => return answer,
    }
    match run(store, now, one.clone()).await {
        Err(error) if is_lasting(&error) => pass_over(store, one, error.to_string()).await,
        answer => answer,
    }
}

/// A job that a newer version wrote, say, or a right that is missing.
fn is_lasting(error: &StoreError) -> bool {
    matches!(error, StoreError::Other(_) | StoreError::Corrupt(_))
}

#[derive(Clone)]
struct Batch {
    node: String,
    after: i64,
    limit: usize,
}

async fn run(store: &PostgresStore, now: Timestamp, batch: Batch) -> Result<CarriedOut> {
    let now = whole_millis(now);
    store
        .transaction(move |edit| {
            let found = look(edit, &batch)?;
            if found.requests.is_empty() {
                edit.batch("COMMIT")?;
                return Ok(CarriedOut { next: found.next, ..CarriedOut::default() });
            }
            edit.whole(|edit| carry(edit, now, &batch.node, found), "COMMIT")
        })
        .await
}

/// Where to go on after a request that stays.
async fn pass_over(store: &PostgresStore, batch: Batch, error: String) -> Result<CarriedOut> {
    store
        .transaction(move |edit| {
            let next = look(edit, &batch)?.next;
            edit.batch("COMMIT")?;
            Ok(CarriedOut { stuck: Some(error), next, ..CarriedOut::default() })
        })
        .await
}

/// Requests that this version understands.
#[derive(Default)]
struct Found {
    requests: Vec<(i64, Request)>,
    next: Option<i64>,
}

fn look(edit: &Edit, batch: &Batch) -> Result<Found> {
    let guard = edit.first(sql::RUN_REQUESTS_GUARD, &[])?;
    if !guard.is_some_and(|row| row.get(0)) {
        return Ok(Found::default());
    }
    let rows = edit.query(sql::RUN_REQUESTS_NEXT, &[&batch.after, &integer(batch.limit as u64)])?;
    let next = rows.last().filter(|_| rows.len() >= batch.limit).map(|row| row.get(0));
    let read = |row: &tokio_postgres::Row| {
        let wanted = serde_json::from_str(row.get(1)).ok()?;
        Some((row.get(0), Request { wanted, data: Data::stored(row.get::<_, &str>(2)) }))
    };
    Ok(Found { requests: rows.iter().filter_map(read).collect(), next })
}

fn carry(edit: &mut Edit, now: Timestamp, node: &str, found: Found) -> Result<CarriedOut> {
    let mut carried = CarriedOut { next: found.next, ..CarriedOut::default() };
    let ids: Vec<i64> = found.requests.iter().map(|(id, _)| *id).collect();
    for (_, request) in found.requests {
        match definition::carry_out(edit, now, &request) {
            Ok(_) => carried.done += 1,
            Err(StoreError::Change(error)) => {
                carried.refused.push(refuse(edit, now, node, request, error.to_string())?);
            }
            Err(error) => return Err(error),
        }
    }
    edit.run_statement(sql::RUN_REQUESTS_DELETE, &[&ids])?;
    Ok(carried)
}

/// Writes into the history why a request is not carried out.
fn refuse(
    edit: &Edit,
    now: Timestamp,
    node: &str,
    request: Request,
    error: String,
) -> Result<RefusedRequest> {
    let row = request.wanted.refused(now, &error);
    let id = edit.next_number()?;
    edit.run_statement(sql::TASK_NAMES_INSERT, &[&&[row.task.as_str()][..]])?;
    let (job, trigger) = (row.job.as_ref(), row.trigger.as_ref());
    let rows = edit.query(
        sql::RUN_REQUEST_REFUSED,
        &[
            &id,
            &row.task,
            &to_millis(now),
            &to_millis(row.scheduled_at),
            &row.details.to_string(),
            &job.map(|key| key.group()),
            &job.map(|key| key.name()),
            &trigger.map(|key| key.group()),
            &trigger.map(|key| key.name()),
            &node,
            &edit::cause(row.cause),
        ],
    )?;
    edit.note_rows(&rows)?;
    Ok(RefusedRequest { wanted: request.wanted, error, row: punctual_core::FireId(id) })
}
