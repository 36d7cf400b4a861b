//! Testing one's own schedules: time stands still until the test moves it.
//!
//! ```sh
//! cargo run -p punctual --example testing_with_a_manual_clock
//! ```

use std::sync::Arc;
use std::time::Duration;

use punctual::schedule::{CronSchedule, Schedule};
use punctual::{Entry, ManualScheduler, MemoryStore, Timestamp, Trigger};

#[punctual::job]
async fn close_the_books() {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start: Timestamp = "2026-03-28T12:00:00Z".parse()?;
    let nightly = Schedule::Cron(CronSchedule::parse("0 30 2 * * ?", "Europe/Berlin")?);
    let job = close_the_books::detail("books", &())?;
    let trigger = Trigger::new("nightly", job.key.clone(), nightly);

    let manual = ManualScheduler::new(Arc::new(MemoryStore::new()), start, |builder| {
        builder.job(close_the_books::new()).entry(Entry::new(job, vec![trigger]))
    })
    .await?;

    // 02:30 does not exist in Berlin on 29 March 2026: it is run at the first instant after the gap.
    let runs = manual.tick(Duration::from_secs(13 * 3600)).await?;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].scheduled_at, "2026-03-29T01:00:00Z".parse()?);
    println!("the books were closed for {}", runs[0].scheduled_at);
    Ok(())
}
