//! Semantics 4: Lock and RLock.

use std::time::Duration;

use bridge_core::command::lock::{Abandoned, Acquire, Cause, Command as Do, Options, Reply as Answered};
use bridge_core::command::{self, Carrier, Input, Mode, Ownership, Reply};
use bridge_core::ids::{Op, ParticipantId, SessionKey, Token};
use bridge_core::{Error, Outcome, Reason};

use crate::support::*;

fn two(space: &mut Space) -> [SessionKey; 2] {
    [space.open(Mode::Resumable), space.open(Mode::Resumable)]
}

fn declare(options: Options) -> command::Command {
    on_lock("l", Do::Declare(options))
}

/// A call of a participant that is granted at once and accepted.
fn held_by(space: &mut Space, who: SessionKey, participant: u32) -> Token {
    let (op, answers) = space.call_by(who, participant, Carrier::Stream, lock("l", NOW));
    space.done(who, op);
    token(&answers[0].outcome)
}

fn unlocked_by(space: &mut Space, who: SessionKey, participant: u32, token: Option<Token>) -> Outcome {
    let (_, answers) = space.call_by(who, participant, Carrier::Stream, unlock("l", token));
    answers[0].outcome.clone()
}

fn abandoned(outcome: &Outcome) -> Option<Abandoned> {
    match outcome {
        Ok(Reply::Lock(Answered::Acquired(grant))) => grant.abandoned.as_deref().cloned(),
        other => panic!("not locked: {other:?}"),
    }
}

fn locked(op: Op) -> Vec<(Op, String)> {
    vec![(op, "locked".to_owned())]
}

#[test]
fn it_goes_from_holder_to_holder_in_order_with_growing_tokens() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let first = token(&space.take_and_accept(who, lock("l", NOW)));
    assert_eq!(reason(&space.ask(other, lock("l", NOW))), Reason::TimedOut);
    let second = space.wait(other, lock("l", FOREVER));
    let third = space.wait(who, lock("l", FOREVER));
    let (released, answers) = space.ask_all(who, unlock("l", Some(first)));
    released.unwrap();
    assert_eq!(short(&answers), locked(second));
    let held = token(&answers[0].outcome);
    assert!(held > first);
    space.done(other, second);
    assert_eq!(short(&space.ask_all(other, unlock("l", Some(held))).1), locked(third));
}

#[test]
fn a_wait_ends_with_its_time_and_with_its_cancellation() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    space.take_and_accept(who, lock("l", NOW)).unwrap();
    let timed = space.wait(other, lock("l", seconds(3)));
    let cancelled = space.wait(other, lock("l", FOREVER));
    assert_eq!(short(&space.pass_seconds(3)), [(timed, "TIMED_OUT".to_owned())]);
    assert_eq!(short(&space.cancel(other, cancelled))[0], (cancelled, "CANCELLED".to_owned()));
    assert_eq!(space.lock(who, "l").waiting, 0);
}

#[test]
fn who_barges_takes_what_is_free_past_the_line() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let barge = || on_lock("l", Do::Acquire(Acquire { barge: true, ..Acquire::within(NOW) }));
    space.take_and_accept(who, lock("l", NOW)).unwrap();
    assert_eq!(reason(&space.ask(other, barge())), Reason::TimedOut);
    let waiting = space.wait(other, lock("l", FOREVER));
    space.input(Input::Detach(other));
    space.ask(who, unlock("l", None)).unwrap();
    space.take_and_accept(who, barge()).unwrap();
    space.input(Input::Attach(other));
    assert_eq!(short(&space.ask_all(who, unlock("l", None)).1), locked(waiting));
}

#[test]
fn it_is_not_reentrant_and_any_participant_of_the_session_releases_it() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    held_by(&mut space, who, 1);
    assert_eq!(reason(&space.ask(who, lock("l", NOW))), Reason::TimedOut);
    let error = space.ask(other, unlock("l", None)).unwrap_err();
    assert_eq!((error.reason, error.detail("holder")), (Reason::NotOwner, Some("s1@host:1")));
    unlocked_by(&mut space, who, 2, None).unwrap();
    assert_eq!(reason(&space.ask(who, unlock("l", None))), Reason::NotOwner, "it is free");
}

#[test]
fn another_session_releases_it_where_that_was_declared() {
    let unowned = Options { ownership: Some(Ownership::None), ..Default::default() };
    let foreign = Options { foreign_release: Some(true), ..Default::default() };
    for options in [unowned, foreign] {
        let mut space = Space::default();
        let [who, other] = two(&mut space);
        space.ask(who, declare(options)).unwrap();
        let held = token(&space.take_and_accept(who, lock("l", NOW)));
        space.ask(other, unlock("l", None)).unwrap();
        assert_eq!(reason(&space.ask(who, unlock("l", Some(held)))), Reason::Stale);
    }
}

#[test]
fn a_lock_that_nobody_owns_does_not_go_back() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    space.ask(who, declare(Options { ownership: Some(Ownership::None), ..Default::default() })).unwrap();
    space.take_and_accept(who, lock("l", NOW)).unwrap();
    space.expire(who);
    let waiting = space.wait(other, lock("l", FOREVER));
    let (_, answers) = space.ask_all(other, unlock("l", None));
    assert_eq!(short(&answers), locked(waiting), "and nothing was abandoned");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let both = Options { reentrant: Some(true), ownership: Some(Ownership::None), ..Default::default() };
    assert_eq!(space.ask(who, declare(both)).unwrap_err().detail("field"), Some("ownership"));
    space.ask(who, lock_options("l", true)).unwrap();
    let foreign = Options { foreign_release: Some(true), ..Default::default() };
    assert_eq!(space.ask(who, declare(foreign)).unwrap_err().detail("field"), Some("foreign_release"));
    let error = space.ask(who, lock_options("l", false)).unwrap_err();
    assert_eq!((error.reason, error.detail("option")), (Reason::ConfigMismatch, Some("reentrant")));
}

#[test]
fn a_reentrant_lock_is_its_participants_and_keeps_its_token() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    space.ask(who, lock_options("l", true)).unwrap();
    let held = held_by(&mut space, who, 1);
    assert_eq!(held_by(&mut space, who, 1), held);
    let waiting = space.wait(other, lock("l", FOREVER));
    for (session, participant) in [(who, 2), (other, 1)] {
        assert_eq!(reason(&unlocked_by(&mut space, session, participant, None)), Reason::NotOwner);
        assert_eq!(reason(&unlocked_by(&mut space, session, participant, Some(held))), Reason::NotOwner);
    }
    assert_eq!(space.lock(who, "l").holder.unwrap().levels, 2);
    unlocked_by(&mut space, who, 1, Some(held)).unwrap();
    let (_, answers) = space.call_by(who, 1, Carrier::Stream, unlock("l", None));
    assert_eq!(answers[1].op, waiting);
}

#[test]
fn repeating_the_right_release_is_fine_and_a_stale_one_is_told() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let first = token(&space.take_and_accept(who, lock("l", NOW)));
    space.ask(who, unlock("l", Some(first))).unwrap();
    let second = token(&space.take_and_accept(other, lock("l", NOW)));
    space.ask(who, unlock("l", Some(first))).unwrap();
    assert_eq!(reason(&space.ask(other, unlock("l", Some(first)))), Reason::Stale);
    assert_eq!(reason(&space.ask(who, unlock("l", Some(second)))), Reason::NotOwner);
    assert_eq!(space.lock(who, "l").holder.unwrap().token, second);
}

#[test]
fn the_next_owner_learns_that_the_one_before_died_holding_it() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    space.input(Input::Label(who, ParticipantId(0), "worker".into()));
    let held = token(&space.take_and_accept(who, lock("l", NOW)));
    let waiting = space.wait(other, lock("l", FOREVER));
    space.pass_seconds(1);
    let answers = space.expire(who);
    let who_it_was = Abandoned {
        cause: Cause::Session,
        token: held,
        ago: Duration::ZERO,
        participant: "worker".into(),
        session: "s1@host:1".into(),
    };
    assert_eq!((answers[0].op, abandoned(&answers[0].outcome)), (waiting, Some(who_it_was.clone())));
    space.pass_seconds(2);
    space.refuse(other, waiting);
    let told = abandoned(&space.take_and_accept(other, lock("l", NOW)));
    assert_eq!(
        told,
        Some(Abandoned { ago: Duration::from_secs(2), ..who_it_was }),
        "a refusal changes nothing"
    );
    space.ask(other, unlock("l", None)).unwrap();
    assert_eq!(abandoned(&space.take_and_accept(other, lock("l", NOW))), None, "only the next one");
}

#[test]
fn an_offer_that_nobody_accepted_abandons_nothing() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let (_, answers) = space.call(who, lock("l", NOW));
    assert!(answers[0].offered);
    let waiting = space.wait(other, lock("l", FOREVER));
    assert_eq!(short(&space.expire(who)), locked(waiting));
}

#[test]
fn an_offer_outlives_the_stream_and_a_refused_one_goes_to_the_next() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let (op, first) = space.call(who, lock("l", NOW));
    space.input(Input::Detach(who));
    let waiting = space.wait(other, lock("l", FOREVER));
    assert_eq!(space.answers(Input::Attach(who)).last(), first.first());
    assert_eq!(reason(&unlocked_by(&mut space, who, 0, None)), Reason::NotOwner, "not before it is accepted");
    assert_eq!(short(&space.refuse(who, op)), locked(waiting));
}

#[test]
fn the_waiters_of_a_detached_session_are_passed_over_and_keep_their_places() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let third = space.open(Mode::Resumable);
    space.take_and_accept(third, lock("l", NOW)).unwrap();
    let early = space.wait(who, lock("l", FOREVER));
    let late = space.wait(other, lock("l", FOREVER));
    space.input(Input::Detach(who));
    assert_eq!(short(&space.ask_all(third, unlock("l", None)).1), locked(late));
    space.done(other, late);
    let last = space.wait(third, lock("l", FOREVER));
    space.input(Input::Attach(who));
    assert_eq!(short(&space.ask_all(other, unlock("l", None)).1), locked(early));
    assert_eq!(short(&space.refuse(who, early)), locked(last));
}

#[test]
fn a_refused_level_leaves_the_others() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, lock_options("l", true)).unwrap();
    held_by(&mut space, who, 0);
    let (op, _) = space.call(who, lock("l", NOW));
    space.refuse(who, op);
    space.ask(who, unlock("l", None)).unwrap();
    assert_eq!(space.lock(who, "l").holder, None);
}

#[test]
fn a_unary_caller_shows_by_its_release_that_it_has_the_lock() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, lock_options("l", true)).unwrap();
    let by_call = |space: &mut Space| space.call_by(who, 0, Carrier::Call, lock("l", NOW)).1;
    let held = token(&by_call(&mut space)[0].outcome);
    by_call(&mut space);
    space.ask(who, unlock("l", Some(held))).unwrap();
    assert_eq!(space.lock(who, "l").holder.unwrap().levels, 1);
    space.ask(who, unlock("l", None)).unwrap();
    assert_eq!(space.lock(who, "l").holder, None);
    assert_eq!(space.expire(who), [], "no offer is left");
}

#[test]
fn without_a_session_nothing_is_locked_and_what_nobody_owns_is_released() {
    let mut space = Space::default();
    let (nobody, who) = (space.open(Mode::Sessionless), space.open(Mode::Resumable));
    assert_eq!(reason(&space.ask(nobody, lock("l", FOREVER))), Reason::SessionRequired);
    space.ask(who, declare(Options { ownership: Some(Ownership::None), ..Default::default() })).unwrap();
    space.take_and_accept(who, lock("l", NOW)).unwrap();
    space.ask(nobody, unlock("l", None)).unwrap();
}

#[test]
fn in_this_process_a_grant_of_the_own_call_is_final_and_of_a_waiter_an_offer() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Direct), space.open(Mode::Direct)];
    let (_, answers) = space.call(who, lock("l", NOW));
    assert!(!answers[0].offered);
    let waiting = space.wait(other, lock("l", FOREVER));
    let (_, answers) = space.ask_all(who, unlock("l", None));
    assert!(answers[0].offered);
    space.refuse(other, waiting);
    assert_eq!(space.lock(who, "l").holder, None);
}

#[test]
fn who_holds_it_is_told() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.input(Input::Label(who, ParticipantId(1), "worker".into()));
    let held = held_by(&mut space, who, 1);
    space.pass_seconds(3);
    let figures = space.lock(who, "l");
    let holder = figures.holder.unwrap();
    assert_eq!((holder.token, holder.levels, holder.held_for), (held, 1, Duration::from_secs(3)));
    assert_eq!((&*holder.participant, &*holder.session), ("worker", "s1@host:1"));
    let error: Error = space.ask(who, lock("l", NOW)).unwrap_err();
    assert!(error.message.contains("worker of s1@host:1"), "{}", error.message);
}
