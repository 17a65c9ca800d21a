//! Engine time: an argument, never read from a clock.

use std::ops::Add;
use std::time::Duration;

/// A point in time: microseconds since the Unix epoch, as the node tells it. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Microseconds since the Unix epoch.
    pub micros: u64,
}

impl Time {
    /// The time `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Time { micros }
    }

    /// How long ago `earlier` was; zero if it is not earlier.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at the end of time, so that an absurd timeout is simply endless. Rounds up to a microsecond.
    fn add(self, duration: Duration) -> Time {
        let micros = u64::try_from(duration.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
        Time { micros: self.micros.saturating_add(micros) }
    }
}

/// How long a wait may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// Until it is granted, cancelled or its session ends.
    Never,
    /// At most this long; zero does not wait.
    After(Duration),
}

impl Timeout {
    /// Granted at once or not at all.
    pub const NOW: Timeout = Timeout::After(Duration::ZERO);

    /// The deadline of a wait that starts at `now`.
    pub fn deadline(self, now: Time) -> Option<Time> {
        match self {
            Timeout::Never => None,
            Timeout::After(duration) => Some(now + duration),
        }
    }
}
