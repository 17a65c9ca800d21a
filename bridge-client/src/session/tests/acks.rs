//! Acks that nobody awaits, and that leave as one.

use std::sync::Arc;

use bridge_core::command::{Command, queue};
use bridge_core::ids::{ParticipantId, Token};
use bridge_core::{Limits, Outcome, Reason, Reply, Request, Timeout};

use super::super::{Slot, Submission};
use super::world::World;

/// Leases so many items and answers with their tokens.
fn lease(world: &mut World, count: u64) -> Vec<Token> {
    let slots: Vec<_> = (0..count)
        .map(|number| {
            world.put(0, number, Timeout::NOW);
            world.take(0, queue::Mode::Lease, Timeout::NOW)
        })
        .collect();
    world.exchange(0);
    let token = |slot: &Arc<Slot>| match world.accept(0, slot) {
        Some(Ok(Reply::Queue(queue::Reply::Taken(taken)))) => taken.deliveries[0].token,
        other => panic!("{other:?}"),
    };
    let tokens = slots.iter().map(token).collect();
    world.exchange(0);
    tokens
}

/// Acknowledges, and does not await it. `None`: an earlier ack stands for it.
fn ack_by(who: u32, world: &mut World, tokens: &[Token]) -> Option<Arc<Slot>> {
    let object = world.clients[0].queue.clone();
    let command = Command::Queue(object.target(), queue::Command::Ack { tokens: tokens.to_vec() });
    let (who, request, now) = (ParticipantId(who), Request::Command(command), world.now());
    world.clients[0].session.submit_later(now, Submission { who, object, request })
}

fn ack(world: &mut World, token: Token) -> Option<Arc<Slot>> {
    ack_by(0, world, &[token])
}

/// The number of commands in the next frame.
fn commands(world: &mut World) -> usize {
    let now = world.now();
    world.clients[0].session.next_frame(now).expect("something leaves").commands.len()
}

fn failed(outcome: Option<Outcome>) -> (Reason, Option<String>) {
    let error = outcome.expect("it has ended").expect_err("it went well");
    (error.reason, error.detail("failed").map(str::to_owned))
}

#[test]
fn acks_of_one_lease_each_leave_as_one() {
    let mut world = World::ready(1);
    let tokens = lease(&mut world, 4);
    let slot = ack(&mut world, tokens[0]).expect("the first is its own");
    assert!(tokens[1..].iter().all(|token| ack(&mut world, *token).is_none()));
    assert_eq!(commands(&mut world), 1);
    world.cut(0);
    world.connect(0);
    world.exchange(0);
    assert_eq!(world.accept(0, &slot).unwrap().unwrap(), Reply::Queue(queue::Reply::Acked));
    assert_eq!(lease(&mut world, 4).len(), 4, "nothing of them is left");
}

#[test]
fn what_was_lost_fails_alone() {
    let mut world = World::ready(1);
    let tokens = lease(&mut world, 4);
    let gone = [Token(tokens[3].0 + 1_000), Token(tokens[3].0 + 1_001)];
    let all = [tokens[0], gone[0], tokens[1], tokens[2], gone[1], tokens[3]];
    let slots: Vec<_> = all.iter().filter_map(|token| ack(&mut world, *token)).collect();
    world.exchange(0);
    assert_eq!(slots.len(), 1);
    assert_eq!(failed(world.accept(0, &slots[0])), (Reason::Stale, Some("2".into())));
    assert_eq!(lease(&mut world, 4).len(), 4, "the others are done");
}

#[test]
fn all_fail_where_all_are_lost_or_the_server_is() {
    let mut world = World::ready(1);
    let tokens = lease(&mut world, 3);
    let slot = ack(&mut world, Token(tokens[2].0 + 1_000)).unwrap();
    assert!(ack(&mut world, Token(tokens[2].0 + 1_001)).is_none());
    world.exchange(0);
    assert_eq!(failed(world.accept(0, &slot)), (Reason::Stale, Some("2".into())));

    let slots: Vec<_> = tokens.iter().filter_map(|token| ack(&mut world, *token)).collect();
    world.restart();
    world.connect(0);
    world.exchange(0);
    assert_eq!(failed(world.accept(0, &slots[0])), (Reason::Stale, Some("3".into())));
}

/// In a new session whose first stream breaks they come before the declaration of their queue, and are asked for once more.
#[test]
fn all_are_counted_though_their_queue_was_declared_anew() {
    let mut world = World::ready(1);
    let tokens = lease(&mut world, 3);
    let slots: Vec<_> = tokens.iter().filter_map(|token| ack(&mut world, *token)).collect();
    world.restart_and_break(0);
    assert_eq!(failed(world.accept(0, &slots[0])), (Reason::Stale, Some("3".into())));
}

#[test]
fn a_server_that_takes_fewer_at_once_gets_one_part_after_the_other() {
    for batch_max in 1..=3 {
        let mut world = World::ready_within(1, Limits { batch_max, ..Limits::default() });
        let tokens = lease(&mut world, 4);
        let gone = Token(tokens[3].0 + 1_000);
        let all = [tokens[0], tokens[1], gone, tokens[2], tokens[3]];
        let slots: Vec<_> = all.iter().filter_map(|token| ack(&mut world, *token)).collect();
        world.exchange(0);
        assert_eq!(failed(world.accept(0, &slots[0])), (Reason::Stale, Some("1".into())), "{batch_max}");
        assert_eq!(lease(&mut world, 4).len(), 4, "the others are done");
    }
}

#[test]
fn only_what_differs_in_nothing_but_its_lease_is_joined() {
    let mut world = World::ready(1);
    let tokens = lease(&mut world, 4);
    assert!(ack(&mut world, tokens[0]).is_some());
    assert!(ack_by(1, &mut world, &tokens[1..2]).is_some(), "another participant");
    assert!(ack_by(1, &mut world, &tokens[2..4]).is_some(), "all of these or none");
    assert!(ack_by(1, &mut world, &tokens[..1]).is_some(), "behind such a one");
    assert!(ack_by(1, &mut world, &tokens[1..2]).is_none());
    world.put(0, 1, Timeout::NOW);
    assert!(ack_by(1, &mut world, &tokens[1..2]).is_some(), "in the order of the calls");
    assert_eq!(commands(&mut world), 6);
    assert!(ack_by(1, &mut world, &tokens[1..2]).is_some(), "the other has left");
}
