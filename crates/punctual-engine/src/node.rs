//! One node's steps: register, claim, complete, recover. Each takes the time, makes one or two store calls and
//! returns; nothing here sleeps or spawns, so that the loops, a hand crank and a simulation can drive it alike.
//!
//! # Trust in the lease
//!
//! A heartbeat that the store answered renews the lease until `sent_at + lease_ms`. The node itself trusts it a
//! tenth less long, counted from *before* the heartbeat was sent, so that it always stops believing before the
//! others do, and sooner by as much as its clock may be off. Local time is only ever used to stop sooner; the store
//! decides.
//!
//! A lease that has run out is renewed like any other as long as no other node has taken this one for lost: then the node
//! keeps its term and its runs. Until it has done so it claims nothing and recovers nobody, and afterwards it gives the
//! others time to do the same ([`OwnLease`]), as after any heartbeat that had no answer.
//!
//! # Time
//!
//! The node's clock follows the store's ([`StoreClock`]): before it registers and with each heartbeat it is measured.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use punctual_core::definition::{Expiry, Repair};
use punctual_core::recovery::OwnLease;
use punctual_core::time::plus_millis;
use punctual_core::{
    CancelledFire, Claim, Claimed, Clock, ClusterView, Completed, Completion, DueKind, Event, Fire,
    Heartbeat, JobKind, JobStore, KindSlots, NodeState, Outcome, Recovered, StoreError, TaskStatus, Term,
    Then, is_late_request,
};

use crate::clock::{ClockQuality, StoreClock};
use crate::execute::Ended;
use crate::failing::Failing;
use crate::listen::Listeners;
use crate::lost::losses;
use crate::recorder::Outbox;
use crate::recording::Recorder;
use crate::registry::JobRegistry;
use crate::settings::Settings;
use tracing::info;

/// One node over one store.
pub struct Node {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) store: Arc<dyn JobStore>,
    /// [`Self::store_clock`], as jobs see it.
    pub(crate) clock: Arc<dyn Clock>,
    store_clock: StoreClock,
    pub(crate) settings: Settings,
    pub(crate) registry: JobRegistry,
    pub(crate) listeners: Listeners,
    /// What work says about itself, on its way to the store.
    pub(crate) outbox: Arc<Outbox>,
    short_name: Arc<str>,
    standing: Mutex<Standing>,
    failing: Mutex<Failing>,
    executed: AtomicU64,
}

#[derive(Clone, Debug)]
struct Standing {
    phase: NodeState,
    /// Whether the node was asked to drain.
    drained: bool,
    term: Option<Term>,
    trusted_until: Option<Timestamp>,
    lease: OwnLease,
    last_heartbeat: Option<Timestamp>,
    last_error: Option<String>,
    started_at: Option<Timestamp>,
    requests_since: Option<Timestamp>,
    clock_uncertain: bool,
    /// Why the store is gone.
    gone: Option<String>,
}

/// From this correction on, people are told; smaller ones are in the nature of measurements.
const NOTABLE_MOVE_MS: i64 = 100;

/// What a heartbeat found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The node's term.
    pub term: Term,
    /// Whether an earlier term was taken away after its lease had run out: what was claimed under it belongs to recovery.
    pub lost_lease: bool,
    /// Runs of this term that were asked to stop.
    pub cancelled: Vec<CancelledFire>,
    /// Whether there is something to recover.
    pub lost: bool,
    /// Whether requests of applications wait to be carried out.
    pub requests: bool,
    /// When there may be something to recover: when the leases of the other nodes have surely ended unless they are renewed,
    /// whatever the clocks' errors, and when the time is over that this node gives the others; in ascending order.
    pub leases: Vec<Timestamp>,
    /// Whether the node was drained and may claim again.
    pub resumed: bool,
    /// Whether the node's clock was moved, or may be relied on again, so that due work may wait.
    pub clock_changed: bool,
}

/// Others' leases are waited for a little longer than they last.
const LEASE_MARGIN_MS: u64 = 5;

/// How many triggers one transaction looks at that gives up instants of unknown kinds.
const EXPIRE_AT_ONCE: usize = 500;

/// How a node is doing.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is doing.
    pub state: NodeState,
    /// Whether it runs, and claims nothing because it was asked to drain.
    pub drained: bool,
    /// Its term, once it has registered.
    pub term: Option<Term>,
    /// Runs under way.
    pub running: usize,
    /// How many runs it has slots for.
    pub slots: usize,
    /// Runs that have ended since it started.
    pub executed: u64,
    /// When it began to claim, UTC.
    pub started_at: Option<Timestamp>,
    /// Whether it may claim: its lease is known to be good.
    pub lease_valid: bool,
    /// Its last heartbeat that the store answered, UTC.
    pub last_heartbeat: Option<Timestamp>,
    /// What the store said when it last failed, until it works again.
    pub last_store_error: Option<String>,
    /// How well it knows the store's time.
    pub clock: ClockQuality,
    /// Whether it knows that well enough to claim; always, with a store that has no clock of its own.
    pub clock_certain: bool,
    /// Since when a request of an application waits, as the last heartbeat saw it, UTC.
    pub requests_since: Option<Timestamp>,
    /// Whether that is too long ([`punctual_core::is_late_request`]).
    pub requests_late: bool,
    /// Why what it writes is lost, so that it runs nothing more ([`StoreError::Gone`]).
    pub store_gone: Option<String>,
}

impl Node {
    /// A node that has not registered yet. Its own clock is only the base of the one that it goes by: see
    /// [`Self::clock`].
    pub fn new(
        name: String,
        version: String,
        store: Arc<dyn JobStore>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        registry: JobRegistry,
    ) -> Self {
        let standing = Standing {
            phase: NodeState::Starting,
            drained: false,
            term: None,
            trusted_until: None,
            lease: OwnLease::default(),
            last_heartbeat: None,
            last_error: None,
            started_at: None,
            requests_since: None,
            clock_uncertain: false,
            gone: None,
        };
        let store_clock = StoreClock::new(clock);
        Self {
            short_name: name.as_str().into(),
            name,
            version,
            store,
            clock: Arc::new(store_clock.clone()),
            store_clock,
            settings,
            registry,
            listeners: Listeners::default(),
            outbox: Arc::default(),
            standing: Mutex::new(standing),
            failing: Mutex::default(),
            executed: AtomicU64::new(0),
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failing(&self) -> MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock that the node goes by: it follows the store's. Steps are to be told its time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn recorder(&self) -> Recorder {
        Recorder {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            outbox: Arc::clone(&self.outbox),
            node: Arc::clone(&self.short_name),
        }
    }

    /// How well the node knows the store's time.
    pub fn clock_quality(&self) -> ClockQuality {
        self.store_clock.quality()
    }

    fn clock_certain(&self) -> bool {
        self.clock_quality().uncertainty_ms <= self.settings.clock_limit_ms()
    }

    /// Whether the node takes work on: it runs, and was not asked to drain.
    pub(crate) fn takes_work(&self) -> bool {
        let standing = self.standing();
        standing.phase == NodeState::Running && !standing.drained
    }

    /// Notes whether the node is asked to drain; returns whether it is not any more.
    fn set_drained(&self, drained: bool) -> bool {
        let mut standing = self.standing();
        let before = std::mem::replace(&mut standing.drained, drained);
        let runs = standing.phase == NodeState::Running;
        drop(standing);
        if before == drained {
            return false;
        }
        let name = self.name.clone();
        match drained {
            true => info!(node.name = %name, "node {name} was asked to drain: it claims nothing more"),
            false => info!(node.name = %name, "node {name} was resumed: it claims again"),
        }
        if runs {
            let state = if drained { NodeState::Draining } else { NodeState::Running };
            self.listeners.emit_with(|| Event::NodeStateChanged { name, state });
        }
        before
    }

    /// What the node is doing.
    pub fn phase(&self) -> NodeState {
        self.standing().phase
    }

    pub(crate) fn set_phase(&self, phase: NodeState, now: Timestamp) {
        let mut standing = self.standing();
        let changed = std::mem::replace(&mut standing.phase, phase) != phase;
        if phase == NodeState::Running && standing.started_at.is_none() {
            standing.started_at = Some(now);
        }
        drop(standing);
        if changed {
            let name = self.name.clone();
            self.listeners.emit_with(|| Event::NodeStateChanged { name, state: phase });
        }
    }

    /// Its name, which no other live node has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The term, once the node has registered.
    pub fn term(&self) -> Option<Term> {
        self.standing().term
    }

    /// Whether the node may claim at `now`; see the module's text.
    pub fn trusts_lease(&self, now: Timestamp) -> bool {
        self.standing().trusted_until.is_some_and(|until| now < until)
    }

    /// Until when it does; `None` before the first heartbeat was answered, and when the store is gone.
    pub(crate) fn trusted_until(&self) -> Option<Timestamp> {
        self.standing().trusted_until
    }

    /// Whether the node may take others for lost at `now`, and decide about what they had to do: not while it has to renew its
    /// own lease first, or has just done so after it had run out or a heartbeat had no answer (see the module's text).
    pub fn may_recover(&self, now: Timestamp) -> bool {
        self.standing().lease.may_recover(now)
    }

    /// How many runs it has ended.
    pub(crate) fn executed(&self) -> u64 {
        self.executed.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self, now: Timestamp, running: usize) -> Status {
        let standing = self.standing().clone();
        let drained = standing.drained && standing.phase == NodeState::Running;
        Status {
            name: self.name.clone(),
            version: self.version.clone(),
            state: if drained { NodeState::Draining } else { standing.phase },
            drained,
            term: standing.term,
            running,
            slots: self.settings.slots,
            executed: self.executed.load(Ordering::Relaxed),
            started_at: standing.started_at,
            lease_valid: standing.trusted_until.is_some_and(|until| now < until),
            last_heartbeat: standing.last_heartbeat,
            last_store_error: standing.last_error,
            store_gone: standing.gone,
            clock: self.clock_quality(),
            clock_certain: self.clock_certain(),
            requests_since: standing.requests_since,
            requests_late: standing.requests_since.is_some_and(|since| is_late_request(since, now)),
        }
    }

    /// Remembers how the last store call went, for the health report.
    pub(crate) fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut standing = self.standing();
        match &result {
            Ok(_) if standing.last_error.is_none() => {}
            Ok(_) => standing.last_error = None,
            Err(error) => standing.last_error = Some(error.to_string()),
        }
        drop(standing);
        result
    }

    /// Trusts the lease no more when the store is gone, and says so once.
    fn note_gone(&self, error: &StoreError) {
        let StoreError::Gone(text) = error else { return };
        let mut standing = self.standing();
        standing.trusted_until = None;
        let first = standing.gone.replace(text.clone()).is_none();
        drop(standing);
        if first {
            self.listeners.emit(&Event::StoreGone { error: text.clone() });
        }
    }

    pub(crate) fn is_store_gone(&self) -> bool {
        self.standing().gone.is_some()
    }

    /// The answer of the store, unless it takes longer than the settings allow.
    pub(crate) async fn answered<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.answered_within(call, u64::MAX).await
    }

    async fn answered_within<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
        most_ms: u64,
    ) -> Result<T, StoreError> {
        if self.settings.store_timeout_ms == 0 {
            return call.await;
        }
        let limit_ms = self.settings.store_timeout_ms.min(most_ms);
        tokio::select! {
            biased;
            answer = call => answer,
            () = self.clock.sleep_for(Duration::from_millis(limit_ms)) => {
                Err(StoreError::Unavailable(format!("there was no answer within {limit_ms} ms")))
            }
        }
    }

    /// Sets the node's clock by what the store's clock showed after `asked`; returns whether that moved it.
    fn measure(&self, asked: Duration, store_now: Option<Timestamp>) -> bool {
        let Some(store_now) = store_now else { return false };
        let first = !self.clock_quality().measured;
        let moved = self.store_clock.measure(asked, store_now).as_millis();
        let by_ms = i64::try_from(moved).unwrap_or(i64::MAX);
        if !first && by_ms.saturating_abs() >= NOTABLE_MOVE_MS {
            self.listeners.emit(&Event::ClockMoved { by_ms });
        }
        by_ms != 0
    }

    /// Says once when the clock is not known well enough, and once when it is again. Returns whether it is again.
    fn judge_clock(&self) -> bool {
        let uncertainty_ms = self.clock_quality().uncertainty_ms;
        let limit_ms = self.settings.clock_limit_ms();
        let uncertain = uncertainty_ms > limit_ms;
        let before = std::mem::replace(&mut self.standing().clock_uncertain, uncertain);
        match (before, uncertain) {
            (false, true) => self.listeners.emit(&Event::ClockUncertain { uncertainty_ms, limit_ms }),
            (true, false) => self.listeners.emit(&Event::ClockCertain { uncertainty_ms }),
            _ => {}
        }
        before && !uncertain
    }

    /// Registers the node, or renews its lease. A node that registers asks the store for its time first, and goes by
    /// that rather than by `now`.
    pub async fn heartbeat(&self, mut now: Timestamp) -> Result<Beat, StoreError> {
        let (term, state, draining) = {
            let standing = self.standing();
            (standing.term, standing.phase, standing.drained)
        };
        if term.is_none() {
            let asked = self.clock.monotonic();
            let store_now = self
                .note(self.answered_within(self.store.store_now(), self.settings.heartbeat_ms / 2).await)?;
            if store_now.is_some() {
                self.measure(asked, store_now);
                now = self.clock.now();
            }
        }
        let quality = self.clock_quality();
        let beat = Heartbeat {
            name: self.name.clone(),
            term,
            version: self.version.clone(),
            state,
            kinds: self.registry.kinds(),
            slots: self.settings.slots as u64,
            draining,
            now,
            lease_ms: self.settings.lease_ms,
            clock_offset_ms: quality.offset_ms,
            clock_uncertainty_ms: quality.uncertainty_ms,
        };
        let asked = self.clock.monotonic();
        let view = self
            .note(self.answered_within(self.store.heartbeat(&beat), self.settings.heartbeat_ms / 2).await)
            .inspect_err(|error| {
                self.standing().lease.miss();
                self.note_gone(error);
            })?;
        let moved = self.measure(asked, view.store_now);
        let uncertainty_ms = self.clock_quality().uncertainty_ms;
        let lease_ms = self.settings.lease_ms;
        let trust = (lease_ms - lease_ms / 10).saturating_sub(uncertainty_ms);
        let kept = term == Some(view.term);
        let (lapsed, grace_until) = {
            let mut standing = self.standing();
            let lapsed = if kept {
                standing.lease.renew(now, lease_ms)
            } else {
                standing.lease = OwnLease::begun(now, lease_ms);
                None
            };
            standing.term = Some(view.term);
            standing.trusted_until = Some(plus_millis(now, i64::try_from(trust).unwrap_or(i64::MAX)));
            standing.last_heartbeat = Some(now);
            standing.requests_since = view.requests_since;
            (lapsed, standing.lease.grace_until(now))
        };
        match (term, lapsed) {
            (None, _) => {
                self.listeners.emit(&Event::NodeStarted { name: self.name.clone(), term: view.term })
            }
            (Some(old), _) if !kept => self.listeners.emit(&Event::LeaseLost { old, new: view.term }),
            (Some(term), Some(lapsed_ms)) => {
                self.listeners.emit(&Event::LeaseResumed { term, lapsed_ms, grace_ms: lease_ms });
            }
            _ => {}
        }
        let drained = view.nodes.iter().any(|node| node.term == view.term && node.draining);
        let mut leases = leases_of_others(&view, uncertainty_ms);
        leases.extend(grace_until);
        leases.sort_unstable();
        Ok(Beat {
            term: view.term,
            resumed: self.set_drained(drained),
            lost_lease: term.is_some() && !kept,
            clock_changed: self.judge_clock() || moved,
            leases,
            cancelled: view.cancelled,
            lost: view.lost,
            requests: view.requests_since.is_some(),
        })
    }

    /// Takes due fires, at most `limit` in all and each kind's free slots.
    ///
    /// # Errors
    /// [`StoreError::StaleTerm`] also when the node itself does not trust its lease any more, or its clock.
    pub async fn claim(
        &self,
        now: Timestamp,
        limit: usize,
        kinds: &[KindSlots],
    ) -> Result<(Term, Claimed), StoreError> {
        let term = {
            let standing = self.standing();
            match (standing.term, standing.trusted_until) {
                (Some(term), Some(until)) if now < until && self.clock_certain() => term,
                _ => return Err(StoreError::StaleTerm),
            }
        };
        let claim = Claim { term, now, limit, kinds };
        let claimed = self.note(self.answered(self.store.claim_due(&claim)).await)?;
        for (trigger, skip) in &claimed.skipped {
            self.listeners.emit_with(|| Event::InstantsSkipped { trigger: trigger.clone(), skip: *skip });
        }
        for (trigger, error) in &claimed.errors {
            self.listeners
                .emit_with(|| Event::TriggerFailed { trigger: trigger.clone(), error: error.clone() });
        }
        Ok((term, claimed))
    }

    /// Reports runs that have ended. Returns whether something may be due because of it: a retry, or a trigger
    /// that waited for the run's end or for room.
    pub async fn complete(&self, now: Timestamp, ended: &[Ended]) -> Result<bool, StoreError> {
        let done: Vec<Completion> = ended.iter().map(|ended| ended.completion.clone()).collect();
        let answers = self.note(self.answered(self.store.complete(now, &done)).await)?;
        self.executed.fetch_add(ended.len() as u64, Ordering::Relaxed);
        let mut wake = false;
        for (ended, answer) in ended.iter().zip(answers) {
            let then = ended.fire.then == Then::MayAwait;
            wake |= then || ended.completion.retry.is_some() || ended.fire.job.is_limited();
            match answer {
                Completed::Closed => self.listeners.emit_with(|| stored(ended)),
                Completed::Superseded => self.listeners.emit_with(|| Event::CompletionSuperseded {
                    id: ended.fire.id,
                    job: ended.fire.job.key.clone(),
                }),
            }
        }
        Ok(wake)
    }

    /// Hands back fires that were claimed and not started.
    pub async fn release(&self, now: Timestamp, term: Term, fires: &[Fire]) -> Result<u64, StoreError> {
        if fires.is_empty() {
            return Ok(0);
        }
        self.note(self.answered(self.store.release(now, term, fires)).await)
    }

    /// Takes up the work of lost nodes, and tells of each of them. Ask [`Self::may_recover`] first.
    pub async fn recover(&self, now: Timestamp) -> Result<Vec<Recovered>, StoreError> {
        let recovered = self.note(self.answered(self.store.recover(now)).await)?;
        for work in &recovered.runs {
            self.listeners.emit_with(|| Event::WorkRecovered(work.clone()));
        }
        for loss in losses(&recovered) {
            self.listeners.emit(&loss);
        }
        Ok(recovered.runs)
    }

    /// Gives up the overdue instants of kinds that no live node can run, where their job or the settings say so. Returns
    /// how many ranges.
    pub async fn expire(&self, now: Timestamp) -> Result<usize, StoreError> {
        let kinds = self.note(self.answered(self.unknown_kinds(now)).await)?;
        let default = self.settings.unknown_kind;
        let mut expiry = Expiry { kinds, default, after: None, limit: EXPIRE_AT_ONCE };
        let mut ranges = 0;
        while !expiry.kinds.is_empty() {
            let expired = self.note(self.answered(self.store.expire(now, &expiry)).await)?;
            ranges += expired.skipped.len();
            for (trigger, skip) in expired.skipped {
                self.listeners.emit_with(|| Event::InstantsSkipped { trigger: trigger.clone(), skip });
            }
            let Some(next) = expired.next else { break };
            expiry.after = Some(next);
        }
        Ok(ranges)
    }

    /// The kinds of jobs that no live node can run, due or not: what a limit holds back is late, too.
    async fn unknown_kinds(&self, now: Timestamp) -> Result<Vec<JobKind>, StoreError> {
        let mut kinds = self.store.job_kinds().await?;
        if self.trusts_lease(now) {
            let own = self.registry.kinds();
            kinds.retain(|kind| !own.contains(kind));
        }
        if kinds.is_empty() {
            return Ok(kinds);
        }
        let known = self.live_kinds(now).await?;
        kinds.retain(|kind| !known.contains(kind));
        Ok(kinds)
    }

    /// The kinds that live nodes can run.
    pub(crate) async fn live_kinds(&self, now: Timestamp) -> Result<HashSet<JobKind>, StoreError> {
        let nodes = self.store.nodes().await?;
        Ok(nodes.into_iter().filter(|node| node.lease_until > now).flat_map(|node| node.kinds).collect())
    }

    /// The due triggers of each kind that no live node can run.
    pub(crate) async fn unassigned(&self, now: Timestamp) -> Result<Vec<DueKind>, StoreError> {
        let mut due = self.store.due_by_kind(now).await?;
        if due.is_empty() {
            return Ok(due);
        }
        let known = self.live_kinds(now).await?;
        due.retain(|due| !known.contains(&due.kind));
        Ok(due)
    }

    /// Looks for broken invariants and mends them.
    pub async fn repair(&self, now: Timestamp) -> Result<Vec<Repair>, StoreError> {
        let repairs = self.note(self.answered(self.store.repair(now)).await)?;
        for repair in &repairs {
            self.listeners.emit_with(|| Event::Repaired(repair.clone()));
        }
        Ok(repairs)
    }

    /// Ends the node's term.
    pub async fn retire(&self, now: Timestamp) -> Result<(), StoreError> {
        let term = {
            let mut standing = self.standing();
            standing.trusted_until = None;
            standing.lease = OwnLease::default();
            standing.term.take()
        };
        match term {
            Some(term) => self.store.retire(now, term).await,
            None => Ok(()),
        }
    }
}

fn stored(ended: &Ended) -> Event {
    let status = match ended.completion.outcome {
        Outcome::Success(_) => TaskStatus::Success,
        Outcome::Failed(_) => TaskStatus::Failed,
    };
    Event::RunStored {
        fire: Arc::clone(&ended.fire),
        status,
        ended_at: ended.completion.ended_at,
        duration_ms: ended.completion.duration_ms,
    }
}

fn leases_of_others(view: &ClusterView, own_uncertainty_ms: u64) -> Vec<Timestamp> {
    let others = view.nodes.iter().filter(|node| node.term != view.term);
    let ends = others.map(|node| {
        let errors = own_uncertainty_ms.saturating_add(node.clock_uncertainty_ms);
        let margin = errors.saturating_add(LEASE_MARGIN_MS);
        plus_millis(node.lease_until, i64::try_from(margin).unwrap_or(i64::MAX))
    });
    ends.collect()
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("name", &self.name).field("standing", &*self.standing()).finish()
    }
}
