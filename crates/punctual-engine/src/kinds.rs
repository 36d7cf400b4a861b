//! Kinds that are no more, or that are called otherwise now.
//!
//! A kind that was renamed is registered under both names, so that the node runs what other nodes still store under the old
//! one. Stored jobs are given the new name only when every live node knows it: until then nodes of the older version can
//! run them, too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use punctual_core::{AuditEntry, Change, Event, JobKey, JobKind, JobQuery, NodeState, Paging, StoreError};
use tracing::info;

use crate::scheduler::Inner;

/// How many jobs are read at a time.
const PAGE: u64 = 500;

/// What a node was told about kinds.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    pub(crate) retired: Vec<JobKind>,
    /// The new name of each old one.
    pub(crate) renamed: BTreeMap<JobKind, JobKind>,
    /// Whether stored jobs are as these lists say, as far as this node knows.
    settled: AtomicBool,
}

/// What was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) retired: usize,
    pub(crate) renamed: usize,
}

impl Kinds {
    pub(crate) fn new(retired: Vec<JobKind>, renamed: BTreeMap<JobKind, JobKind>) -> Self {
        Self { retired, renamed, settled: AtomicBool::new(false) }
    }

    /// What is wrong with the lists, where `known` are the registered kinds.
    pub(crate) fn check(&self, known: &[JobKind]) -> Result<(), String> {
        for kind in &self.retired {
            if known.contains(kind) {
                return Err(format!("kind {kind} is retired and registered: take it off one of the lists"));
            }
            if self.renamed.contains_key(kind) {
                return Err(format!("kind {kind} is retired and renamed: take it off one of the lists"));
            }
        }
        for (old, new) in &self.renamed {
            if !known.contains(new) {
                return Err(format!(
                    "kind {old} is renamed to {new}, which is not registered: give one that is"
                ));
            }
            if known.contains(old) {
                return Err(format!("kind {old} is renamed and registered: take it off one of the lists"));
            }
        }
        Ok(())
    }
}

/// Deletes the jobs of retired kinds, and renames others as soon as that takes them from nobody.
pub(crate) async fn settle(inner: &Inner) -> Result<Settled, StoreError> {
    let kinds = &inner.kinds;
    let mut settled = Settled::default();
    if kinds.settled.load(Ordering::Relaxed) || (kinds.retired.is_empty() && kinds.renamed.is_empty()) {
        return Ok(settled);
    }
    let node = &inner.node;
    let now = node.clock.now();
    let others = node.store.nodes().await?;
    let mut others = others.iter().filter(|other| {
        other.lease_until > now && Some(other.term) != node.term() && other.state != NodeState::Draining
    });
    let behind = others.find(|other| {
        kinds.renamed.iter().any(|(old, new)| other.kinds.contains(old) && !other.kinds.contains(new))
    });
    let mut waits = 0;
    for (job, kind) in stored_kinds(inner).await? {
        if kinds.retired.contains(&kind) {
            let entry = AuditEntry::new(&node.name, "job.retire", job.to_string());
            let changes = [Change::DeleteJob(job.clone()), Change::Audit(entry)];
            node.store.apply(node.clock.now(), &changes).await?;
            settled.retired += 1;
            node.listeners.emit(&Event::JobRetired { job, kind });
        } else if let Some(new) = kinds.renamed.get(&kind) {
            if behind.is_some() {
                waits += 1;
                continue;
            }
            let entry = AuditEntry::new(&node.name, "job.rename_kind", job.to_string());
            let change = Change::ChangeKind { job: job.clone(), from: kind.clone(), to: new.clone() };
            node.store.apply(node.clock.now(), &[change, Change::Audit(entry)]).await?;
            settled.renamed += 1;
            node.listeners.emit(&Event::KindRenamed { job, from: kind, to: new.clone() });
        }
    }
    match behind {
        Some(other) => info!(
            jobs = waits,
            node = %other.name,
            "{waits} job(s) keep the old names of their kinds while node {} knows these only; this node runs them, too",
            other.name
        ),
        None => kinds.settled.store(true, Ordering::Relaxed),
    }
    Ok(settled)
}

/// The stored jobs whose kind is on one of the lists.
async fn stored_kinds(inner: &Inner) -> Result<Vec<(JobKey, JobKind)>, StoreError> {
    let mut found = Vec::new();
    let mut offset = 0;
    loop {
        let paging = Paging { limit: Some(PAGE), offset };
        let page = inner.node.store.jobs(&JobQuery { paging, ..JobQuery::default() }).await?;
        let read = page.rows.len() as u64;
        let listed =
            |kind: &JobKind| inner.kinds.retired.contains(kind) || inner.kinds.renamed.contains_key(kind);
        let jobs = page.rows.into_iter().map(|job| (job.detail.key.clone(), job.detail.kind.clone()));
        found.extend(jobs.filter(|(_, kind)| listed(kind)));
        if read < PAGE {
            return Ok(found);
        }
        offset += read;
    }
}
