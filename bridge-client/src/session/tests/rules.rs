//! What a session promises, rule by rule.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::{Command, queue, semaphore};
use bridge_core::ids::{Name, ParticipantId};
use bridge_core::view::ObjectPage;
use bridge_core::{Error, Reason, Reply, Request, Timeout};
use syncbridge_proto::v1 as pb;

use super::super::{Completions, GRACE, Settle, Submission, Verdict};
use super::world::{TTL, Which, World, number};
use crate::object::{Declaration, Object, Origin};

const SECOND: Duration = Duration::from_secs(1);
const GET: queue::Mode = queue::Mode::Get;

fn available(world: &mut World, client: usize) -> i64 {
    use bridge_core::Query;
    let target = world.clients[client].semaphore.target();
    let query = Request::Query(Query::Semaphore(target, semaphore::Query::Describe));
    let slot = world.submit(client, super::world::Which::Semaphore, query);
    world.exchange(client);
    match world.accept(client, &slot) {
        Some(Ok(Reply::Semaphore(semaphore::Reply::Described(figures)))) => figures.available,
        other => panic!("{other:?}"),
    }
}

fn reason(outcome: Option<bridge_core::Outcome>) -> Reason {
    outcome.expect("the call has ended").expect_err("the call failed").reason
}

#[test]
fn calls_that_are_ready_together_leave_in_one_frame() {
    let mut world = World::ready(1);
    for n in 0..4 {
        world.put(0, n, Timeout::NOW);
    }
    let now = world.now();
    let frame = world.clients[0].session.next_frame(now).unwrap();
    assert_eq!(frame.commands.len(), 4);
    assert!(world.clients[0].session.next_frame(now).is_none());
}

#[test]
fn a_large_outbox_is_cut_into_frames() {
    let mut world = World::ready(1);
    for _ in 0..3 {
        let payload = bridge_core::Payload::new(Default::default(), vec![0; 300 << 10]);
        let item = queue::NewItem::new(payload);
        world.queue(0, queue::Command::Put { item, timeout: Timeout::NOW });
    }
    let now = world.now();
    let counts: Vec<_> = std::iter::from_fn(|| world.clients[0].session.next_frame(now))
        .map(|frame| frame.commands.len())
        .collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn an_accept_leaves_within_milliseconds() {
    let mut world = World::ready(1);
    world.put(0, 7, Timeout::NOW);
    let take = world.take(0, GET, Timeout::NOW);
    world.exchange(0);
    assert_eq!(number(&world.accept(0, &take).unwrap()), Some(7));
    let now = world.now();
    let session = &mut world.clients[0].session;
    assert!(session.next_frame(now).is_none());
    let due = session.next_deadline().unwrap();
    assert!(due.since(now) <= Duration::from_millis(5));
    assert_eq!(session.next_frame(due).unwrap().done.len(), 1);
}

#[test]
fn a_flush_is_over_when_the_server_has_everything() {
    let mut world = World::ready(1);
    world.put(0, 7, Timeout::NOW);
    let take = world.take(0, GET, Timeout::NOW);
    world.exchange(0);
    world.accept(0, &take).unwrap().unwrap();
    world.clients[0].session.flush();
    assert!(!world.clients[0].session.is_flushed());
    world.exchange(0);
    assert!(world.clients[0].session.is_flushed());
}

#[test]
fn heartbeats_leave_every_third_of_the_ttl_and_their_silence_is_noticed() {
    let mut world = World::ready(1);
    world.advance(TTL / 3);
    let now = world.now();
    let session = &mut world.clients[0].session;
    assert_ne!(session.next_frame(now).unwrap().heartbeat, 0);
    session.on_progress(now + SECOND);
    let until = session.next_deadline().unwrap();
    assert!(until >= now + SECOND + SECOND, "what arrives, whatever it is, is a sign of life");
    assert_eq!(session.on_time(now, &mut Completions::default()), Verdict::Continue);
    assert!(matches!(session.on_time(until, &mut Completions::default()), Verdict::Reconnect(_)));
}

#[test]
fn a_farewell_before_the_welcome_says_that_the_session_is_over() {
    let mut world = World::ready(1);
    let now = world.now();
    let session = &mut world.clients[0].session;
    session.on_lost(now);
    session.on_connected(now);
    assert!(session.next_frame(now).unwrap().hello.is_some());
    assert!(session.is_alive(now), "a stream that is lost says nothing of the session");
    let farewell = Error::new(Reason::SessionExpired, "the session was closed");
    let frame = pb::AttachResponse { farewell: Some(farewell.into()), ..Default::default() };
    let verdict = session.on_frame(now, frame, &mut Completions::default());
    assert!(matches!(verdict, Verdict::Reconnect(_)));
    assert!(!session.is_alive(now));
}

#[test]
fn an_echo_says_that_the_session_was_alive_when_that_heartbeat_left() {
    let mut world = World::ready(1);
    world.advance(TTL / 3);
    let now = world.now();
    let session = &mut world.clients[0].session;
    let heartbeats = [0, 1, 2].map(|seconds| {
        session.flush();
        session.next_frame(now + seconds * SECOND).unwrap().heartbeat
    });
    let mut echo = |heartbeat| {
        let frame = pb::AttachResponse { heartbeat, ..Default::default() };
        session.on_frame(now + 2 * SECOND, frame, &mut Completions::default());
        let long = TTL - TTL / 8 - Duration::from_micros(1);
        [0, 1, 2].map(|seconds| session.is_alive(now + (long + seconds * SECOND)))
    };
    assert_eq!(echo(heartbeats[0]), [true, false, false]);
    assert_eq!(
        echo(heartbeats[1]),
        [true, true, false],
        "a later one has left, and is not what was answered"
    );
    assert_eq!(echo(heartbeats[2]), [true, true, true]);
}

#[test]
fn a_take_without_an_answer_times_out_and_refuses_the_late_grant() {
    let mut world = World::ready(2);
    let take = world.take(0, GET, Timeout::After(2 * SECOND));
    world.send(0);
    world.advance(2 * SECOND + GRACE - Duration::from_millis(1));
    assert!(!take.is_ready());
    world.arrive(0);
    let put = world.put(1, 7, Timeout::NOW);
    world.exchange(1);
    world.accept(1, &put).unwrap().unwrap();
    world.advance(Duration::from_millis(1));
    assert_eq!(reason(world.accept(0, &take)), Reason::Empty);
    world.exchange(0);
    let other = world.take(1, GET, Timeout::NOW);
    world.exchange(1);
    assert_eq!(number(&world.accept(1, &other).unwrap()), Some(7));
}

#[test]
fn a_put_without_an_answer_is_unknown_if_it_had_left() {
    let mut world = World::ready(1);
    let left = world.put(0, 1, Timeout::After(SECOND));
    world.send(0);
    world.cut(0);
    let stayed = world.put(0, 2, Timeout::After(SECOND));
    world.advance(SECOND + GRACE);
    assert_eq!(reason(world.accept(0, &left)), Reason::OutcomeUnknown);
    assert_eq!(reason(world.accept(0, &stayed)), Reason::Unavailable);
}

#[test]
fn what_does_not_wait_ends_within_a_ttl() {
    let mut world = World::ready(1);
    world.cut(0);
    let slot = world.queue(0, queue::Command::TaskDone { count: 1 });
    world.advance(TTL);
    assert_eq!(reason(world.accept(0, &slot)), Reason::Unavailable);
}

#[test]
fn what_remains_of_a_timeout_is_what_is_sent_again() {
    let mut world = World::ready(1);
    let take = world.take(0, GET, Timeout::After(10 * SECOND));
    world.send(0);
    world.cut(0);
    world.advance(4 * SECOND);
    world.connect(0);
    world.exchange(0);
    world.advance(6 * SECOND);
    world.exchange(0);
    assert_eq!(reason(world.accept(0, &take)), Reason::Empty);
}

#[test]
fn an_accept_that_was_lost_is_told_at_resume() {
    let mut world = World::ready(2);
    world.put(0, 7, Timeout::NOW);
    let take = world.take(0, queue::Mode::Lease, Timeout::NOW);
    world.exchange(0);
    world.accept(0, &take).unwrap().unwrap();
    world.advance(Duration::from_millis(5));
    world.send(0);
    world.cut(0);
    world.connect(0);
    world.exchange(0);
    world.advance(TTL / 2);
    world.exchange_all();
    let other = world.take(1, GET, Timeout::NOW);
    world.exchange(1);
    assert_eq!(reason(world.accept(1, &other)), Reason::Empty);
}

#[test]
fn a_cancelled_wait_says_so_and_one_that_never_left_at_once() {
    let mut world = World::ready(1);
    let wait = world.take(0, GET, Timeout::Never);
    world.exchange(0);
    let unsent = world.take(0, GET, Timeout::Never);
    let now = world.now();
    let mut completions = Completions::default();
    world.clients[0].session.cancel(now, &unsent, &mut completions);
    world.clients[0].session.cancel(now, &wait, &mut completions);
    assert_eq!(reason(world.accept(0, &unsent)), Reason::Cancelled);
    assert!(!wait.is_ready());
    world.exchange(0);
    assert_eq!(reason(world.accept(0, &wait)), Reason::Cancelled);
}

#[test]
fn a_stopped_client_hands_out_no_grant_and_its_wait_moves_on() {
    let mut world = World::ready(2);
    let wait = world.take(0, GET, Timeout::Never);
    world.exchange(0);
    let put = world.put(1, 7, Timeout::NOW);
    world.exchange(1);
    world.accept(1, &put).unwrap().unwrap();
    world.push(0);
    world.advance_without(0, TTL + SECOND);
    let other = world.take(1, GET, Timeout::NOW);
    world.exchange(1);
    assert_eq!(number(&world.accept(1, &other).unwrap()), Some(7));

    world.receive(0);
    assert!(world.accept(0, &wait).is_none(), "the grant of a lost session is handed out");
    world.exchange(0);
    if !world.is_connected(0) {
        world.connect(0);
    }
    world.exchange(0);
    world.put(1, 8, Timeout::NOW);
    world.exchange(1);
    world.exchange(0);
    assert_eq!(number(&world.accept(0, &wait).unwrap()), Some(8));
}

#[test]
fn a_grant_in_its_slot_is_not_handed_out_after_a_stop() {
    let mut world = World::ready(2);
    world.put(0, 7, Timeout::NOW);
    let take = world.take(0, GET, Timeout::Never);
    world.exchange(0);
    assert!(take.is_ready());
    world.advance_without(0, TTL + SECOND);
    assert!(world.accept(0, &take).is_none());
    let other = world.take(1, GET, Timeout::NOW);
    world.exchange(1);
    assert_eq!(number(&world.accept(1, &other).unwrap()), Some(7));
}

#[test]
fn a_short_stop_loses_nothing() {
    let mut world = World::ready(2);
    let take = world.take(0, GET, Timeout::Never);
    world.exchange(0);
    world.put(1, 7, Timeout::NOW);
    world.exchange(1);
    world.push(0);
    world.advance_without(0, TTL - SECOND);
    world.exchange(0);
    assert_eq!(number(&world.accept(0, &take).unwrap()), Some(7));
}

#[test]
fn a_grant_that_was_claimed_before_a_stop_is_not_accepted_after_it() {
    let mut world = World::ready(2);
    world.put(0, 7, Timeout::NOW);
    let take = world.take(0, GET, Timeout::Never);
    world.exchange(0);
    let now = world.now();
    let answered = world.clients[0].session.claim(now, &take).unwrap();
    world.advance_without(0, TTL + SECOND);
    let now = world.now();
    let error = world.clients[0].session.settle(now, answered.op, Settle::Accept).unwrap_err();
    assert_eq!(error.reason, Reason::SessionExpired);
}

#[test]
fn the_release_of_a_lost_permit_changes_nothing_and_says_so() {
    for release_before_resume in [true, false] {
        let mut world = World::ready(2);
        let mine = world.acquire(0, false);
        world.exchange(0);
        world.accept(0, &mine).unwrap().unwrap();
        world.advance(Duration::from_millis(5));
        world.exchange(0);
        let theirs = world.acquire(1, false);
        world.exchange(1);
        world.advance_without(0, TTL + SECOND);
        world.accept(1, &theirs).unwrap().unwrap();
        let release = semaphore::Command::Release { permits: 1, token: None };
        let early = release_before_resume.then(|| world.semaphore(0, release));
        world.exchange(0);
        if !world.is_connected(0) {
            world.connect(0);
        }
        world.exchange(0);
        let slot = early.unwrap_or_else(|| world.semaphore(0, release));
        world.exchange(0);
        assert_eq!(reason(world.accept(0, &slot)), Reason::Stale);
        assert_eq!(available(&mut world, 1), 0);
    }
}

#[test]
fn the_release_of_a_lost_lock_is_told_and_frees_nothing() {
    use bridge_core::command::lock::{self, Command, Grant, Reply as Answered};
    for (by_token, release_before_resume) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut world = World::ready(2);
        world.declare(0, Which::Lock);
        world.declare(1, Which::Lock);
        let acquire = || Command::Acquire(lock::Acquire::within(Timeout::Never));
        let mine = world.lock(0, acquire());
        world.exchange(0);
        let Some(Ok(Reply::Lock(Answered::Acquired(Grant { token, .. })))) = world.accept(0, &mine) else {
            panic!("it is not granted")
        };
        world.advance(Duration::from_millis(5));
        world.exchange(0);
        let theirs = world.lock(1, acquire());
        world.exchange(1);
        world.advance_without(0, TTL + SECOND);
        world.accept(1, &theirs).unwrap().unwrap();
        let release = || Command::Release { token: by_token.then_some(token) };
        let early = release_before_resume.then(|| world.lock(0, release()));
        world.exchange(0);
        if !world.is_connected(0) {
            world.connect(0);
        }
        world.exchange(0);
        let slot = early.unwrap_or_else(|| world.lock(0, release()));
        world.exchange(0);
        assert_eq!(reason(world.accept(0, &slot)), Reason::LockLost);
        let again = world.lock(0, release());
        world.exchange(0);
        assert_ne!(world.accept(0, &again), Some(Ok(Reply::Lock(Answered::Released))), "it is another's");
    }
}

#[test]
fn a_loss_reaches_its_holder_after_a_lost_stream_too_and_is_acknowledged() {
    use bridge_core::command::lock::{Acquire, Command, Grant, Reply as Answered};
    for cut in [false, true] {
        let mut world = World::ready(1);
        world.declare(0, Which::Lock);
        let lease = Some(Duration::from_secs(2));
        let mine = world.lock(0, Command::Acquire(Acquire { lease, ..Acquire::within(Timeout::Never) }));
        world.exchange(0);
        let Some(Ok(Reply::Lock(Answered::Acquired(Grant { token, .. })))) = world.accept(0, &mine) else {
            panic!("it is not granted")
        };
        world.advance(Duration::from_millis(5));
        world.exchange(0);
        assert!(!world.clients[0].session.is_lost(token));
        if cut {
            world.cut(0);
        }
        world.advance(SECOND * 2);
        if cut {
            world.connect(0);
        }
        world.exchange(0);
        assert!(world.clients[0].session.is_lost(token));
        let release = world.lock(0, Command::Release { token: None });
        world.exchange(0);
        assert_eq!(reason(world.accept(0, &release)), Reason::LockLost);
        world.exchange(0);
        world.advance(Duration::from_millis(5));
        world.exchange(0);
        world.cut(0);
        world.connect(0);
        world.exchange(0);
        assert_eq!(world.stored_answers(), 0, "it is not told again");
    }
}

#[test]
fn a_condition_s_wait_ends_with_its_lock_or_tells_that_it_is_lost() {
    use bridge_core::command::{condition, lock};
    for lost in [true, false] {
        let mut world = World::ready(2);
        world.declare(0, Which::Lock);
        world.declare(0, Which::Condition);
        let mine = world.lock(0, lock::Command::Acquire(lock::Acquire::within(Timeout::Never)));
        world.exchange(0);
        world.accept(0, &mine).unwrap().unwrap();
        let wait = world.condition(0, condition::Command::Wait { timeout: Timeout::After(SECOND) });
        world.exchange(0);
        if lost {
            world.advance_without(0, TTL + SECOND);
            world.exchange(0);
            if !world.is_connected(0) {
                world.connect(0);
            }
            world.exchange(0);
            assert_eq!(reason(world.accept(0, &wait)), Reason::LockLost);
            // Another thread of the process has it by now, and keeps it.
            let acquire = lock::Command::Acquire(lock::Acquire::within(Timeout::Never));
            let target = world.clients[0].lock.target();
            let request = Request::Command(Command::Lock(target, acquire));
            let theirs = world.submit_by(ParticipantId(1), 0, Which::Lock, request);
            world.exchange(0);
            world.accept(0, &theirs).unwrap().unwrap();
            for command in [
                condition::Command::Notify { count: None },
                condition::Command::Wait { timeout: Timeout::Never },
            ] {
                let slot = world.condition(0, command);
                assert_eq!(reason(world.accept(0, &slot)), Reason::LockLost);
            }
            let release = world.lock(0, lock::Command::Release { token: None });
            world.exchange(0);
            assert_eq!(reason(world.accept(0, &release)), Reason::LockLost);
        } else {
            world.advance(SECOND * 2);
            world.exchange(0);
            assert!(world.accept(0, &wait).is_some_and(|outcome| outcome.is_ok()));
        }
    }
}

#[test]
fn the_token_of_a_lost_permit_is_stale() {
    let mut world = World::ready(2);
    let mine = world.acquire(0, true);
    world.exchange(0);
    let Some(Ok(Reply::Semaphore(semaphore::Reply::Acquired(token)))) = world.accept(0, &mine) else {
        panic!()
    };
    world.advance_without(0, TTL + SECOND);
    let slot = world.semaphore(0, semaphore::Command::Release { permits: 1, token: Some(token) });
    world.exchange(0);
    if !world.is_connected(0) {
        world.connect(0);
    }
    world.exchange(0);
    assert_eq!(reason(world.accept(0, &slot)), Reason::Stale);
}

#[test]
fn after_a_restart_waits_move_and_puts_that_had_left_are_unknown() {
    let mut world = World::ready(2);
    let waits: Vec<_> = (0..100).map(|_| world.take(0, GET, Timeout::Never)).collect();
    world.exchange(0);
    let left = world.put(1, 1, Timeout::Never);
    world.send(1);
    world.restart();
    let stayed = world.put(1, 2, Timeout::Never);
    for client in 0..2 {
        world.connect(client);
    }
    world.exchange_all();
    world.exchange_all();
    assert_eq!(reason(world.accept(1, &left)), Reason::OutcomeUnknown);
    world.accept(1, &stayed).unwrap().unwrap();
    assert_eq!(number(&world.accept(0, &waits[0]).unwrap()), Some(2));
    assert!(waits[1..].iter().all(|wait| !wait.is_ready()));
}

#[test]
fn handles_stay_usable_and_keep_their_options_after_a_restart() {
    let mut world = World::ready(1);
    world.restart();
    world.connect(0);
    let puts: Vec<_> = (0..5).map(|n| world.put(0, n, Timeout::NOW)).collect();
    world.exchange(0);
    for put in &puts[..4] {
        world.accept(0, put).unwrap().unwrap();
    }
    assert_eq!(reason(world.accept(0, &puts[4])), Reason::Full);
}

#[test]
fn a_failed_session_ends_every_call() {
    let mut world = World::ready(1);
    let wait = world.take(0, GET, Timeout::Never);
    let put = world.put(0, 1, Timeout::Never);
    world.send(0);
    let mut completions = Completions::default();
    let error = bridge_core::Error::new(Reason::Unavailable, "over");
    world.clients[0].session.fail(error, &mut completions);
    assert_eq!(reason(world.accept(0, &wait)), Reason::Unavailable);
    assert_eq!(reason(world.accept(0, &put)), Reason::OutcomeUnknown);
    let later = world.take(0, GET, Timeout::Never);
    assert_eq!(reason(world.accept(0, &later)), Reason::Unavailable);
}

/// An ephemeral queue that a client has declared.
fn declared(world: &mut World) -> Arc<Object> {
    let options = queue::Options { ephemeral: Some(true), ..Default::default() };
    let name = Name::parse("queue", "anonymous").unwrap();
    let object = Arc::new(Object::new(name, Declaration::Queue(options), Origin::Named));
    let (now, request) = (world.now(), object.declare());
    let who = ParticipantId(0);
    let submission = Submission { who, object: object.clone(), request };
    let slot = world.clients[0].session.submit(now, submission);
    world.exchange(0);
    world.accept(0, &slot).unwrap().unwrap();
    object
}

fn exists(world: &World, object: &Object) -> bool {
    world
        .namespace
        .read(|engine, now| engine.object(now, object.kind(), object.name(), ObjectPage::default()).is_some())
}

#[test]
fn a_discard_leaves_within_milliseconds() {
    let mut world = World::ready(1);
    let object = declared(&mut world);
    let now = world.now();
    let session = &mut world.clients[0].session;
    session.discard(now, &object);
    let due = session.next_deadline().unwrap();
    assert!(due.since(now) <= Duration::from_millis(5));
    world.advance(due.since(now));
    world.exchange(0);
    assert!(!exists(&world, &object));
}

#[test]
fn a_flush_does_not_wait_for_what_only_acknowledges_answers() {
    let mut world = World::ready(1);
    let object = declared(&mut world);
    let now = world.now();
    let session = &mut world.clients[0].session;
    session.discard(now, &object);
    session.flush();
    assert!(!session.is_flushed());
    world.exchange(0);
    assert!(world.clients[0].session.is_flushed());
    assert!(!exists(&world, &object));
}

#[test]
fn a_discard_survives_a_lost_stream() {
    let mut world = World::ready(1);
    let object = declared(&mut world);
    let now = world.now();
    world.clients[0].session.discard(now, &object);
    world.send(0);
    world.cut(0);
    world.connect(0);
    world.exchange(0);
    assert!(!exists(&world, &object));
}

#[test]
fn what_was_discarded_is_not_declared_in_a_new_session() {
    let mut world = World::ready(1);
    let object = declared(&mut world);
    let (now, target) = (world.now(), object.target());
    let take =
        queue::Command::Take { taking: queue::Taking::new(GET, queue::Batch::ONE), timeout: Timeout::Never };
    let request = Request::Command(Command::Queue(target, take));
    let submission = Submission { who: ParticipantId(0), object, request };
    let session = &mut world.clients[0].session;
    let object = submission.object.name().clone();
    let discarded = Object::new(object, Declaration::Queue(Default::default()), Origin::Named);
    let slot = session.submit(now, submission);
    world.send(0);
    let session = &mut world.clients[0].session;
    session.abandon(now, &slot);
    session.discard(now, &discarded);
    world.restart();
    world.connect(0);
    world.exchange(0);
    assert!(!exists(&world, &discarded));
}

#[test]
fn a_discard_that_cannot_leave_keeps_nobody_busy() {
    let mut world = World::ready(1);
    let object = declared(&mut world);
    world.advance_without(0, TTL - SECOND);
    let now = world.now();
    let session = &mut world.clients[0].session;
    session.discard(now, &object);
    let due = session.next_deadline().unwrap().max(now + Duration::from_millis(5));
    assert!(session.next_frame(due).unwrap().commands.is_empty(), "only a heartbeat leaves");
    assert!(session.next_deadline().unwrap() > due + SECOND);
}

/// The first stream after the loss opens a new session, and its welcome never arrives: the next one resumes that session,
/// which is not the one that was lost.
#[test]
fn a_session_that_was_opened_unnoticed_is_not_taken_for_the_lost_one() {
    let mut world = World::ready(2);
    let held = world.acquire(0, false);
    world.exchange(0);
    world.accept(0, &held).unwrap().unwrap();
    world.advance_without(0, TTL + SECOND);
    world.cut(0);
    world.connect(0);
    world.send(0);
    world.arrive(0);
    world.cut(0);
    world.connect(0);
    let slot = world.semaphore(0, semaphore::Command::Release { permits: 1, token: None });
    world.exchange(0);
    assert_eq!(reason(world.accept(0, &slot)), Reason::Stale);
    assert_eq!(available(&mut world, 1), 1);
}

#[test]
fn a_lock_that_nobody_owns_outlives_its_session_and_is_released_in_the_next() {
    use bridge_core::command::Ownership;
    use bridge_core::command::lock::{Acquire, Command, Options};
    let mut world = World::ready(2);
    let nobodys = Options { ownership: Some(Ownership::None), ..Default::default() };
    for client in [0, 1] {
        let lock = Object::new(Name::parse("name", "n").unwrap(), Declaration::Lock(nobodys), Origin::Named);
        world.clients[client].lock = Arc::new(lock);
        world.declare(client, Which::Lock);
    }
    let acquire = || Command::Acquire(Acquire::within(Timeout::Never));
    let mine = world.lock(0, acquire());
    world.exchange(0);
    world.accept(0, &mine).unwrap().unwrap();
    world.advance(Duration::from_millis(5));
    world.exchange(0);
    world.advance_without(0, TTL + SECOND);
    let theirs = world.lock(1, acquire());
    world.exchange(1);
    assert!(world.accept(1, &theirs).is_none(), "it is held still");
    world.exchange(0);
    world.connect(0);
    let release = world.lock(0, Command::Release { token: None });
    world.exchange_all();
    world.accept(0, &release).unwrap().unwrap();
    world.accept(1, &theirs).unwrap().unwrap();
}

/// What a stopped client sends first as it goes on is no sign that its session is alive: the answer says that it is not.
#[test]
fn who_is_told_that_the_session_is_over_knows_it_at_once() {
    let mut world = World::ready(2);
    world.put(1, 7, Timeout::NOW);
    let take = world.take(0, GET, Timeout::Never);
    world.exchange_all();
    world.advance_without(0, TTL + SECOND);
    let now = world.now();
    let mut completions = Completions::default();
    world.clients[0].session.on_time(now, &mut completions);
    world.send(0);
    while world.arrive(0) {}
    while world.receive(0) {}
    assert!(!world.clients[0].session.is_alive(now));
    assert!(world.accept(0, &take).is_none(), "the grant of a lost session is handed out");
}
