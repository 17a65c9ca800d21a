//! How long it takes until the last of a thousand waiters of one connection knows that an event was set.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_client::{Bridge, ConnectOptions, Event, Timeout, event};
use serde_json::{Value, json};

use crate::ME;

const WAITERS: u64 = 1_000;

/// The median of so many rounds.
pub(crate) fn last(url: &str, rounds: u64) -> Result<Value> {
    let setting = Bridge::connect(url, ConnectOptions::default())?;
    let waiting = Bridge::connect(url, ConnectOptions::default())?;
    let set = setting.event(Some("start"), event::Options::default())?;
    let wait = waiting.event(Some("start"), event::Options::default())?;
    let mut took = (0..rounds.max(1)).map(|_| round(&set, &wait)).collect::<Result<Vec<_>>>()?;
    took.sort();
    let millis = |took: Duration| took.as_secs_f64() * 1e3;
    let (middle, most) = (took[took.len() / 2], took.last().copied().context("a round")?);
    Ok(
        json!({ "waiters": WAITERS, "rounds": took.len(), "last_ms": millis(middle), "most_ms": millis(most) }),
    )
}

/// One client waits, another one sets.
fn round(set: &Event, wait: &Event) -> Result<Duration> {
    set.clear(ME).finish()?;
    let calls: Vec<_> = (0..WAITERS).map(|_| wait.wait(ME, Timeout::Never, None)).collect();
    ensure!(wait.describe(ME).finish()?.waiting == WAITERS, "they are not parked");
    thread::scope(|scope| {
        let setter = scope.spawn(|| {
            let began = Instant::now();
            set.set(ME).finish().map(|_| began)
        });
        for call in calls {
            ensure!(call.finish()?.is_set, "a wait ended without a set");
        }
        let ended = Instant::now();
        Ok(ended - setter.join().expect("no panic")?)
    })
}
