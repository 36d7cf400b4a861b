//! The time of a simulated world, and the wrong clocks of its machines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual_core::{Clock, SleepFuture};

use super::Random;
use crate::factory::at;

/// How much a machine's clock gains or loses at most, in parts per million.
const MOST_DRIFT_PPM: i64 = 200;

/// The time of the world, which is also the store's.
#[derive(Clone, Debug)]
pub(super) struct WorldTime(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    elapsed: Duration,
    random: Random,
}

impl WorldTime {
    pub(super) fn new(seed: u64) -> Self {
        let shared = Shared { elapsed: Duration::ZERO, random: Random::new(!seed) };
        Self(Arc::new(Mutex::new(shared)))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> Duration {
        self.shared().elapsed
    }

    pub(super) fn now(&self) -> Timestamp {
        at(0).checked_add(self.elapsed()).unwrap()
    }

    pub(super) fn advance_ms(&self, millis: u64) {
        self.shared().elapsed += Duration::from_millis(millis);
    }

    /// What the store's clock shows, asked and answered by messages that take some milliseconds each.
    pub(super) fn exchange(&self) -> Timestamp {
        let message = || {
            let mut shared = self.shared();
            let micros = shared.random.below(6_000);
            shared.elapsed += Duration::from_micros(micros);
        };
        message();
        let shown = self.now();
        message();
        shown
    }
}

/// A machine's clock: its wall clock is wrong by minutes and jumps, its monotonic clock drifts.
#[derive(Clone, Debug)]
pub(super) struct MachineClock {
    world: WorldTime,
    started: Duration,
    drift_ppm: i64,
    skew: Arc<Mutex<SignedDuration>>,
}

impl MachineClock {
    pub(super) fn new(world: &WorldTime, random: &mut Random) -> Self {
        let drift_ppm = random.below(2 * MOST_DRIFT_PPM as u64 + 1) as i64 - MOST_DRIFT_PPM;
        let skew = Arc::new(Mutex::new(SignedDuration::ZERO));
        let clock = Self { world: world.clone(), started: world.elapsed(), drift_ppm, skew };
        clock.jump(random);
        clock
    }

    /// Sets the wall clock, to within five minutes of what is right.
    pub(super) fn jump(&self, random: &mut Random) {
        let millis = random.below(600_001) as i64 - 300_000;
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = SignedDuration::from_millis(millis);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let skew = *self.skew.lock().unwrap_or_else(PoisonError::into_inner);
        self.world.now().checked_add(skew).unwrap()
    }

    fn monotonic(&self) -> Duration {
        let elapsed = self.world.elapsed().saturating_sub(self.started);
        let gained = elapsed.mul_f64(self.drift_ppm.unsigned_abs() as f64 / 1e6);
        if self.drift_ppm < 0 { elapsed - gained } else { elapsed + gained }
    }

    // The simulation takes the steps; nobody sleeps.
    fn sleep_until(&self, _: Timestamp) -> SleepFuture {
        Box::pin(std::future::pending())
    }

    fn sleep_for(&self, _: Duration) -> SleepFuture {
        Box::pin(std::future::pending())
    }
}
