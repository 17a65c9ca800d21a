//! A node, clients, and the streams between them, all in one thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bridge_core::command::{Command, Mode, SessionSpec, queue, semaphore};
use bridge_core::ids::{Name, Op, ParticipantId, Secret, SessionId, SessionKey};
use bridge_core::payload::ContentType;
use bridge_core::{Error, Limits, Outcome, Payload, Query, Reply, Request, Time, Timeout, wire};
use bridge_node::{Answer, Clock, Config, Frame, Namespace, Node, Outbox};
use bytes::Bytes;
use prost::Message;
use std::sync::Mutex;
use syncbridge_proto::pieces::Assembly;
use syncbridge_proto::v1 as pb;

use super::super::{Completions, Session, Settle, Slot, Submission, Verdict};
use crate::mutex::lock;
use crate::object::{Declaration, Object, Origin};

pub(super) const TTL: Duration = Duration::from_secs(15);

/// The time, as the test says.
pub(super) struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// One stream of one client: what is in flight in both directions, and the server's half of it.
struct Stream {
    outbox: Arc<Sent>,
    dynamic: Arc<dyn Outbox>,
    key: Option<SessionKey>,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    assembly: Assembly,
}

/// What the node has to say on a stream.
#[derive(Default)]
struct Sent(Mutex<(Vec<Answer>, Option<Error>)>);

impl Outbox for Sent {
    fn deliver(&self, answers: &mut Vec<Answer>) {
        lock(&self.0).0.append(answers);
    }

    fn end(&self, why: Error) {
        lock(&self.0).1 = Some(why);
    }
}

pub(super) struct Client {
    pub(super) session: Session,
    id: u128,
    stream: Option<Stream>,
    /// The server's: the last frame of the session that it has executed, and of which session.
    received: (Option<SessionKey>, u64),
    pub(super) queue: Arc<Object>,
    pub(super) semaphore: Arc<Object>,
    pub(super) lock: Arc<Object>,
    pub(super) condition: Arc<Object>,
}

pub(super) struct World {
    clock: Arc<Hands>,
    node: Arc<Node>,
    pub(super) namespace: Arc<Namespace>,
    pub(super) clients: Vec<Client>,
}

impl World {
    fn new(clients: usize, limits: Limits) -> Self {
        let clock = Arc::new(Hands(AtomicU64::new(1_000_000)));
        let (node, namespace) = Self::node(&clock, limits);
        let clients = (1..=clients as u128).map(Client::new).collect();
        World { clock, node, namespace, clients }
    }

    fn node(clock: &Arc<Hands>, limits: Limits) -> (Arc<Node>, Arc<Namespace>) {
        let node = Node::new(Config { limits, ..Config::default() }, clock.clone());
        let namespace = node.namespace(&Name::parse("namespace", "test").unwrap()).unwrap();
        (node, namespace)
    }

    /// The server dies and another takes its place, with nothing on disk.
    pub(super) fn restart(&mut self) {
        (0..self.clients.len()).for_each(|client| self.cut(client));
        self.advance(Duration::from_millis(10));
        (self.node, self.namespace) = Self::node(&self.clock, Limits::default());
        for client in &mut self.clients {
            client.received = (None, 0);
        }
    }

    /// As [`World::restart`], and the first stream of the new session breaks as soon as its calls have left. They leave again in
    /// the order of their numbers, so that waits come before the declarations of their objects.
    pub(super) fn restart_and_break(&mut self, client: usize) {
        self.restart();
        self.connect(client);
        self.send(client);
        assert!(self.arrive(client) && self.receive(client), "it is welcomed");
        self.send(client);
        self.cut(client);
        self.connect(client);
        self.exchange(client);
    }

    /// What the server keeps for all of them.
    pub(super) fn stored_answers(&self) -> u64 {
        let page = self.namespace.read(|engine, _| engine.sessions_page(None, 100));
        page.iter().map(|session| session.stored_answers).sum()
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Time passes for everybody.
    pub(super) fn advance(&mut self, by: Duration) {
        self.clock.0.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
        self.node.tick();
        for client in 0..self.clients.len() {
            self.on_time(client);
        }
    }

    /// Time passes for everybody but that client, whose process is stopped.
    pub(super) fn advance_without(&mut self, stopped: usize, by: Duration) {
        let end = self.now() + by;
        while self.now() < end {
            self.clock.0.fetch_add(100_000, Ordering::Relaxed);
            self.node.tick();
            for client in (0..self.clients.len()).filter(|client| *client != stopped) {
                self.on_time(client);
                self.exchange(client);
            }
        }
    }

    fn on_time(&mut self, client: usize) {
        let now = self.now();
        let mut completions = Completions::default();
        match self.clients[client].session.on_time(now, &mut completions) {
            Verdict::Reconnect(_) => self.cut(client),
            verdict => assert_eq!(verdict, Verdict::Continue),
        }
        completions.deliver();
    }

    pub(super) fn connect(&mut self, client: usize) {
        let now = self.now();
        let client = &mut self.clients[client];
        assert!(client.stream.is_none());
        let outbox = Arc::<Sent>::default();
        let dynamic: Arc<dyn Outbox> = outbox.clone();
        client.stream = Some(Stream {
            outbox,
            dynamic,
            key: None,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            assembly: Assembly::default(),
        });
        client.session.on_connected(now);
    }

    /// The stream breaks; what is in flight is lost.
    pub(super) fn cut(&mut self, client: usize) {
        let now = self.now();
        let client = &mut self.clients[client];
        let Some(stream) = client.stream.take() else { return };
        if let Some(key) = stream.key {
            self.namespace.detach(key, &stream.dynamic);
        }
        client.session.on_lost(now);
    }

    pub(super) fn is_connected(&self, client: usize) -> bool {
        self.clients[client].stream.is_some()
    }

    /// The client sends what it has.
    pub(super) fn send(&mut self, client: usize) {
        let now = self.now();
        let client = &mut self.clients[client];
        let Some(stream) = &mut client.stream else { return };
        while let Some(frame) = next_frame(&mut client.session, now) {
            stream.to_server.push_back(frame.encode_to_vec());
        }
    }

    /// One frame reaches the server, which answers with what it has. False: there was none.
    pub(super) fn arrive(&mut self, client: usize) -> bool {
        let client = &mut self.clients[client];
        let Some(stream) = &mut client.stream else { return false };
        let Some(frame) = stream.to_server.pop_front() else { return false };
        let frame = pb::AttachRequest::decode(&*frame).unwrap();
        let mut response = pb::AttachResponse { heartbeat: frame.heartbeat, ..Default::default() };
        if let Some(hello) = frame.hello {
            let spec = SessionSpec {
                id: SessionId(client.id),
                secret: Secret(1),
                mode: Mode::Resumable,
                ttl: TTL,
                label: hello.label,
                host: String::new(),
                language: String::new(),
                pid: 0,
            };
            let opened = self.namespace.open(spec, None).unwrap();
            if client.received.0 != Some(opened.session) {
                client.received = (Some(opened.session), 0);
            }
            stream.key = Some(opened.session);
            self.namespace.attach(opened.session, stream.dynamic.clone());
            response.welcome = Some(pb::Welcome {
                resumed: opened.resumed,
                ttl: Some(wire::duration_field(TTL)),
                protocol_version: syncbridge_proto::PROTOCOL_VERSION,
                server_version: String::new(),
                incarnation: opened.incarnation,
            });
        } else {
            assert_eq!(frame.sequence, client.received.1 + 1, "frames are numbered in a row");
            client.received.1 = frame.sequence;
            let mut commands = frame.commands;
            if let Some(piece) = frame.piece {
                commands.extend(stream.assembly.add(piece, usize::MAX).unwrap());
            }
            let wire::Requests { requests, rejected } = wire::requests(commands).unwrap();
            assert_eq!(rejected, []);
            self.namespace.frame(
                stream.key.unwrap(),
                Frame {
                    labels: frame
                        .participants
                        .into_iter()
                        .map(|participant| (ParticipantId(participant.id), participant.label))
                        .collect(),
                    done: frame.done.iter().map(|range| wire::op_range(range).unwrap()).collect(),
                    refused: frame.refused.into_iter().map(Op).collect(),
                    requests,
                    ..Frame::default()
                },
            );
        }
        response.received = client.received.1;
        Self::answer(stream, &mut response);
        stream.to_client.push_back(response.encode_to_vec());
        true
    }

    fn answer(stream: &Stream, response: &mut pb::AttachResponse) {
        let mut sent = lock(&stream.outbox.0);
        let answers = sent.0.drain(..).map(|answer| (answer.op, answer.outcome)).collect();
        response.answers = wire::answers(answers, true);
        response.farewell = sent.1.take().map(pb::Error::from);
    }

    /// The server pushes what has become ready by others' doing.
    pub(super) fn push(&mut self, client: usize) {
        let client = &mut self.clients[client];
        let Some(stream) = &mut client.stream else { return };
        let mut response = pb::AttachResponse { received: client.received.1, ..Default::default() };
        Self::answer(stream, &mut response);
        if !response.answers.is_empty() || response.farewell.is_some() {
            stream.to_client.push_back(response.encode_to_vec());
        }
    }

    /// One frame reaches the client. False: there was none.
    pub(super) fn receive(&mut self, client: usize) -> bool {
        let now = self.now();
        let mine = &mut self.clients[client];
        let Some(stream) = &mut mine.stream else { return false };
        let Some(frame) = stream.to_client.pop_front() else { return false };
        let mut completions = Completions::default();
        let frame = pb::AttachResponse::decode(&*frame).unwrap();
        let verdict = mine.session.on_frame(now, frame, &mut completions);
        completions.deliver();
        match verdict {
            Verdict::Continue => {}
            Verdict::Reconnect(_) => self.cut(client),
            Verdict::Fatal(error) => panic!("{error}"),
        }
        true
    }

    /// Everything that is on its way arrives.
    pub(super) fn exchange(&mut self, client: usize) {
        loop {
            self.send(client);
            self.push(client);
            let arrived = self.arrive(client);
            if !self.receive(client) && !arrived {
                return;
            }
        }
    }

    pub(super) fn exchange_all(&mut self) {
        (0..self.clients.len()).for_each(|client| self.exchange(client));
    }

    pub(super) fn submit(&mut self, client: usize, object: Which, request: Request) -> Arc<Slot> {
        self.submit_by(ParticipantId(0), client, object, request)
    }

    pub(super) fn submit_by(
        &mut self,
        who: ParticipantId,
        client: usize,
        object: Which,
        request: Request,
    ) -> Arc<Slot> {
        let now = self.now();
        let client = &mut self.clients[client];
        let object = match object {
            Which::Queue => client.queue.clone(),
            Which::Semaphore => client.semaphore.clone(),
            Which::Lock => client.lock.clone(),
            Which::Condition => client.condition.clone(),
        };
        client.session.submit(now, Submission { who, object, request })
    }

    pub(super) fn put(&mut self, client: usize, n: u64, timeout: Timeout) -> Arc<Slot> {
        let payload = Payload::new(ContentType::Bytes, Bytes::copy_from_slice(&n.to_be_bytes()));
        let item = queue::NewItem::new(payload);
        self.queue(client, queue::Command::Put { item, timeout })
    }

    pub(super) fn take(&mut self, client: usize, mode: queue::Mode, timeout: Timeout) -> Arc<Slot> {
        self.queue(
            client,
            queue::Command::Take { taking: queue::Taking::new(mode, queue::Batch::ONE), timeout },
        )
    }

    pub(super) fn queue(&mut self, client: usize, command: queue::Command) -> Arc<Slot> {
        let target = self.clients[client].queue.target();
        self.submit(client, Which::Queue, Request::Command(Command::Queue(target, command)))
    }

    pub(super) fn acquire(&mut self, client: usize, by_token: bool) -> Arc<Slot> {
        let acquire = semaphore::Acquire { permits: 1, by_token, barge: false, timeout: Timeout::Never };
        self.semaphore(client, semaphore::Command::Acquire(acquire))
    }

    pub(super) fn semaphore(&mut self, client: usize, command: semaphore::Command) -> Arc<Slot> {
        let target = self.clients[client].semaphore.target();
        self.submit(client, Which::Semaphore, Request::Command(Command::Semaphore(target, command)))
    }

    pub(super) fn lock(&mut self, client: usize, command: bridge_core::command::lock::Command) -> Arc<Slot> {
        let target = self.clients[client].lock.target();
        self.submit(client, Which::Lock, Request::Command(Command::Lock(target, command)))
    }

    pub(super) fn condition(
        &mut self,
        client: usize,
        command: bridge_core::command::condition::Command,
    ) -> Arc<Slot> {
        let target = self.clients[client].condition.target();
        self.submit(client, Which::Condition, Request::Command(Command::Condition(target, command)))
    }

    /// Sends the command that creates an object.
    pub(super) fn declare(&mut self, client: usize, object: Which) {
        let declare = match object {
            Which::Queue => self.clients[client].queue.declare(),
            Which::Semaphore => self.clients[client].semaphore.declare(),
            Which::Lock => self.clients[client].lock.declare(),
            Which::Condition => self.clients[client].condition.declare(),
        };
        let slot = self.submit(client, object, declare);
        self.exchange(client);
        assert!(self.accept(client, &slot).is_some_and(|outcome| outcome.is_ok()), "it is not declared");
    }

    /// What is READY in the queue.
    pub(super) fn ready_items(&mut self, client: usize) -> u64 {
        let target = self.clients[client].queue.target();
        let query = Request::Query(Query::Queue(target, queue::Query::Describe));
        let slot = self.submit(client, Which::Queue, query);
        self.exchange(client);
        match self.accept(client, &slot) {
            Some(Ok(Reply::Queue(queue::Reply::Described(figures)))) => figures.ready,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn declare_all(&mut self, client: usize) -> Vec<Arc<Slot>> {
        let objects = [
            (Which::Queue, &self.clients[client].queue),
            (Which::Semaphore, &self.clients[client].semaphore),
        ]
        .map(|(which, object)| (which, object.declare()));
        objects.into_iter().map(|(which, declare)| self.submit(client, which, declare)).collect()
    }

    /// What is in the slot, accepted if it is a grant.
    pub(super) fn accept(&mut self, client: usize, slot: &Slot) -> Option<Outcome> {
        let now = self.now();
        let session = &mut self.clients[client].session;
        let answered = session.claim(now, slot)?;
        if answered.offered {
            session.settle(now, answered.op, Settle::Accept).unwrap();
        }
        Some(answered.outcome)
    }

    /// The client may have so many bytes of payloads under way.
    pub(super) fn bound(&mut self, client: usize, bytes: usize) {
        self.clients[client].session.room.max = bytes;
    }

    /// A client that is connected, has declared its objects, and is idle.
    pub(super) fn ready(clients: usize) -> Self {
        Self::ready_within(clients, Limits::default())
    }

    /// The same, with a server that has these limits until it restarts.
    pub(super) fn ready_within(clients: usize, limits: Limits) -> Self {
        let mut world = World::new(clients, limits);
        for client in 0..clients {
            world.connect(client);
            let slots = world.declare_all(client);
            world.exchange(client);
            for slot in slots {
                world.accept(client, &slot).unwrap().unwrap();
            }
        }
        world.exchange_all();
        world
    }
}

#[derive(Clone, Copy)]
pub(super) enum Which {
    Queue,
    Semaphore,
    Lock,
    Condition,
}

impl Client {
    fn new(id: u128) -> Self {
        let hello = pb::SessionSpec {
            id: id.to_be_bytes().to_vec().into(),
            ttl: Some(wire::duration_field(TTL)),
            ..Default::default()
        };
        let name = |name| Name::parse("name", name).unwrap();
        let queue = queue::Options { maxsize: Some(4), ..Default::default() };
        let semaphore = semaphore::Options { limit: Some(1), ..Default::default() };
        let lock = Declaration::Lock(bridge_core::command::lock::Options::default());
        let lock = Arc::new(Object::new(name("l"), lock, Origin::Named));
        let of_lock = Declaration::Condition(lock.clone(), Default::default());
        Client {
            session: Session::new(hello),
            id,
            stream: None,
            received: (None, 0),
            queue: Arc::new(Object::new(name("q"), Declaration::Queue(queue), Origin::Named)),
            semaphore: Arc::new(Object::new(name("s"), Declaration::Semaphore(semaphore), Origin::Named)),
            condition: Arc::new(Object::new(name("c"), of_lock, Origin::Named)),
            lock,
        }
    }
}

/// The number that a taken item carries.
pub(super) fn number(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Ok(bridge_core::Reply::Queue(queue::Reply::Taken(taken))) => {
            match &taken.deliveries[0].payload.body {
                bridge_core::payload::Body::Bytes(bytes) => {
                    Some(u64::from_be_bytes(bytes[..].try_into().unwrap()))
                }
                bridge_core::payload::Body::Local(_) => None,
            }
        }
        _ => None,
    }
}

/// The next frame, which is there only where it was to be expected.
fn next_frame(session: &mut Session, now: Time) -> Option<pb::AttachRequest> {
    let expected = session.may_have_frame(now);
    let frame = session.next_frame(now);
    assert!(expected || frame.is_none(), "{frame:?} would have stayed behind");
    frame
}
