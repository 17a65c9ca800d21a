//! What an operation costs among more and more that is idle: time of the server's threads on a processor, for a put and a
//! get on one busy queue, some of them under way at once so that waking up threads is not most of it.

use std::time::Instant;

use anyhow::Result;
use bridge_client::queue::{Batch, Mode, NewItem, Queue};
use bridge_client::{Bridge, ConnectOptions, Timeout, queue};
use serde_json::{Value, json};

use crate::idle::idle;
use crate::process::processor_nanos;
use crate::{ME, payload};

const UNDER_WAY: u64 = 100;
/// The best one counts.
const ROUNDS: usize = 5;

/// The figure is `growth`: the cost among most, divided by that among fewest.
pub(crate) fn among_idle(kind: &str, url: &str, pid: &str, pairs: u64) -> Result<Value> {
    let sizes: &[u64] = match kind {
        "connections" => &[100, 1_000, 10_000],
        _ => &[100, 1_000, 10_000, 100_000],
    };
    let bridge = Bridge::connect(url, ConnectOptions::default())?;
    let queue = bridge.queue(Some("hot"), queue::Options::default())?;
    let mut idle = idle(kind, url)?;
    let mut costs = Vec::new();
    for &size in sizes {
        idle.grow_to(size)?;
        costs.push(cost(&queue, pid, pairs)?);
    }
    let [first, .., last] = costs.as_slice() else { unreachable!("there are several sizes") };
    let growth = last.server_nanos / first.server_nanos;
    let curve: Vec<Value> = sizes
        .iter()
        .zip(&costs)
        .map(|(size, cost)| json!({ "idle": size, "server_ns": cost.server_nanos, "wall_ns": cost.wall_nanos }))
        .collect();
    Ok(json!({ "growth": growth, "curve": curve }))
}

/// Of a put and a get.
struct Cost {
    server_nanos: f64,
    wall_nanos: f64,
}

fn cost(queue: &Queue, pid: &str, pairs: u64) -> Result<Cost> {
    let mut best = Cost { server_nanos: f64::INFINITY, wall_nanos: f64::INFINITY };
    for _ in 0..ROUNDS {
        let rounds = (pairs / UNDER_WAY).max(1);
        let (began, before) = (Instant::now(), processor_nanos(pid)?);
        for _ in 0..rounds {
            put_and_get(queue)?;
        }
        let each = (rounds * UNDER_WAY) as f64;
        best.server_nanos = best.server_nanos.min((processor_nanos(pid)? - before) as f64 / each);
        best.wall_nanos = best.wall_nanos.min(began.elapsed().as_nanos() as f64 / each);
    }
    Ok(best)
}

fn put_and_get(queue: &Queue) -> Result<()> {
    let puts: Vec<_> =
        (0..UNDER_WAY).map(|_| queue.put(ME, NewItem::new(payload()), Timeout::Never)).collect();
    let gets: Vec<_> =
        (0..UNDER_WAY).map(|_| queue.take(ME, Mode::Get, Batch::ONE, Timeout::Never)).collect();
    for put in puts {
        put.finish()?;
    }
    for get in gets {
        get.finish()?;
    }
    Ok(())
}
