//! How the server goes about the statements, on tables that have grown since it last counted them: those of claims and
//! completions beside 1,000,000 triggers that are not due and without statistics, and all of them where it counted no rows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;

use super::{emptied, server};
use crate::pool::Loan;
use crate::{PostgresStore, sql};

const SCHEMA: &str = "plans";

/// A statement, and the indexes by which it has to find its rows.
struct Hot(&'static str, &'static str, &'static [&'static str]);

const HOT: &[Hot] = &[
    Hot("due_free", sql::DUE_FREE, &["due_free"]),
    Hot("due_by_ids", sql::DUE_BY_IDS, &["due_pkey"]),
    Hot("due_advance", sql::DUE_ADVANCE, &["due_pkey"]),
    Hot("due_delete", sql::DUE_DELETE, &["due_pkey"]),
    Hot("next_due", sql::NEXT_DUE, &["due_free", "gates_due"]),
    Hot("definitions", sql::DEFINITIONS, &["triggers_pkey"]),
    Hot("gates_due", sql::GATES_DUE, &["gates_due"]),
    Hot("gates_of", sql::GATES_OF, &["gates_pkey", "running_lane"]),
    Hot("running_insert", sql::RUNNING_INSERT, &["jobs_pkey"]),
    Hot("running_close", sql::RUNNING_CLOSE, &["running_pkey"]),
    Hot("running_read", sql::RUNNING_READ, &["running_pkey"]),
    Hot("batch_insert", sql::BATCH_INSERT, &[]),
    Hot("batch_close", sql::BATCH_CLOSE, &["running_batches_pkey"]),
    Hot("batches_unpack", sql::BATCHES_UNPACK, &["running_batches_pkey"]),
    Hot("triggers_delete_fired", sql::TRIGGERS_DELETE_FIRED, &["triggers_pkey", "due_pkey"]),
    Hot("triggers_delete_complete", sql::TRIGGERS_DELETE_COMPLETE, &["triggers_pkey", "due_pkey"]),
];

/// Statements that look for fires in batches too. There are few batches, and which fires are in one is not indexed: they read
/// all of them, and of everything else what their indexes say.
const OF_BATCHES: &[Hot] = &[
    Hot("running_among", sql::RUNNING_AMONG, &["running_pkey"]),
    Hot("running_jobs", sql::RUNNING_JOBS, &["running_pkey"]),
    Hot("job_has_open_fires", sql::JOB_HAS_OPEN_FIRES, &["running_job"]),
    Hot("jobs_collect", sql::JOBS_COLLECT, &["jobs_pkey", "running_job"]),
    Hot("trigger_under_way", sql::TRIGGER_UNDER_WAY, &["running_job"]),
    Hot("history_by_ids", sql::HISTORY_BY_IDS, &["running_pkey", "task_history_pkey"]),
    Hot("history_entry", sql::HISTORY_ENTRY, &["running_pkey", "task_history_pkey"]),
];

/// A store with triggers that are not due, and rows that were never counted.
async fn filled(url: &str) -> PostgresStore {
    let store = emptied(url, SCHEMA).await;
    let client = store.client().await.unwrap();
    for table in ["due", "triggers", "running", "running_batches", "task_history", "jobs", "gates", "lanes"] {
        client.batch_execute(&format!("ALTER TABLE {table} SET (autovacuum_enabled = off)")).await.unwrap();
    }
    client
        .batch_execute(
            "INSERT INTO triggers (id, trigger_group, trigger_name, job_id, schedule, misfire, data, anchor, accounted_from, cause,
                pending, attempt, created_at, updated_at)
            SELECT n, 'DEFAULT', 't' || n, n % 100, '{}', '{}', '{}', 0, 0, 0, false, 1, 0, 0 FROM generate_series(1, 1000000) n;
            INSERT INTO due (trigger_id, kind_id, next_fire_at, priority_rank, state, pending, lane_limit, overlap, fired, skipped,
                version)
            SELECT n, 1 + n % 3, 2000000 + n, -5, 0, false, 0, 0, 0, 0, 1 FROM generate_series(1, 1000000) n;",
        )
        .await
        .unwrap();
    let counted = "SELECT count(*) FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid WHERE c.relnamespace = $1::text::regnamespace";
    let counted: i64 = client.query_one(counted, &[&SCHEMA]).await.unwrap().get(0);
    assert_eq!(counted, 0, "the tables have statistics");
    client.give_back();
    store
}

/// The plan of a prepared statement. It is made for any values, so that these do not matter.
pub(super) async fn plan(client: &Loan, name: &str, text: &str) -> Value {
    let parameters = client.prepare(text).await.unwrap().params().len();
    let values =
        if parameters > 0 { format!("({})", vec!["NULL"; parameters].join(", ")) } else { String::new() };
    client.batch_execute(&format!("PREPARE {name} AS {text}")).await.unwrap();
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE {name}{values}");
    let answer = client.simple_query(&explain).await.unwrap();
    let text = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    serde_json::from_str(text.unwrap()).unwrap()
}

/// Every node of a plan.
pub(super) fn nodes<'a>(plan: &'a Value, found: &mut Vec<&'a Value>) {
    match plan {
        Value::Array(members) => members.iter().for_each(|member| nodes(member, found)),
        Value::Object(members) => {
            if members.contains_key("Node Type") {
                found.push(plan);
            }
            members.values().for_each(|member| nodes(member, found));
        }
        _ => {}
    }
}

/// Asserts that a statement goes by its indexes, and reads no whole table but these.
async fn check(client: &Loan, hot: &Hot, whole: &BTreeSet<&str>) {
    let plan = plan(client, hot.0, hot.1).await;
    let mut found = Vec::new();
    nodes(&plan, &mut found);
    let of = |member: &str| found.iter().filter_map(|node| node[member].as_str()).collect::<BTreeSet<_>>();
    let read = found.iter().filter(|node| node["Node Type"] == "Seq Scan");
    let read: BTreeSet<&str> = read.filter_map(|node| node["Relation Name"].as_str()).collect();
    assert!(read.is_subset(whole), "{} reads a whole table: {plan:#}", hot.0);
    // The order of claims is the index's: nothing is collected and sorted.
    assert!(hot.0 != "due_free" || !of("Node Type").contains("Sort"), "{plan:#}");
    let indexes = of("Index Name");
    assert!(hot.2.iter().all(|index| indexes.contains(index)), "{} goes by {indexes:?}: {plan:#}", hot.0);
}

#[tokio::test]
async fn hot_statements_find_their_rows_by_indexes() {
    let (url, _server) = server();
    let store = filled(&url).await;
    let client = store.client().await.unwrap();
    for hot in HOT {
        check(&client, hot, &BTreeSet::new()).await;
    }
    for hot in OF_BATCHES {
        check(&client, hot, &BTreeSet::from(["running_batches"])).await;
    }
    drop(client);
    drop(store);
    PostgresStore::drop_schema(&url, SCHEMA).await.unwrap();
}

/// Tables that may have very many rows.
const LARGE: &[&str] = &[
    "triggers",
    "due",
    "jobs",
    "running",
    "task_history",
    "task_runs",
    "skipped_ranges",
    "history_noted",
    "history_places",
    "history_fences",
    "history_rollups",
    "history_series",
    "history_triggers",
    "history_trigger_fences",
];

/// Statements that read a whole index or table, because that is what they are for, or in the order of an index until they have
/// enough.
const WHOLE: &[(&str, &[&str])] = &[
    // All there are, or their number.
    ("fenced_trigger_unbuilt", &["history_triggers"]),
    ("fenced_triggers_empty", &["history_triggers"]),
    ("job_kinds", &["jobs"]),
    ("noted_all", &["history_noted"]),
    ("noted_first", &["history_noted"]),
    ("open_by_term", &["running"]),
    ("running_count", &["running"]),
    ("series_all", &["history_series"]),
    ("state_counts", &["due", "triggers"]),
    ("trigger_fences_forget", &["history_trigger_fences", "history_triggers"]),
    // Of open fires and open rows, which are few.
    ("nodes_lost", &["running"]),
    ("open_places", &["running", "task_history"]),
    ("running_lost", &["running"]),
    ("tasks_end", &["task_history"]),
    ("trigger_open", &["running"]),
    // The oldest first.
    ("prune_job_old", &["task_history"]),
    ("prune_job_surplus", &["task_history"]),
    ("prune_old", &["task_history"]),
    ("prune_surplus", &["task_history"]),
];

/// The large table that a node of a plan reads without a condition on an index.
fn read_whole(node: &Value) -> Option<&str> {
    let scans = node["Node Type"].as_str().is_some_and(|kind| kind.contains("Scan"));
    let finds = ["Index Cond", "TID Cond"].iter().any(|member| !node[*member].is_null());
    node["Relation Name"].as_str().filter(|table| scans && !finds && LARGE.contains(table))
}

/// A table that was vacuumed while it was empty has no rows for the planner until it is counted again, and then it costs
/// nothing to read all of it. Work that comes in a rush would find such plans.
#[tokio::test]
async fn no_statement_reads_more_than_its_rows_of_tables_that_were_counted_while_empty() {
    let (url, _server) = server();
    let schema = "plans_of_empty";
    let store = emptied(&url, schema).await;
    let client = store.client().await.unwrap();
    client.batch_execute(&format!("VACUUM (ANALYZE) {}", LARGE.join(", "))).await.unwrap();
    let counted = "SELECT count(*) FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2) AND reltuples = 0";
    let counted: i64 = client.query_one(counted, &[&schema, &LARGE]).await.unwrap().get(0);
    assert_eq!(counted, LARGE.len() as i64, "not all tables were counted while empty");
    let mut whole = BTreeMap::new();
    for (name, text) in sql::ALL {
        let plan = plan(&client, name, text).await;
        let mut found = Vec::new();
        nodes(&plan, &mut found);
        let read: BTreeSet<String> = found.into_iter().filter_map(read_whole).map(str::to_owned).collect();
        if !read.is_empty() {
            whole.insert(*name, read);
        }
    }
    let expected =
        WHOLE.iter().map(|(name, tables)| (*name, tables.iter().map(|table| (*table).to_owned()).collect()));
    assert_eq!(whole, expected.collect());
    client.give_back();
    drop(store);
    PostgresStore::drop_schema(&url, schema).await.unwrap();
}
