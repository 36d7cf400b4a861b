//! Does nothing, and succeeds: for tests of schedules and for load tests.

use punctual_engine::{Job, JobContext, JobResult};

/// The kind `noop`. Takes any data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

impl Job for Noop {
    const KIND: &'static str = "noop";
    type Data = serde_json::Value;

    async fn run(&self, _: JobContext<serde_json::Value>) -> JobResult {
        Ok(())
    }
}
