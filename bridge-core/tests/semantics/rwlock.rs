//! Semantics 4: Read-write lock.

use bridge_core::Reason;
use bridge_core::command::rwlock::Mode::{Read, Write};
use bridge_core::command::{Carrier, Input, Mode};
use bridge_core::ids::{Op, SessionKey};

use crate::support::*;

fn sessions<const N: usize>(space: &mut Space) -> [SessionKey; N] {
    std::array::from_fn(|_| space.open(Mode::Resumable))
}

fn locked(ops: &[Op]) -> Vec<(Op, String)> {
    ops.iter().map(|op| (*op, "locked".to_owned())).collect()
}

fn reading(space: &mut Space, who: SessionKey) {
    space.take_and_accept(who, read("l", NOW)).expect("nobody writes");
}

fn writing(space: &mut Space, who: SessionKey) {
    space.take_and_accept(who, write("l", NOW)).expect("it is free");
}

#[test]
fn many_read_or_one_writes() {
    let mut space = Space::default();
    let [a, b] = sessions(&mut space);
    reading(&mut space, a);
    reading(&mut space, b);
    assert_eq!(reason(&space.ask(b, write("l", NOW))), Reason::TimedOut);
    space.ask(a, stop("l", Read, None)).unwrap();
    space.ask(b, stop("l", Read, None)).unwrap();
    writing(&mut space, a);
    for wish in [read("l", NOW), write("l", NOW)] {
        assert_eq!(reason(&space.ask(b, wish)), Reason::TimedOut);
    }
}

#[test]
fn the_line_is_served_in_phases() {
    let mut space = Space::default();
    let [writer, a, b, c, d] = sessions(&mut space);
    writing(&mut space, writer);
    let first = [space.wait(a, read("l", FOREVER)), space.wait(b, read("l", FOREVER))];
    let second = space.wait(c, write("l", FOREVER));
    let third = space.wait(d, read("l", FOREVER));
    let (_, answers) = space.ask_all(writer, stop("l", Write, None));
    assert_eq!(short(&answers), locked(&first), "neighbours read together, up to the next writer");
    assert_eq!(
        reason(&space.ask(writer, read("l", NOW))),
        Reason::TimedOut,
        "nobody passes a waiting writer"
    );
    space.done(a, first[0]);
    space.done(b, first[1]);
    space.ask(a, stop("l", Read, None)).unwrap();
    assert_eq!(short(&space.ask_all(b, stop("l", Read, None)).1), locked(&[second]));
    space.done(c, second);
    assert_eq!(short(&space.ask_all(c, stop("l", Write, None)).1), locked(&[third]));
}

#[test]
fn it_is_reentrant_in_both_modes_and_each_keeps_its_token() {
    let mut space = Space::default();
    let [a, b] = sessions(&mut space);
    let writes = token(&space.take_and_accept(a, write("l", NOW)));
    assert_eq!(token(&space.take_and_accept(a, write("l", NOW))), writes);
    let reads = token(&space.take_and_accept(a, read("l", NOW)));
    assert_eq!(token(&space.take_and_accept(a, read("l", NOW))), reads);
    assert!(reads > writes);
    let figures = space.rwlock(a, "l");
    assert_eq!((figures.writer.unwrap().levels, figures.readers[0].levels), (2, 2));
    let waiting = space.wait(b, read("l", FOREVER));
    space.ask(a, stop("l", Write, Some(writes))).unwrap();
    let (_, answers) = space.ask_all(a, stop("l", Write, Some(writes)));
    assert_eq!(short(&answers), locked(&[waiting]), "what is left of it is a read lock");
    space.ask(a, stop("l", Write, Some(writes))).unwrap();
    assert_eq!(reason(&space.ask(a, stop("l", Write, None))), Reason::NotOwner);
}

#[test]
fn a_reader_reads_again_past_a_waiting_writer() {
    let mut space = Space::default();
    let [a, b] = sessions(&mut space);
    reading(&mut space, a);
    let waiting = space.wait(b, write("l", FOREVER));
    reading(&mut space, a);
    space.ask(a, stop("l", Read, None)).unwrap();
    assert_eq!(short(&space.ask_all(a, stop("l", Read, None)).1), locked(&[waiting]));
}

#[test]
fn the_only_reader_may_write_past_the_line() {
    let mut space = Space::default();
    let [a, b] = sessions(&mut space);
    reading(&mut space, a);
    let waiting = space.wait(b, write("l", FOREVER));
    writing(&mut space, a);
    space.ask(a, stop("l", Read, None)).unwrap();
    assert_eq!(short(&space.ask_all(a, stop("l", Write, None)).1), locked(&[waiting]));
}

#[test]
fn a_reader_waits_to_write_before_the_line_and_a_second_one_is_a_deadlock() {
    let mut space = Space::default();
    let [a, b, c] = sessions(&mut space);
    reading(&mut space, a);
    reading(&mut space, b);
    let in_line = space.wait(c, write("l", FOREVER));
    let upgrade = space.wait(a, write("l", FOREVER));
    assert_eq!(reason(&space.ask(b, write("l", NOW))), Reason::TimedOut);
    assert_eq!(reason(&space.ask(b, write("l", FOREVER))), Reason::Deadlock);
    assert_eq!(short(&space.ask_all(b, stop("l", Read, None)).1), locked(&[upgrade]));
    space.done(a, upgrade);
    space.ask(a, stop("l", Write, None)).unwrap();
    assert_eq!(short(&space.ask_all(a, stop("l", Read, None)).1), locked(&[in_line]));
}

#[test]
fn it_belongs_to_the_participant() {
    let mut space = Space::default();
    let [a] = sessions(&mut space);
    let (op, answers) = space.call_by(a, 1, Carrier::Stream, write("l", NOW));
    space.done(a, op);
    for token in [None, Some(token(&answers[0].outcome))] {
        assert_eq!(reason(&space.ask(a, stop("l", Write, token))), Reason::NotOwner);
    }
    assert_eq!(reason(&space.ask(a, read("l", NOW))), Reason::TimedOut);
    assert_eq!(reason(&space.ask(a, stop("l", Read, None))), Reason::NotOwner);
}

#[test]
fn a_writer_that_died_is_told_until_another_has_written_and_a_reader_is_not() {
    let mut space = Space::default();
    let [a, b, c] = sessions(&mut space);
    reading(&mut space, a);
    let waiting = space.wait(b, write("l", FOREVER));
    assert_eq!(short(&space.expire(a)), locked(&[waiting]));
    space.done(b, waiting);
    let waiting = space.wait(c, read("l", FOREVER));
    assert_eq!(short(&space.expire(b)), [(waiting, "locked abandoned".to_owned())]);
    space.done(c, waiting);
    space.ask(c, stop("l", Read, None)).unwrap();
    assert_eq!(in_short(&space.take_and_accept(c, write("l", NOW))), "locked abandoned");
    space.ask(c, stop("l", Write, None)).unwrap();
    assert_eq!(in_short(&space.take_and_accept(c, write("l", NOW))), "locked");
}

#[test]
fn a_grant_that_is_told_again_says_what_it_said() {
    let mut space = Space::default();
    let [a, b, c] = sessions(&mut space);
    writing(&mut space, a);
    let early = space.wait(b, read("l", FOREVER));
    assert_eq!(short(&space.expire(a)), [(early, "locked abandoned".to_owned())]);
    space.done(b, early);
    space.ask(b, stop("l", Read, None)).unwrap();
    // The writer in between has the lock, reads beside it, and makes good what was abandoned.
    writing(&mut space, c);
    let reads = space.call(c, read("l", NOW)).0;
    space.ask(c, stop("l", Write, None)).unwrap();
    assert_eq!(space.rwlock(b, "l").abandoned, None);
    let again = answers(space.input(Input::Attach(c)));
    let again = again.iter().find(|answer| answer.op == reads).expect("it is an offer still");
    assert_eq!(in_short(&again.outcome), "locked abandoned", "the first answer");
}

#[test]
fn waiters_of_a_detached_session_let_others_pass() {
    let mut space = Space::default();
    let [a, b, c] = sessions(&mut space);
    reading(&mut space, a);
    let early = space.wait(b, write("l", FOREVER));
    space.input(Input::Detach(b));
    reading(&mut space, c);
    space.ask(c, stop("l", Read, None)).unwrap();
    space.input(Input::Attach(b));
    assert_eq!(reason(&space.ask(c, read("l", NOW))), Reason::TimedOut);
    assert_eq!(short(&space.ask_all(a, stop("l", Read, None)).1), locked(&[early]));
    assert_eq!(space.refuse(b, early), []);
    assert_eq!(space.rwlock(a, "l").writer, None);
}

#[test]
fn waits_end_with_their_time_and_let_those_behind_pass() {
    let mut space = Space::default();
    let [a, b, c] = sessions(&mut space);
    reading(&mut space, a);
    let timed = space.wait(b, write("l", seconds(2)));
    let behind = space.wait(c, read("l", FOREVER));
    let answers = short(&space.pass_seconds(2));
    assert_eq!(answers, [(timed, "TIMED_OUT".to_owned()), (behind, "locked".to_owned())]);
}
