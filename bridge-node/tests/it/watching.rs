//! The ticker with the machine's clock: what is due happens by itself, and processes that end are noticed.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bridge_core::Time;
use bridge_core::command::Mode;
use bridge_core::error::Reason;
use bridge_core::time::Timeout;
use bridge_node::{Clock, Config, Node, ProcessIdentity, SystemClock};

use crate::common::*;

fn ticking() -> Arc<Node> {
    let node = Node::new(Config::default(), Arc::new(SystemClock::new()));
    node.start_ticker().unwrap();
    node.start_ticker().unwrap();
    node
}

#[test]
fn a_wait_ends_in_time_although_nobody_comes() {
    let node = ticking();
    let namespace = namespace(&node);
    let (key, inbox) = attached(&namespace, 1);
    let started = Instant::now();
    namespace.frame(key, ask(1, wait_for_event(Timeout::After(Duration::from_secs(3_600)))));
    namespace.frame(key, ask(2, wait_for_event(Timeout::After(Duration::from_millis(50)))));
    inbox.wait(|answers, _| !answers.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert!(inbox.one().outcome.is_ok());
}

/// The machine's clock, and how often somebody asked for the time.
struct CountingClock {
    clock: SystemClock,
    asked: AtomicUsize,
}

impl Clock for CountingClock {
    fn now(&self) -> Time {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }
}

#[test]
fn the_ticker_sleeps_while_nothing_is_due() {
    let clock = Arc::new(CountingClock { clock: SystemClock::new(), asked: AtomicUsize::new(0) });
    let node = Node::new(Config::default(), clock.clone());
    node.start_ticker().unwrap();
    let namespace = namespace(&node);
    let (key, inbox) = attached(&namespace, 1);
    namespace.frame(key, ask(1, wait_for_event(Timeout::After(Duration::from_secs(3_600)))));
    namespace.frame(key, ask(2, wait_for_event(Timeout::After(Duration::from_millis(100)))));
    inbox.wait(|answers, _| !answers.is_empty());
    assert!(clock.asked.load(Ordering::Relaxed) < 50, "asked {} times", clock.asked.load(Ordering::Relaxed));
}

#[test]
fn a_process_that_is_killed_gives_everything_back_at_once() {
    let node = ticking();
    let namespace = namespace(&node);
    let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let identity = ProcessIdentity::of(child.id()).unwrap();
    let inboxes = [1, 2].map(|id| {
        let key = namespace.open(spec(id, Mode::Resumable), Some(identity.clone())).unwrap().session;
        let inbox = Inbox::new();
        namespace.attach(key, inbox.clone());
        inbox
    });
    child.kill().unwrap();
    for inbox in inboxes {
        inbox.wait(|_, end| end.is_some());
        assert_eq!(inbox.ended(), Some(Reason::SessionExpired));
    }
    child.wait().unwrap();
}

#[test]
fn a_process_that_is_not_the_one_it_was_is_not_watched() {
    let node = ticking();
    let namespace = namespace(&node);
    let mut identity = ProcessIdentity::current().unwrap();
    identity.start_time_ticks += 1;
    let key = namespace.open(spec(1, Mode::Resumable), Some(identity)).unwrap().session;
    assert!(namespace.touch(key).is_ok());
}

#[test]
fn a_node_that_is_dropped_takes_its_ticker_along() {
    let node = ticking();
    let weak = Arc::downgrade(&node);
    drop(node);
    assert!(weak.upgrade().is_none());
}
