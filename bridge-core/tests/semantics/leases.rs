//! Semantics 4: a lost lock, whose `lease` is over, is pushed to its holder, and its release raises LockLost.

use std::time::Duration;

use bridge_core::command::lock::{Acquire, Cause, Command as Do, Reply as Answered};
use bridge_core::command::rwlock::{self, Mode::Read, Mode::Write};
use bridge_core::command::{self, Carrier, Input, Mode, Reply};
use bridge_core::ids::{Op, OpRange, SessionKey, Token};
use bridge_core::{Outcome, Reason};

use crate::support::*;

fn two(space: &mut Space) -> [SessionKey; 2] {
    [space.open(Mode::Resumable), space.open(Mode::Resumable)]
}

fn lease(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn lock_for(seconds: u64) -> command::Command {
    on_lock("l", Do::Acquire(Acquire { lease: lease(seconds), ..Acquire::within(NOW) }))
}

fn read_for(seconds: u64) -> command::Command {
    let acquire = rwlock::Acquire { lease: lease(seconds), ..rwlock::Acquire::within(Read, NOW) };
    on_rwlock("l", rwlock::Command::Acquire(acquire))
}

fn extend(token: Token, seconds: Option<u64>) -> command::Command {
    on_lock("l", Do::Extend { token, lease: seconds.map(Duration::from_secs) })
}

/// A call that is granted at once and accepted.
fn held(space: &mut Space, who: SessionKey, command: command::Command) -> (Op, Token) {
    let (op, answers) = space.call(who, command);
    space.done(who, op);
    (op, token(&answers[0].outcome))
}

fn cause(outcome: &Outcome) -> Option<Cause> {
    match outcome {
        Ok(Reply::Lock(Answered::Acquired(grant))) => {
            grant.abandoned.as_ref().map(|abandoned| abandoned.cause)
        }
        other => panic!("not locked: {other:?}"),
    }
}

#[test]
fn a_lock_whose_lease_is_over_is_given_on_and_its_holder_is_told() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let (op, lost) = held(&mut space, who, lock_for(5));
    let waiting = space.wait(other, lock("l", FOREVER));
    assert_eq!(space.lock(who, "l").holder.and_then(|holder| holder.lease), lease(5));
    assert_eq!(space.pass(Duration::from_millis(4_999)), []);
    let answers = space.pass(Duration::from_millis(1));
    let told: Vec<_> = answers.iter().map(|answer| (answer.to, answer.op, answer.offered)).collect();
    assert_eq!(told, [(who, op, false), (other, waiting, true)]);
    assert_eq!(answers[0].outcome, Ok(Reply::Lost(vec![lost])));
    assert_eq!(cause(&answers[1].outcome), Some(Cause::Lease));
    assert!(token(&answers[1].outcome) > lost);
}

#[test]
fn releasing_what_was_lost_is_told_and_releases_nothing() {
    for named in [true, false] {
        let mut space = Space::default();
        let [who, other] = two(&mut space);
        let (_, lost) = held(&mut space, who, lock_for(1));
        space.pass_seconds(1);
        let (_, held) = held(&mut space, other, lock("l", NOW));
        let release = || unlock("l", named.then_some(lost));
        assert_eq!(reason(&space.ask(who, release())), Reason::LockLost);
        let again = if named { Reason::LockLost } else { Reason::NotOwner };
        assert_eq!(reason(&space.ask(who, release())), again);
        assert_eq!(space.lock(who, "l").holder.unwrap().token, held);
    }
}

#[test]
fn each_level_of_a_reentrant_lock_is_told() {
    let mut space = Space::default();
    let [who, _] = two(&mut space);
    space.ask(who, lock_options("l", true)).unwrap();
    held(&mut space, who, lock_for(1));
    held(&mut space, who, lock("l", NOW));
    space.pass_seconds(1);
    let mut released = || reason(&space.ask(who, unlock("l", None)));
    assert_eq!([released(), released(), released()], [Reason::LockLost, Reason::LockLost, Reason::NotOwner]);
}

#[test]
fn a_lease_counts_from_the_acceptance_and_from_that_of_every_further_level() {
    let mut space = Space::default();
    let [who, _] = two(&mut space);
    space.ask(who, lock_options("l", true)).unwrap();
    let (first, _) = space.call(who, lock_for(5));
    assert_eq!(space.pass_seconds(60), [], "it is an offer");
    space.done(who, first);
    space.pass_seconds(4);
    held(&mut space, who, lock("l", NOW));
    assert_eq!(space.pass_seconds(4), []);
    let (further, _) = space.call(who, lock_for(2));
    assert_eq!(space.pass_seconds(1), [], "whoever is asked to accept or refuse is not given up");
    space.refuse(who, further);
    assert_eq!(space.pass_seconds(4), []);
    assert_eq!(short(&space.pass_seconds(1)), [(first, "lost 1".to_owned())]);
}

#[test]
fn it_is_extended_by_its_token_from_any_thread_of_its_session() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let (op, held) = held(&mut space, who, lock_for(5));
    space.pass_seconds(4);
    let (_, answers) = space.call_by(who, 7, Carrier::Stream, extend(held, None));
    assert_eq!(in_short(&answers[0].outcome), "extended");
    assert_eq!(reason(&space.ask(other, extend(held, Some(60)))), Reason::NotOwner);
    space.pass_seconds(4);
    space.ask(who, extend(held, Some(8))).unwrap();
    assert_eq!(space.pass_seconds(7), []);
    assert_eq!(reason(&space.ask(who, extend(held, Some(0)))), Reason::InvalidArgument);
    assert_eq!(short(&space.pass_seconds(1)), [(op, "lost 1".to_owned())]);
    assert_eq!(reason(&space.ask(who, extend(held, None))), Reason::LockLost);
    assert_eq!(reason(&space.ask(other, extend(held, None))), Reason::Stale);
}

#[test]
fn a_release_ends_the_lease() {
    let mut space = Space::default();
    let [who, _] = two(&mut space);
    let (_, held) = held(&mut space, who, lock_for(5));
    space.ask(who, unlock("l", Some(held))).unwrap();
    assert_eq!(space.engine.next_deadline(), None);
    space.ask(who, unlock("l", Some(held))).unwrap();
}

#[test]
fn a_loss_is_told_again_until_it_is_acknowledged() {
    let mut space = Space::default();
    let [who, _] = two(&mut space);
    let (op, lost) = held(&mut space, who, lock_for(5));
    space.input(Input::Detach(who));
    space.pass_seconds(5);
    for _ in 0..2 {
        let again = answers(space.input(Input::Attach(who)));
        assert_eq!(again.len(), 1);
        assert_eq!((again[0].op, &again[0].outcome), (op, &Ok(Reply::Lost(vec![lost]))));
    }
    space.input(Input::Done(who, OpRange { first: op, last: op }));
    assert_eq!(space.input(Input::Attach(who)), []);
}

#[test]
fn the_wait_of_a_condition_ends_with_the_lease_that_it_began_with() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    space.ask(who, condition_of("c", "l", None)).unwrap();
    held(&mut space, who, lock_for(5));
    let waiting = space.wait(who, on_condition("c", command::condition::Command::Wait { timeout: FOREVER }));
    held(&mut space, other, lock("l", NOW));
    space.pass_seconds(60);
    space.ask(other, on_condition("c", command::condition::Command::Notify { count: Some(1) })).unwrap();
    space.ask_all(other, unlock("l", None)).0.unwrap();
    space.done(who, waiting);
    assert_eq!(short(&space.pass_seconds(5)), [(waiting, "lost 1".to_owned())]);
    let notify = on_condition("c", command::condition::Command::Notify { count: Some(1) });
    assert_eq!(reason(&space.ask(who, notify)), Reason::LockLost);
}

#[test]
fn who_has_lost_a_lock_neither_waits_nor_notifies_with_that_of_another_thread() {
    use command::condition::Command::{Notify, Wait};
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, condition_of("c", "l", None)).unwrap();
    held(&mut space, who, lock_for(5));
    space.pass_seconds(5);
    let (op, answers) = space.call_by(who, 1, Carrier::Stream, lock("l", NOW));
    space.done(who, op);
    let held = token(&answers[0].outcome);
    for command in [Notify { count: Some(1) }, Wait { timeout: FOREVER }] {
        let (_, answers) = space.call(who, on_condition("c", command));
        assert_eq!(reason(&answers[0].outcome), Reason::LockLost);
    }
    assert_eq!(space.lock(who, "l").holder.unwrap().token, held);
    assert_eq!(reason(&space.ask(who, unlock("l", None))), Reason::LockLost, "it is told for its level");
}

#[test]
fn a_lock_that_nobody_owns_goes_back_with_its_lease() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let options = command::lock::Options { ownership: Some(command::Ownership::None), ..Default::default() };
    space.ask(who, on_lock("l", Do::Declare(options))).unwrap();
    held(&mut space, who, lock_for(5));
    space.expire(who);
    let waiting = space.wait(other, lock("l", FOREVER));
    assert_eq!(short(&space.pass_seconds(5)), [(waiting, "locked abandoned".to_owned())]);
}

#[test]
fn reading_and_writing_have_a_lease_each() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    held(&mut space, who, write("l", NOW));
    let (reads, lost) = held(&mut space, who, read_for(5));
    assert_eq!(short(&space.pass_seconds(5)), [(reads, "lost 1".to_owned())]);
    assert_eq!(reason(&space.ask(other, read("l", NOW))), Reason::TimedOut, "it is written still");
    assert_eq!(reason(&space.ask(who, stop("l", Read, Some(lost)))), Reason::LockLost);
    space.ask(who, stop("l", Write, None)).unwrap();
    assert_eq!(
        in_short(&space.take_and_accept(other, read("l", NOW))),
        "locked",
        "a reader leaves nothing half-done"
    );
}

#[test]
fn a_writer_whose_lease_is_over_is_told_to_those_that_follow() {
    let mut space = Space::default();
    let [who, other] = two(&mut space);
    let acquire = rwlock::Acquire { lease: lease(5), ..rwlock::Acquire::within(Write, NOW) };
    let (op, held) = held(&mut space, who, on_rwlock("l", rwlock::Command::Acquire(acquire)));
    let waiting = space.wait(other, read("l", FOREVER));
    space.pass_seconds(4);
    space.ask(who, on_rwlock("l", rwlock::Command::Extend { token: held, lease: None })).unwrap();
    let told = short(&space.pass_seconds(5));
    assert_eq!(told, [(op, "lost 1".to_owned()), (waiting, "locked abandoned".to_owned())]);
}

#[test]
fn all_leases_of_a_batch_that_were_held_for_too_long_are_told() {
    use command::queue::{self, Batch, Taking};
    let mut space = Space::default();
    let [who, _] = two(&mut space);
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    let batch = Batch { max: 2, min: 2, linger: Duration::ZERO };
    let taking = Taking { max_hold: lease(5), ..Taking::new(queue::Mode::Lease, batch) };
    let (op, answers) = space.call(who, on("q", queue::Command::Take { taking, timeout: NOW }));
    space.done(who, op);
    let Ok(Reply::Queue(queue::Reply::Taken(taken))) = &answers[0].outcome else { panic!("it takes both") };
    let tokens: Vec<Token> = taken.deliveries.iter().map(|delivery| delivery.token).collect();
    space.input(Input::Detach(who));
    space.pass_seconds(5);
    let again = answers_of(space.input(Input::Attach(who)));
    assert!(again.contains(&(op, Ok(Reply::Lost(tokens.clone())))));
    assert_eq!(reason(&space.ask(who, ack("q", &tokens[..1]))), Reason::Stale);
}

fn answers_of(effects: Vec<command::Effect>) -> Vec<(Op, Outcome)> {
    answers(effects).into_iter().map(|answer| (answer.op, answer.outcome)).collect()
}
