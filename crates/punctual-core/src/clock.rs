//! The port through which everything that moves by itself learns the time.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

/// What [`Clock::sleep_until`] returns.
pub type SleepFuture = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Tells the time and wakes sleepers. Production has one that follows the machine's monotonic clock; tests
/// have one that stands still until it is moved.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary fixed moment; never goes back, whatever happens to [`Clock::now`].
    fn monotonic(&self) -> Duration;

    /// Ends once [`Clock::now`] is at or after `at`; at once when it already is.
    fn sleep_until(&self, at: Timestamp) -> SleepFuture;

    /// Ends once [`Clock::monotonic`] has moved on by `time`, whatever happens to [`Clock::now`].
    fn sleep_for(&self, time: Duration) -> SleepFuture;
}
