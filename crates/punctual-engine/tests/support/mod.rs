//! A scheduler over a memory store with a manual clock, and a channel of what happens on it.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use punctual_core::schedule::{Repeat, SimpleSchedule};
use punctual_core::{Clock, Data, Event, HistoryQuery, JobStore, Schedule, TaskHistory, Timestamp};
use punctual_engine::{Job, JobContext, JobError, JobResult, ManualClock, Scheduler, SchedulerBuilder};
use punctual_memory::MemoryStore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub(crate) const START: &str = "2026-01-01T00:00:00Z";

pub(crate) fn start() -> Timestamp {
    START.parse().unwrap()
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(start().as_second() + seconds).unwrap()
}

pub(crate) fn every(seconds: u64) -> Schedule {
    Schedule::Simple(SimpleSchedule::new(Duration::from_secs(seconds), Repeat::Forever).unwrap())
}

pub(crate) struct World {
    pub(crate) scheduler: Scheduler,
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) clock: ManualClock,
    pub(crate) events: UnboundedReceiver<Event>,
}

impl World {
    pub(crate) fn new(configure: impl FnOnce(SchedulerBuilder) -> SchedulerBuilder) -> Self {
        Self::over(Arc::new(MemoryStore::new()), configure)
    }

    pub(crate) fn over(
        store: Arc<dyn JobStore>,
        configure: impl FnOnce(SchedulerBuilder) -> SchedulerBuilder,
    ) -> Self {
        Self::on(ManualClock::new(start()), store, configure)
    }

    pub(crate) fn on(
        clock: ManualClock,
        store: Arc<dyn JobStore>,
        configure: impl FnOnce(SchedulerBuilder) -> SchedulerBuilder,
    ) -> Self {
        let (sender, events) = unbounded_channel();
        let builder = Scheduler::builder(Arc::clone(&store))
            .disabled(false)
            .without_log()
            .clock(Arc::new(clock.clone()))
            .listener(Arc::new(move |event: &Event| {
                // The receiver goes first at the end of a test.
                let _ = sender.send(event.clone());
            }));
        let scheduler = configure(builder).build().unwrap();
        Self { scheduler, store, clock, events }
    }

    /// Waits until something happens that `pick` picks, and returns that.
    pub(crate) async fn until<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv().await.expect("the scheduler is gone");
            if let Some(found) = pick(event) {
                return found;
            }
        }
    }

    /// Waits until a run ends; returns its job's name and the error's message.
    pub(crate) async fn finished(&mut self) -> (String, Option<String>) {
        self.until(|event| match event {
            Event::JobFinished { fire, error, .. } => Some((fire.job.key.name().to_owned(), error)),
            _ => None,
        })
        .await
    }

    /// Waits until no history row is open, and returns all rows, oldest first.
    pub(crate) async fn closed_history(&self) -> Vec<TaskHistory> {
        let query = HistoryQuery { descending: false, ..HistoryQuery::default() };
        loop {
            let rows = self.store.history(&query).await.unwrap().rows;
            if rows.iter().all(|row| row.ended_at.is_some()) {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until somebody sleeps, and moves the clock to when the first sleeper wakes.
    pub(crate) async fn to_next_wake(&self) {
        let at = loop {
            match self.clock.next_wake() {
                Some(at) => break at,
                None => tokio::task::yield_now().await,
            }
        };
        self.advance_to(at);
    }

    /// Moves the clock forward to an instant.
    pub(crate) fn advance_to(&self, at: Timestamp) {
        self.clock.advance(at.duration_since(self.clock.now()).unsigned_abs());
    }
}

/// Succeeds at once.
pub(crate) struct Quick;

impl Job for Quick {
    const KIND: &'static str = "quick";
    type Data = serde_json::Value;

    async fn run(&self, ctx: JobContext<serde_json::Value>) -> JobResult {
        ctx.detail("saw", ctx.data());
        Ok(())
    }
}

#[derive(serde::Deserialize)]
pub(crate) struct FailData {
    pub(crate) times: u32,
    #[serde(default)]
    pub(crate) fatal: bool,
}

/// Fails its first `times` attempts.
pub(crate) struct Failing;

impl Job for Failing {
    const KIND: &'static str = "failing";
    type Data = FailData;

    async fn run(&self, ctx: JobContext<FailData>) -> JobResult {
        if ctx.attempt() > ctx.data().times {
            return Ok(());
        }
        let message = format!("attempt {} fails", ctx.attempt());
        Err(if ctx.data().fatal { JobError::fatal(message) } else { JobError::retry(message) })
    }
}

/// Waits until it is told to go on, or stops when asked if its data says so.
pub(crate) struct Held {
    pub(crate) gate: Arc<tokio::sync::Semaphore>,
}

impl Job for Held {
    const KIND: &'static str = "held";
    type Data = serde_json::Value;

    async fn run(&self, ctx: JobContext<serde_json::Value>) -> JobResult {
        let polite = ctx.data()["polite"] == true;
        tokio::select! {
            permit = self.gate.acquire() => permit.expect("the gate stays open").forget(),
            () = ctx.cancelled().cancelled(), if polite => return Err(JobError::fatal("stopped when asked")),
        }
        Ok(())
    }
}

pub(crate) fn data(json: serde_json::Value) -> Data {
    Data::from_serialize(&json).unwrap()
}
