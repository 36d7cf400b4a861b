//! The fences of triggers with many rows: `punctual_core::ranking` says what they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use punctual_core::ranking::{
    self, Counting, Deleted, Fences, Noted, OfTrigger, Place, Run, Spacing, TriggerFence,
};
use punctual_core::{HistoryQuery, JobKey, StoreError, TaskStatus, TriggerKey};
use rusqlite::{Connection, OptionalExtension, Row};

use super::read;
use crate::error::Sql;
use crate::rows::{self, integer};
use crate::sql;

/// A trigger that has fences.
#[derive(Clone)]
struct Fenced {
    id: i64,
    key: TriggerKey,
    upto: Place,
}

/// Brings a batch of noted rows, which is no longer among the noted ones, into the fences.
pub(super) fn count(
    connection: &Connection,
    batch: &[Noted],
    deleted: Deleted,
    spacing: Spacing,
) -> Result<(), StoreError> {
    Arranger { deleted, ..Arranger::new(connection, spacing) }.count(batch)
}

/// Builds one more stretch of the fences of a trigger that has not all of them. Answers whether there is more.
pub(super) fn build(connection: &Connection, spacing: Spacing) -> Result<bool, StoreError> {
    let Some(fenced) = unbuilt(connection)? else { return Ok(false) };
    Arranger::new(connection, spacing).build(&fenced)?;
    Ok(unbuilt(connection)?.is_some())
}

struct Arranger<'a> {
    connection: &'a Connection,
    spacing: Spacing,
    deleted: Deleted,
    /// What is noted beyond the batch, once it is needed.
    rest: Option<Vec<Noted>>,
    known: HashMap<TriggerKey, Option<Fenced>>,
}

impl<'a> Arranger<'a> {
    fn new(connection: &'a Connection, spacing: Spacing) -> Self {
        Self { connection, spacing, deleted: Deleted::new(), rest: None, known: HashMap::new() }
    }

    fn read_rest(&mut self) -> Result<(), StoreError> {
        if self.rest.is_none() {
            let (rest, deleted) = read::noted_with_triggers(self.connection)?;
            self.deleted.extend(deleted);
            self.rest = Some(rest);
        }
        Ok(())
    }

    fn fenced(&mut self, key: &TriggerKey) -> Result<Option<Fenced>, StoreError> {
        if let Some(known) = self.known.get(key) {
            return Ok(known.clone());
        }
        let fenced = fenced(self.connection, key)?;
        self.known.insert(key.clone(), fenced.clone());
        Ok(fenced)
    }

    /// The trigger of a row that ended; of one that was deleted since, the deletion tells it.
    fn trigger_of(&mut self, id: i64) -> Result<Option<TriggerKey>, StoreError> {
        let read = |row: &Row<'_>| {
            let (group, name): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
            Ok(group.zip(name).map(|(group, name)| TriggerKey::stored(group, name)))
        };
        let found = self
            .connection
            .prepare_cached(sql::TRIGGER_OF_ROW)
            .and_then(|mut statement| statement.query_row([id], read).optional())
            .sql()?;
        if let Some(trigger) = found {
            return Ok(trigger);
        }
        self.read_rest()?;
        Ok(self.deleted.get(&id).cloned())
    }

    fn count(&mut self, batch: &[Noted]) -> Result<(), StoreError> {
        let mut changes = BTreeMap::<(i64, Place), BTreeMap<(i64, i16), i64>>::new();
        let mut samples = BTreeSet::new();
        for (row, change) in ranking::changes(batch) {
            let trigger =
                if row.gone { self.deleted.get(&row.id).cloned() } else { self.trigger_of(row.id)? };
            let Some(trigger) = trigger else { continue };
            let Some(fenced) = self.fenced(&trigger)? else {
                if !row.gone && self.spacing.is_sample(row.id) {
                    samples.insert(trigger);
                }
                continue;
            };
            let run = Run::of(row);
            if run.is_counted(fenced.upto) {
                let first = beside(self.connection, sql::TRIGGER_FENCE_AT, fenced.id, run.place)?;
                let lists = changes.entry((fenced.id, first.unwrap_or(Place::FIRST))).or_default();
                *lists.entry((run.series, run.status)).or_default() += change;
            }
        }
        for ((trigger, first), lists) in &changes {
            for ((series, status), change) in lists {
                let params = (trigger, first.value, first.id, series, status, change);
                run(self.connection, sql::TRIGGER_FENCE_ADD, params)?;
            }
        }
        self.tidy(&changes.into_keys().collect::<Vec<_>>())?;
        for trigger in samples {
            self.sample(&trigger)?;
        }
        Ok(())
    }

    /// Removes fences without rows and cuts those with too many.
    fn tidy(&mut self, changed: &[(i64, Place)]) -> Result<(), StoreError> {
        let mut cleared = 0;
        for (trigger, first) in changed {
            cleared += run(self.connection, sql::TRIGGER_FENCE_CLEAR, (trigger, first.value, first.id))?;
            let rows =
                one(self.connection, sql::TRIGGER_FENCE_ROWS, (trigger, first.value, first.id), |row| {
                    row.get(0)
                })?;
            if rows.map_or(0, rows::count) > self.spacing.full {
                self.cut(*trigger, *first)?;
            }
        }
        if cleared > 0 {
            run(self.connection, sql::FENCED_TRIGGERS_EMPTY, [])?;
        }
        Ok(())
    }

    fn cut(&mut self, trigger: i64, first: Place) -> Result<(), StoreError> {
        let read = |row: &Row<'_>| {
            let key = TriggerKey::stored(row.get::<_, String>(0)?, row.get::<_, String>(1)?);
            Ok(Fenced { id: trigger, key, upto: Place { value: row.get(2)?, id: row.get(3)? } })
        };
        let Some(fenced) = one(self.connection, sql::FENCED_TRIGGER_BY_ID, [trigger], read)? else {
            return Ok(());
        };
        let next = beside(self.connection, sql::TRIGGER_FENCE_NEXT, trigger, first)?;
        let to = next.unwrap_or(fenced.upto);
        let found = runs(self.connection, &fenced.key, (first, to), None)?;
        self.put(&fenced, (first, to), found)
    }

    /// Writes the fences of a stretch anew.
    fn put(
        &mut self,
        fenced: &Fenced,
        (from, to): (Place, Place),
        found: Vec<Run>,
    ) -> Result<(), StoreError> {
        self.read_rest()?;
        let rest = self.rest.as_deref().unwrap_or_default();
        let rows = ranking::arranged(found, (from, to), &fenced.key, rest, &self.deleted);
        run(self.connection, sql::TRIGGER_FENCE_DELETE, (fenced.id, from.value, from.id))?;
        for fence in ranking::fences_of(from, rows, self.spacing) {
            let Place { value, id } = fence.first;
            let params = (fenced.id, value, id, fence.series, fence.status, integer(fence.rows));
            run(self.connection, sql::TRIGGER_FENCE_ADD, params)?;
        }
        Ok(())
    }

    /// Gives a trigger fences if it has many rows.
    fn sample(&self, trigger: &TriggerKey) -> Result<(), StoreError> {
        let many = integer(self.spacing.many());
        let params = (trigger.group(), trigger.name(), many);
        let has_many = one(self.connection, sql::TRIGGER_HAS_MANY, params, |row| row.get::<_, bool>(0))?;
        if has_many == Some(true) {
            run(self.connection, sql::FENCED_TRIGGER_INSERT, (trigger.group(), trigger.name()))?;
        }
        Ok(())
    }

    fn build(&mut self, fenced: &Fenced) -> Result<(), StoreError> {
        let limit = self.spacing.stretch();
        let found = runs(self.connection, &fenced.key, (fenced.upto, Place::END), Some(limit))?;
        let to = match found.last() {
            Some(last) if found.len() as u64 == limit => last.place.next(),
            _ => Place::END,
        };
        self.put(fenced, (fenced.upto, to), found)?;
        run(self.connection, sql::FENCED_TRIGGER_UPTO, (fenced.id, to.value, to.id)).map(drop)
    }
}

fn run(connection: &Connection, statement: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
    connection.prepare_cached(statement).and_then(|mut statement| statement.execute(params)).sql()
}

fn one<T>(
    connection: &Connection,
    statement: &str,
    params: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.query_row(params, read).optional())
        .sql()
}

fn unbuilt(connection: &Connection) -> Result<Option<Fenced>, StoreError> {
    one(connection, sql::FENCED_TRIGGER_UNBUILT, [], |row| {
        let key = TriggerKey::stored(row.get::<_, String>(1)?, row.get::<_, String>(2)?);
        Ok(Fenced { id: row.get(0)?, key, upto: Place { value: row.get(3)?, id: row.get(4)? } })
    })
}

fn fenced(connection: &Connection, key: &TriggerKey) -> Result<Option<Fenced>, StoreError> {
    one(connection, sql::FENCED_TRIGGER, (key.group(), key.name()), |row| {
        Ok(Fenced { id: row.get(0)?, key: key.clone(), upto: Place { value: row.get(1)?, id: row.get(2)? } })
    })
}

/// The fence of a trigger before or after a place.
fn beside(
    connection: &Connection,
    statement: &str,
    trigger: i64,
    place: Place,
) -> Result<Option<Place>, StoreError> {
    one(connection, statement, (trigger, place.value, place.id), read::read_place)
}

/// The ended rows of a trigger in the index, from one place up to another.
fn runs(
    connection: &Connection,
    key: &TriggerKey,
    (from, to): (Place, Place),
    limit: Option<u64>,
) -> Result<Vec<Run>, StoreError> {
    let limit = limit.map_or(-1, integer);
    let params = (key.group(), key.name(), from.value, from.id, to.value, to.id, limit);
    read::many(connection, sql::TRIGGER_RUNS, params, |row| {
        Ok(Run { place: read::read_place(row)?, series: row.get(2)?, status: row.get(3)? })
    })
}

/// What is known of the rows that match a query, if its trigger has fences. All is to be read from one state of the database.
pub(crate) fn known(
    connection: &Connection,
    query: &HistoryQuery,
    spacing: Spacing,
) -> Result<Option<OfTrigger>, StoreError> {
    let Some(trigger) = query.counted_trigger() else { return Ok(None) };
    let Some(Fenced { id, upto, .. }) = fenced(connection, trigger)? else { return Ok(None) };
    let fences = read::many(connection, sql::TRIGGER_FENCES, [id], |row| {
        let (first, rows) = (read::read_place(row)?, rows::count(row.get(4)?));
        Ok(TriggerFence { first, series: row.get(2)?, status: row.get(3)?, rows })
    })?;
    let wanted = read::series_where(connection, query.task.as_deref(), |series| query.wants(series))?;
    let (noted, deleted) = read::noted_with_triggers(connection)?;
    let wants = |series| wanted.contains_key(&series);
    let fences = Fences { upto, fences };
    let counting = Counting::new(query, wants, &fences, (&noted, &deleted), spacing);
    let looked = has_rows(connection, trigger, &counting.looked)?.len() as u64;
    let mut spans = 0;
    for span in &counting.spans {
        spans += count_index(connection, query, trigger, *span)?;
    }
    let open = if query.wants_open() { open(connection, query, trigger)? } else { Vec::new() };
    let total = counting.total(looked, spans, counting.open(&open, true));
    let noted = ranking::fitting(query, noted, wants);
    let (rows, lists) = (fences.rows(), fences.lists(query, wants));
    Ok(Some(OfTrigger { total, rows, look: spacing.look, lists, noted, open }))
}

/// Those of some rows that a trigger has.
pub(super) fn has_rows(
    connection: &Connection,
    trigger: &TriggerKey,
    ids: &[i64],
) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::new();
    for id in ids {
        let row = (id, trigger.group(), trigger.name());
        found.extend(one(connection, sql::TRIGGER_HAS_ROW, row, |_| Ok(*id))?);
    }
    Ok(found)
}

/// The rows of a trigger from one place up to another that match a query, open ones included.
fn count_index(
    connection: &Connection,
    query: &HistoryQuery,
    trigger: &TriggerKey,
    (from, to): (Place, Place),
) -> Result<u64, StoreError> {
    let (group, name) = (trigger.group(), trigger.name());
    let read = |row: &Row<'_>| row.get(0);
    let found = if query.is_of_all_series() && query.status.is_none() {
        one(connection, sql::TRIGGER_COUNT, (group, name, from.value, from.id, to.value, to.id), read)?
    } else {
        let (status, task) = (query.status.map(TaskStatus::code), query.task.as_deref());
        let (job_group, job_name) =
            (query.job.as_ref().map(JobKey::group), query.job.as_ref().map(JobKey::name));
        let params = (group, name, from.value, from.id, to.value, to.id, status, task, job_group, job_name);
        one(connection, sql::TRIGGER_COUNT_WHERE, params, read)?
    };
    Ok(found.map_or(0, rows::count))
}

fn open(
    connection: &Connection,
    query: &HistoryQuery,
    trigger: &TriggerKey,
) -> Result<Vec<Place>, StoreError> {
    let (job_group, job_name) = (query.job.as_ref().map(JobKey::group), query.job.as_ref().map(JobKey::name));
    let params = (trigger.group(), trigger.name(), query.task.as_deref(), job_group, job_name);
    read::many(connection, sql::TRIGGER_OPEN, params, read::read_place)
}
