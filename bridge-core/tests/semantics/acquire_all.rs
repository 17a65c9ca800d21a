//! All or none of several locks and permits: section 9.

use std::time::Duration;

use bridge_core::command::acquire_all::AcquireAll;
use bridge_core::command::{Carrier, Command, Input, Mode, Outcome, Reply, rwlock};
use bridge_core::ids::{Op, SessionKey, Token};
use bridge_core::{Limits, Reason, Timeout};
use proptest::prelude::*;

use crate::support::*;

fn all(parts: impl IntoIterator<Item = Command>, timeout: Timeout) -> Command {
    Command::AcquireAll(Box::new(AcquireAll { parts: parts.into_iter().collect(), timeout }))
}

fn locks(names: &[&str], timeout: Timeout) -> Command {
    all(names.iter().map(|name| lock(name, NOW)), timeout)
}

fn tokens(outcome: &Outcome) -> Vec<Token> {
    match outcome {
        Ok(Reply::AcquiredAll(replies)) => replies.iter().map(|reply| token(&Ok(reply.clone()))).collect(),
        other => panic!("not acquired: {other:?}"),
    }
}

#[track_caller]
fn only(answers: &[Answer], op: Op) -> Vec<Token> {
    assert_eq!(answers.iter().map(|answer| answer.op).collect::<Vec<_>>(), [op], "{answers:?}");
    tokens(&answers[0].outcome)
}

fn free(space: &Space, who: SessionKey, name: &str) -> bool {
    space.lock(who, name).holder.is_none()
}

#[test]
fn all_at_once_or_none() {
    for mode in [Mode::Direct, Mode::Resumable] {
        let mut space = Space::default();
        let [one, two] = [(); 2].map(|()| space.open(mode));
        space.ask(one, permits("s", 3)).expect("declared");
        let parts = || all([lock("a", NOW), acquire("s", 2, NOW), write("rw", NOW)], NOW);
        let (op, answers) = space.call(one, parts());
        let granted = only(&answers, op);
        assert_eq!(answers[0].offered, mode == Mode::Resumable);
        space.done(one, op);
        assert_eq!(reason(&space.ask(two, all([lock("b", NOW), lock("a", NOW)], NOW))), Reason::TimedOut);
        assert!(free(&space, two, "b"));
        assert_eq!(
            reason(&space.ask(two, all([lock("b", NOW), acquire("s", 2, NOW)], NOW))),
            Reason::TimedOut
        );
        // Released part by part.
        space.ask(one, unlock("a", Some(granted[0]))).expect("released");
        space.ask(one, release_token("s", granted[1])).expect("released");
        space.ask(one, stop("rw", rwlock::Mode::Write, Some(granted[2]))).expect("released");
        let (op, answers) = space.call(two, parts());
        assert!(only(&answers, op).iter().zip(granted).all(|(new, old)| *new > old));
    }
}

#[test]
fn nothing_is_held_while_waiting() {
    let mut space = Space::default();
    let [one, two, three, four] = [(); 4].map(|()| space.open(Mode::Direct));
    space.ask(one, lock("a", NOW)).expect("locked");
    let before = space.wait(two, lock("a", FOREVER));
    let op = space.wait(three, locks(&["a", "b"], FOREVER));
    // Not the oldest at "a": others pass it at "b".
    space.take_and_accept(four, lock("b", NOW)).expect("it is free");
    space.ask(four, unlock("b", None)).expect("released");
    let (_, answers) = space.ask_all(one, unlock("a", None));
    assert_eq!(short(&answers), [(before, "locked".into())]);
    space.done(two, before);
    // Now it is: "b" waits for it.
    assert_eq!(reason(&space.ask(four, lock("b", NOW))), Reason::TimedOut);
    let behind = space.wait(four, lock("b", FOREVER));
    let (_, answers) = space.ask_all(two, unlock("a", None));
    assert_eq!(only(&answers, op).len(), 2);
    space.done(three, op);
    assert_eq!(space.ask_all(three, unlock("b", None)).1.len(), 1);
    space.done(four, behind);
}

#[test]
fn it_is_passed_for_a_second() {
    let mut space = Space::default();
    let [one, two, three, four] = [(); 4].map(|()| space.open(Mode::Direct));
    space.ask(one, lock("a", NOW)).expect("locked");
    space.wait(two, lock("a", FOREVER));
    let op = space.wait(three, locks(&["a", "b"], seconds(9)));
    space.pass(Duration::from_millis(999));
    space.take_and_accept(four, lock("b", NOW)).expect("it is passed");
    space.ask(four, unlock("b", None)).expect("released");
    space.pass(Duration::from_millis(1));
    assert_eq!(reason(&space.ask(four, lock("b", NOW))), Reason::TimedOut);
    let behind = space.wait(four, lock("b", FOREVER));
    let answers = space.pass_seconds(8);
    assert_eq!(short(&answers), [(op, "TIMED_OUT".into()), (behind, "locked".into())]);
}

#[test]
fn whom_it_waits_for_pass() {
    let mut space = Space::default();
    let [one, two, three] = [(); 3].map(|()| space.open(Mode::Direct));
    space.ask(one, lock("a", NOW)).expect("locked");
    space.ask(two, lock("c", NOW)).expect("locked");
    let op = space.wait(three, locks(&["a", "b"], FOREVER));
    // The holder of "a" passes at once.
    space.take_and_accept(one, lock("b", NOW)).expect("it passes");
    space.ask(one, unlock("b", None)).expect("released");
    // Whoever it has nothing to do with waits, until the holder of "a" waits for it.
    let behind = space.wait(two, lock("b", FOREVER));
    let (waits, answers) = space.call(one, lock("c", FOREVER));
    assert_eq!(short(&answers), [(behind, "locked".into())]);
    space.done(two, behind);
    assert_eq!(space.ask_all(two, unlock("b", None)).1, []);
    assert_eq!(short(&space.ask_all(two, unlock("c", None)).1), [(waits, "locked".into())]);
    space.done(one, waits);
    assert_eq!(only(&space.ask_all(one, unlock("a", None)).1, op).len(), 2);
}

#[test]
fn two_groups_in_opposite_order() {
    let mut space = Space::default();
    let [one, two, three] = [(); 3].map(|()| space.open(Mode::Resumable));
    let held = tokens(&space.take_and_accept(one, locks(&["a", "b"], NOW)));
    let first = space.wait(two, locks(&["a", "b"], FOREVER));
    let second = space.wait(three, locks(&["b", "a"], FOREVER));
    assert_eq!(space.ask_all(one, unlock("b", Some(held[1]))).1, []);
    let mine = only(&space.ask_all(one, unlock("a", Some(held[0]))).1, first);
    space.done(two, first);
    assert_eq!(space.ask_all(two, unlock("a", Some(mine[0]))).1, []);
    only(&space.ask_all(two, unlock("b", Some(mine[1]))).1, second);
}

#[test]
fn an_offer_is_one() {
    let mut space = Space::default();
    let [one, two] = [(); 2].map(|()| space.open(Mode::Resumable));
    let command = || locks(&["a", "b"], FOREVER);
    let (op, answers) = space.call(one, command());
    assert_eq!(space.again(one, op, command()), answers);
    space.input(Input::Detach(one));
    assert_eq!(space.answers(Input::Attach(one)), answers);
    let waits = space.wait(two, lock("b", FOREVER));
    assert_eq!(short(&space.refuse(one, op)), [(waits, "locked".into())]);
    assert!(free(&space, one, "a"));
    space.refuse(two, waits);
    // Naming one token shows that all have arrived.
    let (op, answers) = space.call(one, command());
    let granted = only(&answers, op);
    space.ask(one, unlock("a", Some(granted[0]))).expect("released");
    assert_eq!(space.lock(two, "b").holder.map(|holder| holder.levels), Some(1));
    assert_eq!(space.refuse(one, op), []);
    assert!(!free(&space, two, "b"));
    space.expire(one);
    assert!(free(&space, two, "b"));
}

#[test]
fn a_unary_call_closes_with_what_it_has() {
    let mut space = Space::default();
    let [one, two] = [(); 2].map(|()| space.open(Mode::Resumable));
    let (_, answers) = space.call_by(one, 0, Carrier::Call, locks(&["a", "b"], NOW));
    assert_eq!(tokens(&answers[0].outcome).len(), 2);
    space.close(one);
    assert!(free(&space, two, "a") && free(&space, two, "b"));
    assert!(space.lock(two, "a").abandoned.is_some());
}

#[test]
fn who_is_away_is_passed_over() {
    let mut space = Space::default();
    let [one, two, three] = [(); 3].map(|()| space.open(Mode::Resumable));
    space.take_and_accept(one, lock("a", NOW)).expect("locked");
    let op = space.wait(two, locks(&["a", "b"], FOREVER));
    assert_eq!(reason(&space.ask(three, lock("b", NOW))), Reason::TimedOut);
    space.input(Input::Detach(two));
    space.take_and_accept(three, lock("b", NOW)).expect("nobody present reserves it");
    space.ask(one, unlock("a", None)).expect("released");
    assert_eq!(space.answers(Input::Attach(two)), []);
    assert_eq!(reason(&space.ask(one, lock("a", NOW))), Reason::TimedOut);
    only(&space.ask_all(three, unlock("b", None)).1, op);
}

#[test]
fn it_is_withdrawn_whole() {
    let mut space = Space::default();
    let [one, two, three] = [(); 3].map(|()| space.open(Mode::Resumable));
    space.take_and_accept(one, lock("a", NOW)).expect("locked");
    let op = space.wait(two, locks(&["a", "b"], FOREVER));
    let behind = space.wait(three, lock("b", FOREVER));
    let answers = space.cancel(two, op);
    assert_eq!(short(&answers)[0], (op, "CANCELLED".into()));
    assert_eq!(short(&answers)[2], (behind, "locked".into()));
    space.refuse(three, behind);
    let op = space.wait(two, locks(&["a", "b"], FOREVER));
    let behind = space.wait(three, lock("b", FOREVER));
    assert_eq!(short(&space.close(two)), [(op, "SESSION_EXPIRED".into()), (behind, "locked".into())]);
    assert_eq!(space.engine.status().waits, 0);
}

#[test]
fn a_cycle_through_it_is_a_deadlock() {
    let mut space = Space::default();
    let [one, two] = [(); 2].map(|()| space.open(Mode::Resumable));
    space.take_and_accept(one, lock("a", NOW)).expect("locked");
    space.take_and_accept(two, lock("b", NOW)).expect("locked");
    let op = space.wait(two, locks(&["c", "a"], FOREVER));
    assert_eq!(reason(&space.ask(one, lock("b", FOREVER))), Reason::Deadlock);
    only(&space.ask_all(one, unlock("a", None)).1, op);
}

#[test]
fn reentrant_locks_and_readers() {
    let mut space = Space::default();
    let [one, two] = [(); 2].map(|()| space.open(Mode::Direct));
    space.ask(one, lock_options("re", true)).expect("declared");
    space.ask(one, lock("re", NOW)).expect("locked");
    space.ask(two, read("rw", NOW)).expect("reads");
    let (op, answers) = space.call(one, all([lock("re", NOW), read("rw", NOW)], NOW));
    only(&answers, op);
    assert_eq!(space.lock(two, "re").holder.expect("held").levels, 2);
    assert_eq!(space.rwlock(two, "rw").reading, 2);
    let op = space.wait(two, all([lock("x", NOW), write("rw", NOW)], FOREVER));
    let (_, answers) = space.ask_all(one, stop("rw", rwlock::Mode::Read, None));
    assert_eq!(only(&answers, op).len(), 2, "the sole reader may write");
}

#[test]
fn what_is_wrong_is_told_first() {
    let cases: [(Command, Reason); 4] = [
        (acquire("s", 0, NOW), Reason::InvalidArgument),
        (get("q", NOW), Reason::InvalidArgument),
        (lock("a", NOW), Reason::InvalidArgument),
        (
            Command::Lock(
                bridge_core::ids::Target::Existing(name("no")),
                bridge_core::command::lock::Command::Acquire(bridge_core::command::lock::Acquire::within(
                    NOW,
                )),
            ),
            Reason::ObjectGone,
        ),
    ];
    for (wrong, why) in cases {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        let error = space.ask(who, all([lock("a", NOW), wrong], FOREVER)).expect_err("it fails");
        assert_eq!((error.reason, error.detail("part")), (why, Some("1")), "{error:?}");
        assert_eq!(space.engine.status().objects, 0);
    }
    let mut space = Space::with(Limits { branches_max: 2, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    assert_eq!(reason(&space.ask(who, all([], NOW))), Reason::InvalidArgument);
    assert_eq!(reason(&space.ask(who, locks(&["a", "b", "c"], NOW))), Reason::LimitExceeded);
    let error = space.open(Mode::Sessionless);
    assert_eq!(reason(&space.ask(error, locks(&["a"], NOW))), Reason::SessionRequired);
}

/// Who wants what: a set of locks at once, or one lock and then another.
#[derive(Clone, Debug)]
enum Wish {
    All(Vec<usize>),
    InTurn(usize, usize),
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn wish() -> impl Strategy<Value = Wish> {
    let any = || 0_usize..NAMES.len();
    prop_oneof![
        3 => prop::sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 1..4).prop_shuffle().prop_map(Wish::All),
        // Ascending, so that these alone cannot deadlock.
        2 => (any(), any()).prop_map(|(one, two)| Wish::InTurn(one.min(two), one.max(two))),
    ]
}

struct Party {
    key: SessionKey,
    wishes: Vec<Wish>,
    /// The lock that is asked for next, of a wish in turn.
    second: Option<usize>,
    has: Vec<usize>,
    /// What it will have, with which call, and since when it waits.
    waits: Option<(Vec<usize>, Op, u64)>,
}

proptest! {
    /// Many who want overlapping sets, and single locks between: everybody gets everything, and nobody holds what another
    /// holds. Whoever wants all of several waits for no more than what was there, and a second of others passing by.
    #[test]
    fn everybody_gets_everything(
        wishes in prop::collection::vec(prop::collection::vec(wish(), 1..5), 2..7),
        order in prop::collection::vec(any::<prop::sample::Index>(), 400),
    ) {
        let mut space = Space::default();
        let mut parties: Vec<Party> = wishes
            .into_iter()
            .map(|wishes| Party { key: space.open(Mode::Direct), wishes, second: None, has: Vec::new(), waits: None })
            .collect();
        let mut order = order.into_iter().cycle();
        for step in 0_u64.. {
            let acts = |party: &Party| party.waits.is_none() && !(party.wishes.is_empty() && party.has.is_empty());
            let can_act: Vec<usize> = (0..parties.len()).filter(|who| acts(&parties[*who])).collect();
            if can_act.is_empty() {
                break;
            }
            prop_assert!(step < 4_000, "it does not end");
            let who = can_act[order.next().expect("a cycle").index(can_act.len())];
            space.now = space.now + Duration::from_millis(100);
            for answer in act(&mut space, &mut parties[who], step) {
                let party = parties.iter_mut().find(|party| party.key == answer.to).expect("a party");
                let (locks, op, since) = party.waits.take().expect("it waits");
                prop_assert_eq!(op, answer.op);
                prop_assert!(answer.outcome.is_ok(), "{answer:?}");
                // A second is ten steps; then each of the others may have to finish what it has begun.
                prop_assert!(step - since < 400, "waited from {since} to {step}");
                party.has.extend(locks);
                space.done(answer.to, answer.op);
            }
            for (lock, name) in NAMES.iter().enumerate() {
                let holders = parties.iter().filter(|party| party.has.contains(&lock)).count();
                prop_assert!(holders <= 1, "{name} has {holders} holders");
            }
        }
        for party in &parties {
            prop_assert!(party.waits.is_none() && party.wishes.is_empty(), "somebody waits for ever");
        }
    }
}

/// The next thing that a party does; the answers to others.
fn act(space: &mut Space, party: &mut Party, step: u64) -> Vec<Answer> {
    let (wanted, command) = if let Some(second) = party.second.take() {
        (vec![second], lock(NAMES[second], FOREVER))
    } else if let Some(held) = party.has.pop() {
        let (outcome, others) = space.ask_all(party.key, unlock(NAMES[held], None));
        outcome.expect("it is held");
        return others;
    } else {
        match party.wishes.pop().expect("it wants something") {
            Wish::All(set) => {
                let names: Vec<&str> = set.iter().map(|lock| NAMES[*lock]).collect();
                (set, locks(&names, FOREVER))
            }
            Wish::InTurn(one, two) => {
                party.second = (one != two).then_some(two);
                (vec![one], lock(NAMES[one], FOREVER))
            }
        }
    };
    let (op, mut answers) = space.call(party.key, command);
    match answers.iter().position(|answer| answer.op == op) {
        Some(at) => {
            let answer = answers.remove(at);
            answer.outcome.expect("it is granted");
            if answer.offered {
                space.done(party.key, op);
            }
            party.has.extend(wanted);
        }
        None => party.waits = Some((wanted, op, step)),
    }
    answers
}
