//! Semantics 1, "Prefetch": OFFERED ahead of need, recalled where somebody waits.

use bridge_core::command::queue::{Batch, Command, Mode as Take, Options, Reentry, Taking};
use bridge_core::command::{self, Call, Carrier, Effect, Input, Mode};
use bridge_core::ids::{Op, OpRange, ParticipantId, SessionKey};
use bridge_core::{Reason, Timeout};

use crate::support::*;

const NOTHING: [&str; 0] = [];

fn ahead(mode: Take, timeout: Timeout) -> command::Command {
    let taking = Taking { prefetch: true, ..Taking::new(mode, Batch::ONE) };
    on("q", Command::Take { taking, timeout })
}

/// Everything that leaves the engine, in short: answers, and "recall OP".
fn all(effects: Vec<Effect>) -> Vec<String> {
    let text = |effect| match effect {
        Effect::Recall { op, .. } => Some(format!("recall {}", op.0)),
        Effect::Answer { op, outcome, .. } => Some(format!("{} {}", op.0, in_short(&outcome))),
        _ => None,
    };
    effects.into_iter().filter_map(text).collect()
}

fn call(space: &mut Space, who: SessionKey, op: u64, command: command::Command) -> Vec<String> {
    let call = Call { op: Op(op), participant: ParticipantId(0), carrier: Carrier::Stream, command };
    all(space.input(Input::Call(who, call)))
}

fn done(space: &mut Space, who: SessionKey, op: u64) -> Vec<String> {
    all(space.input(Input::Done(who, OpRange { first: Op(op), last: Op(op) })))
}

fn refuse(space: &mut Space, who: SessionKey, op: u64) -> Vec<String> {
    all(space.input(Input::Refuse(who, Op(op))))
}

/// A consumer that was offered "a", "b", "c" by its calls 101, 102 and 103 and has none of them in hand, and another.
fn busy(mode: Take) -> (Space, SessionKey, SessionKey) {
    let mut space = Space::default();
    let [consumer, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(other, put_many("q", &["a", "b", "c"], NOW)).expect("put");
    for (op, text) in [(101, "a"), (102, "b"), (103, "c")] {
        assert_eq!(call(&mut space, consumer, op, ahead(mode, FOREVER)), [format!("{op} {text}")]);
    }
    (space, consumer, other)
}

#[test]
fn what_is_prefetched_is_offered_and_counts_no_attempt() {
    let (mut space, consumer, other) = busy(Take::Lease);
    let figures = space.queue(other, "q");
    assert_eq!((figures.ready, figures.offered, figures.leased), (0, 3, 0));
    done(&mut space, consumer, 101);
    assert_eq!(space.queue(other, "q").leased, 1, "its consumer has taken it");
    space.expire(consumer);
    let attempts = |space: &mut Space| {
        let taken = space.take_and_accept(other, lease("q", NOW));
        (texts(&taken).remove(0), deliveries(&taken)[0].attempt)
    };
    assert_eq!(attempts(&mut space), ("a".into(), 2));
    assert_eq!(attempts(&mut space), ("b".into(), 1));
}

#[test]
fn who_waits_gets_what_a_busy_consumer_has_not_taken() {
    for mode in [Take::Get, Take::Lease] {
        let (mut space, consumer, other) = busy(mode);
        assert_eq!(call(&mut space, other, 201, get("q", FOREVER)), ["recall 103"], "the newest first");
        assert_eq!(refuse(&mut space, consumer, 103), ["201 c"]);
    }
}

#[test]
fn timeout_0_answers_at_once_and_recalls_all_the_same() {
    let (mut space, consumer, other) = busy(Take::Get);
    assert_eq!(call(&mut space, other, 201, get("q", NOW)), ["recall 103", "201 EMPTY"]);
    assert_eq!(call(&mut space, other, 202, get("q", NOW)), ["202 EMPTY"], "one is on its way");
    refuse(&mut space, consumer, 103);
    assert_eq!(call(&mut space, other, 203, get("q", NOW)), ["203 c"]);
}

#[test]
fn for_who_is_paused_nothing_is_recalled() {
    let (mut space, _, other) = busy(Take::Get);
    space.input(Input::Pause(other));
    assert_eq!(call(&mut space, other, 201, get("q", NOW)), ["201 EMPTY"]);
    assert_eq!(call(&mut space, other, 202, select([get("q", NOW)], NOW)), ["202 TIMED_OUT"]);
    assert_eq!(call(&mut space, other, 203, get("q", FOREVER)), NOTHING);
    assert_eq!(all(space.input(Input::Unpause(other))), ["recall 103"]);
}

#[test]
fn a_recall_that_crosses_an_accept_goes_on_to_the_next() {
    let (mut space, consumer, other) = busy(Take::Lease);
    assert_eq!(call(&mut space, other, 201, get("q", FOREVER)), ["recall 103"]);
    assert_eq!(done(&mut space, consumer, 103), ["recall 102"]);
    assert_eq!(done(&mut space, consumer, 102), ["recall 101"]);
    assert_eq!(done(&mut space, consumer, 101), NOTHING, "nothing is left to recall");
}

#[test]
fn as_many_are_recalled_as_are_waited_for() {
    let (mut space, consumer, other) = busy(Take::Get);
    assert_eq!(call(&mut space, other, 201, get("q", FOREVER)), ["recall 103"]);
    assert_eq!(call(&mut space, other, 202, get_many("q", 9, 2, 0, FOREVER)), ["recall 102", "recall 101"]);
    assert_eq!(refuse(&mut space, consumer, 102), ["201 b"]);
    assert_eq!(refuse(&mut space, consumer, 103), NOTHING);
    assert_eq!(refuse(&mut space, consumer, 101), ["202 a c"]);
}

#[test]
fn nothing_is_given_ahead_of_need_while_somebody_waits() {
    let mut space = Space::default();
    let [consumer, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(other, put("q", "a", NOW)).unwrap();
    assert_eq!(call(&mut space, consumer, 101, ahead(Take::Get, FOREVER)), ["101 a"]);
    call(&mut space, consumer, 102, ahead(Take::Get, FOREVER));
    assert_eq!(call(&mut space, other, 201, get("q", FOREVER)), ["recall 101"]);
    assert_eq!(refuse(&mut space, consumer, 101), ["201 a"], "the consumer's other take stands behind");
    let (_, batch) = space.call(other, get_many("q", 9, 2, 0, seconds(5)));
    assert_eq!(batch, []);
    space.ask(other, put("q", "b", NOW)).unwrap();
    assert_eq!(call(&mut space, consumer, 103, ahead(Take::Get, FOREVER)), NOTHING);
    let told = all(space_pass(&mut space, 5));
    assert_eq!(told[0].split(' ').nth(1), Some("EMPTY"), "the batch had one of two");
    assert_eq!(told[1..], ["102 b"], "now nobody waits");
}

fn space_pass(space: &mut Space, seconds: u64) -> Vec<Effect> {
    space.now = space.now + std::time::Duration::from_secs(seconds);
    space.input(Input::Tick)
}

#[test]
fn a_consumer_that_waits_stands_in_line_from_then_on() {
    let mut space = Space::default();
    let [consumer, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    call(&mut space, consumer, 101, ahead(Take::Get, FOREVER));
    call(&mut space, consumer, 102, ahead(Take::Get, FOREVER));
    call(&mut space, other, 201, get("q", FOREVER));
    assert_eq!(call(&mut space, consumer, 103, command::Command::Hasten(Op(101))), ["103 Hastened"]);
    call(&mut space, other, 202, get("q", FOREVER));
    let put = put_many("q", &["a", "b", "c", "d"], NOW);
    let told = call(&mut space, other, 203, put);
    assert_eq!(told, ["203 put 4", "201 a", "101 b", "202 c", "102 d"]);
    call(&mut space, other, 204, get("q", FOREVER));
    assert_eq!(refuse(&mut space, consumer, 102), ["204 d"], "what it waited for is not recalled");
    for unknown in [101, 102, 999] {
        let command = command::Command::Hasten(Op(unknown));
        assert_eq!(
            call(&mut space, consumer, 300 + unknown, command),
            [format!("{} Hastened", 300 + unknown)]
        );
    }
}

#[test]
fn a_recall_lost_with_the_stream_is_sent_again() {
    let (mut space, consumer, other) = busy(Take::Get);
    let [third] = [space.open(Mode::Resumable)];
    space.ask(other, put("q", "d", NOW)).unwrap();
    assert_eq!(call(&mut space, third, 301, ahead(Take::Get, FOREVER)), ["301 d"]);
    assert_eq!(call(&mut space, other, 201, get("q", FOREVER)), ["recall 301"]);
    assert_eq!(all(space.input(Input::Detach(third))), ["recall 103"], "another one, meanwhile");
    assert_eq!(all(space.input(Input::Attach(third))), ["301 d", "recall 301"]);
    assert_eq!(refuse(&mut space, third, 301), ["201 d"]);
    assert_eq!(call(&mut space, other, 202, get("q", FOREVER)), NOTHING, "one is on its way still");
    assert_eq!(refuse(&mut space, consumer, 103), ["202 c"]);
}

#[test]
fn what_a_dead_session_prefetched_comes_back() {
    for closes in [true, false] {
        let (mut space, consumer, other) = busy(Take::Lease);
        space.input(Input::Detach(consumer));
        assert_eq!(call(&mut space, other, 201, get("q", FOREVER)), NOTHING, "it hears nothing now");
        let told = if closes { space.close(consumer) } else { space.expire(consumer) };
        assert_eq!(short(&told), [(Op(201), "a".to_owned())]);
        assert_eq!(space.queue(other, "q").ready, 2);
    }
}

#[test]
fn in_one_process_it_is_an_offer_too() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    space.ask(who, put("q", "a", NOW)).unwrap();
    assert_eq!(call(&mut space, who, 101, ahead(Take::Get, FOREVER)), ["101 a"]);
    assert_eq!(space.queue(who, "q").offered, 1);
    assert_eq!(call(&mut space, who, 102, get("q", FOREVER)), ["recall 101"]);
    assert_eq!(refuse(&mut space, who, 101), ["102 a"]);
}

#[test]
fn a_graceful_shutdown_waits_for_what_is_prefetched() {
    let (mut space, consumer, other) = busy(Take::Get);
    space.ask(other, on("q", Command::Shutdown { immediate: false })).unwrap();
    assert_eq!(call(&mut space, other, 201, get("q", FOREVER)), ["recall 103"]);
    assert_eq!(refuse(&mut space, consumer, 103), ["201 c"]);
    done(&mut space, consumer, 102);
    done(&mut space, consumer, 101);
    done(&mut space, other, 201);
    assert_eq!(reason(&space.ask(other, get("q", FOREVER))), Reason::ShutDown);
    assert_eq!(reason(&space.ask(consumer, ahead(Take::Get, FOREVER))), Reason::ShutDown);
}

#[test]
fn what_cannot_be_prefetched() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let batch = Batch { max: 2, ..Batch::ONE };
    let many = Taking { prefetch: true, ..Taking::new(Take::Get, batch) };
    let many = on("q", Command::Take { taking: many, timeout: FOREVER });
    for wrong in [many, ahead(Take::Get, NOW), ahead(Take::Get, seconds(1))] {
        assert_eq!(reason(&space.ask(who, wrong)), Reason::InvalidArgument);
    }
    let (_, answers) = space.call_by(who, 0, Carrier::Call, ahead(Take::Get, FOREVER));
    assert_eq!(reason(&answers[0].outcome), Reason::InvalidArgument, "a unary call hears of no recall");
}

#[test]
fn an_item_that_was_recalled_keeps_its_place() {
    let (mut space, consumer, other) = busy(Take::Lease);
    call(&mut space, other, 201, get("q", NOW));
    refuse(&mut space, consumer, 103);
    refuse(&mut space, consumer, 101);
    let taken = space.take_and_accept(other, lease("q", NOW));
    assert_eq!(texts(&taken), ["a"]);
    space.ask(other, nack("q", token(&taken), Reentry::Place, "")).unwrap();
    space.ask(other, declare("q", Options::default())).unwrap();
    assert_eq!(space.queue(other, "q").ready, 2);
}
