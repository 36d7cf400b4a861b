//! Mistakes that a store could make, so that it can be seen that the simulation finds them.

use jiff::Timestamp;
use punctual_core::definition::{Expired, Expiry};
use punctual_core::pending::EVENT_GROUP;
use punctual_core::{
    Applied, Change, Claim, Claimed, ClusterView, Data, Heartbeat, JobKind, JobStore, KindSlots, Node,
    SkipReason, SkippedRange, StoreError, TriggerKey, TriggerQuery, TriggerState, UnknownKind,
};

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A run that an event made is gone after the answer.
    LosesEmitted,
    /// An event makes each run twice, and counts once.
    RepeatsEmits,
    /// An event is answered as if nobody waited for it.
    IgnoresEmits,
    /// An event reaches triggers that wait for another one, and counts for its own.
    ConfusesEvents,
    /// Runs do not carry what was emitted.
    DropsPayload,
    /// Triggers that are paused take events.
    EmitsToPaused,
    /// An event during a pause is not recorded as skipped.
    ForgetsPaused,
    /// Instants of unknown kinds are given up, and not recorded.
    ForgetsExpired,
    /// Instants of kinds that live nodes know are given up.
    ExpiresKnown,
    /// Instants that are to wait for a node of their kind are given up.
    ExpiresWaiting,
    /// Instants of unknown kinds are given up before they are late.
    ExpiresEarly,
    /// Instants of unknown kinds are never given up.
    NeverExpires,
    /// Nodes are handed kinds that they did not ask for.
    IgnoresKinds,
    /// The new name of a kind is answered as if it had been stored.
    ForgetsRenames,
    /// A job that was deleted stays.
    KeepsJobs,
    /// Fires that a node hands back stay where they are.
    KeepsReleased,
    /// A node whose lease has run out gets a new term, though nobody has recovered it.
    RefusesLapsed,
    /// A node that renews a lease that had run out takes up the work of the others at the same moment.
    RecoversAtOnce,
}

impl Mistake {
    pub(super) async fn apply(
        self,
        store: &dyn JobStore,
        now: Timestamp,
        changes: &[Change],
    ) -> Result<Vec<Applied>, StoreError> {
        let event = match (self, changes) {
            (Self::ForgetsRenames, [Change::ChangeKind { job, from, .. }]) => {
                let stored = store.job(job).await?.filter(|job| job.detail.kind == *from);
                let updated = u64::from(stored.is_some());
                return Ok(vec![Applied { updated, ..Applied::default() }]);
            }
            (Self::KeepsJobs, [Change::DeleteJob(_)]) => return Ok(vec![Applied::default()]),
            (_, [Change::Emit { event, .. }]) => event,
            _ => return store.apply(now, changes).await,
        };
        let answer = match self {
            Self::IgnoresEmits => return Ok(vec![Applied::default()]),
            Self::DropsPayload => {
                let bare = Change::Emit { event: event.clone(), payload: Data::empty() };
                return store.apply(now, &[bare]).await;
            }
            Self::EmitsToPaused => return emit_to_paused(store, now, changes).await,
            _ => store.apply(now, changes).await?,
        };
        match self {
            Self::RepeatsEmits => drop(store.apply(now, changes).await?),
            Self::ConfusesEvents => {
                let other = if event == "ready" { "done" } else { "ready" };
                let other = Change::Emit { event: other.to_owned(), payload: Data::empty() };
                store.apply(now, &[other]).await?;
            }
            Self::LosesEmitted => lose_one(store, now).await?,
            _ => {}
        }
        Ok(answer)
    }

    pub(super) async fn claim_due(
        self,
        store: &dyn JobStore,
        claim: &Claim<'_>,
    ) -> Result<Claimed, StoreError> {
        if self != Self::IgnoresKinds {
            return store.claim_due(claim).await;
        }
        let kinds = all_kinds(store, claim.now).await?;
        let kinds: Vec<KindSlots> =
            kinds.into_iter().map(|kind| KindSlots { kind, free: claim.limit }).collect();
        store.claim_due(&Claim { kinds: &kinds, ..claim.clone() }).await
    }

    pub(super) async fn expire(
        self,
        store: &dyn JobStore,
        now: Timestamp,
        expiry: &Expiry,
    ) -> Result<Expired, StoreError> {
        match self {
            Self::NeverExpires => Ok(Expired::default()),
            Self::ExpiresKnown => {
                let kinds = all_kinds(store, now).await?;
                store.expire(now, &Expiry { kinds, ..expiry.clone() }).await
            }
            Self::ExpiresWaiting => {
                store.expire(now, &Expiry { default: UnknownKind::Skip, ..expiry.clone() }).await
            }
            Self::ExpiresEarly => {
                let later = now.checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
                store.expire(later, expiry).await
            }
            _ => store.expire(now, expiry).await,
        }
    }

    pub(super) async fn heartbeat(
        self,
        store: &dyn JobStore,
        beat: &Heartbeat,
    ) -> Result<ClusterView, StoreError> {
        let over = |node: &Node| Some(node.term) == beat.term && node.lease_until <= beat.now;
        let lapsed = store.nodes().await?.iter().any(over);
        match self {
            Self::RefusesLapsed if lapsed => store.heartbeat(&Heartbeat { term: None, ..beat.clone() }).await,
            Self::RecoversAtOnce if lapsed => {
                let view = store.heartbeat(beat).await?;
                store.recover(beat.now).await?;
                Ok(view)
            }
            _ => store.heartbeat(beat).await,
        }
    }

    pub(super) fn keeps(self, row: &SkippedRange) -> bool {
        match self {
            Self::ForgetsExpired => row.skip.reason != SkipReason::Expired,
            Self::ForgetsPaused => row.skip.reason != SkipReason::Paused,
            _ => true,
        }
    }
}

async fn all_kinds(store: &dyn JobStore, now: Timestamp) -> Result<Vec<JobKind>, StoreError> {
    Ok(store.due_by_kind(now).await?.into_iter().map(|due| due.kind).collect())
}

/// Loses one of the runs that events made.
async fn lose_one(store: &dyn JobStore, now: Timestamp) -> Result<(), StoreError> {
    let query = TriggerQuery { group: Some(EVENT_GROUP.to_owned()), ..TriggerQuery::default() };
    if let Some(run) = store.triggers(&query).await?.rows.pop() {
        store.apply(now, &[Change::DeleteTrigger(run.definition.key)]).await?;
    }
    Ok(())
}

async fn emit_to_paused(
    store: &dyn JobStore,
    now: Timestamp,
    changes: &[Change],
) -> Result<Vec<Applied>, StoreError> {
    let triggers = store.triggers(&TriggerQuery::default()).await?.rows;
    let paused: Vec<TriggerKey> = triggers
        .into_iter()
        .filter(|trigger| trigger.state == TriggerState::Paused && trigger.schedule().event().is_some())
        .map(|trigger| trigger.definition.key)
        .collect();
    let resume: Vec<Change> = paused.iter().cloned().map(Change::ResumeTrigger).collect();
    store.apply(now, &resume).await?;
    let answer = store.apply(now, changes).await?;
    let pause: Vec<Change> = paused.into_iter().map(Change::PauseTrigger).collect();
    store.apply(now, &pause).await?;
    Ok(answer)
}
