//! Commands that leave in pieces.

use std::sync::Arc;

use bridge_core::command::queue::{self, NewItem};
use bridge_core::command::{Command, semaphore};
use bridge_core::ids::ParticipantId;
use bridge_core::payload::ContentType;
use bridge_core::{Outcome, Payload, Reason, Reply, Request, Timeout};
use syncbridge_proto::pieces::Sizes;
use syncbridge_proto::v1 as pb;

use super::super::{Completions, Slot};
use super::world::{Which, World};

const BYTES: usize = 1_000;

fn world() -> World {
    let mut world = World::ready(1);
    world.clients[0].session.set_piece_sizes(Sizes { large: 500, piece: 300 });
    world
}

/// Puts something large.
fn put_large(world: &mut World, who: u32) -> Arc<Slot> {
    let item = NewItem::new(Payload::new(ContentType::Bytes, vec![7; BYTES]));
    let put = queue::Command::Put { item, timeout: Timeout::NOW };
    let target = world.clients[0].queue.target();
    let request = Request::Command(Command::Queue(target, put));
    world.submit_by(ParticipantId(who), 0, Which::Queue, request)
}

fn release(world: &mut World, who: u32) -> Arc<Slot> {
    let release = semaphore::Command::Release { permits: 1, token: None };
    let request = Request::Command(Command::Semaphore(world.clients[0].semaphore.target(), release));
    world.submit_by(ParticipantId(who), 0, Which::Semaphore, request)
}

fn next(world: &mut World) -> pb::AttachRequest {
    let now = world.now();
    world.clients[0].session.next_frame(now).expect("something leaves")
}

/// Whose commands a frame has, and which piece.
fn short(frame: &pb::AttachRequest) -> (Vec<u32>, Option<u64>) {
    let whose = frame.commands.iter().map(|command| command.participant).collect();
    (whose, frame.piece.as_ref().map(|piece| piece.offset))
}

fn is_put(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Ok(Reply::Queue(queue::Reply::Put(_)))))
}

#[test]
fn the_calls_of_others_go_between_and_one_s_own_wait() {
    let mut world = world();
    put_large(&mut world, 1);
    release(&mut world, 1);
    release(&mut world, 2);
    assert_eq!(short(&next(&mut world)), (vec![2], Some(0)));
    release(&mut world, 3);
    put_large(&mut world, 2);
    assert_eq!(short(&next(&mut world)), (vec![3], Some(300)));
    release(&mut world, 2);
    assert_eq!(short(&next(&mut world)), (vec![], Some(600)), "2 has something large to say first");
    assert_eq!(short(&next(&mut world)), (vec![], Some(900)));
    assert_eq!(short(&next(&mut world)), (vec![1], Some(0)), "the other large one begins");
    for offset in [300, 600, 900] {
        assert_eq!(short(&next(&mut world)), (vec![], Some(offset)));
    }
    assert_eq!(short(&next(&mut world)), (vec![2], None));
}

#[test]
fn it_is_executed_once_though_its_stream_is_cut_at_any_piece() {
    for arrived in 0..5 {
        let mut world = world();
        let slot = put_large(&mut world, 0);
        world.send(0);
        (0..arrived).for_each(|_| assert!(world.arrive(0) || arrived == 4));
        world.cut(0);
        world.connect(0);
        world.exchange(0);
        assert!(is_put(world.accept(0, &slot)), "cut after {arrived} pieces");
        assert_eq!(world.ready_items(0), 1);
    }
}

#[test]
fn withdrawn_before_its_last_piece_it_was_never_asked() {
    let mut world = world();
    let slot = put_large(&mut world, 0);
    next(&mut world);
    let (now, mut completions) = (world.now(), Completions::default());
    world.clients[0].session.cancel(now, &slot, &mut completions);
    completions.deliver();
    let outcome = world.accept(0, &slot).expect("it has ended");
    assert_eq!(outcome.expect_err("it was withdrawn").reason, Reason::Cancelled);
    assert_eq!(next(&mut world).piece, Some(pb::Piece::default()), "the server may forget what it has of it");
}

#[test]
fn a_session_that_is_replaced_meanwhile_asks_again() {
    let mut world = world();
    let slot = put_large(&mut world, 0);
    next(&mut world);
    world.cut(0);
    world.restart();
    world.connect(0);
    world.exchange(0);
    assert!(is_put(world.accept(0, &slot)), "nothing of it can have been executed");
}
