//! What waiting costs a server: bytes per idle session and per parked wait, and how long an acquire and release take
//! while 10,000 waits of the same client are parked.
//!
//! `memory grpc://HOST:PORT PID` prints one line of JSON; `make bench` runs it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bridge_client::queue::{Batch, Mode};
use bridge_client::semaphore::Acquire;
use bridge_client::{Bridge, Call, ConnectOptions, ParticipantId, Timeout, queue, semaphore};
use syncbridge_proto::v1::session_service_client::SessionServiceClient;
use syncbridge_proto::v1::{OpenRequest, SessionSpec};

const SESSIONS: u64 = 10_000;
const WAITS: u64 = 10_000;
const RELEASES: usize = 200;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, pid] = arguments.as_slice() else { bail!("usage: memory URL PID") };
    let bytes_per_session = idle_sessions(url, pid)?;
    let (bytes_per_wait, mut releases) = parked_waits(url, pid)?;
    releases.sort();
    let millis = |at: Duration| at.as_secs_f64() * 1e3;
    println!(
        "{}",
        serde_json::json!({
            "sessions": SESSIONS,
            "bytes_per_session": bytes_per_session,
            "waits": WAITS,
            "bytes_per_wait": bytes_per_wait,
            "release_p50_ms": millis(releases[RELEASES / 2]),
            "release_max_ms": millis(releases[RELEASES - 1]),
        })
    );
    Ok(())
}

/// Sessions opened by unary calls over one connection, which then stay idle.
fn idle_sessions(url: &str, pid: &str) -> Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = SessionServiceClient::connect(url.replacen("grpc://", "http://", 1)).await?;
        // Ids need only be unlike each other here; the first ones warm the server up.
        let mut number = 0u64;
        let mut open = async |count: u64| {
            for _ in 0..count {
                number += 1;
                let id: Vec<u8> = [number.to_le_bytes(), [0xA5; 8]].concat();
                let session = SessionSpec {
                    secret: id.clone().into(),
                    id: id.into(),
                    protocol_version: 1,
                    label: "idle".into(),
                    ttl: Some(prost_types::Duration { seconds: 300, nanos: 0 }),
                    ..SessionSpec::default()
                };
                client.open(OpenRequest { session: Some(session) }).await?;
            }
            Ok::<_, tonic::Status>(())
        };
        open(SESSIONS / 10).await?;
        let before = resident_bytes(pid)?;
        open(SESSIONS).await?;
        Ok(resident_bytes(pid)?.saturating_sub(before) / SESSIONS)
    })
}

/// Gets on an empty queue, all from one client, and meanwhile a semaphore that the same client takes and gives back.
fn parked_waits(url: &str, pid: &str) -> Result<(u64, Vec<Duration>)> {
    let bridge = Bridge::connect(url, ConnectOptions::default())?;
    let who = ParticipantId::default();
    let empty = bridge.queue(Some("empty"), queue::Options::default())?;
    let door = bridge.semaphore(Some("door"), semaphore::Options { limit: Some(1), ..Default::default() })?;
    let acquire = Acquire {
        permits: 1,
        by_token: false,
        barge: false,
        timeout: Timeout::After(Duration::from_secs(10)),
    };
    let park = |count: u64| -> Result<Vec<Call<Vec<queue::Delivery>>>> {
        let waits = (0..count).map(|_| empty.take(who, Mode::Get, Batch::ONE, Timeout::Never)).collect();
        bridge.flush(Duration::from_secs(30))?;
        Ok(waits)
    };
    drop(park(WAITS / 10)?);
    bridge.flush(Duration::from_secs(30))?;
    let before = resident_bytes(pid)?;
    let waits = park(WAITS)?;
    ensure!(empty.describe(who).finish()?.waiting_to_get >= WAITS, "the waits are not parked");
    let bytes_per_wait = resident_bytes(pid)?.saturating_sub(before) / WAITS;

    let releases = (0..RELEASES)
        .map(|_| {
            door.acquire(who, acquire).finish()?;
            let began = Instant::now();
            door.release(who, 1, None).finish()?;
            Ok(began.elapsed())
        })
        .collect::<Result<_>>()?;
    ensure!(empty.describe(who).finish()?.waiting_to_get >= WAITS, "the waits did not stay parked");
    drop(waits);
    bridge.close(Duration::from_secs(10))?;
    Ok((bytes_per_wait, releases))
}

/// Resident memory of a process that is not shared with files.
fn resident_bytes(pid: &str) -> Result<u64> {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).context("the server's /proc/PID/status")?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).context("RssAnon")?;
    let kib: u64 = line.split_whitespace().nth(1).context("RssAnon")?.parse()?;
    Ok(kib * 1024)
}
