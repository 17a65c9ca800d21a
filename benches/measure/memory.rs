//! What waiting costs a server: bytes of whatever is idle, and how long a release takes among many parked waits.

use std::time::{Duration, Instant};

use anyhow::Result;
use bridge_client::semaphore::Acquire;
use bridge_client::{Timeout, semaphore};
use serde_json::{Value, json};

use crate::ME;
use crate::idle::{Idle, Waits, idle};
use crate::process::resident_bytes;

const RELEASES: usize = 200;

/// By the growth of resident memory; the first tenth, which is not counted, warms the server up.
pub(crate) fn of(kind: &str, url: &str, pid: &str, count: u64) -> Result<Value> {
    let mut idle = idle(kind, url)?;
    idle.grow_to(count / 10)?;
    let before = resident_bytes(pid)?;
    idle.grow_to(count / 10 + count)?;
    let bytes = resident_bytes(pid)?.saturating_sub(before) / count;
    Ok(json!({ "count": count, "bytes": bytes }))
}

/// A semaphore that a client takes and gives back while so many other waits of it are parked.
pub(crate) fn releases(url: &str, parked: u64) -> Result<Value> {
    let mut waits = Waits::new(url)?;
    waits.grow_to(parked)?;
    let options = semaphore::Options { limit: Some(1), ..Default::default() };
    let door = waits.bridge.semaphore(Some("door"), options)?;
    let timeout = Timeout::After(Duration::from_secs(10));
    let acquire = Acquire { permits: 1, by_token: false, barge: false, timeout };
    let mut took = Vec::with_capacity(RELEASES);
    for _ in 0..RELEASES {
        door.acquire(ME, acquire).finish()?;
        let began = Instant::now();
        door.release(ME, 1, None).finish()?;
        took.push(began.elapsed());
    }
    waits.check()?;
    took.sort();
    let millis = |at: usize| took[at].as_secs_f64() * 1e3;
    Ok(json!({ "parked": parked, "p50_ms": millis(RELEASES / 2), "max_ms": millis(RELEASES - 1) }))
}
