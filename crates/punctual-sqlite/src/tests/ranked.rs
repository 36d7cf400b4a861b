//! What the upgrade of a database makes of the rows that it finds.

use std::sync::Arc;

use punctual_core::{HistoryQuery, HistoryStore, JobStore};
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
             term, node, attempt, origin, cause)
         SELECT n, 't' || (n % 3), n % 4, 1767225600000 + n / 7 * 60000,
             CASE WHEN n % 4 <> 0 AND n % 11 <> 0 THEN 1767225600000 + n / 7 * 60000 + n % 5000 END,
             CASE n % 4 WHEN 1 THEN n % 40 WHEN 2 THEN n * n * 977 END,
             0, CASE WHEN n % 2 = 0 THEN 'g' END, CASE WHEN n % 2 = 0 THEN 't' || (n % 3) END, 0, 0, 'n', 1, n, 1
         FROM n",
    )
    .unwrap();
    drop(old);
    let store = Arc::new(SqliteStore::open(&path, Options::default()).unwrap());
    assert_eq!(store.history(&HistoryQuery::default()).await.unwrap().total, 6_000);
    what_is_there_is_listed(store as Arc<dyn JobStore>).await;
}
