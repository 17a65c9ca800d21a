//! Sessions: open, keep alive, close, and the stream that carries everything at once.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::{Mode, SessionSpec};
use bridge_core::error::{Error, Reason};
use bridge_core::ids::{Name, Op, OpRange, ParticipantId, Secret, SessionId, SessionKey};
use bridge_core::wire;
use bridge_node::{Frame, Namespace, Node, Outbox, ProcessIdentity, Reads};
use syncbridge_proto::PROTOCOL_VERSION;
use syncbridge_proto::pieces::{Assembly, BadPiece};
use syncbridge_proto::v1 as pb;
use syncbridge_proto::v1::session_service_server::SessionService;
use tonic::{Request, Response, Status, Streaming};

use super::Shared;
use super::caller::{DEFAULT_NAMESPACE, find};
use crate::VERSION;
use crate::errors::status;
use crate::listen::Connection;
use crate::outbox::{Outgoing, Responses};

/// The time to live of a session that asks for none.
const TTL: Duration = Duration::from_secs(15);

/// How long a stream may stay silent before its hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// The service.
pub(crate) struct Service(pub(crate) Shared);

/// A session that is open now.
struct Open {
    namespace: Arc<Namespace>,
    key: SessionKey,
    resumed: bool,
    incarnation: u64,
    ttl: Duration,
    reads: Reads,
}

#[tonic::async_trait]
impl SessionService for Service {
    async fn open(&self, request: Request<pb::OpenRequest>) -> Result<Response<pb::OpenResponse>, Status> {
        let spec = request.into_inner().session.unwrap_or_default();
        let open = open(&self.0.node, spec).map_err(status)?;
        Ok(Response::new(pb::OpenResponse {
            resumed: open.resumed,
            ttl: Some(wire::duration_field(open.ttl)),
            protocol_version: PROTOCOL_VERSION,
        }))
    }

    async fn keep_alive(
        &self,
        request: Request<pb::KeepAliveRequest>,
    ) -> Result<Response<pb::KeepAliveResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let keep_alive = || {
            let id = SessionId(sixteen("session_id", &message.session_id)?);
            let (namespace, key) = find(&self.0.node, &metadata, id)?;
            let accepted = message.accepted.iter().map(|&op| OpRange { first: Op(op), last: Op(op) });
            namespace.settle(key, accepted.collect(), message.refused.iter().map(|&op| Op(op)).collect())?;
            namespace.touch(key)
        };
        let ttl = keep_alive().map_err(status)?;
        Ok(Response::new(pb::KeepAliveResponse { ttl: Some(wire::duration_field(ttl)) }))
    }

    async fn close(&self, request: Request<pb::CloseRequest>) -> Result<Response<pb::CloseResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let close = || {
            let id = SessionId(sixteen("session_id", &message.session_id)?);
            let secret = Secret(sixteen("secret", &message.secret)?);
            let (namespace, _) = find(&self.0.node, &metadata, id)?;
            namespace.close(id, secret)
        };
        close().map_err(status)?;
        Ok(Response::new(pb::CloseResponse {}))
    }

    type AttachStream = Responses;

    async fn attach(
        &self,
        request: Request<Streaming<pb::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let (_, extensions, mut incoming) = request.into_parts();
        let connection = extensions.get::<Arc<Connection>>();
        let waiting = match connection {
            Some(connection) => Some(connection.wait().map_err(status)?),
            None => None,
        };
        let first = tokio::time::timeout(HELLO_WITHIN, incoming.message()).await.map_err(|_| {
            Status::deadline_exceeded(format!(
                "no hello within {HELLO_WITHIN:?}; send it on the first message"
            ))
        })??;
        let outgoing = Outgoing::new(self.0.backlog(), connection.cloned());
        let Some(mut first) = first else {
            outgoing.finish(Some(Error::invalid("hello", "the stream ended before its hello")));
            return Ok(Response::new(Responses::farewell(outgoing)));
        };
        let attached = first
            .hello
            .take()
            .ok_or_else(|| Error::invalid("hello", "the first message of a stream must carry its hello"))
            .and_then(|spec| open(&self.0.node, spec));
        let open = match attached {
            Ok(open) => open,
            Err(error) => {
                outgoing.finish(Some(error));
                return Ok(Response::new(Responses::farewell(outgoing)));
            }
        };
        let outbox: Arc<dyn Outbox> = outgoing.clone();
        let attached = open.namespace.attach(open.key, outbox.clone());
        let welcome = pb::Welcome {
            resumed: open.resumed,
            ttl: Some(wire::duration_field(open.ttl)),
            protocol_version: PROTOCOL_VERSION,
            server_version: VERSION.to_owned(),
            incarnation: open.incarnation,
        };
        outgoing.welcome(welcome, attached.received, open.reads);

        let (namespace, key) = (open.namespace, open.key);
        let stream = Attachment {
            namespace: namespace.clone(),
            key,
            stream: attached.stream,
            outgoing: outgoing.clone(),
            assembly: Assembly::default(),
            message_bytes_max: self.0.message_bytes_max,
        };
        let reader = tokio::spawn(async move {
            let _waiting = waiting;
            stream.read(first, incoming).await;
        });
        let paused = namespace.clone();
        let relieved = move || paused.unpause(key, attached.stream);
        let gone = move || {
            reader.abort();
            namespace.detach(key, &outbox);
        };
        Ok(Response::new(Responses::new(outgoing, relieved, gone)))
    }
}

/// The reading half of a session stream.
struct Attachment {
    namespace: Arc<Namespace>,
    key: SessionKey,
    stream: u64,
    outgoing: Arc<Outgoing>,
    /// A command that comes in pieces.
    assembly: Assembly,
    message_bytes_max: usize,
}

impl Attachment {
    /// Executes frame after frame, in the task that received it, until the stream ends.
    async fn read(mut self, first: pb::AttachRequest, incoming: Streaming<pb::AttachRequest>) {
        let mut incoming = pin!(incoming);
        let mut next = Ok(Some(first));
        let farewell = loop {
            match next {
                Ok(Some(message)) => {
                    if let Err(error) = self.execute(message) {
                        break Some(error);
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(unreadable(&error)),
            }
            poll_fn(|cx| self.outgoing.poll_room(cx)).await;
            next = incoming.message().await;
        };
        self.outgoing.finish(farewell);
    }

    fn execute(&mut self, mut message: pb::AttachRequest) -> Result<(), Error> {
        if message.hello.is_some() {
            return Err(Error::invalid("hello", "only the first message of a stream may carry a hello"));
        }
        if let Some(piece) = message.piece {
            message.commands.extend(self.assembly.add(piece, self.message_bytes_max).map_err(misplaced)?);
        }
        let wire::Requests { requests, rejected } = wire::requests(message.commands)?;
        let frame = Frame {
            stream: self.stream,
            sequence: message.sequence,
            labels: message.participants.into_iter().map(|p| (ParticipantId(p.id), p.label)).collect(),
            done: message.done.iter().map(wire::op_range).collect::<Result<_, _>>()?,
            refused: message.refused.into_iter().map(Op).collect(),
            requests,
            rejected,
        };
        let executed = self.namespace.frame(self.key, frame);
        // An echo says that the session is alive.
        if executed && message.heartbeat != 0 {
            self.outgoing.heartbeat(message.heartbeat, message.sequence);
        }
        Ok(())
    }
}

impl Drop for Attachment {
    /// Where it ended by itself this changes nothing; where it panicked the client must not be left waiting.
    fn drop(&mut self) {
        let why = Error::new(Reason::Internal, "the server has met a defect; its log has the rest");
        self.outgoing.finish(Some(why));
    }
}

/// What the client is told about a message that could not be received.
fn unreadable(found: &Status) -> Error {
    let reason = match found.code() {
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => Reason::LimitExceeded,
        _ => Reason::InvalidArgument,
    };
    Error::new(reason, format!("a message of the stream cannot be read: {}", found.message()))
}

/// What the client is told about a piece that nothing can be done with.
fn misplaced(found: BadPiece) -> Error {
    let reason = match found {
        BadPiece::TooLarge { .. } => Reason::LimitExceeded,
        BadPiece::Misplaced { .. } | BadPiece::Unreadable(_) => Reason::InvalidArgument,
    };
    Error::new(reason, found.to_string())
}

fn open(node: &Node, spec: pb::SessionSpec) -> Result<Open, Error> {
    if spec.protocol_version != PROTOCOL_VERSION {
        return Err(Error::new(
            Reason::ProtocolVersion,
            format!(
                "the client speaks protocol version {}, this server (syncbridge {VERSION}) speaks {PROTOCOL_VERSION}; \
                 use a client and a server that fit",
                spec.protocol_version
            ),
        )
        .with("server", PROTOCOL_VERSION.to_string())
        .with("client", spec.protocol_version.to_string()));
    }
    let name = if spec.namespace.is_empty() { DEFAULT_NAMESPACE } else { &spec.namespace };
    let name = Name::parse("namespace", name)?;
    let ttl = spec.ttl.map(|ttl| wire::duration("ttl", ttl)).transpose()?.unwrap_or(TTL);
    let process = spec.process.unwrap_or_default();
    let identity = ProcessIdentity {
        boot_id: process.boot_id,
        pid_namespace: process.pid_namespace,
        pid: process.pid,
        start_time_ticks: process.start_time_ticks,
    };
    let core = SessionSpec {
        id: SessionId(sixteen("id", &spec.id)?),
        secret: Secret(sixteen("secret", &spec.secret)?),
        mode: Mode::Resumable,
        ttl,
        label: spec.label,
        host: process.host,
        language: process.language,
        pid: process.pid,
    };
    let namespace = node.namespace(&name)?;
    let opened = namespace.open(core, Some(identity))?;
    let ttl = namespace.touch(opened.session)?;
    Ok(Open {
        namespace,
        key: opened.session,
        resumed: opened.resumed,
        incarnation: opened.incarnation,
        ttl,
        reads: Reads { packs: spec.reads_packed, pieces: spec.reads_pieces },
    })
}

fn sixteen(field: &'static str, bytes: &[u8]) -> Result<u128, Error> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| {
        Error::invalid(field, format!("{field} has {} bytes; give 16 random ones", bytes.len()))
    })?;
    Ok(u128::from_be_bytes(bytes))
}
