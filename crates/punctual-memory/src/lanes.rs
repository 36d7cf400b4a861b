//! Lanes: waiting triggers whose runs are limited, and a gate for each lane and kind that has room.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use punctual_core::{FireId, JobKind, Lane, Overlap};

use crate::state::Due;

/// Triggers of a lane that a full lane holds back, or not, alike.
type Alike = (u32, i64, JobKind);

#[derive(Debug, Default)]
pub(crate) struct Lanes {
    waiting: HashMap<i64, BTreeMap<Alike, BTreeSet<Due>>>,
    /// The head of each open lane, by kind.
    gates: HashMap<JobKind, BTreeSet<Due>>,
    gates_of: HashMap<i64, Vec<(JobKind, Due)>>,
    open: HashMap<i64, BTreeSet<FireId>>,
}

/// Pending runs wait whatever the job's overlap policy is.
fn alike(lane: &Lane, pending: bool, kind: &JobKind) -> Alike {
    let overlap = if pending { Overlap::Queue } else { lane.overlap };
    (lane.limit, overlap.code(), kind.clone())
}

impl Lanes {
    pub(crate) fn insert(&mut self, lane: &Lane, pending: bool, kind: &JobKind, due: Due) {
        self.waiting.entry(lane.id).or_default().entry(alike(lane, pending, kind)).or_default().insert(due);
    }

    pub(crate) fn remove(&mut self, lane: &Lane, pending: bool, kind: &JobKind, due: Due) {
        let Some(groups) = self.waiting.get_mut(&lane.id) else { return };
        let key = alike(lane, pending, kind);
        if let Some(set) = groups.get_mut(&key) {
            set.remove(&due);
            if set.is_empty() {
                groups.remove(&key);
            }
        }
        if groups.is_empty() {
            self.waiting.remove(&lane.id);
        }
    }

    pub(crate) fn open_fire(&mut self, lane: i64, id: FireId) {
        self.open.entry(lane).or_default().insert(id);
    }

    pub(crate) fn shut_fire(&mut self, lane: i64, id: FireId) {
        if let Some(open) = self.open.get_mut(&lane) {
            open.remove(&id);
            if open.is_empty() {
                self.open.remove(&lane);
            }
        }
    }

    pub(crate) fn open(&self, lane: i64) -> u64 {
        self.open.get(&lane).map_or(0, |open| open.len() as u64)
    }

    /// The open fires of a lane, oldest first.
    pub(crate) fn fires(&self, lane: i64) -> impl Iterator<Item = FireId> {
        self.open.get(&lane).into_iter().flatten().copied()
    }

    /// Recomputes the gates of a lane: for each kind the first trigger that may run, or that a full lane makes give up
    /// what is due or cancel what runs. While a cancelled run has not ended, nobody cancels another.
    pub(crate) fn refresh(&mut self, lane: i64, cancelling: bool) {
        for (kind, due) in self.gates_of.remove(&lane).into_iter().flatten() {
            if let Some(set) = self.gates.get_mut(&kind) {
                set.remove(&due);
            }
        }
        let open = self.open(lane);
        let mut heads: BTreeMap<&JobKind, Due> = BTreeMap::new();
        for ((limit, overlap, kind), set) in self.waiting.get(&lane).into_iter().flatten() {
            let shown = open < u64::from(*limit)
                || match Overlap::from_code(*overlap) {
                    Overlap::Skip => true,
                    Overlap::Cancel => !cancelling,
                    _ => false,
                };
            let Some(first) = set.first().filter(|_| shown) else { continue };
            let head = heads.entry(kind).or_insert(*first);
            *head = (*head).min(*first);
        }
        let heads: Vec<(JobKind, Due)> = heads.into_iter().map(|(kind, due)| (kind.clone(), due)).collect();
        for (kind, due) in &heads {
            self.gates.entry(kind.clone()).or_default().insert(*due);
        }
        if !heads.is_empty() {
            self.gates_of.insert(lane, heads);
        }
    }

    /// All gates, by kind.
    pub(crate) fn gates(&self) -> impl Iterator<Item = (&JobKind, &BTreeSet<Due>)> {
        self.gates.iter()
    }

    /// The first of all gates of a kind.
    pub(crate) fn head(&self, kind: &JobKind) -> Option<Due> {
        self.gates.get(kind).and_then(|set| set.first()).copied()
    }
}
