//! Semantics 1: `task_done` and `join` tell the truth.

use bridge_core::Reason;
use bridge_core::command::queue::{Command, Options, Reply, Shelf};
use bridge_core::command::{self, Mode, Outcome};
use bridge_core::ids::SessionKey;

use crate::queue::{browse, join, task_done};
use crate::support::*;

#[test]
fn join_waits_for_all_that_was_put() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, join(NOW)).unwrap();
    space.ask(who, put_many("q", &["a", "b", "c", "d"], NOW)).unwrap();
    assert_eq!(reason(&space.ask(who, join(NOW))), Reason::TimedOut);
    let joining = space.wait(who, join(FOREVER));
    space.take_and_accept(who, get("q", NOW)).unwrap();
    space.take_and_accept(other, get("q", NOW)).unwrap();
    let leased = token(&space.take_and_accept(who, lease("q", NOW)));
    space.ask(who, task_done(1)).unwrap();
    space.ask(who, ack("q", &[leased])).unwrap();
    space.ask(who, on("q", Command::Purge)).unwrap();
    assert_eq!(space.queue(who, "q").unfinished, 1);
    let (_, answers) = space.ask_all(who, task_done(1));
    assert_eq!(short(&answers), [(joining, "joined".to_owned())], "anybody's will do");
    assert_eq!(reason(&space.ask(other, task_done(1))), Reason::TooManyTasksDone);
}

#[test]
fn what_dies_leaves_the_count() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    let joining = space.wait(who, join(FOREVER));
    let taken = token(&space.take_and_accept(who, lease("q", NOW)));
    space.ask(who, reject("q", taken, "")).unwrap();
    let ready = browse(&space, who, "q", Shelf::Ready)[0].id;
    let (reply, answers) = space.ask_all(who, on("q", Command::Remove { ids: vec![ready, ready] }));
    assert_eq!(reply, Ok(command::Reply::Queue(Reply::Removed(vec![ready]))));
    assert_eq!(short(&answers), [(joining, "joined".to_owned())]);
}

#[test]
fn task_done_before_get_counts_as_in_the_standard_library() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    space.ask(who, task_done(1)).unwrap();
    assert_eq!(reason(&space.ask(who, task_done(2))), Reason::TooManyTasksDone);
    space.take_and_accept(who, get("q", NOW)).unwrap();
    assert_eq!(space.queue(who, "q").unfinished, 1);
    space.take_and_accept(who, get("q", NOW)).unwrap();
    space.ask(who, task_done(1)).unwrap();
    space.ask(who, join(NOW)).unwrap();
}

fn lost(outcome: &Outcome) -> Option<&str> {
    let error = outcome.as_ref().expect_err("it is incomplete");
    assert_eq!(error.reason, Reason::JoinIncomplete);
    error.detail("lost")
}

fn forgive() -> command::Command {
    on("q", Command::Forgive)
}

/// A queue with `a b c`, of which a session that is over had gotten two; and who is left.
fn two_lost(options: Options) -> (Space, SessionKey) {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, declare("q", options)).expect("declared");
    space.ask(who, put_many("q", &["a", "b", "c"], NOW)).expect("put");
    space.take_and_accept(other, get_many("q", 2, 2, 0, NOW)).expect("got");
    space.expire(other);
    assert_eq!((space.queue(who, "q").unfinished, space.queue(who, "q").lost), (3, 2));
    (space, who)
}

#[test]
fn join_ends_once_only_lost_items_are_left() {
    let (mut space, who) = two_lost(Options::default());
    let joining = space.wait(who, join(FOREVER));
    space.take_and_accept(who, get("q", NOW)).unwrap();
    let (_, answers) = space.ask_all(who, task_done(1));
    assert_eq!(answers[0].op, joining);
    assert_eq!(lost(&answers[0].outcome), Some("2"));
    assert_eq!(lost(&space.ask(who, join(FOREVER))), Some("2"), "and so does every later one");
    assert_eq!(lost(&space.ask(who, join(NOW))), Some("2"));
    space.ask(who, task_done(1)).expect("a lost one may still be done");
    assert_eq!(lost(&space.ask(who, join(NOW))), Some("1"));
    space.ask(who, task_done(1)).unwrap();
    space.ask(who, join(NOW)).unwrap();
    assert_eq!(reason(&space.ask(who, task_done(1))), Reason::TooManyTasksDone);
}

#[test]
fn a_session_that_ends_ends_the_joins_that_wait_for_it_alone() {
    for closed in [true, false] {
        let mut space = Space::default();
        let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
        space.ask(who, put("q", "a", NOW)).unwrap();
        space.take_and_accept(other, get("q", NOW)).unwrap();
        let joining = space.wait(who, join(FOREVER));
        let answers = if closed { space.close(other) } else { space.expire(other) };
        assert_eq!(short(&answers), [(joining, "JOIN_INCOMPLETE".to_owned())]);
    }
}

#[test]
fn what_a_lost_session_leased_or_was_offered_is_not_lost() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    space.take_and_accept(other, lease("q", NOW)).unwrap();
    space.call(other, get("q", NOW));
    space.expire(other);
    let figures = space.queue(who, "q");
    assert_eq!((figures.ready, figures.unfinished, figures.lost), (2, 2, 0));
    assert_eq!(reason(&space.ask(who, join(NOW))), Reason::TimedOut);
}

#[test]
fn task_done_lowers_the_callers_count_then_the_oldest_others_then_what_is_lost() {
    let mut space = Space::default();
    let [old, young, who, over] = std::array::from_fn(|_| space.open(Mode::Resumable));
    space.ask(who, put_many("q", &["a", "b", "c", "d"], NOW)).unwrap();
    [young, old, who, over].into_iter().for_each(|who| drop(space.take_and_accept(who, get("q", NOW))));
    space.close(over);
    space.ask(who, task_done(2)).unwrap();
    space.close(old);
    assert_eq!(space.queue(who, "q").lost, 1, "the caller's own and the oldest session's");
    space.ask(who, task_done(1)).unwrap();
    assert_eq!(space.queue(who, "q").lost, 1);
    space.ask(who, task_done(1)).unwrap();
    assert_eq!((space.queue(who, "q").lost, space.queue(who, "q").unfinished), (0, 0));
}

#[test]
fn forgive_writes_off_what_is_lost() {
    let (mut space, who) = two_lost(Options { robust: Some(false), ..Default::default() });
    space.take_and_accept(who, get("q", NOW)).unwrap();
    space.ask(who, task_done(1)).unwrap();
    let joining = space.wait(who, join(FOREVER));
    let (outcome, answers) = space.ask_all(who, forgive());
    assert_eq!(outcome, Ok(command::Reply::Queue(Reply::Forgiven(2))));
    assert_eq!(short(&answers), [(joining, "joined".to_owned())], "it waited, as in the standard library");
    assert_eq!(space.ask(who, forgive()), Ok(command::Reply::Queue(Reply::Forgiven(0))));
    assert_eq!(space.queue(who, "q").unfinished, 0);
}

#[test]
fn robust_is_an_option_like_others() {
    let (mut space, who) = two_lost(Options { robust: Some(true), ..Default::default() });
    let other = declare("q", Options { robust: Some(false), ..Default::default() });
    assert_eq!(reason(&space.ask(who, other)), Reason::ConfigMismatch);
    assert_eq!(space.queue(who, "absent").options.robust, Some(true));
}
