//! Recorded work, task runs, and what rows report.

use std::sync::Arc;

use punctual_core::{
    Completed, FireId, HistoryQuery, HistorySort, JobKey, JobStore, LogEntry, LogLevel, NewTaskRun, Paging,
    Progress, Retention, TaskEnd, TaskRecord, TaskRun, TaskRunEntity, TaskRunId, TaskRunQuery, TaskRunSort,
    TaskRunStatus, TaskStatus, Trigger,
};
use serde_json::json;

use crate::factory::{Hand, at, every, job, schedule};

type Store = Arc<dyn JobStore>;

fn open(task: &str, started: i64, node: &Hand) -> TaskRecord {
    TaskRecord {
        task: task.to_owned(),
        status: TaskStatus::Started,
        started_at: at(started),
        ended_at: None,
        duration_ms: None,
        details: Some(json!({"begun": true})),
        db_id: Some(7),
        node: node.name.clone(),
        term: Some(node.term),
        parent: None,
        run: None,
        logs: None,
        progress: None,
    }
}

fn ended(task: &str, started: i64, node: &Hand) -> TaskRecord {
    TaskRecord {
        status: TaskStatus::Success,
        ended_at: Some(at(started + 1)),
        duration_ms: Some(1_000),
        logs: Some(Vec::new()),
        ..open(task, started, node)
    }
}

fn end(id: FireId, node: &Hand, status: TaskStatus, ended: i64) -> TaskEnd {
    TaskEnd {
        id,
        term: node.term,
        status,
        ended_at: at(ended),
        duration_ms: 17,
        details: Some(json!({"n": 1})),
        logs: vec![message("done")],
        progress: None,
    }
}

fn message(text: &str) -> LogEntry {
    LogEntry {
        level: LogLevel::Warn,
        timestamp: at(3),
        fqns: "some::module".to_owned(),
        msg: text.to_owned(),
        exception: Vec::new(),
        trunc: None,
    }
}

fn progress(done: u64) -> Progress {
    Progress { done, total: Some(10), message: Some("copying".to_owned()), at: at(2) }
}

async fn one(store: &Store, row: TaskRecord) -> FireId {
    store.record(&[row]).await.unwrap()[0]
}

pub async fn recorded_work_is_opened_and_ended_once(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let id = one(&store, open("sync", 1, &node)).await;
    let row = store.history_entry(id).await.unwrap().unwrap();
    assert_eq!((row.status, row.ended_at, row.term), (TaskStatus::Started, None, Some(node.term)));
    assert_eq!((row.details, row.logs, row.db_id), (Some(json!({"begun": true})), None, Some(7)));
    let first = end(id, &node, TaskStatus::Failed, 5);
    assert_eq!(store.end_tasks(std::slice::from_ref(&first)).await.unwrap(), [Completed::Closed]);
    let row = store.history_entry(id).await.unwrap().unwrap();
    assert_eq!((row.status, row.ended_at, row.duration_ms), (TaskStatus::Failed, Some(at(5)), Some(17)));
    assert_eq!((row.details, row.logs), (Some(json!({"n": 1})), Some(vec![message("done")])));
    let again = TaskEnd { status: TaskStatus::Success, ..first };
    assert_eq!(store.end_tasks(&[again]).await.unwrap(), [Completed::Superseded]);
    assert_eq!(store.history_entry(id).await.unwrap().unwrap().status, TaskStatus::Failed);
}

pub async fn work_is_ended_under_its_own_term_only(store: Store) {
    let (mine, other) =
        (Hand::register(&store, "mine", at(0)).await, Hand::register(&store, "other", at(0)).await);
    let id = one(&store, open("sync", 1, &mine)).await;
    let foreign = end(id, &other, TaskStatus::Success, 5);
    let missing = end(FireId(1 << 40), &mine, TaskStatus::Success, 5);
    let right = end(id, &mine, TaskStatus::Success, 6);
    let answers = store.end_tasks(&[foreign, missing, right]).await.unwrap();
    assert_eq!(answers, [Completed::Superseded, Completed::Superseded, Completed::Closed]);
    assert_eq!(store.history_entry(id).await.unwrap().unwrap().ended_at, Some(at(6)));
}

pub async fn recovery_closes_recorded_work_of_lost_nodes(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let id = one(&store, open("sync", 1, &node)).await;
    let alone = one(&store, TaskRecord { term: None, ..open("alone", 1, &node) }).await;
    let live = Hand::register(&store, "live", at(50)).await;
    let kept = one(&store, open("kept", 51, &live)).await;
    assert!(!live.renew(at(52)).await.lost);
    store.recover(at(52)).await.unwrap();
    assert_eq!(store.history_entry(id).await.unwrap().unwrap().status, TaskStatus::Started);
    assert!(store.recover(at(70)).await.unwrap().runs.is_empty(), "nothing of it can run again");
    let row = store.history_entry(id).await.unwrap().unwrap();
    assert_eq!((row.status, row.ended_at, row.duration_ms), (TaskStatus::Unknown, Some(at(70)), None));
    assert_eq!(row.details, Some(json!({"begun": true})));
    for id in [alone, kept] {
        assert_eq!(store.history_entry(id).await.unwrap().unwrap().status, TaskStatus::Started);
    }
    let late = end(id, &node, TaskStatus::Success, 80);
    assert_eq!(store.end_tasks(&[late]).await.unwrap(), [Completed::Superseded]);
}

pub async fn what_a_retired_node_recorded_is_lost(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let id = one(&store, open("sync", 1, &node)).await;
    store.retire(at(2), node.term).await.unwrap();
    let live = Hand::register(&store, "live", at(3)).await;
    assert!(live.renew(at(4)).await.lost, "a heartbeat says that there is something to recover");
    store.recover(at(5)).await.unwrap();
    assert_eq!(store.history_entry(id).await.unwrap().unwrap().status, TaskStatus::Unknown);
    assert!(!live.renew(at(6)).await.lost);
}

pub async fn children_point_at_their_parent(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let parent = one(&store, open("parent", 1, &node)).await;
    let child = one(&store, TaskRecord { parent: Some(parent), ..open("child", 2, &node) }).await;
    one(&store, open("other", 3, &node)).await;
    let query = HistoryQuery { parent: Some(parent), ..HistoryQuery::default() };
    let page = store.history(&query).await.unwrap();
    assert_eq!((page.total, page.rows[0].id, page.rows[0].parent), (1, child, Some(parent)));
}

pub async fn progress_is_seen_and_kept(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(0), 1).await.fires.remove(0);
    let task = one(&store, open("sync", 1, &node)).await;
    store.put_progress(node.term, &[(fire.id, progress(3)), (task, progress(4))]).await.unwrap();
    let of = async |id| store.history_entry(id).await.unwrap().unwrap().progress;
    assert_eq!((of(fire.id).await, of(task).await), (Some(progress(3)), Some(progress(4))));
    let listed = store.history(&HistoryQuery { sort: HistorySort::Task, ..HistoryQuery::default() }).await;
    assert_eq!(listed.unwrap().rows.iter().filter(|row| row.progress.is_some()).count(), 2);
    let done = punctual_core::Completion { progress: Some(progress(9)), ..node.success(&fire, at(5)) };
    store.complete(at(5), &[done]).await.unwrap();
    store.end_tasks(&[end(task, &node, TaskStatus::Success, 5)]).await.unwrap();
    store.put_progress(node.term, &[(fire.id, progress(1)), (task, progress(1))]).await.unwrap();
    assert_eq!(of(fire.id).await, Some(progress(9)), "the end brings the last value");
    assert_eq!(of(task).await, Some(progress(4)), "an end without one keeps what was there");
}

pub async fn progress_of_another_term_is_ignored(store: Store) {
    let (mine, other) =
        (Hand::register(&store, "mine", at(0)).await, Hand::register(&store, "other", at(0)).await);
    let id = one(&store, open("sync", 1, &mine)).await;
    store.put_progress(other.term, &[(id, progress(1))]).await.unwrap();
    assert_eq!(store.history_entry(id).await.unwrap().unwrap().progress, None);
}

pub async fn a_run_keeps_its_logs(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    let fire = node.claim(at(0), 1).await.fires.remove(0);
    assert_eq!(store.history_entry(fire.id).await.unwrap().unwrap().logs, None, "while it runs");
    let logs = vec![message("one"), message("two \"quoted\" \u{0} ünï")];
    let done = punctual_core::Completion { logs: logs.clone(), ..node.success(&fire, at(5)) };
    store.complete(at(5), &[done]).await.unwrap();
    assert_eq!(store.history_entry(fire.id).await.unwrap().unwrap().logs, Some(logs));
    node.renew(at(59)).await;
    let fire = node.claim(at(60), 1).await.fires.remove(0);
    node.succeed(&fire, at(61)).await;
    assert_eq!(store.history_entry(fire.id).await.unwrap().unwrap().logs, Some(Vec::new()));
}

pub async fn rows_are_sorted_by_task_and_status(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    for (task, status) in [("b", TaskStatus::Success), ("B", TaskStatus::Unknown), ("a", TaskStatus::Failed)]
    {
        one(&store, TaskRecord { status, ..ended(task, 1, &node) }).await;
    }
    one(&store, open("a", 2, &node)).await;
    let by = async |sort, descending| {
        let query = HistoryQuery { sort, descending, ..HistoryQuery::default() };
        let rows = store.history(&query).await.unwrap().rows;
        rows.iter().map(|row| format!("{} {}", row.task, row.status)).collect::<Vec<_>>()
    };
    let tasks = ["B unknown", "a failed", "a started", "b success"];
    assert_eq!(by(HistorySort::Task, false).await, tasks);
    assert_eq!(by(HistorySort::Task, true).await, tasks.into_iter().rev().collect::<Vec<_>>());
    let statuses = ["a failed", "a started", "b success", "B unknown"];
    assert_eq!(by(HistorySort::Status, false).await, statuses);
    assert_eq!(by(HistorySort::Status, true).await, statuses.into_iter().rev().collect::<Vec<_>>());
}

fn sync_of(entity_id: i64, started: i64, node: &Hand) -> NewTaskRun {
    NewTaskRun {
        run_type: "sync".to_owned(),
        entity: TaskRunEntity {
            entity_type: "database".to_owned(),
            entity_id,
            name: Some(format!("db {entity_id}")),
        },
        started_at: at(started),
        node: node.name.clone(),
        term: Some(node.term),
    }
}

async fn run_with(store: &Store, node: &Hand, statuses: &[TaskStatus]) -> TaskRunId {
    let run = store.open_run(&sync_of(1, 1, node)).await.unwrap();
    for status in statuses {
        let row = match status {
            TaskStatus::Started => open("step", 2, node),
            status => TaskRecord { status: *status, ..ended("step", 2, node) },
        };
        one(store, TaskRecord { run: Some(run), ..row }).await;
    }
    run
}

pub async fn a_run_succeeds_with_all_its_tasks(store: Store) {
    use TaskStatus::{Failed, Started, Success, Unknown};
    let node = Hand::register(&store, "n", at(0)).await;
    let cases: [(&[TaskStatus], TaskRunStatus); 6] = [
        (&[Success, Success], TaskRunStatus::Success),
        (&[Success], TaskRunStatus::Success),
        (&[], TaskRunStatus::Failed),
        (&[Success, Failed], TaskRunStatus::Failed),
        (&[Success, Started], TaskRunStatus::Failed),
        (&[Success, Unknown], TaskRunStatus::Failed),
    ];
    for (tasks, status) in cases {
        let id = run_with(&store, &node, tasks).await;
        assert_eq!(store.close_run(at(9), id).await.unwrap(), Some(status), "{tasks:?}");
        let run = store.run(id).await.unwrap().unwrap();
        assert_eq!((run.status, run.ended_at, run.tasks.all), (status, Some(at(9)), tasks.len() as u64));
    }
}

pub async fn a_run_is_closed_once(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let id = run_with(&store, &node, &[TaskStatus::Success]).await;
    let run = store.run(id).await.unwrap().unwrap();
    assert_eq!((run.status, run.ended_at, run.term), (TaskRunStatus::Started, None, Some(node.term)));
    assert_eq!(store.close_run(at(5), id).await.unwrap(), Some(TaskRunStatus::Success));
    one(&store, TaskRecord { run: Some(id), status: TaskStatus::Failed, ..ended("late", 6, &node) }).await;
    assert_eq!(store.close_run(at(9), id).await.unwrap(), Some(TaskRunStatus::Success));
    let run = store.run(id).await.unwrap().unwrap();
    assert_eq!((run.ended_at, run.tasks.success, run.tasks.failed), (Some(at(5)), 1, 1));
    assert_eq!(store.close_run(at(9), TaskRunId(1 << 40)).await.unwrap(), None);
    assert_eq!(store.run(TaskRunId(1 << 40)).await.unwrap(), None);
}

pub async fn runs_of_lost_nodes_are_abandoned(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let open = run_with(&store, &node, &[TaskStatus::Success, TaskStatus::Started]).await;
    let closed = run_with(&store, &node, &[TaskStatus::Success]).await;
    store.close_run(at(5), closed).await.unwrap();
    let live = Hand::register(&store, "live", at(50)).await;
    let kept = run_with(&store, &live, &[TaskStatus::Success]).await;
    assert!(live.renew(at(70)).await.lost);
    store.recover(at(70)).await.unwrap();
    let status = async |id| store.run(id).await.unwrap().unwrap().status;
    assert_eq!(status(open).await, TaskRunStatus::Abandoned);
    assert_eq!(status(closed).await, TaskRunStatus::Success);
    assert_eq!(status(kept).await, TaskRunStatus::Started);
    let unknown =
        HistoryQuery { run: Some(open), status: Some(TaskStatus::Unknown), ..HistoryQuery::default() };
    assert_eq!(store.history(&unknown).await.unwrap().total, 1, "with its open tasks");
    assert_eq!(store.close_run(at(80), open).await.unwrap(), Some(TaskRunStatus::Abandoned));
}

async fn ids(store: &Store, query: &TaskRunQuery) -> Vec<i64> {
    let runs: Vec<TaskRun> = store.runs(query).await.unwrap().rows;
    let numbers: Vec<TaskRunId> = runs.iter().map(|run| run.id).collect();
    assert_eq!(store.run_ids(query).await.unwrap(), numbers);
    runs.iter().map(|run| run.entity.entity_id).collect()
}

pub async fn a_lapsed_lease_that_is_renewed_keeps_records_and_runs(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let run = run_with(&store, &node, &[TaskStatus::Success]).await;
    let id = one(&store, open("sync", 1, &node)).await;
    node.renew(at(90)).await;
    let status = async || {
        let (row, run) = (store.history_entry(id).await.unwrap(), store.run(run).await.unwrap());
        (row.unwrap().status, run.unwrap().status)
    };
    store.recover(at(149)).await.unwrap();
    assert_eq!(status().await, (TaskStatus::Started, TaskRunStatus::Started));
    store.recover(at(150)).await.unwrap();
    assert_eq!(status().await, (TaskStatus::Unknown, TaskRunStatus::Abandoned));
}

pub async fn runs_are_filtered_sorted_and_cut(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    for n in 1..=3 {
        store.open_run(&sync_of(n, 10 * n, &node)).await.unwrap();
    }
    let mut alert = sync_of(4, 40, &node);
    (alert.run_type, alert.entity.entity_type) = ("alert".to_owned(), "card".to_owned());
    alert.entity.name = None;
    alert.node = "elsewhere".to_owned();
    let alert = store.open_run(&alert).await.unwrap();
    store.close_run(at(41), alert).await.unwrap();
    let all = TaskRunQuery::default();
    assert_eq!(ids(&store, &all).await, [4, 3, 2, 1]);
    let of_type = TaskRunQuery { run_type: Some("sync".to_owned()), ..all.clone() };
    assert_eq!(ids(&store, &of_type).await, [3, 2, 1]);
    let of_entity = TaskRunQuery { entity_type: Some("card".to_owned()), ..all.clone() };
    assert_eq!(ids(&store, &of_entity).await, [4]);
    assert_eq!(ids(&store, &TaskRunQuery { entity_id: Some(2), ..all.clone() }).await, [2]);
    let failed = TaskRunQuery { status: Some(TaskRunStatus::Failed), ..all.clone() };
    assert_eq!(ids(&store, &failed).await, [4]);
    let within = TaskRunQuery { started_from: Some(at(20)), started_before: Some(at(40)), ..all.clone() };
    assert_eq!(ids(&store, &within).await, [3, 2], "the end is not part of it");
    let on_node = TaskRunQuery { node: Some("n".to_owned()), ..all.clone() };
    assert_eq!(ids(&store, &on_node).await, [3, 2, 1]);
    let numbers = store.run_ids(&all).await.unwrap();
    let some = vec![numbers[3], numbers[1], TaskRunId(i64::MAX)];
    let some = TaskRunQuery { ids: Some(some), ..all.clone() };
    assert_eq!(ids(&store, &some).await, [3, 1]);
    let some_of_one = TaskRunQuery { entity_id: Some(1), ..some };
    assert_eq!(ids(&store, &some_of_one).await, [1]);
    let none = TaskRunQuery { ids: Some(Vec::new()), ..all.clone() };
    assert_eq!(ids(&store, &none).await, [0; 0]);
    let part = TaskRunQuery { paging: Paging { limit: Some(2), offset: 1 }, ..all.clone() };
    assert_eq!(store.runs(&part).await.unwrap().total, 4);
    assert_eq!(ids(&store, &part).await, [3, 2]);
    let sorts = [
        (TaskRunSort::StartedAt, [1, 2, 3, 4]),
        (TaskRunSort::EndedAt, [4, 1, 2, 3]),
        (TaskRunSort::RunType, [4, 1, 2, 3]),
        (TaskRunSort::Status, [4, 1, 2, 3]),
        (TaskRunSort::EntityName, [4, 1, 2, 3]),
        (TaskRunSort::TaskCount, [1, 2, 3, 4]),
    ];
    for (sort, mut expected) in sorts {
        let query = TaskRunQuery { sort, descending: false, ..all.clone() };
        assert_eq!(ids(&store, &query).await, expected, "{sort:?}");
        expected.reverse();
        assert_eq!(ids(&store, &TaskRunQuery { descending: true, ..query }).await, expected, "{sort:?}");
    }
}

pub async fn entities_of_runs_are_listed_once(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    for (entity, started) in [(2, 1), (1, 2), (2, 3)] {
        let mut run = sync_of(entity, started, &node);
        run.entity.name = Some(format!("name at {started}"));
        store.open_run(&run).await.unwrap();
    }
    let entity = |entity_id, started| TaskRunEntity {
        entity_type: "database".to_owned(),
        entity_id,
        name: Some(format!("name at {started}")),
    };
    let all = TaskRunQuery { run_type: Some("sync".to_owned()), ..TaskRunQuery::default() };
    assert_eq!(store.run_entities(&all).await.unwrap(), [entity(1, 2), entity(2, 3)]);
    let early = TaskRunQuery { started_before: Some(at(2)), ..all.clone() };
    assert_eq!(store.run_entities(&early).await.unwrap(), [entity(2, 1)]);
    let none = TaskRunQuery { run_type: Some("alert".to_owned()), ..all };
    assert!(store.run_entities(&none).await.unwrap().is_empty());
}

fn keep(rows: u64) -> Retention {
    Retention { job: None, max_rows: Some(rows), ended_before: None, chunk: 100 }
}

pub async fn children_and_runs_are_pruned_with_their_rows(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let empty = store.open_run(&sync_of(8, 1, &node)).await.unwrap();
    store.close_run(at(1), empty).await.unwrap();
    let run = store.open_run(&sync_of(1, 1, &node)).await.unwrap();
    let parent = one(&store, TaskRecord { run: Some(run), ..ended("parent", 1, &node) }).await;
    let child = TaskRecord { parent: Some(parent), run: Some(run), ..ended("child", 2, &node) };
    let child = one(&store, child).await;
    let open_run = store.open_run(&sync_of(1, 1, &node)).await.unwrap();
    one(&store, ended("newest", 4, &node)).await;
    one(&store, TaskRecord { parent: Some(child), ..ended("grandchild", 5, &node) }).await;
    let open = one(&store, TaskRecord { parent: Some(parent), ..open("open", 6, &node) }).await;
    let later = store.open_run(&sync_of(2, 7, &node)).await.unwrap();
    store.close_run(at(9), run).await.unwrap();
    store.close_run(at(9), later).await.unwrap();
    assert_eq!(store.prune(&keep(3)).await.unwrap(), 3, "the oldest ended row takes its descendants along");
    assert_eq!(store.prune(&keep(3)).await.unwrap(), 0);
    let left: Vec<_> = store.history(&HistoryQuery::default()).await.unwrap().rows;
    assert_eq!(left.iter().map(|row| row.task.as_str()).collect::<Vec<_>>(), ["open", "newest"]);
    assert_eq!(left[0].id, open);
    assert_eq!(store.run(run).await.unwrap(), None);
    assert_eq!(store.run(empty).await.unwrap(), None);
    assert!(store.run(open_run).await.unwrap().is_some(), "it goes on");
    assert!(store.run(later).await.unwrap().is_some(), "it is newer than what was deleted");
}

pub async fn a_job_can_be_pruned_alone(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    for name in ["chatty", "quiet"] {
        schedule(&store, at(0), job(name), vec![Trigger::new(name, name, every(30))]).await;
    }
    for turn in 0..5 {
        let now = at(30 * turn);
        for fire in node.claim_later(now, 5).await.fires {
            node.succeed(&fire, now).await;
        }
    }
    node.claim_later(at(150), 5).await;
    let rows = async |name: &str| {
        let query = HistoryQuery { job: Some(JobKey::new(name)), ..HistoryQuery::default() };
        store.history(&query).await.unwrap().total
    };
    let chatty = Retention { job: Some(JobKey::new("chatty")), chunk: 2, ..keep(2) };
    assert_eq!(store.prune(&chatty).await.unwrap(), 2);
    assert_eq!(store.prune(&chatty).await.unwrap(), 1);
    assert_eq!(store.prune(&chatty).await.unwrap(), 0);
    assert_eq!((rows("chatty").await, rows("quiet").await), (3, 6), "an open row is not counted");
    let old = Retention { max_rows: None, ended_before: Some(at(120)), ..chatty };
    assert_eq!(store.prune(&old).await.unwrap(), 1);
    assert_eq!((rows("chatty").await, rows("quiet").await), (2, 6));
}
