//! The moving parts of Punctual.
//!
//! A [`Scheduler`] drives one [`Node`] over a store: it claims due fires, runs them, and reports how they ended.
//! The steps themselves (claim, complete, heartbeat, recover) are methods of [`Node`] that take the time and
//! return; the loops that call them are in `driver`. [`ManualScheduler`] calls the same steps by hand, and so
//! do simulations.
//!
//! | to add | write |
//! | --- | --- |
//! | a job | a type that implements [`Job`], and [`SchedulerBuilder::job`] |
//! | a listener | a type that implements [`Listener`], and [`SchedulerBuilder::listener`] |
//! | a job that exists from the start | an [`Entry`], and [`SchedulerBuilder::entry`] |
//! | a job that runs at the start | a [`StartTask`], and [`SchedulerBuilder::on_start`] |

mod asked;
mod audit;
mod builder;
mod capture;
pub mod clock;
mod driver;
mod execute;
mod failing;
mod guard;
mod info;
mod job;
mod kinds;
mod listen;
mod lock;
mod lost;
mod manual;
mod node;
mod operations;
mod recorder;
mod recording;
mod registry;
mod retention;
mod scheduler;
mod settings;
mod sheet;
mod start;
mod stop;
mod task_runs;
mod why;

pub use audit::{AuditOptions, audit};
pub use builder::{BuildError, Entry, SchedulerBuilder};
pub use capture::{CaptureLayer, capture_layer};
pub use clock::{ClockQuality, ManualClock, StoreClock, SystemClock};
pub use execute::Ended;
pub use info::{JobInfo, SchedulerInfo, ShownState, TriggerInfo};
pub use job::{DataProblem, Job, JobContext, JobError, JobResult};
pub use listen::{Listener, LogListener};
pub use lock::{ClusterLock, LockError, LockLease, LockOptions, Locks};
pub use manual::{ManualError, ManualRun, ManualScheduler};
pub use node::{Beat, Node, Status};
pub use operations::SchedulerError;
pub use recording::Recording;
pub use registry::JobRegistry;
pub use scheduler::{InitReport, Scheduler, ShutdownReport};
pub use settings::{Settings, disabled_by_env};
pub use sheet::{TaskHandle, current_task};
pub use start::StartTask;
pub use task_runs::{TaskRunSpec, current_run};
pub use why::{Fate, Why};
