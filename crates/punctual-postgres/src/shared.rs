//! What a node remembers between transactions. Nothing here is believed without a version that the database confirms,
//! apart from what never changes: ids, the numbers of kinds, and what belongs to a fire.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool_postgres::Object;
use punctual_core::{JobKind, StoreError, StoredCalendar, StoredJob, StoredTrigger};

use crate::batch::Place;
use crate::claim::doubt::Doubt;
use crate::error::Sql;
use crate::link::Statements;
use crate::sql;

/// How many ids a block has; `id_blocks` numbers the blocks.
const ID_BLOCK: i64 = 10_000;
/// How many definitions are kept.
const DEFINITIONS: usize = 20_000;

/// What a fire belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) job_id: i64,
    pub(crate) trigger_id: i64,
    pub(crate) lane: Option<i64>,
    pub(crate) durable: bool,
    /// The only instant of the trigger was claimed, and its row of `due` is gone.
    pub(crate) fired_once: bool,
    /// Where it stands, if it shares a row with others.
    pub(crate) place: Option<Place>,
}

#[derive(Default)]
pub(crate) struct Shared {
    /// [`crate::Options::batch_from`].
    batch_from: usize,
    /// Whether all live nodes are of one version: an older one, which was started before the schema had batches, would not
    /// see the fires in them.
    alike: AtomicBool,
    ids: Mutex<Range<i64>>,
    kinds: Mutex<HashMap<JobKind, i64>>,
    jobs: Mutex<HashMap<i64, StoredJob>>,
    /// Definitions with the version of their row of `due`.
    definitions: Mutex<HashMap<i64, (i64, Arc<StoredTrigger>)>>,
    calendars: Mutex<HashMap<String, Arc<StoredCalendar>>>,
    task_names: Mutex<HashSet<Arc<str>>>,
    /// Whose fires this process opened, to spare a look at the row when they end.
    pub(crate) open_fires: Mutex<HashMap<i64, Owner>>,
    /// Claims of this process that may or may not have been committed.
    pub(crate) doubts: Mutex<Vec<Doubt>>,
    /// Numbers of series by task and group, and by job; only ones that are committed.
    pub(crate) series: Mutex<crate::ranked::KnownSeries>,
    /// The fences of the history, of one version.
    pub(crate) fences: Mutex<crate::ranked::fences::Known>,
    /// Jobs that are to be deleted if nothing is left of them.
    ended_jobs: Mutex<Vec<i64>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_id() -> StoreError {
    StoreError::Other("no id came".to_owned())
}

impl Shared {
    /// Nothing is known yet; so many fires of a claim share a row, at least.
    pub(crate) fn new(batch_from: usize) -> Self {
        Self { batch_from, ..Self::default() }
    }

    /// How many fires that a claim opens share a row, at least.
    pub(crate) fn batch_from(&self) -> usize {
        if self.alike.load(Ordering::Relaxed) { self.batch_from } else { usize::MAX }
    }

    pub(crate) fn note_versions(&self, alike: bool) {
        self.alike.store(alike, Ordering::Relaxed);
    }

    /// So many new ids. What a failed transaction does not use is lost, which does no harm.
    pub(crate) async fn ids(&self, client: &impl Statements, wanted: usize) -> Result<Vec<i64>, StoreError> {
        let mut ids = Vec::with_capacity(wanted);
        loop {
            {
                let mut range = lock(&self.ids);
                let missing = wanted - ids.len();
                ids.extend(range.by_ref().take(missing));
            }
            if ids.len() == wanted {
                return Ok(ids);
            }
            let rows = client.rows(sql::ID_BLOCK, &[]).await?;
            let block: i64 = rows.first().map_or_else(|| Err(no_id()), |row| Ok(row.get(0)))?;
            let fresh = block * ID_BLOCK..(block + 1) * ID_BLOCK;
            let mut range = lock(&self.ids);
            if range.is_empty() {
                *range = fresh;
            } else {
                // Somebody else was quicker: use this block here and now as far as it is needed.
                drop(range);
                let missing = wanted - ids.len();
                ids.extend(fresh.take(missing));
            }
        }
    }

    /// The numbers of kinds that some job has had.
    pub(crate) async fn kinds(
        &self,
        client: &Object,
        kinds: impl Iterator<Item = &JobKind>,
    ) -> Result<Vec<Option<i64>>, StoreError> {
        let kinds: Vec<&JobKind> = kinds.collect();
        let unknown: Vec<&str> = {
            let known = lock(&self.kinds);
            kinds.iter().filter(|kind| !known.contains_key(**kind)).map(|kind| kind.as_str()).collect()
        };
        if !unknown.is_empty() {
            let statement = client.prepare_cached(sql::KINDS).await.sql()?;
            let rows = client.query(&statement, &[&unknown]).await.sql()?;
            let mut known = lock(&self.kinds);
            known.extend(rows.iter().map(|row| (JobKind::new(row.get::<_, &str>(1)), row.get(0))));
        }
        let known = lock(&self.kinds);
        Ok(kinds.iter().map(|kind| known.get(*kind).copied()).collect())
    }

    pub(crate) fn known_kind(&self, kind: &JobKind) -> Option<i64> {
        lock(&self.kinds).get(kind).copied()
    }

    pub(crate) fn job(&self, id: i64, version: i64) -> Option<StoredJob> {
        lock(&self.jobs).get(&id).filter(|job| job.version == version).cloned()
    }

    pub(crate) fn remember_job(&self, job: &StoredJob) {
        let mut jobs = lock(&self.jobs);
        if jobs.len() >= DEFINITIONS {
            jobs.clear();
        }
        jobs.insert(job.id, job.clone());
    }

    pub(crate) fn definition(&self, id: i64, version: i64) -> Option<Arc<StoredTrigger>> {
        let known = lock(&self.definitions);
        known.get(&id).filter(|(known, _)| *known == version).map(|(_, trigger)| Arc::clone(trigger))
    }

    pub(crate) fn remember_definition(&self, version: i64, trigger: &Arc<StoredTrigger>) {
        let mut known = lock(&self.definitions);
        if known.len() >= DEFINITIONS {
            known.clear();
        }
        known.insert(trigger.id, (version, Arc::clone(trigger)));
    }

    pub(crate) fn forget_definition(&self, id: i64) {
        lock(&self.definitions).remove(&id);
    }

    pub(crate) fn calendar(&self, name: &str, version: i64) -> Option<Arc<StoredCalendar>> {
        lock(&self.calendars).get(name).filter(|known| known.version == version).cloned()
    }

    pub(crate) fn remember_calendar(&self, calendar: StoredCalendar) -> Arc<StoredCalendar> {
        let calendar = Arc::new(calendar);
        lock(&self.calendars).insert(calendar.name.clone(), Arc::clone(&calendar));
        calendar
    }

    /// The batches of fires that this process opened.
    pub(crate) fn batches_of(&self, fires: &[i64]) -> Vec<i64> {
        let known = lock(&self.open_fires);
        let batches = fires.iter().filter_map(|id| Some(known.get(id)?.place?.batch));
        batches.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Forgets fires that have ended, and that these batches are batches.
    pub(crate) fn forget_fires(&self, ended: &[i64], unpacked: &[i64]) {
        let mut known = lock(&self.open_fires);
        ended.iter().for_each(|id| {
            known.remove(id);
        });
        if !unpacked.is_empty() {
            let unpacked =
                |owner: &&mut Owner| owner.place.is_some_and(|place| unpacked.contains(&place.batch));
            known.values_mut().filter(unpacked).for_each(|owner| owner.place = None);
        }
    }

    pub(crate) fn note_ended_jobs(&self, jobs: Vec<i64>) {
        lock(&self.ended_jobs).extend(jobs);
    }

    pub(crate) fn take_ended_jobs(&self) -> Vec<i64> {
        std::mem::take(&mut *lock(&self.ended_jobs))
    }

    /// Of these task names, those that this node has not stored yet.
    pub(crate) fn new_task_names<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let known = lock(&self.task_names);
        let mut fresh: Vec<&str> = names.filter(|name| !known.contains(*name)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        fresh
    }

    /// After a transaction that may not have stored what was remembered.
    pub(crate) fn forget_task_names(&self) {
        lock(&self.task_names).clear();
    }

    pub(crate) fn remember_task_names(&self, names: &[&str]) {
        lock(&self.task_names).extend(names.iter().map(|name| Arc::from(*name)));
    }
}
