//! Claims whose commit had no answer: the connection broke, and only the database knows whether the fires are open. If they
//! are, they are open for a node that is live and does not know of them: nobody would ever run or recover them.

use deadpool_postgres::Object;
use jiff::Timestamp;
use punctual_core::time::plus_millis;
use punctual_core::{Claim, Claimed, FireId, StoreError, Term};

use crate::error::Sql;
use crate::shared::{Owner, Shared, lock};
use crate::sql;

/// How long the server may yet be busy with a commit that nobody waits for, in milliseconds.
const BUSY_MS: i64 = 60_000;

/// A claim that may have been committed.
#[derive(Debug)]
pub(crate) struct Doubt {
    term: Term,
    until: Timestamp,
    claimed: Claimed,
    owners: Vec<(i64, Owner)>,
}

impl Doubt {
    /// What was claimed, which is committed: its fires belong to this process.
    fn end(self, shared: &Shared) -> Claimed {
        lock(&shared.open_fires).extend(self.owners);
        self.claimed
    }
}

/// Remembers a claim whose commit is about to be sent: it may fail, or its caller may give it up halfway.
pub(super) fn note(
    shared: &Shared,
    term: Term,
    now: Timestamp,
    (claimed, owners): (Claimed, Vec<(i64, Owner)>),
) -> Option<FireId> {
    let first = claimed.fires.first()?.id;
    lock(&shared.doubts).push(Doubt { term, until: plus_millis(now, BUSY_MS), claimed, owners });
    Some(first)
}

/// The claim again, once it is known to be committed; `first` is what [`note`] returned.
pub(super) fn dispelled(shared: &Shared, first: FireId) -> Option<Claimed> {
    let mut doubts = lock(&shared.doubts);
    let is_it = |doubt: &Doubt| doubt.claimed.fires.first().is_some_and(|fire| fire.id == first);
    let place = doubts.iter().position(is_it)?;
    Some(doubts.swap_remove(place).end(shared))
}

/// What an earlier claim of this term turns out to have brought.
pub(super) async fn resolved(
    client: &Object,
    shared: &Shared,
    claim: &Claim<'_>,
) -> Result<Option<Claimed>, StoreError> {
    let ids: Vec<i64> = {
        let mut doubts = lock(&shared.doubts);
        // An own one is looked up once more, however late: the node may have kept its term through a long outage.
        doubts.retain(|doubt| doubt.term == claim.term || claim.now <= doubt.until);
        let own = doubts.iter().filter(|doubt| doubt.term == claim.term);
        own.flat_map(|doubt| &doubt.claimed.fires).map(|fire| fire.id.0).collect()
    };
    if ids.is_empty() {
        return Ok(None);
    }
    let statement = client.prepare_cached(sql::RUNNING_AMONG).await.sql()?;
    let rows = client.query(&statement, &[&ids, &claim.term.0]).await.sql()?;
    let open: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut doubts = lock(&shared.doubts);
    let is_open = |doubt: &Doubt| doubt.claimed.fires.iter().any(|fire| open.contains(&fire.id.0));
    let Some(place) = doubts.iter().position(is_open) else {
        doubts.retain(|doubt| claim.now <= doubt.until);
        return Ok(None);
    };
    let mut doubt = doubts.swap_remove(place);
    doubt.owners.retain(|(id, _)| open.contains(id));
    let mut claimed = doubt.end(shared);
    claimed.fires.retain(|fire| open.contains(&fire.id.0));
    // More may be due: whoever claims should come again at once.
    claimed.next_due = Some(claim.now);
    Ok(Some(claimed))
}
