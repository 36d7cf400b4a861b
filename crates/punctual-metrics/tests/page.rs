//! The metrics page of a scheduler that has run something.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use punctual_core::{JobDetail, JobStore, Trigger};
use punctual_engine::{Entry, Job, JobContext, JobError, JobResult, ManualScheduler};
use punctual_memory::MemoryStore;
use punctual_metrics::{Metrics, catalog};

struct Half;

impl Job for Half {
    const KIND: &'static str = "half";
    type Data = ();

    async fn run(&self, ctx: JobContext<()>) -> JobResult {
        if ctx.trigger().name() == "bad" { Err(JobError::fatal("no")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn what_happened_and_what_is_are_on_the_page() {
    let metrics = Arc::new(Metrics::new());
    let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new());
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let later = "2027-01-01T00:00:00Z".parse().unwrap();
    let triggers = vec![
        Trigger::once("good", "job", start),
        Trigger::once("bad", "job", start),
        Trigger::once("later", "job", later),
    ];
    let entry = Entry::new(JobDetail::new("job", "half"), triggers);
    let listener = Arc::clone(&metrics);
    let manual = ManualScheduler::new(store, start, |builder| {
        builder.job(Half).entry(entry).listener(listener).without_log()
    })
    .await
    .unwrap();
    manual.run_due().await.unwrap();
    let page = metrics.render(manual.scheduler()).await;
    for line in [
        r#"punctual_tasks_quartz_tasks_executed_total{status="succeeded",job_name="DEFAULT.job"} 1"#,
        r#"punctual_tasks_quartz_tasks_executed_total{status="failed",job_name="DEFAULT.job"} 1"#,
        r#"punctual_tasks_quartz_tasks_states{state="WAITING"} 1"#,
        r#"punctual_tasks_quartz_tasks_states{state="ERROR"} 0"#,
        r#"punctual_instants_skipped_total{reason="misfire"} 0"#,
        "punctual_fire_lateness_ms_count 2",
        "punctual_slots 10",
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
    for metric in catalog::ALL {
        assert!(
            page.contains(&format!("# TYPE punctual_{} {}", metric.name, metric.kind)),
            "{}",
            metric.name
        );
    }
}

#[test]
fn the_documentation_is_the_catalogue() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(&catalog::markdown()), "docs/metrics.md should contain\n{}", catalog::markdown());
}
