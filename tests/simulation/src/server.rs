//! The server: the real node, as the gRPC service drives it, and a journal that outlives it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bridge_core::command::{Input, Mode, SessionSpec};
use bridge_core::ids::{Name, Op, ParticipantId, Secret, SessionId, SessionKey};
use bridge_core::{Error, Time, wire};
use bridge_node::journal::Recording;
use bridge_node::{Answer, Clock, Config, Frame, Namespace, Node, Outbox, Pile, Reads, Taken};
use parking_lot::Mutex;
use prost::Message;
use syncbridge_proto::pieces::{Assembly, Sizes};
use syncbridge_proto::v1 as pb;

/// The time, as the simulation says.
#[derive(Default)]
pub struct Hands(AtomicU64);

impl Hands {
    /// It is now `time`.
    pub fn set(&self, time: Time) {
        self.0.store(time.micros, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A session of one life of the engine's state: a restart without a journal begins another life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Incarnation {
    /// Which life.
    pub life: u32,
    /// Which session in it.
    pub key: SessionKey,
}

/// What the node has to say on one connection.
pub struct Sent {
    state: Mutex<(Pile, Option<Error>)>,
    /// Frames up to this one are executed and durable.
    received: AtomicU64,
}

impl Outbox for Sent {
    fn deliver(&self, answers: &mut Vec<Answer>) {
        self.state.lock().0.add(answers);
    }

    fn end(&self, why: Error) {
        self.state.lock().1 = Some(why);
    }

    fn confirm(&self, sequence: u64) {
        self.received.store(sequence, Ordering::Relaxed);
    }
}

/// The server's side of a connection that has said hello.
struct Attachment {
    key: SessionKey,
    stream: u64,
    sent: Arc<Sent>,
    outbox: Arc<dyn Outbox>,
    assembly: Assembly,
    farewell: bool,
}

/// The server.
pub struct Server {
    clock: Arc<Hands>,
    journal: Option<Recording>,
    up: Option<(Arc<Node>, Arc<Namespace>)>,
    attached: BTreeMap<u64, Attachment>,
    life: u32,
    /// Which id each session has, and which stream carries it.
    sessions: BTreeMap<SessionKey, (SessionId, u64)>,
    /// Grants that the engine knows to be accepted.
    accepted: BTreeSet<(Incarnation, Op)>,
    /// Accepted while the journal held back: not yet durable.
    in_doubt: Vec<(Incarnation, Op)>,
    starts: u32,
    holds: bool,
    sizes: Sizes,
}

fn namespace_of(node: &Node) -> Arc<Namespace> {
    let name = Name::parse("namespace", "simulation").expect("invariant: a valid name");
    node.namespace(&name).expect("the namespace is loaded")
}

impl Server {
    /// A server that is up.
    pub fn new(clock: Arc<Hands>, journal: bool, sizes: Sizes) -> Self {
        let mut server = Server {
            clock,
            journal: journal.then(Recording::new),
            up: None,
            attached: BTreeMap::new(),
            life: 0,
            sessions: BTreeMap::new(),
            accepted: BTreeSet::new(),
            in_doubt: Vec::new(),
            starts: 0,
            holds: false,
            sizes,
        };
        server.start();
        server
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// Its journal, if it has one.
    pub fn journal(&self) -> Option<&Recording> {
        self.journal.as_ref()
    }

    /// The namespace, while it runs.
    pub fn namespace(&self) -> Option<&Arc<Namespace>> {
        self.up.as_ref().map(|(_, namespace)| namespace)
    }

    /// It dies. Without a journal all its state is gone; with one, what was not durable may be: `survive` entries of it
    /// are still there.
    pub fn die(&mut self, survive: usize) {
        self.up = None;
        self.attached.clear();
        match &self.journal {
            Some(journal) => {
                let journal = journal.clone();
                journal.crash(survive);
                self.let_go();
                let found = journal.records();
                let is_found = |(incarnation, op): &(Incarnation, Op)| {
                    found.iter().rev().any(|record| match record.entry.input {
                        Input::Done(key, range) => {
                            key == incarnation.key && (range.first..=range.last).contains(op)
                        }
                        _ => false,
                    })
                };
                for lost in self.in_doubt.drain(..).filter(|doubtful| !is_found(doubtful)) {
                    self.accepted.remove(&lost);
                }
            }
            None => {
                self.life += 1;
                self.sessions.clear();
            }
        }
    }

    /// It starts, from its journal or empty.
    pub fn start(&mut self) {
        let config = match &self.journal {
            Some(journal) => {
                let journal = journal.clone();
                Config { journals: Arc::new(move |_| Arc::new(journal.clone())), ..Config::default() }
            }
            None => Config::default(),
        };
        self.starts += 1;
        let node = Node::new(config, self.clock.clone());
        let namespace = namespace_of(&node);
        self.up = Some((node, namespace));
    }

    /// The journal's watermark stands still.
    pub fn hold(&mut self) {
        if let Some(journal) = &self.journal {
            self.holds = true;
            journal.hold();
        }
    }

    /// Whether it stands still.
    pub fn is_holding(&self) -> bool {
        self.holds
    }

    /// The journal's watermark moves again.
    pub fn let_go(&mut self) {
        if let Some(journal) = &self.journal
            && std::mem::take(&mut self.holds)
        {
            journal.let_go();
            if self.up.is_some() {
                self.in_doubt.clear();
            }
        }
    }

    /// What is due happens; says when to come again.
    pub fn tick(&self) -> Option<Time> {
        self.up.as_ref().and_then(|(node, _)| node.tick())
    }

    /// Whether that session is known to live; while the server is down nobody knows.
    pub fn lives(&self, incarnation: Incarnation) -> bool {
        if incarnation.life != self.life {
            return false;
        }
        let (Some(namespace), Some((id, _))) = (self.namespace(), self.sessions.get(&incarnation.key)) else {
            return false;
        };
        namespace.read(|engine, _| engine.session(*id) == Some(incarnation.key))
    }

    /// Whether the engine has the acceptance of that grant.
    pub fn has_accept(&self, incarnation: Incarnation, op: Op) -> bool {
        self.accepted.contains(&(incarnation, op))
    }

    /// How often it has started.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Which life of the state it is.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// Which session a connection carries.
    pub fn incarnation(&self, connection: u64) -> Option<Incarnation> {
        let attached = self.attached.get(&connection)?;
        Some(Incarnation { life: self.life, key: attached.key })
    }

    /// A frame has arrived. True: something is to be sent on that connection at once.
    pub fn receive(&mut self, connection: u64, bytes: &[u8]) -> Option<pb::AttachResponse> {
        let (_, namespace) = self.up.clone()?;
        let message = pb::AttachRequest::decode(bytes).expect("the client's frames are readable");
        if let Some(hello) = message.hello {
            return Some(self.attach(connection, &namespace, hello));
        }
        let attached = self.attached.get_mut(&connection)?;
        let incarnation = Incarnation { life: self.life, key: attached.key };
        let mut commands = message.commands;
        if let Some(piece) = message.piece {
            commands.extend(attached.assembly.add(piece, usize::MAX).expect("the client's pieces fit"));
        }
        let commands = wire::requests(commands).expect("the client's commands are readable");
        let frame = Frame {
            stream: attached.stream,
            sequence: message.sequence,
            labels: message.participants.into_iter().map(|p| (ParticipantId(p.id), p.label)).collect(),
            done: message.done.iter().map(|range| wire::op_range(range).expect("a valid range")).collect(),
            refused: message.refused.into_iter().map(Op).collect(),
            requests: commands.requests,
            rejected: commands.rejected,
        };
        let current = self.sessions.get(&attached.key).is_some_and(|(id, stream)| {
            *stream == attached.stream
                && namespace.read(|engine, _| engine.session(*id) == Some(attached.key))
        });
        if current {
            for range in &frame.done {
                for op in range.first.0..=range.last.0 {
                    self.accepted.insert((incarnation, Op(op)));
                    if self.holds {
                        self.in_doubt.push((incarnation, Op(op)));
                    }
                }
            }
        }
        let executed = namespace.frame(attached.key, frame);
        (executed && message.heartbeat != 0)
            .then(|| pb::AttachResponse { heartbeat: message.heartbeat, ..Default::default() })
    }

    fn attach(
        &mut self,
        connection: u64,
        namespace: &Namespace,
        hello: pb::SessionSpec,
    ) -> pb::AttachResponse {
        let bits = |bytes: &[u8]| u128::from_be_bytes(bytes.try_into().expect("16 bytes"));
        let ttl =
            hello.ttl.and_then(|ttl| wire::duration("ttl", ttl).ok()).unwrap_or(Duration::from_secs(15));
        let id = SessionId(bits(&hello.id));
        let spec = SessionSpec {
            id,
            secret: Secret(bits(&hello.secret)),
            mode: Mode::Resumable,
            ttl,
            label: hello.label,
            host: String::new(),
            language: String::new(),
            pid: 0,
        };
        let opened = namespace.open(spec, None).expect("a session is opened");
        let mut pile = Pile::new(self.sizes);
        pile.set_reads(Reads { packs: hello.reads_packed, pieces: hello.reads_pieces });
        let sent = Arc::new(Sent { state: Mutex::new((pile, None)), received: AtomicU64::default() });
        let outbox: Arc<dyn Outbox> = sent.clone();
        let attached = namespace.attach(opened.session, outbox.clone());
        let received = attached.received;
        sent.confirm(received);
        let (key, stream) = (opened.session, attached.stream);
        self.sessions.insert(key, (id, stream));
        self.attached.insert(
            connection,
            Attachment { key, stream, sent, outbox, assembly: Assembly::default(), farewell: false },
        );
        let welcome = pb::Welcome {
            resumed: opened.resumed,
            ttl: Some(wire::duration_field(ttl)),
            protocol_version: syncbridge_proto::PROTOCOL_VERSION,
            server_version: String::new(),
            incarnation: opened.incarnation,
        };
        pb::AttachResponse { welcome: Some(welcome), received, ..Default::default() }
    }

    /// The connections that the node has something to say on: what waits there joins `begun`, if it is theirs.
    pub fn responses(
        &mut self,
        mut begun: Option<(u64, pb::AttachResponse)>,
    ) -> Vec<(u64, pb::AttachResponse)> {
        let mut responses = Vec::new();
        for (connection, attached) in &mut self.attached {
            let begun = begun.take_if(|(of, _)| of == connection).map(|(_, begun)| begun);
            let mut state = attached.sent.state.lock();
            if attached.farewell || begun.is_none() && state.0.is_empty() && state.1.is_none() {
                continue;
            }
            let mut next = Some(begun.unwrap_or_default());
            while let Some(mut response) = next.take() {
                let Taken { answers, piece, .. } = state.0.take();
                response.received = attached.sent.received.load(Ordering::Relaxed);
                response.answers = wire::answers(answers, true);
                response.piece = piece;
                if state.0.is_empty() {
                    response.farewell = state.1.take().map(pb::Error::from);
                    attached.farewell = response.farewell.is_some();
                } else {
                    next = Some(Default::default());
                }
                responses.push((*connection, response));
            }
        }
        responses
    }

    /// The server finds that the connection is gone.
    pub fn disconnect(&mut self, connection: u64) {
        if let Some(attached) = self.attached.remove(&connection)
            && let Some((_, namespace)) = &self.up
        {
            namespace.detach(attached.key, &attached.outbox);
        }
    }

    /// A client ends its session.
    pub fn close(&self, id: u128, secret: u128) {
        if let Some(namespace) = self.namespace() {
            // It may have expired before.
            let _ = namespace.close(SessionId(id), Secret(secret));
        }
    }
}
