//! Semantics 1: dead letters and their redrive, and items that are moved.

use std::time::Duration;

use bridge_core::command::queue::{
    Attributes, Command as Do, Dedupe, Discipline, Move, NewItem, Options, Redrive, Reentry, Reply as R,
    Scope, Shelf, Which,
};
use bridge_core::command::{Command, Mode, Reply};
use bridge_core::ids::{ItemId, SessionKey, Target};
use bridge_core::{Limits, Outcome, Reason};

use crate::queue::{browse, deliveries_max, join};
use crate::support::*;

fn redrive(from: &str, which: Which, to: Option<&str>) -> Command {
    on(from, Do::Redrive(Box::new(Redrive { which, to: to.map(target) })))
}

fn moving(from: &str, which: Which, to: &str) -> Command {
    on(from, Do::Move(Box::new(Move { which, to: target(to) })))
}

fn redriven(outcome: Outcome) -> (u64, u64) {
    match outcome {
        Ok(Reply::Queue(R::Redriven { count, stayed })) => (count, stayed),
        other => panic!("not redriven: {other:?}"),
    }
}

fn moved(outcome: Outcome) -> Vec<ItemId> {
    match outcome {
        Ok(Reply::Queue(R::Moved(ids))) => ids,
        other => panic!("not moved: {other:?}"),
    }
}

fn shelf(space: &Space, who: SessionKey, queue: &str, shelf: Shelf) -> String {
    let items = browse(space, who, queue, shelf);
    items.iter().map(|item| text_of(&item.payload)).collect::<Vec<_>>().join(" ")
}

fn ready(space: &Space, who: SessionKey, queue: &str) -> String {
    shelf(space, who, queue, Shelf::Ready)
}

/// Puts these into the queue and rejects each.
fn die(space: &mut Space, who: SessionKey, queue: &str, texts: &[&str]) {
    space.ask(who, put_many(queue, texts, NOW)).expect("put");
    for text in texts {
        let leased = token(&space.take_and_accept(who, lease(queue, NOW)));
        space.ask_all(who, reject(queue, leased, text)).0.expect("rejected");
    }
}

/// The queue "q" with the dead letters "a b c" in "graves".
fn buried() -> (Space, SessionKey) {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, deliveries_max(2, Some("graves"))).expect("declared");
    die(&mut space, who, "q", &["a", "b", "c"]);
    (space, who)
}

#[test]
fn a_dead_letter_tells_where_it_died_and_when() {
    let (mut space, who) = buried();
    space.pass_seconds(3);
    let letter = &browse(&space, who, "graves", Shelf::Ready)[0];
    assert_eq!(
        (letter.dead_from.as_ref(), letter.dead_for),
        (Some(&name("q")), Some(Duration::from_secs(3)))
    );
    assert_eq!((letter.attempts, letter.dead_reason.as_deref()), (1, Some("REJECTED: a")));
    let leased = token(&space.take_and_accept(who, lease("graves", NOW)));
    space.ask(who, reject("graves", leased, "still")).unwrap();
    let dead = &browse(&space, who, "graves", Shelf::Dead)[0];
    assert_eq!((dead.dead_from.as_ref(), dead.dead_for), (Some(&name("q")), Some(Duration::ZERO)));
    assert_eq!((dead.attempts, dead.dead_reason.as_deref()), (2, Some("REJECTED: still")));
}

#[test]
fn dead_letters_go_back_to_where_they_died() {
    let (mut space, who) = buried();
    space.ask(who, put("graves", "plain", NOW)).unwrap();
    let waiting = space.wait(who, get("q", FOREVER));
    let (outcome, answers) = space.ask_all(who, redrive("graves", Which::First(2), None));
    assert_eq!(redriven(outcome), (2, 0));
    assert_eq!(short(&answers), [(waiting, "a".to_owned())], "who waits there is served");
    assert_eq!(deliveries(&answers[0].outcome)[0].attempt, 1, "attempts count anew");
    assert_eq!(redriven(space.ask(who, redrive("graves", Which::All, None))), (1, 0));
    assert_eq!((ready(&space, who, "q"), ready(&space, who, "graves")), ("b c".into(), "plain".into()));
    let item = &browse(&space, who, "q", Shelf::Ready)[0];
    assert_eq!((&item.dead_reason, &item.dead_from, item.dead_for, item.attempts), (&None, &None, None, 0));
    assert_eq!(item.consumers.len(), 1, "who had it is not forgotten");
    let leased = token(&space.take_and_accept(who, lease("q", NOW)));
    space.ask(who, nack("q", leased, Reentry::Place, "")).unwrap();
    assert_eq!(ready(&space, who, "q"), "b c", "max_deliveries counts anew");
}

#[test]
fn what_stayed_where_it_died_is_redriven_there() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let options = Options { maxsize: Some(3), ..Default::default() };
    space.ask(who, declare("q", options)).unwrap();
    die(&mut space, who, "q", &["a", "b", "c"]);
    space.ask(who, put_many("q", &["d", "e"], NOW)).unwrap();
    let ids: Vec<ItemId> = browse(&space, who, "q", Shelf::Dead).iter().map(|item| item.id).collect();
    let alive = browse(&space, who, "q", Shelf::Ready)[0].id;
    let some = Which::Ids(vec![ids[2], alive, ids[0], ItemId(1), ids[2]]);
    assert_eq!(redriven(space.ask(who, redrive("q", some, None))), (2, 0));
    assert_eq!(ready(&space, who, "q"), "d e a c", "above the bound, as they died");
    assert_eq!((shelf(&space, who, "q", Shelf::Dead), space.queue(who, "q").unfinished), ("b".into(), 4));
    assert_eq!(reason(&space.ask(who, put("q", "f", NOW))), Reason::Full);
}

#[test]
fn dead_letters_can_be_sent_elsewhere() {
    let (mut space, who) = buried();
    let joining = space.wait(who, on("graves", Do::Join { timeout: FOREVER }));
    let (outcome, answers) = space.ask_all(who, redrive("graves", Which::All, Some("other")));
    assert_eq!(redriven(outcome), (3, 0));
    assert_eq!(short(&answers), [(joining, "joined".to_owned())], "they count at their target");
    assert_eq!((ready(&space, who, "other"), space.queue(who, "other").unfinished), ("a b c".into(), 3));
    let missing = Redrive { which: Which::All, to: Some(Target::Existing(name("missing"))) };
    let missing = on("graves", Do::Redrive(Box::new(missing)));
    assert_eq!(reason(&space.ask(who, missing)), Reason::ObjectGone);
}

#[test]
fn what_cannot_go_home_stays() {
    let (mut space, who) = buried();
    let passing = space.open(Mode::Resumable);
    let options = Options { ephemeral: Some(true), dead_letters: Some(name("graves")), ..Default::default() };
    space.ask(passing, declare("passing", options)).unwrap();
    die(&mut space, passing, "passing", &["x"]);
    space.close(passing);
    assert_eq!(redriven(space.ask(who, redrive("graves", Which::All, None))), (3, 1));
    assert_eq!(ready(&space, who, "graves"), "x");
    space.ask(who, on("q", Do::Shutdown { immediate: false })).unwrap();
    assert_eq!(reason(&space.ask(who, redrive("graves", Which::All, Some("q")))), Reason::ShutDown);
    assert_eq!(redriven(space.ask(who, redrive("q", Which::All, None))), (0, 0));
    assert_eq!(redriven(space.ask(who, redrive("graves", Which::All, Some("new")))), (1, 0));
}

#[test]
fn the_time_to_live_of_what_is_redriven_begins_anew() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, deliveries_max(1, Some("graves"))).unwrap();
    space.ask(who, put_timed("q", "a", 0, Some(5))).unwrap();
    space.pass_seconds(5);
    assert_eq!(ready(&space, who, "graves"), "a");
    space.pass_seconds(60);
    assert_eq!(redriven(space.ask(who, redrive("graves", Which::All, None))), (1, 0));
    space.pass_seconds(4);
    assert_eq!(ready(&space, who, "q"), "a");
    space.pass_seconds(1);
    assert_eq!((ready(&space, who, "q"), ready(&space, who, "graves")), ("".into(), "a".into()));
}

#[test]
fn items_are_moved_in_order_and_counted_at_their_target() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_timed("q", "late", 5, Some(9))).unwrap();
    space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
    let leased = token(&space.take_and_accept(who, lease("q", NOW)));
    let joining = space.wait(who, join(FOREVER));
    let ids = moved(space.ask(who, moving("q", Which::First(1), "other")));
    assert_eq!((ids.len(), ready(&space, who, "other")), (1, "b".into()));
    let (outcome, answers) = space.ask_all(who, moving("q", Which::All, "other"));
    assert_eq!((moved(outcome).len(), short(&answers)), (2, vec![]), "what is leased stays");
    assert_eq!(
        (ready(&space, who, "other"), shelf(&space, who, "other", Shelf::Delayed)),
        ("b c".into(), "late".into())
    );
    assert_eq!((space.queue(who, "q").unfinished, space.queue(who, "other").unfinished), (1, 3));
    let (_, answers) = space.ask_all(who, ack("q", &[leased]));
    assert_eq!(short(&answers), [(joining, "joined".to_owned())]);
    space.pass_seconds(5);
    assert_eq!(ready(&space, who, "other"), "b c late", "its time came");
    space.pass_seconds(4);
    assert_eq!((ready(&space, who, "other"), space.queue(who, "other").expired), ("b c".into(), 1));
}

#[test]
fn moving_by_id_says_which_went_and_wakes_who_waits() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
    let ids: Vec<ItemId> = browse(&space, who, "q", Shelf::Ready).iter().map(|item| item.id).collect();
    let waiting = space.wait(who, get("other", FOREVER));
    let some = Which::Ids(vec![ids[2], ItemId(1), ids[0], ids[2]]);
    let (outcome, answers) = space.ask_all(who, moving("q", some, "other"));
    assert_eq!(moved(outcome), [ids[2], ids[0]]);
    assert_eq!(short(&answers), [(waiting, "c".to_owned())], "in the order given");
    assert_eq!((ready(&space, who, "q"), ready(&space, who, "other")), ("b".into(), "a".into()));
}

#[test]
fn all_that_is_moved_must_fit_and_room_goes_to_who_waits_for_it() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    for queue in ["q", "other"] {
        space.ask(who, declare(queue, Options { maxsize: Some(2), ..Default::default() })).unwrap();
    }
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    space.ask(who, put("other", "x", NOW)).unwrap();
    let blocked = space.wait(who, put("q", "c", FOREVER));
    assert_eq!(reason(&space.ask(who, moving("q", Which::All, "other"))), Reason::Full);
    assert_eq!((ready(&space, who, "q"), ready(&space, who, "other")), ("a b".into(), "x".into()));
    let (_, answers) = space.ask_all(who, moving("q", Which::First(1), "other"));
    assert_eq!(short(&answers), [(blocked, "put".to_owned())]);
    space.wait(who, put("other", "y", FOREVER));
    space.take_and_accept(who, get("other", NOW)).unwrap();
    assert_eq!(reason(&space.ask(who, moving("q", Which::First(1), "other"))), Reason::Full);
}

#[test]
fn a_moved_item_is_in_nobodys_way_and_takes_its_history_along() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let keyed = |scope| {
        let dedupe = Some(Dedupe { key: "k".into(), scope, refuse: true });
        let attributes = Some(Box::new(Attributes { dedupe, ..Default::default() }));
        on("q", Do::Put { item: NewItem { attributes, ..item("a") }, timeout: NOW })
    };
    space.ask(who, deliveries_max(2, None)).unwrap();
    for scope in [Scope::Queued, Scope::Unfinished] {
        space.ask(who, keyed(scope)).unwrap();
        assert_eq!(reason(&space.ask(who, keyed(scope))), Reason::Duplicate);
        let leased = token(&space.take_and_accept(who, lease("q", NOW)));
        space.ask(who, nack("q", leased, Reentry::Place, "no")).unwrap();
        assert_eq!(moved(space.ask(who, moving("q", Which::All, "other"))).len(), 1);
    }
    space.ask(who, keyed(Scope::Unfinished)).expect("no duplicate of what was moved");
    let item = &browse(&space, who, "other", Shelf::Ready)[0];
    assert_eq!((item.attempts, item.last_error.as_deref()), (1, Some("no")));
    let leased = space.take_and_accept(who, lease("other", NOW));
    assert_eq!(deliveries(&leased)[0].attempt, 1, "attempts are those of a queue");
}

#[test]
fn what_is_redriven_is_in_nobodys_way() {
    for scope in [Scope::Queued, Scope::Unfinished] {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        let keyed = || {
            let dedupe = Some(Dedupe { key: "k".into(), scope, refuse: true });
            let attributes = Some(Box::new(Attributes { dedupe, ..Default::default() }));
            on("q", Do::Put { item: NewItem { attributes, ..item("a") }, timeout: NOW })
        };
        space.ask(who, keyed()).unwrap();
        let leased = token(&space.take_and_accept(who, lease("q", NOW)));
        space.ask(who, reject("q", leased, "")).unwrap();
        assert_eq!(redriven(space.ask(who, redrive("q", Which::All, None))), (1, 0));
        space.ask(who, keyed()).expect("what died has lost its key");
    }
}

#[test]
fn a_put_cannot_be_withdrawn_once_its_item_has_moved() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let (op, _) = space.call(who, put("q", "a", NOW));
    for (from, to) in [("q", "other"), ("other", "q")] {
        assert_eq!(moved(space.ask(who, moving(from, Which::All, to))).len(), 1);
    }
    assert_eq!(in_short(&space.cancel(who, op)[0].outcome), "cancelled false");
}

#[test]
fn the_order_is_that_of_the_target() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    for (queue, discipline) in [("q", Discipline::Priority), ("back", Discipline::Priority)] {
        space
            .ask(who, declare(queue, Options { discipline: Some(discipline), ..Default::default() }))
            .unwrap();
    }
    for (text, key) in [("b", b"b"), ("a", b"a"), ("c", b"c")] {
        space.ask(who, put_key("q", text, key)).unwrap();
    }
    space.ask(who, moving("q", Which::All, "fifo")).unwrap();
    space.ask(who, put("fifo", "d", NOW)).unwrap();
    assert_eq!(ready(&space, who, "fifo"), "a b c d");
    space.ask(who, moving("fifo", Which::All, "back")).unwrap();
    assert_eq!(ready(&space, who, "back"), "d a b c", "keys are kept");
}

#[test]
fn bounds() {
    let mut space = Space::with(Limits { batch_max: 2, objects_max: 2, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    space.ask(who, put("q", "c", NOW)).unwrap();
    let ids = || Which::Ids(vec![ItemId(1); 3]);
    for command in [redrive("q", ids(), None), moving("q", ids(), "x"), moving("q", Which::First(3), "x")] {
        let error = space.ask(who, command).expect_err("too many");
        assert_eq!((error.reason, error.detail("limit")), (Reason::LimitExceeded, Some("batch_max")));
    }
    for command in
        [moving("q", Which::First(0), "x"), redrive("q", Which::First(0), None), moving("q", Which::All, "q")]
    {
        assert_eq!(reason(&space.ask(who, command)), Reason::InvalidArgument);
    }
    assert_eq!(moved(space.ask(who, moving("q", Which::All, "x"))).len(), 2, "as many as go in one call");
    let error = space.ask(who, moving("q", Which::All, "y")).expect_err("too many objects");
    assert_eq!((error.reason, ready(&space, who, "q")), (Reason::LimitExceeded, "c".into()));
    assert_eq!(reason(&space.ask(who, moving("new", Which::All, "y"))), Reason::LimitExceeded);
}
