//! Items through one queue as fast as the client sends them: one client puts, another leases and acknowledges, each with up
//! to 1,024 items under way, and every operation is answered: by a producer and a consumer, or by calls of one's own.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_client::queue::{Batch, Mode, NewItem, Queue};
use bridge_client::{Bridge, Call, ConnectOptions, Timeout, Token, queue};
use serde_json::{Value, json};

use crate::process::processor_nanos;
use crate::{ME, payload};

pub(crate) const WINDOW: u64 = 1_024;

/// How long the last acks may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// By a producer with a window, and a consumer that prefetches and does not await its acks.
pub(crate) fn windowed(url: &str, pid: &str, count: u64) -> Result<Value> {
    let connect = || Bridge::connect(url, ConnectOptions::default());
    let (puts, leases) = (connect()?, connect()?);
    let queue = |bridge: &Bridge| bridge.queue(Some("windowed"), queue::Options::default());
    let (to, from) = (queue(&puts)?, queue(&leases)?);
    let payload = payload();
    let put = || -> Result<()> {
        let producer = to.producer(ME, WINDOW as u32);
        (0..count).try_for_each(|_| producer.put(NewItem::new(payload.clone()), Timeout::Never).map(drop))?;
        Ok(producer.close(Timeout::Never)?)
    };
    let take = || -> Result<()> {
        let mut consumer = from.consumer(ME, Mode::Lease).prefetch(WINDOW as usize);
        for _ in 0..count {
            let token = consumer.next(Timeout::Never)?.token;
            from.ack_later(ME, vec![token])?;
        }
        Ok(leases.flush(PATIENCE)?)
    };
    throughput(pid, count, put, take)
}

/// `batch` items to a command.
pub(crate) fn leased_and_acked(url: &str, pid: &str, count: u64, batch: u64) -> Result<Value> {
    ensure!((1..=WINDOW).contains(&batch), "batches of 1 to {WINDOW}");
    let connect = || -> Result<Queue> {
        let bridge = Bridge::connect(url, ConnectOptions::default())?;
        Ok(bridge.queue(Some("stream"), queue::Options::default())?)
    };
    let (puts, leases) = (connect()?, connect()?);
    throughput(
        pid,
        count,
        || put(&puts, count, batch),
        || if batch == 1 { consume(&leases, count) } else { lease(&leases, count, batch) },
    )
}

/// How fast both do their work together, and how long the server, and both clients, are on a processor for each item.
pub(crate) fn throughput(
    pid: &str,
    count: u64,
    put: impl Fn() -> Result<()> + Sync,
    take: impl Fn() -> Result<()>,
) -> Result<Value> {
    let used = || -> Result<(u64, u64)> {
        Ok((processor_nanos(pid)?, processor_nanos(&std::process::id().to_string())?))
    };
    let (began, (server_before, clients_before)) = (Instant::now(), used()?);
    thread::scope(|scope| {
        let putting = scope.spawn(&put);
        take()?;
        putting.join().expect("no panic")
    })?;
    let (seconds, (server, clients)) = (began.elapsed().as_secs_f64(), used()?);
    let each = |after: u64, before: u64| (after - before) as f64 / count as f64;
    Ok(json!({
        "items_per_s": count as f64 / seconds,
        "server_ns": each(server, server_before),
        "clients_ns": each(clients, clients_before),
    }))
}

/// Calls under way, of which the oldest is waited for when there are too many.
struct Window<T> {
    calls: VecDeque<Call<T>>,
    max: u64,
}

impl<T> Window<T> {
    fn new(max: u64) -> Self {
        Window { calls: VecDeque::new(), max }
    }

    fn push(&mut self, call: Call<T>) -> Result<()> {
        if self.calls.len() as u64 == self.max {
            self.oldest()?;
        }
        self.calls.push_back(call);
        Ok(())
    }

    fn oldest(&mut self) -> Result<T> {
        Ok(self.calls.pop_front().context("a call is under way")?.finish()?)
    }

    fn finish(mut self) -> Result<()> {
        while !self.calls.is_empty() {
            self.oldest()?;
        }
        Ok(())
    }
}

fn put(queue: &Queue, count: u64, batch: u64) -> Result<()> {
    let payload = payload();
    let item = || NewItem::new(payload.clone());
    if batch == 1 {
        let mut window = Window::new(WINDOW);
        for _ in 0..count {
            window.push(queue.put(ME, item(), Timeout::Never))?;
        }
        return window.finish();
    }
    let (mut window, mut left) = (Window::new(WINDOW / batch), count);
    while left > 0 {
        let items = (0..left.min(batch)).map(|_| item()).collect::<Vec<_>>();
        left -= items.len() as u64;
        window.push(queue.put_many(ME, items, Timeout::Never))?;
    }
    window.finish()
}

/// One by one, by a consumer that prefetches.
fn consume(queue: &Queue, count: u64) -> Result<()> {
    let mut consumer = queue.consumer(ME, Mode::Lease).prefetch(WINDOW as usize);
    let mut acks = Window::new(WINDOW);
    for _ in 0..count {
        let token = consumer.next(Timeout::Never)?.token;
        acks.push(queue.ack(ME, vec![token]))?;
    }
    acks.finish()
}

/// Some at a time, with the next leases asked for before these are acknowledged.
fn lease(queue: &Queue, count: u64, batch: u64) -> Result<()> {
    let size = Batch { max: u32::try_from(batch)?, ..Batch::ONE };
    let under_way = WINDOW / batch;
    let (mut leases, mut acks) = (Window::new(under_way), Window::new(under_way));
    let mut left = count;
    while left > 0 {
        while leases.calls.len() < under_way as usize {
            leases.push(queue.take(ME, Mode::Lease, size, Timeout::Never))?;
        }
        let tokens: Vec<Token> = leases.oldest()?.iter().map(|delivery| delivery.token).collect();
        left -= tokens.len() as u64;
        acks.push(queue.ack(ME, tokens))?;
    }
    acks.finish()
}
