//! Punctual: a persistent, clustered job scheduler for tokio applications, in which **every scheduled instant is
//! accounted for**. It ran (how late, on which node, with what result), or it did not, and Punctual says why.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use punctual::{MemoryStore, Scheduler, Trigger, schedule::{Repeat, Schedule, SimpleSchedule}};
//!
//! #[punctual::job]
//! async fn greet(name: Greeting) -> Result<(), std::io::Error> {
//!     println!("Hello, {}!", name.name);
//!     Ok(())
//! }
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Greeting { name: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scheduler = Scheduler::builder(Arc::new(MemoryStore::new())).job(greet::new()).build()?;
//! scheduler.start().await?;
//! let every_minute = Schedule::Simple(SimpleSchedule::new(Duration::from_secs(60), Repeat::Forever)?);
//! scheduler
//!     .schedule(
//!         greet::detail("greet-ada", &Greeting { name: "Ada".to_owned() })?,
//!         vec![Trigger::new("every-minute", "greet-ada", every_minute)],
//!     )
//!     .await?;
//! scheduler.shutdown(Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go
//!
//! * Write a job: [`macro@job`], or the [`Job`] trait behind it.
//! * Say when it runs: [`Trigger`] with a [`schedule::Schedule`] and a [`MisfirePolicy`].
//! * Keep it: a store. [`MemoryStore`] forgets; `SqliteStore` (feature `sqlite`) is a file; `PostgresStore` (feature
//!   `postgres`) is a database that several nodes share.
//! * Test it: [`ManualScheduler`] moves time by hand.
//! * Let one node at a time do something else: [`Scheduler::with_lock`].
//! * Watch it: a [`Listener`], or [`Scheduler::store`] for the history.
//!
//! # Features
//!
//! | feature | brings |
//! | --- | --- |
//! | `sqlite` | `SqliteStore`, with SQLite bundled |
//! | `postgres` | `PostgresStore`, for several nodes on one database |
//! | `metrics` | a Prometheus listener |

pub use punctual_core::data::DataError;
// Both crates have a `Node` and a `clock`: the values that stores tell about, and the clocks that there are.
pub use punctual_core::{Node, *};
pub use punctual_engine::{clock, *};
pub use punctual_memory::MemoryStore;
#[cfg(feature = "metrics")]
pub use punctual_metrics as metrics;
#[cfg(feature = "postgres")]
pub use punctual_postgres as postgres;
#[cfg(feature = "postgres")]
pub use punctual_postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use punctual_sqlite::SqliteStore;

/// Makes a job out of an `async fn`.
///
/// The function becomes a type of its name that implements [`Job`]: `send_mail::new(..)` makes one to register,
/// `send_mail::detail(key, &data)` a definition to schedule. Its parameters, in any order, are
///
/// * at most one value of **data**: any type that serde reads; the stored arguments are checked against it when
///   a job is scheduled and when it runs;
/// * [`State<T>`] for what is **injected** when the job is registered (`T: Clone`, so an `Arc` mostly);
/// * [`JobContext<()>`] for the **context** of the run.
///
/// It returns `()`, or a `Result<(), E>` whose error converts into a [`JobError`]; any
/// [`std::error::Error`] does, as one that may be tried again.
///
/// The kind under which stored jobs refer to the code is the function's name, or `kind = "..."`.
///
/// ```
/// use std::sync::Arc;
/// use punctual::{JobContext, JobError, State};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Report { month: u8 }
///
/// struct Mailer;
///
/// #[punctual::job(kind = "reports.send")]
/// async fn send_report(data: Report, mailer: State<Arc<Mailer>>, ctx: JobContext<()>) -> Result<(), JobError> {
///     if data.month > 12 {
///         return Err(JobError::fatal(format!("there is no month {}", data.month)));
///     }
///     ctx.detail("attempt", ctx.attempt());
///     Ok(())
/// }
///
/// let job = send_report::new(Arc::new(Mailer));
/// let detail = send_report::detail("monthly-report", &Report { month: 11 }).unwrap();
/// assert_eq!(detail.kind.as_str(), "reports.send");
/// # let _ = job;
/// ```
pub use punctual_macros::job;

/// Something injected into a [`macro@job`] when it was registered.
#[derive(Clone, Copy, Debug)]
pub struct State<T>(pub T);

impl<T> std::ops::Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What a [`macro@job`] function may return.
pub trait IntoJobResult {
    /// As the result of a run.
    fn into_job_result(self) -> JobResult;
}

impl IntoJobResult for () {
    fn into_job_result(self) -> JobResult {
        Ok(())
    }
}

impl<E: Into<JobError>> IntoJobResult for Result<(), E> {
    fn into_job_result(self) -> JobResult {
        self.map_err(Into::into)
    }
}
