//! The kinds of jobs that a node can run.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use punctual_core::{Data, JobKind, KindSlots};

use crate::job::{DataProblem, Job, JobContext, JobError, JobResult, Run};

pub(crate) type RunFuture = Pin<Box<dyn Future<Output = JobResult> + Send>>;

/// A job without the type of its data.
trait ErasedJob: Send + Sync {
    fn start(self: Arc<Self>, data: Data, run: Arc<Run>) -> RunFuture;
    fn check(&self, data: &Data) -> Result<(), DataProblem>;
}

struct Typed<J>(J);

impl<J: Job> ErasedJob for Typed<J> {
    fn start(self: Arc<Self>, data: Data, run: Arc<Run>) -> RunFuture {
        Box::pin(async move {
            let data = data.parse::<J::Data>().map_err(|error| {
                let message = format!("the data of the job does not fit its kind {}: {error}", J::KIND);
                JobError::of_kind("invalid data", message, false)
            })?;
            self.0.run(JobContext::new(data, run)).await
        })
    }

    fn check(&self, data: &Data) -> Result<(), DataProblem> {
        J::check(&typed::<J>(data)?)
    }
}

/// The arguments in their type; what does not fit is told with its member.
fn typed<J: Job>(data: &Data) -> Result<J::Data, DataProblem> {
    let read = |data: &Data| data.parse::<J::Data>().map_err(|error| without_place(&error.to_string()));
    let problem = match read(data) {
        Ok(data) => return Ok(data),
        Err(problem) => problem,
    };
    if data.is_empty() || problem.starts_with("missing field") {
        return Err(DataProblem::Missing(problem));
    }
    let Ok(members) = data.to_map() else { return Err(DataProblem::Wrong(problem)) };
    // The one without which there is another problem, or none.
    let culprit = members.keys().find(|name| {
        let mut rest = members.clone();
        rest.remove(*name);
        read(&Data::from_map(&rest)).err().as_ref() != Some(&problem)
    });
    Err(DataProblem::Wrong(match culprit {
        Some(name) if !problem.contains(&format!("`{name}`")) => format!("{name}: {problem}"),
        _ => problem,
    }))
}

/// A message without its place in a text that nobody wrote.
fn without_place(message: &str) -> String {
    message.split_once(" at line ").map_or(message, |(message, _)| message).to_owned()
}

/// One registered kind.
pub(crate) struct KindEntry {
    job: Arc<dyn ErasedJob>,
    limit: Option<usize>,
    running: AtomicUsize,
}

impl KindEntry {
    pub(crate) fn start(&self, data: Data, run: Arc<Run>) -> RunFuture {
        Arc::clone(&self.job).start(data, run)
    }

    /// Whether there was room. There may be none for what two names of one kind were claimed by together.
    pub(crate) fn try_begin(&self) -> bool {
        let limit = self.limit.unwrap_or(usize::MAX);
        let one_more = |running| (running < limit).then_some(running + 1);
        self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(crate) fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether the kind was at its limit, so that more of it could not be claimed until now.
    pub(crate) fn end(&self) -> bool {
        let before = self.running.fetch_sub(1, Ordering::Relaxed);
        self.limit.is_some_and(|limit| before >= limit)
    }
}

/// The kinds of jobs that a node can run, each with its code and an optional limit.
#[derive(Default, Clone)]
pub struct JobRegistry {
    entries: BTreeMap<JobKind, Arc<KindEntry>>,
}

impl JobRegistry {
    /// No kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a job under its [`Job::KIND`], replacing an earlier one of the same kind.
    pub fn register<J: Job>(&mut self, job: J) -> &mut Self {
        self.insert(job, None)
    }

    /// Registers a job of which this node runs at most `limit` (at least 1) at a time.
    pub fn register_limited<J: Job>(&mut self, job: J, limit: usize) -> &mut Self {
        self.insert(job, Some(limit.max(1)))
    }

    fn insert<J: Job>(&mut self, job: J, limit: Option<usize>) -> &mut Self {
        let kind = JobKind::new(J::KIND);
        let job = Arc::new(Typed(job));
        let entry = KindEntry { job, limit, running: AtomicUsize::new(0) };
        self.entries.insert(kind, Arc::new(entry));
        self
    }

    /// Lets `new`, which is registered, be known as `old`, too; both count against one limit.
    pub(crate) fn alias(&mut self, old: JobKind, new: &JobKind) {
        if let Some(entry) = self.entries.get(new).map(Arc::clone) {
            self.entries.insert(old, entry);
        }
    }

    /// The registered kinds, ascending.
    pub fn kinds(&self) -> Vec<JobKind> {
        self.entries.keys().cloned().collect()
    }

    /// Whether a kind is registered.
    pub fn contains(&self, kind: &JobKind) -> bool {
        self.entries.contains_key(kind)
    }

    /// Whether `data` fits a kind; unknown kinds accept anything, since another node may know them.
    pub fn check_data(&self, kind: &JobKind, data: &Data) -> Result<(), DataProblem> {
        self.entries.get(kind).map_or(Ok(()), |entry| entry.job.check(data))
    }

    pub(crate) fn entry(&self, kind: &JobKind) -> Option<&Arc<KindEntry>> {
        self.entries.get(kind)
    }

    /// How many more runs of each kind fit; kinds without room are left out.
    pub(crate) fn free(&self, slots: usize) -> Vec<KindSlots> {
        self.entries
            .iter()
            .map(|(kind, entry)| {
                let free = match entry.limit {
                    Some(limit) => slots.min(limit.saturating_sub(entry.running.load(Ordering::Relaxed))),
                    None => slots,
                };
                KindSlots { kind: kind.clone(), free }
            })
            .filter(|slots| slots.free > 0)
            .collect()
    }
}

impl fmt::Debug for JobRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}
