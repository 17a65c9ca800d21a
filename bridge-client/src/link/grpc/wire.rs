//! One connection: tonic's channel on our own executor and our own socket, with one Attach stream on it.
//!
//! A wire is dialled once and never again by itself; whoever owns it makes another. It moves only while somebody
//! calls [`Wire::drive`].

use std::future::Ready;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use bridge_core::error::{Error, Reason};
use http::Uri;
use syncbridge_proto::v1::session_service_client::SessionServiceClient;
use syncbridge_proto::v1::{self as pb, AttachRequest, AttachResponse, CloseRequest};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use super::descriptor::Descriptor;
use super::dial::Address;
use super::executor::Executor;
use super::poller::{EventFlags, Poller};
use super::socket::{Socket, Stream};
use crate::mutex::lock;
use crate::session::Verdict;

/// HTTP/2 windows, so that a large payload does not wait for window updates.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A large payload arrives in few pieces.
const FRAME_BYTES_MAX: u32 = 512 << 10;

/// The domain of the contract's reasons in `google.rpc.ErrorInfo`.
const ERROR_DOMAIN: &str = "syncbridge.v1";

/// What the two ends of an Attach stream are tied to. Called while driving: no call may block.
pub(super) trait Ends: Send + Sync {
    /// What is to be sent now. `None`: nothing; `waker` is to be woken when there is something.
    fn next_frame(&self, waker: &Waker) -> Option<AttachRequest>;

    /// A message arrived.
    fn on_frame(&self, frame: AttachResponse) -> Verdict;

    /// The session is over for this client: the end of its stream is no news.
    fn is_over(&self) -> bool;
}

/// A connection, from dialling to its end.
pub(super) struct Wire {
    socket: Arc<Socket>,
    /// A duplicate of the socket, watched for the edge when its buffer gets room. On a unix socket that is also the
    /// moment when the peer has read, and wakes the client's idle core while the server still works.
    edge: Descriptor,
    executor: Executor,
    client: SessionServiceClient<Channel>,
    over: Arc<Mutex<Option<Verdict>>>,
}

impl Wire {
    /// Prepares a channel on a connected socket; the first `drive` begins to speak.
    pub(super) fn new(descriptor: Descriptor, address: &Address) -> io::Result<Wire> {
        let edge = Descriptor::open(|| io::Result::Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, 0)?))?;
        let socket = Socket::new(descriptor);
        let executor = Executor::default();
        let endpoint = Endpoint::from_shared(origin(address))
            .map_err(io::Error::other)?
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .executor(executor.clone());
        let channel = endpoint.connect_with_connector_lazy(Connector(Some(Stream(socket.clone()))));
        let client = SessionServiceClient::new(channel).max_decoding_message_size(usize::MAX >> 1);
        let over = Arc::new(Mutex::new(None));
        Ok(Wire { socket, edge, executor, client, over })
    }

    /// Opens the Attach stream.
    pub(super) fn attach(&self, ends: Weak<dyn Ends>, address: &Address) {
        let (mut client, over) = (self.client.clone(), self.over.clone());
        let address = address.to_string();
        self.executor.spawn(Box::pin(async move {
            let end = match client.attach(Outbox(ends.clone())).await {
                Ok(response) => {
                    let mut frames = response.into_inner();
                    loop {
                        let frame = match frames.message().await {
                            Ok(Some(frame)) => frame,
                            Ok(None) => break lost(&address, "the server ended the stream"),
                            Err(status) => break explain(&ends, &address, &status),
                        };
                        let Some(ends) = ends.upgrade() else { return };
                        match ends.on_frame(frame) {
                            Verdict::Continue => {}
                            end => break end,
                        }
                    }
                }
                Err(status) => explain(&ends, &address, &status),
            };
            if ends.upgrade().is_some_and(|ends| !ends.is_over()) {
                *lock(&over) = Some(end);
            }
        }));
    }

    /// Ends the session at the server; `done` is called when it has.
    pub(super) fn close_session(
        &self,
        request: CloseRequest,
        address: &Address,
        done: impl FnOnce() + Send + 'static,
    ) {
        let (mut client, over) = (self.client.clone(), self.over.clone());
        let address = address.to_string();
        self.executor.spawn(Box::pin(async move {
            match client.close(request).await {
                Ok(_) => done(),
                // It is over already.
                Err(status) if status.get_details_error_info().is_some() => done(),
                Err(status) => *lock(&over) = Some(lost(&address, status.message())),
            }
        }));
    }

    /// The leader's poller watches it.
    pub(super) fn watch(&self, poller: &Poller) -> io::Result<()> {
        poller.add(&self.socket, EventFlags::IN)?;
        poller.add(&self.edge, EventFlags::OUT | EventFlags::ET)
    }

    /// The leader's poller does not watch it any more.
    pub(super) fn unwatch(&self, poller: &Poller) {
        poller.remove(self.socket.as_fd());
        poller.remove(&self.edge);
    }

    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Sends what is ready; reads only where `read`. `Some`: the connection is over, and why.
    pub(super) fn drive(&self, read: bool) -> Option<Verdict> {
        if read {
            self.socket.start_reading();
        }
        self.executor.drive();
        self.socket.stop_reading();
        lock(&self.over).take()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.executor.clear();
        self.socket.shut();
    }
}

/// What the server is called in requests; nobody resolves it.
fn origin(address: &Address) -> String {
    match address {
        Address::Tcp(host, port) if host.contains(':') => format!("http://[{host}]:{port}"),
        Address::Tcp(host, port) => format!("http://{host}:{port}"),
        Address::Unix(_) => "http://localhost".to_owned(),
    }
}

fn lost(address: &str, why: &str) -> Verdict {
    Verdict::Reconnect(Error::new(
        Reason::Unavailable,
        format!("the connection to {address} was lost: {why}"),
    ))
}

/// What follows from a failed stream. One that carries a reason of the contract is a farewell.
fn explain(ends: &Weak<dyn Ends>, address: &str, status: &Status) -> Verdict {
    use tonic::Code;
    let info = status.get_details_error_info().filter(|info| info.domain == ERROR_DOMAIN);
    if let Some(info) = info
        && let Some(reason) = pb::Reason::from_str_name(&format!("REASON_{}", info.reason))
        && let Some(ends) = ends.upgrade()
    {
        let metadata = info.metadata.into_iter().collect();
        let farewell = pb::Error { reason: reason.into(), message: status.message().to_owned(), metadata };
        match ends.on_frame(AttachResponse { farewell: Some(farewell), ..AttachResponse::default() }) {
            Verdict::Continue => {}
            verdict => return verdict,
        }
    }
    let source = std::iter::successors(std::error::Error::source(status), |error| error.source()).last();
    match (status.code(), source) {
        (Code::Unimplemented, _) => lost(address, "it does not offer syncbridge.v1; check the address"),
        (_, Some(source)) => lost(address, &source.to_string()),
        (_, None) => lost(address, status.message()),
    }
}

/// The frames on their way out: tonic takes one whenever it can send.
struct Outbox(Weak<dyn Ends>);

impl tokio_stream::Stream for Outbox {
    type Item = AttachRequest;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<AttachRequest>> {
        match self.0.upgrade() {
            Some(ends) => ends.next_frame(cx.waker()).map_or(Poll::Pending, |frame| Poll::Ready(Some(frame))),
            None => Poll::Ready(None),
        }
    }
}

/// Hands out the socket once. tonic would dial again by itself; a second connection is ours to make.
struct Connector(Option<Stream>);

impl tower::Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Ready<io::Result<Stream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}
