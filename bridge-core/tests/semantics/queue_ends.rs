//! Semantics 1, "Position": FIFO queues work at both ends.

use std::time::Duration;

use bridge_core::command::queue::{
    Attributes, Batch, Command, Discipline, End, Mode as Take, NewItem, Options, Reentry, Taking,
};
use bridge_core::command::{self, Mode};
use bridge_core::{Reason, Timeout};

use crate::queue::{drain, maxsize};
use crate::support::*;

fn at_front(text: &str) -> NewItem {
    item(text).with(Attributes { end: Some(End::Front), ..Default::default() })
}

fn put_front(text: &str, timeout: Timeout) -> command::Command {
    on("q", Command::Put { item: at_front(text), timeout })
}

fn from_back(mode: Take, max: u32, timeout: Timeout) -> command::Command {
    let batch = Batch { max, ..Batch::ONE };
    on("q", Command::Take { taking: Taking { end: End::Back, ..Taking::new(mode, batch) }, timeout })
}

#[test]
fn a_fifo_queue_is_a_deque() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["b", "c"], NOW)).unwrap();
    space.ask(who, put_front("a", NOW)).unwrap();
    assert_eq!(texts(&space.take_and_accept(who, from_back(Take::Get, 1, NOW))), ["c"]);
    assert_eq!(drain(&mut space, who), "a b");
    let items = vec![at_front("x"), item("z"), at_front("y")];
    space.ask(who, on("q", Command::PutMany { items, timeout: NOW })).unwrap();
    assert_eq!(
        texts(&space.take_and_accept(who, from_back(Take::Get, 9, NOW))),
        ["z", "x", "y"],
        "one by one"
    );
}

#[test]
fn what_comes_back_has_its_old_place() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["b", "c"], NOW)).unwrap();
    space.ask(who, put_front("a", NOW)).unwrap();
    let (op, answers) = space.call(who, from_back(Take::Get, 1, NOW));
    assert_eq!(texts(&answers[0].outcome), ["c"]);
    space.ask(who, put("q", "d", NOW)).unwrap();
    space.refuse(who, op);
    let token = token(&space.take_and_accept(who, from_back(Take::Lease, 1, NOW)));
    space.ask(who, nack("q", token, Reentry::Front, "")).unwrap();
    assert_eq!(drain(&mut space, who), "d a b c");
}

#[test]
fn who_waits_at_either_end_waits_in_one_line() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let back = space.wait(who, from_back(Take::Get, 1, FOREVER));
    let front = space.wait(who, get("q", FOREVER));
    let both = space.wait(who, from_back(Take::Lease, 1, seconds(5)));
    let (_, served) = space.ask_all(who, put_many("q", &["a", "b"], NOW));
    assert_eq!(short(&served), [(back, "b".to_owned()), (front, "a".to_owned())]);
    assert_eq!(short(&space.pass_seconds(5)), [(both, "EMPTY".to_owned())]);
}

#[test]
fn a_blocked_put_at_the_front_waits_in_the_line_of_all_puts() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, maxsize(1)).unwrap();
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.wait(who, put("q", "b", FOREVER));
    space.wait(who, put_front("c", FOREVER));
    assert_eq!(drain(&mut space, who), "a b c");
}

#[test]
fn a_late_item_keeps_the_place_at_the_front() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let attributes =
        Attributes { delay: Duration::from_secs(1), end: Some(End::Front), ..Default::default() };
    space.ask(who, put("q", "b", NOW)).unwrap();
    space.ask(who, on("q", Command::Put { item: item("a").with(attributes), timeout: NOW })).unwrap();
    space.pass_seconds(1);
    assert_eq!(drain(&mut space, who), "a b");
}

#[test]
fn other_queues_have_no_ends_to_choose_from() {
    for discipline in [Discipline::Lifo, Discipline::Priority] {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        let options = Options { discipline: Some(discipline), ..Default::default() };
        space.ask(who, declare("q", options.clone())).unwrap();
        for refused in
            [put_front("a", FOREVER), from_back(Take::Get, 1, FOREVER), from_back(Take::Lease, 2, NOW)]
        {
            assert_eq!(reason(&space.ask(who, refused)), Reason::InvalidArgument);
        }
        let at_back = item("a").with(Attributes { end: Some(End::Back), ..Default::default() });
        space.ask(who, on("q", Command::Put { item: at_back, timeout: NOW })).unwrap();
        assert_eq!(drain(&mut space, who), "a");

        let waits = space.wait(who, from_back_of("other"));
        space.ask(who, declare("other", options)).unwrap();
        let (_, served) = space.ask_all(who, put_many("other", &["a", "b"], NOW));
        let next = if discipline == Discipline::Lifo { "b" } else { "a" };
        assert_eq!(short(&served), [(waits, next.to_owned())], "who waits is served all the same");
    }
}

fn from_back_of(queue: &str) -> command::Command {
    let taking = Taking { end: End::Back, ..Taking::new(Take::Get, Batch::ONE) };
    on(queue, Command::Take { taking, timeout: FOREVER })
}
