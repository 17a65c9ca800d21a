//! Semantics 5: Condition.

use bridge_core::Reason;
use bridge_core::command::condition::{Command as Do, Figures};
use bridge_core::command::lock::{self as of_lock, Options};
use bridge_core::command::{Carrier, Command, Input, Mode};
use bridge_core::ids::{Kind, Op, SessionKey};

use crate::support::*;

/// A reentrant lock `l` with a condition `c`, and sessions.
fn space<const N: usize>() -> (Space, [SessionKey; N]) {
    let mut space = Space::default();
    let sessions: [SessionKey; N] = std::array::from_fn(|_| space.open(Mode::Resumable));
    for who in sessions {
        space.ask(who, lock_options("l", true)).expect("it is new");
        space.ask(who, condition_of("c", "l", None)).expect("it is new");
    }
    (space, sessions)
}

fn hold(space: &mut Space, who: SessionKey) {
    space.take_and_accept(who, lock("l", NOW)).expect("it is free");
}

/// The session acquires the lock and waits.
fn waits(space: &mut Space, who: SessionKey) -> Op {
    hold(space, who);
    space.wait(who, wait_for("c", FOREVER))
}

fn woken(op: Op, how: &str) -> Vec<(Op, String)> {
    vec![(op, how.to_owned())]
}

#[test]
fn wait_releases_every_level_and_ends_with_as_many_under_a_new_token() {
    let (mut space, [a, b]) = space();
    let before = token(&space.take_and_accept(a, lock("l", NOW)));
    hold(&mut space, a);
    let waiter = space.wait(a, wait_for("c", FOREVER));
    hold(&mut space, b);
    assert_eq!(in_short(&space.ask(b, notify("c", 1))), "notified 1");
    let (_, answers) = space.ask_all(b, unlock("l", None));
    assert_eq!(short(&answers), woken(waiter, "Notified"));
    space.done(a, waiter);
    let holder = space.lock(a, "l").holder.unwrap();
    assert_eq!((holder.levels, holder.token), (2, token(&answers[0].outcome)));
    assert!(holder.token > before);
    assert_eq!(reason(&space.ask(a, unlock("l", Some(before)))), Reason::Stale, "never silently passes");
}

#[test]
fn a_level_that_its_caller_turned_away_from_is_none_after_the_wait() {
    let (mut space, [a, b]) = space();
    hold(&mut space, a);
    let (again, _) = space.call(a, lock("l", NOW));
    let waiter = space.wait(a, wait_for("c", FOREVER));
    space.refuse(a, again);
    hold(&mut space, b);
    space.ask(b, notify("c", 1)).expect("it holds the lock");
    space.ask_all(b, unlock("l", None)).0.expect("it holds the lock");
    space.done(a, waiter);
    assert_eq!(space.lock(a, "l").holder.unwrap().levels, 1);
}

#[test]
fn a_level_that_its_caller_turned_away_from_stays_withdrawn_when_it_is_asked_for_again() {
    let (mut space, [a, b]) = space();
    hold(&mut space, a);
    let (again, answers) = space.call(a, lock("l", NOW));
    assert_eq!(short(&answers), [(again, "locked".to_owned())]);
    space.wait(a, wait_for("c", FOREVER));
    hold(&mut space, b);
    // Its connection was cut before the answer came.
    let answers = space.again(a, again, lock("l", NOW));
    assert!(
        matches!(&answers[..], [Answer { outcome: Err(error), .. }] if error.reason == Reason::Cancelled)
    );
}

#[test]
fn an_extension_does_not_take_a_level_that_its_caller_turned_away_from() {
    let (mut space, [a]) = space();
    let token = token(&space.take_and_accept(a, lock("l", NOW)));
    let (again, _) = space.call(a, lock("l", NOW));
    let extend = on_lock("l", of_lock::Command::Extend { token, lease: None });
    space.ask(a, extend).expect("it is its own");
    space.refuse(a, again);
    assert_eq!(space.lock(a, "l").holder.unwrap().levels, 1);
}

#[test]
fn waiters_are_notified_in_order_and_stand_in_the_lock_s_line() {
    let (mut space, [a, b, c]) = space();
    let (first, second) = (waits(&mut space, a), waits(&mut space, b));
    hold(&mut space, c);
    let in_line = space.wait(a, lock("l", FOREVER));
    assert_eq!(in_short(&space.ask(c, notify("c", 1))), "notified 1");
    assert_eq!(in_short(&space.ask(c, on_condition("c", Do::Notify { count: None }))), "notified 1");
    assert_eq!(in_short(&space.ask(c, notify("c", 9))), "notified 0");
    let mut order = vec![short(&space.ask_all(c, unlock("l", None)).1)];
    space.done(a, in_line);
    order.push(short(&space.ask_all(a, unlock("l", None)).1));
    space.done(a, first);
    order.push(short(&space.ask_all(a, unlock("l", None)).1));
    assert_eq!(order, [woken(in_line, "locked"), woken(first, "Notified"), woken(second, "Notified")]);
}

#[test]
fn the_end_of_its_time_ends_the_waiting_for_a_notification_only() {
    let (mut space, [a, b]) = space();
    hold(&mut space, a);
    let waiter = space.wait(a, wait_for("c", seconds(3)));
    hold(&mut space, b);
    assert_eq!(space.pass_seconds(3), [], "the lock is waited for without limit");
    assert_eq!(in_short(&space.ask(b, notify("c", 1))), "notified 0");
    space.pass_seconds(100);
    assert_eq!(short(&space.ask_all(b, unlock("l", None)).1), woken(waiter, "TimedOut"));
}

#[test]
fn a_wait_without_time_lets_those_in_line_pass() {
    let (mut space, [a, b]) = space();
    hold(&mut space, a);
    let in_line = space.wait(b, lock("l", FOREVER));
    let (waiter, answers) = space.call(a, wait_for("c", NOW));
    assert_eq!(short(&answers), woken(in_line, "locked"));
    space.done(b, in_line);
    assert_eq!(short(&space.ask_all(b, unlock("l", None)).1), woken(waiter, "TimedOut"));
}

#[test]
fn a_cancelled_wait_ends_with_the_lock_and_in_its_place() {
    let (mut space, [a, b, c]) = space();
    let waiter = waits(&mut space, a);
    hold(&mut space, b);
    let answers = short(&space.cancel(a, waiter));
    assert_eq!(answers[0].1, "cancelled false");
    let behind = space.wait(c, lock("l", FOREVER));
    space.cancel(a, waiter);
    assert_eq!(short(&space.ask_all(b, unlock("l", None)).1), woken(waiter, "Cancelled"));
    space.done(a, waiter);
    assert_eq!(short(&space.ask_all(a, unlock("l", None)).1), woken(behind, "locked"));
}

#[test]
fn cancelled_after_a_notification_it_says_notified() {
    let (mut space, [a, b]) = space();
    let waiter = waits(&mut space, a);
    hold(&mut space, b);
    space.ask(b, notify("c", 1)).unwrap();
    space.cancel(a, waiter);
    assert_eq!(short(&space.ask_all(b, unlock("l", None)).1), woken(waiter, "Notified"));
}

#[test]
fn a_cancelled_wait_has_a_free_lock_at_once() {
    let (mut space, [a]) = space();
    let waiter = waits(&mut space, a);
    assert_eq!(short(&space.cancel(a, waiter))[1], (waiter, "Cancelled".to_owned()));
}

#[test]
fn a_notification_passes_on_when_its_waiter_dies_before_it_has_the_lock() {
    let (mut space, [a, b, c]) = space();
    let (first, second) = (waits(&mut space, a), waits(&mut space, b));
    hold(&mut space, c);
    space.ask(c, notify("c", 1)).unwrap();
    assert_eq!(short(&space.expire(a)), woken(first, "SESSION_EXPIRED"));
    assert_eq!(space.condition(c, "c").waiting, 0, "the next one has it");
    assert_eq!(short(&space.ask_all(c, unlock("l", None)).1), woken(second, "Notified"));
}

#[test]
fn a_notification_passes_on_from_an_offer_that_nobody_took() {
    for refuses in [true, false] {
        let (mut space, [a, b, c]) = space();
        let (first, second) = (waits(&mut space, a), waits(&mut space, b));
        hold(&mut space, c);
        space.ask(c, notify("c", 1)).unwrap();
        assert_eq!(short(&space.ask_all(c, unlock("l", None)).1), woken(first, "Notified"));
        let answers = if refuses { space.refuse(a, first) } else { space.expire(a) };
        assert_eq!(short(&answers), woken(second, "Notified"));
    }
}

#[test]
fn what_timed_out_or_was_cancelled_passes_nothing_on() {
    let (mut space, [a, b, c]) = space();
    let first = waits(&mut space, a);
    waits(&mut space, b);
    hold(&mut space, c);
    space.cancel(a, first);
    space.expire(a);
    assert_eq!(space.condition(c, "c").waiting, 1);
}

#[test]
fn a_detached_waiter_is_notified_in_its_turn_and_learns_when_it_is_back() {
    let (mut space, [a, b, c]) = space();
    let first = waits(&mut space, a);
    waits(&mut space, b);
    space.input(Input::Detach(a));
    hold(&mut space, c);
    space.ask(c, notify("c", 1)).unwrap();
    space.ask(c, unlock("l", None)).unwrap();
    hold(&mut space, c);
    space.ask(c, unlock("l", None)).unwrap();
    assert_eq!(short(&space.answers(Input::Attach(a))).last(), Some(&(first, "Notified".to_owned())));
}

#[test]
fn who_may_wait_and_notify_is_the_lock_s_rule() {
    let (mut space, [a, b]) = space();
    let tries = |space: &mut Space, who, participant| {
        for command in [wait_for("c", FOREVER), notify("c", 1)] {
            let (_, answers) = space.call_by(who, participant, Carrier::Stream, command);
            assert_eq!(reason(&answers[0].outcome), Reason::NotOwner);
        }
    };
    tries(&mut space, a, 0);
    hold(&mut space, a);
    tries(&mut space, a, 1);
    tries(&mut space, b, 0);
    space.ask(a, condition_of("d", "plain", None)).unwrap();
    space.take_and_accept(a, lock("plain", NOW)).unwrap();
    let (_, answers) = space.call_by(a, 1, Carrier::Stream, notify("d", 1));
    assert_eq!(in_short(&answers[0].outcome), "notified 0", "any participant of the holding session");
    assert_eq!(reason(&space.ask(b, notify("d", 1))), Reason::NotOwner);
}

#[test]
fn where_others_may_release_they_may_wait_and_notify() {
    let (mut space, [a, b]) = space();
    let foreign = Options { foreign_release: Some(true), ..Options::default() };
    space.ask(a, on_lock("open", of_lock::Command::Declare(foreign))).unwrap();
    space.ask(a, condition_of("d", "open", None)).unwrap();
    let held = token(&space.take_and_accept(a, lock("open", NOW)));
    let waiter = space.wait(b, wait_for("d", FOREVER));
    assert_eq!(reason(&space.ask(a, unlock("open", Some(held)))), Reason::Stale, "the wait released it");
    space.take_and_accept(a, lock("open", NOW)).unwrap();
    assert_eq!(in_short(&space.ask(b, notify("d", 1))), "notified 1");
    assert_eq!(short(&space.ask_all(a, unlock("open", None)).1), woken(waiter, "Notified"));
}

#[test]
fn a_unary_caller_that_goes_away_waits_no_more() {
    let (mut space, [a, b]) = space();
    hold(&mut space, a);
    let (op, _) = space.call_by(a, 0, Carrier::Call, wait_for("c", FOREVER));
    let (_, answers) = space.call_by(a, 0, Carrier::Call, Command::Cancel(op));
    assert_eq!(answers[0].op, op);
    assert_eq!(reason(&answers[0].outcome), Reason::Cancelled);
    hold(&mut space, b);
}

#[test]
fn it_belongs_to_one_lock_and_must_be_declared() {
    let (mut space, [a]) = space();
    let error = space.ask(a, condition_of("c", "other", None)).unwrap_err();
    assert_eq!((error.reason, error.detail("declared")), (Reason::ConfigMismatch, Some("l")));
    assert_eq!(space.lock(a, "other").options.ephemeral, Some(false));
    assert_eq!(reason(&space.ask(a, wait_for("unheard", FOREVER))), Reason::ObjectGone);
    let absent = Figures {
        options: bridge_core::command::condition::Options { ephemeral: Some(false) },
        ..Default::default()
    };
    assert_eq!(space.condition(a, "unheard"), absent);
}

#[test]
fn a_lock_stays_while_a_condition_needs_it_and_goes_with_the_last() {
    let mut space = Space::default();
    let [a, b] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let ephemeral = bridge_core::command::lock::Options { ephemeral: Some(true), ..Default::default() };
    space.ask(a, on_lock("l", bridge_core::command::lock::Command::Declare(ephemeral))).unwrap();
    space.ask(a, condition_of("c", "l", Some(true))).unwrap();
    space.ask(b, condition_of("c", "l", None)).unwrap();
    let discard = |kind, name| Command::Discard(kind, target(name));
    space.ask(a, discard(Kind::Lock, "l")).unwrap();
    space.ask(a, discard(Kind::Condition, "c")).unwrap();
    let waiter = waits(&mut space, b);
    let answers = short(&space.call(b, discard(Kind::Condition, "c")).1);
    assert_eq!(answers[1], (waiter, "CANCELLED".to_owned()));
    assert_eq!(space.engine.status().objects, 1, "b still uses the lock");
    space.ask(b, discard(Kind::Lock, "l")).unwrap();
    assert_eq!(space.engine.status().objects, 0);
    space.ask(a, condition_of("c", "l", None)).unwrap();
    assert_eq!(space.engine.status().objects, 2);
}

#[test]
fn in_this_process_too() {
    let mut space = Space::default();
    let [a, b] = [space.open(Mode::Direct), space.open(Mode::Direct)];
    space.ask(a, condition_of("c", "l", None)).unwrap();
    let waiter = waits(&mut space, a);
    hold(&mut space, b);
    space.ask(b, notify("c", 1)).unwrap();
    let (_, answers) = space.ask_all(b, unlock("l", None));
    assert_eq!((short(&answers), answers[0].offered), (woken(waiter, "Notified"), true));
    space.done(a, waiter);
    space.ask(a, unlock("l", None)).unwrap();
}
