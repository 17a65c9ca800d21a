//! A server on a free port, plain clients for it, and short ways to ask.

use std::time::Duration;

use bridge_server::{ServeOptions, Server};
use syncbridge_proto::PROTOCOL_VERSION;
use syncbridge_proto::v1 as pb;
use syncbridge_proto::v1::condition_service_client::ConditionServiceClient;
use syncbridge_proto::v1::event_service_client::EventServiceClient;
use syncbridge_proto::v1::lock_service_client::LockServiceClient;
use syncbridge_proto::v1::queue_service_client::QueueServiceClient;
use syncbridge_proto::v1::semaphore_service_client::SemaphoreServiceClient;
use syncbridge_proto::v1::session_service_client::SessionServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt;

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) fn serve() -> Server {
    serve_with(|_| {})
}

pub(crate) fn serve_with(change: impl FnOnce(&mut ServeOptions)) -> Server {
    // Short: a client on this thread cannot hang up while the server is being dropped on it.
    let mut options =
        ServeOptions { listen: vec!["127.0.0.1:0".into()], drain_seconds: 0.1, ..ServeOptions::default() };
    change(&mut options);
    Server::start(options).unwrap()
}

pub(crate) fn address(server: &Server) -> String {
    server.urls()[0].strip_prefix("grpc://").unwrap().to_owned()
}

/// One connection and a client of each service on it.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) channel: Channel,
    pub(crate) session: SessionServiceClient<Channel>,
    pub(crate) queue: QueueServiceClient<Channel>,
    pub(crate) event: EventServiceClient<Channel>,
    pub(crate) semaphore: SemaphoreServiceClient<Channel>,
    pub(crate) lock: LockServiceClient<Channel>,
    pub(crate) condition: ConditionServiceClient<Channel>,
}

pub(crate) async fn connect(server: &Server) -> Clients {
    connect_to(&format!("http://{}", address(server))).await
}

pub(crate) async fn connect_to(uri: &str) -> Clients {
    let channel = Endpoint::from_shared(uri.to_owned()).unwrap().connect().await.unwrap();
    Clients {
        session: SessionServiceClient::new(channel.clone()),
        queue: QueueServiceClient::new(channel.clone()),
        event: EventServiceClient::new(channel.clone()),
        semaphore: SemaphoreServiceClient::new(channel.clone()),
        lock: LockServiceClient::new(channel.clone()),
        condition: ConditionServiceClient::new(channel.clone()),
        channel,
    }
}

pub(crate) fn spec(id: u8) -> pb::SessionSpec {
    pb::SessionSpec {
        id: vec![id; 16].into(),
        secret: vec![id; 16].into(),
        label: format!("test {id}"),
        protocol_version: PROTOCOL_VERSION,
        ..Default::default()
    }
}

impl Clients {
    /// Opens a session; its id for the metadata.
    pub(crate) async fn open(&mut self, id: u8) -> String {
        self.session.open(pb::OpenRequest { session: Some(spec(id)) }).await.unwrap();
        format!("{id:02x}").repeat(16)
    }

    pub(crate) async fn attach(&mut self, id: u8) -> Attached {
        let mut attached =
            self.attach_with(pb::AttachRequest { hello: Some(spec(id)), ..Default::default() }).await;
        let first = attached.next().await;
        attached.welcome = first.welcome.unwrap();
        attached.replayed = first.answers;
        attached
    }

    pub(crate) async fn attach_with(&mut self, first: pb::AttachRequest) -> Attached {
        let (send, receiver) = mpsc::unbounded_channel();
        send.send(first).unwrap();
        let receive = self.session.attach(UnboundedReceiverStream::new(receiver)).await.unwrap().into_inner();
        Attached { welcome: pb::Welcome::default(), replayed: Vec::new(), sequence: 0, send, receive }
    }
}

/// A session stream by hand.
pub(crate) struct Attached {
    pub(crate) welcome: pb::Welcome,
    /// Answers that came with the welcome.
    pub(crate) replayed: Vec<pb::Answer>,
    pub(crate) sequence: u64,
    pub(crate) send: mpsc::UnboundedSender<pb::AttachRequest>,
    pub(crate) receive: Streaming<pb::AttachResponse>,
}

impl Attached {
    pub(crate) fn frame(&mut self, frame: pb::AttachRequest) {
        self.sequence += 1;
        self.send.send(pb::AttachRequest { sequence: self.sequence, ..frame }).unwrap();
    }

    pub(crate) fn ask(&mut self, op: u64, body: pb::command::Body) {
        let commands = vec![pb::Command { op, body: Some(body), ..Default::default() }];
        self.frame(pb::AttachRequest { commands, ..Default::default() });
    }

    pub(crate) async fn try_next(&mut self) -> Result<Option<pb::AttachResponse>, Status> {
        tokio::time::timeout(SOON, self.receive.message()).await.expect("nothing came")
    }

    pub(crate) async fn next(&mut self) -> pb::AttachResponse {
        self.try_next().await.unwrap().expect("the stream has ended")
    }

    /// The next answer; it must come alone.
    pub(crate) async fn answer(&mut self) -> pb::Answer {
        if !self.replayed.is_empty() {
            return self.replayed.remove(0);
        }
        let mut frame = self.next().await;
        assert_eq!(frame.answers.len(), 1, "{frame:?}");
        frame.answers.remove(0)
    }

    pub(crate) async fn farewell(&mut self) -> pb::Reason {
        let farewell = self.next().await.farewell.expect("a farewell");
        assert!(self.try_next().await.unwrap().is_none(), "nothing comes after a farewell");
        farewell.reason()
    }
}

pub(crate) fn put(value: &'static str) -> pb::QueueServicePutRequest {
    let payload = pb::Payload {
        data: value.as_bytes().into(),
        content_type: "text/plain; charset=utf-8".into(),
        headers: Vec::new(),
    };
    let item = Some(pb::NewItem { payload: Some(payload), ..Default::default() });
    pb::QueueServicePutRequest { queue: "q".into(), item, timeout: now(), ..Default::default() }
}

/// Waits for ever.
pub(crate) fn get() -> pb::QueueServiceGetRequest {
    pb::QueueServiceGetRequest { queue: "q".into(), ..Default::default() }
}

pub(crate) fn get_now() -> pb::QueueServiceGetRequest {
    pb::QueueServiceGetRequest { timeout: now(), ..get() }
}

pub(crate) fn acquire_now() -> pb::SemaphoreServiceAcquireRequest {
    pb::SemaphoreServiceAcquireRequest { semaphore: "s".into(), timeout: now(), ..Default::default() }
}

pub(crate) fn wait_for_event() -> pb::EventServiceWaitRequest {
    pb::EventServiceWaitRequest { event: "e".into(), ..Default::default() }
}

pub(crate) fn now() -> Option<prost_types::Duration> {
    Some(prost_types::Duration::default())
}

pub(crate) fn value(delivery: Option<pb::Delivery>) -> bytes::Bytes {
    delivery.unwrap().payload.unwrap().data
}

/// With metadata.
pub(crate) fn with<T>(message: T, metadata: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// The reason in the status' ErrorInfo.
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "syncbridge.v1");
    info.reason
}

pub(crate) fn detail(status: &Status, name: &str) -> String {
    status.get_details_error_info().unwrap().metadata[name].clone()
}
