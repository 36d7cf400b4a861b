//! Runs one fire: with its time-out, its cancellation, and its panics caught.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use punctual_core::time::{millis_between, plus_millis, words};
use punctual_core::{Clock, Completion, Event, Fire, FireId, NodeState, Outcome, Retry, Term};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::capture::span_of;
use crate::job::{JobError, JobResult, Report, Run};
use crate::node::Node;
use crate::registry::RunFuture;
use crate::sheet::{Scope, Sheet};

/// A run that has ended, with what the store is to be told.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The fire.
    pub fire: Arc<Fire>,
    /// What the store is told.
    pub completion: Completion,
    /// The message of the error, if it failed.
    pub error: Option<String>,
}

/// Turns a panic of the inner future into an error, so that it ends one run and not the node.
struct CatchPanic(RunFuture);

impl Future for CatchPanic {
    type Output = JobResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<JobResult> {
        let inner = &mut self.0;
        match std::panic::catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(payload) => Poll::Ready(Err(panic_error(payload.as_ref()))),
        }
    }
}

fn panic_error(payload: &(dyn std::any::Any + Send)) -> JobError {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the panic carried no text".to_owned());
    JobError::of_kind("panic", format!("the job panicked: {text}"), true)
}

/// Why a run is asked to stop.
enum Stop {
    TimeOut(u64),
    Cancelled,
}

/// Runs of a node that were asked to stop, with the reason. Kept beside the runs rather than with each of them: nearly
/// none is ever asked.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    asked: Mutex<HashMap<FireId, Arc<str>>>,
    any: AtomicBool,
    changed: Notify,
}

impl Requests {
    fn asked(&self) -> MutexGuard<'_, HashMap<FireId, Arc<str>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a run to stop; whether it had not been asked before.
    pub(crate) fn request(&self, id: FireId, reason: &str) -> bool {
        let mut asked = self.asked();
        let first = !asked.contains_key(&id);
        asked.entry(id).or_insert_with(|| reason.into());
        self.any.store(true, Ordering::SeqCst);
        drop(asked);
        self.changed.notify_waiters();
        first
    }

    /// Forgets a run that has ended.
    pub(crate) fn forget(&self, id: FireId) {
        if self.any.load(Ordering::SeqCst) {
            let mut asked = self.asked();
            asked.remove(&id);
            self.any.store(!asked.is_empty(), Ordering::SeqCst);
        }
    }

    fn reason(&self, id: FireId) -> Option<Arc<str>> {
        if self.any.load(Ordering::SeqCst) { self.asked().get(&id).cloned() } else { None }
    }

    async fn requested(&self, id: FireId) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before looking, so that a request in between is not missed.
            changed.as_mut().enable();
            if self.reason(id).is_some() {
                return;
            }
            changed.await;
        }
    }
}

/// What can end a run early: its whole term, or a request for this run alone.
#[derive(Clone, Debug)]
pub(crate) struct Cancel {
    term: CancellationToken,
    requests: Arc<Requests>,
}

impl Cancel {
    pub(crate) fn new(term: CancellationToken, requests: Arc<Requests>) -> Self {
        Self { term, requests }
    }

    async fn cancelled(&self, id: FireId) {
        tokio::select! {
            () = self.term.cancelled() => {}
            () = self.requests.requested(id) => {}
        }
    }
}

async fn stop_signal(clock: &dyn Clock, timeout_ms: Option<u64>, cancel: &Cancel, id: FireId) -> Stop {
    match timeout_ms {
        None => {
            cancel.cancelled(id).await;
            Stop::Cancelled
        }
        Some(limit) => tokio::select! {
            () = clock.sleep_for(Duration::from_millis(limit)) => Stop::TimeOut(limit),
            () = cancel.cancelled(id) => Stop::Cancelled,
        },
    }
}

/// Drives a run to its end.
async fn supervise(
    mut job: CatchPanic,
    run: &Run,
    timeout_ms: Option<u64>,
    cancel: &Cancel,
    grace_ms: u64,
) -> JobResult {
    // What watches over a run is larger than the rest of its task, and many runs end before they have to wait.
    match poll_fn(|context| Poll::Ready(Pin::new(&mut job).poll(context))).await {
        Poll::Ready(result) => result,
        Poll::Pending => Box::pin(watch(job, run, timeout_ms, cancel, grace_ms)).await,
    }
}

/// Waits for the end of a run. One that is asked to stop has the grace time to do so and is then dropped.
async fn watch(
    mut job: CatchPanic,
    run: &Run,
    timeout_ms: Option<u64>,
    cancel: &Cancel,
    grace_ms: u64,
) -> JobResult {
    let stop = tokio::select! {
        biased;
        result = &mut job => return result,
        stop = stop_signal(run.clock.as_ref(), timeout_ms, cancel, run.fire.id) => stop,
    };
    run.cancel.cancel();
    let ended = tokio::select! {
        biased;
        result = &mut job => Some(result),
        () = run.clock.sleep_for(Duration::from_millis(grace_ms)) => None,
    };
    // A run that somebody asked to stop is not tried again; one whose node stops may be.
    let asked = cancel.requests.reason(run.fire.id);
    let (retryable, reason) =
        (asked.is_none(), asked.as_deref().unwrap_or("its node stops, or could not renew its lease in time"));
    match (stop, ended) {
        (Stop::Cancelled, Some(Ok(()))) => Ok(()),
        (Stop::Cancelled, ended) => {
            let message = format!("the run was cancelled ({reason}){}", manner(ended));
            Err(JobError::of_kind("cancelled", message, retryable))
        }
        (Stop::TimeOut(limit), ended) => {
            let message = format!("the run took longer than its {}{}", words(limit), manner(ended));
            Err(JobError::of_kind("timeout", message, true))
        }
    }
}

/// How a run ended that was asked to stop, if it did. The job knows best whether it stopped by itself.
fn manner(ended: Option<JobResult>) -> String {
    match ended {
        Some(Ok(())) => "; it stopped when asked".to_owned(),
        Some(Err(error)) => format!(": {error}"),
        None => "; it did not stop when asked and was dropped".to_owned(),
    }
}

/// Runs a fire under `term` to its end; never panics and always ends (a job that blocks its thread for ever
/// excepted).
pub(crate) async fn execute(node: &Node, term: Term, fire: Fire, cancel: Cancel) -> Ended {
    let fire = Arc::new(fire);
    let recorder = node.recorder();
    let row = Some((fire.id, term));
    let sheet = Arc::new(Sheet::new(row, Arc::clone(&node.clock), Arc::clone(&node.outbox)));
    let run = Arc::new(Run {
        fire: Arc::clone(&fire),
        term,
        recorder,
        sheet: Arc::clone(&sheet),
        cancel: CancellationToken::new(),
        clock: Arc::clone(&node.clock),
        reported: Mutex::default(),
    });
    let span = span_of(&sheet, || {
        tracing::info_span!(
            "job",
            job.key = %fire.job.key,
            trigger.key = %fire.trigger,
            fire.id = fire.id.0,
            attempt = fire.attempt,
        )
    });
    let scope = Scope { sheet: Some(Arc::clone(&sheet)), run: None };
    let started = node.clock.monotonic();
    node.listeners.emit_with(|| Event::JobStarted { fire: Arc::clone(&fire) });
    let result = match start(node, &fire, &run) {
        Ok(job) => {
            let grace = node.settings.cancel_grace_ms;
            let driven = supervise(CatchPanic(job), &run, fire.job.timeout_ms, &cancel, grace);
            scope.enter(driven).instrument(span).await
        }
        Err(error) => Err(error),
    };
    let duration = node.clock.monotonic().saturating_sub(started);
    // Not by its own node's shutdown, and not by anybody's request.
    let cut_off = cancel.term.is_cancelled() && node.phase() != NodeState::Draining;
    let ended = conclude(fire, term, result, run.take_report(), (node.clock.now(), duration), cut_off);
    node.listeners.emit_with(|| Event::JobFinished {
        fire: Arc::clone(&ended.fire),
        duration_ms: ended.completion.duration_ms,
        error: ended.error.clone(),
        retry_in_ms: ended
            .completion
            .retry
            .as_ref()
            .map(|retry| millis_between(ended.completion.ended_at, retry.at).max(0) as u64),
    });
    ended
}

fn start(node: &Node, fire: &Fire, run: &Arc<Run>) -> Result<RunFuture, JobError> {
    let kind = &fire.job.kind;
    let Some(entry) = node.registry.entry(kind) else {
        let message = format!("this node has no code of kind {kind}");
        return Err(JobError::of_kind("unknown kind", message, false));
    };
    let data = fire.data().map_err(|error| {
        JobError::of_kind("invalid data", format!("the stored data of the job is unreadable: {error}"), false)
    })?;
    // `start` runs the job's code up to its first await, which may panic as well.
    std::panic::catch_unwind(AssertUnwindSafe(|| entry.start(data, Arc::clone(run))))
        .map_err(|payload| panic_error(payload.as_ref()))
}

/// A number in 0.0..1.0 that depends on the fire and its attempt alone: retries of many fires spread, and the
/// same history gives the same waits.
fn jitter(fire: &Fire) -> f64 {
    let mut bits = (fire.origin.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(fire.attempt);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// What the store is told about a run; `cut_off` if it was cancelled because its node lost its lease, or may soon.
pub(crate) fn conclude(
    fire: Arc<Fire>,
    term: Term,
    result: JobResult,
    report: Report,
    (ended_at, duration): (Timestamp, Duration),
    cut_off: bool,
) -> Ended {
    let mut retry = None;
    let mut message = None;
    let outcome = match result {
        Ok(()) => Outcome::Success((!report.details.is_empty()).then_some(Value::Object(report.details))),
        Err(error) => {
            if error.is_retryable() {
                // As recovery would do, if it were quicker: only one of both finds the row open.
                let at_once = (cut_off && fire.job.requests_recovery).then_some(0);
                retry = fire
                    .job
                    .retry
                    .next_delay(fire.attempt, jitter(&fire))
                    .or(at_once)
                    .map(|wait| plus_millis(ended_at, i64::try_from(wait).unwrap_or(i64::MAX)))
                    .map(|at| Retry { at, data: fire.trigger_data.clone() });
            }
            message = Some(error.to_string());
            Outcome::Failed(error.details(report.details))
        }
    };
    let completion = Completion {
        id: fire.id,
        term,
        outcome,
        ended_at,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        retry,
        keep: fire.job.history.keeps(message.is_some()),
        logs: report.logs,
        progress: report.progress,
        then: fire.then,
    };
    Ended { fire, completion, error: message }
}
