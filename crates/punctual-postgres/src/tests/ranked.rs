//! What the upgrade of a database makes of the rows that it finds.

use std::sync::Arc;

use punctual_core::{HistoryQuery, HistoryStore, JobStore};
use punctual_testkit::conformance::ranked::what_is_there_is_listed;
use punctual_throwaway::Postgres;

use crate::{Options, PostgresStore};

const SCHEMA: &str = "upgrade";

/// Rows like those of an older version, in a schema as it was then.
const ROWS: &str = "INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, job_group, job_name, node, attempt, \
        origin, cause)
    SELECT n, 't' || (n % 3), n % 4, 1767225600000 + n / 7 * 60000,
        CASE WHEN n % 4 <> 0 AND n % 11 <> 0 THEN 1767225600000 + n / 7 * 60000 + n % 5000 END,
        CASE n % 4 WHEN 1 THEN n % 40 WHEN 2 THEN n * n * 977 END,
        CASE WHEN n % 2 = 0 THEN 'g' END, CASE WHEN n % 2 = 0 THEN 't' || (n % 3) END, 'n', 1, n, 1
    FROM generate_series(1::bigint, 6000) n;
    DROP TABLE history_series, history_noted, history_places, history_fences, history_rollups";

#[tokio::test]
async fn rows_of_an_older_version_are_in_the_lists_and_insights() {
    let (url, _server) = match std::env::var("PUNCTUAL_TEST_POSTGRES") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = Postgres::start(punctual_throwaway::Options::default()).unwrap();
            (server.url(), Some(server))
        }
    };
    let options = Options { schema: SCHEMA.to_owned(), max_connections: 2, ..Options::default() };
    PostgresStore::drop_schema(&url, SCHEMA).await.unwrap();
    let store = Arc::new(PostgresStore::open(&url, options).await.unwrap());
    let client = store.client().await.unwrap();
    client.batch_execute(ROWS).await.unwrap();
    client.batch_execute(include_str!("../../migrations/0007_ranked_history.sql")).await.unwrap();
    client.batch_execute("DROP FUNCTION history_places_other").await.unwrap();
    client.batch_execute(include_str!("../../migrations/0014_places_of_all_tasks.sql")).await.unwrap();
    // As a node of an older version brings rows in.
    let older = "INSERT INTO history_places (sort, status, series, value, id) \
         SELECT sort, status, series, value, id FROM history_places_older";
    client
        .batch_execute(
            "CREATE TEMP TABLE history_places_older AS SELECT * FROM history_places; DELETE FROM history_places",
        )
        .await
        .unwrap();
    client.batch_execute(older).await.unwrap();
    let same = "SELECT count(*) FROM history_places n JOIN history_places_older o USING (sort, status, series, value, id) \
         WHERE n.other = o.other";
    let same: i64 = client.query_one(same, &[]).await.unwrap().get(0);
    assert_eq!(same, 3 * 4_500);
    client.give_back();
    assert_eq!(store.history(&HistoryQuery::default()).await.unwrap().total, 6_000);
    what_is_there_is_listed(Arc::clone(&store) as Arc<dyn JobStore>).await;
    PostgresStore::drop_schema(&url, SCHEMA).await.unwrap();
}
