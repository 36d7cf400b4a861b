//! The loops that drive a node: claim, complete, heartbeat. Each is a plain loop around one step of
//! [`crate::Node`]; none ever spins: it waits for an event, for the clock, or for a growing pause after a
//! failure.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use punctual_core::time::{plus_millis, to_millis};
use punctual_core::{Claimed, Event, Fire, KindSlots, StoreError, Term};

use crate::execute::{Cancel, Ended, execute};
use crate::kinds;
use crate::scheduler::{Inner, lock};
use crate::settings::Backoff;

/// The pause after a claim that brought nothing although something is said to be due (its kinds were taken by
/// another node in between, say).
const EMPTY_CLAIM_PAUSE_MS: i64 = 50;

const CLAIM: &str = "claim due fires";
const STORE_ENDS: &str = "store how runs ended";
const RENEW: &str = "renew the node's lease";
const TAKE_UP: &str = "take up the work of a lost node";

fn later(now: Timestamp, millis: u64) -> Timestamp {
    plus_millis(now, i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Waits until `at` or until the claim loop is woken.
async fn sleep_or_wake(inner: &Inner, at: Timestamp) {
    tokio::select! {
        biased;
        () = inner.wake.notified() => {}
        () = inner.node.clock.sleep_until(at) => {}
    }
}

/// Claims due fires and starts them, until the node drains.
pub(crate) async fn claim_loop(inner: Arc<Inner>) {
    let settings = inner.node.settings.clone();
    let mut backoff = Backoff::new(&settings);
    let mut recovered = false;
    while !inner.stop.is_cancelled() && !inner.draining() {
        if !inner.node.takes_work() {
            inner.wake.notified().await;
            continue;
        }
        let Some((limit, kinds)) = free_slots(&inner) else {
            inner.wake.notified().await;
            // Many runs tend to end together: let those that are ready do so, and claim for all at once.
            linger(&inner).await;
            continue;
        };
        let now = inner.node.clock.now();
        match claim(&inner, now, limit, &kinds, &mut recovered).await {
            Ok((term, claimed)) => {
                backoff.reset();
                inner.node.tell_works(CLAIM);
                let pause = pause_after(&claimed, now, inner.poll_ms());
                if pause.is_none() {
                    inner.behind_at.store(to_millis(now), Ordering::Relaxed);
                }
                inner.cancel_runs(term, &claimed.cancelled);
                start_runs(&inner, term, claimed.fires).await;
                if let Some(until) = pause {
                    sleep_or_wake(&inner, until).await;
                }
            }
            Err(StoreError::StaleTerm) => {
                // The heartbeat loop renews the lease and wakes this one.
                sleep_or_wake(&inner, later(now, settings.heartbeat_ms)).await;
            }
            Err(error) => {
                let pause = backoff.fail();
                inner.node.tell_failure(CLAIM, &error, pause);
                inner.node.clock.sleep_for(Duration::from_millis(pause)).await;
            }
        }
    }
}

/// Claims; before the first time, takes up what lost nodes left, since that may fill a lane or be the first in it.
async fn claim(
    inner: &Inner,
    now: Timestamp,
    limit: usize,
    kinds: &[KindSlots],
    recovered: &mut bool,
) -> Result<(Term, Claimed), StoreError> {
    if !*recovered && inner.node.may_recover(now) {
        recover(inner, now).await?;
        inner.node.repair(now).await?;
        *recovered = true;
    }
    inner.node.claim(now, limit, kinds).await
}

/// Lets tasks that are ready to run do so, for as long as that makes more room.
async fn linger(inner: &Inner) {
    let mut running = usize::MAX;
    loop {
        let now = inner.running.load(Ordering::SeqCst);
        if now >= running || now == 0 {
            return;
        }
        running = now;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

/// The room for more runs, or `None` (remembered as `starved`) when there is none at all.
fn free_slots(inner: &Inner) -> Option<(usize, Vec<KindSlots>)> {
    let settings = &inner.node.settings;
    let look = || {
        let free = settings.slots.saturating_sub(inner.running.load(Ordering::SeqCst));
        let limit = free.min(settings.claim_batch);
        (limit, inner.node.registry.free(limit))
    };
    // Say that the loop is waiting before looking, so that a run which ends in between wakes it.
    inner.starved.store(true, Ordering::SeqCst);
    let (limit, kinds) = look();
    if limit == 0 || kinds.is_empty() {
        return None;
    }
    inner.starved.store(kinds.len() < inner.node.registry.kinds().len(), Ordering::SeqCst);
    Some((limit, kinds))
}

/// Until when there is nothing to claim; `None` to go on at once.
fn pause_after(claimed: &Claimed, now: Timestamp, poll_ms: u64) -> Option<Timestamp> {
    let progress = !claimed.fires.is_empty()
        || !claimed.skipped.is_empty()
        || !claimed.errors.is_empty()
        || !claimed.cancelled.is_empty();
    match claimed.next_due {
        Some(due) if due <= now => (!progress).then(|| plus_millis(now, EMPTY_CLAIM_PAUSE_MS)),
        Some(due) => Some(due.min(later(now, poll_ms))),
        None => Some(later(now, poll_ms)),
    }
}

/// Starts runs; hands back what is beyond the limit of its kind.
async fn start_runs(inner: &Arc<Inner>, term: Term, fires: Vec<Fire>) {
    if inner.draining() {
        // They came after the shutdown had begun, which may have seen the last run end already.
        lock(&inner.unstarted).extend(fires);
        return;
    }
    let mut surplus = Vec::new();
    for fire in fires {
        match inner.node.registry.entry(&fire.job.kind) {
            Some(entry) if !entry.try_begin() => surplus.push(fire),
            _ => start_run(inner, term, fire),
        }
    }
    if !surplus.is_empty() && inner.node.release(inner.node.clock.now(), term, &surplus).await.is_err() {
        // Beyond the limit is better than open for a node that does not run them.
        for fire in surplus {
            if let Some(entry) = inner.node.registry.entry(&fire.job.kind) {
                entry.begin();
            }
            start_run(inner, term, fire);
        }
    }
}

fn start_run(inner: &Arc<Inner>, term: Term, fire: Fire) {
    inner.running.fetch_add(1, Ordering::SeqCst);
    let cancel = Cancel::new(inner.guard.token(&fire), Arc::clone(&inner.requests));
    inner.tracker.spawn(run(Arc::clone(inner), term, fire, cancel));
}

async fn run(inner: Arc<Inner>, term: Term, fire: Fire, cancel: Cancel) {
    let (id, kind) = (fire.id, fire.job.kind.clone());
    if inner.draining() {
        lock(&inner.unstarted).push(fire);
    } else {
        let ended = execute(&inner.node, term, fire, cancel).await;
        let mut queue = lock(&inner.queue);
        queue.push(ended);
        let first = queue.len() == 1;
        drop(queue);
        if first {
            inner.ended.notify_one();
        }
    }
    inner.requests.forget(id);
    if let Some(entry) = inner.node.registry.entry(&kind) {
        entry.end();
    }
    inner.running.fetch_sub(1, Ordering::SeqCst);
    if inner.starved.swap(false, Ordering::SeqCst) {
        inner.wake.notify_one();
    }
}

/// Stores how runs ended, until the loops are told to stop and the queue is empty. A batch is what came
/// together while the last one was stored: one run alone is stored at once.
pub(crate) async fn completion_loop(inner: Arc<Inner>) {
    let mut backoff = Backoff::new(&inner.node.settings);
    let mut tries_left_after_stop = 5;
    loop {
        let batch = std::mem::take(&mut *lock(&inner.queue));
        if batch.is_empty() {
            if inner.stop.is_cancelled() {
                return;
            }
            inner.ended.notified().await;
            continue;
        }
        let now = inner.node.clock.now();
        inner.storing.store(batch.len(), Ordering::SeqCst);
        let stored = inner.node.complete(now, &batch).await;
        inner.storing.store(0, Ordering::SeqCst);
        match stored {
            Ok(wake) => {
                backoff.reset();
                inner.node.tell_works(STORE_ENDS);
                if wake {
                    inner.wake.notify_one();
                }
            }
            // Nobody would ever read it.
            Err(StoreError::Gone(_)) => backoff.reset(),
            Err(error) => {
                let pause = backoff.fail();
                inner.node.tell_failure(STORE_ENDS, &error, pause);
                put_back(&inner, batch);
                if inner.stop.is_cancelled() {
                    tries_left_after_stop -= 1;
                    if tries_left_after_stop == 0 {
                        return;
                    }
                }
                inner.node.clock.sleep_for(Duration::from_millis(pause)).await;
            }
        }
    }
}

/// Puts a batch that could not be stored before what has ended since.
fn put_back(inner: &Inner, batch: Vec<Ended>) {
    let mut queue = lock(&inner.queue);
    let newer = std::mem::replace(&mut *queue, batch);
    queue.extend(newer);
}

/// Wakes the claim loop when another process did something that may make work due, and says when that is not told.
pub(crate) async fn changed_loop(inner: Arc<Inner>) {
    let mut unheard = false;
    loop {
        tokio::select! {
            biased;
            () = inner.stop.cancelled() => return,
            () = inner.node.store.changed() => {
                if inner.node.store.requests_told() {
                    inner.asked.notify_one();
                }
                if inner.node.store.heartbeat_told() {
                    inner.beat.notify_one();
                }
                inner.wake.notify_one();
                inner.node.listeners.emit(&Event::StoreChanged);
            }
        }
        let before = std::mem::replace(&mut unheard, inner.node.store.hears_changes() == Some(false));
        match (before, unheard) {
            (false, true) => inner.node.listeners.emit(&Event::ChangesUnheard { poll_ms: inner.poll_ms() }),
            (true, false) => inner.node.listeners.emit(&Event::ChangesHeard),
            _ => {}
        }
    }
}

/// Every so many heartbeats a node looks for broken invariants, and for work that a lost node left, though no heartbeat
/// said that there is any: both are nets.
const NETS_EVERY: u64 = 60;

/// When the heartbeat loop does what.
struct Pulse {
    next_beat: Timestamp,
    /// When the leases of other nodes end, unless they are renewed.
    leases: Vec<Timestamp>,
    beats: u64,
    /// When the last one began.
    last: Timestamp,
}

impl Pulse {
    /// Beats as soon as may be, since something is told that need not wait.
    fn hurry(&mut self) {
        self.next_beat = self.next_beat.min(later(self.last, HURRIED_MS));
    }
}

/// How many milliseconds a heartbeat comes after another at the earliest: many runs may be asked to stop in a row.
const HURRIED_MS: u64 = 100;

/// Renews the lease, measures the clock, and takes up the work of lost nodes at the moment at which their leases end.
pub(crate) async fn heartbeat_loop(inner: Arc<Inner>) {
    let settings = inner.node.settings.clone();
    let mut backoff = Backoff::new(&settings);
    let now = inner.node.clock.now();
    let mut pulse = Pulse { next_beat: now, leases: Vec::new(), beats: 0, last: now };
    loop {
        let next = pulse.leases.first().map_or(pulse.next_beat, |lease| pulse.next_beat.min(*lease));
        tokio::select! {
            biased;
            () = inner.stop.cancelled() => return,
            () = inner.node.clock.sleep_until(next) => {}
            () = inner.beat.notified() => {
                pulse.hurry();
                continue;
            }
        }
        let now = inner.node.clock.now();
        let is_beat = now >= pulse.next_beat;
        if is_beat {
            pulse.last = now;
        }
        let result = if is_beat { beat(&inner, now, &mut pulse).await } else { recover(&inner, now).await };
        pulse.leases.retain(|lease| *lease > now);
        match result {
            Ok(wake) => {
                backoff.reset();
                // A heartbeat takes up what is left, too, unless it has to wait.
                if inner.node.may_recover(inner.node.clock.now()) {
                    inner.node.tell_works(TAKE_UP);
                }
                if is_beat {
                    inner.node.tell_works(RENEW);
                    // The beat may have moved the clock; the next one does not wait for longer because of that.
                    let started = now.min(inner.node.clock.now());
                    pulse.next_beat = later(started, settings.heartbeat_ms);
                }
                if wake {
                    inner.wake.notify_one();
                }
            }
            Err(error) => {
                let pause = backoff.fail().min(settings.heartbeat_ms);
                let operation = if is_beat { RENEW } else { TAKE_UP };
                inner.node.tell_failure(operation, &error, pause);
                let retry_at = later(now, pause);
                pulse.next_beat = if is_beat { retry_at } else { pulse.next_beat.min(retry_at) };
            }
        }
    }
}

/// How many rows of the history are arranged in one transaction: few enough that a claim does not wait long for it.
const ARRANGED: u64 = 1_000;
/// After so many ends of runs the history is arranged with the next heartbeat,
const ARRANGE_AFTER: u64 = 500;
/// and anyway every so many heartbeats, for what was recorded or deleted.
const ARRANGE_ANYWAY: u64 = 60;

/// While more is due than the node gets done, so many rows may wait: every list has to look at them, which takes it some
/// fifty milliseconds.
const ARRANGE_BEHIND: u64 = 100_000;

/// Brings what has ended into the orders of the history, beside the work and in small steps. A failure is no harm: lists
/// are right without it, and a store that is gone is told of by the heartbeat.
pub(crate) async fn arrange_loop(inner: Arc<Inner>) {
    let heartbeat_ms = inner.node.settings.heartbeat_ms;
    let (mut arranged, mut beats) = (0, 0_u64);
    loop {
        let next = later(inner.node.clock.now(), heartbeat_ms);
        tokio::select! {
            biased;
            () = inner.stop.cancelled() => return,
            () = inner.node.clock.sleep_until(next) => {}
        }
        beats += 1;
        let executed = inner.node.executed();
        // At first what an earlier process has left, or a change of the database.
        let due = beats == 1 || beats.is_multiple_of(ARRANGE_ANYWAY);
        if executed < arranged + ARRANGE_AFTER && !due {
            continue;
        }
        let before = std::mem::replace(&mut arranged, executed);
        while let Ok(left @ ARRANGED..) = inner.node.store.arrange(ARRANGED).await {
            if inner.stop.is_cancelled() {
                return;
            }
            let behind_at = inner.behind_at.load(Ordering::Relaxed);
            if may_wait(left, behind_at, inner.node.clock.now(), heartbeat_ms) {
                // There is more to do with the next heartbeat.
                arranged = before;
                break;
            }
        }
    }
}

/// Whether so many rows are left for later: more was due than was claimed, and that no longer ago than a heartbeat. What is
/// late comes before the order of what is done.
fn may_wait(left: u64, behind_at: i64, now: Timestamp, heartbeat_ms: u64) -> bool {
    let ago = to_millis(now).saturating_sub(behind_at);
    left < ARRANGE_BEHIND && u64::try_from(ago).is_ok_and(|ago| ago <= heartbeat_ms)
}

/// One heartbeat and what follows from it. Returns whether something may be due because of it.
async fn beat(inner: &Inner, now: Timestamp, pulse: &mut Pulse) -> Result<bool, StoreError> {
    let trusted = inner.node.trusts_lease(now);
    let old = inner.node.term();
    let known_gone = inner.node.is_store_gone();
    let beat = inner.node.heartbeat(now).await.inspect_err(|_| {
        // As with a lost lease, though there will be no other one.
        if let (false, true, Some(old)) = (known_gone, inner.node.is_store_gone(), old) {
            inner.cancel_lost(old);
        }
    })?;
    pulse.leases = beat.leases;
    pulse.beats += 1;
    if let (true, Some(old)) = (beat.lost_lease, old) {
        inner.cancel_lost(old);
    }
    inner.guard.renew();
    inner.cancel_runs(beat.term, &beat.cancelled);
    if beat.requests {
        // A net: the store has told of them, unless that was missed.
        inner.asked.notify_one();
    }
    let mut nets = pulse.beats.is_multiple_of(NETS_EVERY);
    if nets && !inner.node.may_recover(inner.node.clock.now()) {
        // With the next one: these, too, look at which nodes are live.
        pulse.beats -= 1;
        nets = false;
    }
    let recovered = (beat.lost || nets) && recover(inner, inner.node.clock.now()).await?;
    if nets {
        kinds::settle(inner).await?;
        inner.node.expire(inner.node.clock.now()).await?;
    }
    let repaired = nets && !inner.node.repair(inner.node.clock.now()).await?.is_empty();
    Ok(!trusted || beat.lost_lease || beat.resumed || beat.clock_changed || recovered || repaired)
}

/// Takes up the work of lost nodes, if this node may. Returns whether there was some.
async fn recover(inner: &Inner, now: Timestamp) -> Result<bool, StoreError> {
    if !inner.node.may_recover(now) {
        return Ok(false);
    }
    Ok(!inner.node.recover(now).await?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_history_waits_for_late_work_and_not_for_ever() {
        let now = Timestamp::from_second(1_000).unwrap();
        let ago = |millis: i64| to_millis(now) - millis;
        assert!(may_wait(ARRANGED, ago(0), now, 2_000));
        assert!(may_wait(ARRANGE_BEHIND - 1, ago(2_000), now, 2_000));
        // The node has caught up, or waits for room.
        assert!(!may_wait(ARRANGED, ago(2_001), now, 2_000));
        assert!(!may_wait(ARRANGED, i64::MIN, now, 2_000));
        // Lists would have to look at too many.
        assert!(!may_wait(ARRANGE_BEHIND, ago(0), now, 2_000));
    }
}
