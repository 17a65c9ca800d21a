//! Transactions: section 9.

use bridge_core::command::queue::{self, Options, Reply as R};
use bridge_core::command::{Command, Mode, Reply, transaction::Step};
use bridge_core::ids::Token;
use bridge_core::{Error, Limits, Reason};
use proptest::prelude::*;

use crate::support::*;

fn all(steps: impl IntoIterator<Item = Command>) -> Command {
    let step = |command| match command {
        Command::Queue(queue, command) => Step { queue, command },
        other => panic!("not a step: {other:?}"),
    };
    Command::Transaction(steps.into_iter().map(step).collect())
}

fn leased(space: &mut Space, who: bridge_core::ids::SessionKey, from: &str) -> Token {
    match space.take_and_accept(who, lease(from, NOW)) {
        Ok(Reply::Queue(R::Taken(taken))) => taken.deliveries[0].token,
        other => panic!("not leased: {other:?}"),
    }
}

fn failed(space: &mut Space, who: bridge_core::ids::SessionKey, command: Command) -> Error {
    space.ask(who, command).expect_err("it fails")
}

/// A session with one lease of "in", and "out" with room for two.
fn started(mode: Mode) -> (Space, bridge_core::ids::SessionKey, Token) {
    let mut space = Space::default();
    let who = space.open(mode);
    space.ask(who, declare("out", Options { maxsize: Some(2), ..Options::default() })).expect("declared");
    space.ask(who, put("in", "a", NOW)).expect("put");
    let token = leased(&mut space, who, "in");
    (space, who, token)
}

#[test]
fn ack_and_put_are_one_step() {
    for mode in [Mode::Direct, Mode::Resumable] {
        let (mut space, who, token) = started(mode);
        let waits = space.wait(who, get("out", FOREVER));
        let both = all([ack("in", &[token]), put_many("out", &["b", "c"], NOW)]);
        let (outcome, others) = space.ask_all(who, both);
        match outcome {
            Ok(Reply::Committed(replies)) => {
                assert!(matches!(&replies[..], [R::Acked, R::PutMany(ids)] if ids.len() == 2), "{replies:?}");
            }
            other => panic!("not committed: {other:?}"),
        }
        assert_eq!(others.iter().map(|answer| answer.op).collect::<Vec<_>>(), [waits]);
        assert_eq!((space.queue(who, "in").leased, space.queue(who, "out").ready), (0, 1));
    }
}

#[test]
fn a_retry_is_answered_and_not_executed() {
    let (mut space, who, token) = started(Mode::Resumable);
    let both = || all([ack("in", &[token]), put("out", "b", NOW)]);
    let (op, first) = space.call(who, both());
    assert_eq!(space.again(who, op, both()), first);
    assert_eq!(space.queue(who, "out").ready, 1);
    let error = failed(&mut space, who, both());
    assert_eq!((error.reason, error.detail("step")), (Reason::Stale, Some("0")));
    assert_eq!(space.queue(who, "out").ready, 1);
}

#[test]
fn one_step_that_fails_fails_all() {
    type Steps = fn(Token) -> Vec<Command>;
    let cases: [(Steps, Reason, &str); 7] = [
        (
            |t| vec![ack("in", &[t]), put("out", "b", NOW), put_many("out", &["c", "d"], NOW)],
            Reason::InvalidArgument,
            "2",
        ),
        (|t| vec![ack("in", &[t]), put("full", "b", FOREVER)], Reason::Full, "1"),
        (|t| vec![put("out", "b", NOW), ack("in", &[Token(t.0 + 1)])], Reason::Stale, "1"),
        (|t| vec![put("new", "b", NOW), ack("other", &[t])], Reason::Stale, "1"),
        (|t| vec![ack("in", &[t]), nack("in", t, queue::Reentry::Place, "")], Reason::InvalidArgument, "1"),
        (|t| vec![ack("in", &[t]), put("shut", "b", NOW)], Reason::ShutDown, "1"),
        (|t| vec![ack("in", &[t]), get("in", NOW)], Reason::InvalidArgument, "1"),
    ];
    for (steps, reason, step) in cases {
        let (mut space, who, token) = started(Mode::Resumable);
        space
            .ask(who, declare("full", Options { maxsize: Some(1), ..Options::default() }))
            .expect("declared");
        space.ask(who, put("full", "x", NOW)).expect("put");
        space.ask(who, on("shut", queue::Command::Shutdown { immediate: false })).expect("shut down");
        let error = failed(&mut space, who, all(steps(token)));
        assert_eq!((error.reason, error.detail("step")), (reason, Some(step)), "{error:?}");
        assert_eq!((space.queue(who, "in").leased, space.queue(who, "out").ready), (1, 0));
        assert_eq!((space.queue(who, "full").ready, space.queue(who, "new").ready), (1, 0));
        space.ask(who, all([ack("in", &[token])])).expect("the lease is untouched");
    }
}

#[test]
fn tokens_are_the_sessions_own() {
    let (mut space, _, token) = started(Mode::Resumable);
    let other = space.open(Mode::Resumable);
    assert_eq!(failed(&mut space, other, all([ack("in", &[token])])).reason, Reason::Stale);
}

#[test]
fn bounds_are_those_of_a_batch() {
    let mut space = Space::with(Limits { batch_max: 2, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    let three = all(["a", "b", "c"].map(|text| put(text, text, NOW)));
    let error = failed(&mut space, who, three);
    assert_eq!((error.reason, error.detail("limit")), (Reason::LimitExceeded, Some("batch_max")));
    assert_eq!(failed(&mut space, who, all([])).reason, Reason::InvalidArgument);
}

proptest! {
    /// Counts before and after differ by all of the steps, or by none.
    #[test]
    fn all_or_nothing(steps in prop::collection::vec((0_usize..3, 0_usize..4), 1..6), stale in any::<bool>()) {
        let names = ["in", "out", "third"];
        let (mut space, who, token) = started(Mode::Resumable);
        let mut commands: Vec<_> = steps.iter().map(|(queue, count)| match count {
            0 => put(names[*queue], "x", FOREVER),
            _ => put_many(names[*queue], &vec!["x"; *count], FOREVER),
        }).collect();
        commands.push(ack("in", &[if stale { Token(1) } else { token }]));
        let put_to = |queue| -> usize { steps.iter().filter(|(to, _)| *to == queue).map(|(_, n)| (*n).max(1)).sum() };
        let fits = !stale && put_to(1) <= 2;
        let outcome = space.ask(who, all(commands));
        prop_assert_eq!(outcome.is_ok(), fits, "{:?}", outcome);
        for (index, name) in names.iter().enumerate() {
            let expected = if fits { put_to(index) } else { 0 };
            prop_assert_eq!(space.queue(who, name).ready, expected as u64);
        }
        prop_assert_eq!(space.queue(who, "in").leased, u64::from(!fits));
    }
}
