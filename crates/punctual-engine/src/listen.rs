//! Listeners: who hears what happens on a node.

use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::Event;
use tracing::{debug, error, info, warn};

/// Hears what happens on a node, on the thread where it happens: return soon, and hand long work to another
/// task. A listener that panics is reported and goes on hearing.
pub trait Listener: Send + Sync + 'static {
    /// Something happened.
    fn on_event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Listener for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

/// All listeners of a node.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Vec<Arc<dyn Listener>>);

impl Listeners {
    pub(crate) fn add(&mut self, listener: Arc<dyn Listener>) {
        self.0.push(listener);
    }

    pub(crate) fn emit(&self, event: &Event) {
        for listener in &self.0 {
            let call = std::panic::AssertUnwindSafe(|| listener.on_event(event));
            if std::panic::catch_unwind(call).is_err() {
                error!("a listener panicked; the event goes on to the others");
            }
        }
    }

    /// Emits an event that is built only when somebody listens.
    pub(crate) fn emit_with(&self, event: impl FnOnce() -> Event) {
        if !self.0.is_empty() {
            self.emit(&event());
        }
    }
}

/// Writes every log sentence about scheduling. Messages read alone; fields carry the same for machines.
#[derive(Debug, Default, Clone, Copy)]
pub struct LogListener;

impl Listener for LogListener {
    fn on_event(&self, event: &Event) {
        match event {
            Event::NodeStarted { name, term } => {
                info!(node.name = %name, node.term = term.0, "node {name} is ready")
            }
            Event::LeaseResumed { term, lapsed_ms, grace_ms } => warn!(
                node.term = term.0,
                lapsed_ms,
                grace_ms,
                "this node's lease had run out {lapsed_ms} ms ago, and was renewed before anybody took up its work: what \
                 it still runs goes on. Other nodes have {grace_ms} ms to renew theirs before it takes up their work"
            ),
            Event::LeaseLost { old, new } => warn!(
                node.old_term = old.0,
                node.term = new.0,
                "this node's lease had run out and it was taken for lost; it goes on under a new term"
            ),
            Event::ClockUncertain { uncertainty_ms, limit_ms } => warn!(
                uncertainty_ms,
                limit_ms,
                "this node's clock may be off the store's by {uncertainty_ms} ms, and {limit_ms} ms are allowed: it \
                 claims nothing until it is measured better (the store answers too slowly)"
            ),
            Event::ClockCertain { uncertainty_ms } => info!(
                uncertainty_ms,
                "this node knows the store's time within {uncertainty_ms} ms again and goes on claiming"
            ),
            Event::ChangesUnheard { poll_ms } => warn!(
                poll_ms,
                "the database does not tell this node what other nodes change (no connection that can LISTEN): it looks \
                 every {poll_ms} ms instead"
            ),
            Event::ChangesHeard => info!("the database tells this node what other nodes change again"),
            Event::JobRetired { job, kind } => {
                warn!(job.key = %job, %kind, "job {job} was deleted: its kind {kind} is retired")
            }
            Event::KindRenamed { job, from, to } => {
                info!(job.key = %job, %from, %to, "job {job} goes on under kind {to}, which was called {from}")
            }
            Event::ClockMoved { by_ms } => warn!(
                by_ms,
                "this node's clock was moved by {by_ms} ms to follow the store's: either that was set, or this machine \
                 stood still"
            ),
            Event::NodeStopped { name, released, cancelled, unreported: 0 } => info!(
                node.name = %name, released, cancelled,
                "node {name} stopped ({released} fires handed back, {cancelled} runs cancelled)"
            ),
            Event::NodeStopped { name, released, cancelled, unreported } => warn!(
                node.name = %name, released, cancelled, unreported,
                "node {name} stopped ({released} fires handed back, {cancelled} runs cancelled); how {unreported} run(s) \
                 ended could not be stored: recovery closes them as unknown"
            ),
            Event::NodeStateChanged { name, state } => {
                debug!(node.name = %name, "node {name} is {}", state.as_str())
            }
            Event::DefinitionsChanged { changes } => {
                debug!(count = changes.len(), "{} edit(s) were stored", changes.len())
            }
            Event::StoreChanged => debug!("another process changed something in the store"),
            Event::RunStored { fire, status, .. } => debug!(
                job.key = %fire.job.key, fire.id = fire.id.0, %status,
                "the end of a run of job {} is stored", fire.job.key
            ),
            Event::JobStarted { fire } => debug!(
                job.key = %fire.job.key, trigger.key = %fire.trigger, fire.id = fire.id.0, attempt = fire.attempt,
                "job {} starts", fire.job.key
            ),
            Event::JobFinished { fire, duration_ms, error: None, .. } => debug!(
                job.key = %fire.job.key, trigger.key = %fire.trigger, fire.id = fire.id.0, duration_ms,
                "job {} succeeded in {duration_ms} ms", fire.job.key
            ),
            Event::JobFinished { fire, duration_ms, error: Some(message), retry_in_ms } => {
                let next = match retry_in_ms {
                    Some(wait) => format!("attempt {} follows in {wait} ms", fire.attempt + 1),
                    None => "it is not tried again".to_owned(),
                };
                warn!(
                    job.key = %fire.job.key, trigger.key = %fire.trigger, fire.id = fire.id.0,
                    attempt = fire.attempt, duration_ms, error = %message,
                    "job {} failed after {duration_ms} ms: {message}; {next}", fire.job.key
                );
            }
            Event::CancelRequested { id, reason } => {
                info!(fire.id = id.0, reason = %reason, "run {id} is asked to stop: {reason}")
            }
            Event::CompletionSuperseded { id, job } => warn!(
                job.key = %job, fire.id = id.0,
                "a run of job {job} ended after recovery had taken its fire away; its result is not recorded"
            ),
            Event::InstantsSkipped { trigger, skip } => info!(
                trigger.key = %trigger, reason = skip.reason.as_str(), count = skip.count,
                "{} instant(s) of trigger {trigger} were skipped ({}), {} to {}",
                skip.count, skip.reason.as_str(), skip.first, skip.last
            ),
            Event::TriggerFailed { trigger, error } => error!(
                trigger.key = %trigger, error = %error,
                "trigger {trigger} cannot be understood and fires nothing until it is reset: {error}"
            ),
            Event::Repaired(repair) => {
                warn!(what = repair.what(), "a broken invariant was mended: {repair:?}")
            }
            Event::NodeLost { name, lease_until, closed, again } => {
                warn!(node.name = %name, closed, again, "{}", loss(name, *lease_until, *closed, *again));
            }
            Event::WorkRecovered(work) => debug!(
                job.key = %work.job, fire.id = work.id.0, node.name = %work.node,
                "node {} was lost while job {} ran{}", work.node, work.job,
                if work.refired { "; it runs again" } else { "" }
            ),
            Event::StoreFailed { operation, error, retry_in_ms, failures: 1, .. } => error!(
                operation, error = %error, retry_in_ms,
                "the store failed to {operation}: {error}; next try in {retry_in_ms} ms"
            ),
            // The 2nd, 4th, 8th ... in a row: a store may be away for long.
            Event::StoreFailed { operation, error, retry_in_ms, failures, since }
                if failures.is_power_of_two() =>
            {
                error!(
                    operation, error = %error, retry_in_ms, failures, %since,
                    "the store failed to {operation} for the {failures}. time since {since}: {error}; next try in \
                     {retry_in_ms} ms"
                );
            }
            Event::StoreFailed { operation, error, retry_in_ms, failures, since } => debug!(
                operation, error = %error, retry_in_ms, failures, %since,
                "the store failed to {operation} once more: {error}"
            ),
            Event::StoreWorks { operation, failures, since } => info!(
                operation, failures, %since,
                "the store can {operation} again, after {failures} failure(s) since {since}"
            ),
            Event::StoreGone { error } => error!(
                error = %error,
                "{error}; this node runs nothing more, and its runs were cancelled"
            ),
            Event::RequestRefused(refused) => warn!(
                fire.id = refused.row.0, error = %refused.error,
                "{} was asked for within a transaction and cannot be carried out: {}; row {} of the history says so",
                refused.wanted, refused.error, refused.row
            ),
            Event::HistoryPruned { rows } => info!(rows, "{rows} old rows of the task history were deleted"),
            _ => debug!(?event, "an event without a sentence of its own"),
        }
    }
}

/// What became of a lost node's runs; nothing of runs where there were none.
fn loss(name: &str, lease_until: Option<Timestamp>, closed: usize, again: usize) -> String {
    let how = match lease_until {
        Some(at) => format!("node {name} was lost (its lease ended at {at})"),
        None => format!("node {name} is gone"),
    };
    match closed {
        0 => how,
        1.. => format!("{how}: {closed} run(s) that it had left open were closed, {again} of them run again"),
    }
}
