//! A node by hand: time passes when told to, and outboxes remember.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bridge_core::command::{EndReason, Mode, queue};
use bridge_core::error::Reason;
use bridge_core::ids::{Op, OpRange, Secret, SessionId};
use bridge_core::time::Timeout;
use bridge_node::{Answer, Frame, Namespace, Outbox};
use parking_lot::Mutex;

use crate::common::*;

/// Makes a unary call and remembers its answer.
fn unary(
    namespace: &Namespace,
    key: Option<bridge_core::ids::SessionKey>,
    op: Option<u64>,
    request: bridge_core::Request,
) -> (bridge_node::UnaryCall, Arc<Mutex<Option<Answer>>>) {
    let answer = Arc::new(Mutex::new(None));
    let call = namespace.unary(key, op.map(Op), ME, request, {
        let answer = answer.clone();
        move |got| *answer.lock() = Some(got)
    });
    (call, answer)
}

fn done(first: u64, last: u64) -> Frame {
    Frame { done: vec![OpRange { first: Op(first), last: Op(last) }], ..Frame::default() }
}

#[test]
fn direct_answers_at_once_and_parks_what_waits() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let key = namespace.open(spec(1, Mode::Direct), None).unwrap().session;
    let inbox = Inbox::new();
    namespace.attach(key, inbox.clone());

    assert!(namespace.direct(key, Op(1), ME, put("a")).unwrap().outcome.is_ok());
    let got = namespace.direct(key, Op(2), ME, get()).unwrap();
    assert_eq!(value(&got), "a");
    assert!(!got.offered, "what a caller's own call is granted is accepted in that step");

    assert_eq!(namespace.direct(key, Op(3), ME, get()), None);
    assert!(namespace.direct(key, Op(4), ME, put("b")).unwrap().outcome.is_ok());
    let parked = inbox.one();
    assert_eq!((parked.op, value(&parked)), (Op(3), "b".into()));
    assert!(parked.offered, "a grant to a parked waiter waits for its thread");
}

#[test]
fn a_direct_call_of_an_ended_session_is_told_so() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let key = namespace.open(spec(1, Mode::Direct), None).unwrap().session;
    namespace.end(key, EndReason::Closed);
    assert_eq!(reason(&namespace.direct(key, Op(1), ME, get()).unwrap()), Reason::SessionExpired);
}

#[test]
fn a_frame_is_executed_in_order_and_answered_on_its_stream() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let (key, inbox) = attached(&namespace, 1);
    let requests = vec![(Op(1), ME, put("a")), (Op(2), ME, put("b")), (Op(3), ME, get())];
    namespace.frame(key, Frame { requests, ..Frame::default() });
    let answers = inbox.take();
    assert_eq!(answers.iter().map(|answer| answer.op.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(value(&answers[2]), "a");
    assert!(answers[2].offered);
}

#[test]
fn an_outbox_is_called_without_a_lock() {
    struct Curious(Arc<Namespace>, AtomicUsize);
    impl Outbox for Curious {
        fn deliver(&self, answers: &mut Vec<Answer>) {
            self.0.tick();
            self.1.fetch_add(answers.len(), Ordering::SeqCst);
            answers.clear();
        }
        fn end(&self, _: bridge_core::Error) {}
    }
    let (node, _) = node();
    let namespace = namespace(&node);
    let key = namespace.open(spec(1, Mode::Resumable), None).unwrap().session;
    let curious = Arc::new(Curious(namespace.clone(), AtomicUsize::new(0)));
    namespace.attach(key, curious.clone());
    namespace.frame(key, ask(1, put("a")));
    assert_eq!(curious.1.load(Ordering::SeqCst), 1);
}

#[test]
fn silence_ends_a_session_attached_or_not_and_any_frame_renews_it() {
    let (node, clock) = node();
    let namespace = namespace(&node);
    let (silent, its_inbox) = attached(&namespace, 1);
    let (alive, _) = attached(&namespace, 2);
    let detached = namespace.open(spec(3, Mode::Resumable), None).unwrap().session;
    namespace.frame(silent, ask(1, acquire(Timeout::NOW)));
    assert!(its_inbox.one().offered);

    clock.pass(TTL - Duration::from_secs(1));
    namespace.frame(alive, Frame::default());
    node.tick();
    assert_eq!(its_inbox.ended(), None);
    clock.pass(Duration::from_secs(1));
    node.tick();
    assert_eq!(its_inbox.ended(), Some(Reason::SessionExpired));
    assert_eq!(namespace.touch(detached).unwrap_err().reason, Reason::SessionExpired);
    assert!(namespace.touch(alive).is_ok());
    let (_, answer) = unary(&namespace, Some(alive), None, acquire(Timeout::NOW));
    assert!(answer.lock().as_ref().unwrap().outcome.is_ok(), "what it held has come back");
}

#[test]
fn the_tick_says_when_to_come_again() {
    let (node, clock) = node();
    let namespace = namespace(&node);
    assert_eq!(node.tick(), None);
    let (key, inbox) = attached(&namespace, 1);
    assert_eq!(node.tick(), Some(node.now() + TTL));
    let timeout = Duration::from_secs(2);
    namespace.frame(key, ask(1, wait_for_event(Timeout::After(timeout))));
    assert_eq!(node.tick(), Some(node.now() + timeout));
    clock.pass(timeout);
    node.tick();
    assert!(inbox.one().outcome.is_ok(), "the wait ends and says that it was not set");
}

#[test]
fn a_second_stream_takes_over_and_gets_what_is_unsettled() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let (key, first) = attached(&namespace, 1);
    namespace.frame(key, ask(1, put("a")));
    namespace.frame(key, ask(2, take(queue::Mode::Lease, Timeout::NOW)));
    assert_eq!(first.take().len(), 2);
    namespace.frame(key, done(1, 1));

    let second = Inbox::new();
    namespace.attach(key, second.clone());
    assert_eq!(first.ended(), Some(Reason::Cancelled));
    let again = second.one();
    assert_eq!((again.op, again.offered, value(&again)), (Op(2), true, "a".into()));

    let outbox: Arc<dyn Outbox> = first.clone();
    namespace.detach(key, &outbox);
    namespace.frame(key, ask(3, put("b")));
    assert_eq!(second.one().op, Op(3), "the end of the first stream does not detach the second");
    assert!(first.take().is_empty());
}

#[test]
fn a_frame_of_an_earlier_stream_is_dropped() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let key = namespace.open(spec(1, Mode::Resumable), None).unwrap().session;
    let before = namespace.attach(key, Inbox::new());
    namespace.frame(key, Frame { stream: before.stream, sequence: 1, ..ask(1, put("a")) });
    let inbox = Inbox::new();
    let now = namespace.attach(key, inbox.clone());
    assert_eq!(now.received, 1);
    inbox.take();
    namespace.frame(key, Frame { stream: before.stream, sequence: 2, ..ask(2, put("b")) });
    assert!(inbox.take().is_empty());
    assert_eq!(namespace.attach(key, Inbox::new()).received, 1);
}

#[test]
fn what_cannot_be_understood_is_answered_and_harms_nothing_else() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let (key, inbox) = attached(&namespace, 1);
    let error = bridge_core::Error::invalid("queue", "no such name");
    namespace.frame(key, Frame { rejected: vec![(Op(1), error)], ..ask(2, put("a")) });
    let answers = inbox.take();
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().any(|answer| answer.op == Op(1) && reason(answer) == Reason::InvalidArgument));
}

#[test]
fn without_a_session_a_grant_is_final_and_nothing_is_held() {
    let (node, _) = node();
    let namespace = namespace(&node);
    unary(&namespace, None, None, put("a"));
    let (call, got) = unary(&namespace, None, None, get_now());
    let got = got.lock().take().unwrap();
    assert_eq!((value(&got), got.offered), ("a".into(), false));
    namespace.cancel(call);
    let (_, nothing) = unary(&namespace, None, None, get_now());
    assert_eq!(reason(nothing.lock().as_ref().unwrap()), Reason::Empty);
    let (_, refused) = unary(&namespace, None, None, take(queue::Mode::Lease, Timeout::NOW));
    assert_eq!(reason(refused.lock().as_ref().unwrap()), Reason::SessionRequired);
}

#[test]
fn a_unary_grant_in_a_session_is_an_offer_until_it_is_settled() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let key = namespace.open(spec(1, Mode::Resumable), None).unwrap().session;
    for value in ["a", "b"] {
        unary(&namespace, None, None, put(value));
    }
    let take_one = || unary(&namespace, Some(key), None, get_now()).1.lock().take().unwrap();
    let (first, second) = (take_one(), take_one());
    assert!(first.offered && second.offered && first.op >= Op::FIRST_OF_NODE);
    let accepted = vec![OpRange { first: first.op, last: first.op }];
    namespace.settle(key, accepted, vec![second.op]).unwrap();
    let again = unary(&namespace, None, None, get_now()).1.lock().take().unwrap();
    assert_eq!(value(&again), "b", "what was refused is there again, what was accepted is not");
}

#[test]
fn a_dropped_call_is_withdrawn() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let key = namespace.open(spec(1, Mode::Resumable), None).unwrap().session;
    for session in [None, Some(key)] {
        let (call, _) = unary(&namespace, session, None, get());
        namespace.cancel(call);
        unary(&namespace, None, None, put("a"));
        let (_, got) = unary(&namespace, None, None, get_now());
        assert_eq!(value(got.lock().as_ref().unwrap()), "a", "the withdrawn call took nothing");
    }
    unary(&namespace, None, None, put("b"));
    let (call, answer) = unary(&namespace, Some(key), None, get_now());
    assert!(answer.lock().as_ref().unwrap().offered);
    namespace.cancel(call);
    let (_, got) = unary(&namespace, None, None, get_now());
    assert_eq!(value(got.lock().as_ref().unwrap()), "b", "a grant that nobody can learn of returns");
}

#[test]
fn a_call_that_is_made_again_goes_on_where_it_was() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let key = namespace.open(spec(1, Mode::Resumable), None).unwrap().session;
    let (lost, first) = unary(&namespace, Some(key), Some(7), get());
    let (_, second) = unary(&namespace, Some(key), Some(7), get());
    assert_eq!(reason(first.lock().as_ref().unwrap()), Reason::Cancelled);
    namespace.cancel(lost);
    unary(&namespace, None, None, put("a"));
    let got = second.lock().take().unwrap();
    assert_eq!((value(&got), got.offered), ("a".into(), true));
    let (_, third) = unary(&namespace, Some(key), Some(7), get());
    assert_eq!(third.lock().take().unwrap(), got, "the first answer, once more");
}

#[test]
fn the_end_of_a_session_ends_its_calls() {
    let (node, clock) = node();
    let namespace = namespace(&node);
    let key = namespace.open(spec(1, Mode::Resumable), None).unwrap().session;
    let (_, answer) = unary(&namespace, Some(key), None, get());
    clock.pass(TTL);
    node.tick();
    assert_eq!(reason(answer.lock().as_ref().unwrap()), Reason::SessionExpired);
    let (_, answer) = unary(&namespace, Some(key), None, get());
    assert_eq!(reason(answer.lock().as_ref().unwrap()), Reason::SessionExpired);
}

#[test]
fn closing_needs_the_secret() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let (_, inbox) = attached(&namespace, 1);
    assert_eq!(namespace.close(SessionId(1), Secret(2)).unwrap_err().reason, Reason::SessionDenied);
    assert_eq!(inbox.ended(), None);
    namespace.close(SessionId(1), Secret(1)).unwrap();
    assert_eq!(inbox.ended(), Some(Reason::SessionExpired));
    assert_eq!(namespace.close(SessionId(1), Secret(1)).unwrap_err().reason, Reason::SessionExpired);
}

#[test]
fn the_nodes_own_session_is_not_for_clients() {
    let (node, _) = node();
    let namespace = namespace(&node);
    unary(&namespace, None, None, put("a"));
    assert_eq!(namespace.open(spec(0, Mode::Resumable), None).unwrap_err().reason, Reason::InvalidArgument);
    assert_eq!(namespace.find(SessionId(0)), None);
    assert!(namespace.close(SessionId(0), Secret(0)).is_err());
}

#[test]
fn a_draining_node_takes_back_and_takes_nothing_new() {
    let (node, _) = node();
    let namespace = namespace(&node);
    let (key, inbox) = attached(&namespace, 1);
    namespace.frame(key, ask(1, acquire(Timeout::NOW)));
    assert!(inbox.one().offered);
    namespace.frame(key, done(1, 1));
    let other = namespace.open(spec(2, Mode::Resumable), None).unwrap().session;
    let (_, waiting) = unary(&namespace, Some(other), None, get());

    node.drain();
    assert_eq!(inbox.ended(), Some(Reason::Unavailable));
    assert_eq!(reason(waiting.lock().as_ref().unwrap()), Reason::Unavailable);
    let (_, refused) = unary(&namespace, Some(other), None, put("a"));
    assert_eq!(reason(refused.lock().as_ref().unwrap()), Reason::Unavailable);
    let (_, released) = unary(&namespace, Some(key), None, release(None));
    assert!(released.lock().as_ref().unwrap().outcome.is_ok());
    assert_eq!(namespace.open(spec(3, Mode::Resumable), None).unwrap_err().reason, Reason::Unavailable);
}

#[test]
fn namespaces_are_bounded_and_apart() {
    let clock = ManualClock::new();
    let config = bridge_node::Config { namespaces_max: 2, ..Default::default() };
    let node = bridge_node::Node::new(config, clock);
    let name = |name: &str| bridge_core::ids::Name::parse("namespace", name).unwrap();
    let (a, b) = (node.namespace(&name("a")).unwrap(), node.namespace(&name("b")).unwrap());
    assert_eq!(node.namespace(&name("c")).err().unwrap().reason, Reason::LimitExceeded);
    unary(&a, None, None, put("x"));
    assert_eq!(reason(unary(&b, None, None, get_now()).1.lock().as_ref().unwrap()), Reason::Empty);
    let key = b.open(spec(9, Mode::Resumable), None).unwrap().session;
    assert_eq!(node.session(SessionId(9), None).map(|(n, k)| (n.name().clone(), k)), Some((name("b"), key)));
    assert!(node.session(SessionId(9), Some(&name("a"))).is_none());
}

#[test]
fn a_stall_is_told_once_nothing_has_happened_for_ten_seconds() {
    let (node, clock) = node();
    let namespace = namespace(&node);
    let [(one, _), (two, _)] = [1, 2].map(|id| attached(&namespace, id));
    namespace.frame(one, ask(1, acquire(Timeout::NOW)));
    namespace.frame(one, Frame { requests: vec![(Op(2), ME, get())], ..done(1, 1) });
    namespace.frame(two, ask(1, acquire(Timeout::Never)));
    clock.pass(Duration::from_secs(9));
    node.tick();
    assert!(namespace.stall().is_none());
    clock.pass(Duration::from_secs(1));
    node.tick();
    let (_, stall) = namespace.stall().expect("both wait");
    assert_eq!(stall.participants, 2);
    assert!(stall.to_string().contains("waits for semaphore"), "{stall}");
    namespace.frame(one, ask(3, put("x")));
    assert!(namespace.stall().is_none(), "something has happened");
}
