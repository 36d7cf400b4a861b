//! What a scrape shows, over a store in memory and a clock that stands still.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use punctual_core::{
    Event, JobDetail, JobKey, PoolStatus, Recovered, Skip, SkipReason, Timestamp, Trigger, TriggerKey,
};
use punctual_engine::{Job, JobContext, JobError, JobResult, ManualScheduler};
use punctual_memory::MemoryStore;
use punctual_metrics::{Metrics, catalog};
use punctual_testkit::factory::{at, every};
use punctual_testkit::faulty::FaultyStore;

/// Fails when its job's name begins with `bad`.
struct ByName;

impl Job for ByName {
    const KIND: &'static str = "test";
    type Data = ();

    async fn run(&self, ctx: JobContext<()>) -> JobResult {
        if ctx.job().name().starts_with("bad") {
            return Err(JobError::fatal("as its name says"));
        }
        Ok(())
    }
}

struct World {
    metrics: Arc<Metrics>,
    store: Arc<FaultyStore>,
    manual: ManualScheduler,
}

impl World {
    async fn new() -> Self {
        Self::over(FaultyStore::new(Arc::new(MemoryStore::new()))).await
    }

    async fn over(store: FaultyStore) -> Self {
        let metrics = Arc::new(Metrics::new());
        let store = Arc::new(store);
        let listener = Arc::clone(&metrics);
        let manual = ManualScheduler::new(store.clone(), at(0), |builder| {
            builder.job(ByName).listener(listener).without_log().slots(7).version("1.2.3")
        });
        Self { metrics, store, manual: manual.await.unwrap() }
    }

    async fn add(&self, name: &str) {
        let job = JobDetail::new(name, "test");
        let triggers = vec![Trigger::new(name, name, every(60))];
        self.manual.scheduler().schedule(job, triggers).await.unwrap();
    }

    async fn text(&self) -> String {
        self.metrics.render(self.manual.scheduler()).await
    }

    /// The value of a series, written as it is in the text.
    async fn value(&self, series: &str) -> Option<f64> {
        let text = self.text().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    }
}

fn executed(status: &str, job: &str) -> String {
    format!(r#"punctual_tasks_quartz_tasks_executed_total{{status="{status}",job_name="{job}"}}"#)
}

fn state(name: &str) -> String {
    format!(r#"punctual_tasks_quartz_tasks_states{{state="{name}"}}"#)
}

#[tokio::test]
async fn runs_are_counted_by_status_and_job() {
    let world = World::new().await;
    world.add("good").await;
    world.add("bad").await;
    world.manual.run_due().await.unwrap();
    world.manual.tick(Duration::from_secs(60)).await.unwrap();
    assert_eq!(world.value(&executed("succeeded", "DEFAULT.good")).await, Some(2.0));
    assert_eq!(world.value(&executed("failed", "DEFAULT.good")).await, Some(0.0));
    assert_eq!(world.value(&executed("failed", "DEFAULT.bad")).await, Some(2.0));
    assert_eq!(world.value("punctual_run_duration_ms_count").await, Some(4.0));
}

#[tokio::test]
async fn lateness_is_measured_from_the_scheduled_instant() {
    let world = World::new().await;
    world.add("good").await;
    world.manual.run_due().await.unwrap();
    // Due at 60 s, claimed at 60.7 s.
    world.manual.tick(Duration::from_millis(60_700)).await.unwrap();
    assert_eq!(world.value("punctual_fire_lateness_ms_sum").await, Some(700.0));
    assert_eq!(world.value(r#"punctual_fire_lateness_ms_bucket{le="1.0"}"#).await, Some(1.0));
    assert_eq!(world.value(r#"punctual_fire_lateness_ms_bucket{le="1000.0"}"#).await, Some(2.0));
}

#[tokio::test]
async fn the_clock_is_compared_with_the_stores() {
    let world = World::over(FaultyStore::new(Arc::new(MemoryStore::new())).with_clock(|| at(-300))).await;
    world.manual.clock().advance(Duration::from_secs(9));
    assert_eq!(world.value("punctual_clock_offset_ms").await, Some(-300_000.0));
    assert_eq!(world.value("punctual_clock_uncertainty_ms").await, Some(9.0), "clocks drift");
}

#[tokio::test]
async fn the_connections_of_the_store_are_shown() {
    let pool = PoolStatus { max: 8, in_use: 2, idle: 1, waiting: 3, acquired: 40, acquire_micros: 12_999 };
    let world = World::over(FaultyStore::new(Arc::new(MemoryStore::new())).with_pool(pool)).await;
    for (series, value) in [
        (r#"punctual_pool_connections{state="in_use"}"#, 2.0),
        (r#"punctual_pool_connections{state="idle"}"#, 1.0),
        ("punctual_pool_max", 8.0),
        ("punctual_pool_waiting", 3.0),
        ("punctual_pool_acquired_total", 40.0),
        ("punctual_pool_acquire_ms_total", 12.0),
    ] {
        assert_eq!(world.value(series).await, Some(value), "{series}");
    }
    assert_eq!(world.value("punctual_changes_unheard").await, Some(0.0));
    for (hears, unheard) in [(false, 1.0), (true, 0.0)] {
        world.store.set_hearing(hears);
        assert_eq!(world.value("punctual_changes_unheard").await, Some(unheard));
    }
}

#[tokio::test]
async fn states_are_those_of_the_store_and_absent_ones_are_zero() {
    let world = World::new().await;
    world.add("one").await;
    world.add("two").await;
    world.add("three").await;
    world.manual.scheduler().pause_job(&JobKey::new("two")).await.unwrap();
    assert_eq!(world.value(&state("WAITING")).await, Some(2.0));
    assert_eq!(world.value(&state("PAUSED")).await, Some(1.0));
    for absent in ["EXECUTING", "BLOCKED", "ERROR"] {
        assert_eq!(world.value(&state(absent)).await, Some(0.0), "{absent}");
    }
    assert_eq!(world.value("punctual_slots").await, Some(7.0));
    assert_eq!(world.value("punctual_lease_valid").await, Some(1.0));
    assert_eq!(world.value(r#"punctual_build_info{version="1.2.3",node="node"}"#).await, Some(1.0));
}

#[tokio::test]
async fn scrapes_within_a_second_ask_the_store_once() {
    let world = World::new().await;
    world.add("one").await;
    assert_eq!(world.value(&state("WAITING")).await, Some(1.0));
    let calls = world.store.calls();
    world.add("two").await;
    let calls_with_two = world.store.calls();
    assert!(calls_with_two > calls);
    world.manual.clock().advance(Duration::from_millis(999));
    assert_eq!(world.value(&state("WAITING")).await, Some(1.0), "remembered");
    assert_eq!(world.store.calls(), calls_with_two);
    world.manual.clock().advance(Duration::from_millis(1));
    assert_eq!(world.value(&state("WAITING")).await, Some(2.0), "counted anew");
    // The states, the nodes, and what is due.
    assert_eq!(world.store.calls(), calls_with_two + 3);
}

#[tokio::test]
async fn a_failing_store_leaves_the_states_out_and_is_counted() {
    let world = World::new().await;
    world.add("one").await;
    assert_eq!(world.value(&state("WAITING")).await, Some(1.0));
    world.store.set_broken(true);
    world.manual.clock().advance(Duration::from_secs(1));
    assert_eq!(world.value(&state("WAITING")).await, None);
    let failures = r#"punctual_store_failures_total{operation="count trigger states"}"#;
    assert_eq!(world.value(failures).await, Some(1.0), "a failure is remembered as well");
    world.store.set_broken(false);
    world.manual.clock().advance(Duration::from_secs(1));
    assert_eq!(world.value(&state("WAITING")).await, Some(1.0));
}

#[tokio::test]
async fn what_went_wrong_is_counted_by_reason() {
    let world = World::new().await;
    let skipped = |reason, count| Event::InstantsSkipped {
        trigger: TriggerKey::new("t"),
        skip: Skip { first: at(0), last: at(60), count, reason },
    };
    let recovered = Recovered {
        id: punctual_core::FireId(1),
        job: JobKey::new("j"),
        trigger: TriggerKey::new("t"),
        node: "lost".to_owned(),
        refired: true,
    };
    let events = [
        skipped(SkipReason::Misfire, 61),
        skipped(SkipReason::Misfire, 1),
        skipped(SkipReason::Paused, 2),
        Event::WorkRecovered(recovered),
        Event::StoreFailed {
            operation: "claim",
            error: "locked".to_owned(),
            retry_in_ms: 100,
            failures: 1,
            since: Timestamp::UNIX_EPOCH,
        },
        Event::TriggerFailed { trigger: TriggerKey::new("t"), error: "unreadable".to_owned() },
        Event::HistoryPruned { rows: 500 },
    ];
    for event in &events {
        punctual_engine::Listener::on_event(&*world.metrics, event);
    }
    for (series, value) in [
        (r#"punctual_instants_skipped_total{reason="misfire"}"#, 62.0),
        (r#"punctual_instants_skipped_total{reason="paused"}"#, 2.0),
        (r#"punctual_instants_skipped_total{reason="overlap"}"#, 0.0),
        (r#"punctual_fires_recovered_total{refired="true"}"#, 1.0),
        (r#"punctual_fires_recovered_total{refired="false"}"#, 0.0),
        (r#"punctual_store_failures_total{operation="claim"}"#, 1.0),
        ("punctual_trigger_failures_total", 1.0),
        ("punctual_history_rows_pruned_total", 500.0),
        ("punctual_leases_lost_total", 0.0),
    ] {
        assert_eq!(world.value(series).await, Some(value), "{series}");
    }
}

#[tokio::test]
async fn jobs_beyond_the_limit_share_one_series() {
    let world = World::new().await;
    for number in 0..1_003 {
        world.add(&format!("job-{number:04}")).await;
    }
    world.manual.run_due().await.unwrap();
    let text = world.text().await;
    let series = text.lines().filter(|line| line.starts_with("punctual_tasks_quartz_tasks_executed_total{"));
    assert_eq!(series.count(), 2 * 1_001);
    assert_eq!(world.value(&executed("succeeded", "other")).await, Some(3.0));
}

#[tokio::test]
async fn a_job_name_cannot_break_the_text() {
    let world = World::new().await;
    world.add(r#"say "hi" \ bye"#).await;
    world.manual.run_due().await.unwrap();
    let series = executed("succeeded", r#"DEFAULT.say \"hi\" \\ bye"#);
    assert_eq!(world.value(&series).await, Some(1.0));
}

#[tokio::test]
async fn what_is_rendered_is_what_the_catalogue_lists() {
    let world = World::new().await;
    world.add("one").await;
    world.manual.run_due().await.unwrap();
    let failed = Event::StoreFailed {
        operation: "claim",
        error: String::new(),
        retry_in_ms: 1,
        failures: 1,
        since: Timestamp::UNIX_EPOCH,
    };
    punctual_engine::Listener::on_event(&*world.metrics, &failed);
    let repaired = Event::Repaired(punctual_core::definition::Repair::Hidden { lane: 1 });
    punctual_engine::Listener::on_event(&*world.metrics, &repaired);
    let foreign = punctual_core::JobDetail::new("foreign", "a kind of another node").durable();
    let now = punctual_core::Clock::now(world.manual.clock());
    let triggers = vec![punctual_core::Trigger::once("foreign", "foreign", now)];
    let change = punctual_core::Change::Schedule { job: foreign, triggers };
    world.manual.scheduler().apply(&[change]).await.unwrap();
    world.manual.clock().advance(Duration::from_secs(20));
    let text = world.text().await;
    assert!(text.ends_with("# EOF\n"));
    let mut rendered: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    rendered.sort_unstable();
    let listed = catalog::ALL.map(|entry| format!("{} {}", entry.name, entry.kind.as_str()));
    let mut listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    listed.sort_unstable();
    assert_eq!(rendered, listed);
    let labels = r#"{kind="a kind of another node"}"#;
    assert!(text.contains(&format!("punctual_unassigned_triggers{labels} 1")), "{text}");
    assert!(text.contains(&format!("punctual_unassigned_age_ms{labels} 20000")), "{text}");
}

#[test]
fn the_documentation_holds_the_catalogue() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("<!-- catalogue:begin -->\n").unwrap();
    let (table, after) = rest.split_once("<!-- catalogue:end -->").unwrap();
    if std::env::var_os("PUNCTUAL_UPDATE").is_some() {
        let (begin, end) = ("<!-- catalogue:begin -->\n", "<!-- catalogue:end -->");
        std::fs::write(path, [before, begin, &catalog::markdown(), end, after].concat()).unwrap();
        return;
    }
    assert!(
        table == catalog::markdown(),
        "docs/metrics.md differs from the catalogue: run `PUNCTUAL_UPDATE=1 cargo test -p punctual-metrics`"
    );
}
