//! A seeded simulation of a cluster: several nodes over one store, in virtual time, with crashes, lost leases, outages of the
//! store that outlast leases, leaps of time, wrong, jumping and drifting clocks, lost answers to completions, nodes of
//! different kinds that join and leave, events, and edits in between.
//!
//! It calls the engine's own steps ([`punctual_engine::Node`]) in an order that depends on the seed alone. At every
//! step and at the end it checks
//!
//! * that no fire runs twice: a first attempt of an instant is handed out once, and a further attempt exists only after
//!   a failure, or where the job requests recovery;
//! * that no more runs than a lane allows overlap on nodes that hold their lease;
//! * that nodes keep their terms and their runs through an outage of the store, and that those that died in it are recovered
//!   when the others have had time to come back, and not before;
//! * that a node is handed only kinds that it can run;
//! * that every instant is accounted for ([`crate::account`]);
//! * that an event that was emitted has led to exactly one run of each trigger that waited for it, with its payload, or
//!   to one recorded skip where the trigger was paused, whatever crashed since;
//! * that instants of kinds that nobody can run are given up where that is asked for, once they are late enough, and
//!   that none are where a live node could run them, or where they are to wait;
//! * that the audit ([`punctual_engine::audit`]) finds nothing in the end;
//! * that every row of the history is closed in the end;
//! * that each node knows the store's time as well as it says, and fires nothing before its time.
//!
//! [`crate::faulty::Mistake`] names mistakes of a store that it has to find.

mod checks;
mod definitions;
mod emits;
mod kinds;
mod outage;
mod process;
mod random;
mod time;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use jiff::Timestamp;
use punctual_core::{JobDetail, JobKey, JobStore, TriggerKey, UnknownKind};

use self::emits::Emits;
use self::process::Process;
pub use self::random::Random;
use self::time::WorldTime;
use crate::faulty::FaultyStore;

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// One simulation.
struct World {
    seed: u64,
    random: Random,
    store: Arc<dyn JobStore>,
    time: WorldTime,
    processes: Vec<Process>,
    lives: u64,
    jobs: BTreeMap<JobKey, JobDetail>,
    /// What happens to instants of unknown kinds where their job does not say it.
    unknown_kind: UnknownKind,
    /// The last range of instants of unknown kinds that was looked at.
    expired: i64,
    emits: Emits,
    /// Attempts that were handed out, by trigger and instant.
    handed: HashMap<(TriggerKey, Timestamp), u32>,
    /// Fires that ended as failed, and may therefore be tried again.
    failed: HashSet<(TriggerKey, Timestamp)>,
}

/// Runs the simulation of one seed over a store; panics, naming the seed, when something is wrong.
pub fn run(seed: u64, store: Arc<dyn JobStore>) {
    let mut random = Random::new(seed);
    let steps = 60 + random.below(120);
    let unknown_kind = if random.chance(50) { UnknownKind::Skip } else { UnknownKind::Wait };
    let time = WorldTime::new(seed);
    let store_time = time.clone();
    let store = Arc::new(FaultyStore::new(store).with_clock(move || store_time.exchange()));
    let mut world = World {
        seed,
        random,
        store,
        time,
        processes: Vec::new(),
        lives: 0,
        jobs: BTreeMap::new(),
        unknown_kind,
        expired: 0,
        emits: Emits::default(),
        handed: HashMap::new(),
        failed: HashSet::new(),
    };
    world.define_jobs();
    for _ in 0..2 + world.random.below(3) {
        world.join();
    }
    for _ in 0..steps {
        world.step();
    }
    world.settle();
    world.check_end();
}

impl World {
    fn fail(&self, what: &str) -> ! {
        panic!("simulation with seed {}: {what} (at {})", self.seed, self.time.now())
    }

    fn step(&mut self) {
        let which = self.random.below(self.processes.len() as u64) as usize;
        match self.random.below(100) {
            0..24 => self.claim(which),
            24..43 => self.finish(which),
            43..57 => self.report(which),
            57..72 => self.heartbeat(which),
            72..85 => self.time.advance_ms(100 + self.random.below(12_000)),
            85 => self.time.advance_ms(self.random.below(600_000)),
            86 => self.outage(),
            87 => self.processes[which].machine.jump(&mut self.random),
            88..90 => self.crash(which),
            90 => self.leave(which),
            91 => self.join(),
            92..95 => {
                self.emit();
                if self.random.chance(30) {
                    self.crash(which);
                }
            }
            _ => self.edit(),
        }
    }

    /// Lets everything come to an end: no more crashes, no more edits, and a node that can run everything.
    fn settle(&mut self) {
        self.start_process_of(&kinds::ALL);
        for _ in 0..1_000 {
            for which in 0..self.processes.len() {
                self.heartbeat(which);
                self.claim(which);
                let running = std::mem::take(&mut self.processes[which].running);
                for run in running {
                    let ended = self.end(which, run);
                    self.processes[which].ended.push(ended);
                }
                let now = self.now_of(which);
                let process = &self.processes[which];
                if let Err(error) = block_on(process.node.complete(now, &process.ended)) {
                    self.fail(&format!("a completion failed: {error}"));
                }
                self.processes[which].ended.clear();
            }
            self.time.advance_ms(2_000);
            if self.is_quiet() {
                return;
            }
        }
        self.fail("work is still open after everything had time to end");
    }
}
