//! The ticker: one thread per node that sleeps until something is due or a process ends.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use bridge_core::Time;

use crate::node::Node;
use crate::process::Watch;

/// What the namespaces tell the ticker: when it must be up at the latest.
#[derive(Default)]
pub(crate) struct Alarm {
    /// In microseconds; `u64::MAX`: nothing is due, or the ticker is at work and will look again.
    at: AtomicU64,
    watch: Option<Arc<Watch>>,
}

impl Alarm {
    /// Without a watch (a system without epoll, or a simulation) nobody sleeps, and nobody is woken.
    pub(crate) fn new() -> Self {
        Alarm { at: AtomicU64::new(u64::MAX), watch: Watch::new().ok() }
    }

    pub(crate) fn watch(&self) -> Option<&Arc<Watch>> {
        self.watch.as_ref()
    }

    /// Something is due at `due`.
    pub(crate) fn at_most(&self, due: Option<Time>) {
        let Some(due) = due else { return };
        if due.micros < self.at.load(Ordering::SeqCst)
            && due.micros < self.at.fetch_min(due.micros, Ordering::SeqCst)
        {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(watch) = &self.watch {
            watch.wake();
        }
    }
}

/// The running thread; dropping it ends the thread.
pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
    alarm: Arc<Alarm>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(node: Weak<Node>, alarm: Arc<Alarm>) -> io::Result<Self> {
        let watch = alarm.watch().cloned().ok_or_else(|| io::Error::other("no epoll or eventfd here"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("syncbridge-tick".into()).spawn({
            let (stop, alarm) = (stop.clone(), alarm.clone());
            move || run(&node, &alarm, &watch, &stop)
        })?;
        Ok(Ticker { stop, alarm, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.alarm.wake();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic in there has been reported where it happened.
            let _ = thread.join();
        }
    }
}

fn run(node: &Weak<Node>, alarm: &Alarm, watch: &Watch, stop: &AtomicBool) {
    let mut ended = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let timeout = {
            let Some(node) = node.upgrade() else { return };
            for id in ended.drain(..) {
                node.process_ended(id);
            }
            alarm.at.store(u64::MAX, Ordering::SeqCst);
            if let Some(due) = node.tick() {
                alarm.at.fetch_min(due.micros, Ordering::SeqCst);
            }
            let at = alarm.at.load(Ordering::SeqCst);
            (at != u64::MAX).then(|| Time::from_micros(at).since(node.now()) + Duration::from_micros(1))
        };
        watch.wait(timeout, &mut ended);
    }
}
