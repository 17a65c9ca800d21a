//! The helper's alarm: set from any thread without waking the helper.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bridge_core::Time;
use rustix::event::Timespec;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::descriptor::Descriptor;
use crate::mutex::lock;

const NEVER: u64 = u64::MAX;

/// A timer that fires once, at the earliest time asked for.
#[derive(Debug)]
pub(super) struct Timer {
    descriptor: Descriptor,
    /// When it fires. Read without the lock: most requests find it early enough and cost no system call.
    due: AtomicU64,
    setting: Mutex<()>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let descriptor =
            Descriptor::open(|| io::Result::Ok(timerfd_create(TimerfdClockId::Boottime, flags)?))?;
        Ok(Timer { descriptor, due: AtomicU64::new(NEVER), setting: Mutex::new(()) })
    }

    /// It fires at `time`, or earlier. `time` is of [`crate::clock::now`].
    pub(super) fn at_latest(&self, time: Time) {
        if self.due.load(Ordering::SeqCst) <= time.micros {
            return;
        }
        let _setting = lock(&self.setting);
        if self.due.load(Ordering::SeqCst) <= time.micros {
            return;
        }
        self.due.store(time.micros, Ordering::SeqCst);
        // A value of zero would disarm it.
        let micros = i64::try_from(time.micros.max(1)).unwrap_or(i64::MAX);
        let at = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: micros / 1_000_000, tv_nsec: micros % 1_000_000 * 1_000 },
        };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::ABSTIME, &at)
            .expect("invariant: a valid time and our own timer");
    }

    /// It has fired: from now on it is not set. Look at what is due after this, never before.
    pub(super) fn fired(&self) {
        let _setting = lock(&self.setting);
        let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
        self.due.store(NEVER, Ordering::SeqCst);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::link::grpc::poller::Poller;

    #[test]
    fn fires_at_the_earliest_time_asked_for() {
        let (timer, poller) = (Timer::new().unwrap(), Poller::new().unwrap());
        poller.add_timer(&timer).unwrap();
        let start = clock::now();
        timer.at_latest(start + Duration::from_secs(3600));
        timer.at_latest(start + Duration::from_millis(5));
        timer.at_latest(start + Duration::from_secs(60));
        assert!(poller.wait(Some(Duration::from_secs(10))).timer);
        assert!(clock::now().since(start) >= Duration::from_millis(5));
        timer.fired();
        assert!(!poller.wait(Some(Duration::ZERO)).timer);
        timer.at_latest(Time::from_micros(0));
        assert!(poller.wait(Some(Duration::from_secs(10))).timer, "a time in the past fires at once");
    }
}
