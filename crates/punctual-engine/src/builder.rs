//! Builds a [`Scheduler`].

use std::collections::BTreeMap;
use std::sync::Arc;

use punctual_core::{Calendar, Clock, JobDetail, JobKind, JobStore, Trigger};

use crate::clock::SystemClock;
use crate::job::Job;
use crate::kinds::Kinds;
use crate::listen::{Listener, LogListener};
use crate::node::Node;
use crate::registry::JobRegistry;
use crate::scheduler::Scheduler;
use crate::settings::{Settings, disabled_by_env};
use crate::start::StartTask;

/// A job with its triggers that the scheduler stores when it starts. Idempotent: an entry that is already
/// stored as it says is left alone, a changed one is updated.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What reports call it.
    pub name: String,
    /// The job.
    pub job: JobDetail,
    /// All its triggers.
    pub triggers: Vec<Trigger>,
}

impl Entry {
    /// An entry that is called like its job.
    pub fn new(job: JobDetail, triggers: Vec<Trigger>) -> Self {
        Self { name: job.key.to_string(), job, triggers }
    }
}

/// What exists from the start.
pub(crate) struct Contents {
    pub(crate) calendars: Vec<(String, Calendar)>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) on_start: Vec<StartTask>,
}

/// Why a scheduler cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting is out of its range.
    #[error("a scheduler setting is wrong: {0}")]
    Settings(String),
    /// The lists of retired and renamed kinds contradict each other, or the registered ones.
    #[error("{0}")]
    Kinds(String),
    /// The node's name cannot be used.
    #[error("the node name {0:?} is wrong: give 1 to 100 characters without control characters")]
    NodeName(String),
}

/// Builds a [`Scheduler`]: see [`Scheduler::builder`].
#[must_use]
pub struct SchedulerBuilder {
    store: Arc<dyn JobStore>,
    clock: Option<Arc<dyn Clock>>,
    name: String,
    version: String,
    settings: Settings,
    registry: JobRegistry,
    listeners: Vec<Arc<dyn Listener>>,
    entries: Vec<Entry>,
    on_start: Vec<StartTask>,
    calendars: Vec<(String, Calendar)>,
    disabled: bool,
    log: bool,
    retired: Vec<JobKind>,
    renamed: BTreeMap<JobKind, JobKind>,
}

impl SchedulerBuilder {
    pub(crate) fn new(store: Arc<dyn JobStore>) -> Self {
        Self {
            store,
            clock: None,
            name: "node".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: Settings::default(),
            registry: JobRegistry::new(),
            listeners: Vec::new(),
            entries: Vec::new(),
            on_start: Vec::new(),
            calendars: Vec::new(),
            disabled: disabled_by_env(),
            log: true,
            retired: Vec::new(),
            renamed: BTreeMap::new(),
        }
    }

    /// Sets the clock; the machine's unless set.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the node's name, unique in the cluster; `node` unless set.
    pub fn node_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the version that the node reports.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets all figures.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets how many runs the node has under way at most; 10 unless set.
    pub fn slots(mut self, slots: usize) -> Self {
        self.settings.slots = slots;
        self
    }

    /// Sets all kinds at once.
    pub fn registry(mut self, registry: JobRegistry) -> Self {
        self.registry = registry;
        self
    }

    /// Registers a kind.
    pub fn job<J: Job>(mut self, job: J) -> Self {
        self.registry.register(job);
        self
    }

    /// Registers a kind of which this node runs at most `limit` at a time.
    pub fn job_limited<J: Job>(mut self, job: J, limit: usize) -> Self {
        self.registry.register_limited(job, limit);
        self
    }

    /// Adds a listener. A [`LogListener`] is there already: see [`Self::without_log`].
    pub fn listener(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Leaves out the [`LogListener`].
    pub fn without_log(mut self) -> Self {
        self.log = false;
        self
    }

    /// Adds a calendar that exists from the start, stored before the jobs.
    pub fn calendar(mut self, name: impl Into<String>, calendar: Calendar) -> Self {
        self.calendars.push((name.into(), calendar));
        self
    }

    /// Adds calendars that exist from the start.
    pub fn calendars(mut self, calendars: impl IntoIterator<Item = (String, Calendar)>) -> Self {
        self.calendars.extend(calendars);
        self
    }

    /// Adds a job that exists from the start.
    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Adds jobs that exist from the start.
    pub fn entries(mut self, entries: impl IntoIterator<Item = Entry>) -> Self {
        self.entries.extend(entries);
        self
    }

    /// Adds a job that runs once when the scheduler starts: at each [`Scheduler::start`] of a node that does not only end a
    /// standby, once for a cluster and a version, or once for each boot of the machine. A disabled scheduler runs none.
    pub fn on_start(mut self, task: StartTask) -> Self {
        self.on_start.push(task);
        self
    }

    /// Names a kind whose code is gone for good: its jobs are deleted with their triggers when the scheduler starts, each
    /// with an entry in the log of changes ([`punctual_core::Event::JobRetired`]). Nothing else deletes jobs of unknown kinds.
    pub fn retired_kind(mut self, kind: impl Into<JobKind>) -> Self {
        self.retired.push(kind.into());
        self
    }

    /// Names a kind that is called `new`, a registered kind, from now on. This node runs jobs of either name, within one
    /// limit. Stored jobs get the new name at the start, or as soon as no live node knows the old name only.
    pub fn renamed_kind(mut self, old: impl Into<JobKind>, new: impl Into<JobKind>) -> Self {
        self.renamed.insert(old.into(), new.into());
        self
    }

    /// Stores and answers, but never fires; unless set, as `PUNCTUAL_DISABLE_SCHEDULER` says.
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = disabled;
        self
    }

    pub(crate) fn into_parts(mut self) -> Result<(Node, Contents, Kinds, bool), BuildError> {
        self.settings.check().map_err(BuildError::Settings)?;
        let characters = self.name.chars().count();
        if !(1..=100).contains(&characters) || self.name.chars().any(char::is_control) {
            return Err(BuildError::NodeName(self.name));
        }
        let kinds = Kinds::new(self.retired, self.renamed);
        kinds.check(&self.registry.kinds()).map_err(BuildError::Kinds)?;
        for (old, new) in &kinds.renamed {
            self.registry.alias(old.clone(), new);
        }
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let mut node = Node::new(self.name, self.version, self.store, clock, self.settings, self.registry);
        if self.log {
            node.listeners.add(Arc::new(LogListener));
        }
        self.listeners.into_iter().for_each(|listener| node.listeners.add(listener));
        Ok((
            node,
            Contents { calendars: self.calendars, entries: self.entries, on_start: self.on_start },
            kinds,
            self.disabled,
        ))
    }

    /// Builds the scheduler. Nothing is stored or fired before [`Scheduler::init`] or [`Scheduler::start`].
    pub fn build(self) -> Result<Scheduler, BuildError> {
        let (node, contents, kinds, disabled) = self.into_parts()?;
        Ok(Scheduler::assemble(node, contents, kinds, disabled))
    }
}

impl std::fmt::Debug for SchedulerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchedulerBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .field("kinds", &self.registry)
            .finish_non_exhaustive()
    }
}
