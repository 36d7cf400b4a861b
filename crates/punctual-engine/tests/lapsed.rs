//! Leases that run out while the database is away: nodes renew them when it is back, as long as nobody has taken them for
//! lost, and leave each other the time for it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use punctual_core::{
    Clock, Event, HistoryQuery, HistoryStore, JobDetail, JobStore, SkippedQuery, TaskStatus, Term, Timestamp,
    Trigger, UnknownKind,
};
use punctual_engine::{ManualClock, Settings};
use punctual_memory::MemoryStore;
use punctual_testkit::factory::Hand;
use punctual_testkit::faulty::FaultyStore;
use support::{Held, Quick, World, every, start};
use tokio::sync::Semaphore;

/// Not a multiple of the pause between heartbeats, which is 2250 ms.
const LEASE_MS: i64 = 5_000;

fn settings() -> Settings {
    let lease_ms = LEASE_MS.unsigned_abs();
    Settings { lease_ms, unknown_kind: UnknownKind::Skip, ..Settings::clustered() }
}

async fn rest() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Nodes over one database, each with a connection of its own.
struct Cluster {
    clock: ManualClock,
    database: Arc<MemoryStore>,
}

/// A node whose jobs of kind `held` wait at a gate.
struct Member {
    world: World,
    connection: Arc<FaultyStore>,
    gate: Arc<Semaphore>,
}

/// What a node told of leases and lost nodes.
#[derive(Debug, PartialEq)]
enum Told {
    Resumed {
        lapsed_ms: u64,
        grace_ms: u64,
    },
    Lost,
    /// It took up what this node had left.
    TookUp(String, usize),
}

impl Cluster {
    fn new() -> Self {
        Self { clock: ManualClock::new(start()), database: Arc::new(MemoryStore::new()) }
    }

    fn member(&self, name: &str) -> Member {
        let connection = Arc::new(FaultyStore::new(self.database.clone()));
        let gate = Arc::new(Semaphore::new(0));
        let held = Held { gate: Arc::clone(&gate) };
        let world = World::on(self.clock.clone(), connection.clone(), |builder| {
            builder.job(held).node_name(name).settings(settings())
        });
        Member { world, connection, gate }
    }

    /// A member that claims, with an unlimited run that waits at its gate.
    async fn busy(&self, name: &str) -> Member {
        let member = self.member(name);
        member.world.scheduler.start().await.unwrap();
        rest().await;
        let triggers = vec![Trigger::once(name, name, self.clock.now())];
        member.world.scheduler.schedule(JobDetail::new(name, "held"), triggers).await.unwrap();
        rest().await;
        assert_eq!(member.world.scheduler.status().running, 1, "{name} runs it itself");
        member
    }

    async fn pass(&self, millis: i64) {
        let until = self.clock.now().as_millisecond() + millis;
        while self.clock.now().as_millisecond() < until {
            self.clock.advance(Duration::from_millis(50));
            rest().await;
        }
    }

    /// The database is away for so long, for all of them.
    async fn outage(&self, members: &[&Member], millis: i64) {
        members.iter().for_each(|member| member.connection.set_broken(true));
        self.pass(millis).await;
        members.iter().for_each(|member| member.connection.set_broken(false));
    }

    /// How the runs of a job ended, or that they go on.
    async fn statuses(&self, job: &str) -> Vec<TaskStatus> {
        let rows = self.database.history(&HistoryQuery::default()).await.unwrap().rows;
        rows.iter().filter(|row| row.task == job).map(|row| row.status).collect()
    }
}

impl Member {
    fn term(&self) -> Term {
        self.world.scheduler.status().term.unwrap()
    }

    async fn until_it_is_back(&self, cluster: &Cluster) {
        while !self.world.scheduler.status().lease_valid {
            cluster.pass(50).await;
        }
    }

    fn told(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while let Ok(event) = self.world.events.try_recv() {
            told.extend(match event {
                Event::LeaseResumed { term, lapsed_ms, grace_ms } => {
                    assert_eq!(term, self.term());
                    Some(Told::Resumed { lapsed_ms, grace_ms })
                }
                Event::LeaseLost { .. } => Some(Told::Lost),
                Event::NodeLost { name, closed, .. } => Some(Told::TookUp(name, closed)),
                _ => None,
            });
        }
        told
    }

    /// Whether it has renewed a lease that had run out, and heard of nothing else.
    fn resumed(&mut self) -> bool {
        let told = self.told();
        assert!(matches!(told[..], [] | [Told::Resumed { .. }]), "{told:?}");
        !told.is_empty()
    }
}

#[tokio::test]
async fn a_run_outlives_an_outage_that_is_longer_than_the_lease() {
    let cluster = Cluster::new();
    let mut node = cluster.busy("a").await;
    cluster.pass(3_000).await;
    let term = node.term();
    cluster.outage(&[&node], 20_000).await;
    assert!(!node.world.scheduler.status().lease_valid);
    cluster.pass(3_000).await;
    assert!(node.world.scheduler.status().lease_valid);
    assert_eq!(node.term(), term);
    // The last heartbeat was answered at 2250 ms, and the database is back at 23,000 ms.
    let told = node.told();
    let [Told::Resumed { lapsed_ms, grace_ms }] = told[..] else { panic!("{told:?}") };
    assert!((15_750..=18_000).contains(&lapsed_ms), "{lapsed_ms}");
    assert_eq!(grace_ms, 5_000);
    assert_eq!(cluster.statuses("a").await, [TaskStatus::Started]);
    node.gate.add_permits(1);
    cluster.pass(50).await;
    assert_eq!(cluster.statuses("a").await, [TaskStatus::Success]);
    cluster.pass(10_000).await;
    assert_eq!(node.told(), [], "it is told once");
}

#[tokio::test]
async fn a_run_that_ends_while_the_database_is_away_is_stored_when_it_is_back() {
    let cluster = Cluster::new();
    let mut node = cluster.busy("a").await;
    node.connection.set_broken(true);
    cluster.pass(8_000).await;
    node.gate.add_permits(1);
    cluster.outage(&[&node], 8_000).await;
    // It is tried again after pauses that have grown.
    cluster.pass(60_000).await;
    assert_eq!(cluster.statuses("a").await, [TaskStatus::Success]);
    assert!(node.resumed());
}

#[tokio::test]
async fn all_nodes_outlive_an_outage_whoever_comes_back_first() {
    let cluster = Cluster::new();
    let (mut first, mut last) = (cluster.busy("first").await, cluster.busy("last").await);
    let terms = [first.term(), last.term()];
    cluster.outage(&[&first, &last], 12_000).await;
    last.connection.set_broken(true);
    first.until_it_is_back(&cluster).await;
    cluster.pass(2_000).await;
    assert!(first.resumed());
    let nodes = cluster.database.clone() as Arc<dyn JobStore>;
    let ends: Vec<Timestamp> = nodes.nodes().await.unwrap().iter().map(|node| node.lease_until).collect();
    assert!(ends[0] > cluster.clock.now() && ends[1] < cluster.clock.now(), "one is back: {ends:?}");
    last.connection.set_broken(false);
    cluster.pass(2_500).await;
    assert!(last.resumed());
    cluster.pass(20_000).await;
    assert_eq!((first.told(), last.told()), (vec![], vec![]));
    assert_eq!([first.term(), last.term()], terms);
    for member in [&first, &last] {
        member.gate.add_permits(1);
    }
    cluster.pass(50).await;
    assert_eq!(cluster.statuses("first").await, [TaskStatus::Success]);
    assert_eq!(cluster.statuses("last").await, [TaskStatus::Success]);
}

#[tokio::test]
async fn a_node_that_died_in_an_outage_is_recovered_when_the_others_have_had_their_time() {
    let cluster = Cluster::new();
    let (mut alive, dead) = (cluster.busy("alive").await, cluster.busy("dead").await);
    cluster.outage(&[&alive, &dead], 12_000).await;
    dead.connection.set_broken(true);
    alive.until_it_is_back(&cluster).await;
    let back = cluster.clock.now();
    assert!(alive.resumed());
    while cluster.statuses("dead").await == [TaskStatus::Started] {
        cluster.pass(50).await;
    }
    // At the end of the time, not with the heartbeat after it.
    let after = cluster.clock.now().as_millisecond() - back.as_millisecond();
    assert!((LEASE_MS..=LEASE_MS + 100).contains(&after), "{after}");
    assert_eq!(cluster.statuses("dead").await, [TaskStatus::Unknown]);
    assert_eq!(alive.told(), [Told::TookUp("dead".to_owned(), 1)]);
    assert_eq!(cluster.statuses("alive").await, [TaskStatus::Started]);
}

/// An outage that is shorter than a lease outlasts those that were not renewed just before it.
#[tokio::test]
async fn a_node_that_could_not_renew_in_time_leaves_the_work_of_others_alone_though_its_own_lease_lasted() {
    let cluster = Cluster::new();
    let mut late = cluster.busy("late").await;
    cluster.pass(1_500).await;
    let mut early = cluster.busy("early").await;
    cluster.pass(800).await;
    let terms = [late.term(), early.term()];
    // The last heartbeats were answered at 2250 and at 1500 ms: so the leases end at 7250 and at 6500 ms.
    cluster.outage(&[&late, &early], 4_200).await;
    assert_eq!(cluster.clock.now(), start() + Duration::from_millis(6_500));
    cluster.pass(20_000).await;
    assert_eq!([late.term(), early.term()], terms);
    assert!(early.resumed() | late.resumed());
    assert_eq!(cluster.statuses("early").await, [TaskStatus::Started]);
    assert_eq!(cluster.statuses("late").await, [TaskStatus::Started]);
}

/// Each time the database is back, it is away again before the others have had their time.
#[tokio::test]
async fn a_database_that_is_away_again_and_again_does_not_put_a_recovery_off_for_ever() {
    let cluster = Cluster::new();
    let (mut alive, dead) = (cluster.busy("alive").await, cluster.busy("dead").await);
    dead.connection.set_broken(true);
    for _ in 0..12 {
        cluster.outage(&[&alive], 6_000).await;
        dead.connection.set_broken(true);
        alive.until_it_is_back(&cluster).await;
        cluster.pass(500).await;
    }
    assert_eq!(cluster.statuses("dead").await, [TaskStatus::Unknown]);
    assert_eq!(cluster.statuses("alive").await, [TaskStatus::Started]);
    let told = alive.told();
    let before = told.iter().take_while(|told| matches!(told, Told::Resumed { .. })).count();
    assert!(before > 3, "some of them are waited for: {told:?}");
}

#[tokio::test]
async fn a_node_that_was_cut_off_alone_is_recovered_at_once_and_its_renewal_refused() {
    let cluster = Cluster::new();
    let (mut here, mut away) = (cluster.busy("here").await, cluster.busy("away").await);
    let (kept, lost) = (here.term(), away.term());
    away.connection.set_broken(true);
    let cut = cluster.clock.now();
    while cluster.statuses("away").await == [TaskStatus::Started] {
        cluster.pass(50).await;
    }
    let after = cluster.clock.now().as_millisecond() - cut.as_millisecond();
    assert!(after <= LEASE_MS + 100, "{after}");
    assert_eq!(here.told(), [Told::TookUp("away".to_owned(), 1)]);
    assert_eq!(here.term(), kept);
    // Then the other way round. Who was taken for lost begins anew and is not held back.
    here.connection.set_broken(true);
    cluster.pass(6_000).await;
    assert_eq!(cluster.statuses("here").await, [TaskStatus::Started]);
    away.connection.set_broken(false);
    away.until_it_is_back(&cluster).await;
    cluster.pass(50).await;
    assert_eq!(cluster.statuses("here").await, [TaskStatus::Unknown]);
    assert_eq!(away.told(), [Told::Lost, Told::TookUp("here".to_owned(), 1)]);
    assert!(away.term() > lost);
}

#[tokio::test]
async fn a_node_that_starts_takes_up_at_once_what_was_left() {
    let cluster = Cluster::new();
    let mut lost = cluster.busy("lost").await;
    lost.connection.set_broken(true);
    cluster.pass(6_000).await;
    let mut fresh = cluster.member("fresh");
    fresh.world.scheduler.start().await.unwrap();
    rest().await;
    assert_eq!(cluster.statuses("lost").await, [TaskStatus::Unknown]);
    assert_eq!(fresh.told(), [Told::TookUp("lost".to_owned(), 1)]);
    lost.connection.set_broken(false);
    cluster.pass(3_500).await;
    assert_eq!(lost.told(), [Told::Lost]);
}

#[tokio::test]
async fn a_first_claim_leaves_others_their_time_too() {
    let cluster = Cluster::new();
    let mut other = cluster.busy("other").await;
    let mut late = cluster.member("late");
    late.world.scheduler.init().await.unwrap();
    cluster.outage(&[&other, &late], 12_000).await;
    other.connection.set_broken(true);
    cluster.pass(2_500).await;
    assert!(late.resumed());
    // It has never claimed before, and something is due for it.
    late.world.scheduler.start().await.unwrap();
    let triggers = vec![Trigger::once("now", "now", cluster.clock.now())];
    late.world.scheduler.schedule(JobDetail::new("now", "held"), triggers).await.unwrap();
    rest().await;
    assert_eq!(late.world.scheduler.status().running, 1);
    assert_eq!(cluster.statuses("other").await, [TaskStatus::Started]);
    other.connection.set_broken(false);
    cluster.pass(5_000).await;
    assert!(other.resumed());
    assert_eq!((late.told(), cluster.statuses("other").await), (vec![], vec![TaskStatus::Started]));
}

#[tokio::test]
async fn a_node_that_stops_after_an_outage_leaves_others_alone() {
    let cluster = Cluster::new();
    let (first, mut last) = (cluster.busy("first").await, cluster.busy("last").await);
    cluster.outage(&[&first, &last], 12_000).await;
    last.connection.set_broken(true);
    cluster.pass(2_500).await;
    first.gate.add_permits(1);
    rest().await;
    first.world.scheduler.shutdown(Duration::ZERO).await;
    assert_eq!(cluster.statuses("last").await, [TaskStatus::Started]);
    last.connection.set_broken(false);
    cluster.pass(3_500).await;
    assert!(last.resumed());
}

/// With each sixtieth heartbeat a node looks for lost work, and for kinds that no live node can run, whatever it was told.
#[tokio::test]
async fn nothing_is_given_up_while_others_may_come_back() {
    let cluster = Cluster::new();
    let mut first = cluster.member("first");
    first.world.scheduler.start().await.unwrap();
    // Only the other one knows this kind, and cannot keep up.
    let store: Arc<dyn JobStore> = cluster.database.clone();
    let connection = Arc::new(FaultyStore::new(cluster.database.clone()));
    let settings = settings();
    let mut other = World::on(cluster.clock.clone(), connection.clone(), |builder| {
        builder.job(Quick).node_name("other").settings(settings)
    });
    other.scheduler.init().await.unwrap();
    let overdue = Trigger::new("t", "quick", every(1)).misfire_threshold_ms(1_000);
    store
        .apply(
            start(),
            &[punctual_core::Change::Schedule {
                job: JobDetail::new("quick", "quick"),
                triggers: vec![overdue],
            }],
        )
        .await
        .unwrap();
    let skipped = async || store.skipped(&SkippedQuery::default()).await.unwrap().total;
    // The heartbeats after the outage are the sixtieth and those that follow it.
    cluster.pass(58 * 2_250 + 1_000).await;
    assert_eq!(skipped().await, 0, "a live node knows the kind");
    for connection in [&connection, &first.connection] {
        connection.set_broken(true);
    }
    cluster.pass(12_000).await;
    first.connection.set_broken(false);
    cluster.pass(3_500).await;
    assert!(first.resumed());
    assert_eq!(skipped().await, 0, "the other one may yet come back");
    // It does not.
    cluster.pass(3 * 2_250).await;
    assert!(skipped().await > 0, "this was only put off");
    assert_eq!(first.told(), [Told::TookUp("other".to_owned(), 0)]);
    while other.events.try_recv().is_ok() {}
}

/// The lease of another node ends after its own, and between two of its attempts to renew it, when the database is back.
#[tokio::test]
async fn a_node_renews_its_own_lease_before_it_looks_at_others() {
    let cluster = Cluster::new();
    let mut node = cluster.busy("a").await;
    cluster.pass(4_450).await;
    let store: Arc<dyn JobStore> = cluster.database.clone();
    let mut sign = punctual_testkit::factory::beat("other", None, cluster.clock.now());
    sign.lease_ms = 6_000;
    let other = store.heartbeat(&sign).await.unwrap().term;
    // The heartbeat at 4500 ms sees it.
    cluster.pass(100).await;
    cluster.outage(&[&node], 5_750).await;
    let recoveries = node.connection.recoveries();
    cluster.pass(200).await;
    assert!(cluster.clock.now() > start() + Duration::from_millis(10_450), "its lease is over");
    assert!(!node.world.scheduler.status().lease_valid, "so is the own one");
    assert_eq!(node.connection.recoveries(), recoveries);
    cluster.pass(2_500).await;
    assert!(node.resumed());
    let hand = Hand { store, term: other, name: "other".to_owned() };
    assert_eq!(hand.renew(cluster.clock.now()).await.term, other);
}
