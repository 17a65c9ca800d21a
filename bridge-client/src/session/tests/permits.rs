//! Bare permits whose session is lost: their holder is told, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::{Command, semaphore};
use bridge_core::ids::{Name, ParticipantId};
use bridge_core::{Outcome, Reason, Request, Timeout};

use super::super::{Slot, Submission};
use super::world::{TTL, World};
use crate::object::{Declaration, Object, Origin};

const SECOND: Duration = Duration::from_secs(1);

const RELEASE: semaphore::Command = semaphore::Command::Release { permits: 1, token: None };

const ACQUIRE: semaphore::Command = semaphore::Command::Acquire(semaphore::Acquire {
    permits: 1,
    by_token: false,
    barge: false,
    timeout: Timeout::Never,
});

fn reason(outcome: Option<Outcome>) -> Reason {
    outcome.expect("the call has ended").expect_err("the call failed").reason
}

fn call_as(world: &mut World, who: u32, command: semaphore::Command) -> Arc<Slot> {
    let (now, object) = (world.now(), world.clients[0].semaphore.clone());
    let request = Request::Command(Command::Semaphore(object.target(), command));
    world.clients[0].session.submit(now, Submission { who: ParticipantId(who), object, request })
}

fn available(world: &World) -> String {
    let standing = |engine: &bridge_core::Engine| {
        let page = engine.objects_page(Some(bridge_core::ids::Kind::Semaphore), None, 10);
        page.into_iter().find(|object| object.name.as_str() == "s").expect("it is there").state
    };
    world.namespace.read(|engine, _| standing(engine))
}

/// Who acquired anew releases what he has; who lost his is told so.
#[test]
fn of_two_bare_holders_the_one_whose_permit_was_lost_is_told() {
    let mut world = World::ready(2);
    let slot = call_as(&mut world, 1, ACQUIRE);
    world.exchange(0);
    world.accept(0, &slot).unwrap().unwrap();
    world.advance_without(0, TTL + SECOND);
    world.cut(0);
    world.connect(0);
    world.exchange(0);
    let slot = call_as(&mut world, 2, ACQUIRE);
    world.exchange(0);
    world.accept(0, &slot).unwrap().unwrap();
    let new = call_as(&mut world, 2, RELEASE);
    let lost = call_as(&mut world, 1, RELEASE);
    world.exchange(0);
    world.accept(0, &new).unwrap().unwrap();
    assert_eq!(reason(world.accept(0, &lost)), Reason::Stale);
    assert!(available(&world).starts_with("available=1 limit=1 signals=0"), "{}", available(&world));
}

/// A release that ends without having been sent is still owed: in a new session it is told that it comes too late.
#[test]
fn a_release_that_never_left_does_not_become_a_signal() {
    let mut world = World::ready(2);
    let slot = world.acquire(0, false);
    world.exchange(0);
    world.accept(0, &slot).unwrap().unwrap();
    world.cut(0);
    let unsent = world.semaphore(0, RELEASE);
    world.advance(TTL + SECOND);
    assert_eq!(reason(world.accept(0, &unsent)), Reason::Unavailable);
    world.connect(0);
    world.exchange(0);
    let late = world.semaphore(0, RELEASE);
    world.exchange(0);
    assert_eq!(reason(world.accept(0, &late)), Reason::Stale);
    assert!(available(&world).starts_with("available=1 limit=1 signals=0"), "{}", available(&world));
}

/// Signals are consumed, not held: none is lost with a session.
#[test]
fn a_signal_that_was_consumed_is_not_lost_with_the_session() {
    let mut world = World::ready(2);
    let name = Name::parse("semaphore", "signals").unwrap();
    let options = semaphore::Options { limit: Some(0), ..Default::default() };
    let object = Arc::new(Object::new(name, Declaration::Semaphore(options), Origin::Named));
    let now = world.now();
    world.clients[0].session.declare(now, &object);
    let call = |world: &mut World, command| {
        let (now, object) = (world.now(), object.clone());
        let request = Request::Command(Command::Semaphore(object.target(), command));
        let slot =
            world.clients[0].session.submit(now, Submission { who: ParticipantId(0), object, request });
        world.exchange(0);
        world.accept(0, &slot).unwrap()
    };
    call(&mut world, RELEASE).unwrap();
    call(&mut world, ACQUIRE).unwrap();
    world.advance_without(0, TTL + SECOND);
    world.cut(0);
    world.connect(0);
    world.exchange(0);
    call(&mut world, RELEASE).unwrap();
}
