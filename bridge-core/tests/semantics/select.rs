//! Waiting for the first of several: section 9.

use bridge_core::command::acquire_all::AcquireAll;
use bridge_core::command::queue::{self, Options};
use bridge_core::command::{Command, Mode, Outcome, Reply, event, lock, rwlock};
use bridge_core::ids::{Op, SessionKey, Token};
use bridge_core::{Limits, Reason};
use proptest::prelude::*;

use crate::support::*;

/// Which branch it was, and how that ended.
fn selected(outcome: &Outcome) -> (u32, String) {
    match outcome {
        Ok(Reply::Selected { branch, .. }) => (*branch, in_short(outcome)),
        other => panic!("not selected: {other:?}"),
    }
}

fn of_branch(outcome: &Outcome) -> Outcome {
    match outcome {
        Ok(Reply::Selected { reply, .. }) => Ok((**reply).clone()),
        other => panic!("not selected: {other:?}"),
    }
}

#[track_caller]
fn only(answers: &[Answer], op: Op) -> (u32, String) {
    assert_eq!(answers.iter().map(|answer| answer.op).collect::<Vec<_>>(), [op], "{answers:?}");
    selected(&answers[0].outcome)
}

/// A queue with an item, one that is empty, a lock that another has, a free one, a permit, a full queue.
fn started(mode: Mode) -> (Space, SessionKey, SessionKey) {
    let mut space = Space::default();
    let (who, other) = (space.open(mode), space.open(mode));
    space.ask(who, put("has", "a", NOW)).expect("put");
    space.take_and_accept(other, lock("held", NOW)).expect("locked");
    space.ask(who, declare("full", Options { maxsize: Some(1), ..Options::default() })).expect("declared");
    space.ask(who, put("full", "x", NOW)).expect("put");
    (space, who, other)
}

#[test]
fn what_is_not_had_at_once_leaves_nothing_behind() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let taken = space.open(Mode::Resumable);
    space.take_and_accept(taken, lock("held", NOW)).unwrap();
    let objects = |space: &Space| space.engine.status().objects;
    let both = || [get("q", NOW), wait("e", NOW), lock("held", NOW)];
    assert_eq!(reason(&space.ask(who, select(both(), NOW))), Reason::TimedOut);
    assert_eq!(objects(&space), 1);
    let parts = vec![lock("l", NOW), lock("held", NOW)];
    let all = AcquireAll { parts, timeout: NOW };
    assert_eq!(reason(&space.ask(who, Command::AcquireAll(Box::new(all)))), Reason::TimedOut);
    assert_eq!(objects(&space), 1);
    let waiting = space.wait(who, select(both(), FOREVER));
    assert_eq!(objects(&space), 3, "who waits needs them");
    space.cancel(who, waiting);
}

#[test]
fn the_first_that_can_be_had_is() {
    let cases: [(&[Command], u32, &str); 7] = [
        (&[get("none", NOW), get("has", NOW), set_wait("e")], 1, "a"),
        (&[lock("held", NOW), lock("free", NOW), get("has", NOW)], 1, "locked"),
        (&[put("full", "y", NOW), put("none", "y", NOW)], 1, "put"),
        (&[acquire("s", 2, NOW), acquire("s", 1, NOW)], 1, "acquired"),
        (&[wait("e", NOW), read("rw", NOW), write("rw", NOW)], 1, "locked"),
        (&[get_many("has", 5, 2, 0, NOW), get("has", NOW)], 1, "a"),
        (&[get("has", NOW), get("has", NOW)], 0, "a"),
    ];
    for mode in [Mode::Direct, Mode::Resumable] {
        for (branches, branch, text) in &cases {
            let (mut space, who, _) = started(mode);
            let (op, answers) = space.call(who, select(branches.to_vec(), NOW));
            assert_eq!(only(&answers, op), (*branch, (*text).to_owned()), "{branches:?}");
            assert_eq!(answers[0].offered, mode == Mode::Resumable && *text != "put", "{branches:?}");
            assert_eq!(space.engine.status().waits, 0);
        }
    }
}

fn set_wait(event: &str) -> Command {
    wait(event, NOW)
}

#[test]
fn one_is_granted_and_the_others_leave() {
    let frees: [(Command, u32, &str); 4] = [
        (put("none", "b", NOW), 0, "b"),
        (unlock("held", None), 1, "locked"),
        (get("full", NOW), 2, "put"),
        (set("e"), 3, "true"),
    ];
    for (free, branch, text) in frees {
        let (mut space, who, other) = started(Mode::Resumable);
        let branches = [get("none", NOW), lock("held", NOW), put("full", "y", NOW), wait("e", NOW)];
        let op = space.wait(who, select(branches, FOREVER));
        assert_eq!(space.engine.status().waits, 4);
        let (freeing, mut answers) = space.call(other, free);
        if let Some(at) = answers.iter().position(|answer| answer.op == freeing && answer.offered) {
            answers.remove(at);
            answers.extend(space.done(other, freeing));
        }
        answers.retain(|answer| answer.op == op);
        assert_eq!(only(&answers, op), (branch, text.to_owned()));
        assert_eq!(space.engine.status().waits, 0);
        // The rest is there for others.
        space.done(who, op);
        let queue = space.queue(other, "full");
        assert_eq!((queue.ready, queue.waiting_to_put), (1, 0));
        assert_eq!((space.queue(other, "none").waiting_to_get, space.event(other, "e").waiting), (0, 0));
    }
}

#[test]
fn who_stood_behind_is_served_in_the_same_step() {
    let mut space = Space::default();
    let [one, two, three] = [(); 3].map(|()| space.open(Mode::Direct));
    space.ask(one, permits("s", 3)).expect("declared");
    space.take_and_accept(one, acquire("s", 2, NOW)).expect("acquired");
    let selects = space.wait(two, select([acquire("s", 3, NOW), wait("e", NOW)], FOREVER));
    let behind = space.wait(three, acquire("s", 1, FOREVER));
    let (_, answers) = space.ask_all(one, set("e"));
    assert_eq!(short(&answers), [(selects, "true".into()), (behind, "acquired".into())]);
}

#[test]
fn two_that_wait_for_each_others_objects() {
    let mut space = Space::default();
    let [one, two, three] = [(); 3].map(|()| space.open(Mode::Resumable));
    let first = space.wait(one, select([get("a", NOW), get("b", NOW)], FOREVER));
    let second = space.wait(two, select([get("b", NOW), get("a", NOW)], FOREVER));
    let (_, answers) = space.ask_all(three, put("b", "x", NOW));
    assert_eq!(only(&answers, first), (1, "x".into()));
    let (_, answers) = space.ask_all(three, put_many("a", &["y", "z"], NOW));
    assert_eq!(only(&answers, second), (1, "y".into()));
    assert_eq!((space.queue(three, "a").ready, space.queue(three, "b").ready), (1, 0));
}

#[test]
fn an_offer_is_repeated_refused_and_accepted_as_that_branch() {
    let mut space = Space::default();
    let [one, two] = [(); 2].map(|()| space.open(Mode::Resumable));
    let branches = || select([wait("e", NOW), get("q", NOW)], FOREVER);
    let op = space.wait(one, branches());
    assert_eq!(space.again(one, op, branches()), [], "it goes on waiting");
    let (_, answers) = space.ask_all(two, put("q", "a", NOW));
    assert_eq!(only(&answers, op), (1, "a".into()));
    let again = space.again(one, op, branches());
    assert_eq!(again, answers);
    space.input(bridge_core::command::Input::Detach(one));
    assert_eq!(space.answers(bridge_core::command::Input::Attach(one)), answers);
    space.refuse(one, op);
    assert_eq!(space.queue(two, "q").ready, 1);
    let (op, answers) = space.call(one, branches());
    assert_eq!(only(&answers, op), (1, "a".into()));
    space.done(one, op);
    assert_eq!(space.queue(two, "q").offered, 0);
}

#[test]
fn an_answer_is_stored_until_it_is_acknowledged() {
    let mut space = Space::default();
    let one = space.open(Mode::Resumable);
    let (op, answers) = space.call(one, select([put("q", "a", NOW)], FOREVER));
    assert_eq!(space.again(one, op, select([], NOW)), answers);
    // A put whose caller gave up is withdrawn.
    let answers = space.cancel(one, op);
    assert_eq!(
        short(&answers).iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
        ["CANCELLED", "cancelled true"]
    );
    assert_eq!(space.queue(one, "q").ready, 0);
}

#[test]
fn cancel_takes_all_branches_back() {
    let (mut space, who, other) = started(Mode::Resumable);
    let op = space.wait(who, select([lock("held", NOW), put("full", "y", NOW), get("none", NOW)], FOREVER));
    let answers = space.cancel(who, op);
    assert_eq!(short(&answers)[0], (op, "CANCELLED".into()));
    assert_eq!(space.engine.status().waits, 0);
    assert_eq!(space.engine.status().items, 2);
    space.ask(other, unlock("held", None)).expect("released");
    assert!(space.lock(other, "held").holder.is_none());
}

#[test]
fn one_deadline_for_all() {
    let (mut space, who, _) = started(Mode::Direct);
    let branches = || [lock("held", NOW), get("none", NOW), put("full", "y", NOW)];
    assert_eq!(reason(&space.ask(who, select(branches(), NOW))), Reason::TimedOut);
    let op = space.wait(who, select(branches(), seconds(3)));
    assert_eq!(space.pass_seconds(2), []);
    assert_eq!(short(&space.pass_seconds(1)), [(op, "TIMED_OUT".into())]);
    assert_eq!((space.engine.status().waits, space.engine.status().items), (0, 2));
    assert_eq!(space.engine.next_deadline(), None);
}

#[test]
fn a_batch_that_lingers_gets_what_there_is() {
    for timeout in [NOW, seconds(1)] {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        space.ask(who, put_many("q", &["a", "b"], NOW)).expect("put");
        let batch = select([wait("e", NOW), get_many("q", 5, 2, 9_000, NOW)], timeout);
        let (op, mut answers) = space.call(who, batch);
        answers.extend(space.pass_seconds(1));
        assert_eq!(only(&answers, op), (1, "a b".into()));
    }
}

#[test]
fn waiters_of_a_session_that_is_away_are_passed_over() {
    let mut space = Space::default();
    let [one, two] = [(); 2].map(|()| space.open(Mode::Resumable));
    let op = space.wait(one, select([get("a", NOW), get("b", NOW)], FOREVER));
    space.input(bridge_core::command::Input::Detach(one));
    assert_eq!(space.ask_all(two, put("a", "x", NOW)).1, []);
    assert_eq!(texts(&space.take_and_accept(two, get("a", NOW))), ["x"]);
    space.ask(two, put("b", "y", NOW)).expect("put");
    let answers = space.answers(bridge_core::command::Input::Attach(one));
    assert_eq!(only(&answers, op), (1, "y".into()));
}

#[test]
fn what_goes_ends_it() {
    let mut space = Space::default();
    let [one, two] = [(); 2].map(|()| space.open(Mode::Resumable));
    let ephemeral = event::Options { ephemeral: Some(true), ..Default::default() };
    // A queue that is shut down.
    let op = space.wait(one, select([wait("e", NOW), get("q", NOW)], FOREVER));
    let (_, answers) = space.ask_all(two, on("q", queue::Command::Shutdown { immediate: false }));
    assert_eq!(short(&answers), [(op, "SHUT_DOWN".into())]);
    assert_eq!(answers[0].outcome.as_ref().expect_err("it failed").detail("branch"), Some("1"));
    assert_eq!(reason(&space.ask(one, select([wait("e", NOW), get("q", NOW)], FOREVER))), Reason::ShutDown);
    // What the session discards.
    space.ask(one, on_event("own", event::Command::Declare(ephemeral))).expect("declared");
    let op = space.wait(one, select([get("r", NOW), wait("own", NOW)], FOREVER));
    let discard = Command::Discard(bridge_core::ids::Kind::Event, target("own"));
    let (_, answers) = space.ask_all(one, discard);
    assert_eq!(short(&answers), [(op, "CANCELLED".into())]);
    // The session itself.
    let op = space.wait(two, select([get("r", NOW), wait("e", NOW)], FOREVER));
    assert_eq!(short(&space.close(two)), [(op, "SESSION_EXPIRED".into())]);
    assert_eq!(space.engine.status().waits, 0);
}

#[test]
fn what_is_wrong_is_told_first() {
    type Wrong = (Command, Reason);
    let wrong: [Wrong; 7] = [
        (acquire("s", 0, NOW), Reason::InvalidArgument),
        (get_many("q", 1, 2, 0, NOW), Reason::InvalidArgument),
        (set("e"), Reason::InvalidArgument),
        (put_many("q", &[], NOW), Reason::InvalidArgument),
        (
            Command::Latch(target("l"), bridge_core::command::latch::Command::Wait { timeout: NOW }),
            Reason::InvalidArgument,
        ),
        (
            Command::Lock(
                bridge_core::ids::Target::Existing(name("no")),
                lock::Command::Acquire(lock::Acquire::within(NOW)),
            ),
            Reason::ObjectGone,
        ),
        (select([get("has", NOW)], NOW), Reason::InvalidArgument),
    ];
    for (command, why) in wrong {
        let (mut space, who, _) = started(Mode::Resumable);
        let objects = space.engine.status().objects;
        let error = space
            .ask(who, select([get("has", NOW), get("new", NOW), command], FOREVER))
            .expect_err("it fails");
        assert_eq!((error.reason, error.detail("branch")), (why, Some("2")), "{error:?}");
        assert_eq!((space.queue(who, "has").ready, space.engine.status().objects), (1, objects));
    }
    let mut space = Space::with(Limits { branches_max: 2, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    assert_eq!(reason(&space.ask(who, select([], NOW))), Reason::InvalidArgument);
    let error =
        space.ask(who, select(["a", "b", "c"].map(|name| get(name, NOW)), NOW)).expect_err("too many");
    assert_eq!((error.reason, error.detail("limit")), (Reason::LimitExceeded, Some("branches_max")));
    assert_eq!(
        reason(&space.ask(who, select([write("rw", NOW), write("rw", NOW)], NOW))),
        Reason::InvalidArgument
    );
}

#[test]
fn each_branch_is_a_wait_of_the_namespace_and_all_are_one_of_the_session() {
    let mut space = Space::with(Limits { waits_max: 3, waits_per_session_max: 1, ..Limits::default() });
    let [one, two] = [(); 2].map(|()| space.open(Mode::Resumable));
    space.wait(one, select([get("a", NOW), put("a", "x", NOW), get("b", NOW)].into_iter().take(1), FOREVER));
    let error = space.ask(one, select([get("a", NOW)], FOREVER)).expect_err("one too many");
    assert_eq!(error.detail("limit"), Some("waits_per_session_max"));
    let error =
        space.ask(two, select(["a", "b", "c"].map(|name| get(name, NOW)), FOREVER)).expect_err("too many");
    assert_eq!(error.detail("limit"), Some("waits_max"));
    assert_eq!(
        reason(&space.ask(two, select(["a", "b", "c"].map(|name| get(name, NOW)), NOW))),
        Reason::TimedOut
    );
    space.wait(two, select([get("a", NOW), get("b", NOW)], FOREVER));
}

#[test]
fn a_reader_that_would_write_waits_before_the_line() {
    let mut space = Space::default();
    let [one, two] = [(); 2].map(|()| space.open(Mode::Resumable));
    space.take_and_accept(one, read("rw", NOW)).expect("reads");
    let token: Token = token(&space.take_and_accept(two, read("rw", NOW)));
    let op = space.wait(one, select([get("q", NOW), write("rw", NOW)], FOREVER));
    let (_, answers) = space.ask_all(two, stop("rw", rwlock::Mode::Read, Some(token)));
    assert_eq!(only(&answers, op), (1, "locked".into()));
    assert_eq!(
        reason(&of_branch(&answers[0].outcome).and(space.ask(two, write("rw", NOW)))),
        Reason::TimedOut
    );
}

#[derive(Clone, Debug)]
enum Do {
    Select(usize, Vec<usize>, bool),
    Get(usize, usize),
    Put(usize),
    Done(usize, prop::sample::Index),
    Refuse(usize, prop::sample::Index),
    Cancel(usize, prop::sample::Index),
    Detach(usize),
    Attach(usize),
    Close(usize),
    Pass(u64),
}

const QUEUES: [&str; 3] = ["a", "b", "c"];

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let (who, queue, op) = (|| 0_usize..3, || 0_usize..3, any::<prop::sample::Index>);
    let step = prop_oneof![
        6 => (who(), prop::collection::vec(queue(), 1..4), any::<bool>()).prop_map(|(w, q, t)| Do::Select(w, q, t)),
        1 => (who(), queue()).prop_map(|(who, queue)| Do::Get(who, queue)),
        6 => queue().prop_map(Do::Put),
        4 => (who(), op()).prop_map(|(who, op)| Do::Done(who, op)),
        2 => (who(), op()).prop_map(|(who, op)| Do::Refuse(who, op)),
        1 => (who(), op()).prop_map(|(who, op)| Do::Cancel(who, op)),
        1 => who().prop_map(Do::Detach),
        2 => who().prop_map(Do::Attach),
        1 => who().prop_map(Do::Close),
        1 => (1_u64..4).prop_map(Do::Pass),
    ];
    prop::collection::vec(step, 1..100)
}

proptest! {
    /// Each item is accepted once, whatever happens to those who were offered it, and nobody waits for what is there.
    #[test]
    fn each_item_once(steps in steps()) {
        let mut space = Space::default();
        let putter = space.open(Mode::Direct);
        let mut keys: [SessionKey; 3] = std::array::from_fn(|_| space.open(Mode::Resumable));
        let mut offers: [Vec<(Op, String)>; 3] = Default::default();
        let mut waits: [Vec<Op>; 3] = Default::default();
        let (mut accepted, mut put_so_far) = (Vec::new(), 0);
        for step in steps {
            let answers = match step {
                Do::Select(who, queues, brief) => {
                    let branches = queues.iter().map(|queue| get(QUEUES[*queue], NOW));
                    let (op, answers) = space.call(keys[who], select(branches, if brief { seconds(2) } else { FOREVER }));
                    waits[who].push(op);
                    answers
                }
                Do::Get(who, queue) => {
                    let (op, answers) = space.call(keys[who], get(QUEUES[queue], FOREVER));
                    waits[who].push(op);
                    answers
                }
                Do::Put(queue) => {
                    put_so_far += 1;
                    let mut answers = space.call(putter, put(QUEUES[queue], &put_so_far.to_string(), NOW)).1;
                    answers.remove(0);
                    answers
                }
                Do::Done(who, op) if !offers[who].is_empty() => {
                    let (op, item) = offers[who].remove(op.index(offers[who].len()));
                    accepted.push(item);
                    space.done(keys[who], op)
                }
                Do::Refuse(who, op) if !offers[who].is_empty() => {
                    let (op, _) = offers[who].remove(op.index(offers[who].len()));
                    space.refuse(keys[who], op)
                }
                Do::Cancel(who, op) if !waits[who].is_empty() => {
                    let op = waits[who][op.index(waits[who].len())];
                    space.cancel(keys[who], op)
                }
                Do::Detach(who) => space.answers(bridge_core::command::Input::Detach(keys[who])),
                Do::Attach(who) => space.answers(bridge_core::command::Input::Attach(keys[who])),
                Do::Close(who) => {
                    let answers = space.close(keys[who]);
                    let others = answers.into_iter().filter(|answer| answer.to != keys[who]).collect();
                    (offers[who], waits[who]) = Default::default();
                    keys[who] = space.open(Mode::Resumable);
                    others
                }
                Do::Pass(seconds) => space.pass_seconds(seconds),
                _ => Vec::new(),
            };
            for answer in answers {
                let Some(who) = keys.iter().position(|key| *key == answer.to) else { continue };
                waits[who].retain(|op| *op != answer.op);
                if answer.offered && !offers[who].iter().any(|(op, _)| *op == answer.op) {
                    offers[who].push((answer.op, in_short(&answer.outcome)));
                }
            }
        }
        let on_offer = offers.iter().flatten().map(|(_, item)| item.clone());
        let mut all: Vec<String> = accepted.into_iter().chain(on_offer).collect();
        for queue in QUEUES {
            while let Ok(Reply::Queue(queue::Reply::Taken(taken))) = space.take_and_accept(putter, get(queue, NOW)) {
                all.push(text_of(&taken.deliveries[0].payload));
            }
        }
        all.sort_by_key(|item| item.parse::<usize>().expect("a number"));
        prop_assert_eq!(all, (1..=put_so_far).map(|item| item.to_string()).collect::<Vec<_>>());
    }
}
