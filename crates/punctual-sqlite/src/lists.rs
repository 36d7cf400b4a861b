//! Lists with filters: the one place where SQL is put together, from fixed pieces with bound values.

mod instants;

use std::borrow::Cow;

use jiff::Timestamp;
use punctual_core::ranking::Spacing;
use punctual_core::time::to_millis;
use punctual_core::{
    FireId, HistoryQuery, HistorySort, JobKind, JobQuery, Page, Paging, SkippedQuery, SkippedRange,
    StateCounts, StoreError, StoredJob, StoredTrigger, TaskHistory, TaskRun, TaskRunEntity, TaskRunId,
    TaskRunQuery, TaskRunSort, TriggerQuery, TriggerState,
};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::error::Sql;
use crate::rows::{self, count, integer};
use crate::tx::listed_trigger;
use crate::writer::read_job;
use crate::{ranked, sql};

/// Conditions that are joined with AND.
#[derive(Clone, Default)]
struct Filter {
    conditions: Vec<Cow<'static, str>>,
    values: Vec<Value>,
    /// What the rows have to fulfil in addition, without being counted otherwise.
    beyond: Option<(String, [Value; 2])>,
    /// Whether a page is found by the ids of its rows: those before it need not be read whole then.
    by_id: bool,
    /// Whether the total is that of the page.
    brief: bool,
    /// How many rows match, where that is known.
    total: Option<u64>,
}

impl Filter {
    fn add(&mut self, condition: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.conditions.push(condition.into());
            self.values.push(value.into());
        }
    }

    fn key(&mut self, condition: &'static str, key: Option<(&str, &str)>) {
        if let Some((group, name)) = key {
            self.conditions.push(condition.into());
            self.values.push(group.to_owned().into());
            self.values.push(name.to_owned().into());
        }
    }

    fn sql(&self) -> String {
        if self.conditions.is_empty() {
            return String::new();
        }
        format!(" WHERE {}", self.conditions.join(" AND "))
    }

    fn page<T>(
        mut self,
        connection: &Connection,
        (columns, from, order): (&str, &str, &str),
        paging: Paging,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Page<T>, StoreError> {
        let total = match (self.brief, self.total) {
            (true, _) => None,
            (false, Some(0)) => return Ok(Page { rows: Vec::new(), total: 0 }),
            (false, Some(total)) => Some(total),
            (false, None) => {
                Some(total(connection, &format!("SELECT count(*) FROM {from}{}", self.sql()), &self.values)?)
            }
        };
        let limit = paging.limit.map_or(-1, integer);
        self.go_beyond();
        let rows_filter = self.sql();
        self.values.push(limit.into());
        self.values.push(integer(paging.offset).into());
        let rest = format!("FROM {from}{rows_filter} ORDER BY {order} LIMIT ? OFFSET ?");
        let text = match (paging.limit, self.by_id) {
            (Some(limit), true) if limit <= HistoryQuery::LONGEST_PAGE => {
                format!("SELECT {columns} FROM {from} WHERE id IN (SELECT id {rest}) ORDER BY {order}")
            }
            _ => format!("SELECT {columns} {rest}"),
        };
        page(connection, &text, &self.values, read, total)
    }

    /// Takes the place after which rows are asked for as one more condition.
    fn go_beyond(&mut self) {
        if let Some((condition, values)) = self.beyond.take() {
            self.conditions.push(condition.into());
            self.values.extend(values);
        }
    }
}

fn total(connection: &Connection, text: &str, values: &[Value]) -> Result<u64, StoreError> {
    let read = |row: &Row<'_>| row.get(0);
    let total = connection
        .prepare_cached(text)
        .and_then(|mut statement| statement.query_row(params_from_iter(values), read));
    total.sql().map(count)
}

/// The rows of a statement; without a total, it is theirs.
fn page<T>(
    connection: &Connection,
    text: &str,
    values: &[Value],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    total: Option<u64>,
) -> Result<Page<T>, StoreError> {
    let rows: Vec<T> = connection
        .prepare_cached(text)
        .and_then(|mut statement| statement.query_map(params_from_iter(values), read)?.collect())
        .sql()?;
    let total = total.unwrap_or(rows.len() as u64);
    Ok(Page { rows, total })
}

fn kind(kind: &JobKind) -> String {
    kind.as_str().to_owned()
}

pub(crate) fn jobs(connection: &Connection, query: &JobQuery) -> Result<Page<StoredJob>, StoreError> {
    let mut filter = Filter::default();
    filter.add("job_group = ?", query.group.clone());
    filter.add("kind_id = (SELECT id FROM kinds WHERE name = ?)", query.kind.as_ref().map(kind));
    filter.add("instr(lower(job_group || '.' || job_name), lower(?)) > 0", query.search.clone());
    let after = query.after.as_ref().map(|key| (key.group(), key.name()));
    filter.key("(job_group, job_name) > (?, ?)", after);
    let columns = "id, job_group, job_name, definition, version, created_at, updated_at";
    let page = filter.page(connection, (columns, "jobs", "job_group, job_name"), query.paging, read_job)?;
    // A job that cannot be read is left out of the list; its triggers say why.
    Ok(Page { rows: page.rows.into_iter().filter_map(Result::ok).collect(), total: page.total })
}

/// The columns of a trigger, as in the statement files, followed by its job's key.
fn trigger_columns() -> &'static str {
    let file = sql::TRIGGERS_OF_JOB;
    let start = file.find("SELECT").map_or(0, |at| at + "SELECT".len());
    let end = file.find("FROM").unwrap_or(file.len());
    file[start..end].trim()
}

pub(crate) fn triggers(
    connection: &Connection,
    query: &TriggerQuery,
) -> Result<Page<StoredTrigger>, StoreError> {
    let mut filter = Filter::default();
    let job = query.job.as_ref().map(|key| (key.group(), key.name()));
    filter.key("t.job_id = (SELECT id FROM jobs WHERE job_group = ? AND job_name = ?)", job);
    filter.add("t.trigger_group = ?", query.group.clone());
    filter.add("t.state = ?", query.state.map(TriggerState::code));
    filter.add("t.cause = ?", query.cause.map(punctual_core::Cause::code));
    filter.add("t.kind_id = (SELECT id FROM kinds WHERE name = ?)", query.kind.as_ref().map(kind));
    filter.add("instr(lower(t.trigger_group || '.' || t.trigger_name), lower(?)) > 0", query.search.clone());
    let after = query.after.as_ref().map(|key| (key.group(), key.name()));
    filter.key("(t.trigger_group, t.trigger_name) > (?, ?)", after);
    let from = "triggers t JOIN jobs j ON j.id = t.job_id";
    let order = "t.trigger_group, t.trigger_name";
    filter.page(connection, (trigger_columns(), from, order), query.paging, listed_trigger)
}

/// The columns of a row of the history.
const ROW: &str = "id, task, status, started_at, ended_at, duration_ms, details, db_id, job_group, job_name, trigger_group, \
                   trigger_name, scheduled_at, node, attempt, origin, cause, term, parent_id, run_id, logs, progress";

/// Those of a brief one, in the same places.
const BRIEF: &str = "id, task, status, started_at, ended_at, duration_ms, NULL, db_id, job_group, job_name, trigger_group, \
                     trigger_name, scheduled_at, node, attempt, origin, cause, term, parent_id, run_id, NULL, NULL";

pub(crate) fn history(
    connection: &Connection,
    query: &HistoryQuery,
    triggers: Spacing,
) -> Result<Page<TaskHistory>, StoreError> {
    if query.is_ranked() {
        return ranked::read::history(connection, query);
    }
    let _one_state = connection.unchecked_transaction().sql()?;
    let known = ranked::triggers::known(connection, query, triggers)?;
    let walked = known.as_ref().map(|known| ranked::read::page_of_trigger(connection, query, known));
    if let Some(page) = walked.transpose()?.flatten() {
        return Ok(page);
    }
    let (mut filter, order) = history_filter(query)?;
    filter.total = known.map(|known| known.total);
    let columns = if query.brief { BRIEF } else { ROW };
    match query.starts_on_time() {
        Some(starts) => instants::page(connection, filter, starts, query, (columns, order)),
        None => filter.page(connection, (columns, "task_history", order), query.paging, rows::history),
    }
}

/// What rows have to fulfil, and their order.
fn history_filter(query: &HistoryQuery) -> Result<(Filter, &'static str), StoreError> {
    let mut filter = Filter { by_id: true, brief: query.brief, ..Filter::default() };
    filter.add("task = ?", query.task.clone());
    filter.add("status = ?", query.status.map(punctual_core::TaskStatus::code));
    filter.key("job_group = ? AND job_name = ?", query.job.as_ref().map(|key| (key.group(), key.name())));
    let trigger = query.trigger.as_ref().map(|key| (key.group(), key.name()));
    filter.key("trigger_group = ? AND trigger_name = ?", trigger);
    filter.add("scheduled_at >= ?", query.scheduled_from.map(to_millis));
    filter.add("scheduled_at <= ?", query.scheduled_to.map(to_millis));
    filter.add("started_at >= ?", query.started_from.map(to_millis));
    filter.add("started_at < ?", query.started_before.map(to_millis));
    filter.add("node = ?", query.node.clone());
    if let Some(FireId(origin)) = query.origin {
        // The first attempt is its own origin; the index has the others.
        filter.conditions.push("((id = ? AND origin = id) OR (origin = ? AND origin <> id))".into());
        filter.values.extend([origin.into(), origin.into()]);
    }
    filter.add("parent_id = ?", query.parent.map(|parent| parent.0));
    filter.add("run_id = ?", query.run.map(|run| run.0));
    let order = match (query.sort, query.descending) {
        (HistorySort::StartedAt, true) => "started_at DESC, id DESC",
        (HistorySort::StartedAt, false) => "started_at, id",
        (HistorySort::EndedAt, true) => "ended_at IS NULL DESC, ended_at DESC, id DESC",
        (HistorySort::EndedAt, false) => "ended_at IS NULL, ended_at, id",
        (HistorySort::Duration, true) => "duration_ms IS NULL DESC, duration_ms DESC, id DESC",
        (HistorySort::Duration, false) => "duration_ms IS NULL, duration_ms, id",
        (HistorySort::Task, true) => "task DESC, started_at DESC, id DESC",
        (HistorySort::Task, false) => "task, started_at, id",
        // In the order of the words: failed, started, success, unknown.
        (HistorySort::Status, true) => {
            "(CASE status WHEN 2 THEN -1 ELSE status END) DESC, started_at DESC, id DESC"
        }
        (HistorySort::Status, false) => "(CASE status WHEN 2 THEN -1 ELSE status END), started_at, id",
    };
    if let Some(after) = query.after {
        let value = match query.sort {
            HistorySort::StartedAt => "started_at",
            HistorySort::EndedAt => "coalesce(ended_at, 9223372036854775807)",
            HistorySort::Duration => "coalesce(duration_ms, 9223372036854775807)",
            HistorySort::Task | HistorySort::Status => {
                return Err(StoreError::Other(HistoryQuery::NO_PLACE.to_owned()));
            }
        };
        let side = if query.descending { '<' } else { '>' };
        filter.beyond = Some((format!("({value}, id) {side} (?, ?)"), [after.value.into(), after.id.into()]));
    }
    Ok((filter, order))
}

/// The columns of a task run, as in the statement file.
fn run_columns() -> &'static str {
    let file = sql::RUN_ENTRY;
    let start = file.find("SELECT").map_or(0, |at| at + "SELECT".len());
    let end = file.find("FROM task_runs").unwrap_or(file.len());
    file[start..end].trim()
}

fn run_filter(query: &TaskRunQuery) -> Filter {
    let mut filter = Filter::default();
    // Numbers need no escapes in the array.
    let ids = query
        .ids
        .as_ref()
        .map(|ids| format!("[{}]", ids.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(",")));
    filter.add("r.id IN (SELECT value FROM json_each(?))", ids);
    filter.add("r.run_type = ?", query.run_type.clone());
    filter.add("r.entity_type = ?", query.entity_type.clone());
    filter.add("r.entity_id = ?", query.entity_id);
    filter.add("r.status = ?", query.status.map(punctual_core::TaskRunStatus::code));
    filter.add("r.started_at >= ?", query.started_from.map(to_millis));
    filter.add("r.started_at < ?", query.started_before.map(to_millis));
    filter.add("r.node = ?", query.node.clone());
    filter
}

fn run_order(query: &TaskRunQuery) -> String {
    let order = match query.sort {
        TaskRunSort::StartedAt => "r.started_at",
        TaskRunSort::EndedAt => "coalesce(r.ended_at, 9223372036854775807)",
        TaskRunSort::RunType => "r.run_type",
        // In the order of the words: abandoned, failed, started, success.
        TaskRunSort::Status => "CASE r.status WHEN 3 THEN -2 WHEN 2 THEN -1 ELSE r.status END",
        TaskRunSort::EntityName => "r.entity_name",
        TaskRunSort::TaskCount => "task_count",
    };
    if query.descending { format!("{order} DESC, r.id DESC") } else { format!("{order}, r.id") }
}

pub(crate) fn runs(connection: &Connection, query: &TaskRunQuery) -> Result<Page<TaskRun>, StoreError> {
    let order = run_order(query);
    run_filter(query).page(connection, (run_columns(), "task_runs r", &order), query.paging, rows::task_run)
}

pub(crate) fn run_ids(connection: &Connection, query: &TaskRunQuery) -> Result<Vec<TaskRunId>, StoreError> {
    let columns = match query.sort {
        TaskRunSort::TaskCount => {
            "r.id, (SELECT count(*) FROM task_history h WHERE h.run_id = r.id) AS task_count"
        }
        _ => "r.id",
    };
    let order = run_order(query);
    let list = (columns, "task_runs r", order.as_str());
    let filter = Filter { brief: true, ..run_filter(query) };
    Ok(filter.page(connection, list, query.paging, |row| row.get(0).map(TaskRunId))?.rows)
}

pub(crate) fn run_entities(
    connection: &Connection,
    query: &TaskRunQuery,
) -> Result<Vec<TaskRunEntity>, StoreError> {
    let filter = run_filter(query);
    // With max(), SQLite takes the other columns from the row that has it.
    let text = format!(
        "SELECT r.entity_type, r.entity_id, r.entity_name, max(r.started_at) FROM task_runs r{} \
         GROUP BY r.entity_type, r.entity_id ORDER BY r.entity_type, r.entity_id",
        filter.sql()
    );
    let read = |row: &Row<'_>| {
        Ok(TaskRunEntity { entity_type: row.get(0)?, entity_id: row.get(1)?, name: row.get(2)? })
    };
    connection
        .prepare_cached(&text)
        .and_then(|mut statement| statement.query_map(params_from_iter(&filter.values), read)?.collect())
        .sql()
}

pub(crate) fn skipped(
    connection: &Connection,
    query: &SkippedQuery,
) -> Result<Page<SkippedRange>, StoreError> {
    let mut filter = Filter::default();
    let trigger = query.trigger.as_ref().map(|key| (key.group(), key.name()));
    filter.key("trigger_group = ? AND trigger_name = ?", trigger);
    filter.key("job_group = ? AND job_name = ?", query.job.as_ref().map(|key| (key.group(), key.name())));
    filter.add("reason = ?", query.reason.map(|reason| reason.as_str().to_owned()));
    filter.add("first_at <= ?", query.at.map(to_millis));
    filter.add("last_at >= ?", query.at.map(to_millis));
    filter.add("last_at >= ?", query.from.map(to_millis));
    filter.add("first_at <= ?", query.to.map(to_millis));
    let columns = "id, trigger_group, trigger_name, job_group, job_name, first_at, last_at, count, reason, \
                   recorded_at, fire_id";
    filter.page(connection, (columns, "skipped_ranges", "id DESC"), query.paging, rows::skipped)
}

pub(crate) fn state_counts(connection: &Connection, now: Timestamp) -> Result<StateCounts, StoreError> {
    let mut counts = StateCounts::default();
    let executing: i64 = connection
        .prepare_cached(sql::OPEN_FIRES_COUNT)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .sql()?;
    counts.executing = count(executing);
    let groups: Vec<(i64, bool, i64)> = connection
        .prepare_cached(sql::STATE_COUNTS)
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| {
                Ok((row.get(0)?, row.get::<_, Option<bool>>(1)?.unwrap_or(false), row.get(2)?))
            };
            statement.query_map([to_millis(now)], read)?.collect()
        })
        .sql()?;
    for (state, held, rows) in groups {
        *match TriggerState::from_code(state) {
            TriggerState::Waiting if held => &mut counts.blocked,
            TriggerState::Waiting => &mut counts.waiting,
            TriggerState::Paused => &mut counts.paused,
            TriggerState::Complete => &mut counts.complete,
            TriggerState::Error => &mut counts.error,
        } += count(rows);
    }
    Ok(counts)
}
