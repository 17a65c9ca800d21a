//! What the engine itself costs: nanoseconds per operation, bytes per parked wait and per idle session, and how that
//! grows with what else is there. `cargo bench -p bridge-core`; what follows `--` is a part of the rows' names.

mod curves;
mod support;

use std::time::Duration;

use bridge_core::Timeout;
use bridge_core::command::lock::Command as OnLock;
use bridge_core::command::semaphore::{Acquire, Command as OnSemaphore, Options};
use bridge_core::command::{Command, Effect, Input, Mode};

use support::{Bench, get, is_asked_for, named, nanos_of, payload, put, rss_bytes};

const ROUNDS: u64 = 1_000_000;
const PARKED: u64 = 10_000;

fn main() {
    // First: memory that is used again does not count.
    if is_asked_for("bytes") {
        sizes();
    }
    for (depth, text) in [(0, "empty"), (1000, "1000 deep")] {
        measure(&format!("Direct put + get, {text}"), || {
            let mut bench = Bench::new();
            let who = bench.open(1, Mode::Direct);
            let (queue, payload) = (bench.queue(who, "bench"), payload());
            for _ in 0..depth {
                bench.call(who, put(&queue, &payload));
            }
            move || {
                bench.call(who, put(&queue, &payload));
                bench.call(who, get(&queue, Timeout::NOW));
                bench.effects.clear();
            }
        });
        measure(&format!("Resumable put + get + done, {text}"), || {
            let mut bench = Bench::new();
            let who = bench.open(1, Mode::Resumable);
            let (queue, payload) = (bench.queue(who, "bench"), payload());
            for _ in 0..depth {
                let op = bench.call(who, put(&queue, &payload));
                bench.done(who, op, op);
            }
            move || bench.pair(who, &queue, &payload)
        });
    }
    for mode in [Mode::Direct, Mode::Resumable] {
        measure(&format!("{mode:?} parked get + put + done"), || {
            let mut bench = Bench::new();
            let who = bench.open(1, mode);
            let (queue, payload) = (bench.queue(who, "bench"), payload());
            move || {
                let first = bench.call(who, get(&queue, Timeout::Never));
                let last = bench.call(who, put(&queue, &payload));
                bench.done(who, first, last);
                bench.effects.clear();
            }
        });
    }
    measure("Direct acquire + release", || {
        let mut bench = Bench::new();
        let who = bench.open(1, Mode::Direct);
        let options = Options { limit: Some(4), ..Default::default() };
        let target = bench.declare(who, Command::Semaphore(named("bench"), OnSemaphore::Declare(options)));
        move || {
            let acquire = Acquire { permits: 1, by_token: false, barge: false, timeout: Timeout::NOW };
            bench.call(who, Command::Semaphore(target.clone(), OnSemaphore::Acquire(acquire)));
            let release = OnSemaphore::Release { permits: 1, token: None };
            bench.call(who, Command::Semaphore(target.clone(), release));
            bench.effects.clear();
        }
    });
    if is_asked_for("deadlock") {
        deadlock();
    }
    if is_asked_for("curves") {
        curves::print();
    }
}

fn measure<R: FnMut()>(what: &str, prepare: impl FnOnce() -> R) {
    if is_asked_for(what) {
        println!("{what:<42} {:>7.1} ns", nanos_of(ROUNDS, prepare()));
    }
}

/// Each holds a lock and waits for that of the next; the last asks for that of the first, and is told.
fn deadlock() {
    const ROUNDS: u64 = 20;
    const LAST: u32 = PARKED as u32 - 1;
    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Direct);
    let lock = |number: u32, timeout| {
        Command::Lock(named(&number.to_string()), OnLock::Acquire { barge: false, timeout })
    };
    for number in 0..=LAST {
        bench.call_by(who, number, lock(number, Timeout::NOW));
    }
    for number in 0..LAST {
        bench.call_by(who, number, lock(number + 1, Timeout::Never));
    }
    bench.effects.clear();
    let nanos = nanos_of(ROUNDS, || {
        bench.call_by(who, LAST, lock(0, Timeout::Never));
    });
    assert!(bench.effects.len() as u64 >= 2 * ROUNDS, "each is found and answered");
    println!("{:<42} {:>7.1} ms", format!("a deadlock of {PARKED}"), nanos / 1e6);
}

fn sizes() {
    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Resumable);
    let queue = bench.queue(who, "bench");
    let before = rss_bytes();
    for _ in 0..PARKED {
        bench.call(who, get(&queue, Timeout::After(Duration::from_secs(60))));
    }
    println!("{:<42} {:>7} bytes", "a parked wait", (rss_bytes() - before) / PARKED);
    let before = rss_bytes();
    for id in 0..PARKED {
        bench.open(100 + u128::from(id), Mode::Resumable);
    }
    println!("{:<42} {:>7} bytes", "an idle session", (rss_bytes() - before) / PARKED);
    println!("{:<42} {:>7} bytes", "an effect", size_of::<Effect>());
    println!("{:<42} {:>7} bytes", "an input", size_of::<Input>());
}
