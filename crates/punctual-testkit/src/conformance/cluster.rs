//! Nodes, leases and recovery.

use std::sync::Arc;

use punctual_core::definition::{Expired, Expiry};
use punctual_core::{
    Cause, Change, Claim, Completed, Concurrency, Data, HistoryQuery, JobDetail, JobKey, JobKind, JobStore,
    KindSlots, LostNode, NodeState, Recovery, Skip, SkipReason, SkippedQuery, StoreError, TaskStatus, Term,
    Trigger, TriggerKey, TriggerQuery, UnknownKind,
};
use serde_json::json;

use crate::account;
use crate::factory::{Hand, at, beat, data, every, job, schedule};

type Store = Arc<dyn JobStore>;

pub async fn a_node_registers_and_renews(store: Store) {
    let view = store.heartbeat(&beat("n", None, at(0))).await.unwrap();
    assert_eq!(view.nodes.len(), 1);
    let again = store.heartbeat(&beat("n", Some(view.term), at(30))).await.unwrap();
    assert_eq!(again.term, view.term);
    let node = &again.nodes[0];
    assert_eq!((node.name.as_str(), node.state, node.started_at), ("n", NodeState::Running, at(0)));
    assert_eq!((node.seen_at, node.lease_until), (at(30), at(90)));
    assert_eq!(node.kinds, [JobKind::new("test")]);
    let other = store.heartbeat(&beat("m", None, at(40))).await.unwrap();
    assert!(other.term > view.term);
    assert_eq!(other.nodes.len(), 2);
}

pub async fn a_heartbeat_says_how_well_the_node_knows_the_time(store: Store) {
    let mut beat = beat("n", None, at(0));
    let first = store.heartbeat(&beat).await.unwrap();
    assert_eq!((first.nodes[0].clock_offset_ms, first.nodes[0].clock_uncertainty_ms), (0, 0));
    (beat.term, beat.clock_offset_ms, beat.clock_uncertainty_ms) = (Some(first.term), -300_000, 7);
    let node = &store.heartbeat(&beat).await.unwrap().nodes[0];
    assert_eq!((node.clock_offset_ms, node.clock_uncertainty_ms), (-300_000, 7));
    let answered = store.heartbeat(&beat).await.unwrap().store_now.is_some();
    assert_eq!(answered, store.store_now().await.unwrap().is_some(), "a store has a clock or has none");
}

pub async fn a_heartbeat_says_whether_something_is_lost(store: Store) {
    let (lost, _) = lost_fire(&store, job("job").requests_recovery()).await;
    let watcher = Hand::register(&store, "n", at(30)).await;
    assert!(!watcher.renew(at(59)).await.lost);
    assert!(watcher.renew(at(60)).await.lost, "the lease of a node has run out");
    store.recover(at(60)).await.unwrap();
    assert!(!watcher.renew(at(61)).await.lost);
    // The same name again, under a new term; then it is gone in good order, with a fire still open.
    let again = Hand::register(&store, "lost", at(62)).await;
    assert!(again.term > lost.term);
    assert_eq!(again.claim(at(62), 1).await.fires.len(), 1);
    assert!(!watcher.renew(at(63)).await.lost);
    store.retire(at(64), again.term).await.unwrap();
    assert!(watcher.renew(at(65)).await.lost, "an open fire belongs to nobody");
    store.recover(at(66)).await.unwrap();
    assert!(!watcher.renew(at(67)).await.lost);
}

pub async fn two_live_nodes_cannot_share_a_name(store: Store) {
    store.heartbeat(&beat("n", None, at(0))).await.unwrap();
    let error = store.heartbeat(&beat("n", None, at(10))).await.unwrap_err();
    assert!(matches!(&error, StoreError::NameTaken(name) if name == "n"), "{error}");
    assert!(store.heartbeat(&beat("n", None, at(60))).await.is_ok(), "the lease has run out");
}

pub async fn a_lapsed_lease_is_renewed_unless_the_node_was_recovered(store: Store) {
    let (node, fire) = lost_fire(&store, job("job").requests_recovery()).await;
    // Nobody has taken the node for lost: not even a moment after the end, and long after it.
    for seconds in [60, 5_000] {
        assert!(claim_refused(&store, node.term, seconds).await, "not before it is renewed");
        let view = store.heartbeat(&beat("lost", Some(node.term), at(seconds))).await.unwrap();
        assert_eq!((view.term, view.lost, view.nodes.len()), (node.term, false, 1));
        assert_eq!((view.nodes[0].started_at, view.nodes[0].seen_at), (at(0), at(seconds)));
        assert_eq!(view.nodes[0].lease_until, at(seconds + 60));
        assert_eq!(store.recover(at(seconds + 59)).await.unwrap(), Recovery::default());
        assert!(!claim_refused(&store, node.term, seconds + 59).await);
    }
    assert_eq!(store.nodes().await.unwrap().len(), 1);
    assert_eq!(node.succeed(&fire, at(5_001)).await, Completed::Closed);
}

pub async fn a_lapsed_lease_of_a_recovered_node_gets_a_new_term(store: Store) {
    let (node, fire) = lost_fire(&store, job("job")).await;
    assert_eq!(store.recover(at(60)).await.unwrap().runs.len(), 1);
    let again = store.heartbeat(&beat("lost", Some(node.term), at(60))).await.unwrap();
    assert!(again.term > node.term);
    assert_eq!((again.nodes.len(), again.nodes[0].started_at), (1, at(60)), "the old term is over");
    assert!(claim_refused(&store, node.term, 61).await);
    assert_eq!(node.succeed(&fire, at(61)).await, Completed::Superseded);
    // The same where it had nothing to be taken up.
    assert_eq!(store.recover(at(120)).await.unwrap().nodes.len(), 1);
    let third = store.heartbeat(&beat("lost", Some(again.term), at(121))).await.unwrap();
    assert!(third.term > again.term);
}

pub async fn a_lapsed_lease_is_not_renewed_once_a_live_node_has_the_name(store: Store) {
    let first = Hand::register(&store, "n", at(0)).await;
    let second = Hand::register(&store, "n", at(60)).await;
    let error = store.heartbeat(&beat("n", Some(first.term), at(61))).await.unwrap_err();
    assert!(matches!(&error, StoreError::NameTaken(name) if name == "n"), "{error}");
    // The other one is gone again, and nobody has recovered the first.
    store.retire(at(62), second.term).await.unwrap();
    assert_eq!(first.renew(at(63)).await.nodes.len(), 1);
}

pub async fn nodes_are_listed_until_a_recovery_removes_them(store: Store) {
    assert!(store.nodes().await.unwrap().is_empty());
    let lost = Hand::register(&store, "lost", at(0)).await;
    let live = Hand::register(&store, "live", at(30)).await;
    let listed = store.nodes().await.unwrap();
    let terms: Vec<_> = listed.iter().map(|node| (node.name.as_str(), node.term)).collect();
    assert_eq!(terms, [("lost", lost.term), ("live", live.term)]);
    assert_eq!((listed[0].lease_until, listed[1].lease_until), (at(60), at(90)));
    assert_eq!((listed[0].state, &listed[0].kinds[..]), (NodeState::Running, &[JobKind::new("test")][..]));
    live.renew(at(70)).await;
    let ends: Vec<_> = store.nodes().await.unwrap().iter().map(|node| node.lease_until).collect();
    assert_eq!(ends, [at(60), at(130)], "a lease that has run out is listed");
    let removed = store.recover(at(70)).await.unwrap().nodes;
    assert_eq!(removed, [LostNode { name: "lost".to_owned(), term: lost.term, lease_until: at(60) }]);
    assert_eq!(store.recover(at(70)).await.unwrap().nodes, [], "it is told once");
    let left: Vec<_> = store.nodes().await.unwrap().iter().map(|node| node.term).collect();
    assert_eq!(left, [live.term]);
    store.retire(at(71), live.term).await.unwrap();
    assert_eq!(store.recover(at(200)).await.unwrap().nodes, [], "it stopped by itself");
    assert!(store.nodes().await.unwrap().is_empty());
}

pub async fn nodes_are_listed_with_their_slots_and_open_fires(store: Store) {
    let first = Hand::register(&store, "first", at(0)).await;
    let mut second = beat("second", None, at(0));
    second.slots = 3;
    let view = store.heartbeat(&second).await.unwrap();
    assert_eq!(view.nodes.iter().map(|node| node.slots).collect::<Vec<_>>(), [Some(8), Some(3)]);
    (second.term, second.slots) = (Some(view.term), 5);
    store.heartbeat(&second).await.unwrap();
    assert_eq!(store.nodes().await.unwrap()[1].slots, Some(5), "as it said last");
    assert_eq!(store.open_by_term().await.unwrap(), []);
    let triggers = (0..5).map(|n| Trigger::new(format!("t{n}").as_str(), "job", every(60))).collect();
    schedule(&store, at(0), job("job"), triggers).await;
    let fires = first.claim(at(0), 3).await.fires;
    let second = Hand { store: Arc::clone(&store), term: view.term, name: "second".to_owned() };
    second.claim(at(0), 8).await;
    assert_eq!(store.open_by_term().await.unwrap(), [(first.term, 3), (second.term, 2)]);
    first.succeed(&fires[0], at(1)).await;
    store.request_cancel(fires[1].id, "enough").await.unwrap();
    assert_eq!(store.open_by_term().await.unwrap(), [(first.term, 2), (second.term, 2)]);
    second.renew(at(50)).await;
    store.recover(at(70)).await.unwrap();
    assert_eq!(store.open_by_term().await.unwrap(), [(second.term, 2)]);
}

pub async fn a_node_is_asked_to_drain_and_to_claim_again(store: Store) {
    let node = Hand::register(&store, "n", at(0)).await;
    let other = Hand::register(&store, "other", at(0)).await;
    let drained = async |now| {
        let view = node.renew(at(now)).await;
        view.nodes.iter().map(|node| node.draining).collect::<Vec<_>>()
    };
    assert_eq!(drained(1).await, [false, false]);
    assert!(store.drain(at(2), node.term, true).await.unwrap());
    assert_eq!(drained(3).await, [true, false], "whatever its heartbeat says");
    let listed = store.nodes().await.unwrap();
    let states = listed.iter().map(|node| (node.state, node.present_state()));
    let (runs, drains) = (NodeState::Running, NodeState::Draining);
    assert_eq!(states.collect::<Vec<_>>(), [(runs, drains), (runs, runs)]);
    assert!(store.drain(at(4), node.term, false).await.unwrap());
    assert_eq!(drained(5).await, [false, false]);
    assert!(!store.drain(at(6), Term(1 << 40), true).await.unwrap(), "nobody has the term");
    assert!(!store.drain(at(60), other.term, true).await.unwrap(), "its lease has run out");
    // A lease that has run out is renewed as it was, and a new term begins as the heartbeat says.
    let mut again = beat("n", Some(node.term), at(65));
    again.draining = true;
    let view = store.heartbeat(&again).await.unwrap();
    assert!(view.term == node.term && !view.nodes[0].draining);
    store.recover(at(125)).await.unwrap();
    again.now = at(125);
    let view = store.heartbeat(&again).await.unwrap();
    assert!(view.term > node.term && view.nodes[0].draining);
    store.retire(at(126), view.term).await.unwrap();
    assert!(!store.heartbeat(&beat("n", None, at(127))).await.unwrap().nodes[0].draining, "another process");
}

async fn claim_refused(store: &Store, term: Term, seconds: i64) -> bool {
    let kinds = [KindSlots { kind: JobKind::new("test"), free: 5 }];
    let claim = Claim { term, now: at(seconds), limit: 5, kinds: &kinds };
    matches!(store.claim_due(&claim).await, Err(StoreError::StaleTerm))
}

pub async fn a_lapsed_or_retired_term_cannot_claim(store: Store) {
    schedule(&store, at(0), job("job"), vec![Trigger::new("t", "job", every(60))]).await;
    let node = Hand::register(&store, "n", at(0)).await;
    assert!(!claim_refused(&store, node.term, 59).await);
    assert!(claim_refused(&store, node.term, 60).await);
    let other = Hand::register(&store, "m", at(60)).await;
    store.retire(at(61), other.term).await.unwrap();
    assert!(claim_refused(&store, other.term, 61).await);
    assert!(claim_refused(&store, Term(1 << 40), 61).await);
}

async fn lost_fire(store: &Store, detail: JobDetail) -> (Hand, punctual_core::Fire) {
    let key = detail.key.clone();
    let trigger = Trigger::once("t", key, at(0)).data(data(json!({"n": 1})));
    schedule(store, at(0), detail, vec![trigger]).await;
    let node = Hand::register(store, "lost", at(0)).await;
    let fire = node.claim(at(0), 1).await.fires.remove(0);
    (node, fire)
}

pub async fn recovery_closes_what_a_lost_node_ran(store: Store) {
    let (_, fire) = lost_fire(&store, job("job")).await;
    assert!(store.recover(at(59)).await.unwrap().runs.is_empty());
    let recovered = store.recover(at(60)).await.unwrap().runs;
    assert_eq!(recovered.len(), 1);
    assert_eq!((recovered[0].id, recovered[0].refired, recovered[0].node.as_str()), (fire.id, false, "lost"));
    let row = store.history_entry(fire.id).await.unwrap().unwrap();
    assert_eq!((row.status, row.ended_at), (TaskStatus::Unknown, Some(at(60))));
    assert!(row.details.unwrap()["message"].as_str().unwrap().contains("node lost was lost"));
    assert!(store.recover(at(61)).await.unwrap().runs.is_empty());
    let node = Hand::register(&store, "n", at(60)).await;
    assert!(node.claim(at(61), 5).await.fires.is_empty());
}

pub async fn recovery_runs_again_what_asks_for_it(store: Store) {
    let (_, fire) = lost_fire(&store, JobDetail::new("job", "test").requests_recovery()).await;
    assert!(store.recover(at(60)).await.unwrap().runs[0].refired);
    let node = Hand::register(&store, "n", at(60)).await;
    let again = node.claim(at(60), 5).await.fires.remove(0);
    assert_eq!((again.attempt, again.cause, again.origin), (2, Cause::Recovery, fire.id));
    assert_eq!((again.scheduled_at, &again.trigger), (at(0), &fire.trigger));
    assert_eq!(again.trigger_data, fire.trigger_data);
    assert_eq!(node.succeed(&again, at(61)).await, Completed::Closed);
    assert!(store.job(&JobKey::new("job")).await.unwrap().is_none());
}

pub async fn recovery_leaves_live_nodes_alone(store: Store) {
    let (node, fire) = lost_fire(&store, job("job").requests_recovery()).await;
    node.renew(at(50)).await;
    assert!(store.recover(at(100)).await.unwrap().runs.is_empty());
    assert_eq!(node.succeed(&fire, at(101)).await, Completed::Closed);
}

pub async fn recovery_reopens_a_non_concurrent_job(store: Store) {
    schedule(&store, at(0), job("solo").non_concurrent(), vec![Trigger::new("t", "solo", every(60))]).await;
    let lost = Hand::register(&store, "lost", at(0)).await;
    assert_eq!(lost.claim(at(0), 5).await.fires.len(), 1);
    let node = Hand::register(&store, "n", at(61)).await;
    assert!(node.claim(at(61), 5).await.fires.is_empty());
    store.recover(at(61)).await.unwrap();
    let fires = node.claim(at(61), 5).await.fires;
    assert_eq!(fires.len(), 1);
    assert_eq!(fires[0].scheduled_at, at(60));
    account::assert_all(&store).await;
}

pub async fn recovery_ends_a_finished_trigger_and_its_job(store: Store) {
    lost_fire(&store, JobDetail::new("job", "test")).await;
    store.recover(at(60)).await.unwrap();
    assert!(store.trigger(&TriggerKey::new("t")).await.unwrap().is_none());
    assert!(store.job(&JobKey::new("job")).await.unwrap().is_none());
}

pub async fn a_slow_node_cannot_undo_a_recovery(store: Store) {
    let (slow, fire) = lost_fire(&store, job("job").requests_recovery()).await;
    store.recover(at(60)).await.unwrap();
    let before = store.history(&HistoryQuery::default()).await.unwrap();
    let waiting = store.triggers(&TriggerQuery::default()).await.unwrap();
    assert_eq!(slow.succeed(&fire, at(61)).await, Completed::Superseded);
    assert_eq!(store.release(at(61), slow.term, &[fire]).await.unwrap(), 0);
    assert_eq!(store.history(&HistoryQuery::default()).await.unwrap(), before);
    assert_eq!(store.triggers(&TriggerQuery::default()).await.unwrap(), waiting);
}

pub async fn a_sound_store_needs_no_repair(store: Store) {
    schedule(
        &store,
        at(0),
        job("job").non_concurrent(),
        vec![Trigger::once("a", "job", at(0)), Trigger::once("b", "job", at(0))],
    )
    .await;
    assert_eq!(store.repair(at(0)).await.unwrap(), []);
    let node = Hand::register(&store, "n", at(0)).await;
    assert_eq!(node.claim(at(1), 10).await.fires.len(), 1);
    assert_eq!(store.repair(at(1)).await.unwrap(), []);
}

pub async fn due_work_is_counted_by_kind(store: Store) {
    let other = JobDetail::new("other", "another kind").durable();
    schedule(
        &store,
        at(0),
        job("job"),
        vec![
            Trigger::once("a", "job", at(5)),
            Trigger::once("b", "job", at(7)),
            Trigger::once("c", "job", at(90)),
        ],
    )
    .await;
    schedule(
        &store,
        at(0),
        other.non_concurrent(),
        vec![Trigger::once("d", "other", at(6)), Trigger::once("e", "other", at(8))],
    )
    .await;
    assert_eq!(store.due_by_kind(at(4)).await.unwrap(), []);
    let due = store.due_by_kind(at(10)).await.unwrap();
    let due: Vec<_> = due.iter().map(|due| (due.kind.as_str(), due.triggers, due.since)).collect();
    assert_eq!(due, [("another kind", 1, at(6)), ("test", 2, at(5))], "one of a lane is enough to be seen");
}

pub async fn the_kinds_of_jobs_are_listed(store: Store) {
    assert_eq!(store.job_kinds().await.unwrap(), []);
    for (name, kind) in [("a", "zeta"), ("b", "Beta"), ("c", "alpha"), ("d", "zeta")] {
        schedule(&store, at(0), JobDetail::new(name, kind).durable(), Vec::new()).await;
    }
    assert_eq!(store.job_kinds().await.unwrap(), ["Beta".into(), "alpha".into(), "zeta".into()]);
    // Those of jobs that are gone or changed are gone with them.
    let changed = JobDetail::new("a", "delta").durable();
    store.apply(at(0), &[Change::DeleteJob(JobKey::new("d")), Change::PutJob(changed)]).await.unwrap();
    assert_eq!(store.job_kinds().await.unwrap(), ["Beta".into(), "alpha".into(), "delta".into()]);
}

pub async fn what_a_busy_lane_holds_back_is_given_up_too(store: Store) {
    let shared = |name: &str, kind: &str| {
        JobDetail::new(name, kind)
            .durable()
            .concurrency(Concurrency { key: Some("line".to_owned()), limit: 1 })
    };
    schedule(&store, at(0), shared("busy", "known"), vec![Trigger::once("a", "busy", at(0))]).await;
    let soon = Trigger::new("b", "held", every(10)).misfire_threshold_ms(30_000);
    schedule(&store, at(1), shared("held", "test"), vec![soon]).await;
    let node = Hand::register(&store, "n", at(1)).await;
    let fires = node.claim_kinds(at(1), 10, &[("known", 10)]).await.fires;
    assert_eq!(fires.len(), 1);
    // Not even seen among what is due, and late all the same.
    assert_eq!(store.due_by_kind(at(45)).await.unwrap(), []);
    let expired = store.expire(at(45), &expiry(UnknownKind::Skip)).await.unwrap();
    let (key, skip) = &expired.skipped[0];
    assert_eq!((expired.skipped.len(), key, skip.first, skip.count), (1, &TriggerKey::new("b"), at(1), 5));
    account::assert_all(&store).await;
    // The lane goes on with the next instant once it has room.
    node.succeed(&fires[0], at(46)).await;
    let due: Vec<_> = store.due_by_kind(at(51)).await.unwrap();
    assert_eq!((due.len(), due[0].kind.as_str(), due[0].since), (1, "test", at(51)));
    assert_eq!(store.repair(at(51)).await.unwrap(), []);
}

fn expiry(default: UnknownKind) -> Expiry {
    Expiry { kinds: vec!["test".into()], default, after: None, limit: 100 }
}

pub async fn overdue_instants_of_unknown_kinds_are_given_up_where_that_is_asked_for(store: Store) {
    let soon = |name: &str, job: &str| Trigger::new(name, job, every(10)).misfire_threshold_ms(30_000);
    schedule(&store, at(0), job("job"), vec![soon("a", "job"), Trigger::new("b", "job", every(10))]).await;
    let patient = job("patient").unknown_kind(UnknownKind::Wait);
    schedule(&store, at(0), patient, vec![soon("c", "patient")]).await;
    let strict = job("strict").non_concurrent().unknown_kind(UnknownKind::Skip);
    schedule(&store, at(0), strict, vec![soon("d", "strict")]).await;
    let other = JobDetail::new("other", "another kind").durable();
    schedule(&store, at(0), other, vec![soon("e", "other")]).await;
    let now = JobKey::new("job");
    store.apply(at(0), &[Change::TriggerNow { job: now, data: Data::empty() }]).await.unwrap();

    assert_eq!(store.expire(at(30), &expiry(UnknownKind::Skip)).await.unwrap(), Expired::default());
    let skip = |last: i64| Skip {
        first: at(0),
        last: at(last),
        count: u64::try_from(last / 10 + 1).unwrap(),
        reason: SkipReason::Expired,
    };
    // Only the job that says so itself.
    let expired = store.expire(at(31), &expiry(UnknownKind::Wait)).await.unwrap();
    assert_eq!(expired, Expired { skipped: vec![(TriggerKey::new("d"), skip(30))], next: None });
    let expired = store.expire(at(45), &expiry(UnknownKind::Skip)).await.unwrap();
    assert_eq!(expired.skipped, [(TriggerKey::new("a"), skip(40))]);
    let expired = store.expire(at(61), &expiry(UnknownKind::Skip)).await.unwrap();
    let of: Vec<&str> = expired.skipped.iter().map(|(key, _)| key.name()).collect();
    assert_eq!(of, ["b"], "the others are not late yet, wait by themselves, or are of another kind");

    let ranges = store.skipped(&SkippedQuery::default()).await.unwrap().rows;
    assert_eq!(ranges.len(), 3);
    assert!(ranges.iter().all(|range| range.skip.reason == SkipReason::Expired && range.fire.is_none()));
    let next = |name: &str| TriggerKey::new(name);
    for (name, at_second) in [("a", 50), ("b", 70), ("c", 0), ("d", 40), ("e", 0)] {
        let stored = store.trigger(&next(name)).await.unwrap().unwrap();
        assert_eq!(stored.next_fire_at, Some(at(at_second)), "{name}");
    }
    account::assert_all(&store).await;
    // The run that was asked for still waits; who can run it takes it, and what is due again.
    let node = Hand::register(&store, "n", at(62)).await;
    let mut fired: Vec<String> =
        node.claim(at(62), 10).await.fires.iter().map(|fire| fire.trigger.group().to_owned()).collect();
    fired.sort_unstable();
    assert!(fired.contains(&punctual_core::pending::MANUAL_GROUP.to_owned()), "{fired:?}");
    account::assert_all(&store).await;
}

pub async fn giving_up_goes_on_where_it_stopped(store: Store) {
    let triggers = (0..5).map(|n| Trigger::once(format!("t{n}").as_str(), "job", at(n))).collect();
    schedule(&store, at(0), JobDetail::new("job", "test"), triggers).await;
    let mut ask = Expiry { limit: 2, ..expiry(UnknownKind::Skip) };
    let mut found = Vec::new();
    loop {
        let expired = store.expire(at(100), &ask).await.unwrap();
        assert!(expired.skipped.len() <= 2);
        found.extend(expired.skipped.into_iter().map(|(key, _)| key.name().to_owned()));
        let Some(next) = expired.next else { break };
        ask.after = Some(next);
    }
    found.sort_unstable();
    assert_eq!(found, ["t0", "t1", "t2", "t3", "t4"]);
    // Their single instants are over, and with them the job.
    assert!(store.job(&JobKey::new("job")).await.unwrap().is_none());
    let query = SkippedQuery { reason: Some(SkipReason::Expired), ..SkippedQuery::default() };
    assert_eq!(store.skipped(&query).await.unwrap().total, 5);
}
