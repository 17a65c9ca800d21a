//! Where the time comes from: an argument of the node, so that tests and the simulation bring their own.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bridge_core::Time;
#[cfg(target_os = "linux")]
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now. Never before an earlier answer.
    fn now(&self) -> Time;

    /// The time some milliseconds ago at most, and not later than now: for what is done at once, where looking at a clock would
    /// cost a good part of it.
    fn lately(&self) -> Time {
        self.now()
    }
}

/// The machine's clock: counts from the wall clock's time at the start and is not set back with it.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_at: Time,
    /// The same moment by the clock that [`Clock::lately`] reads.
    #[cfg(target_os = "linux")]
    began: Timespec,
}

impl SystemClock {
    /// A clock that reads the wall clock now and never again.
    pub fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SystemClock {
            started: Instant::now(),
            started_at: Time::default() + unix,
            // Last, so that it is never ahead.
            #[cfg(target_os = "linux")]
            began: clock_gettime(ClockId::Monotonic),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Time::from_micros(self.started_at.micros.saturating_add(micros))
    }

    #[cfg(target_os = "linux")]
    fn lately(&self) -> Time {
        let (at, began) = (clock_gettime(ClockId::MonotonicCoarse), self.began);
        let micros = (at.tv_sec - began.tv_sec) * 1_000_000 + (at.tv_nsec - began.tv_nsec) / 1_000;
        Time::from_micros(self.started_at.micros.saturating_add(u64::try_from(micros).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lately_is_not_later_than_now_and_not_long_ago() {
        let clock = SystemClock::new();
        let ended = Instant::now() + Duration::from_millis(50);
        while Instant::now() < ended {
            let before = clock.now();
            let lately = clock.lately();
            assert!(lately <= clock.now(), "{lately:?} is to come");
            assert!(before.since(lately) < Duration::from_secs(1), "{lately:?} is long ago");
        }
    }
}
