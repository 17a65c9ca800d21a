//! Calls that ended while nobody waited for them in here: their numbers, for the Java thread that collects them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bridge_client::Bridge;
use jni::sys::jlong;
use parking_lot::{Condvar, Mutex};

/// How long the collector drives the connection before it looks around again.
const DRIVE: Duration = Duration::from_millis(100);

/// How many ended calls, of all bridges, are not collected yet.
static PENDING: AtomicUsize = AtomicUsize::new(0);

/// Whether any bridge has ended calls to be collected.
pub(crate) fn are_pending() -> bool {
    PENDING.load(Ordering::Acquire) != 0
}

/// What has ended and what is still watched.
#[derive(Default)]
pub(crate) struct Completions {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ended: Vec<jlong>,
    watched: usize,
    closed: bool,
}

/// A call that is watched. Fired when it may have ended; dropped unfired when it was withdrawn.
pub(crate) struct Watch {
    completions: Arc<Completions>,
    call: jlong,
}

impl Watch {
    /// Notes that the call may have ended.
    pub(crate) fn fire(self) {
        self.completions.state.lock().ended.push(self.call);
        PENDING.fetch_add(1, Ordering::Release);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.completions.state.lock().watched -= 1;
        self.completions.changed.notify_one();
    }
}

impl Completions {
    /// Watches a call.
    pub(crate) fn watch(self: &Arc<Self>, call: jlong) -> Watch {
        self.state.lock().watched += 1;
        self.changed.notify_one();
        Watch { completions: self.clone(), call }
    }

    /// No more will be collected.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    fn has_news(&self) -> bool {
        let state = self.state.lock();
        state.closed || !state.ended.is_empty()
    }

    /// Waits for ended calls for at most `slice` and drives the connection meanwhile, as long as calls are watched.
    /// `None` once closed and collected.
    pub(crate) fn collect(&self, bridge: &Bridge, slice: Duration) -> Option<Vec<jlong>> {
        let end = Instant::now() + slice;
        loop {
            let mut state = self.state.lock();
            let left = end.saturating_duration_since(Instant::now());
            if !state.ended.is_empty() || left.is_zero() && !state.closed {
                PENDING.fetch_sub(state.ended.len(), Ordering::Relaxed);
                return Some(std::mem::take(&mut state.ended));
            }
            if state.closed {
                return None;
            }
            if bridge.is_local() || state.watched == 0 {
                self.changed.wait_for(&mut state, left);
            } else {
                drop(state);
                bridge.drive_until(left.min(DRIVE), &|| self.has_news());
            }
        }
    }
}
