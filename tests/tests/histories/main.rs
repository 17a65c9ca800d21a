//! Concurrent histories of real clients with a real server: several sessions on several connections, some of which are cut again and again,
//! with several threads each, whose calls time out and are cancelled at any moment. What was called and answered, and when, is recorded
//! and must be linearizable.
#![allow(clippy::unwrap_used)]

mod broken;
mod checker;
mod record;
mod specs;
mod tasks;

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use bridge_client::{Bridge, ConnectOptions};
use bridge_server::{ServeOptions, Server};
use syncbridge_tests::proxy::{Cut, Proxy};

use checker::{Refuted, Spec, check};
use record::{Recorder, Task};

/// Threads of each session.
const THREADS: u64 = 2;

/// Calls of each thread in a history.
const CALLS: u64 = 14;

/// Histories of each kind of object, with connections that hold, and with one that is cut.
const HISTORIES: u64 = 100;
const HISTORIES_WITH_CUTS: u64 = 20;

struct Setting {
    _server: Server,
    bridges: Vec<Bridge>,
}

impl Setting {
    /// Three sessions; one of them loses its connection every so many frames.
    fn new(cut_every: Option<usize>) -> Self {
        let options = ServeOptions { listen: vec!["127.0.0.1:0".into()], ..ServeOptions::default() };
        let server = Server::start(options).unwrap();
        let url = server.urls()[0].clone();
        let proxied = cut_every.map(|frames| Proxy::start(&url, Cut::Every(frames)).url.clone());
        let urls = [&url, &url, proxied.as_ref().unwrap_or(&url)];
        let options =
            || ConnectOptions { connect_timeout: Duration::from_secs(10), ..ConnectOptions::default() };
        let bridges = urls.map(|url| Bridge::connect(url, options()).unwrap());
        Setting { _server: server, bridges: bridges.into() }
    }

    /// Records a history: `act` is one call of a task of a session.
    fn record<S: Clone + Send, O: Send + Sync>(
        &self,
        seed: u64,
        objects: &[O],
        act: impl Fn(&mut Task<'_, S>, &O) + Sync,
    ) -> Vec<checker::Interval<S>> {
        let recorder = Recorder::default();
        thread::scope(|scope| {
            for (session, object) in objects.iter().enumerate() {
                for thread in 0..THREADS {
                    let (recorder, act) = (&recorder, &act);
                    scope.spawn(move || {
                        let mut task = Task::new(recorder, seed, session as u64 * THREADS + thread);
                        (0..CALLS).for_each(|_| act(&mut task, object));
                    });
                }
            }
        });
        recorder.history()
    }
}

/// Records histories and checks each: `open` makes a session's handle on the object of that name. All `kinds` of steps must be reached.
fn histories<T: Spec, O: Send + Sync>(
    start: impl Fn() -> T,
    open: impl Fn(&Bridge, &str) -> O,
    act: impl Fn(&mut Task<'_, T::Step>, &O) + Sync,
    kinds: &[&str],
) where
    T::Step: Send,
{
    let mut reached = BTreeMap::new();
    for (count, cut_every) in [(HISTORIES, None), (HISTORIES_WITH_CUTS, Some(60))] {
        let setting = Setting::new(cut_every);
        for seed in 0..count {
            let objects: Vec<O> =
                setting.bridges.iter().map(|bridge| open(bridge, &format!("o{seed}"))).collect();
            let history = setting.record(seed, &objects, &act);
            for step in &history {
                let said = format!("{:?}", step.step);
                let kind = said.split([' ', '(']).next().unwrap_or_default().to_owned();
                *reached.entry(kind).or_insert(0) += 1;
            }
            if let Err(Refuted { state, open }) = check(start(), &history) {
                let mut history = history;
                history.sort_by_key(|step| step.began);
                let lines: Vec<_> =
                    history.iter().map(|s| format!("{}..{} {:?}", s.began, s.ended, s.step)).collect();
                panic!(
                    "not linearizable (history {seed}, cuts: {cut_every:?}):\n{}\nat {state:?} none of these can be next: {open:#?}",
                    lines.join("\n")
                );
            }
        }
    }
    println!("{reached:?}");
    for kind in kinds {
        assert!(reached.contains_key(*kind), "no history has a {kind}: {reached:?}");
    }
}

#[test]
fn queue() {
    let kinds = ["Put", "Full", "Got", "Empty", "Size", "TryPut", "TryGet"];
    histories(tasks::queue_start, tasks::open_queue, tasks::queue, &kinds);
}

const PERMITS: [&str; 4] = ["Acquired", "TimedOut", "Released", "Try"];

#[test]
fn lock() {
    histories(|| specs::Permits::new(1), tasks::open_lock, tasks::lock, &PERMITS);
}

#[test]
fn semaphore() {
    histories(|| specs::Permits::new(tasks::PERMITS), tasks::open_semaphore, tasks::semaphore, &PERMITS);
}

#[test]
fn event() {
    histories(specs::Event::default, tasks::open_event, tasks::event, &["Set", "Clear", "Found"]);
}

#[test]
fn value() {
    let kinds = ["Got", "Set", "Swapped", "NotSwapped", "Added"];
    histories(specs::Value::default, tasks::open_value, tasks::value, &kinds);
}
