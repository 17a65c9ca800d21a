//! Semantics 1: pipes.

use std::collections::VecDeque;

use bridge_core::command::pipe::{Command as Do, End, Options, Query, Reply as R};
use bridge_core::command::{self, Command, Mode, Outcome, Reply};
use bridge_core::ids::SessionKey;
use bridge_core::{Reason, Timeout};
use proptest::prelude::*;

use crate::support::*;

fn to(command: Do) -> Command {
    Command::Pipe(target("p"), command)
}

fn options(duplex: bool, maxsize: u64) -> Command {
    to(Do::Declare(Options { duplex: Some(duplex), maxsize: Some(maxsize), ephemeral: None }))
}

fn attach(end: Option<End>) -> Command {
    to(Do::Attach { end })
}

fn send(end: End, text: &str, timeout: Timeout) -> Command {
    to(Do::Send { end, payload: payload(text), timeout })
}

fn receive(end: End, timeout: Timeout) -> Command {
    to(Do::Receive { end, timeout })
}

fn poll(end: End, timeout: Timeout) -> Command {
    to(Do::Poll { end, timeout })
}

fn close(end: End) -> Command {
    to(Do::Close { end })
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Ok(Reply::Pipe(R::Received { payload, .. })) => text_of(payload),
        other => in_short(other),
    }
}

fn reply(outcome: Outcome) -> R {
    match outcome {
        Ok(Reply::Pipe(reply)) => reply,
        other => panic!("not of a pipe: {other:?}"),
    }
}

/// A pipe, and who has which end.
fn pipe(duplex: bool, maxsize: u64) -> (Space, SessionKey, SessionKey) {
    let mut space = Space::default();
    let [a, b] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(a, options(duplex, maxsize)).expect("declared");
    assert_eq!(reply(space.ask(a, attach(None))), R::Attached(End::A));
    assert_eq!(reply(space.ask(b, attach(None))), R::Attached(End::B));
    (space, a, b)
}

#[test]
fn each_end_receives_what_the_other_sends() {
    let (mut space, a, b) = pipe(true, 0);
    for text in ["1", "2"] {
        space.ask(a, send(End::A, text, NOW)).unwrap();
    }
    space.ask(b, send(End::B, "back", NOW)).unwrap();
    assert_eq!(text(&space.take_and_accept(b, receive(End::B, NOW))), "1");
    assert_eq!(text(&space.take_and_accept(a, receive(End::A, NOW))), "back");
    let (op, answers) = space.call(b, receive(End::B, NOW));
    assert_eq!(text(&answers[0].outcome), "2");
    space.refuse(b, op);
    assert_eq!(text(&space.take_and_accept(b, receive(End::B, NOW))), "2", "refused, it is still there");
    assert_eq!(reason(&space.ask(b, receive(End::B, NOW))), Reason::Empty);
    let waiting = space.wait(b, receive(End::B, FOREVER));
    let (_, answers) = space.ask_all(a, send(End::A, "3", NOW));
    assert_eq!((answers[0].op, text(&answers[0].outcome)), (waiting, "3".into()));
}

#[test]
fn a_bounded_pipe_makes_senders_wait() {
    let (mut space, a, b) = pipe(true, 1);
    space.ask(a, send(End::A, "1", NOW)).unwrap();
    assert_eq!(reason(&space.ask(a, send(End::A, "2", NOW))), Reason::Full);
    let late = space.wait(a, send(End::A, "late", seconds(1)));
    assert_eq!(short(&space.pass_seconds(1)), [(late, "FULL".to_owned())]);
    let waiting = space.wait(a, send(End::A, "2", FOREVER));
    let withdrawn = space.wait(a, send(End::A, "never", FOREVER));
    space.cancel(a, withdrawn);
    let (_, answers) = space.call(b, receive(End::B, NOW));
    assert_eq!(answers[1].op, waiting, "what is on offer makes room");
    space.ask(b, send(End::B, "the other way is its own", NOW)).unwrap();
}

#[test]
fn the_end_comes_when_everything_was_received() {
    for dies in [true, false] {
        let (mut space, a, b) = pipe(true, 0);
        space.ask(a, send(End::A, "last", NOW)).unwrap();
        if dies {
            drop(space.expire(a))
        } else {
            drop(space.ask(a, close(End::A)).unwrap())
        }
        assert_eq!(reply(space.ask(b, poll(End::B, NOW))), R::Polled(true));
        assert_eq!(text(&space.take_and_accept(b, receive(End::B, NOW))), "last");
        assert_eq!(reason(&space.ask(b, receive(End::B, FOREVER))), Reason::EndOfPipe);
        assert_eq!(reply(space.ask(b, poll(End::B, FOREVER))), R::Polled(true), "a receive does not wait");
        assert_eq!(reason(&space.ask(b, send(End::B, "x", FOREVER))), Reason::BrokenPipe);
    }
}

#[test]
fn who_waits_learns_that_the_other_end_is_closed() {
    let (mut space, a, b) = pipe(true, 1);
    space.ask(b, send(End::B, "1", NOW)).unwrap();
    let sends = space.wait(b, send(End::B, "2", FOREVER));
    let receives = space.wait(b, receive(End::B, FOREVER));
    let polls = space.wait(b, poll(End::B, FOREVER));
    let mut told = short(&space.close(a));
    told.sort();
    let mut expected = [(sends, "BROKEN_PIPE"), (receives, "END_OF_PIPE"), (polls, "Pipe(Polled(true))")]
        .map(|(op, text)| (op, text.to_owned()));
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn what_is_on_offer_may_come_back_so_the_end_is_not_there_yet() {
    let (mut space, a, b) = pipe(true, 0);
    let other = space.open(Mode::Resumable);
    space.ask(other, attach(Some(End::B))).unwrap();
    space.ask(a, send(End::A, "1", NOW)).unwrap();
    let (offered, _) = space.call(b, receive(End::B, NOW));
    space.close(a);
    let waiting = space.wait(other, receive(End::B, FOREVER));
    assert_eq!(reply(space.ask(other, poll(End::B, NOW))), R::Polled(false));
    let answers = space.refuse(b, offered);
    assert_eq!((answers[0].op, text(&answers[0].outcome)), (waiting, "1".into()));
    let waiting_too = space.wait(b, receive(End::B, FOREVER));
    assert_eq!(short(&space.done(other, waiting)), [(waiting_too, "END_OF_PIPE".to_owned())]);
}

#[test]
fn an_end_is_open_while_somebody_has_it() {
    let (mut space, a, b) = pipe(true, 0);
    let other = space.open(Mode::Resumable);
    assert_eq!(reason(&space.ask(other, send(End::A, "x", NOW))), Reason::NotOwner);
    assert_eq!(reason(&space.ask(other, attach(None))), Reason::InvalidArgument, "both are taken");
    for who in [a, other] {
        space.ask(who, attach(Some(End::A))).unwrap();
    }
    let waiting = space.wait(a, receive(End::A, FOREVER));
    assert_eq!(reply(space.ask(a, close(End::A))), R::Closed(true), "it was attached twice");
    let (op, answers) = space.call(a, close(End::A));
    assert_eq!(short(&answers), [(waiting, "CANCELLED".to_owned()), (op, "Pipe(Closed(true))".to_owned())]);
    assert_eq!(reply(space.ask(a, close(End::A))), R::Closed(false));
    space.ask(b, send(End::B, "x", NOW)).unwrap();
    assert_eq!(text(&space.take_and_accept(other, receive(End::A, NOW))), "x");
    space.close(other);
    assert_eq!(reason(&space.ask(a, attach(Some(End::A)))), Reason::BrokenPipe);
    space.ask(b, close(End::B)).unwrap();
    assert_eq!(reply(space.ask(b, attach(None))), R::Attached(End::A), "the pipe begins anew");
    space.ask(b, send(End::A, "kept until somebody comes", NOW)).unwrap();
    assert_eq!(reply(space.ask(a, attach(None))), R::Attached(End::B));
    assert_eq!(text(&space.take_and_accept(a, receive(End::B, NOW))), "kept until somebody comes");
}

#[test]
fn one_way_a_receives_and_b_sends() {
    let (mut space, a, b) = pipe(false, 0);
    space.ask(b, send(End::B, "x", NOW)).unwrap();
    assert_eq!(text(&space.take_and_accept(a, receive(End::A, NOW))), "x");
    for (who, command) in [(a, send(End::A, "x", NOW)), (b, receive(End::B, NOW)), (b, poll(End::B, NOW))] {
        assert_eq!(reason(&space.ask(who, command)), Reason::InvalidArgument);
    }
    assert_eq!(reason(&space.ask(a, options(true, 0))), Reason::ConfigMismatch);
    let nobody = space.open(Mode::Sessionless);
    assert_eq!(reason(&space.ask(nobody, attach(None))), Reason::SessionRequired);
    let described = space.query(a, command::Query::Pipe(target("p"), Query::Describe));
    let R::Described(figures) = reply(described) else { panic!("not described") };
    assert_eq!((figures.a.sessions, figures.b.sessions, figures.options.duplex), (1, 1, Some(false)));
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize, bool),
    Receive(usize, bool),
    Refuse(usize),
    Poll(usize),
    Close(usize),
}

proptest! {
    /// The model is two lists.
    #[test]
    fn as_two_lists(
        steps in prop::collection::vec(
            prop_oneof![
                4 => (0_usize..2, any::<bool>()).prop_map(|(end, waits)| Step::Send(end, waits)),
                4 => (0_usize..2, any::<bool>()).prop_map(|(end, waits)| Step::Receive(end, waits)),
                1 => (0_usize..2).prop_map(Step::Refuse),
                1 => (0_usize..2).prop_map(Step::Poll),
                1 => (0_usize..2).prop_map(Step::Close),
            ],
            1..60,
        ),
        maxsize in 0_u64..3,
    ) {
        const ENDS: [End; 2] = [End::A, End::B];
        let (mut space, a, b) = pipe(true, maxsize);
        let who = [a, b];
        // What waits for each end, who waits to send to it with what, and who waits to receive at it.
        let mut messages: [VecDeque<usize>; 2] = Default::default();
        let mut senders: [VecDeque<(bridge_core::ids::Op, usize)>; 2] = Default::default();
        let mut receivers: [VecDeque<bridge_core::ids::Op>; 2] = Default::default();
        let (mut open, mut next) = ([true; 2], 0);
        for step in steps {
            let (end, command) = match &step {
                Step::Send(end, waits) => {
                    next += 1;
                    (*end, send(ENDS[*end], &next.to_string(), if *waits { FOREVER } else { NOW }))
                }
                Step::Receive(end, waits) => (*end, receive(ENDS[*end], if *waits { FOREVER } else { NOW })),
                Step::Refuse(end) => (*end, receive(ENDS[*end], NOW)),
                Step::Poll(end) => (*end, poll(ENDS[*end], NOW)),
                Step::Close(end) => (*end, close(ENDS[*end])),
            };
            if !open[end] {
                continue;
            }
            let to = 1 - end;
            let (op, answers) = space.call(who[end], command);
            let told: Vec<_> = answers.iter().map(|answer| (answer.op, text(&answer.outcome))).collect();
            let is_over = |messages: &[VecDeque<usize>; 2], open: &[bool; 2]| messages[end].is_empty() && !open[to];
            let mut expected = Vec::new();
            match step {
                Step::Send(..) if !open[to] => expected.push((op, "BROKEN_PIPE".to_owned())),
                Step::Send(_, waits) => {
                    let room = maxsize == 0 || (messages[to].len() as u64) < maxsize;
                    match (room, waits) {
                        (true, _) => {
                            expected.push((op, "Pipe(Sent)".to_owned()));
                            messages[to].push_back(next);
                        }
                        (false, true) => senders[to].push_back((op, next)),
                        (false, false) => expected.push((op, "FULL".to_owned())),
                    }
                    if !receivers[to].is_empty() && !messages[to].is_empty() {
                        let first = receivers[to].pop_front().expect("one waits");
                        let message = messages[to].pop_front().expect("one is there");
                        expected.push((first, message.to_string()));
                    }
                }
                Step::Receive(..) | Step::Refuse(_) => match messages[end].pop_front() {
                    Some(message) => {
                        expected.push((op, message.to_string()));
                        // What was refused came back above the bound.
                        let room = maxsize == 0 || (messages[end].len() as u64) < maxsize;
                        if room && let Some((sender, message)) = senders[end].pop_front() {
                            expected.push((sender, "Pipe(Sent)".to_owned()));
                            messages[end].push_back(message);
                        }
                        if matches!(step, Step::Refuse(_)) {
                            messages[end].push_front(message);
                        }
                    }
                    None if is_over(&messages, &open) => expected.push((op, "END_OF_PIPE".to_owned())),
                    None if matches!(step, Step::Receive(_, true)) => receivers[end].push_back(op),
                    None => expected.push((op, "EMPTY".to_owned())),
                },
                Step::Poll(_) => {
                    let readable = !messages[end].is_empty() || is_over(&messages, &open);
                    expected.push((op, format!("Pipe(Polled({readable}))")));
                }
                Step::Close(_) => {
                    open[end] = false;
                    let own = receivers[end].drain(..).chain(senders[to].drain(..).map(|(op, _)| op));
                    expected.extend(own.map(|op| (op, "CANCELLED".to_owned())));
                    expected.push((op, "Pipe(Closed(true))".to_owned()));
                    let broken = senders[end].drain(..).map(|(op, _)| (op, "BROKEN_PIPE".to_owned()));
                    expected.extend(broken);
                    expected.extend(receivers[to].drain(..).map(|op| (op, "END_OF_PIPE".to_owned())));
                    messages[end].clear();
                }
            }
            let mut told = told;
            told.sort();
            expected.sort();
            prop_assert_eq!(&told, &expected);
            for answer in answers.iter().filter(|answer| answer.offered) {
                match step {
                    Step::Refuse(_) if answer.op == op => drop(space.refuse(answer.to, answer.op)),
                    _ => drop(space.done(answer.to, answer.op)),
                }
            }
        }
    }
}
