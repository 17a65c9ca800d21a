//! What a call costs: round trips of a 64-byte put from Rust, driven by whoever waits, and for comparison by a tokio
//! runtime in the background.
//!
//! `cargo bench --bench round_trips -- URL...` prints a table; the servers are to run in processes of their own.

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_client::queue::{Batch, Mode, NewItem};
use bridge_client::{Bridge, ConnectOptions, ContentType, ParticipantId, Payload, Queue, Timeout, queue};
use syncbridge_proto::v1 as pb;
use syncbridge_proto::v1::session_service_client::SessionServiceClient;
use tokio::sync::mpsc as channel;
use tonic::transport::{Channel, Endpoint, Uri};

const CALLS: usize = 10_000;
/// Interleaved; the best one counts, so that what else the machine does disturbs less.
const ROUNDS: usize = 7;
const PUSHES: usize = 500;
const ME: ParticipantId = ParticipantId(0);

fn main() -> Result<()> {
    let urls: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    if urls.is_empty() {
        // `cargo test --benches` and the like: nothing to measure.
        eprintln!("usage: round_trips URL...");
        return Ok(());
    }
    println!(
        "| {:11} | {:20} | p50 µs | p99 µs | 2 threads k/s | 8 threads k/s | push µs |",
        "64 B put", "driven by"
    );
    for url in &urls {
        let bridge = Bridge::connect(url, options())?;
        let queue = bridge.queue(Some("round trips"), queue::Options::default())?;
        let background = Background::connect(url)?;
        let mut rows = [Row::default(), Row::default()];
        for _ in 0..ROUNDS {
            rows[0].measure(&|| put(&queue))?;
            rows[1].measure(&|| background.put())?;
            purge(&queue)?;
        }
        rows[0].push = percentile(&mut pushes(url, &queue)?, 50);
        rows[0].print(url, "who waits");
        rows[1].print(url, "a background runtime");
    }
    Ok(())
}

fn put(queue: &Queue) -> Result<()> {
    let payload = Payload::new(ContentType::Bytes, &[7; 64][..]);
    queue.put(ME, NewItem::new(payload), Timeout::Never).finish()?;
    Ok(())
}

fn purge(queue: &Queue) -> Result<()> {
    queue.purge(ME).finish()?;
    Ok(())
}

/// What is named TCP is measured over TCP.
fn options() -> ConnectOptions {
    ConnectOptions { local: false, ..ConnectOptions::default() }
}

/// From another client's put to the callback of a get that no thread waits for.
fn pushes(url: &str, queue: &Queue) -> Result<Vec<Duration>> {
    let other = Bridge::connect(url, options())?;
    let putting = other.queue(Some("pushes"), queue::Options::default())?;
    let getting = queue.bridge().queue(Some("pushes"), queue::Options::default())?;
    (0..PUSHES)
        .map(|_| {
            let mut call = getting.take(ME, Mode::Get, Batch::ONE, Timeout::Never);
            let (tell, told) = mpsc::channel();
            call.on_ready(move || tell.send(Instant::now()).expect("the receiver waits"));
            // The helper watches the socket by then.
            thread::sleep(Duration::from_millis(3));
            let start = Instant::now();
            put(&putting)?;
            let took = told.recv_timeout(Duration::from_secs(5))?.duration_since(start);
            call.poll_take().context("ready")??.accept()?;
            Ok(took)
        })
        .collect()
}

/// The best of all rounds: microseconds, and calls per second.
struct Row {
    p50: f64,
    p99: f64,
    two: f64,
    eight: f64,
    push: f64,
}

impl Default for Row {
    fn default() -> Self {
        Row { p50: f64::NAN, p99: f64::NAN, two: 0.0, eight: 0.0, push: f64::NAN }
    }
}

impl Row {
    fn measure(&mut self, call: &(dyn Fn() -> Result<()> + Sync)) -> Result<()> {
        for _ in 0..CALLS / 10 {
            call()?;
        }
        let mut took = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let start = Instant::now();
            call()?;
            took.push(start.elapsed());
        }
        self.p50 = self.p50.min(percentile(&mut took, 50));
        self.p99 = self.p99.min(percentile(&mut took, 99));
        self.two = self.two.max(throughput(2, call)?);
        self.eight = self.eight.max(throughput(8, call)?);
        Ok(())
    }

    fn print(&self, url: &str, driven_by: &str) {
        let place = if url.starts_with("unix") { "unix socket" } else { "TCP" };
        println!(
            "| {place:11} | {driven_by:20} | {:6.1} | {:6.1} | {:13.1} | {:13.1} | {:7.1} |",
            self.p50,
            self.p99,
            self.two / 1e3,
            self.eight / 1e3,
            self.push,
        );
    }
}

/// In microseconds.
fn percentile(took: &mut [Duration], percent: usize) -> f64 {
    took.sort();
    took[took.len() * percent / 100].as_secs_f64() * 1e6
}

fn throughput(threads: usize, call: &(dyn Fn() -> Result<()> + Sync)) -> Result<f64> {
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| (0..CALLS / threads).try_for_each(|_| call()))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    Ok(CALLS as f64 / start.elapsed().as_secs_f64())
}

/// The usual way: tonic on a runtime of its own, to which every call hops and back.
struct Background {
    commands: channel::UnboundedSender<pb::Command>,
    waiting: std::sync::Arc<Mutex<Waiting>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Waiting {
    last: u64,
    calls: std::collections::HashMap<u64, mpsc::Sender<pb::Answer>>,
}

impl Background {
    fn connect(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (commands, mut queued) = channel::unbounded_channel::<pb::Command>();
        let (frames, outgoing) = channel::channel(16);
        let waiting = std::sync::Arc::new(Mutex::new(Waiting::default()));
        let mut incoming = runtime.block_on(async {
            let id = format!("{:016}", std::process::id()).into_bytes();
            let hello = pb::SessionSpec {
                id: id.clone().into(),
                secret: id.into(),
                protocol_version: syncbridge_proto::PROTOCOL_VERSION,
                ..Default::default()
            };
            frames.send(pb::AttachRequest { hello: Some(hello), ..Default::default() }).await?;
            let mut client = SessionServiceClient::new(channel_to(url).await?);
            let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
            anyhow::Ok(client.attach(outgoing).await?.into_inner())
        })?;
        let answered = std::sync::Arc::new(Mutex::new(Vec::new()));
        let answers = answered.clone();
        runtime.spawn(async move {
            let mut sequence = 0;
            while let Some(command) = queued.recv().await {
                let mut commands = vec![command];
                while let Ok(more) = queued.try_recv() {
                    commands.push(more);
                }
                sequence += 1;
                let done = std::mem::take(&mut *answered.lock().expect("no panic"));
                let frame = pb::AttachRequest { sequence, commands, done, ..Default::default() };
                if frames.send(frame).await.is_err() {
                    return;
                }
            }
        });
        let calls = waiting.clone();
        runtime.spawn(async move {
            while let Ok(Some(frame)) = incoming.message().await {
                for answer in frame.answers {
                    answers.lock().expect("no panic").push(pb::OpRange { first: answer.op, last: answer.op });
                    let call = calls.lock().expect("no panic").calls.remove(&answer.op);
                    if let Some(call) = call {
                        let _ = call.send(answer);
                    }
                }
            }
        });
        Ok(Background { commands, waiting, _runtime: runtime })
    }

    fn put(&self) -> Result<()> {
        let (tell, told) = mpsc::channel();
        let op = {
            let mut waiting = self.waiting.lock().expect("no panic");
            waiting.last += 1;
            let op = waiting.last;
            waiting.calls.insert(op, tell);
            op
        };
        let payload = pb::Payload { data: vec![7; 64].into(), ..Default::default() };
        let item = pb::NewItem { payload: Some(payload), ..Default::default() };
        let put = pb::QueueServicePutRequest {
            queue: "round trips".into(),
            item: Some(item),
            ..Default::default()
        };
        self.commands.send(pb::Command {
            op,
            body: Some(pb::command::Body::QueuePut(put)),
            ..Default::default()
        })?;
        let answer = told.recv_timeout(Duration::from_secs(5))?;
        ensure!(matches!(answer.body, Some(pb::answer::Body::QueuePut(_))), "{answer:?}");
        Ok(())
    }
}

async fn channel_to(url: &str) -> Result<Channel> {
    if let Some(path) = url.strip_prefix("unix://") {
        return Ok(Endpoint::from_shared(format!("unix:{path}"))?.connect().await?);
    }
    let uri: Uri = url.replacen("grpc://", "http://", 1).parse()?;
    Ok(Endpoint::from(uri).tcp_nodelay(true).connect().await?)
}
