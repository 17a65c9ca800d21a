//! Semantics 11: deadlock.

use bridge_core::command::lock::{Acquire, Command as Do, Options};
use bridge_core::command::rwlock::Mode;
use bridge_core::command::{
    Call, Carrier, Command, Effect, Input, Mode as SessionMode, OnDeadlock, Opened, rwlock, semaphore,
};
use bridge_core::ids::{Op, ParticipantId, SessionKey};
use bridge_core::{Engine, Limits, Reason, Time, Timeout};

use crate::support::*;

/// Participants 0 to 3 of a session each.
fn four(space: &mut Space) -> [Party; 4] {
    [0, 1, 2, 3].map(|number| {
        let session = space.open(SessionMode::Resumable);
        let label = format!("t{number}");
        space.input(Input::Label(session, ParticipantId(number), label));
        Party { session, number }
    })
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) session: SessionKey,
    pub(crate) number: u32,
}

impl Party {
    pub(crate) fn call(self, space: &mut Space, command: Command) -> (Op, Vec<Answer>) {
        let (op, answers) = space.call_by(self.session, self.number, Carrier::Stream, command);
        for answer in answers.iter().filter(|answer| answer.offered) {
            space.done(answer.to, answer.op);
        }
        (op, answers)
    }

    fn has(self, space: &mut Space, command: Command) {
        self.call(space, command).1[0].outcome.as_ref().expect("it is granted at once");
    }

    fn waits(self, space: &mut Space, command: Command) -> Op {
        let (op, answers) = self.call(space, command);
        assert_eq!(answers, [], "it waits");
        op
    }

    fn deadlocks(self, space: &mut Space, command: Command) -> bridge_core::Error {
        let (op, answers) = self.call(space, command);
        assert_eq!(short(&answers), [(op, "DEADLOCK".to_owned())]);
        answers[0].outcome.clone().expect_err("it fails")
    }
}

fn permit(semaphore: &str, timeout: Timeout) -> Command {
    let acquire = semaphore::Acquire { permits: 1, by_token: true, barge: false, timeout };
    on_semaphore(semaphore, semaphore::Command::Acquire(acquire))
}

fn declared(space: &mut Space, who: Party, name: &str, options: Options) {
    space.ask(who.session, on_lock(name, Do::Declare(options))).expect("it fits");
}

fn on_deadlock(deadlock: OnDeadlock) -> Options {
    Options { deadlock: Some(deadlock), ..Default::default() }
}

#[test]
fn the_request_that_closes_the_cycle_ends_and_is_told_the_whole_of_it() {
    let mut space = Space::default();
    let [a, b, ..] = four(&mut space);
    for name in ["m", "n"] {
        declared(&mut space, a, name, Options { reentrant: Some(true), ..Default::default() });
    }
    a.has(&mut space, lock("m", NOW));
    b.has(&mut space, lock("n", NOW));
    let waiting = a.waits(&mut space, lock("n", FOREVER));
    let error = b.deadlocks(&mut space, lock("m", FOREVER));
    let cycle = "t1 of s2@host:1 (rust) waits for lock m, held by t0 of s1@host:1 (rust), who waits for lock n, held by \
                 the first";
    assert_eq!(error.detail("cycle"), Some(cycle));
    assert_eq!(error.detail("participants"), Some("2"));
    assert!(error.message.contains(cycle), "{error}");
    let found = space.deadlocks.pop().unwrap();
    assert!(found.raised);
    assert_eq!(found.to_string(), cycle);
    let released = b.call(&mut space, unlock("n", None)).1;
    assert_eq!(
        short(&released[1..]),
        [(waiting, "locked".to_owned())],
        "whoever gives way lets the other go on"
    );
}

#[test]
fn a_cycle_goes_through_locks_of_all_kinds() {
    let mut space = Space::default();
    let [a, b, c, d] = four(&mut space);
    a.has(&mut space, lock("l", NOW));
    b.has(&mut space, read("rw", NOW));
    d.has(&mut space, read("rw", NOW));
    c.has(&mut space, permit("s", NOW));
    a.waits(&mut space, write("rw", FOREVER));
    b.waits(&mut space, permit("s", FOREVER));
    let error = c.deadlocks(&mut space, lock("l", FOREVER));
    assert_eq!(error.detail("participants"), Some("3"));
    d.has(&mut space, lock("free", FOREVER));
}

#[test]
fn permits_are_out_of_reach_once_all_their_owners_are() {
    let mut space = Space::default();
    let [a, b, c, d] = four(&mut space);
    space.ask(a.session, permits("s", 2)).unwrap();
    a.has(&mut space, permit("s", NOW));
    b.has(&mut space, permit("s", NOW));
    c.has(&mut space, lock("l", NOW));
    d.has(&mut space, lock("m", NOW));
    c.waits(&mut space, permit("s", FOREVER));
    a.waits(&mut space, lock("l", FOREVER));
    b.waits(&mut space, lock("m", FOREVER));
    assert!(space.deadlocks.is_empty(), "d can still release what b waits for");
    d.deadlocks(&mut space, permit("s", FOREVER));
}

#[test]
fn permits_are_out_of_reach_once_those_who_could_go_on_have_given_theirs_back() {
    let mut space = Space::default();
    let [a, b, c, d] = four(&mut space);
    space.ask(a.session, permits("s", 2)).unwrap();
    a.has(&mut space, permit("s", NOW));
    let (_, got) = b.call(&mut space, permit("s", NOW));
    c.has(&mut space, lock("l", NOW));
    a.waits(&mut space, lock("l", FOREVER));
    let acquire = semaphore::Acquire { permits: 2, by_token: true, barge: false, timeout: FOREVER };
    let both = || on_semaphore("s", semaphore::Command::Acquire(acquire));
    d.waits(&mut space, both());
    let waiting = c.waits(&mut space, both());
    assert!(space.deadlocks.is_empty(), "b can still release what c waits for");
    let (op, answers) = b.call(&mut space, release_token("s", token(&got[0].outcome)));
    assert_eq!(short(&answers), [(op, "Semaphore(Released)".to_owned()), (waiting, "DEADLOCK".to_owned())]);
}

#[test]
fn a_permit_that_others_may_release_makes_no_edge_unless_that_was_declared() {
    for (deadlock, expected) in [(None, None), (Some(OnDeadlock::Raise), Some(true))] {
        let mut space = Space::default();
        let [a, b, ..] = four(&mut space);
        let options = semaphore::Options { limit: Some(2), deadlock, ..Default::default() };
        space.ask(a.session, on_semaphore("s", semaphore::Command::Declare(options))).unwrap();
        a.has(&mut space, acquire("s", 1, NOW));
        b.has(&mut space, acquire("s", 1, NOW));
        a.waits(&mut space, acquire("s", 1, FOREVER));
        b.call(&mut space, acquire("s", 1, FOREVER));
        assert_eq!(space.deadlocks.first().map(|found| found.raised), expected);
    }
}

#[test]
fn two_ways_to_the_same_participant_are_no_cycle() {
    let mut space = Space::default();
    let [a, b, c, d] = four(&mut space);
    a.has(&mut space, lock("a", NOW));
    b.has(&mut space, read("rw", NOW));
    c.has(&mut space, read("rw", NOW));
    d.has(&mut space, lock("d", NOW));
    b.waits(&mut space, lock("a", FOREVER));
    c.waits(&mut space, lock("a", FOREVER));
    d.waits(&mut space, write("rw", FOREVER));
    assert!(space.deadlocks.is_empty());
    a.deadlocks(&mut space, lock("d", FOREVER));
}

#[test]
fn a_wait_with_a_timeout_is_reported_and_goes_on() {
    let mut space = Space::default();
    let [a, b, ..] = four(&mut space);
    a.has(&mut space, lock("m", NOW));
    b.has(&mut space, lock("n", NOW));
    let timed = a.waits(&mut space, lock("n", seconds(60)));
    let found = |space: &mut Space| space.deadlocks.drain(..).map(|found| found.raised).collect::<Vec<_>>();
    let first = b.waits(&mut space, lock("m", FOREVER));
    assert_eq!(found(&mut space), [false]);
    space.cancel(b.session, first);
    space.pass_seconds(3);
    let again = b.waits(&mut space, lock("m", FOREVER));
    assert_eq!(found(&mut space), [], "the same is not reported again at once");
    space.cancel(b.session, again);
    space.pass_seconds(8);
    b.waits(&mut space, lock("m", FOREVER));
    assert_eq!(found(&mut space), [false]);
    assert_eq!(short(&space.pass_seconds(60)), [(timed, "TIMED_OUT".to_owned())]);
}

#[test]
fn a_lock_says_what_happens() {
    use OnDeadlock::{Off, Raise, Report};
    let ephemeral = |deadlock| Options { ephemeral: Some(true), deadlock, ..Default::default() };
    let table = [
        (Options::default(), Some(true)),
        (on_deadlock(Raise), Some(true)),
        (on_deadlock(Report), Some(false)),
        (on_deadlock(Off), None),
        (ephemeral(None), Some(false)),
        (ephemeral(Some(Raise)), Some(true)),
    ];
    for (options, expected) in table {
        for closes_with_it in [false, true] {
            let mut space = Space::default();
            let [a, b, ..] = four(&mut space);
            declared(&mut space, a, "m", options);
            let (first, last) = if closes_with_it { ("n", "m") } else { ("m", "n") };
            a.has(&mut space, lock(last, NOW));
            b.has(&mut space, lock(first, NOW));
            a.waits(&mut space, lock(first, FOREVER));
            b.call(&mut space, lock(last, FOREVER));
            assert_eq!(space.deadlocks.first().map(|found| found.raised), expected, "{options:?}");
        }
    }
}

#[test]
fn whoever_waits_for_itself_is_reported_since_others_may_release_the_lock() {
    let mut space = Space::default();
    let [a, ..] = four(&mut space);
    let other = Party { number: 9, ..a };
    a.has(&mut space, lock("l", NOW));
    let waiting = a.waits(&mut space, lock("l", FOREVER));
    assert_eq!((space.deadlocks[0].raised, space.deadlocks[0].participants), (false, 1));
    let answers = other.call(&mut space, unlock("l", None)).1;
    assert_eq!(short(&answers[1..]), [(waiting, "locked".to_owned())]);
}

#[test]
fn participants_of_one_session_deadlock_too() {
    let mut space = Space::default();
    let [a, ..] = four(&mut space);
    let b = Party { number: 9, ..a };
    a.has(&mut space, lock("m", NOW));
    b.has(&mut space, lock("n", NOW));
    a.waits(&mut space, lock("n", FOREVER));
    b.deadlocks(&mut space, lock("m", FOREVER));
}

#[test]
fn who_waits_for_a_notification_can_still_be_woken_and_then_waits_for_the_lock() {
    let mut space = Space::default();
    let [a, b, ..] = four(&mut space);
    space.ask(a.session, condition_of("c", "l", None)).unwrap();
    a.has(&mut space, lock("other", NOW));
    a.has(&mut space, lock("l", NOW));
    let waiting = a.waits(&mut space, wait_for("c", seconds(5)));
    b.has(&mut space, lock("l", NOW));
    let blocked = b.waits(&mut space, lock("other", FOREVER));
    assert!(space.deadlocks.is_empty());
    assert_eq!(space.pass_seconds(5), []);
    assert_eq!(space.deadlocks.len(), 1, "its time is over, and it waits for the lock");
    assert!(!space.deadlocks[0].raised, "nothing but the lock ends it");
    space.cancel(b.session, blocked);
    b.deadlocks(&mut space, lock("other", FOREVER));
    let released = b.call(&mut space, unlock("l", None)).1;
    assert_eq!(short(&released[1..]), [(waiting, "TimedOut".to_owned())]);
}

#[test]
fn what_is_only_on_offer_closes_no_cycle_until_it_is_accepted() {
    type Wanted = fn(&str, Timeout) -> Command;
    for (accepts, wanted) in [(false, lock as Wanted), (true, lock), (false, permit), (true, permit)] {
        let mut space = Space::default();
        let [a, b, ..] = four(&mut space);
        b.has(&mut space, wanted("n", NOW));
        // As one whose caller turned away while it was granted, and who waits for something else.
        let (offered, _) = space.call_by(a.session, a.number, Carrier::Stream, wanted("m", NOW));
        a.waits(&mut space, wanted("n", FOREVER));
        b.waits(&mut space, wanted("m", FOREVER));
        assert_eq!(space.deadlocks, []);
        let answers = match accepts {
            true => space.done(a.session, offered),
            false => space.refuse(a.session, offered),
        };
        let told: Vec<_> = short(&answers).into_iter().map(|(_, told)| told).collect();
        let victims = space.deadlocks.iter().filter(|deadlock| deadlock.raised).count();
        assert_eq!(
            (told.iter().filter(|told| *told == "DEADLOCK").count(), victims),
            match accepts {
                true => (1, 1),
                false => (0, 0),
            }
        );
        assert_eq!(told.len(), 1, "one goes on, or is told: {told:?}");
    }
}

#[test]
fn what_is_held_for_a_lease_closes_no_cycle() {
    let mut space = Space::default();
    let [a, b, ..] = four(&mut space);
    let lease = Some(std::time::Duration::from_secs(5));
    a.has(&mut space, on_lock("m", Do::Acquire(Acquire { lease, ..Acquire::within(NOW) })));
    b.has(&mut space, lock("n", NOW));
    a.waits(&mut space, lock("n", FOREVER));
    let waiting = b.waits(&mut space, lock("m", FOREVER));
    assert_eq!(space.deadlocks, []);
    assert!(space.pass_seconds(5).iter().any(|answer| answer.op == waiting && answer.outcome.is_ok()));
}

#[test]
fn who_waits_for_a_deadlock_of_others_closes_none() {
    let mut space = Space::default();
    let [a, b, c, ..] = four(&mut space);
    declared(&mut space, a, "m", on_deadlock(OnDeadlock::Report));
    a.has(&mut space, lock("m", NOW));
    b.has(&mut space, lock("n", NOW));
    c.has(&mut space, lock("o", NOW));
    a.waits(&mut space, lock("n", FOREVER));
    b.waits(&mut space, lock("m", FOREVER));
    assert_eq!(space.deadlocks.len(), 1);
    c.waits(&mut space, lock("m", FOREVER));
    assert_eq!(space.deadlocks.len(), 1);
}

#[test]
fn a_lock_that_nobody_owns_has_no_edges() {
    let mut space = Space::default();
    let [a, b, ..] = four(&mut space);
    let unowned = Some(bridge_core::command::Ownership::None);
    declared(&mut space, a, "m", Options { ownership: unowned, ..Default::default() });
    a.has(&mut space, lock("m", NOW));
    b.has(&mut space, lock("n", NOW));
    a.waits(&mut space, lock("n", FOREVER));
    b.waits(&mut space, lock("m", FOREVER));
    assert!(space.deadlocks.is_empty());
}

#[test]
fn the_options_of_all_kinds_are_checked() {
    let mut space = Space::default();
    let [a, ..] = four(&mut space);
    let deadlock = Some(OnDeadlock::Off);
    let rw =
        |deadlock| on_rwlock("rw", rwlock::Command::Declare(rwlock::Options { deadlock, ephemeral: None }));
    let permits = |deadlock| {
        let options = semaphore::Options { deadlock, ..Default::default() };
        on_semaphore("s", semaphore::Command::Declare(options))
    };
    let lock = |deadlock| on_lock("l", Do::Declare(Options { deadlock, ..Default::default() }));
    let mut check = |declare: &dyn Fn(Option<OnDeadlock>) -> Command| {
        space.ask(a.session, declare(deadlock)).unwrap();
        let error = space.ask(a.session, declare(Some(OnDeadlock::Raise))).unwrap_err();
        assert_eq!((error.reason, error.detail("declared")), (Reason::ConfigMismatch, Some("off")));
        space.ask(a.session, declare(None)).unwrap();
    };
    check(&rw);
    check(&permits);
    check(&lock);
    let described = space.lock(a.session, "l").options;
    assert_eq!(described.deadlock, deadlock);
}

#[test]
fn who_waits_for_several_is_stuck_once_none_of_them_can_come() {
    for (other, expected) in [(get("q", NOW), None), (lock("n", NOW), Some(true)), (lock("free", NOW), None)]
    {
        let mut space = Space::default();
        let [a, b, c, ..] = four(&mut space);
        a.has(&mut space, lock("a", NOW));
        b.has(&mut space, lock("m", NOW));
        b.has(&mut space, lock("n", NOW));
        c.has(&mut space, lock("free", NOW));
        a.waits(&mut space, select([lock("m", NOW), other], FOREVER));
        b.call(&mut space, lock("a", FOREVER));
        assert_eq!(space.deadlocks.first().map(|found| found.raised), expected);
    }
}

#[test]
fn a_select_may_be_the_victim() {
    for (timeout, expected) in [(FOREVER, true), (seconds(5), false)] {
        let mut space = Space::default();
        let [a, b, ..] = four(&mut space);
        a.has(&mut space, lock("a", NOW));
        b.has(&mut space, lock("m", NOW));
        b.has(&mut space, lock("n", NOW));
        b.waits(&mut space, lock("a", FOREVER));
        a.call(&mut space, select([lock("m", NOW), lock("n", NOW)], timeout));
        assert_eq!(space.deadlocks.first().map(|found| found.raised), Some(expected));
    }
}

/// Each of them holds a lock and waits for that of the next; the last waits for that of the first.
#[test]
fn a_cycle_may_be_as_long_as_there_are_waits() {
    const LENGTH: u32 = 100_000;
    let (mut engine, mut effects) = (Engine::new(1, Limits::default()), Vec::new());
    let mut handle = |input| {
        effects.clear();
        engine.handle(Time::from_micros(1), input, &mut effects);
        std::mem::take(&mut effects)
    };
    let opened = handle(Input::Open(spec(1, SessionMode::Direct)));
    let [Effect::Opened(Ok(Opened { session, .. }))] = opened[..] else { panic!("not opened: {opened:?}") };
    let mut call = |participant: u32, wanted: u32, timeout: Timeout| {
        let op = Op(u64::from(participant) * 2 + u64::from(participant != wanted) + 1);
        let command = lock(&(wanted % LENGTH).to_string(), timeout);
        let participant = ParticipantId(participant);
        handle(Input::Call(session, Call { op, participant, carrier: Carrier::Stream, command }))
    };
    for number in 0..LENGTH {
        assert_eq!(call(number, number, NOW).len(), 1);
    }
    for number in 0..LENGTH - 1 {
        assert_eq!(call(number, number + 1, FOREVER), []);
    }
    let effects = call(LENGTH - 1, LENGTH, FOREVER);
    let Effect::Deadlock(found) = &effects[0] else { panic!("not reported: {effects:?}") };
    assert_eq!((found.raised, found.participants, found.waits.len()), (true, u64::from(LENGTH), 16));
    let more = ", and so on by way of 99984 more back to the first";
    assert!(found.to_string().ends_with(more), "{found}");
    assert_eq!(reason(&answers(effects)[0].outcome), Reason::Deadlock);
}

#[test]
fn a_second_reader_that_wants_to_write_is_one_as_well() {
    let mut space = Space::default();
    let [a, b, ..] = four(&mut space);
    a.has(&mut space, read("rw", NOW));
    b.has(&mut space, read("rw", NOW));
    a.waits(&mut space, write("rw", FOREVER));
    b.deadlocks(&mut space, write("rw", FOREVER));
    b.has(&mut space, stop("rw", Mode::Read, None));
}
