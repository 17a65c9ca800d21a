//! How costs grow with what else is there, how large things are, and how long the longest search for a deadlock takes.
//! `cargo bench -p bridge-core --bench growth`; what follows `--` is a part of the rows' names.

mod support;

use std::time::Duration;

use bridge_core::Timeout;
use bridge_core::command::acquire_all::AcquireAll;
use bridge_core::command::{Command, Effect, Input, Mode, lock};

use support::clock::cpu_nanos;
use support::{Bench, get, named, payload, put};

const SIZES: [u64; 3] = [100, 10_000, 1_000_000];
const ROUNDS: u64 = 200_000;

const PARKED: u64 = 10_000;

fn main() {
    // First: memory that is used again does not count.
    if is_asked_for("bytes") {
        sizes();
    }
    if is_asked_for("deadlock") {
        deadlock();
    }
    curves();
}

fn curves() {
    println!("\n{:<42} {:>11} {:>11} {:>11}", "among so many idle ones", SIZES[0], SIZES[1], SIZES[2]);
    for mode in [Mode::Direct, Mode::Resumable] {
        curve(&format!("{mode:?} put + get + done, objects"), |n| hot(n, mode, idle_objects));
        curve(&format!("{mode:?} put + get + done, sessions"), |n| hot(n, mode, idle_sessions));
        curve(&format!("{mode:?} put + get + done, parked waits"), |n| hot(n, mode, idle_waits));
    }
    curve("Direct put + get + done, any of the objects", any_object);
    curve("Direct parked get + put + done, any object", any_wait);
    curve("Resumable cancel of any wait + a new one", cancel);
    curve("Direct lock + unlock, groups elsewhere", lock_beside_groups);
}

fn curve(what: &str, cost: impl Fn(u64) -> f64) {
    if !is_asked_for(what) {
        return;
    }
    let costs = SIZES.map(cost);
    let [first, second, third] = costs.map(|nanos| format!("{nanos:.1} ns"));
    println!("{what:<42} {first:>11} {second:>11} {third:>11}  x {:.2}", costs[2] / costs[0]);
}

/// One queue that is busy, beside what is idle.
fn hot(n: u64, mode: Mode, idle: impl Fn(&mut Bench, u64)) -> f64 {
    let mut bench = Bench::new();
    idle(&mut bench, n);
    let who = bench.open(1, mode);
    let queue = bench.queue(who, "hot");
    let payload = payload();
    nanos_of(ROUNDS, || bench.pair(who, &queue, &payload))
}

fn idle_objects(bench: &mut Bench, n: u64) {
    let who = bench.open(2, Mode::Direct);
    for i in 0..n {
        bench.queue(who, &i.to_string());
    }
}

fn idle_sessions(bench: &mut Bench, n: u64) {
    for i in 0..n {
        bench.open(u128::from(1000 + i), Mode::Resumable);
    }
}

fn idle_waits(bench: &mut Bench, n: u64) {
    let who = bench.open(2, Mode::Resumable);
    let queue = bench.queue(who, "idle");
    for _ in 0..n {
        bench.call(who, get(&queue, Timeout::Never));
    }
}

/// A lock that is busy, while many groups wait for others.
fn lock_beside_groups(n: u64) -> f64 {
    let mut bench = Bench::new();
    let (who, other) = (bench.open(1, Mode::Direct), bench.open(2, Mode::Resumable));
    let acquire =
        |name: &str| Command::Lock(named(name), lock::Command::Acquire(lock::Acquire::within(Timeout::NOW)));
    for i in 0..n {
        let parts = vec![acquire(&i.to_string())];
        bench.call(who, parts[0].clone());
        bench.call(other, Command::AcquireAll(Box::new(AcquireAll { parts, timeout: Timeout::Never })));
    }
    nanos_of(ROUNDS, || {
        bench.call(who, acquire("hot"));
        bench.call(who, Command::Lock(named("hot"), lock::Command::Release { token: None }));
        bench.effects.clear();
    })
}

/// Uniformly random, and the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0) * u128::from(n)) >> 64) as usize
    }
}

fn any_object(n: u64) -> f64 {
    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Direct);
    let queues: Vec<_> = (0..n).map(|i| bench.queue(who, &i.to_string())).collect();
    let (payload, mut random) = (payload(), Random(1));
    nanos_of(ROUNDS, || bench.pair(who, &queues[random.below(n)], &payload))
}

fn any_wait(n: u64) -> f64 {
    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Direct);
    let queues: Vec<_> = (0..n).map(|i| bench.queue(who, &i.to_string())).collect();
    let mut ops: Vec<_> = queues.iter().map(|queue| bench.call(who, get(queue, Timeout::Never))).collect();
    let (payload, mut random) = (payload(), Random(1));
    nanos_of(ROUNDS, || {
        let i = random.below(n);
        bench.call(who, put(&queues[i], &payload));
        bench.done(who, ops[i], ops[i]);
        ops[i] = bench.call(who, get(&queues[i], Timeout::Never));
        bench.effects.clear();
    })
}

fn cancel(n: u64) -> f64 {
    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Resumable);
    let queue = bench.queue(who, "one");
    let mut ops: Vec<_> = (0..n).map(|_| bench.call(who, get(&queue, Timeout::Never))).collect();
    let mut random = Random(1);
    nanos_of(ROUNDS, || {
        let i = random.below(n);
        let cancel = bench.call(who, Command::Cancel(ops[i]));
        bench.done(who, ops[i], ops[i]);
        bench.done(who, cancel, cancel);
        ops[i] = bench.call(who, get(&queue, Timeout::Never));
        bench.effects.clear();
    })
}

/// Each holds a lock and waits for that of the next; the last asks for that of the first, and is told.
fn deadlock() {
    const ROUNDS: u64 = 20;
    const LAST: u32 = PARKED as u32 - 1;
    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Direct);
    let lock = |number: u32, timeout| {
        Command::Lock(named(&number.to_string()), lock::Command::Acquire(lock::Acquire::within(timeout)))
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

/// Whether the command line asks for this row: it names a part of it, or nothing.
fn is_asked_for(what: &str) -> bool {
    let mut parts = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    parts.peek().is_none() || parts.any(|part| what.contains(&part))
}

/// Nanoseconds a round: the best of five, so that a busy machine disturbs less.
fn nanos_of(rounds: u64, mut round: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = cpu_nanos();
        (0..rounds / 5).for_each(|_| round());
        best = best.min((cpu_nanos() - start) as f64);
    }
    best * 5.0 / rounds as f64
}

fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
