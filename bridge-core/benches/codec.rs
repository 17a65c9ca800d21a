//! What frames cost to write and read: commands and answers of 100-byte items, one by one and in batches, from the engine's own
//! types to bytes and back. `cargo bench -p bridge-core --bench codec`.

mod support;

use std::hint::black_box;

use bridge_core::command::queue::{
    Command as OnQueue, Delivery, Mode as Take, NewItem, Reply as OfQueue, Taken,
};
use bridge_core::command::{Command, Reply, Request};
use bridge_core::ids::{Handle, ItemId, Op, ParticipantId, Target, Token};
use bridge_core::{Timeout, wire};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message as _;
use std::time::Duration;
use syncbridge_proto::v1 as pb;

use support::clock::CpuTime;
use support::{payload, put};

const WHO: ParticipantId = ParticipantId(1);

fn target() -> Target {
    Target::Handle(Handle { slot: 1, generation: 1 })
}

fn command(count: usize) -> Request {
    Request::Command(match count {
        1 => put(&target(), &payload()),
        _ => {
            let items = vec![NewItem::new(payload()); count];
            Command::Queue(target(), OnQueue::PutMany { items, timeout: Timeout::NOW })
        }
    })
}

fn answer(count: u64) -> Reply {
    let delivery = |number| Delivery {
        id: ItemId(number),
        payload: payload(),
        key: Default::default(),
        token: Token(1000 + number),
        attempt: 1,
        age: Duration::from_millis(1),
    };
    Reply::Queue(OfQueue::Taken(Box::new(Taken {
        mode: Take::Get,
        deliveries: (1..=count).map(delivery).collect(),
    })))
}

fn commands(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("a command of so many items");
    for count in [1, 100] {
        group.throughput(Throughput::Elements(count as u64));
        let request = command(count);
        group.bench_with_input(BenchmarkId::new("written", count), &request, |bencher, request| {
            bencher.iter(|| wire::command(Op(1), WHO, request).encode_to_vec());
        });
        let bytes = bytes::Bytes::from(wire::command(Op(1), WHO, &request).encode_to_vec());
        group.bench_with_input(BenchmarkId::new("read", count), &bytes, |bencher, bytes| {
            bencher.iter(|| {
                let message = pb::Command::decode(black_box(bytes.clone())).expect("it was just written");
                wire::numbered(message).expect("it was just written")
            });
        });
    }
}

fn answers(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("an answer of so many items");
    for count in [1, 100] {
        group.throughput(Throughput::Elements(count));
        let reply = answer(count);
        group.bench_with_input(BenchmarkId::new("written", count), &reply, |bencher, reply| {
            bencher.iter(|| wire::answer(Op(1), Ok(reply.clone()), true).encode_to_vec());
        });
        let bytes = bytes::Bytes::from(wire::answer(Op(1), Ok(reply.clone()), true).encode_to_vec());
        group.bench_with_input(BenchmarkId::new("read", count), &bytes, |bencher, bytes| {
            bencher.iter(|| {
                let message = pb::Answer::decode(black_box(bytes.clone())).expect("it was just written");
                wire::outcome(message).expect("it was just written")
            });
        });
    }
}

criterion_group! {
    name = codec;
    config = Criterion::default().with_measurement(CpuTime).sample_size(50);
    targets = commands, answers
}
criterion_main!(codec);
