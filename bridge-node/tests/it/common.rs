//! A clock by hand, outboxes that remember, and short ways to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bridge_core::command::{Command, Mode, Reply, Request, SessionSpec, event, queue, semaphore};
use bridge_core::error::{Error, Reason};
use bridge_core::ids::{Name, Op, ParticipantId, Secret, SessionId, SessionKey, Target, Token};
use bridge_core::payload::ContentType;
use bridge_core::time::Timeout;
use bridge_core::{Payload, Time};
use bridge_node::{Answer, Clock, Config, Frame, Namespace, Node, Outbox};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

/// Time passes when it is told to.
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(ManualClock(AtomicU64::new(1_700_000_000_000_000)))
    }

    pub(crate) fn pass(&self, duration: Duration) {
        self.0.fetch_add(duration.as_micros() as u64, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// An outbox that remembers.
#[derive(Default)]
pub(crate) struct Inbox {
    got: Mutex<(Vec<Answer>, Option<Error>)>,
    confirmed: AtomicU64,
    came: Condvar,
}

impl Inbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn take(&self) -> Vec<Answer> {
        std::mem::take(&mut self.got.lock().0)
    }

    /// The only answer there is.
    pub(crate) fn one(&self) -> Answer {
        let mut answers = self.take();
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    /// The last frame that was confirmed.
    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    pub(crate) fn ended(&self) -> Option<Reason> {
        self.got.lock().1.as_ref().map(|error| error.reason)
    }

    /// Waits, where another thread brings it.
    pub(crate) fn wait(&self, done: impl Fn(&[Answer], &Option<Error>) -> bool) {
        let mut got = self.got.lock();
        while !done(&got.0, &got.1) {
            let late = self.came.wait_for(&mut got, Duration::from_secs(10)).timed_out();
            assert!(!late, "nothing came: {:?}", *got);
        }
    }
}

impl Outbox for Inbox {
    fn deliver(&self, answers: &mut Vec<Answer>) {
        self.got.lock().0.append(answers);
        self.came.notify_all();
    }

    fn confirm(&self, sequence: u64) {
        self.confirmed.store(sequence, Ordering::Relaxed);
    }

    fn end(&self, why: Error) {
        self.got.lock().1 = Some(why);
        self.came.notify_all();
    }
}

pub(crate) const TTL: Duration = Duration::from_secs(15);
pub(crate) const ME: ParticipantId = ParticipantId(0);

pub(crate) fn node() -> (Arc<Node>, Arc<ManualClock>) {
    let clock = ManualClock::new();
    (Node::new(Config::default(), clock.clone()), clock)
}

pub(crate) fn namespace(node: &Node) -> Arc<Namespace> {
    node.namespace(&Name::parse("namespace", "default").unwrap()).unwrap()
}

pub(crate) fn spec(id: u128, mode: Mode) -> SessionSpec {
    SessionSpec {
        id: SessionId(id),
        secret: Secret(id),
        mode,
        ttl: TTL,
        label: format!("test {id}"),
        host: "here".into(),
        language: "rust".into(),
        pid: 1,
    }
}

/// A session with a stream.
pub(crate) fn attached(namespace: &Namespace, id: u128) -> (SessionKey, Arc<Inbox>) {
    let key = namespace.open(spec(id, Mode::Resumable), None).unwrap().session;
    let inbox = Inbox::new();
    namespace.attach(key, inbox.clone());
    (key, inbox)
}

pub(crate) fn target(name: &str) -> Target {
    Target::Name(Name::parse("name", name).unwrap())
}

pub(crate) fn put(value: &'static str) -> Request {
    let payload = Payload::new(ContentType::Text, Bytes::from_static(value.as_bytes()));
    let item = queue::NewItem::new(payload);
    Request::Command(Command::Queue(target("q"), queue::Command::Put { item, timeout: Timeout::NOW }))
}

pub(crate) fn take(mode: queue::Mode, timeout: Timeout) -> Request {
    let batch = queue::Batch::ONE;
    Request::Command(Command::Queue(
        target("q"),
        queue::Command::Take { taking: queue::Taking::new(mode, batch), timeout },
    ))
}

pub(crate) fn get() -> Request {
    take(queue::Mode::Get, Timeout::Never)
}

pub(crate) fn get_now() -> Request {
    take(queue::Mode::Get, Timeout::NOW)
}

pub(crate) fn acquire(timeout: Timeout) -> Request {
    let acquire = semaphore::Acquire { permits: 1, by_token: false, barge: false, timeout };
    Request::Command(Command::Semaphore(target("s"), semaphore::Command::Acquire(acquire)))
}

pub(crate) fn release(token: Option<Token>) -> Request {
    Request::Command(Command::Semaphore(target("s"), semaphore::Command::Release { permits: 1, token }))
}

pub(crate) fn wait_for_event(timeout: Timeout) -> Request {
    Request::Command(Command::Event(target("e"), event::Command::Wait { timeout, after: None }))
}

pub(crate) fn ask(op: u64, request: Request) -> Frame {
    Frame { requests: vec![(Op(op), ME, request)], ..Frame::default() }
}

/// The value that was taken.
pub(crate) fn value(answer: &Answer) -> Bytes {
    match &answer.outcome {
        Ok(Reply::Queue(queue::Reply::Taken(taken))) => match &taken.deliveries[0].payload.body {
            bridge_core::payload::Body::Bytes(bytes) => bytes.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("nothing was taken: {other:?}"),
    }
}

pub(crate) fn reason(answer: &Answer) -> Reason {
    answer.outcome.as_ref().expect_err("it went well").reason
}
