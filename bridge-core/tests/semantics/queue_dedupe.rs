//! Semantics 1: dedupe.

use std::time::Duration;

use bridge_core::command::queue::{Attributes, Command, Dedupe, NewItem, Reentry, Scope, Shelf};
use bridge_core::command::{self, Mode};
use bridge_core::ids::SessionKey;
use bridge_core::{Limits, Reason, Timeout};

use crate::queue::{browse, drain, join, maxsize};
use crate::support::*;

const WINDOW: Scope = Scope::Window(Duration::from_secs(5));

fn keyed(text: &str, key: &str, scope: Scope, refuse: bool) -> NewItem {
    let dedupe = Dedupe { key: key.to_owned().into(), scope, refuse };
    let attributes = Attributes { dedupe: Some(dedupe), ..Default::default() };
    NewItem { attributes: Some(Box::new(attributes)), ..item(text) }
}

fn put_keyed(text: &str, scope: Scope, timeout: Timeout) -> command::Command {
    on("q", Command::Put { item: keyed(text, "k", scope, false), timeout })
}

type Befall = fn(&mut Space, SessionKey);

/// How a put of that scope ends now.
fn outcome(space: &mut Space, who: SessionKey, scope: Scope) -> String {
    in_short(&space.ask(who, put_keyed("again", scope, NOW)))
}

#[test]
fn a_duplicate_is_not_put_and_the_answer_says_so() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let first = space.ask(who, put_keyed("a", Scope::Queued, NOW)).unwrap();
    let command::Reply::Queue(command::queue::Reply::Put(id)) = first else { panic!("{first:?}") };
    let second = space.ask(who, put_keyed("b", Scope::Queued, NOW)).unwrap();
    assert_eq!(second, command::Reply::Queue(command::queue::Reply::Duplicate(id)));
    let refused = on("q", Command::Put { item: keyed("c", "k", Scope::Queued, true), timeout: NOW });
    let error = space.ask(who, refused).unwrap_err();
    assert_eq!((error.reason, error.detail("id")), (Reason::Duplicate, Some(id.0.to_string().as_str())));
    let other = on("q", Command::Put { item: keyed("d", "other", Scope::Queued, true), timeout: NOW });
    space.ask(who, other).unwrap();
    assert_eq!(space.queue(who, "q").unfinished, 2, "a duplicate counts for nothing");
    assert_eq!(drain(&mut space, who), "a d");
}

#[test]
fn the_scope_says_how_long_an_item_is_in_the_way() {
    // What befalls the first item, and whether it is in the way then: QUEUED, UNFINISHED, WINDOW.
    let table: [(&str, Befall, [bool; 3]); 7] = [
        ("ready", |_, _| {}, [true, true, true]),
        ("offered", |space, who| drop(space.call(who, get("q", NOW))), [false, true, true]),
        ("gotten", |space, who| drop(space.take_and_accept(who, get("q", NOW))), [false, false, true]),
        ("leased", |space, who| drop(space.take_and_accept(who, lease("q", NOW))), [false, true, true]),
        (
            "returned",
            |space, who| {
                let leased = token(&space.take_and_accept(who, lease("q", NOW)));
                space.ask(who, nack("q", leased, Reentry::Back, "")).unwrap();
            },
            [true, true, true],
        ),
        (
            "dead",
            |space, who| {
                let leased = token(&space.take_and_accept(who, lease("q", NOW)));
                space.ask(who, reject("q", leased, "")).unwrap();
            },
            [false, false, true],
        ),
        (
            "purged, and the window is over",
            |space, who| {
                space.ask(who, on("q", Command::Purge)).unwrap();
                space.pass_seconds(5);
            },
            [false, false, false],
        ),
    ];
    for (what, befall, in_the_way) in table {
        for (scope, in_the_way) in [Scope::Queued, Scope::Unfinished, WINDOW].into_iter().zip(in_the_way) {
            let mut space = Space::default();
            let who = space.open(Mode::Resumable);
            space.ask(who, put_keyed("a", scope, NOW)).unwrap();
            befall(&mut space, who);
            let expected = if in_the_way { "duplicate" } else { "put" };
            assert_eq!(outcome(&mut space, who, scope), expected, "{scope:?}, {what}");
        }
    }
}

#[test]
fn a_blocked_put_may_be_a_duplicate_when_its_turn_comes() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, maxsize(1)).unwrap();
    space.ask(who, put("q", "a", NOW)).unwrap();
    let first = space.wait(who, put_keyed("b", Scope::Unfinished, FOREVER));
    let second = space.wait(who, put_keyed("c", Scope::Unfinished, FOREVER));
    space.take_and_accept(who, get("q", NOW)).unwrap();
    let (got, answers) = space.call(who, get("q", NOW));
    let expected = [(got, "b".to_owned()), (second, "duplicate".to_owned())];
    assert_eq!(short(&answers), expected, "{first:?}");
    space.done(who, got);
    space.ask(who, on("q", Command::TaskDone { count: 2 })).unwrap();
    space.ask(who, join(NOW)).unwrap();
}

#[test]
fn a_full_queue_answers_a_duplicate_at_once() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, maxsize(1)).unwrap();
    space.ask(who, put_keyed("a", Scope::Queued, NOW)).unwrap();
    assert_eq!(outcome(&mut space, who, Scope::Queued), "duplicate");
}

#[test]
fn a_withdrawn_put_is_in_nobodys_way() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let (op, _) = space.call(who, put_keyed("a", WINDOW, NOW));
    let (again, _) = space.call(who, put_keyed("b", WINDOW, NOW));
    assert_eq!(short(&space.cancel(who, again)).last().map(|(_, how)| how.as_str()), Some("cancelled false"));
    assert_eq!(space.queue(who, "q").ready, 1, "cancelling a duplicate does not withdraw the first");
    space.cancel(who, op);
    assert_eq!(outcome(&mut space, who, WINDOW), "put");
}

#[test]
fn keys_are_bounded_and_those_in_nobodys_way_make_room() {
    let mut space = Space::with(Limits { dedupe_keys_max: 2, key_bytes_max: 4, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    let put = |key: &str, scope| on("q", Command::Put { item: keyed(key, key, scope, false), timeout: NOW });
    space.ask(who, put("a", WINDOW)).unwrap();
    space.ask(who, put("b", WINDOW)).unwrap();
    let error = space.ask(who, put("c", WINDOW)).unwrap_err();
    assert_eq!((error.reason, error.detail("limit")), (Reason::LimitExceeded, Some("dedupe_keys_max")));
    assert_eq!(browse(&space, who, "q", Shelf::Ready).len(), 2);
    space.pass_seconds(5);
    space.ask(who, put("c", WINDOW)).unwrap();
    for (key, scope, reason_of) in [
        ("", Scope::Queued, Reason::InvalidArgument),
        ("12345", Scope::Queued, Reason::LimitExceeded),
        ("a", Scope::Window(Duration::ZERO), Reason::InvalidArgument),
    ] {
        assert_eq!(reason(&space.ask(who, put(key, scope))), reason_of);
    }
    let many = Command::PutMany { items: vec![keyed("a", "a", Scope::Queued, false)], timeout: NOW };
    assert_eq!(reason(&space.ask(who, on("q", many))), Reason::InvalidArgument);
}

#[test]
fn a_put_that_waited_is_bounded_by_them_when_there_is_room() {
    let mut space = Space::with(Limits { dedupe_keys_max: 1, ..Limits::default() });
    let who = space.open(Mode::Direct);
    space.ask(who, maxsize(1)).unwrap();
    space.ask(who, put("q", "plain", NOW)).unwrap();
    let waiting = |key: &str| {
        let item = keyed(key, key, WINDOW, false);
        on("q", Command::Put { item, timeout: FOREVER })
    };
    let [first, second] = ["a", "b"].map(|key| space.wait(who, waiting(key)));
    let (_, answers) = space.ask_all(who, get("q", NOW));
    assert_eq!(
        answers.iter().map(|answer| (answer.op, answer.outcome.is_ok())).collect::<Vec<_>>(),
        [(first, true)]
    );
    let (_, answers) = space.ask_all(who, get("q", NOW));
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].op, reason(&answers[0].outcome)), (second, Reason::LimitExceeded));
    assert_eq!(browse(&space, who, "q", Shelf::Ready).len(), 0, "nothing of it is left");
}
