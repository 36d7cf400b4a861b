//! The claim: due triggers in, fires out. Three round trips: what is due (locked), what it means, what becomes of it.

pub(crate) mod doubt;
mod know;
mod write;

pub(crate) use write::delete;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deadpool_postgres::Object;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use punctual_core::firing::{self, AtGate};
use punctual_core::time::{from_millis, to_millis, whole_millis};
use punctual_core::{
    CancelledFire, Claim, Claimed, FireId, Lane, StoreError, StoredJob, StoredTrigger, Term, Then,
};

use crate::batch;
use crate::error::Sql;
use crate::insert::SkipRow;
use crate::rows::{self, Due, integer, millis};
use crate::shared::{Owner, Shared};
use crate::sql;

use know::Known;
use write::Taken;

/// One claim under way, inside its transaction.
struct Work<'a> {
    client: &'a Object,
    shared: &'a Shared,
    now: Timestamp,
    term: Term,
    node: String,
    limit: usize,
    /// The numbers of the kinds, and how many fires of each are still wanted.
    kinds: Vec<Option<i64>>,
    free: Vec<usize>,
    claimed: Claimed,
    taken: Taken,
    /// Whose fires these are.
    owners: Vec<(i64, Owner)>,
    /// Jobs of which a trigger ended without a fire.
    ended_jobs: BTreeSet<i64>,
    /// The place of each claimed fire in the order of work.
    order: Vec<(Option<i64>, i64)>,
    /// When the last run of each lane that is locked ended.
    lane_ends: HashMap<i64, Timestamp>,
}

/// Due triggers that are locked, and lanes with something at a gate; each with the id that its fire gets.
struct Found {
    due: Vec<(Due, i64)>,
    lanes: Vec<(i64, i64)>,
}

/// What a claim brought, and the jobs that may have nothing left.
pub(crate) struct Outcome {
    pub(crate) claimed: Claimed,
    pub(crate) ended_jobs: Vec<i64>,
}

pub(crate) async fn claim(
    client: &Object,
    shared: &Shared,
    claim: &Claim<'_>,
) -> Result<Outcome, StoreError> {
    if let Some(claimed) = doubt::resolved(client, shared, claim).await? {
        return Ok(Outcome { claimed, ended_jobs: Vec::new() });
    }
    let mut work = Work {
        client,
        shared,
        now: whole_millis(claim.now),
        term: claim.term,
        node: String::new(),
        limit: claim.limit,
        kinds: Vec::new(),
        free: claim.kinds.iter().map(|slots| slots.free).collect(),
        claimed: Claimed::default(),
        taken: Taken::default(),
        owners: Vec::new(),
        ended_jobs: BTreeSet::new(),
        order: Vec::new(),
        lane_ends: HashMap::new(),
    };
    work.begin().await?;
    work.kinds = shared.kinds(client, claim.kinds.iter().map(|slots| &slots.kind)).await?;
    loop {
        let found = work.look().await?;
        let again = work.take_free(found.due).await?;
        let moved = !found.lanes.is_empty() && work.take_gates(found.lanes).await?;
        // A gate shows one trigger at a time, and what was taken may be due again: look until nothing moves.
        if work.claimed.fires.len() >= work.limit || !(again || moved) {
            break;
        }
        work.write().await?;
    }
    work.commit().await
}

impl Work<'_> {
    fn kind_ids(&self) -> Vec<i64> {
        self.kinds
            .iter()
            .zip(&self.free)
            .filter(|(_, free)| **free > 0)
            .filter_map(|(kind, _)| *kind)
            .collect()
    }

    fn slot(&self, kind: i64) -> Option<usize> {
        self.kinds.iter().position(|known| *known == Some(kind))
    }

    /// Begins the transaction, and checks that the node is live.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let client = self.client;
        let node = client.prepare_cached(sql::NODE_BY_TERM).await.sql()?;
        let now = to_millis(self.now);
        let (_, owner) = futures_util::try_join!(async { client.batch_execute("BEGIN").await }, async {
            client.query_opt(&node, &[&self.term.0, &now]).await
        },)
        .sql()?;
        let Some(owner) = owner else { return Err(StoreError::StaleTerm) };
        self.node = owner.get(0);
        Ok(())
    }

    /// Reads and locks what is due and free, and looks at the gates: the triggers and the lanes that come first in the
    /// order of work, as many as there is room for.
    async fn look(&mut self) -> Result<Found, StoreError> {
        let client = self.client;
        let (free, gates) = futures_util::try_join!(
            client.prepare_cached(sql::DUE_FREE),
            client.prepare_cached(sql::GATES_DUE)
        )
        .sql()?;
        let now = to_millis(self.now);
        let room = self.limit - self.claimed.fires.len();
        let kinds = self.kind_ids();
        let wanted: Vec<(i64, i64)> = self
            .kinds
            .iter()
            .zip(&self.free)
            .filter_map(|(kind, free)| Some(((*kind)?, integer((*free).min(room) as u64))))
            .filter(|(_, limit)| *limit > 0)
            .collect();
        let by_kind = wanted.iter().map(|(kind, limit)| {
            let free = &free;
            async move {
                let rows = client.query(free, &[kind, &now, limit]).await?;
                Ok(rows.iter().map(|row| rows::due_free(row, *kind)).collect::<Vec<Due>>())
            }
        });
        let limit = integer(room as u64);
        // Sent in this order and without waiting in between.
        let (found, gates) = futures_util::try_join!(try_join_all(by_kind), async {
            client.query(&gates, &[&kinds, &now, &limit]).await
        },)
        .sql()?;
        let mut due: Vec<Due> = found.into_iter().flatten().collect();
        due.sort_by_key(|due| (due.next_fire_at, due.priority_rank));
        // Where both compete for the last places, the order decides.
        let mut places: Vec<(Option<i64>, i64, bool)> =
            due.iter().map(|due| (due.next_fire_at, due.priority_rank, true)).collect();
        places.extend(gates.iter().map(|row| (row.get(1), row.get(2), false)));
        places.sort_unstable();
        places.truncate(room);
        due.truncate(places.iter().filter(|(_, _, free)| *free).count());
        let lanes = places.len() - due.len();
        // Ids ascend in the order of work.
        let ids = self.shared.ids(client, places.len()).await?;
        let ids_of = |wanted: bool| {
            let of_kind = places.iter().zip(&ids).filter(move |((_, _, free), _)| *free == wanted);
            of_kind.map(|(_, id)| *id)
        };
        Ok(Found {
            due: due.into_iter().zip(ids_of(true)).collect(),
            lanes: gates.iter().take(lanes).map(|row| row.get(0)).zip(ids_of(false)).collect(),
        })
    }

    /// Takes due triggers without a lane; whether something of what was taken may be due again.
    async fn take_free(&mut self, due: Vec<(Due, i64)>) -> Result<bool, StoreError> {
        if due.is_empty() {
            return Ok(false);
        }
        let mut known = self.know(due.iter().map(|(due, _)| due)).await?;
        for (due, id) in due {
            let Some(slot) = self.slot(due.kind_id).filter(|slot| self.free[*slot] > 0) else { continue };
            let Some((trigger, job)) = self.meaning(&due, &mut known) else { continue };
            let calendar = trigger.definition.calendar.as_ref().and_then(|name| known.calendars.get(name));
            let plan = firing::plan(&trigger, calendar.map(|stored| &stored.calendar), self.now);
            let fired = self.fire(trigger, &job, due.kind_id, &plan, Some(id)).await?;
            self.free[slot] -= usize::from(fired);
        }
        let now = self.now;
        let is_due = |trigger: &StoredTrigger| trigger.next_fire_at.is_some_and(|at| at <= now);
        let moved = self.taken.moved.iter().any(|(trigger, _)| is_due(trigger));
        Ok(moved || self.taken.pending.iter().any(|(trigger, _)| is_due(trigger)))
    }

    /// Lets a due trigger do what its plan says; whether it fired.
    async fn fire(
        &mut self,
        mut trigger: StoredTrigger,
        job: &StoredJob,
        kind: i64,
        plan: &firing::FiringPlan,
        id: Option<i64>,
    ) -> Result<bool, StoreError> {
        let id = match (plan.fire, id) {
            (None, _) => None,
            (Some(_), Some(id)) => Some(FireId(id)),
            (Some(_), None) => self.shared.ids(self.client, 1).await?.first().copied().map(FireId),
        };
        let place = (millis(trigger.next_fire_at), -i64::from(trigger.definition.priority));
        let single = trigger.pending.is_none()
            && plan.skipped.is_empty()
            && matches!(trigger.schedule(), punctual_core::Schedule::Once);
        // A run of the lane may have ended while this claim was on its way.
        let lane_end = trigger.lane.and_then(|lane| self.lane_ends.get(&lane.id));
        let fired_at = lane_end.map_or(self.now, |end| self.now.max(*end));
        let step = firing::step(&mut trigger, job, plan, id, (self.now, fired_at));
        for (skip, into) in &step.skipped {
            let number = self.shared.ids(self.client, 1).await?[0];
            self.taken.skips.push(SkipRow::new(number, &step.key, &job.detail.key, skip, self.now, *into));
            self.claimed.skipped.push((step.key.clone(), *skip));
        }
        if !step.later.is_empty() {
            let numbers = self.shared.ids(self.client, step.later.len()).await?;
            let runs =
                step.later.into_iter().zip(numbers).map(|(run, id)| (StoredTrigger { id, ..run }, kind));
            self.taken.pending.extend(runs);
        }
        let completed = step.fire.as_ref().is_some_and(|fire| fire.then == Then::Ends);
        let owner = Owner {
            job_id: job.id,
            trigger_id: trigger.id,
            lane: trigger.lane.map(|lane| lane.id),
            durable: job.detail.durable,
            fired_once: single && completed && !step.gone,
            place: None,
        };
        self.taken.lanes.extend(owner.lane);
        if step.gone {
            self.taken.gone.push(trigger.id);
            self.taken.deleted.push(trigger.id);
            self.ended_jobs.extend(step.over.then_some(job.id));
        } else if owner.fired_once {
            // That there is no row of `due` says all: fired once, complete.
            self.taken.gone.push(trigger.id);
        } else {
            self.taken.moved.push((trigger, plan.rebase.is_some()));
        }
        let Some(fire) = step.fire else { return Ok(false) };
        self.claimed.fires.push(fire);
        self.taken.owners.push(owner);
        self.order.push(place);
        Ok(true)
    }

    /// Takes what stands at the gates of these lanes; whether anything moved. A lane that another node works at is
    /// passed over.
    async fn take_gates(&mut self, lanes: Vec<(i64, i64)>) -> Result<bool, StoreError> {
        let (lanes, ids): (Vec<i64>, Vec<i64>) = lanes.into_iter().unzip();
        let mut ids = ids.into_iter();
        self.write().await?;
        let statement = self.client.prepare_cached(sql::LANES_TRY_LOCK).await.sql()?;
        let locked = self.client.query(&statement, &[&lanes]).await.sql()?;
        self.lane_ends.extend(locked.iter().map(|row| (row.get(0), from_millis(row.get(1)))));
        let locked: Vec<i64> = locked.iter().map(|row| row.get(0)).collect();
        let kinds = self.kind_ids();
        let statement = self.client.prepare_cached(sql::GATES_OF).await.sql()?;
        let now = to_millis(self.now);
        let gates = self.client.query(&statement, &[&locked, &kinds, &now]).await.sql()?;
        let triggers: Vec<i64> = gates.iter().map(|row| row.get(4)).collect();
        let mut open: BTreeMap<i64, u64> =
            gates.iter().map(|row| (row.get(0), rows::count(row.get(5)))).collect();
        let statement = self.client.prepare_cached(sql::DUE_BY_IDS).await.sql()?;
        let mut due: Vec<Due> = self
            .client
            .query(&statement, &[&triggers])
            .await
            .sql()?
            .iter()
            .map(|row| rows::due(row, 0))
            .collect();
        due.sort_by_key(|due| (due.next_fire_at, due.priority_rank));
        let mut known = self.know(due.iter()).await?;
        let mut moved = false;
        for due in due {
            let Some(slot) = self.slot(due.kind_id).filter(|slot| self.free[*slot] > 0) else { continue };
            let (Some(lane), true) = (due.lane, self.claimed.fires.len() < self.limit) else { continue };
            let ready = due.state == 0 && due.next_fire_at.is_some_and(|at| at <= now);
            if !ready {
                continue;
            }
            let Some((trigger, job)) = self.meaning(&due, &mut known) else {
                moved = true;
                continue;
            };
            let opened = open.entry(lane.id).or_default();
            let fired =
                self.take_gated(trigger, (&job, due.kind_id, ids.next()), lane, *opened, &known).await?;
            *opened += u64::from(fired == Some(true));
            self.free[slot] -= usize::from(fired == Some(true));
            moved |= fired.is_some();
        }
        self.write().await?;
        Ok(moved)
    }

    /// `None` where the trigger has to wait after all; otherwise whether it fired.
    async fn take_gated(
        &mut self,
        trigger: StoredTrigger,
        (job, kind, id): (&StoredJob, i64, Option<i64>),
        lane: Lane,
        open: u64,
        known: &Known,
    ) -> Result<Option<bool>, StoreError> {
        let calendar = trigger.definition.calendar.as_ref().and_then(|name| known.calendars.get(name));
        let calendar = calendar.map(|stored| &stored.calendar);
        match firing::plan_in_lane(&trigger, calendar, open, self.now) {
            AtGate::Goes(plan) => self.fire(trigger, job, kind, &plan, id).await.map(Some),
            AtGate::Cancels => {
                self.cancel_oldest(&trigger, lane).await?;
                self.taken.lanes.insert(lane.id);
                Ok(Some(false))
            }
            AtGate::Waits => Ok(None),
        }
    }

    /// Asks the oldest run of a full lane to stop.
    async fn cancel_oldest(&mut self, trigger: &StoredTrigger, lane: Lane) -> Result<(), StoreError> {
        let statement = self.client.prepare_cached(sql::LANE_OLDEST).await.sql()?;
        let Some(row) = self.client.query_opt(&statement, &[&lane.id]).await.sql()? else { return Ok(()) };
        let (id, term) = (FireId(row.get(0)), Term(row.get(1)));
        let reason = firing::cancel_reason(trigger);
        let statement = self.client.prepare_cached(sql::CANCEL_REQUEST).await.sql()?;
        self.client.execute(&statement, &[&id.0, &reason]).await.sql()?;
        self.claimed.cancelled.push(CancelledFire { id, term, reason });
        Ok(())
    }

    /// Writes what was taken so far.
    async fn write(&mut self) -> Result<(), StoreError> {
        let mut taken = std::mem::take(&mut self.taken);
        let fires = &self.claimed.fires[self.owners.len()..];
        batch::gather(fires, &mut taken.owners, self.shared.batch_from());
        self.owners.extend(fires.iter().zip(&taken.owners).map(|(fire, owner)| (fire.id.0, *owner)));
        taken.write(self.client, self.shared, (self.term, &self.node), fires).await
    }

    /// Puts the fires in the order of work.
    fn sort(&mut self) {
        if !self.order.is_sorted() {
            let fires = std::mem::take(&mut self.claimed.fires);
            let mut placed: Vec<_> = std::mem::take(&mut self.order).into_iter().zip(fires).collect();
            placed.sort_by_key(|(place, _)| *place);
            self.claimed.fires = placed.into_iter().map(|(_, fire)| fire).collect();
        }
    }

    async fn commit(mut self) -> Result<Outcome, StoreError> {
        let kinds: Vec<i64> = self.kinds.iter().flatten().copied().collect();
        let client = self.client;
        let next_due = client.prepare_cached(sql::NEXT_DUE).await.sql()?;
        self.write().await?;
        let next = client.query_one(&next_due, &[&kinds]).await.sql()?;
        self.sort();
        if self.claimed.fires.is_empty() {
            client.batch_execute("COMMIT").await.sql()?;
        } else {
            let claimed = (std::mem::take(&mut self.claimed), std::mem::take(&mut self.owners));
            let noted = doubt::note(self.shared, self.term, self.now, claimed);
            client.batch_execute("COMMIT").await.sql()?;
            self.claimed = noted.and_then(|first| doubt::dispelled(self.shared, first)).unwrap_or_default();
        }
        self.claimed.next_due = next.get::<_, Option<i64>>(0).map(from_millis);
        Ok(Outcome { claimed: self.claimed, ended_jobs: self.ended_jobs.into_iter().collect() })
    }
}
