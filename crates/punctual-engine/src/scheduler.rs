//! The scheduler: a node's life from its start to its end.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use punctual_core::time::plus_millis;
use punctual_core::{
    CancelledFire, Change, Clock, Declared, Event, Fire, JobStore, NodeState, StoreError, StoredJob, Term,
    Trigger,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::asked;
use crate::builder::{Contents, Entry, SchedulerBuilder};
use crate::driver;
use crate::execute::{Ended, Requests};
use crate::guard::{Guard, guard_loop};
use crate::job::DataProblem;
use crate::kinds::{self, Kinds};
use crate::node::{Node, Status};
use crate::recorder;
use crate::start::Refused;

/// How long after the end of a namesake's lease this node registers, in milliseconds.
const NAMESAKE_MARGIN_MS: i64 = 50;

/// A node's scheduler. Cheap to clone: all clones are one scheduler.
///
/// Its life: [`Scheduler::init`] registers the node and stores its entries; [`Scheduler::start`] begins to
/// claim; [`Scheduler::standby`] stops claiming and goes on living; [`Scheduler::shutdown`] ends it for good.
/// Jobs can be scheduled and edited from the first moment on.
#[derive(Clone)]
pub struct Scheduler {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) node: Node,
    contents: Contents,
    /// How many start-up tasks have been seen to.
    start_tasks_done: tokio::sync::Mutex<usize>,
    disabled: bool,
    pub(crate) kinds: Kinds,
    /// Wakes the claim loop: something may be due, a slot is free, or the phase changed.
    pub(crate) wake: Notify,
    /// Wakes the loop that carries out what applications asked for.
    pub(crate) asked: Notify,
    /// Wakes the heartbeat loop before its time.
    pub(crate) beat: Notify,
    /// Wakes the completion loop.
    pub(crate) ended: Notify,
    /// Wakes those who wait for a cluster lock: this process gave one up.
    pub(crate) unlocked: Notify,
    pub(crate) queue: Mutex<Vec<Ended>>,
    pub(crate) unstarted: Mutex<Vec<Fire>>,
    pub(crate) running: AtomicUsize,
    /// Ended runs that were taken out of the queue and are being stored.
    pub(crate) storing: AtomicUsize,
    /// Whether the claim loop waits for room, so that the end of a run should wake it.
    pub(crate) starved: AtomicBool,
    /// When a claim last left something due, in milliseconds.
    pub(crate) behind_at: AtomicI64,
    pub(crate) tracker: TaskTracker,
    /// Cancels runs.
    pub(crate) guard: Guard,
    /// Runs that were asked to stop.
    pub(crate) requests: Arc<Requests>,
    /// Ends the loops.
    pub(crate) stop: CancellationToken,
    pub(crate) loops: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) lifecycle: tokio::sync::Mutex<Lifecycle>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    New,
    Initialised,
    Stopped,
}

/// What [`Scheduler::init`] did.
#[derive(Clone, Debug, Default)]
pub struct InitReport {
    /// How many entries are stored as they say.
    pub registered: usize,
    /// How many jobs were deleted because their kind is retired ([`SchedulerBuilder::retired_kind`]).
    pub retired: usize,
    /// How many jobs go on under another kind ([`SchedulerBuilder::renamed_kind`]); others follow when no live node is left
    /// that knows the old name only.
    pub renamed: usize,
    /// The entries that were refused, with the reason. The others are not affected.
    pub failed: Vec<(String, String)>,
    /// How many start-up tasks this start let run ([`crate::StartTask`]); those that are refused are in `failed`, too.
    pub started: usize,
}

/// What [`Scheduler::shutdown`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Fires handed back without having been started.
    pub released: usize,
    /// Runs that outlived the limit and were cancelled.
    pub cancelled: usize,
    /// Runs whose end could not be stored; recovery will take them up.
    pub unreported: usize,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The guarded values are plain lists and tokens; none is left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scheduler {
    /// Begins a scheduler over a store.
    pub fn builder(store: Arc<dyn JobStore>) -> SchedulerBuilder {
        SchedulerBuilder::new(store)
    }

    pub(crate) fn assemble(node: Node, contents: Contents, kinds: Kinds, disabled: bool) -> Self {
        let inner = Inner {
            node,
            contents,
            start_tasks_done: tokio::sync::Mutex::new(0),
            disabled,
            kinds,
            wake: Notify::new(),
            asked: Notify::new(),
            beat: Notify::new(),
            ended: Notify::new(),
            unlocked: Notify::new(),
            queue: Mutex::default(),
            unstarted: Mutex::default(),
            running: AtomicUsize::new(0),
            storing: AtomicUsize::new(0),
            starved: AtomicBool::new(false),
            behind_at: AtomicI64::new(i64::MIN),
            tracker: TaskTracker::new(),
            guard: Guard::default(),
            requests: Arc::default(),
            stop: CancellationToken::new(),
            loops: Mutex::default(),
            lifecycle: tokio::sync::Mutex::new(Lifecycle::New),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn JobStore> {
        &self.inner.node.store
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.node.clock
    }

    /// The node under the scheduler.
    pub fn node(&self) -> &Node {
        &self.inner.node
    }

    /// The present instant by the clock that the node goes by.
    pub fn now(&self) -> Timestamp {
        self.inner.node.clock.now()
    }

    /// How the node is doing.
    pub fn status(&self) -> Status {
        self.inner.node.status(self.now(), self.inner.running.load(Ordering::Relaxed))
    }

    /// Registers the node, stores the entries, and keeps the node's lease from then on. Claims nothing yet.
    /// Does nothing when it was done already.
    ///
    /// # Errors
    /// When the store cannot register the node: also when another has its name and lives, which shows when the lease that
    /// it has ends. A refused entry is no error: see [`InitReport::failed`].
    pub async fn init(&self) -> Result<InitReport, StoreError> {
        let mut lifecycle = self.inner.lifecycle.lock().await;
        if *lifecycle != Lifecycle::New {
            return Ok(InitReport::default());
        }
        self.register().await?;
        self.inner.node.set_phase(NodeState::Standby, self.now());
        let settled = kinds::settle(&self.inner).await?;
        let mut report = self.register_entries().await?;
        (report.retired, report.renamed) = (settled.retired, settled.renamed);
        let mut loops = lock(&self.inner.loops);
        loops.push(tokio::spawn(driver::heartbeat_loop(Arc::clone(&self.inner))));
        loops.push(tokio::spawn(driver::arrange_loop(Arc::clone(&self.inner))));
        loops.push(tokio::spawn(guard_loop(Arc::clone(&self.inner))));
        loops.push(tokio::spawn(driver::completion_loop(Arc::clone(&self.inner))));
        loops.push(tokio::spawn(driver::claim_loop(Arc::clone(&self.inner))));
        loops.push(tokio::spawn(driver::changed_loop(Arc::clone(&self.inner))));
        loops.push(tokio::spawn(asked::asked_loop(Arc::clone(&self.inner))));
        loops.push(tokio::spawn(recorder::report_loop(Arc::clone(&self.inner))));
        *lifecycle = Lifecycle::Initialised;
        Ok(report)
    }

    /// Registers the node. One of the same name may have been killed and started again at once: its lease is waited for,
    /// once. A namesake that is alive renews it.
    async fn register(&self) -> Result<(), StoreError> {
        let node = &self.inner.node;
        let taken = match node.heartbeat(self.now()).await {
            Err(StoreError::NameTaken(name)) => name,
            other => return other.map(drop),
        };
        let namesake = node.store.nodes().await?.into_iter().find(|other| other.name == taken);
        if let Some(namesake) = namesake {
            let until = namesake.lease_until;
            info!(node.name = %taken, "a node named {taken} is registered: waiting until {until}, when its lease ends");
            node.clock.sleep_until(plus_millis(until, NAMESAKE_MARGIN_MS)).await;
        }
        node.heartbeat(self.now()).await.map(drop)
    }

    /// Begins to claim due fires; initialises first where that has not been done. A disabled scheduler stays in
    /// standby and says so.
    ///
    /// # Errors
    /// As [`Self::init`]; and when the scheduler was shut down, since a node does not come back: build another.
    pub async fn start(&self) -> Result<InitReport, StoreError> {
        let mut report = self.init().await?;
        if *self.inner.lifecycle.lock().await == Lifecycle::Stopped {
            return Err(StoreError::Other("this scheduler was shut down: build another".to_owned()));
        }
        if self.inner.disabled {
            warn!("the scheduler is disabled: jobs and triggers are stored, and this node fires nothing");
            return Ok(report);
        }
        self.run_start_tasks(&mut report).await?;
        self.inner.node.set_phase(NodeState::Running, self.now());
        self.inner.wake.notify_one();
        Ok(report)
    }

    /// Lets the start-up tasks run, each once in the life of this scheduler.
    pub(crate) async fn run_start_tasks(&self, report: &mut InitReport) -> Result<(), StoreError> {
        let mut done = self.inner.start_tasks_done.lock().await;
        // After an error, another call goes on with the task that failed.
        for task in self.inner.contents.on_start.iter().skip(*done) {
            let name = task.job().key.to_string();
            match self.run_start_task(task).await {
                Ok(ran) => report.started += usize::from(ran),
                Err(Refused::Task(problem)) => {
                    error!(job.key = %name, error = %problem, "start-up task {name} is not run: {problem}");
                    report.failed.push((name, problem));
                }
                Err(Refused::Store(error)) => return Err(error),
            }
            *done += 1;
        }
        Ok(())
    }

    /// Stops claiming; what runs goes on, and the node stays a live member. [`Self::start`] resumes.
    pub fn standby(&self) {
        if self.inner.node.phase() == NodeState::Running {
            self.inner.node.set_phase(NodeState::Standby, self.now());
            self.inner.wake.notify_one();
        }
    }

    pub(crate) async fn register_entries(&self) -> Result<InitReport, StoreError> {
        let mut report = InitReport::default();
        let node = &self.inner.node;
        let declare = |what: Declared| what.by(&node.name, Some(REGISTERED.to_owned()));
        for (name, calendar) in &self.inner.contents.calendars {
            let declared = Declared::Calendar { name: name.clone(), calendar: calendar.clone() };
            match node.store.apply(self.now(), &[declare(declared)]).await {
                Ok(_) => {}
                Err(StoreError::Change(problem)) => {
                    report.failed.push((format!("calendar {name}"), problem.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        let mut good = Vec::new();
        for entry in &self.inner.contents.entries {
            match self.check_entry(entry) {
                Ok(()) => good.push(entry),
                Err(problem) => report.failed.push((entry.name.clone(), problem)),
            }
        }
        let changes: Vec<Change> = good.iter().map(|entry| declare(entry.declared())).collect();
        // All at once is quick; only when something is wrong are they tried one by one, to find which.
        match node.store.apply(self.now(), &changes).await {
            Ok(_) => report.registered = good.len(),
            Err(StoreError::Change(_)) => {
                for entry in good {
                    match node.store.apply(self.now(), &[declare(entry.declared())]).await {
                        Ok(_) => report.registered += 1,
                        Err(StoreError::Change(problem)) => {
                            report.failed.push((entry.name.clone(), problem.to_string()));
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        for (name, problem) in &report.failed {
            error!(entry = %name, error = %problem, "{name} could not be registered: {problem}");
        }
        info!(
            registered = report.registered,
            failed = report.failed.len(),
            "{} job(s) registered, {} refused",
            report.registered,
            report.failed.len()
        );
        Ok(report)
    }

    fn check_entry(&self, entry: &Entry) -> Result<(), String> {
        self.check_data(&entry.job, &entry.triggers)
    }

    /// Whether the data that the triggers give a job fits the job's kind, where this node knows the kind. Without triggers
    /// the job's own has to be right as far as it goes: a trigger may bring what is missing.
    pub(crate) fn check_data(
        &self,
        job: &punctual_core::JobDetail,
        triggers: &[Trigger],
    ) -> Result<(), String> {
        let registry = &self.inner.node.registry;
        if triggers.is_empty() {
            return match registry.check_data(&job.kind, &job.data) {
                Err(problem @ DataProblem::Wrong(_)) => Err(misfit(job, "the job", &problem)),
                Err(DataProblem::Missing(_)) | Ok(()) => Ok(()),
            };
        }
        // What an event brings is not known yet; a run whose data does not fit fails and says so.
        for trigger in triggers.iter().filter(|trigger| trigger.schedule.event().is_none()) {
            let merged = job.data.merged(&trigger.data).map_err(|error| error.to_string())?;
            let of = || format!("trigger {}", trigger.key);
            registry.check_data(&job.kind, &merged).map_err(|problem| misfit(job, &of(), &problem))?;
        }
        Ok(())
    }

    /// Whether the job's data with `data` laid over it fits the job's kind, where this node knows the kind.
    pub(crate) fn check_run(
        &self,
        job: &punctual_core::JobDetail,
        data: &punctual_core::Data,
    ) -> Result<(), String> {
        let merged = job.data.merged(data).map_err(|error| error.to_string())?;
        let checked = self.inner.node.registry.check_data(&job.kind, &merged);
        checked.map_err(|problem| misfit(job, "the run", &problem))
    }

    pub(crate) async fn stored_job(
        &self,
        key: &punctual_core::JobKey,
    ) -> Result<Option<StoredJob>, StoreError> {
        self.inner.node.store.job(key).await
    }
}

impl Inner {
    pub(crate) fn draining(&self) -> bool {
        self.node.phase() == NodeState::Draining
    }

    /// How often to look for work at present.
    pub(crate) fn poll_ms(&self) -> u64 {
        let settings = &self.node.settings;
        match self.node.store.hears_changes() {
            Some(false) => settings.poll_ms.min(settings.unheard_poll_ms),
            _ => settings.poll_ms,
        }
    }

    /// Asks runs of this node to stop. Others hear of it by their own heartbeats.
    pub(crate) fn cancel_runs(&self, term: Term, cancelled: &[CancelledFire]) {
        for fire in cancelled.iter().filter(|fire| fire.term == term) {
            if self.requests.request(fire.id, &fire.reason) {
                let (id, reason) = (fire.id, fire.reason.clone());
                self.node.listeners.emit(&Event::CancelRequested { id, reason });
            }
        }
    }

    /// Cancels everything that was claimed under a lost term.
    pub(crate) fn cancel_lost(&self, term: Term) {
        let count = self.running.load(Ordering::SeqCst);
        self.guard.cancel_lost();
        if count > 0 {
            warn!(
                node.term = term.0,
                count, "runs under the lost lease were cancelled ({count}): they belong to recovery"
            );
        }
    }
}

/// Why a definition changed, for the log of changes.
const REGISTERED: &str = "registered at the start";

impl Entry {
    fn declared(&self) -> Declared {
        Declared::Job { job: self.job.clone(), triggers: self.triggers.clone() }
    }
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").field("node", &self.inner.node).finish_non_exhaustive()
    }
}

fn misfit(job: &punctual_core::JobDetail, of: &str, problem: &DataProblem) -> String {
    format!("the data of {of} does not fit kind {}: {problem}", job.kind)
}
