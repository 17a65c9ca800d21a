//! Semantics 11: stall, explain, the wait-for graph.

use bridge_core::command::lock::Cause;
use bridge_core::command::{Command, EndReason, Input, Mode, condition, event, latch};
use bridge_core::ids::{Op, ParticipantId, SessionId, SessionKey};
use bridge_core::limits::OWNERS_NAMED_MAX;
use bridge_core::view::{CallStanding, LastGiver};

use crate::support::*;

fn two(space: &mut Space) -> [SessionKey; 2] {
    [space.open(Mode::Resumable), space.open(Mode::Resumable)]
}

/// One holds the lock and does `then`, the other waits for the lock.
fn blocked(then: Option<Command>) -> (Space, [SessionKey; 2]) {
    let mut space = Space::default();
    let [a, b] = two(&mut space);
    space.take_and_accept(a, lock("l", NOW)).expect("it is free");
    space.wait(b, lock("l", FOREVER));
    if let Some(command) = then {
        space.wait(a, command);
    }
    (space, [a, b])
}

#[test]
fn it_is_a_stall_when_everybody_waits_and_nothing_is_due() {
    let stalls = |space: &Space| space.engine.stall().is_some();
    assert!(stalls(&blocked(Some(get("q", FOREVER))).0));
    assert!(!stalls(&blocked(None).0), "the holder does not wait");
    assert!(!stalls(&blocked(Some(get("q", seconds(5)))).0), "something is due");
    let (mut space, [a, _]) = blocked(Some(get("q", FOREVER)));
    space.input(Input::Label(a, ParticipantId(7), "another".into()));
    assert!(!stalls(&space), "another does not wait");
    let (mut space, _) = blocked(Some(get("q", FOREVER)));
    space.open(Mode::Direct);
    assert!(!stalls(&space), "somebody may do anything");
    let mut space = Space::default();
    let [a, b] = two(&mut space);
    space.wait(a, get("q", FOREVER));
    space.wait(b, wait("e", FOREVER));
    assert!(!stalls(&space), "nobody waits for a lock, a permit or a condition");
}

#[test]
fn an_explanation_follows_the_holders_to_the_end() {
    let (mut space, [a, b]) = blocked(None);
    let c = space.open(Mode::Resumable);
    space.take_and_accept(c, lock("m", NOW)).unwrap();
    let behind = space.wait(c, lock("l", FOREVER));
    space.wait(a, acquire("s", 2, FOREVER));
    let found = space.engine.explain(SessionId(3), behind);
    assert_eq!((found.standing, found.ahead, found.is_cycle), (CallStanding::Waiting, 1, false));
    let chain: Vec<_> = found.chain.iter().map(|edges| edges.wait.object.to_string()).collect();
    assert_eq!(chain, ["l", "s"]);
    assert_eq!(found.chain[0].owners[0].session, SessionId(1));
    assert_eq!(found.chain[1].owned_by, 0);
    let standing = |session, op| space.engine.explain(session, op).standing;
    assert_eq!(standing(SessionId(3), Op(1 << 40)), CallStanding::Unknown);
    assert_eq!(standing(SessionId(99), behind), CallStanding::Unknown);
    space.expire(a);
    let offered = space.engine.explain(SessionId(2), Op(1001));
    assert_ne!(offered.standing, CallStanding::Waiting);
    space.expire(b);
}

#[test]
fn who_died_holding_it_is_explained() {
    let mut space = Space::default();
    let [a, b] = two(&mut space);
    space.take_and_accept(a, lock("l", NOW)).unwrap();
    space.wait(b, lock("l", FOREVER));
    space.expire(a);
    let c = space.open(Mode::Resumable);
    let waiting = space.wait(c, lock("l", FOREVER));
    let found = space.engine.explain(SessionId(3), waiting);
    assert_eq!(found.abandoned, Some(("s1@host:1".to_owned(), Cause::Session)));
}

#[test]
fn who_brought_last_what_is_waited_for_and_died_is_explained() {
    let cases = [
        (put("x", "a", NOW), get("x", NOW), get("x", FOREVER), "put"),
        (set("x"), on_event("x", event::Command::Clear), wait("x", FOREVER), "set"),
        (release("x", 1), acquire("x", 1, NOW), acquire("x", 1, FOREVER), "released"),
        (count_down(1), count_down(1), latch_wait(), "counted down"),
    ];
    for (give, use_up, waits, did) in cases {
        let mut space = Space::default();
        let [giver, user, waiter] = [0; 3].map(|_| space.open(Mode::Direct));
        if did == "counted down" {
            let options = latch::Options { count: Some(5), ..Default::default() };
            space.ask(waiter, Command::Latch(target("x"), latch::Command::Declare(options))).unwrap();
        }
        if did == "released" {
            space.ask(waiter, permits("x", 0)).unwrap();
        }
        space.input(Input::Label(giver, ParticipantId(0), "worker".into()));
        if did == "counted down" {
            space.ask(user, use_up).unwrap();
            space.ask(giver, give.clone()).unwrap();
        } else {
            space.ask(giver, give.clone()).unwrap();
            space.take_and_accept(user, use_up).unwrap();
        }
        let waiting = space.wait(waiter, waits);
        let explain = |space: &Space| space.engine.explain(SessionId(3), waiting).last;
        assert_eq!(explain(&space), None, "it may come again");
        space.pass_seconds(1);
        space.expire(giver);
        let at = space.now;
        space.pass_seconds(9);
        let who = "worker of s1@host:1".to_owned();
        assert_eq!(explain(&space), Some(LastGiver { who, did, reason: EndReason::Expired, at }));
    }
}

#[test]
fn who_notified_last_and_left_is_explained_until_another_does() {
    let mut space = Space::default();
    let [a, b] = two(&mut space);
    let notify = || on_condition("c", condition::Command::Notify { count: None });
    space.ask(a, condition_of("c", "l", None)).unwrap();
    space.take_and_accept(a, lock("l", NOW)).unwrap();
    space.ask(a, notify()).unwrap();
    space.close(a);
    space.take_and_accept(b, lock("l", NOW)).unwrap();
    let waiting = space.wait(b, on_condition("c", condition::Command::Wait { timeout: FOREVER }));
    let last = space.engine.explain(SessionId(2), waiting).last.expect("it is known");
    assert_eq!((last.did, last.reason), ("notified", EndReason::Closed));
    let other = space.open(Mode::Resumable);
    space.take_and_accept(other, lock("l", NOW)).unwrap();
    space.ask(other, on_condition("c", condition::Command::Notify { count: Some(0) })).unwrap();
    assert_eq!(space.engine.explain(SessionId(2), waiting).last, None);
}

fn count_down(by: u64) -> Command {
    Command::Latch(target("x"), latch::Command::CountDown { by })
}

fn latch_wait() -> Command {
    Command::Latch(target("x"), latch::Command::Wait { timeout: FOREVER })
}

#[test]
fn a_cycle_is_explained_as_one() {
    let mut space = Space::default();
    let [a, b] = two(&mut space);
    space.take_and_accept(a, lock("m", NOW)).unwrap();
    space.take_and_accept(b, lock("n", NOW)).unwrap();
    let first = space.wait(a, lock("n", seconds(60)));
    space.wait(b, lock("m", FOREVER));
    let found = space.engine.explain(SessionId(1), first);
    assert_eq!((found.is_cycle, found.chain.len()), (true, 2));
    assert_eq!(space.engine.deadlocks().count(), 1);
}

#[test]
fn the_graph_comes_page_by_page_and_names_so_many_owners() {
    let mut space = Space::default();
    let [a, b] = two(&mut space);
    space.ask(a, permits("s", 20)).unwrap();
    for _ in 0..20 {
        space.take_and_accept(a, acquire("s", 1, NOW)).unwrap();
    }
    for _ in 0..3 {
        space.wait(b, acquire("s", 1, FOREVER));
    }
    space.wait(b, get("q", FOREVER));
    let first = space.engine.wait_graph(None, 2);
    let rest = space.engine.wait_graph(first.last().map(|last| last.key), 2);
    assert_eq!((first.len(), rest.len()), (2, 1));
    assert_eq!((first[0].owners.len(), first[0].owned_by), (OWNERS_NAMED_MAX, 20));
}
