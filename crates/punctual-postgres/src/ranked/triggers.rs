//! The fences of triggers with many rows: `punctual_core::ranking` says what they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deadpool_postgres::Object;
use punctual_core::ranking::{
    self, Counting, Deleted, Fences, Noted, OfTrigger, Place, Run, Spacing, TriggerFence,
};
use punctual_core::{HistoryQuery, JobKey, StoreError, TriggerKey};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::read;
use crate::link::Statements;
use crate::rows::{self, code, integer};
use crate::sql;

/// Noted rows, with the triggers of deleted ones.
#[derive(Default)]
pub(super) struct AllNoted {
    pub(super) rows: Vec<Noted>,
    deleted: Deleted,
    /// Whether a node of an older version has deleted rows and does not say which triggers they had.
    unknown: bool,
}

impl AllNoted {
    pub(super) fn read(stored: &[Row]) -> Self {
        let mut all = Self::default();
        for row in stored {
            let before = all.rows.len();
            super::read_noted(row, &mut all.rows);
            if !row.get::<_, bool>("gone") {
                continue;
            }
            let texts = |column: &str| row.get::<_, Option<Vec<String>>>(column);
            let Some((groups, names)) = texts("trigger_groups").zip(texts("trigger_names")) else {
                all.unknown = true;
                continue;
            };
            let triggers = groups.into_iter().zip(names).map(|(group, name)| TriggerKey::stored(group, name));
            let of_rows = all.rows[before..].iter().map(|row| row.id).zip(triggers);
            all.deleted.extend(of_rows.filter(|(_, trigger)| !trigger.name().is_empty()));
        }
        all
    }

    async fn all(client: &Object) -> Result<Self, StoreError> {
        Ok(Self::read(&client.rows(sql::NOTED_ALL, &[]).await?))
    }
}

/// A trigger that has fences.
struct Fenced {
    id: i64,
    key: TriggerKey,
    upto: Place,
}

impl Fenced {
    fn read(row: &Row) -> Self {
        let key = TriggerKey::stored(row.get::<_, String>(1), row.get::<_, String>(2));
        Self { id: row.get(0), key, upto: Place { value: row.get(3), id: row.get(4) } }
    }
}

/// A place of a trigger's order, and how many rows of a series and status it gains there.
type Change = ((i64, Place), (i64, i16), i64);

/// Brings a batch of noted rows, which is no longer among the noted ones, into the fences.
pub(super) async fn count(client: &Object, batch: AllNoted, spacing: Spacing) -> Result<(), StoreError> {
    if batch.unknown {
        return client.run(sql::TRIGGER_FENCES_FORGET, &[]).await.map(drop);
    }
    let triggers = triggers_of(client, &batch).await?;
    let names: BTreeSet<&TriggerKey> = triggers.values().collect();
    let fenced = fenced(client, &names.into_iter().collect::<Vec<_>>()).await?;
    let (mut runs, mut samples) = (Vec::new(), BTreeSet::new());
    for (row, change) in ranking::changes(&batch.rows) {
        let Some(trigger) = triggers.get(&row.id) else { continue };
        match fenced.get(trigger) {
            Some(fenced) => {
                let run = Run::of(row);
                if run.is_counted(fenced.upto) {
                    runs.push((fenced.id, run, change));
                }
            }
            None if !row.gone && spacing.is_sample(row.id) => {
                samples.insert(trigger);
            }
            None => {}
        }
    }
    let changes = at_fences(client, &runs).await?;
    change(client, &changes, spacing).await?;
    sample(client, &samples.into_iter().collect::<Vec<_>>(), spacing).await
}

/// The triggers of noted rows; of one that ended and was deleted since, the deletion tells it.
async fn triggers_of(client: &Object, batch: &AllNoted) -> Result<HashMap<i64, TriggerKey>, StoreError> {
    let ended: Vec<i64> = batch.rows.iter().filter(|row| !row.gone).map(|row| row.id).collect();
    let found =
        if ended.is_empty() { Vec::new() } else { client.rows(sql::TRIGGERS_OF_ROWS, &[&ended]).await? };
    let mut triggers = batch.deleted.clone();
    if found.len() < ended.len() {
        triggers.extend(AllNoted::all(client).await?.deleted);
    }
    triggers.extend(found.iter().filter_map(|row| {
        let key = row.get::<_, Option<String>>(1).zip(row.get::<_, Option<String>>(2));
        key.map(|(group, name)| (row.get(0), TriggerKey::stored(group, name)))
    }));
    Ok(triggers)
}

async fn fenced(
    client: &Object,
    triggers: &[&TriggerKey],
) -> Result<HashMap<TriggerKey, Fenced>, StoreError> {
    if triggers.is_empty() {
        return Ok(HashMap::new());
    }
    let groups: Vec<&str> = triggers.iter().map(|key| key.group()).collect();
    let names: Vec<&str> = triggers.iter().map(|key| key.name()).collect();
    let found = client.rows(sql::FENCED_TRIGGERS, &[&groups, &names]).await?;
    Ok(found.iter().map(Fenced::read).map(|fenced| (fenced.key.clone(), fenced)).collect())
}

/// In which fence rows lie.
async fn at_fences(client: &Object, runs: &[(i64, Run, i64)]) -> Result<Vec<Change>, StoreError> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let each = |of: fn(&(i64, Run, i64)) -> i64| runs.iter().map(of).collect::<Vec<i64>>();
    let (triggers, values) = (each(|(trigger, _, _)| *trigger), each(|(_, run, _)| run.place.value));
    let ids = each(|(_, run, _)| run.place.id);
    let found = client.rows(sql::TRIGGER_FENCES_AT, &[&triggers, &values, &ids]).await?;
    let mut sums = BTreeMap::new();
    for ((trigger, run, change), row) in runs.iter().zip(&found) {
        let place = row.get::<_, Option<i64>>(0).zip(row.get(1)).map(|(value, id)| Place { value, id });
        let first = place.unwrap_or(Place::FIRST);
        *sums.entry(((*trigger, first), (run.series, run.status))).or_default() += change;
    }
    Ok(sums.into_iter().map(|((at, list), change)| (at, list, change)).collect())
}

/// Changes fences, removes those without rows and cuts those with too many.
async fn change(client: &Object, changes: &[Change], spacing: Spacing) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    add(client, changes).await?;
    let each = |of: fn(&Change) -> i64| changes.iter().map(of).collect::<Vec<i64>>();
    let triggers = each(|((trigger, _), _, _)| *trigger);
    let (values, ids) = (each(|((_, first), _, _)| first.value), each(|((_, first), _, _)| first.id));
    if client.run(sql::TRIGGER_FENCES_CLEAR, &[&triggers, &values, &ids]).await? > 0 {
        client.run(sql::FENCED_TRIGGERS_EMPTY, &[]).await?;
    }
    let full = integer(spacing.full);
    let full = client.rows(sql::TRIGGER_FENCES_FULL, &[&triggers, &values, &ids, &full]).await?;
    if full.is_empty() {
        return Ok(());
    }
    let rest = AllNoted::all(client).await?;
    for row in &full {
        let fenced = Fenced::read(row);
        let first = Place { value: row.get(5), id: row.get(6) };
        let next = row.get::<_, Option<i64>>(7).zip(row.get(8)).map(|(value, id)| Place { value, id });
        let to = next.unwrap_or(fenced.upto);
        let found = runs(client, &fenced.key, (first, to), None).await?;
        put(client, &fenced, (first, to), found, &rest, spacing).await?;
    }
    Ok(())
}

async fn add(client: &Object, changes: &[Change]) -> Result<(), StoreError> {
    let each = |of: fn(&Change) -> i64| changes.iter().map(of).collect::<Vec<i64>>();
    let statuses: Vec<i16> = changes.iter().map(|(_, (_, status), _)| *status).collect();
    let triggers = each(|((trigger, _), _, _)| *trigger);
    let (values, ids) = (each(|((_, first), _, _)| first.value), each(|((_, first), _, _)| first.id));
    let (series, rows) = (each(|(_, (series, _), _)| *series), each(|(_, _, rows)| *rows));
    client
        .run(sql::TRIGGER_FENCES_ADD, &[&triggers, &values, &ids, &series, &statuses, &rows])
        .await
        .map(drop)
}

/// Writes the fences of a stretch anew.
async fn put(
    client: &Object,
    fenced: &Fenced,
    (from, to): (Place, Place),
    found: Vec<Run>,
    rest: &AllNoted,
    spacing: Spacing,
) -> Result<(), StoreError> {
    let rows = ranking::arranged(found, (from, to), &fenced.key, &rest.rows, &rest.deleted);
    client.run(sql::TRIGGER_FENCE_DELETE, &[&fenced.id, &from.value, &from.id]).await?;
    let fences = ranking::fences_of(from, rows, spacing);
    let change =
        |fence: &TriggerFence| ((fenced.id, fence.first), (fence.series, fence.status), integer(fence.rows));
    add(client, &fences.iter().map(change).collect::<Vec<_>>()).await
}

/// Gives those of some triggers fences that have many rows.
async fn sample(client: &Object, triggers: &[&TriggerKey], spacing: Spacing) -> Result<(), StoreError> {
    if triggers.is_empty() {
        return Ok(());
    }
    let groups: Vec<&str> = triggers.iter().map(|key| key.group()).collect();
    let names: Vec<&str> = triggers.iter().map(|key| key.name()).collect();
    let many = integer(spacing.many());
    client.run(sql::FENCED_TRIGGERS_INSERT, &[&groups, &names, &many]).await.map(drop)
}

/// Builds one more stretch of the fences of a trigger that has not all of them. Answers whether there is more.
pub(super) async fn build(client: &Object, spacing: Spacing) -> Result<bool, StoreError> {
    let unbuilt = client.rows(sql::FENCED_TRIGGER_UNBUILT, &[]).await?;
    let Some(fenced) = unbuilt.first().map(Fenced::read) else { return Ok(false) };
    let limit = spacing.stretch();
    let found = runs(client, &fenced.key, (fenced.upto, Place::END), Some(limit)).await?;
    let to = match found.last() {
        Some(last) if found.len() as u64 == limit => last.place.next(),
        _ => Place::END,
    };
    let rest = AllNoted::all(client).await?;
    put(client, &fenced, (fenced.upto, to), found, &rest, spacing).await?;
    client.run(sql::FENCED_TRIGGER_UPTO, &[&fenced.id, &to.value, &to.id]).await?;
    Ok(!client.rows(sql::FENCED_TRIGGER_UNBUILT, &[]).await?.is_empty())
}

/// The ended rows of a trigger in the index, from one place up to another.
async fn runs(
    client: &Object,
    key: &TriggerKey,
    (from, to): (Place, Place),
    limit: Option<u64>,
) -> Result<Vec<Run>, StoreError> {
    let limit = limit.map(integer);
    let found = client
        .rows(
            sql::TRIGGER_RUNS,
            &[&key.group(), &key.name(), &from.value, &from.id, &to.value, &to.id, &limit],
        )
        .await?;
    let read = |row: &Row| Run {
        place: Place { value: row.get(0), id: row.get(1) },
        series: row.get::<_, Option<i64>>(2).unwrap_or_default(),
        status: row.get(3),
    };
    Ok(found.iter().map(read).collect())
}

/// What is known of the rows that match a query, if its trigger has fences. In a transaction with one snapshot.
pub(crate) async fn known(
    client: &Object,
    query: &HistoryQuery,
    spacing: Spacing,
) -> Result<Option<OfTrigger>, StoreError> {
    let Some(trigger) = query.counted_trigger() else { return Ok(None) };
    let Some(Fenced { id, upto, .. }) = fenced(client, &[trigger]).await?.remove(trigger) else {
        return Ok(None);
    };
    let of_trigger: [&(dyn ToSql + Sync); 1] = [&id];
    let (fences, wanted, noted) = futures_util::try_join!(
        client.rows(sql::TRIGGER_FENCES, &of_trigger),
        read::series_where(client, query.task.as_deref(), |series| query.wants(series)),
        AllNoted::all(client),
    )?;
    if noted.unknown {
        return Ok(None);
    }
    let fence = |row: &Row| {
        let (first, rows) = (Place { value: row.get(0), id: row.get(1) }, rows::count(row.get(4)));
        TriggerFence { first, series: row.get(2), status: row.get(3), rows }
    };
    let fences = Fences { upto, fences: fences.iter().map(fence).collect() };
    let wants = |series| wanted.contains_key(&series);
    let counting = Counting::new(query, wants, &fences, (&noted.rows, &noted.deleted), spacing);
    let looked = has_rows(client, trigger, &counting.looked).await?.len() as u64;
    let mut spans = 0;
    for span in &counting.spans {
        spans += count_index(client, query, trigger, *span).await?;
    }
    let open = if query.wants_open() { open(client, query, trigger).await? } else { Vec::new() };
    let total = counting.total(looked, spans, counting.open(&open, false));
    let noted = ranking::fitting(query, noted.rows, wants);
    let (rows, lists) = (fences.rows(), fences.lists(query, wants));
    Ok(Some(OfTrigger { total, rows, look: spacing.look, lists, noted, open }))
}

/// Those of some rows that a trigger has.
pub(super) async fn has_rows(
    client: &Object,
    trigger: &TriggerKey,
    ids: &[i64],
) -> Result<Vec<i64>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client.rows(sql::TRIGGER_HAS_ROWS, &[&ids, &trigger.group(), &trigger.name()]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn only(rows: &[Row]) -> u64 {
    rows.first().map_or(0, |row| rows::count(row.get(0)))
}

/// The ended rows of a trigger from one place up to another that match a query.
async fn count_index(
    client: &Object,
    query: &HistoryQuery,
    trigger: &TriggerKey,
    (from, to): (Place, Place),
) -> Result<u64, StoreError> {
    let (group, name) = (trigger.group(), trigger.name());
    let status = query.status.map(|status| code(status.code()));
    let found = if query.is_of_all_series() {
        client
            .rows(sql::TRIGGER_COUNT, &[&group, &name, &from.value, &from.id, &to.value, &to.id, &status])
            .await?
    } else {
        let (job_group, job_name) =
            (query.job.as_ref().map(JobKey::group), query.job.as_ref().map(JobKey::name));
        client
            .rows(
                sql::TRIGGER_COUNT_WHERE,
                &[
                    &group,
                    &name,
                    &from.value,
                    &from.id,
                    &to.value,
                    &to.id,
                    &status,
                    &query.task,
                    &job_group,
                    &job_name,
                ],
            )
            .await?
    };
    Ok(only(&found))
}

async fn open(client: &Object, query: &HistoryQuery, trigger: &TriggerKey) -> Result<Vec<Place>, StoreError> {
    let (job_group, job_name) = (query.job.as_ref().map(JobKey::group), query.job.as_ref().map(JobKey::name));
    let found = client
        .rows(sql::TRIGGER_OPEN, &[&trigger.group(), &trigger.name(), &query.task, &job_group, &job_name])
        .await?;
    Ok(found.iter().map(|row| Place { value: row.get(0), id: row.get(1) }).collect())
}
