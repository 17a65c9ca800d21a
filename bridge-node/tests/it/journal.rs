//! The journal: what was recorded replays to the same state, and nothing leaves before it is durable.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::{Mode, queue};
use bridge_core::error::Reason;
use bridge_core::ids::{Op, OpRange};
use bridge_core::time::Timeout;
use bridge_node::journal::{self, Journal, Noop, Position, Recording, Snapshot};
use bridge_node::{Config, Frame, Node};
use bytes::Bytes;

use crate::common::*;

fn recorded(journal: &Recording, clock: Arc<ManualClock>) -> Arc<Node> {
    let journal = journal.clone();
    let config = Config { journals: Arc::new(move |_| Arc::new(journal.clone())), ..Config::default() };
    Node::new(config, clock)
}

#[test]
fn a_recording_replays_to_the_same_state() {
    let (journal, clock) = (Recording::new(), ManualClock::new());
    let node = recorded(&journal, clock.clone());
    let namespace = namespace(&node);
    let (one, _) = attached(&namespace, 1);
    let (two, inbox) = attached(&namespace, 2);
    let check = || {
        let replayed = journal::replay(&journal.records(), |_, _| {}).unwrap();
        namespace.read(|engine, _| assert_eq!(engine.state_hash(), replayed.state_hash()));
    };
    for round in 0..40u64 {
        let op = 10 * round + 1;
        namespace.frame(one, ask(op, put("a")));
        namespace.frame(one, ask(op + 1, wait_for_event(Timeout::After(Duration::from_millis(round)))));
        namespace.frame(two, ask(op, take(queue::Mode::Lease, Timeout::Never)));
        namespace.frame(two, ask(op + 1, acquire(Timeout::After(Duration::from_millis(3)))));
        for answer in inbox.take() {
            let settle = match answer.op.0 % 3 {
                0 => Frame { refused: vec![answer.op], ..Frame::default() },
                _ => Frame { done: vec![OpRange { first: answer.op, last: answer.op }], ..Frame::default() },
            };
            namespace.frame(two, settle);
        }
        namespace.unary(Some(one), None, ME, release(None), |_| {});
        clock.pass(Duration::from_millis(7));
        node.tick();
        check();
    }
    clock.pass(TTL);
    node.tick();
    check();
}

#[test]
fn nothing_leaves_before_it_is_durable() {
    let (journal, clock) = (Recording::new(), ManualClock::new());
    let node = recorded(&journal, clock);
    let namespace = namespace(&node);
    let (key, inbox) = attached(&namespace, 1);
    journal.hold();
    namespace.frame(key, ask(1, put("a")));
    namespace.frame(key, ask(2, get_now()));
    assert!(inbox.take().is_empty());
    journal.let_go();
    let answers = inbox.take();
    assert_eq!(answers.iter().map(|answer| answer.op.0).collect::<Vec<_>>(), [1, 2]);
}

/// Semantics 0: what was gotten is gone once its acceptance has reached the server.
#[test]
fn an_acceptance_is_made_durable_though_nothing_answers_it() {
    let (journal, clock) = (Recording::new(), ManualClock::new());
    let node = recorded(&journal, clock);
    let namespace = namespace(&node);
    let (key, inbox) = attached(&namespace, 1);
    namespace.frame(key, ask(1, put("a")));
    namespace.frame(key, ask(2, get_now()));
    assert_eq!(inbox.take().len(), 2);
    namespace.frame(key, Frame { done: vec![OpRange { first: Op(1), last: Op(2) }], ..Frame::default() });
    assert_eq!(journal.durable().unwrap().0, journal.records().len() as u64);
}

/// Semantics 3: an acceptance that the server has lost with its journal's last entries must come again, so its client is not
/// told before that it has arrived.
#[test]
fn a_frame_is_confirmed_once_the_journal_has_it() {
    let (journal, clock) = (Recording::new(), ManualClock::new());
    let node = recorded(&journal, clock.clone());
    let at_work = namespace(&node);
    let (key, inbox) = attached(&at_work, 1);
    at_work.frame(key, ask(1, put("a")));
    at_work.frame(key, Frame { sequence: 1, ..ask(2, get_now()) });
    assert_eq!(inbox.confirmed(), 1);
    journal.hold();
    let accept =
        || Frame { sequence: 2, done: vec![OpRange { first: Op(2), last: Op(2) }], ..Frame::default() };
    assert!(at_work.frame(key, accept()));
    assert_eq!(inbox.confirmed(), 1, "it has been executed, and is not durable");
    journal.let_go();
    assert_eq!(inbox.confirmed(), 2);

    journal.hold();
    at_work.frame(key, Frame { sequence: 3, ..ask(3, put("b")) });
    let second = Inbox::new();
    assert_eq!(at_work.attach(key, second.clone()).received, 2, "the new stream brings the rest again");
    journal.let_go();
    assert_eq!(second.confirmed(), 0, "what the earlier stream brought is no frame of this one");
    at_work.frame(key, Frame { sequence: 3, ..ask(3, put("b")) });
    assert_eq!(second.confirmed(), 3);
}

/// Semantics 3: a client takes its session for alive when a frame is confirmed or its heartbeat comes back. One whose session has
/// ended must not, though the end is not durable and cannot be told: others are about to be granted what it held.
#[test]
fn a_frame_of_a_session_whose_end_is_not_durable_has_no_effect() {
    let (journal, clock) = (Recording::new(), ManualClock::new());
    let node = recorded(&journal, clock.clone());
    let namespace = namespace(&node);
    let (key, inbox) = attached(&namespace, 1);
    journal.hold();
    clock.pass(TTL);
    node.tick();
    let entries = journal.records().len();
    assert!(!namespace.frame(key, Frame { sequence: 1, ..ask(1, put("a")) }));
    assert_eq!((inbox.ended(), journal.records().len()), (None, entries));
    journal.let_go();
    assert_eq!((inbox.ended(), inbox.confirmed()), (Some(Reason::SessionExpired), 0));
    assert!(inbox.take().is_empty());
}

#[test]
fn what_was_held_back_comes_once_to_a_new_stream() {
    let (journal, clock) = (Recording::new(), ManualClock::new());
    let node = recorded(&journal, clock);
    let namespace = namespace(&node);
    let (key, _) = attached(&namespace, 1);
    journal.hold();
    namespace.frame(key, ask(1, put("a")));
    let inbox = Inbox::new();
    namespace.attach(key, inbox.clone());
    journal.let_go();
    assert_eq!(inbox.one().op, Op(1));
}

#[test]
fn after_a_restart_sessions_live_on_with_a_full_ttl() {
    let (journal, clock) = (Recording::new(), ManualClock::new());
    let before = recorded(&journal, clock.clone());
    let (key, inbox) = attached(&namespace(&before), 1);
    namespace(&before).frame(key, ask(1, acquire(Timeout::NOW)));
    assert!(inbox.one().offered);
    drop(before);

    clock.pass(TTL * 3);
    let after = recorded(&journal, clock.clone());
    let namespace = namespace(&after);
    clock.pass(TTL - Duration::from_secs(1));
    after.tick();
    let opened = namespace.open(spec(1, Mode::Resumable), None).unwrap();
    assert!(opened.resumed);
    let again = Inbox::new();
    namespace.attach(opened.session, again.clone());
    assert_eq!(again.one().op, Op(1), "the offer has outlived the server");
    clock.pass(TTL);
    after.tick();
    assert_eq!(again.ended(), Some(Reason::SessionExpired));
}

#[test]
fn a_writer_that_was_fenced_off_tells_everybody_and_is_loaded_anew() {
    let (journal, clock) = (Recording::new(), ManualClock::new());
    let node = recorded(&journal, clock);
    let first = namespace(&node);
    let (key, inbox) = attached(&first, 1);
    journal.acquire().unwrap();
    first.frame(key, ask(1, put("a")));
    assert!(inbox.take().is_empty(), "what the journal does not have was not done");
    assert_eq!(inbox.ended(), Some(Reason::Unavailable));
    assert!(first.is_lost());
    let second = namespace(&node);
    assert!(second.open(spec(1, Mode::Resumable), None).unwrap().resumed);
}

#[test]
fn a_recording_keeps_payloads_snapshots_and_order() {
    let journal = Recording::new();
    let epoch = journal.acquire().unwrap();
    let id = journal.put_payload(Bytes::from_static(b"p")).unwrap();
    assert_eq!(journal.read_payload(id).unwrap(), "p");
    journal.drop_payload(id);
    assert!(journal.read_payload(id).is_err());

    let entry = || journal::Entry { at: Default::default(), input: bridge_core::Input::Tick };
    assert_eq!(journal.submit(epoch, vec![entry(), entry()]), Position(2));
    assert_eq!(journal.durable().unwrap(), Position(0));
    journal.flush();
    assert_eq!(journal.durable().unwrap(), Position(2));
    let snapshot =
        Snapshot { position: Position(1), rules: journal::RULES_VERSION, state: Bytes::from_static(b"s") };
    journal.put_snapshot(snapshot.clone()).unwrap();
    journal.trim(Position(1));
    assert_eq!(journal.snapshot().unwrap(), Some(snapshot));
    assert_eq!(journal.read(Position(1)).unwrap()[0].position, Position(2));
    assert_eq!(journal.submit(epoch, vec![entry()]), Position(3));
}

#[test]
fn without_a_journal_nothing_is_kept_and_all_is_durable() {
    assert!(!Noop.keeps());
    assert_eq!(Noop.durable().unwrap(), Position(u64::MAX));
    assert!(Noop.read(Position(1)).unwrap().is_empty());
    assert!(Noop.put_payload(Bytes::new()).is_err());
}
