//! What the upgrade of a database makes of the rows that it finds.

use std::sync::Arc;

use punctual_core::{HistoryQuery, HistoryStore, JobStore, Paging, TriggerKey};
use punctual_testkit::conformance::ranked::what_is_there_is_listed;

use super::{emptied, server};
use crate::PostgresStore;

const SCHEMA: &str = "upgrade";

/// Rows like those of an older version, in a schema as it was then.
const ROWS: &str = "INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, job_group, job_name, node, attempt, \
        origin, cause, trigger_group, trigger_name)
    SELECT n, 't' || (n % 3), n % 4, 1767225600000 + n / 7 * 60000,
        CASE WHEN n % 4 <> 0 AND n % 11 <> 0 THEN 1767225600000 + n / 7 * 60000 + n % 5000 END,
        CASE n % 4 WHEN 1 THEN n % 40 WHEN 2 THEN n * n * 977 END,
        CASE WHEN n % 2 = 0 THEN 'g' END, CASE WHEN n % 2 = 0 THEN 't' || (n % 3) END, 'n', 1, n, 1,
        CASE WHEN n % 4 <> 0 THEN 'g' END, CASE WHEN n % 4 <> 0 THEN 'often' END
    FROM generate_series(1::bigint, 6000) n;
    DROP TABLE history_series, history_noted, history_places, history_fences, history_rollups, history_triggers,
        history_trigger_fences;
    DROP FUNCTION history_triggers_forget";

/// What a node of an older version does when it deletes rows.
const DELETE: &str =
    "WITH gone AS (DELETE FROM task_history WHERE id % 5 = 1 RETURNING id, task, job_group, status, started_at),
        numbered AS (SELECT g.*, s.id AS series FROM gone g
                     JOIN history_series s ON s.task = g.task AND s.job_group = coalesce(g.job_group, ''))
    INSERT INTO history_noted (gone, ids, series, statuses, started_at, ended_at, durations_ms)
    SELECT true, array_agg(id), array_agg(series), array_agg(status), array_agg(started_at), array_agg(9223372036854775807),
        array_agg(9223372036854775807) FROM numbered";

/// How many rows the trigger has, which has to be what the rows say, and how many of its fences there are.
async fn of_trigger(store: &PostgresStore) -> (u64, i64) {
    let client = store.client().await.unwrap();
    let rows = "SELECT count(*) FROM task_history WHERE trigger_name = 'often'";
    let rows = client.query_one(rows, &[]).await.unwrap().get::<_, i64>(0);
    let fences = client.query_one("SELECT count(*) FROM history_trigger_fences", &[]).await.unwrap().get(0);
    client.give_back();
    let trigger = Some(TriggerKey::stored("g", "often"));
    let query = HistoryQuery { trigger, paging: Paging::first(1), ..HistoryQuery::default() };
    let total = store.history(&query).await.unwrap().total;
    assert_eq!(total, u64::try_from(rows).unwrap());
    (total, fences)
}

async fn arrange(store: &PostgresStore) {
    while store.arrange(1_000).await.unwrap() > 0 {}
}

#[tokio::test]
async fn rows_of_an_older_version_are_in_the_lists_and_insights() {
    let (url, _server) = server();
    let store = Arc::new(emptied(&url, SCHEMA).await);
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
    client.batch_execute(include_str!("../../migrations/0015_fences_of_triggers.sql")).await.unwrap();
    client.batch_execute(include_str!("../../migrations/0017_rows_of_notes.sql")).await.unwrap();
    client.give_back();
    assert_eq!(store.history(&HistoryQuery::default()).await.unwrap().total, 6_000);
    what_is_there_is_listed(Arc::clone(&store) as Arc<dyn JobStore>).await;
    assert_eq!(of_trigger(&store).await, (4_500, 0));
    arrange(&store).await;
    // Three stretches of 2,048 rows at most, each with three statuses and, as they are runs of jobs or not, up to six series.
    let (_, fences) = of_trigger(&store).await;
    assert!(fences >= 9, "{fences} fences");
    older_nodes_beside_this_one(&store, fences).await;
    rows_that_are_noted_twice(&store).await;
    PostgresStore::drop_schema(&url, SCHEMA).await.unwrap();
}

/// What is in the lists already, beside what is not, does not keep the rest out.
async fn rows_that_are_noted_twice(store: &PostgresStore) {
    const AGAIN: &str = "INSERT INTO history_noted (gone, ids, series, statuses, started_at, ended_at, durations_ms)
        SELECT false, array_agg(h.id), array_agg(s.id), array_agg(h.status), array_agg(h.started_at),
            array_agg(coalesce(h.ended_at, 9223372036854775807)), array_agg(coalesce(h.duration_ms, 9223372036854775807))
        FROM task_history h JOIN history_series s ON s.task = h.task AND s.job_group = coalesce(h.job_group, '')
        WHERE h.status <> 0";
    let client = store.client().await.unwrap();
    let places =
        async || client.query_one("SELECT count(*) FROM history_places", &[]).await.unwrap().get::<_, i64>(0);
    let all = places().await;
    client
        .batch_execute("DELETE FROM history_places p USING task_history h WHERE h.id = p.id AND p.id % 3 = 0")
        .await
        .unwrap();
    assert!(places().await < all);
    client.batch_execute(AGAIN).await.unwrap();
    arrange(store).await;
    assert_eq!(places().await, all);
    client.give_back();
}

/// What nodes of older versions arrange or delete is not in the fences: they are built anew.
async fn older_nodes_beside_this_one(store: &PostgresStore, fences: i64) {
    let run = async |text: &str| {
        let client = store.client().await.unwrap();
        client.batch_execute(text).await.unwrap();
        client.give_back();
    };
    run(DELETE).await;
    assert_eq!(of_trigger(store).await, (3_600, fences));
    arrange(store).await;
    let (_, fences) = of_trigger(store).await;
    assert!(fences >= 6, "{fences} fences");
    run("DELETE FROM history_noted").await;
    assert_eq!(of_trigger(store).await, (3_600, 0));
    arrange(store).await;
    assert_eq!(of_trigger(store).await, (3_600, fences));
}
