//! Semantics 3: Semaphore. available = limit + signals − held.

use std::time::Duration;

use bridge_core::command::semaphore::{
    Acquire, Command, Holder, Options, Ownership, Query as Asked, Reply as Answered,
};
use bridge_core::command::{self, Carrier, Input, Mode, Query, Reply};
use bridge_core::ids::{Kind, ParticipantId, SessionKey};
use bridge_core::view::ObjectPage;
use bridge_core::{Limits, Outcome, Reason};

use crate::support::*;

fn counts(space: &Space, who: SessionKey) -> (i64, i64, i64, i64) {
    let figures = space.semaphore(who, "s");
    assert_eq!(figures.available, figures.limit + figures.signals - figures.held);
    (figures.available, figures.limit, figures.signals, figures.held)
}

fn by_token(permits: u32) -> command::Command {
    let acquire = Acquire { permits, by_token: true, barge: false, timeout: NOW };
    on_semaphore("s", Command::Acquire(acquire))
}

fn options(limit: i64, bounded: bool, ownership: Ownership) -> command::Command {
    let options = Options {
        limit: Some(limit),
        bounded: Some(bounded),
        ownership: Some(ownership),
        ..Default::default()
    };
    on_semaphore("s", Command::Declare(options))
}

fn drained(outcome: &Outcome) -> i64 {
    match outcome {
        Ok(Reply::Semaphore(Answered::Drained { drained, .. })) => *drained,
        other => panic!("not drained: {other:?}"),
    }
}

#[test]
fn signals_are_consumed_and_permits_come_back() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Direct)];
    space.ask(who, permits("s", 2)).unwrap();
    space.ask(other, release("s", 1)).unwrap();
    assert_eq!(counts(&space, who), (3, 2, 1, 0), "nothing was held: a signal");
    space.take_and_accept(who, acquire("s", 3, NOW)).unwrap();
    assert_eq!(counts(&space, who), (0, 2, 0, 2), "signals first, the rest held");
    space.expire(who);
    assert_eq!(counts(&space, other), (2, 2, 0, 0), "permits go back, signals do not");
}

#[test]
fn the_head_of_the_line_waits_for_all_it_wants() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, permits("s", 2)).unwrap();
    space.take_and_accept(who, acquire("s", 2, NOW)).unwrap();
    let large = space.wait(who, acquire("s", 2, FOREVER));
    let small = space.wait(who, acquire("s", 1, FOREVER));
    assert_eq!(space.ask_all(who, release("s", 1)).1, []);
    let barging = Acquire { permits: 1, by_token: false, barge: true, timeout: NOW };
    let (op, answers) = space.call(who, on_semaphore("s", Command::Acquire(barging)));
    assert_eq!(short(&answers), [(op, "acquired".to_owned())], "past the line");
    assert_eq!(space.refuse(who, op), []);
    assert_eq!(short(&space.ask_all(who, release("s", 1)).1), [(large, "acquired".to_owned())]);
    space.done(who, large);
    assert_eq!(short(&space.ask_all(who, release("s", 1)).1), [(small, "acquired".to_owned())]);
}

#[test]
fn whoever_leaves_the_head_of_the_line_lets_the_next_go() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, permits("s", 1)).unwrap();
    let head = space.wait(who, acquire("s", 2, seconds(5)));
    let next = space.wait(who, acquire("s", 1, FOREVER));
    let expected = [(head, "TIMED_OUT".to_owned()), (next, "acquired".to_owned())];
    assert_eq!(short(&space.pass_seconds(5)), expected);
}

#[test]
fn a_bare_release_returns_the_callers_newest_then_its_sessions_then_the_oldest_of_others() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Direct), space.open(Mode::Direct)];
    space.ask(who, permits("s", 4)).unwrap();
    let mut take = |session, participant| {
        space.call_by(session, participant, Carrier::Stream, acquire("s", 1, NOW)).1[0].outcome.clone()
    };
    let first = token(&take(other, 0));
    let mine = token(&take(who, 1));
    let newest = token(&take(who, 1));
    let siblings = token(&take(who, 2));
    let mut release_by_1 = |expect_left: &[_]| {
        space.call_by(who, 1, Carrier::Stream, release("s", 1));
        let view = space.object(Kind::Semaphore, "s", ObjectPage::default());
        let left: Vec<_> = view.holders.iter().map(|holder| holder.token).collect();
        assert_eq!(left, expect_left);
    };
    release_by_1(&[first, mine, siblings]);
    assert!(newest > mine);
    release_by_1(&[first, siblings]);
    release_by_1(&[first]);
    release_by_1(&[]);
    release_by_1(&[]);
    assert_eq!(counts(&space, who), (5, 4, 1, 0), "and then a signal");
    assert_eq!(reason(&space.ask(other, release_token("s", first))), Reason::Stale);
}

#[test]
fn a_permit_by_token_goes_back_by_its_token_only() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, permits("s", 2)).unwrap();
    let permit = token(&space.take_and_accept(who, by_token(2)));
    space.ask(other, release("s", 1)).unwrap();
    assert_eq!(counts(&space, who), (1, 2, 1, 2), "a bare release does not free it");
    assert_eq!(
        reason(&space.ask(other, release_token("s", permit))),
        Reason::Stale,
        "nor does another session"
    );
    space.ask(who, release_token("s", permit)).unwrap();
    assert_eq!(counts(&space, who), (3, 2, 1, 0));
    space.ask(who, release_token("s", permit)).expect("repeating the right one is fine");
    assert_eq!(counts(&space, who), (3, 2, 1, 0));
}

#[test]
fn naming_the_token_of_an_offer_accepts_it() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, permits("s", 1)).unwrap();
    let (op, answers) = space.call_by(who, 0, Carrier::Call, by_token(1));
    space.ask(who, release_token("s", token(&answers[0].outcome))).unwrap();
    assert_eq!(space.refuse(who, op), []);
    assert_eq!(counts(&space, who), (1, 1, 0, 0));
}

#[test]
fn a_bare_release_after_an_answered_unary_call_returns_that_permit() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, permits("s", 1)).unwrap();
    space.call_by(who, 0, Carrier::Call, acquire("s", 1, NOW));
    space.ask(who, release("s", 1)).unwrap();
    assert_eq!(counts(&space, who), (1, 1, 0, 0));
    space.expire(who);
    let other = space.open(Mode::Resumable);
    assert_eq!(counts(&space, other), (1, 1, 0, 0), "not returned twice");
}

#[test]
fn a_refused_offer_gives_signals_back_as_signals() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, permits("s", 1)).unwrap();
    space.ask(who, release("s", 1)).unwrap();
    let (op, _) = space.call(who, acquire("s", 2, NOW));
    assert_eq!(counts(&space, who), (0, 1, 0, 1));
    space.refuse(who, op);
    assert_eq!(counts(&space, who), (2, 1, 1, 0));
}

#[test]
fn a_bounded_semaphore_takes_no_signals() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, options(2, true, Ownership::Session)).unwrap();
    assert_eq!(reason(&space.ask(who, release("s", 1))), Reason::TooManyReleases);
    assert_eq!(reason(&space.ask(who, acquire("s", 3, FOREVER))), Reason::InvalidArgument);
    space.take_and_accept(who, acquire("s", 1, NOW)).unwrap();
    assert_eq!(reason(&space.ask(who, release("s", 2))), Reason::TooManyReleases);
    assert_eq!(counts(&space, who), (1, 2, 0, 1), "nothing was changed");
    space.ask(who, release("s", 1)).unwrap();
    assert_eq!(counts(&space, who), (2, 2, 0, 0));
}

#[test]
fn without_ownership_everything_is_a_signal() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, options(2, true, Ownership::None)).unwrap();
    space.take_and_accept(who, acquire("s", 2, NOW)).unwrap();
    space.expire(who);
    assert_eq!(counts(&space, other), (0, 2, -2, 0), "nothing goes back");
    space.ask(other, release("s", 2)).unwrap();
    assert_eq!(reason(&space.ask(other, release("s", 1))), Reason::TooManyReleases);
}

#[test]
fn drain_takes_all_and_resets_what_is_missing() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let drain = || on_semaphore("s", Command::Drain);
    space.ask(who, permits("s", 2)).unwrap();
    space.ask(who, release("s", 1)).unwrap();
    assert_eq!(drained(&space.take_and_accept(who, drain())), 3);
    assert_eq!(counts(&space, who), (0, 2, 0, 2));
    assert_eq!(drained(&space.take_and_accept(who, drain())), 0);
    space.ask(who, on_semaphore("s", Command::Reduce { permits: 5 })).unwrap();
    assert_eq!(drained(&space.take_and_accept(who, drain())), -5);
    assert_eq!(counts(&space, who), (0, 2, 0, 2));
}

#[test]
fn a_negative_limit_and_reduce_move_what_is_missing() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, permits("s", -1)).unwrap();
    let waiting = space.wait(who, acquire("s", 1, FOREVER));
    space.ask(who, release("s", 1)).unwrap();
    assert_eq!(short(&space.ask_all(who, release("s", 1)).1), [(waiting, "acquired".to_owned())]);
}

#[test]
fn a_new_limit_revokes_nothing() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, permits("s", 2)).unwrap();
    space.take_and_accept(who, acquire("s", 2, NOW)).unwrap();
    let limit = |limit| on_semaphore("s", Command::SetLimit { limit });
    space.ask(who, limit(0)).unwrap();
    assert_eq!(counts(&space, who), (-2, 0, 0, 2));
    let waiting = space.wait(who, acquire("s", 1, FOREVER));
    assert_eq!(short(&space.ask_all(who, limit(3)).1), [(waiting, "acquired".to_owned())]);
}

#[test]
fn absurd_numbers_are_refused_and_overflow_nothing() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    for limit in [i64::MAX, i64::MIN] {
        assert_eq!(reason(&space.ask(who, permits("s", limit))), Reason::LimitExceeded);
    }
    space.ask(who, permits("s", 1 << 53)).unwrap();
    space.ask(who, release("s", u32::MAX)).unwrap();
    space.take_and_accept(who, on_semaphore("s", Command::Drain)).unwrap();
    space.ask(who, release("s", u32::MAX)).unwrap();
}

#[test]
fn an_offer_to_a_detached_session_is_kept_and_another_is_served_from_the_rest() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, permits("s", 1)).unwrap();
    let (op, first) = space.call(who, acquire("s", 1, NOW));
    space.input(Input::Detach(who));
    assert_eq!(reason(&space.ask(other, acquire("s", 1, NOW))), Reason::TimedOut);
    let waiting = space.wait(other, acquire("s", 1, FOREVER));
    let again = space.answers(Input::Attach(who));
    assert_eq!(again.last(), first.first());
    assert_eq!(short(&space.refuse(who, op)), [(waiting, "acquired".to_owned())]);
}

#[test]
fn holders_say_who_holds_what_since_when() {
    let mut space = Space::with(Limits { page_max: 2, ..Limits::default() });
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.input(Input::Label(who, ParticipantId(0), "worker".into()));
    let page = |space: &Space, after| {
        let query = Asked::Holders { page_size: u32::MAX, after };
        match space.query(who, Query::Semaphore(target("s"), query)) {
            Ok(Reply::Semaphore(Answered::Holders(page))) => (page.holders, page.next),
            other => panic!("not holders: {other:?}"),
        }
    };
    let holders = |space: &Space| page(space, None).0;
    assert_eq!(holders(&space), [], "reading creates nothing");
    space.ask(who, permits("s", 5)).unwrap();
    let first = token(&space.take_and_accept(who, acquire("s", 2, NOW)));
    space.pass_seconds(3);
    let second = token(&space.take_and_accept(other, by_token(1)));
    let expected = |token, permits, by_token, seconds, participant: &str, session: &str| Holder {
        token,
        permits,
        by_token,
        held_for: Duration::from_secs(seconds),
        participant: participant.into(),
        session: session.into(),
    };
    let both =
        [expected(first, 2, false, 3, "worker", "s1@host:1"), expected(second, 1, true, 0, "", "s2@host:1")];
    assert_eq!(holders(&space), both);
    assert_eq!(page(&space, None).1, None, "that is all");
    let third = token(&space.take_and_accept(who, acquire("s", 1, NOW)));
    assert_eq!((holders(&space).len(), page(&space, None).1), (2, Some(second)), "at most a page");
    let (rest, next) = page(&space, Some(second));
    assert_eq!((rest[0].token, rest.len(), next), (third, 1, None));
    space.expire(other);
    assert_eq!(holders(&space).iter().map(|holder| holder.permits).collect::<Vec<_>>(), [2, 1]);
}
