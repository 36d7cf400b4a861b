//! Fires that one claim opened together: one row for all of them (`running_batches`), as long as most of them are open and
//! nothing is known of any but its end. Whatever else happens to one of them gives each a row of `running` first.

use deadpool_postgres::Object;
use futures_util::future::try_join_all;
use punctual_core::time::to_millis;
use punctual_core::{Fire, FireId, StoreError, Term, Then};

use crate::edit::{Edit, cause};
use crate::ends::BatchEnds;
use crate::error::Sql;
use crate::link::{Params, Statements};
use crate::rows::integer;
use crate::shared::{Owner, lock};
use crate::{short, sql};

/// A batch with less than this part of its fires open is not worth reading through.
const WORTH: i64 = 8;

/// Where a fire stands in the row of its batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The id of the batch: of its first fire.
    pub(crate) batch: i64,
    pub(crate) at: usize,
    /// How many fires the batch had at first.
    pub(crate) of: usize,
}

/// What recovery hands on for a fire: only jobs that ask for recovery get it.
pub(crate) fn kept_data(fire: &Fire) -> Option<&str> {
    (fire.job.requests_recovery && !fire.trigger_data.is_empty()).then(|| fire.trigger_data.as_str())
}

/// A fire, and what it belongs to.
pub(crate) type Opened<'a> = (&'a Fire, &'a Owner);

/// Says which of these fires share a row, if there are enough: first attempts that nobody looks for by lane or data, and
/// whose trigger does not wait for their end.
pub(crate) fn gather(fires: &[Fire], owners: &mut [Owner], from: usize) {
    let shares = |(fire, owner): &(&Fire, &mut Owner)| {
        let first = fire.attempt == 1 && fire.origin == fire.id;
        owner.lane.is_none() && first && fire.then != Then::MayAwait && kept_data(fire).is_none()
    };
    let mut together: Vec<(&Fire, &mut Owner)> = fires.iter().zip(owners).filter(shares).collect();
    let of = together.len();
    let Some(batch) = together.first().map(|(fire, _)| fire.id.0).filter(|_| of >= from) else { return };
    for (at, (_, owner)) in together.iter_mut().enumerate() {
        owner.place = Some(Place { batch, at, of });
    }
}

/// Writes the row of a batch.
pub(crate) async fn open(
    client: &Object,
    (term, node): (Term, &str),
    opened: &[Opened<'_>],
) -> Result<(), StoreError> {
    let Some((first, _)) = opened.first() else { return Ok(()) };
    let fires = || opened.iter().map(|(fire, _)| *fire);
    let owners = || opened.iter().map(|(_, owner)| owner);
    let statement = client.prepare_cached(sql::BATCH_INSERT).await.sql()?;
    client
        .execute(
            &statement,
            &[
                &first.id.0,
                &term.0,
                &node,
                &to_millis(first.fired_at),
                &ids(first.id, fires().map(|fire| fire.id.0)),
                &owners().map(|owner| owner.trigger_id).collect::<Vec<_>>(),
                &short::of_one(fires().map(|fire| to_millis(fire.scheduled_at)).collect()),
                &short::of_one(fires().map(|fire| cause(fire.cause)).collect()),
                &short::of_one(owners().map(|owner| owner.job_id).collect()),
                &short::of_one(fires().map(|fire| fire.job.key.group()).collect()),
                &short::of_one(fires().map(|fire| fire.job.key.name()).collect()),
                &short::of_one(fires().map(|fire| fire.trigger.group()).collect()),
                &fires().map(|fire| fire.trigger.name()).collect::<Vec<_>>(),
            ],
        )
        .await
        .sql()?;
    Ok(())
}

/// None where they follow each other.
fn ids(first: FireId, ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let ids: Vec<i64> = ids.collect();
    if ids.iter().zip(first.0..).all(|(id, next)| *id == next) { Vec::new() } else { ids }
}

/// Closes fires of batches: which ones, and the batches of which little is left.
pub(crate) async fn close(
    client: &Object,
    batches: &[BatchEnds],
) -> Result<(Vec<i64>, Vec<i64>), StoreError> {
    if batches.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let statement = client.prepare_cached(sql::BATCH_CLOSE).await.sql()?;
    // In the order of their ids, as everybody locks them.
    let rows = try_join_all(batches.iter().map(|ends| {
        let statement = &statement;
        async move { client.query_one(statement, &ends.columns()).await.sql() }
    }))
    .await?;
    let closed = rows.iter().filter_map(|row| row.get::<_, Option<Vec<i64>>>(0)).flatten().collect();
    let little = batches.iter().zip(&rows).filter(|(ends, row)| {
        let left: Option<i64> = row.get(1);
        left.is_some_and(|left| left > 0 && left * WORTH <= integer(ends.of as u64))
    });
    Ok((closed, little.map(|(ends, _)| ends.batch).collect()))
}

/// Gives each open fire of these batches a row of its own.
pub(crate) async fn unpack(client: &impl Statements, batches: &[i64]) -> Result<(), StoreError> {
    if !batches.is_empty() {
        client.run(sql::BATCHES_UNPACK, &[&batches]).await?;
    }
    Ok(())
}

/// Gives each of these fires a row of its own, and those that share its batch.
pub(crate) fn unpack_of(edit: &Edit, fires: &[i64]) -> Result<(), StoreError> {
    let may_share = {
        let known = lock(&edit.shared.open_fires);
        fires.iter().any(|id| known.get(id).is_none_or(|owner| owner.place.is_some()))
    };
    if may_share {
        unpack_found(edit, sql::BATCHES_OF, &[&fires])?;
    }
    Ok(())
}

/// The same for all fires of nodes that are gone, or have one of these terms.
pub(crate) fn unpack_lost(edit: &Edit, terms: &[i64]) -> Result<(), StoreError> {
    unpack_found(edit, sql::BATCHES_LOST, &[&terms])
}

fn unpack_found(edit: &Edit, text: &str, params: Params<'_>) -> Result<(), StoreError> {
    let batches: Vec<i64> = edit.query(text, params)?.iter().map(|row| row.get(0)).collect();
    edit.unpack(&batches)
}
