//! What other nodes did, and work that programs recorded, read from the store once a second while somebody listens.
//!
//! Rows are read that started of late, and those that are open: a run that was open and is neither any more has
//! ended. Where more happened than can be told one by one, a hint says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use punctual_core::time::plus_millis;
use punctual_core::{
    FireId, HistoryQuery, Node, Paging, SkippedQuery, StoreError, TaskHistory, TaskStatus, Term, Timestamp,
};
use punctual_engine::Scheduler;
use tracing::debug;

use super::Live;
use crate::types::live::{Happening, Run, Skipped};

/// How long the watch waits between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How far back "of late" reaches, in milliseconds: a look, a slow store, and clocks that differ.
const LATE_MS: i64 = 10_000;
/// The most rows of one look.
const ROWS: u64 = 500;
/// The most skipped ranges of one look.
const SKIPS: u64 = 100;
/// The state of a node whose lease has run out.
const LOST: &str = "lost";
/// The most runs whose end is asked for one by one.
const ENDS: usize = 100;

pub(super) struct Watch {
    /// The runs that were told to have started, and whether they have ended.
    runs: BTreeMap<FireId, Known>,
    nodes: BTreeMap<Term, Seen>,
    last_skip: i64,
    failed: bool,
}

/// A node as a look showed it.
struct Seen {
    name: String,
    state: &'static str,
    lease_until: Timestamp,
}

struct Known {
    started_at: Timestamp,
    ended: bool,
}

/// What one look found.
struct Look {
    now: Timestamp,
    recent: Vec<TaskHistory>,
    open: Vec<TaskHistory>,
    skipped: Vec<punctual_core::SkippedRange>,
    nodes: Vec<Node>,
    /// Whether there was more than a look shows.
    left_out: bool,
}

impl Look {
    async fn take(scheduler: &Scheduler, last_skip: i64) -> Result<Self, StoreError> {
        let (now, store) = (scheduler.clock().now(), scheduler.store());
        let paging = Paging::first(ROWS);
        let late = HistoryQuery {
            started_from: Some(plus_millis(now, -LATE_MS)),
            paging,
            ..HistoryQuery::default()
        };
        let open = HistoryQuery { status: Some(TaskStatus::Started), paging, ..HistoryQuery::default() };
        let (recent, open) = (store.history(&late).await?, store.history(&open).await?);
        let own = scheduler.node().term();
        // This node tells of itself and of its own runs. It has no term any more while it stops, but its name still.
        let name = scheduler.node().name();
        let mut nodes = store.nodes().await?;
        nodes.retain(|node| Some(node.term) != own && node.name != name);
        let foreign = |rows: Vec<TaskHistory>| {
            rows.into_iter().filter(|row| row.term.is_none() || row.term != own).collect()
        };
        let skips = SkippedQuery { paging: Paging::first(SKIPS), ..SkippedQuery::default() };
        let mut skipped = store.skipped(&skips).await?.rows;
        skipped.retain(|range| range.id > last_skip);
        Ok(Self {
            now,
            left_out: recent.total > ROWS || open.total > ROWS || skipped.len() as u64 == SKIPS,
            recent: foreign(recent.rows),
            open: foreign(open.rows),
            skipped,
            nodes,
        })
    }
}

impl Watch {
    /// Looks for the first time: how things are is no news.
    pub(super) async fn begin(scheduler: &Scheduler) -> Result<Self, StoreError> {
        let mut watch = Self { runs: BTreeMap::new(), nodes: BTreeMap::new(), last_skip: 0, failed: false };
        let look = Look::take(scheduler, 0).await?;
        watch.news(scheduler, look).await?;
        Ok(watch)
    }

    /// Tells what is new, once a second, until nobody has listened for a while.
    pub(super) async fn follow(mut self, live: Arc<Live>, scheduler: Scheduler) {
        loop {
            scheduler.clock().sleep_for(PAUSE).await;
            if !live.hub().goes_on() {
                return;
            }
            let mut what = Vec::new();
            if live.hub().take_change() {
                what.push("definitions");
            }
            match self.look(&scheduler).await {
                Ok((news, left_out)) => {
                    if std::mem::take(&mut self.failed) || left_out {
                        what.push("runs");
                    }
                    news.iter().for_each(|happening| live.publish(happening));
                }
                Err(error) => {
                    debug!(%error, "live changes of other nodes could not be read");
                    self.failed = true;
                }
            }
            if !what.is_empty() {
                live.publish(&Happening::Changed { what });
            }
        }
    }

    async fn look(&mut self, scheduler: &Scheduler) -> Result<(Vec<Happening>, bool), StoreError> {
        let look = Look::take(scheduler, self.last_skip).await?;
        let left_out = look.left_out;
        let (news, more_ended) = self.news(scheduler, look).await?;
        Ok((news, left_out || more_ended))
    }

    /// What is new, and whether more runs ended than can be told.
    async fn news(
        &mut self,
        scheduler: &Scheduler,
        look: Look,
    ) -> Result<(Vec<Happening>, bool), StoreError> {
        let mut news = self.news_of_nodes(&look.nodes, look.now);
        let (gone, more_ended) = self.ended_since(scheduler, &look).await?;
        // Oldest first.
        let rows = gone.iter().chain(look.open.iter().rev()).chain(look.recent.iter().rev());
        rows.for_each(|row| self.note_run(row, &mut news));
        for range in look.skipped.iter().rev() {
            self.last_skip = self.last_skip.max(range.id);
            news.push(Happening::Skipped(Skipped::from(range)));
        }
        let since = plus_millis(look.now, -LATE_MS);
        self.runs.retain(|_, run| !run.ended || run.started_at >= since);
        Ok((news, more_ended))
    }

    fn note_run(&mut self, row: &TaskHistory, news: &mut Vec<Happening>) {
        let ended = row.status != TaskStatus::Started;
        let known = self.runs.entry(row.id).or_insert_with(|| {
            news.push(Happening::RunStarted(Run::from(row).begun()));
            Known { started_at: row.started_at, ended: false }
        });
        if ended && !std::mem::replace(&mut known.ended, true) {
            news.push(Happening::RunEnded(Run::from(row)));
        }
    }

    /// Runs that were open at the last look and that this one does not show.
    async fn ended_since(
        &mut self,
        scheduler: &Scheduler,
        look: &Look,
    ) -> Result<(Vec<TaskHistory>, bool), StoreError> {
        let shown = |id: &FireId| look.open.iter().chain(&look.recent).any(|row| row.id == *id);
        let gone: Vec<FireId> =
            self.runs.iter().filter(|(id, run)| !run.ended && !shown(id)).map(|(id, _)| *id).collect();
        let mut rows = Vec::new();
        let mut untold = gone.len() > ENDS;
        for id in gone.iter().take(ENDS) {
            match scheduler.store().history_entry(*id).await? {
                Some(row) => rows.push(row),
                // The history does not keep the runs of this job: nobody knows how it ended.
                None => {
                    self.runs.remove(id);
                    untold = true;
                }
            }
        }
        for id in gone.iter().skip(ENDS) {
            self.runs.remove(id);
        }
        Ok((rows, untold))
    }

    fn news_of_nodes(&mut self, nodes: &[Node], now: Timestamp) -> Vec<Happening> {
        let seen = |node: &Node| Seen {
            name: node.name.clone(),
            state: if node.lease_until <= now { LOST } else { node.present_state().as_str() },
            lease_until: node.lease_until,
        };
        let present = nodes.iter().map(|node| (node.term, seen(node))).collect();
        let known = std::mem::replace(&mut self.nodes, present);
        let of = |term: &Term, node: &str, state| Happening::Node {
            node: node.to_owned(),
            term: Some(term.0),
            state,
        };
        let went = known.iter().filter(|(term, seen)| !self.nodes.contains_key(term) && seen.state != LOST);
        // A node that stops has renewed its lease a moment ago. One whose lease is over was removed by those who took up its
        // work, mostly between two looks.
        let how = |seen: &Seen| if seen.lease_until <= now { LOST } else { "stopped" };
        let is_news = |term, seen: &Seen| known.get(term).is_none_or(|known| known.state != seen.state);
        let changed = self.nodes.iter().filter(|(term, seen)| is_news(*term, seen));
        went.map(|(term, seen)| of(term, &seen.name, how(seen)))
            .chain(changed.map(|(term, seen)| of(term, &seen.name, seen.state)))
            .collect()
    }
}
