//! What the upgrade of a database makes of the rows that it finds.

use std::sync::Arc;

use punctual_core::ranking::Noted;
use punctual_core::{HistoryQuery, HistoryStore, JobStore, Paging, TaskStatus, TriggerKey};
use punctual_testkit::conformance::ranked::what_is_there_is_listed;
use rusqlite::Connection;

use crate::{Options, SqliteStore, open};

/// The version before the history had orders.
const BEFORE: usize = 8;

#[tokio::test]
async fn rows_of_an_older_version_are_in_the_lists_and_insights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let old = Connection::open(&path).unwrap();
    for text in &open::MIGRATIONS[..BEFORE] {
        old.execute_batch(text).unwrap();
    }
    old.pragma_update(None, "user_version", BEFORE as i64).unwrap();
    old.execute_batch(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 6000)
         INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, job_id, job_group, job_name, trigger_id,
             term, node, attempt, origin, cause, trigger_group, trigger_name)
         SELECT n, 't' || (n % 3), n % 4, 1767225600000 + n / 7 * 60000,
             CASE WHEN n % 4 <> 0 AND n % 11 <> 0 THEN 1767225600000 + n / 7 * 60000 + n % 5000 END,
             CASE n % 4 WHEN 1 THEN n % 40 WHEN 2 THEN n * n * 977 END,
             0, CASE WHEN n % 2 = 0 THEN 'g' END, CASE WHEN n % 2 = 0 THEN 't' || (n % 3) END, 0, 0, 'n', 1, n, 1,
             CASE WHEN n % 3 > 0 THEN 'g' END, CASE WHEN n % 3 > 0 THEN 'often' END
         FROM n",
    )
    .unwrap();
    drop(old);
    let store = Arc::new(SqliteStore::open(&path, Options::default()).unwrap());
    assert_eq!(store.history(&HistoryQuery::default()).await.unwrap().total, 6_000);
    what_is_there_is_listed(Arc::clone(&store) as Arc<dyn JobStore>).await;
    let trigger = Some(TriggerKey::stored("g", "often"));
    let query = HistoryQuery { trigger, paging: Paging::first(1), ..HistoryQuery::default() };
    assert_eq!(store.history(&query).await.unwrap().total, 4_000);
    while store.arrange(1_000).await.unwrap() > 0 {}
    assert_eq!(store.history(&query).await.unwrap().total, 4_000);
    let counted = "SELECT sum(rows) FROM history_trigger_fences";
    let looker = Connection::open(&path).unwrap();
    let counted: i64 = looker.query_row(counted, [], |row| row.get(0)).unwrap();
    // A quarter of them is open.
    assert_eq!(counted, 3_000);
}

/// A version that did not say which triggers deleted rows had.
const BEFORE_TRIGGERS: usize = 14;

#[tokio::test]
async fn what_an_older_version_has_deleted_is_not_counted_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let old = Connection::open(&path).unwrap();
    for text in &open::MIGRATIONS[..BEFORE_TRIGGERS] {
        old.execute_batch(text).unwrap();
    }
    old.pragma_update(None, "user_version", BEFORE_TRIGGERS as i64).unwrap();
    old.execute_batch(
        "INSERT INTO history_series (id, task, job_group) VALUES (1, 't', 'g');
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 4000)
         INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, job_id, job_group, job_name, trigger_id,
             term, node, attempt, origin, cause, trigger_group, trigger_name)
         SELECT n, 't', 1, 1767225600000 + n, 1767225600001 + n, 1, 0, 'g', 't', 0, 0, 'n', 1, n, 1, 'g', 'often' FROM n",
    )
    .unwrap();
    // The rows from 2,001 on are noted and not arranged; the last 1,000 rows and the first 500 were deleted.
    let row = |id: i64, gone| Noted {
        id,
        series: 1,
        status: TaskStatus::Success,
        started_at: 1_767_225_600_000 + id,
        ended_at: Some(1_767_225_600_001 + id),
        duration_ms: Some(1),
        gone,
    };
    let mut bytes = Vec::new();
    (2_001..=4_000).for_each(|id| row(id, false).write(None, &mut bytes));
    (1..=500).chain(3_001..=4_000).for_each(|id| row(id, true).write(None, &mut bytes));
    old.execute("DELETE FROM task_history WHERE id <= 500 OR id > 3000", []).unwrap();
    old.execute("INSERT INTO history_noted (rows, noted) VALUES (3500, ?1)", [&bytes]).unwrap();
    drop(old);
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    let trigger = Some(TriggerKey::stored("g", "often"));
    let query = HistoryQuery { trigger, paging: Paging::first(1), ..HistoryQuery::default() };
    assert_eq!(store.history(&query).await.unwrap().total, 2_500);
    while store.arrange(100).await.unwrap() > 0 {
        assert_eq!(store.history(&query).await.unwrap().total, 2_500);
    }
    assert_eq!(store.history(&query).await.unwrap().total, 2_500);
    let counted = "SELECT sum(rows) FROM history_trigger_fences";
    let looker = Connection::open(&path).unwrap();
    assert_eq!(looker.query_row(counted, [], |row| row.get::<_, i64>(0)).unwrap(), 2_500);
}
