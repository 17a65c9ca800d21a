//! What calls bring is bounded; what brings nothing always passes.

use std::time::Duration;

use bridge_core::command::semaphore;
use bridge_core::{Reason, Timeout};

use super::super::{Completions, Slot};
use super::world::{TTL, World};

/// Room for two of the items that the tests put, and not for three.
const TWO_ITEMS: usize = 150;

const SECOND: Duration = Duration::from_secs(1);

fn bounded() -> World {
    let mut world = World::ready(1);
    world.bound(0, TWO_ITEMS);
    world
}

fn reason(world: &mut World, slot: &Slot) -> Reason {
    world.accept(0, slot).expect("the call has ended").expect_err("the call failed").reason
}

#[test]
fn what_finds_no_room_waits_for_the_answers_of_others() {
    let mut world = bounded();
    let slots: Vec<_> = (0..4).map(|n| world.put(0, n, Timeout::Never)).collect();
    let now = world.now();
    let frame = world.clients[0].session.next_frame(now).unwrap();
    assert_eq!(frame.commands.len(), 2);
    assert!(world.clients[0].session.next_frame(now).is_none());
    assert!(!world.clients[0].session.is_flushed());
    world.cut(0);
    world.connect(0);
    world.exchange(0);
    for slot in slots {
        world.accept(0, &slot).unwrap().unwrap();
    }
    assert_eq!(world.clients[0].session.room.used, 0);
}

#[test]
fn without_a_connection_it_ends_full_at_its_deadline_and_nothing_of_it_was_sent() {
    let mut world = bounded();
    world.cut(0);
    let admitted = [world.put(0, 1, Timeout::Never), world.put(0, 2, Timeout::Never)];
    let late = world.put(0, 3, Timeout::After(SECOND));
    let never = world.put(0, 4, Timeout::NOW);
    assert_eq!(reason(&mut world, &never), Reason::Full);
    world.advance(SECOND);
    assert_eq!(reason(&mut world, &late), Reason::Full);
    world.connect(0);
    world.exchange(0);
    for slot in &admitted {
        world.accept(0, slot).unwrap().unwrap();
    }
    assert_eq!(world.ready_items(0), 2);
}

#[test]
fn releases_and_takes_need_no_room() {
    let mut world = World::ready(1);
    let held = world.acquire(0, false);
    world.exchange(0);
    world.accept(0, &held).unwrap().unwrap();
    world.bound(0, 1);
    let stuck: Vec<_> = (0..3).map(|n| world.put(0, n, Timeout::Never)).collect();
    let release = world.semaphore(0, semaphore::Command::Release { permits: 1, token: None });
    let now = world.now();
    let frame = world.clients[0].session.next_frame(now).unwrap();
    assert_eq!(frame.commands.len(), 2, "one put, which fits alone, and the release");
    world.cut(0);
    world.connect(0);
    world.exchange(0);
    world.accept(0, &release).unwrap().unwrap();
    stuck.iter().for_each(|slot| assert!(world.accept(0, slot).unwrap().is_ok()));
}

#[test]
fn whoever_gives_up_makes_room() {
    let mut world = bounded();
    world.cut(0);
    let slots: Vec<_> = (0..5).map(|n| world.put(0, n, Timeout::Never)).collect();
    let now = world.now();
    let mut completions = Completions::default();
    world.clients[0].session.cancel(now, &slots[3], &mut completions);
    assert_eq!(reason(&mut world, &slots[3]), Reason::Cancelled);
    world.clients[0].session.abandon(now, &slots[0]);
    world.clients[0].session.abandon(now, &slots[4]);
    let room = &world.clients[0].session.room;
    assert!(room.waiting.is_empty() && room.used <= TWO_ITEMS, "{room:?}");
    world.connect(0);
    world.exchange(0);
    assert_eq!(world.ready_items(0), 2);
}

#[test]
fn who_waits_for_room_moves_to_a_new_session() {
    let mut world = bounded();
    let slots: Vec<_> = (0..4).map(|n| world.put(0, n, Timeout::Never)).collect();
    world.send(0);
    world.cut(0);
    world.restart();
    world.advance(TTL);
    world.connect(0);
    world.exchange(0);
    for slot in &slots[..2] {
        assert_eq!(reason(&mut world, slot), Reason::OutcomeUnknown, "they had left");
    }
    for slot in &slots[2..] {
        world.accept(0, slot).unwrap().unwrap();
    }
    assert_eq!(world.ready_items(0), 2);
}

#[test]
fn a_failed_session_leaves_nobody_waiting() {
    let mut world = bounded();
    let slots: Vec<_> = (0..4).map(|n| world.put(0, n, Timeout::Never)).collect();
    let mut completions = Completions::default();
    world.clients[0].session.fail(bridge_core::Error::new(Reason::SessionDenied, "no"), &mut completions);
    for slot in &slots {
        assert_eq!(reason(&mut world, slot), Reason::SessionDenied);
    }
    assert!(world.clients[0].session.is_flushed());
}
