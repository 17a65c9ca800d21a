//! How long a release takes of a client that sends and receives large items at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use bridge_client::queue::{Batch, Mode, NewItem};
use bridge_client::semaphore::{self, Acquire};
use bridge_client::{Bridge, ConnectOptions, ContentType, ParticipantId, Payload, Queue, Semaphore, Timeout};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::ME;

/// As large as an item may be, less what its headers might need.
const BYTES: usize = (64 << 20) - 1024;
const OTHER: ParticipantId = ParticipantId(1);
const LONG: Timeout = Timeout::After(Duration::from_secs(60));

/// So many large items pass, put and gotten by one thread, while another one releases permits.
pub(crate) fn large_items(url: &str, items: u64) -> Result<Value> {
    let bridge = Bridge::connect(url, ConnectOptions::default())?;
    let options = semaphore::Options { limit: Some(1), ..Default::default() };
    let door = bridge.semaphore(Some("door"), options)?;
    let queue = bridge.queue(Some("large"), Default::default())?;
    let alone = releases(&door, |released| released < 1_000)?;
    let passed = AtomicBool::new(false);
    let (took, beside) = thread::scope(|scope| {
        let passing = scope.spawn(|| {
            let took = pass(&queue, items);
            passed.store(true, Ordering::Release);
            took
        });
        let beside = releases(&door, |_| !passed.load(Ordering::Acquire))?;
        Ok::<_, anyhow::Error>((passing.join().expect("no panic")?, beside))
    })?;
    let millis = |took: &[Duration], share: usize| {
        let took = took.get(took.len() * share / 100).or(took.last());
        took.map(|took| took.as_secs_f64() * 1e3)
    };
    Ok(json!({
        "items": items,
        "item_bytes": BYTES,
        "item_ms": took.as_secs_f64() * 1e3 / items as f64,
        "alone_p50_ms": millis(&alone, 50),
        "releases": beside.len(),
        "p50_ms": millis(&beside, 50),
        "p99_ms": millis(&beside, 99),
        "max_ms": millis(&beside, 100),
    }))
}

fn pass(queue: &Queue, items: u64) -> Result<Duration> {
    let payload = Bytes::from(vec![7; BYTES]);
    let began = Instant::now();
    for _ in 0..items {
        let item = NewItem::new(Payload::new(ContentType::Bytes, payload.clone()));
        queue.put(ME, item, LONG).finish()?;
        queue.take(ME, Mode::Get, Batch::ONE, LONG).finish()?;
    }
    Ok(began.elapsed())
}

fn releases(door: &Semaphore, go_on: impl Fn(usize) -> bool) -> Result<Vec<Duration>> {
    let acquire = Acquire { permits: 1, by_token: false, barge: false, timeout: LONG };
    let mut took = Vec::new();
    while go_on(took.len()) {
        door.acquire(OTHER, acquire).finish()?;
        let began = Instant::now();
        door.release(OTHER, 1, None).finish()?;
        took.push(began.elapsed());
    }
    took.sort();
    Ok(took)
}
