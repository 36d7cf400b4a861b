//! The processes of a simulated cluster, and what each does.

use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::time::plus_millis;
use punctual_core::{CancelledFire, Completion, Fire, JobKind, KindSlots, Outcome, Retry, StoreError, Term};
use punctual_engine::{Ended, Node, Settings};

use super::time::MachineClock;
use super::{World, block_on, kinds};

/// How long a lease lasts.
pub(super) const LEASE_MS: u64 = 15_000;
/// More do not join.
const MOST_PROCESSES: usize = 6;

/// A fire that a process has taken.
pub(super) struct Running {
    pub(super) fire: Arc<Fire>,
    pub(super) term: Term,
}

/// One simulated process.
pub(super) struct Process {
    pub(super) node: Node,
    pub(super) machine: MachineClock,
    /// The kinds that it can run.
    pub(super) kinds: Vec<JobKind>,
    pub(super) running: Vec<Running>,
    pub(super) ended: Vec<Ended>,
}

impl World {
    pub(super) fn start_process_of(&mut self, kinds: &[&str]) {
        let process = self.new_process(kinds);
        self.processes.push(process);
    }

    fn new_process(&mut self, kinds: &[&str]) -> Process {
        self.lives += 1;
        let settings = Settings {
            heartbeat_ms: 5_000,
            lease_ms: LEASE_MS,
            unknown_kind: self.unknown_kind,
            ..Settings::default()
        };
        let machine = MachineClock::new(&self.time, &mut self.random);
        let registry = kinds::registry(kinds);
        let kinds = registry.kinds();
        let node = Node::new(
            format!("node-{}", self.lives),
            "1".to_owned(),
            Arc::clone(&self.store),
            Arc::new(machine.clone()),
            settings,
            registry,
        );
        if let Err(error) = block_on(node.heartbeat(node.clock().now())) {
            self.fail(&format!("a node could not register: {error}"));
        }
        Process { node, machine, kinds, running: Vec::new(), ended: Vec::new() }
    }

    /// A node more, unless there are many.
    pub(super) fn join(&mut self) {
        if self.processes.len() < MOST_PROCESSES {
            let kinds = self.some_kinds();
            self.start_process_of(kinds);
        }
    }

    /// A node leaves in good order: it reports what has ended, hands back what it runs as if it had not started it, and
    /// ends its term. Another one comes when it was the last.
    pub(super) fn leave(&mut self, which: usize) {
        let now = self.now_of(which);
        let mut process = self.processes.swap_remove(which);
        if let Err(error) = block_on(process.node.complete(now, &process.ended)) {
            self.fail(&format!("a completion failed: {error}"));
        }
        let running = std::mem::take(&mut process.running);
        if let Some(term) = process.node.term().filter(|_| process.node.trusts_lease(now)) {
            let fires: Vec<Fire> = running.iter().map(|run| Fire::clone(&run.fire)).collect();
            for fire in &fires {
                let instant = (fire.trigger.clone(), fire.scheduled_at);
                match fire.attempt {
                    1 => self.handed.remove(&instant),
                    attempt => self.handed.insert(instant, attempt - 1),
                };
            }
            match block_on(process.node.release(now, term, &fires)) {
                Ok(released) if released == fires.len() as u64 => {}
                Ok(released) => self.fail(&format!("{released} of {} fires were handed back", fires.len())),
                Err(error) => self.fail(&format!("fires could not be handed back: {error}")),
            }
        }
        if let Err(error) = block_on(process.node.retire(now)) {
            self.fail(&format!("a node could not leave: {error}"));
        }
        if self.processes.is_empty() {
            self.join();
        }
    }

    /// The time as a node knows it, which is as good as the node says.
    pub(super) fn now_of(&self, which: usize) -> Timestamp {
        let node = &self.processes[which].node;
        let (known, world) = (node.clock().now(), self.time.now());
        let error_ms = known.duration_since(world).abs().as_millis_f64();
        let quality = node.clock_quality();
        if !quality.measured || error_ms > quality.uncertainty_ms as f64 {
            self.fail(&format!("a node takes the time for {known} and is sure of it: {quality:?}"));
        }
        known
    }

    pub(super) fn claim(&mut self, which: usize) {
        let now = self.now_of(which);
        let limit = 1 + self.random.below(6) as usize;
        let slots = |kind: &JobKind| KindSlots { kind: kind.clone(), free: limit };
        let kinds: Vec<KindSlots> = self.processes[which].kinds.iter().map(slots).collect();
        let claimed = block_on(self.processes[which].node.claim(now, limit, &kinds));
        let (term, claimed) = match claimed {
            Ok(claimed) => claimed,
            Err(StoreError::StaleTerm) => return,
            Err(error) => self.fail(&format!("a claim failed: {error}")),
        };
        if claimed.fires.len() > limit {
            self.fail("a claim brought more than was asked for");
        }
        for fire in claimed.fires {
            self.check_kind(which, &fire);
            self.check_fire(&fire, now);
            self.processes[which].running.push(Running { fire: Arc::new(fire), term });
        }
        self.stop(which, &claimed.cancelled);
    }

    /// Runs that were asked to stop do so, and are not tried again.
    pub(super) fn stop(&mut self, which: usize, cancelled: &[CancelledFire]) {
        let running = std::mem::take(&mut self.processes[which].running);
        for run in running {
            let asked = |fire: &CancelledFire| fire.id == run.fire.id && fire.term == run.term;
            if !cancelled.iter().any(asked) {
                self.processes[which].running.push(run);
                continue;
            }
            let mut ended = self.end(which, run);
            ended.completion.retry = None;
            self.processes[which].ended.push(ended);
        }
    }

    /// Some of what runs on a node ends.
    pub(super) fn finish(&mut self, which: usize) {
        let running = std::mem::take(&mut self.processes[which].running);
        for run in running {
            if self.random.chance(40) {
                self.processes[which].running.push(run);
                continue;
            }
            let ended = self.end(which, run);
            self.processes[which].ended.push(ended);
        }
    }

    pub(super) fn end(&mut self, which: usize, run: Running) -> Ended {
        let now = self.now_of(which);
        let fire = run.fire;
        let failed = self.random.chance(25);
        let retry = (failed && fire.attempt < 4 && self.random.chance(60)).then(|| Retry {
            at: plus_millis(now, self.random.below(20_000) as i64),
            data: fire.trigger_data.clone(),
        });
        if retry.is_some() {
            self.failed.insert((fire.trigger.clone(), fire.scheduled_at));
        }
        let outcome = if failed {
            Outcome::Failed(serde_json::json!({ "message": "simulated" }))
        } else {
            Outcome::Success(None)
        };
        let completion = Completion {
            id: fire.id,
            term: run.term,
            outcome,
            ended_at: now,
            duration_ms: 1,
            retry,
            keep: fire.job.history.is_kept(),
            logs: Vec::new(),
            progress: None,
            then: fire.then,
        };
        Ended { fire, completion, error: failed.then(|| "simulated".to_owned()) }
    }

    /// A node reports what has ended. Sometimes the answer is lost, and it reports the same again later.
    pub(super) fn report(&mut self, which: usize) {
        let now = self.now_of(which);
        let process = &mut self.processes[which];
        if process.ended.is_empty() {
            return;
        }
        let lost = self.random.chance(15);
        if let Err(error) = block_on(process.node.complete(now, &process.ended)) {
            self.fail(&format!("a completion failed: {error}"));
        }
        if !lost {
            self.processes[which].ended.clear();
        }
    }

    pub(super) fn heartbeat(&mut self, which: usize) {
        let now = self.now_of(which);
        let beat = match block_on(self.processes[which].node.heartbeat(now)) {
            Ok(beat) => beat,
            Err(error) => self.fail(&format!("a heartbeat failed: {error}")),
        };
        self.stop(which, &beat.cancelled);
        if beat.lost_lease {
            // The engine cancels what ran under the lost term; here it just stops.
            self.processes[which].running.retain(|running| running.term == beat.term);
        }
        if self.processes[which].node.may_recover(now) {
            self.recover(which, now, beat.lost);
        }
        match block_on(self.processes[which].node.repair(now)) {
            Ok(repairs) if repairs.is_empty() => {}
            Ok(repairs) => self.fail(&format!("an invariant was broken: {repairs:?}")),
            Err(error) => self.fail(&format!("a repair failed: {error}")),
        }
    }

    /// A node takes up what lost nodes left, as the engine's loops do where it may.
    fn recover(&mut self, which: usize, now: Timestamp, lost: bool) {
        let recovered = match block_on(self.processes[which].node.recover(now)) {
            Ok(recovered) => recovered,
            Err(error) => self.fail(&format!("recovery failed: {error}")),
        };
        if !lost && !recovered.is_empty() {
            self.fail("a heartbeat said that nothing was lost, and something was");
        }
        if self.random.chance(30) {
            self.expire(which);
        }
    }

    /// `kill -9`: everything the process knew is gone, and another one starts.
    pub(super) fn crash(&mut self, which: usize) {
        let kinds = self.some_kinds();
        self.processes[which] = self.new_process(kinds);
    }
}
