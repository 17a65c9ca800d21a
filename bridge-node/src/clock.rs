//! Where the time comes from: an argument of the node, so that tests and the simulation bring their own.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bridge_core::Time;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now. Never before an earlier answer.
    fn now(&self) -> Time;
}

/// The machine's clock: counts from the wall clock's time at the start and is not set back with it.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_at: Time,
}

impl SystemClock {
    /// A clock that reads the wall clock now and never again.
    pub fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SystemClock { started: Instant::now(), started_at: Time::default() + unix }
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
}
