//! A seeded simulation of a cluster: several nodes over one store, in virtual time, with crashes, lost leases, leaps of
//! time, wrong, jumping and drifting clocks, lost answers to completions, and edits in between.
//!
//! It calls the engine's own steps ([`Node`]) in an order that depends on the seed alone. At every step and at the end
//! it checks
//!
//! * that no fire runs twice: a first attempt of an instant is handed out once, and a further attempt exists only after
//!   a failure, or where the job requests recovery;
//! * that no more runs than a lane allows overlap on nodes that hold their lease;
//! * that every instant is accounted for ([`crate::account`]);
//! * that the audit ([`punctual_engine::audit`]) finds nothing in the end;
//! * that every row of the history is closed in the end;
//! * that each node knows the store's time as well as it says, and fires nothing before its time.

mod time;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use jiff::Timestamp;
use punctual_core::schedule::misfire::{CatchUp, Keep};
use punctual_core::schedule::{CronExpression, FixedDelay, Repeat, zone};
use punctual_core::time::plus_millis;
use punctual_core::{
    Calendar, CancelledFire, Cause, Change, Completion, Concurrency, Data, Fire, HistoryQuery, JobDetail,
    JobKey, JobKind, JobStore, KindSlots, Lane, MisfirePolicy, Outcome, Overlap, Pending, Retry, Schedule,
    StoreError, TaskStatus, Term, Trigger, TriggerKey, TriggerQuery, TriggerState,
};
use punctual_engine::{AuditOptions, Ended, JobRegistry, ManualClock, Node, Settings, audit};

use self::time::{MachineClock, WorldTime};
use crate::account;
use crate::factory::{cron, every, every_times};
use crate::faulty::FaultyStore;

/// Random numbers that depend on the seed alone (SplitMix64, public domain, Sebastiano Vigna).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

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

struct Running {
    fire: Arc<Fire>,
    term: Term,
}

/// What limits a fire, by a name of its own, and how many runs it allows.
fn lane_of(fire: &Fire) -> Option<(String, usize)> {
    let lane = Lane::of(1, &fire.job, &fire.trigger_data).unwrap()?;
    let name = if lane.id == 1 { fire.job.key.to_string() } else { lane.id.to_string() };
    Some((name, lane.limit as usize))
}

/// One simulated process.
struct Process {
    node: Node,
    machine: MachineClock,
    running: Vec<Running>,
    ended: Vec<Ended>,
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
    /// Attempts that were handed out, by trigger and instant.
    handed: HashMap<(TriggerKey, Timestamp), u32>,
    /// Fires that ended as failed, and may therefore be tried again.
    failed: HashSet<(TriggerKey, Timestamp)>,
}

/// Runs the simulation of one seed over a store; panics, naming the seed, when something is wrong.
pub fn run(seed: u64, store: Arc<dyn JobStore>) {
    let mut random = Random::new(seed);
    let steps = 60 + random.below(120);
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
        handed: HashMap::new(),
        failed: HashSet::new(),
    };
    world.define_jobs();
    for _ in 0..2 + world.random.below(3) {
        let process = world.start_process();
        world.processes.push(process);
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

    fn define_jobs(&mut self) {
        let change = self.calendar();
        self.apply(change);
        for number in 0..2 + self.random.below(4) {
            let name = format!("job-{number}");
            let mut job = JobDetail::new(name.as_str(), "test").durable();
            job.concurrency = match self.random.below(10) {
                0 => Some(Concurrency::limit(2)),
                1 => Some(Concurrency::key("shared").at_most(1 + self.random.below(2) as u32)),
                2 => Some(Concurrency::key("part:{part}")),
                _ => None,
            };
            if job.concurrency.is_none() && self.random.chance(40) {
                job = job.non_concurrent();
            }
            if job.is_limited() && self.random.chance(60) {
                job = job.overlap(if self.random.chance(50) { Overlap::Skip } else { Overlap::Cancel });
            }
            job = job.data(Data::stored(r#"{"part":0}"#));
            if self.random.chance(50) {
                job = job.requests_recovery();
            }
            let triggers = (0..1 + self.random.below(3)).map(|n| self.trigger(&job.key, n)).collect();
            self.jobs.insert(job.key.clone(), job.clone());
            self.apply(Change::Schedule { job, triggers });
        }
    }

    /// The calendar, excluding other minutes of the hour than before.
    fn calendar(&mut self) -> Change {
        let first = self.random.below(50);
        let expression =
            CronExpression::parse(&format!("* {first}-{} * * * ?", first + self.random.below(9)));
        let calendar = Calendar::cron(expression.unwrap(), zone("UTC").unwrap());
        Change::PutCalendar { name: "sim".to_owned(), calendar }
    }

    fn policy(&mut self, schedule: &Schedule) -> MisfirePolicy {
        match self.random.below(8) {
            0 => MisfirePolicy::IgnoreMisfires,
            1 if schedule.kind() == "cron" => MisfirePolicy::DoNothing,
            2 => MisfirePolicy::Skip,
            3 => MisfirePolicy::Once(if self.random.chance(50) { Keep::Earliest } else { Keep::Latest }),
            4 => {
                let window = self.random.chance(50).then(|| 1 + self.random.below(600_000));
                let (count, spacing) = (1 + self.random.below(6) as u32, self.random.below(3) * 1_500);
                MisfirePolicy::All(CatchUp::new(window, count, spacing).unwrap())
            }
            _ => MisfirePolicy::Smart,
        }
    }

    fn trigger(&mut self, job: &JobKey, number: u64) -> Trigger {
        let schedule = match self.random.below(6) {
            4 => Schedule::FixedDelay(
                FixedDelay::from_millis(1 + self.random.below(40_000), Repeat::Forever).unwrap(),
            ),
            5 => {
                let times = Repeat::Times(self.random.below(4) as u32);
                Schedule::FixedDelay(FixedDelay::from_millis(1 + self.random.below(20_000), times).unwrap())
            }
            0 => cron("0 * * * * ?"),
            1 => cron("*/20 * * * * ?"),
            2 => every(7 + self.random.below(40)),
            _ => every_times(5 + self.random.below(30), self.random.below(6) as u32),
        };
        let policy = self.policy(&schedule);
        let key = TriggerKey::stored("sim", format!("{}-{number}", job.name()));
        let trigger = Trigger::new(key, job.clone(), schedule)
            .misfire(policy)
            .misfire_threshold_ms(1_000 * self.random.below(90))
            .data(Data::stored(format!(r#"{{"n":{number},"part":{}}}"#, number % 2)));
        if self.random.chance(25) { trigger.calendar("sim") } else { trigger }
    }

    fn apply(&mut self, change: Change) {
        match block_on(self.store.apply(self.time.now(), &[change])) {
            // A schedule that has ended, or a job that is gone, is refused; that is an answer like any other.
            Ok(_) | Err(StoreError::Change(_)) => {}
            Err(error) => self.fail(&format!("an edit failed: {error}")),
        }
    }

    fn start_process(&mut self) -> Process {
        self.lives += 1;
        let settings = Settings { heartbeat_ms: 5_000, lease_ms: 15_000, ..Settings::default() };
        let machine = MachineClock::new(&self.time, &mut self.random);
        let node = Node::new(
            format!("node-{}", self.lives),
            "1".to_owned(),
            Arc::clone(&self.store),
            Arc::new(machine.clone()),
            settings,
            JobRegistry::new(),
        );
        if let Err(error) = block_on(node.heartbeat(node.clock().now())) {
            self.fail(&format!("a node could not register: {error}"));
        }
        Process { node, machine, running: Vec::new(), ended: Vec::new() }
    }

    fn step(&mut self) {
        let which = self.random.below(self.processes.len() as u64) as usize;
        match self.random.below(100) {
            0..25 => self.claim(which),
            25..45 => self.finish(which),
            45..60 => self.report(which),
            60..75 => self.heartbeat(which),
            75..89 => self.time.advance_ms(100 + self.random.below(12_000)),
            89..91 => self.time.advance_ms(self.random.below(600_000)),
            91 => self.processes[which].machine.jump(&mut self.random),
            92..95 => self.crash(which),
            _ => self.edit(),
        }
    }

    /// The time as a node knows it, which is as good as the node says.
    fn now_of(&self, which: usize) -> Timestamp {
        let node = &self.processes[which].node;
        let (known, world) = (node.clock().now(), self.time.now());
        let error_ms = known.duration_since(world).abs().as_millis_f64();
        let quality = node.clock_quality();
        if !quality.measured || error_ms > quality.uncertainty_ms as f64 {
            self.fail(&format!("a node takes the time for {known} and is sure of it: {quality:?}"));
        }
        known
    }

    fn claim(&mut self, which: usize) {
        let now = self.now_of(which);
        let limit = 1 + self.random.below(6) as usize;
        let kinds = [KindSlots { kind: JobKind::new("test"), free: limit }];
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
            self.check_fire(&fire, now);
            self.processes[which].running.push(Running { fire: Arc::new(fire), term });
        }
        self.stop(which, &claimed.cancelled);
    }

    /// Runs that were asked to stop do so, and are not tried again.
    fn stop(&mut self, which: usize, cancelled: &[CancelledFire]) {
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

    fn check_fire(&mut self, fire: &Fire, now: Timestamp) {
        if fire.scheduled_at > now {
            self.fail(&format!("{} was fired before its time {}", fire.trigger, fire.scheduled_at));
        }
        if let Some((lane, limit)) = lane_of(fire) {
            let trusted = |process: &&Process| process.node.trusts_lease(process.node.clock().now());
            let live = self.processes.iter().filter(trusted).flat_map(|process| {
                process.running.iter().filter(|running| Some(running.term) == process.node.term())
            });
            let others =
                live.filter_map(|running| lane_of(&running.fire)).filter(|(other, _)| *other == lane);
            if others.count() >= limit {
                self.fail(&format!("more than {limit} runs of {lane:?} overlap: {}", fire.job.key));
            }
        }
        let instant = (fire.trigger.clone(), fire.scheduled_at);
        let before = self.handed.insert(instant.clone(), fire.attempt);
        match (before, fire.cause) {
            (None, Cause::Schedule | Cause::Manual) if fire.attempt == 1 => {}
            (Some(_), Cause::Retry) if self.failed.contains(&instant) => {}
            (Some(_), Cause::Recovery) if fire.job.requests_recovery => {}
            _ => self.fail(&format!("{} of {} runs again: {fire:?}", fire.scheduled_at, fire.trigger)),
        }
    }

    /// Some of what runs on a node ends.
    fn finish(&mut self, which: usize) {
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

    fn end(&mut self, which: usize, run: Running) -> Ended {
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
    fn report(&mut self, which: usize) {
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

    fn heartbeat(&mut self, which: usize) {
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
        let recovered = match block_on(self.processes[which].node.recover(now)) {
            Ok(recovered) => recovered,
            Err(error) => self.fail(&format!("recovery failed: {error}")),
        };
        if !beat.lost && !recovered.is_empty() {
            self.fail("a heartbeat said that nothing was lost, and something was");
        }
        match block_on(self.processes[which].node.repair(now)) {
            Ok(repairs) if repairs.is_empty() => {}
            Ok(repairs) => self.fail(&format!("an invariant was broken: {repairs:?}")),
            Err(error) => self.fail(&format!("a repair failed: {error}")),
        }
    }

    /// `kill -9`: everything the process knew is gone, and another one starts.
    fn crash(&mut self, which: usize) {
        let process = self.start_process();
        self.processes[which] = process;
    }

    fn edit(&mut self) {
        let jobs: Vec<JobDetail> = self.jobs.values().cloned().collect();
        let job = jobs[self.random.below(jobs.len() as u64) as usize].clone();
        let number = self.random.below(3);
        let key = TriggerKey::stored("sim", format!("{}-{number}", job.key.name()));
        let change = match self.random.below(10) {
            8 => self.calendar(),
            9 => return self.cancel_something(),
            0 => Change::PauseTrigger(key),
            1 | 2 => Change::ResumeTrigger(key),
            3 => Change::PauseJob(job.key),
            4 => Change::ResumeJob(job.key),
            5 => Change::TriggerNow { job: job.key, data: Data::empty() },
            6 => Change::DeleteTrigger(key),
            // A trigger of a key that existed before would make old rows look like its own.
            _ => {
                let fresh = 1_000 + self.random.below(1_000_000);
                Change::PutTrigger(self.trigger(&job.key, fresh))
            }
        };
        self.apply(change);
    }

    /// Somebody asks a run to stop.
    fn cancel_something(&mut self) {
        let open = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
        let rows = block_on(self.store.history(&open)).unwrap().rows;
        if let Some(row) = rows.first()
            && !block_on(self.store.request_cancel(row.id, "simulated")).unwrap()
        {
            self.fail(&format!("run {} is open and could not be asked to stop", row.id));
        }
    }

    /// Lets everything come to an end: no more crashes, no more edits, every trigger paused.
    fn settle(&mut self) {
        for _ in 0..400 {
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

    /// Nothing is open, nothing waits to be tried again, and nothing is due.
    fn is_quiet(&self) -> bool {
        let open = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
        let triggers = block_on(self.store.triggers(&TriggerQuery::default())).unwrap().rows;
        let now = self.time.now();
        block_on(self.store.history(&open)).unwrap().total == 0
            && triggers.iter().all(|trigger| {
                trigger.state != TriggerState::Waiting
                    || (trigger.pending.is_none() && trigger.next_fire_at.is_some_and(|next| next > now))
                    || trigger.definition.schedule.kind() != "once" && trigger.pending.is_none()
            })
    }

    fn check_end(&self) {
        let triggers = block_on(self.store.triggers(&TriggerQuery::default())).unwrap().rows;
        for trigger in &triggers {
            if let Err(problem) = block_on(account::check(&self.store, trigger)) {
                self.fail(&problem);
            }
            // A further attempt may wait in a paused pending run.
            let again = |run: &Pending| run.trigger.as_ref() == Some(&trigger.definition.key);
            let waits_for = triggers.iter().filter_map(|trigger| trigger.pending.as_ref()).any(again);
            if trigger.awaits_end() && !waits_for {
                self.fail(&format!(
                    "{} waits for the end of a run that does not exist",
                    trigger.definition.key
                ));
            }
            if trigger.state == TriggerState::Complete {
                self.fail(&format!("the finished trigger {} is still there", trigger.definition.key));
            }
        }
        // The clocks are wrong by some milliseconds; lanes are checked exactly while it runs.
        let options = AuditOptions { tolerance_ms: Some(500), ..AuditOptions::default() };
        let clock = ManualClock::new(self.time.now());
        let report = block_on(audit(&*self.store, &clock, &options)).unwrap();
        if !report.is_clean() {
            self.fail(&format!("the audit found {:?}", report.problems));
        }
        for row in block_on(self.store.history(&HistoryQuery::default())).unwrap().rows {
            if row.ended_at.is_none() {
                self.fail(&format!("row {} is still open", row.id));
            }
        }
    }
}
