//! What is there and does nothing: thousands of it, as long as it lives here.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bridge_client::queue::{Batch, Deliveries, Mode, Queue};
use bridge_client::{Bridge, Call, ConnectOptions, Timeout, queue};
use syncbridge_proto::v1::session_service_client::SessionServiceClient;
use syncbridge_proto::v1::{AttachRequest, AttachResponse, OpenRequest, SessionSpec};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use crate::ME;

/// Longer than any measurement: nobody here sends heartbeats.
const TTL_SECONDS: i64 = 600;
/// How many are made at the same time.
const AT_ONCE: usize = 64;
/// Answers are kept until they are looked at, and not without bound.
const DECLARED_AT_ONCE: u64 = 10_000;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) trait Idle {
    /// Makes more until so many are there.
    fn grow_to(&mut self, count: u64) -> Result<()>;
}

pub(crate) fn idle(kind: &str, url: &str) -> Result<Box<dyn Idle>> {
    Ok(match kind {
        "waits" => Box::new(Waits::new(url)?),
        "objects" => {
            let bridge = Bridge::connect(url, ConnectOptions::default())?;
            Box::new(Objects { bridge, count: 0 })
        }
        "sessions" => Box::new(Sessions::new(url)?),
        "connections" => Box::new(Connections::new(url)?),
        _ => bail!("nothing idle is called {kind}"),
    })
}

/// Gets on an empty queue, all of one client.
pub(crate) struct Waits {
    pub(crate) bridge: Bridge,
    queue: Queue,
    calls: Vec<Call<Deliveries>>,
}

impl Waits {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let bridge = Bridge::connect(url, ConnectOptions::default())?;
        let queue = bridge.queue(Some("empty"), queue::Options::default())?;
        Ok(Waits { bridge, queue, calls: Vec::new() })
    }

    /// All of them wait.
    pub(crate) fn check(&self) -> Result<()> {
        let waiting = self.queue.describe(ME).finish()?.waiting_to_get;
        ensure!(waiting == self.calls.len() as u64, "{waiting} of {} are parked", self.calls.len());
        Ok(())
    }
}

impl Idle for Waits {
    fn grow_to(&mut self, count: u64) -> Result<()> {
        while (self.calls.len() as u64) < count {
            self.calls.push(self.queue.take(ME, Mode::Get, Batch::ONE, Timeout::Never));
        }
        self.bridge.flush(PATIENCE)?;
        self.check()
    }
}

/// Empty queues.
struct Objects {
    bridge: Bridge,
    count: u64,
}

impl Idle for Objects {
    fn grow_to(&mut self, count: u64) -> Result<()> {
        while self.count < count {
            let until = count.min(self.count + DECLARED_AT_ONCE);
            let declare = |number| {
                Ok(self.bridge.declare_queue(Some(&format!("idle {number}")), queue::Options::default())?.1)
            };
            let declared = (self.count..until).map(declare).collect::<Result<Vec<_>>>()?;
            declared.into_iter().try_for_each(|call| call.finish())?;
            self.count = until;
        }
        Ok(())
    }
}

/// Sessions that were opened over one connection and are not attached to any.
struct Sessions {
    runtime: Runtime,
    client: SessionServiceClient<Channel>,
    count: u64,
}

impl Sessions {
    fn new(url: &str) -> Result<Self> {
        let runtime = runtime()?;
        let client = SessionServiceClient::new(runtime.block_on(channel_to(url))?);
        Ok(Sessions { runtime, client, count: 0 })
    }
}

impl Idle for Sessions {
    fn grow_to(&mut self, count: u64) -> Result<()> {
        let opening = (self.count..count).map(|number| {
            let mut client = self.client.clone();
            async move {
                client.open(OpenRequest { session: Some(session(number)) }).await?;
                Ok(())
            }
        });
        self.runtime.block_on(all(opening))?;
        self.count = count;
        Ok(())
    }
}

/// Connections with a session stream each.
struct Connections {
    url: String,
    runtime: Runtime,
    streams: Vec<Stream>,
}

/// The two directions of a session's stream.
pub(crate) type Stream = (mpsc::Sender<AttachRequest>, Streaming<AttachResponse>);

impl Connections {
    fn new(url: &str) -> Result<Self> {
        Ok(Connections { url: url.to_owned(), runtime: runtime()?, streams: Vec::new() })
    }
}

impl Idle for Connections {
    fn grow_to(&mut self, count: u64) -> Result<()> {
        let attaching = (self.streams.len() as u64..count).map(|number| attach(self.url.clone(), number));
        self.streams.extend(self.runtime.block_on(all(attaching))?);
        Ok(())
    }
}

/// Opens a session of that number on a connection of its own.
pub(crate) async fn attach(url: String, number: u64) -> Result<Stream> {
    let (frames, outgoing) = mpsc::channel(1);
    frames.send(AttachRequest { hello: Some(session(number)), ..AttachRequest::default() }).await?;
    let mut client = SessionServiceClient::new(channel_to(&url).await?);
    Ok((frames, client.attach(ReceiverStream::new(outgoing)).await?.into_inner()))
}

/// A thread of its own, so that connections which nobody uses answer the server's pings.
fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

async fn channel_to(url: &str) -> Result<Channel> {
    let path = url.strip_prefix("unix://").context("a unix socket")?;
    Ok(Endpoint::from_shared(format!("unix:{path}"))?.connect().await?)
}

/// Runs them, some at a time.
async fn all<T: Send + 'static>(
    futures: impl Iterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let (mut running, mut results) = (JoinSet::new(), Vec::new());
    for future in futures {
        if running.len() == AT_ONCE {
            results.push(running.join_next().await.context("there are some")???);
        }
        running.spawn(future);
    }
    while let Some(result) = running.join_next().await {
        results.push(result??);
    }
    Ok(results)
}

/// Ids need only be unlike each other here.
fn session(number: u64) -> SessionSpec {
    let id: Vec<u8> = [number.to_le_bytes(), [0xA5; 8]].concat();
    SessionSpec {
        secret: id.clone().into(),
        id: id.into(),
        protocol_version: syncbridge_proto::PROTOCOL_VERSION,
        label: "idle".into(),
        ttl: Some(prost_types::Duration { seconds: TTL_SECONDS, nanos: 0 }),
        ..SessionSpec::default()
    }
}
