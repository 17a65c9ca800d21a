//! The gRPC link against real servers: many threads, signals, forks, cut connections, servers that stop or die.
#![allow(clippy::unwrap_used)]

mod calls;
mod cuts;
mod errors;
mod fork;
mod large;
mod later;
mod local;
mod outages;
mod producer;
mod served;
mod signals;
mod slow;

use std::time::{Duration, Instant};

use bridge_client::queue::{Batch, Deliveries, Delivery, Mode, NewItem};
use bridge_client::{
    Body, Bridge, Call, ConnectOptions, ContentType, Error, ParticipantId, Payload, Queue, Timeout, queue,
};

/// Nobody in particular.
const ME: ParticipantId = ParticipantId(0);

fn connect(url: &str) -> Bridge {
    Bridge::connect(url, ConnectOptions::default()).unwrap()
}

fn item(number: u64) -> NewItem {
    let payload = Payload::new(ContentType::Bytes, number.to_be_bytes().to_vec());
    NewItem::new(payload)
}

fn number(delivery: &Delivery) -> u64 {
    let Body::Bytes(bytes) = &delivery.payload.body else { panic!("not bytes") };
    u64::from_be_bytes(bytes[..].try_into().unwrap())
}

fn unbounded(bridge: &Bridge, name: &str) -> Queue {
    bridge.queue(Some(name), queue::Options::default()).unwrap()
}

fn get(queue: &Queue, timeout: Timeout) -> Call<Deliveries> {
    queue.take(ME, Mode::Get, Batch::ONE, timeout)
}

fn put(queue: &Queue, number: u64) -> Result<(), Error> {
    queue.put(ME, item(number), Timeout::Never).finish().map(drop)
}

/// Everything that is there now.
fn rest(queue: &Queue) -> Vec<u64> {
    std::iter::from_fn(|| get(queue, Timeout::NOW).finish().ok()).map(|taken| number(&taken[0])).collect()
}

fn seconds(seconds: u64) -> Timeout {
    Timeout::After(Duration::from_secs(seconds))
}

/// Looks until it is so.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
        std::thread::yield_now();
    }
}
