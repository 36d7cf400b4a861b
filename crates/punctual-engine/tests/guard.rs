//! A node that cannot renew its lease ends what another node may begin again, before the lease has ended.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use punctual_core::{Event, JobDetail, TaskStatus, Trigger};
use punctual_engine::Settings;
use punctual_memory::MemoryStore;
use punctual_testkit::faulty::FaultyStore;
use serde_json::json;
use support::{Held, World, data, start};
use tokio::sync::Semaphore;

async fn rest() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// What has ended since, by job, with the message.
fn ended(world: &mut World) -> BTreeMap<String, Option<String>> {
    let mut ended = BTreeMap::new();
    while let Ok(event) = world.events.try_recv() {
        if let Event::JobFinished { fire, error, .. } = event {
            ended.insert(fire.job.key.name().to_owned(), error);
        }
    }
    ended
}

async fn begin(world: &World, job: JobDetail) {
    let trigger = Trigger::once(job.key.name(), job.key.clone(), start());
    let job = job.data(data(json!({ "polite": true })));
    world.scheduler.schedule(job, vec![trigger]).await.unwrap();
    rest().await;
}

#[tokio::test]
async fn runs_that_another_node_may_begin_again_end_with_the_trust_in_the_lease() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let gate = Arc::new(Semaphore::new(0));
    let held = Held { gate: Arc::clone(&gate) };
    let mut world = World::over(store.clone(), |builder| builder.job(held).settings(Settings::clustered()));
    world.scheduler.start().await.unwrap();
    rest().await;
    begin(&world, JobDetail::new("plain", "held")).await;
    begin(&world, JobDetail::new("limited", "held").non_concurrent()).await;
    begin(&world, JobDetail::new("recovered", "held").requests_recovery()).await;
    assert_eq!(world.scheduler.status().running, 3);

    store.set_silent(true);
    while world.scheduler.status().lease_valid {
        assert_eq!(ended(&mut world), BTreeMap::new(), "nothing ends while the lease is good");
        world.clock.advance(Duration::from_millis(50));
        rest().await;
    }
    let cut_short = ended(&mut world);
    assert_eq!(cut_short.keys().collect::<Vec<_>>(), ["limited", "recovered"]);
    for error in cut_short.values() {
        assert!(error.as_deref().unwrap().contains("could not renew its lease in time"), "{error:?}");
    }
    // Nobody begins that one again: it may end as it likes.
    gate.add_permits(1);
    rest().await;
    assert_eq!(ended(&mut world), BTreeMap::from([("plain".to_owned(), None)]));

    store.set_silent(false);
    while !world.scheduler.status().lease_valid {
        world.clock.advance(Duration::from_millis(50));
        rest().await;
    }
    // What begins under the new lease is not affected: the next run, and the one that recovery begins again.
    gate.add_permits(2);
    begin(&world, JobDetail::new("next", "held").non_concurrent()).await;
    // Calls that the store did not answer are given up and tried again.
    for _ in 0..60 {
        world.clock.advance(Duration::from_millis(500));
        rest().await;
    }
    let since = ended(&mut world);
    assert_eq!((since.get("next"), since.get("recovered")), (Some(&None), Some(&None)));
    let rows = world.closed_history().await;
    let of = |task: &str| -> Vec<(u32, TaskStatus)> {
        rows.iter().filter(|row| row.task == task).map(|row| (row.attempt, row.status)).collect()
    };
    assert_eq!(of("next"), [(1, TaskStatus::Success)]);
    assert_eq!(of("limited").len(), 1, "it does not ask to run again");
    assert_eq!(of("recovered").len(), 2);
    assert_eq!(of("recovered")[1], (2, TaskStatus::Success), "exactly once more");
}
