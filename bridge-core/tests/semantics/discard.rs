//! Section 0, "Names": a session says that it uses an object no more.

use bridge_core::command::{Mode, queue, semaphore};
use bridge_core::ids::{Handle, Kind, SessionKey, Target};
use bridge_core::{Command, Outcome, Reason, Reply};

use crate::support::*;

fn discard(kind: Kind, name: &str) -> Command {
    Command::Discard(kind, target(name))
}

fn ephemeral(name: &str) -> Command {
    declare(name, queue::Options { ephemeral: Some(true), ..Default::default() })
}

fn declared(outcome: Outcome) -> Handle {
    match outcome {
        Ok(Reply::Queue(queue::Reply::Declared { handle, .. })) => handle,
        other => panic!("not declared: {other:?}"),
    }
}

/// A space with two sessions.
fn two(mode: Mode) -> (Space, SessionKey, SessionKey) {
    let mut space = Space::default();
    let [who, other] = [space.open(mode), space.open(mode)];
    (space, who, other)
}

#[test]
fn an_ephemeral_object_goes_with_its_last_user() {
    for mode in [Mode::Direct, Mode::Resumable] {
        let (mut space, who, other) = two(mode);
        let handle = declared(space.ask(who, ephemeral("q")));
        space.ask(other, put("q", "a", NOW)).unwrap();
        assert_eq!(space.ask(who, discard(Kind::Queue, "q")), Ok(Reply::Discarded));
        assert_eq!(space.queue(who, "q").ready, 1, "another session uses it");
        assert_eq!(space.ask(who, discard(Kind::Queue, "q")), Ok(Reply::Discarded));
        assert_eq!(space.queue(who, "q").ready, 1, "one session counts once");
        let by_handle = Command::Discard(Kind::Queue, Target::Handle(handle));
        assert_eq!(space.ask(other, by_handle.clone()), Ok(Reply::Discarded));
        let status = space.engine.status();
        assert_eq!((status.objects, status.items, status.retained_bytes), (0, 0, 0));
        assert_eq!(space.ask(other, by_handle), Ok(Reply::Discarded), "an absent object is fine");
        space.close(who);
        space.close(other);
    }
}

#[test]
fn what_is_not_ephemeral_stays_and_nothing_is_created() {
    let (mut space, who, nobody) = (Space::default(), Mode::Resumable, Mode::Sessionless);
    let [who, nobody] = [who, nobody].map(|mode| space.open(mode));
    for kind in [Kind::Queue, Kind::Event, Kind::Semaphore] {
        assert_eq!(space.ask(who, discard(kind, "absent")), Ok(Reply::Discarded));
    }
    assert_eq!(space.engine.status().objects, 0);
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.ask(who, discard(Kind::Queue, "q")).unwrap();
    assert_eq!(space.queue(who, "q").ready, 1);
    space.ask(who, ephemeral("e")).unwrap();
    space.ask(nobody, discard(Kind::Queue, "e")).unwrap();
    assert_eq!(space.engine.status().objects, 2, "the node's own session stands for nobody");
    space.ask(who, discard(Kind::Event, "e")).unwrap();
    assert_eq!(space.engine.status().objects, 2, "another kind is another object");
}

#[test]
fn what_the_session_holds_of_it_goes_back() {
    for mode in [Mode::Direct, Mode::Resumable] {
        let (mut space, who, other) = two(mode);
        space.ask(who, permits("s", 2)).unwrap();
        space.take_and_accept(who, acquire("s", 1, NOW)).unwrap();
        space.call(who, acquire("s", 1, NOW));
        let own = space.wait(who, acquire("s", 1, FOREVER));
        let waiting = space.wait(other, acquire("s", 2, FOREVER));
        let (outcome, answers) = space.ask_all(who, discard(Kind::Semaphore, "s"));
        assert_eq!(outcome, Ok(Reply::Discarded));
        let expected = [(own, "CANCELLED"), (waiting, "acquired")];
        assert_eq!(short(&answers), expected.map(|(op, text)| (op, text.to_owned())));
        let release = on_semaphore("s", semaphore::Command::Release { permits: 1, token: None });
        space.take_and_accept(other, release).unwrap();
    }
}

#[test]
fn items_return_and_unfinished_ones_are_lost_as_at_the_sessions_end() {
    let (mut space, who, other) = two(Mode::Resumable);
    space.ask(other, put_many("q", &["a", "b", "c"], NOW)).unwrap();
    space.take_and_accept(who, get("q", NOW)).unwrap();
    space.take_and_accept(who, lease("q", NOW)).unwrap();
    let (offered, _) = space.call(who, get("q", NOW));
    space.ask(who, discard(Kind::Queue, "q")).unwrap();
    let figures = space.queue(other, "q");
    assert_eq!((figures.ready, figures.leased, figures.offered, figures.unfinished), (2, 0, 0, 3));
    assert_eq!(space.refuse(who, offered), [], "it has gone back");
    let texts_left = texts(&space.take_and_accept(other, get_many("q", 2, 2, 0, NOW)));
    assert_eq!(texts_left, ["b", "c"]);
}

#[test]
fn who_waits_without_a_session_is_told() {
    let mut space = Space::default();
    let [who, nobody] = [Mode::Resumable, Mode::Sessionless].map(|mode| space.open(mode));
    space.ask(who, ephemeral("q")).unwrap();
    let waiting = space.wait(nobody, get("q", FOREVER));
    let (_, answers) = space.ask_all(who, discard(Kind::Queue, "q"));
    assert_eq!(short(&answers), [(waiting, "OBJECT_GONE".to_owned())]);
    assert_eq!(space.engine.status().objects, 0);
}

#[test]
fn a_retry_is_not_executed_again() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, ephemeral("q")).unwrap();
    let (op, _) = space.call(who, discard(Kind::Queue, "q"));
    space.ask(who, ephemeral("q")).unwrap();
    let answers = space.again(who, op, discard(Kind::Queue, "q"));
    assert_eq!(answers[0].outcome, Ok(Reply::Discarded));
    assert_eq!(space.engine.status().objects, 1);
    assert_eq!(reason(&space.ask(who, ack("q", &[bridge_core::ids::Token(1)]))), Reason::Stale);
}
