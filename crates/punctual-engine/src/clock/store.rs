//! A node's clock: the machine's monotonic clock, set by the store's.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual_core::{Clock, SleepFuture};

use super::{add, lock};

/// By how much two clocks drift apart at most: a thousandth. Quartz oscillators stay within a tenth of that, and NTP
/// slews by half of it.
const DRIFT: u32 = 1_000;
/// A smaller correction leaves sleepers alone.
const REARM: SignedDuration = SignedDuration::from_millis(1);

/// A clock that follows the store's.
///
/// Until the store has told its time, and for ever with a store that has no clock of its own, it is the clock inside.
/// From then on it is that clock's *monotonic* time plus an offset, and whatever happens to the machine's wall clock
/// moves nothing.
///
/// # How the offset is measured
///
/// The store's clock was read some time between the question and the answer, so each answer bounds the offset from
/// both sides (NTP's half of the round trip, around its middle). Bounds are remembered, widened by a thousandth of the
/// time since for drift, and narrowed by each further answer. The offset moves only as far as the bounds prove, so that
/// an answer that took long does not shake it, and [`Clock::now`] goes back by no more than it must. Bounds that
/// contradict the remembered ones mean that one of the clocks was set (or that the machine slept): then the new ones
/// count alone, and the middle of them is the offset.
#[derive(Clone)]
pub struct StoreClock {
    parts: Arc<Parts>,
}

struct Parts {
    inner: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    offset: Option<Offset>,
    /// Counts the corrections for which sleepers are woken.
    steps: u64,
    sleepers: BTreeMap<u64, Waker>,
    next_number: u64,
}

/// The store's time when the monotonic clock showed zero: the best guess, and its bounds.
#[derive(Clone, Copy)]
struct Offset {
    zero: Timestamp,
    earliest: Timestamp,
    latest: Timestamp,
    /// When that was measured, in monotonic time.
    measured: Duration,
    /// How far the store's clock was ahead of the wall clock then.
    ahead: SignedDuration,
}

/// How well the time is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockQuality {
    /// Whether the store has told its time; else the rest is 0.
    pub measured: bool,
    /// How far the store's clock was ahead of the machine's wall clock at the last measurement, in milliseconds.
    pub offset_ms: i64,
    /// How far [`Clock::now`] may be off the store's clock at most, in milliseconds, rounded up.
    pub uncertainty_ms: u64,
}

fn less(at: Timestamp, elapsed: Duration) -> Timestamp {
    at.checked_sub(elapsed).unwrap_or(Timestamp::MIN)
}

fn drift(since: Duration) -> Duration {
    since / DRIFT
}

impl Offset {
    /// What one answer says alone.
    fn of(asked: Duration, answered: Duration, store_now: Timestamp) -> Self {
        let (earliest, latest) = (less(store_now, answered), less(store_now, asked));
        let zero = add(earliest, answered.saturating_sub(asked) / 2);
        Self { zero, earliest, latest, measured: answered, ahead: SignedDuration::ZERO }
    }

    /// What it says together with what was known before.
    fn after(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        let widened = drift(self.measured.saturating_sub(before.measured));
        let earliest = self.earliest.max(less(before.earliest, widened));
        let latest = self.latest.min(add(before.latest, widened));
        if earliest > latest {
            return self;
        }
        Self { earliest, latest, zero: before.zero.clamp(earliest, latest), ..self }
    }

    fn uncertainty(&self, elapsed: Duration) -> Duration {
        let below = self.zero.duration_since(self.earliest).unsigned_abs();
        let above = self.latest.duration_since(self.zero).unsigned_abs();
        below.max(above) + drift(elapsed.saturating_sub(self.measured))
    }
}

impl StoreClock {
    /// A clock that shows what `inner` shows, until it is measured.
    pub fn new(inner: Arc<dyn Clock>) -> Self {
        Self { parts: Arc::new(Parts { inner, state: Mutex::default() }) }
    }

    /// Takes note that the store's clock showed `store_now` at some moment after [`Clock::monotonic`] was `asked` and
    /// before now. Returns by how much that moved this clock.
    pub fn measure(&self, asked: Duration, store_now: Timestamp) -> SignedDuration {
        let wall = self.parts.inner.now();
        let answered = self.parts.inner.monotonic();
        let mut state = lock(&self.parts.state);
        let shown = state.offset.map_or(wall, |offset| add(offset.zero, answered));
        let mut offset = Offset::of(asked, answered, store_now).after(state.offset);
        let showing = add(offset.zero, answered);
        offset.ahead = showing.duration_since(wall);
        let first = state.offset.replace(offset).is_none();
        let moved = showing.duration_since(shown);
        if !first && moved.abs() < REARM {
            return moved;
        }
        state.steps += 1;
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        sleepers.into_values().for_each(Waker::wake);
        moved
    }

    /// How well the time is known.
    pub fn quality(&self) -> ClockQuality {
        let Some(offset) = lock(&self.parts.state).offset else { return ClockQuality::default() };
        let uncertainty = offset.uncertainty(self.parts.inner.monotonic());
        ClockQuality {
            measured: true,
            offset_ms: i64::try_from(offset.ahead.as_millis()).unwrap_or(i64::MAX),
            uncertainty_ms: u64::try_from(uncertainty.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX),
        }
    }
}

impl std::fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StoreClock").field(&self.parts.inner).field(&self.quality()).finish()
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        let offset = lock(&self.parts.state).offset;
        offset.map_or_else(|| self.parts.inner.now(), |offset| add(offset.zero, self.monotonic()))
    }

    fn monotonic(&self) -> Duration {
        self.parts.inner.monotonic()
    }

    fn sleep_until(&self, at: Timestamp) -> SleepFuture {
        let mut state = lock(&self.parts.state);
        state.next_number += 1;
        let number = state.next_number;
        drop(state);
        Box::pin(StoreSleep { parts: Arc::clone(&self.parts), at, number, armed: None })
    }

    fn sleep_for(&self, time: Duration) -> SleepFuture {
        self.parts.inner.sleep_for(time)
    }
}

struct StoreSleep {
    parts: Arc<Parts>,
    at: Timestamp,
    number: u64,
    /// The sleep inside, and the number of steps when it began.
    armed: Option<(u64, SleepFuture)>,
}

impl Future for StoreSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let parts = Arc::clone(&self.parts);
        loop {
            let (steps, offset) = {
                let mut state = lock(&parts.state);
                state.sleepers.insert(self.number, cx.waker().clone());
                (state.steps, state.offset)
            };
            let left = offset
                .map(|offset| self.at.duration_since(add(offset.zero, parts.inner.monotonic())))
                .unwrap_or_else(|| self.at.duration_since(parts.inner.now()));
            if left <= SignedDuration::ZERO {
                return Poll::Ready(());
            }
            let at = self.at;
            let (_, sleep) = match &mut self.armed {
                Some(armed) if armed.0 == steps => armed,
                armed => armed.insert((
                    steps,
                    match offset {
                        Some(_) => parts.inner.sleep_for(left.unsigned_abs()),
                        None => parts.inner.sleep_until(at),
                    },
                )),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // A little early when the clock was corrected by less than what sleepers are woken for: sleep on.
            self.armed = None;
        }
    }
}

impl Drop for StoreSleep {
    fn drop(&mut self) {
        lock(&self.parts.state).sleepers.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A machine whose wall clock is five minutes slow, and its node's clock.
    fn slow_machine() -> (ManualClock, StoreClock) {
        let machine = ManualClock::new(at("2026-01-01T00:00:00Z"));
        let clock = StoreClock::new(Arc::new(machine.clone()));
        (machine, clock)
    }

    fn exchange(machine: &ManualClock, clock: &StoreClock, there: u64, back: u64, store: &str) -> i64 {
        let asked = clock.monotonic();
        machine.advance(Duration::from_millis(there + back));
        i64::try_from(clock.measure(asked, at(store)).as_millis()).unwrap()
    }

    #[test]
    fn it_shows_the_stores_time_within_half_the_round_trip() {
        let (machine, clock) = slow_machine();
        assert_eq!((clock.now(), clock.quality()), (machine.now(), ClockQuality::default()));
        exchange(&machine, &clock, 20, 20, "2026-01-01T00:05:00Z");
        assert_eq!(clock.now(), at("2026-01-01T00:05:00.020Z"));
        let quality = clock.quality();
        assert_eq!((quality.measured, quality.offset_ms, quality.uncertainty_ms), (true, 299_980, 20));
        machine.advance(Duration::from_secs(10));
        assert_eq!(clock.quality().uncertainty_ms, 30, "clocks drift");
    }

    #[test]
    fn jumps_of_the_wall_clock_move_nothing() {
        let (machine, clock) = slow_machine();
        exchange(&machine, &clock, 0, 0, "2026-01-01T00:05:00Z");
        for jump in ["2026-01-02T00:00:00Z", "2020-01-01T00:00:00Z"] {
            machine.set(at(jump));
            assert_eq!(clock.now(), at("2026-01-01T00:05:00Z"));
        }
        machine.advance(MINUTE);
        assert_eq!(clock.now(), at("2026-01-01T00:06:00Z"));
    }

    #[test]
    fn a_long_answer_does_not_shake_what_is_known() {
        let (machine, clock) = slow_machine();
        exchange(&machine, &clock, 1, 1, "2026-01-01T00:00:00Z");
        assert_eq!(exchange(&machine, &clock, 0, 2_000, "2026-01-01T00:00:00.001Z"), 0);
        assert!(clock.quality().uncertainty_ms <= 4, "{:?}", clock.quality());
    }

    #[test]
    fn it_goes_back_by_no_more_than_it_must() {
        let (machine, clock) = slow_machine();
        // All of the delay was on the way there, so the clock is 10 ms ahead.
        exchange(&machine, &clock, 20, 0, "2026-01-01T00:00:00.020Z");
        assert_eq!(clock.now(), at("2026-01-01T00:00:00.030Z"));
        // By this answer it is 22 ms to 26 ms, and 34 ms are shown.
        assert_eq!(exchange(&machine, &clock, 2, 2, "2026-01-01T00:00:00.022Z"), -8);
        assert_eq!(clock.now(), at("2026-01-01T00:00:00.026Z"));
        assert_eq!(exchange(&machine, &clock, 50, 50, "2026-01-01T00:00:00.074Z"), 0);
    }

    #[test]
    fn a_store_whose_clock_was_set_is_followed_at_once() {
        let (machine, clock) = slow_machine();
        exchange(&machine, &clock, 1, 1, "2026-01-01T00:05:00Z");
        assert_eq!(exchange(&machine, &clock, 1, 1, "2026-01-01T00:04:00Z"), -60_002);
        assert_eq!(clock.now(), at("2026-01-01T00:04:00.001Z"));
        assert_eq!(clock.quality().uncertainty_ms, 1);
    }

    async fn rest() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn sleepers_wake_by_the_stores_time() {
        let (machine, clock) = slow_machine();
        let task = tokio::spawn(clock.sleep_until(at("2026-01-01T00:06:00Z")));
        rest().await;
        assert_eq!(machine.next_wake(), Some(at("2026-01-01T00:06:00Z")));
        exchange(&machine, &clock, 0, 0, "2026-01-01T00:05:00Z");
        rest().await;
        machine.set(at("2027-01-01T00:00:00Z"));
        machine.advance(MINUTE - Duration::from_millis(1));
        rest().await;
        assert!(!task.is_finished());
        machine.set(at("2020-01-01T00:00:00Z"));
        machine.advance(Duration::from_millis(1));
        task.await.unwrap();
    }

    #[tokio::test]
    async fn sleepers_follow_corrections() {
        let (machine, clock) = slow_machine();
        exchange(&machine, &clock, 0, 0, "2026-01-01T00:05:00Z");
        let sooner = tokio::spawn(clock.sleep_until(at("2026-01-01T00:06:00Z")));
        let later = tokio::spawn(clock.sleep_until(at("2026-01-01T00:06:00.001Z")));
        rest().await;
        exchange(&machine, &clock, 0, 0, "2026-01-01T00:06:00Z");
        sooner.await.unwrap();
        assert!(!later.is_finished());
        machine.advance(Duration::from_millis(1));
        later.await.unwrap();
    }
}
