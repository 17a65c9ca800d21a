//! A client that does not read what its stream brings, and one that sends something large very slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bridge_core::command::{Command, Mode, Query, Reply, Request, queue};
use bridge_core::error::{Error, Reason};
use bridge_core::ids::{Op, SessionKey};
use bridge_core::payload::ContentType;
use bridge_core::time::Timeout;
use bridge_core::{Engine, Payload};
use bridge_node::journal::{Journal, Position, Recording, replay};
use bridge_node::{Answer, Attached, Backlog, Config, Frame, Namespace, Node, Outbox, weight};
use parking_lot::Mutex;

use crate::common::*;

const PAUSE_ABOVE: usize = 10_000;
const RESERVE: usize = 2_000;
const ITEM_BYTES: usize = 1_000;

/// What a client has not read yet.
struct Unread {
    answers: Mutex<Vec<Answer>>,
    backlog: Backlog,
    silent_secs: AtomicU64,
}

impl Outbox for Unread {
    fn deliver(&self, answers: &mut Vec<Answer>) {
        self.answers.lock().append(answers);
    }

    fn end(&self, _why: Error) {}

    fn backlog(&self) -> Option<&Backlog> {
        Some(&self.backlog)
    }

    fn silent_for(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.silent_secs.load(Ordering::SeqCst)))
    }
}

/// A session whose client reads when told to.
struct Slow {
    namespace: Arc<Namespace>,
    key: SessionKey,
    attached: Attached,
    unread: Arc<Unread>,
}

impl Slow {
    fn attach(namespace: &Arc<Namespace>, id: u128) -> Slow {
        let key = namespace.open(spec(id, Mode::Resumable), None).unwrap().session;
        let unread = Arc::new(Unread {
            answers: Mutex::default(),
            backlog: Backlog::new(PAUSE_ABOVE, RESERVE),
            silent_secs: AtomicU64::new(u64::from(u32::MAX)),
        });
        let attached = namespace.attach(key, unread.clone());
        Slow { namespace: namespace.clone(), key, attached, unread }
    }

    fn unread(&self) -> usize {
        self.unread.answers.lock().len()
    }

    /// Reads all there is, and what comes of that, and says what was taken.
    fn read(&self) -> Vec<Answer> {
        let mut read = Vec::new();
        loop {
            let answers = std::mem::take(&mut *self.unread.answers.lock());
            if answers.is_empty() {
                return read;
            }
            let bytes = answers.iter().map(|answer| weight(&answer.outcome)).sum();
            read.extend(answers);
            if self.unread.backlog.left(bytes) {
                self.namespace.unpause(self.key, self.attached.stream);
            }
        }
    }

    fn is_paused(&self) -> bool {
        self.namespace.read(|engine, _| engine.sessions_page(None, 10).iter().any(|session| session.paused))
    }
}

fn large() -> Request {
    let payload = Payload::new(ContentType::Bytes, vec![7; ITEM_BYTES]);
    let item = queue::NewItem::new(payload);
    Request::Command(Command::Queue(target("q"), queue::Command::Put { item, timeout: Timeout::NOW }))
}

fn describe() -> Request {
    Request::Query(Query::Queue(target("q"), queue::Query::Describe))
}

fn frame(requests: impl IntoIterator<Item = (u64, Request)>) -> Frame {
    let requests = requests.into_iter().map(|(op, request)| (Op(op), ME, request)).collect();
    Frame { requests, ..Frame::default() }
}

fn ready(namespace: &Namespace, key: SessionKey, inbox: &Inbox) -> u64 {
    namespace.frame(key, ask(9_999, describe()));
    match inbox.one().outcome {
        Ok(Reply::Queue(queue::Reply::Described(figures))) => figures.ready,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_that_does_not_read_is_given_no_more_and_can_still_release() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let slow = Slow::attach(&namespace, 1);
    let (other, inbox) = attached(&namespace, 2);
    namespace.frame(slow.key, ask(1, acquire(Timeout::NOW)));
    namespace.frame(slow.key, frame((2..102).map(|op| (op, get()))));
    namespace.frame(other, ask(1, acquire(Timeout::Never)));
    namespace.frame(other, frame((2..102).map(|op| (op, large()))));
    assert_eq!(inbox.take().len(), 100);
    assert!(slow.is_paused());
    let granted = slow.unread() - 1;
    assert!(granted < 12, "the rest waits: {granted}");
    assert_eq!(ready(&namespace, other, &inbox), 100 - granted as u64);

    namespace.frame(other, ask(200, get()));
    assert_eq!(value(&inbox.one()).len(), ITEM_BYTES, "others are served");
    namespace.frame(slow.key, ask(102, release(None)));
    assert_eq!(inbox.one().op, Op(1), "a release gets through");
    let cancelled = Request::Command(Command::Cancel(Op(101)));
    namespace.frame(slow.key, ask(103, cancelled));
    assert!(!slow.unread.backlog.is_full());

    let read = slow.read();
    assert!(!slow.is_paused());
    let taken = |answer: &&Answer| (2..101).contains(&answer.op.0) && answer.outcome.is_ok();
    assert_eq!(read.iter().filter(taken).count(), 99, "it has its places in line");
    assert_eq!(ready(&namespace, other, &inbox), 0);
}

#[test]
fn one_frame_does_not_take_beyond_the_bound() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let slow = Slow::attach(&namespace, 1);
    namespace.frame(slow.key, frame((1..101).map(|op| (op, large()))));
    slow.read();
    namespace.frame(slow.key, frame((101..201).map(|op| (op, get()))));
    assert!(slow.unread.backlog.bytes() < PAUSE_ABOVE + 2 * ITEM_BYTES);
    assert_eq!(slow.read().iter().filter(|answer| answer.offered).count(), 100);
}

#[test]
fn reads_wait_for_the_reader_and_are_bounded() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let slow = Slow::attach(&namespace, 1);
    namespace.frame(slow.key, frame((1..31).map(|op| (op, large()))));
    slow.read();
    namespace.frame(slow.key, frame((31..61).map(|op| (op, get()))));
    let before = slow.unread();
    let max = bridge_core::limits::PAUSED_READS_MAX as u64;
    namespace.frame(slow.key, frame((100..100 + max).map(|op| (op, describe()))));
    assert_eq!(slow.unread(), before, "they wait");
    namespace.frame(slow.key, ask(5_000, describe()));
    let refused = slow.unread.answers.lock().last().cloned().unwrap();
    assert_eq!((refused.op, reason(&refused)), (Op(5_000), Reason::LimitExceeded));
    let read = slow.read();
    assert_eq!(
        read.iter().filter(|a| (100..100 + max).contains(&a.op.0) && a.outcome.is_ok()).count() as u64,
        max
    );
}

#[test]
fn a_new_stream_begins_unpaused_and_asks_anew() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let slow = Slow::attach(&namespace, 1);
    namespace.frame(slow.key, frame((1..31).map(|op| (op, large()))));
    slow.read();
    namespace.frame(
        slow.key,
        Frame { done: vec![bridge_core::ids::OpRange { first: Op(1), last: Op(30) }], ..Frame::default() },
    );
    namespace.frame(slow.key, frame((31..61).map(|op| (op, get())).chain([(61, describe())])));
    assert!(slow.is_paused());
    let inbox = Inbox::new();
    namespace.attach(slow.key, inbox.clone());
    assert!(!slow.is_paused());
    let mut ops: Vec<_> = inbox.take().into_iter().map(|answer| answer.op.0).collect();
    ops.sort_unstable();
    assert_eq!(ops, (31..61).collect::<Vec<_>>(), "what was offered, then what was passed over");
    assert!(!ops.contains(&61), "the client asks that again");
    namespace.unpause(slow.key, slow.attached.stream);
}

#[test]
fn a_pause_is_in_the_journal() {
    let recording = Arc::new(Recording::new());
    let journal = recording.clone();
    let config = Config { journals: Arc::new(move |_| journal.clone()), ..Config::default() };
    let node = Node::new(config, ManualClock::new());
    let namespace = namespace(&node);
    let slow = Slow::attach(&namespace, 1);
    namespace.frame(slow.key, frame((1..31).map(|op| (op, large()))));
    slow.read();
    namespace.frame(slow.key, frame((31..61).map(|op| (op, get()))));
    assert!(slow.is_paused());
    let same = || {
        let records = recording.read(Position(1)).unwrap();
        replay(&records, |_, _| {}).unwrap().state_hash()
            == namespace.read(|engine: &Engine, _| engine.state_hash())
    };
    assert!(same());
    slow.read();
    assert!(!slow.is_paused() && same());
}

#[test]
fn whatever_arrives_is_a_sign_of_life() {
    let (node, clock) = node();
    let namespace = namespace(&node);
    let sending = Slow::attach(&namespace, 1);
    let silent = Slow::attach(&namespace, 2);
    sending.unread.silent_secs.store(1, Ordering::SeqCst);
    for _ in 0..3 {
        clock.pass(TTL);
        node.tick();
        assert!(namespace.read(|engine, _| engine.session(spec(1, Mode::Resumable).id)).is_some());
        assert!(namespace.read(|engine, _| engine.session(spec(2, Mode::Resumable).id)).is_none());
    }
    // The connection is lost: it lives for its time to live from the last byte, not from the last frame.
    let outbox: Arc<dyn Outbox> = sending.unread.clone();
    namespace.detach(sending.key, &outbox);
    clock.pass(TTL - Duration::from_secs(2));
    node.tick();
    assert!(namespace.touch(sending.key).is_ok());
    drop(silent);
}
