//! Fires that share a row: which ones do, how they end, and that nobody can tell by what a store answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use punctual_core::{
    Change, Completed, Completion, Data, Fire, FireId, HistoryQuery, JobKey, LogEntry, LogLevel, Outcome,
    Paging, Progress, Retry, StateCounts, TaskHistory, TaskStatus, Term, Trigger, TriggerKey,
};
use punctual_postgres::Options;
use punctual_testkit::factory::{Hand, at, data, every, job, schedule};
use serde_json::json;
use support::world::World;

mod support;

/// A durable job with so many triggers of one instant each.
async fn with_fires(world: &World, fires: usize) {
    let triggers = (0..fires).map(|n| Trigger::once(format!("t{n:03}").as_str(), "job", at(0))).collect();
    schedule(&world.store, at(0), job("job"), triggers).await;
}

/// A node with so many open fires.
async fn opened(world: &World, fires: usize) -> (Hand, Vec<Fire>) {
    with_fires(world, fires).await;
    let node = Hand::register(&world.store, "n", at(0)).await;
    let fires = node.claim(at(0), fires).await.fires;
    (node, fires)
}

async fn end(node: &Hand, fires: &[Fire]) -> Vec<Completed> {
    let done: Vec<Completion> = fires.iter().map(|fire| node.success(fire, at(1))).collect();
    node.store.complete(at(1), &done).await.unwrap()
}

async fn assert_over(world: &World) {
    assert_eq!(world.open().await, (0, 0, 0), "something is left open");
    assert_eq!(world.count("triggers").await, 0, "something is left to do");
}

#[tokio::test]
async fn enough_fires_of_a_claim_share_a_row() {
    let world = World::of(3).await;
    with_fires(&world, 8).await;
    let node = Hand::register(&world.store, "n", at(0)).await;
    let few = node.claim(at(0), 2).await.fires;
    assert_eq!(world.open().await, (0, 0, 2));
    let enough = node.claim(at(0), 3).await.fires;
    assert_eq!(world.open().await, (1, 3, 2));
    let other = node.claim(at(0), 9).await.fires;
    assert_eq!((other.len(), world.open().await), (3, (2, 6, 2)));
    let all = [few, other, enough].concat();
    assert_eq!(end(&node, &all).await, [Completed::Closed; 8]);
    assert_eq!(world.became(&all).await, [TaskStatus::Success; 8]);
    assert_over(&world).await;
}

#[tokio::test]
async fn a_store_that_is_opened_as_usual_makes_batches_of_large_claims() {
    let from = Options::default().batch_from;
    let world = World::of(from).await;
    with_fires(&world, 2 * from - 1).await;
    let node = Hand::register(&world.store, "n", at(0)).await;
    let few = node.claim(at(0), from - 1).await.fires;
    assert_eq!(world.open().await, (0, 0, from as i64 - 1));
    let many = node.claim(at(0), from).await.fires;
    assert_eq!(world.open().await, (1, from as i64, from as i64 - 1));
    assert!(end(&node, &few).await.iter().all(|one| *one == Completed::Closed));
    assert!(end(&node, &many).await.iter().all(|one| *one == Completed::Closed));
    assert_eq!(world.history().await.len(), 2 * from - 1);
    assert_over(&world).await;
}

#[tokio::test]
async fn fires_of_a_batch_end_in_any_order() {
    let world = World::of(1).await;
    let (node, fires) = opened(&world, 9).await;
    let parts: [&[usize]; 4] = [&[8], &[0, 4], &[7, 1, 5], &[6, 2, 3]];
    let mut ended = BTreeSet::new();
    for part in parts {
        let part: Vec<Fire> = part.iter().map(|n| fires[*n].clone()).collect();
        assert!(end(&node, &part).await.iter().all(|one| *one == Completed::Closed));
        ended.extend(part.iter().map(|fire| fire.id));
        let left = fires.len() - ended.len();
        assert_eq!(world.open().await, (i64::from(left > 0), left as i64, 0));
        // Those that ended have their rows, and no others.
        for (fire, status) in fires.iter().zip(world.became(&fires).await) {
            let over = ended.contains(&fire.id);
            assert_eq!(status, if over { TaskStatus::Success } else { TaskStatus::Started }, "{fire:?}");
        }
        assert_eq!(world.count("task_history").await, ended.len() as i64);
    }
    assert_over(&world).await;
}

/// What a completion can bring, by its number.
fn various(node: &Hand, fire: &Fire, n: usize) -> Completion {
    let plain =
        Completion { duration_ms: 10 + n as u64, ended_at: at(2 + n as i64), ..node.success(fire, at(1)) };
    let log = |text: String| LogEntry {
        level: LogLevel::Info,
        timestamp: at(1),
        fqns: "some::module".to_owned(),
        msg: text,
        exception: Vec::new(),
        trunc: None,
    };
    let progress = Progress { done: n as u64, total: Some(99), message: None, at: at(2) };
    match n % 5 {
        0 => Completion { outcome: Outcome::Success(Some(json!({"n": n}))), ..plain },
        1 => Completion { outcome: Outcome::Failed(json!({"message": format!("no {n}")})), ..plain },
        2 => Completion { logs: vec![log(format!("{n}: \"ünï\""))], ..plain },
        3 => Completion { progress: Some(progress), ..plain },
        _ => plain,
    }
}

/// Asserts that the history says what this completion said.
fn assert_says(row: &TaskHistory, done: &Completion) {
    let (status, details) = match done.outcome.clone() {
        Outcome::Success(details) => (TaskStatus::Success, details),
        Outcome::Failed(details) => (TaskStatus::Failed, Some(details)),
    };
    assert_eq!((row.status, &row.details), (status, &details));
    assert_eq!((row.ended_at, row.duration_ms), (Some(done.ended_at), Some(done.duration_ms)));
    assert_eq!((row.logs.as_ref(), &row.progress), (Some(&done.logs), &done.progress));
    assert_eq!((row.id, row.term), (done.id, Some(done.term)));
}

#[tokio::test]
async fn each_fire_of_a_batch_keeps_what_its_end_brought() {
    // One portion, and portions in which some columns hold one value for all.
    for portion in [20, 7, 3, 1] {
        let world = World::of(1).await;
        let (node, fires) = opened(&world, 20).await;
        let mut done: Vec<Completion> =
            fires.iter().enumerate().map(|(n, fire)| various(&node, fire, n)).collect();
        done[6].keep = false;
        done[11].keep = false;
        for portion in done.chunks(portion) {
            let answers = world.store.complete(at(3), portion).await.unwrap();
            assert!(answers.iter().all(|one| *one == Completed::Closed));
        }
        let rows = world.history().await;
        let kept: Vec<&Completion> = done.iter().filter(|one| one.keep).collect();
        assert_eq!(rows.len(), kept.len());
        for one in kept {
            assert_says(rows.iter().find(|row| row.id == one.id).unwrap(), one);
        }
        assert_over(&world).await;
    }
}

#[tokio::test]
async fn a_fire_of_a_batch_ends_once() {
    let world = World::of(1).await;
    let (node, fires) = opened(&world, 4).await;
    assert_eq!(end(&node, &fires[..2]).await, [Completed::Closed; 2]);
    assert_eq!(end(&node, &fires[..2]).await, [Completed::Superseded; 2]);
    // As after an answer that was lost: by a process that knows nothing of them, and by one that knows their places.
    let other = Hand { store: world.other().await, term: node.term, name: node.name.clone() };
    assert_eq!(end(&other, &fires[..1]).await, [Completed::Superseded]);
    assert_eq!(world.count("task_history").await, 2);
    assert_eq!(world.history().await.len(), 4);
    assert_eq!(end(&node, &fires[1..]).await, [Completed::Superseded, Completed::Closed, Completed::Closed]);
    assert_eq!(end(&node, &fires).await, [Completed::Superseded; 4]);
    assert_eq!(world.count("task_history").await, 4);
    assert_over(&world).await;
}

/// The process still knows the places of fires when their completions come for the second time.
#[tokio::test]
async fn a_completion_that_comes_twice_at_once_closes_once() {
    let world = World::of(1).await;
    let (node, fires) = opened(&world, 6).await;
    let some: Vec<Completion> = fires[..4].iter().map(|fire| node.success(fire, at(1))).collect();
    let held = world.hold_batches().await;
    let (one, two) = (world.store.clone(), world.store.clone());
    let (first, second) = (some.clone(), some.clone());
    let one = tokio::spawn(async move { one.complete(at(1), &first).await.unwrap() });
    let two = tokio::spawn(async move { two.complete(at(1), &second).await.unwrap() });
    world.until_waiting(&held, 2).await;
    held.let_go().await;
    let answers = [one.await.unwrap(), two.await.unwrap()].concat();
    assert_eq!(answers.iter().filter(|one| **one == Completed::Closed).count(), 4, "{answers:?}");
    assert_eq!(world.count("task_history").await, 4);
    assert_eq!(world.open().await, (1, 2, 0));
    assert_eq!(end(&node, &fires[4..]).await, [Completed::Closed; 2]);
    assert_over(&world).await;
}

#[tokio::test]
async fn fires_of_a_batch_end_under_their_own_term_only() {
    let world = World::of(1).await;
    let (node, fires) = opened(&world, 10).await;
    let foreign = Term(node.term.0 + 1);
    let done = |fire: &Fire, term: Term| Completion { term, ..node.success(fire, at(1)) };
    let mut all = vec![done(&fires[0], foreign), done(&fires[1], node.term), done(&fires[2], foreign)];
    let answers = world.store.complete(at(1), &all).await.unwrap();
    assert_eq!(answers, [Completed::Superseded, Completed::Closed, Completed::Superseded]);
    all = vec![done(&fires[3], node.term), done(&fires[4], foreign)];
    assert_eq!(world.store.complete(at(1), &all).await.unwrap(), [Completed::Closed, Completed::Superseded]);
    all = vec![done(&fires[5], foreign)];
    assert_eq!(world.store.complete(at(1), &all).await.unwrap(), [Completed::Superseded]);
    assert_eq!((world.count("task_history").await, world.open().await.1), (2, 8));
    let left: Vec<Fire> = [0, 2, 4, 5, 6, 7, 8, 9].iter().map(|n: &usize| fires[*n].clone()).collect();
    assert_eq!(end(&node, &left).await, [Completed::Closed; 8]);
    assert_eq!(world.history().await.len(), 10);
    assert_eq!(world.open().await, (0, 0, 0));
}

/// What a store says of some steps, apart from the numbers that it gives.
#[derive(Debug, PartialEq)]
struct Told {
    lists: Vec<Vec<TaskHistory>>,
    totals: Vec<u64>,
    counts: Vec<StateCounts>,
    answers: Vec<Completed>,
}

fn without_numbers(mut rows: Vec<TaskHistory>) -> Vec<TaskHistory> {
    for row in &mut rows {
        row.origin = FireId(i64::from(row.origin != row.id));
        row.id = FireId(0);
        row.term = None;
    }
    rows.sort_by_key(|row| {
        (row.job.clone(), row.trigger.clone(), row.scheduled_at, row.attempt, row.cause.code())
    });
    rows
}

fn in_order(mut fires: Vec<Fire>) -> Vec<Fire> {
    fires.sort_by_key(|fire| (fire.job.key.clone(), fire.trigger.clone(), fire.scheduled_at, fire.attempt));
    fires
}

/// Jobs of all sorts, each with triggers of one instant and of many.
async fn of_all_sorts(world: &World) {
    let key = |group: &str, name: &str| JobKey::try_new(group, name).unwrap();
    let jobs = [
        job("plain"),
        punctual_core::JobDetail::new(key("other", "plain"), "test").durable(),
        job("lane").non_concurrent(),
        job("recovers").requests_recovery(),
        job("quiet").without_history(),
        punctual_core::JobDetail::new("passing", "test"),
    ];
    for (n, job) in jobs.into_iter().enumerate() {
        let (key, with_data) = (job.key.clone(), n % 3 != 2);
        let trigger = |k: usize| {
            let name = format!("{}-{n}-{k}", key.name());
            let name = TriggerKey::try_new(if k.is_multiple_of(2) { "even" } else { "odd" }, name).unwrap();
            let trigger = match k {
                0 | 1 => Trigger::once(name, key.clone(), at(n as i64)),
                2 => Trigger::once(name, key.clone(), at(1)).priority(9),
                _ => Trigger::new(name, key.clone(), every(7)),
            };
            if with_data && k % 2 == 1 { trigger.data(data(json!({"k": k}))) } else { trigger }
        };
        let triggers = (0..4).map(trigger).collect();
        schedule(&world.store, at(0), job, triggers).await;
    }
}

impl Told {
    async fn look(&mut self, world: &World) {
        let all = HistoryQuery { paging: Paging::ALL, ..HistoryQuery::default() };
        let open = HistoryQuery { status: Some(TaskStatus::Started), ..all.clone() };
        let group = JobKey::try_new("other", "plain").unwrap();
        let of_job = HistoryQuery { job: Some(group), ..all.clone() };
        let trigger = TriggerKey::try_new("odd", "plain-0-3").unwrap();
        let of_trigger = HistoryQuery { trigger: Some(trigger), ..all.clone() };
        let of_task = HistoryQuery { task: Some("plain".to_owned()), ..open.clone() };
        for query in [&all, &open, &of_job, &of_trigger, &of_task] {
            let page = world.store.history(query).await.unwrap();
            self.totals.push(page.total);
            for row in &page.rows {
                assert_eq!(world.store.history_entry(row.id).await.unwrap().as_ref(), Some(row));
            }
            let first = HistoryQuery { paging: Paging::first(2), ..query.clone() };
            let first = world.store.history(&first).await.unwrap();
            assert_eq!((first.total, &first.rows[..]), (page.total, &page.rows[..page.rows.len().min(2)]));
            self.lists.push(without_numbers(page.rows));
        }
        self.counts.push(world.store.state_counts(at(20)).await.unwrap());
    }

    async fn end(&mut self, world: &World, done: &[Completion]) {
        self.answers.extend(world.store.complete(at(20), done).await.unwrap());
    }

    /// The same steps, whatever a store does with them.
    async fn of(world: &World) -> Self {
        let mut told =
            Self { lists: Vec::new(), totals: Vec::new(), counts: Vec::new(), answers: Vec::new() };
        of_all_sorts(world).await;
        let node = Hand::register(&world.store, "n", at(0)).await;
        let first = in_order(node.claim(at(8), 100).await.fires);
        told.look(world).await;
        let mut done: Vec<Completion> =
            first.iter().enumerate().map(|(n, fire)| various(&node, fire, n)).collect();
        let mut rest = done.split_off(done.len() / 2);
        told.end(world, &done).await;
        told.look(world).await;
        // An attempt that is made again, and a run that somebody asked for, are claimed beside other fires.
        rest[1].outcome = Outcome::Failed(json!({"message": "again"}));
        rest[1].retry = Some(Retry { at: at(9), data: Data::empty() });
        told.end(world, &rest[..3]).await;
        let now = Change::TriggerNow { job: JobKey::new("recovers"), data: data(json!({"now": 1})) };
        world.store.apply(at(9), &[now]).await.unwrap();
        told.look(world).await;
        told.end(world, &rest[3..]).await;
        let second = in_order(node.claim(at(15), 100).await.fires);
        told.look(world).await;
        let second: Vec<Completion> =
            second.iter().enumerate().map(|(n, fire)| various(&node, fire, n)).collect();
        told.end(world, &second).await;
        told.look(world).await;
        assert_eq!(world.open().await, (0, 0, 0));
        told
    }
}

#[tokio::test]
async fn nobody_can_tell_by_the_answers_which_fires_share_a_row() {
    let (apart, together) = (World::of(usize::MAX).await, World::of(2).await);
    let (apart, together) = (Told::of(&apart).await, Told::of(&together).await);
    assert!(apart.answers.iter().all(|one| *one == Completed::Closed));
    assert_eq!(apart, together);
}

#[tokio::test]
async fn a_mixed_claim_puts_together_what_nobody_looks_for() {
    let world = World::of(2).await;
    of_all_sorts(&world).await;
    let node = Hand::register(&world.store, "n", at(0)).await;
    let fires = node.claim(at(8), 100).await.fires;
    let with_data = |fire: &Fire| fire.job.requests_recovery && !fire.trigger_data.is_empty();
    let apart = |fire: &&Fire| fire.job.key.name() == "lane" || with_data(fire) || fire.origin != fire.id;
    let alone: BTreeSet<i64> = fires.iter().filter(apart).map(|fire| fire.id.0).collect();
    let rows = world.tables.query("SELECT id FROM running", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<BTreeSet<i64>>(), alone);
    let shared = world.tables.query("SELECT id FROM running_in_batches", &[]).await.unwrap();
    let shared: BTreeSet<i64> = shared.iter().map(|row| row.get(0)).collect();
    let all: BTreeSet<i64> = fires.iter().map(|fire| fire.id.0).collect();
    assert_eq!(shared, &all - &alone);
    assert!(!alone.is_empty() && shared.len() > 10, "{} and {}", alone.len(), shared.len());
    let gaps = "SELECT bool_or(ids <> '{}') FROM running_batches";
    assert!(world.tables.query_one(gaps, &[]).await.unwrap().get::<_, bool>(0), "the ids follow each other");
    assert!(end(&node, &fires).await.iter().all(|one| *one == Completed::Closed));
    assert_eq!(world.open().await, (0, 0, 0));
}
