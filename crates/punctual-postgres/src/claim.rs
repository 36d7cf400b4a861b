//! The claim: due triggers in, fires out. Three round trips: what is due (locked), what it means, what becomes of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use deadpool_postgres::Object;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use punctual_core::time::{from_millis, to_millis, whole_millis};
use punctual_core::{
    CancelledFire, Cause, Claim, Claimed, Fire, FireId, JobKey, Lane, Overlap, SkipReason, StoreError,
    StoredCalendar, StoredJob, StoredTrigger, Term, Then, TriggerState, definition, firing, pending,
};

use crate::edit::cause;
use crate::error::Sql;
use crate::insert::{self, SkipRow};
use crate::rows::{self, Due, code, integer, json, millis};
use crate::shared::{Owner, Shared, lock};
use crate::sql;

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
    /// Jobs of which a trigger ended without a fire.
    ended_jobs: BTreeSet<i64>,
    /// The place of each fire in the order of work.
    order: HashMap<FireId, (Option<i64>, i64)>,
}

/// What is still to be written.
#[derive(Default)]
struct Taken {
    moved: Vec<(StoredTrigger, bool)>,
    gone: Vec<i64>,
    deleted: Vec<i64>,
    fires: Vec<(Fire, Owner)>,
    skips: Vec<SkipRow>,
    pending: Vec<(StoredTrigger, i64)>,
    lanes: BTreeSet<i64>,
    failed: Vec<(i64, String)>,
}

/// What due triggers mean.
#[derive(Default)]
struct Known {
    triggers: HashMap<i64, Arc<StoredTrigger>>,
    jobs: HashMap<i64, Result<StoredJob, String>>,
    calendars: HashMap<String, Arc<StoredCalendar>>,
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
    let kinds = shared.kinds(client, claim.kinds.iter().map(|slots| &slots.kind)).await?;
    let mut work = Work {
        client,
        shared,
        now: whole_millis(claim.now),
        term: claim.term,
        node: String::new(),
        limit: claim.limit,
        kinds,
        free: claim.kinds.iter().map(|slots| slots.free).collect(),
        claimed: Claimed::default(),
        taken: Taken::default(),
        ended_jobs: BTreeSet::new(),
        order: HashMap::new(),
    };
    work.begin().await?;
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
    work.claimed.fires.sort_by_key(|fire| work.order.get(&fire.id).copied());
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
            async move { client.query(free, &[kind, &now, limit]).await }
        });
        let limit = integer(room as u64);
        // Sent in this order and without waiting in between.
        let (found, gates) = futures_util::try_join!(try_join_all(by_kind), async {
            client.query(&gates, &[&kinds, &now, &limit]).await
        },)
        .sql()?;
        let mut due: Vec<Due> = found.iter().flatten().map(|row| rows::due(row, 0)).collect();
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

    /// Reads what due triggers mean: their definitions (unless this node knows them), jobs and calendars. The rows of
    /// `due` are locked, so no edit can come between.
    async fn know(&self, due: impl Iterator<Item = &Due> + Clone + Send) -> Result<Known, StoreError> {
        let mut known = Known::default();
        let mut unknown = Vec::new();
        for one in due.clone() {
            match self.shared.definition(one.trigger_id, one.version) {
                Some(trigger) => {
                    known.triggers.insert(one.trigger_id, trigger);
                }
                None => unknown.push(one.trigger_id),
            }
        }
        if !unknown.is_empty() {
            let statement = self.client.prepare_cached(sql::DEFINITIONS).await.sql()?;
            let versions: HashMap<i64, i64> = due.map(|due| (due.trigger_id, due.version)).collect();
            for row in self.client.query(&statement, &[&unknown]).await.sql()? {
                let trigger = Arc::new(rows::definition(&row, JobKey::stored("", "")));
                let once = matches!(trigger.schedule(), punctual_core::Schedule::Once);
                if let Some(version) = versions.get(&trigger.id).filter(|_| !once) {
                    self.shared.remember_definition(*version, &trigger);
                }
                known.triggers.insert(trigger.id, trigger);
            }
        }
        self.know_jobs(&mut known).await?;
        self.know_calendars(&mut known).await?;
        Ok(known)
    }

    async fn know_jobs(&self, known: &mut Known) -> Result<(), StoreError> {
        let ids: BTreeSet<i64> = known.triggers.values().map(|trigger| trigger.job_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let statement = self.client.prepare_cached(sql::JOB_VERSIONS).await.sql()?;
        for row in self.client.query(&statement, &[&ids]).await.sql()? {
            let (id, version) = (row.get(0), row.get(1));
            if let Some(job) = self.shared.job(id, version) {
                known.jobs.insert(id, Ok(job));
                continue;
            }
            let statement = self.client.prepare_cached(sql::JOB_BY_ID).await.sql()?;
            let Some(row) = self.client.query_opt(&statement, &[&id]).await.sql()? else { continue };
            let job = match rows::job(&row) {
                Ok(job) => {
                    self.shared.remember_job(&job);
                    Ok(job)
                }
                Err(error) => Err(error.to_string()),
            };
            known.jobs.insert(id, job);
        }
        Ok(())
    }

    async fn know_calendars(&self, known: &mut Known) -> Result<(), StoreError> {
        let names: BTreeSet<&str> =
            known.triggers.values().filter_map(|trigger| trigger.definition.calendar.as_deref()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = names.into_iter().collect();
        let statement = self.client.prepare_cached(sql::CALENDAR_VERSIONS).await.sql()?;
        let mut calendars = HashMap::new();
        for row in self.client.query(&statement, &[&names]).await.sql()? {
            let (name, version): (String, i64) = (row.get(0), row.get(1));
            let calendar = match self.shared.calendar(&name, version) {
                Some(calendar) => calendar,
                None => {
                    let statement = self.client.prepare_cached(sql::CALENDAR_BY_NAME).await.sql()?;
                    let row = self.client.query_opt(&statement, &[&name]).await.sql()?;
                    // One that cannot be read is missing for its triggers, which say so.
                    let Some(Ok(calendar)) = row.map(|row| rows::calendar(&row)) else { continue };
                    self.shared.remember_calendar(calendar)
                }
            };
            calendars.insert(name, calendar);
        }
        known.calendars = calendars;
        Ok(())
    }

    /// Takes due triggers without a lane; whether something of what was taken may be due again.
    async fn take_free(&mut self, due: Vec<(Due, i64)>) -> Result<bool, StoreError> {
        if due.is_empty() {
            return Ok(false);
        }
        let known = self.know(due.iter().map(|(due, _)| due)).await?;
        for (due, id) in due {
            let Some(slot) = self.slot(due.kind_id).filter(|slot| self.free[*slot] > 0) else { continue };
            let Some((trigger, job)) = self.meaning(&due, &known) else { continue };
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

    /// The trigger and the job of a row of `due`; one that cannot be understood is set to the error state.
    fn meaning(&mut self, due: &Due, known: &Known) -> Option<(StoredTrigger, StoredJob)> {
        let mut trigger = (**known.triggers.get(&due.trigger_id)?).clone();
        rows::stand(&mut trigger, due);
        let problem = if trigger.state == TriggerState::Error {
            trigger.error.clone().unwrap_or_default()
        } else if let Some(name) =
            trigger.definition.calendar.as_ref().filter(|name| !known.calendars.contains_key(*name))
        {
            format!("its calendar {name:?} is missing or cannot be read")
        } else {
            match known.jobs.get(&trigger.job_id) {
                Some(Ok(job)) => {
                    trigger.definition.job = job.detail.key.clone();
                    return Some((trigger, job.clone()));
                }
                Some(Err(problem)) => problem.clone(),
                None => "its job is missing".to_owned(),
            }
        };
        self.taken.lanes.extend(trigger.lane.map(|lane| lane.id));
        self.taken.failed.push((due.trigger_id, problem.clone()));
        self.claimed.errors.push((trigger.definition.key, problem));
        None
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
        self.order.extend(id.map(|id| (id, place)));
        let pending = trigger.pending.take();
        let key =
            pending.as_ref().and_then(|run| run.trigger.clone()).unwrap_or(trigger.definition.key.clone());
        for skip in &plan.skipped {
            let into = id.filter(|_| skip.reason == SkipReason::Coalesced);
            let number = self.shared.ids(self.client, 1).await?[0];
            self.taken.skips.push(SkipRow::new(number, &key, &job.detail.key, skip, self.now, into));
            self.claimed.skipped.push((key.clone(), *skip));
        }
        if let Some(first) = id.filter(|_| !plan.later.is_empty()) {
            let runs = pending::caught_up(first, &trigger, job, &plan.later, self.now);
            let numbers = self.shared.ids(self.client, runs.len()).await?;
            let runs = runs.into_iter().zip(numbers).map(|(run, id)| (StoredTrigger { id, ..run }, kind));
            self.taken.pending.extend(runs);
        }
        let single = pending.is_none()
            && plan.skipped.is_empty()
            && matches!(trigger.schedule(), punctual_core::Schedule::Once);
        firing::advance(&mut trigger, plan);
        let then = definition::then(&trigger, pending.as_ref());
        let over = then == Then::Ends && id.is_none();
        let owner = Owner {
            job_id: job.id,
            trigger_id: trigger.id,
            lane: trigger.lane.map(|lane| lane.id),
            durable: job.detail.durable,
        };
        self.taken.lanes.extend(owner.lane);
        if pending.is_some() || over {
            self.taken.gone.push(trigger.id);
            self.taken.deleted.push(trigger.id);
            if over {
                self.ended_jobs.insert(job.id);
            }
        } else if then == Then::Ends && single {
            // That there is no row of `due` says all: fired once, complete.
            self.taken.gone.push(trigger.id);
        } else {
            self.taken.moved.push((trigger.clone(), plan.rebase.is_some()));
        }
        let Some((id, planned)) = id.zip(plan.fire) else { return Ok(false) };
        let fire = Fire {
            id,
            job: job.detail.clone(),
            trigger: key,
            trigger_data: trigger.definition.data.clone(),
            cause: pending.as_ref().map_or(Cause::Schedule, |run| run.cause),
            attempt: pending.as_ref().map_or(1, |run| run.attempt),
            origin: pending.as_ref().and_then(|run| run.origin).unwrap_or(id),
            scheduled_at: pending.as_ref().map_or(planned, |run| run.scheduled_at),
            fired_at: self.now,
            then,
        };
        self.claimed.fires.push(fire.clone());
        self.taken.fires.push((fire, owner));
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
        let known = self.know(due.iter()).await?;
        let mut moved = false;
        for due in due {
            let Some(slot) = self.slot(due.kind_id).filter(|slot| self.free[*slot] > 0) else { continue };
            let (Some(lane), true) = (due.lane, self.claimed.fires.len() < self.limit) else { continue };
            let ready = due.state == 0 && due.next_fire_at.is_some_and(|at| at <= now);
            if !ready {
                continue;
            }
            let Some((trigger, job)) = self.meaning(&due, &known) else {
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
        if lane.has_room(open) {
            let plan = firing::plan(&trigger, calendar, self.now);
            return self.fire(trigger, job, kind, &plan, id).await.map(Some);
        }
        match lane.overlap {
            _ if trigger.pending.is_some() => Ok(None),
            Overlap::Skip => {
                let plan = firing::plan_overlap(&trigger, calendar, self.now);
                self.fire(trigger, job, kind, &plan, None).await.map(Some)
            }
            Overlap::Cancel => {
                self.cancel_oldest(&trigger, lane).await?;
                self.taken.lanes.insert(lane.id);
                Ok(Some(false))
            }
            _ => Ok(None),
        }
    }

    /// Asks the oldest run of a full lane to stop.
    async fn cancel_oldest(&mut self, trigger: &StoredTrigger, lane: Lane) -> Result<(), StoreError> {
        let statement = self.client.prepare_cached(sql::LANE_OLDEST).await.sql()?;
        let Some(row) = self.client.query_opt(&statement, &[&lane.id]).await.sql()? else { return Ok(()) };
        let (id, term) = (FireId(row.get(0)), Term(row.get(1)));
        let reason = definition::cancel_reason(trigger);
        let statement = self.client.prepare_cached(sql::CANCEL_REQUEST).await.sql()?;
        self.client.execute(&statement, &[&id.0, &reason]).await.sql()?;
        self.claimed.cancelled.push(CancelledFire { id, term, reason });
        Ok(())
    }

    /// Writes what was taken so far.
    async fn write(&mut self) -> Result<(), StoreError> {
        let taken = std::mem::take(&mut self.taken);
        taken.write(self.client, self.shared, self.now, self.term, &self.node).await
    }

    async fn commit(mut self) -> Result<Outcome, StoreError> {
        let kinds: Vec<i64> = self.kinds.iter().flatten().copied().collect();
        let client = self.client;
        let next_due = client.prepare_cached(sql::NEXT_DUE).await.sql()?;
        let taken = std::mem::take(&mut self.taken);
        let (next, _) = futures_util::try_join!(
            async {
                taken.write(client, self.shared, self.now, self.term, &self.node).await?;
                client.query_one(&next_due, &[&kinds]).await.sql()
            },
            async { Ok::<_, StoreError>(()) },
        )?;
        client.batch_execute("COMMIT").await.sql()?;
        self.claimed.next_due = next.get::<_, Option<i64>>(0).map(from_millis);
        Ok(Outcome { claimed: self.claimed, ended_jobs: self.ended_jobs.into_iter().collect() })
    }
}

impl Taken {
    async fn write(
        &self,
        client: &Object,
        shared: &Shared,
        now: Timestamp,
        term: Term,
        node: &str,
    ) -> Result<(), StoreError> {
        for (id, problem) in &self.failed {
            let statement = client.prepare_cached(sql::TRIGGER_FAIL).await.sql()?;
            client.execute(&statement, &[id, problem]).await.sql()?;
        }
        // Statements that do not need each other's answers go out together.
        futures_util::try_join!(
            self.write_moved(client),
            delete(client, sql::DUE_DELETE, &self.gone),
            delete(client, sql::TRIGGERS_DELETE, &self.deleted),
            self.write_fires(client, shared, now, term, node),
        )?;
        if !self.skips.is_empty() {
            insert::skips(client, &self.skips).await?;
        }
        if !self.pending.is_empty() {
            insert::triggers(client, &self.pending).await?;
        }
        refresh_gates(client, &self.lanes).await
    }

    async fn write_moved(&self, client: &Object) -> Result<(), StoreError> {
        for (trigger, _) in self.moved.iter().filter(|(_, rebased)| *rebased) {
            let rebased = trigger.rebased.as_ref().map(json).transpose()?;
            let statement = client.prepare_cached(sql::TRIGGER_REBASE).await.sql()?;
            let (anchor, from) = (to_millis(trigger.anchor), to_millis(trigger.accounted_from));
            client.execute(&statement, &[&trigger.id, &anchor, &rebased, &from]).await.sql()?;
        }
        if self.moved.is_empty() {
            return Ok(());
        }
        let all = || self.moved.iter().map(|(trigger, _)| trigger);
        let statement = client.prepare_cached(sql::DUE_ADVANCE).await.sql()?;
        client
            .execute(
                &statement,
                &[
                    &all().map(|trigger| trigger.id).collect::<Vec<_>>(),
                    &all().map(|trigger| code(trigger.state.code())).collect::<Vec<_>>(),
                    &all().map(|trigger| millis(trigger.next_fire_at)).collect::<Vec<_>>(),
                    &all().map(|trigger| millis(trigger.previous_fire_at)).collect::<Vec<_>>(),
                    &all().map(|trigger| integer(trigger.fired)).collect::<Vec<_>>(),
                    &all().map(|trigger| integer(trigger.skipped)).collect::<Vec<_>>(),
                    &self.moved.iter().map(|(_, rebased)| i64::from(*rebased)).collect::<Vec<_>>(),
                ],
            )
            .await
            .sql()?;
        Ok(())
    }

    async fn write_fires(
        &self,
        client: &Object,
        shared: &Shared,
        now: Timestamp,
        term: Term,
        node: &str,
    ) -> Result<(), StoreError> {
        if self.fires.is_empty() {
            return Ok(());
        }
        let kept =
            self.fires.iter().filter(|(fire, _)| fire.job.history).map(|(fire, _)| fire.job.key.name());
        let names = shared.new_task_names(kept);
        if !names.is_empty() {
            let statement = client.prepare_cached(sql::TASK_NAMES_INSERT).await.sql()?;
            client.execute(&statement, &[&names]).await.sql()?;
            shared.remember_task_names(&names);
        }
        let all = || self.fires.iter().map(|(fire, _)| fire);
        // Only recovery reads it back, and only for jobs that ask for recovery.
        let data = |fire: &Fire| fire.job.requests_recovery && !fire.trigger_data.is_empty();
        let statement = client.prepare_cached(sql::RUNNING_INSERT).await.sql()?;
        client
            .execute(
                &statement,
                &[
                    &term.0,
                    &to_millis(now),
                    &node,
                    &all().map(|fire| fire.id.0).collect::<Vec<_>>(),
                    &self.fires.iter().map(|(_, owner)| owner.job_id).collect::<Vec<_>>(),
                    &self.fires.iter().map(|(_, owner)| owner.trigger_id).collect::<Vec<_>>(),
                    &self.fires.iter().map(|(_, owner)| owner.lane).collect::<Vec<_>>(),
                    &all().map(|fire| to_millis(fire.scheduled_at)).collect::<Vec<_>>(),
                    &all().map(|fire| fire.origin.0).collect::<Vec<_>>(),
                    &all().map(|fire| i64::from(fire.attempt)).collect::<Vec<_>>(),
                    &all().map(|fire| cause(fire.cause)).collect::<Vec<_>>(),
                    &all().map(|fire| fire.trigger.group()).collect::<Vec<_>>(),
                    &all().map(|fire| fire.trigger.name()).collect::<Vec<_>>(),
                    &all().map(|fire| data(fire).then(|| fire.trigger_data.as_str())).collect::<Vec<_>>(),
                ],
            )
            .await
            .sql()?;
        lock(&shared.open_fires).extend(self.fires.iter().map(|(fire, owner)| (fire.id.0, *owner)));
        Ok(())
    }
}

pub(crate) async fn delete(client: &Object, text: &str, ids: &[i64]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let statement = client.prepare_cached(text).await.sql()?;
    client.execute(&statement, &[&ids]).await.sql()?;
    Ok(())
}

/// Recomputes the gates of lanes that this transaction has locked.
async fn refresh_gates(client: &Object, lanes: &BTreeSet<i64>) -> Result<(), StoreError> {
    if lanes.is_empty() {
        return Ok(());
    }
    let lanes: Vec<i64> = lanes.iter().copied().collect();
    let (close, open) = futures_util::try_join!(
        client.prepare_cached(sql::GATES_CLOSE),
        client.prepare_cached(sql::GATES_OPEN)
    )
    .sql()?;
    futures_util::try_join!(async { client.execute(&close, &[&lanes]).await }, async {
        client.execute(&open, &[&lanes]).await
    },)
    .sql()?;
    Ok(())
}
