//! Pages and totals of the rows of single triggers, of which some have many rows: each must be what the rows say, whatever of
//! them is arranged.

use std::sync::Arc;

use punctual_core::time::plus_millis;
use punctual_core::{
    Change, HistoryQuery, HistorySort, JobKey, JobStore, Outcome, Paging, Retention, TaskHistory, TaskStatus,
    Trigger, TriggerKey,
};
use serde_json::json;

use super::ranked::{Dice, all_rows, check_page};
use crate::factory::{Hand, at, every, job, schedule};

type Store = Arc<dyn JobStore>;

/// Runs what is due, most of it with success; some runs are left open and closed by recovery.
async fn run_some(store: &Store, dice: &mut Dice, name: &str, now: i64) {
    let node = Hand::register(store, name, at(now)).await;
    let fires = node.claim(at(now), 8).await.fires;
    let leave_open = dice.roll(12) == 0;
    let done = fires.iter().filter(|fire| !leave_open || fire.id.0 % 3 > 0).map(|fire| {
        let mut one = node.success(fire, at(now));
        one.duration_ms = dice.roll(100);
        one.ended_at = plus_millis(fire.fired_at, i64::try_from(one.duration_ms).unwrap());
        if dice.roll(9) == 0 {
            one.outcome = Outcome::Failed(json!({"error": "bad"}));
        }
        one
    });
    let done: Vec<_> = done.collect();
    store.complete(at(now), &done).await.unwrap();
    store.retire(at(now), node.term).await.unwrap();
    if dice.roll(3) == 0 {
        store.recover(at(now + 1)).await.unwrap();
    }
}

fn query(dice: &mut Dice, rows: &[TaskHistory]) -> HistoryQuery {
    let statuses = TaskStatus::ALL.map(Some);
    let some_start = (!rows.is_empty() && dice.roll(2) == 0).then(|| dice.of(rows).started_at);
    let some_end = (!rows.is_empty() && dice.roll(3) == 0).then(|| dice.of(rows).started_at);
    let job = dice.of(&[None, None, None, Some("job"), Some("other")]);
    let sort = dice.of(&HistorySort::ALL);
    // A page near the front is looked for in other ways than one far from it.
    let paging = match dice.roll(3) {
        0 => Paging { limit: Some(dice.roll(30)), offset: dice.roll(rows.len() as u64 + 5) },
        _ => Paging { limit: Some(1 + dice.roll(4)), offset: dice.roll(2) },
    };
    let after =
        (!rows.is_empty() && sort == sort.listed() && dice.roll(2) == 0).then(|| sort.place(&dice.of(rows)));
    HistoryQuery {
        trigger: Some(TriggerKey::new(dice.of(&["t0", "t0", "t1", "t2", "seldom", "nothing"]))),
        task: dice.of(&[None, None, Some("job"), Some("other")]).map(str::to_owned),
        job: job.map(JobKey::new),
        status: dice.of(&[&[None, None, None], &statuses[..]].concat()),
        started_from: some_start,
        started_before: some_end,
        sort,
        descending: dice.roll(2) == 0,
        after,
        paging,
        ..HistoryQuery::default()
    }
}

async fn check(store: &Store, dice: &mut Dice, pages: u64) {
    let rows = all_rows(store).await;
    for _ in 0..pages {
        check_page(store, &rows, &query(dice, &rows)).await;
    }
    // All of each trigger, as often as anything changed.
    for name in ["t0", "t1"] {
        let query = HistoryQuery {
            trigger: Some(TriggerKey::new(name)),
            paging: Paging::first(5),
            ..HistoryQuery::default()
        };
        check_page(store, &rows, &query).await;
    }
}

async fn prune(store: &Store, dice: &mut Dice, now: i64) {
    let by_age = dice.roll(2) == 0;
    let retention = Retention {
        max_rows: (!by_age).then(|| 60 + dice.roll(120)),
        ended_before: by_age.then(|| at(now - 2_000)),
        chunk: 1 + dice.roll(40),
        job: dice.of(&[None, None, Some(JobKey::new("job"))]),
    };
    store.prune(&retention).await.unwrap();
}

async fn prune_to(store: &Store, rows: u64) {
    let retention = Retention { max_rows: Some(rows), ended_before: None, chunk: 50, job: None };
    while store.prune(&retention).await.unwrap() > 0 {}
}

/// Another job takes over the triggers' names.
async fn reuse_names(store: &Store, now: i64, name: &str) {
    let keys = ["t0", "t1"].map(TriggerKey::new);
    for key in keys {
        store.apply(at(now), &[Change::DeleteTrigger(key)]).await.unwrap();
    }
    let triggers = ["t0", "t1"].map(|key| Trigger::new(key, name, every(30))).into();
    schedule(store, at(now), job(name), triggers).await;
}

pub async fn totals_of_a_trigger_are_the_number_of_its_rows(store: Store) {
    let mut dice = Dice(20_261_122);
    let mut triggers: Vec<_> =
        ["t0", "t1", "t2"].iter().map(|name| Trigger::new(*name, "job", every(30))).collect();
    triggers.push(Trigger::new("seldom", "job", every(3_000)));
    schedule(&store, at(0), job("job"), triggers).await;
    let mut now = 0;
    for step in 0..150 {
        now += 30 + i64::try_from(dice.roll(60)).unwrap();
        run_some(&store, &mut dice, &format!("n{step}"), now).await;
        match dice.roll(8) {
            0 => prune(&store, &mut dice, now).await,
            1..5 => drop(store.arrange(1 + dice.roll(12)).await.unwrap()),
            5 => while store.arrange(100).await.unwrap() > 0 {},
            _ => {}
        }
        match step {
            // By a clock that was set back: rows come between those that are there.
            50 => {
                now -= 2_000;
                reuse_names(&store, now, "other").await;
            }
            110 => reuse_names(&store, now, "job").await,
            _ => {}
        }
        check(&store, &mut dice, 3).await;
    }
    while store.arrange(1_000).await.unwrap() > 0 {}
    check(&store, &mut dice, 60).await;
    // All of it goes, and comes again.
    prune_to(&store, 0).await;
    while store.arrange(20).await.unwrap() > 0 {
        check(&store, &mut dice, 2).await;
    }
    // So many at once that the fences of a trigger are not made in one step, while what they do not count yet is arranged.
    for step in 0..200 {
        now += 60;
        run_some(&store, &mut dice, &format!("m{step}"), now).await;
    }
    for rows in [60, 400, 9] {
        store.arrange(rows).await.unwrap();
        check(&store, &mut dice, 5).await;
    }
    prune_to(&store, 100).await;
    while store.arrange(60).await.unwrap() > 0 {
        check(&store, &mut dice, 1).await;
    }
    // What has fences loses rows before they are arranged; so few that no fence is counted anew.
    for step in 0..5 {
        now += 60;
        run_some(&store, &mut dice, &format!("l{step}"), now).await;
    }
    prune_to(&store, 5).await;
    while store.arrange(3).await.unwrap() > 0 {
        check(&store, &mut dice, 5).await;
    }
    check(&store, &mut dice, 30).await;
}
