//! Short ways to the values that tests need.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use punctual_core::schedule::{CronSchedule, Repeat, SimpleSchedule};
use punctual_core::{
    Claim, Claimed, ClusterView, Completed, Completion, Data, Fire, Heartbeat, JobDetail, JobKind, JobStore,
    KindSlots, NodeState, Outcome, Schedule, Term, Trigger,
};

/// The moment at which tests begin.
pub const START: &str = "2026-01-01T00:00:00Z";

/// `seconds` after [`START`].
pub fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = START.parse().unwrap();
    Timestamp::from_second(start.as_second() + seconds).unwrap()
}

/// Every so many seconds, for ever.
pub fn every(seconds: u64) -> Schedule {
    Schedule::Simple(SimpleSchedule::new(Duration::from_secs(seconds), Repeat::Forever).unwrap())
}

/// Every so many seconds, `times` times after the first.
pub fn every_times(seconds: u64, times: u32) -> Schedule {
    Schedule::Simple(SimpleSchedule::new(Duration::from_secs(seconds), Repeat::Times(times)).unwrap())
}

/// A cron expression in UTC.
pub fn cron(expression: &str) -> Schedule {
    Schedule::Cron(CronSchedule::parse(expression, "UTC").unwrap())
}

/// A durable job of kind `test`.
pub fn job(name: &str) -> JobDetail {
    JobDetail::new(name, "test").durable()
}

/// Data of one member.
pub fn data(json: serde_json::Value) -> Data {
    Data::from_serialize(&json).unwrap()
}

/// A node that claims by hand.
#[derive(Debug)]
pub struct Hand {
    /// The store.
    pub store: Arc<dyn JobStore>,
    /// Its term.
    pub term: Term,
    /// Its name.
    pub name: String,
}

impl Hand {
    /// Registers a node at a moment, with a lease of one minute.
    pub async fn register(store: &Arc<dyn JobStore>, name: &str, now: Timestamp) -> Self {
        let term = store.heartbeat(&beat(name, None, now)).await.unwrap().term;
        Self { store: Arc::clone(store), term, name: name.to_owned() }
    }

    /// Renews the lease.
    pub async fn renew(&self, now: Timestamp) -> ClusterView {
        let view = self.store.heartbeat(&beat(&self.name, Some(self.term), now)).await.unwrap();
        assert_eq!(view.term, self.term, "the lease should have been live");
        view
    }

    /// Claims up to `limit` fires of kind `test`.
    pub async fn claim(&self, now: Timestamp, limit: usize) -> Claimed {
        self.claim_kinds(now, limit, &[("test", limit)]).await
    }

    /// Claims fires of some kinds, each with its limit.
    pub async fn claim_kinds(&self, now: Timestamp, limit: usize, kinds: &[(&str, usize)]) -> Claimed {
        let kinds: Vec<KindSlots> =
            kinds.iter().map(|(kind, free)| KindSlots { kind: JobKind::new(*kind), free: *free }).collect();
        self.store.claim_due(&Claim { term: self.term, now, limit, kinds: &kinds }).await.unwrap()
    }

    /// Renews the lease first, so that time can pass freely.
    pub async fn claim_later(&self, now: Timestamp, limit: usize) -> Claimed {
        self.renew(now).await;
        self.claim(now, limit).await
    }

    /// Completes a fire with success.
    pub async fn succeed(&self, fire: &Fire, now: Timestamp) -> Completed {
        self.store.complete(now, &[self.success(fire, now)]).await.unwrap()[0]
    }

    /// The completion of a successful fire.
    pub fn success(&self, fire: &Fire, now: Timestamp) -> Completion {
        Completion {
            id: fire.id,
            term: self.term,
            outcome: Outcome::Success(None),
            ended_at: now,
            duration_ms: 5,
            retry: None,
            keep: fire.job.history.is_kept(),
            logs: Vec::new(),
            progress: None,
            then: fire.then,
        }
    }
}

/// A heartbeat of a node with a lease of one minute.
pub fn beat(name: &str, term: Option<Term>, now: Timestamp) -> Heartbeat {
    Heartbeat {
        name: name.to_owned(),
        term,
        version: "1".to_owned(),
        state: NodeState::Running,
        kinds: vec![JobKind::new("test")],
        slots: 8,
        draining: false,
        now,
        lease_ms: 60_000,
        clock_offset_ms: 0,
        clock_uncertainty_ms: 0,
    }
}

/// Stores a job with its triggers.
pub async fn schedule(store: &Arc<dyn JobStore>, now: Timestamp, job: JobDetail, triggers: Vec<Trigger>) {
    store.apply(now, &[punctual_core::Change::Schedule { job, triggers }]).await.unwrap();
}

/// Waits for calls that are all under way at once; the answers are in their order.
pub async fn together<T: 'static>(
    calls: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut calls: Vec<_> = calls.into_iter().map(|call| (Box::pin(call), None)).collect();
    std::future::poll_fn(|cx| {
        for (call, answer) in calls.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(value) = call.as_mut().poll(cx) {
                *answer = Some(value);
            }
        }
        if calls.iter().all(|(_, answer)| answer.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    calls.into_iter().filter_map(|(_, answer)| answer).collect()
}
