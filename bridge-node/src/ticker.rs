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
    /// Until when the ticker sleeps, in microseconds; `u64::MAX`: until it is woken, 0: it is awake.
    until: AtomicU64,
    /// The earliest that it was told of since it woke up.
    earliest: AtomicU64,
    watch: Option<Arc<Watch>>,
}

impl Alarm {
    /// Without a watch (a system without epoll, or a simulation) nobody sleeps, and nobody is woken.
    pub(crate) fn new() -> Self {
        Alarm {
            until: AtomicU64::new(u64::MAX),
            earliest: AtomicU64::new(u64::MAX),
            watch: Watch::new().ok(),
        }
    }

    pub(crate) fn watch(&self) -> Option<&Arc<Watch>> {
        self.watch.as_ref()
    }

    /// Something is due at `due`.
    pub(crate) fn at_most(&self, due: Option<Time>) {
        let Some(due) = due else { return };
        self.earliest.fetch_min(due.micros, Ordering::SeqCst);
        if due.micros < self.until.load(Ordering::SeqCst)
            && due.micros < self.until.fetch_min(due.micros, Ordering::SeqCst)
        {
            self.wake();
        }
    }

    /// The ticker is awake and needs no waking: what it is told of from now on it sees before it sleeps.
    fn awake(&self) {
        self.until.store(0, Ordering::SeqCst);
        self.earliest.store(u64::MAX, Ordering::SeqCst);
    }

    /// The ticker is about to sleep until `due`, or earlier if it was told so; answers with when.
    fn asleep(&self, due: Option<Time>) -> Option<Time> {
        let due = due.map_or(u64::MAX, |due| due.micros);
        loop {
            let until = due.min(self.earliest.load(Ordering::SeqCst));
            self.until.store(until, Ordering::SeqCst);
            // Whoever tells it something earlier from here on finds `until` and wakes it.
            if self.earliest.load(Ordering::SeqCst) >= until {
                return (until != u64::MAX).then(|| Time::from_micros(until));
            }
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
            alarm.awake();
            for id in ended.drain(..) {
                node.process_ended(id);
            }
            let until = alarm.asleep(node.tick());
            until.map(|until| until.since(node.now()) + Duration::from_micros(1))
        };
        watch.wait(timeout, &mut ended);
    }
}
