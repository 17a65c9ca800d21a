//! Semantics 1, "Bound": what `bound="unfinished"` and `max_bytes` count.

use bridge_core::command::queue::{Bound, Command, NewItem, Options, Reentry, Shelf};
use bridge_core::command::{self, Mode};
use bridge_core::ids::SessionKey;
use bridge_core::{Reason, Timeout};

use crate::queue::{browse, drain};
use crate::support::*;

fn unfinished(maxsize: u64, max_bytes: u64) -> Options {
    Options {
        maxsize: Some(maxsize),
        max_bytes: Some(max_bytes),
        bound: Some(Bound::Unfinished),
        ..Options::default()
    }
}

fn waiting(max_bytes: u64) -> Options {
    Options { max_bytes: Some(max_bytes), ..Options::default() }
}

fn declared(options: Options) -> (Space, SessionKey) {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, declare("q", options)).expect("declared");
    (space, who)
}

fn put_later(text: &str, timeout: Timeout) -> command::Command {
    put("q", text, timeout)
}

#[test]
fn unfinished_counts_what_is_out() {
    let (mut space, who) = declared(unfinished(2, 0));
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    let leased = space.take_and_accept(who, lease("q", NOW));
    let (got, _) = space.call(who, get("q", NOW));
    assert_eq!(reason(&space.ask(who, put_later("x", NOW))), Reason::Full, "LEASED and OFFERED count");
    let first = space.wait(who, put_later("c", FOREVER));
    let second = space.wait(who, put_later("d", FOREVER));
    assert_eq!(short(&space.done(who, got)), [(first, "put".to_owned())], "an accepted get makes room");
    let (_, served) = space.ask_all(who, nack("q", token(&leased), Reentry::Place, ""));
    assert_eq!(served, [], "what comes back counted before");
    assert_eq!(short(&space.cancel(who, second))[0], (second, "CANCELLED".to_owned()));
}

#[test]
fn every_end_of_a_delivery_makes_room() {
    for end in 0..5 {
        let (mut space, who) = declared(unfinished(1, 0));
        let other = space.open(Mode::Resumable);
        space.ask(who, put_later("a", NOW)).unwrap();
        let token = token(&space.take_and_accept(other, lease("q", NOW)));
        let waits = space.wait(who, put_later("b", FOREVER));
        let served = match end {
            0 => space.ask_all(other, ack("q", &[token])).1,
            1 => space.ask_all(other, reject("q", token, "no")).1,
            2 => {
                space.ask(other, nack("q", token, Reentry::Place, "")).unwrap();
                space.ask_all(who, on("q", Command::Purge)).1
            }
            3 => {
                space.close(other);
                let id = browse(&space, who, "q", Shelf::Ready)[0].id;
                space.ask_all(who, on("q", Command::Remove { ids: vec![id] })).1
            }
            _ => {
                space.expire(other);
                let (op, _) = space.call(who, get("q", NOW));
                space.done(who, op)
            }
        };
        assert_eq!(short(&served), [(waits, "put".to_owned())], "{end}");
    }
}

#[test]
fn a_batch_gets_what_there_is_where_a_blocked_put_is_too_large_for_the_rest() {
    for put_first in [true, false] {
        let mut space = Space::default();
        let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
        space.ask(who, declare("q", Options { maxsize: Some(5), ..Options::default() })).unwrap();
        space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
        let many = || put_many("q", &["d", "e", "f", "g"], FOREVER);
        let batch = || get_many("q", 5, 5, 0, FOREVER);
        let (putter, answers) = if put_first {
            let putter = space.wait(who, many());
            (putter, space.call(other, batch()).1)
        } else {
            space.wait(other, batch());
            space.call(who, many())
        };
        assert_eq!(texts(&answers[0].outcome), ["a", "b", "c"], "nothing can come before it takes them");
        assert_eq!(answers[1].op, putter);
        assert_eq!(space.queue(who, "q").ready, 4);
    }
}

#[test]
fn bytes_are_bounded_too() {
    let (mut space, who) = declared(waiting(5));
    space.ask(who, put_many("q", &["aa", "bb"], NOW)).unwrap();
    assert_eq!(reason(&space.ask(who, put_later("cc", NOW))), Reason::Full);
    let first = space.wait(who, put_later("ccc", FOREVER));
    let second = space.wait(who, put_later("d", seconds(5)));
    assert_eq!(
        reason(&space.ask(who, put_later("e", NOW))),
        Reason::Full,
        "nor does what would fit pass the line"
    );
    let (got, answers) = space.call(who, get("q", NOW));
    assert_eq!(short(&answers), [(got, "aa".to_owned()), (first, "put".to_owned())]);
    assert_eq!(short(&space.pass_seconds(5)), [(second, "FULL".to_owned())]);
    space.refuse(who, got);
    assert_eq!(drain(&mut space, who), "aa bb ccc", "what returns re-enters above the bound");

    let (mut space, who) = declared(unfinished(0, 5));
    space.ask(who, put_many("q", &["aaa", "bb"], NOW)).unwrap();
    let token = token(&space.take_and_accept(who, lease("q", NOW)));
    let waits = space.wait(who, put_later("c", FOREVER));
    let (_, served) = space.ask_all(who, ack("q", &[token]));
    assert_eq!(short(&served), [(waits, "put".to_owned())]);
}

#[test]
fn what_can_never_fit_is_an_error_at_once() {
    let (mut space, who) = declared(waiting(5));
    assert_eq!(reason(&space.ask(who, put_later("123456", FOREVER))), Reason::InvalidArgument);
    assert_eq!(reason(&space.ask(who, put_many("q", &["123", "456"], FOREVER))), Reason::InvalidArgument);
    space.ask(who, put_later("12345", NOW)).unwrap();
    assert_eq!(space.queue(who, "q").ready, 1);
}

#[test]
fn a_bound_of_bytes_that_comes_late_counts_what_is_there() {
    let (mut space, who) = declared(Options { maxsize: Some(1), ..Options::default() });
    space.ask(who, put_later("aaa", NOW)).unwrap();
    let large = space.wait(who, put_later("bbbbbb", FOREVER));
    space.ask(who, declare("q", unfinished(1, 5))).unwrap();
    let (got, _) = space.call(who, get("q", NOW));
    let served = space.done(who, got);
    assert_eq!(
        short(&served),
        [(large, "put".to_owned())],
        "who stood in line before does not stand for ever"
    );
    assert_eq!(drain(&mut space, who), "bbbbbb");
}

#[test]
fn a_batch_does_not_wait_for_what_cannot_come() {
    let (mut space, who) = declared(waiting(4));
    space.ask(who, put_many("q", &["aa", "bb"], NOW)).unwrap();
    let batch = space.wait(who, get_many("q", 9, 3, 0, FOREVER));
    let (put, answers) = space.call(who, put_later("cc", FOREVER));
    assert_eq!(short(&answers), [(batch, "aa bb".to_owned()), (put, "put".to_owned())]);
}

#[test]
fn a_transaction_counts_bytes_over_its_steps() {
    use bridge_core::command::transaction::Step;
    let (mut space, who) = declared(waiting(4));
    let step = |text: &str| Step {
        queue: target("q"),
        command: Command::Put { item: NewItem::new(payload(text)), timeout: NOW },
    };
    let steps = command::Command::Transaction(vec![step("aa"), step("bbb")]);
    assert_eq!(reason(&space.ask(who, steps)), Reason::InvalidArgument);
    space.ask(who, put_later("x", NOW)).unwrap();
    let steps = command::Command::Transaction(vec![step("aa"), step("bb")]);
    assert_eq!(reason(&space.ask(who, steps)), Reason::Full);
    assert_eq!(space.queue(who, "q").ready, 1);
}

#[test]
fn the_first_explicit_value_counts() {
    let (mut space, who) = declared(unfinished(2, 5));
    space.ask(who, declare("q", Options::default())).unwrap();
    space.ask(who, declare("q", unfinished(2, 5))).unwrap();
    let bound = Options { bound: Some(Bound::Waiting), ..Options::default() };
    assert_eq!(reason(&space.ask(who, declare("q", bound))), Reason::ConfigMismatch);
    assert_eq!(reason(&space.ask(who, declare("q", waiting(6)))), Reason::ConfigMismatch);
    let shown = space.queue(who, "q").options;
    assert_eq!((shown.max_bytes, shown.bound), (Some(5), Some(Bound::Unfinished)));
}
