//! Batches of fires that are taken apart while they are open: each fire gets a row of its own and nothing of it is lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use punctual_core::{
    Cause, Change, Completed, Completion, Fire, HistoryQuery, JobDetail, JobKey, JobStore, Outcome, Progress,
    Retry, TaskStatus, Trigger, TriggerKey, TriggerQuery,
};
use punctual_testkit::account;
use punctual_testkit::factory::{Hand, at, every, job, schedule};
use serde_json::json;
use support::world::World;

mod support;

/// A world of batches only, and a node with so many open fires of a job.
async fn opened(job: JobDetail, fires: usize) -> (World, Hand, Vec<Fire>) {
    let world = World::of(1).await;
    let key = job.key.clone();
    let trigger = |n: usize| Trigger::once(format!("t{n:03}").as_str(), key.clone(), at(0));
    schedule(&world.store, at(0), job, (0..fires).map(trigger).collect()).await;
    let node = Hand::register(&world.store, "n", at(0)).await;
    let claimed = node.claim(at(0), fires).await.fires;
    assert_eq!(world.open().await, (1, fires as i64, 0));
    (world, node, claimed)
}

async fn end(node: &Hand, fires: &[Fire]) -> Vec<Completed> {
    let done: Vec<Completion> = fires.iter().map(|fire| node.success(fire, at(1))).collect();
    node.store.complete(at(1), &done).await.unwrap()
}

/// Asserts that these fires, all of which have succeeded, are all that there was.
async fn assert_over(world: &World, fires: &[Fire]) {
    assert_eq!(world.became(fires).await, vec![TaskStatus::Success; fires.len()]);
    assert_eq!(world.history().await.len(), fires.len());
    assert_eq!(world.open().await, (0, 0, 0), "something is left open");
    assert_eq!(world.count("triggers").await, 0, "something is left to do");
}

#[tokio::test]
async fn another_process_asks_a_fire_to_stop() {
    let (world, node, fires) = opened(job("job"), 6).await;
    assert_eq!(end(&node, &fires[..1]).await, [Completed::Closed]);
    let other = world.other().await;
    assert!(!other.request_cancel(fires[0].id, "too late").await.unwrap());
    assert_eq!(world.open().await, (1, 5, 0), "nothing is known of one that has ended");
    assert!(other.request_cancel(fires[2].id, "enough").await.unwrap());
    assert_eq!(world.open().await, (0, 0, 5));
    let cancelled = node.renew(at(1)).await.cancelled;
    assert_eq!(
        cancelled.iter().map(|one| (one.id, one.term)).collect::<Vec<_>>(),
        [(fires[2].id, node.term)]
    );
    // The owner believes them to be in their batch.
    assert_eq!(end(&node, &fires[1..4]).await, [Completed::Closed; 3]);
    assert_eq!(end(&node, &fires[2..]).await[2..], [Completed::Closed; 2]);
    assert_over(&world, &fires).await;
}

#[tokio::test]
async fn the_owner_asks_a_fire_to_stop() {
    let (world, node, fires) = opened(job("job"), 3).await;
    assert!(world.store.request_cancel(fires[1].id, "enough").await.unwrap());
    assert!(world.store.request_cancel(fires[2].id, "enough").await.unwrap());
    assert_eq!((node.renew(at(1)).await.cancelled.len(), world.open().await), (2, (0, 0, 3)));
    assert_eq!(end(&node, &fires).await, [Completed::Closed; 3]);
    assert_over(&world, &fires).await;
}

#[tokio::test]
async fn a_fire_reports_its_progress() {
    let (world, node, fires) = opened(job("job"), 6).await;
    assert_eq!(end(&node, &fires[5..]).await, [Completed::Closed]);
    let progress = |done| Progress { done, total: None, message: None, at: at(1) };
    let of = async |fire: &Fire| world.store.history_entry(fire.id).await.unwrap().unwrap().progress;
    world.store.put_progress(node.term, &[(fires[3].id, progress(1))]).await.unwrap();
    assert_eq!((of(&fires[3]).await, of(&fires[2]).await), (Some(progress(1)), None));
    assert_eq!(world.open().await, (0, 0, 5));
    world
        .store
        .put_progress(node.term, &[(fires[3].id, progress(2)), (fires[4].id, progress(3))])
        .await
        .unwrap();
    assert_eq!((of(&fires[3]).await, of(&fires[4]).await), (Some(progress(2)), Some(progress(3))));
    assert_eq!(end(&node, &fires[..5]).await, [Completed::Closed; 5]);
    assert_eq!(of(&fires[3]).await, Some(progress(2)), "an end without one keeps what was there");
    assert_over(&world, &fires).await;
}

#[tokio::test]
async fn some_fires_are_handed_back() {
    let (world, node, fires) = opened(job("job"), 6).await;
    assert_eq!(end(&node, &fires[..2]).await, [Completed::Closed; 2]);
    // One of them has ended already.
    assert_eq!(world.store.release(at(1), node.term, &fires[1..4]).await.unwrap(), 2);
    assert_eq!(world.open().await, (0, 0, 2));
    assert_eq!(end(&node, &fires[4..]).await, [Completed::Closed; 2]);
    assert_eq!(end(&node, &fires[2..3]).await, [Completed::Superseded]);
    let again = node.claim(at(2), 9).await.fires;
    let keys = |fires: &[Fire]| fires.iter().map(|fire| fire.trigger.clone()).collect::<BTreeSet<_>>();
    assert_eq!(keys(&again), keys(&fires[2..4]));
    assert_eq!(end(&node, &again).await, [Completed::Closed; 2]);
    assert_over(&world, &[&fires[..2], &fires[4..], &again].concat()).await;
}

#[tokio::test]
async fn a_fire_is_tried_again() {
    let (world, node, fires) = opened(job("job"), 5).await;
    assert_eq!(end(&node, &fires[..1]).await, [Completed::Closed]);
    let failed = Completion {
        outcome: Outcome::Failed(json!({"message": "no"})),
        retry: Some(Retry { at: at(3), data: fires[1].trigger_data.clone() }),
        ..node.success(&fires[1], at(1))
    };
    let done = [failed, node.success(&fires[2], at(1))];
    assert_eq!(world.store.complete(at(1), &done).await.unwrap(), [Completed::Closed; 2]);
    assert_eq!(world.open().await, (0, 0, 2));
    assert_eq!(end(&node, &fires[3..]).await, [Completed::Closed; 2]);
    let again = node.claim(at(3), 9).await.fires;
    assert_eq!(again.iter().map(|fire| (fire.attempt, fire.origin)).collect::<Vec<_>>(), [(2, fires[1].id)]);
    assert_eq!(world.open().await, (0, 0, 1), "a further attempt has a row of its own");
    assert_eq!(end(&node, &again).await, [Completed::Closed]);
    assert_eq!(world.became(&fires[1..2]).await, [TaskStatus::Failed]);
    let rows = world.history().await;
    assert_eq!((rows.len(), world.open().await, world.count("triggers").await), (6, (0, 0, 0), 0));
}

#[tokio::test]
async fn fires_of_a_lost_node_are_recovered_once() {
    for recovers in [false, true] {
        let job = if recovers { job("job").requests_recovery() } else { job("job") };
        let (world, node, fires) = opened(job, 8).await;
        assert_eq!(end(&node, &fires[..4]).await, [Completed::Closed; 4]);
        // A node whose lease goes on keeps its batch.
        let live = Hand::register(&world.store, "live", at(100)).await;
        let more = (0..3).map(|n| Trigger::once(format!("live{n}").as_str(), "job", at(100)));
        let more: Vec<Change> = more.map(Change::PutTrigger).collect();
        world.store.apply(at(100), &more).await.unwrap();
        let kept = live.claim(at(100), 9).await.fires;
        assert_eq!((kept.len(), world.open().await), (3, (2, 7, 0)));
        assert!(live.renew(at(101)).await.lost);
        let other = world.other().await;
        let recovered = other.recover(at(101)).await.unwrap().runs;
        let ids: Vec<_> = recovered.iter().map(|one| one.id).collect();
        assert_eq!(ids, fires[4..].iter().map(|fire| fire.id).collect::<Vec<_>>());
        assert!(recovered.iter().all(|one| one.refired == recovers));
        assert_eq!(world.open().await, (1, 3, 0));
        assert!(!live.renew(at(102)).await.lost);
        assert!(other.recover(at(102)).await.unwrap().runs.is_empty());
        assert_eq!(end(&node, &fires[3..]).await, [Completed::Superseded; 5], "the node comes back");
        let expected = [[TaskStatus::Success; 4], [TaskStatus::Unknown; 4]].concat();
        assert_eq!(world.became(&fires).await, expected);
        let again = live.claim(at(103), 9).await.fires;
        assert_eq!(again.len(), if recovers { 4 } else { 0 });
        assert!(again.iter().all(|fire| fire.cause == Cause::Recovery));
        let rest = [kept, again].concat();
        assert!(end(&live, &rest).await.iter().all(|one| *one == Completed::Closed));
        assert_eq!(world.history().await.len(), fires.len() + rest.len());
        assert_eq!((world.open().await, world.count("triggers").await), ((0, 0, 0), 0));
    }
}

/// Its lease does not run out any more: that its fires are lost, only their batch says.
#[tokio::test]
async fn fires_of_a_node_that_has_left_are_recovered() {
    let (world, node, fires) = opened(job("job"), 3).await;
    let live = Hand::register(&world.store, "live", at(0)).await;
    assert_eq!(end(&node, &fires[..1]).await, [Completed::Closed]);
    assert!(!live.renew(at(1)).await.lost);
    world.store.retire(at(1), node.term).await.unwrap();
    assert!(live.renew(at(1)).await.lost);
    let recovered = world.store.recover(at(1)).await.unwrap().runs;
    assert_eq!(recovered.iter().map(|one| one.id).collect::<Vec<_>>(), [fires[1].id, fires[2].id]);
    assert!(!live.renew(at(1)).await.lost);
    assert_eq!(world.became(&fires).await, [TaskStatus::Success, TaskStatus::Unknown, TaskStatus::Unknown]);
    assert_eq!((world.open().await, world.count("triggers").await), ((0, 0, 0), 0));
}

#[tokio::test]
async fn little_that_is_left_gets_rows_of_its_own() {
    let (world, node, fires) = opened(job("job"), 32).await;
    assert_eq!(end(&node, &fires[..20]).await, [Completed::Closed; 20]);
    assert_eq!(world.open().await, (1, 12, 0));
    assert_eq!(end(&node, &fires[20..27]).await, [Completed::Closed; 7]);
    assert_eq!(world.open().await, (1, 5, 0), "five are worth a batch");
    assert_eq!(end(&node, &fires[31..]).await, [Completed::Closed]);
    assert_eq!(world.open().await, (0, 0, 4), "an eighth of it is not");
    assert_eq!(end(&node, &fires[25..29]).await[2..], [Completed::Closed; 2]);
    assert_eq!(end(&node, &fires[29..31]).await, [Completed::Closed; 2]);
    assert_over(&world, &fires).await;
}

/// Both have begun before either may look: the second has to see what the first did.
#[tokio::test]
async fn disjoint_parts_end_at_the_same_time() {
    for (first, second, left) in [(0..3, 3..6, (1, 2, 0)), (0..4, 4..8, (0, 0, 0)), (0..4, 4..7, (0, 0, 1))] {
        let (world, node, fires) = opened(job("job"), 8).await;
        let other = world.other().await;
        assert!(other.history(&HistoryQuery::default()).await.unwrap().total > 0, "it is there");
        let held = world.hold_batches().await;
        let ends = |store: &Arc<dyn JobStore>, part: Range<usize>| {
            let done: Vec<Completion> = fires[part].iter().map(|fire| node.success(fire, at(1))).collect();
            let store = store.clone();
            tokio::spawn(async move { store.complete(at(1), &done).await.unwrap() })
        };
        let (one, two) = (ends(&world.store, first.clone()), ends(&world.store, second.clone()));
        world.until_waiting(&held, 2).await;
        held.let_go().await;
        assert!(one.await.unwrap().iter().all(|one| *one == Completed::Closed));
        assert!(two.await.unwrap().iter().all(|one| *one == Completed::Closed));
        let ended = [first, second].into_iter().flatten().count();
        assert_eq!((world.count("task_history").await, world.open().await), (ended as i64, left));
        assert_eq!(end(&node, &fires[ended..]).await, vec![Completed::Closed; 8 - ended]);
        assert_over(&world, &fires).await;
    }
}

/// A batch is taken apart while completions of it wait: whoever comes first, each fire ends once.
#[tokio::test]
async fn a_fire_is_asked_to_stop_while_others_end() {
    let (world, node, fires) = opened(job("job"), 8).await;
    let other = world.other().await;
    let held = world.hold_batches().await;
    let done: Vec<Completion> = fires[..5].iter().map(|fire| node.success(fire, at(1))).collect();
    let store = world.store.clone();
    let ends = tokio::spawn(async move { store.complete(at(1), &done).await.unwrap() });
    world.until_waiting(&held, 1).await;
    let (asked, id) = (other.clone(), fires[7].id);
    let cancel = tokio::spawn(async move { asked.request_cancel(id, "enough").await.unwrap() });
    world.until_waiting(&held, 2).await;
    held.let_go().await;
    assert_eq!(ends.await.unwrap(), [Completed::Closed; 5]);
    assert!(cancel.await.unwrap());
    assert_eq!((world.count("task_history").await, world.open().await), (5, (0, 0, 3)));
    assert_eq!(end(&node, &fires[5..]).await, [Completed::Closed; 3]);
    assert_over(&world, &fires).await;
}

#[tokio::test]
async fn a_job_is_deleted_while_its_fires_are_open() {
    let (world, node, fires) = opened(job("job"), 4).await;
    assert_eq!(end(&node, &fires[..1]).await, [Completed::Closed]);
    world.store.apply(at(1), &[Change::DeleteJob(JobKey::new("job"))]).await.unwrap();
    assert_eq!((world.store.job(&JobKey::new("job")).await.unwrap(), world.open().await.1), (None, 3));
    let open = HistoryQuery {
        job: Some(JobKey::new("job")),
        status: Some(TaskStatus::Started),
        ..HistoryQuery::default()
    };
    assert_eq!(world.store.history(&open).await.unwrap().total, 3);
    assert_eq!(end(&node, &fires[1..]).await, [Completed::Closed; 3]);
    assert_over(&world, &fires).await;
}

#[tokio::test]
async fn a_job_goes_with_the_last_of_its_fires() {
    let job = JobDetail::new("passing", "test");
    let (world, node, fires) = opened(job, 4).await;
    let there = async || world.store.job(&JobKey::new("passing")).await.unwrap().is_some();
    assert_eq!(end(&node, &fires[..2]).await, [Completed::Closed; 2]);
    let last: Vec<Change> =
        fires[2..].iter().map(|fire| Change::DeleteTrigger(fire.trigger.clone())).collect();
    world.store.apply(at(1), &last).await.unwrap();
    assert!(world.store.triggers(&TriggerQuery::default()).await.unwrap().rows.is_empty());
    assert!(there().await, "two of its fires are open");
    assert_eq!(end(&node, &fires[2..3]).await, [Completed::Closed]);
    assert!(there().await, "one of its fires is open");
    assert_eq!(end(&node, &fires[3..]).await, [Completed::Closed]);
    assert!(!there().await);
    assert_over(&world, &fires).await;
}

#[tokio::test]
async fn two_last_fires_of_a_job_end_at_the_same_time() {
    let (world, node, fires) = opened(JobDetail::new("passing", "test"), 4).await;
    let held = world.hold_batches().await;
    let ends = |part: Range<usize>| {
        let done: Vec<Completion> = fires[part].iter().map(|fire| node.success(fire, at(1))).collect();
        let store = world.store.clone();
        tokio::spawn(async move { store.complete(at(1), &done).await.unwrap() })
    };
    let (one, two) = (ends(0..2), ends(2..4));
    world.until_waiting(&held, 2).await;
    held.let_go().await;
    assert_eq!(
        (one.await.unwrap(), two.await.unwrap()),
        (vec![Completed::Closed; 2], vec![Completed::Closed; 2])
    );
    assert_eq!(world.store.job(&JobKey::new("passing")).await.unwrap(), None, "nothing is left of it");
    assert_over(&world, &fires).await;
}

/// A trigger that is asked for its runs while they are in batches, and one that goes on.
#[tokio::test]
async fn instants_of_batches_are_accounted_for() {
    let world = World::of(1).await;
    let triggers = (0..5).map(|n| Trigger::new(format!("t{n}").as_str(), "job", every(5))).collect();
    schedule(&world.store, at(0), job("job"), triggers).await;
    let node = Hand::register(&world.store, "n", at(0)).await;
    for step in 0..6 {
        let claimed = node.claim_later(at(step * 5), 100).await.fires;
        assert_eq!(claimed.len(), 5, "at step {step}");
        account::assert_all(&world.store).await;
        assert_eq!(end(&node, &claimed[..2]).await, [Completed::Closed; 2]);
        account::assert_all(&world.store).await;
        let of = HistoryQuery { trigger: Some(TriggerKey::new("t0")), ..HistoryQuery::default() };
        assert_eq!(world.store.history(&of).await.unwrap().total, step as u64 + 1);
        assert_eq!(world.store.state_counts(at(step * 5)).await.unwrap().executing, 3);
        assert_eq!(end(&node, &claimed[2..]).await, [Completed::Closed; 3]);
    }
    account::assert_all(&world.store).await;
    assert_eq!((world.history().await.len(), world.open().await), (30, (0, 0, 0)));
}
