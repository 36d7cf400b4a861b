//! How the server finds rows by their instants, in a history of which one run in 500 did not start on time, and that it
//! has not counted, and has counted.

use punctual_core::time::from_millis;
use punctual_core::{HistoryQuery, Paging, TriggerKey};
use serde_json::Value;

use super::plans::{nodes, plan};
use super::{emptied, server};
use crate::PostgresStore;
use crate::lists::instants::statements;

const SCHEMA: &str = "instants";

/// One run in 1,000 started two hours late, and one in 1,000 a second early.
const ROWS: &str = "ALTER TABLE task_history SET (autovacuum_enabled = off);
    INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, scheduled_at, job_group, job_name, trigger_group,
        trigger_name, node, attempt, origin, cause)
    SELECT n, 't', 1, n * 1000 + CASE n % 1000 WHEN 7 THEN 7200000 WHEN 8 THEN -1000 ELSE 20 END, n * 1000 + 50, 30, n * 1000,
        'g', 't', 'g', 't' || n % 50, 'n', 1, n, 1
    FROM generate_series(1::bigint, 100000) n";

/// The nodes of a plan that read the history.
fn reads<'a>(plan: &'a Value, found: &mut Vec<&'a Value>) {
    nodes(plan, found);
    found.retain(|node| {
        node["Relation Name"] == "task_history"
            || node["Index Name"].as_str().is_some_and(|name| name.starts_with("task_history"))
    });
}

#[tokio::test]
async fn instants_are_found_by_indexes() {
    let (url, _server) = server();
    let store = emptied(&url, SCHEMA).await;
    let client = store.client().await.unwrap();
    client.batch_execute(ROWS).await.unwrap();
    let at = Some(from_millis(50_000_000));
    let to = Some(from_millis(51_000_000));
    let trigger = Some(TriggerKey::stored("g", "t3"));
    let window = HistoryQuery { scheduled_from: at, scheduled_to: to, ..HistoryQuery::default() };
    let page = HistoryQuery { paging: Paging::first(25_001), descending: false, ..window.clone() };
    let instant = HistoryQuery { trigger: trigger.clone(), scheduled_to: at, ..window.clone() };
    let last = HistoryQuery {
        trigger: trigger.clone(),
        scheduled_from: None,
        paging: Paging::first(1),
        ..window.clone()
    };
    let of_all = ["task_history_started_at", "task_history_off_time"];
    let of_trigger = ["task_history_trigger", "task_history_off_time_of_trigger"];
    let asked = [
        ("window", window.clone(), of_all),
        ("page", page, of_all),
        ("instant", instant, of_trigger),
        ("window_of_trigger", HistoryQuery { trigger, ..window }, of_trigger),
        ("last_of_trigger", last, of_trigger),
    ];
    let uncounted = asked.iter().map(|asked| ("uncounted", asked));
    for (state, (name, query, indexes)) in uncounted.chain(asked.iter().map(|asked| ("counted", asked))) {
        if state == "counted" {
            client.batch_execute("ANALYZE task_history").await.unwrap();
        }
        for (number, text) in statements(query).iter().enumerate() {
            let plan = plan(&client, &format!("{name}_{number}_{state}"), text).await;
            let mut found = Vec::new();
            reads(&plan, &mut found);
            let of = |node: &&Value| node["Index Name"].as_str().map(str::to_owned);
            // The rows themselves are then found by their numbers.
            let by: Vec<_> =
                found.iter().filter_map(of).filter(|index| index != "task_history_pkey").collect();
            let whole = found.iter().any(|node| node["Node Type"] == "Seq Scan");
            assert!(!whole && by.len() == 2, "{name} goes by {by:?}: {plan:#}");
            assert!(indexes.iter().all(|index| by.iter().any(|by| by == index)), "{name}: {plan:#}");
            let limit = |node: &&&Value| node["Index Cond"].as_str().is_some_and(|by| by.contains("_at"));
            assert_eq!(found.iter().filter(limit).count(), 2, "{name}: {plan:#}");
        }
    }
    drop(client);
    drop(store);
    PostgresStore::drop_schema(&url, SCHEMA).await.unwrap();
}
