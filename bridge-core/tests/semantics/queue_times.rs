//! Semantics 1: delay and time to live.

use std::time::Duration;

use bridge_core::Reason;
use bridge_core::command::queue::{Command, Options, Reentry, Reply, Shelf};
use bridge_core::command::{self, Input, Mode};
use bridge_core::ids::ItemId;

use crate::queue::{browse, drain, join, maxsize};
use crate::support::*;

fn id(outcome: command::Outcome) -> ItemId {
    match outcome {
        Ok(command::Reply::Queue(Reply::Put(id))) => id,
        other => panic!("not put: {other:?}"),
    }
}

#[test]
fn a_delayed_item_is_ready_at_its_time_and_at_its_place() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_timed("q", "late", 5, None)).unwrap();
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.ask(who, put_timed("q", "soon", 2, None)).unwrap();
    let figures = space.queue(who, "q");
    assert_eq!((figures.ready, figures.delayed, figures.unfinished), (1, 2, 3));
    let delayed = browse(&space, who, "q", Shelf::Delayed);
    let left: Vec<_> = delayed.iter().map(|item| (text_of(&item.payload), item.ready_in)).collect();
    let secs = |secs| Some(Duration::from_secs(secs));
    assert_eq!(left, [("late".to_owned(), secs(5)), ("soon".to_owned(), secs(2))]);
    assert_eq!(drain(&mut space, who), "a");
    let waiting = space.wait(who, get("q", FOREVER));
    assert_eq!(short(&space.pass_seconds(2)), [(waiting, "soon".to_owned())]);
    space.done(who, waiting);
    space.ask(who, put("q", "b", NOW)).unwrap();
    space.pass_seconds(3);
    assert_eq!(drain(&mut space, who), "late b", "its arrival is that of its put");
}

#[test]
fn maxsize_counts_delayed_items_and_a_blocked_put_is_delayed_from_its_admission() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, maxsize(1)).unwrap();
    space.ask(who, put_timed("q", "a", 2, None)).unwrap();
    let error = space.ask(who, put("q", "x", NOW)).unwrap_err();
    assert_eq!(error.reason, Reason::Full);
    assert!(error.message.contains("1 are DELAYED"), "{}", error.message);
    let command::Command::Queue(target, Command::Put { item, .. }) = put_timed("q", "b", 3, None) else {
        panic!("a put")
    };
    let blocked = space.wait(who, command::Command::Queue(target, Command::Put { item, timeout: FOREVER }));
    space.pass_seconds(2);
    let (_, answers) = space.call(who, get("q", NOW));
    assert_eq!(short(&answers[1..]), [(blocked, "put".to_owned())]);
    assert!(space.pass_seconds(2).is_empty());
    assert_eq!(space.queue(who, "q").delayed, 1);
    space.pass_seconds(1);
    assert_eq!(drain(&mut space, who), "b");
}

#[test]
fn remove_purge_and_cancel_reach_delayed_items() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let first = id(space.ask(who, put_timed("q", "a", 5, Some(9))));
    space.ask(who, put_timed("q", "b", 5, None)).unwrap();
    let (op, _) = space.call(who, put_timed("q", "c", 5, None));
    let removed = space.ask(who, on("q", Command::Remove { ids: vec![first] }));
    assert_eq!(removed, Ok(command::Reply::Queue(Reply::Removed(vec![first]))));
    assert_eq!(short(&space.cancel(who, op))[0], (op, "CANCELLED".to_owned()), "the put is withdrawn");
    let purged = space.ask(who, on("q", Command::Purge));
    assert_eq!(purged, Ok(command::Reply::Queue(Reply::Purged(1))));
    space.ask(who, join(NOW)).expect("what was removed counts as done");
    assert!(space.pass_seconds(9).is_empty());
    assert_eq!(drain(&mut space, who), "");
}

#[test]
fn a_graceful_shutdown_waits_for_delayed_items_and_an_immediate_one_drops_them() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_timed("q", "a", 5, None)).unwrap();
    space.ask(who, on("q", Command::Shutdown { immediate: false })).unwrap();
    assert_eq!(reason(&space.ask(who, get("q", NOW))), Reason::Empty);
    let waiting = space.wait(who, get_many("q", 2, 2, 0, FOREVER));
    assert_eq!(short(&space.pass_seconds(5)), [(waiting, "a".to_owned())], "no more will come");
    assert_eq!(reason(&space.ask(who, get("q", FOREVER))), Reason::ShutDown);
    space.done(who, waiting);
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_timed("q", "a", 5, None)).unwrap();
    space.ask(who, on("q", Command::Shutdown { immediate: true })).unwrap();
    assert_eq!((space.queue(who, "q").delayed, space.queue(who, "q").unfinished), (0, 0));
    assert_eq!(reason(&space.ask(who, get("q", FOREVER))), Reason::ShutDown);
}

#[test]
fn an_item_expires_where_it_waits_and_nowhere_else() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    assert_eq!(reason(&space.ask(who, put_timed("q", "x", 0, Some(0)))), Reason::InvalidArgument);
    for text in ["a", "b"] {
        space.ask(who, put_timed("q", text, 0, Some(5))).unwrap();
    }
    space.ask(who, put_timed("q", "never ready", 7, Some(5))).unwrap();
    let left = browse(&space, who, "q", Shelf::Ready)[0].expires_in;
    assert_eq!(left, Some(Duration::from_secs(5)));
    let leased = token(&space.take_and_accept(who, lease("q", NOW)));
    let waiting = space.wait(who, join(FOREVER));
    assert!(space.pass_seconds(5).is_empty());
    let figures = space.queue(who, "q");
    assert_eq!((figures.ready, figures.delayed, figures.leased, figures.expired), (0, 0, 1, 2));
    let (_, answers) = space.call(who, nack("q", leased, Reentry::Place, ""));
    assert_eq!(short(&answers[1..]), [(waiting, "joined".to_owned())], "what comes back too late is gone");
    assert_eq!((space.queue(who, "q").expired, space.queue(who, "q").unfinished), (3, 0));
}

#[test]
fn what_returns_in_time_expires_at_the_old_time() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_timed("q", "a", 0, Some(5))).unwrap();
    let (op, _) = space.call(who, get("q", NOW));
    space.pass_seconds(3);
    space.refuse(who, op);
    assert_eq!(browse(&space, who, "q", Shelf::Ready)[0].expires_in, Some(Duration::from_secs(2)));
    space.pass_seconds(2);
    assert_eq!((space.queue(who, "q").ready, space.queue(who, "q").expired), (0, 1));
}

#[test]
fn expired_items_go_to_the_dead_letters_if_named() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let options = Options { dead_letters: Some(name("dead")), ..Default::default() };
    space.ask(who, declare("q", options)).unwrap();
    space.ask(who, put_timed("q", "a", 0, Some(5))).unwrap();
    let waiting = space.wait(who, get("dead", FOREVER));
    assert_eq!(short(&space.pass_seconds(5)), [(waiting, "a".to_owned())]);
    space.refuse(who, waiting);
    let letters = browse(&space, who, "dead", Shelf::Ready);
    assert_eq!((letters[0].dead_reason.as_deref(), letters[0].expires_in), (Some("EXPIRED"), None));
    space.pass_seconds(50);
    assert_eq!((space.queue(who, "dead").ready, space.queue(who, "q").expired), (1, 1), "it stays there");
}

#[test]
fn a_restart_counts_the_time_that_it_took() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_timed("q", "delayed", 5, None)).unwrap();
    space.ask(who, put_timed("q", "mortal", 0, Some(5))).unwrap();
    space.now = space.now + Duration::from_secs(9);
    space.input(Input::Restart);
    space.input(Input::Attach(who));
    let figures = space.queue(who, "q");
    assert_eq!((figures.ready, figures.delayed, figures.expired), (1, 0, 1));
    assert_eq!(drain(&mut space, who), "delayed");
}
