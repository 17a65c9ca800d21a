//! Semantics 6: barrier.

use bridge_core::command::barrier::{Arrive, Cause, Command, Figures, OnCancel, Options, Query, Reply};
use bridge_core::command::{self, Carrier, Input, Mode, Outcome};
use bridge_core::ids::{Kind, Op, SessionKey, Token};
use bridge_core::{Reason, Timeout};

use crate::support::*;

const BROKEN: &str = "BROKEN_BARRIER";

fn on(command: Command) -> command::Command {
    command::Command::Barrier(target("b"), command)
}

fn with_parties(mode: Mode, parties: u32) -> (Space, SessionKey) {
    let mut space = Space::default();
    let who = space.open(mode);
    space
        .ask(who, on(Command::Declare(Options { parties: Some(parties), ephemeral: None })))
        .expect("it is declared");
    (space, who)
}

fn arrive(timeout: Timeout) -> command::Command {
    on(Command::Wait(Arrive { timeout, has_action: false, on_cancel: OnCancel::Break }))
}

fn acting(on_cancel: OnCancel) -> command::Command {
    on(Command::Wait(Arrive { timeout: FOREVER, has_action: true, on_cancel }))
}

fn leaving() -> command::Command {
    on(Command::Wait(Arrive { timeout: FOREVER, has_action: false, on_cancel: OnCancel::Leave }))
}

fn action_done(action: Token, error: Option<&str>) -> command::Command {
    on(Command::ActionDone { action, error: error.map(str::to_owned) })
}

fn figures(space: &Space, who: SessionKey) -> Figures {
    match space.query(who, command::Query::Barrier(target("b"), Query::Describe)) {
        Ok(command::Reply::Barrier(Reply::Described(figures))) => *figures,
        other => panic!("not described: {other:?}"),
    }
}

/// The action that an arrival was told to run.
fn action(outcome: &Outcome) -> Token {
    match outcome {
        Ok(command::Reply::Barrier(Reply::Arrived(arrived))) => arrived.action.expect("an action"),
        other => panic!("not arrived: {other:?}"),
    }
}

fn told(op: Op, text: &str) -> (Op, String) {
    (op, text.to_owned())
}

#[test]
fn all_go_when_all_have_arrived_again_and_again() {
    let (mut space, who) = with_parties(Mode::Resumable, 3);
    let away = space.open(Mode::Resumable);
    for generation in 0..2 {
        let first = space.wait(who, arrive(FOREVER));
        let second = space.wait(away, arrive(FOREVER));
        space.input(Input::Detach(away));
        let (last, answers) = space.call(who, arrive(NOW));
        assert_eq!(short(&answers), [told(first, "at 0"), told(second, "at 1"), told(last, "at 2")]);
        assert!(answers.iter().all(|answer| !answer.offered), "the detached learns it at resume");
        space.input(Input::Attach(away));
        assert_eq!(figures(&space, who).generation, generation + 1);
    }
    let nobody = space.open(Mode::Sessionless);
    assert_eq!(space.call_by(nobody, 0, Carrier::Call, arrive(FOREVER)).1, [], "no session is needed");
}

#[test]
fn a_party_that_fails_breaks_it_for_all_until_it_is_reset() {
    type Fails = fn(&mut Space, SessionKey, SessionKey, Op) -> Vec<Answer>;
    let cases: [(&str, Cause, Fails, Option<&str>); 6] = [
        ("time", Cause::TimedOut, |space, _, _, _| space.pass_seconds(5), Some("TIMED_OUT")),
        ("abort", Cause::Aborted, |space, who, _, _| space.ask_all(who, on(Command::Abort)).1, Some(BROKEN)),
        (
            "cancel",
            Cause::Cancelled,
            |space, _, fails, op| {
                space
                    .cancel(fails, op)
                    .into_iter()
                    .filter(|answer| in_short(&answer.outcome) == BROKEN)
                    .collect()
            },
            None,
        ),
        (
            "expiry",
            Cause::PartyLost,
            |space, _, fails, _| {
                let answers = space.expire(fails);
                answers.into_iter().filter(|answer| answer.to != fails).collect()
            },
            None,
        ),
        (
            "close",
            Cause::PartyLost,
            |space, _, fails, _| {
                let answers = space.close(fails);
                answers.into_iter().filter(|answer| answer.to != fails).collect()
            },
            None,
        ),
        (
            "discard",
            Cause::PartyLost,
            |space, _, fails, _| {
                let discard = command::Command::Discard(Kind::Barrier, target("b"));
                let answers = space.call(fails, discard).1;
                answers.into_iter().filter(|answer| in_short(&answer.outcome) == BROKEN).collect()
            },
            None,
        ),
    ];
    for (what, cause, fails, own) in cases {
        let (mut space, who) = with_parties(Mode::Resumable, 3);
        let other = space.open(Mode::Resumable);
        let waits = space.wait(who, arrive(FOREVER));
        let failed = space.wait(other, arrive(seconds(5)));
        let mut answers = short(&fails(&mut space, who, other, failed));
        answers.sort();
        let mut expected = vec![told(waits, BROKEN)];
        expected.extend(own.map(|own| told(failed, own)));
        assert_eq!(answers, expected, "{what}");
        assert_eq!(figures(&space, who).broken, Some(cause), "{what}");
        let error = space.ask(who, arrive(FOREVER)).expect_err("it stays broken");
        assert_eq!((error.reason, error.detail("cause")), (Reason::BrokenBarrier, Some(cause.as_str())));
        space.ask(who, on(Command::Reset)).unwrap();
        assert_eq!(figures(&space, who).broken, None, "{what}");
        space.wait(who, arrive(FOREVER));
    }
}

#[test]
fn zero_breaks_it_unless_one_is_the_last() {
    let (mut space, who) = with_parties(Mode::Direct, 2);
    let first = space.wait(who, arrive(FOREVER));
    let (last, answers) = space.call(who, arrive(NOW));
    assert_eq!(short(&answers), [told(first, "at 0"), told(last, "at 1")]);
    assert_eq!(in_short(&space.ask(who, arrive(NOW))), "TIMED_OUT");
    assert_eq!(figures(&space, who).broken, Some(Cause::TimedOut));
}

#[test]
fn a_reset_sends_away_who_waits() {
    let (mut space, who) = with_parties(Mode::Resumable, 2);
    let waits = space.wait(who, arrive(FOREVER));
    let (_, answers) = space.ask_all(who, on(Command::Reset));
    assert_eq!(short(&answers), [told(waits, BROKEN)]);
    assert_eq!(figures(&space, who).broken, None);
    let waits = space.wait(who, arrive(FOREVER));
    let (last, answers) = space.call(who, arrive(FOREVER));
    assert_eq!(short(&answers), [told(waits, "at 0"), told(last, "at 1")]);
}

#[test]
fn who_leaves_has_not_arrived() {
    let (mut space, who) = with_parties(Mode::Resumable, 3);
    let leaves = space.wait(who, leaving());
    let first = space.wait(who, leaving());
    space.cancel(who, leaves);
    assert_eq!(figures(&space, who).waiting, 1);
    let second = space.wait(who, arrive(FOREVER));
    let (third, answers) = space.call(who, arrive(FOREVER));
    assert_eq!(short(&answers), [told(first, "at 0"), told(second, "at 1"), told(third, "at 2")]);
    let other = space.open(Mode::Resumable);
    let waits = space.wait(who, leaving());
    space.wait(other, leaving());
    let answers = space.expire(other);
    assert!(short(&answers).contains(&told(waits, BROKEN)), "a death breaks it all the same");
}

#[test]
fn the_latest_with_an_action_runs_it_before_the_others_go() {
    let (mut space, who) = with_parties(Mode::Resumable, 3);
    let other = space.open(Mode::Resumable);
    let first = space.wait(who, acting(OnCancel::Break));
    let runs = space.wait(other, acting(OnCancel::Break));
    let (last, answers) = space.call(who, arrive(seconds(9)));
    assert_eq!(short(&answers), [told(runs, "act at 1")]);
    assert!(answers[0].offered);
    let token = action(&answers[0].outcome);
    space.done(other, runs);
    let next = space.wait(who, arrive(FOREVER));
    assert_eq!((figures(&space, who).acting, figures(&space, who).waiting), (true, 3));
    assert_eq!(reason(&space.ask(who, action_done(token, None))), Reason::Stale, "it is not this session's");
    let (outcome, answers) = space.ask_all(other, action_done(token, None));
    assert_eq!(in_short(&outcome), "passed true");
    assert_eq!(short(&answers), [told(first, "at 0"), told(last, "at 2")]);
    assert_eq!(figures(&space, who).waiting, 1, "the next generation");
    space.ask_all(who, on(Command::Abort)).0.unwrap();
    assert_eq!(reason(&space.ask(who, arrive(FOREVER))), Reason::BrokenBarrier, "{next:?} is gone");
}

#[test]
fn the_last_to_arrive_acts_at_once() {
    for mode in [Mode::Direct, Mode::Resumable] {
        let (mut space, who) = with_parties(mode, 2);
        let first = space.wait(who, arrive(FOREVER));
        let (op, answers) = space.call(who, acting(OnCancel::Break));
        assert_eq!(short(&answers), [told(op, "act at 1")]);
        assert_eq!(answers[0].offered, mode == Mode::Resumable);
        let (outcome, others) = space.ask_all(who, action_done(action(&answers[0].outcome), None));
        assert_eq!(in_short(&outcome), "passed true", "naming the token accepts it");
        assert_eq!(short(&others), [told(first, "at 0")]);
    }
    let (mut space, _) = with_parties(Mode::Direct, 1);
    let nobody = space.open(Mode::Sessionless);
    assert_eq!(reason(&space.ask(nobody, acting(OnCancel::Break))), Reason::SessionRequired);
}

#[test]
fn an_action_that_does_not_come_to_its_end_breaks_it() {
    type Fails = fn(&mut Space, SessionKey, SessionKey, Op, Token) -> Vec<Answer>;
    let cases: [(&str, Cause, Fails); 6] = [
        ("failed", Cause::ActionFailed, |space, _, runs, _, token| {
            space.ask_all(runs, action_done(token, Some("no"))).1
        }),
        ("refused", Cause::Cancelled, |space, _, runs, op, _| space.refuse(runs, op)),
        ("lost", Cause::PartyLost, |space, _, runs, op, _| {
            space.done(runs, op);
            space.expire(runs)
        }),
        ("lost on its way", Cause::PartyLost, |space, _, runs, _, _| space.expire(runs)),
        ("the others' time", Cause::TimedOut, |space, _, _, _, _| space.pass_seconds(5)),
        ("aborted", Cause::Aborted, |space, who, _, _, _| space.ask_all(who, on(Command::Abort)).1),
    ];
    for (what, cause, fails) in cases {
        let (mut space, who) = with_parties(Mode::Resumable, 3);
        let runs = space.open(Mode::Resumable);
        let first = space.wait(who, arrive(FOREVER));
        let op = space.wait(runs, acting(OnCancel::Break));
        let (_, answers) = space.call(who, arrive(seconds(5)));
        let token = action(&answers[0].outcome);
        let answers = short(&fails(&mut space, who, runs, op, token));
        assert!(answers.contains(&told(first, BROKEN)), "{what}: {answers:?}");
        assert_eq!(figures(&space, who).broken, Some(cause), "{what}");
        assert!(!figures(&space, who).acting, "{what}");
        if matches!(cause, Cause::TimedOut | Cause::Aborted) {
            space.done(runs, op);
            let late = space.ask(runs, action_done(token, None)).expect_err("too late");
            assert_eq!((late.reason, late.detail("cause")), (Reason::BrokenBarrier, Some(cause.as_str())));
        }
    }
}

#[test]
fn who_refuses_the_action_and_may_leave_has_not_arrived() {
    let (mut space, who) = with_parties(Mode::Resumable, 2);
    let leaves = space.wait(who, acting(OnCancel::Leave));
    let (first, answers) = space.call(who, arrive(FOREVER));
    assert_eq!(short(&answers), [told(leaves, "act at 0")]);
    assert_eq!(space.refuse(who, leaves), []);
    assert_eq!((figures(&space, who).acting, figures(&space, who).waiting), (false, 1));
    let (last, answers) = space.call(who, arrive(FOREVER));
    assert_eq!(short(&answers), [told(first, "at 0"), told(last, "at 1")]);
}

#[test]
fn an_action_is_offered_again_at_resume() {
    let (mut space, who) = with_parties(Mode::Resumable, 2);
    let runs = space.open(Mode::Resumable);
    space.wait(who, arrive(FOREVER));
    let (op, answers) = space.call(runs, acting(OnCancel::Break));
    space.input(Input::Detach(runs));
    assert_eq!(space.answers(Input::Attach(runs)), answers);
    assert_eq!(space.again(runs, op, acting(OnCancel::Break)), answers);
}

#[test]
fn somebody_must_say_how_many() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    assert_eq!(reason(&space.ask(who, arrive(FOREVER))), Reason::InvalidArgument);
    assert_eq!(space.engine.status().objects, 0);
    let declare = |parties| on(Command::Declare(Options { parties: Some(parties), ephemeral: None }));
    assert_eq!(reason(&space.ask(who, declare(0))), Reason::InvalidArgument);
    assert_eq!(reason(&space.ask(who, declare(u32::MAX))), Reason::LimitExceeded);
    space.ask(who, declare(1)).unwrap();
    assert_eq!(reason(&space.ask(who, declare(2))), Reason::ConfigMismatch);
    assert_eq!(in_short(&space.ask(who, arrive(NOW))), "at 0");
}

#[test]
fn an_action_that_is_run_for_nothing_is_told_so_however_late() {
    let (mut space, who) = with_parties(Mode::Resumable, 2);
    let runs = space.open(Mode::Resumable);
    space.wait(who, arrive(seconds(1)));
    let (op, answers) = space.call(runs, acting(OnCancel::Break));
    space.input(Input::Detach(runs));
    space.pass_seconds(1);
    space.ask(who, on(Command::Reset)).unwrap();
    assert_eq!(space.answers(Input::Attach(runs)), answers, "its wait has an answer");
    space.done(runs, op);
    let token = action(&answers[0].outcome);
    assert_eq!(reason(&space.ask(who, action_done(token, None))), Reason::Stale);
    assert_eq!(reason(&space.ask(runs, action_done(token, None))), Reason::BrokenBarrier);
    assert_eq!(reason(&space.ask(runs, action_done(token, None))), Reason::Stale, "it has been told");
}
