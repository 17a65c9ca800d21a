//! What the engine itself costs: a call of each kind that programs make all the time, through `Engine::handle`, on one core, with
//! items of 100 bytes. `cargo bench -p bridge-core --bench engine`.
//!
//! A pair is a put and a get. What a pair costs is mostly the fixed part of two calls: finding the session and the object,
//! matching the command, making the answer. The next largest part is the answer's vector of deliveries.

mod support;

use std::hint::black_box;

use bridge_core::Timeout;
use bridge_core::command::semaphore::{Acquire, Command as OnSemaphore, Options};
use bridge_core::command::{Command, Mode};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use support::clock::CpuTime;
use support::{Bench, get, named, payload, put};

fn pairs(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("put and get");
    group.throughput(Throughput::Elements(1));
    for mode in [Mode::Direct, Mode::Resumable] {
        for deep in [0, 1000] {
            group.bench_function(BenchmarkId::new(format!("{mode:?}"), format!("{deep} READY")), |bencher| {
                let mut bench = Bench::new();
                let who = bench.open(1, mode);
                let (queue, payload) = (bench.queue(who, "bench"), payload());
                for _ in 0..deep {
                    let op = bench.call(who, put(&queue, &payload));
                    bench.done(who, op, op);
                }
                bencher.iter(|| match mode {
                    Mode::Resumable => bench.pair(who, &queue, &payload),
                    _ => {
                        bench.call(who, put(&queue, &payload));
                        bench.call(who, get(&queue, Timeout::NOW));
                        black_box(&bench.effects);
                        bench.effects.clear();
                    }
                });
            });
        }
    }
}

/// As `mem:` makes them.
fn shortcuts(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("put and get at once");
    group.throughput(Throughput::Elements(1));
    for deep in [0, 1000] {
        group.bench_function(BenchmarkId::new("Direct", format!("{deep} READY")), |bencher| {
            let mut bench = Bench::new();
            let who = bench.open(1, Mode::Direct);
            let (queue, payload) = (bench.queue(who, "bench"), payload());
            for _ in 0..deep {
                bench.call(who, put(&queue, &payload));
            }
            bencher.iter(|| bench.pair_at_once(who, &queue, &payload));
        });
    }
}

fn parked(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("a parked get, woken by a put");
    group.throughput(Throughput::Elements(1));
    for mode in [Mode::Direct, Mode::Resumable] {
        group.bench_function(format!("{mode:?}"), |bencher| {
            let mut bench = Bench::new();
            let who = bench.open(1, mode);
            let (queue, payload) = (bench.queue(who, "bench"), payload());
            bencher.iter(|| {
                let first = bench.call(who, get(&queue, Timeout::Never));
                let last = bench.call(who, put(&queue, &payload));
                bench.done(who, first, last);
                black_box(&bench.effects);
                bench.effects.clear();
            });
        });
    }
}

fn permits(criterion: &mut Criterion<CpuTime>) {
    criterion.bench_function("acquire and release, Direct", |bencher| {
        let mut bench = Bench::new();
        let who = bench.open(1, Mode::Direct);
        let options = Options { limit: Some(4), ..Default::default() };
        let target = bench.declare(who, Command::Semaphore(named("bench"), OnSemaphore::Declare(options)));
        bencher.iter(|| {
            let acquire = Acquire { permits: 1, by_token: false, barge: false, timeout: Timeout::NOW };
            bench.call(who, Command::Semaphore(target.clone(), OnSemaphore::Acquire(acquire)));
            let release = OnSemaphore::Release { permits: 1, token: None };
            bench.call(who, Command::Semaphore(target.clone(), release));
            black_box(&bench.effects);
            bench.effects.clear();
        });
    });
}

criterion_group! {
    name = engine;
    config = Criterion::default().with_measurement(CpuTime).sample_size(50);
    targets = pairs, shortcuts, parked, permits
}
criterion_main!(engine);
