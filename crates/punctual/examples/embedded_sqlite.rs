//! A scheduler inside an application, with its jobs in an SQLite file: run it twice, and the second run goes on
//! where the first one stopped.
//!
//! ```sh
//! cargo run -p punctual --example embedded_sqlite --features sqlite -- jobs.db
//! ```

use std::sync::Arc;
use std::time::Duration;

use punctual::schedule::{CronSchedule, Schedule};
use punctual::{Entry, HistoryQuery, JobError, Paging, RetryPolicy, Scheduler, SqliteStore, State, Trigger};

#[derive(Debug, Clone)]
struct Shop {
    name: &'static str,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Stock {
    shelf: u32,
}

#[punctual::job(kind = "shop.count-stock")]
async fn count_stock(
    stock: Stock,
    shop: State<Arc<Shop>>,
    ctx: punctual::JobContext<()>,
) -> Result<(), JobError> {
    println!("{}: counting shelf {} for {}", shop.name, stock.shelf, ctx.scheduled_at());
    ctx.detail("items", stock.shelf * 12);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "jobs.db".to_owned());
    let store = Arc::new(SqliteStore::open(&path, Default::default())?);

    let job = count_stock::detail("count-shelf-7", &Stock { shelf: 7 })?.retry(RetryPolicy::exponential(3));
    let every_second = Schedule::Cron(CronSchedule::parse("* * * * * ?", "Europe/Berlin")?);
    let triggers = vec![Trigger::new("every-second", job.key.clone(), every_second)];

    let scheduler = Scheduler::builder(store)
        .job(count_stock::new(Arc::new(Shop { name: "Corner shop" })))
        .entry(Entry::new(job, triggers))
        .build()?;
    scheduler.start().await?;

    let stop_at = scheduler.clock().now() + Duration::from_secs(3);
    scheduler.clock().sleep_until(stop_at).await;
    scheduler.shutdown(Duration::from_secs(10)).await;

    let newest = HistoryQuery { paging: Paging::first(5), ..HistoryQuery::default() };
    for row in scheduler.store().history(&newest).await?.rows {
        println!("{} {} {} late by {:?} ms", row.id, row.task, row.status, row.lateness_ms());
    }
    // So that the file is complete without those beside it.
    scheduler.store().close().await?;
    Ok(())
}
