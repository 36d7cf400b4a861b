//! The task history and its lists.

use std::sync::Arc;

use punctual_core::query::instants::ON_TIME_MS;
use punctual_core::time::plus_millis;
use punctual_core::{
    Change, Data, HistoryQuery, HistorySort, JobKey, JobStore, MisfirePolicy, Paging, Retention, SkipReason,
    SkippedQuery, TaskHistory, TaskRecord, TaskStatus, Trigger, TriggerKey,
};
use serde_json::json;

use crate::factory::{Hand, at, cron, every, job, schedule};

type Store = Arc<dyn JobStore>;

fn record(task: &str, started: i64, took: Option<i64>) -> TaskRecord {
    TaskRecord {
        task: task.to_owned(),
        status: if took.is_some() { TaskStatus::Success } else { TaskStatus::Started },
        started_at: at(started),
        ended_at: took.map(|took| at(started + took)),
        duration_ms: took.map(|took| took as u64 * 1_000),
        details: Some(json!({"n": started})),
        db_id: Some(3),
        node: "n".to_owned(),
        term: None,
        parent: None,
        run: None,
        logs: None,
        progress: None,
    }
}

async fn starts(store: &Store, query: &HistoryQuery) -> Vec<i64> {
    let rows = store.history(query).await.unwrap().rows;
    rows.iter().map(|row| row.started_at.as_second() - at(0).as_second()).collect()
}

pub async fn rows_are_filtered(store: Store) {
    let elsewhere = TaskRecord { node: "elsewhere".to_owned(), ..record("b", 2, Some(5)) };
    store.record(&[record("a", 1, Some(5)), elsewhere, record("a", 3, None)]).await.unwrap();
    let all = HistoryQuery::default();
    assert_eq!(starts(&store, &all).await, [3, 2, 1]);
    let a = HistoryQuery { task: Some("a".to_owned()), ..all.clone() };
    assert_eq!(starts(&store, &a).await, [3, 1]);
    let open = HistoryQuery { status: Some(TaskStatus::Started), ..a };
    assert_eq!(starts(&store, &open).await, [3]);
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let node = Hand::register(&store, "n", at(10)).await;
    node.claim(at(10), 5).await;
    node.claim(at(60), 5).await;
    let of_job = HistoryQuery { job: Some(JobKey::new("job")), ..all.clone() };
    assert_eq!(starts(&store, &of_job).await, [60, 10]);
    let of_trigger = HistoryQuery { trigger: Some(TriggerKey::new("t")), ..all.clone() };
    assert_eq!(starts(&store, &of_trigger).await.len(), 2);
    let instant = HistoryQuery { scheduled_from: Some(at(1)), scheduled_to: Some(at(60)), ..all };
    assert_eq!(starts(&store, &instant).await, [60]);
    let late = HistoryQuery { started_from: Some(at(3)), ..HistoryQuery::default() };
    assert_eq!(starts(&store, &late).await, [60, 10, 3]);
    let span = |from, before| HistoryQuery {
        started_from: Some(at(from)),
        started_before: Some(at(before)),
        ..HistoryQuery::default()
    };
    assert_eq!(starts(&store, &span(2, 10)).await, [3, 2], "the end is not part of it");
    assert_eq!(starts(&store, &HistoryQuery { started_from: None, ..span(2, 3) }).await, [2, 1]);
    assert_eq!(starts(&store, &span(10, 2)).await, [0; 0]);
    let on_node = HistoryQuery { node: Some("n".to_owned()), ..HistoryQuery::default() };
    assert_eq!(starts(&store, &on_node).await, [60, 10, 3, 1]);
    let part = HistoryQuery { node: Some("n".to_owned()), paging: Paging::first(1), ..span(2, 11) };
    let part = store.history(&part).await.unwrap();
    assert_eq!((part.rows[0].started_at, part.total), (at(10), 2));
    let nowhere = HistoryQuery { node: Some("N".to_owned()), ..HistoryQuery::default() };
    assert_eq!(starts(&store, &nowhere).await, [0; 0], "by the whole name, in this case");
    let rows = store.history(&late).await.unwrap().rows;
    let terms: Vec<_> = rows.iter().map(|row| row.term).collect();
    assert_eq!(terms, [Some(node.term), Some(node.term), None], "only runs of jobs have a term");
}

/// Runs for instants that lie so many milliseconds before the start, of no trigger or of one, all started at `START`.
async fn started_late(store: &Store, late: &[i64], trigger: Option<&str>) {
    store.apply(at(0), &[Change::PutJob(job("job"))]).await.unwrap();
    let run = |late: &i64| Change::RunFor {
        job: JobKey::new("job"),
        trigger: trigger.map(TriggerKey::new),
        scheduled_at: plus_millis(at(0), -late),
        data: Data::empty(),
    };
    let runs: Vec<Change> = late.iter().map(run).collect();
    store.apply(at(0), &runs).await.unwrap();
    let node = Hand::register(store, "n", at(0)).await;
    for fire in node.claim(at(0), late.len()).await.fires {
        assert_eq!(fire.fired_at, at(0));
        node.succeed(&fire, at(5)).await;
    }
}

/// How late the runs were whose instants lie within so many milliseconds before `START`, the latest first.
async fn lateness(store: &Store, trigger: Option<&str>, (most, least): (i64, i64)) -> Vec<i64> {
    let query = HistoryQuery {
        trigger: trigger.map(TriggerKey::new),
        scheduled_from: Some(plus_millis(at(0), -most)),
        scheduled_to: Some(plus_millis(at(0), -least)),
        ..HistoryQuery::default()
    };
    let page = store.history(&query).await.unwrap();
    assert_eq!(page.total, page.rows.len() as u64);
    let brief = store.history(&HistoryQuery { brief: true, ..query.clone() }).await.unwrap();
    assert_eq!(brief.rows, page.rows.iter().map(TaskHistory::brief).collect::<Vec<_>>());
    let first = HistoryQuery { paging: Paging { limit: Some(2), offset: 1 }, ..query };
    let first = store.history(&first).await.unwrap();
    assert_eq!(first.rows, page.rows.iter().skip(1).take(2).cloned().collect::<Vec<_>>());
    let mut late: Vec<i64> = page.rows.iter().filter_map(TaskHistory::lateness_ms).collect();
    late.sort_unstable_by(|one, other| other.cmp(one));
    late
}

pub async fn rows_are_found_by_their_instant_however_late_they_started(store: Store) {
    const HOUR: i64 = ON_TIME_MS;
    let all = [90 * HOUR, HOUR + 1, HOUR, HOUR - 1, 1, 0, -1, -HOUR, -HOUR - 1];
    started_late(&store, &all, Some("t")).await;
    for trigger in [None, Some("t")] {
        assert_eq!(lateness(&store, trigger, (100 * HOUR, -100 * HOUR)).await, all);
        for late in all {
            assert_eq!(lateness(&store, trigger, (late, late)).await, [late], "one instant");
        }
        assert_eq!(lateness(&store, trigger, (HOUR, 0)).await, [HOUR, HOUR - 1, 1, 0]);
        assert_eq!(lateness(&store, trigger, (HOUR + 1, HOUR)).await, [HOUR + 1, HOUR]);
        assert_eq!(lateness(&store, trigger, (0, -HOUR)).await, [0, -1, -HOUR]);
        assert_eq!(lateness(&store, trigger, (89 * HOUR, HOUR + 2)).await, [0; 0]);
    }
    assert_eq!(lateness(&store, Some("other"), (100 * HOUR, -100 * HOUR)).await, [0; 0]);
}

pub async fn a_brief_row_has_no_details_logs_or_progress(store: Store) {
    let mut full = record("a", 1, Some(5));
    full.logs = Some(Vec::new());
    store.record(&[full, record("b", 2, Some(5)), record("a", 3, None)]).await.unwrap();
    let query = HistoryQuery { paging: Paging::first(2), descending: false, ..HistoryQuery::default() };
    let rows = store.history(&query).await.unwrap().rows;
    assert!(rows[0].details.is_some() && rows[0].logs.is_some());
    let brief = store.history(&HistoryQuery { brief: true, ..query }).await.unwrap();
    assert_eq!(brief.rows, [rows[0].brief(), rows[1].brief()]);
    assert_eq!(brief.total, 2, "it counts the page");
}

pub async fn rows_are_sorted_with_open_ones_last_to_end(store: Store) {
    store.record(&[record("a", 1, Some(50)), record("a", 2, Some(10)), record("a", 3, None)]).await.unwrap();
    let by = |sort, descending| HistoryQuery { sort, descending, ..HistoryQuery::default() };
    assert_eq!(starts(&store, &by(HistorySort::StartedAt, false)).await, [1, 2, 3]);
    assert_eq!(starts(&store, &by(HistorySort::EndedAt, false)).await, [2, 1, 3]);
    assert_eq!(starts(&store, &by(HistorySort::EndedAt, true)).await, [3, 1, 2]);
    assert_eq!(starts(&store, &by(HistorySort::Duration, false)).await, [2, 1, 3]);
    assert_eq!(starts(&store, &by(HistorySort::Duration, true)).await, [3, 1, 2]);
}

pub async fn pages_are_cut_and_totals_are_not(store: Store) {
    let rows: Vec<_> = (0..7).map(|n| record("a", n, Some(1))).collect();
    store.record(&rows).await.unwrap();
    let query = HistoryQuery { paging: Paging { limit: Some(3), offset: 2 }, ..HistoryQuery::default() };
    let page = store.history(&query).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (3, 7));
    assert_eq!(starts(&store, &query).await, [4, 3, 2]);
    let beyond = HistoryQuery { paging: Paging { limit: None, offset: 6 }, ..query };
    assert_eq!(starts(&store, &beyond).await, [0]);
}

pub async fn recorded_work_is_a_row(store: Store) {
    let ids = store.record(&[record("sync", 1, Some(2)), record("sync", 2, Some(2))]).await.unwrap();
    assert!(ids[0] < ids[1]);
    let row = store.history_entry(ids[0]).await.unwrap().unwrap();
    assert_eq!((row.task.as_str(), row.db_id, row.duration_ms), ("sync", Some(3), Some(2_000)));
    assert_eq!((row.details, row.job, row.scheduled_at), (Some(json!({"n": 1})), None, None));
    assert!(store.history_entry(punctual_core::FireId(1 << 40)).await.unwrap().is_none());
    assert!(store.recover(at(9_999)).await.unwrap().runs.is_empty(), "it is no fire of a node");
}

pub async fn task_names_are_distinct_and_ascending(store: Store) {
    assert!(store.unique_tasks().await.unwrap().is_empty());
    store.record(&[record("b", 1, Some(1)), record("a", 2, None), record("b", 3, Some(1))]).await.unwrap();
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    Hand::register(&store, "n", at(0)).await.claim(at(0), 1).await;
    assert_eq!(store.unique_tasks().await.unwrap(), ["a", "b", "job"]);
}

pub async fn pruning_keeps_the_newest_and_all_open_rows(store: Store) {
    let mut rows: Vec<_> = (0..10).map(|n| record("a", n, Some(1))).collect();
    rows[2] = record("open", 2, None);
    store.record(&rows).await.unwrap();
    let retention = Retention { job: None, max_rows: Some(4), ended_before: None, chunk: 100 };
    assert_eq!(store.prune(&retention).await.unwrap(), 5);
    assert_eq!(store.prune(&retention).await.unwrap(), 0);
    let left = HistoryQuery { descending: false, ..HistoryQuery::default() };
    assert_eq!(starts(&store, &left).await, [2, 6, 7, 8, 9]);
    let more = Retention { job: None, max_rows: Some(50), ended_before: None, chunk: 100 };
    assert_eq!(store.prune(&more).await.unwrap(), 0);
}

pub async fn pruning_by_age_goes_in_chunks(store: Store) {
    let rows: Vec<_> = (0..10).map(|n| record("a", n * 10, Some(1))).collect();
    store.record(&rows).await.unwrap();
    let retention = Retention { job: None, max_rows: None, ended_before: Some(at(61)), chunk: 4 };
    assert_eq!(store.prune(&retention).await.unwrap(), 4);
    assert_eq!(store.prune(&retention).await.unwrap(), 2);
    assert_eq!(store.prune(&retention).await.unwrap(), 0);
    assert_eq!(store.history(&HistoryQuery::default()).await.unwrap().total, 4);
}

pub async fn skipped_ranges_are_filtered(store: Store) {
    for name in ["x", "y"] {
        let trigger = Trigger::new(name, name, cron("0 * * * * ?")).misfire(MisfirePolicy::DoNothing);
        schedule(&store, at(0), job(name), vec![trigger]).await;
    }
    let node = Hand::register(&store, "n", at(600)).await;
    node.claim(at(600), 5).await;
    let all = SkippedQuery::default();
    assert_eq!(store.skipped(&all).await.unwrap().total, 2);
    let x = SkippedQuery { trigger: Some(TriggerKey::new("x")), ..all.clone() };
    let row = store.skipped(&x).await.unwrap().rows.remove(0);
    assert_eq!((row.job, row.recorded_at), (JobKey::new("x"), at(600)));
    let of_job = SkippedQuery { job: Some(JobKey::new("y")), ..all.clone() };
    assert_eq!(store.skipped(&of_job).await.unwrap().total, 1);
    let inside = SkippedQuery { at: Some(at(300)), ..x.clone() };
    assert_eq!(store.skipped(&inside).await.unwrap().total, 1);
    let outside = SkippedQuery { at: Some(at(660)), ..x };
    assert_eq!(store.skipped(&outside).await.unwrap().total, 0);
    let paused = SkippedQuery { reason: Some(SkipReason::Paused), ..all.clone() };
    assert_eq!(store.skipped(&paused).await.unwrap().total, 0);
    let page = SkippedQuery { paging: Paging::first(1), ..all };
    let page = store.skipped(&page).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (1, 2));
}

pub async fn states_are_counted(store: Store) {
    let triggers = vec![
        Trigger::once("due", "solo", at(0)),
        Trigger::once("held", "solo", at(1)),
        Trigger::once("later", "solo", at(500)),
        Trigger::once("paused", "solo", at(1)),
    ];
    schedule(&store, at(0), job("solo").non_concurrent(), triggers).await;
    store.apply(at(0), &[punctual_core::Change::PauseTrigger(TriggerKey::new("paused"))]).await.unwrap();
    let node = Hand::register(&store, "n", at(0)).await;
    node.claim(at(2), 5).await;
    let counts = store.state_counts(at(2)).await.unwrap();
    assert_eq!((counts.executing, counts.waiting, counts.paused), (1, 1, 1));
    assert_eq!((counts.blocked, counts.complete, counts.error), (1, 1, 0));
}
