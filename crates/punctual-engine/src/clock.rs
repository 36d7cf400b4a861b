//! The clocks. This is the only module that reads the machine's time.

mod store;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual_core::{Clock, SleepFuture};

pub use store::{ClockQuality, StoreClock};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic between two map operations leaves nothing half done here, so a poisoned lock is usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sleepers ordered by the moment at which they wake; the number makes keys unique.
#[derive(Default)]
struct Sleepers {
    waiting: BTreeMap<(Duration, u64), Waker>,
    next_number: u64,
    closed: bool,
}

/// The machine's time: read from the wall clock once, then carried on by the monotonic clock, so that a wrong
/// or jumping wall clock moves no firing. Every few seconds a look at the wall clock corrects slow drift: small
/// differences (up to a second) are taken over, a backward jump is not followed, a forward jump (the machine
/// slept, or its clock was set) is.
///
/// Sleepers are woken by a thread of its own, because tokio's timer rounds up to whole milliseconds: a fire
/// then starts within about a tenth of a millisecond of its instant.
pub struct SystemClock {
    shared: Arc<SystemShared>,
}

struct SystemShared {
    started: std::time::Instant,
    /// How far ahead of the machine's this clock is: for tests of nodes whose clocks are wrong.
    ahead: SignedDuration,
    /// What to add to the monotonic time to get the present instant.
    base: Mutex<Base>,
    sleepers: Mutex<Sleepers>,
    changed: Condvar,
}

struct Base {
    at: Timestamp,
    checked: Duration,
}

/// How often the wall clock is looked at.
const WALL_CHECK: Duration = Duration::from_secs(5);
/// How long the timer thread waits at most, so that it follows corrections of the wall clock.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "the clock module is where the machine's time is read")]
fn wall_now() -> Timestamp {
    Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "the clock module is where the machine's time is read")]
fn instant_now() -> std::time::Instant {
    std::time::Instant::now()
}

impl SystemShared {
    fn elapsed(&self) -> Duration {
        instant_now().duration_since(self.started)
    }

    fn now(&self) -> Timestamp {
        let elapsed = self.elapsed();
        let mut base = lock(&self.base);
        if elapsed.saturating_sub(base.checked) >= WALL_CHECK {
            base.checked = elapsed;
            base.at = corrected(base.at, elapsed, shifted(wall_now(), self.ahead));
        }
        add(base.at, elapsed)
    }
}

fn shifted(at: Timestamp, ahead: SignedDuration) -> Timestamp {
    at.checked_add(ahead).unwrap_or(at)
}

fn add(at: Timestamp, elapsed: Duration) -> Timestamp {
    at.checked_add(elapsed).unwrap_or(Timestamp::MAX)
}

/// The base after a look at the wall clock; see [`SystemClock`].
fn corrected(base: Timestamp, elapsed: Duration, wall: Timestamp) -> Timestamp {
    let ours = add(base, elapsed);
    let ahead = wall.duration_since(ours);
    if ahead.as_millis() >= -1_000 { base.checked_add(ahead).unwrap_or(base) } else { base }
}

impl SystemClock {
    /// Reads the wall clock and starts the timer thread, which ends when the clock is dropped.
    pub fn new() -> Self {
        Self::ahead_by(SignedDuration::ZERO)
    }

    /// As [`Self::new`], for a machine whose wall clock is wrong by so much.
    pub fn ahead_by(ahead: SignedDuration) -> Self {
        let shared = Arc::new(SystemShared {
            started: instant_now(),
            ahead,
            base: Mutex::new(Base { at: shifted(wall_now(), ahead), checked: Duration::ZERO }),
            sleepers: Mutex::default(),
            changed: Condvar::new(),
        });
        let timer = Arc::clone(&shared);
        let spawned = std::thread::Builder::new()
            .name("punctual-timer".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || timer.run());
        if let Err(error) = spawned {
            // Without it nothing would ever fire, and nothing could say why.
            panic!("cannot start the timer thread: {error}");
        }
        Self { shared }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemShared {
    fn run(&self) {
        let mut sleepers = lock(&self.sleepers);
        while !sleepers.closed {
            let elapsed = self.elapsed();
            let later = sleepers.waiting.split_off(&(elapsed + Duration::from_nanos(1), 0));
            let due = std::mem::replace(&mut sleepers.waiting, later);
            if !due.is_empty() {
                drop(sleepers);
                due.into_values().for_each(Waker::wake);
                sleepers = lock(&self.sleepers);
                continue;
            }
            let wait = sleepers.waiting.first_key_value().map(|((at, _), _)| at.saturating_sub(elapsed));
            sleepers = match wait {
                Some(wait) => {
                    self.changed
                        .wait_timeout(sleepers, wait.min(LONGEST_WAIT))
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self.changed.wait(sleepers).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Drop for SystemClock {
    fn drop(&mut self) {
        lock(&self.shared.sleepers).closed = true;
        self.shared.changed.notify_all();
    }
}

impl std::fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemClock")
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.shared.now()
    }

    fn monotonic(&self) -> Duration {
        self.shared.elapsed()
    }

    fn sleep_until(&self, at: Timestamp) -> SleepFuture {
        let end = End::Instant(at);
        Box::pin(SystemSleep { shared: Arc::clone(&self.shared), end, key: None })
    }

    fn sleep_for(&self, time: Duration) -> SleepFuture {
        let end = End::Elapsed(self.shared.elapsed().saturating_add(time));
        Box::pin(SystemSleep { shared: Arc::clone(&self.shared), end, key: None })
    }
}

/// When a sleep ends: at an instant, or at a monotonic time.
#[derive(Clone, Copy)]
enum End {
    Instant(Timestamp),
    Elapsed(Duration),
}

struct SystemSleep {
    shared: Arc<SystemShared>,
    end: End,
    key: Option<(Duration, u64)>,
}

impl Future for SystemSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = Arc::clone(&self.shared);
        // An instant can be further away again when the wall clock was found to be ahead of itself: sleep on.
        let left = match self.end {
            End::Instant(at) => Duration::try_from(at.duration_since(shared.now())).unwrap_or_default(),
            End::Elapsed(end) => end.saturating_sub(shared.elapsed()),
        };
        let mut sleepers = lock(&shared.sleepers);
        if let Some(key) = self.key.take() {
            sleepers.waiting.remove(&key);
        }
        if left.is_zero() {
            return Poll::Ready(());
        }
        // A long sleep is cut in pieces, so that it follows corrections of the wall clock.
        let wake_at = shared.elapsed() + left.min(LONGEST_WAIT);
        let key = (wake_at, sleepers.next_number);
        sleepers.next_number += 1;
        let is_first = sleepers.waiting.first_key_value().is_none_or(|(first, _)| key < *first);
        sleepers.waiting.insert(key, cx.waker().clone());
        self.key = Some(key);
        if is_first {
            shared.changed.notify_one();
        }
        Poll::Pending
    }
}

impl Drop for SystemSleep {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            lock(&self.shared.sleepers).waiting.remove(&key);
        }
    }
}

/// A clock that stands still until it is moved, for tests: sleepers wake when it is moved past their moment.
#[derive(Clone, Debug)]
pub struct ManualClock {
    shared: Arc<Mutex<ManualShared>>,
}

struct ManualShared {
    now: Timestamp,
    elapsed: Duration,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    /// Those who sleep until a monotonic time.
    waiting: BTreeMap<(Duration, u64), Waker>,
    next_number: u64,
}

impl ManualShared {
    fn forget(&mut self, end: End, number: u64) {
        match end {
            End::Instant(at) => drop(self.sleepers.remove(&(at, number))),
            End::Elapsed(end) => drop(self.waiting.remove(&(end, number))),
        }
    }
}

impl std::fmt::Debug for ManualShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} sleepers)", self.now, self.sleepers.len() + self.waiting.len())
    }
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        let shared = ManualShared {
            now: start,
            elapsed: Duration::ZERO,
            sleepers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_number: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Moves the clock forward and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        let mut shared = lock(&self.shared);
        shared.elapsed += by;
        let now = add(shared.now, by);
        Self::show(shared, now);
    }

    /// Sets the clock, also backward, as a wall clock may jump; monotonic time does not move with it.
    pub fn set(&self, now: Timestamp) {
        Self::show(lock(&self.shared), now);
    }

    fn show(mut shared: MutexGuard<'_, ManualShared>, now: Timestamp) {
        shared.now = now;
        let later = shared.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut shared.sleepers, later);
        let elapsed = shared.elapsed;
        let later = shared.waiting.split_off(&(elapsed, u64::MAX));
        let waited = std::mem::replace(&mut shared.waiting, later);
        drop(shared);
        due.into_values().chain(waited.into_values()).for_each(Waker::wake);
    }

    /// The earliest moment at which somebody wakes, if the clock is only advanced until then.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let shared = lock(&self.shared);
        let at = shared.sleepers.first_key_value().map(|((at, _), _)| *at);
        let end = shared.waiting.first_key_value().map(|((end, _), _)| *end);
        let end = end.map(|end| add(shared.now, end.saturating_sub(shared.elapsed)));
        at.into_iter().chain(end).min()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        lock(&self.shared).now
    }

    fn monotonic(&self) -> Duration {
        lock(&self.shared).elapsed
    }

    fn sleep_until(&self, at: Timestamp) -> SleepFuture {
        Box::pin(ManualSleep { shared: Arc::clone(&self.shared), end: End::Instant(at), number: None })
    }

    fn sleep_for(&self, time: Duration) -> SleepFuture {
        let end = End::Elapsed(self.monotonic().saturating_add(time));
        Box::pin(ManualSleep { shared: Arc::clone(&self.shared), end, number: None })
    }
}

struct ManualSleep {
    shared: Arc<Mutex<ManualShared>>,
    end: End,
    number: Option<u64>,
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let handle = Arc::clone(&self.shared);
        let mut shared = lock(&handle);
        if let Some(number) = self.number.take() {
            shared.forget(self.end, number);
        }
        let number = shared.next_number;
        let waker = cx.waker().clone();
        match self.end {
            End::Instant(at) if shared.now >= at => return Poll::Ready(()),
            End::Elapsed(end) if shared.elapsed >= end => return Poll::Ready(()),
            End::Instant(at) => drop(shared.sleepers.insert((at, number), waker)),
            End::Elapsed(end) => drop(shared.waiting.insert((end, number), waker)),
        }
        shared.next_number += 1;
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        if let Some(number) = self.number.take() {
            lock(&self.shared).forget(self.end, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_backward_jump_of_the_wall_clock_is_not_followed() {
        let base = at("2026-01-01T00:00:00Z");
        let elapsed = Duration::from_secs(10);
        assert_eq!(corrected(base, elapsed, at("2025-06-01T00:00:00Z")), base);
    }

    #[test]
    fn drift_and_forward_jumps_are_followed() {
        let base = at("2026-01-01T00:00:00Z");
        let elapsed = Duration::from_secs(10);
        for wall in ["2026-01-01T00:00:09.7Z", "2026-01-01T00:00:10.2Z", "2026-01-01T05:00:00Z"] {
            assert_eq!(add(corrected(base, elapsed, at(wall)), elapsed), at(wall));
        }
    }

    #[tokio::test]
    async fn the_system_clock_wakes_at_or_after_the_moment() {
        let clock = SystemClock::new();
        let until = add(clock.now(), Duration::from_millis(5));
        clock.sleep_until(until).await;
        assert!(clock.now() >= until);
        clock.sleep_until(Timestamp::UNIX_EPOCH).await;
        let until = clock.monotonic() + Duration::from_millis(5);
        clock.sleep_for(Duration::from_millis(5)).await;
        assert!(clock.monotonic() >= until);
    }

    #[test]
    fn a_wrong_clock_stays_wrong_by_as_much() {
        let (right, wrong) = (SystemClock::new(), SystemClock::ahead_by(SignedDuration::from_mins(-3)));
        let apart = right.now().duration_since(wrong.now());
        assert!((179..=181).contains(&apart.as_secs()), "{apart:?}");
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_it_is_moved() {
        let clock = ManualClock::new(at("2026-01-01T00:00:00Z"));
        let sleep = clock.sleep_until(at("2026-01-01T00:01:00Z"));
        let task = tokio::spawn(sleep);
        tokio::task::yield_now().await;
        assert_eq!(clock.next_wake(), Some(at("2026-01-01T00:01:00Z")));
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        clock.advance(Duration::from_secs(1));
        task.await.unwrap();
    }
}
