//! Semantics 1: shutting a queue down.

use bridge_core::Reason;
use bridge_core::command::queue::{Command, Reentry, Shelf};
use bridge_core::command::{self, Mode};

use crate::queue::{browse, drain, join, maxsize};
use crate::support::*;

fn shutdown(immediate: bool) -> command::Command {
    on("q", Command::Shutdown { immediate })
}

#[test]
fn a_graceful_shutdown_lets_out_what_is_there() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, maxsize(2)).unwrap();
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    let blocked = space.wait(who, put("q", "c", FOREVER));
    let answers = space.call(who, shutdown(false)).1;
    assert!(short(&answers).contains(&(blocked, "SHUT_DOWN".to_owned())));
    assert_eq!(reason(&space.ask(who, put("q", "d", FOREVER))), Reason::ShutDown);
    assert_eq!(drain(&mut space, other), "a b");
    assert_eq!(reason(&space.ask(other, get("q", FOREVER))), Reason::ShutDown);
}

#[test]
fn a_get_ends_when_nothing_can_come_any_more() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, put("q", "a", NOW)).unwrap();
    let leased = token(&space.take_and_accept(other, lease("q", NOW)));
    space.ask(who, shutdown(false)).unwrap();
    assert_eq!(reason(&space.ask(who, get("q", NOW))), Reason::Empty, "it may come back");
    let waiting = space.wait(who, get("q", FOREVER));
    let (_, answers) = space.ask_all(other, nack("q", leased, Reentry::Place, ""));
    assert_eq!(short(&answers), [(waiting, "a".to_owned())]);
    space.done(who, waiting);
    assert_eq!(reason(&space.ask(who, get("q", NOW))), Reason::ShutDown);
}

#[test]
fn a_lessee_that_itself_waits_here_holds_nobody_up() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.take_and_accept(other, lease("q", NOW)).unwrap();
    let first = space.wait(who, get("q", FOREVER));
    assert_eq!(space.ask_all(who, shutdown(false)).1, []);
    let (second, answers) = space.call(other, get("q", FOREVER));
    let expected = [(first, "SHUT_DOWN"), (second, "SHUT_DOWN")].map(|(op, text)| (op, text.to_owned()));
    let mut told = short(&answers);
    told.sort();
    assert_eq!(told, expected);
}

#[test]
fn after_a_graceful_shutdown_a_batch_takes_what_is_left() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let batch = space.wait(who, get_many("q", 5, 3, 1000, FOREVER));
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    assert_eq!(short(&space.ask_all(who, shutdown(false)).1), [(batch, "a b".to_owned())]);
}

#[test]
fn an_immediate_shutdown_drops_what_is_ready_and_buries_what_returns() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
    let (offered, _) = space.call(who, get("q", NOW));
    let joining = space.wait(who, join(FOREVER));
    space.ask(who, shutdown(true)).unwrap();
    assert_eq!((space.queue(who, "q").ready, space.queue(who, "q").unfinished), (0, 1));
    assert_eq!(reason(&space.ask(who, get("q", FOREVER))), Reason::ShutDown);
    assert_eq!(short(&space.refuse(who, offered)), [(joining, "joined".to_owned())]);
    assert_eq!(browse(&space, who, "q", Shelf::Dead)[0].dead_reason.as_deref(), Some("SHUT_DOWN"));

    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let waiting = space.wait(who, get("q", FOREVER));
    assert!(short(&space.call(who, shutdown(true)).1).contains(&(waiting, "SHUT_DOWN".to_owned())));
}
