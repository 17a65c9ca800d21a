//! Semantics 1, "Prefetch": what is offered ahead of need is recalled without its consumer's thread.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::queue::{Batch, Command, Mode, Taking};
use bridge_core::{Reason, Timeout};

use super::super::Slot;
use super::world::{TTL, World, number};

fn ahead(world: &mut World, client: usize) -> Arc<Slot> {
    let taking = Taking { prefetch: true, ..Taking::new(Mode::Get, Batch::ONE) };
    world.queue(client, Command::Take { taking, timeout: Timeout::Never })
}

/// Client 0 has prefetched 1 and 2.
fn prefetched() -> (World, [Arc<Slot>; 2]) {
    let mut world = World::ready(2);
    let slots = [ahead(&mut world, 0), ahead(&mut world, 0)];
    world.exchange(0);
    (1..=2).for_each(|n| drop(world.put(1, n, Timeout::NOW)));
    world.exchange(1);
    world.exchange(0);
    assert!(slots.iter().all(|slot| slot.is_ready()));
    (world, slots)
}

fn taken(world: &mut World, client: usize, slot: &Slot) -> Option<u64> {
    number(&world.accept(client, slot).expect("it has ended"))
}

fn is_recalled(world: &mut World, slot: &Slot) -> bool {
    let outcome = world.accept(0, slot).expect("it has ended");
    outcome.is_err_and(|error| error.reason == Reason::Cancelled)
}

#[test]
fn who_waits_gets_what_a_busy_client_has_not_taken() {
    let (mut world, [first, second]) = prefetched();
    let take = world.take(1, Mode::Get, Timeout::Never);
    world.exchange(1);
    assert!(!take.is_ready());
    // Nobody of client 0 does anything: its frames are read and written by whoever carries it.
    world.exchange(0);
    world.exchange(1);
    assert_eq!(taken(&mut world, 1, &take), Some(2), "the newest");
    assert!(is_recalled(&mut world, &second));
    assert_eq!(taken(&mut world, 0, &first), Some(1));
}

#[test]
fn a_recall_that_crosses_an_accept_takes_nothing_away() {
    let (mut world, [first, second]) = prefetched();
    let take = world.take(1, Mode::Get, Timeout::Never);
    world.exchange(1);
    assert_eq!(taken(&mut world, 0, &second), Some(2), "the recall is on its way");
    world.exchange(0);
    assert!(first.is_ready() && !take.is_ready());
    world.advance(Duration::from_millis(10));
    world.exchange(0);
    world.exchange(1);
    assert_eq!(taken(&mut world, 1, &take), Some(1), "the next one was recalled when the accept came");
    assert!(is_recalled(&mut world, &first));
}

#[test]
fn a_grant_that_is_claimed_and_refused_goes_to_who_waits() {
    let (mut world, [_, second]) = prefetched();
    let take = world.take(1, Mode::Get, Timeout::Never);
    world.exchange(1);
    let now = world.now();
    let claimed = world.clients[0].session.claim(now, &second).expect("it is there");
    world.exchange(0);
    assert!(!take.is_ready(), "it is in its consumer's hand");
    let refused = world.clients[0].session.settle(now, claimed.op, super::super::Settle::Refuse);
    assert_eq!(refused, Ok(()));
    world.exchange(0);
    world.exchange(1);
    assert_eq!(taken(&mut world, 1, &take), Some(2));
}

#[test]
fn a_recall_that_is_lost_with_the_stream_comes_again() {
    let (mut world, [first, second]) = prefetched();
    let take = world.take(1, Mode::Get, Timeout::Never);
    world.exchange(1);
    world.push(0);
    world.cut(0);
    world.exchange(1);
    assert!(first.is_ready() && second.is_ready() && !take.is_ready());
    world.connect(0);
    world.exchange(0);
    world.exchange(1);
    assert!(take.is_ready(), "one of them has gone back");
    let got = taken(&mut world, 1, &take);
    assert_eq!(got, Some(2));
    assert!(is_recalled(&mut world, &second));
}

#[test]
fn what_a_dead_session_had_goes_to_who_waits() {
    let (mut world, slots) = prefetched();
    let take = world.take(1, Mode::Get, Timeout::Never);
    world.exchange(1);
    world.cut(0);
    world.advance_without(0, 2 * TTL);
    assert_eq!(taken(&mut world, 1, &take), Some(1));
    world.connect(0);
    world.exchange(0);
    assert!(
        !slots[1].is_ready() || taken(&mut world, 0, &slots[1]).is_none_or(|n| n == 2),
        "2 is offered anew"
    );
}

#[test]
fn who_waits_for_what_he_prefetches_stands_in_line_in_a_new_session_too() {
    let mut world = World::ready(2);
    let slot = ahead(&mut world, 0);
    world.exchange(0);
    let now = world.now();
    world.clients[0].session.hasten(now, &slot);
    world.exchange(0);
    world.restart();
    (0..2).for_each(|client| world.connect(client));
    world.exchange_all();
    let behind = world.take(1, Mode::Get, Timeout::Never);
    world.put(1, 7, Timeout::NOW);
    world.exchange_all();
    world.exchange_all();
    assert_eq!(taken(&mut world, 0, &slot), Some(7));
    assert!(!behind.is_ready());
}
