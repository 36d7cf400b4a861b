//! Lists with filters: the one place where SQL is put together, from fixed pieces with bound values.

pub(crate) mod instants;

use deadpool_postgres::Object;
use jiff::Timestamp;
use punctual_core::ranking::Spacing;
use punctual_core::time::to_millis;
use punctual_core::{
    FireId, HistoryQuery, HistorySort, JobKind, JobQuery, Page, Paging, SkippedQuery, SkippedRange,
    StateCounts, StoreError, StoredJob, StoredTrigger, TaskHistory, TaskRun, TaskRunEntity, TaskRunId,
    TaskRunQuery, TaskRunSort, TriggerQuery, TriggerState,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::Sql;
use crate::ranked::read::BEGIN;
use crate::rows::{self, code, count, instant, integer};
use crate::shared::Shared;
use crate::{ranked, sql};

type Value = Box<dyn ToSql + Sync + Send>;

/// Conditions that are joined with AND; `?` stands for the next value.
#[derive(Default)]
struct Filter {
    conditions: String,
    values: Vec<Value>,
    /// What the rows have to fulfil in addition, without being counted otherwise.
    beyond: Option<(String, [i64; 2])>,
    /// Whether a page is found by the ids of its rows: those before it need not be read whole then.
    by_id: bool,
    /// Whether the total is that of the page.
    brief: bool,
    /// Whether the rows are those of a trigger.
    of_trigger: bool,
    /// How many rows match, where that is known.
    total: Option<u64>,
    /// What has to be read to count the rows, where that is less than what a page needs.
    counted: Option<String>,
}

impl Filter {
    fn push(&mut self, condition: &str, values: Vec<Value>) {
        self.conditions.push_str(if self.conditions.is_empty() { " WHERE " } else { " AND " });
        let mut values = values.into_iter();
        for piece in condition.split_inclusive('?') {
            let Some(text) = piece.strip_suffix('?') else {
                self.conditions.push_str(piece);
                continue;
            };
            self.values.extend(values.next());
            self.conditions.push_str(&format!("{text}${}", self.values.len()));
        }
    }

    fn add(&mut self, condition: &str, value: Option<impl ToSql + Sync + Send + 'static>) {
        if let Some(value) = value {
            self.push(condition, vec![Box::new(value)]);
        }
    }

    fn key(&mut self, condition: &str, key: Option<(&str, &str)>) {
        if let Some((group, name)) = key {
            self.push(condition, vec![Box::new(group.to_owned()), Box::new(name.to_owned())]);
        }
    }

    async fn page<T>(
        mut self,
        client: &Object,
        (columns, from, order): (&str, &str, &str),
        paging: Paging,
        read: impl Fn(&Row) -> T,
    ) -> Result<Page<T>, StoreError> {
        let total = match (self.brief, self.total) {
            (true, _) => None,
            (false, Some(0)) => return Ok(Page { rows: Vec::new(), total: 0 }),
            (false, Some(total)) => Some(total),
            (false, None) => {
                let from = self.counted.as_deref().unwrap_or(from);
                let text = format!("SELECT count(*) FROM {from}{}", self.conditions);
                Some(total(client, &text, &self.values).await?)
            }
        };
        self.go_beyond();
        let mut rest = format!("FROM {from}{} ORDER BY {order}", self.conditions);
        if let Some(limit) = paging.limit {
            let limit = self.bind(integer(limit));
            rest.push_str(&format!(" LIMIT {limit}"));
        }
        let offset = self.bind(integer(paging.offset));
        rest.push_str(&format!(" OFFSET {offset}"));
        let text = match (paging.limit, self.by_id) {
            (Some(limit), true) if limit <= HistoryQuery::LONGEST_PAGE => {
                format!(
                    "SELECT {columns} FROM {from} WHERE id = ANY(ARRAY(SELECT id {rest})) ORDER BY {order}"
                )
            }
            _ => format!("SELECT {columns} {rest}"),
        };
        page(client, &text, &self.values, read, total).await
    }

    /// Takes the place after which rows are asked for as one more condition.
    fn go_beyond(&mut self) {
        if let Some((condition, [value, id])) = self.beyond.take() {
            self.push(&condition, vec![Box::new(value), Box::new(id)]);
        }
    }

    /// Takes one more value; answers by what a statement names it.
    fn bind(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }
}

async fn total(client: &Object, text: &str, values: &[Value]) -> Result<u64, StoreError> {
    let statement = client.prepare_cached(text).await.sql()?;
    let total: i64 = client.query_one(&statement, &params(values)).await.sql()?.get(0);
    Ok(count(total))
}

/// The rows of a statement; without a total, it is theirs.
async fn page<T>(
    client: &Object,
    text: &str,
    values: &[Value],
    read: impl Fn(&Row) -> T,
    total: Option<u64>,
) -> Result<Page<T>, StoreError> {
    let statement = client.prepare_cached(text).await.sql()?;
    let rows = client.query(&statement, &params(values)).await.sql()?;
    let total = total.unwrap_or(rows.len() as u64);
    Ok(Page { rows: rows.iter().map(read).collect(), total })
}

fn params(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
}

fn kind(kind: &JobKind) -> String {
    kind.as_str().to_owned()
}

/// Whether a key contains the next value, whatever the case of ASCII letters (those alone, as in the C collation).
fn contains(group: &str, name: &str) -> String {
    format!(
        "strpos(lower(({group} || '.' || {name}) COLLATE \"C\"), lower(CAST(? AS text) COLLATE \"C\")) > 0"
    )
}

pub(crate) async fn jobs(client: &Object, query: &JobQuery) -> Result<Page<StoredJob>, StoreError> {
    let mut filter = Filter::default();
    filter.add("job_group = ?", query.group.clone());
    filter.add("kind_id = (SELECT id FROM kinds WHERE name = ?)", query.kind.as_ref().map(kind));
    filter.add(&contains("job_group", "job_name"), query.search.clone());
    let after = query.after.as_ref().map(|key| (key.group(), key.name()));
    filter.key("(job_group, job_name) > (?, ?)", after);
    let columns = "id, job_group, job_name, definition, version, created_at, updated_at";
    let page = filter.page(client, (columns, "jobs", "job_group, job_name"), query.paging, rows::job).await?;
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

/// What a trigger is listed with: found by its key, whatever the server believes of the sizes of the tables.
const JOB_OF_TRIGGER: &str =
    "CROSS JOIN LATERAL (SELECT job_group, job_name, kind_id FROM jobs WHERE id = t.job_id OFFSET 0) j";
const DUE_OF_TRIGGER: &str =
    "LEFT JOIN LATERAL (SELECT * FROM due WHERE trigger_id = t.id OFFSET 0) d ON true";

pub(crate) async fn triggers(
    client: &Object,
    query: &TriggerQuery,
) -> Result<Page<StoredTrigger>, StoreError> {
    let mut filter = Filter::default();
    filter.key(
        "t.job_id = (SELECT id FROM jobs WHERE job_group = ? AND job_name = ?)",
        query.job.as_ref().map(|key| (key.group(), key.name())),
    );
    filter.add("t.trigger_group = ?", query.group.clone());
    filter
        .add("coalesce(d.state, 2) = ?", query.state.map(|state| i32::from(code(TriggerState::code(state)))));
    filter.add("t.cause = ?", query.cause.map(|cause| code(cause.code())));
    filter.add("j.kind_id = (SELECT id FROM kinds WHERE name = ?)", query.kind.as_ref().map(kind));
    filter.add(&contains("t.trigger_group", "t.trigger_name"), query.search.clone());
    let after = query.after.as_ref().map(|key| (key.group(), key.name()));
    filter.key("(t.trigger_group, t.trigger_name) > (?, ?)", after);
    let job = query.kind.as_ref().map_or("", |_| JOB_OF_TRIGGER);
    let due = query.state.map_or("", |_| DUE_OF_TRIGGER);
    filter.counted = Some(format!("triggers t {job} {due}"));
    let from = format!("triggers t {JOB_OF_TRIGGER} {DUE_OF_TRIGGER}");
    let order = "t.trigger_group, t.trigger_name";
    filter.page(client, (trigger_columns(), &from, order), query.paging, rows::listed).await
}

/// The columns of a row of the history.
const ROW: &str = "id, task, status, started_at, ended_at, duration_ms, details, db_id, job_group, job_name, trigger_group, \
                   trigger_name, scheduled_at, node, attempt, origin, cause, term, parent_id, run_id, logs, progress";

/// Those of a brief one, in the same places.
const BRIEF: &str = "id, task, status, started_at, ended_at, duration_ms, NULL::text, db_id, job_group, job_name, \
                     trigger_group, trigger_name, scheduled_at, node, attempt, origin, cause, term, parent_id, run_id, \
                     NULL::text, NULL::text";

pub(crate) async fn history(
    client: &Object,
    shared: &Shared,
    query: &HistoryQuery,
    triggers: Spacing,
) -> Result<Page<TaskHistory>, StoreError> {
    if query.counted_trigger().is_none() {
        return history_page(client, query, None).await;
    }
    client.batch_execute(BEGIN).await.sql()?;
    let known = ranked::triggers::known(client, query, triggers).await?;
    let page = match &known {
        Some(known) => match ranked::read::page_of_trigger(client, shared, query, known).await? {
            Some(page) => page,
            None => page_of_fenced(client, query, known.total, triggers).await?,
        },
        None => history_page(client, query, None).await?,
    };
    client.batch_execute("COMMIT").await.sql()?;
    Ok(page)
}

/// A page of a trigger with many rows, from its index.
async fn page_of_fenced(
    client: &Object,
    query: &HistoryQuery,
    total: u64,
    triggers: Spacing,
) -> Result<Page<TaskHistory>, StoreError> {
    // A plan for any page of any trigger may sort all rows of one that has many.
    client.batch_execute("SET LOCAL plan_cache_mode = force_custom_plan").await.sql()?;
    if query.is_of_all_series() {
        return history_page(client, query, Some(total)).await;
    }
    // The runs of a trigger are nearly always all of one task and job. Then the index alone tells the page.
    let any = HistoryQuery { task: None, job: None, ..query.clone() };
    let all = ranked::triggers::known(client, &any, triggers).await?;
    let are_all = all.is_some_and(|all| all.total == total);
    history_page(client, if are_all { &any } else { query }, Some(total)).await
}

async fn history_page(
    client: &Object,
    query: &HistoryQuery,
    total: Option<u64>,
) -> Result<Page<TaskHistory>, StoreError> {
    let (mut filter, order) = history_filter(query)?;
    filter.total = total;
    let columns = if query.brief { BRIEF } else { ROW };
    match query.starts_on_time() {
        Some(starts) => instants::page(client, filter, starts, query.paging, (columns, order)).await,
        None => filter.page(client, (columns, "task_history_all", order), query.paging, rows::history).await,
    }
}

/// What rows have to fulfil, and their order.
fn history_filter(query: &HistoryQuery) -> Result<(Filter, &'static str), StoreError> {
    let mut filter = Filter { by_id: true, brief: query.brief, ..Filter::default() };
    filter.of_trigger = query.trigger.is_some();
    filter.add("task = ?", query.task.clone());
    filter.add("status = ?", query.status.map(|status| code(status.code())));
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
        let condition = "((id = ? AND origin = id) OR (origin = ? AND origin <> id))";
        filter.push(condition, vec![Box::new(origin), Box::new(origin)]);
    }
    filter.add("parent_id = ?", query.parent.map(|parent| parent.0));
    filter.add("run_id = ?", query.run.map(|run| run.0));
    let order = match (query.sort, query.descending) {
        (HistorySort::StartedAt, true) => "started_at DESC, id DESC",
        (HistorySort::StartedAt, false) => "started_at, id",
        (HistorySort::EndedAt, true) => "ended_at DESC NULLS FIRST, id DESC",
        (HistorySort::EndedAt, false) => "ended_at NULLS LAST, id",
        (HistorySort::Duration, true) => "duration_ms DESC NULLS FIRST, id DESC",
        (HistorySort::Duration, false) => "duration_ms NULLS LAST, id",
        (HistorySort::Task, true) => "task COLLATE \"C\" DESC, started_at DESC, id DESC",
        (HistorySort::Task, false) => "task COLLATE \"C\", started_at, id",
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
        filter.beyond = Some((format!("({value}, id) {side} (?, ?)"), [after.value, after.id]));
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
    let ids = query.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect::<Vec<_>>());
    filter.add("r.id = ANY(?)", ids);
    filter.add("r.run_type = ?", query.run_type.clone());
    filter.add("r.entity_type = ?", query.entity_type.clone());
    filter.add("r.entity_id = ?", query.entity_id);
    filter.add("r.status = ?", query.status.map(|status| code(status.code())));
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
        TaskRunSort::EntityName => "coalesce(r.entity_name, '')",
        TaskRunSort::TaskCount => "task_count",
    };
    if query.descending { format!("{order} DESC, r.id DESC") } else { format!("{order}, r.id") }
}

pub(crate) async fn runs(client: &Object, query: &TaskRunQuery) -> Result<Page<TaskRun>, StoreError> {
    let order = run_order(query);
    run_filter(query).page(client, (run_columns(), "task_runs r", &order), query.paging, rows::task_run).await
}

pub(crate) async fn run_ids(client: &Object, query: &TaskRunQuery) -> Result<Vec<TaskRunId>, StoreError> {
    let columns = match query.sort {
        TaskRunSort::TaskCount => {
            "r.id, (SELECT count(*) FROM task_history h WHERE h.run_id = r.id) AS task_count"
        }
        _ => "r.id",
    };
    let order = run_order(query);
    let filter = Filter { brief: true, ..run_filter(query) };
    let list = (columns, "task_runs r", order.as_str());
    Ok(filter.page(client, list, query.paging, |row| TaskRunId(row.get(0))).await?.rows)
}

pub(crate) async fn run_entities(
    client: &Object,
    query: &TaskRunQuery,
) -> Result<Vec<TaskRunEntity>, StoreError> {
    let filter = run_filter(query);
    let text = format!(
        "SELECT DISTINCT ON (r.entity_type, r.entity_id) r.entity_type, r.entity_id, r.entity_name FROM task_runs r{} \
         ORDER BY r.entity_type, r.entity_id, r.started_at DESC, r.id DESC",
        filter.conditions
    );
    let statement = client.prepare_cached(&text).await.sql()?;
    let rows = client.query(&statement, &params(&filter.values)).await.sql()?;
    let read = |row: &Row| TaskRunEntity { entity_type: row.get(0), entity_id: row.get(1), name: row.get(2) };
    Ok(rows.iter().map(read).collect())
}

pub(crate) async fn skipped(client: &Object, query: &SkippedQuery) -> Result<Page<SkippedRange>, StoreError> {
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
    filter
        .page(client, (columns, "skipped_ranges", "recorded_at DESC, id DESC"), query.paging, rows::skipped)
        .await
}

pub(crate) async fn state_counts(client: &Object, now: Timestamp) -> Result<StateCounts, StoreError> {
    let mut counts = StateCounts::default();
    let running = client.prepare_cached(sql::RUNNING_COUNT).await.sql()?;
    counts.executing = count(client.query_one(&running, &[]).await.sql()?.get(0));
    let states = client.prepare_cached(sql::STATE_COUNTS).await.sql()?;
    let states = client.query_one(&states, &[&to_millis(now)]).await.sql()?;
    counts.waiting = count(states.get(0));
    counts.blocked = count(states.get(1));
    counts.paused = count(states.get(2));
    counts.complete = count(states.get(3));
    counts.error = count(states.get(4));
    let requests = client.prepare_cached(sql::RUN_REQUESTS_WAITING).await.sql()?;
    let requests = client.query_one(&requests, &[]).await.sql()?;
    counts.requests = count(requests.get(0));
    counts.requests_since = requests.get::<_, Option<i64>>(1).map(instant);
    Ok(counts)
}
