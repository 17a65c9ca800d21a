//! The client's clock: monotonic, and running while the process or the machine is stopped.

use bridge_core::Time;

/// Now, counted from an arbitrary point that is the same for the whole process.
#[cfg(target_os = "linux")]
pub(crate) fn now() -> Time {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Time::from_micros(now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000)
}

/// Now, counted from the first call.
#[cfg(not(target_os = "linux"))]
pub(crate) fn now() -> Time {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    Time::from_micros(START.get_or_init(std::time::Instant::now).elapsed().as_micros() as u64)
}
