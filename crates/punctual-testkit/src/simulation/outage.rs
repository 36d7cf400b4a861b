//! The store is away for longer than a lease lasts, and the nodes come back one after the other.

use std::collections::BTreeSet;

use punctual_core::{FireId, HistoryQuery, TaskStatus, Term};

use super::process::LEASE_MS;
use super::{World, block_on};

impl World {
    /// Nobody reaches the store for a while. Some nodes die meanwhile, and nobody takes their place; those that are back keep
    /// their terms and their runs, in whatever order they come, as long as they all come within the length of a lease. What
    /// the dead ones have left is taken up after that, and not before.
    pub(super) fn outage(&mut self) {
        // Before it all is well for a while: nodes wait for each other only a few times in a row.
        for _ in 0..2 {
            self.all_renew();
            self.time.advance_ms(LEASE_MS / 2 + 500);
        }
        self.all_renew();
        self.time.advance_ms(LEASE_MS + 1_000 + self.random.below(30_000));
        let mut dead = BTreeSet::new();
        while self.processes.len() > 1 && self.random.chance(30) {
            let which = self.random.below(self.processes.len() as u64) as usize;
            dead.extend(self.processes.swap_remove(which).node.term());
        }
        let terms = self.terms();
        self.come_back(&dead);
        self.check_kept(&terms);
        // Two more heartbeats of each, and the time that they give each other is over.
        for _ in 0..2 {
            self.time.advance_ms(LEASE_MS / 2 + 500);
            self.all_renew();
        }
        self.check_kept(&terms);
        if self.stored_terms().iter().any(|term| dead.contains(term)) {
            self.fail("a node that died in an outage was not recovered");
        }
    }

    /// The nodes are back, one after the other, and work in between.
    fn come_back(&mut self, dead: &BTreeSet<Term>) {
        let mut away: Vec<usize> = (0..self.processes.len()).collect();
        let pause = LEASE_MS * 2 / 3 / away.len() as u64;
        let mut back = Vec::new();
        while !away.is_empty() {
            let next = self.random.below(away.len() as u64) as usize;
            back.push(away.swap_remove(next));
            for which in &back {
                self.heartbeat(*which);
                // What runs goes on, so that it can be seen that it is still there.
                if self.random.chance(50) {
                    self.claim(*which);
                }
            }
            if !dead.is_subset(&self.stored_terms()) {
                self.fail("a node was recovered before it had time to come back");
            }
            if !away.is_empty() {
                self.time.advance_ms(self.random.below(pause));
            }
        }
    }

    fn all_renew(&mut self) {
        for which in 0..self.processes.len() {
            self.heartbeat(which);
        }
    }

    fn terms(&self) -> Vec<Option<Term>> {
        self.processes.iter().map(|process| process.node.term()).collect()
    }

    fn check_kept(&self, terms: &[Option<Term>]) {
        if self.terms() != terms {
            self.fail("a node lost its term in an outage");
        }
        let query = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
        let open: BTreeSet<FireId> =
            block_on(self.store.history(&query)).unwrap().rows.iter().map(|row| row.id).collect();
        for run in self.processes.iter().flat_map(|process| &process.running) {
            if !open.contains(&run.fire.id) {
                self.fail(&format!("a run was closed in an outage, and its node lives: {:?}", run.fire));
            }
        }
    }

    fn stored_terms(&self) -> BTreeSet<Term> {
        block_on(self.store.nodes()).unwrap().iter().map(|node| node.term).collect()
    }
}
